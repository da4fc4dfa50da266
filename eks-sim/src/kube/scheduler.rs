//! The scheduler: Pods to nodes, by selectors, taints, volumes' zones, room, and what other Pods say to it.

mod others;

use serde_json::{Value, json};

use self::others::Others;
use super::{
    events, kinds,
    select::expression_matches,
    store::{self, Key, items, text},
    volumes,
};
use crate::world::World;

/// Places what can be placed. Whether a Pod is left over.
pub(super) fn run(world: &mut World, cluster: &str) -> bool {
    let mut waits = false;
    for (key, pod) in store::all(world, cluster, &kinds::POD) {
        let unplaced = text(&pod, "/spec/nodeName").is_empty() && text(&pod, "/status/phase") == "Pending";
        if !unplaced || store::deleting(&pod) {
            continue;
        }
        match place(world, cluster, &key, &pod) {
            Ok(Some(node)) => bind(world, cluster, &key, &node),
            // Waits for its volumes to be bound.
            Ok(None) => waits = true,
            Err(why) => {
                waits = true;
                unschedulable(world, cluster, &key, &pod, &why);
            }
        }
    }
    waits
}

fn place(world: &mut World, cluster: &str, key: &Key, pod: &Value) -> Result<Option<String>, String> {
    let needs = volumes::needs(world, cluster, key, pod)?;
    let nodes = store::all(world, cluster, &kinds::NODE);
    let others = Others::of(world, cluster);
    let (loads, rules) = (others.loads(), others.rules(pod));
    let load = |name: &str| loads.get(name).copied().unwrap_or_default();
    let mut reasons: Vec<String> = Vec::new();
    let mut fitting = Vec::new();
    for (node, object) in &nodes {
        let room = text(object, "/status/allocatable/pods").parse().unwrap_or(usize::MAX);
        let reason = node_takes(object, pod)
            .or_else(|| (load(&node.name) >= room).then(|| "Too many pods".to_owned()))
            .or_else(|| needs.refuses(&object["metadata"]["labels"]))
            .or_else(|| rules.refuses(node, object));
        match reason {
            Some(reason) => reasons.push(reason),
            None => fitting.push((load(&node.name), node.name.clone())),
        }
    }
    let Some((_, node)) = fitting.into_iter().min() else {
        reasons.sort();
        let mut told: Vec<String> = Vec::new();
        for group in reasons.chunk_by(|a, b| a == b) {
            told.push(format!("{} {}", group.len(), group[0]));
        }
        let list = if told.is_empty() { "no nodes available to schedule pods".to_owned() } else { told.join(", ") };
        return Err(format!("0/{} nodes are available: {list}.", nodes.len()));
    };
    // A volume that waits for its first consumer learns the node now; the Pod is bound when the volume is.
    if needs.unbound.is_empty() {
        return Ok(Some(node));
    }
    for claim in &needs.unbound {
        store::edit(world, cluster, claim, |claim| {
            let annotations = &mut claim["metadata"]["annotations"];
            if annotations["volume.kubernetes.io/selected-node"].is_null() {
                annotations["volume.kubernetes.io/selected-node"] = json!(node);
            }
        });
    }
    Ok(None)
}

/// Why a node does not take a Pod, apart from room, volumes and other Pods; `None` if it does.
pub(super) fn node_takes(node: &Value, pod: &Value) -> Option<String> {
    if !matches_node(node, pod) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    let taint = untolerated(node, pod)?;
    if text(taint, "/key") == "node.kubernetes.io/unschedulable" {
        return Some("node(s) were unschedulable".to_owned());
    }
    Some(format!("node(s) had untolerated taint(s) {{{}: {}}}", text(taint, "/key"), text(taint, "/value")))
}

/// Whether a Pod's node selector and required node affinity select a node.
fn matches_node(node: &Value, pod: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let mut wanted = pod["spec"]["nodeSelector"].as_object().into_iter().flatten();
    wanted.all(|(key, value)| labels[key] == *value) && affinity(&pod["spec"]["affinity"]["nodeAffinity"], node)
}

/// The first taint of a node that keeps a Pod away.
fn untolerated<'a>(node: &'a Value, pod: &Value) -> Option<&'a Value> {
    let tolerations = items(pod, "/spec/tolerations");
    let mut taints = items(node, "/spec/taints").iter().filter(|taint| text(taint, "/effect") != "PreferNoSchedule");
    taints.find(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)))
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
    let same = text(toleration, "/operator") == "Exists" || text(toleration, "/value") == text(taint, "/value");
    (effect.is_empty() || effect == text(taint, "/effect")) && (key.is_empty() || key == text(taint, "/key")) && same
}

fn affinity(affinity: &Value, node: &Value) -> bool {
    let terms = items(affinity, "/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    terms.is_empty() || terms.iter().any(|term| term_matches(term, &node["metadata"]["labels"]))
}

/// Whether labels satisfy a node selector term.
pub(super) fn term_matches(term: &Value, labels: &Value) -> bool {
    items(term, "/matchExpressions").iter().all(|expression| expression_matches(expression, labels))
}

fn bind(world: &mut World, cluster: &str, key: &Key, node: &str) {
    let now = store::now(world);
    store::edit(world, cluster, key, |pod| {
        pod["spec"]["nodeName"] = json!(node);
        pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "True", "lastTransitionTime": now}]);
    });
}

fn unschedulable(world: &mut World, cluster: &str, key: &Key, pod: &Value, why: &str) {
    let told = items(pod, "/status/conditions").iter().any(|condition| text(condition, "/message") == why);
    if told {
        return;
    }
    let now = store::now(world);
    store::edit(world, cluster, key, |pod| {
        pod["status"]["conditions"] =
            json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why, "lastTransitionTime": now}]);
    });
    events::record(world, cluster, pod, true, "FailedScheduling", why, "default-scheduler");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_need_tolerations() {
        let node = json!({"metadata": {"labels": {"zone": "a"}}, "spec": {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}});
        let pod = |tolerations: Value| json!({"spec": {"tolerations": tolerations}});
        assert!(node_takes(&node, &pod(json!([]))).is_some());
        for toleration in [
            json!({"operator": "Exists"}),
            json!({"key": "k", "operator": "Exists"}),
            json!({"key": "k", "value": "v", "effect": "NoSchedule"}),
        ] {
            assert_eq!(node_takes(&node, &pod(json!([toleration]))), None);
        }
        assert!(node_takes(&node, &pod(json!([{"key": "k", "value": "other"}]))).is_some());
    }
}
