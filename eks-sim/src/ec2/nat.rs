//! NAT gateways ("NAT gateways" and "Troubleshoot NAT gateways", VPC user guide).

use std::{net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};

use super::{Reply, State, address, attachment, filter::Listing, ids, interface, invalid, quota, tags, zones};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// How long a deleted or failed gateway is still told.
const VISIBLE: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct NatGateway {
    pub(super) vpc: String,
    /// Absent for a regional gateway.
    pub(super) subnet: Option<String>,
    pub(super) state: &'static str,
    public: bool,
    failure: Option<(&'static str, String)>,
    addresses: Vec<NatAddress>,
    created: String,
    deleted: Option<String>,
    /// A regional gateway whose addresses AWS brings.
    automatic: bool,
}

#[derive(Debug)]
struct NatAddress {
    allocation: Option<String>,
    association: Option<String>,
    interface: Option<String>,
    private_ip: Option<Ipv4Addr>,
    public_ip: Option<Ipv4Addr>,
    zone: Option<String>,
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
        if self.subnet.is_some() { 1 } else { self.addresses.len() }
    }
}

fn render(world: &World, id: &str, nat: &NatGateway) -> Value {
    let regional = nat.subnet.is_none();
    let addresses: Vec<_> = nat
        .addresses
        .iter()
        .enumerate()
        .map(|(index, address)| {
            json!({
                "allocationId": address.allocation, "associationId": address.association, "networkInterfaceId": address.interface,
                "privateIp": address.private_ip, "publicIp": address.public_ip, "availabilityZone": address.zone,
                "availabilityZoneId": address.zone.as_ref().map(|zone| zones::id_of(&world.region, zone)),
                "isPrimary": index == 0, "status": "succeeded",
            })
        })
        .collect();
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
        "tagSet": world.ec2.tag_set(id),
    })
}

/// What a call asks for.
struct Request {
    vpc: String,
    subnet: Option<String>,
    public: bool,
    private_ip: Option<Ipv4Addr>,
    /// Elastic addresses, for a regional gateway with their zones.
    allocations: Vec<(Option<String>, String)>,
    automatic: bool,
}

/// A gateway in one subnet.
fn zonal(world: &World, args: &Args) -> Result<Request, ApiError> {
    let subnet_id = args.required("SubnetId").map_err(|_| ApiError::missing("subnetId"))?;
    let subnet = ids::SUBNET.find(&world.ec2.subnets, subnet_id)?;
    let public = match args.str("ConnectivityType").unwrap_or("public") {
        "public" => true,
        "private" => false,
        other => return Err(invalid(format!("Value ({other}) for parameter connectivityType is invalid."))),
    };
    let allocation = match args.str("AllocationId") {
        Some(_) if !public => return Err(invalid("AllocationId is not valid for a private NAT gateway.")),
        None if public => return Err(ApiError::missing("allocationId")),
        other => other,
    };
    let in_zone = world.ec2.nat_gateways.values().filter(|nat| {
        let zone = nat.subnet.as_ref().and_then(|subnet| world.ec2.subnets.get(subnet)).map(|subnet| &subnet.zone);
        nat.is_live() && zone == Some(&subnet.zone)
    });
    let message = format!("Performing this operation would exceed the limit of {} NAT gateways", quota::NAT_GATEWAYS_PER_ZONE);
    quota::within(in_zone.count(), quota::NAT_GATEWAYS_PER_ZONE, "NatGatewayLimitExceeded", &message)?;
    Ok(Request {
        vpc: subnet.vpc.clone(),
        subnet: Some(subnet_id.to_owned()),
        public,
        private_ip: interface::parse_address(args.str("PrivateIpAddress"))?,
        allocations: allocation.map(|id| (None, id.to_owned())).into_iter().collect(),
        automatic: false,
    })
}

/// A gateway over the zones of a VPC ("Regional NAT gateways"): automatic, unless addresses are given by zone.
fn regional(world: &World, args: &Args) -> Result<Request, ApiError> {
    if args.str("SubnetId").is_some() {
        return Err(ApiError::new("InvalidParameterCombination", "SubnetId is not valid for a regional NAT gateway."));
    }
    let vpc = args.required("VpcId").map_err(|_| ApiError::missing("vpcId"))?;
    ids::VPC.find(&world.ec2.vpcs, vpc)?;
    let mut allocations = Vec::new();
    for zone in args.nested("AvailabilityZoneAddress") {
        let name = zones::named(&world.region, &zone)?.ok_or_else(|| ApiError::missing("availabilityZone"))?;
        allocations.extend(zone.strings("AllocationId").into_iter().map(|id| (Some(name.clone()), id)));
    }
    let automatic = allocations.is_empty();
    Ok(Request { vpc: vpc.to_owned(), subnet: None, public: true, private_ip: None, allocations, automatic })
}

