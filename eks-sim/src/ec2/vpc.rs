//! VPCs.

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::{
    Reply, State,
    acl::Acl,
    done,
    filter::Listing,
    gateway::InternetGateway,
    ids, invalid, prefix_list, quota,
    route::{Route, Target},
    route_table::{Associated, RouteTable},
    security_group::{self, DEFAULT_GROUP},
    subnet, tags, vpc_cidr,
    vpc_cidr::Block,
    zones,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Vpc {
    /// The first is the primary one.
    pub(super) cidrs: Vec<Block<Ipv4Net>>,
    pub(super) ipv6: Vec<Block<Ipv6Net>>,
    pub(super) is_default: bool,
    pub(super) dns_support: bool,
    pub(super) dns_hostnames: bool,
    tenancy: String,
}

impl Vpc {
    pub(super) fn primary(&self) -> Option<Ipv4Net> {
        self.cidrs.first().map(|block| block.net)
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
        ("ipv6-cidr-block-association.ipv6-pool", "ipv6CidrBlockAssociationSet.ipv6Pool"),
        ("ipv6-cidr-block-association.association-id", "ipv6CidrBlockAssociationSet.associationId"),
        ("ipv6-cidr-block-association.state", "ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state"),
        ("dhcp-options-id", "dhcpOptionsId"),
        ("is-default", "isDefault"),
        ("isDefault", "isDefault"),
        ("owner-id", "ownerId"),
        ("state", "state"),
    ],
    page: Some((5, 1000)),
};

fn render(world: &World, id: &str, vpc: &Vpc, state: &str) -> Value {
    let cidrs: Vec<_> = vpc.cidrs.iter().map(vpc_cidr::render).collect();
    let ipv6: Vec<_> = vpc.ipv6.iter().map(|block| vpc_cidr::render_ipv6(&world.region, block)).collect();
    json!({
        "vpcId": id, "state": state, "cidrBlock": vpc.primary(), "cidrBlockAssociationSet": cidrs, "ipv6CidrBlockAssociationSet": ipv6,
        "dhcpOptionsId": world.ec2.dhcp_options, "instanceTenancy": vpc.tenancy, "isDefault": vpc.is_default,
        "ownerId": world.account, "tagSet": world.ec2.tag_set(id),
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

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::VPC.tag_type, &[])?;
    let cidr = vpc_cidr::requested(args)?;
    let tenancy = args.str("InstanceTenancy").unwrap_or("default").to_owned();
    if !matches!(tenancy.as_str(), "default" | "dedicated") {
        return Err(invalid(format!("Value ({tenancy}) for parameter instanceTenancy is invalid.")));
    }
    quota::within(
        world.ec2.vpcs.len(),
        quota::VPCS * world.quota_factor,
        "VpcLimitExceeded",
        "The maximum number of VPCs has been reached.",
    )?;
    let id = make(world, cidr, tenancy, false);
    if args.bool("AmazonProvidedIpv6CidrBlock") == Some(true) {
        vpc_cidr::add_ipv6(world, &id);
    }
    world.ec2.tag(&id, tags);
    Ok(json!({"vpc": render(world, &id, &world.ec2.vpcs[&id], "pending")}))
}

/// Makes a VPC with what comes with it: main route table, default network ACL, default security group.
fn make(world: &mut World, cidr: Ipv4Net, tenancy: String, is_default: bool) -> String {
    let id = world.id("vpc");
    let cidr_association = world.id("vpc-cidr-assoc");
    // A VPC that is not the default one has no DNS hostnames until it is told ("DNS attributes in your VPC").
    let primary = Block { id: cidr_association, net: cidr, state: "associated" };
    let vpc = Vpc { cidrs: vec![primary], ipv6: Vec::new(), is_default, dns_support: true, dns_hostnames: is_default, tenancy };
    world.ec2.vpcs.insert(id.clone(), vpc);
    let (table, association, acl) = (world.id("rtb"), world.id("rtbassoc"), world.id("acl"));
    let mut main = RouteTable::new(&id);
    main.associations.insert(association, Associated::Main);
    world.ec2.route_tables.insert(table, main);
    world.ec2.acls.insert(acl, Acl::default_of(&id));
    security_group::make_default(world, &id);
    id
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
            || self.endpoints.values().any(|endpoint| endpoint.vpc == vpc)
            || self.egress_only_gateways.values().any(|gateway| gateway.vpc == vpc)
            || self.acls.values().any(|acl| acl.vpc == vpc && !acl.is_default)
    }

    /// The internet gateway attached to a VPC.
    pub(super) fn attached_gateway(&self, vpc: &str) -> Option<&str> {
        self.internet_gateways.iter().find(|(_, gateway)| gateway.vpc.as_deref() == Some(vpc)).map(|(id, _)| id.as_str())
    }
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world
        .ec2
        .vpcs
        .iter()
        .filter(|(id, _)| LISTING.wants(&world.ec2, args, id))
        .map(|(id, vpc)| render(world, id, vpc, "available"))
        .collect();
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

/// What every account has: the default VPC ("Default VPC components", VPC user guide).
pub(crate) fn furnish(world: &mut World) {
    prefix_list::furnish(world);
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
        let id = subnet::make(world, &vpc, net, zone);
        if let Some(subnet) = world.ec2.subnets.get_mut(&id) {
            subnet.map_public_ip = true;
            subnet.default_for_zone = true;
        }
    }
}
