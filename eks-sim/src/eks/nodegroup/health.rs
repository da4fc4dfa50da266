//! What EKS finds wrong with a group (API reference, Issue; user guide, "Managed node group error codes").

use serde_json::{Value, json};

use super::{NodeGroup, World};
use crate::{autoscaling, kube};

pub(super) fn issue(code: &str, message: impl Into<String>, ids: &[String]) -> Value {
    json!({"code": code, "message": message.into(), "resourceIds": ids})
}

/// Why nodes did not come: what Auto Scaling could not launch, or what was launched and did not join.
pub(super) fn why_no_nodes(world: &World, group: &NodeGroup) -> Vec<Value> {
    let name = group.scaling_group();
    if let Some(message) = autoscaling::last_failure(world, &name) {
        let code = if message.contains("vCPU") {
            "InstanceLimitExceeded"
        } else if message.contains("free addresses") {
            "InsufficientFreeAddresses"
        } else {
            "AsgInstanceLaunchFailures"
        };
        return vec![issue(code, message, &[name])];
    }
    let ready = kube::group_nodes(world, &group.cluster, &group.name);
    let joined = |id: &String| ready.iter().any(|node| node.is_ready && node.instance == *id);
    let missing: Vec<String> =
        autoscaling::members(world, &name).into_iter().map(|member| member.instance).filter(|id| !joined(id)).collect();
    vec![issue("NodeCreationFailure", "Instances failed to join the kubernetes cluster", &missing)]
}
