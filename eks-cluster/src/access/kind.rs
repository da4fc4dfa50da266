//! Types of access entries.

use std::fmt;

use serde::{Deserialize, Serialize};

/// EKS's type of an access entry, which cannot be changed. EKS User Guide, "Create access entries".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum AccessType {
    /// People and programs.
    Standard,
    /// Self-managed nodes with Linux or Bottlerocket.
    Ec2Linux,
    /// Self-managed nodes with Windows.
    Ec2Windows,
    /// Pods on Fargate.
    FargateLinux,
    /// Nodes of Auto Mode with node classes of their own.
    Ec2,
    /// Hybrid nodes.
    HybridLinux,
    /// Nodes of SageMaker HyperPod.
    HyperpodLinux,
}

impl AccessType {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Standard, Self::Ec2Linux, Self::Ec2Windows, Self::FargateLinux, Self::Ec2, Self::HybridLinux, Self::HyperpodLinux];

    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Ec2Linux => "EC2_LINUX",
            Self::Ec2Windows => "EC2_WINDOWS",
            Self::FargateLinux => "FARGATE_LINUX",
            Self::Ec2 => "EC2",
            Self::HybridLinux => "HYBRID_LINUX",
            Self::HyperpodLinux => "HYPERPOD_LINUX",
        }
    }

    /// Whether the entry may give a user name and groups; EKS fixes them for the others.
    pub fn takes_groups(self) -> bool {
        self == Self::Standard
    }

    /// Whether access policies can be associated. EKS User Guide, "Associate access policies with access entries", and for Auto
    /// Mode "Create a Node Class for Amazon EKS", whose roles need AmazonEKSAutoNodePolicy.
    pub fn takes_policies(self) -> bool {
        matches!(self, Self::Standard | Self::Ec2)
    }

    /// Whether whoever makes the entry passes the role to EC2.
    pub(crate) fn passes_role(self) -> bool {
        matches!(self, Self::Ec2Linux | Self::Ec2Windows | Self::Ec2)
    }
}

impl fmt::Display for AccessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
