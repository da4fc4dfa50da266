//! One replica more, where a budget demands every one, and back again. What there was before, and for which drains there is one more, is
//! written on the object itself by the same call, so that any later run restores what a killed one could not.
//!
//! Where a HorizontalPodAutoscaler owns the number, its bounds are raised instead: it would take the replica away again within seconds.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{Class, Error, engine::CancellationToken};
use futures::future::join_all;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};

use super::{
    calls::Api,
    follow::{Filter, Objects, follow},
    snapshot::unreadable,
};
use crate::drain::{Cluster, DrainEvent, Forecast, LABEL, Pod, PodRef, Remedy, read_pod};

/// What there was ([`Noted`]).
const REPLICAS: &str = "eks-rs/drain-replicas";
/// For whose sake there is one more: the nodes of each drain, `a,b;c`.
const NODES: &str = "eks-rs/drain-nodes";
/// How long the Pods that stay of a StatefulSet get to become ready, before the one more goes.
const PATIENCE: Duration = Duration::from_secs(300);
/// The same, once a drain was cancelled.
const HASTE: Duration = Duration::from_secs(15);

/// Kind, API group and version, plural. Every version of Kubernetes serves `autoscaling/v1`, and keeps what only later ones know.
type Scaled = (&'static str, &'static str, &'static str);
const AUTOSCALER: Scaled = ("HorizontalPodAutoscaler", "/apis/autoscaling/v1", "horizontalpodautoscalers");
const KINDS: [Scaled; 5] = [
    ("Deployment", "/apis/apps/v1", "deployments"),
    ("StatefulSet", "/apis/apps/v1", "statefulsets"),
    ("ReplicaSet", "/apis/apps/v1", "replicasets"),
    ("ReplicationController", "/api/v1", "replicationcontrollers"),
    AUTOSCALER,
];

/// Something with replicas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Workload {
    kind: String,
    namespace: String,
    name: String,
}

/// What there was before, as it is written on the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Noted {
    Replicas(i64),
    Bounds { min: i64, max: i64, raised: i64 },
}

impl Workload {
    fn path(&self) -> Option<String> {
        let (_, api, plural) = KINDS.iter().find(|(kind, ..)| *kind == self.kind)?;
        Some(format!("{api}/namespaces/{}/{plural}", self.namespace))
    }

