//! When a workload is rolled out, as `kubectl rollout status` has it.

use serde_json::Value;

use super::Judgement;

fn number(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

pub(super) fn judge(live: &Value) -> Judgement {
    if number(live, "/status/observedGeneration") < number(live, "/metadata/generation") {
        return Judgement::NotYet("its controller has not seen it".to_owned());
    }
    match live["kind"].as_str() {
        Some("DaemonSet") => daemon_set(live),
        Some("Deployment") => deployment(live),
        Some("StatefulSet") => stateful_set(live),
        other => Judgement::Never(format!("{} is not rolled out", other.unwrap_or("what it is"))),
    }
}

fn replicas(live: &Value) -> u64 {
    live.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1)
}

fn deployment(live: &Value) -> Judgement {
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let mut exceeded = conditions.filter(|condition| condition["reason"] == "ProgressDeadlineExceeded");
    if let Some(condition) = exceeded.next() {
        return Judgement::Never(condition["message"].as_str().unwrap_or("its progress deadline is exceeded").to_owned());
    }
    let wanted = replicas(live);
    let (updated, all, available) =
        (number(live, "/status/updatedReplicas"), number(live, "/status/replicas"), number(live, "/status/availableReplicas"));
    if updated < wanted {
        Judgement::NotYet(format!("{updated} of {wanted} replicas updated"))
    } else if all > updated {
        Judgement::NotYet(format!("{} old replicas still there", all - updated))
    } else if available < updated {
        Judgement::NotYet(format!("{available} of {updated} replicas available"))
    } else {
        Judgement::Met
    }
}

fn daemon_set(live: &Value) -> Judgement {
    let wanted = number(live, "/status/desiredNumberScheduled");
    let (updated, available) = (number(live, "/status/updatedNumberScheduled"), number(live, "/status/numberAvailable"));
    if updated < wanted {
        Judgement::NotYet(format!("{updated} of {wanted} Pods updated"))
    } else if available < wanted {
        Judgement::NotYet(format!("{available} of {wanted} Pods available"))
    } else {
        Judgement::Met
    }
}

fn stateful_set(live: &Value) -> Judgement {
    let wanted = replicas(live);
    let ready = number(live, "/status/readyReplicas");
    if ready < wanted {
        return Judgement::NotYet(format!("{ready} of {wanted} replicas ready"));
    }
    let is_on_delete = live.pointer("/spec/updateStrategy/type").is_some_and(|strategy| strategy == "OnDelete");
    let to_update = wanted.saturating_sub(number(live, "/spec/updateStrategy/rollingUpdate/partition"));
    let updated = number(live, "/status/updatedReplicas");
    let is_old = live["status"]["updateRevision"] != live["status"]["currentRevision"];
    if !is_on_delete && is_old && updated < to_update {
        Judgement::NotYet(format!("{updated} of {to_update} replicas updated"))
    } else {
        Judgement::Met
    }
}
