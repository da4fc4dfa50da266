//! Budgets as they are now, and whose turn it is: one eviction at a time is tried for a budget that allows none, so that a blocked
//! drain does not storm the API server.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::follow::Objects;
use crate::drain::{Budget, Pod};

/// A budget, and the version of the object.
pub(super) type Seen = (Budget, String);

/// What evictions of a budget's Pods share.
#[derive(Default)]
pub(super) struct Gate {
    /// Who holds it may try.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// How many evictions were accepted since the status was this version.
    spent: Mutex<(String, i64)>,
}

pub(super) struct Gates {
    pub(super) budgets: watch::Receiver<Objects<Seen>>,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Gates {
    pub(super) fn new(budgets: watch::Receiver<Objects<Seen>>) -> Self {
        Self { budgets, gates: Mutex::default() }
    }

    /// The budgets that protect a Pod.
    pub(super) fn of(&self, pod: &Pod) -> Vec<Seen> {
        let budgets = self.budgets.borrow();
        budgets.iter().flat_map(BTreeMap::values).filter(|(budget, _)| budget.protects(pod)).cloned().collect()
    }

    pub(super) fn gate(&self, budget: &Budget) -> Arc<Gate> {
        Arc::clone(self.gates.lock().unwrap_or_else(PoisonError::into_inner).entry(budget.at()).or_default())
    }
}

impl Gate {
    /// Whether the budget allows another one, as far as is known: what we used up since the status was written is not in it yet.
    pub(super) fn allows(&self, (budget, version): &Seen) -> bool {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = if spent.0 == *version { spent.1 } else { 0 };
        !budget.stale && budget.allowed - spent > 0
    }

    /// One was accepted while the status was this version.
    pub(super) fn spend(&self, (_, version): &Seen) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.0 != *version {
            *spent = (version.clone(), 0);
        }
        spent.1 += 1;
    }
}
