//! What must happen to the nodes before the next hop.

use std::fmt;

use eks_core::ClusterName;
use serde::{Deserialize, Serialize};

use super::{
    nodes::{NodeKind, NodeVersion},
    rule::Rule,
    skew::Component,
};
use crate::KubernetesVersion;

/// A node that does not let the control plane move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GatedNode {
    /// The node, or the managed group.
    pub node: NodeVersion,
    /// The rule that the hop would break.
    pub rule: Rule,
}

/// Where a plan ends although the upgrade does not: what runs on the nodes is too old for the next hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gate {
    /// The cluster.
    pub cluster: ClusterName,
    /// The hop that waits: to this version.
    pub before: KubernetesVersion,
    /// The control plane's version at that time.
    pub control_plane: KubernetesVersion,
    /// The nodes.
    pub nodes: Vec<GatedNode>,
    /// kube-proxy, where it is no add-on of ours and too old.
    pub kube_proxy: Option<KubernetesVersion>,
    /// The oldest version with which the hop is allowed.
    pub at_least: KubernetesVersion,
}

impl Gate {
    pub(crate) fn new(
        cluster: &ClusterName,
        control_plane: KubernetesVersion,
        before: KubernetesVersion,
        nodes: Vec<(Rule, &NodeVersion)>,
        kube_proxy: Option<KubernetesVersion>,
    ) -> Self {
        let match_first = nodes.iter().any(|(rule, _)| *rule == Rule::ManagedNodesMatch);
        Self {
            cluster: cluster.clone(),
            before,
            control_plane,
            nodes: nodes.into_iter().map(|(rule, node)| GatedNode { node: node.clone(), rule }).collect(),
            kube_proxy,
            at_least: if match_first { control_plane } else { Component::Kubelet.oldest_beside(before) },
        }
    }

    /// The rules at stake, each once.
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules: Vec<_> = self.nodes.iter().map(|node| node.rule).collect();
        rules.extend(self.kube_proxy.map(|_| Rule::KubeProxyLag));
        rules.sort();
        rules.dedup();
        rules
    }

    /// The version that new nodes should have: the control plane's at that time, so that the next gate is as far away as can be.
    pub fn become_version(&self) -> KubernetesVersion {
        self.control_plane
    }

    /// How many nodes are told by name.
    const NAMED: usize = 8;

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .nodes
            .iter()
            .take(Self::NAMED)
            .map(|GatedNode { node, rule }| {
                let remedy = node.kind.remedy(&self.cluster, self.become_version(), false);
                format!("{} ({}) is at {}, rule {rule}: {remedy}", node.name, node.kind, node.kubelet)
            })
            .collect();
        if self.nodes.len() > Self::NAMED {
            lines.push(format!("and {} more", self.nodes.len() - Self::NAMED));
        }
        if let Some(version) = self.kube_proxy {
            lines.push(format!("kube-proxy is at {version}, rule {}: set its image, or make it an add-on", Rule::KubeProxyLag));
        }
        lines
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages: std::collections::BTreeSet<_> = self.rules().into_iter().map(Rule::page).collect();
        let pages = pages.into_iter().collect::<Vec<_>>().join("; ");
        write!(f, "before {}: what runs on nodes must be at {} or newer, best at {}", self.before, self.at_least, self.control_plane)?;
        write!(f, " ({pages})")?;
        self.lines().iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Which of them block, in few words, for refusals.
pub(crate) fn named(nodes: &[(Rule, &NodeVersion)]) -> String {
    let name = |(_, node): &(Rule, &NodeVersion)| match &node.kind {
        NodeKind::Managed { group } if *group == node.name => format!("node group {group} at {}", node.kubelet),
        _ => format!("{} at {}", node.name, node.kubelet),
    };
    let mut names: Vec<_> = nodes.iter().take(Gate::NAMED).map(name).collect();
    if nodes.len() > Gate::NAMED {
        names.push(format!("{} more", nodes.len() - Gate::NAMED));
    }
    names.join(", ")
}
