//! Claims that several Pods of a set would mount, though their volumes are of one node, or of one Pod.

use eks_core::{Finding, StepKey};
use serde_json::Value;

use super::{
    Manifest, ObjectId, ObjectSet,
    turn::{mounts, pod_spec},
};

/// Of one claim: by how many Pods it may be mounted (Kubernetes, "Persistent Volumes", Access Modes).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shared {
    OneNode,
    OnePod,
}

fn shared(claim: &Value) -> Option<Shared> {
    let modes: Vec<_> = claim.pointer("/spec/accessModes")?.as_array()?.iter().filter_map(Value::as_str).collect();
    match modes.as_slice() {
        ["ReadWriteOnce"] => Some(Shared::OneNode),
        ["ReadWriteOncePod"] => Some(Shared::OnePod),
        _ => None,
    }
}

impl ObjectSet {
    /// What keeps replicas of a workload from mounting a claim of the set.
    pub(super) fn claim_findings(&self) -> Vec<Finding> {
        let at = |manifest: &Manifest| ObjectId::of(manifest).meant(&self.namespace);
        let claims: Vec<_> = self
            .objects
            .values()
            .filter(|manifest| manifest["kind"] == "PersistentVolumeClaim")
            .filter_map(|manifest| Some((at(manifest), shared(manifest)?)))
            .collect();
        let mut findings = Vec::new();
        for (key, manifest) in &self.objects {
            let Some(spec) = pod_spec(manifest) else { continue };
            for name in mounts(spec) {
                let found = claims.iter().find(|(claim, _)| claim.namespace == at(manifest).namespace && claim.name == name);
                findings.extend(found.and_then(|(_, shared)| told(key, manifest, name, *shared)));
            }
        }
        findings
    }
}

/// How many Pods run at once.
fn told(key: &StepKey, workload: &Value, claim: &str, shared: Shared) -> Option<Finding> {
    let replicas = workload.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let kind = workload["kind"].as_str().unwrap_or_default();
    let many = match kind {
        "DaemonSet" => "the Pods of every node".to_owned(),
        "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" if replicas > 1 => format!("{replicas} replicas"),
        _ => String::new(),
    };
    let rolls = kind == "Deployment" && workload.pointer("/spec/strategy/type").is_none_or(|strategy| strategy != "Recreate");
    let message = match shared {
        Shared::OneNode if !many.is_empty() => format!(
            "{many} mount claim {claim}, whose volume is of one node (ReadWriteOnce): on other nodes they stay ContainerCreating; give each a \
             claim of its own by a StatefulSet's volumeClaimTemplates"
        ),
        Shared::OnePod if !many.is_empty() => {
            format!("{many} mount claim {claim}, which is of one Pod (ReadWriteOncePod): the others stay Pending")
        }
        // With one replica, 25 % of surge is one Pod, and 25 % unavailable none (Kubernetes, "Deployments", Max Surge).
        Shared::OnePod if rolls => format!(
            "it mounts claim {claim}, which is of one Pod (ReadWriteOncePod): a rolling update starts the new Pod first, which stays Pending for \
             ever; use strategy Recreate"
        ),
        _ => return None,
    };
    Some(Finding::warning(key.clone(), message))
}
