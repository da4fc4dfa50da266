//! Further addresses of NAT gateways ("Work with NAT gateways": edit secondary IP address associations).

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{
    Reply, State, address, ids, interface, invalid,
    nat::{self, NatAddress, NatGateway},
    nat_create, nat_regional, zones,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// The gateway of a call, which must be available.
fn named<'a>(state: &'a State, args: &Args) -> Result<(String, &'a NatGateway), ApiError> {
    let id = args.required("NatGatewayId")?;
    let nat = ids::NAT_GATEWAY.find(&state.nat_gateways, id)?;
    match nat.state {
        "available" => Ok((id.to_owned(), nat)),
        "deleted" => Err(ids::NAT_GATEWAY.not_found(id)),
        other => Err(ApiError::new("IncorrectState", format!("NAT gateway {id} is in the {other} state."))),
    }
}

/// What these actions answer: the gateway, and the addresses that change.
fn reply(world: &World, id: &str, concerned: impl Fn(&NatAddress) -> bool) -> Value {
    let nat = &world.ec2.nat_gateways[id];
    let addresses: Vec<_> = nat
        .addresses
        .iter()
        .enumerate()
        .filter(|(_, address)| concerned(address))
        .map(|(index, address)| nat::render_address(world, nat, index, address))
        .collect();
    json!({"natGatewayId": id, "natGatewayAddressSet": addresses})
}

fn settle_later(world: &mut World, id: &str) {
    let event = id.to_owned();
    world.take(Time::NatGatewayAddress, id, move |world| {
        let addresses = world.ec2.nat_gateways.get_mut(&event).map(|nat| &mut nat.addresses);
        let fresh = |address: &&mut NatAddress| matches!(address.status, "associating" | "assigning");
        addresses.into_iter().flatten().filter(fresh).for_each(|address| address.status = "succeeded");
    });
}

/// Gives the gateway's interface further private addresses: the chosen ones, and `count` that AWS chooses.
fn further(world: &mut World, interface: &str, chosen: &[Ipv4Addr], count: usize) -> Result<Vec<Ipv4Addr>, ApiError> {
    let subnet_id = ids::NETWORK_INTERFACE.find(&world.ec2.interfaces, interface)?.subnet.clone();
    let subnet = ids::SUBNET.find(&world.ec2.subnets, &subnet_id)?;
    for address in chosen {
        if !subnet.is_usable(*address) {
            return Err(invalid(format!("Address {address} does not fall within the subnet's address range")));
        }
        if !world.ec2.is_free(&subnet_id, *address) {
            return Err(ApiError::new("InvalidIPAddress.InUse", format!("Address {address} is in use.")));
        }
    }
    if world.ec2.free_in(&subnet_id) < chosen.len() + count {
        let message = format!("The specified subnet '{subnet_id}' does not have enough free addresses to satisfy the request.");
        return Err(ApiError::new("InsufficientFreeAddressesInSubnet", message));
    }
    let mut fresh = Vec::new();
    for index in 0..chosen.len() + count {
        let hint = world.draw.bits("private-ip");
        let Some(address) = chosen.get(index).copied().or_else(|| world.ec2.pick_address(&subnet_id, hint)) else { break };
        ids::NETWORK_INTERFACE.find_mut(&mut world.ec2.interfaces, interface)?.addresses.push(address);
        fresh.push(address);
    }
    Ok(fresh)
}

fn chosen(args: &Args) -> Result<Vec<Ipv4Addr>, ApiError> {
    args.strings("PrivateIpAddress").iter().filter_map(|text| interface::parse_address(Some(text)).transpose()).collect()
}

/// AssociateNatGatewayAddress: secondary elastic addresses of a public gateway, of a regional one in a zone.
pub(super) fn associate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let (id, nat) = named(&world.ec2, args)?;
    let allocations = args.strings("AllocationId");
    if allocations.is_empty() {
        return Err(ApiError::missing("allocationId"));
    }
    if !nat.public {
        return Err(invalid(format!("NAT gateway {id} is private: it has no Elastic IP addresses.")));
    }
    for allocation in &allocations {
        if let Some(present) = &ids::ADDRESS.find(&world.ec2.addresses, allocation)?.association {
            let message = format!("resource {allocation} is already associated with associate-id {}", present.id);
            return Err(ApiError::new("Resource.AlreadyAssociated", message));
        }
    }
    let (first, count) = (nat.addresses.first().cloned(), nat.addresses.len());
    let mut fresh = Vec::new();
    if nat.subnet.is_none() {
        // "When disabled, you must manually manage which AZs the NAT gateway supports": when enabled, AWS does; assumption.
        if nat.automatic {
            return Err(invalid(format!("AWS manages the addresses of the regional NAT gateway {id}.")));
        }
        let zone = zones::named(&world.region, args)?.ok_or_else(|| ApiError::missing("availabilityZone"))?;
        for allocation in &allocations {
            fresh.push(nat_regional::address_in(world, &zone, Some(allocation.clone()), "associating"));
        }
    } else if let Some(interface) = first.and_then(|address| address.interface) {
        nat_create::check_counts(count + allocations.len(), count + allocations.len())?;
        let chosen = chosen(args)?;
        let private = further(world, &interface, &chosen, allocations.len().saturating_sub(chosen.len()))?;
        for (allocation, ip) in allocations.iter().zip(private) {
            let association = address::put(world, allocation, Some(&interface), Some(ip));
            fresh.push(NatAddress {
                allocation: Some(allocation.clone()),
                association: Some(association),
                interface: Some(interface.clone()),
                private_ip: Some(ip),
                public_ip: world.ec2.addresses.get(allocation).map(|address| address.ip),
                zone: None,
                status: "associating",
            });
        }
    }
    ids::NAT_GATEWAY.find_mut(&mut world.ec2.nat_gateways, &id)?.addresses.extend(fresh);
    settle_later(world, &id);
    Ok(reply(world, &id, |address| address.allocation.as_ref().is_some_and(|id| allocations.contains(id))))
}

