//! What applying a manifest would change, told by the object as it is and as the API server says it would be.

use serde_json::Value;

use super::secret::{CONTENTS, LAST_APPLIED, is_secret};
use crate::diff::Change;

/// What the API server writes by itself, with every change or as things go on.
const NO_CHANGE: [&str; 5] = ["metadata.generation", "metadata.managedFields", "metadata.resourceVersion", "metadata.selfLink", "status"];

/// Changes field by field, for people. The contents of Secrets are not shown.
pub(super) fn differences(live: &Value, would_be: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(String::new(), Some(live), Some(would_be), &mut found);
    told(is_secret(live) || is_secret(would_be), &found)
}

/// Changes in words; of a Secret's contents only that they change.
pub(super) fn told(is_secret: bool, found: &[Change]) -> Vec<String> {
    let show = |change: &Change| {
        let place = change.path.split(['.', '[']).next().unwrap_or_default();
        // A whole map of annotations may hold kubectl's record.
        let is_record = ["metadata.annotations", &format!("metadata.annotations.{LAST_APPLIED}")].contains(&change.path.as_str());
        match is_secret && (CONTENTS.contains(&place) || is_record) {
            true => format!("{}: another value", change.path),
            false => change.to_string(),
        }
    };
    found.iter().map(show).collect()
}

fn compare(path: String, live: Option<&Value>, would_be: Option<&Value>, found: &mut Vec<Change>) {
    if live == would_be || NO_CHANGE.contains(&path.as_str()) {
        return;
    }
    match (live, would_be) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(path, one.get(key), other.get(key), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(format!("{path}[{index}]"), Some(one), Some(other), found);
            }
        }
        _ => found.push(Change { path, from: live.cloned(), to: would_be.cloned() }),
    }
}
