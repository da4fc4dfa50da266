//! What the control plane is asked to be, and what can change about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use eks_core::{AuthenticationMode, ClusterName, Ref, RoleArn, SecurityGroupId, SubnetId};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{Endpoint, KubernetesVersion};

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
    pub public_access_cidrs: BTreeSet<Ipv4Net>,
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
}

/// One kind of change to a control plane. UpdateClusterConfig takes one kind at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClusterChange {
    /// Where EKS looks for who may enter; forward only.
    Authentication(AuthenticationMode),
    /// Whether DeleteCluster is refused.
    DeletionProtection(bool),
    /// From where the API is reachable.
    Endpoint {
        /// From where.
        endpoint: Endpoint,
        /// Blocks that reach the public endpoint.
        public_access_cidrs: BTreeSet<Ipv4Net>,
    },
    /// Logs that are on; the others are off.
    Logging(BTreeSet<LogType>),
    /// Tags that are missing or have another value.
    Tags(BTreeMap<String, String>),
    /// What happens at the end of standard support.
    UpgradePolicy(UpgradePolicy),
}

impl ClusterChange {
    /// IAM actions that it needs.
    pub(crate) fn iam_actions(&self) -> &'static [&'static str] {
        match self {
            Self::Tags(_) => &["eks:TagResource"],
            _ => &["eks:UpdateClusterConfig", "eks:DescribeUpdate"],
        }
    }
}

impl fmt::Display for ClusterChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authentication(mode) => write!(f, "authentication mode: {}", mode.as_str()),
            Self::DeletionProtection(on) => write!(f, "deletion protection: {}", if *on { "on" } else { "off" }),
            Self::Endpoint { endpoint, public_access_cidrs } if endpoint.is_public() => {
                write!(f, "endpoint: {endpoint}, reached from {}", list(public_access_cidrs))
            }
            Self::Endpoint { endpoint, .. } => write!(f, "endpoint: {endpoint}"),
            Self::Logging(logs) if logs.is_empty() => write!(f, "logging: none"),
            Self::Logging(logs) => write!(f, "logging: {}", list(logs.iter().map(|log| log.as_str()))),
            Self::Tags(tags) => write!(f, "tags: {}", list(tags.iter().map(|(key, value)| format!("{key}={value}")))),
            Self::UpgradePolicy(policy) => write!(f, "upgrade policy: {}", policy.as_str()),
        }
    }
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(feature = "aws")]
impl ClusterChange {
    /// Whether a cluster is so already.
    pub(crate) fn is_made(&self, cluster: &crate::ObservedCluster) -> bool {
        match self {
            Self::Authentication(mode) => cluster.authentication.is_some_and(|found| rank(found) >= rank(*mode)),
            Self::DeletionProtection(on) => cluster.deletion_protection == *on,
            Self::Endpoint { endpoint, public_access_cidrs } => {
                cluster.endpoint == *endpoint && (!endpoint.is_public() || cluster.public_access_cidrs == *public_access_cidrs)
            }
            Self::Logging(logs) => cluster.logging == *logs,
            Self::Tags(tags) => tags.iter().all(|(key, value)| cluster.tags.get(key) == Some(value)),
            Self::UpgradePolicy(policy) => cluster.upgrade_policy == Some(*policy),
        }
    }
}

/// Modes in the order in which EKS allows them to follow one another.
pub(crate) fn rank(mode: AuthenticationMode) -> u8 {
    match mode {
        AuthenticationMode::ConfigMap => 0,
        AuthenticationMode::ApiAndConfigMap => 1,
        _ => 2,
    }
}
