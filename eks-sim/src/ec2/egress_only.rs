//! Egress-only internet gateways ("Enable outbound IPv6 traffic using an egress-only internet gateway", VPC user guide).

use serde_json::{Value, json};

use super::{Reply, filter::Listing, ids, invalid, quota, tags};
use crate::{
    call::{Args, Caller},
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct EgressOnlyGateway {
    pub(super) vpc: String,
}

fn render(world: &World, id: &str, gateway: &EgressOnlyGateway) -> Value {
    json!({
        "egressOnlyInternetGatewayId": id, "attachmentSet": [{"vpcId": gateway.vpc, "state": "attached"}],
        "tagSet": world.ec2.tag_set(id),
    })
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::EGRESS_ONLY_GATEWAY.tag_type, &[])?;
    let vpc = args.required("VpcId")?;
    ids::VPC.find(&world.ec2.vpcs, vpc)?;
    let before = world.ec2.made_before("CreateEgressOnlyInternetGateway", args)?.and_then(|made| made.first().cloned());
    let id = match before {
        Some(id) => id,
        None => {
            let gateways = &world.ec2.egress_only_gateways;
            // "You can attach only one egress-only internet gateway to a VPC at a time" ("Amazon VPC quotas"; its codes are not
            // told: those of internet gateways, an assumption).
            if gateways.values().any(|gateway| gateway.vpc == vpc) {
                return Err(invalid(format!("Network {vpc} already has an egress only internet gateway attached")));
            }
            let message = "The maximum number of egress only internet gateways has been reached.";
            quota::within(gateways.len(), quota::EGRESS_ONLY_GATEWAYS, "InternetGatewayLimitExceeded", message)?;
            let id = world.id(ids::EGRESS_ONLY_GATEWAY.prefix);
            world.ec2.egress_only_gateways.insert(id.clone(), EgressOnlyGateway { vpc: vpc.to_owned() });
            world.ec2.tag(&id, tags);
            world.ec2.remember("CreateEgressOnlyInternetGateway", args, vec![id.clone()]);
            id
        }
    };
    let gateway = ids::EGRESS_ONLY_GATEWAY.find(&world.ec2.egress_only_gateways, &id)?;
    Ok(json!({"egressOnlyInternetGateway": render(world, &id, gateway), "clientToken": args.str("ClientToken")}))
}

/// Routes to it stay, as black holes ("Delete an egress-only internet gateway").
pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("EgressOnlyInternetGatewayId")?;
    ids::EGRESS_ONLY_GATEWAY.find(&world.ec2.egress_only_gateways, id)?;
    world.ec2.egress_only_gateways.remove(id);
    world.ec2.tags.remove(id);
    Ok(json!({"returnCode": true}))
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let wanted = args.strings("EgressOnlyInternetGatewayId");
    for id in &wanted {
        ids::EGRESS_ONLY_GATEWAY.check(id)?;
    }
    // No page tells a code for an id that does not exist; it is left out: assumption.
    let asked = world.ec2.egress_only_gateways.iter().filter(|(id, _)| wanted.is_empty() || wanted.contains(id));
    let items = asked.map(|(id, gateway)| render(world, id, gateway)).collect();
    // "Filters: tag, tag-key" is all that DescribeEgressOnlyInternetGateways has.
    Listing { set: "egressOnlyInternetGatewaySet", ids: None, key: "egressOnlyInternetGatewayId", filters: &[], page: Some((5, 255)) }
        .reply(args, items)
}
