//! What a teardown ends in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The end of a teardown: proof that nothing is left, or everything that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use = "a leak costs money"]
#[expect(clippy::exhaustive_enums, reason = "there is no third end")]
pub enum Verdict {
    /// The account was looked through after the last removal, and nothing of the owner's is left.
    Clean,
    /// Something is left.
    Leaked(Vec<Survivor>),
}

impl Verdict {
    /// The verdict on what was found at the end.
    pub fn on(survivors: Vec<Survivor>) -> Self {
        if survivors.is_empty() { Self::Clean } else { Self::Leaked(survivors) }
    }

    /// Whether nothing is left.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Clean)
    }

    /// What is left.
    pub fn survivors(&self) -> &[Survivor] {
        match self {
            Self::Clean => &[],
            Self::Leaked(survivors) => survivors,
        }
    }
}

/// Something that outlived a teardown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Survivor {
    /// What it is: `EBS volume`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Why it is still there.
    pub why: String,
    /// How to remove it.
    pub remedy: String,
    /// What it costs.
    pub usd_per_month: f64,
}

impl Survivor {
    /// A survivor from its parts.
    pub fn new(
        kind: impl Into<String>,
        id: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
        usd_per_month: f64,
    ) -> Self {
        Self { kind: kind.into(), id: id.into(), why: why.into(), remedy: remedy.into(), usd_per_month }
    }
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}; {} (${:.2} a month)", self.kind, self.id, self.why, self.remedy, self.usd_per_month)
    }
}
