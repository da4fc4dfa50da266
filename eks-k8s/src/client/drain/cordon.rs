//! Cordoning, with a label of ours, so that a later run knows what an earlier one did.

use eks_core::{Class, Error};
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{
    super::error::failed,
    calls::{Api, NODES},
};
use crate::drain::Taint;

/// On nodes that we cordoned and on workloads that we scaled up.
pub(super) const LABEL: &str = "eks-rs/drain";
/// The key of the taint that we put on.
const TAINT: &str = "eks-rs/drain-taint";

fn is_ours(node: &Value) -> bool {
    node["metadata"]["labels"][LABEL].is_string()
}

fn taints(node: &Value) -> Vec<Value> {
    node["spec"]["taints"].as_array().cloned().unwrap_or_default()
}

/// What is to be changed of a node to cordon it; `None` if it is as it should be.
fn closed(node: &Value, taint: Option<&Taint>) -> Option<Value> {
    let mut patch = json!({});
    if node["spec"]["unschedulable"] != true {
        patch["metadata"]["labels"][LABEL] = json!("cordoned");
        patch["spec"]["unschedulable"] = json!(true);
    }
    if let Some(taint) = taint {
        let mut all = taints(node);
        if !all.iter().any(|other| other["key"] == taint.key.as_str() && other["effect"] == taint.effect.as_str()) {
            let mut fresh = json!({"key": taint.key, "effect": taint.effect});
            if !taint.value.is_empty() {
                fresh["value"] = json!(taint.value);
            }
            all.push(fresh);
            // The list is replaced as a whole, which the resource version makes safe.
            patch["spec"]["taints"] = json!(all);
            patch["metadata"]["annotations"][TAINT] = json!(format!("{}:{}", taint.key, taint.effect));
        }
    }
    patch.as_object().is_some_and(|patch| !patch.is_empty()).then_some(patch)
}

/// What is to be changed of a node to undo that.
fn opened(node: &Value) -> Option<Value> {
    let mut patch = json!({});
    if is_ours(node) {
        patch = json!({"metadata": {"labels": {LABEL: null}}, "spec": {"unschedulable": false}});
    }
    if let Some(ours) = node["metadata"]["annotations"][TAINT].as_str() {
        let mut all = taints(node);
        let told =
            |taint: &Value| format!("{}:{}", taint["key"].as_str().unwrap_or_default(), taint["effect"].as_str().unwrap_or_default());
        all.retain(|taint| told(taint) != ours);
        patch["spec"]["taints"] = json!(all);
        patch["metadata"]["annotations"] = json!({TAINT: null});
    }
    patch.as_object().is_some_and(|patch| !patch.is_empty()).then_some(patch)
}

/// Cordons; whether the node was cordoned before.
pub(super) async fn cordon(api: &Api<'_>, node: &str, taint: Option<&Taint>) -> Result<bool, Error> {
    let edited = api.edit(NODES, node, |node| closed(node, taint)).await?;
    let (before, _) = edited
        .ok_or_else(|| failed("cordon", format!("node {node}"), kube::Error::Service("it is gone".into())).with_class(Class::NotFound))?;
    Ok(before["spec"]["unschedulable"] == true)
}

pub(super) async fn uncordon(api: &Api<'_>, node: &str) -> Result<bool, Error> {
    Ok(api.edit(NODES, node, opened).await?.is_some_and(|(_, changed)| changed))
}

pub(super) async fn ours(api: &Api<'_>) -> Result<Vec<String>, Error> {
    let (nodes, _) = api.list(NODES, ListParams::default().labels(LABEL)).await?;
    Ok(nodes.iter().filter_map(|node| node["metadata"]["name"].as_str()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(mut node: Value, patch: Option<Value>) -> Value {
        for (part, fields) in patch.iter().flat_map(Value::as_object).flatten() {
            for (key, value) in fields.as_object().into_iter().flatten() {
                match value.as_object() {
                    Some(inner) => {
                        for (name, value) in inner {
                            if value.is_null() {
                                node[part][key].as_object_mut().expect("there").remove(name);
                            } else {
                                node[part][key][name] = value.clone();
                            }
                        }
                    }
                    None => node[part][key] = value.clone(),
                }
            }
        }
        node
    }

    #[test]
    fn what_was_done_is_undone_and_nothing_else() {
        let taint = Taint { key: "retired".to_owned(), value: "yes".to_owned(), effect: "NoSchedule".to_owned() };
        let theirs = json!({"key": "gpu", "effect": "NoSchedule"});
        let before = json!({"metadata": {"labels": {"a": "b"}, "annotations": {}}, "spec": {"unschedulable": false, "taints": [theirs]}});
        let cordoned = merged(before.clone(), closed(&before, Some(&taint)));
        assert_eq!(cordoned["spec"]["unschedulable"], true);
        assert_eq!(cordoned["spec"]["taints"], json!([theirs, {"key": "retired", "value": "yes", "effect": "NoSchedule"}]));
        assert_eq!(closed(&cordoned, Some(&taint)), None, "a second run finds it done");
        assert_eq!(merged(cordoned.clone(), opened(&cordoned)), before);
    }

    #[test]
    fn a_node_that_others_cordoned_stays_cordoned() {
        let node = json!({"metadata": {"labels": {}}, "spec": {"unschedulable": true}});
        assert_eq!(closed(&node, None), None);
        assert_eq!(opened(&node), None);
    }
}
