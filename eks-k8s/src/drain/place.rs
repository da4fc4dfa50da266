//! Which nodes would take a Pod, by the scheduler's filters: cordon, selectors, affinity, taints, volumes, host ports, room. What other
//! Pods say to that is in [`super::topology`].
//!
//! Not looked at: how many volumes an instance can have attached, device claims, preemption.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    cluster::{Node, Pod, Resources, Taint, Volume},
    interpod::{HostPort, PodTerm, Spread},
    selector::Requirement,
};

/// The taint of cordoned nodes.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// What a Pod demands of its node, apart from room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Placement {
    /// Labels that the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Required node affinity: one of the terms must hold; `None` if there is none.
    pub affinity: Option<Vec<NodeTerm>>,
    /// Taints that it bears.
    pub tolerations: Vec<Toleration>,
    /// Required affinity to Pods: all of it must hold.
    pub pod_affinity: Vec<PodTerm>,
    /// Required anti-affinity to Pods: none of it may hold.
    pub pod_anti_affinity: Vec<PodTerm>,
    /// Topology spread that must be kept.
    pub spread: Vec<Spread>,
    /// Ports of the node that it takes.
    pub host_ports: Vec<HostPort>,
}

/// A toleration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
#[expect(clippy::exhaustive_structs, reason = "what the scheduler reads of a toleration")]
pub struct Toleration {
    /// The taint's key; empty for all.
    pub key: String,
    /// `Exists`, or `Equal` (also when empty).
    pub operator: String,
    /// The taint's value, for `Equal`.
    pub value: String,
    /// The taint's effect; empty for all.
    pub effect: String,
}

/// A node selector term: all of it must hold. An empty one holds for no node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
#[expect(clippy::exhaustive_structs, reason = "the API's two parts")]
pub struct NodeTerm {
    /// On labels.
    #[serde(rename = "matchExpressions")]
    pub labels: Vec<Requirement>,
    /// On `metadata.name`.
    #[serde(rename = "matchFields")]
    pub fields: Vec<Requirement>,
}

/// Why a node does not take a Pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// It is cordoned.
    Cordoned,
    /// It lacks what the Pod's node selector or affinity demands.
    Selector,
    /// It has a taint that the Pod does not bear.
    Taint(Taint),
    /// A volume is bound to other nodes; the zone, if it is bound to one.
    Volume {
        /// The PersistentVolume.
        name: String,
        /// Its zone.
        zone: Option<String>,
    },
    /// It has not enough of this.
    Room(String),
    /// Another Pod on it has this port: `80/TCP`.
    Port(String),
    /// It is in a place that would have too many of the Pods that a spread over this label counts, or has no such label.
    Spread(String),
    /// It is not near the Pods that its affinity demands.
    Affinity,
    /// It is near Pods that its anti-affinity keeps away from it, or whose anti-affinity does.
    AntiAffinity,
}

impl PartialOrd for Taint {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Taint {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.key, &self.value, &self.effect).cmp(&(&other.key, &other.value, &other.effect))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cordoned => f.write_str("cordoned"),
            Self::Selector => f.write_str("not matched by its node selector or affinity"),
            Self::Taint(taint) => write!(f, "tainted {taint}"),
            Self::Volume { name, zone: Some(zone) } => write!(f, "not in {zone}, where volume {name} is"),
            Self::Volume { name, zone: None } => write!(f, "out of reach of volume {name}"),
            Self::Room(resource) => write!(f, "without enough {resource}"),
            Self::Port(port) => write!(f, "whose port {port} is taken"),
            Self::Spread(key) => write!(f, "against its spread over {key}"),
            Self::Affinity => f.write_str("not near the Pods of its affinity"),
            Self::AntiAffinity => f.write_str("near Pods of an anti-affinity"),
        }
    }
}

impl Toleration {
    /// Whether it bears a taint ("Taints and Tolerations", kubernetes.io).
    pub fn tolerates(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match self.operator.as_str() {
                "Exists" => true,
                "" | "Equal" => !self.key.is_empty() && self.value == taint.value,
                _ => false,
            }
    }
}

impl NodeTerm {
    fn matches(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        !(self.labels.is_empty() && self.fields.is_empty())
            && self.labels.iter().all(|requirement| requirement.matches(labels))
            && self.fields.iter().all(|requirement| requirement.key == "metadata.name" && requirement.accepts(Some(name)))
    }
}

/// The taint that the control plane puts on a cordoned node.
fn cordoned() -> Taint {
    Taint { key: UNSCHEDULABLE.to_owned(), value: String::new(), effect: "NoSchedule".to_owned() }
}

impl Placement {
    /// Whether such Pods come to nodes that are cordoned.
    #[cfg(feature = "client")]
    pub(crate) fn bears_cordon(&self) -> bool {
        self.tolerates(&cordoned())
    }

    fn tolerates(&self, taint: &Taint) -> bool {
        self.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    }

    /// The first taint of a node, cordoned or not, that such Pods do not bear.
    pub(super) fn bears(&self, node: &Node, unschedulable: bool) -> Option<Refusal> {
        if unschedulable && !self.tolerates(&cordoned()) {
            return Some(Refusal::Cordoned);
        }
        let mut taints = node.taints.iter().filter(|taint| taint.effect != "PreferNoSchedule" && taint.key != UNSCHEDULABLE);
        taints.find(|taint| !self.tolerates(taint)).map(|taint| Refusal::Taint(taint.clone()))
    }

    /// Whether its node selector and affinity select a node.
    pub(super) fn selects(&self, name: &str, node: &Node) -> bool {
        self.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
            && self.affinity.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(name, &node.labels)))
    }

    /// Why a node will not take such a Pod, whatever room it has and whoever is there; in the order of the scheduler's filters.
    pub(super) fn refused_by(&self, name: &str, node: &Node, volumes: &[&Volume]) -> Option<Refusal> {
        if let Some(refusal) = self.bears(node, node.unschedulable) {
            return Some(refusal);
        }
        if !self.selects(name, node) {
            return Some(Refusal::Selector);
        }
        let bound =
            volumes.iter().find(|volume| !volume.terms.is_empty() && !volume.terms.iter().any(|term| term.matches(name, &node.labels)));
        bound.map(|volume| Refusal::Volume { name: volume.name.clone(), zone: volume.zone().map(str::to_owned) })
    }
}

/// What is left of a node.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) free: Resources,
    pub(super) pods: u32,
    pub(super) ports: Vec<HostPort>,
}

impl Room {
    pub(super) fn of(node: &Node) -> Self {
        Self { free: node.allocatable.clone(), pods: node.pods, ports: Vec::new() }
    }

    pub(super) fn refuses(&self, pod: &Pod) -> Option<Refusal> {
        let taken = |port: &&HostPort| self.ports.iter().any(|other| other.conflicts(port));
        if let Some(port) = pod.placement.host_ports.iter().find(taken) {
            return Some(Refusal::Port(format!("{}/{}", port.port, port.protocol)));
        }
        if self.pods == 0 {
            return Some(Refusal::Room("Pod slots".to_owned()));
        }
        self.free.fits(&pod.requests).err().map(|resource| Refusal::Room(resource.to_owned()))
    }

    pub(super) fn take(&mut self, pod: &Pod) {
        self.pods = self.pods.saturating_sub(1);
        self.free.take(&pod.requests);
        self.ports.extend(pod.placement.host_ports.iter().cloned());
    }
}
