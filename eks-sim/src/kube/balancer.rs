//! Load balancers of Services, as the AWS cloud provider in the control plane makes them ("Network load balancing", EKS).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    control, events, facts, kinds,
    store::{self, Key, items, text},
};
use crate::{
    call::{Caller, Service},
    error::ApiError,
    ledger::ServiceTime,
    times::Time,
    world::World,
};

const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";
const PREFIX: &str = "service.beta.kubernetes.io/aws-load-balancer-";
const NLB_API: &str = "2015-12-01";
const CLASSIC_API: &str = "2012-06-01";

/// What the cloud provider has made for a Service.
#[derive(Clone, Debug, Default)]
pub(super) struct Balancer {
    name: String,
    network: bool,
    arn: String,
    target_groups: Vec<String>,
    dns_name: String,
    /// Security group of a classic load balancer.
    group: String,
    /// Groups of nodes with a rule for it.
    node_groups: BTreeSet<String>,
    began: Duration,
    published: bool,
    publishing: bool,
}

fn annotation<'a>(service: &'a Value, name: &str) -> &'a str {
    service["metadata"]["annotations"].get(format!("{PREFIX}{name}")).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the cloud provider takes this Service: others have a class, or say so by the type annotation.
fn is_ours(service: &Value) -> bool {
    text(service, "/spec/type") == "LoadBalancer"
        && text(service, "/spec/loadBalancerClass").is_empty()
        && !["external", "nlb-ip"].contains(&annotation(service, "type"))
}

/// Makes, publishes and removes load balancers. Whether one is awaited.
pub(super) fn run(world: &mut World, cluster: &str) -> bool {
    let mut waits = false;
    for (key, service) in store::all(world, cluster, &kinds::SERVICE) {
        let place = (key.namespace.clone(), key.name.clone());
        let made = world.kube.clusters.get(cluster).is_some_and(|state| state.balancers.contains_key(&place));
        let wanted = is_ours(&service) && !store::deleting(&service);
        let finalizer = items(&service, "/metadata/finalizers").iter().any(|name| name == FINALIZER);
        let subject = format!("balancer/{}", text(&service, "/metadata/uid"));
        if !wanted && !made {
            if finalizer {
                unfinalize(world, cluster, &key);
            }
            continue;
        }
        if wanted && made && is_published(world, cluster, &place) {
            if control::may_try(world, cluster, &subject) {
                let _ = sync_nodes(world, cluster, &place);
            }
            continue;
        }
        waits = true;
        if !control::may_try(world, cluster, &subject) {
            continue;
        }
        let result = if wanted { ensure(world, cluster, &key, &service) } else { remove(world, cluster, &key, &place) };
        match result {
            Ok(()) => control::succeeded(world, cluster, &subject),
            Err(error) => {
                let (reason, what) = if wanted { ("SyncLoadBalancerFailed", "ensure") } else { ("SyncLoadBalancerFailed", "delete") };
                let message = format!("Error syncing load balancer: failed to {what} load balancer: {error}");
                events::record(world, cluster, &service, true, reason, &message, "service-controller");
                if wanted {
                    control::failed(world, cluster, &subject);
                } else {
                    // Deletion is retried every five seconds while something still depends on the group.
                    control::succeeded(world, cluster, &subject);
                    control::failed(world, cluster, &subject);
                }
            }
        }
    }
    waits
}

fn unfinalize(world: &mut World, cluster: &str, key: &Key) {
    store::edit(world, cluster, key, |service| {
        let mut finalizers = items(service, "/metadata/finalizers").to_vec();
        finalizers.retain(|name| name != FINALIZER);
        service["metadata"]["finalizers"] = json!(finalizers);
        service["status"]["loadBalancer"] = json!({});
    });
}

type Place = (String, String);

fn state(world: &mut World, cluster: &str, place: &Place, change: impl FnOnce(&mut Balancer)) {
    if let Some(balancer) = world.kube.clusters.get_mut(cluster).and_then(|state| state.balancers.get_mut(place)) {
        change(balancer);
    }
}

fn read(world: &World, cluster: &str, place: &Place) -> Balancer {
    world.kube.clusters.get(cluster).and_then(|state| state.balancers.get(place)).cloned().unwrap_or_default()
}

