//! Roles for Pods: through EKS Pod Identity, or by their service account's own token (IRSA).

use std::fmt;

use eks_core::{KeyError, Ref, RoleArn, StepKey};
use serde::{Deserialize, Serialize};

use super::{
    document::PolicyDocument,
    role::{RoleKind, RoleLabel},
    settings::Permissions,
};

/// A Kubernetes service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServiceAccount {
    /// The service account of that name in a namespace. A spec checks both.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The `sub` of its tokens.
    pub(crate) fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    pub(crate) fn association_key(&self) -> Result<StepKey, KeyError> {
        StepKey::new(["cluster", "pod-identity", &self.namespace, &self.name])
    }

    /// Kubernetes, "Object Names and IDs": a namespace is an RFC 1123 label, a service account's name a subdomain.
    pub(crate) fn is_valid(&self) -> bool {
        let fine = |text: &str, longest: usize, more: &[u8]| {
            let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            (1..=longest).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || more.contains(&b))
                && edge(text.bytes().next())
                && edge(text.bytes().last())
        };
        fine(&self.namespace, 63, b"") && fine(&self.name, 253, b".")
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// By which way Pods get a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "EKS has these two ways")]
pub enum PodAccess {
    /// EKS Pod Identity: an association in EKS, and the add-on eks-pod-identity-agent on the nodes. EKS User Guide, "Learn how EKS Pod
    /// Identity grants Pods access to AWS services".
    PodIdentity,
    /// The service account's own token, which IAM believes as the cluster's issuer is an identity provider of the account; the service
    /// account carries the annotation `eks.amazonaws.com/role-arn`. EKS User Guide, "IAM roles for service accounts".
    Irsa,
}

/// A role for the Pods of an application.
///
/// ```
/// use eks_cluster::{PodRole, PolicyDocument, PolicyStatement, ServiceAccount};
///
/// let bucket = PolicyDocument::new([PolicyStatement::allow(["s3:GetObject"], ["arn:aws:s3:::reports/*"])]);
/// let role = PodRole::new("reports", ServiceAccount::new("shop", "reports")).inline_policy("bucket", bucket);
/// # let _ = role;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PodRole {
    pub(crate) name: String,
    pub(crate) is_load_balancer_controller: bool,
    pub(crate) service_accounts: Vec<ServiceAccount>,
    pub(crate) permissions: Permissions,
    pub(crate) existing: Option<Ref<RoleArn>>,
    pub(crate) access: PodAccess,
    pub(crate) target: Option<RoleArn>,
    pub(crate) disable_session_tags: bool,
    pub(crate) session_policy: Option<PolicyDocument>,
}

impl PodRole {
    /// A role of our own for the Pods of a service account, through EKS Pod Identity, which may do nothing yet. The name becomes part
    /// of the role's.
    pub fn new(name: impl Into<String>, service_account: ServiceAccount) -> Self {
        Self {
            name: name.into(),
            is_load_balancer_controller: false,
            service_accounts: vec![service_account],
            permissions: Permissions::default(),
            existing: None,
            access: PodAccess::PodIdentity,
            target: None,
            disable_session_tags: false,
            session_policy: None,
        }
    }

    /// The role of the AWS Load Balancer Controller, with the policy that its project documents written into it
    /// ([`PolicyDocument::load_balancer_controller`]), for the service account `kube-system/aws-load-balancer-controller`.
    pub fn load_balancer_controller() -> Self {
        let account = ServiceAccount::new("kube-system", "aws-load-balancer-controller");
        Self { is_load_balancer_controller: true, ..Self::new("load-balancer-controller", account) }
    }

    /// Another service account that gets the role.
    pub fn service_account(mut self, account: ServiceAccount) -> Self {
        self.service_accounts.push(account);
        self
    }

    /// A managed policy, by ARN.
    pub fn policy(mut self, arn: impl Into<String>) -> Self {
        self.permissions.arns.push(arn.into());
        self
    }

    /// One of AWS's managed policies, by path and name: `AmazonS3ReadOnlyAccess`.
    pub fn aws_policy(mut self, name: impl Into<String>) -> Self {
        self.permissions.aws.push(name.into());
        self
    }

    /// A policy written into the role.
    pub fn inline_policy(mut self, name: impl Into<String>, document: PolicyDocument) -> Self {
        self.permissions.inline.insert(name.into(), document);
        self
    }

    /// By the service account's own token instead of EKS Pod Identity.
    pub fn irsa(mut self) -> Self {
        self.access = PodAccess::Irsa;
        self
    }

    /// A role that exists, or that another step makes, instead of our own; it is neither changed nor removed.
    pub fn existing(mut self, role: impl Into<Ref<RoleArn>>) -> Self {
        self.existing = Some(role.into());
        self
    }

    /// A role, of this account or another, that Pods act under in the end: EKS Pod Identity assumes it by the role of the association
    /// (EKS User Guide, "Access AWS resources using EKS Pod Identity target IAM roles"). It must trust that role.
    pub fn target_role(mut self, role: RoleArn) -> Self {
        self.target = Some(role);
        self
    }

    /// Leaves out the session tags that EKS Pod Identity adds (cluster, namespace, service account, Pod).
    pub fn without_session_tags(mut self) -> Self {
        self.disable_session_tags = true;
        self
    }

    /// Restricts the role's permissions for these Pods to what this policy allows as well. It needs
    /// [`PodRole::without_session_tags`].
    pub fn session_policy(mut self, policy: PolicyDocument) -> Self {
        self.session_policy = Some(policy);
        self
    }

    pub(crate) fn kind(&self) -> Result<RoleKind, KeyError> {
        if self.is_load_balancer_controller {
            return Ok(RoleKind::LoadBalancerController);
        }
        RoleLabel::new(&self.name).map(RoleKind::Application)
    }

    /// The role: ours by key, or the one that exists.
    pub(crate) fn role(&self) -> Result<Ref<RoleArn>, KeyError> {
        match &self.existing {
            Some(role) => Ok(role.clone()),
            None => Ok(Ref::output(self.kind()?.key(), "arn")),
        }
    }
}
