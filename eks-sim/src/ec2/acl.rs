//! Network ACLs ("Control traffic to subnets using network ACLs", VPC user guide).

use std::{collections::BTreeMap, net::Ipv4Addr, ops::RangeInclusive};

use serde_json::{Value, json};

use super::{Reply, State, acl_entry, acl_entry::Entry, done, filter::Listing, ids, invalid, quota, tags};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Acl {
    pub(super) vpc: String,
    pub(super) is_default: bool,
    pub(super) entries: Vec<Entry>,
    /// Association id to subnet.
    pub(super) associations: BTreeMap<String, String>,
}

impl Acl {
    /// The one that comes with a VPC, which lets everything through ("Default network ACL").
    pub(super) fn default_of(vpc: &str) -> Self {
        let entries = [false, true].into_iter().flat_map(|egress| [Entry::open(egress, false), Entry::closed(egress, false)]);
        Self { vpc: vpc.to_owned(), is_default: true, entries: entries.collect(), associations: BTreeMap::new() }
    }

    /// A custom one, which lets nothing through until it is told ("Custom network ACLs").
    fn custom(vpc: &str, ipv6: bool) -> Self {
        let families = [false, true].into_iter().filter(|family| ipv6 || !family);
        let entries = families.flat_map(|family| [false, true].map(|egress| Entry::closed(egress, family)));
        Self { vpc: vpc.to_owned(), is_default: false, entries: entries.collect(), associations: BTreeMap::new() }
    }
}

/// "If you associate an IPv6 CIDR block with your VPC, we automatically add rules" ("Default network ACL"); each custom ACL gets
/// the rule that denies the rest.
pub(super) fn open_to_ipv6(state: &mut State, vpc: &str) {
    for acl in state.acls.values_mut().filter(|acl| acl.vpc == vpc && !acl.entries.iter().any(Entry::is_final_ipv6)) {
        for egress in [false, true] {
            if acl.is_default {
                acl.entries.push(Entry::open(egress, true));
            }
            acl.entries.push(Entry::closed(egress, true));
        }
    }
}

/// Ports that answers go to ("Custom network ACLs", "Ephemeral ports": "Many Linux kernels (including the Amazon Linux kernel) use ports
/// 32768-61000"; the kernel's own `ip_local_port_range` ends at 60999). An ACL that lets a part of them through lets some connections
/// fail and others not (assumption: retries find an open port).
const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

impl State {
    /// Whether network ACLs let TCP through from an address in a subnet to another one, in a subnet or outside of all, and its answers back:
    /// they are stateless, and stand at each subnet's border ("Network ACL basics").
    pub(super) fn acls_pass(&self, (subnet, from): (&str, Ipv4Addr), (other, to): (Option<&str>, Ipv4Addr), port: u16) -> bool {
        let acl = |subnet: &str| self.acls.values().find(|acl| acl.associations.values().any(|one| one == subnet));
        let lets = |subnet: &str, egress: bool, peer: Ipv4Addr, port: u16| {
            acl(subnet).is_none_or(|acl| acl_entry::lets(&acl.entries, egress, peer, port))
        };
        let answers = |subnet: &str, egress: bool, peer: Ipv4Addr| {
            acl(subnet).is_none_or(|acl| acl_entry::lets_any(&acl.entries, egress, peer, &EPHEMERAL))
        };
        let leaves = || lets(subnet, true, to, port) && answers(subnet, false, to);
        let enters = |other: &str| lets(other, false, from, port) && answers(other, true, from);
        other == Some(subnet) || leaves() && other.is_none_or(enters)
    }

    pub(super) fn default_acl(&mut self, vpc: &str) -> Option<&mut Acl> {
        self.acls.values_mut().find(|acl| acl.vpc == vpc && acl.is_default)
    }
}

