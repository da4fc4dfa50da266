//! The nodes of a cluster, as an upgrade sees them: their kubelets' versions, and who replaces them.

use std::fmt;

use eks_core::ClusterName;
use serde::{Deserialize, Serialize};

use super::{rule::Rule, skew::Component};
use crate::{KubernetesVersion, VersionError};

/// Who runs a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeKind {
    /// You: an Auto Scaling group, Karpenter, an instance of its own.
    SelfManaged,
    /// A managed node group.
    Managed {
        /// Its name.
        group: String,
    },
    /// Fargate: one node a Pod; a new Pod has the control plane's version.
    Fargate,
    /// EKS Auto Mode, which replaces it by itself after the control plane.
    AutoMode,
    /// EKS Hybrid Nodes.
    Hybrid,
}

impl NodeKind {
    /// The kind that a node's labels tell.
    pub fn of_labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut kind = Self::SelfManaged;
        for (name, value) in labels {
            match (name, value) {
                ("eks.amazonaws.com/nodegroup", group) => return Self::Managed { group: group.to_owned() },
                ("eks.amazonaws.com/compute-type", "fargate") => kind = Self::Fargate,
                ("eks.amazonaws.com/compute-type", "auto") => kind = Self::AutoMode,
                ("eks.amazonaws.com/compute-type", "hybrid") => kind = Self::Hybrid,
                _ => {}
            }
        }
        kind
    }

    /// What brings it to the version `goal`: the control plane's, or the one that the control plane goes back to.
    pub(crate) fn remedy(&self, cluster: &ClusterName, goal: KubernetesVersion, goes_back: bool) -> String {
        match self {
            Self::Managed { group } => {
                format!("aws eks update-nodegroup-version --cluster-name {cluster} --nodegroup-name {group} --kubernetes-version {goal}")
            }
            Self::Fargate if goes_back => "delete its Pod; start it again after the rollback".to_owned(),
            Self::Fargate => "delete its Pod, and a new one comes up at the control plane's version".to_owned(),
            Self::AutoMode => "wait until EKS Auto Mode has replaced it; its disruption budgets and those of Pods may hold it".to_owned(),
            Self::Hybrid if !goes_back => format!("nodeadm upgrade {goal} on the host"),
            Self::SelfManaged | Self::Hybrid => format!("replace it by a node of {goal}"),
        }
    }

    fn follows_managed_rule(&self) -> bool {
        matches!(self, Self::Managed { .. } | Self::Fargate)
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SelfManaged => f.pad("self-managed"),
            Self::Managed { group } => f.pad(&format!("managed group {group}")),
            Self::Fargate => f.pad("Fargate"),
            Self::AutoMode => f.pad("Auto Mode"),
            Self::Hybrid => f.pad("hybrid"),
        }
    }
}

/// A node and its kubelet's version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeVersion {
    /// Its name; of what EKS alone tells, the group's.
    pub name: String,
    /// Who runs it.
    pub kind: NodeKind,
    /// Its kubelet's minor version.
    pub kubelet: KubernetesVersion,
}

impl NodeVersion {
    /// A node whose kubelet says `v1.35.2-eks-1234567`, or `1.35`.
    ///
    /// # Errors
    /// If that is no version.
    pub fn new(name: impl Into<String>, kind: NodeKind, kubelet: &str) -> Result<Self, VersionError> {
        Ok(Self { name: name.into(), kind, kubelet: KubernetesVersion::of_release(kubelet)? })
    }
}

/// The nodes that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedNodes {
    /// Them.
    pub nodes: Vec<NodeVersion>,
    /// Whether these are all. EKS's own API tells of managed node groups alone; then the insight "Kubelet version skew" is what judges
    /// the others.
    pub complete: bool,
}

impl ObservedNodes {
    /// All nodes, as Kubernetes tells them.
    pub fn all(nodes: impl IntoIterator<Item = NodeVersion>) -> Self {
        Self { nodes: nodes.into_iter().collect(), complete: true }
    }

    /// Those of managed node groups, as EKS tells them.
    pub fn managed_only(nodes: impl IntoIterator<Item = NodeVersion>) -> Self {
        Self { nodes: nodes.into_iter().collect(), complete: false }
    }
}

/// What is asked of managed and Fargate nodes before the control plane moves. AWS says both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ManagedNodes {
    /// They may lag like any other ("Review the version skew": up to three minor versions from 1.25). Should EKS refuse a hop all the
    /// same, the run ends with the rule and the node groups, and goes on once they are updated.
    #[default]
    MayLag,
    /// They are at the control plane's version before each hop ("Step 1: Prepare for upgrade").
    MatchFirst,
}

/// The nodes that do not let the control plane move, each with the rule that it would break.
pub(crate) fn blockers(
    nodes: &[NodeVersion],
    from: KubernetesVersion,
    to: KubernetesVersion,
    managed: ManagedNodes,
) -> Vec<(Rule, &NodeVersion)> {
    let rule = |node: &NodeVersion| {
        // The stricter rule first: what heals it heals the other.
        let behind = managed == ManagedNodes::MatchFirst && node.kind.follows_managed_rule() && node.kubelet < from;
        behind.then_some(Rule::ManagedNodesMatch).or_else(|| Component::Kubelet.broken_by(node.kubelet, from, to))
    };
    nodes.iter().filter_map(|node| Some((rule(node)?, node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_who_runs_a_node() {
        let kind = |name, value| NodeKind::of_labels([("kubernetes.io/os", "linux"), (name, value)]);
        assert_eq!(kind("eks.amazonaws.com/nodegroup", "web"), NodeKind::Managed { group: "web".to_owned() });
        assert_eq!(kind("eks.amazonaws.com/compute-type", "fargate"), NodeKind::Fargate);
        assert_eq!(kind("eks.amazonaws.com/compute-type", "auto"), NodeKind::AutoMode);
        assert_eq!(kind("eks.amazonaws.com/compute-type", "hybrid"), NodeKind::Hybrid);
        assert_eq!(kind("x", "y"), NodeKind::SelfManaged);
    }

    #[test]
    fn kubelets_tell_patch_and_build() {
        let kubelet = |text| NodeVersion::new("n", NodeKind::Fargate, text).map(|node| node.kubelet);
        assert_eq!(kubelet("v1.35.2-eks-1234567"), Ok(KubernetesVersion::V1_35));
        assert_eq!(kubelet("1.35"), Ok(KubernetesVersion::V1_35));
        assert!(kubelet("unknown").is_err());
    }

    #[test]
    fn managed_nodes_by_either_reading() {
        let group = NodeKind::Managed { group: "web".to_owned() };
        let nodes = [NodeVersion::new("a", group, "v1.33.1").unwrap(), NodeVersion::new("b", NodeKind::SelfManaged, "v1.33.1").unwrap()];
        let (from, to) = (KubernetesVersion::V1_34, KubernetesVersion::V1_35);
        assert!(blockers(&nodes, from, to, ManagedNodes::MayLag).is_empty());
        assert_eq!(blockers(&nodes, from, to, ManagedNodes::MatchFirst), [(Rule::ManagedNodesMatch, &nodes[0])]);
    }
}