fn is_published(world: &World, cluster: &str, place: &Place) -> bool {
    read(world, cluster, place).published
}

/// The cloud provider acts under the cluster's role.
fn caller(world: &World, cluster: &str) -> Caller {
    let role = facts::cluster(world, cluster).map(|facts| facts.role_arn).unwrap_or_default();
    let name = role.rsplit('/').next().unwrap_or_default();
    Caller {
        arn: format!("arn:aws:sts::{}:assumed-role/{name}/aws-cloud-provider", world.account),
        user_id: format!("{name}:aws-cloud-provider"),
    }
}

fn ensure(world: &mut World, cluster: &str, key: &Key, service: &Value) -> Result<(), ApiError> {
    store::edit(world, cluster, key, |service| {
        let mut finalizers = items(service, "/metadata/finalizers").to_vec();
        if !finalizers.iter().any(|name| name == FINALIZER) {
            finalizers.push(json!(FINALIZER));
            service["metadata"]["finalizers"] = json!(finalizers);
        }
    });
    let place = (key.namespace.clone(), key.name.clone());
    let uid = text(service, "/metadata/uid").replace('-', "");
    // "a" and the UID, cut to 32 characters (`GetLoadBalancerName`).
    let name: String = format!("a{uid}").chars().take(32).collect();
    let network = annotation(service, "type") == "nlb";
    let now = world.now;
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.balancers.entry(place.clone()).or_insert_with(|| Balancer { name, network, began: now, ..Balancer::default() });
    }
    let caller = caller(world, cluster);
    if network {
        ensure_network(world, cluster, &place, service, &caller)?
    } else {
        ensure_classic(world, cluster, &place, service, &caller)?
    }
    sync_nodes(world, cluster, &place)?;
    publish(world, cluster, key, &place, &caller)
}

/// The tags of a load balancer and its security group.
fn tags(cluster: &str, place: &Place, service: &Value) -> Vec<Value> {
    let mut tags = vec![
        json!({"Key": format!("kubernetes.io/cluster/{cluster}"), "Value": "owned"}),
        json!({"Key": "kubernetes.io/service-name", "Value": format!("{}/{}", place.0, place.1)}),
    ];
    for pair in annotation(service, "additional-resource-tags").split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        tags.push(json!({"Key": key.trim(), "Value": value.trim()}));
    }
    tags
}

fn is_internal(service: &Value) -> bool {
    // Any value but "false" and none (`aws-load-balancer-internal`, 0.0.0.0/0 in old manifests).
    !["", "false"].contains(&annotation(service, "internal"))
}

