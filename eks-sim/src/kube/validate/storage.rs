//! StorageClasses and claims.

use serde_json::Value;

use super::{
    super::store::{items, text},
    Error, duplicate, forbidden, invalid, required, unsupported,
};

pub(super) fn storage_class(old: Option<&Value>, object: &Value, errors: &mut Vec<Error>) {
    if text(object, "/provisioner").is_empty() {
        errors.push(required("provisioner"));
    }
    for (field, supported) in
        [("reclaimPolicy", ["Delete", "Retain"].as_slice()), ("volumeBindingMode", ["Immediate", "WaitForFirstConsumer"].as_slice())]
    {
        let value = text(object, &format!("/{field}"));
        if !supported.contains(&value) {
            errors.push(unsupported(field, value, supported));
        }
    }
    for (t, term) in items(object, "/allowedTopologies").iter().enumerate() {
        let mut seen: Vec<&str> = Vec::new();
        for (e, expression) in items(term, "/matchLabelExpressions").iter().enumerate() {
            let field = format!("allowedTopologies[{t}].matchLabelExpressions[{e}]");
            let key = text(expression, "/key");
            if seen.contains(&key) {
                errors.push(duplicate(format!("{field}.key"), key));
            }
            seen.push(key);
            let values = items(expression, "/values");
            if values.is_empty() {
                errors.push(required(format!("{field}.values")));
            }
            for (v, value) in values.iter().enumerate().filter(|(v, value)| values[..*v].contains(value)) {
                errors.push(duplicate(format!("{field}.values[{v}]"), value.as_str().unwrap_or_default()));
            }
        }
    }
    let Some(old) = old else { return };
    for field in ["parameters", "provisioner", "reclaimPolicy"] {
        if old[field] != object[field] {
            errors.push(forbidden(field, &format!("updates to {field} are forbidden.")));
        }
    }
    if old["volumeBindingMode"] != object["volumeBindingMode"] {
        errors.push(invalid("volumeBindingMode", text(object, "/volumeBindingMode"), "field is immutable"));
    }
}

pub(super) fn claim(old: Option<&Value>, object: &Value, errors: &mut Vec<Error>) {
    let modes = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
    if items(object, "/spec/accessModes").is_empty() {
        errors.push(("FieldValueRequired", "Required value: at least 1 access mode is required".to_owned(), "spec.accessModes".to_owned()));
    }
    for mode in items(object, "/spec/accessModes").iter().filter_map(Value::as_str).filter(|mode| !modes.contains(mode)) {
        errors.push(unsupported("spec.accessModes", mode, &modes));
    }
    let requested = object.pointer("/spec/resources/requests/storage");
    match requested.and_then(quantity) {
        None if requested.is_none() => errors.push(required("spec.resources[storage]")),
        None => errors.push(invalid("spec.resources.requests[storage]", "", "must be a quantity")),
        Some(0) => errors.push(invalid("spec.resources[storage]", "0", "must be greater than zero")),
        Some(_) => {}
    }
    let Some(old) = old else { return };
    let fixed = |claim: &Value| {
        let mut spec = claim["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("volumeAttributesClassName");
            spec.remove("resources");
            // A claim without a class may be given one, once.
            if old.pointer("/spec/storageClassName").is_none() {
                spec.remove("storageClassName");
            }
        }
        spec
    };
    let bound = text(old, "/status/phase") == "Bound";
    if fixed(old) != fixed(object) || (!bound && old["spec"]["resources"] != object["spec"]["resources"]) {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.push(forbidden("spec", why));
    } else if old.pointer("/spec/resources/requests/storage").and_then(quantity) > requested.and_then(quantity) {
        errors.push(forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"));
    }
}

/// Bytes of a storage quantity such as `10Gi`.
pub(in super::super) fn quantity(value: &Value) -> Option<u64> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1_024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _ => return None,
    };
    Some((number * unit).ceil() as u64)
}
