//! Nodes: how they join, become Ready, are lost and go.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Kubelet, access, control, facts, kinds,
    store::{self, Key, items, text},
};
use crate::{ec2, eks, ledger::ServiceTime, times::Time, world::World};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// `--node-monitor-grace-period`; 50 s since Kubernetes 1.32.
const GRACE: Duration = Duration::from_secs(50);

fn key(name: &str) -> Key {
    Key::new(&kinds::NODE, "", name)
}

/// Whether the node's Ready condition is True.
pub(super) fn is_ready(node: &Value) -> bool {
    condition(node, "Ready").is_some_and(|condition| text(condition, "/status") == "True")
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

pub(super) fn register(world: &mut World, cluster: &str, kubelet: Kubelet) -> Result<(), String> {
    let facts = facts::cluster(world, cluster).ok_or("no such cluster")?;
    if !world.kube.clusters.contains_key(cluster) {
        return Err(format!("dial tcp: lookup {}: no such host", facts.endpoint_host));
    }
    let user = access::map_node(world, cluster, &kubelet).ok_or("Unauthorized")?;
    if !access::is_node(&user, &kubelet.name) {
        return Err(format!("nodes \"{}\" is forbidden: User \"{}\" cannot create resource \"nodes\"", kubelet.name, user.name));
    }
    let (name, node) = (kubelet.name.clone(), node(world, &kubelet));
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.kubelets.insert(name.clone(), kubelet);
    }
    store::create(world, cluster, &key(&name), node);
    control::wake(world, cluster);
    Ok(())
}

fn node(world: &World, kubelet: &Kubelet) -> Value {
    let (system, image) = if kubelet.windows { ("windows", "Windows Server 2022") } else { ("linux", "Amazon Linux 2023") };
    let mut labels = json!({
        "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/instance-type": kubelet.instance_type, "beta.kubernetes.io/os": system,
        "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": kubelet.name, "kubernetes.io/os": system,
        "node.kubernetes.io/instance-type": kubelet.instance_type, "topology.k8s.aws/zone-id": kubelet.zone_id,
        "failure-domain.beta.kubernetes.io/region": kubelet.region, "failure-domain.beta.kubernetes.io/zone": kubelet.zone,
        "topology.kubernetes.io/region": kubelet.region, "topology.kubernetes.io/zone": kubelet.zone,
    });
    for (name, value) in &kubelet.labels {
        labels[name] = json!(value);
    }
    let mut taints = vec![json!({"key": NOT_READY, "effect": "NoSchedule"})];
    taints.extend(kubelet.taints.iter().filter_map(|taint| {
        let (pair, effect) = taint.rsplit_once(':')?;
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some(if value.is_empty() { json!({"key": key, "effect": effect}) } else { json!({"key": key, "value": value, "effect": effect}) })
    }));
    let size = json!({"cpu": "2", "memory": "3943372Ki", "pods": kubelet.max_pods.to_string(), "ephemeral-storage": "20893676Ki"});
    let now = store::now(world);
    let pressures = ["MemoryPressure", "DiskPressure", "PIDPressure"]
        .map(|name| json!({"type": name, "status": "False", "lastHeartbeatTime": now, "lastTransitionTime": now}));
    let mut conditions = pressures.to_vec();
    conditions.push(json!({
        "type": "Ready", "status": "False", "reason": "KubeletNotReady", "lastHeartbeatTime": now, "lastTransitionTime": now,
        "message": "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
    }));
    json!({
        "metadata": {"labels": labels, "annotations": {"node.alpha.kubernetes.io/ttl": "0"}},
        "spec": {"providerID": format!("aws:///{}/{}", kubelet.zone, kubelet.instance), "taints": taints},
        "status": {
            "capacity": size, "allocatable": size, "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": kubelet.address}, {"type": "InternalDNS", "address": kubelet.name},
                {"type": "Hostname", "address": kubelet.name},
            ],
            "nodeInfo": {
                "kubeletVersion": format!("v{}.0-eks-0000000", kubelet.version), "kubeProxyVersion": "", "architecture": "amd64",
                "operatingSystem": system, "osImage": image, "kernelVersion": "6.12", "containerRuntimeVersion": "containerd://2.1",
                "machineID": "", "systemUUID": "", "bootID": "",
            },
        },
    })
}