fn ensure_classic(world: &mut World, cluster: &str, place: &Place, service: &Value, caller: &Caller) -> Result<(), ApiError> {
    let balancer = read(world, cluster, place);
    let facts = facts::cluster(world, cluster).unwrap_or_default();
    if balancer.group.is_empty() {
        let name = format!("k8s-elb-{}", balancer.name);
        let tags =
            json!([{"ResourceType": "security-group", "Tag": [{"Key": format!("kubernetes.io/cluster/{cluster}"), "Value": "owned"}]}]);
        let description = format!("Security group for Kubernetes ELB {} ({}/{})", balancer.name, place.0, place.1);
        let args = json!({"GroupName": name, "GroupDescription": description, "VpcId": facts.vpc, "TagSpecification": tags});
        let group = match world.call(Service::Ec2, "CreateSecurityGroup", args, caller) {
            Ok(answer) => text(&answer, "/groupId").to_owned(),
            Err(error) if error.code == "InvalidGroup.Duplicate" => {
                let filter = json!({"Filter": [{"Name": "group-name", "Value": [name]}, {"Name": "vpc-id", "Value": [facts.vpc]}]});
                let found = world.call(Service::Ec2, "DescribeSecurityGroups", filter, caller)?;
                text(&found, "/securityGroupInfo/0/groupId").to_owned()
            }
            Err(error) => return Err(error),
        };
        let sources: Vec<&str> = items(service, "/spec/loadBalancerSourceRanges").iter().filter_map(Value::as_str).collect();
        let sources = if sources.is_empty() { vec!["0.0.0.0/0"] } else { sources };
        let ranges: Vec<Value> = sources.iter().map(|range| json!({"CidrIp": range})).collect();
        let permissions: Vec<Value> = items(service, "/spec/ports")
            .iter()
            .map(|port| {
                let number = port["port"].to_string();
                json!({"IpProtocol": "tcp", "FromPort": number, "ToPort": number, "IpRanges": ranges})
            })
            .collect();
        state(world, cluster, place, |balancer| balancer.group.clone_from(&group));
        let args = json!({"GroupId": group, "IpPermissions": permissions});
        ignoring(world.call(Service::Ec2, "AuthorizeSecurityGroupIngress", args, caller), "InvalidPermission.Duplicate")?;
    }
    let balancer = read(world, cluster, place);
    if !balancer.dns_name.is_empty() {
        return Ok(());
    }
    let subnets = subnets(world, cluster, service, caller)?;
    let protocol = match annotation(service, "backend-protocol") {
        "http" => "HTTP",
        "https" => "HTTPS",
        "ssl" => "SSL",
        _ => "TCP",
    };
    let listeners: Vec<Value> = items(service, "/spec/ports")
        .iter()
        .map(|port| {
            json!({
                "Protocol": protocol, "LoadBalancerPort": port["port"].to_string(), "InstanceProtocol": protocol,
                "InstancePort": port["nodePort"].to_string(),
            })
        })
        .collect();
    let mut args = json!({
        "Version": CLASSIC_API, "LoadBalancerName": balancer.name, "Listeners": listeners, "Subnets": subnets,
        "SecurityGroups": [balancer.group], "Tags": tags(cluster, place, service),
    });
    if is_internal(service) {
        args["Scheme"] = json!("internal");
    }
    let answer = world.call(Service::Elb, "CreateLoadBalancer", args, caller)?;
    let dns_name = text(&answer, "/DNSName").to_owned();
    state(world, cluster, place, |balancer| balancer.dns_name = dns_name);
    let port = items(service, "/spec/ports").first().map(|port| port["nodePort"].to_string()).unwrap_or_default();
    let check = json!({
        "Target": format!("TCP:{port}"), "Interval": "10", "Timeout": "5", "UnhealthyThreshold": "6", "HealthyThreshold": "2",
    });
    let args = json!({"Version": CLASSIC_API, "LoadBalancerName": balancer.name, "HealthCheck": check});
    world.call(Service::Elb, "ConfigureHealthCheck", args, caller).map(drop)
}

fn ensure_network(world: &mut World, cluster: &str, place: &Place, service: &Value, caller: &Caller) -> Result<(), ApiError> {
    let balancer = read(world, cluster, place);
    if !balancer.arn.is_empty() {
        return Ok(());
    }
    let facts = facts::cluster(world, cluster).unwrap_or_default();
    let subnets = subnets(world, cluster, service, caller)?;
    let tags = tags(cluster, place, service);
    let scheme = if is_internal(service) { "internal" } else { "internet-facing" };
    let args = json!({
        "Version": NLB_API, "Name": balancer.name, "Type": "network", "Scheme": scheme, "Subnets": subnets, "Tags": tags,
    });
    let answer = world.call(Service::Elb, "CreateLoadBalancer", args, caller)?;
    let (arn, dns_name) =
        (text(&answer, "/LoadBalancers/0/LoadBalancerArn").to_owned(), text(&answer, "/LoadBalancers/0/DNSName").to_owned());
    state(world, cluster, place, |balancer| {
        balancer.arn.clone_from(&arn);
        balancer.dns_name = dns_name;
    });
    for (index, port) in items(service, "/spec/ports").iter().enumerate() {
        let name = format!("k8s-{}-{index}", &balancer.name[..balancer.name.len().min(26)]);
        let protocol = Some(text(port, "/protocol")).filter(|protocol| !protocol.is_empty()).unwrap_or("TCP");
        let args = json!({
            "Version": NLB_API, "Name": name, "Protocol": protocol, "Port": port["nodePort"].to_string(), "VpcId": facts.vpc,
            "TargetType": "instance", "Tags": tags,
        });
        // An account without target groups in its simulator still has the load balancer.
        let Ok(group) = world.call(Service::Elb, "CreateTargetGroup", args, caller) else { continue };
        let group = text(&group, "/TargetGroups/0/TargetGroupArn").to_owned();
        state(world, cluster, place, |balancer| balancer.target_groups.push(group.clone()));
        let args = json!({
            "Version": NLB_API, "LoadBalancerArn": arn, "Protocol": protocol, "Port": port["port"].to_string(),
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
        });
        world.call(Service::Elb, "CreateListener", args, caller)?;
    }
    Ok(())
}

