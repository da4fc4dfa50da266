//! JSON Schema, as far as the schemas of add-ons use it (json-schema.org, "JSON Schema Validation", draft 6 and 7). Messages are
//! those that EKS answers with.
//!
//! `format` says what a text should look like and refuses nothing, as is its default in these drafts.

use serde_json::{Map, Value};

/// What of `value` breaks `schema`, each with its path: `$.env.WARM: …`.
pub(super) fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "$", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    // Beside `$ref`, drafts up to 7 ignore everything.
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        if let Some(target) = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) {
            check(root, target, value, path, found);
        }
        return;
    }
    if let Some(types) = schema.get("type")
        && !any(types, |kind| is_type(kind, value))
    {
        found.push(format!("{path}: {} found, {} expected", type_name(value), expected(types)));
        return;
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array)
        && !values.contains(value)
    {
        let list = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect::<Vec<_>>();
        found.push(format!("{path}: does not have a value in the enumeration [{}]", list.join(", ")));
    }
    if let Some(minimum) = schema.get("minimum").and_then(Value::as_f64)
        && value.as_f64().is_some_and(|number| number < minimum)
    {
        found.push(format!("{path}: must have a minimum value of {minimum}"));
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let tried: Vec<Vec<String>> = choices
            .iter()
            .map(|choice| {
                let mut broken = Vec::new();
                check(root, choice, value, path, &mut broken);
                broken
            })
            .collect();
        if tried.iter().all(|broken| !broken.is_empty()) {
            found.extend(tried.into_iter().flatten());
        }
    }
    match value {
        Value::Object(members) => check_object(root, schema, members, path, found),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                if let Some(schema) = schema.get("items") {
                    check(root, schema, item, &format!("{path}[{at}]"), found);
                }
            }
        }
        _ => {}
    }
}

fn check_object(root: &Value, schema: &Value, members: &Map<String, Value>, path: &str, found: &mut Vec<String>) {
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            found.push(format!("{path}.{name}: is missing but it is required"));
        }
    }
    if let Some(least) = schema.get("minProperties").and_then(Value::as_u64)
        && (members.len() as u64) < least
    {
        found.push(format!("{path}: should have a minimum of {least} properties"));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, member) in members {
        let below = format!("{path}.{name}");
        match (properties.and_then(|properties| properties.get(name)), schema.get("additionalProperties")) {
            (Some(known), _) => check(root, known, member, &below, found),
            (None, Some(Value::Bool(false))) => {
                found.push(format!("{below}: is not defined in the schema and the schema does not allow additional properties"));
            }
            (None, Some(rest @ Value::Object(_))) => check(root, rest, member, &below, found),
            _ => {}
        }
    }
}

fn any(types: &Value, test: impl Fn(&str) -> bool) -> bool {
    match types {
        Value::String(one) => test(one),
        Value::Array(several) => several.iter().filter_map(Value::as_str).any(test),
        _ => true,
    }
}

fn is_type(kind: &str, value: &Value) -> bool {
    match kind {
        "number" => value.is_number(),
        // 1.0 is an integer, too (draft 6).
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        kind => kind == type_name(value),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn expected(types: &Value) -> String {
    match types {
        Value::Array(several) => format!("[{}]", several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        one => one.as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_violation_has_its_path() {
        let schema = json!({
            "$ref": "#/definitions/Top",
            "definitions": {
                "Top": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["mode"],
                    "properties": {
                        "mode": {"type": "string", "enum": ["iptables", "ipvs"]},
                        "count": {"type": "integer", "minimum": 1},
                        "affinity": {"type": ["object", "null"]},
                        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                        "list": {"type": "array", "items": {"type": "object"}},
                        "most": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                        "subnets": {"type": "object", "minProperties": 1},
                    },
                },
            },
        });
        let of = |value: Value| violations(&schema, &value);
        assert!(of(json!({"mode": "ipvs", "count": 2, "affinity": null, "labels": {"a": "b"}, "list": [{}], "most": "5%"})).is_empty());
        assert_eq!(of(json!({"mode": "x"})), ["$.mode: does not have a value in the enumeration [iptables, ipvs]"]);
        assert_eq!(
            of(json!({"count": "3", "none": 1})),
            [
                "$.mode: is missing but it is required",
                "$.count: string found, integer expected",
                "$.none: is not defined in the schema and the schema does not allow additional properties"
            ]
        );
        assert_eq!(of(json!({"mode": "ipvs", "labels": {"a": 1}})), ["$.labels.a: integer found, string expected"]);
        assert_eq!(of(json!({"mode": "ipvs", "list": [{}, 1]})), ["$.list[1]: integer found, object expected"]);
        assert_eq!(of(json!({"mode": "ipvs", "most": true})).len(), 2);
        assert_eq!(of(json!({"mode": "ipvs", "count": 0, "subnets": {}})).len(), 2);
        assert_eq!(of(json!([])), ["$: array found, object expected"]);
    }
}
