//! What is said of roles of our own.

use std::collections::BTreeMap;

use super::document::PolicyDocument;
use crate::partition::Partition;

/// What all roles of our own have: where companies have rules for roles, they are these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RoleSettings {
    pub(crate) path: Option<String>,
    pub(crate) boundary: Option<String>,
}

impl RoleSettings {
    /// IAM's defaults: the path `/`, no boundary.
    pub fn new() -> Self {
        Self::default()
    }

    /// The path of the roles: `/eks/shop/`. It becomes part of their ARNs, and cannot be changed later.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// ARN of the managed policy that bounds what the roles can do, whatever their policies allow. IAM User Guide, "Permissions
    /// boundaries for IAM entities". Without it, a boundary that somebody else has put on a role stays.
    pub fn permissions_boundary(mut self, policy_arn: impl Into<String>) -> Self {
        self.boundary = Some(policy_arn.into());
        self
    }
}

/// What a role may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permissions {
    /// AWS's managed policies, by path and name.
    pub(crate) aws: Vec<String>,
    /// Managed policies by ARN.
    pub(crate) arns: Vec<String>,
    /// Policies written into the role.
    pub(crate) inline: BTreeMap<String, PolicyDocument>,
}

impl Permissions {
    pub(crate) fn is_empty(&self) -> bool {
        self.aws.is_empty() && self.arns.is_empty() && self.inline.is_empty()
    }

    /// ARNs of the managed policies.
    pub(crate) fn managed(&self, partition: Partition) -> Vec<String> {
        self.aws.iter().map(|name| partition.managed_policy(name)).chain(self.arns.iter().cloned()).collect()
    }
}

/// A role for nodes, for what takes a role and not a stack: managed node groups, Auto Mode, launch templates of one's own. No instance
/// profile is made: EKS makes one where it launches nodes itself. Workers of `eks-nodes` bring their own role.
///
/// EKS User Guide, "Amazon EKS node IAM role": AmazonEKSWorkerNodePolicy and AmazonEC2ContainerRegistryPullOnly, with
/// AmazonEKS_CNI_Policy unless the VPC CNI has a role of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NodeRole {
    pub(crate) name: String,
    pub(crate) minimal: bool,
    pub(crate) permissions: Permissions,
}

impl NodeRole {
    /// A role for ordinary nodes. The name becomes part of the role's.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), minimal: false, permissions: Permissions::default() }
    }

    /// A role for nodes of Auto Mode: AmazonEKSWorkerNodeMinimalPolicy instead, and no CNI policy (EKS User Guide, "Amazon EKS Auto
    /// Mode node IAM role").
    pub fn auto_mode(name: impl Into<String>) -> Self {
        Self { minimal: true, ..Self::new(name) }
    }

    /// One more managed policy, by ARN.
    pub fn policy(mut self, arn: impl Into<String>) -> Self {
        self.permissions.arns.push(arn.into());
        self
    }

    /// One more of AWS's managed policies, by name: `AmazonSSMManagedInstanceCore`.
    pub fn aws_policy(mut self, name: impl Into<String>) -> Self {
        self.permissions.aws.push(name.into());
        self
    }
}
