//! Fields that we once set and no longer want: the API server records who set what (`metadata.managedFields`).

use serde_json::Value;

use crate::diff::Change;

/// Our name in managed fields.
pub(crate) const MANAGER: &str = "eks-rs";

/// What of a live object is ours and is not in the manifest any more; server-side apply takes it away. Only below annotations, and whole
/// fields of the spec: enough for Services and Ingresses.
pub(crate) fn dropped(wanted: &Value, live: &Value) -> Vec<Change> {
    let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    let ours = entries.filter(|entry| entry["manager"] == MANAGER && entry["operation"] == "Apply").map(|entry| &entry["fieldsV1"]);
    let mut found = Vec::new();
    for fields in ours {
        for (place, path) in [(["metadata", "annotations"].as_slice(), "metadata.annotations"), (["spec"].as_slice(), "spec")] {
            let at = |object: &Value, prefix: &str| place.iter().fold(object.clone(), |value, key| value[format!("{prefix}{key}")].clone());
            let (fields, there, asked) = (at(fields, "f:"), at(live, ""), at(wanted, ""));
            for name in fields.as_object().into_iter().flatten().filter_map(|(key, _)| key.strip_prefix("f:")) {
                if let (Some(value), None) = (there.get(name).filter(|value| !value.is_null()), asked.get(name)) {
                    found.push(Change { path: format!("{path}.{name}"), from: Some(value.clone()), to: None });
                }
            }
        }
    }
    found
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
}
