//! Load balancers of Services, as the AWS cloud provider in the control plane makes them ("Network load balancing", EKS).

mod create;
pub(super) mod nodes;
pub(super) mod subnets;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use self::{
    create::{ensure_classic, ensure_network},
    nodes::sync_nodes,
};
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
pub(super) const NLB_API: &str = "2015-12-01";
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
                let what = if wanted { "ensure" } else { "delete" };
                let message = format!("Error syncing load balancer: failed to {what} load balancer: {error}");
                events::record(world, cluster, &service, true, "SyncLoadBalancerFailed", &message, "service-controller");
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

pub(super) type Place = (String, String);

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

fn is_internal(service: &Value) -> bool {
    // Any value but "false" and none (`aws-load-balancer-internal`, 0.0.0.0/0 in old manifests).
    !["", "false"].contains(&annotation(service, "internal"))
}

pub(super) fn ignoring(result: Result<Value, ApiError>, code: &str) -> Result<(), ApiError> {
    match result {
        Err(error) if error.code != code => Err(error),
        _ => Ok(()),
    }
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
