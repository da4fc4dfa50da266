//! Who may enter, in a document.

use eks_cluster::AccessPolicy;
use serde::{Deserialize, Serialize};

use super::words::AccessType;

/// An access entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AccessEntry {
    /// Part of its key. Default: the last part of the ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The ARN of an IAM role or user.
    pub(crate) principal: String,
    /// Its type. Default STANDARD; the others are for roles of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) r#type: Option<AccessType>,
    /// User name in Kubernetes. Default: EKS's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    /// Groups in Kubernetes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<String>,
    /// EKS's access policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<EntryPolicy>,
}

/// An access policy, in the whole cluster or in namespaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EntryPolicy {
    /// Its name: `AmazonEKSEditPolicy`.
    pub(crate) name: String,
    /// Namespaces. Default: the whole cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) namespaces: Vec<String>,
}

impl AccessEntry {
    pub(crate) fn entry(self) -> eks_cluster::AccessEntry {
        let kind = self.r#type.unwrap_or(AccessType::Standard);
        let mut entry = match self.principal.parse::<eks_core::RoleArn>() {
            Ok(role) if kind != AccessType::Standard => {
                let name = role.name().to_owned();
                eks_cluster::AccessEntry::nodes(kind.into(), name, role)
            }
            _ => eks_cluster::AccessEntry::standard(self.principal),
        };
        entry = self.name.into_iter().fold(entry, eks_cluster::AccessEntry::named);
        entry = self.username.into_iter().fold(entry, eks_cluster::AccessEntry::username);
        entry = self.groups.into_iter().fold(entry, eks_cluster::AccessEntry::group);
        self.policies.into_iter().fold(entry, |entry, EntryPolicy { name, namespaces }| {
            let policy = AccessPolicy::new(name);
            entry.policy(if namespaces.is_empty() { policy } else { policy.in_namespaces(namespaces) })
        })
    }
}
