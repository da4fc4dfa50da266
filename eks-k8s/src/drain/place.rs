//! Which nodes would take a Pod, by the scheduler's filters: cordon, selectors, affinity, taints, volumes, room.
//!
//! Affinity between Pods, topology spread and host ports are not looked at: a forecast may name a node that these rule out.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    cluster::{Node, Resources, Taint, Volume},
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

    /// Why a node will not take such a Pod, whatever room it has; in the order of the scheduler's filters.
    pub(super) fn refused_by(&self, name: &str, node: &Node, volumes: &[&Volume]) -> Option<Refusal> {
        if node.unschedulable && !self.tolerates(&cordoned()) {
            return Some(Refusal::Cordoned);
        }
        let taints = node.taints.iter().filter(|taint| taint.effect != "PreferNoSchedule" && taint.key != UNSCHEDULABLE);
        if let Some(taint) = taints.into_iter().find(|taint| !self.tolerates(taint)) {
            return Some(Refusal::Taint(taint.clone()));
        }
        let selected = self.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value));
        let affine = self.affinity.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(name, &node.labels)));
        if !selected || !affine {
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
}

impl Room {
    pub(super) fn refuses(&self, wanted: &Resources) -> Option<Refusal> {
        if self.pods == 0 {
            return Some(Refusal::Room("Pod slots".to_owned()));
        }
        self.free.fits(wanted).err().map(|resource| Refusal::Room(resource.to_owned()))
    }

    pub(super) fn take(&mut self, wanted: &Resources) {
        self.pods = self.pods.saturating_sub(1);
        self.free.take(wanted);
    }
}