/// Subnets for a load balancer (`findELBSubnets`): of the VPC, not tagged for other clusters only; public ones route to an internet
/// gateway; one for each zone by role tag, then cluster tag, then id.
fn subnets(world: &mut World, cluster: &str, service: &Value, caller: &Caller) -> Result<Vec<String>, ApiError> {
    let given = annotation(service, "subnets");
    if !given.is_empty() {
        return Ok(given.split(',').map(|subnet| subnet.trim().to_owned()).collect());
    }
    let internal = is_internal(service);
    let vpc = facts::cluster(world, cluster).unwrap_or_default().vpc;
    let filter = json!({"Filter": [{"Name": "vpc-id", "Value": [vpc]}]});
    let subnets = world.call(Service::Ec2, "DescribeSubnets", filter.clone(), caller)?;
    let tables = world.call(Service::Ec2, "DescribeRouteTables", filter, caller)?;
    let own = format!("kubernetes.io/cluster/{cluster}");
    let role = if internal { "kubernetes.io/role/internal-elb" } else { "kubernetes.io/role/elb" };
    let mut by_zone: BTreeMap<&str, (bool, bool, &str)> = BTreeMap::new();
    for subnet in items(&subnets, "/subnetSet") {
        let has = |key: &str| items(subnet, "/tagSet").iter().any(|tag| text(tag, "/key") == key);
        let clustered = items(subnet, "/tagSet").iter().any(|tag| text(tag, "/key").starts_with("kubernetes.io/cluster/"));
        let id = text(subnet, "/subnetId");
        if (clustered && !has(&own)) || (!internal && !is_public(&tables, id)) {
            continue;
        }
        let rank = (!has(role), !has(&own), id);
        let best = by_zone.entry(text(subnet, "/availabilityZone")).or_insert(rank);
        *best = (*best).min(rank);
    }
    if by_zone.is_empty() {
        return Err(ApiError::new("could not find any suitable subnets for creating the ELB", ""));
    }
    Ok(by_zone.into_values().map(|(_, _, id)| id.to_owned()).collect())
}

/// Whether a subnet's route table, its own or the VPC's main one, routes to an internet gateway.
fn is_public(tables: &Value, subnet: &str) -> bool {
    let tables = items(tables, "/routeTableSet");
    let associated = |table: &&Value, wanted: &dyn Fn(&Value) -> bool| items(table, "/associationSet").iter().any(wanted);
    let own = tables.iter().find(|table| associated(table, &|association| text(association, "/subnetId") == subnet));
    let table = own.or_else(|| tables.iter().find(|table| associated(table, &|association| association["main"] == true)));
    table.is_some_and(|table| items(table, "/routeSet").iter().any(|route| text(route, "/gatewayId").starts_with("igw-")))
}

fn ignoring(result: Result<Value, ApiError>, code: &str) -> Result<(), ApiError> {
    match result {
        Err(error) if error.code != code => Err(error),
        _ => Ok(()),
    }
}

