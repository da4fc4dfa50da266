//! Progress, as plain data. Printing, bars and logs are observers outside the engine.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Owner, StepKey};

/// Whether a run makes things or removes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Purpose {
    /// A plan is applied.
    Make,
    /// A teardown is carried out.
    Remove,
}

/// A step that a run will try, as whoever forecasts the run's end needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedStep {
    /// The step.
    pub key: StepKey,
    /// What it makes or removes.
    pub title: String,
    /// How long it typically takes.
    pub typical: Duration,
    /// The steps of the run that must be done first.
    pub needs: BTreeSet<StepKey>,
}

impl PlannedStep {
    /// A step from its parts.
    pub fn new(key: StepKey, title: impl Into<String>, typical: Duration, needs: impl IntoIterator<Item = StepKey>) -> Self {
        Self { key, title: title.into(), typical, needs: needs.into_iter().collect() }
    }
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The run begins.
    RunStarted {
        /// Whose.
        owner: Owner,
        /// Whether it makes or removes.
        purpose: Purpose,
        /// Steps that do something.
        steps: usize,
        /// How long it should take.
        expected: Duration,
        /// The steps that do something, each after what it needs of the others.
        planned: Vec<PlannedStep>,
        /// How many steps of the plan do nothing: what they would make is there as it should be.
        kept: usize,
    },
    /// A step begins.
    StepStarted {
        /// The step.
        key: StepKey,
        /// What it makes or removes.
        title: String,
        /// How long it typically takes.
        typical: Duration,
    },
    /// A step waits for a state.
    StepWaiting {
        /// The step.
        key: StepKey,
        /// What it waits for.
        subject: String,
        /// The state that was seen.
        state: String,
        /// How long it has waited.
        elapsed: Duration,
    },
    /// A step will be tried again.
    StepRetrying {
        /// The step.
        key: StepKey,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        error: String,
        /// When it will be tried again.
        after: Duration,
    },
    /// A step is done.
    StepFinished {
        /// The step.
        key: StepKey,
        /// How long it took.
        took: Duration,
        /// How often it was tried.
        attempts: u32,
    },
    /// A step failed for good.
    StepFailed {
        /// The step.
        key: StepKey,
        /// Why, with the whole chain of causes.
        error: String,
        /// How long it took.
        took: Duration,
        /// How often it was tried.
        attempts: u32,
    },
    /// A step is not tried because one that it needs failed.
    StepSkipped {
        /// The step.
        key: StepKey,
        /// The step that failed.
        because: StepKey,
    },
    /// The run ends.
    RunFinished {
        /// How long it took.
        took: Duration,
        /// Whether every step is done.
        complete: bool,
    },
}
