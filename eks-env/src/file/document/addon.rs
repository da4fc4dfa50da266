//! Add-ons of a document.

use std::collections::BTreeMap;

use eks_cluster::AddonRemoval;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    identity::Policy,
    words::{Conflicts, Text},
};

/// An add-on of EKS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Addon {
    /// Its name: `vpc-cni`.
    pub(crate) name: String,
    /// Its version. Default: EKS's default for the cluster's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Takes the newest version instead. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) latest: Option<bool>,
    /// What it does with fields that others have set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conflicts: Option<Conflicts>,
    /// Namespace of its software. Default: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// Configuration values, by the add-on's own schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) configuration: Option<BTreeMap<String, Value>>,
    /// The role of its Pods. Default: the one that AWS recommends for it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<AddonRole>,
}

/// The role of an add-on's Pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum AddonRole {
    /// None.
    None,
    /// One of our own, through EKS Pod Identity.
    PodIdentity(OwnRole),
    /// One of our own, by the service account's own token.
    Irsa(OwnRole),
    /// One that exists, by the service account's own token.
    ExistingIrsa(Text<eks_core::RoleArn>),
    /// One that exists, through EKS Pod Identity.
    ExistingPodIdentity(GivenRole),
}

/// What a role of our own may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OwnRole {
    /// Its service account. Default: the add-on's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_account: Option<String>,
    /// Managed policies, by ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<String>,
    /// AWS's managed policies, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) aws_policies: Vec<String>,
    /// Policies written into the role, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) inline_policies: BTreeMap<String, Policy>,
    /// The policy that the VPC CNI needs for IPv6. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vpc_cni_ipv6: Option<bool>,
}

/// A role that exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GivenRole {
    /// The service account.
    pub(crate) service_account: String,
    /// Its ARN.
    pub(crate) role: Text<eks_core::RoleArn>,
}

/// An add-on that shall not be there any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RemovedAddon {
    /// Its name.
    pub(crate) name: String,
    /// Leaves its software in the cluster. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) preserve_software: Option<bool>,
}

impl Addon {
    pub(crate) fn addon(self) -> eks_cluster::Addon {
        let mut addon = eks_cluster::Addon::new(self.name);
        addon = self.version.into_iter().fold(addon, eks_cluster::Addon::version);
        if self.latest == Some(true) {
            addon = addon.latest();
        }
        if let Some(conflicts) = self.conflicts {
            addon = addon.conflicts(conflicts.into());
        }
        addon = self.namespace.into_iter().fold(addon, eks_cluster::Addon::namespace);
        if let Some(values) = self.configuration {
            addon = addon.configuration(serde_json::to_string(&values).unwrap_or_default());
        }
        match self.role {
            None => addon,
            Some(AddonRole::None) => addon.without_role(),
            Some(AddonRole::PodIdentity(role)) => addon.role(role.of(eks_cluster::AddonRole::pod_identity())),
            Some(AddonRole::Irsa(role)) => addon.role(role.of(eks_cluster::AddonRole::irsa())),
            Some(AddonRole::ExistingIrsa(role)) => addon.irsa(role.0),
            Some(AddonRole::ExistingPodIdentity(given)) => addon.pod_identity(given.service_account, given.role.0),
        }
    }
}

impl OwnRole {
    fn of(self, mut role: eks_cluster::AddonRole) -> eks_cluster::AddonRole {
        role = self.service_account.into_iter().fold(role, eks_cluster::AddonRole::service_account);
        role = self.policies.into_iter().fold(role, eks_cluster::AddonRole::policy);
        role = self.aws_policies.into_iter().fold(role, eks_cluster::AddonRole::aws_policy);
        role = self.inline_policies.into_iter().fold(role, |role, (name, policy)| role.inline_policy(name, policy.0));
        if self.vpc_cni_ipv6 == Some(true) { role.vpc_cni_ipv6() } else { role }
    }
}

impl RemovedAddon {
    pub(crate) fn removal(self) -> AddonRemoval {
        let removal = AddonRemoval::new(self.name);
        if self.preserve_software == Some(true) { removal.preserving_software() } else { removal }
    }
}
