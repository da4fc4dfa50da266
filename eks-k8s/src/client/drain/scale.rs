//! One replica more, where a budget demands every one, and back again. What there was before is written on the workload, so that a
//! later run restores what a killed one could not.

use std::collections::BTreeSet;

use eks_core::Error;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{calls::Api, cordon::LABEL};
use crate::drain::{Cluster, DrainEvent, Forecast, PodRef, Remedy};

/// How many replicas there were.
const REPLICAS: &str = "eks-rs/drain-replicas";
/// For whose sake there is one more.
const NODES: &str = "eks-rs/drain-nodes";
/// What can be scaled, by its plural.
const KINDS: [(&str, &str); 3] = [("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("ReplicaSet", "replicasets")];

/// Something with replicas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Workload {
    kind: String,
    namespace: String,
    name: String,
}

impl Workload {
    fn path(&self) -> Option<String> {
        let (_, plural) = KINDS.iter().find(|(kind, _)| *kind == self.kind)?;
        Some(format!("/apis/apps/v1/namespaces/{}/{plural}", self.namespace))
    }

    fn told(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Controllers of blocked Pods for which one replica more helps.
pub(super) fn wanted(cluster: &Cluster, forecast: &Forecast) -> Vec<Workload> {
    let helps = |remedy: &Remedy| matches!(remedy, Remedy::ScaleUp { .. });
    let blocked: BTreeSet<&PodRef> =
        forecast.blocked.iter().filter(|blocked| blocked.remedies.iter().any(helps)).map(|blocked| &blocked.pod).collect();
    let mut all = BTreeSet::new();
    for pod in cluster.pods.iter().filter(|pod| blocked.contains(&pod.at())) {
        if let Some(owner) = &pod.controller {
            all.insert(Workload { kind: owner.kind.clone(), namespace: pod.namespace.to_string(), name: owner.name.clone() });
        }
    }
    all.into_iter().collect()
}

fn replicas(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn noted(object: &Value) -> Option<i64> {
    object["metadata"]["annotations"][REPLICAS].as_str()?.parse().ok()
}

/// Raises a workload by one, unless an earlier run has.
pub(super) async fn raise(api: &Api<'_>, of: &Workload, nodes: &[String], tell: &(dyn Fn(DrainEvent) + Send + Sync)) -> Result<(), Error> {
    let mut workload = of.clone();
    // A Deployment undoes what is done to its ReplicaSets.
    if let (true, Some(path)) = (of.kind == "ReplicaSet", of.path()) {
        let set = api.get(&path, &of.name).await?.unwrap_or_default();
        let owners = set["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        if let Some(owner) = owners.iter().find(|owner| owner["controller"] == true && owner["kind"] == "Deployment") {
            workload.kind = "Deployment".to_owned();
            workload.name = owner["name"].as_str().unwrap_or_default().to_owned();
        }
    }
    let Some(path) = workload.path() else { return Ok(()) };
    let edited = api
        .edit(&path, &workload.name, |object| {
            (noted(object).is_none()).then(|| {
                let before = replicas(object);
                json!({
                    "metadata": {"labels": {LABEL: "scaled"}, "annotations": {REPLICAS: before.to_string(), NODES: nodes.join(",")}},
                    "spec": {"replicas": before + 1},
                })
            })
        })
        .await?;
    if let Some((before, true)) = edited {
        let from = replicas(&before);
        tell(DrainEvent::Scaled { workload: workload.told(), from, to: from + 1 });
    }
    Ok(())
}

/// Gives workloads their number back that were raised for one of these nodes; if somebody else has changed it since, theirs stays.
pub(super) async fn restore(api: &Api<'_>, nodes: &[String], tell: &(dyn Fn(DrainEvent) + Send + Sync)) -> Result<(), Error> {
    for (kind, plural) in KINDS {
        let (raised, _) = api.list(&format!("/apis/apps/v1/{plural}"), ListParams::default().labels(&format!("{LABEL}=scaled"))).await?;
        for object in raised {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let ours = object["metadata"]["annotations"][NODES].as_str().unwrap_or_default();
            if !ours.split(',').any(|node| nodes.iter().any(|own| own == node)) {
                continue;
            }
            let workload = Workload {
                kind: kind.to_owned(),
                namespace: text("/metadata/namespace").to_owned(),
                name: text("/metadata/name").to_owned(),
            };
            let path = format!("/apis/apps/v1/namespaces/{}/{plural}", workload.namespace);
            let edited = api.edit(&path, &workload.name, lowered).await?;
            if let Some((before, true)) = edited
                && let Some(to) = noted(&before).filter(|to| to + 1 == replicas(&before))
            {
                tell(DrainEvent::Scaled { workload: workload.told(), from: to + 1, to });
            }
        }
    }
    Ok(())
}

fn lowered(object: &Value) -> Option<Value> {
    let before = noted(object)?;
    let mut patch = json!({"metadata": {"labels": {LABEL: null}, "annotations": {REPLICAS: null, NODES: null}}});
    if replicas(object) == before + 1 {
        patch["spec"] = json!({"replicas": before});
    }
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_somebody_changed_stays() {
        let object = |replicas: i64| json!({"metadata": {"annotations": {REPLICAS: "2"}}, "spec": {"replicas": replicas}});
        assert_eq!(lowered(&object(3)).expect("a patch")["spec"]["replicas"], 2);
        assert_eq!(lowered(&object(5)).expect("a patch").get("spec"), None);
        assert_eq!(lowered(&json!({"spec": {"replicas": 3}})), None);
    }
}
