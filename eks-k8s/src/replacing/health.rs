//! How workloads, nodes and Pods are, and what of it has become worse.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::drain::PodRef;

/// How a cluster is at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// Deployments, StatefulSets, DaemonSets, and ReplicaSets that no Deployment owns.
    pub workloads: Vec<WorkloadHealth>,
    /// Nodes.
    pub nodes: Vec<NodeHealth>,
    /// Pods that do not get on by themselves.
    pub troubles: Vec<PodTrouble>,
}

/// How a workload is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkloadHealth {
    /// `Deployment`
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many Pods there should be.
    pub wanted: u32,
    /// How many are ready.
    pub ready: u32,
    /// How many have been ready for its `minReadySeconds`.
    pub available: u32,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeHealth {
    /// Its name.
    pub name: String,
    /// Whether its condition Ready is True.
    pub ready: bool,
    /// Whether it is cordoned. What becomes of such a node is shown by its Pods' workloads.
    pub closed: bool,
}

/// A Pod that does not get on by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PodTrouble {
    /// Which.
    pub pod: PodRef,
    /// Who made it: `ReplicaSet web-7d9`. Its successors have other names, and the same maker.
    pub controller: Option<String>,
    /// `CrashLoopBackOff`, `ImagePullBackOff`, `Unschedulable`
    pub why: String,
    /// What the kubelet or the scheduler says of it.
    pub message: String,
    /// Since when, as the API tells it: `2026-01-01T00:00:00Z`.
    pub since: Option<String>,
}

/// What has become worse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Regression {
    /// A workload has fewer available Pods than before, and than it should have.
    Workload {
        /// How it is.
        now: WorkloadHealth,
        /// How many Pods were available.
        before: u32,
    },
    /// A node that takes Pods is not Ready.
    Node {
        /// Which.
        name: String,
    },
    /// A Pod does not get on, and none of its maker's did so before.
    Pod {
        /// Which, and why.
        trouble: PodTrouble,
    },
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload { now, before } => {
                let WorkloadHealth { kind, namespace, name, wanted, available, .. } = now;
                write!(f, "{kind} {namespace}/{name}: {available} of {wanted} Pods available, {before} before")
            }
            Self::Node { name } => write!(f, "node {name}: not Ready"),
            Self::Pod { trouble } => {
                write!(f, "Pod {}: {}", trouble.pod, trouble.why)?;
                if trouble.message.is_empty() { Ok(()) } else { write!(f, " ({})", trouble.message) }
            }
        }
    }
}

impl WorkloadHealth {
    fn is(&self, other: &Self) -> bool {
        (&self.kind, &self.namespace, &self.name) == (&other.kind, &other.namespace, &other.name)
    }

    fn missing(&self) -> u32 {
        self.wanted.saturating_sub(self.available)
    }

    /// Whether it is worse than before. A number that was raised since needs time; of a DaemonSet the nodes are that number, and every node that
    /// takes Pods should run it.
    fn is_worse_than(&self, before: &Self) -> bool {
        if self.kind == "DaemonSet" { self.missing() > before.missing() } else { self.available < before.available.min(self.wanted) }
    }
}

impl Health {
    /// What has become worse since `before`. While Pods move, a workload lacks one for a moment: who judges looks again, and means it only
    /// when it lasts. What is gone was taken away by somebody; what is new is nobody's loss, as long as it is Ready.
    pub fn regressions(&self, before: &Self) -> Vec<Regression> {
        let mut found = Vec::new();
        for now in &self.workloads {
            if let Some(was) = before.workloads.iter().find(|was| was.is(now)).filter(|was| now.is_worse_than(was)) {
                found.push(Regression::Workload { now: now.clone(), before: was.available });
            }
        }
        let was_bad = |name: &str| before.nodes.iter().any(|node| node.name == name && !node.ready);
        let bad = self.nodes.iter().filter(|node| !node.ready && !node.closed && !was_bad(&node.name));
        found.extend(bad.map(|node| Regression::Node { name: node.name.clone() }));
        let mut known = counted(&before.troubles);
        for trouble in &self.troubles {
            match known.get_mut(&cause(trouble)) {
                Some(left) if *left > 0 => *left -= 1,
                _ => found.push(Regression::Pod { trouble: trouble.clone() }),
            }
        }
        found
    }

