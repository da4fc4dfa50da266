//! Finding autoscalers, and what to write on a Deployment to pause it and to let it go on.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Autoscaler, AutoscalerKind};

/// What there was before a pause ([`Noted`]).
const PAUSED: &str = "eks-rs/paused";
/// The API group of node classes of EKS Auto Mode.
const AUTO_MODE: &str = "eks.amazonaws.com";

impl Autoscaler {
    /// The Cluster Autoscaler that a Deployment is: by its image, or as its chart and AWS's manifest label it.
    pub(crate) fn of_deployment(deployment: &Value) -> Option<Self> {
        let text = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let label = |key: &str| deployment["metadata"]["labels"][key].as_str().unwrap_or_default();
        let containers = deployment.pointer("/spec/template/spec/containers").and_then(Value::as_array).into_iter().flatten();
        let mut images = containers.filter_map(|container| container["image"].as_str());
        let is_one = images.any(|image| repository(image) == "cluster-autoscaler")
            || label("app") == "cluster-autoscaler"
            || ["cluster-autoscaler", "aws-cluster-autoscaler"].contains(&label("app.kubernetes.io/name"));
        is_one.then(|| Self {
            kind: AutoscalerKind::ClusterAutoscaler,
            namespace: text("/metadata/namespace").to_owned(),
            name: text("/metadata/name").to_owned(),
            replicas: u32::try_from(replicas(deployment)).unwrap_or_default(),
            paused_for: noted(deployment).map(|noted| noted.of).unwrap_or_default(),
        })
    }

    /// A NodePool, whose node class tells whose it is.
    pub(crate) fn of_node_pool(pool: &Value) -> Self {
        let group = pool.pointer("/spec/template/spec/nodeClassRef/group").and_then(Value::as_str);
        Self {
            kind: if group == Some(AUTO_MODE) { AutoscalerKind::AutoMode } else { AutoscalerKind::Karpenter },
            namespace: String::new(),
            name: pool["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            replicas: 0,
            paused_for: Vec::new(),
        }
    }
}

/// `cluster-autoscaler` of `registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.0@sha256:…`
fn repository(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

/// What is written on a Deployment that is paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    replicas: i64,
    of: Vec<String>,
}

fn noted(deployment: &Value) -> Option<Noted> {
    serde_json::from_str(deployment["metadata"]["annotations"][PAUSED].as_str()?).ok()
}

fn replicas(deployment: &Value) -> i64 {
    deployment["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn written(noted: &Noted) -> Value {
    json!({"metadata": {"annotations": {PAUSED: json!(noted).to_string()}}})
}

/// What is to be changed of a Deployment to pause it. One that has no replicas is somebody else's to start again.
pub(crate) fn paused(deployment: &Value, mark: &str) -> Option<Value> {
    let now = replicas(deployment);
    let before = noted(deployment);
    if before.is_none() && now == 0 {
        return None;
    }
    let mut fresh = before.clone().unwrap_or(Noted { replicas: now, of: Vec::new() });
    if !fresh.of.iter().any(|other| other == mark) {
        fresh.of.push(mark.to_owned());
    }
    // Somebody has started it in the middle of a pause: what they want is what it gets back.
    if now > 0 {
        fresh.replicas = now;
    }
    if now == 0 && before.as_ref() == Some(&fresh) {
        return None;
    }
    let mut patch = written(&fresh);
    if now > 0 {
        patch["spec"] = json!({"replicas": 0});
    }
    Some(patch)
}

/// What is to be changed of a Deployment when a mark no longer pauses it. A number that somebody else has changed since stays.
pub(crate) fn resumed(deployment: &Value, mark: &str) -> Option<Value> {
    let mut noted = noted(deployment)?;
    let all = noted.of.len();
    noted.of.retain(|other| other != mark);
    if noted.of.len() == all {
        return None;
    }
    if !noted.of.is_empty() {
        return Some(written(&noted));
    }
    let mut patch = json!({"metadata": {"annotations": {PAUSED: null}}});
    if replicas(deployment) == 0 {
        patch["spec"] = json!({"replicas": noted.replicas});
    }
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::merged;

    fn deployment(image: &str, labels: Value) -> Value {
        json!({"metadata": {"namespace": "kube-system", "name": "ca", "labels": labels, "annotations": {}},
               "spec": {"replicas": 2, "template": {"spec": {"containers": [{"image": "side:1"}, {"image": image}]}}}})
    }

    #[test]
    fn found_by_image_or_label() {
        for (image, labels, found) in [
            ("registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.0", json!({}), true),
            ("123456789012.dkr.ecr.us-east-1.amazonaws.com:443/mirror/cluster-autoscaler@sha256:0a", json!({}), true),
            ("own:1", json!({"app": "cluster-autoscaler"}), true),
            ("own:1", json!({"app.kubernetes.io/name": "aws-cluster-autoscaler"}), true),
            ("registry.k8s.io/cpa/cluster-proportional-autoscaler:v1.9.0", json!({"app": "dns"}), false),
            ("prom/cluster-autoscaler-exporter:1", json!({}), false),
        ] {
            assert_eq!(Autoscaler::of_deployment(&deployment(image, labels)).is_some(), found, "{image}");
        }
    }

    #[test]
    fn node_pools_are_told_apart_by_their_class() {
        let pool = |group: &str| json!({"metadata": {"name": "p"}, "spec": {"template": {"spec": {"nodeClassRef": {"group": group}}}}});
        assert_eq!(Autoscaler::of_node_pool(&pool("eks.amazonaws.com")).kind, AutoscalerKind::AutoMode);
        assert_eq!(Autoscaler::of_node_pool(&pool("karpenter.k8s.aws")).kind, AutoscalerKind::Karpenter);
    }

    #[test]
    fn a_pause_gives_back_what_there_was() {
        let before = deployment("cluster-autoscaler:v1", json!({}));
        let once = merged(&before, paused(&before, "a"));
        assert_eq!(once["spec"]["replicas"], 0);
        assert_eq!(paused(&once, "a"), None, "a second run finds it done");
        let twice = merged(&once, paused(&once, "b"));
        let one_left = merged(&twice, resumed(&twice, "a"));
        assert_eq!(one_left["spec"]["replicas"], 0, "the other still needs it");
        assert_eq!(resumed(&one_left, "a"), None);
        assert_eq!(merged(&one_left, resumed(&one_left, "b")), before);
    }

    #[test]
    fn what_others_did_since_stays() {
        let before = deployment("cluster-autoscaler:v1", json!({}));
        let mut during = merged(&before, paused(&before, "a"));
        during["spec"]["replicas"] = json!(3);
        assert_eq!(merged(&during, resumed(&during, "a"))["spec"]["replicas"], 3);
        let again = merged(&during, paused(&during, "a"));
        assert_eq!(again["spec"]["replicas"], 0, "by GitOps, say");
        assert_eq!(merged(&again, resumed(&again, "a"))["spec"]["replicas"], 3);
        let mut off = before;
        off["spec"]["replicas"] = json!(0);
        assert_eq!((paused(&off, "a"), resumed(&off, "a")), (None, None), "somebody else turned it off");
    }
}
