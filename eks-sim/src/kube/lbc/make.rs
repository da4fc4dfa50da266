//! Load balancers of the controller, in AWS.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    super::{
        balancer::{
            NLB_API, ignoring,
            nodes::{instances, node_groups, sync_targets},
        },
        facts,
        store::{items, text},
    },
    Stack, Wanted, caller,
    wants::annotation,
};
use crate::{
    call::{Caller, Service},
    error::ApiError,
    world::World,
};

fn state(world: &mut World, cluster: &str, wanted: &Wanted, change: impl FnOnce(&mut Stack)) {
    if let Some(stack) = world.kube.clusters.get_mut(cluster).and_then(|state| state.stacks.get_mut(&wanted.stack)) {
        change(stack);
    }
}

fn read(world: &World, cluster: &str, wanted: &Wanted) -> Stack {
    world.kube.clusters.get(cluster).and_then(|state| state.stacks.get(&wanted.stack)).cloned().unwrap_or_default()
}

/// What the first member that says something says.
fn said<'a>(wanted: &'a Wanted, name: &str) -> &'a str {
    wanted.members.iter().map(|(_, object)| annotation(object, name)).find(|text| !text.is_empty()).unwrap_or_default()
}

fn is_application(wanted: &Wanted) -> bool {
    !wanted.stack.starts_with("service/")
}

/// A listener and where it sends to: protocol, port, port of the nodes.
fn listeners(wanted: &Wanted) -> Vec<(String, u64, u64)> {
    let mut all = BTreeMap::new();
    for (_, object) in &wanted.members {
        if !is_application(wanted) {
            for port in items(object, "/spec/ports") {
                let listens = port["port"].as_u64().unwrap_or_default();
                let tls = !annotation(object, "ssl-cert").is_empty()
                    && (annotation(object, "ssl-ports").is_empty()
                        || annotation(object, "ssl-ports").split(',').any(|one| one.trim() == listens.to_string()));
                let protocol = if tls { "TLS" } else { port["protocol"].as_str().unwrap_or("TCP") };
                all.insert(listens, (protocol.to_owned(), port["nodePort"].as_u64().unwrap_or_default()));
            }
            continue;
        }
        let given = annotation(object, "listen-ports");
        let default = if annotation(object, "certificate-arn").is_empty() { "[{\"HTTP\": 80}]" } else { "[{\"HTTPS\": 443}]" };
        let list: Vec<BTreeMap<String, u64>> = serde_json::from_str(if given.is_empty() { default } else { given }).unwrap_or_default();
        for (protocol, port) in list.into_iter().flatten() {
            all.insert(port, (protocol, 80));
        }
    }
    all.into_iter().map(|(port, (protocol, target))| (protocol, port, target)).collect()
}

/// `k8s-<8 of the namespace>-<8 of the name>-<10 of a hash>`; a group instead of both.
fn name(world: &mut World, wanted: &Wanted) -> String {
    let given = said(wanted, if is_application(wanted) { "load-balancer-name" } else { "name" });
    if !given.is_empty() {
        return given.to_owned();
    }
    let cut = |text: &str, most: usize| text.chars().filter(char::is_ascii_alphanumeric).take(most).collect::<String>();
    let parts: Vec<_> = wanted.stack.split('/').skip(1).collect();
    let hash = world.draw.hex(&format!("lbc-{}", wanted.stack), 10);
    match parts.as_slice() {
        [namespace, name] => format!("k8s-{}-{}-{hash}", cut(namespace, 8), cut(name, 8)),
        other => format!("k8s-{}-{hash}", cut(&other.concat(), 17)),
    }
}

