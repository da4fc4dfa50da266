//! IAM actions that each operation may need, with its polls and with what a second attempt reads.

use super::op::{BalancerChange, MachineOp};

/// What observing calls: for a plan, and again before it is applied.
pub(crate) const OBSERVING: [&str; 10] = [
    "ec2:DescribeImages",
    "ec2:DescribeInstances",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "elasticloadbalancing:DescribeInstanceHealth",
    "elasticloadbalancing:DescribeLoadBalancerAttributes",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTags",
];

/// Encrypting with a key of one's own. (Amazon EBS User Guide, "Permissions for IAM users".)
pub(crate) const KMS: [&str; 5] =
    ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*"];

impl MachineOp {
    pub(crate) fn permissions(&self) -> Vec<&'static str> {
        match self {
            Self::KeyPair { .. } => vec!["ec2:CreateTags", "ec2:DescribeKeyPairs", "ec2:ImportKeyPair"],
            Self::Launch { launch, .. } => {
                let mut actions = vec!["ec2:CreateTags", "ec2:DescribeInstances", "ec2:RunInstances"];
                if launch.image.starts_with("resolve:") {
                    actions.push("ssm:GetParameters");
                }
                if launch.status_checks {
                    actions.push("ec2:DescribeInstanceStatus");
                }
                if launch.root.kms_key.is_some() {
                    actions.extend(KMS);
                }
                actions
            }
            Self::ChangeInstance { groups, metadata, .. } => {
                let mut actions = vec!["ec2:CreateTags", "ec2:DescribeInstances"];
                actions.extend(groups.is_some().then_some("ec2:ModifyInstanceAttribute"));
                actions.extend(metadata.is_some().then_some("ec2:ModifyInstanceMetadataOptions"));
                actions
            }
            Self::Volume { disk, .. } => {
                let mut actions = vec!["ec2:CreateTags", "ec2:CreateVolume", "ec2:DescribeVolumes"];
                if disk.kms_key.is_some() {
                    actions.extend(KMS);
                }
                actions
            }
            Self::ChangeVolume { .. } => {
                vec!["ec2:CreateTags", "ec2:DescribeVolumes", "ec2:DescribeVolumesModifications", "ec2:ModifyVolume"]
            }
            Self::Attachment { .. } => vec!["ec2:AttachVolume", "ec2:DescribeVolumes", "ec2:DetachVolume"],
            Self::Detach { .. } => vec!["ec2:DescribeVolumes", "ec2:DetachVolume"],
            Self::LoadBalancer { .. } => vec![
                "elasticloadbalancing:AddTags",
                "elasticloadbalancing:ConfigureHealthCheck",
                "elasticloadbalancing:CreateLoadBalancer",
                "elasticloadbalancing:ModifyLoadBalancerAttributes",
                // The first load balancer of an account makes Elastic Load Balancing's service-linked role.
                "iam:CreateServiceLinkedRole",
            ],
            Self::ChangeLoadBalancer { changes, .. } => {
                let of = |change: &BalancerChange| match change {
                    BalancerChange::RemoveListeners(_) => "elasticloadbalancing:DeleteLoadBalancerListeners",
                    BalancerChange::AddListeners(_) => "elasticloadbalancing:CreateLoadBalancerListeners",
                    BalancerChange::Certificate(..) => "elasticloadbalancing:SetLoadBalancerListenerSSLCertificate",
                    BalancerChange::HealthCheck(_) => "elasticloadbalancing:ConfigureHealthCheck",
                    BalancerChange::DetachSubnets(_) => "elasticloadbalancing:DetachLoadBalancerFromSubnets",
                    BalancerChange::AttachSubnets(_) => "elasticloadbalancing:AttachLoadBalancerToSubnets",
                    BalancerChange::Groups(_) => "elasticloadbalancing:ApplySecurityGroupsToLoadBalancer",
                    BalancerChange::Attributes(_) => "elasticloadbalancing:ModifyLoadBalancerAttributes",
                };
                changes.iter().map(of).chain(["elasticloadbalancing:AddTags"]).collect()
            }
            Self::Registration { .. } => vec![
                "elasticloadbalancing:DeregisterInstancesFromLoadBalancer",
                "elasticloadbalancing:DescribeInstanceHealth",
                "elasticloadbalancing:RegisterInstancesWithLoadBalancer",
            ],
            Self::DeleteLoadBalancer { .. } => vec!["ec2:DescribeNetworkInterfaces", "elasticloadbalancing:DeleteLoadBalancer"],
            Self::TerminateInstance { .. } => vec!["ec2:DescribeInstances", "ec2:TerminateInstances"],
            Self::DeleteVolume { .. } => vec!["ec2:DeleteVolume"],
            Self::DeleteKeyPair { .. } => vec!["ec2:DeleteKeyPair"],
        }
    }
}
