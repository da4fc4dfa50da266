//! The workload controllers, as far as draining nodes needs them, and the garbage collector.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::{
    delete,
    kinds::{self, Kind},
    scheduler,
    store::{self, Key, items, text},
    write,
};
use crate::world::World;

/// Whether the Pod's Ready condition is True.
pub(super) fn is_ready(pod: &Value) -> bool {
    items(pod, "/status/conditions").iter().any(|condition| text(condition, "/type") == "Ready" && text(condition, "/status") == "True")
}

/// Whether a Pod counts for its controller.
fn is_active(pod: &Value) -> bool {
    !store::deleting(pod) && !["Succeeded", "Failed"].contains(&text(pod, "/status/phase"))
}

/// Objects of a kind that this object controls.
fn children(world: &World, cluster: &str, kind: &'static Kind, owner: &Value) -> Vec<(Key, Arc<Value>)> {
    let uid = &owner["metadata"]["uid"];
    let mut all = store::all(world, cluster, kind);
    all.retain(|(_, object)| items(object, "/metadata/ownerReferences").iter().any(|reference| reference["uid"] == *uid));
    all
}

/// The owner reference of a controller to what it makes.
fn owner(object: &Value) -> Value {
    json!([{
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }])
}

/// Brings what an object controls in line with it.
type Reconcile = fn(&mut World, &str, &Key, &Value);

