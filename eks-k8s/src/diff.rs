//! Whether a live object has what a manifest asks for. What the manifest leaves open (defaults, what controllers write) is
//! no difference.

use serde_json::Value;

use crate::{Quantity, owned::dropped};

/// A field that is not as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// `spec.ports[80].targetPort`
    pub(crate) path: String,
    pub(crate) from: Option<Value>,
    pub(crate) to: Option<Value>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |value: &Option<Value>| match value {
            None => "nothing".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        write!(f, "{}: {} → {}", self.path, show(&self.from), show(&self.to))
    }
}

/// Maps that are the manifest's alone: a key that it does not name is a difference, whoever wrote it. A selector with one key more selects
/// other Pods; parameters do not change once a class exists, so those that it has are those that were asked for.
const EXACT: [&str; 2] = ["parameters", "spec.selector"];

/// What is not as wanted: where `live` lacks what `wanted` says, and what was once wanted and no longer is.
pub(crate) fn drift(wanted: &Value, live: &Value) -> Vec<Change> {
    let mut found = changes(wanted, live);
    for change in dropped(wanted, live) {
        if found.iter().all(|other| other.path != change.path) {
            found.push(change);
        }
    }
    found
}

/// Where `live` lacks what `wanted` says.
pub(crate) fn changes(wanted: &Value, live: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(String::new(), wanted, Some(live), &mut found);
    // The items of a list do not repeat what they are.
    found.retain(|change| change.path != "apiVersion" && change.path != "kind");
    found
}

/// What identifies an element of a list, as in the API's merge keys.
pub(crate) fn merge_key(element: &Value) -> Option<String> {
    ["mountPath", "name", "port", "containerPort"].iter().find_map(|key| match element.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

fn same(path: &str, wanted: &Value, live: &Value) -> bool {
    let quantity = |value: &Value| value.as_str().and_then(|text| text.parse::<Quantity>().ok()).filter(|_| path.contains(".requests."));
    match (quantity(wanted), quantity(live)) {
        (Some(wanted), Some(live)) => wanted == live,
        _ => wanted == live,
    }
}

fn compare(path: String, wanted: &Value, live: Option<&Value>, found: &mut Vec<Change>) {
    match (wanted, live) {
        (Value::Object(wanted), Some(Value::Object(live))) => {
            for (key, value) in wanted {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(path, value, live.get(key), found);
            }
            for (key, value) in live.iter().filter(|(key, _)| EXACT.contains(&path.as_str()) && !wanted.contains_key(*key)) {
                found.push(Change { path: format!("{path}.{key}"), from: Some(value.clone()), to: None });
            }
        }
        (Value::Array(wanted), Some(Value::Array(live))) if wanted.iter().all(|element| merge_key(element).is_some()) => {
            for element in wanted {
                let key = merge_key(element);
                let twin = live.iter().find(|other| merge_key(other) == key);
                compare(format!("{path}[{}]", key.unwrap_or_default()), element, twin, found);
            }
            // A port that is no longer wanted is a change; a volume that the API server added is none.
            if path == "spec.ports" {
                for element in live.iter().filter(|element| !wanted.iter().any(|other| merge_key(other) == merge_key(element))) {
                    let path = format!("{path}[{}]", merge_key(element).unwrap_or_default());
                    found.push(Change { path, from: Some(element.clone()), to: None });
                }
            }
        }
        (wanted, Some(live)) if same(&path, wanted, live) => {}
        (wanted, live) => found.push(Change { path, from: live.cloned(), to: Some(wanted.clone()) }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_no_difference() {
        let wanted = json!({"apiVersion": "v1", "kind": "X", "spec": {"resources": {"requests": {"storage": "10Gi"}}, "containers": [{"name": "a", "image": "x"}]}});
        let live = json!({"spec": {"resources": {"requests": {"storage": "10240Mi"}}, "volumeMode": "Filesystem",
            "containers": [{"name": "sidecar"}, {"name": "a", "image": "x", "imagePullPolicy": "Always"}]}});
        assert_eq!(changes(&wanted, &live), []);
    }

    #[test]
    fn a_key_too_many_in_a_selector_is_a_difference() {
        let wanted = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"selector": {"app": "web"}}});
        let live = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"selector": {"app": "web", "tier": "old"}}});
        assert_eq!(drift(&wanted, &live).iter().map(ToString::to_string).collect::<Vec<_>>(), ["spec.selector.tier: old → nothing"]);
        let class = |parameters: Value| json!({"parameters": parameters});
        let found = drift(&class(json!({"type": "gp3"})), &class(json!({"type": "gp3", "iops": "4000"})));
        assert_eq!(found.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["parameters.iops"]);
    }

    #[test]
    fn what_left_a_list_is_told_once() {
        let wanted = json!({"spec": {"ports": [{"name": "tcp-80", "port": 80, "protocol": "TCP"}]}});
        let port = |number: u32| json!({"name": format!("tcp-{number}"), "port": number, "protocol": "TCP", "nodePort": 30000 + number});
        let owned = json!({"f:spec": {"f:ports": {"k:{\"port\":443,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}});
        let live = json!({"metadata": {"managedFields": [{"manager": "eks-rs", "operation": "Apply", "fieldsV1": owned}]},
            "spec": {"ports": [port(80), port(443)]}});
        assert_eq!(drift(&wanted, &live).iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["spec.ports[tcp-443]"]);
    }

    #[test]
    fn differences_name_their_place() {
        let wanted = json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}], "selector": {"app": "nginx"}}});
        let live = json!({"spec": {"ports": [{"port": 80, "targetPort": 80}, {"port": 443}], "selector": {}}});
        let lines: Vec<_> = changes(&wanted, &live).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["spec.ports[80].targetPort: 80 → 8080", "spec.ports[443]: {\"port\":443} → nothing", "spec.selector.app: nothing → nginx"]
        );
    }
}
