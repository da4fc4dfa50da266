//! The disruption controller: what budgets allow now.

use serde_json::{Value, json};

use super::{
    kinds,
    select::selects,
    store::{self, Key, items, text},
    workloads,
};
use crate::world::World;

/// Whether a budget's selector selects a Pod of its namespace: in `policy/v1` a null selector selects none, an empty one all.
pub(super) fn protects(budget: &Value, pod: &Value) -> bool {
    let selector = &budget["spec"]["selector"];
    !selector.is_null() && selects(selector, pod, true)
}

pub(super) fn run(world: &mut World, cluster: &str) {
    for (key, budget) in store::all(world, cluster, &kinds::DISRUPTION_BUDGET) {
        let mut pods = store::all(world, cluster, &kinds::POD);
        pods.retain(|(pod, object)| pod.namespace == key.namespace && protects(&budget, object));
        let healthy = pods.iter().filter(|(_, pod)| workloads::is_ready(pod) && !store::deleting(pod)).count() as u64;
        let objects: Vec<&Value> = pods.iter().map(|(_, pod)| &**pod).collect();
        let controlled = controlled(world, cluster, &key.namespace, &objects);
        let condition = |allowed: bool, reason: &str, message: &str| {
            json!([{
                "type": "DisruptionAllowed", "status": if allowed { "True" } else { "False" }, "reason": reason, "message": message,
                "observedGeneration": budget["metadata"]["generation"], "lastTransitionTime": budget["metadata"]["creationTimestamp"],
            }])
        };
        let status = match expectation(&budget["spec"], pods.len() as u64, controlled) {
            Ok((expected, desired)) => {
                let allowed = if expected == 0 { 0 } else { healthy.saturating_sub(desired) };
                let reason = if allowed > 0 { "SufficientPods" } else { "InsufficientPods" };
                json!({
                    "observedGeneration": budget["metadata"]["generation"], "expectedPods": expected, "currentHealthy": healthy,
                    "desiredHealthy": desired, "disruptionsAllowed": allowed, "conditions": condition(allowed > 0, reason, ""),
                })
            }
            // `failSafe`: the rest of the status stays as it was.
            Err(why) => {
                let mut status = if budget["status"].is_object() { budget["status"].clone() } else { json!({}) };
                status["disruptionsAllowed"] = json!(0);
                status["observedGeneration"] = budget["metadata"]["generation"].clone();
                status["conditions"] = condition(false, "SyncFailed", &why);
                status
            }
        };
        store::edit(world, cluster, &key, |budget| budget["status"] = status);
    }
}

/// How many Pods the controllers of these Pods want; why not, if one of them cannot be scaled (`getExpectedScale`). Pods without a
/// controller do not count.
fn controlled(world: &World, cluster: &str, namespace: &str, pods: &[&Value]) -> Result<u64, String> {
    let mut owners: Vec<&Value> =
        pods.iter().filter_map(|pod| items(pod, "/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true)).collect();
    owners.sort_by_key(|owner| text(owner, "/uid"));
    owners.dedup_by_key(|owner| text(owner, "/uid"));
    let replicas = |owner: &Value| {
        let kind = kinds::by_kind(text(owner, "/apiVersion"), text(owner, "/kind")).filter(|kind| **kind != kinds::DAEMON_SET);
        let kind = kind.ok_or_else(|| format!("{} does not implement the scale subresource", text(owner, "/kind")))?;
        let object = store::fetch(world, cluster, &Key::new(kind, namespace, text(owner, "/name")));
        Ok(object.and_then(|object| object["spec"]["replicas"].as_u64()).unwrap_or(0))
    };
    owners.into_iter().map(replicas).sum()
}

/// Expected and desired number of Pods: an integer minimum counts the Pods that are there, all else what controllers want.
fn expectation(spec: &Value, present: u64, controlled: Result<u64, String>) -> Result<(u64, u64), String> {
    let scaled = |value: &Value, of: u64| match value {
        // Percentages are rounded up (`GetScaledValueFromIntOrPercent(.., true)`).
        Value::String(text) => {
            text.strip_suffix('%').and_then(|percent| percent.parse::<u64>().ok()).map_or(0, |percent| (of * percent).div_ceil(100))
        }
        value => value.as_u64().unwrap_or(0),
    };
    let (minimum, maximum) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !maximum.is_null() {
        controlled.map(|controlled| (controlled, controlled.saturating_sub(scaled(maximum, controlled))))
    } else if minimum.is_string() {
        controlled.map(|controlled| (controlled, scaled(minimum, controlled)))
    } else {
        Ok((present, scaled(minimum, present)))
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
            assert_eq!(expectation(&spec, 3, Ok(5)), Ok(expected), "{spec}");
        }
        // Controllers that cannot be scaled matter only where they are counted.
        let uncountable = || Err("DaemonSet does not implement the scale subresource".to_owned());
        assert_eq!(expectation(&json!({"minAvailable": 2}), 3, uncountable()), Ok((3, 2)));
        assert!(expectation(&json!({"maxUnavailable": 1}), 3, uncountable()).is_err());
    }
}
