//! What exists, and what it costs.

use super::{instance::InstanceState, instance_types, security_group::DEFAULT_GROUP};
use crate::{inventory::Inventory, world::World};

/// Billing counts 730 hours a month.
const HOURS: f64 = 730.0;
/// us-east-1, on demand, dollars an hour ("Amazon VPC pricing").
const NAT_GATEWAY: f64 = 0.045;
const PUBLIC_IPV4: f64 = 0.005;
/// For each zone ("AWS PrivateLink pricing"); gateway endpoints cost nothing.
const INTERFACE_ENDPOINT: f64 = 0.01;
/// "AWS Transit Gateway pricing": for each attachment, not for the gateway.
const TRANSIT_ATTACHMENT: f64 = 0.05;

/// Lists everything but what every account has and what AWS merely still tells.
pub(crate) fn inventory(world: &World, inventory: &mut Inventory) {
    let state = &world.ec2;
    let is_default = |vpc: &str| state.vpcs.get(vpc).is_some_and(|vpc| vpc.is_default);
    let mut push = |kind: &str, id: &str, status: &str, cost: f64| inventory.push(kind, id, state.tag_pairs(id), status, cost);
    for (id, _) in state.vpcs.iter().filter(|(_, vpc)| !vpc.is_default) {
        push("ec2/vpc", id, "available", 0.0);
    }
    for (id, _) in state.subnets.iter().filter(|(_, subnet)| !subnet.default_for_zone) {
        push("ec2/subnet", id, "available", 0.0);
    }
    for (id, gateway) in state.internet_gateways.iter().filter(|(_, gateway)| !gateway.vpc.as_deref().is_some_and(is_default)) {
        push("ec2/internet-gateway", id, if gateway.vpc.is_some() { "attached" } else { "detached" }, 0.0);
    }
    for id in state.egress_only_gateways.keys() {
        push("ec2/egress-only-internet-gateway", id, "attached", 0.0);
    }
    for (id, nat) in state.nat_gateways.iter().filter(|(_, nat)| nat.is_live()) {
        push("ec2/nat-gateway", id, nat.state, NAT_GATEWAY * HOURS * nat.zone_count() as f64);
    }
    for (id, endpoint) in &state.endpoints {
        push("ec2/vpc-endpoint", id, endpoint.state, INTERFACE_ENDPOINT * HOURS * endpoint.interfaces.len() as f64);
    }
    for (id, gateway) in state.transit_gateways.iter().filter(|(_, gateway)| gateway.state != "deleted") {
        push("ec2/transit-gateway", id, gateway.state, 0.0);
    }
    for (id, found) in state.transit_attachments.iter().filter(|(_, found)| found.is_live()) {
        push("ec2/transit-gateway-attachment", id, found.state, TRANSIT_ATTACHMENT * HOURS);
    }
    for (id, address) in &state.addresses {
        push("ec2/elastic-ip", id, if address.association.is_some() { "in-use" } else { "available" }, PUBLIC_IPV4 * HOURS);
    }
    for (id, _) in state.route_tables.iter().filter(|(_, table)| !table.is_main() && !table.is_of_gateway()) {
        push("ec2/route-table", id, "", 0.0);
    }
    for (id, _) in state.security_groups.iter().filter(|(_, group)| group.name != DEFAULT_GROUP) {
        push("ec2/security-group", id, "", 0.0);
    }
    for (id, _) in state.acls.iter().filter(|(_, acl)| !acl.is_default) {
        push("ec2/network-acl", id, "", 0.0);
    }
    for (id, instance) in state.instances.iter().filter(|(_, instance)| instance.state != InstanceState::Terminated) {
        let hourly = instance_types::find(&instance.instance_type).map_or(0.0, |found| found.usd_per_hour);
        let running = matches!(instance.state, InstanceState::Pending | InstanceState::Running);
        push("ec2/instance", id, instance.state.name(), if running { hourly * HOURS } else { 0.0 });
    }
    for (id, volume) in &state.volumes {
        push("ec2/volume", id, volume.state, volume.disk.usd_per_month());
    }
    for (id, interface) in &state.interfaces {
        let cost = if interface.public_ip.is_some() { PUBLIC_IPV4 * HOURS } else { 0.0 };
        push("ec2/network-interface", id, if interface.attachment.is_some() { "in-use" } else { "available" }, cost);
    }
    for id in state.templates.keys() {
        push("ec2/launch-template", id, "", 0.0);
    }
}
