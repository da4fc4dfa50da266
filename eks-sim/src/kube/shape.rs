//! How lists and maps merge: the part of Kubernetes' schema that strategic merge patches and server-side apply need
//! (`x-kubernetes-list-type`, `x-kubernetes-list-map-keys`, `x-kubernetes-map-type`, `patchMergeKey`).

use serde_json::{Map, Value, json};

/// How a list merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As one value.
    Atomic,
    /// Scalars, each once.
    Set,
    /// Objects that these fields tell apart.
    Keyed(&'static [&'static str]),
}

/// The shape of the list in a field of this name.
pub(super) fn of_list(field: &str, list: &[Value]) -> Shape {
    let has = |key: &str| list.first().is_some_and(|item| item.get(key).is_some());
    let keys: &'static [&'static str] = match field {
        "finalizers" => return Shape::Set,
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" | "secrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "ports" if has("containerPort") => &["containerPort", "protocol"],
        "ports" if has("port") => &["port", "protocol"],
        "conditions" | "addresses" => &["type"],
        "ownerReferences" => &["uid"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        _ => return Shape::Atomic,
    };
    if list.iter().all(|item| key(item, keys).is_some()) { Shape::Keyed(keys) } else { Shape::Atomic }
}

/// Whether the map in a field of this name is one value.
pub(super) fn is_atomic_map(field: &str) -> bool {
    matches!(
        field,
        "selector"
            | "labelSelector"
            | "nodeSelector"
            | "claimRef"
            | "dataSource"
            | "dataSourceRef"
            | "fieldRef"
            | "resourceFieldRef"
            | "configMapKeyRef"
            | "secretKeyRef"
            | "requiredDuringSchedulingIgnoredDuringExecution"
            | "required"
    )
}

/// The fields that tell an item of a keyed list apart; `None` if it lacks one.
pub(super) fn key(item: &Value, keys: &[&str]) -> Option<Map<String, Value>> {
    let value = |name: &str| match item.get(name) {
        Some(value) if !value.is_null() => Some(value.clone()),
        // The one key field that has a default.
        _ if name == "protocol" => Some(json!("TCP")),
        _ => None,
    };
    keys.iter().map(|name| Some(((*name).to_owned(), value(name)?))).collect()
}

/// The item of a keyed list with this key.
pub(super) fn position(list: &[Value], keys: &[&str], wanted: &Map<String, Value>) -> Option<usize> {
    list.iter().position(|item| key(item, keys).as_ref() == Some(wanted))
}
