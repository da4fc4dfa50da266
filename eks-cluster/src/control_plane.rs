//! What the control plane is asked to be, and what can change about it.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{AuthenticationMode, ClusterName, Ref, RoleArn, SecurityGroupId, SubnetId};
use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::{Endpoint, KubernetesVersion, Settings};

/// A control-plane log that goes to CloudWatch Logs, at its price. EKS User Guide, "Send control plane logs to CloudWatch Logs".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum LogType {
    /// Every API request.
    Api,
    /// Who did what.
    Audit,
    /// Who was let in, and why not.
    Authenticator,
    /// The controller manager.
    ControllerManager,
    /// The scheduler.
    Scheduler,
}

impl LogType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Api, Self::Audit, Self::Authenticator, Self::ControllerManager, Self::Scheduler];

    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Audit => "audit",
            Self::Authenticator => "authenticator",
            Self::ControllerManager => "controllerManager",
            Self::Scheduler => "scheduler",
        }
    }

    /// The log of that name.
    #[cfg(feature = "aws")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|log| log.as_str() == name)
    }
}

/// What EKS does when standard support of the cluster's version ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(clippy::exhaustive_enums, reason = "a third policy would be a new decision for the user")]
pub enum UpgradePolicy {
    /// Keep the version, at the price of extended support. EKS's default.
    Extended,
    /// Upgrade the control plane.
    Standard,
}

impl UpgradePolicy {
    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extended => "EXTENDED",
            Self::Standard => "STANDARD",
        }
    }
}

/// A control plane as CreateCluster is asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ControlPlane {
    /// Name of the cluster.
    pub name: ClusterName,
    /// Kubernetes version.
    pub version: KubernetesVersion,
    /// The role that it acts under.
    pub role: Ref<RoleArn>,
    /// Subnets of its network interfaces.
    pub subnets: Vec<Ref<SubnetId>>,
    /// Groups on its network interfaces, beside the one that EKS makes.
    pub security_groups: Vec<Ref<SecurityGroupId>>,
    /// From where the API is reachable.
    pub endpoint: Endpoint,
    /// Blocks that reach the public endpoint; empty when it is private.
    pub public_access_cidrs: BTreeSet<IpNet>,
    /// Addresses of Services; EKS chooses if `None`.
    pub service_cidr: Option<Ipv4Net>,
    /// Where EKS looks for who may enter.
    pub authentication: AuthenticationMode,
    /// Whether the creator becomes an administrator.
    pub creator_admin: bool,
    /// Logs that are on.
    pub logging: BTreeSet<LogType>,
    /// What happens at the end of standard support; EKS's default if `None`.
    pub upgrade_policy: Option<UpgradePolicy>,
    /// Whether DeleteCluster is refused.
    pub deletion_protection: bool,
    /// Whether EKS installs its own vpc-cni, coredns and kube-proxy, not as add-ons.
    pub bootstrap_self_managed_addons: bool,
    /// The user's tags, beside ours.
    pub tags: BTreeMap<String, String>,
    /// Everything else.
    #[serde(default)]
    pub settings: Settings,
}
