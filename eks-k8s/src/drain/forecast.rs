//! What a drain would meet, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{cluster::PodRef, filter::Filtered, place::Refusal};

/// What a drain would do, and what would keep it from ending. `Display` tells it to people.
///
/// It assumes that a Pod made anew becomes ready once a node takes it, that nodes and budgets stay as they are, and that nobody repairs
/// what is broken. Pods of several nodes go in the drain's order, and those that are made anew take the first node, by name, that has
/// room: where room is short, the scheduler may choose otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Forecast {
    /// Nodes that would be emptied.
    pub nodes: Vec<String>,
    /// Nodes that are named and not there.
    pub missing: Vec<String>,
    /// How many Pods would be evicted or are going already, by node.
    pub going: BTreeMap<String, usize>,
    /// Pods that stay where they are.
    pub staying: Vec<(PodRef, Filtered)>,
    /// Pods that would not go, so that the drain would never end.
    pub blocked: Vec<Blocked>,
    /// Pods that would go and then wait for a node in vain, or never come again.
    pub homeless: Vec<Homeless>,
}

/// A Pod that keeps a drain from ending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Blocked {
    /// Which.
    pub pod: PodRef,
    /// Its node.
    pub node: String,
    /// Why it does not go.
    pub why: Blocker,
    /// What would let it go; any one of these.
    pub remedies: Vec<Remedy>,
}

/// Why a Pod does not go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Blocker {
    /// The drain does not take such Pods.
    Filter(Filtered),
    /// Two or more budgets protect it, which the eviction API does not support.
    SeveralBudgets {
        /// Their names.
        budgets: Vec<String>,
    },
    /// Its budget demands as many Pods as there are replicas.
    EveryReplica {
        /// Namespace and name.
        budget: String,
        /// `minAvailable 2`
        promise: String,
        /// How many Pods there should be.
        replicas: i64,
    },
    /// Its budget allows no Pod to be missing.
    NoneMayBeMissing {
        /// Namespace and name.
        budget: String,
        /// `maxUnavailable 0`
        promise: String,
    },
    /// The disruption controller cannot count the budget's Pods, and allows nothing.
    Uncountable {
        /// Namespace and name.
        budget: String,
        /// What the controller says.
        reason: String,
    },
    /// Too few Pods of its budget are ready, and this one is.
    TooFewReady {
        /// Namespace and name.
        budget: String,
        /// How many are ready.
        ready: i64,
        /// How many must be.
        needed: i64,
    },
    /// It is not ready itself, its budget is not met, and such Pods may go only if it is (`IfHealthyBudget`).
    UnreadyUnderBudget {
        /// Namespace and name.
        budget: String,
        /// How many are ready.
        ready: i64,
        /// How many must be.
        needed: i64,
    },
    /// Pods of its budget that went before it find no node, so that the budget is used up.
    NoRoomForOthers {
        /// Namespace and name.
        budget: String,
        /// How many.
        homeless: usize,
        /// Why nodes refuse the first of them, and how many nodes do so.
        refusals: BTreeMap<String, usize>,
    },
    /// Pods of its budget that went before it are made by nothing, so that the budget is used up.
    NothingMakesOthers {
        /// Namespace and name.
        budget: String,
        /// How many.
        lost: usize,
    },
    /// Its turn never comes: these nodes are before it, and do not get empty.
    Behind {
        /// The nodes.
        nodes: Vec<String>,
    },
}

/// What would let a Pod go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remedy {
    /// Set this on the drain.
    Allow(String),
    /// Run one replica more: [`super::OnBlocked::ScaleUpFirst`] does so.
    ScaleUp {
        /// Kind and name of the Pod's controller.
        controller: String,
    },
    /// Let the budget ask for less.
    Loosen {
        /// Namespace and name.
        budget: String,
    },
    /// Let one budget only select the Pod.
    Narrow {
        /// Their names.
        budgets: Vec<String>,
    },
    /// Let Pods that are not ready go: `unhealthyPodEvictionPolicy: AlwaysAllow`.
    AlwaysAllow {
        /// Namespace and name.
        budget: String,
    },
    /// Repair Pods of the budget that are not ready.
    Repair {
        /// Namespace and name.
        budget: String,
    },
    /// Give Pods a node: in this zone, if a volume binds them to it.
    AddNode {
        /// The zone.
        zone: Option<String>,
    },
    /// Remove it by hand, if nobody needs it.
    Delete,
    /// Solve what blocks the nodes before.
    First,
}

/// A Pod that would go, and not run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Homeless {
    /// The Pod that goes.
    pub pod: PodRef,
    /// Its node.
    pub node: String,
    /// Whether a controller makes it anew, to wait for a node.
    pub made_anew: bool,
    /// Why other nodes would not take it, and how many refuse so.
    pub refusals: BTreeMap<String, usize>,
    /// The zone of a volume of it, if no node is left there that it could run on.
    pub zone: Option<String>,
}

impl Forecast {
    /// Whether the drain would never end.
    pub fn is_blocked(&self) -> bool {
        !self.blocked.is_empty() || !self.missing.is_empty()
    }

    /// Whether everything goes and finds another place.
    pub fn is_smooth(&self) -> bool {
        !self.is_blocked() && self.homeless.is_empty()
    }

    /// How many Pods would be evicted, or are going.
    pub fn evictions(&self) -> usize {
        self.going.values().sum()
    }

    /// Pods of a budget that would be blocked by it.
    pub fn blocked_by(&self, budget: &str) -> impl Iterator<Item = &Blocked> {
        self.blocked.iter().filter(move |blocked| blocked.why.budget() == Some(budget))
    }
}

impl Blocker {
    /// The budget that is in the way, if one is.
    pub fn budget(&self) -> Option<&str> {
        match self {
            Self::EveryReplica { budget, .. }
            | Self::NoneMayBeMissing { budget, .. }
            | Self::Uncountable { budget, .. }
            | Self::TooFewReady { budget, .. }
            | Self::UnreadyUnderBudget { budget, .. }
            | Self::NoRoomForOthers { budget, .. }
            | Self::NothingMakesOthers { budget, .. } => Some(budget),
            Self::Filter(_) | Self::SeveralBudgets { .. } | Self::Behind { .. } => None,
        }
    }
}

/// Counts refusals by what they say.
pub(super) fn counted<'a>(refusals: impl IntoIterator<Item = &'a Refusal>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for refusal in refusals {
        *counts.entry(refusal.to_string()).or_default() += 1;
    }
    counts
}
