//! In which order objects are made.

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

/// The groups that kube-apiserver serves by itself (Kubernetes API reference, API Groups); others are of definitions or of aggregated
/// API servers, even where their names end alike.
const BUILT_IN: [&str; 23] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Whether kube-apiserver serves a group by itself.
pub(crate) fn is_built_in(group: &str) -> bool {
    BUILT_IN.contains(&group)
}
