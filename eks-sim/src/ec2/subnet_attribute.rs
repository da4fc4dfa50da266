//! What a subnet gives to what is launched in it (ModifySubnetAttribute), and its IPv6 block.

use ipnet::Ipv6Net;
use serde_json::{Value, json};

use super::{Reply, State, done, ids, invalid, quota, vpc::Vpc, vpc_cidr, vpc_cidr::Block};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// DNS64, and the names of instances ("EC2 instance hostnames").
#[derive(Clone, Debug)]
pub(super) struct DnsOptions {
    pub(super) dns64: bool,
    pub(super) hostname_type: String,
    pub(super) a_record: bool,
    pub(super) aaaa_record: bool,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self { dns64: false, hostname_type: "ip-name".to_owned(), a_record: false, aaaa_record: false }
    }
}

pub(super) fn modify(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let subnet = ids::SUBNET.find_mut(&mut world.ec2.subnets, args.required("SubnetId")?)?;
    const SWITCHES: [&str; 5] = [
        "MapPublicIpOnLaunch",
        "AssignIpv6AddressOnCreation",
        "EnableDns64",
        "EnableResourceNameDnsARecordOnLaunch",
        "EnableResourceNameDnsAAAARecordOnLaunch",
    ];
    let mut given = SWITCHES.iter().filter_map(|name| Some((*name, args.sub(name).bool("Value")?)));
    let hostname_type = args.str("PrivateDnsHostnameTypeOnLaunch");
    // "You can only modify one attribute at a time" (ModifySubnetAttribute).
    match (given.next(), given.next(), hostname_type) {
        (Some(("MapPublicIpOnLaunch", on)), None, None) => subnet.map_public_ip = on,
        (Some(("AssignIpv6AddressOnCreation", true)), None, None) if subnet.ipv6.is_none() => {
            return Err(invalid("Subnet does not have an IPv6 CIDR block"));
        }
        (Some(("AssignIpv6AddressOnCreation", on)), None, None) => subnet.assign_ipv6 = on,
        (Some(("EnableDns64", on)), None, None) => subnet.dns.dns64 = on,
        (Some(("EnableResourceNameDnsARecordOnLaunch", on)), None, None) => subnet.dns.a_record = on,
        (Some((_, on)), None, None) => subnet.dns.aaaa_record = on,
        (None, None, Some(kind @ ("ip-name" | "resource-name"))) => subnet.dns.hostname_type = kind.to_owned(),
        (None, None, Some(kind)) => {
            return Err(invalid(format!("Value ({kind}) for parameter privateDnsHostnameTypeOnLaunch is invalid.")));
        }
        // Attributes that change nothing here (customer-owned pools, local network interfaces) are accepted.
        (None, _, None) => {}
        _ => return Err(ApiError::new("InvalidParameterCombination", "Fields for multiple attribute types specified")),
    }
    Ok(done())
}

/// The IPv6 block that a call wants for a subnet: within one of its VPC's, from /44 to /64 in steps of four ("Subnet sizing for
/// IPv6").
pub(super) fn ipv6_block(state: &State, vpc_id: &str, vpc: &Vpc, text: &str) -> Result<Ipv6Net, ApiError> {
    let net = text.parse::<Ipv6Net>().map(|net| net.trunc());
    let net = net.map_err(|_| invalid(format!("invalid value for parameter ipv6-cidr-block: {text}")))?;
    if !(44..=64).contains(&net.prefix_len()) || net.prefix_len() % 4 != 0 {
        return Err(invalid(format!("invalid value for parameter ipv6-cidr-block: {text}")));
    }
    if !vpc.covers_ipv6(&net) {
        return Err(ApiError::new("InvalidSubnet.Range", format!("The CIDR '{net}' is invalid.")));
    }
    let siblings = state.subnets.values().filter(|subnet| subnet.vpc == vpc_id);
    if siblings.filter_map(|subnet| subnet.ipv6.as_ref()).any(|block| block.net.contains(&net) || net.contains(&block.net)) {
        return Err(ApiError::new("InvalidSubnet.Conflict", format!("The CIDR '{net}' conflicts with another subnet")));
    }
    Ok(net)
}

