//! PersistentVolumeClaims.

use eks_core::Problems;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Quantity, name};

/// Who may mount a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccessMode {
    /// The Pods of one node.
    ReadWriteOnce,
    /// One Pod.
    ReadWriteOncePod,
}

/// A claim of a volume. Its request may grow if its class allows; nothing else changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub(crate) name: String,
    pub(crate) size: String,
    pub(crate) class: Option<String>,
    pub(crate) mode: AccessMode,
}

impl Claim {
    /// A claim of this size (`10Gi`), ReadWriteOnce, of the cluster's default class.
    pub fn new(name: impl Into<String>, size: impl Into<String>) -> Self {
        Self { name: name.into(), size: size.into(), class: None, mode: AccessMode::ReadWriteOnce }
    }

    /// The class of its volume: one of the spec's, or one told by
    /// [`existing_class`](crate::ObjectsSpecBuilder::existing_class).
    #[must_use]
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// Who may mount it; default [`AccessMode::ReadWriteOnce`].
    #[must_use]
    pub fn access_mode(mut self, mode: AccessMode) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn gib(&self) -> i128 {
        self.size.parse::<Quantity>().map(|size| size.gib()).unwrap_or_default()
    }

    pub(crate) fn manifest(&self, namespace: &str) -> Value {
        let mode = match self.mode {
            AccessMode::ReadWriteOnce => "ReadWriteOnce",
            AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
        };
        let mut manifest = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": self.name, "namespace": namespace},
            "spec": {"accessModes": [mode], "resources": {"requests": {"storage": self.size}}},
        });
        if let Some(class) = &self.class {
            manifest["spec"]["storageClassName"] = json!(class);
        }
        manifest
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        let subject = format!("claim {}", self.name);
        name::check_subdomain(problems, &subject, &self.name);
        match self.size.parse::<Quantity>() {
            Err(error) => problems.add("quantity", &subject, error.to_string(), "write a size such as 10Gi"),
            Ok(size) if size.value() <= 0 => {
                problems.add("quantity", &subject, format!("{size} is not above zero"), "write a size such as 10Gi")
            }
            Ok(_) => {}
        }
    }
}