/// Registers the nodes and opens their security groups to a classic load balancer.
fn sync_nodes(world: &mut World, cluster: &str, place: &Place) -> Result<(), ApiError> {
    let balancer = read(world, cluster, place);
    if balancer.dns_name.is_empty() {
        return Ok(());
    }
    let caller = caller(world, cluster);
    let excluded = |node: &Value| node["metadata"]["labels"].get("node.kubernetes.io/exclude-from-external-load-balancers").is_some();
    let nodes = store::all(world, cluster, &kinds::NODE);
    let wanted: BTreeSet<String> = nodes
        .iter()
        .filter(|(_, node)| !excluded(node))
        .filter_map(|(_, node)| text(node, "/spec/providerID").rsplit('/').next())
        .map(str::to_owned)
        .collect();
    if balancer.network {
        for group in &balancer.target_groups {
            let targets: Vec<Value> = wanted.iter().map(|instance| json!({"Id": instance})).collect();
            if !targets.is_empty() {
                let args = json!({"Version": NLB_API, "TargetGroupArn": group, "Targets": targets});
                world.call(Service::Elb, "RegisterTargets", args, &caller)?;
            }
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
        state(world, cluster, place, |balancer| drop(balancer.node_groups.insert(group)));
    }
    Ok(())
}

/// The security group of each instance that the cloud provider edits: its only one, or the one with the cluster's tag.
fn node_groups(world: &mut World, cluster: &str, instances: &BTreeSet<String>, caller: &Caller) -> Result<BTreeSet<String>, ApiError> {
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

fn publish(world: &mut World, cluster: &str, key: &Key, place: &Place, caller: &Caller) -> Result<(), ApiError> {
    let balancer = read(world, cluster, place);
    let subject = format!("{cluster}/{}/{}", place.0, place.1);
    if balancer.network {
        let args = json!({"Version": NLB_API, "LoadBalancerArns": [balancer.arn]});
        let described = world.call(Service::Elb, "DescribeLoadBalancers", args, caller)?;
        if text(&described, "/LoadBalancers/0/State/Code") == "active" {
            let took = world.now - balancer.began;
            let time = ServiceTime { kind: format!("{:?}", Time::NetworkLoadBalancer), began: balancer.began, took };
            world.ledger.record(&subject, time);
            tell(world, cluster, key, place);
        }
    } else if !balancer.publishing {
        state(world, cluster, place, |balancer| balancer.publishing = true);
        let (cluster, key, place) = (cluster.to_owned(), key.clone(), place.clone());
        world.take(Time::ClassicLoadBalancer, &subject, move |world| tell(world, &cluster, &key, &place));
    }
    Ok(())
}

/// Writes the hostname into the Service's status.
fn tell(world: &mut World, cluster: &str, key: &Key, place: &Place) {
    let dns_name = read(world, cluster, place).dns_name;
    if dns_name.is_empty() {
        return;
    }
    store::edit(world, cluster, key, |service| {
        if !store::deleting(service) {
            service["status"]["loadBalancer"] = json!({"ingress": [{"hostname": dns_name}]});
        }
    });
    state(world, cluster, place, |balancer| balancer.published = true);
}

/// Removes what was made: the load balancer, the nodes' rules, the security group; then the finalizer.
fn remove(world: &mut World, cluster: &str, key: &Key, place: &Place) -> Result<(), ApiError> {
    let balancer = read(world, cluster, place);
    let caller = caller(world, cluster);
    if balancer.network {
        if !balancer.arn.is_empty() {
            let args = json!({"Version": NLB_API, "LoadBalancerArn": balancer.arn});
            ignoring(world.call(Service::Elb, "DeleteLoadBalancer", args, &caller), "LoadBalancerNotFound")?;
        }
        for group in &balancer.target_groups {
            let args = json!({"Version": NLB_API, "TargetGroupArn": group});
            ignoring(world.call(Service::Elb, "DeleteTargetGroup", args, &caller), "TargetGroupNotFound")?;
        }
    } else {
        if !balancer.dns_name.is_empty() {
            world.call(Service::Elb, "DeleteLoadBalancer", json!({"Version": CLASSIC_API, "LoadBalancerName": balancer.name}), &caller)?;
        }
        for group in &balancer.node_groups {
            let args = json!({"GroupId": group, "IpPermissions": [{"IpProtocol": "-1", "Groups": [{"GroupId": balancer.group}]}]});
            match world.call(Service::Ec2, "RevokeSecurityGroupIngress", args, &caller) {
                Err(error) if !["InvalidPermission.NotFound", "InvalidGroup.NotFound"].contains(&error.code.as_str()) => return Err(error),
                _ => {}
            }
        }
        if !balancer.group.is_empty() {
            ignoring(
                world.call(Service::Ec2, "DeleteSecurityGroup", json!({"GroupId": balancer.group}), &caller),
                "InvalidGroup.NotFound",
            )?;
        }
    }
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.balancers.remove(place);
    }
    unfinalize(world, cluster, key);
    Ok(())
}