/// Gives a subnet an IPv6 block, which is ready after a while.
pub(super) fn give(world: &mut World, subnet: &str, net: Ipv6Net) {
    let block = Block::new(world.id("subnet-cidr-assoc"), net);
    let association = block.id.clone();
    if let Some(found) = world.ec2.subnets.get_mut(subnet) {
        found.ipv6 = Some(block);
    }
    let subnet = subnet.to_owned();
    world.take(Time::CidrBlock, &association.clone(), move |world| {
        let block = world.ec2.subnets.get_mut(&subnet).and_then(|subnet| subnet.ipv6.as_mut());
        vpc_cidr::settle(block, &association);
    });
}

pub(super) fn render_block(block: &Block<Ipv6Net>) -> Value {
    json!({
        "associationId": block.id, "ipv6CidrBlock": block.net, "ipv6CidrBlockState": {"state": block.state}, "ipSource": "amazon",
        "ipv6AddressAttribute": "public",
    })
}

pub(super) fn associate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("SubnetId")?;
    let subnet = ids::SUBNET.find(&world.ec2.subnets, id)?;
    let vpc = ids::VPC.find(&world.ec2.vpcs, &subnet.vpc)?;
    let net = ipv6_block(&world.ec2, &subnet.vpc, vpc, args.required("Ipv6CidrBlock").map_err(|_| ApiError::missing("ipv6CidrBlock"))?)?;
    // "You can only associate a single IPv6 CIDR block with a subnet" (AssociateSubnetCidrBlock); its code is an assumption.
    let count = usize::from(subnet.ipv6.is_some());
    quota::within(count, 1, "CidrLimitExceeded", "This subnet has met its maximum number of allowed IPv6 CIDRs")?;
    give(world, id, net);
    let block = world.ec2.subnets.get(id).and_then(|subnet| subnet.ipv6.as_ref()).map(render_block);
    Ok(json!({"subnetId": id, "ipv6CidrBlockAssociation": block}))
}

pub(super) fn disassociate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let wanted = args.required("AssociationId")?.to_owned();
    let has = |block: &Block<Ipv6Net>| block.id == wanted;
    let State { subnets, interfaces, .. } = &mut world.ec2;
    let Some((id, subnet)) = subnets.iter_mut().find(|(_, subnet)| subnet.ipv6.as_ref().is_some_and(has)) else {
        let message = format!("The subnet CIDR block association ID '{wanted}' does not exist");
        return Err(ApiError::new("InvalidSubnetCidrBlockAssociationID.NotFound", message));
    };
    let in_use = |why: &str| {
        let message = format!("The subnet IPv6 CIDR block with association ID {wanted} may not be disassociated, because {why}.");
        Err(ApiError::new("InvalidCidrBlock.InUse", message))
    };
    if subnet.assign_ipv6 {
        return in_use("its subnet has assign-ipv6-address-on-creation set to true");
    }
    // "You must first unassign any IPv6 addresses that are associated with an instance" ("Remove an IPv6 CIDR block").
    if interfaces.values().any(|interface| interface.subnet == *id && !interface.ipv6.is_empty()) {
        return in_use("network interfaces of its subnet have IPv6 addresses");
    }
    let (id, mut block) = (id.clone(), None);
    if let Some(found) = &mut subnet.ipv6 {
        found.state = "disassociating";
        block = Some(render_block(found));
    }
    let subnet = id.clone();
    world.take(Time::CidrBlock, &wanted.clone(), move |world| {
        if let Some(subnet) = world.ec2.subnets.get_mut(&subnet) {
            subnet.ipv6.take_if(|block| block.id == wanted);
        }
    });
    Ok(json!({"subnetId": id, "ipv6CidrBlockAssociation": block}))
}
