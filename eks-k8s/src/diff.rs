//! Whether a live object has what a manifest asks for. What the manifest leaves open (defaults, what controllers write) is
//! no difference.

use serde_json::Value;

use crate::Quantity;

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

/// Where `live` lacks what `wanted` says.
pub(crate) fn changes(wanted: &Value, live: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(String::new(), wanted, Some(live), &mut found);
    // The items of a list do not repeat what they are.
    found.retain(|change| change.path != "apiVersion" && change.path != "kind");
    found
}

/// What identifies an element of a list, as in the API's merge keys.
fn merge_key(element: &Value) -> Option<String> {
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
