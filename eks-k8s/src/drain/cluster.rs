//! What a drain has to know of a cluster, as plain data. Equal labels and placements are shared: a Deployment's thousand Pods hold them once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    budget::Budget,
    place::{NodeTerm, Placement},
};

/// Labels, shared between the Pods of a workload.
pub(super) type Labels = Arc<BTreeMap<String, String>>;

/// A cluster at one moment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Cluster {
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// Every Pod; those that are not bound to a node yet, too.
    pub pods: Vec<Pod>,
    /// Every budget.
    pub budgets: Vec<Budget>,
    /// Persistent volumes by the claim that they are bound to: namespace and name.
    pub volumes: BTreeMap<(String, String), Volume>,
    /// Labels of namespaces, by name; one that is not here has its name only.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// DaemonSets that are there: namespace and name.
    pub daemon_sets: BTreeSet<(String, String)>,
    /// When this was read, in seconds since 1970; by it the age of deletions is told.
    pub read_at: i64,
}

/// A node.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Node {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// What its Pods may ask for together.
    pub allocatable: Resources,
    /// How many Pods it takes.
    pub pods: u32,
    /// Whether its condition Ready is True.
    pub ready: bool,
    /// Version of its kubelet: `v1.36.0-eks-…`.
    pub kubelet: String,
    /// The EC2 instance that it is, if its provider id names one: `i-0a1b…`.
    pub instance: Option<String>,
}

/// On nodes that we closed or drain, and on workloads that we scaled up.
pub(crate) const LABEL: &str = "eks-rs/drain";
/// The label's value on a node that a drain has emptied.
pub(crate) const DRAINED: &str = "drained";

impl Node {
    /// Whether a drain has emptied it and it has been closed since. Not seen: that somebody let it take Pods in between and closed it again.
    pub fn is_drained(&self) -> bool {
        self.unschedulable && self.labels.get(LABEL).is_some_and(|mark| mark == DRAINED)
    }
}

/// A taint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a taint has three parts")]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; empty if it has none.
    #[serde(default)]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// Amounts of what Pods ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Everything else by name, in thousandths: `nvidia.com/gpu`, `ephemeral-storage`. Sorted by name.
    pub other: Vec<(Arc<str>, i64)>,
}

/// A Pod.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pod {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its node; `None` while it waits for one.
    pub node: Option<Arc<str>>,
    /// Its labels.
    pub labels: Labels,
    /// Its phase.
    pub phase: Phase,
    /// Whether its Ready condition is True.
    pub ready: bool,
    /// Seconds that its containers get to end.
    pub grace: u32,
    /// When it was deleted, in seconds since 1970, if it is going.
    pub deleted_at: Option<i64>,
    /// Who made it and will make it anew.
    pub controller: Option<Arc<Controller>>,
    /// Whether it mirrors a static Pod of its kubelet.
    pub mirror: bool,
    /// Whether it has an emptyDir.
    pub local_storage: bool,
    /// Claims that it mounts.
    pub claims: Vec<String>,
    /// What it asks for.
    pub requests: Resources,
    /// Which nodes it accepts.
    pub placement: Arc<Placement>,
}

/// The phase of a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Accepted, not running yet.
    Pending,
    /// Bound to a node, and started.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, one of them badly.
    Failed,
    /// Its node cannot be reached.
    Unknown,
}

/// The object that controls a Pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "what an owner reference tells")]
pub struct Controller {
    /// `ReplicaSet`
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A persistent volume: where its Pods must run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Volume {
    /// The name of the PersistentVolume.
    pub name: String,
    /// Terms of its node affinity, one of which a node must satisfy; empty if any node does.
    pub terms: Vec<NodeTerm>,
}

/// A Pod by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "namespace and name are all there is")]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for PodRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equals = if self.value.is_empty() { "" } else { "=" };
        write!(f, "{}{equals}{}:{}", self.key, self.value, self.effect)
    }
}

impl Pod {
    /// Its namespace and name.
    pub fn at(&self) -> PodRef {
        PodRef { namespace: self.namespace.to_string(), name: self.name.clone() }
    }

    /// Whether its containers have ended for good.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// Whether the eviction API asks no budget about it: Pods that do not run, or go already ("API-initiated Eviction"; `canIgnorePDB`).
    pub(crate) fn needs_no_budget(&self) -> bool {
        self.deleted_at.is_some() || matches!(self.phase, Phase::Pending | Phase::Succeeded | Phase::Failed)
    }
}

impl Volume {
    /// The zone that it is bound to, if it names exactly one.
    pub fn zone(&self) -> Option<&str> {
        let [term] = self.terms.as_slice() else { return None };
        let keys = [crate::ZONE_LABEL, crate::LEGACY_ZONE_LABEL, crate::EBS_ZONE_LABEL];
        term.labels.iter().find(|requirement| keys.contains(&&*requirement.key) && requirement.values.len() == 1).map(|r| &*r.values[0])
    }
}

impl Resources {
    /// What is left when `other` is taken away; `None` and the first resource that does not suffice otherwise. What a Pod does not ask for
    /// is not looked at, so a node that holds too much already still takes Pods that ask for nothing, as the scheduler does (`fitsRequest`).
    pub(super) fn fits(&self, wanted: &Self) -> Result<(), &str> {
        if wanted.cpu > 0 && wanted.cpu > self.cpu {
            return Err("cpu");
        }
        if wanted.memory > 0 && wanted.memory > self.memory {
            return Err("memory");
        }
        match wanted.other.iter().find(|(name, amount)| *amount > 0 && *amount > self.amount(name)) {
            // Told by its own name, which the node may not have at all.
            Some((name, _)) => Err(self.other.iter().find(|(own, _)| own == name).map_or("a resource that it lacks", |(own, _)| own)),
            None => Ok(()),
        }
    }

    fn amount(&self, name: &str) -> i64 {
        self.other.iter().find(|(own, _)| &**own == name).map_or(0, |(_, amount)| *amount)
    }

    /// Takes away what a Pod asks for.
    pub(super) fn take(&mut self, wanted: &Self) {
        self.cpu = self.cpu.saturating_sub(wanted.cpu);
        self.memory = self.memory.saturating_sub(wanted.memory);
        for (name, amount) in &wanted.other {
            if let Some((_, own)) = self.other.iter_mut().find(|(own, _)| own == name) {
                *own = own.saturating_sub(*amount);
            }
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.join(more, i64::saturating_add);
    }

    pub(super) fn raise_to(&mut self, more: &Self) {
        self.join(more, i64::max);
    }

    fn join(&mut self, more: &Self, join: fn(i64, i64) -> i64) {
        self.cpu = join(self.cpu, more.cpu);
        self.memory = join(self.memory, more.memory);
        for (name, amount) in &more.other {
            match self.other.iter_mut().find(|(own, _)| own == name) {
                Some((_, own)) => *own = join(*own, *amount),
                None => self.other.push((Arc::clone(name), *amount)),
            }
        }
        self.other.sort();
    }
}
