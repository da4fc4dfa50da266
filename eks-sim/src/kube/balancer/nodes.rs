//! Which nodes a load balancer sends to, and how it reaches them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    super::{
        kinds,
        store::{self, items, text},
    },
    CLASSIC_API, NLB_API, Place, caller, ignoring, read, state,
};
use crate::{
    call::{Caller, Service},
    error::ApiError,
    world::World,
};

/// Instances that load balancers send to.
pub(in super::super) fn instances(world: &World, cluster: &str) -> BTreeSet<String> {
    let excluded = |node: &Value| node["metadata"]["labels"].get("node.kubernetes.io/exclude-from-external-load-balancers").is_some();
    let nodes = store::all(world, cluster, &kinds::NODE);
    let included = nodes.iter().filter(|(_, node)| !excluded(node));
    included.filter_map(|(_, node)| text(node, "/spec/providerID").rsplit('/').next()).map(str::to_owned).collect()
}

/// Registers the nodes and opens their security groups to a classic load balancer.
pub(super) fn sync_nodes(world: &mut World, cluster: &str, place: &Place) -> Result<(), ApiError> {
    let balancer = read(world, cluster, place);
    if balancer.dns_name.is_empty() {
        return Ok(());
    }
    let caller = caller(world, cluster);
    let wanted = instances(world, cluster);
    if balancer.network {
        for group in &balancer.target_groups {
            sync_targets(world, group, &wanted, &caller)?;
        }
        return Ok(());
    }
    let args = json!({"Version": CLASSIC_API, "LoadBalancerNames": [balancer.name]});
    let described = world.call(Service::Elb, "DescribeLoadBalancers", args, &caller)?;
    let present: BTreeSet<String> = items(&described, "/LoadBalancerDescriptions/0/Instances")
        .iter()
        .map(|instance| text(instance, "/InstanceId").to_owned())
        .collect();
    for (action, list) in [
        ("RegisterInstancesWithLoadBalancer", wanted.difference(&present).cloned().collect::<Vec<_>>()),
        ("DeregisterInstancesFromLoadBalancer", present.difference(&wanted).cloned().collect()),
    ] {
        if !list.is_empty() {
            let instances: Vec<Value> = list.iter().map(|instance| json!({"InstanceId": instance})).collect();
            let args = json!({"Version": CLASSIC_API, "LoadBalancerName": balancer.name, "Instances": instances});
            world.call(Service::Elb, action, args, &caller)?;
        }
    }
    for group in node_groups(world, cluster, &wanted, &caller)? {
        if balancer.node_groups.contains(&group) {
            continue;
        }
        let args = json!({"GroupId": group, "IpPermissions": [{"IpProtocol": "-1", "Groups": [{"GroupId": balancer.group}]}]});
        ignoring(world.call(Service::Ec2, "AuthorizeSecurityGroupIngress", args, &caller), "InvalidPermission.Duplicate")?;
        state(world, cluster, place, |balancer| balancer.node_groups.extend([group]));
    }
    Ok(())
}

/// Registers instances with a target group, and deregisters the others.
pub(in super::super) fn sync_targets(world: &mut World, group: &str, wanted: &BTreeSet<String>, caller: &Caller) -> Result<(), ApiError> {
    let args = json!({"Version": NLB_API, "TargetGroupArn": group});
    let told = world.call(Service::Elb, "DescribeTargetHealth", args, caller)?;
    let there = items(&told, "/TargetHealthDescriptions").iter().filter(|one| text(one, "/TargetHealth/State") != "draining");
    let present: BTreeSet<String> = there.map(|one| text(one, "/Target/Id").to_owned()).collect();
    for (action, list) in
        [("RegisterTargets", wanted.difference(&present).collect::<Vec<_>>()), ("DeregisterTargets", present.difference(wanted).collect())]
    {
        if !list.is_empty() {
            let targets: Vec<Value> = list.iter().map(|instance| json!({"Id": instance})).collect();
            let args = json!({"Version": NLB_API, "TargetGroupArn": group, "Targets": targets});
            world.call(Service::Elb, action, args, caller)?;
        }
    }
    Ok(())
}

/// The security group of each instance that the cloud provider edits: its only one, or the one with the cluster's tag.
pub(in super::super) fn node_groups(
    world: &mut World,
    cluster: &str,
    instances: &BTreeSet<String>,
    caller: &Caller,
) -> Result<BTreeSet<String>, ApiError> {
    let mut groups = BTreeSet::new();
    if instances.is_empty() {
        return Ok(groups);
    }
    let described = world.call(Service::Ec2, "DescribeInstances", json!({"InstanceId": instances}), caller)?;
    let filter = json!({"Filter": [{"Name": "tag-key", "Value": [format!("kubernetes.io/cluster/{cluster}")]}]});
    let tagged = world.call(Service::Ec2, "DescribeSecurityGroups", filter, caller)?;
    let tagged: Vec<&str> = items(&tagged, "/securityGroupInfo").iter().map(|group| text(group, "/groupId")).collect();
    for instance in items(&described, "/reservationSet").iter().flat_map(|reservation| items(reservation, "/instancesSet")) {
        let all: Vec<&str> = items(instance, "/groupSet").iter().map(|group| text(group, "/groupId")).collect();
        let marked: Vec<&str> = all.iter().copied().filter(|group| tagged.contains(group)).collect();
        match (marked.as_slice(), all.as_slice()) {
            ([only], _) | ([], [only]) => drop(groups.insert((*only).to_owned())),
            ([], _) => {}
            (several, _) => {
                let id = text(instance, "/instanceId");
                let message = format!(
                    "Multiple tagged security groups found for instance {id}; ensure only the k8s security group is tagged; the tagged groups were {}",
                    several.join(" ")
                );
                return Err(ApiError::new("MultipleTaggedSecurityGroups", message));
            }
        }
    }
    Ok(groups)
}