/// AssignPrivateNatGatewayAddress.
pub(super) fn assign(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let (id, nat) = named(&world.ec2, args)?;
    if nat.public {
        return Err(invalid(format!("NAT gateway {id} is public: associate Elastic IP addresses with it.")));
    }
    let chosen = chosen(args)?;
    let count = args.int("PrivateIpAddressCount").and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    if chosen.is_empty() == (count == 0) {
        return Err(ApiError::new("InvalidParameterCombination", "Specify either private IP addresses or their number."));
    }
    let (interface, present) = (nat.addresses.first().and_then(|address| address.interface.clone()), nat.addresses.len());
    nat_create::check_counts(0, present + chosen.len() + count)?;
    let interface = interface.ok_or_else(|| ids::NAT_GATEWAY.not_found(&id))?;
    let private = further(world, &interface, &chosen, count)?;
    let fresh = private.iter().map(|ip| NatAddress {
        allocation: None,
        association: None,
        interface: Some(interface.clone()),
        private_ip: Some(*ip),
        public_ip: None,
        zone: None,
        status: "assigning",
    });
    ids::NAT_GATEWAY.find_mut(&mut world.ec2.nat_gateways, &id)?.addresses.extend(fresh);
    settle_later(world, &id);
    Ok(reply(world, &id, |address| address.private_ip.is_some_and(|ip| private.contains(&ip))))
}

/// "The primary EIP can't be disassociated"; the others are drained first ("MaxDrainDurationSeconds", 1 to 4,000).
pub(super) fn disassociate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let (id, nat) = named(&world.ec2, args)?;
    let wanted = args.strings("AssociationId");
    if wanted.is_empty() {
        return Err(ApiError::missing("associationId"));
    }
    check_drain(args)?;
    let has = |address: &NatAddress, association: &String| address.association.as_ref() == Some(association);
    for association in &wanted {
        match nat.addresses.iter().position(|address| has(address, association)) {
            Some(0) if nat.subnet.is_some() => {
                return Err(invalid(format!("The primary Elastic IP address of NAT gateway {id} cannot be disassociated.")));
            }
            Some(_) => {}
            None => {
                let message = format!("The association ID '{association}' does not exist");
                return Err(ApiError::new("InvalidAssociationID.NotFound", message));
            }
        }
    }
    let concerned = move |address: &NatAddress| wanted.iter().any(|association| has(address, association));
    Ok(drain(world, &id, "disassociating", concerned))
}

/// UnassignPrivateNatGatewayAddress: any but the primary private address.
pub(super) fn unassign(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let (id, nat) = named(&world.ec2, args)?;
    let gone = chosen(args)?;
    if gone.is_empty() {
        return Err(ApiError::missing("privateIpAddress"));
    }
    check_drain(args)?;
    for ip in &gone {
        match nat.addresses.iter().position(|address| address.private_ip == Some(*ip)) {
            Some(0) => return Err(invalid(format!("The primary private IP address of NAT gateway {id} cannot be unassigned."))),
            Some(_) => {}
            None => return Err(invalid(format!("The private IP address {ip} is not assigned to NAT gateway {id}."))),
        }
    }
    Ok(drain(world, &id, "unassigning", move |address| address.private_ip.is_some_and(|ip| gone.contains(&ip))))
}

fn check_drain(args: &Args) -> Result<(), ApiError> {
    match args.int("MaxDrainDurationSeconds") {
        Some(seconds) if !(1..=4000).contains(&seconds) => {
            Err(invalid(format!("Value ({seconds}) for parameter maxDrainDurationSeconds is invalid.")))
        }
        _ => Ok(()),
    }
}

/// Lets connections end, then takes addresses off a gateway.
fn drain(world: &mut World, id: &str, status: &'static str, concerned: impl Fn(&NatAddress) -> bool + Clone + Send + 'static) -> Value {
    for address in world.ec2.nat_gateways.get_mut(id).into_iter().flat_map(|nat| &mut nat.addresses) {
        if concerned(address) {
            address.status = status;
        }
    }
    let reply = reply(world, id, &concerned);
    let event = id.to_owned();
    world.take(Time::NatGatewayAddress, id, move |world| {
        let Some(nat) = world.ec2.nat_gateways.get_mut(&event).filter(|nat| nat.is_live()) else { return };
        let (gone, stays): (Vec<_>, Vec<_>) = nat.addresses.drain(..).partition(|address| concerned(address));
        nat.addresses = stays;
        for address in gone {
            if let Some(allocation) = &address.allocation {
                world.ec2.let_go(allocation);
            }
            if let Some(interface) = address.interface.and_then(|id| world.ec2.interfaces.get_mut(&id)) {
                interface.addresses.retain(|ip| Some(*ip) != address.private_ip);
            }
        }
    });
    reply
}
