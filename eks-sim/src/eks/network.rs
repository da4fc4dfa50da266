//! The cluster's side of the VPC: checks at creation, and what EKS itself puts there. All of it by EC2's own API.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Value, json};

use super::{cluster::Cluster, invalid_parameter};
use crate::{
    call::{Caller, Service},
    error::ApiError,
    world::World,
};

/// The principal under which EKS acts in the account.
const PRINCIPAL: &str = "eks.amazonaws.com";

/// Zones that take no control plane (user guide, "VPC and subnet requirements"). By id, as names differ by account.
const UNSUPPORTED_ZONES: &[&str] = &["use1-az3", "usw1-az2", "cac1-az3"];

/// Free addresses that each subnet needs (same page).
const FREE_ADDRESSES: i64 = 6;

/// What the checks learnt.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    pub(super) vpc: String,
    pub(super) vpc_blocks: Vec<IpNet>,
    pub(super) zones: BTreeSet<String>,
    /// Subnets without a block of IPv6.
    without_ipv6: Vec<String>,
}

impl Placement {
    /// "The VPC and subnets that you specify for cluster creation must have both IPv4 and IPv6 CIDR blocks assigned to them" (API
    /// reference, KubernetesNetworkConfigRequest).
    pub(super) fn check_ipv6(&self) -> Result<(), ApiError> {
        if self.without_ipv6.is_empty() {
            return Ok(());
        }
        let list = self.without_ipv6.join(", ");
        Err(invalid_parameter(format!("Subnets [{list}] have no IPv6 CIDR block, which the ipFamily ipv6 needs")))
    }
}

/// A member of an EC2 reply as text, whatever JSON type it has.
fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn items<'a>(reply: &'a Value, set: &str) -> &'a [Value] {
    reply[set].as_array().map_or(&[], Vec::as_slice)
}

/// EKS passes on what EC2 said about an id.
fn passed_on(what: &str, ids: &[String], error: &ApiError) -> ApiError {
    let id = ids.iter().find(|id| error.message.contains(id.as_str())).map_or("", String::as_str);
    invalid_parameter(format!(
        "The {what} ID '{id}' does not exist (Service: Ec2, Status Code: {}, Error Code: {}): {}",
        error.status, error.code, error.message
    ))
}

/// Checks subnets and groups (API reference, VpcConfigRequest; user guide, "VPC and subnet requirements").
pub(super) fn check(
    world: &mut World,
    caller: &Caller,
    cluster: &str,
    subnets: &[String],
    groups: &[String],
) -> Result<Placement, ApiError> {
    let two_zones = || invalid_parameter("Subnets specified must be in at least two different AZs");
    if subnets.is_empty() {
        return Err(two_zones());
    }
    if subnets.iter().collect::<BTreeSet<_>>().len() != subnets.len() {
        return Err(invalid_parameter("Subnets specified must be unique"));
    }
    let reply = world
        .call(Service::Ec2, "DescribeSubnets", json!({"SubnetId": subnets}), caller)
        .map_err(|error| passed_on("subnet", subnets, &error))?;
    let found = items(&reply, "subnetSet");
    let vpcs: BTreeSet<String> = found.iter().map(|subnet| text(subnet, "vpcId")).collect();
    let zones: BTreeSet<String> = found.iter().map(|subnet| text(subnet, "availabilityZone")).collect();
    let mut vpcs = vpcs.into_iter();
    let (Some(vpc), None) = (vpcs.next(), vpcs.next()) else {
        return Err(invalid_parameter("Subnets specified must belong to the same VPC"));
    };
    if zones.len() < 2 {
        return Err(two_zones());
    }
    for subnet in found {
        let zone = text(subnet, "availabilityZone");
        let is_unsupported = UNSUPPORTED_ZONES.contains(&text(subnet, "availabilityZoneId").as_str());
        if is_unsupported || world.eks.full_zones.contains(&zone) {
            return Err(refused_zone(world, caller, cluster, &zone, is_unsupported));
        }
    }
    for subnet in found {
        let free: i64 = text(subnet, "availableIpAddressCount").parse().unwrap_or(FREE_ADDRESSES);
        if free < FREE_ADDRESSES {
            let id = text(subnet, "subnetId");
            return Err(invalid_parameter(format!(
                "Subnet {id} has {free} free IP addresses, and a cluster needs {FREE_ADDRESSES} in each subnet"
            )));
        }
    }
    check_groups(world, caller, &vpc, groups)?;
    let reply = world.call(Service::Ec2, "DescribeVpcs", json!({"VpcId": [vpc]}), caller)?;
    let mut blocks: Vec<String> = Vec::new();
    for found in items(&reply, "vpcSet") {
        blocks.push(text(found, "cidrBlock"));
        blocks.extend(items(found, "cidrBlockAssociationSet").iter().map(|association| text(association, "cidrBlock")));
    }
    let vpc_blocks = blocks.iter().filter_map(|block| block.parse().ok()).collect();
    let without_ipv6 = found.iter().filter(|subnet| items(subnet, "ipv6CidrBlockAssociationSet").is_empty());
    let without_ipv6 = without_ipv6.map(|subnet| text(subnet, "subnetId")).collect();
    Ok(Placement { vpc, vpc_blocks, zones, without_ipv6 })
}

