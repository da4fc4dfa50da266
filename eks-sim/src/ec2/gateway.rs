//! Internet gateways.

use serde_json::{Value, json};

use super::{Reply, done, filter::Listing, ids, invalid, quota, tags};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct InternetGateway {
    /// The VPC that it is attached to.
    pub(super) vpc: Option<String>,
}

fn render(world: &World, id: &str, gateway: &InternetGateway) -> Value {
    // The API answers `available` for an attached gateway, whatever the enumeration says.
    let attachments: Vec<_> = gateway.vpc.iter().map(|vpc| json!({"vpcId": vpc, "state": "available"})).collect();
    json!({"internetGatewayId": id, "attachmentSet": attachments, "ownerId": world.account, "tagSet": world.ec2.tag_set(id)})
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::INTERNET_GATEWAY.tag_type, &[])?;
    let count = world.ec2.internet_gateways.len();
    let message = "The maximum number of internet gateways has been reached.";
    quota::within(count, quota::INTERNET_GATEWAYS * world.quota_factor, "InternetGatewayLimitExceeded", message)?;
    let id = world.id(ids::INTERNET_GATEWAY.prefix);
    world.ec2.internet_gateways.insert(id.clone(), InternetGateway { vpc: None });
    world.ec2.tag(&id, tags);
    Ok(json!({"internetGateway": render(world, &id, &world.ec2.internet_gateways[&id])}))
}

pub(super) fn attach(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("InternetGatewayId")?;
    let vpc = args.required("VpcId")?;
    let state = &mut world.ec2;
    let gateway = ids::INTERNET_GATEWAY.find(&state.internet_gateways, id)?;
    ids::VPC.find(&state.vpcs, vpc)?;
    if gateway.vpc.is_some() {
        return Err(ApiError::new("Resource.AlreadyAssociated", format!("resource {id} is already attached to network {vpc}")));
    }
    if state.attached_gateway(vpc).is_some() {
        return Err(invalid(format!("Network {vpc} already has an internet gateway attached")));
    }
    ids::INTERNET_GATEWAY.find_mut(&mut state.internet_gateways, id)?.vpc = Some(vpc.to_owned());
    Ok(done())
}

pub(super) fn detach(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("InternetGatewayId")?;
    let vpc = args.required("VpcId")?;
    let state = &mut world.ec2;
    let gateway = ids::INTERNET_GATEWAY.find(&state.internet_gateways, id)?;
    ids::VPC.find(&state.vpcs, vpc)?;
    if gateway.vpc.as_deref() != Some(vpc) {
        return Err(ApiError::new("Gateway.NotAttached", format!("resource {id} is not attached to network {vpc}")));
    }
    let mapped = state.interfaces.iter().any(|(id, interface)| interface.vpc == vpc && state.public_address(id).is_some())
        || state.nat_gateways.values().any(|nat| nat.vpc == vpc && nat.maps_public_addresses());
    if mapped {
        return Err(ApiError::new(
            "DependencyViolation",
            format!(
                "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
            ),
        ));
    }
    ids::INTERNET_GATEWAY.find_mut(&mut state.internet_gateways, id)?.vpc = None;
    Ok(done())
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("InternetGatewayId")?;
    let state = &mut world.ec2;
    if ids::INTERNET_GATEWAY.find(&state.internet_gateways, id)?.vpc.is_some() {
        return Err(ApiError::new("DependencyViolation", format!("The internetGateway '{id}' has dependencies and cannot be deleted.")));
    }
    state.internet_gateways.remove(id);
    state.tags.remove(id);
    Ok(done())
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.internet_gateways.iter().map(|(id, gateway)| render(world, id, gateway)).collect();
    Listing {
        set: "internetGatewaySet",
        ids: Some(("InternetGatewayId", &ids::INTERNET_GATEWAY)),
        key: "internetGatewayId",
        filters: &[
            ("internet-gateway-id", "internetGatewayId"),
            ("attachment.vpc-id", "attachmentSet.vpcId"),
            ("attachment.state", "attachmentSet.state"),
            ("owner-id", "ownerId"),
        ],
        page: Some((5, 1000)),
    }
    .reply(args, items)
}
