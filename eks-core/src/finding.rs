//! What a reviewer of a plan should see.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::StepKey;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Worth a second thought before applying.
    Warning,
}

/// Something that is allowed and that a reviewer should see: a world-open rule, a single point of failure, an end of support.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The step concerned.
    pub step: StepKey,
    /// What is so.
    pub message: String,
}

impl Finding {
    /// Worth knowing.
    pub fn note(step: StepKey, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, step, message: message.into() }
    }

    /// Worth a second thought.
    pub fn warning(step: StepKey, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, step, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.message)
    }
}
