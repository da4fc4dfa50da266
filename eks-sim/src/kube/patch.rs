//! The patches that the API server takes, but for server-side apply.

use serde_json::{Map, Value};

use super::{
    shape::{self, Shape},
    status::{Refusal, Verdict},
};

/// JSON merge patch (RFC 7386).
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().and_then(|members| members.remove(name));
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// Strategic merge patch ("Update API Objects in Place Using kubectl patch", kubernetes.io).
pub(super) fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() || patch.get("$patch").is_some_and(|directive| directive == "replace") {
        *target = Value::Object(Map::new());
    }
    for (name, value) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
        let present = &mut target[name];
        match value {
            Value::Null => drop(target.as_object_mut().and_then(|members| members.remove(name))),
            Value::Array(list) => strategic_list(present, list, name),
            _ => strategic(present, value),
        }
    }
    for (name, values) in patch.iter().filter_map(|(name, values)| Some((name.strip_prefix("$deleteFromPrimitiveList/")?, values))) {
        if let (Some(list), Some(values)) = (target[name].as_array_mut(), values.as_array()) {
            list.retain(|item| !values.contains(item));
        }
    }
}

fn strategic_list(target: &mut Value, patch: &[Value], field: &str) {
    let directive = |item: &Value, wanted: &str| item.get("$patch").is_some_and(|directive| directive == wanted);
    let replaces = patch.iter().any(|item| directive(item, "replace"));
    let content: Vec<Value> = patch.iter().filter(|item| !directive(item, "replace")).cloned().collect();
    let mut live = target.as_array().cloned().unwrap_or_default();
    match shape::of_list(field, &content) {
        _ if replaces => live = content,
        Shape::Set => live.extend(content.into_iter().filter(|item| !target.as_array().is_some_and(|list| list.contains(item)))),
        Shape::Keyed(keys) => {
            // Strategic merges know one key field only.
            let keys = &keys[..1];
            for item in &content {
                let place = shape::key(item, keys).and_then(|key| shape::position(&live, keys, &key));
                match place {
                    Some(place) if directive(item, "delete") => drop(live.remove(place)),
                    Some(place) => strategic(&mut live[place], item),
                    None if directive(item, "delete") => {}
                    None => live.push(item.clone()),
                }
            }
        }
        Shape::Atomic => live = content,
    }
    *target = Value::Array(live);
}

/// JSON patch (RFC 6902).
pub(super) fn json(target: &mut Value, patch: &Value) -> Verdict<()> {
    let operations = patch.as_array().ok_or_else(|| Refusal::bad_request("a JSON patch is a list of operations"))?;
    let failed =
        |why: String| Refusal::new(422, "Invalid", format!("the server rejected our request due to an error in our request: {why}"));
    for operation in operations {
        let member = |name: &str| operation[name].as_str().unwrap_or_default();
        let (path, from) = (member("path"), member("from"));
        let missing = |path: &str| failed(format!("{} operation does not apply: doc is missing path: {path}", member("op")));
        match member("op") {
            "add" => add(target, path, operation["value"].clone()).ok_or_else(|| missing(path))?,
            "remove" => drop(take(target, path).ok_or_else(|| missing(path))?),
            "replace" => *target.pointer_mut(path).ok_or_else(|| missing(path))? = operation["value"].clone(),
            "move" => {
                let value = take(target, from).ok_or_else(|| missing(from))?;
                add(target, path, value).ok_or_else(|| missing(path))?;
            }
            "copy" => {
                let value = target.pointer(from).cloned().ok_or_else(|| missing(from))?;
                add(target, path, value).ok_or_else(|| missing(path))?;
            }
            "test" => {
                if target.pointer(path).unwrap_or(&Value::Null) != &operation["value"] {
                    return Err(failed(format!("testing value {path} failed")));
                }
            }
            other => return Err(failed(format!("unexpected kind: {other}"))),
        }
    }
    Ok(())
}

fn parent<'a>(target: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((target.pointer_mut(parent)?, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    match parent(target, path)? {
        (Value::Object(members), name) => drop(members.insert(name, value)),
        (Value::Array(list), index) => {
            let index = if index == "-" { list.len() } else { index.parse().ok()? };
            if index > list.len() {
                return None;
            }
            list.insert(index, value);
        }
        _ => return None,
    }
    Some(())
}

fn take(target: &mut Value, path: &str) -> Option<Value> {
    match parent(target, path)? {
        (Value::Object(members), name) => members.remove(&name),
        (Value::Array(list), index) => {
            let index: usize = index.parse().ok()?;
            (index < list.len()).then(|| list.remove(index))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{json as json_patch, *};

    /// The example of RFC 7386, section 3.
    #[test]
    fn merge_patch_is_rfc_7386() {
        let mut target = json!({"title": "Goodbye!", "author": {"givenName": "John", "familyName": "Doe"}, "tags": ["example", "sample"]});
        merge(&mut target, &json!({"title": "Hello!", "phoneNumber": "+01", "author": {"familyName": null}, "tags": ["example"]}));
        assert_eq!(target, json!({"title": "Hello!", "author": {"givenName": "John"}, "tags": ["example"], "phoneNumber": "+01"}));
    }

    #[test]
    fn strategic_patches_merge_containers_and_replace_taints() {
        let mut target = json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}], "taints": [{"key": "x"}]});
        strategic(
            &mut target,
            &json!({"containers": [{"name": "a", "image": "2"}, {"name": "b", "$patch": "delete"}], "taints": [{"key": "y"}]}),
        );
        assert_eq!(target, json!({"containers": [{"name": "a", "image": "2"}], "taints": [{"key": "y"}]}));
    }

    #[test]
    fn json_patch_is_rfc_6902() {
        let mut target = json!({"list": [1, 3], "a/b": {"c": 1}});
        let patch = json!([
            {"op": "test", "path": "/a~1b/c", "value": 1},
            {"op": "add", "path": "/list/1", "value": 2},
            {"op": "add", "path": "/list/-", "value": 4},
            {"op": "move", "from": "/a~1b/c", "path": "/c"},
            {"op": "remove", "path": "/list/0"},
        ]);
        assert_eq!(json_patch(&mut target, &patch), Ok(()));
        assert_eq!(target, json!({"list": [2, 3, 4], "a/b": {}, "c": 1}));
        assert!(json_patch(&mut target, &json!([{"op": "replace", "path": "/missing", "value": 1}])).is_err());
    }
}