fn check_groups(world: &mut World, caller: &Caller, vpc: &str, groups: &[String]) -> Result<(), ApiError> {
    if groups.len() > 5 {
        return Err(invalid_parameter("At most 5 security groups can be specified"));
    }
    if groups.is_empty() {
        return Ok(());
    }
    let reply = world
        .call(Service::Ec2, "DescribeSecurityGroups", json!({"GroupId": groups}), caller)
        .map_err(|error| passed_on("security group", groups, &error))?;
    let elsewhere: Vec<String> =
        items(&reply, "securityGroupInfo").iter().filter(|group| text(group, "vpcId") != vpc).map(|group| text(group, "groupId")).collect();
    if elsewhere.is_empty() {
        return Ok(());
    }
    let list = elsewhere.join(", ");
    Err(invalid_parameter(format!(
        "Security group(s) [{list}] are not in the same VPC as the subnets. Please specify all subnets and security groups from the same VPC."
    )))
}

/// A zone that takes no control plane, ever or for lack of room. The words are those that clients have met: eksctl issue 118 (no room),
/// and amazon-eks-scaling-with-keda-and-karpenter issue 2 of 2024 (`use1-az3`).
fn refused_zone(world: &mut World, caller: &Caller, cluster: &str, zone: &str, is_unsupported: bool) -> ApiError {
    let reply = world.call(Service::Ec2, "DescribeAvailabilityZones", json!({}), caller).unwrap_or_default();
    let valid: Vec<String> = items(&reply, "availabilityZoneInfo")
        .iter()
        .filter(|info| !UNSUPPORTED_ZONES.contains(&text(info, "zoneId").as_str()))
        .map(|info| text(info, "zoneName"))
        .filter(|zone| !world.eks.full_zones.contains(zone))
        .collect();
    let list = valid.join(", ");
    let message = if is_unsupported {
        format!(
            "Cannot create cluster '{cluster}' because EKS does not support creating control plane instances in {zone}, the targeted availability zone. Retry cluster creation using control plane subnets that span at least two of these availability zones: {list}. Note, post cluster creation, you can run worker nodes in separate subnets/availability zones from control plane subnets/availability zones passed during cluster creation"
        )
    } else {
        format!(
            "Cannot create cluster '{cluster}' because {zone}, the targeted availability zone, does not currently have sufficient capacity to support the cluster. Retry and choose from these availability zones: {list}"
        )
    };
    ApiError::new("UnsupportedAvailabilityZoneException", message).field("clusterName", cluster).field("validZones", valid)
}

/// The service range: as asked, if it keeps the rules, or EKS's choice (API reference, KubernetesNetworkConfigRequest).
pub(super) fn service_cidr(asked: Option<&str>, vpc_blocks: &[IpNet]) -> Result<String, ApiError> {
    let refused = |why: &str| invalid_parameter(format!("The specified serviceIpv4Cidr is invalid: {why}"));
    let Some(asked) = asked else {
        let ten: Ipv4Net = Ipv4Net::new_assert([10, 0, 0, 0].into(), 8);
        let in_ten = vpc_blocks.iter().any(|block| matches!(block.addr(), IpAddr::V4(address) if ten.contains(&address)));
        return Ok(if in_ten { "172.20.0.0/16" } else { "10.100.0.0/16" }.to_owned());
    };
    let range: Ipv4Net = asked.parse().map_err(|_| refused("it is not a CIDR block"))?;
    if range.trunc() != range {
        return Err(refused("it is not a network address"));
    }
    if !(12..=24).contains(&range.prefix_len()) {
        return Err(refused("its size must be between /24 and /12"));
    }
    let private = [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16)];
    if !private.iter().any(|(base, prefix)| Ipv4Net::new_assert((*base).into(), *prefix).contains(&range)) {
        return Err(refused("it must be within 10.0.0.0/8, 172.16.0.0/12, or 192.168.0.0/16"));
    }
    let overlaps = |block: &IpNet| matches!(block, IpNet::V4(block) if block.contains(&range) || range.contains(block));
    if vpc_blocks.iter().any(overlaps) {
        return Err(refused("it overlaps a CIDR block of the VPC"));
    }
    Ok(range.to_string())
}

