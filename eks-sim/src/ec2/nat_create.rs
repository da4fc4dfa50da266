//! CreateNatGateway ("NAT gateways" and "Troubleshoot NAT gateways", VPC user guide).

use std::net::Ipv4Addr;

use serde_json::json;

use super::{
    Reply, State, address, attachment, ids, interface, invalid,
    nat::{self, NatAddress, NatGateway},
    nat_regional, quota, tags, zones,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// What a call asks for.
pub(super) struct Request {
    pub(super) vpc: String,
    subnet: Option<String>,
    public: bool,
    private_ip: Option<Ipv4Addr>,
    /// Secondary private addresses, chosen ones and how many AWS chooses.
    secondary: (Vec<Ipv4Addr>, usize),
    /// Elastic addresses, for a regional gateway with their zones. A zonal gateway's first is its primary one.
    pub(super) allocations: Vec<(Option<String>, String)>,
    pub(super) automatic: bool,
}

/// A gateway in one subnet.
fn zonal(world: &World, args: &Args) -> Result<Request, ApiError> {
    if !args.list("AvailabilityZoneAddress").is_empty() {
        let message = "AvailabilityZoneAddresses is only valid for a regional NAT gateway.";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    let subnet_id = args.required("SubnetId").map_err(|_| ApiError::missing("subnetId"))?;
    let subnet = ids::SUBNET.find(&world.ec2.subnets, subnet_id)?;
    let public = match args.str("ConnectivityType").unwrap_or("public") {
        "public" => true,
        "private" => false,
        other => return Err(invalid(format!("Value ({other}) for parameter connectivityType is invalid."))),
    };
    let mut allocations: Vec<_> = args.str("AllocationId").map(str::to_owned).into_iter().collect();
    if public && allocations.is_empty() {
        return Err(ApiError::missing("allocationId"));
    }
    allocations.extend(args.strings("SecondaryAllocationId"));
    if !public && !allocations.is_empty() {
        return Err(invalid("AllocationId is not valid for a private NAT gateway."));
    }
    let secondary = secondary_addresses(args)?;
    // "[Private NAT gateway only] The number of secondary private IPv4 addresses" (CreateNatGateway); a public gateway's chosen ones
    // go with its secondary elastic addresses.
    if public && (secondary.1 > 0 || (!secondary.0.is_empty() && secondary.0.len() != allocations.len() - 1)) {
        return Err(invalid("A public NAT gateway has one secondary private IPv4 address for each secondary Elastic IP address."));
    }
    let private = if public { allocations.len() } else { 1 + secondary.0.len() + secondary.1 };
    check_counts(if public { allocations.len() } else { 0 }, private)?;
    let in_zone = world.ec2.nat_gateways.values().filter(|nat| {
        let zone = nat.subnet.as_ref().and_then(|subnet| world.ec2.subnets.get(subnet)).map(|subnet| &subnet.zone);
        nat.is_live() && zone == Some(&subnet.zone)
    });
    let most = quota::NAT_GATEWAYS_PER_ZONE * world.quota_factor;
    let message = format!("Performing this operation would exceed the limit of {most} NAT gateways");
    quota::within(in_zone.count(), most, "NatGatewayLimitExceeded", &message)?;
    Ok(Request {
        vpc: subnet.vpc.clone(),
        subnet: Some(subnet_id.to_owned()),
        public,
        private_ip: interface::parse_address(args.str("PrivateIpAddress"))?,
        secondary,
        allocations: allocations.into_iter().map(|id| (None, id)).collect(),
        automatic: false,
    })
}

/// Secondary private addresses of a call: chosen ones, or a number.
fn secondary_addresses(args: &Args) -> Result<(Vec<Ipv4Addr>, usize), ApiError> {
    let chosen = args.strings("SecondaryPrivateIpAddress");
    let chosen = chosen.iter().filter_map(|text| interface::parse_address(Some(text)).transpose()).collect::<Result<Vec<_>, _>>()?;
    let count = args.int("SecondaryPrivateIpAddressCount").and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    if !chosen.is_empty() && count > 0 {
        let message = "SecondaryPrivateIpAddresses and SecondaryPrivateIpAddressCount may not be specified together.";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    Ok((chosen, count))
}

/// "Elastic IP addresses per public NAT gateway" and "Private IP addresses per NAT gateway" ("Amazon VPC quotas", which does not tell
/// the code: assumption).
pub(super) fn check_counts(elastic: usize, private: usize) -> Result<(), ApiError> {
    let message = "Performing this operation would exceed the limit of Elastic IP addresses of a NAT gateway";
    quota::within(elastic, quota::ELASTIC_IPS_PER_NAT_GATEWAY + 1, "AddressLimitExceeded", message)?;
    let message = "Performing this operation would exceed the limit of private IP addresses of a NAT gateway";
    quota::within(private, quota::PRIVATE_IPS_PER_NAT_GATEWAY + 1, "PrivateIpAddressLimitExceeded", message)
}

/// A gateway over the zones of a VPC ("Regional NAT gateways"): automatic, unless addresses are given by zone.
fn regional(world: &World, args: &Args) -> Result<Request, ApiError> {
    if args.str("SubnetId").is_some() {
        return Err(ApiError::new("InvalidParameterCombination", "SubnetId is not valid for a regional NAT gateway."));
    }
    // "Private connectivity is not supported" (the same page).
    if args.str("ConnectivityType").is_some_and(|kind| kind != "public") {
        return Err(invalid("A regional NAT gateway supports public connectivity only."));
    }
    let vpc = args.required("VpcId").map_err(|_| ApiError::missing("vpcId"))?;
    ids::VPC.find(&world.ec2.vpcs, vpc)?;
    let mut allocations = Vec::new();
    for zone in args.nested("AvailabilityZoneAddress") {
        let name = zones::named(&world.region, &zone)?.ok_or_else(|| ApiError::missing("availabilityZone"))?;
        let given = zone.strings("AllocationId");
        if given.is_empty() {
            return Err(ApiError::missing("allocationId"));
        }
        let message = "Performing this operation would exceed the limit of Elastic IP addresses of a NAT gateway in a zone";
        quota::within(given.len(), quota::ELASTIC_IPS_PER_ZONE_OF_NAT_GATEWAY + 1, "AddressLimitExceeded", message)?;
        allocations.extend(given.into_iter().map(|id| (Some(name.clone()), id)));
    }
    Ok(Request {
        vpc: vpc.to_owned(),
        subnet: None,
        public: true,
        private_ip: None,
        secondary: (Vec::new(), 0),
        automatic: allocations.is_empty(),
        allocations,
    })
}

/// Why the gateway will fail, if it will. The call does not tell; the gateway does, by FailureCode (NatGateway).
fn failure(state: &State, request: &Request) -> Option<(&'static str, String)> {
    let Request { vpc, .. } = request;
    if request.public && state.attached_gateway(vpc).is_none() {
        return Some(("Gateway.NotAttached", format!("Network {vpc} has no Internet gateway attached")));
    }
    for (index, (_, id)) in request.allocations.iter().enumerate() {
        let twice = request.allocations[..index].iter().any(|(_, other)| other == id);
        match state.addresses.get(id).map(|address| twice || address.association.is_some()) {
            None => {
                let message = format!("Elastic IP address {id} could not be associated with this NAT gateway");
                return Some(("InvalidAllocationID.NotFound", message));
            }
            Some(true) => return Some(("Resource.AlreadyAssociated", format!("Elastic IP address {id} is already associated"))),
            Some(false) => {}
        }
    }
    let wanted = request.allocations.len().max(1 + request.secondary.0.len() + request.secondary.1);
    let full = request.subnet.as_ref().is_some_and(|subnet| state.free_in(subnet) < wanted);
    full.then(|| ("InsufficientFreeAddressesInSubnet", "Subnet has insufficient free addresses to create this NAT gateway".to_owned()))
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::NAT_GATEWAY.tag_type, &[])?;
    if let Some(id) = world.ec2.made_before("CreateNatGateway", args)?.and_then(|made| made.first().cloned()) {
        let nat = ids::NAT_GATEWAY.find(&world.ec2.nat_gateways, &id)?;
        return Ok(json!({"natGateway": nat::render(world, &id, nat), "clientToken": args.str("ClientToken")}));
    }
    let request = match args.str("AvailabilityMode").unwrap_or("zonal") {
        "zonal" => zonal(world, args)?,
        "regional" => regional(world, args)?,
        other => return Err(invalid(format!("Value ({other}) for parameter availabilityMode is invalid."))),
    };
    let failure = failure(&world.ec2, &request);
    let id = world.id(ids::NAT_GATEWAY.prefix);
    let (addresses, table) = match (&failure, &request.subnet) {
        (Some(_), _) => (Vec::new(), None),
        (None, Some(subnet)) => (connect(world, &id, subnet, &request)?, None),
        (None, None) => (nat_regional::connect(world, &request), Some(nat_regional::own_table(world, &id, &request.vpc))),
    };
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
        table,
    };
    world.ec2.nat_gateways.insert(id.clone(), nat);
    world.ec2.tag(&id, tags);
    world.ec2.remember("CreateNatGateway", args, vec![id.clone()]);
    settle_later(world, &id, failure);
    Ok(json!({"natGateway": nat::render(world, &id, &world.ec2.nat_gateways[&id]), "clientToken": args.str("ClientToken")}))
}

/// The gateway becomes available, or fails and is forgotten an hour later.
fn settle_later(world: &mut World, id: &str, failure: Option<(&'static str, String)>) {
    let (event, time) = (id.to_owned(), if failure.is_some() { Time::NatGatewayFail } else { Time::NatGatewayCreate });
    world.take(time, id, move |world| {
        let Some(nat) = world.ec2.nat_gateways.get_mut(&event).filter(|nat| nat.state == "pending") else { return };
        nat.state = if failure.is_some() { "failed" } else { "available" };
        nat.addresses.iter_mut().for_each(|address| address.status = "succeeded");
        if failure.is_some() {
            nat.failure = failure;
            nat.deleted = Some(nat.created.clone());
            world.after(nat::VISIBLE, move |world| nat::forget(world, &event));
        }
    });
}

/// Makes the gateway's interface and puts its elastic addresses on it.
fn connect(world: &mut World, id: &str, subnet: &str, request: &Request) -> Result<Vec<NatAddress>, ApiError> {
    let (chosen, count) = &request.secondary;
    let chosen_or_elastic = request.allocations.len().saturating_sub(1).saturating_sub(chosen.len());
    let wanted = interface::Wanted {
        subnet: subnet.to_owned(),
        address: request.private_ip,
        secondary: if request.public { chosen_or_elastic } else { *count },
        description: format!("Interface for NAT Gateway {id}"),
        interface_type: Some("nat_gateway".to_owned()),
        requester: Some("amazon-nat".to_owned()),
        ..interface::Wanted::default()
    };
    let interface = interface::make(world, wanted)?;
    attachment::attach_to(world, &interface, None, 1, false);
    if let Some(found) = world.ec2.interfaces.get_mut(&interface) {
        found.addresses.extend(chosen);
    }
    let private = world.ec2.interfaces.get(&interface).map(|found| found.addresses.clone()).unwrap_or_default();
    let mut addresses = Vec::new();
    for (index, ip) in private.into_iter().enumerate() {
        let allocation = request.allocations.get(index).map(|(_, id)| id.clone());
        let secondary = (index > 0).then_some(ip);
        let association = allocation.as_ref().map(|allocation| address::put(world, allocation, Some(&interface), secondary));
        let public_ip = allocation.as_ref().and_then(|id| world.ec2.addresses.get(id)).map(|address| address.ip);
        addresses.push(NatAddress {
            allocation,
            association,
            interface: Some(interface.clone()),
            private_ip: Some(ip),
            public_ip,
            zone: None,
            status: if request.public { "associating" } else { "assigning" },
        });
    }
    Ok(addresses)
}
