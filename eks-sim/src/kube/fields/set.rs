//! Sets of fields, and FieldsV1, their form in `metadata.managedFields`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::shape::{self, Shape};

/// A field's path in FieldsV1's segments: `f:<field>`, `k:<key>`, `v:<value>`.
pub(super) type Path = Vec<String>;

pub(super) type Set = BTreeSet<Path>;

pub(super) fn leaves(value: &Value) -> Set {
    let mut set = Set::new();
    if let Some(members) = value.as_object() {
        for (name, member) in members {
            collect(member, name, &mut vec![format!("f:{name}")], &mut set);
        }
    }
    set
}

fn collect(value: &Value, field: &str, path: &mut Path, set: &mut Set) {
    let mut descend = |segment: String, value: Option<(&Value, &str)>, own: bool, set: &mut Set| {
        path.push(segment);
        if own {
            set.insert(path.clone());
        }
        if let Some((value, field)) = value {
            collect(value, field, path, set);
        }
        path.pop();
    };
    match value {
        Value::Null => {}
        Value::Object(members) if !members.is_empty() && !shape::is_atomic_map(field) => {
            for (name, member) in members {
                descend(format!("f:{name}"), Some((member, name)), false, set);
            }
        }
        Value::Array(list) if !list.is_empty() => match shape::of_list(field, list) {
            Shape::Atomic => drop(set.insert(path.clone())),
            Shape::Set => list.iter().for_each(|item| descend(format!("v:{item}"), None, true, set)),
            Shape::Keyed(keys) => {
                for item in list {
                    let Some(key) = shape::key(item, keys) else { continue };
                    descend(format!("k:{}", Value::Object(key)), Some((item, "")), true, set);
                }
            }
        },
        _ => drop(set.insert(path.clone())),
    }
}

/// The value at a path.
pub(super) fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, segment| match segment.split_at_checked(2)? {
        ("f:", name) => value.get(name),
        ("v:", scalar) => {
            let scalar: Value = serde_json::from_str(scalar).ok()?;
            value.as_array()?.iter().find(|item| **item == scalar)
        }
        ("k:", key) => {
            let key: Map<String, Value> = serde_json::from_str(key).ok()?;
            value.as_array()?.get(index(value.as_array()?, &key)?)
        }
        _ => None,
    })
}

fn index(list: &[Value], key: &Map<String, Value>) -> Option<usize> {
    let names: Vec<&str> = key.keys().map(String::as_str).collect();
    shape::position(list, &names, key)
}

/// Whether a field differs; an item of a list differs only by being there.
pub(super) fn differs(path: &Path, before: &Value, after: &Value) -> bool {
    let (before, after) = (at(before, path), at(after, path));
    if path.last().is_some_and(|segment| segment.starts_with("k:")) { before.is_some() != after.is_some() } else { before != after }
}

pub(super) fn remove(value: &mut Value, path: &[String]) {
    let Some((segment, rest)) = path.split_first() else { return };
    let child = match segment.split_at_checked(2) {
        Some(("f:", name)) if rest.is_empty() => return drop(value.as_object_mut().and_then(|members| members.remove(name))),
        Some(("f:", name)) => value.get_mut(name),
        Some(("v:", scalar)) => {
            if let (Some(list), Ok(scalar)) = (value.as_array_mut(), serde_json::from_str::<Value>(scalar)) {
                list.retain(|item| *item != scalar);
            }
            return;
        }
        Some(("k:", key)) => {
            let Ok(key) = serde_json::from_str::<Map<String, Value>>(key) else { return };
            let Some(list) = value.as_array_mut() else { return };
            let Some(index) = index(list, &key) else { return };
            if rest.is_empty() {
                list.remove(index);
                return;
            }
            list.get_mut(index)
        }
        _ => None,
    };
    if let Some(child) = child {
        remove(child, rest);
        // A map or list that the last owned field leaves empty goes with it.
        let emptied = child.as_object().is_some_and(Map::is_empty) || child.as_array().is_some_and(Vec::is_empty);
        if emptied && let Some(name) = segment.strip_prefix("f:") {
            value.as_object_mut().and_then(|members| members.remove(name));
        }
    }
}

pub(super) fn to_fields(set: &Set) -> Value {
    let mut root = json!({});
    for path in set {
        let mut node = &mut root;
        for segment in path {
            node = &mut node[segment.as_str()];
            if node.is_null() {
                *node = json!({});
            }
        }
        node["."] = json!({});
    }
    // A leaf is `{}`; only a node with children says by "." that it is itself a member.
    fn trim(node: &mut Value) {
        if let Some(members) = node.as_object_mut() {
            if members.len() == 1 {
                members.remove(".");
            }
            members.iter_mut().filter(|(name, _)| *name != ".").for_each(|(_, child)| trim(child));
        }
    }
    trim(&mut root);
    root
}

pub(super) fn from_fields(fields: &Value) -> Set {
    fn walk(node: &Value, path: &mut Path, set: &mut Set) {
        let Some(members) = node.as_object() else { return };
        if members.is_empty() || members.contains_key(".") {
            set.insert(path.clone());
        }
        for (segment, child) in members.iter().filter(|(segment, _)| *segment != ".") {
            path.push(segment.clone());
            walk(child, path, set);
            path.pop();
        }
    }
    let mut set = Set::new();
    if fields.as_object().is_some_and(|members| !members.is_empty()) {
        walk(fields, &mut Vec::new(), &mut set);
    }
    set
}

/// `.spec.containers[name="app"].image`.
pub(super) fn display(path: &Path) -> String {
    let mut shown = String::new();
    for segment in path {
        match segment.split_at_checked(2) {
            Some(("f:", name)) => shown.push_str(&format!(".{name}")),
            Some(("k:", key)) => {
                let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
                let pairs: Vec<String> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
                shown.push_str(&format!("[{}]", pairs.join(",")));
            }
            Some((_, value)) => shown.push_str(&format!("[={value}]")),
            None => {}
        }
    }
    shown
}
