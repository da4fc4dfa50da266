//! Reading manifests, and the rules that they must keep.

use eks_core::{Problems, StepKey};
use serde::Deserialize;
use serde_json::Value;

use super::{
    ObjectId,
    secret::LAST_APPLIED,
    set::{NAMESPACE_MARK, SET_LABEL},
};
use crate::name;

/// The documents of a YAML text; JSON is YAML. Empty documents are none.
pub(super) fn read_yaml(text: &str, problems: &mut Problems) -> Vec<Value> {
    let mut found = Vec::new();
    for (number, document) in serde_yaml_ng::Deserializer::from_str(text).enumerate() {
        match Value::deserialize(document) {
            Ok(Value::Null) => {}
            Ok(value) => flatten(value, &mut found),
            Err(error) => {
                let subject = format!("document {}", number + 1);
                problems.add("yaml", subject, format!("it cannot be read: {error}"), "correct it");
                // What comes after a broken document cannot be told from it.
                break;
            }
        }
    }
    found
}

/// Takes the items out of lists, as `kubectl` writes them.
pub(super) fn flatten(value: Value, found: &mut Vec<Value>) {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && value["items"].is_array();
    match value {
        Value::Object(mut members) if is_list => {
            if let Some(Value::Array(items)) = members.remove("items") {
                items.into_iter().for_each(|item| flatten(item, found));
            }
        }
        value => found.push(value),
    }
}

/// Takes off what the API server and kubectl write: a manifest may have been read from one.
pub(super) fn strip(manifest: &mut Value) {
    const WRITTEN: [&str; 6] = ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
    if let Some(members) = manifest.as_object_mut() {
        members.remove("status");
    }
    if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, value| !WRITTEN.contains(&key.as_str()) && !value.is_null());
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    }
}

fn is_api_version(text: &str) -> bool {
    let (group, version) = text.rsplit_once('/').unwrap_or(("", text));
    let digits = version.strip_prefix('v').and_then(|rest| rest.bytes().next());
    digits.is_some_and(|digit| digit.is_ascii_digit()) && !group.contains('/') && (group.is_empty() != text.contains('/'))
}

/// What a manifest breaks.
pub(super) fn check(manifest: &Value, set: &str, namespace: &str, problems: &mut Problems) {
    if !manifest.is_object() {
        problems.add("object", "manifest", "it is no object", "give an object with apiVersion, kind and metadata.name");
        return;
    }
    let id = ObjectId::of(manifest);
    let subject = if id.name.is_empty() { format!("{} without a name", id.kind) } else { id.to_string() };
    if !is_api_version(&id.api_version) {
        let rule = format!("{:?} is not an apiVersion", id.api_version);
        problems.add("api-version", &subject, rule, "write one such as v1 or apps/v1");
    }
    if !id.kind.starts_with(|c: char| c.is_ascii_uppercase()) || !id.kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
        problems.add("kind", &subject, format!("{:?} is not a kind", id.kind), "write one such as Deployment");
    }
    if id.name.is_empty() {
        let rule = match manifest["metadata"]["generateName"].is_string() {
            true => "its name is left to the API server, so it could not be found again",
            false => "it has no name",
        };
        problems.add("name", &subject, rule, "give metadata.name");
    } else if id.name.contains(['/', '%']) || [".", ".."].contains(&id.name.as_str()) {
        problems.add("name", &subject, "a name cannot be part of a path so", "choose a name without / and %");
    } else if id.meant(namespace).key(set).is_err() {
        problems.add("name", &subject, "with its kind and namespace it is longer than a step key allows", "choose a shorter name");
    }
    if !id.namespace.is_empty() {
        name::check_label(problems, &format!("namespace of {subject}"), &id.namespace);
    }
    for place in ["labels", "annotations"] {
        match &manifest["metadata"][place] {
            Value::Null => {}
            Value::Object(pairs) => {
                for (key, value) in pairs {
                    check_pair(problems, &subject, place, key, value);
                }
            }
            _ => problems.add("metadata", &subject, format!("its {place} are no map"), "write key: value"),
        }
    }
}

fn check_pair(problems: &mut Problems, subject: &str, place: &str, key: &str, value: &Value) {
    name::check_unreserved(problems, subject, key);
    if [NAMESPACE_MARK, SET_LABEL].contains(&key) {
        problems.add("label-key", subject, format!("{key:?} is a key by which eks-rs finds what it made"), "use another key");
    }
    match value.as_str() {
        Some(value) if place == "labels" => name::check_pair(problems, subject, key, value),
        Some(_) => name::check_key(problems, subject, key),
        None => problems.add("metadata", subject, format!("{key} of its {place} is {value}, not text"), format!("quote it: \"{value}\"")),
    }
}

/// The key of a checked manifest.
pub(super) fn key_of(manifest: &Value, set: &str) -> Result<StepKey, eks_core::KeyError> {
    ObjectId::of(manifest).key(set)
}