pub(super) fn run(world: &mut World, cluster: &str) {
    collect_garbage(world, cluster);
    collect_pods(world, cluster);
    let each: [(&'static Kind, Reconcile); 4] = [
        (&kinds::DEPLOYMENT, deployment),
        (&kinds::REPLICA_SET, replica_set),
        (&kinds::STATEFUL_SET, stateful_set),
        (&kinds::DAEMON_SET, daemon_set),
    ];
    for (kind, reconcile) in each {
        for (key, object) in store::all(world, cluster, kind) {
            if !store::deleting(&object) {
                reconcile(world, cluster, &key, &object);
            }
        }
    }
}

/// What has lost every owner goes.
fn collect_garbage(world: &mut World, cluster: &str) {
    let Some(state) = world.kube.clusters.get(cluster) else { return };
    let uids: BTreeSet<&str> = state.objects.values().map(|object| text(object, "/metadata/uid")).collect();
    let orphaned = |object: &Value| {
        let owners = items(object, "/metadata/ownerReferences");
        !owners.is_empty() && owners.iter().all(|owner| !uids.contains(text(owner, "/uid")))
    };
    let gone: Vec<Key> =
        state.objects.iter().filter(|(_, object)| !store::deleting(object) && orphaned(object)).map(|(key, _)| key.clone()).collect();
    for key in gone {
        delete::remove(world, cluster, &key, None, "Background");
    }
}

/// Cuts the tie of what an object owns (propagation policy Orphan).
pub(super) fn orphan(world: &mut World, cluster: &str, uid: &str) {
    let Some(state) = world.kube.clusters.get(cluster) else { return };
    let owned = |object: &Value| items(object, "/metadata/ownerReferences").iter().any(|owner| text(owner, "/uid") == uid);
    let keys: Vec<Key> = state.objects.iter().filter(|(_, object)| owned(object)).map(|(key, _)| key.clone()).collect();
    for key in keys {
        store::edit(world, cluster, &key, |object| {
            let mut owners = items(object, "/metadata/ownerReferences").to_vec();
            owners.retain(|owner| text(owner, "/uid") != uid);
            object["metadata"]["ownerReferences"] = json!(owners);
        });
    }
}

/// The kubelet has stopped a Pod's containers: the Pod goes. A node that is lost stops nothing.
pub(super) fn stopped(world: &mut World, cluster: &str, key: &Key, uid: &str) {
    let Some(pod) = store::fetch(world, cluster, key).filter(|pod| text(pod, "/metadata/uid") == uid) else { return };
    let node = Key::new(&kinds::NODE, "", text(&pod, "/spec/nodeName"));
    let lost = super::nodes::has_stopped(world, cluster, &node.name)
        || store::fetch(world, cluster, &node)
            .is_some_and(|node| items(&node, "/spec/taints").iter().any(|taint| text(taint, "/key") == "node.kubernetes.io/unreachable"));
    if !lost {
        store::edit(world, cluster, key, |pod| pod["metadata"]["deletionGracePeriodSeconds"] = json!(0));
    }
}

/// The Pod garbage collector removes Pods of nodes that are not there.
fn collect_pods(world: &mut World, cluster: &str) {
    for (key, pod) in store::all(world, cluster, &kinds::POD) {
        let node = Key::new(&kinds::NODE, "", text(&pod, "/spec/nodeName"));
        if !node.name.is_empty() && store::fetch(world, cluster, &node).is_none() {
            delete::remove(world, cluster, &key, Some(0), "Background");
        }
    }
}

/// Ten letters that tell a template from others.
fn hash(template: &Value) -> String {
    let text = template.to_string();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")[6..].to_owned()
}

fn deployment(world: &mut World, cluster: &str, key: &Key, object: &Value) {
    let template = &object["spec"]["template"];
    let hash = hash(template);
    let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let current = Key::new(&kinds::REPLICA_SET, &key.namespace, &format!("{}-{hash}", key.name));
    if store::fetch(world, cluster, &current).is_none() {
        let mut template = template.clone();
        template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
        let mut selector = object["spec"]["selector"].clone();
        selector["matchLabels"]["pod-template-hash"] = json!(hash);
        let set = json!({
            "metadata": {"labels": template["metadata"]["labels"], "ownerReferences": owner(object)},
            "spec": {"replicas": wanted, "selector": selector, "template": template},
        });
        store::create(world, cluster, &current, set);
    }
    let sets = children(world, cluster, &kinds::REPLICA_SET, object);
    let number = |set: &Value, name: &str| set["status"][name].as_u64().unwrap_or(0);
    let ready_now = sets.iter().find(|(key, _)| *key == current).map_or(0, |(_, set)| number(set, "readyReplicas"));
    for (key, _) in &sets {
        // Old Pods go when the new ones are ready.
        if *key == current {
            store::edit(world, cluster, key, |set| set["spec"]["replicas"] = json!(wanted));
        } else if ready_now >= wanted {
            store::edit(world, cluster, key, |set| set["spec"]["replicas"] = json!(0));
        }
    }
    let total = |name: &str| sets.iter().map(|(_, set)| number(set, name)).sum::<u64>();
    let (ready, updated) =
        (total("readyReplicas"), sets.iter().find(|(key, _)| *key == current).map_or(0, |(_, set)| number(set, "replicas")));
    let available = ready + ready_quarter(wanted) >= wanted;
    let status = json!({
        "observedGeneration": object["metadata"]["generation"], "replicas": total("replicas"), "updatedReplicas": updated,
        "readyReplicas": ready, "availableReplicas": ready, "unavailableReplicas": wanted.saturating_sub(ready),
        "conditions": [{
            "type": "Available", "status": if available { "True" } else { "False" },
            "reason": if available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" },
        }],
    });
    store::edit(world, cluster, key, |object| object["status"] = status);
}

/// How many Pods of a Deployment may be unavailable by default (`maxUnavailable: 25%`, rounded down).
fn ready_quarter(replicas: u64) -> u64 {
    replicas / 4
}

/// A Pod from a template.
fn pod(template: &Value, owner_of: &Value) -> Value {
    let mut pod =
        json!({"metadata": template["metadata"], "spec": template["spec"], "status": {"phase": "Pending", "qosClass": "BestEffort"}});
    if !pod["metadata"].is_object() {
        pod["metadata"] = json!({});
    }
    pod["metadata"]["ownerReferences"] = owner(owner_of);
    pod
}

fn replica_set(world: &mut World, cluster: &str, key: &Key, object: &Value) {
    let mut pods = children(world, cluster, &kinds::POD, object);
    pods.retain(|(_, pod)| is_active(pod));
    let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1) as usize;
    for _ in pods.len()..wanted {
        let name = format!("{}-{}", key.name, write::suffix(world));
        store::create(world, cluster, &Key::new(&kinds::POD, &key.namespace, &name), pod(&object["spec"]["template"], object));
    }
    if pods.len() > wanted {
        // Those that are not ready go first, then the youngest.
        pods.sort_by_key(|(_, pod)| (is_ready(pod), std::cmp::Reverse(text(pod, "/metadata/creationTimestamp").to_owned())));
        for (key, _) in &pods[..pods.len() - wanted] {
            delete::remove(world, cluster, key, None, "Background");
        }
    }
    report(world, cluster, key, object, &pods);
}

