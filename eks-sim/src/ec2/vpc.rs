//! VPCs.

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::{
    Reply, State,
    acl::Acl,
    done,
    filter::Listing,
    gateway::InternetGateway,
    ids, invalid, quota,
    route::{Route, Target},
    route_table::RouteTable,
    security_group::{self, DEFAULT_GROUP},
    subnet, tags, zones,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Debug)]
pub(super) struct Vpc {
    /// Association id and block; the first is the primary one.
    pub(super) cidrs: Vec<(String, Ipv4Net)>,
    pub(super) ipv6: Vec<(String, Ipv6Net)>,
    pub(super) is_default: bool,
    pub(super) dns_support: bool,
    pub(super) dns_hostnames: bool,
    tenancy: String,
}

impl Vpc {
    /// Whether an address belongs to one of the VPC's blocks.
    pub(super) fn covers(&self, net: &Ipv4Net) -> bool {
        self.cidrs.iter().any(|(_, cidr)| cidr.contains(net))
    }

    pub(super) fn primary(&self) -> Option<Ipv4Net> {
        self.cidrs.first().map(|(_, cidr)| *cidr)
    }
}

const LISTING: Listing = Listing {
    set: "vpcSet",
    ids: Some(("VpcId", &ids::VPC)),
    key: "vpcId",
    filters: &[
        ("vpc-id", "vpcId"),
        ("cidr", "cidrBlock"),
        ("cidr-block", "cidrBlock"),
        ("cidrBlock", "cidrBlock"),
        ("cidr-block-association.cidr-block", "cidrBlockAssociationSet.cidrBlock"),
        ("cidr-block-association.association-id", "cidrBlockAssociationSet.associationId"),
        ("cidr-block-association.state", "cidrBlockAssociationSet.cidrBlockState.state"),
        ("ipv6-cidr-block-association.ipv6-cidr-block", "ipv6CidrBlockAssociationSet.ipv6CidrBlock"),
        ("dhcp-options-id", "dhcpOptionsId"),
        ("is-default", "isDefault"),
        ("isDefault", "isDefault"),
        ("owner-id", "ownerId"),
        ("state", "state"),
    ],
    page: Some((5, 1000)),
};

fn render(world: &World, id: &str, vpc: &Vpc, state: &str) -> Value {
    let cidrs: Vec<_> = vpc.cidrs.iter().map(|(id, cidr)| association(id, cidr, "associated")).collect();
    let ipv6: Vec<_> = vpc.ipv6.iter().map(|(id, cidr)| ipv6_association(&world.region, id, cidr, "associated")).collect();
    json!({
        "vpcId": id, "state": state, "cidrBlock": vpc.primary(), "cidrBlockAssociationSet": cidrs, "ipv6CidrBlockAssociationSet": ipv6,
        "dhcpOptionsId": world.ec2.dhcp_options, "instanceTenancy": vpc.tenancy, "isDefault": vpc.is_default,
        "ownerId": world.account, "tagSet": world.ec2.tag_set(id),
    })
}

fn association(id: &str, cidr: &Ipv4Net, state: &str) -> Value {
    json!({"associationId": id, "cidrBlock": cidr, "cidrBlockState": {"state": state}})
}

fn ipv6_association(region: &str, id: &str, cidr: &Ipv6Net, state: &str) -> Value {
    json!({
        "associationId": id, "ipv6CidrBlock": cidr, "ipv6CidrBlockState": {"state": state}, "networkBorderGroup": region,
        "ipv6Pool": "Amazon",
    })
}

/// An IPv4 block as a parameter gives it, in canonical form: EC2 turns 100.68.0.18/18 into 100.68.0.0/18 (CreateVpc).
pub(super) fn parse_cidr(parameter: &str, text: &str) -> Result<Ipv4Net, ApiError> {
    text.parse::<Ipv4Net>().map(|net| net.trunc()).map_err(|_| {
        ApiError::new(
            "InvalidParameterValue",
            format!("Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block."),
        )
    })
}

