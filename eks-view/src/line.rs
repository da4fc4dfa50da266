//! Events as lines of JSON, for machines.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{
    Owner, StepKey,
    engine::{Event, Purpose},
};
use serde::{Deserialize, Serialize};

/// The version of the schema. Fields and events may be added within a version; nothing is renamed, removed or given another meaning.
pub const LINE_VERSION: u32 = 1;

/// One line: an event of the engine. Every duration and time is in seconds, to the millisecond.
///
/// ```
/// use eks_view::{Line, What};
///
/// let text = r#"{"v":1,"at":12.5,"event":"step_waiting","key":"cluster/control-plane","subject":"chap10","state":"CREATING","elapsed":10.0}"#;
/// let line: Line = serde_json::from_str(text)?;
/// assert!(matches!(&line.what, What::StepWaiting { state, .. } if state == "CREATING"));
/// assert_eq!(serde_json::to_string(&line)?, text);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Line {
    /// [`LINE_VERSION`].
    pub v: u32,
    /// When, from the start of the run; 0 in a program's own lines, which do not tell it.
    #[serde(default)]
    pub at: f64,
    /// What happened; its name is the field `event`.
    #[serde(flatten)]
    pub what: What,
}

/// What happened. Steps are told by their keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// The first line of a run.
    RunStarted {
        /// Whose.
        owner: Owner,
        /// `make` or `remove`.
        purpose: Purpose,
        /// Steps that do something.
        steps: usize,
        /// Steps that do nothing.
        kept: usize,
        /// How long it should take.
        expected: f64,
        /// The steps that do something, each after what it needs.
        planned: Vec<PlannedLine>,
    },
    /// A step begins.
    StepStarted {
        /// The step.
        key: StepKey,
        /// What it makes or removes.
        title: String,
        /// How long it typically takes.
        typical: f64,
    },
    /// A step has looked at what it waits for. Told for each look.
    StepWaiting {
        /// The step.
        key: StepKey,
        /// What it waits for.
        subject: String,
        /// The state that was seen.
        state: String,
        /// How long it has waited.
        elapsed: f64,
    },
    /// An attempt failed, and there will be another.
    StepRetrying {
        /// The step.
        key: StepKey,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        error: String,
        /// The pause before the next attempt.
        after: f64,
    },
    /// A step is done.
    StepFinished {
        /// The step.
        key: StepKey,
        /// How long it took.
        took: f64,
        /// How often it was tried.
        attempts: u32,
    },
    /// A step failed for good.
    StepFailed {
        /// The step.
        key: StepKey,
        /// Why.
        error: String,
        /// How long it took.
        took: f64,
        /// How often it was tried.
        attempts: u32,
    },
    /// A step is not tried.
    StepSkipped {
        /// The step.
        key: StepKey,
        /// The step that failed.
        because: StepKey,
    },
    /// The last line of a run.
    RunFinished {
        /// How long it took.
        took: f64,
        /// Whether every step is done.
        complete: bool,
    },
    /// An event that this version of the crate does not know, or a line that a program added of its own: to be passed over.
    #[serde(other)]
    Unknown,
}

/// A step of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedLine {
    /// The step.
    pub key: StepKey,
    /// What it makes or removes.
    pub title: String,
    /// How long it typically takes.
    pub typical: f64,
    /// The steps that must be done first.
    pub needs: BTreeSet<StepKey>,
}

impl Line {
    /// The line of an event that happened `at` this time of the run; `None` for events that this version does not know.
    pub fn of(at: Duration, event: &Event) -> Option<Self> {
        let what = match event.clone() {
            Event::RunStarted { owner, purpose, steps, expected, planned, kept } => What::RunStarted {
                owner,
                purpose,
                steps,
                kept,
                expected: seconds(expected),
                planned: planned
                    .into_iter()
                    .map(|step| PlannedLine { key: step.key, title: step.title, typical: seconds(step.typical), needs: step.needs })
                    .collect(),
            },
            Event::StepStarted { key, title, typical } => What::StepStarted { key, title, typical: seconds(typical) },
            Event::StepWaiting { key, subject, state, elapsed } => What::StepWaiting { key, subject, state, elapsed: seconds(elapsed) },
            Event::StepRetrying { key, attempt, error, after } => What::StepRetrying { key, attempt, error, after: seconds(after) },
            Event::StepFinished { key, took, attempts } => What::StepFinished { key, took: seconds(took), attempts },
            Event::StepFailed { key, error, took, attempts } => What::StepFailed { key, error, took: seconds(took), attempts },
            Event::StepSkipped { key, because } => What::StepSkipped { key, because },
            Event::RunFinished { took, complete } => What::RunFinished { took: seconds(took), complete },
            _ => return None,
        };
        Some(Self { v: LINE_VERSION, at: seconds(at), what })
    }
}

/// Seconds to the millisecond.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}