/// Readiness, taints and lost kubelets. Whether something is still awaited.
pub(super) fn run(world: &mut World, cluster: &str) -> bool {
    let Some(state) = world.kube.clusters.get(cluster) else { return false };
    let kubelets: Vec<Kubelet> = state.kubelets.values().cloned().collect();
    let mut waits = false;
    for kubelet in kubelets {
        let Some(node) = store::fetch(world, cluster, &key(&kubelet.name)) else { continue };
        if remove_if_terminated(world, cluster, &kubelet, &node) {
            continue;
        }
        let stopped = has_stopped(world, cluster, &kubelet.name);
        let admitted = !stopped && access::map_node(world, cluster, &kubelet).is_some_and(|user| access::is_node(&user, &kubelet.name));
        waits |= lose(world, cluster, &kubelet, &node, admitted);
        if is_ready(&node) && facts::software_installed(world, cluster, "aws-ebs-csi-driver") {
            let drivers = json!([{"name": "ebs.csi.aws.com", "nodeID": kubelet.instance, "topologyKeys": ["topology.kubernetes.io/zone"]}]);
            let owner = json!({"apiVersion": "v1", "kind": "Node", "name": kubelet.name, "uid": node["metadata"]["uid"]});
            let object = json!({"metadata": {"ownerReferences": [owner]}, "spec": {"drivers": drivers}});
            store::create(world, cluster, &Key::new(&kinds::CSI_NODE, "", &kubelet.name), object);
        }
        if admitted && !is_ready(&node) {
            waits = true;
            let fresh = facts::network_runs(world, cluster, &kubelet)
                && world.kube.clusters.get_mut(cluster).is_some_and(|state| state.starting.insert(kubelet.instance.clone()));
            if fresh {
                let (cluster, kubelet) = (cluster.to_owned(), kubelet.clone());
                world.take(Time::NodeReady, &kubelet.instance.clone(), move |world| become_ready(world, &cluster, &kubelet));
            }
        }
    }
    for (key, node) in store::all(world, cluster, &kinds::NODE) {
        // The node lifecycle controller mirrors `unschedulable` in a taint.
        let cordoned = node["spec"]["unschedulable"] == true;
        if cordoned == items(&node, "/spec/taints").iter().any(|taint| text(taint, "/key") == UNSCHEDULABLE) {
            continue;
        }
        store::edit(world, cluster, &key, |node| taint(node, UNSCHEDULABLE, "NoSchedule", cordoned));
    }
    waits
}

/// Nodes whose kubelets run and are let in by nobody.
pub(super) fn locked_out(world: &mut World, cluster: &str) -> Vec<String> {
    let kubelets = world.kube.clusters.get(cluster).into_iter().flat_map(|state| state.kubelets.values());
    let mut live: Vec<Kubelet> = kubelets.filter(|kubelet| !has_stopped(world, cluster, &kubelet.name)).cloned().collect();
    live.retain(|kubelet| !access::map_node(world, cluster, kubelet).is_some_and(|user| access::is_node(&user, &kubelet.name)));
    live.into_iter().map(|kubelet| kubelet.name).collect()
}

/// Whether a node's kubelet is no more.
pub(super) fn has_stopped(world: &World, cluster: &str, name: &str) -> bool {
    world.kube.clusters.get(cluster).is_some_and(|state| state.stopped.contains_key(name))
}

/// The cloud provider's node lifecycle controller looks at nodes that are not Ready, and deletes those whose instances do not exist any more
/// ("Cloud Controller Manager", kubernetes.io; to AWS's, a terminated instance does not exist, one that is shutting down does).
fn remove_if_terminated(world: &mut World, cluster: &str, kubelet: &Kubelet, node: &Value) -> bool {
    let since = world.kube.clusters.get(cluster).and_then(|state| state.stopped.get(&kubelet.name)).copied();
    let exists = || ec2::instance(world, &kubelet.instance).is_some_and(|instance| instance.state != "terminated");
    let Some(since) = since.filter(|_| !is_ready(node) && !exists()) else { return false };
    let took = world.now - since;
    world.ledger.record(&kubelet.instance, ServiceTime { kind: "NodeRemoval".to_owned(), began: since, took });
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.kubelets.remove(&kubelet.name);
        state.refused.remove(&kubelet.name);
        state.stopped.remove(&kubelet.name);
    }
    store::commit(world, cluster, &key(&kubelet.name), None);
    eks::nodes_changed(world, cluster);
    true
}

