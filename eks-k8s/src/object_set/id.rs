//! Which object.

use std::fmt;

use eks_core::{KeyError, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An object of any kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObjectId {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Empty if its kind has none, or if the set's default is meant.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectId {
    /// The object that a manifest describes.
    pub fn of(manifest: &Value) -> Self {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { api_version: text("/apiVersion"), kind: text("/kind"), namespace: text("/metadata/namespace"), name: text("/metadata/name") }
    }

    /// `apps`; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// Whether this, of a manifest that may leave the namespace to `default`, is that live object. Versions do not tell objects apart.
    pub(crate) fn may_be(&self, default: &str, live: &Self) -> bool {
        let namespace = self.namespace == live.namespace || (self.namespace.is_empty() && live.namespace == default);
        namespace && (self.group(), &self.kind, &self.name) == (live.group(), &live.kind, &live.name)
    }

    /// As it is meant by a set that has this default.
    pub(crate) fn meant(&self, default: &str) -> Self {
        let namespace = if self.namespace.is_empty() { default } else { &self.namespace };
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }

    /// The key of the step that makes it. A version is no part of it: objects move from one to the next.
    pub(crate) fn key(&self, set: &str) -> Result<StepKey, KeyError> {
        let kind = if self.group().is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group()) };
        let segments = ["objects", set, &kind, &self.namespace, &escaped(&self.name)];
        StepKey::new(segments.into_iter().filter(|segment| !segment.is_empty()))
    }
}

/// Names of roles may hold what step keys must not (`system:node`). The sign of an escape is escaped, so no two names meet.
fn escaped(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("_{byte:02x}")),
        }
    }
    escaped
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}