fn tags(cluster: &str, wanted: &Wanted) -> Vec<Value> {
    let (system, given) = if is_application(wanted) { ("ingress", "tags") } else { ("service", "additional-resource-tags") };
    let stack = wanted.stack.split_once('/').map_or("", |(_, rest)| rest);
    let mut tags =
        BTreeMap::from([("elbv2.k8s.aws/cluster".to_owned(), cluster.to_owned()), (format!("{system}.k8s.aws/stack"), stack.to_owned())]);
    for (_, object) in &wanted.members {
        for pair in annotation(object, given).split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            tags.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    tags.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// Makes what is missing; whether the load balancer is active.
pub(super) fn ensure(world: &mut World, cluster: &str, wanted: &Wanted) -> Result<bool, ApiError> {
    let now = world.now;
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.stacks.entry(wanted.stack.clone()).or_insert_with(|| Stack { began: now, ..Stack::default() });
    }
    let caller = caller(world, cluster);
    if read(world, cluster, wanted).arn.is_empty() {
        create(world, cluster, wanted, &caller)?;
    }
    let stack = read(world, cluster, wanted);
    let nodes = instances(world, cluster);
    let by_instance = !matches!(said(wanted, "nlb-target-type"), "ip") && said(wanted, "target-type") != "ip";
    if by_instance {
        for group in &stack.target_groups {
            sync_targets(world, group, &nodes, &caller)?;
        }
    }
    if !stack.group.is_empty() {
        for group in node_groups(world, cluster, &nodes, &caller)?.difference(&stack.node_groups) {
            let args = json!({"GroupId": group, "IpPermissions": [{"IpProtocol": "-1", "Groups": [{"GroupId": stack.group}]}]});
            ignoring(world.call(Service::Ec2, "AuthorizeSecurityGroupIngress", args, &caller), "InvalidPermission.Duplicate")?;
            state(world, cluster, wanted, |stack| stack.node_groups.extend([group.clone()]));
        }
    }
    let described =
        world.call(Service::Elb, "DescribeLoadBalancers", json!({"Version": NLB_API, "LoadBalancerArns": [stack.arn]}), &caller)?;
    Ok(text(&described, "/LoadBalancers/0/State/Code") == "active")
}

fn create(world: &mut World, cluster: &str, wanted: &Wanted, caller: &Caller) -> Result<(), ApiError> {
    let vpc = facts::cluster(world, cluster).unwrap_or_default().vpc;
    let subnets = subnets(world, cluster, wanted, &vpc, caller)?;
    let name = name(world, wanted);
    let listeners = listeners(wanted);
    let given: Vec<&str> = said(wanted, "security-groups").split(',').map(str::trim).filter(|group| !group.is_empty()).collect();
    let groups = if given.is_empty() {
        vec![json!(security_group(world, cluster, wanted, &vpc, &name, &listeners, caller)?)]
    } else {
        given.into_iter().map(|group| json!(group)).collect()
    };
    let internal = said(wanted, "scheme") != "internet-facing";
    let tags = tags(cluster, wanted);
    let args = json!({
        "Version": NLB_API, "Name": name, "Type": if is_application(wanted) { "application" } else { "network" },
        "Scheme": if internal { "internal" } else { "internet-facing" }, "Subnets": subnets, "SecurityGroups": groups, "Tags": tags,
    });
    let answer = world.call(Service::Elb, "CreateLoadBalancer", args, caller)?;
    let member = |field: &str| text(&answer, &format!("/LoadBalancers/0/{field}")).to_owned();
    let (arn, dns_name) = (member("LoadBalancerArn"), member("DNSName"));
    state(world, cluster, wanted, |stack| {
        stack.arn.clone_from(&arn);
        stack.dns_name = dns_name;
    });
    for (index, (protocol, port, target)) in listeners.iter().enumerate() {
        let inner = match protocol.as_str() {
            "HTTP" | "HTTPS" => "HTTP",
            "TLS" => "TCP",
            other => other,
        };
        let kind = if said(wanted, "target-type") == "ip" || said(wanted, "nlb-target-type") == "ip" { "ip" } else { "instance" };
        let group_name = format!("{}-{index}", name.chars().take(29).collect::<String>());
        let args = json!({
            "Version": NLB_API, "Name": group_name, "Protocol": inner, "Port": target.max(&1).to_string(), "VpcId": vpc, "TargetType": kind, "Tags": tags,
        });
        let group = world.call(Service::Elb, "CreateTargetGroup", args, caller)?;
        let group = text(&group, "/TargetGroups/0/TargetGroupArn").to_owned();
        state(world, cluster, wanted, |stack| stack.target_groups.push(group.clone()));
        let pairs = said(wanted, "target-group-attributes").split(',').filter_map(|pair| pair.trim().split_once('='));
        let attributes: Vec<Value> = pairs.map(|(key, value)| json!({"Key": key.trim(), "Value": value.trim()})).collect();
        if !attributes.is_empty() {
            let args = json!({"Version": NLB_API, "TargetGroupArn": group, "Attributes": attributes});
            world.call(Service::Elb, "ModifyTargetGroupAttributes", args, caller)?;
        }
        let args = json!({
            "Version": NLB_API, "LoadBalancerArn": arn, "Protocol": protocol, "Port": port.to_string(),
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
        });
        world.call(Service::Elb, "CreateListener", args, caller)?;
    }
    Ok(())
}

/// A security group for the load balancer, open on its ports.
fn security_group(
    world: &mut World,
    cluster: &str,
    wanted: &Wanted,
    vpc: &str,
    name: &str,
    listeners: &[(String, u64, u64)],
    caller: &Caller,
) -> Result<String, ApiError> {
    let there = read(world, cluster, wanted).group;
    if !there.is_empty() {
        return Ok(there);
    }
    let tags = json!([{"ResourceType": "security-group", "Tag": tags(cluster, wanted)}]);
    let description = "[k8s] Managed SecurityGroup for LoadBalancer";
    let args = json!({"GroupName": name, "GroupDescription": description, "VpcId": vpc, "TagSpecification": tags});
    let group = world.call(Service::Ec2, "CreateSecurityGroup", args, caller)?;
    let group = text(&group, "/groupId").to_owned();
    state(world, cluster, wanted, |stack| stack.group.clone_from(&group));
    let permission = |(_, port, _): &(String, u64, u64)| {
        let port = port.to_string();
        json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]})
    };
    let permissions: Vec<Value> = listeners.iter().map(permission).collect();
    let args = json!({"GroupId": group, "IpPermissions": permissions});
    ignoring(world.call(Service::Ec2, "AuthorizeSecurityGroupIngress", args, caller), "InvalidPermission.Duplicate")?;
    Ok(group)
}

