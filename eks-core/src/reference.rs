//! References by key: a value known now, or the output of another step.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::StepKey;

/// What a step tells the steps after it: values by name. The resource's own id is called `id`.
pub type Outputs = BTreeMap<String, String>;

/// The output of another step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutputRef {
    /// The step.
    pub step: StepKey,
    /// The name of its output.
    pub name: String,
}

/// A value that is known now, or that a step of the plan will tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a reference is one or the other; a third kind would be a new meaning of plans")]
pub enum Ref<T> {
    /// Known now.
    Known(T),
    /// Told by a step.
    Output(OutputRef),
}

impl<T> Ref<T> {
    /// The `id` of what `step` makes.
    pub fn id_of(step: StepKey) -> Self {
        Self::output(step, "id")
    }

    /// The output `name` of `step`.
    pub fn output(step: StepKey, name: impl Into<String>) -> Self {
        Self::Output(OutputRef { step, name: name.into() })
    }

    /// The value, if known now.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Output(_) => None,
        }
    }

    /// The step that must run first, if any.
    pub fn step(&self) -> Option<&StepKey> {
        match self {
            Self::Known(_) => None,
            Self::Output(output) => Some(&output.step),
        }
    }
}

impl<T> From<T> for Ref<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: fmt::Display> fmt::Display for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::Output(output) if output.name == "id" => write!(f, "‹{}›", output.step),
            Self::Output(output) => write!(f, "‹{}#{}›", output.step, output.name),
        }
    }
}
