//! NAT gateways: what they are, how they are told, and their end ("NAT gateways", VPC user guide). Making them is in
//! `nat_create`, their further addresses in `nat_address`, and what only regional ones do in `nat_regional`.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};

use super::{Reply, filter::Listing, ids, zones};
use crate::{
    call::{Args, Caller},
    times::Time,
    world::World,
};

/// How long a deleted or failed gateway is still told.
pub(super) const VISIBLE: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub(super) struct NatGateway {
    pub(super) vpc: String,
    /// Absent for a regional gateway.
    pub(super) subnet: Option<String>,
    pub(super) state: &'static str,
    pub(super) public: bool,
    pub(super) failure: Option<(&'static str, String)>,
    /// The first is the primary one.
    pub(super) addresses: Vec<NatAddress>,
    pub(super) created: String,
    pub(super) deleted: Option<String>,
    /// A regional gateway whose zones and addresses AWS manages.
    pub(super) automatic: bool,
    /// A regional gateway's own route table.
    pub(super) table: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct NatAddress {
    pub(super) allocation: Option<String>,
    pub(super) association: Option<String>,
    pub(super) interface: Option<String>,
    pub(super) private_ip: Option<Ipv4Addr>,
    pub(super) public_ip: Option<Ipv4Addr>,
    /// Of a regional gateway.
    pub(super) zone: Option<String>,
    pub(super) status: &'static str,
}

impl NatGateway {
    /// Whether it counts: against the quota, and as a dependent of its VPC.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, "pending" | "available" | "deleting")
    }

    /// The addresses from which its traffic comes.
    pub(super) fn public_addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.iter().filter_map(|address| address.public_ip)
    }

    /// Whether it has public addresses in its VPC.
    pub(super) fn maps_public_addresses(&self) -> bool {
        self.is_live() && self.addresses.iter().any(|address| address.public_ip.is_some())
    }

    /// Zones that it is billed for.
    pub(super) fn zone_count(&self) -> usize {
        let zones: BTreeSet<_> = self.addresses.iter().filter_map(|address| address.zone.as_ref()).collect();
        if self.subnet.is_some() { 1 } else { zones.len() }
    }
}

pub(super) fn render(world: &World, id: &str, nat: &NatGateway) -> Value {
    let regional = nat.subnet.is_none();
    let addresses: Vec<_> = nat.addresses.iter().enumerate().map(|(index, address)| render_address(world, nat, index, address)).collect();
    let switch = |on: bool| regional.then_some(if on { "enabled" } else { "disabled" });
    json!({
        "natGatewayId": id,
        "vpcId": nat.vpc,
        "subnetId": nat.subnet,
        "state": nat.state,
        "connectivityType": if nat.public { "public" } else { "private" },
        "availabilityMode": if regional { "regional" } else { "zonal" },
        "autoProvisionZones": switch(nat.automatic),
        "autoScalingIps": switch(nat.automatic),
        "failureCode": nat.failure.as_ref().map(|(code, _)| code),
        "failureMessage": nat.failure.as_ref().map(|(_, message)| message),
        "natGatewayAddressSet": addresses,
        "createTime": nat.created,
        "deleteTime": nat.deleted,
        "routeTableId": nat.table,
        "tagSet": world.ec2.tag_set(id),
    })
}

pub(super) fn render_address(world: &World, nat: &NatGateway, index: usize, address: &NatAddress) -> Value {
    json!({
        "allocationId": address.allocation, "associationId": address.association, "networkInterfaceId": address.interface,
        "privateIp": address.private_ip, "publicIp": address.public_ip, "availabilityZone": address.zone,
        "availabilityZoneId": address.zone.as_ref().map(|zone| zones::id_of(&world.region, zone)),
        // A regional gateway has no interface that would have a primary address.
        "isPrimary": nat.subnet.is_some() && index == 0, "status": address.status,
    })
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NatGatewayId")?;
    let now = world.timestamp();
    let nat = ids::NAT_GATEWAY.find_mut(&mut world.ec2.nat_gateways, id)?;
    match nat.state {
        "pending" | "available" => {
            nat.state = "deleting";
            nat.deleted = Some(now);
            let event = id.to_owned();
            world.take(Time::NatGatewayDelete, id, move |world| finish_delete(world, &event));
        }
        // Nothing is left to wait for: a failed gateway has no interface.
        "failed" => nat.state = "deleted",
        "deleted" => return Err(ids::NAT_GATEWAY.not_found(id)),
        _ => {}
    }
    Ok(json!({"natGatewayId": id}))
}

fn finish_delete(world: &mut World, id: &str) {
    let Some(nat) = world.ec2.nat_gateways.get_mut(id) else { return };
    nat.state = "deleted";
    let interfaces: Vec<_> = nat.addresses.iter().filter_map(|address| address.interface.clone()).collect();
    let allocations: Vec<_> = nat.addresses.iter().filter_map(|address| address.allocation.clone()).collect();
    let table = nat.table.take();
    for interface in interfaces {
        world.ec2.remove_interface(&interface);
    }
    for allocation in allocations {
        world.ec2.let_go(&allocation);
    }
    if let Some(table) = table {
        world.ec2.route_tables.remove(&table);
        world.ec2.tags.remove(&table);
    }
    let event = id.to_owned();
    world.after(VISIBLE, move |world| forget(world, &event));
}

pub(super) fn forget(world: &mut World, id: &str) {
    world.ec2.nat_gateways.remove(id);
    world.ec2.tags.remove(id);
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.nat_gateways.iter().map(|(id, nat)| render(world, id, nat)).collect();
    Listing {
        set: "natGatewaySet",
        ids: Some(("NatGatewayId", &ids::NAT_GATEWAY)),
        key: "natGatewayId",
        filters: &[
            ("nat-gateway-id", "natGatewayId"),
            ("state", "state"),
            ("subnet-id", "subnetId"),
            ("vpc-id", "vpcId"),
            ("connectivity-type", "connectivityType"),
            ("availability-mode", "availabilityMode"),
        ],
        page: Some((5, 1000)),
    }
    .reply(args, items)
}
