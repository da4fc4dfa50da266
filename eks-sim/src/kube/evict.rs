//! The eviction subresource ("API-initiated Eviction", kubernetes.io).

use serde_json::{Value, json};

use super::{
    budgets, delete, kinds,
    request::Ask,
    status::{Refusal, Verdict},
    store::{self, Key, text},
    workloads, write,
};
use crate::world::World;

/// Evicts a Pod if its budget allows that.
pub(super) fn evict(world: &mut World, cluster: &str, ask: &Ask) -> Verdict<(u16, Value)> {
    let eviction = if ask.body.is_empty() { Value::Null } else { ask.json()? };
    let key = Key::new(&kinds::POD, &ask.namespace, &ask.name);
    let pod = store::fetch(world, cluster, &key).ok_or_else(|| Refusal::not_found(&kinds::POD, &ask.name))?;
    // An eviction is created, so a namespace that is being deleted refuses it.
    write::admit_namespace(world, cluster, &key)?;
    delete::preconditions(&key, &pod, &eviction["deleteOptions"])?;
    let dry_run = ask.dry_run() || store::items(&eviction, "/deleteOptions/dryRun").iter().any(|run| run == "All");
    // Pods that do not run, or go already, need no budget.
    let needs_none = store::deleting(&pod) || ["Pending", "Succeeded", "Failed"].contains(&text(&pod, "/status/phase"));
    if !needs_none {
        admit(world, cluster, &key, &pod, dry_run)?;
    }
    if !dry_run {
        let (grace, policy) = ask.delete_options(&eviction["deleteOptions"]);
        delete::remove(world, cluster, &key, grace, &policy);
    }
    Ok((201, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})))
}

/// Whether a Pod that runs may be evicted now; its budget counts it then.
pub(super) fn is_allowed(world: &mut World, cluster: &str, key: &Key, pod: &Value) -> bool {
    text(pod, "/status/phase") == "Pending" || admit(world, cluster, key, pod, false).is_ok()
}

fn admit(world: &mut World, cluster: &str, key: &Key, pod: &Value, dry_run: bool) -> Verdict<()> {
    let mut protecting = store::all(world, cluster, &kinds::DISRUPTION_BUDGET);
    protecting.retain(|(budget, object)| budget.namespace == key.namespace && budgets::protects(object, pod));
    let (budget, object) = match protecting.as_slice() {
        [] => return Ok(()),
        [only] => only,
        _ => {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Refusal::new(500, "InternalError", message));
        }
    };
    // `unhealthyPodEvictionPolicy`: a Pod that is not ready may go if the budget is met, or always.
    let healthy = workloads::is_ready(pod);
    let status = &object["status"];
    let met = status["currentHealthy"].as_u64() >= status["desiredHealthy"].as_u64() && status["desiredHealthy"].as_u64() > Some(0);
    if !healthy && (met || text(object, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow") {
        return Ok(());
    }
    let cause = |message: String| {
        Refusal::new(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.").causes(&[(
            "DisruptionBudget",
            message,
            String::new(),
        )])
    };
    if status["observedGeneration"].as_u64() < object["metadata"]["generation"].as_u64() {
        let why = format!("The disruption budget {} is still being processed by the server.", budget.name);
        return Err(cause(why).retry_after(10));
    }
    let allowed = status["disruptionsAllowed"].as_u64().unwrap_or(0);
    if allowed == 0 {
        let why = format!(
            "The disruption budget {} needs {} healthy pods and has {} currently",
            budget.name, status["desiredHealthy"], status["currentHealthy"]
        );
        return Err(cause(why));
    }
    if !dry_run {
        // Counted at once, so that parallel evictions cannot overdraw.
        let (now, name) = (store::now(world), key.name.clone());
        store::edit(world, cluster, budget, |object| {
            object["status"]["disruptionsAllowed"] = json!(allowed - 1);
            object["status"]["disruptedPods"][name] = json!(now);
        });
    }
    Ok(())
}
