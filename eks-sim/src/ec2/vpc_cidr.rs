//! The blocks of VPCs: secondary IPv4 blocks, and IPv6 blocks of Amazon's pool ("VPC CIDR blocks", VPC user guide).

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::{
    Reply, State, acl, ids, invalid, quota, security_group_rule,
    security_group_rule::{Peer, Rule},
    vpc::{self, Vpc},
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// A block of addresses that a VPC or a subnet has, or is getting or losing.
#[derive(Clone, Debug)]
pub(super) struct Block<N> {
    /// The association's id.
    pub(super) id: String,
    pub(super) net: N,
    pub(super) state: &'static str,
}

impl<N> Block<N> {
    /// A block that is on its way.
    pub(super) fn new(id: String, net: N) -> Self {
        Self { id, net, state: "associating" }
    }

    /// "The CIDR block is ready for you to use when it's in the associated state" ("VPC CIDR blocks").
    pub(super) fn is_ready(&self) -> bool {
        self.state == "associated"
    }
}

impl Vpc {
    /// Whether one of the VPC's blocks contains this one.
    pub(super) fn covers(&self, net: &Ipv4Net) -> bool {
        self.cidrs.iter().any(|block| block.is_ready() && block.net.contains(net))
    }

    /// Whether one of the VPC's IPv6 blocks contains this one.
    pub(super) fn covers_ipv6(&self, net: &Ipv6Net) -> bool {
        self.ipv6.iter().any(|block| block.is_ready() && block.net.contains(net))
    }

    /// Whether there is a local route with this destination.
    pub(super) fn is_local(&self, destination: &str) -> bool {
        self.cidrs.iter().any(|block| block.net.to_string() == destination)
            || self.ipv6.iter().any(|block| block.net.to_string() == destination)
    }
}

pub(super) fn render(block: &Block<Ipv4Net>) -> Value {
    json!({"associationId": block.id, "cidrBlock": block.net, "cidrBlockState": {"state": block.state}})
}

pub(super) fn render_ipv6(region: &str, block: &Block<Ipv6Net>) -> Value {
    json!({
        "associationId": block.id, "ipv6CidrBlock": block.net, "ipv6CidrBlockState": {"state": block.state},
        "networkBorderGroup": region, "ipv6Pool": "Amazon", "ipSource": "amazon", "ipv6AddressAttribute": "public",
    })
}

/// The block of a call, in canonical form and of a size that a VPC may have: /16 to /28.
pub(super) fn requested(args: &Args) -> Result<Ipv4Net, ApiError> {
    let cidr = vpc::parse_cidr("cidrBlock", args.required("CidrBlock").map_err(|_| ApiError::missing("cidrBlock"))?)?;
    // "CIDR blocks from the link local block are reserved … and cannot be assigned to VPCs" ("VPC CIDR blocks").
    let link_local = Ipv4Net::new_assert([169, 254, 0, 0].into(), 16);
    if !(16..=28).contains(&cidr.prefix_len()) || link_local.contains(&cidr) {
        return Err(ApiError::new("InvalidVpc.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    Ok(cidr)
}

pub(super) fn associate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VpcId")?.to_owned();
    let vpc = ids::VPC.find(&world.ec2.vpcs, &id)?;
    if args.bool("AmazonProvidedIpv6CidrBlock") == Some(true) {
        if args.str("CidrBlock").is_some() {
            let message = "The parameters cidrBlock and amazonProvidedIpv6CidrBlock may not be specified together";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        let message = "This network has met its maximum number of allowed IPv6 CIDRs";
        quota::within(vpc.ipv6.len(), quota::IPV6_CIDRS_PER_VPC, "CidrLimitExceeded", message)?;
        let added = add_ipv6(world, &id).map(|block| render_ipv6(&world.region, &block));
        return Ok(json!({"vpcId": id, "ipv6CidrBlockAssociation": added}));
    }
    let cidr = requested(args)?;
    check(&world.ec2, &id, vpc, &cidr)?;
    let block = Block::new(world.id("vpc-cidr-assoc"), cidr);
    let reply = render(&block);
    let association = block.id.clone();
    ids::VPC.find_mut(&mut world.ec2.vpcs, &id)?.cidrs.push(block);
    let vpc = id.clone();
    world.take(Time::CidrBlock, &association.clone(), move |world| {
        let blocks = world.ec2.vpcs.get_mut(&vpc).map(|vpc| &mut vpc.cidrs);
        settle(blocks.into_iter().flatten(), &association);
    });
    Ok(json!({"vpcId": id, "cidrBlockAssociation": reply}))
}

/// What was on its way is there.
pub(super) fn settle<'a, N: 'a>(blocks: impl IntoIterator<Item = &'a mut Block<N>>, id: &str) {
    blocks.into_iter().filter(|block| block.id == id && block.state == "associating").for_each(|block| block.state = "associated");
}

/// "Manage IPv4 CIDR blocks for a VPC": the rules for one more block.
fn check(state: &State, id: &str, vpc: &Vpc, cidr: &Ipv4Net) -> Result<(), ApiError> {
    let range = |message: String| Err(ApiError::new("InvalidVpc.Range", message));
    if let Some(other) = vpc.cidrs.iter().find(|other| other.net.contains(cidr) || cidr.contains(&other.net)) {
        return range(format!("The CIDR '{cidr}' conflicts with another block of the VPC, '{}'.", other.net));
    }
    if is_restricted(&vpc.cidrs.iter().map(|block| block.net).collect::<Vec<_>>(), cidr) {
        return range(format!("The CIDR '{cidr}' is restricted. Use a CIDR from the same private address range as the current VPC CIDR."));
    }
    // "Must not be the same or larger than a destination CIDR range in a route": the page gives no code for it; assumption.
    let tables = state.route_tables.iter().filter(|(_, table)| table.vpc == id);
    let mut routed = tables.flat_map(|(table, found)| found.routes.iter().map(move |route| (table, route)));
    let within = |destination: &str| destination.parse::<Ipv4Net>().is_ok_and(|destination| cidr.contains(&destination));
    if let Some((table, route)) = routed.find(|(_, route)| within(&route.destination)) {
        return range(format!("The CIDR '{cidr}' is the same as or larger than the destination {} in {table}.", route.destination));
    }
    let message = "This network has met its maximum number of allowed CIDRs";
    quota::within(vpc.cidrs.len(), quota::CIDRS_PER_VPC, "CidrLimitExceeded", message)
}

/// "IPv4 CIDR block association restrictions" (VPC user guide), by the range of the VPC's primary block; the rule about
/// 10.0.0.0/15 looks at all of them.
fn is_restricted(present: &[Ipv4Net], wanted: &Ipv4Net) -> bool {
    let within = |net: &Ipv4Net, range: &str| range.parse::<Ipv4Net>().is_ok_and(|range| range.contains(net));
    const PRIVATE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    let family = |net: &Ipv4Net| PRIVATE.iter().position(|range| within(net, range));
    let benchmark = |net: &Ipv4Net| within(net, "198.19.0.0/16");
    if within(wanted, "169.254.0.0/16") {
        return true;
    }
    if within(wanted, "10.0.0.0/16") && present.iter().any(|net| within(net, "10.0.0.0/15")) {
        return true;
    }
    let Some(primary) = present.first() else { return false };
    match (family(primary), family(wanted)) {
        (Some(1), Some(1)) => within(wanted, "172.31.0.0/16"),
        (Some(primary), Some(wanted)) => primary != wanted,
        (Some(_), None) => benchmark(wanted),
        (None, Some(_)) => true,
        (None, None) => benchmark(wanted) && !benchmark(primary),
    }
}

/// A /56 of Amazon's pool ("IPv6 VPC CIDR blocks"), with the rules that it brings to the VPC's default security group and
/// network ACL ("Default security groups", "Default network ACL").
pub(super) fn add_ipv6(world: &mut World, id: &str) -> Option<Block<Ipv6Net>> {
    let bits = world.draw.bits("ipv6") & 0x00ff_ffff_ff00;
    let address = (0x2600_1f00_u128 << 96) | (u128::from(bits) << 64);
    let block = Block::new(world.id("vpc-cidr-assoc"), Ipv6Net::new(address.into(), 56).ok()?.trunc());
    world.ec2.vpcs.get_mut(id)?.ipv6.push(block.clone());
    if let Some(group) = world.ec2.default_group(id) {
        let everywhere = Rule::all(true, Peer::Cidr6("::/0".to_owned()));
        let unmodified = Rule::all(true, Peer::Cidr("0.0.0.0/0".to_owned()));
        let egress: Vec<_> = world.ec2.security_groups[&group].rules.iter().filter(|(_, rule)| rule.egress).collect();
        if egress.len() == 1 && egress[0].1 == unmodified {
            security_group_rule::add(world, &group, everywhere);
        }
    }
    acl::open_to_ipv6(&mut world.ec2, id);
    let (vpc, association) = (id.to_owned(), block.id.clone());
    world.take(Time::CidrBlock, &block.id, move |world| {
        let blocks = world.ec2.vpcs.get_mut(&vpc).map(|vpc| &mut vpc.ipv6);
        settle(blocks.into_iter().flatten(), &association);
    });
    Some(block)
}

pub(super) fn disassociate(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let wanted = args.required("AssociationId")?.to_owned();
    let in_use = || {
        let message =
            format!("The vpc CIDR block with association ID {wanted} may not be disassociated. It is in use by subnets of the VPC");
        ApiError::new("InvalidCidrBlock.InUse", message)
    };
    let World { ec2: state, region, .. } = world;
    let State { vpcs, subnets, .. } = state;
    for (id, vpc) in vpcs {
        if let Some(index) = vpc.cidrs.iter().position(|block| block.id == wanted) {
            if index == 0 {
                let message = format!(
                    "The vpc CIDR block with association ID {wanted} may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
                );
                return Err(ApiError::new("OperationNotPermitted", message));
            }
            let block = &mut vpc.cidrs[index];
            if subnets.values().any(|subnet| subnet.vpc == *id && block.net.contains(&subnet.net)) {
                return Err(in_use());
            }
            block.state = "disassociating";
            let reply = json!({"vpcId": id, "cidrBlockAssociation": render(block)});
            world.take(Time::CidrBlock, &wanted.clone(), move |world| drop_block(world, &wanted));
            return Ok(reply);
        }
        if let Some(block) = vpc.ipv6.iter_mut().find(|block| block.id == wanted) {
            let of_subnets = subnets.values().filter(|subnet| subnet.vpc == *id).flat_map(|subnet| &subnet.ipv6);
            if of_subnets.into_iter().any(|subnet| block.net.contains(&subnet.net)) {
                return Err(in_use());
            }
            block.state = "disassociating";
            let reply = json!({"vpcId": id, "ipv6CidrBlockAssociation": render_ipv6(region, block)});
            world.take(Time::CidrBlock, &wanted.clone(), move |world| drop_block(world, &wanted));
            return Ok(reply);
        }
    }
    if !wanted.starts_with("vpc-cidr-assoc-") {
        return Err(invalid(format!("Value ({wanted}) for parameter associationId is invalid.")));
    }
    let message = format!("The vpc CIDR block association ID '{wanted}' does not exist");
    Err(ApiError::new("InvalidVpcCidrBlockAssociationID.NotFound", message))
}

fn drop_block(world: &mut World, id: &str) {
    for vpc in world.ec2.vpcs.values_mut() {
        vpc.cidrs.retain(|block| block.id != id);
        vpc.ipv6.retain(|block| block.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn association_restrictions() {
        for (present, wanted, refused) in [
            ("10.4.0.0/16", "10.5.0.0/16", false),
            ("10.1.0.0/16", "10.0.0.0/16", true),
            ("10.1.0.0/16", "10.2.0.0/16", false),
            ("10.4.0.0/16", "192.168.0.0/16", true),
            ("10.4.0.0/16", "172.16.0.0/16", true),
            ("10.4.0.0/16", "100.64.0.0/16", false),
            ("10.4.0.0/16", "198.19.0.0/16", true),
            ("10.4.0.0/16", "169.254.0.0/16", true),
            ("172.16.0.0/16", "172.31.0.0/16", true),
            ("172.16.0.0/16", "172.20.0.0/16", false),
            ("172.16.0.0/16", "10.0.0.0/16", true),
            ("192.168.0.0/24", "192.168.1.0/24", false),
            ("192.168.0.0/24", "198.19.0.0/24", true),
            ("198.19.0.0/24", "10.0.0.0/16", true),
            ("198.19.0.0/24", "198.19.1.0/24", false),
            ("198.19.0.0/24", "100.64.0.0/16", false),
            ("100.64.0.0/16", "10.0.0.0/16", true),
            ("100.64.0.0/16", "198.19.0.0/16", true),
            ("100.64.0.0/16", "203.0.113.0/24", false),
            // The primary block decides; the one about 10.0.0.0/15 looks at every block.
            ("10.4.0.0/16 100.64.0.0/16", "10.5.0.0/16", false),
            ("10.4.0.0/16 10.1.0.0/16", "10.0.0.0/16", true),
        ] {
            let nets: Vec<Ipv4Net> = present.split(' ').map(|net| net.parse().expect("cidr")).collect();
            assert_eq!(is_restricted(&nets, &wanted.parse().expect("cidr")), refused, "{present} {wanted}");
        }
    }
}