    /// Whether every workload has all that it wants, every node that takes Pods is Ready, and every Pod gets on.
    pub fn is_good(&self) -> bool {
        self.workloads.iter().all(|workload| workload.missing() == 0)
            && self.nodes.iter().all(|node| node.ready || node.closed)
            && self.troubles.is_empty()
    }
}

/// By what troubles are the same.
fn cause(trouble: &PodTrouble) -> (String, String) {
    (
        trouble.controller.clone().map_or_else(|| trouble.pod.to_string(), |maker| format!("{} {maker}", trouble.pod.namespace)),
        trouble.why.clone(),
    )
}

fn counted(troubles: &[PodTrouble]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for trouble in troubles {
        *counts.entry(cause(trouble)).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(kind: &str, wanted: u32, available: u32) -> Health {
        let (namespace, name) = ("shop".to_owned(), "web".to_owned());
        let workload = WorkloadHealth { kind: kind.to_owned(), namespace, name, wanted, ready: available, available };
        Health { workloads: vec![workload], ..Health::default() }
    }

    #[test]
    fn workloads_are_worse_when_they_lost_pods() {
        for (kind, (wanted, available), (was_wanted, was_available), worse) in [
            ("Deployment", (3, 2), (3, 3), true),
            ("Deployment", (3, 2), (3, 2), false),
            ("Deployment", (6, 3), (3, 3), false), // scaled up, not there yet
            ("Deployment", (1, 1), (3, 3), false), // scaled down
            ("StatefulSet", (3, 0), (3, 1), true),
            ("DaemonSet", (4, 2), (2, 2), true), // does not start on new nodes
            ("DaemonSet", (2, 2), (4, 3), false),
        ] {
            let now = workload(kind, wanted, available);
            let found = now.regressions(&workload(kind, was_wanted, was_available));
            assert_eq!(!found.is_empty(), worse, "{kind} {wanted} {available}");
        }
        assert_eq!(
            workload("Deployment", 3, 2).regressions(&workload("Deployment", 3, 3))[0].to_string(),
            "Deployment shop/web: 2 of 3 Pods available, 3 before"
        );
        assert_eq!(Health::default().regressions(&workload("Deployment", 3, 3)), [], "deleted by somebody");
    }

    #[test]
    fn nodes_that_take_pods_should_be_ready() {
        let node =
            |ready: bool, closed: bool| Health { nodes: vec![NodeHealth { name: "a".to_owned(), ready, closed }], ..Health::default() };
        assert_eq!(node(false, false).regressions(&node(true, false)).len(), 1);
        assert_eq!(node(false, false).regressions(&Health::default()).len(), 1, "a new one");
        assert_eq!(node(false, true).regressions(&node(true, true)), [], "it is being emptied");
        assert_eq!(node(false, false).regressions(&node(false, false)), []);
    }

    #[test]
    fn troubles_are_known_by_their_maker() {
        let trouble = |name: &str, why: &str| PodTrouble {
            pod: PodRef { namespace: "shop".to_owned(), name: name.to_owned() },
            controller: Some("ReplicaSet web-7d9".to_owned()),
            why: why.to_owned(),
            message: "0/2 nodes".to_owned(),
            since: None,
        };
        let health = |troubles: &[PodTrouble]| Health { troubles: troubles.to_vec(), ..Health::default() };
        let before = health(&[trouble("web-a", "CrashLoopBackOff")]);
        assert_eq!(health(&[trouble("web-b", "CrashLoopBackOff")]).regressions(&before), [], "its successor");
        let both = health(&[trouble("web-b", "CrashLoopBackOff"), trouble("web-c", "CrashLoopBackOff")]);
        assert_eq!(both.regressions(&before).len(), 1);
        let found = health(&[trouble("web-b", "Unschedulable")]).regressions(&before);
        assert_eq!(found[0].to_string(), "Pod shop/web-b: Unschedulable (0/2 nodes)");
    }
}
