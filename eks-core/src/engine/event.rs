//! Progress, as plain data. Printing, bars and logs are observers outside the engine.

use std::time::Duration;

use serde::Serialize;

use crate::StepKey;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The run begins.
    RunStarted {
        /// Steps that do something.
        steps: usize,
        /// How long it should take.
        expected: Duration,
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
    },
    /// A step failed for good.
    StepFailed {
        /// The step.
        key: StepKey,
        /// Why, with the whole chain of causes.
        error: String,
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
