//! The disruption controller: what budgets allow now.

use serde_json::{Value, json};

use super::{
    kinds,
    select::selects,
    store::{self, Key, items, text},
    workloads,
};
use crate::world::World;

pub(super) fn run(world: &mut World, cluster: &str) {
    for (key, budget) in store::all(world, cluster, &kinds::DISRUPTION_BUDGET) {
        let mut pods = store::all(world, cluster, &kinds::POD);
        pods.retain(|(pod, object)| {
            pod.namespace == key.namespace
                && selects(&budget["spec"]["selector"], object, true)
                && !["Succeeded", "Failed"].contains(&text(object, "/status/phase"))
        });
        let healthy = pods.iter().filter(|(_, pod)| workloads::is_ready(pod) && !store::deleting(pod)).count() as u64;
        let objects: Vec<&Value> = pods.iter().map(|(_, pod)| &**pod).collect();
        let (expected, desired) = expectation(&budget["spec"], pods.len() as u64, controlled(world, cluster, &key.namespace, &objects));
        let allowed = if expected == 0 { 0 } else { healthy.saturating_sub(desired) };
        let status = json!({
            "observedGeneration": budget["metadata"]["generation"], "expectedPods": expected, "currentHealthy": healthy,
            "desiredHealthy": desired, "disruptionsAllowed": allowed,
            "conditions": [{
                "type": "DisruptionAllowed", "status": if allowed > 0 { "True" } else { "False" },
                "reason": if allowed > 0 { "SufficientPods" } else { "InsufficientPods" }, "message": "",
                "observedGeneration": budget["metadata"]["generation"],
                "lastTransitionTime": budget["metadata"]["creationTimestamp"],
            }],
        });
        store::edit(world, cluster, &key, |budget| budget["status"] = status);
    }
}

/// How many Pods the controllers of these Pods want.
fn controlled(world: &World, cluster: &str, namespace: &str, pods: &[&Value]) -> u64 {
    let mut owners: Vec<&Value> = pods.iter().flat_map(|pod| items(pod, "/metadata/ownerReferences")).collect();
    owners.sort_by_key(|owner| text(owner, "/uid"));
    owners.dedup_by_key(|owner| text(owner, "/uid"));
    let replicas = |owner: &&Value| {
        let kind = kinds::by_kind(text(owner, "/apiVersion"), text(owner, "/kind"))?;
        let object = store::fetch(world, cluster, &Key::new(kind, namespace, text(owner, "/name")))?;
        object["spec"]["replicas"].as_u64()
    };
    owners.iter().filter_map(replicas).sum()
}

/// Expected and desired number of Pods: an integer minimum counts the Pods that are there, all else what controllers want.
fn expectation(spec: &Value, present: u64, controlled: u64) -> (u64, u64) {
    let scaled = |value: &Value, of: u64| match value {
        // Percentages are rounded up (`GetScaledValueFromIntOrPercent(.., true)`).
        Value::String(text) => {
            text.strip_suffix('%').and_then(|percent| percent.parse::<u64>().ok()).map_or(0, |percent| (of * percent).div_ceil(100))
        }
        value => value.as_u64().unwrap_or(0),
    };
    let (minimum, maximum) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !maximum.is_null() {
        (controlled, controlled.saturating_sub(scaled(maximum, controlled)))
    } else if minimum.is_string() {
        (controlled, scaled(minimum, controlled))
    } else {
        (present, scaled(minimum, present))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_count_as_the_disruption_controller_does() {
        for (spec, expected) in [
            (json!({"minAvailable": 2}), (3, 2)),
            (json!({"minAvailable": "50%"}), (5, 3)),
            (json!({"maxUnavailable": 1}), (5, 4)),
            (json!({"maxUnavailable": "30%"}), (5, 3)),
            (json!({"maxUnavailable": 0}), (5, 5)),
        ] {
            assert_eq!(expectation(&spec, 3, 5), expected, "{spec}");
        }
    }
}
