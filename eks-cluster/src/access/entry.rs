//! An access entry, as a user asks for it and as EKS is asked for it.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{KeyError, Ref, RoleArn, StepKey};
use serde::{Deserialize, Serialize};

use super::{AccessPolicy, AccessScope, AccessType, policy::CLUSTER_ADMIN};
use crate::partition::Partition;

/// An access entry that should exist. An entry that carries our tag is wholly as the spec says: what others add to it (groups,
/// policies) is told by the next plan and taken off. Entries of others are never changed; one that gives at least what is
/// asked for is kept.
///
/// ```
/// use eks_cluster::{AccessEntry, AccessPolicy};
///
/// let developers = AccessEntry::standard("arn:aws:iam::123456789012:role/team/developers")
///     .named("developers")
///     .group("on-call")
///     .policy(AccessPolicy::edit().in_namespaces(["shop", "dev-*"]));
/// assert_eq!(developers.name(), "developers");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    pub(crate) kind: AccessType,
    /// Becomes part of the step's key.
    pub(crate) name: String,
    pub(crate) principal: Ref<String>,
    pub(crate) username: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) policies: Vec<AccessPolicy>,
}

impl AccessEntry {
    /// For an IAM role or user, by its ARN with its path. It may be of another account. It is named after the last part of the
    /// ARN.
    #[must_use]
    pub fn standard(principal_arn: impl Into<String>) -> Self {
        let arn = principal_arn.into();
        let name = sanitised(arn.rsplit('/').next().unwrap_or_default());
        Self::new(AccessType::Standard, name, Ref::Known(arn))
    }

    /// For the role of nodes, by type.
    #[must_use]
    pub fn nodes(kind: AccessType, name: impl Into<String>, role: impl Into<Ref<RoleArn>>) -> Self {
        let principal = match role.into() {
            Ref::Known(arn) => Ref::Known(arn.to_string()),
            Ref::Output(output) => Ref::Output(output),
        };
        Self::new(kind, name.into(), principal)
    }

    pub(crate) fn admin(principal_arn: String) -> Self {
        let entry = Self::standard(principal_arn).policy(AccessPolicy::cluster_admin());
        let name = format!("admin/{}", entry.name);
        entry.named(name)
    }

    fn new(kind: AccessType, name: String, principal: Ref<String>) -> Self {
        Self { kind, name, principal, username: None, groups: Vec::new(), policies: Vec::new() }
    }

    /// Another name. Its key is `cluster/access/<name>`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The user name in Kubernetes, for [`AccessType::Standard`]. Without one, EKS chooses: a user's ARN, or
    /// `arn:aws:sts::<account>:assumed-role/<role>/{{SessionName}}`; then a change by others is left as it is.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// In this Kubernetes group, too, for [`AccessType::Standard`]; role bindings give it permissions.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// With the permissions of this access policy, too.
    #[must_use]
    pub fn policy(mut self, policy: AccessPolicy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type.
    pub fn kind(&self) -> AccessType {
        self.kind
    }

    /// ARN of the principal.
    pub fn principal(&self) -> &Ref<String> {
        &self.principal
    }

    /// The groups that it gives.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The policies that it associates.
    pub fn policies(&self) -> &[AccessPolicy] {
        &self.policies
    }

    pub(crate) fn key(&self) -> Result<StepKey, KeyError> {
        format!("cluster/access/{}", self.name).parse()
    }

    /// Whether it lets somebody do everything.
    pub(crate) fn is_admin(&self) -> bool {
        self.policies.iter().any(|policy| policy.name == CLUSTER_ADMIN && policy.scope == AccessScope::Cluster)
    }

    /// What it is, for people.
    pub(crate) fn title(&self) -> String {
        let principal = &self.principal;
        match self.kind {
            AccessType::Standard if self.is_admin() => format!("administrator {principal}"),
            AccessType::Standard => {
                let groups = self.groups.iter().map(|group| format!("group {group}"));
                let gives: Vec<_> = self.policies.iter().map(ToString::to_string).chain(groups).collect();
                let gives = if gives.is_empty() { "no permissions".to_owned() } else { gives.join("; ") };
                format!("access of {principal}: {gives}")
            }
            AccessType::FargateLinux => format!("Fargate Pods of role {principal} may join"),
            _ => format!("nodes of role {principal} may join"),
        }
    }

    pub(crate) fn request(&self, partition: Partition) -> AccessRequest {
        AccessRequest {
            kind: self.kind,
            principal: self.principal.clone(),
            username: self.username.clone(),
            groups: self.groups.iter().cloned().collect(),
            policies: self.policies.iter().map(|policy| (partition.access_policy(&policy.name), policy.scope.clone())).collect(),
        }
    }
}

/// IAM allows characters in names that keys do not.
pub(crate) fn sanitised(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect()
}

/// An access entry as CreateAccessEntry and AssociateAccessPolicy are asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessRequest {
    /// EKS's type.
    pub kind: AccessType,
    /// ARN of the principal.
    pub principal: Ref<String>,
    /// User name in Kubernetes; EKS chooses if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Kubernetes groups.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// ARNs of the policies to associate, and where they hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, AccessScope>,
}