/// Makes the cluster's group and the control plane's interfaces, as EKS does while a cluster is being created. On an error the
/// rest is left out: the cluster fails.
pub(super) fn furnish(world: &mut World, name: &str) {
    let Some(cluster) = world.eks.clusters.get(name).cloned() else { return };
    let eks = world.service_caller(PRINCIPAL);
    let mut made = Made::default();
    let result = make(world, &eks, &cluster, &mut made);
    let Some(cluster) = world.eks.clusters.get_mut(name) else { return };
    cluster.cluster_security_group = made.group;
    cluster.interfaces = made.interfaces;
    if let Err(error) = result {
        // ClusterIssue codes, API reference.
        let code = match error.code.as_str() {
            "InvalidSubnetID.NotFound" => "Ec2SubnetNotFound",
            "InvalidGroup.NotFound" | "InvalidSecurityGroupID.NotFound" => "Ec2SecurityGroupNotFound",
            "InsufficientFreeAddressesInSubnet" => "InsufficientFreeAddresses",
            "InvalidVpcID.NotFound" => "VpcNotFound",
            _ => "Other",
        };
        cluster.issues = vec![json!({"code": code, "message": error.message, "resourceIds": []})];
    }
}

/// What EKS has in the VPC for a cluster, complete or not.
#[derive(Clone, Debug, Default)]
struct Made {
    group: Option<String>,
    interfaces: Vec<String>,
}

fn make(world: &mut World, eks: &Caller, cluster: &Cluster, made: &mut Made) -> Result<(), ApiError> {
    let name = &cluster.name;
    let number = world.draw.bits("eks-cluster-sg") % 1_000_000_000;
    let group_name = format!("eks-cluster-sg-{name}-{number:09}");
    let tags = json!([
        {"Key": "Name", "Value": group_name},
        {"Key": format!("kubernetes.io/cluster/{name}"), "Value": "owned"},
        {"Key": "aws:eks:cluster-name", "Value": name},
    ]);
    let description =
        "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.";
    let group = json!({
        "GroupName": group_name,
        "GroupDescription": description,
        "VpcId": cluster.vpc,
        "TagSpecification": [{"ResourceType": "security-group", "Tag": tags}],
    });
    let group = text(&world.call(Service::Ec2, "CreateSecurityGroup", group, eks)?, "groupId");
    made.group = Some(group.clone());
    let itself = json!({"GroupId": group, "IpPermissions": [{"IpProtocol": "-1", "Groups": [{"GroupId": group}]}]});
    world.call(Service::Ec2, "AuthorizeSecurityGroupIngress", itself, eks)?;

    // Two of the two to four interfaces, in different zones (user guide, "VPC and subnet considerations").
    let reply = world.call(Service::Ec2, "DescribeSubnets", json!({"SubnetId": cluster.subnets}), eks)?;
    let mut zones = BTreeSet::new();
    let spread: Vec<String> = items(&reply, "subnetSet")
        .iter()
        .filter(|subnet| zones.len() < 2 && zones.insert(text(subnet, "availabilityZone")))
        .map(|subnet| text(subnet, "subnetId"))
        .collect();
    let mut all_groups = vec![group];
    all_groups.extend(cluster.security_groups.iter().cloned());
    for subnet in spread {
        let request = json!({"SubnetId": subnet, "Description": format!("Amazon EKS {name}"), "SecurityGroupId": all_groups});
        let reply = world.call(Service::Ec2, "CreateNetworkInterface", request, eks)?;
        made.interfaces.push(text(&reply["networkInterface"], "networkInterfaceId"));
    }
    Ok(())
}

/// Takes back what [`furnish`] made. A group that something else uses stays (user guide, "Security group requirements").
pub(super) fn release(world: &mut World, interfaces: &[String], group: Option<&str>) {
    let eks = world.service_caller(PRINCIPAL);
    for interface in interfaces {
        let _gone = world.call(Service::Ec2, "DeleteNetworkInterface", json!({"NetworkInterfaceId": interface}), &eks);
    }
    if let Some(group) = group {
        let _gone_or_used = world.call(Service::Ec2, "DeleteSecurityGroup", json!({"GroupId": group}), &eks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("a CIDR block")).collect()
    }

    #[test]
    fn the_default_service_range_keeps_clear_of_the_vpc() {
        assert_eq!(service_cidr(None, &blocks(&["10.0.0.0/16"])), Ok("172.20.0.0/16".to_owned()));
        assert_eq!(service_cidr(None, &blocks(&["192.168.0.0/16"])), Ok("10.100.0.0/16".to_owned()));
    }

    #[test]
    fn service_ranges_keep_the_rules() {
        let vpc = blocks(&["10.0.0.0/16"]);
        assert_eq!(service_cidr(Some("10.1.0.0/16"), &vpc), Ok("10.1.0.0/16".to_owned()));
        for refused in ["10.0.0.0/12", "10.0.128.0/20", "11.0.0.0/16", "192.168.0.0/25", "10.16.0.0/11", "172.20.0.1/16", "x"] {
            assert!(service_cidr(Some(refused), &vpc).is_err(), "{refused}");
        }
    }
}