fn render(world: &World, id: &str, acl: &Acl) -> Value {
    let associations: Vec<_> = acl
        .associations
        .iter()
        .map(|(association, subnet)| json!({"networkAclAssociationId": association, "networkAclId": id, "subnetId": subnet}))
        .collect();
    let mut entries: Vec<_> = acl.entries.iter().collect();
    entries.sort_by_key(|entry| (!entry.egress, entry.number));
    let entries: Vec<_> = entries.into_iter().map(acl_entry::render).collect();
    json!({
        "networkAclId": id, "vpcId": acl.vpc, "default": acl.is_default, "entrySet": entries, "associationSet": associations,
        "ownerId": world.account, "tagSet": world.ec2.tag_set(id),
    })
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::NETWORK_ACL.tag_type, &[])?;
    let vpc = args.required("VpcId")?;
    let ipv6 = !ids::VPC.find(&world.ec2.vpcs, vpc)?.ipv6.is_empty();
    let before = world.ec2.made_before("CreateNetworkAcl", args)?.and_then(|made| made.first().cloned());
    let id = match before {
        Some(id) => id,
        None => {
            let count = world.ec2.acls.values().filter(|acl| acl.vpc == vpc).count();
            let message = "The maximum number of network ACLs has been reached.";
            quota::within(count, quota::NETWORK_ACLS_PER_VPC, "NetworkAclLimitExceeded", message)?;
            let id = world.id(ids::NETWORK_ACL.prefix);
            world.ec2.acls.insert(id.clone(), Acl::custom(vpc, ipv6));
            world.ec2.tag(&id, tags);
            world.ec2.remember("CreateNetworkAcl", args, vec![id.clone()]);
            id
        }
    };
    let acl = ids::NETWORK_ACL.find(&world.ec2.acls, &id)?;
    Ok(json!({"networkAcl": render(world, &id, acl), "clientToken": args.str("ClientToken")}))
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NetworkAclId")?;
    let acl = ids::NETWORK_ACL.find(&world.ec2.acls, id)?;
    // "You can't delete the ACL if it's associated with any subnets. You can't delete the default network ACL."
    if acl.is_default {
        return Err(invalid(format!("cannot delete default network ACL {id}")));
    }
    if !acl.associations.is_empty() {
        return Err(ApiError::new("DependencyViolation", format!("The networkAcl '{id}' has dependencies and cannot be deleted.")));
    }
    world.ec2.acls.remove(id);
    world.ec2.tags.remove(id);
    Ok(done())
}

/// A subnet has exactly one network ACL: it is changed by replacing the association.
pub(super) fn replace_association(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let association = args.required("AssociationId")?;
    let to = args.required("NetworkAclId")?;
    let found = world.ec2.acls.iter().find_map(|(id, acl)| Some((id.clone(), acl.vpc.clone(), acl.associations.get(association)?.clone())));
    let (from, vpc, subnet) = found
        .ok_or_else(|| ApiError::new("InvalidAssociationID.NotFound", format!("The association ID '{association}' does not exist")))?;
    if ids::NETWORK_ACL.find(&world.ec2.acls, to)?.vpc != vpc {
        return Err(invalid(format!("Network ACL {to} and subnet {subnet} belong to different networks")));
    }
    let fresh = world.id("aclassoc");
    ids::NETWORK_ACL.find_mut(&mut world.ec2.acls, &from)?.associations.remove(association);
    ids::NETWORK_ACL.find_mut(&mut world.ec2.acls, to)?.associations.insert(fresh.clone(), subnet);
    Ok(json!({"newAssociationId": fresh}))
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.acls.iter().map(|(id, acl)| render(world, id, acl)).collect();
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
            ("entry.cidr", "entrySet.cidrBlock"),
            ("entry.ipv6-cidr", "entrySet.ipv6CidrBlock"),
            ("entry.egress", "entrySet.egress"),
            ("entry.protocol", "entrySet.protocol"),
            ("entry.port-range.from", "entrySet.portRange.from"),
            ("entry.port-range.to", "entrySet.portRange.to"),
            ("entry.icmp.code", "entrySet.icmpTypeCode.code"),
            ("entry.icmp.type", "entrySet.icmpTypeCode.type"),
            ("entry.rule-action", "entrySet.ruleAction"),
            ("entry.rule-number", "entrySet.ruleNumber"),
        ],
        page: Some((5, 1000)),
    }
    .reply(args, items)
}
