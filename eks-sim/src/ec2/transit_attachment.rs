//! Attachments of VPCs to transit gateways ("Amazon VPC attachments in Amazon VPC Transit Gateways").

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Reply, State, attachment,
    filter::Listing,
    ids, interface, invalid, tags,
    transit_gateway::{self, VISIBLE},
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct TransitAttachment {
    pub(super) gateway: String,
    pub(super) vpc: String,
    pub(super) state: &'static str,
    /// Its interfaces by subnet.
    interfaces: BTreeMap<String, String>,
    created: String,
    options: Vec<(&'static str, String)>,
}

impl TransitAttachment {
    /// Whether it still is one, to its gateway and its VPC.
    pub(super) fn is_live(&self) -> bool {
        self.state != "deleted"
    }
}

/// Options with their names in requests and replies, and their defaults (CreateTransitGatewayVpcAttachmentRequestOptions).
const OPTIONS: [(&str, &str, &str); 4] = [
    ("DnsSupport", "dnsSupport", "enable"),
    ("Ipv6Support", "ipv6Support", "disable"),
    ("ApplianceModeSupport", "applianceModeSupport", "disable"),
    ("SecurityGroupReferencingSupport", "securityGroupReferencingSupport", "enable"),
];

impl State {
    /// Whether a VPC has an attachment to a transit gateway that takes traffic.
    pub(super) fn is_attached(&self, vpc: &str, gateway: &str) -> bool {
        let found = self.transit_attachments.values().find(|found| found.vpc == vpc && found.gateway == gateway && found.is_live());
        found.is_some_and(|found| matches!(found.state, "available" | "modifying"))
    }
}

fn render(world: &World, id: &str, found: &TransitAttachment) -> Value {
    let subnets: Vec<_> = found.interfaces.keys().collect();
    let options: serde_json::Map<_, _> = found.options.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "transitGatewayAttachmentId": id, "transitGatewayId": found.gateway, "vpcId": found.vpc, "vpcOwnerId": world.account,
        "state": found.state, "subnetIds": subnets, "creationTime": found.created, "options": options, "tagSet": world.ec2.tag_set(id),
    })
}

/// Subnets that an attachment gets: of its VPC, one in each zone, with an address left.
fn check_subnets(state: &State, vpc: &str, present: &[&String], fresh: &[String]) -> Result<(), ApiError> {
    let mut zones: Vec<_> = present.iter().filter_map(|id| state.subnets.get(*id)).map(|subnet| &subnet.zone).collect();
    for id in fresh {
        let subnet = ids::SUBNET.find(&state.subnets, id)?;
        if subnet.vpc != vpc {
            return Err(invalid(format!("Subnet {id} does not belong to VPC {vpc}")));
        }
        // "You must select exactly one subnet for each Availability Zone."
        if zones.contains(&&subnet.zone) {
            return Err(ApiError::new("DuplicateSubnetsInSameZone", "Duplicate Subnets for same AZ"));
        }
        zones.push(&subnet.zone);
        if state.free_in(id) == 0 {
            let message = format!("The specified subnet '{id}' does not have enough free addresses to satisfy the request.");
            return Err(ApiError::new("InsufficientFreeAddressesInSubnet", message));
        }
    }
    Ok(())
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::TRANSIT_ATTACHMENT.tag_type, &[])?;
    let gateway = args.required("TransitGatewayId")?;
    let vpc = args.required("VpcId")?;
    let subnets = args.strings("SubnetIds");
    if transit_gateway::find(&world.ec2, gateway)?.state != "available" {
        return Err(ApiError::new("IncorrectState", format!("{gateway} is in invalid state")));
    }
    ids::VPC.find(&world.ec2.vpcs, vpc)?;
    if subnets.is_empty() {
        return Err(ApiError::missing("SubnetIds"));
    }
    check_subnets(&world.ec2, vpc, &[], &subnets)?;
    if world.ec2.transit_attachments.values().any(|found| found.gateway == gateway && found.vpc == vpc && found.is_live()) {
        let message = format!("{gateway} has non-deleted Transit Gateway Attachments with same VPC ID.");
        return Err(ApiError::new("DuplicateTransitGatewayAttachment", message));
    }
    let given = args.sub("Options");
    let mut options = Vec::new();
    for (parameter, name, default) in OPTIONS {
        let value = given.str(parameter).unwrap_or(default);
        if !matches!(value, "enable" | "disable") {
            return Err(invalid(format!("Value ({value}) for parameter {name} is invalid.")));
        }
        options.push((name, value.to_owned()));
    }
    let id = world.id(ids::TRANSIT_ATTACHMENT.prefix);
    let found = TransitAttachment {
        gateway: gateway.to_owned(),
        vpc: vpc.to_owned(),
        state: "pending",
        interfaces: BTreeMap::new(),
        created: world.timestamp(),
        options,
    };
    world.ec2.transit_attachments.insert(id.clone(), found);
    world.ec2.tag(&id, tags);
    subnets.iter().try_for_each(|subnet| enter(world, &id, subnet))?;
    settle_later(world, &id);
    Ok(json!({"transitGatewayVpcAttachment": render(world, &id, &world.ec2.transit_attachments[&id])}))
}

