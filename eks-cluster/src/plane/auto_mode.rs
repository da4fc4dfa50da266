//! EKS Auto Mode: nodes, block storage and load balancers that EKS runs.

use std::{collections::BTreeSet, fmt};

use eks_core::{AuthenticationMode, Problems, Ref, RoleArn};
use serde::{Deserialize, Serialize};

use crate::partition::{self, Partition};

/// A node pool that Auto Mode brings. Amazon EKS User Guide, "Enable or Disable Built-in NodePools".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NodePool {
    /// For any workload.
    GeneralPurpose,
    /// For critical add-ons, with the taint CriticalAddonsOnly.
    System,
}

impl NodePool {
    /// Both.
    pub const ALL: [Self; 2] = [Self::GeneralPurpose, Self::System];

    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GeneralPurpose => "general-purpose",
            Self::System => "system",
        }
    }

    #[cfg(feature = "aws")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pool| pool.as_str() == name)
    }
}

/// EKS Auto Mode: compute, block storage and load balancing, which EKS switches on and off only together. Its nodes cost about 12 %
/// on top of their instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "it is on or off")]
pub enum AutoMode {
    /// Off. On a cluster that has it, EKS terminates its nodes and deletes its load balancers.
    Off,
    /// On.
    On {
        /// The node pools that EKS makes; none if you make your own.
        node_pools: BTreeSet<NodePool>,
        /// The role of the nodes of those pools. It must be given with them, and cannot be changed afterwards.
        node_role: Option<Ref<RoleArn>>,
    },
}

impl AutoMode {
    /// On, with both node pools, whose nodes run under `node_role`.
    pub fn with_pools(node_role: impl Into<Ref<RoleArn>>) -> Self {
        Self::On { node_pools: NodePool::ALL.into(), node_role: Some(node_role.into()) }
    }

    /// On, without node pools: you make your own.
    pub fn without_pools() -> Self {
        Self::On { node_pools: BTreeSet::new(), node_role: None }
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::On { .. })
    }

    pub(crate) fn node_role(&self) -> Option<&Ref<RoleArn>> {
        match self {
            Self::Off => None,
            Self::On { node_role, .. } => node_role.as_ref(),
        }
    }

    /// Whether `found` is as this says. A role that is not known yet, or that need not be given, is no difference.
    pub(crate) fn is_met_by(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Off, Self::Off) => true,
            (Self::On { node_pools, node_role }, Self::On { node_pools: pools, node_role: role }) => {
                let known = node_role.as_ref().and_then(Ref::known);
                node_pools == pools && known.is_none_or(|known| role.as_ref().and_then(Ref::known) == Some(known))
            }
            _ => false,
        }
    }
}

/// Policies of the cluster role beside AmazonEKSClusterPolicy. Amazon EKS User Guide, "Amazon EKS Auto Mode cluster IAM role".
pub(crate) const CLUSTER_POLICIES: [&str; 4] =
    ["AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicy", "AmazonEKSLoadBalancingPolicy", "AmazonEKSNetworkingPolicy"];

/// The first version that has it. Amazon EKS User Guide, "Create an EKS Auto Mode Cluster".
const FIRST_MINOR: u16 = 29;

pub(crate) struct Around<'a> {
    pub(crate) minor: u16,
    pub(crate) authentication: AuthenticationMode,
    pub(crate) bootstrap_self_managed: Option<bool>,
    pub(crate) partition: &'a Partition,
}

pub(crate) fn check(mode: &AutoMode, around: &Around<'_>, problems: &mut Problems) {
    let AutoMode::On { node_pools, node_role } = mode else { return };
    let mut say = |code: &'static str, rule: &str, remedy: &str| problems.add(code, "Auto Mode", rule, remedy);
    if around.minor < FIRST_MINOR {
        say("auto-mode-version", "needs Kubernetes 1.29", "choose a later version");
    }
    if !around.authentication.has_access_entries() {
        say("auto-mode-authentication", "lets its nodes in by access entries", "choose the authentication mode Api or ApiAndConfigMap");
    }
    if around.bootstrap_self_managed == Some(true) {
        say(
            "auto-mode-self-managed",
            "brings its own networking, DNS and proxy, so EKS must not install vpc-cni, coredns and kube-proxy beside them",
            "leave bootstrap_self_managed_addons out",
        );
    }
    match (node_pools.is_empty(), node_role) {
        (false, None) => say("auto-mode-node-role", "node pools need a role for their nodes", "give one, or no node pools"),
        (true, Some(_)) => {
            say("auto-mode-node-pools", "a node role is for node pools, of which there are none", "give node pools, or no role")
        }
        _ => {}
    }
    if let Some(arn) = node_role.as_ref().and_then(Ref::known)
        && partition::of_arn(arn.as_str()) != Some(around.partition.name)
    {
        say("auto-mode-role-partition", "its node role is of another partition than the cluster", "give a role of the cluster's account");
    }
}

impl fmt::Display for AutoMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On { node_pools, .. } if node_pools.is_empty() => f.write_str("on, without node pools"),
            Self::On { node_pools, node_role } => {
                let pools: Vec<_> = node_pools.iter().map(|pool| pool.as_str()).collect();
                write!(f, "on, with node pools {}", pools.join(", "))?;
                node_role.iter().try_for_each(|role| write!(f, " under {role}"))
            }
        }
    }
}
