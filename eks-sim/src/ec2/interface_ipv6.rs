//! IPv6 addresses of network interfaces ("IPv6 addresses", EC2 user guide).

use std::net::Ipv6Addr;

use serde_json::json;

use super::{Reply, State, ids, interface, invalid};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// The IPv6 addresses that a call wants.
#[derive(Clone, Debug, Default)]
pub(super) struct Ipv6Wanted {
    /// Addresses that the caller chose.
    pub(super) chosen: Vec<Ipv6Addr>,
    /// How many AWS shall choose; as the subnet says if neither is given.
    pub(super) count: Option<usize>,
}

impl Ipv6Wanted {
    /// What `Ipv6AddressCount` and the list `list` of a call say.
    pub(super) fn parse(args: &Args, list: &str) -> Result<Self, ApiError> {
        let address =
            |text: &str| text.parse::<Ipv6Addr>().map_err(|_| invalid(format!("Value ({text}) for parameter ipv6Address is invalid.")));
        let members = args.nested(list);
        let chosen = members.iter().map(|member| address(member.str("Ipv6Address").or(member.0.as_str()).unwrap_or_default()));
        let chosen: Vec<_> = chosen.collect::<Result<_, _>>()?;
        let count = args.int("Ipv6AddressCount").and_then(|count| usize::try_from(count).ok());
        if !chosen.is_empty() && count.is_some() {
            let message = "The parameters ipv6Addresses and ipv6AddressCount may not be specified together";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        Ok(Self { chosen, count })
    }
}

impl State {
    fn has_ipv6(&self, subnet: &str, address: Ipv6Addr) -> bool {
        self.interfaces.values().any(|interface| interface.subnet == subnet && interface.ipv6.contains(&address))
    }
}

/// Decides the IPv6 addresses of an interface in a subnet.
pub(super) fn choose(world: &mut World, subnet_id: &str, wanted: &Ipv6Wanted, managed: bool) -> Result<Vec<Ipv6Addr>, ApiError> {
    let subnet = ids::SUBNET.find(&world.ec2.subnets, subnet_id)?;
    // "AssignIpv6AddressOnCreation" (ModifySubnetAttribute) is about the account's own interfaces.
    let automatic = usize::from(subnet.assign_ipv6 && !managed && wanted.chosen.is_empty());
    let count = wanted.count.unwrap_or(automatic);
    if wanted.chosen.is_empty() && count == 0 {
        return Ok(Vec::new());
    }
    let Some(net) = subnet.ipv6.as_ref().map(|block| block.net) else {
        return Err(invalid(format!("The subnet '{subnet_id}' does not have an IPv6 CIDR block.")));
    };
    // AWS keeps the first four and the last address ("Subnet sizing for IPv6").
    let usable = u128::from(net.network()) + 4..=u128::from(net.broadcast()) - 1;
    for address in &wanted.chosen {
        if !usable.contains(&u128::from(*address)) {
            return Err(invalid(format!("Address {address} does not fall within the subnet's address range")));
        }
        if world.ec2.has_ipv6(subnet_id, *address) {
            return Err(ApiError::new("InvalidIPAddress.InUse", format!("Address {address} is in use.")));
        }
    }
    let mut addresses = wanted.chosen.clone();
    while addresses.len() < wanted.chosen.len() + count {
        let host = u128::from(world.draw.bits("ipv6-address")) % (usable.end() - usable.start() + 1);
        let address = Ipv6Addr::from(usable.start() + host);
        if !addresses.contains(&address) && !world.ec2.has_ipv6(subnet_id, address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

pub(super) fn assign(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NetworkInterfaceId")?;
    let interface = ids::NETWORK_INTERFACE.find(&world.ec2.interfaces, id)?;
    interface::permitted(interface, caller)?;
    let subnet = interface.subnet.clone();
    let wanted = Ipv6Wanted::parse(args, "Ipv6Addresses")?;
    if wanted.chosen.is_empty() && wanted.count.is_none() {
        return Err(ApiError::missing("ipv6Addresses"));
    }
    let fresh = choose(world, &subnet, &wanted, true)?;
    ids::NETWORK_INTERFACE.find_mut(&mut world.ec2.interfaces, id)?.ipv6.extend(&fresh);
    Ok(json!({"networkInterfaceId": id, "assignedIpv6Addresses": fresh}))
}

pub(super) fn unassign(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let id = args.required("NetworkInterfaceId")?;
    let interface = ids::NETWORK_INTERFACE.find_mut(&mut world.ec2.interfaces, id)?;
    interface::permitted(interface, caller)?;
    let gone: Vec<Ipv6Addr> = args.strings("Ipv6Addresses").iter().filter_map(|text| text.parse().ok()).collect();
    if let Some(stranger) = gone.iter().find(|address| !interface.ipv6.contains(address)) {
        return Err(invalid(format!("Some of the specified addresses are not assigned to interface {id}: {stranger}")));
    }
    interface.ipv6.retain(|address| !gone.contains(address));
    Ok(json!({"networkInterfaceId": id, "unassignedIpv6Addresses": gone}))
}
