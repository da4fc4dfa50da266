//! Disruption budgets, and how the disruption controller counts.

use std::fmt;

use super::{cluster::Pod, selector::Selector};

/// A PodDisruptionBudget.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Budget {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which Pods it protects; `None` selects no Pod (`policy/v1`).
    pub selector: Option<Selector>,
    /// What it promises.
    pub threshold: Threshold,
    /// `unhealthyPodEvictionPolicy` AlwaysAllow: Pods that are not ready may go in any case. Else only if the budget is met.
    pub always_allow: bool,
    /// How many of its Pods were ready.
    pub healthy: i64,
    /// How many must be.
    pub desired: i64,
    /// How many there should be.
    pub expected: i64,
    /// Why the disruption controller cannot count its Pods, if it says so: then it allows nothing.
    pub sync_failed: Option<String>,
    /// Disruptions that the status allows.
    pub allowed: i64,
    /// Whether the status belongs to an older spec: evictions are refused until it does not.
    pub stale: bool,
}

/// What a budget promises, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a budget has one of two forms")]
pub enum Threshold {
    /// `minAvailable`
    MinAvailable(String),
    /// `maxUnavailable`
    MaxUnavailable(String),
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinAvailable(value) => write!(f, "minAvailable {value}"),
            Self::MaxUnavailable(value) => write!(f, "maxUnavailable {value}"),
        }
    }
}

impl Budget {
    /// Whether it protects a Pod.
    pub fn protects(&self, pod: &Pod) -> bool {
        *self.namespace == *pod.namespace && self.selector.as_ref().is_some_and(|selector| selector.matches(&pod.labels))
    }

    /// Namespace and name.
    pub fn at(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Disruptions that it allows with this many healthy Pods (`updatePdbStatus`; "Disruptions", kubernetes.io).
    pub(super) fn allows(&self, healthy: i64) -> i64 {
        if self.expected <= 0 || self.sync_failed.is_some() { 0 } else { (healthy - self.desired).max(0) }
    }

    /// Whether a Pod that is not ready may go without using up a disruption.
    pub(crate) fn lets_unhealthy_go(&self, healthy: i64) -> bool {
        self.always_allow || (healthy >= self.desired && self.desired > 0)
    }
}