fn vpc_cidr(args: &Args) -> Result<Ipv4Net, ApiError> {
    let cidr = parse_cidr("cidrBlock", args.required("CidrBlock").map_err(|_| ApiError::missing("cidrBlock"))?)?;
    // "CIDR blocks from the link local block are reserved … and cannot be assigned to VPCs" ("VPC CIDR blocks").
    if !(16..=28).contains(&cidr.prefix_len()) || within(&cidr, "169.254.0.0/16") {
        return Err(ApiError::new("InvalidVpc.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    Ok(cidr)
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::VPC.tag_type, &[])?;
    let cidr = vpc_cidr(args)?;
    let tenancy = args.str("InstanceTenancy").unwrap_or("default").to_owned();
    if !matches!(tenancy.as_str(), "default" | "dedicated") {
        return Err(invalid(format!("Value ({tenancy}) for parameter instanceTenancy is invalid.")));
    }
    quota::within(world.ec2.vpcs.len(), quota::VPCS, "VpcLimitExceeded", "The maximum number of VPCs has been reached.")?;
    let id = make(world, cidr, tenancy, false);
    if args.bool("AmazonProvidedIpv6CidrBlock") == Some(true) {
        add_ipv6(world, &id);
    }
    world.ec2.tag(&id, tags);
    Ok(json!({"vpc": render(world, &id, &world.ec2.vpcs[&id], "pending")}))
}

/// Makes a VPC with what comes with it: main route table, default network ACL, default security group.
fn make(world: &mut World, cidr: Ipv4Net, tenancy: String, is_default: bool) -> String {
    let id = world.id("vpc");
    let cidr_association = world.id("vpc-cidr-assoc");
    // A VPC that is not the default one has no DNS hostnames until it is told ("DNS attributes in your VPC").
    let vpc =
        Vpc { cidrs: vec![(cidr_association, cidr)], ipv6: Vec::new(), is_default, dns_support: true, dns_hostnames: is_default, tenancy };
    world.ec2.vpcs.insert(id.clone(), vpc);
    let (table, association, acl) = (world.id("rtb"), world.id("rtbassoc"), world.id("acl"));
    let mut main = RouteTable::new(&id);
    main.associations.insert(association, None);
    world.ec2.route_tables.insert(table, main);
    world.ec2.acls.insert(acl, Acl { vpc: id.clone(), associations: Default::default() });
    security_group::make_default(world, &id);
    id
}

/// Amazon's pool gives a /56 (CreateVpc).
fn add_ipv6(world: &mut World, id: &str) -> Option<(String, Ipv6Net)> {
    let association = world.id("vpc-cidr-assoc");
    let bits = world.draw.bits("ipv6") & 0x00ff_ffff_ff00;
    let address = (0x2600_1f00_u128 << 96) | (u128::from(bits) << 64);
    let net = Ipv6Net::new(address.into(), 56).ok()?.trunc();
    world.ec2.vpcs.get_mut(id)?.ipv6.push((association.clone(), net));
    Some((association, net))
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VpcId")?.to_owned();
    let state = &mut world.ec2;
    ids::VPC.find(&state.vpcs, &id)?;
    if state.has_dependents(&id) {
        return Err(ApiError::new("DependencyViolation", format!("The vpc '{id}' has dependencies and cannot be deleted.")));
    }
    state.vpcs.remove(&id);
    let groups: Vec<_> = state.security_groups.iter().filter(|(_, group)| group.vpc == id).map(|(id, _)| id.clone()).collect();
    for group in groups {
        state.forget_group(&group);
    }
    state.route_tables.retain(|_, table| table.vpc != id);
    state.acls.retain(|_, acl| acl.vpc != id);
    state.tags.remove(&id);
    Ok(done())
}

impl State {
    /// Whether anything is left in a VPC but what came with it.
    fn has_dependents(&self, vpc: &str) -> bool {
        self.subnets.values().any(|subnet| subnet.vpc == vpc)
            || self.internet_gateways.values().any(|gateway| gateway.vpc.as_deref() == Some(vpc))
            || self.nat_gateways.values().any(|nat| nat.vpc == vpc && nat.is_live())
            || self.interfaces.values().any(|interface| interface.vpc == vpc)
            || self.security_groups.values().any(|group| group.vpc == vpc && group.name != DEFAULT_GROUP)
            || self.route_tables.values().any(|table| table.vpc == vpc && !table.is_main())
    }

    /// The internet gateway attached to a VPC.
    pub(super) fn attached_gateway(&self, vpc: &str) -> Option<&str> {
        self.internet_gateways.iter().find(|(_, gateway)| gateway.vpc.as_deref() == Some(vpc)).map(|(id, _)| id.as_str())
    }
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.vpcs.iter().map(|(id, vpc)| render(world, id, vpc, "available")).collect();
    LISTING.reply(args, items)
}

pub(super) fn modify_attribute(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VpcId")?;
    let vpc = ids::VPC.find_mut(&mut world.ec2.vpcs, id)?;
    let value = |name: &str| args.sub(name).bool("Value");
    let metrics = value("EnableNetworkAddressUsageMetrics");
    // "You can only modify one attribute at a time" (ModifyVpcAttribute).
    match (value("EnableDnsSupport"), value("EnableDnsHostnames"), metrics) {
        (Some(on), None, None) => vpc.dns_support = on,
        (None, Some(on), None) if on && !vpc.dns_support => {
            return Err(invalid("DNS hostnames cannot be enabled while DNS support is disabled"));
        }
        (None, Some(on), None) => vpc.dns_hostnames = on,
        (None, None, Some(_)) => {}
        (None, None, None) => return Err(ApiError::missing("attribute")),
        _ => return Err(ApiError::new("InvalidParameterCombination", "Fields for multiple attribute types specified")),
    }
    Ok(done())
}

pub(super) fn describe_attribute(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VpcId")?;
    let vpc = ids::VPC.find(&world.ec2.vpcs, id)?;
    let attribute = args.required("Attribute")?;
    let value = match attribute {
        "enableDnsSupport" => vpc.dns_support,
        "enableDnsHostnames" => vpc.dns_hostnames,
        "enableNetworkAddressUsageMetrics" => false,
        other => return Err(invalid(format!("Value ({other}) for parameter attribute is invalid."))),
    };
    Ok(json!({"vpcId": id, attribute: {"value": value}}))
}

pub(super) fn associate_cidr(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = args.required("VpcId")?.to_owned();
    ids::VPC.find(&world.ec2.vpcs, &id)?;
    if args.bool("AmazonProvidedIpv6CidrBlock") == Some(true) {
        let added = add_ipv6(world, &id);
        let block = added.map(|(association, net)| ipv6_association(&world.region, &association, &net, "associating"));
        return Ok(json!({"vpcId": id, "ipv6CidrBlockAssociation": block}));
    }
    let cidr = vpc_cidr(args)?;
    let vpc = &world.ec2.vpcs[&id];
    if let Some((_, other)) = vpc.cidrs.iter().find(|(_, other)| other.contains(&cidr) || cidr.contains(other)) {
        return Err(ApiError::new("InvalidVpc.Range", format!("The CIDR '{cidr}' conflicts with another block of the VPC, '{other}'.")));
    }
    if restricted(vpc, &cidr) {
        return Err(ApiError::new("InvalidVpc.Range", format!("The CIDR '{cidr}' is restricted. Use a CIDR from the allowed ranges.")));
    }
    // "The CIDR block must not be the same or larger than a destination CIDR range in a route in any of the VPC route tables."
    let tables = world.ec2.route_tables.values().filter(|table| table.vpc == id);
    let mut destinations = tables.flat_map(|table| &table.routes).filter_map(|route| route.destination.parse::<Ipv4Net>().ok());
    if let Some(destination) = destinations.find(|destination| cidr.contains(destination)) {
        let message = format!("The CIDR '{cidr}' is the same as or larger than the destination '{destination}' of a route of the VPC.");
        return Err(ApiError::new("InvalidVpc.Range", message));
    }
    let message = format!("This network '{id}' has met its maximum number of allowed CIDRs: {}", quota::CIDRS_PER_VPC);
    quota::within(vpc.cidrs.len(), quota::CIDRS_PER_VPC, "CidrLimitExceeded", &message)?;
    let association_id = world.id("vpc-cidr-assoc");
    world.ec2.vpcs.get_mut(&id).ok_or_else(|| ids::VPC.not_found(&id))?.cidrs.push((association_id.clone(), cidr));
    Ok(json!({"vpcId": id, "cidrBlockAssociation": association(&association_id, &cidr, "associating")}))
}

fn within(net: &Ipv4Net, range: &str) -> bool {
    range.parse::<Ipv4Net>().is_ok_and(|range| range.contains(net))
}

/// "IPv4 CIDR block association restrictions" (VPC user guide), whose table goes by the range of the primary block. Only what
/// 10.0.0.0/15 excludes goes by "any of the CIDR blocks associated with the VPC".
fn restricted(vpc: &Vpc, wanted: &Ipv4Net) -> bool {
    vpc.primary().is_some_and(|primary| excludes(&primary, wanted))
        || (within(wanted, "10.0.0.0/16") && vpc.cidrs.iter().any(|(_, present)| within(present, "10.0.0.0/15")))
}

/// Whether a VPC of this primary block may not have the wanted one.
fn excludes(primary: &Ipv4Net, wanted: &Ipv4Net) -> bool {
    const PRIVATE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    let family = |net: &Ipv4Net| PRIVATE.iter().position(|range| within(net, range));
    let benchmark = "198.19.0.0/16";
    match (family(primary), family(wanted)) {
        (Some(1), Some(1)) => within(wanted, "172.31.0.0/16"),
        (Some(primary), Some(wanted)) => primary != wanted,
        (Some(_), None) => within(wanted, benchmark),
        (None, Some(_)) => true,
        (None, None) => within(wanted, benchmark) && !within(primary, benchmark),
    }
}

pub(super) fn disassociate_cidr(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let wanted = args.required("AssociationId")?;
    let missing =
        || ApiError::new("InvalidCidrBlockAssociationID.NotFound", format!("The vpc CIDR block association ID '{wanted}' does not exist"));
    let in_use =
        |id: &str| ApiError::new("DependencyViolation", format!("The CIDR of vpc '{id}' has dependencies and cannot be disassociated."));
    let World { ec2: state, region, .. } = world;
    for (id, vpc) in &mut state.vpcs {
        if let Some(index) = vpc.cidrs.iter().position(|(association, _)| association == wanted) {
            let cidr = vpc.cidrs[index].1;
            if index == 0 {
                return Err(ApiError::new(
                    "OperationNotPermitted",
                    format!(
                        "The vpc CIDR block with association ID {wanted} may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
                    ),
                ));
            }
            if state.subnets.values().any(|subnet| subnet.vpc == *id && cidr.contains(&subnet.net)) {
                return Err(in_use(id));
            }
            vpc.cidrs.remove(index);
            return Ok(json!({"vpcId": id, "cidrBlockAssociation": association(wanted, &cidr, "disassociating")}));
        }
        if let Some(index) = vpc.ipv6.iter().position(|(association, _)| association == wanted) {
            let cidr = vpc.ipv6[index].1;
            if state.subnets.values().any(|subnet| subnet.vpc == *id && subnet.ipv6.as_ref().is_some_and(|(_, net)| cidr.contains(net))) {
                return Err(in_use(id));
            }
            vpc.ipv6.remove(index);
            return Ok(json!({"vpcId": id, "ipv6CidrBlockAssociation": ipv6_association(region, wanted, &cidr, "disassociating")}));
        }
    }
    Err(missing())
}

/// What every account has: the default VPC ("Default VPC components", VPC user guide).
pub(crate) fn furnish(world: &mut World) {
    world.ec2.dhcp_options = world.id("dopt");
    let vpc = make(world, Ipv4Net::new_assert([172, 31, 0, 0].into(), 16), "default".to_owned(), true);
    let gateway = world.id("igw");
    world.ec2.internet_gateways.insert(gateway.clone(), InternetGateway { vpc: Some(vpc.clone()) });
    if let Some(table) = world.ec2.route_tables.values_mut().find(|table| table.vpc == vpc) {
        table.routes.push(Route { destination: "0.0.0.0/0".to_owned(), target: Target::Gateway(gateway) });
    }
    let zones = zones::zones(&world.region);
    let blocks = Ipv4Net::new_assert([172, 31, 0, 0].into(), 16).subnets(20).into_iter().flatten();
    for ((zone, _), net) in zones.into_iter().zip(blocks) {
        let id = subnet::make(world, &vpc, net, zone, None);
        if let Some(subnet) = world.ec2.subnets.get_mut(&id) {
            subnet.map_public_ip = true;
            subnet.default_for_zone = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().expect("cidr")
    }

    #[test]
    fn association_restrictions() {
        for (primary, wanted, refused) in [
            ("10.4.0.0/16", "10.5.0.0/16", false),
            ("10.4.0.0/16", "192.168.0.0/16", true),
            ("10.4.0.0/16", "100.64.0.0/16", false),
            ("10.4.0.0/16", "198.19.0.0/16", true),
            ("172.16.0.0/16", "172.31.0.0/16", true),
            ("192.168.0.0/16", "192.168.0.0/24", false),
            ("100.64.0.0/16", "10.0.0.0/16", true),
            ("100.64.0.0/16", "198.19.0.0/16", true),
            ("198.19.0.0/20", "100.64.0.0/16", false),
            ("198.19.0.0/20", "10.0.0.0/16", true),
        ] {
            assert_eq!(excludes(&net(primary), &net(wanted)), refused, "{primary} {wanted}");
        }
    }
}
