//! Where a load balancer is: its subnets, security groups and network interfaces.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{invalid, unworkable};
use crate::{
    call::{Caller, Service},
    error::ApiError,
    times::Time,
    world::World,
};

/// Subnets and what follows from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Placement {
    pub(super) vpc: String,
    /// Subnets with their zones.
    pub(super) subnets: Vec<(String, String)>,
    pub(super) groups: Vec<String>,
    pub(super) internal: bool,
    /// Network interfaces by subnet.
    pub(super) interfaces: BTreeMap<String, String>,
}

fn service(world: &World) -> Caller {
    world.service_caller("elasticloadbalancing.amazonaws.com")
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// Checks subnets and groups (user guide of classic load balancers, "Prepare your VPC for your load balancer").
pub(super) fn find(
    world: &mut World,
    subnets: &[String],
    zones: &[String],
    groups: &[String],
    scheme: Option<&str>,
) -> Result<Placement, ApiError> {
    let internal = match scheme {
        None | Some("internet-facing") => false,
        Some("internal") => true,
        Some(_) => {
            return Err(ApiError::new(
                "InvalidScheme",
                "The specified value for the schema is not valid. You can only specify a scheme for load balancers in a VPC.",
            ));
        }
    };
    let query = match (subnets, zones) {
        ([], []) => return Err(invalid("Either AvailabilityZones or SubnetIds must be specified")),
        ([], zones) => json!({"Filter": [{"Name": "default-for-az", "Value": ["true"]}, {"Name": "availability-zone", "Value": zones}]}),
        (subnets, []) => json!({"SubnetId": subnets}),
        _ => return Err(invalid("Only one of SubnetIds or AvailabilityZones may be specified")),
    };
    let caller = service(world);
    let reply =
        world.call(Service::Ec2, "DescribeSubnets", query, &caller).map_err(|error| ApiError::new("SubnetNotFound", error.message))?;
    let found = reply["subnetSet"].as_array().cloned().unwrap_or_default();
    let Some(vpc) = found.first().map(|subnet| text(subnet, "vpcId")) else {
        return Err(ApiError::new("SubnetNotFound", "There are no default subnets in the requested Availability Zones."));
    };
    if found.iter().any(|subnet| text(subnet, "vpcId") != vpc) {
        return Err(unworkable("All subnets must belong to the same VPC."));
    }
    let mut placed: Vec<_> = found.iter().map(|subnet| (text(subnet, "subnetId"), text(subnet, "availabilityZone"))).collect();
    placed.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    one_per_zone(&placed)?;
    for subnet in &found {
        let free = &subnet["availableIpAddressCount"];
        let free = free.as_u64().or_else(|| free.as_str()?.parse().ok()).unwrap_or(u64::MAX);
        if free < 8 {
            let id = text(subnet, "subnetId");
            return Err(ApiError::new(
                "InvalidSubnet",
                format!("Not enough IP space available in {id}. ELB requires at least 8 free IP addresses in each subnet."),
            ));
        }
    }
    if !internal && !has_gateway(world, &vpc) {
        return Err(ApiError::new("InvalidSubnet", format!("VPC {vpc} has no internet gateway")));
    }
    check_groups(world, &vpc, groups)?;
    Ok(Placement { vpc, subnets: placed, groups: groups.to_vec(), internal, interfaces: BTreeMap::new() })
}

/// Refuses two subnets of a zone.
pub(super) fn one_per_zone(subnets: &[(String, String)]) -> Result<(), ApiError> {
    let mut zones: Vec<_> = subnets.iter().map(|(_, zone)| zone).collect();
    zones.sort();
    zones.dedup();
    if zones.len() == subnets.len() { Ok(()) } else { Err(unworkable("ELB cannot be attached to multiple subnets in the same AZ.")) }
}

fn has_gateway(world: &mut World, vpc: &str) -> bool {
    let caller = service(world);
    let query = json!({"Filter": [{"Name": "attachment.vpc-id", "Value": [vpc]}]});
    let reply = world.call(Service::Ec2, "DescribeInternetGateways", query, &caller).unwrap_or_default();
    reply["internetGatewaySet"].as_array().is_some_and(|found| !found.is_empty())
}

pub(super) fn check_groups(world: &mut World, vpc: &str, groups: &[String]) -> Result<(), ApiError> {
    if groups.is_empty() {
        return Ok(());
    }
    let caller = service(world);
    let bad = || ApiError::new("InvalidSecurityGroup", "One or more of the specified security groups do not exist.");
    let reply = world.call(Service::Ec2, "DescribeSecurityGroups", json!({"GroupId": groups}), &caller).map_err(|_| bad())?;
    let found = reply["securityGroupInfo"].as_array().cloned().unwrap_or_default();
    if found.iter().any(|group| text(group, "vpcId") != vpc) {
        return Err(bad());
    }
    Ok(())
}

/// Gives the load balancer's interfaces other groups.
pub(super) fn wear(world: &mut World, placement: &Placement) -> Result<(), ApiError> {
    let caller = service(world);
    for interface in placement.interfaces.values() {
        let args = json!({"NetworkInterfaceId": interface, "SecurityGroupId": placement.groups});
        world.call(Service::Ec2, "ModifyNetworkInterfaceAttribute", args, &caller)?;
    }
    Ok(())
}

/// The VPC's default group, which a classic load balancer gets that names none.
pub(super) fn default_group(world: &mut World, vpc: &str) -> Vec<String> {
    let caller = service(world);
    let query = json!({"Filter": [{"Name": "vpc-id", "Value": [vpc]}, {"Name": "group-name", "Value": ["default"]}]});
    let reply = world.call(Service::Ec2, "DescribeSecurityGroups", query, &caller).unwrap_or_default();
    reply["securityGroupInfo"].as_array().into_iter().flatten().map(|group| text(group, "groupId")).collect()
}

/// Puts one network interface into each subnet that has none yet.
pub(super) fn occupy(world: &mut World, placement: &mut Placement, description: &str, kind: Option<&str>) -> Result<(), ApiError> {
    let caller = service(world);
    for (subnet, _) in &placement.subnets {
        if placement.interfaces.contains_key(subnet) {
            continue;
        }
        let args = json!({
            "SubnetId": subnet,
            "Description": description,
            "SecurityGroupId": placement.groups,
            "InterfaceType": kind,
            "RequesterId": "amazon-elb",
            "AssociatePublicIpAddress": !placement.internal,
        });
        let reply = world.call(Service::Ec2, "CreateNetworkInterface", args, &caller)?;
        let interface = reply.pointer("/networkInterface/networkInterfaceId").and_then(Value::as_str).unwrap_or_default();
        placement.interfaces.insert(subnet.clone(), interface.to_owned());
    }
    Ok(())
}

/// The interfaces that a load balancer leaves stay for a while, and with them its hold on subnets and security groups.
pub(super) fn vacate(world: &mut World, subject: &str, interfaces: Vec<String>) {
    world.take(Time::LoadBalancerRelease, subject, move |world| {
        let caller = service(world);
        for interface in interfaces {
            // One that was removed otherwise is released already.
            drop(world.call(Service::Ec2, "DeleteNetworkInterface", json!({"NetworkInterfaceId": interface}), &caller));
        }
    });
}

/// An instance as the load balancer must know it: state and VPC, which a terminated one has no more.
pub(super) fn instance_state(world: &mut World, id: &str) -> Option<(String, String)> {
    let caller = service(world);
    let reply = world.call(Service::Ec2, "DescribeInstances", json!({"InstanceId": [id]}), &caller).ok()?;
    let instance = reply.pointer("/reservationSet/0/instancesSet/0")?;
    let state = instance.pointer("/instanceState/name")?.as_str()?.to_owned();
    Some((state, text(instance, "vpcId")))
}
