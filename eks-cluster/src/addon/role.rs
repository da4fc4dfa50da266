//! How an add-on's Pods get AWS permissions.

use eks_core::{Ref, RoleArn};

use crate::identity::{Permissions, PodAccess, PolicyDocument};

/// How an add-on's Pods get AWS permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Not at all, or by the node's role.
    None,
    /// A role of our own.
    Own(AddonRole),
    /// A role of the user's, through EKS Pod Identity.
    Given { service_account: String, role: Ref<RoleArn> },
    /// A role of the user's, by the service account's own token.
    Irsa { role: Ref<RoleArn> },
}

/// A role of our own for an add-on. Where AWS names a managed policy for the add-on, that is what it may do unless more is said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct AddonRole {
    pub(crate) access: PodAccess,
    pub(crate) service_accounts: Vec<String>,
    pub(crate) permissions: Permissions,
    pub(crate) ipv6_cni: bool,
}

impl AddonRole {
    /// Through EKS Pod Identity, which AWS recommends.
    pub fn pod_identity() -> Self {
        Self { access: PodAccess::PodIdentity, service_accounts: Vec::new(), permissions: Permissions::default(), ipv6_cni: false }
    }

    /// By the service account's own token; the cluster gets an identity provider in IAM.
    pub fn irsa() -> Self {
        Self { access: PodAccess::Irsa, ..Self::pod_identity() }
    }

    /// A service account of the add-on, where this crate does not know it or another shall have the role, too.
    pub fn service_account(mut self, name: impl Into<String>) -> Self {
        self.service_accounts.push(name.into());
        self
    }

    /// A managed policy by ARN, instead of the one that AWS names.
    pub fn policy(mut self, arn: impl Into<String>) -> Self {
        self.permissions.arns.push(arn.into());
        self
    }

    /// One of AWS's managed policies by path and name, instead of the one that AWS names: `service-role/AmazonEBSCSIDriverPolicyV2`.
    pub fn aws_policy(mut self, name: impl Into<String>) -> Self {
        self.permissions.aws.push(name.into());
        self
    }

    /// A policy written into the role, instead of the one that AWS names.
    pub fn inline_policy(mut self, name: impl Into<String>, document: PolicyDocument) -> Self {
        self.permissions.inline.insert(name.into(), document);
        self
    }

    /// For the VPC CNI of an IPv6 cluster: [`PolicyDocument::vpc_cni_ipv6`], as AmazonEKS_CNI_Policy allows IPv4 addresses alone.
    pub fn vpc_cni_ipv6(mut self) -> Self {
        self.ipv6_cni = true;
        self
    }
}

/// What AWS says of an add-on's permissions.
pub(crate) struct Needs {
    /// Where its software runs, unless it is told otherwise.
    pub(crate) namespace: &'static str,
    pub(crate) service_accounts: &'static [&'static str],
    pub(crate) policies: &'static [&'static str],
}

/// EKS User Guide, "AWS add-ons", by add-on; the service accounts are also what DescribeAddonConfiguration tells as
/// `podIdentityConfiguration`.
pub(crate) fn needs(addon: &str) -> Option<Needs> {
    let needs = |namespace, service_accounts, policies| Some(Needs { namespace, service_accounts, policies });
    match addon {
        "vpc-cni" => needs("kube-system", &["aws-node"], &["AmazonEKS_CNI_Policy"]),
        "aws-ebs-csi-driver" => needs("kube-system", &["ebs-csi-controller-sa"], &["service-role/AmazonEBSCSIDriverPolicy"]),
        "aws-efs-csi-driver" => {
            needs("kube-system", &["efs-csi-controller-sa", "efs-csi-node-sa"], &["service-role/AmazonEFSCSIDriverPolicy"])
        }
        "aws-fsx-csi-driver" => needs("kube-system", &["fsx-csi-controller-sa", "fsx-csi-node-sa"], &["AmazonFSxFullAccess"]),
        "aws-mountpoint-s3-csi-driver" => needs("kube-system", &["s3-csi-driver-sa"], &[]),
        "amazon-cloudwatch-observability" => {
            needs("amazon-cloudwatch", &["cloudwatch-agent"], &["CloudWatchAgentServerPolicy", "AWSXrayWriteOnlyAccess"])
        }
        "aws-network-flow-monitoring-agent" => needs(
            "amazon-network-flow-monitor",
            &["aws-network-flow-monitor-agent-service-account"],
            &["CloudWatchNetworkFlowMonitorAgentPublishPolicy"],
        ),
        "external-dns" => needs("external-dns", &["external-dns"], &[]),
        "cert-manager" => needs("cert-manager", &["cert-manager"], &[]),
        _ => None,
    }
}