/// Named subnets, or those discovered: by the tag of the role, or by routes if no subnet has it; not of other clusters alone, with eight
/// free addresses; of each zone the cluster's own, then the one with the lowest id.
fn subnets(world: &mut World, cluster: &str, wanted: &Wanted, vpc: &str, caller: &Caller) -> Result<Vec<String>, ApiError> {
    let given = said(wanted, "subnets");
    if !given.is_empty() {
        return Ok(given.split(',').map(|subnet| subnet.trim().to_owned()).collect());
    }
    let public = said(wanted, "scheme") == "internet-facing";
    let filter = json!({"Filter": [{"Name": "vpc-id", "Value": [vpc]}]});
    let answer = world.call(Service::Ec2, "DescribeSubnets", filter.clone(), caller)?;
    let tables = world.call(Service::Ec2, "DescribeRouteTables", filter, caller)?;
    let tag = |subnet: &Value, wanted: &str| {
        items(subnet, "/tagSet").iter().find(|tag| text(tag, "/key") == wanted).map(|tag| text(tag, "/value").to_owned())
    };
    let role = if public { "kubernetes.io/role/elb" } else { "kubernetes.io/role/internal-elb" };
    let all = items(&answer, "/subnetSet");
    let mut candidates: Vec<&Value> = all.iter().filter(|subnet| matches!(tag(subnet, role).as_deref(), Some("" | "1"))).collect();
    if candidates.is_empty() {
        candidates =
            all.iter().filter(|subnet| super::super::balancer::subnets::is_public(&tables, text(subnet, "/subnetId")) == public).collect();
    }
    let own = format!("kubernetes.io/cluster/{cluster}");
    let mut zones: BTreeMap<String, (bool, String)> = BTreeMap::new();
    for subnet in candidates {
        let clustered = items(subnet, "/tagSet").iter().any(|tag| text(tag, "/key").starts_with("kubernetes.io/cluster/"));
        let ours = tag(subnet, &own).is_some();
        let free = &subnet["availableIpAddressCount"];
        let free = free.as_u64().or_else(|| free.as_str()?.parse().ok()).unwrap_or_default();
        if clustered && !ours || free < 8 {
            continue;
        }
        let rank = (!ours, text(subnet, "/subnetId").to_owned());
        let best = zones.entry(text(subnet, "/availabilityZone").to_owned()).or_insert_with(|| rank.clone());
        if rank < *best {
            *best = rank;
        }
    }
    let needed = if is_application(wanted) { 2 } else { 1 };
    if zones.len() < needed {
        let message = format!("subnets count less than minimal required count: {} < {needed}", zones.len());
        return Err(ApiError::new("couldn't auto-discover subnets", message));
    }
    Ok(zones.into_values().map(|(_, id)| id).collect())
}

/// Removes what was made: the load balancer, its target groups, the nodes' rules, and the security group once its interfaces are gone.
pub(super) fn remove(world: &mut World, cluster: &str, wanted: &Wanted) -> Result<(), ApiError> {
    let stack = read(world, cluster, wanted);
    let caller = caller(world, cluster);
    if !stack.arn.is_empty() {
        let args = json!({"Version": NLB_API, "LoadBalancerArn": stack.arn});
        ignoring(world.call(Service::Elb, "DeleteLoadBalancer", args, &caller), "LoadBalancerNotFound")?;
    }
    for group in &stack.target_groups {
        let args = json!({"Version": NLB_API, "TargetGroupArn": group});
        ignoring(world.call(Service::Elb, "DeleteTargetGroup", args, &caller), "TargetGroupNotFound")?;
    }
    for group in &stack.node_groups {
        let args = json!({"GroupId": group, "IpPermissions": [{"IpProtocol": "-1", "Groups": [{"GroupId": stack.group}]}]});
        match world.call(Service::Ec2, "RevokeSecurityGroupIngress", args, &caller) {
            Err(error) if !["InvalidPermission.NotFound", "InvalidGroup.NotFound"].contains(&error.code.as_str()) => return Err(error),
            _ => {}
        }
    }
    if !stack.group.is_empty() {
        ignoring(world.call(Service::Ec2, "DeleteSecurityGroup", json!({"GroupId": stack.group}), &caller), "InvalidGroup.NotFound")?;
    }
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.stacks.remove(&wanted.stack);
    }
    Ok(())
}
