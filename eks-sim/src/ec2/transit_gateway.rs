//! Transit gateways ("Transit gateways in Amazon VPC Transit Gateways"), as far as the owner of a VPC meets them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Reply, State, filter::Listing, ids, invalid, tags};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// How long a deleted transit gateway or attachment is still told; assumption.
pub(super) const VISIBLE: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub(super) struct TransitGateway {
    pub(super) state: &'static str,
    description: String,
    created: String,
    asn: i64,
    /// The options that are `enable` or `disable`, with their wire names.
    switches: Vec<(&'static str, String)>,
    /// The default route table, if it has one.
    table: Option<String>,
}

/// Options of CreateTransitGateway with their names in requests and replies, and their defaults.
const SWITCHES: [(&str, &str, &str); 6] = [
    ("AutoAcceptSharedAttachments", "autoAcceptSharedAttachments", "disable"),
    ("DefaultRouteTableAssociation", "defaultRouteTableAssociation", "enable"),
    ("DefaultRouteTablePropagation", "defaultRouteTablePropagation", "enable"),
    ("DnsSupport", "dnsSupport", "enable"),
    ("VpnEcmpSupport", "vpnEcmpSupport", "enable"),
    ("MulticastSupport", "multicastSupport", "disable"),
];

/// Private autonomous system numbers ("AmazonSideAsn", TransitGatewayRequestOptions).
fn is_private_asn(asn: i64) -> bool {
    (64_512..=65_534).contains(&asn) || (4_200_000_000..=4_294_967_294).contains(&asn)
}

fn render(world: &World, id: &str, gateway: &TransitGateway) -> Value {
    let is_on = |name: &str| gateway.switches.iter().any(|(option, value)| *option == name && value == "enable");
    let mut options = json!({
        "amazonSideAsn": gateway.asn,
        "associationDefaultRouteTableId": gateway.table.as_ref().filter(|_| is_on("defaultRouteTableAssociation")),
        "propagationDefaultRouteTableId": gateway.table.as_ref().filter(|_| is_on("defaultRouteTablePropagation")),
    });
    for (name, value) in &gateway.switches {
        options[*name] = json!(value);
    }
    json!({
        "transitGatewayId": id,
        "transitGatewayArn": format!("arn:aws:ec2:{}:{}:transit-gateway/{id}", world.region, world.account),
        "state": gateway.state,
        "ownerId": world.account,
        "description": gateway.description,
        "creationTime": gateway.created,
        "options": options,
        "tagSet": world.ec2.tag_set(id),
    })
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::TRANSIT_GATEWAY.tag_type, &[])?;
    let options = args.sub("Options");
    let asn = options.int("AmazonSideAsn").unwrap_or(64_512);
    if !is_private_asn(asn) {
        return Err(invalid(format!("Value ({asn}) for parameter amazonSideAsn is invalid.")));
    }
    let mut switches = Vec::new();
    for (parameter, name, default) in SWITCHES {
        let value = options.str(parameter).unwrap_or(default);
        if !matches!(value, "enable" | "disable") {
            return Err(invalid(format!("Value ({value}) for parameter {name} is invalid.")));
        }
        switches.push((name, value.to_owned()));
    }
    let has_table = switches.iter().any(|(name, value)| name.starts_with("defaultRouteTable") && value == "enable");
    let gateway = TransitGateway {
        state: "pending",
        description: args.str("Description").unwrap_or_default().to_owned(),
        created: world.timestamp(),
        asn,
        switches,
        table: has_table.then(|| world.id("tgw-rtb")),
    };
    let id = world.id(ids::TRANSIT_GATEWAY.prefix);
    world.ec2.transit_gateways.insert(id.clone(), gateway);
    world.ec2.tag(&id, tags);
    let event = id.clone();
    world.take(Time::TransitGateway, &id, move |world| {
        if let Some(gateway) = world.ec2.transit_gateways.get_mut(&event).filter(|gateway| gateway.state == "pending") {
            gateway.state = "available";
        }
    });
    Ok(json!({"transitGateway": render(world, &id, &world.ec2.transit_gateways[&id])}))
}

/// A transit gateway that is not deleted: to other actions than Describe it does not exist then.
pub(super) fn find<'a>(state: &'a State, id: &str) -> Result<&'a TransitGateway, ApiError> {
    let gateway = ids::TRANSIT_GATEWAY.find(&state.transit_gateways, id)?;
    if gateway.state == "deleted" {
        return Err(ApiError::new("InvalidTransitGatewayID.NotFound", format!("Transit Gateway {id} was deleted or does not exist.")));
    }
    Ok(gateway)
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("TransitGatewayId")?.to_owned();
    let gateway = find(&world.ec2, &id)?;
    if gateway.state == "pending" {
        return Err(ApiError::new("IncorrectState", format!("{id} is in invalid state")));
    }
    // "You can't delete a transit gateway that has attachments" ("Delete a transit gateway").
    let attachments = &world.ec2.transit_attachments;
    let left: Vec<_> = attachments.iter().filter(|(_, found)| found.gateway == id && found.is_live()).map(|(id, _)| id.as_str()).collect();
    if !left.is_empty() {
        return Err(ApiError::new("IncorrectState", format!("{id} has non-deleted VPC Attachments: {}.", left.join(", "))));
    }
    if let Some(gateway) = world.ec2.transit_gateways.get_mut(&id) {
        gateway.state = "deleting";
    }
    let event = id.clone();
    world.take(Time::TransitGateway, &id, move |world| {
        if let Some(gateway) = world.ec2.transit_gateways.get_mut(&event) {
            gateway.state = "deleted";
        }
        world.after(VISIBLE, move |world| {
            world.ec2.transit_gateways.remove(&event);
            world.ec2.tags.remove(&event);
        });
    });
    Ok(json!({"transitGateway": render(world, &id, &world.ec2.transit_gateways[&id])}))
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.transit_gateways.iter().map(|(id, gateway)| render(world, id, gateway)).collect();
    Listing {
        set: "transitGatewaySet",
        ids: Some(("TransitGatewayIds", &ids::TRANSIT_GATEWAY)),
        key: "transitGatewayId",
        filters: &[
            ("transit-gateway-id", "transitGatewayId"),
            ("state", "state"),
            ("owner-id", "ownerId"),
            ("options.amazon-side-asn", "options.amazonSideAsn"),
            ("options.association-default-route-table-id", "options.associationDefaultRouteTableId"),
            ("options.auto-accept-shared-attachments", "options.autoAcceptSharedAttachments"),
            ("options.default-route-table-association", "options.defaultRouteTableAssociation"),
            ("options.default-route-table-propagation", "options.defaultRouteTablePropagation"),
            ("options.dns-support", "options.dnsSupport"),
            ("options.propagation-default-route-table-id", "options.propagationDefaultRouteTableId"),
            ("options.vpn-ecmp-support", "options.vpnEcmpSupport"),
        ],
        page: Some((5, 1000)),
    }
    .reply(args, items)
}