    fn of(kind: &str, object: &Value) -> Self {
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        Self { kind: kind.to_owned(), namespace: text("namespace"), name: text("name") }
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

fn noted(object: &Value) -> Option<Noted> {
    serde_json::from_str(object["metadata"]["annotations"][REPLICAS].as_str()?).ok()
}

fn bounds(autoscaler: &Value) -> (i64, i64) {
    (autoscaler["spec"]["minReplicas"].as_i64().unwrap_or(1), autoscaler["spec"]["maxReplicas"].as_i64().unwrap_or(1))
}

/// The drains for whose sake there is one more.
fn drains(object: &Value) -> Vec<String> {
    let text = object["metadata"]["annotations"][NODES].as_str().unwrap_or_default();
    text.split(';').filter(|drain| !drain.is_empty()).map(str::to_owned).collect()
}

/// What is to be changed for one more than `replicas`; `None` if an earlier run of this drain did it.
fn raised(object: &Value, scaled: &Noted, nodes: &[String]) -> Option<Value> {
    let (mut all, own) = (drains(object), nodes.join(","));
    if noted(object).is_none() {
        let spec = match *scaled {
            Noted::Replicas(before) => json!({"replicas": before + 1}),
            Noted::Bounds { max, raised, .. } => json!({"minReplicas": raised, "maxReplicas": max.max(raised)}),
        };
        let annotations = json!({REPLICAS: json!(scaled).to_string(), NODES: own});
        return Some(json!({"metadata": {"labels": {LABEL: "scaled"}, "annotations": annotations}, "spec": spec}));
    }
    // One more is there already, for another drain; it stays until this one has ended, too.
    (!all.contains(&own)).then(|| {
        all.push(own);
        json!({"metadata": {"annotations": {NODES: all.join(";")}}})
    })
}

/// What is to be changed when the drains of these nodes have ended: nothing but a name, as long as there are others.
fn lowered(object: &Value, nodes: &[String]) -> Option<Value> {
    let before = noted(object)?;
    let (ended, others): (Vec<_>, Vec<_>) =
        drains(object).into_iter().partition(|drain| drain.split(',').any(|node| nodes.iter().any(|own| own == node)));
    if ended.is_empty() {
        return None;
    }
    if !others.is_empty() {
        return Some(json!({"metadata": {"annotations": {NODES: others.join(";")}}}));
    }
    let mut patch = json!({"metadata": {"labels": {LABEL: null}, "annotations": {REPLICAS: null, NODES: null}}});
    // A number that somebody else has changed since stays.
    match before {
        Noted::Replicas(before) if replicas(object) == before + 1 => patch["spec"] = json!({"replicas": before}),
        Noted::Replicas(_) => {}
        Noted::Bounds { min, max, raised } => {
            let now = bounds(object);
            if now.0 == raised {
                patch["spec"]["minReplicas"] = json!(min);
            }
            if now.1 == raised && max < raised {
                patch["spec"]["maxReplicas"] = json!(max);
            }
        }
    }
    Some(patch)
}

/// From and to, of a change of the number.
fn change(before: &Value, patch: &Value) -> Option<(i64, i64)> {
    let to = patch["spec"]["replicas"].as_i64().or_else(|| patch["spec"]["minReplicas"].as_i64())?;
    Some((if patch["spec"]["replicas"].is_i64() { replicas(before) } else { bounds(before).0 }, to))
}

/// Raises a workload by one, unless an earlier run has.
pub(super) async fn raise(api: &Api<'_>, of: &Workload, nodes: &[String], tell: &(dyn Fn(DrainEvent) + Send + Sync)) -> Result<(), Error> {
    let mut workload = of.clone();
    let Some(mut path) = of.path() else { return Ok(()) };
    let Some(mut object) = api.get(&path, &of.name).await? else { return Ok(()) };
    // A Deployment undoes what is done to its ReplicaSets.
    let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    if let Some(owner) = owners.iter().find(|owner| owner["controller"] == true && owner["kind"] == "Deployment") {
        workload.kind = "Deployment".to_owned();
        workload.name = owner["name"].as_str().unwrap_or_default().to_owned();
        path = workload.path().unwrap_or_default();
        match api.get(&path, &workload.name).await? {
            Some(deployment) => object = deployment,
            None => return Ok(()),
        }
    }
    let (kind, group, plural) = AUTOSCALER;
    let autoscalers = api.list(&format!("{group}/namespaces/{}/{plural}", workload.namespace), ListParams::default()).await;
    let autoscalers = match autoscalers {
        Ok((found, _)) => found,
        // An API server without that resource.
        Err(error) if error.class() == Class::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let target = |autoscaler: &&Value| {
        let target = &autoscaler["spec"]["scaleTargetRef"];
        target["kind"] == workload.kind.as_str() && target["name"] == workload.name.as_str()
    };
    // Zero replicas turn it off.
    let now = replicas(&object);
    let autoscaler = autoscalers.iter().find(target).filter(|_| now > 0);
    if let Some(autoscaler) = autoscaler {
        workload = Workload::of(kind, autoscaler);
        path = workload.path().unwrap_or_default();
    }
    let patch = |found: &Value| {
        let (min, max) = bounds(found);
        let bounded = Noted::Bounds { min, max, raised: (now + 1).max(min) };
        raised(found, &if autoscaler.is_some() { bounded } else { Noted::Replicas(replicas(found)) }, nodes)
    };
    let edited = api.edit(&path, &workload.name, patch).await?;
    if let Some((before, true)) = edited
        && let Some((from, to)) = patch(&before).and_then(|patch| change(&before, &patch))
    {
        tell(DrainEvent::Scaled { workload: workload.told(), from, to });
    }
    Ok(())
}

/// Gives workloads their number back that were raised for a drain with one of these nodes, by whichever run. Those that keep it, because
/// their Pods do not get ready.
pub(super) async fn restore(
    api: &Api<'_>,
    nodes: &[String],
    cancel: &CancellationToken,
    tell: &(dyn Fn(DrainEvent) + Send + Sync),
) -> Result<Vec<String>, Error> {
    let lists = KINDS.map(async |(kind, group, plural): Scaled| {
        (kind, api.list(&format!("{group}/{plural}"), ListParams::default().labels(&format!("{LABEL}=scaled"))).await)
    });
    let (mut raised, mut failure) = (Vec::new(), None);
    for (kind, found) in join_all(lists).await {
        match found {
            Ok((found, _)) => raised.extend(found.into_iter().map(|object| (kind, object))),
            Err(error) if error.class() == Class::NotFound => {}
            Err(error) => failure = Some(error),
        }
    }
    let ours = raised.into_iter().filter(|(_, object)| lowered(object, nodes).is_some());
    let restored = join_all(ours.map(|(kind, object)| async move { restore_one(api, kind, &object, nodes, cancel, tell).await })).await;
    let mut kept = Vec::new();
    for one in restored {
        match one {
            Ok(stays) => kept.extend(stays),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(kept), Err)
}

async fn restore_one(
    api: &Api<'_>,
    kind: &str,
    object: &Value,
    nodes: &[String],
    cancel: &CancellationToken,
    tell: &(dyn Fn(DrainEvent) + Send + Sync),
) -> Result<Option<String>, Error> {
    let workload = Workload::of(kind, object);
    let Some(path) = workload.path() else { return Ok(None) };
    if lowered(object, nodes).is_some_and(|patch| !patch["spec"].is_null())
        && let Some(set) = stateful_set(api, kind, object).await?
    {
        let hasty = async {
            cancel.cancelled().await;
            tokio::time::sleep(HASTE).await;
        };
        let spared = tokio::select! {
            spared = timeout(PATIENCE, spared(api, &set)) => spared.ok().transpose()?.is_some(),
            () = hasty => false,
        };
        if !spared {
            tell(DrainEvent::LeftScaled { workload: workload.told() });
            return Ok(Some(workload.told()));
        }
    }
    let edited = api.edit(&path, &workload.name, |object| lowered(object, nodes)).await?;
    if let Some((before, true)) = edited
        && let Some((from, to)) = lowered(&before, nodes).and_then(|patch| change(&before, &patch))
    {
        tell(DrainEvent::Scaled { workload: workload.told(), from, to });
    }
    Ok(None)
}

/// The StatefulSet whose number an object is about: lowered, it loses its last Pod, ready or not.
async fn stateful_set(api: &Api<'_>, kind: &str, object: &Value) -> Result<Option<Value>, Error> {
    let target = &object["spec"]["scaleTargetRef"];
    match kind {
        "StatefulSet" => Ok(Some(object.clone())),
        _ if target["kind"] == "StatefulSet" => {
            let of = Workload { kind: "StatefulSet".to_owned(), ..Workload::of(kind, object) };
            api.get(&of.path().unwrap_or_default(), target["name"].as_str().unwrap_or_default()).await
        }
        _ => Ok(None),
    }
}

/// Ends when the last Pod of a StatefulSet can be spared: it is not ready itself, or all the others are.
async fn spared(api: &Api<'_>, set: &Value) -> Result<(), Error> {
    let of = Workload::of("StatefulSet", set);
    let labels: Vec<String> = set["spec"]["selector"]["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    let (told, mut pods) = watch::channel::<Objects<Pod>>(None);
    let path = format!("/api/v1/namespaces/{}/pods", of.namespace);
    let read = |object| read_pod(object).map_err(unreadable);
    let seen = async {
        loop {
            let can = pods.borrow_and_update().as_ref().is_some_and(|pods| can_spare(set, pods.values()));
            if can || pods.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        error = follow(api, &path, Filter::Labels(labels.join(",")), read, &told) => Err(error),
        () = seen => Ok(()),
    }
}

fn can_spare<'a>(set: &Value, pods: impl Iterator<Item = &'a Pod>) -> bool {
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    // `spec.ordinals.start`, since Kubernetes 1.31.
    let first = set["spec"]["ordinals"]["start"].as_i64().unwrap_or(0);
    let last = first + replicas(set) - 1;
    let ready: BTreeSet<&str> = pods.filter(|pod| pod.ready && pod.deleted_at.is_none()).map(|pod| pod.name.as_str()).collect();
    let is_ready = |ordinal: i64| ready.contains(&*format!("{name}-{ordinal}"));
    !is_ready(last) || (first..last).all(is_ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(names: &str) -> Vec<String> {
        names.split(',').map(str::to_owned).collect()
    }

    fn object(replicas: i64, of: &str) -> Value {
        json!({"metadata": {"annotations": {REPLICAS: "2", NODES: of}}, "spec": {"replicas": replicas}})
    }

    #[test]
    fn a_number_that_somebody_changed_stays() {
        assert_eq!(lowered(&object(3, "a,b"), &nodes("b")).expect("a patch")["spec"]["replicas"], 2);
        assert_eq!(lowered(&object(5, "a,b"), &nodes("b")).expect("a patch").get("spec"), None);
        assert_eq!(lowered(&json!({"spec": {"replicas": 3}}), &nodes("a")), None);
        assert_eq!(lowered(&object(3, "a,b"), &nodes("c")), None, "another drain's");
    }

    #[test]
    fn one_more_serves_several_drains() {
        let plain = json!({"metadata": {}, "spec": {"replicas": 2}});
        let first = raised(&plain, &Noted::Replicas(2), &nodes("a,b")).expect("a patch");
        assert_eq!((&first["spec"]["replicas"], &first["metadata"]["annotations"][NODES]), (&json!(3), &json!("a,b")));
        assert_eq!(raised(&object(3, "a,b"), &Noted::Replicas(3), &nodes("a,b")), None);
        let second = raised(&object(3, "a,b"), &Noted::Replicas(3), &nodes("c")).expect("a patch");
        assert_eq!((second.get("spec"), &second["metadata"]["annotations"][NODES]), (None, &json!("a,b;c")));
        let ended = lowered(&object(3, "a,b;c"), &nodes("a")).expect("a patch");
        assert_eq!((ended.get("spec"), &ended["metadata"]["annotations"][NODES]), (None, &json!("c")));
    }

    #[test]
    fn bounds_of_an_autoscaler_are_given_back() {
        let mut autoscaler = json!({"metadata": {}, "spec": {"minReplicas": 1, "maxReplicas": 2}});
        let noted = Noted::Bounds { min: 1, max: 2, raised: 3 };
        let patch = raised(&autoscaler, &noted, &nodes("a")).expect("a patch");
        assert_eq!(patch["spec"], json!({"minReplicas": 3, "maxReplicas": 3}));
        autoscaler["metadata"] = patch["metadata"].clone();
        autoscaler["spec"] = patch["spec"].clone();
        assert_eq!(lowered(&autoscaler, &nodes("a")).expect("a patch")["spec"], json!({"minReplicas": 1, "maxReplicas": 2}));
        autoscaler["spec"] = json!({"minReplicas": 4, "maxReplicas": 10});
        assert_eq!(lowered(&autoscaler, &nodes("a")).expect("a patch").get("spec"), None, "somebody else's");
    }

    #[test]
    fn a_stateful_set_can_spare_its_last_pod_when_the_others_are_ready() {
        let set = json!({"metadata": {"name": "db"}, "spec": {"replicas": 3}});
        let pod = |name: &str, ready: bool| {
            let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]});
            read_pod(json!({"metadata": {"name": name}, "status": status})).expect("a Pod")
        };
        for (ready, expected) in [([true, true, true], true), ([true, false, true], false), ([true, false, false], true)] {
            let pods: Vec<Pod> = (0..3).map(|number| pod(&format!("db-{number}"), ready[number])).collect();
            assert_eq!(can_spare(&set, pods.iter()), expected, "{ready:?}");
        }
        assert!(!can_spare(&set, [pod("db-0", true), pod("db-2", true)].iter()), "one is not made anew yet");
        assert!(can_spare(&set, [pod("db-0", true)].iter()), "the last is not there");
    }
}