fn settle_later(world: &mut World, id: &str) {
    let event = id.to_owned();
    world.take(Time::TransitAttachment, id, move |world| {
        let found = world.ec2.transit_attachments.get_mut(&event);
        if let Some(found) = found.filter(|found| matches!(found.state, "pending" | "modifying")) {
            found.state = "available";
        }
    });
}

/// The transit gateway's network interface in a subnet.
fn enter(world: &mut World, id: &str, subnet: &str) -> Result<(), ApiError> {
    let wanted = interface::Wanted {
        subnet: subnet.to_owned(),
        description: format!("Network Interface for Transit Gateway Attachment {id}"),
        interface_type: Some("transit_gateway".to_owned()),
        requester: Some("amazon-aws".to_owned()),
        ..interface::Wanted::default()
    };
    let interface = interface::make(world, wanted)?;
    attachment::attach_to(world, &interface, None, 1, false);
    ids::TRANSIT_ATTACHMENT.find_mut(&mut world.ec2.transit_attachments, id)?.interfaces.insert(subnet.to_owned(), interface);
    Ok(())
}

/// The attachment that a call names, which must be available.
fn available(state: &State, args: &Args) -> Result<String, ApiError> {
    let id = args.required("TransitGatewayAttachmentId")?;
    let found = ids::TRANSIT_ATTACHMENT.find(&state.transit_attachments, id)?;
    match found.state {
        "available" => Ok(id.to_owned()),
        "deleted" => Err(ids::TRANSIT_ATTACHMENT.not_found(id)),
        _ => Err(ApiError::new("IncorrectState", format!("{id} is in invalid state"))),
    }
}

pub(super) fn modify(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = available(&world.ec2, args)?;
    let found = &world.ec2.transit_attachments[&id];
    let (added, removed) = (args.strings("AddSubnetIds"), args.strings("RemoveSubnetIds"));
    if let Some(stranger) = removed.iter().find(|subnet| !found.interfaces.contains_key(*subnet)) {
        return Err(invalid(format!("Subnet {stranger} is not part of {id}")));
    }
    let stays: Vec<_> = found.interfaces.keys().filter(|subnet| !removed.contains(subnet)).collect();
    check_subnets(&world.ec2, &found.vpc, &stays, &added)?;
    // An attachment keeps at least one subnet ("You must specify at least one subnet").
    if stays.is_empty() && added.is_empty() {
        return Err(invalid(format!("{id} must keep a subnet")));
    }
    for subnet in &removed {
        let found = ids::TRANSIT_ATTACHMENT.find_mut(&mut world.ec2.transit_attachments, &id)?;
        if let Some(interface) = found.interfaces.remove(subnet) {
            world.ec2.remove_interface(&interface);
        }
    }
    added.iter().try_for_each(|subnet| enter(world, &id, subnet))?;
    let given = args.sub("Options");
    let found = ids::TRANSIT_ATTACHMENT.find_mut(&mut world.ec2.transit_attachments, &id)?;
    found.state = "modifying";
    for (parameter, name, _) in OPTIONS {
        let option = found.options.iter_mut().find(|(option, _)| *option == name);
        if let Some((value, (_, option))) = given.str(parameter).zip(option) {
            value.clone_into(option);
        }
    }
    settle_later(world, &id);
    Ok(json!({"transitGatewayVpcAttachment": render(world, &id, &world.ec2.transit_attachments[&id])}))
}

/// Routes to the gateway stay, as black holes.
pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = available(&world.ec2, args)?;
    ids::TRANSIT_ATTACHMENT.find_mut(&mut world.ec2.transit_attachments, &id)?.state = "deleting";
    let event = id.clone();
    world.take(Time::TransitAttachment, &id, move |world| {
        let Some(found) = world.ec2.transit_attachments.get_mut(&event) else { return };
        found.state = "deleted";
        for interface in std::mem::take(&mut found.interfaces).into_values() {
            world.ec2.remove_interface(&interface);
        }
        world.after(VISIBLE, move |world| {
            world.ec2.transit_attachments.remove(&event);
            world.ec2.tags.remove(&event);
        });
    });
    Ok(json!({"transitGatewayVpcAttachment": render(world, &id, &world.ec2.transit_attachments[&id])}))
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.transit_attachments.iter().map(|(id, found)| render(world, id, found)).collect();
    Listing {
        set: "transitGatewayVpcAttachments",
        ids: Some(("TransitGatewayAttachmentIds", &ids::TRANSIT_ATTACHMENT)),
        key: "transitGatewayAttachmentId",
        filters: &[
            ("state", "state"),
            ("transit-gateway-attachment-id", "transitGatewayAttachmentId"),
            ("transit-gateway-id", "transitGatewayId"),
            ("vpc-id", "vpcId"),
        ],
        page: Some((5, 1000)),
    }
    .reply(args, items)
}