/// Writes what a ReplicaSet's or StatefulSet's status tells.
fn report(world: &mut World, cluster: &str, key: &Key, object: &Value, pods: &[(Key, Arc<Value>)]) {
    let ready = pods.iter().filter(|(_, pod)| is_ready(pod)).count();
    let status = json!({
        "observedGeneration": object["metadata"]["generation"], "replicas": pods.len(), "readyReplicas": ready, "availableReplicas": ready,
        "fullyLabeledReplicas": pods.len(),
    });
    store::edit(world, cluster, key, |object| object["status"] = status);
}

fn stateful_set(world: &mut World, cluster: &str, key: &Key, object: &Value) {
    let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let in_order = text(object, "/spec/podManagementPolicy") != "Parallel";
    for ordinal in 0..wanted {
        let name = format!("{}-{ordinal}", key.name);
        let place = Key::new(&kinds::POD, &key.namespace, &name);
        if let Some(present) = store::fetch(world, cluster, &place) {
            if in_order && !is_ready(&present) {
                break;
            }
            continue;
        }
        let mut pod = pod(&object["spec"]["template"], object);
        pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(name);
        for claim in items(object, "/spec/volumeClaimTemplates") {
            let template = text(claim, "/metadata/name");
            let claim_key = Key::new(&kinds::CLAIM, &key.namespace, &format!("{template}-{name}"));
            let mut claim = json!({
                "metadata": {"labels": object["spec"]["selector"]["matchLabels"]}, "spec": claim["spec"],
            });
            super::defaults::fill(world, cluster, &claim_key, None, &mut claim);
            store::create(world, cluster, &claim_key, claim);
            let volume = json!({"name": template, "persistentVolumeClaim": {"claimName": claim_key.name}});
            let mut volumes = items(&pod, "/spec/volumes").to_vec();
            volumes.push(volume);
            pod["spec"]["volumes"] = json!(volumes);
        }
        store::create(world, cluster, &place, pod);
        if in_order {
            break;
        }
    }
    let pods = children(world, cluster, &kinds::POD, object);
    let ordinal = |key: &Key| key.name.rsplit('-').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    for (pod, _) in pods.iter().filter(|(pod, _)| ordinal(pod) >= wanted) {
        delete::remove(world, cluster, pod, None, "Background");
    }
    let active: Vec<_> = pods.into_iter().filter(|(_, pod)| is_active(pod)).collect();
    report(world, cluster, key, object, &active);
}

fn daemon_set(world: &mut World, cluster: &str, key: &Key, object: &Value) {
    let mut template = object["spec"]["template"].clone();
    let mut tolerations = items(&template, "/spec/tolerations").to_vec();
    // "DaemonSet", kubernetes.io: tolerations that its controller adds.
    for (taint, effect) in [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ] {
        tolerations.push(json!({"key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": effect}));
    }
    template["spec"]["tolerations"] = json!(tolerations);
    let mut pods = children(world, cluster, &kinds::POD, object);
    pods.retain(|(_, pod)| is_active(pod));
    let sample = json!({"spec": template["spec"]});
    let nodes: Vec<(Key, Arc<Value>)> =
        store::all(world, cluster, &kinds::NODE).into_iter().filter(|(_, node)| scheduler::node_takes(node, &sample).is_none()).collect();
    let served: BTreeSet<&str> = pods.iter().map(|(_, pod)| text(pod, "/spec/nodeName")).collect();
    for (node, _) in &nodes {
        if served.contains(node.name.as_str()) {
            continue;
        }
        let mut pod = pod(&template, object);
        pod["spec"]["nodeName"] = json!(node.name);
        let name = format!("{}-{}", key.name, write::suffix(world));
        store::create(world, cluster, &Key::new(&kinds::POD, &key.namespace, &name), pod);
    }
    let ready = pods.iter().filter(|(_, pod)| is_ready(pod)).count();
    let status = json!({
        "observedGeneration": object["metadata"]["generation"], "desiredNumberScheduled": nodes.len(), "currentNumberScheduled": pods.len(),
        "numberReady": ready, "numberAvailable": ready, "updatedNumberScheduled": pods.len(), "numberMisscheduled": 0,
    });
    store::edit(world, cluster, key, |object| object["status"] = status);
}
