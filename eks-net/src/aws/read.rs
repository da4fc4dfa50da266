//! EC2's answers as plain data.

use aws_sdk_ec2::types::{
    Address, AutoScalingIpsState, EgressOnlyInternetGateway, InternetGateway, InternetGatewayAttachment, IpPermission, NatGateway,
    NetworkInterface, Route, RouteTable, SecurityGroup, Subnet, SubnetCidrBlockStateCode, Tag, TransitGatewayVpcAttachment, Volume, Vpc,
    VpcCidrBlockState, VpcCidrBlockStateCode, VpcEndpoint, VpcEndpointType,
};
use eks_core::{Class, Error, Ref, SecurityGroupId, VpcId};
use ipnet::IpNet;

use super::{rules::from_wire, strange};
use crate::{
    egress::EndpointKind,
    groups::{Direction, Peer, SecurityGroupRule},
    observed::{
        FoundAddress, FoundBlock, FoundEgressOnlyGateway, FoundEndpoint, FoundGroup, FoundInterface, FoundInternetGateway, FoundNatGateway,
        FoundRouteTable, FoundRule, FoundSubnet, FoundTransitAttachment, FoundVolume, FoundVpc,
    },
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
    let block = |association: Option<&str>, cidr: Option<&str>, state: Option<&VpcCidrBlockState>| {
        let state = state.and_then(|state| state.state()).map(|state| state.as_str().to_owned()).unwrap_or_default();
        Ok(FoundBlock { association: field(call, "associationId", association)?, cidr: field(call, "cidrBlock", cidr)?, state })
    };
    let ipv4 = vpc.cidr_block_association_set().iter().filter(|one| one.cidr_block() != vpc.cidr_block());
    let ipv4 = ipv4.filter(|one| is_live(one.cidr_block_state()));
    let ipv4 = ipv4.map(|one| block(one.association_id(), one.cidr_block(), one.cidr_block_state()));
    // An IPv6 block is told only some time after its association.
    let ipv6 = vpc.ipv6_cidr_block_association_set().iter().filter(|one| is_live(one.ipv6_cidr_block_state()));
    let ipv6 = ipv6.filter(|one| one.ipv6_cidr_block().is_some_and(|cidr| !cidr.is_empty()));
    let ipv6 = ipv6.map(|one| block(one.association_id(), one.ipv6_cidr_block(), one.ipv6_cidr_block_state()));
    Ok(FoundVpc {
        id: field(call, "vpcId", vpc.vpc_id())?,
        cidr: field(call, "cidrBlock", vpc.cidr_block())?,
        blocks: ipv4.chain(ipv6).collect::<Result<_, Error>>()?,
        dns_support: true,
        dns_hostnames: true,
        tags: tags(vpc.tags()),
    })
}

/// Whether a VPC has a block, or is about to.
pub(super) fn is_live(state: Option<&VpcCidrBlockState>) -> bool {
    state.is_some_and(|state| matches!(state.state(), Some(VpcCidrBlockStateCode::Associated | VpcCidrBlockStateCode::Associating)))
}

pub(super) fn subnet(subnet: &Subnet) -> Result<FoundSubnet, Error> {
    let call = "ec2:DescribeSubnets";
    let ipv6 = subnet.ipv6_cidr_block_association_set().iter().find(|one| {
        let state = one.ipv6_cidr_block_state().and_then(|state| state.state());
        matches!(state, Some(SubnetCidrBlockStateCode::Associated | SubnetCidrBlockStateCode::Associating))
    });
    Ok(FoundSubnet {
        id: field(call, "subnetId", subnet.subnet_id())?,
        cidr: field(call, "cidrBlock", subnet.cidr_block())?,
        free_addresses: subnet.available_ip_address_count().and_then(|free| u32::try_from(free).ok()),
        zone: field(call, "availabilityZone", subnet.availability_zone())?,
        ipv6: ipv6.and_then(|one| one.ipv6_cidr_block()).map(|block| field(call, "ipv6CidrBlock", Some(block))).transpose()?,
        map_public_ip: subnet.map_public_ip_on_launch().unwrap_or_default(),
        assign_ipv6: subnet.assign_ipv6_address_on_creation().unwrap_or_default(),
        tags: tags(subnet.tags()),
    })
}

pub(super) fn internet_gateway(gateway: &InternetGateway) -> Result<FoundInternetGateway, Error> {
    let call = "ec2:DescribeInternetGateways";
    Ok(FoundInternetGateway {
        id: field(call, "internetGatewayId", gateway.internet_gateway_id())?,
        attached_to: attached_to(call, gateway.attachments())?,
        tags: tags(gateway.tags()),
    })
}

