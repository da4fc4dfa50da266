//! The AWS Load Balancer Controller, where somebody has installed it: network load balancers of Services of its class, application load
//! balancers of Ingresses ("Network Load Balancer", "Ingress annotations", "Subnet Auto-Discovery" of its documentation).
//!
//! It acts while the Deployment `kube-system/aws-load-balancer-controller` has an available replica. Without one its finalizers stay, as
//! they do when a controller is uninstalled first.

mod make;
mod wants;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use self::{
    make::{ensure, remove},
    wants::{Wanted, wanted},
};
use super::{
    control, events, facts, kinds,
    store::{self, Key, items, text},
};
use crate::{call::Caller, ledger::ServiceTime, times::Time, world::World};

const NAME: &str = "aws-load-balancer-controller";
const NAMESPACE: &str = "kube-system";

/// What it has made for one stack: a Service, an Ingress, or a group of Ingresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    arn: String,
    dns_name: String,
    /// The security group that it made for the load balancer.
    group: String,
    target_groups: Vec<String>,
    /// Groups of nodes with a rule for it.
    node_groups: BTreeSet<String>,
    began: Duration,
}

fn available(world: &World, cluster: &str) -> bool {
    let state = world.kube.clusters.get(cluster);
    let deployment = state.and_then(|state| state.get(&Key::new(&kinds::DEPLOYMENT, NAMESPACE, NAME)));
    deployment.is_some_and(|deployment| deployment.pointer("/status/availableReplicas").and_then(Value::as_u64).unwrap_or_default() > 0)
}

/// The role of its service account, or the cluster's: what policies permit is not judged.
fn caller(world: &World, cluster: &str) -> Caller {
    let account = world.kube.clusters.get(cluster).and_then(|state| state.get(&Key::new(&kinds::SERVICE_ACCOUNT, NAMESPACE, NAME)));
    let annotated = account.and_then(|account| account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].as_str());
    let role = annotated.map(str::to_owned).or_else(|| facts::cluster(world, cluster).map(|facts| facts.role_arn)).unwrap_or_default();
    let name = role.rsplit('/').next().unwrap_or_default();
    Caller { arn: format!("arn:aws:sts::{}:assumed-role/{name}/{NAME}", world.account), user_id: format!("{name}:{NAME}") }
}

/// Makes, publishes and removes load balancers. Whether one is awaited.
pub(super) fn run(world: &mut World, cluster: &str) -> bool {
    if !available(world, cluster) {
        return false;
    }
    let mut waits = false;
    for wanted in wanted(world, cluster) {
        let subject = format!("lbc/{}", wanted.stack);
        if !control::may_try(world, cluster, &subject) {
            waits = true;
            continue;
        }
        // Members that go leave at once while others stay; the last one waits for the load balancer to go.
        let result = if wanted.members.is_empty() {
            remove(world, cluster, &wanted).map(|()| false)
        } else {
            for key in &wanted.leaving {
                unfinalize(world, cluster, key, &wanted);
            }
            for (key, _) in &wanted.members {
                finalize(world, cluster, key, &wanted);
            }
            ensure(world, cluster, &wanted)
        };
        match result {
            Ok(active) => {
                control::succeeded(world, cluster, &subject);
                let gone = wanted.members.is_empty();
                if gone {
                    for key in &wanted.leaving {
                        unfinalize(world, cluster, key, &wanted);
                    }
                } else if active {
                    publish(world, cluster, &wanted);
                }
                waits |= !gone && !active;
            }
            Err(error) => {
                waits = true;
                let reason = if wanted.members.is_empty() { "FailedCleanup" } else { "FailedDeployModel" };
                let about = wanted.members.first().map(|(key, _)| key.clone()).or_else(|| wanted.leaving.first().cloned());
                let about = about.and_then(|key| world.kube.clusters.get(cluster)?.get(&key).cloned());
                if let Some(object) = about {
                    events::record(world, cluster, &object, true, reason, &format!("{reason} due to {error}"), "service");
                }
                control::failed(world, cluster, &subject);
            }
        }
    }
    waits
}

fn finalize(world: &mut World, cluster: &str, key: &Key, wanted: &Wanted) {
    let has = world.kube.clusters.get(cluster).and_then(|state| state.get(key)).is_some_and(|object| has(object, &wanted.finalizer));
    if !has {
        store::edit(world, cluster, key, |object| {
            let mut finalizers = items(object, "/metadata/finalizers").to_vec();
            finalizers.push(json!(wanted.finalizer));
            object["metadata"]["finalizers"] = json!(finalizers);
        });
    }
}

fn has(object: &Value, finalizer: &str) -> bool {
    items(object, "/metadata/finalizers").iter().any(|name| name == finalizer)
}

fn unfinalize(world: &mut World, cluster: &str, key: &Key, wanted: &Wanted) {
    store::edit(world, cluster, key, |object| {
        let mut finalizers = items(object, "/metadata/finalizers").to_vec();
        finalizers.retain(|name| *name != json!(wanted.finalizer));
        object["metadata"]["finalizers"] = json!(finalizers);
    });
}

fn publish(world: &mut World, cluster: &str, wanted: &Wanted) {
    let Some(stack) = world.kube.clusters.get(cluster).and_then(|state| state.stacks.get(&wanted.stack)).cloned() else { return };
    let told = |object: &Value| text(object, "/status/loadBalancer/ingress/0/hostname") == stack.dns_name;
    if !wanted.members.iter().any(|(_, object)| told(object)) {
        let took = world.now - stack.began;
        let time = ServiceTime { kind: format!("{:?}", Time::NetworkLoadBalancer), began: stack.began, took };
        world.ledger.record(&format!("{cluster}/{}", wanted.stack), time);
    }
    for (key, object) in &wanted.members {
        if !told(object) {
            store::edit(world, cluster, key, |object| {
                object["status"]["loadBalancer"] = json!({"ingress": [{"hostname": stack.dns_name}]});
            });
        }
    }
}