/// Why the gateway will fail, if it will. The call does not tell; the gateway does, by FailureCode (NatGateway).
fn failure(state: &State, request: &Request) -> Option<(&'static str, String)> {
    let Request { vpc, .. } = request;
    if request.public && state.attached_gateway(vpc).is_none() {
        return Some(("Gateway.NotAttached", format!("Network {vpc} has no Internet gateway attached")));
    }
    for (_, id) in &request.allocations {
        match state.addresses.get(id).map(|address| address.association.is_some()) {
            None => {
                let message = format!("Elastic IP address {id} could not be associated with this NAT gateway");
                return Some(("InvalidAllocationID.NotFound", message));
            }
            Some(true) => return Some(("Resource.AlreadyAssociated", format!("Elastic IP address {id} is already associated"))),
            Some(false) => {}
        }
    }
    let full = request.subnet.as_ref().is_some_and(|subnet| state.free_in(subnet) == 0);
    full.then(|| ("InsufficientFreeAddressesInSubnet", "Subnet has insufficient free addresses to create this NAT gateway".to_owned()))
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::NAT_GATEWAY.tag_type, &[])?;
    if let Some(id) = world.ec2.made_before("CreateNatGateway", args)?.and_then(|made| made.first().cloned()) {
        let nat = ids::NAT_GATEWAY.find(&world.ec2.nat_gateways, &id)?;
        return Ok(json!({"natGateway": render(world, &id, nat), "clientToken": args.str("ClientToken")}));
    }
    let request = match args.str("AvailabilityMode").unwrap_or("zonal") {
        "zonal" => zonal(world, args)?,
        "regional" => regional(world, args)?,
        other => return Err(invalid(format!("Value ({other}) for parameter availabilityMode is invalid."))),
    };
    let failure = failure(&world.ec2, &request);
    let id = world.id(ids::NAT_GATEWAY.prefix);
    let addresses = if failure.is_none() { connect(world, &id, &request)? } else { Vec::new() };
    let nat = NatGateway {
        vpc: request.vpc,
        subnet: request.subnet,
        state: "pending",
        public: request.public,
        failure: None,
        addresses,
        created: world.timestamp(),
        deleted: None,
        automatic: request.automatic,
    };
    world.ec2.nat_gateways.insert(id.clone(), nat);
    world.ec2.tag(&id, tags);
    world.ec2.remember("CreateNatGateway", args, vec![id.clone()]);
    let event = id.clone();
    let settle = move |world: &mut World, state: &'static str, failure: Option<(&'static str, String)>| {
        if let Some(nat) = world.ec2.nat_gateways.get_mut(&event).filter(|nat| nat.state == "pending") {
            nat.state = state;
            if failure.is_some() {
                nat.failure = failure;
                nat.deleted = Some(nat.created.clone());
                world.after(VISIBLE, move |world| forget(world, &event));
            }
        }
    };
    match failure {
        Some(_) => world.take(Time::NatGatewayFail, &id, move |world| settle(world, "failed", failure)),
        None => world.take(Time::NatGatewayCreate, &id, move |world| settle(world, "available", None)),
    };
    Ok(json!({"natGateway": render(world, &id, &world.ec2.nat_gateways[&id]), "clientToken": args.str("ClientToken")}))
}

/// Makes the gateway's interface and puts its elastic addresses on it.
fn connect(world: &mut World, id: &str, request: &Request) -> Result<Vec<NatAddress>, ApiError> {
    let Some(subnet) = &request.subnet else { return Ok(connect_regional(world, request)) };
    let wanted = interface::Wanted {
        subnet: subnet.clone(),
        address: request.private_ip,
        description: format!("Interface for NAT Gateway {id}"),
        interface_type: Some("nat_gateway".to_owned()),
        requester: Some("amazon-nat".to_owned()),
        ..interface::Wanted::default()
    };
    let interface = interface::make(world, wanted)?;
    attachment::attach_to(world, &interface, None, 1, false);
    let allocation = request.allocations.first().map(|(_, id)| id.clone());
    let association = allocation.as_ref().map(|allocation| address::put(world, allocation, Some(&interface)));
    let public_ip = world.ec2.public_address(&interface);
    let private_ip = world.ec2.interfaces.get(&interface).map(interface::Interface::private_ip);
    Ok(vec![NatAddress { allocation, association, interface: Some(interface), private_ip, public_ip, zone: None }])
}

/// A regional gateway has no interface in a subnet. An automatic one has an address of AWS's in each zone where the VPC has
/// subnets.
fn connect_regional(world: &mut World, request: &Request) -> Vec<NatAddress> {
    let mut zones: Vec<_> =
        world.ec2.subnets.values().filter(|subnet| subnet.vpc == request.vpc).map(|subnet| subnet.zone.clone()).collect();
    zones.sort();
    zones.dedup();
    let automatic = zones.into_iter().filter(|_| request.automatic).map(|zone| (Some(zone), None));
    let given = request.allocations.iter().map(|(zone, id)| (zone.clone(), Some(id.clone())));
    let all: Vec<_> = automatic.chain(given).collect();
    all.into_iter()
        .map(|(zone, allocation)| {
            // The association's other side is not an interface of the account; the allocation is in use all the same.
            let association = allocation.as_ref().map(|id| address::put(world, id, None));
            let public_ip = match &allocation {
                Some(id) => world.ec2.addresses.get(id).map(|address| address.ip),
                None => Some(address::from_pool(world)),
            };
            NatAddress { allocation, association, interface: None, private_ip: None, public_ip, zone }
        })
        .collect()
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
    for interface in interfaces {
        world.ec2.remove_interface(&interface);
    }
    for allocation in allocations {
        if let Some(address) = world.ec2.addresses.get_mut(&allocation) {
            address.association = None;
        }
    }
    let event = id.to_owned();
    world.after(VISIBLE, move |world| forget(world, &event));
}

fn forget(world: &mut World, id: &str) {
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
        ],
        page: Some((5, 1000)),
    }
    .reply(args, items)
}
