//! What a running drain tells, and what it tells at the end.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{cluster::PodRef, filter::Filtered};

/// Something that happened. Plain data, in the order of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DrainEvent {
    /// A node takes no more Pods.
    Cordoned {
        /// Its name.
        node: String,
        /// Whether it was cordoned before, by a person or by an earlier run.
        before: bool,
    },
    /// A Pod stays.
    Stays {
        /// Which.
        pod: PodRef,
        /// Why.
        why: Filtered,
    },
    /// The API server accepted an eviction; the Pod has its grace period now.
    Evicted {
        /// Which.
        pod: PodRef,
    },
    /// An eviction was refused, and is going to be tried again.
    Held {
        /// Which.
        pod: PodRef,
        /// What the API server said.
        why: String,
    },
    /// A Pod is gone.
    Gone {
        /// Which.
        pod: PodRef,
        /// Since the drain began.
        after: Duration,
    },
    /// A workload got a replica more, or got its number back.
    Scaled {
        /// `Deployment shop/web`
        workload: String,
        /// How many there were.
        from: i64,
        /// How many there are.
        to: i64,
    },
    /// A workload keeps its one replica more: without it, too few of its Pods would be ready. A later drain of these nodes takes it away, or
    /// `client::Objects::restore_replicas`.
    LeftScaled {
        /// `StatefulSet shop/db`
        workload: String,
    },
    /// A Pod was deleted after the deadline, against its budget.
    Deleted {
        /// Which.
        pod: PodRef,
    },
    /// Nothing that must go is left on a node.
    Drained {
        /// Its name.
        node: String,
        /// Since the drain began.
        after: Duration,
    },
    /// A node takes Pods again.
    Uncordoned {
        /// Its name.
        node: String,
    },
}

/// How it ended for a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PodEnd {
    /// Evicted, and gone.
    Gone,
    /// Gone without our doing.
    WentByItself,
    /// Deleted after the deadline.
    Deleted,
    /// Left where it is.
    Stays(Filtered),
    /// Evicted or deleted; it was not gone when the drain ended.
    Going,
    /// Still there; what the API server said last.
    Held(String),
}

/// How it ended for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeEnd {
    /// Nothing that must go is left on it.
    Drained,
    /// Not empty; it takes no Pods.
    Cordoned,
    /// Not empty; it takes Pods again.
    Uncordoned,
    /// Its turn did not come, and it is as it was.
    Untouched,
}

/// How a drain ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DrainReport {
    /// Nodes, by name.
    pub nodes: BTreeMap<String, NodeEnd>,
    /// Every Pod that was on them, in order.
    pub pods: Vec<(PodRef, PodEnd)>,
    /// Workloads that keep one replica more, because without it too few of their Pods would be ready.
    pub left_scaled: Vec<String>,
    /// Why it was given up, if it was.
    pub given_up: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// Requests to the API server, watches and retries among them.
    pub calls: u64,
}

impl DrainReport {
    /// Whether every node is drained.
    pub fn is_complete(&self) -> bool {
        self.given_up.is_none() && self.nodes.values().all(|end| *end == NodeEnd::Drained)
    }

    /// Pods that are still there and should not be.
    pub fn held(&self) -> impl Iterator<Item = (&PodRef, &str)> {
        self.pods.iter().filter_map(|(pod, end)| match end {
            PodEnd::Held(why) => Some((pod, why.as_str())),
            _ => None,
        })
    }
}

impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drained = self.nodes.values().filter(|end| **end == NodeEnd::Drained).count();
        let gone = self.pods.iter().filter(|(_, end)| matches!(end, PodEnd::Gone | PodEnd::Deleted | PodEnd::WentByItself)).count();
        write!(f, "{drained} of {} nodes drained, {gone} Pods gone in {} s", self.nodes.len(), self.took.as_secs())?;
        if let Some(why) = &self.given_up {
            write!(f, "; given up: {why}")?;
        }
        if !self.left_scaled.is_empty() {
            write!(f, "; one replica more is left to {}", self.left_scaled.join(", "))?;
        }
        for (pod, why) in self.held() {
            write!(f, "\n  {pod} is still there: {why}")?;
        }
        Ok(())
    }
}
