//! How the nodes' role is let into the cluster.

use eks_core::AuthenticationMode;
use serde::{Deserialize, Serialize};

/// How the role of the nodes becomes `system:node:…` in Kubernetes. Without a mapping no node joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RoleMapping {
    /// An access entry of type `EC2_LINUX`, made by the workers' stack before its first instance.
    AccessEntry,
    /// The ConfigMap aws-auth, edited elsewhere: the role is an output of the plan.
    AwsAuth,
    /// Somewhere else, or not at all.
    None,
}

impl RoleMapping {
    /// What fits the cluster: access entries where it has them.
    pub fn fitting(mode: AuthenticationMode) -> Self {
        if mode.has_access_entries() { Self::AccessEntry } else { Self::AwsAuth }
    }
}
