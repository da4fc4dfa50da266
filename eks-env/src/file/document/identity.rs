//! IAM roles of a document.

use std::collections::BTreeMap;

use eks_cluster::{PolicyDocument, RoleSettings, ServiceAccount};
use serde::{Deserialize, Serialize};

use super::words::Text;

/// An IAM policy document, in IAM's own words: `Version` and `Statement`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Policy(pub(crate) PolicyDocument);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Policy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PolicyDocument".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "An IAM policy document.",
            "required": ["Version", "Statement"],
            "additionalProperties": false,
            "properties": {
                "Version": { "type": "string", "examples": ["2012-10-17"] },
                "Statement": { "type": "array", "items": { "type": "object" } },
            },
        })
    }
}

/// Path and permissions boundary of every role of our own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Roles {
    /// Their path: `/platform/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// The ARN of the policy that bounds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) permissions_boundary: Option<String>,
}

/// A Kubernetes service account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Account {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

/// A role for Pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PodRole {
    /// Part of the role's name. Without it, and with `loadBalancerController`, the controller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The role of the AWS Load Balancer Controller, with its documented policy. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) load_balancer_controller: Option<bool>,
    /// Service accounts whose Pods get it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) service_accounts: Vec<Account>,
    /// Managed policies, by ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<String>,
    /// AWS's managed policies, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) aws_policies: Vec<String>,
    /// Policies written into the role, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) inline_policies: BTreeMap<String, Policy>,
    /// By the service account's own token instead of EKS Pod Identity. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) irsa: Option<bool>,
    /// A role that exists, instead of one of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) existing: Option<Text<eks_core::RoleArn>>,
    /// A role of another account that is assumed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target_role: Option<Text<eks_core::RoleArn>>,
    /// Whether sessions carry tags of cluster, namespace and Pod. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session_tags: Option<bool>,
    /// A policy that bounds sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session_policy: Option<Policy>,
}

/// A role for nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeRole {
    /// Part of the role's name.
    pub(crate) name: String,
    /// For nodes of Auto Mode. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auto_mode: Option<bool>,
    /// Managed policies, by ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<String>,
    /// AWS's managed policies, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) aws_policies: Vec<String>,
}

impl Roles {
    pub(crate) fn settings(self) -> RoleSettings {
        let settings = self.path.into_iter().fold(RoleSettings::new(), RoleSettings::path);
        self.permissions_boundary.into_iter().fold(settings, RoleSettings::permissions_boundary)
    }
}

impl PodRole {
    pub(crate) fn role(self) -> eks_cluster::PodRole {
        let mut accounts = self.service_accounts.into_iter().map(|account| ServiceAccount::new(account.namespace, account.name));
        let mut role = if self.load_balancer_controller == Some(true) {
            eks_cluster::PodRole::load_balancer_controller()
        } else {
            // Without a service account, the spec refuses the empty one.
            let first = accounts.next().unwrap_or_else(|| ServiceAccount::new("", ""));
            eks_cluster::PodRole::new(self.name.unwrap_or_default(), first)
        };
        role = accounts.fold(role, eks_cluster::PodRole::service_account);
        role = self.policies.into_iter().fold(role, eks_cluster::PodRole::policy);
        role = self.aws_policies.into_iter().fold(role, eks_cluster::PodRole::aws_policy);
        role = self.inline_policies.into_iter().fold(role, |role, (name, policy)| role.inline_policy(name, policy.0));
        if self.irsa == Some(true) {
            role = role.irsa();
        }
        if let Some(existing) = self.existing {
            role = role.existing(existing.0);
        }
        if let Some(target) = self.target_role {
            role = role.target_role(target.0);
        }
        if self.session_tags == Some(false) {
            role = role.without_session_tags();
        }
        self.session_policy.into_iter().fold(role, |role, policy| role.session_policy(policy.0))
    }
}

impl NodeRole {
    pub(crate) fn role(self) -> eks_cluster::NodeRole {
        let role = match self.auto_mode {
            Some(true) => eks_cluster::NodeRole::auto_mode(self.name),
            _ => eks_cluster::NodeRole::new(self.name),
        };
        let role = self.policies.into_iter().fold(role, eks_cluster::NodeRole::policy);
        self.aws_policies.into_iter().fold(role, eks_cluster::NodeRole::aws_policy)
    }
}
