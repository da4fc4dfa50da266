//! What a run did, whole or partial.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{Error, Outputs, StepKey};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Carried out.
    Done,
    /// There already, as it should be.
    Kept,
    /// Failed for good.
    Failed,
    /// Not tried, because this step failed.
    Skipped {
        /// The step that failed.
        because: StepKey,
    },
    /// Not tried, because the run was stopped.
    NotStarted,
}

/// One step of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepReport {
    /// How it ended.
    pub status: Status,
    /// When it began, from the start of the run.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
    /// How often it was tried.
    pub attempts: u32,
    /// What it told.
    pub outputs: Outputs,
    /// Why it failed.
    pub error: Option<Arc<Error>>,
}

/// A run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Every step of the plan or teardown.
    pub steps: BTreeMap<StepKey, StepReport>,
    /// How long the run took.
    pub took: Duration,
    /// How many polls were made, over all steps.
    pub polls: u64,
}

impl Report {
    /// An output of a step.
    pub fn output(&self, key: &str, name: &str) -> Option<&str> {
        let key: StepKey = key.parse().ok()?;
        self.steps.get(&key)?.outputs.get(name).map(String::as_str)
    }

    /// Steps that failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&StepKey, &Error)> {
        self.steps.iter().filter_map(|(key, step)| Some((key, step.error.as_deref()?)))
    }

    /// The first typed error of this kind that made a step fail.
    pub fn caused_by<T: std::error::Error + 'static>(&self) -> Option<&T> {
        self.failures().find_map(|(_, error)| error.caused_by())
    }

    /// Steps with this status.
    pub fn count(&self, wanted: impl Fn(&Status) -> bool) -> usize {
        self.steps.values().filter(|step| wanted(&step.status)).count()
    }

    /// Whether every step is done or was there already.
    pub fn is_complete(&self) -> bool {
        self.steps.values().all(|step| matches!(step.status, Status::Done | Status::Kept))
    }
}
