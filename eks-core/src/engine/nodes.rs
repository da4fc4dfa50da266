//! What whoever waits for nodes may ask: whether they will come at all.

use std::time::Duration;

use super::BoxFuture;
use crate::{ClusterName, ConfigMapAccess, Diagnosis};

/// A node, as Kubernetes tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever waits builds it")]
pub struct SeenNode {
    /// Its name.
    pub name: String,
    /// The EC2 instance that it is, from its provider id.
    pub instance: Option<String>,
    /// Whether it carries the label by which it is waited for.
    pub labelled: bool,
    /// Whether it is Ready.
    pub ready: bool,
    /// For how long it has been seen not to be.
    pub not_ready_for: Duration,
    /// What its condition Ready says.
    pub message: String,
}

/// Nodes that somebody waits for, and what Kubernetes tells meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever waits builds it")]
pub struct AwaitedNodes {
    /// The cluster that they should join, if it is known by name.
    pub cluster: Option<ClusterName>,
    /// The group: the name of its CloudFormation stack.
    pub group: String,
    /// How many nodes should be Ready.
    pub desired: u32,
    /// For how long they have been waited for.
    pub waited: Duration,
    /// Every node of the cluster, if they could be listed.
    pub nodes: Option<Vec<SeenNode>>,
    /// What aws-auth says, if it could be read; without entries where there is none.
    pub aws_auth: Option<ConfigMapAccess>,
    /// The DaemonSets of namespace `kube-system`, if they could be listed: the network plugin is one of them.
    pub daemon_sets: Option<Vec<String>>,
}

/// Looks after nodes that somebody waits for.
///
/// Implemented by who knows the machines, asked by who knows Kubernetes. Neither needs to know the other.
pub trait WatchNodes: Send + Sync {
    /// Why the nodes will not come as things stand; `None` as long as that is not certain. Asked about every twenty seconds.
    ///
    /// It changes nothing, and it never fails: what it could not look at, it says nothing about.
    fn doom<'a>(&'a self, awaited: &'a AwaitedNodes) -> BoxFuture<'a, Option<Diagnosis>>;
}
