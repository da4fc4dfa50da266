//! Networks of EKS Hybrid Nodes.

use std::{collections::BTreeSet, fmt};

use eks_core::{AuthenticationMode, Problems};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::IpFamily;

/// Networks on premises whose nodes join the cluster. EKS API Reference, `RemoteNetworkConfigRequest`. Both can be changed, and
/// taken away, later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RemoteNetworks {
    /// Blocks of nodes.
    pub nodes: BTreeSet<Ipv4Net>,
    /// Blocks of Pods, if webhooks run on hybrid nodes.
    pub pods: BTreeSet<Ipv4Net>,
}

/// EKS User Guide, "Prepare networking for hybrid nodes": 15 blocks of each kind.
const MOST: usize = 15;
/// "Each block must be within an IPv4 RFC-1918 network range."
const ALLOWED: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

impl RemoteNetworks {
    /// Blocks of nodes, and of their Pods.
    pub fn new(nodes: impl IntoIterator<Item = Ipv4Net>, pods: impl IntoIterator<Item = Ipv4Net>) -> Self {
        Self { nodes: nodes.into_iter().collect(), pods: pods.into_iter().collect() }
    }

    /// No hybrid nodes: takes away what a cluster has.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.pods.is_empty()
    }
}

pub(crate) struct Around<'a> {
    pub(crate) family: IpFamily,
    pub(crate) authentication: AuthenticationMode,
    pub(crate) vpc: &'a [Ipv4Net],
    pub(crate) services: Option<Ipv4Net>,
}

pub(crate) fn check(networks: &RemoteNetworks, around: &Around<'_>, problems: &mut Problems) {
    if networks.is_empty() {
        return;
    }
    let subject = "remote networks";
    if around.family == IpFamily::Ipv6 {
        problems.add("remote-ipv6", subject, "hybrid nodes do not work with the IPv6 family", "choose IPv4, or leave them out");
    }
    if !around.authentication.has_access_entries() {
        let rule = "hybrid nodes come in by access entries, which the authentication mode CONFIG_MAP has not";
        problems.add("remote-authentication", subject, rule, "choose the authentication mode Api or ApiAndConfigMap");
    }
    if networks.nodes.is_empty() {
        problems.add("remote-pods-alone", subject, "Pods run on nodes, and no network of nodes is given", "give the nodes' blocks, too");
    }
    for (what, blocks) in [("node", &networks.nodes), ("pod", &networks.pods)] {
        if blocks.len() > MOST {
            let rule = format!("EKS takes {MOST} {what} networks, these are {}", blocks.len());
            problems.add("remote-count", subject, rule, "summarise them");
        }
        for block in blocks {
            check_block(*block, what, around, problems);
        }
    }
    for node in &networks.nodes {
        for pod in networks.pods.iter().filter(|pod| pod.contains(node) || node.contains(*pod)) {
            let rule = format!("the nodes' {node} and the Pods' {pod} overlap");
            problems.add("remote-overlap", subject, rule, "give blocks apart from one another");
        }
    }
}

fn check_block(block: Ipv4Net, what: &str, around: &Around<'_>, problems: &mut Problems) {
    let subject = format!("remote {what} network {block}");
    if block.trunc() != block {
        problems.add("remote-host-bits", &subject, "has bits set beyond its prefix", format!("write {}", block.trunc()));
    }
    if !ALLOWED.iter().filter_map(|allowed| allowed.parse::<Ipv4Net>().ok()).any(|allowed| allowed.contains(&block)) {
        problems.add("remote-range", &subject, format!("is not inside one of {}", ALLOWED.join(", ")), "give private addresses");
    }
    let taken = around.vpc.iter().map(|vpc| ("the VPC's block", *vpc));
    for (whose, other) in taken.chain(around.services.map(|services| ("the service CIDR", services))) {
        if other.contains(&block) || block.contains(&other) {
            problems.add("remote-overlap", &subject, format!("overlaps {whose} {other}"), "give blocks apart from one another");
        }
    }
}

impl fmt::Display for RemoteNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |blocks: &BTreeSet<Ipv4Net>| blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (self.nodes.is_empty(), self.pods.is_empty()) {
            (true, true) => f.write_str("none"),
            (_, true) => write!(f, "nodes {}", list(&self.nodes)),
            _ => write!(f, "nodes {}, pods {}", list(&self.nodes), list(&self.pods)),
        }
    }
}