/// A kubelet that the API server refuses stops posting status; after a while its node is unreachable.
fn lose(world: &mut World, cluster: &str, kubelet: &Kubelet, node: &Value, admitted: bool) -> bool {
    let now = world.now;
    let Some(state) = world.kube.clusters.get_mut(cluster) else { return false };
    if admitted {
        state.refused.remove(&kubelet.name);
        return false;
    }
    let since = *state.refused.entry(kubelet.name.clone()).or_insert(now);
    let unknown = condition(node, "Ready").is_some_and(|condition| text(condition, "/status") == "Unknown");
    if now >= since + GRACE && !unknown {
        set_ready(world, cluster, &kubelet.name, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.");
        pods_not_ready(world, cluster, &kubelet.name);
        eks::nodes_changed(world, cluster);
    }
    true
}

/// The node lifecycle controller no longer counts on the Pods of such a node ("Node Status", kubernetes.io: Pods of a node that is not
/// reachable are marked as not ready).
fn pods_not_ready(world: &mut World, cluster: &str, name: &str) {
    let now = store::now(world);
    for (pod, object) in store::all(world, cluster, &kinds::POD) {
        if text(&object, "/spec/nodeName") == name {
            store::edit(world, cluster, &pod, |pod| {
                for condition in pod["status"]["conditions"].as_array_mut().into_iter().flatten().filter(|one| one["type"] == "Ready") {
                    condition["status"] = json!("False");
                    condition["reason"] = json!("NodeNotReady");
                    condition["lastTransitionTime"] = json!(now);
                }
            });
        }
    }
}

fn become_ready(world: &mut World, cluster: &str, kubelet: &Kubelet) {
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.starting.remove(&kubelet.instance);
    }
    let gone = store::fetch(world, cluster, &key(&kubelet.name)).is_none() || has_stopped(world, cluster, &kubelet.name);
    if gone || !facts::network_runs(world, cluster, kubelet) {
        return;
    }
    set_ready(world, cluster, &kubelet.name, "True", "KubeletReady", "kubelet is posting ready status");
    eks::nodes_changed(world, cluster);
}

fn set_ready(world: &mut World, cluster: &str, name: &str, status: &str, reason: &str, message: &str) {
    let now = store::now(world);
    store::edit(world, cluster, &key(name), |node| {
        for condition in node["status"]["conditions"].as_array_mut().into_iter().flatten() {
            if condition["type"] == "Ready" {
                *condition = json!({
                    "type": "Ready", "status": status, "reason": reason, "message": message,
                    "lastHeartbeatTime": now, "lastTransitionTime": now,
                });
            }
        }
        taint(node, NOT_READY, "NoSchedule", status == "False");
        taint(node, UNREACHABLE, "NoSchedule", status == "Unknown");
        taint(node, UNREACHABLE, "NoExecute", status == "Unknown");
    });
}

fn taint(node: &mut Value, key: &str, effect: &str, wanted: bool) {
    let mut taints = items(node, "/spec/taints").to_vec();
    let had = taints.len();
    taints.retain(|taint| !(text(taint, "/key") == key && text(taint, "/effect") == effect));
    if wanted {
        if taints.len() < had {
            return;
        }
        taints.push(json!({"key": key, "effect": effect}));
    }
    if taints.is_empty() {
        node["spec"].as_object_mut().and_then(|spec| spec.remove("taints"));
    } else {
        node["spec"]["taints"] = json!(taints);
    }
}

/// The kubelet goes with its instance; the node stays until somebody notices.
pub(super) fn instance_gone(world: &mut World, instance: &str) {
    let mut gone = Vec::new();
    for (cluster, state) in &world.kube.clusters {
        gone.extend(
            state.kubelets.values().filter(|kubelet| kubelet.instance == instance).map(|kubelet| (cluster.clone(), kubelet.name.clone())),
        );
    }
    let now = world.now;
    for (cluster, name) in gone {
        if let Some(state) = world.kube.clusters.get_mut(&cluster) {
            state.stopped.entry(name).or_insert(now);
        }
        control::wake(world, &cluster);
    }
}
