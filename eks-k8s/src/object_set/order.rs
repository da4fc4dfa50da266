//! In which order objects are made; they are removed in the reverse.

use super::ObjectId;

/// Objects of a rank need all of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// What others live in.
    Namespaces,
    /// What makes kinds of others.
    Definitions,
    /// Everything else: Kubernetes sorts it out by itself.
    Objects,
    /// What every later call goes through: it must not be asked before its Service answers.
    Interceptors,
}

impl Rank {
    pub(super) fn of(id: &ObjectId) -> Self {
        match (id.group(), id.kind.as_str()) {
            ("", "Namespace") => Self::Namespaces,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Definitions,
            ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _) => Self::Interceptors,
            _ => Self::Objects,
        }
    }
}
