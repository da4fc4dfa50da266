//! EC2's answers as plain data.

use aws_sdk_ec2::types::{
    Address, InternetGateway, IpPermission, NatGateway, NetworkInterface, Route, RouteTable, SecurityGroup, Subnet, Tag, Volume, Vpc,
};
use eks_core::{Class, Error, Ref};
use ipnet::IpNet;

use super::strange;
use crate::{
    observed::{
        FoundAddress, FoundGroup, FoundInterface, FoundInternetGateway, FoundNatGateway, FoundRouteTable, FoundSubnet, FoundVolume,
        FoundVpc,
    },
    rule::{Ingress, Protocol, Source},
    tags::Tags,
};

/// A field that every answer has, in the form that it always has.
pub(super) fn field<T: std::str::FromStr>(call: &str, name: &str, value: Option<&str>) -> Result<T, Error>
where
    T::Err: std::fmt::Display,
{
    let value = value.ok_or_else(|| strange(call, name, Class::Permanent, format!("the answer has no {name}")))?;
    value.parse().map_err(|error: T::Err| strange(call, name, Class::Permanent, error.to_string()))
}

pub(super) fn tags(tags: &[Tag]) -> Tags {
    tags.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

/// A VPC whose DNS attributes are still to be read.
pub(super) fn vpc(vpc: &Vpc) -> Result<FoundVpc, Error> {
    let call = "ec2:DescribeVpcs";
    Ok(FoundVpc {
        id: field(call, "vpcId", vpc.vpc_id())?,
        cidr: field(call, "cidrBlock", vpc.cidr_block())?,
        dns_support: true,
        dns_hostnames: true,
        tags: tags(vpc.tags()),
    })
}

pub(super) fn subnet(subnet: &Subnet) -> Result<FoundSubnet, Error> {
    let call = "ec2:DescribeSubnets";
    Ok(FoundSubnet {
        id: field(call, "subnetId", subnet.subnet_id())?,
        cidr: field(call, "cidrBlock", subnet.cidr_block())?,
        zone: field(call, "availabilityZone", subnet.availability_zone())?,
        map_public_ip: subnet.map_public_ip_on_launch().unwrap_or_default(),
        tags: tags(subnet.tags()),
    })
}

pub(super) fn internet_gateway(gateway: &InternetGateway) -> Result<FoundInternetGateway, Error> {
    let call = "ec2:DescribeInternetGateways";
    let attached = gateway.attachments().iter().filter(|attachment| attachment.vpc_id().is_some());
    Ok(FoundInternetGateway {
        id: field(call, "internetGatewayId", gateway.internet_gateway_id())?,
        attached_to: attached.map(|attachment| field(call, "vpcId", attachment.vpc_id())).collect::<Result<_, _>>()?,
        tags: tags(gateway.tags()),
    })
}

pub(super) fn nat_gateway(gateway: &NatGateway) -> Result<FoundNatGateway, Error> {
    let call = "ec2:DescribeNatGateways";
    Ok(FoundNatGateway {
        id: field(call, "natGatewayId", gateway.nat_gateway_id())?,
        state: gateway.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        subnet: gateway.subnet_id().map(|id| field(call, "subnetId", Some(id))).transpose()?,
        tags: tags(gateway.tags()),
    })
}

pub(super) fn address(address: &Address) -> Result<FoundAddress, Error> {
    Ok(FoundAddress {
        id: field("ec2:DescribeAddresses", "allocationId", address.allocation_id())?,
        public_ip: address.public_ip().unwrap_or_default().to_owned(),
        tags: tags(address.tags()),
    })
}

pub(super) fn route_table(table: &RouteTable) -> Result<FoundRouteTable, Error> {
    let call = "ec2:DescribeRouteTables";
    let explicit = table.associations().iter().filter(|association| association.subnet_id().is_some());
    let associations = explicit.map(|association| {
        let subnet = field(call, "subnetId", association.subnet_id())?;
        Ok((subnet, field(call, "routeTableAssociationId", association.route_table_association_id())?))
    });
    Ok(FoundRouteTable {
        id: field(call, "routeTableId", table.route_table_id())?,
        default_route: default_route(table.routes()),
        associations: associations.collect::<Result<_, Error>>()?,
        tags: tags(table.tags()),
    })
}

/// Id of what 0.0.0.0/0 leads to.
fn default_route(routes: &[Route]) -> Option<String> {
    let route = routes.iter().find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"))?;
    let targets = [
        route.gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.network_interface_id(),
        route.instance_id(),
        route.vpc_peering_connection_id(),
        route.carrier_gateway_id(),
        route.local_gateway_id(),
        route.core_network_arn(),
    ];
    Some(targets.into_iter().flatten().next().unwrap_or("something else").to_owned())
}

pub(super) fn group(group: &SecurityGroup) -> Result<FoundGroup, Error> {
    let call = "ec2:DescribeSecurityGroups";
    let (mut ingress, mut other) = (Vec::new(), Vec::new());
    for permission in group.ip_permissions() {
        rules(permission, &mut ingress, &mut other);
    }
    let pairs = group.ip_permissions().iter().chain(group.ip_permissions_egress()).flat_map(|permission| permission.user_id_group_pairs());
    Ok(FoundGroup {
        id: field(call, "groupId", group.group_id())?,
        vpc: field(call, "vpcId", group.vpc_id())?,
        name: group.group_name().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        ingress,
        other,
        references: pairs.filter_map(|pair| pair.group_id()?.parse().ok()).collect(),
        tags: tags(group.tags()),
    })
}

/// One rule for each source of a permission; those that a spec cannot express in words.
fn rules(permission: &IpPermission, ingress: &mut Vec<Ingress>, other: &mut Vec<String>) {
    let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok());
    let (from, to) = (permission.from_port(), permission.to_port());
    // For ICMP the ports are type and code; -1, or none, is every one.
    let every = |part: Option<i32>| part.is_none_or(|part| part == -1);
    let protocol = match (permission.ip_protocol().unwrap_or_default(), port(from), port(to)) {
        ("-1", ..) => Some(Protocol::All),
        ("tcp", Some(from), Some(to)) => Some(Protocol::Tcp(from, to)),
        ("udp", Some(from), Some(to)) => Some(Protocol::Udp(from, to)),
        ("icmp", ..) if every(from) && every(to) => Some(Protocol::Icmp),
        ("icmpv6", ..) if every(from) && every(to) => Some(Protocol::Icmpv6),
        _ => None,
    };
    let cidrs = permission
        .ip_ranges()
        .iter()
        .filter_map(|range| Some((range.cidr_ip()?, range.description())))
        .chain(permission.ipv6_ranges().iter().filter_map(|range| Some((range.cidr_ipv6()?, range.description()))))
        .map(|(cidr, description)| (cidr, cidr.parse::<IpNet>().ok().map(|block| Source::from(block.trunc())), description));
    let groups = permission.user_id_group_pairs().iter().filter_map(|pair| {
        let id = pair.group_id()?;
        Some((id, id.parse().ok().map(|id| Source::Group(Ref::Known(id))), pair.description()))
    });
    let lists = permission.prefix_list_ids().iter().filter_map(|list| Some((list.prefix_list_id()?, None, list.description())));
    for (text, source, description) in cidrs.chain(groups).chain(lists) {
        match (protocol, source) {
            (Some(protocol), Some(source)) => ingress.push(Ingress::new(protocol, source, description.map(str::to_owned))),
            (Some(protocol), None) => other.push(format!("{protocol} from {text}")),
            (None, _) => {
                let ports = [from, to].into_iter().flatten().map(|port| port.to_string()).collect::<Vec<_>>().join("-");
                other.push(format!("{} {ports} from {text}", permission.ip_protocol().unwrap_or_default()));
            }
        }
    }
}

pub(super) fn interface(interface: &NetworkInterface) -> Result<FoundInterface, Error> {
    Ok(FoundInterface {
        id: field("ec2:DescribeNetworkInterfaces", "networkInterfaceId", interface.network_interface_id())?,
        description: interface.description().unwrap_or_default().to_owned(),
        status: interface.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        instance: interface.attachment().and_then(|attachment| attachment.instance_id()).map(str::to_owned),
        groups: interface.groups().iter().filter_map(|group| group.group_id()?.parse().ok()).collect(),
    })
}

pub(super) fn volume(volume: &Volume) -> Result<FoundVolume, Error> {
    Ok(FoundVolume {
        id: field("ec2:DescribeVolumes", "volumeId", volume.volume_id())?,
        gib: volume.size().unwrap_or_default(),
        state: volume.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        tags: tags(volume.tags()),
    })
}
