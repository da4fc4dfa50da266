//! Nodes that somebody waits for, as plain data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ClusterName, ConfigMapAccess};

/// A node, as Kubernetes tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The DaemonSets of every namespace, if they could be listed: the network plugin is one of them.
    pub daemon_sets: Option<Vec<String>>,
}
