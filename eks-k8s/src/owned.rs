//! Fields that we once set and no longer want: the API server records who set what (`metadata.managedFields`).

use serde_json::Value;

use crate::diff::{Change, merge_key};

/// Our name in managed fields.
pub(crate) const MANAGER: &str = "eks-rs";

/// What of a live object is ours and is not in the manifest any more; server-side apply takes it away.
pub(crate) fn dropped(wanted: &Value, live: &Value) -> Vec<Change> {
    let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    let ours = entries.filter(|entry| entry["manager"] == MANAGER && entry["operation"] == "Apply").map(|entry| &entry["fieldsV1"]);
    let mut found = Vec::new();
    for fields in ours {
        walk(fields, Some(wanted), live, "", &mut found);
    }
    found
}

/// Goes through owned fields (Kubernetes API reference, FieldsV1): members by `f:`, items of lists by `k:` and `v:`.
fn walk(fields: &Value, wanted: Option<&Value>, live: &Value, path: &str, found: &mut Vec<Change>) {
    for (field, below) in fields.as_object().into_iter().flatten() {
        let Some((kind, name)) = field.split_once(':') else { continue };
        match kind {
            "f" => {
                let Some(there) = live.get(name).filter(|value| !value.is_null()) else { continue };
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                let asked = wanted.and_then(|wanted| wanted.get(name)).filter(|value| !value.is_null());
                owned(below, asked, there, &path, found);
            }
            "k" => {
                let Ok(keys) = serde_json::from_str::<Value>(name) else { continue };
                let Some(there) = item(live, &keys) else { continue };
                let path = format!("{path}[{}]", merge_key(there).unwrap_or_else(|| name.to_owned()));
                match wanted.and_then(|wanted| item(wanted, &keys)) {
                    None if below.get(".").is_some() => found.push(Change { path, from: Some(there.clone()), to: None }),
                    asked => owned(below, asked, there, &path, found),
                }
            }
            "v" => {
                let has = |list: &Value, value: &Value| list.as_array().is_some_and(|list| list.contains(value));
                let Ok(value) = serde_json::from_str::<Value>(name) else { continue };
                if has(live, &value) && !wanted.is_some_and(|wanted| has(wanted, &value)) {
                    found.push(Change { path: format!("{path}[{name}]"), from: Some(value), to: None });
                }
            }
            _ => {}
        }
    }
}

/// One owned field that is there: a value that is owned as a whole, or parts of one.
fn owned(below: &Value, wanted: Option<&Value>, live: &Value, path: &str, found: &mut Vec<Change>) {
    if below.as_object().is_some_and(|below| !below.is_empty()) {
        return walk(below, wanted, live, path, found);
    }
    match (wanted, live) {
        (None, live) => found.push(Change { path: path.to_owned(), from: Some(live.clone()), to: None }),
        (Some(Value::Object(wanted)), Value::Object(live)) => {
            for (key, value) in live.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                found.push(Change { path: format!("{path}.{key}"), from: Some(value.clone()), to: None });
            }
        }
        _ => {}
    }
}

/// The item of a list that these fields tell apart. A manifest may leave out one that has a default.
fn item<'a>(list: &'a Value, keys: &Value) -> Option<&'a Value> {
    let is_meant =
        |item: &&Value| keys.as_object().is_some_and(|keys| keys.iter().all(|(key, value)| item.get(key).is_none_or(|is| is == value)));
    list.as_array()?.iter().find(is_meant)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_ours() {
        let fields = json!({"f:metadata": {"f:annotations": {".": {}, "f:a": {}, "f:b": {}}}, "f:spec": {"f:ports": {}, "f:ranges": {}}});
        let live = json!({
            "metadata": {
                "annotations": {"a": "1", "b": "2", "c": "3"},
                "managedFields": [
                    {"manager": "eks-rs", "operation": "Apply", "fieldsV1": fields},
                    {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {"f:annotations": {"f:c": {}}}}},
                ],
            },
            "spec": {"ports": [], "ranges": ["10.0.0.0/8"], "type": "LoadBalancer"},
        });
        let wanted = json!({"metadata": {"annotations": {"a": "1"}}, "spec": {"ports": []}});
        let lines: Vec<_> = dropped(&wanted, &live).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["metadata.annotations.b: 2 → nothing", "spec.ranges: [\"10.0.0.0/8\"] → nothing"]);
    }

    #[test]
    fn whatever_the_kind() {
        let fields = json!({
            "f:allowedTopologies": {},
            "f:metadata": {"f:labels": {"f:team": {}}, "f:finalizers": {".": {}, "v:\"a/b\"": {}}},
            "f:spec": {"f:selector": {}, "f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}},
                            "k:{\"containerPort\":81,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}},
        });
        let ports = json!([{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "protocol": "TCP"}]);
        let live = json!({
            "metadata": {"labels": {"team": "a", "theirs": "b"}, "finalizers": ["a/b", "c/d"],
                "managedFields": [{"manager": "eks-rs", "operation": "Apply", "fieldsV1": fields}]},
            "spec": {"selector": {"app": "web", "tier": "old"}, "containers": [{"name": "web", "ports": ports}, {"name": "sidecar"}]},
            "allowedTopologies": [{"matchLabelExpressions": []}],
        });
        let wanted = json!({"spec": {"selector": {"app": "web"}, "containers": [{"name": "web", "ports": [{"containerPort": 80}]}]}});
        let mut paths: Vec<_> = dropped(&wanted, &live).into_iter().map(|change| change.path).collect();
        paths.sort();
        assert_eq!(
            paths,
            [
                "allowedTopologies",
                "metadata.finalizers[\"a/b\"]",
                "metadata.labels.team",
                "spec.containers[web].ports[81]",
                "spec.selector.tier"
            ]
        );
    }
}
