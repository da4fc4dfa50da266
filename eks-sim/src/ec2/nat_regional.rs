//! What only regional NAT gateways do ("Regional NAT gateways for automatic multi-AZ expansion", VPC user guide).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    State, address,
    nat::{NatAddress, NatGateway},
    nat_create::Request,
    route::{Route, Target},
    route_table::{Associated, RouteTable},
};
use crate::{times::Time, world::World};

/// The service by which DescribeAddresses tells the addresses that AWS brings for regional NAT gateways (ServiceManaged).
const MANAGER: &str = "rnat";

/// "AWS automatically creates a route table for it, which comes with a pre-configured route to the internet gateway."
pub(super) fn own_table(world: &mut World, nat: &str, vpc: &str) -> String {
    let (id, association) = (world.id("rtb"), world.id("rtbassoc"));
    let gateway = world.ec2.attached_gateway(vpc).map(str::to_owned);
    let route = |gateway| Route { destination: "0.0.0.0/0".to_owned(), target: Target::Gateway(gateway) };
    let table = RouteTable {
        vpc: vpc.to_owned(),
        routes: gateway.map(route).into_iter().collect(),
        associations: BTreeMap::from([(association, Associated::Gateway(nat.to_owned()))]),
    };
    world.ec2.route_tables.insert(id.clone(), table);
    id
}

/// An address in a zone: the account's own, or one that AWS brings. The association's other side is not an interface of the account.
pub(super) fn address_in(world: &mut World, zone: &str, allocation: Option<String>, status: &'static str) -> NatAddress {
    let allocation = allocation.unwrap_or_else(|| address::bring(world, MANAGER));
    let association = address::put(world, &allocation, None, None);
    let public_ip = world.ec2.addresses.get(&allocation).map(|address| address.ip);
    NatAddress {
        allocation: Some(allocation),
        association: Some(association),
        interface: None,
        private_ip: None,
        public_ip,
        zone: Some(zone.to_owned()),
        status,
    }
}

/// The addresses of a new gateway: those given by zone, or one of AWS's in each zone where the VPC has subnets.
pub(super) fn connect(world: &mut World, request: &Request) -> Vec<NatAddress> {
    let automatic = zones_of(&world.ec2, &request.vpc).into_iter().filter(|_| request.automatic).map(|zone| (zone, None));
    let given = request.allocations.iter().filter_map(|(zone, id)| Some((zone.clone()?, Some(id.clone()))));
    let all: Vec<_> = automatic.chain(given).collect();
    all.into_iter().map(|(zone, allocation)| address_in(world, &zone, allocation, "associating")).collect()
}

/// The zones where a VPC has subnets.
fn zones_of(state: &State, vpc: &str) -> BTreeSet<String> {
    state.subnets.values().filter(|subnet| subnet.vpc == vpc).map(|subnet| subnet.zone.clone()).collect()
}

impl NatGateway {
    fn zones(&self) -> BTreeSet<String> {
        self.addresses.iter().filter_map(|address| address.zone.clone()).collect()
    }
}

/// "Expands to new AZs when you create subnets there, and retracts from AZs where you've removed all subnets" (AutoProvisionZones of
/// NatGateway). The subnets of a VPC have changed.
pub(super) fn follow(world: &mut World, vpc: &str) {
    let zones = zones_of(&world.ec2, vpc);
    let follows = |nat: &NatGateway| nat.automatic && nat.vpc == vpc && matches!(nat.state, "pending" | "available");
    let stale = |(_, nat): &(&String, &NatGateway)| follows(nat) && nat.zones() != zones;
    let behind: Vec<_> = world.ec2.nat_gateways.iter().filter(stale).map(|(id, _)| id.clone()).collect();
    for id in behind {
        let event = id.clone();
        world.take(Time::NatGatewayExpand, &id, move |world| catch_up(world, &event));
    }
}

/// Brings a gateway to the zones where its VPC has subnets now.
fn catch_up(world: &mut World, id: &str) {
    let Some(nat) = world.ec2.nat_gateways.get(id).filter(|nat| matches!(nat.state, "pending" | "available")) else { return };
    let (has, wanted) = (nat.zones(), zones_of(&world.ec2, &nat.vpc));
    let fresh: Vec<_> = wanted.difference(&has).map(|zone| address_in(world, zone, None, "succeeded")).collect();
    let Some(nat) = world.ec2.nat_gateways.get_mut(id) else { return };
    let (gone, mut stays): (Vec<_>, Vec<_>) =
        nat.addresses.drain(..).partition(|address| address.zone.as_ref().is_some_and(|zone| !wanted.contains(zone)));
    stays.extend(fresh);
    nat.addresses = stays;
    for allocation in gone.into_iter().filter_map(|address| address.allocation) {
        world.ec2.let_go(&allocation);
    }
}