pub(super) fn egress_only_gateway(gateway: &EgressOnlyInternetGateway) -> Result<FoundEgressOnlyGateway, Error> {
    let call = "ec2:DescribeEgressOnlyInternetGateways";
    Ok(FoundEgressOnlyGateway {
        id: field(call, "egressOnlyInternetGatewayId", gateway.egress_only_internet_gateway_id())?,
        attached_to: attached_to(call, gateway.attachments())?,
        tags: tags(gateway.tags()),
    })
}

fn attached_to(call: &str, attachments: &[InternetGatewayAttachment]) -> Result<Vec<VpcId>, Error> {
    let attached = attachments.iter().filter(|attachment| attachment.vpc_id().is_some());
    attached.map(|attachment| field(call, "vpcId", attachment.vpc_id())).collect()
}

pub(super) fn transit_attachment(attachment: &TransitGatewayVpcAttachment) -> Result<FoundTransitAttachment, Error> {
    let call = "ec2:DescribeTransitGatewayVpcAttachments";
    let subnets = attachment.subnet_ids().iter();
    Ok(FoundTransitAttachment {
        id: field(call, "transitGatewayAttachmentId", attachment.transit_gateway_attachment_id())?,
        gateway: field(call, "transitGatewayId", attachment.transit_gateway_id())?,
        state: attachment.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        subnets: subnets.map(|id| field(call, "subnetId", Some(id.as_str()))).collect::<Result<_, _>>()?,
        tags: tags(attachment.tags()),
    })
}

pub(super) fn endpoint(endpoint: &VpcEndpoint) -> Result<FoundEndpoint, Error> {
    let call = "ec2:DescribeVpcEndpoints";
    let groups = endpoint.groups().iter();
    Ok(FoundEndpoint {
        id: field(call, "vpcEndpointId", endpoint.vpc_endpoint_id())?,
        service: endpoint.service_name().unwrap_or_default().to_owned(),
        kind: match endpoint.vpc_endpoint_type() {
            Some(VpcEndpointType::Gateway) => Some(EndpointKind::Gateway),
            Some(VpcEndpointType::Interface) => Some(EndpointKind::Interface),
            _ => None,
        },
        state: endpoint.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        route_tables: endpoint.route_table_ids().iter().map(|id| field(call, "routeTableId", Some(id))).collect::<Result<_, _>>()?,
        subnets: endpoint.subnet_ids().iter().map(|id| field(call, "subnetId", Some(id))).collect::<Result<_, _>>()?,
        groups: groups.map(|group| field(call, "groupId", group.group_id())).collect::<Result<_, _>>()?,
        private_dns: endpoint.private_dns_enabled().unwrap_or_default(),
        policy: endpoint.policy_document().map(str::to_owned),
        tags: tags(endpoint.tags()),
    })
}

pub(super) fn nat_gateway(gateway: &NatGateway) -> Result<FoundNatGateway, Error> {
    let call = "ec2:DescribeNatGateways";
    let addresses = gateway.nat_gateway_addresses().iter().map(|address| {
        let zone = address.availability_zone().map(|zone| field(call, "availabilityZone", Some(zone))).transpose()?;
        Ok((zone, address.allocation_id().map(|id| field(call, "allocationId", Some(id))).transpose()?))
    });
    Ok(FoundNatGateway {
        id: field(call, "natGatewayId", gateway.nat_gateway_id())?,
        state: gateway.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        vpc: gateway.vpc_id().map(|id| field(call, "vpcId", Some(id))).transpose()?,
        subnet: gateway.subnet_id().map(|id| field(call, "subnetId", Some(id))).transpose()?,
        automatic: gateway.auto_scaling_ips() == Some(&AutoScalingIpsState::Enabled),
        addresses: addresses.collect::<Result<_, Error>>()?,
        tags: tags(gateway.tags()),
    })
}

pub(super) fn address(address: &Address) -> Result<FoundAddress, Error> {
    Ok(FoundAddress {
        id: field("ec2:DescribeAddresses", "allocationId", address.allocation_id())?,
        public_ip: address.public_ip().unwrap_or_default().to_owned(),
        association: address.association_id().map(str::to_owned),
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
        is_main: table.associations().iter().any(|association| association.main().unwrap_or_default()),
        default_route: default_route(table.routes(), |route| route.destination_cidr_block() == Some("0.0.0.0/0")),
        default_route_ipv6: default_route(table.routes(), |route| route.destination_ipv6_cidr_block() == Some("::/0")),
        associations: associations.collect::<Result<_, Error>>()?,
        tags: tags(table.tags()),
    })
}

/// Id of what the wanted route leads to.
fn default_route(routes: &[Route], wanted: impl Fn(&Route) -> bool) -> Option<String> {
    routes.iter().find(|route| wanted(route)).map(target)
}

