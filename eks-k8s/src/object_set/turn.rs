//! In which order objects are removed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ObjectId,
    order::{Rank, is_built_in},
};

/// When an object is removed: when all of the turns before its own are gone. What only a controller can release goes before the
/// controllers, and whatever they need (accounts, roles, settings), for any of them may be such a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Turn {
    /// What every later call would go through.
    Interceptors,
    /// What a controller made a load balancer for.
    Balancers,
    /// Custom resources, and what carries a finalizer of somebody's.
    Held,
    /// What mounts claims: they are protected while a Pod does.
    Mounting,
    /// Claims, and volumes.
    Claims,
    /// Kinds of aggregated API servers, while these still answer.
    Apis,
    /// Everything else.
    Others,
    /// With every object of their kind.
    Definitions,
    /// With everything in them.
    Namespaces,
}

/// Finalizers of Kubernetes' own controllers, which are there as long as the control plane is.
const OWN_FINALIZERS: [&str; 5] =
    ["batch.kubernetes.io/job-tracking", "foregroundDeletion", "kubernetes.io/pv-protection", "kubernetes.io/pvc-protection", "orphan"];

impl Turn {
    pub(super) fn of(live: &Value) -> Self {
        let id = ObjectId::of(live);
        match (Rank::of(&id), id.group(), id.kind.as_str()) {
            (Rank::Namespaces, ..) => return Self::Namespaces,
            (Rank::Definitions, ..) => return Self::Definitions,
            (_, "apiregistration.k8s.io", _) => return Self::Apis,
            (Rank::Interceptors, ..) => return Self::Interceptors,
            (_, "", "PersistentVolume" | "PersistentVolumeClaim") => return Self::Claims,
            (_, "networking.k8s.io" | "extensions", "Ingress") => return Self::Balancers,
            (_, "", "Service") if live["spec"]["type"] == "LoadBalancer" => return Self::Balancers,
            _ => {}
        }
        let mut finalizers = live["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str);
        match pod_spec(live) {
            Some(spec) if mounts(spec).next().is_some() || has_claim_templates(live) => Self::Mounting,
            Some(_) => Self::Others,
            None if !is_built_in(id.group()) || finalizers.any(|name| !OWN_FINALIZERS.contains(&name)) => Self::Held,
            None => Self::Others,
        }
    }
}

/// Whether a StatefulSet makes claims, which its Pods mount.
fn has_claim_templates(live: &Value) -> bool {
    live.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array).is_some_and(|templates| !templates.is_empty())
}

/// The spec of the Pods that a workload runs, or that it is.
pub(super) fn pod_spec(object: &Value) -> Option<&Value> {
    let id = ObjectId::of(object);
    match (id.group(), id.kind.as_str()) {
        ("", "Pod") => object.get("spec"),
        ("", "ReplicationController") | ("apps", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet") | ("batch", "Job") => {
            object.pointer("/spec/template/spec")
        }
        ("batch", "CronJob") => object.pointer("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

/// The claims that Pods of this spec mount.
pub(super) fn mounts(spec: &Value) -> impl Iterator<Item = &str> {
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    volumes.filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn turns() {
        let of = |version: &str, kind: &str, rest: Value| {
            let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
            object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            Turn::of(&object)
        };
        let claims = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]});
        let held = |by: &str| json!({"metadata": {"name": "x", "finalizers": [by]}});
        for (version, kind, rest, turn) in [
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", json!({}), Turn::Interceptors),
            ("networking.k8s.io/v1", "Ingress", json!({}), Turn::Balancers),
            ("v1", "Service", json!({"spec": {"type": "LoadBalancer"}}), Turn::Balancers),
            ("v1", "Service", json!({"spec": {"type": "ClusterIP"}}), Turn::Others),
            ("karpenter.sh/v1", "NodePool", json!({}), Turn::Held),
            // Of a group that looks like Kubernetes' own.
            ("gateway.networking.k8s.io/v1", "Gateway", json!({}), Turn::Held),
            ("v1", "ConfigMap", held("example.com/lock"), Turn::Held),
            ("v1", "ConfigMap", held("foregroundDeletion"), Turn::Others),
            (
                "apps/v1",
                "Deployment",
                json!({"metadata": {"finalizers": ["example.com/lock"]}, "spec": {"template": {"spec": {}}}}),
                Turn::Others,
            ),
            ("apps/v1", "Deployment", json!({"spec": {"template": {"spec": claims}}}), Turn::Mounting),
            ("batch/v1", "CronJob", json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": claims}}}}}), Turn::Mounting),
            ("v1", "Pod", json!({"spec": claims}), Turn::Mounting),
            ("v1", "PersistentVolumeClaim", held("kubernetes.io/pvc-protection"), Turn::Claims),
            ("apiregistration.k8s.io/v1", "APIService", json!({}), Turn::Apis),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", json!({}), Turn::Others),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition", held("customresourcecleanup.apiextensions.k8s.io"), Turn::Definitions),
            ("v1", "Namespace", json!({}), Turn::Namespaces),
        ] {
            assert_eq!(of(version, kind, rest), turn, "{kind}");
        }
    }
}
