//! Network ACLs: only each VPC's default one, which lets everything through.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Reply, State, filter::Listing, ids};
use crate::{
    call::{Args, Caller},
    world::World,
};

#[derive(Debug)]
pub(super) struct Acl {
    pub(super) vpc: String,
    /// Association id to subnet.
    pub(super) associations: BTreeMap<String, String>,
}

impl State {
    pub(super) fn default_acl(&mut self, vpc: &str) -> Option<&mut Acl> {
        self.acls.values_mut().find(|acl| acl.vpc == vpc)
    }
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    // Rules of a default ACL ("Default network ACL", VPC user guide): 100 allows all, 32767 (`*`) denies the rest.
    let entries: Vec<_> = [false, true]
        .into_iter()
        .flat_map(|egress| {
            [(100, "allow"), (32_767, "deny")].map(|(number, action)| {
                json!({"ruleNumber": number, "protocol": "-1", "ruleAction": action, "egress": egress, "cidrBlock": "0.0.0.0/0"})
            })
        })
        .collect();
    let items = world.ec2.acls.iter().map(|(id, acl)| {
        let associations: Vec<_> = acl
            .associations
            .iter()
            .map(|(association, subnet)| json!({"networkAclAssociationId": association, "networkAclId": id, "subnetId": subnet}))
            .collect();
        json!({
            "networkAclId": id, "vpcId": acl.vpc, "default": true, "entrySet": entries, "associationSet": associations,
            "ownerId": world.account, "tagSet": world.ec2.tag_set(id),
        })
    });
    Listing {
        set: "networkAclSet",
        ids: Some(("NetworkAclId", &ids::NETWORK_ACL)),
        key: "networkAclId",
        filters: &[
            ("network-acl-id", "networkAclId"),
            ("vpc-id", "vpcId"),
            ("default", "default"),
            ("owner-id", "ownerId"),
            ("association.association-id", "associationSet.networkAclAssociationId"),
            ("association.network-acl-id", "associationSet.networkAclId"),
            ("association.subnet-id", "associationSet.subnetId"),
        ],
        page: Some((5, 1000)),
    }
    .reply(args, items.collect())
}