/// Id of what a route leads to.
pub(super) fn target(route: &Route) -> String {
    let targets = [
        route.gateway_id(),
        route.egress_only_internet_gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.network_interface_id(),
        route.instance_id(),
        route.vpc_peering_connection_id(),
        route.carrier_gateway_id(),
        route.local_gateway_id(),
        route.core_network_arn(),
    ];
    targets.into_iter().flatten().next().unwrap_or("something else").to_owned()
}

pub(super) fn group(group: &SecurityGroup) -> Result<FoundGroup, Error> {
    let call = "ec2:DescribeSecurityGroups";
    let (mut found, mut other) = (Vec::new(), Vec::new());
    for (direction, permissions) in [(Direction::Ingress, group.ip_permissions()), (Direction::Egress, group.ip_permissions_egress())] {
        for permission in permissions {
            rules(direction, permission, &mut found, &mut other);
        }
    }
    let pairs = group.ip_permissions().iter().chain(group.ip_permissions_egress()).flat_map(|permission| permission.user_id_group_pairs());
    Ok(FoundGroup {
        id: field(call, "groupId", group.group_id())?,
        vpc: field(call, "vpcId", group.vpc_id())?,
        name: group.group_name().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        rules: found,
        other,
        references: pairs.filter_map(|pair| pair.group_id()?.parse().ok()).collect(),
        tags: tags(group.tags()),
    })
}

/// One rule for each peer of a permission; those that a spec cannot express in words.
fn rules(direction: Direction, permission: &IpPermission, rules: &mut Vec<FoundRule>, other: &mut Vec<String>) {
    let (name, from, to) = (permission.ip_protocol().unwrap_or_default(), permission.from_port(), permission.to_port());
    let protocol = from_wire(name, from, to);
    let cidrs = permission
        .ip_ranges()
        .iter()
        .filter_map(|range| Some((range.cidr_ip()?, range.description())))
        .chain(permission.ipv6_ranges().iter().filter_map(|range| Some((range.cidr_ipv6()?, range.description()))))
        .map(|(cidr, description)| (cidr, block(cidr), description));
    let groups = permission.user_id_group_pairs().iter().filter_map(|pair| {
        let id = pair.group_id()?;
        Some((id, id.parse().ok().map(|id| Peer::Group(Ref::Known(id))), pair.description()))
    });
    let lists = permission.prefix_list_ids().iter().filter_map(|list| {
        let id = list.prefix_list_id()?;
        Some((id, id.parse().ok().map(Peer::PrefixList), list.description()))
    });
    for (text, peer, description) in cidrs.chain(groups).chain(lists) {
        match (protocol, peer) {
            (Some(protocol), Some(peer)) => {
                rules.push(SecurityGroupRule::new(direction, protocol, peer, description.map(str::to_owned)).into());
            }
            _ => {
                let ports = [from, to].into_iter().flatten().map(|port| port.to_string()).collect::<Vec<_>>().join("-");
                let way = if direction == Direction::Ingress { "from" } else { "to" };
                other.push([name, &ports, way, text].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "));
            }
        }
    }
}

fn block(text: &str) -> Option<Peer> {
    Some(Peer::from(text.parse::<IpNet>().ok()?.trunc()))
}

/// A rule with its id and tags, and its group; none if a spec cannot express it.
pub(super) fn rule(rule: &aws_sdk_ec2::types::SecurityGroupRule) -> Result<Option<(SecurityGroupId, FoundRule)>, Error> {
    let call = "ec2:DescribeSecurityGroupRules";
    let direction = if rule.is_egress().unwrap_or_default() { Direction::Egress } else { Direction::Ingress };
    let referenced = rule.referenced_group_info().and_then(|group| group.group_id());
    let peer = rule
        .cidr_ipv4()
        .or(rule.cidr_ipv6())
        .and_then(block)
        .or_else(|| Some(Peer::PrefixList(rule.prefix_list_id()?.parse().ok()?)))
        .or_else(|| Some(Peer::Group(Ref::Known(referenced?.parse().ok()?))));
    let protocol = from_wire(rule.ip_protocol().unwrap_or_default(), rule.from_port(), rule.to_port());
    let (Some(protocol), Some(peer)) = (protocol, peer) else { return Ok(None) };
    let id = Some(field(call, "securityGroupRuleId", rule.security_group_rule_id())?);
    let group = field(call, "groupId", rule.group_id())?;
    let description = rule.description().map(str::to_owned);
    let tags = tags(rule.tags());
    Ok(Some((group, FoundRule { rule: SecurityGroupRule::new(direction, protocol, peer, description), id, tags })))
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
