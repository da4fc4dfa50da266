//! Field ownership: `metadata.managedFields` and server-side apply ("Server-Side Apply", kubernetes.io).

mod set;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::set::{Path, Set, at, differs, display, from_fields, leaves, remove, to_fields};
use super::{
    kinds::Kind,
    shape::{self, Shape},
    store::{items, text},
};

/// Who writes, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a> {
    pub(super) manager: &'a str,
    /// `Apply` or `Update`.
    pub(super) operation: &'a str,
    pub(super) subresource: &'a str,
    pub(super) now: &'a str,
}

/// A field that another manager owns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Conflict {
    pub(super) manager: String,
    pub(super) field: String,
}

/// What the API server tracks: not the object's identity, and of the status only what the status subresource writes.
fn tracked(object: &Value, kind: &Kind, subresource: &str) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        for name in ["apiVersion", "kind"] {
            members.remove(name);
        }
        if kind.status && subresource.is_empty() {
            members.remove("status");
        }
        if subresource == "status" {
            members.retain(|name, _| name == "status");
        }
        if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
            let own = ["labels", "annotations", "finalizers", "ownerReferences", "generateName"];
            metadata.retain(|name, _| own.contains(&name.as_str()));
            if metadata.is_empty() {
                members.remove("metadata");
            }
        }
    }
    object
}

/// Manager, operation and subresource: what a managed-fields entry is for.
type Owner = (String, String, String);

fn entries(object: &Value) -> BTreeMap<Owner, (Value, Set)> {
    let owner = |entry: &Value| {
        let part = |name: &str| text(entry, name).to_owned();
        (part("/manager"), part("/operation"), part("/subresource"))
    };
    let list = items(object, "/metadata/managedFields").iter();
    list.map(|entry| (owner(entry), (entry.clone(), from_fields(&entry["fieldsV1"])))).collect()
}

fn store(object: &mut Value, entries: BTreeMap<Owner, (Value, Set)>, changed: &BTreeSet<Owner>, kind: &Kind, now: &str) {
    let list: Vec<Value> = entries
        .into_iter()
        .filter(|(_, (_, set))| !set.is_empty())
        .map(|((manager, operation, subresource), (old, set))| {
            let touched = changed.contains(&(manager.clone(), operation.clone(), subresource.clone()));
            let time = if touched || old.is_null() { json!(now) } else { old["time"].clone() };
            let mut entry = json!({
                "manager": manager, "operation": operation, "apiVersion": kind.api_version(), "time": time,
                "fieldsType": "FieldsV1", "fieldsV1": to_fields(&set),
            });
            if !subresource.is_empty() {
                entry["subresource"] = json!(subresource);
            }
            entry
        })
        .collect();
    if list.is_empty() {
        object["metadata"].as_object_mut().and_then(|metadata| metadata.remove("managedFields"));
    } else {
        object["metadata"]["managedFields"] = json!(list);
    }
}

/// Records an ordinary write: its manager owns what it changed, and nobody owns what it removed.
pub(super) fn record(before: &Value, after: &mut Value, kind: &Kind, writer: Writer<'_>) {
    let (old, new) = (tracked(before, kind, writer.subresource), tracked(after, kind, writer.subresource));
    let (was, is) = (leaves(&old), leaves(&new));
    let changed: Set = is.iter().filter(|path| differs(path, &old, &new)).cloned().collect();
    let removed: Set = was.into_iter().filter(|path| at(&new, path).is_none()).collect();
    if changed.is_empty() && removed.is_empty() {
        after["metadata"]["managedFields"] = before["metadata"]["managedFields"].clone();
        if after["metadata"]["managedFields"].is_null() {
            after["metadata"].as_object_mut().and_then(|metadata| metadata.remove("managedFields"));
        }
        return;
    }
    let mut entries = entries(before);
    for (_, set) in entries.values_mut() {
        set.retain(|path| !changed.contains(path) && !removed.contains(path));
    }
    let owner = (writer.manager.to_owned(), writer.operation.to_owned(), writer.subresource.to_owned());
    entries.entry(owner.clone()).or_default().1.extend(changed);
    store(after, entries, &BTreeSet::from([owner]), kind, writer.now);
}

/// The object after a server-side apply of `config`.
pub(super) fn apply(live: &Value, config: &Value, kind: &Kind, writer: Writer<'_>, force: bool) -> Result<Value, Vec<Conflict>> {
    let config = tracked(config, kind, writer.subresource);
    let wanted = leaves(&config);
    let mut merged = live.clone();
    merge(&mut merged, &config, "");
    let owner = (writer.manager.to_owned(), "Apply".to_owned(), writer.subresource.to_owned());
    let mut entries = entries(live);
    let previous = entries.get(&owner).map(|(_, set)| set.clone()).unwrap_or_default();
    let mut conflicts = Vec::new();
    for (other, (entry, set)) in entries.iter_mut().filter(|(other, _)| **other != owner) {
        let taken: Set = set.intersection(&wanted).filter(|path| differs(path, live, &merged)).cloned().collect();
        conflicts.extend(taken.iter().map(|path| Conflict { manager: told(other, entry), field: display(path) }));
        set.retain(|path| !taken.contains(path));
    }
    if !conflicts.is_empty() && !force {
        return Err(conflicts);
    }
    // What this manager applied before and no longer does goes, unless somebody else owns it.
    let others: BTreeSet<&Path> = entries.iter().filter(|(other, _)| **other != owner).flat_map(|(_, (_, set))| set).collect();
    let held = |path: &Path| wanted.iter().chain(others.iter().copied()).any(|owned| owned.starts_with(path));
    let dropped: Vec<Path> = previous.iter().filter(|path| !held(path)).cloned().collect();
    for path in &dropped {
        remove(&mut merged, path);
    }
    let same = wanted == previous;
    entries.entry(owner.clone()).or_default().1 = wanted;
    let changed = if same && merged == *live { BTreeSet::new() } else { BTreeSet::from([owner]) };
    store(&mut merged, entries, &changed, kind, writer.now);
    Ok(merged)
}

/// Merges an applied configuration into the live object.
fn merge(live: &mut Value, config: &Value, field: &str) {
    match (live, config) {
        (Value::Object(live), Value::Object(config)) if !shape::is_atomic_map(field) => {
            for (name, value) in config {
                match live.get_mut(name) {
                    Some(present) => merge(present, value, name),
                    None => drop(live.insert(name.clone(), value.clone())),
                }
            }
        }
        (Value::Array(live), Value::Array(config)) => match shape::of_list(field, if config.is_empty() { live } else { config }) {
            Shape::Atomic => *live = config.clone(),
            Shape::Set => {
                let fresh: Vec<Value> = config.iter().filter(|item| !live.contains(item)).cloned().collect();
                live.extend(fresh);
            }
            Shape::Keyed(keys) => {
                for item in config {
                    let place = shape::key(item, keys).and_then(|key| shape::position(live, keys, &key));
                    match place.and_then(|place| live.get_mut(place)) {
                        Some(present) => merge(present, item, ""),
                        None => live.push(item.clone()),
                    }
                }
            }
        },
        (live, config) => *live = config.clone(),
    }
}

/// A manager as conflicts name it (structured-merge-diff's `printManager`).
fn told((manager, operation, subresource): &Owner, entry: &Value) -> String {
    let mut told = format!("\"{manager}\"");
    if !subresource.is_empty() {
        told.push_str(&format!(" with subresource \"{subresource}\""));
    }
    if operation == "Update" {
        told.push_str(&format!(" using {} at {}", text(entry, "/apiVersion"), text(entry, "/time")));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::{super::kinds, *};

    const NOW: &str = "2026-11-22T00:00:00Z";

    fn writer(manager: &str) -> Writer<'_> {
        Writer { manager, operation: "Apply", subresource: "", now: NOW }
    }

    fn applied(live: &Value, config: &Value, manager: &str) -> Result<Value, Vec<Conflict>> {
        apply(live, config, &kinds::DEPLOYMENT, writer(manager), false)
    }

    #[test]
    fn fields_are_kubernetes_own() {
        let pod = json!({"spec": {"containers": [{"name": "a", "image": "x", "ports": [{"containerPort": 80}]}]}});
        assert_eq!(
            to_fields(&leaves(&pod)),
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {
                ".": {}, "f:name": {}, "f:image": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            }}}})
        );
        assert_eq!(from_fields(&to_fields(&leaves(&pod))), leaves(&pod));
    }

    #[test]
    fn what_is_no_longer_applied_goes_unless_shared() {
        let first = applied(&json!({"metadata": {}}), &json!({"metadata": {"labels": {"a": "1", "b": "1"}}}), "x").expect("no conflict");
        let second = applied(&first, &json!({"metadata": {"labels": {"b": "1"}}}), "y").expect("the same value is no conflict");
        let third = applied(&second, &json!({"metadata": {"annotations": {"c": "1"}}}), "x").expect("no conflict");
        assert_eq!(third["metadata"]["labels"], json!({"b": "1"}));
        assert_eq!(third["metadata"]["annotations"], json!({"c": "1"}));
    }

    #[test]
    fn items_of_a_list_have_owners() {
        let mine = json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}});
        let live = applied(&json!({"metadata": {}}), &mine, "x").expect("no conflict");
        let conflict = applied(&live, &json!({"spec": {"containers": [{"name": "a", "image": "z"}]}}), "y").expect_err("x owns it");
        assert_eq!(conflict, [Conflict { manager: "\"x\"".into(), field: ".spec.containers[name=\"a\"].image".into() }]);
        let fewer = json!({"spec": {"containers": [{"name": "a", "image": "x"}]}});
        assert_eq!(applied(&live, &fewer, "x").expect("its own")["spec"], fewer["spec"]);
    }

    #[test]
    fn updates_take_ownership() {
        let live = applied(&json!({"metadata": {}}), &json!({"spec": {"replicas": 1}}), "x").expect("no conflict");
        let mut edited = live.clone();
        edited["spec"]["replicas"] = json!(2);
        record(&live, &mut edited, &kinds::DEPLOYMENT, Writer { operation: "Update", ..writer("kubectl-edit") });
        let conflict = applied(&edited, &json!({"spec": {"replicas": 1}}), "x").expect_err("kubectl-edit owns it now");
        assert_eq!(conflict[0].manager, format!("\"kubectl-edit\" using apps/v1 at {NOW}"));
        let forced = apply(&edited, &json!({"spec": {"replicas": 1}}), &kinds::DEPLOYMENT, writer("x"), true).expect("forced");
        assert_eq!(items(&forced, "/metadata/managedFields").len(), 1);
    }
}
