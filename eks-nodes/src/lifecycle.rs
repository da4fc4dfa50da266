//! Lifecycle hooks: moments at which Auto Scaling waits for somebody.

use serde::{Deserialize, Serialize};

/// The moment. Auto Scaling User Guide, "Lifecycle hooks".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "Auto Scaling has these two")]
pub enum Transition {
    /// Before an instance is in service.
    Launching,
    /// Before an instance is terminated: where a drainer of nodes works.
    Terminating,
}

impl Transition {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
            Self::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
        }
    }
}

/// A lifecycle hook; EventBridge tells of it whoever listens. If nobody completes it in time, the transition goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleHook {
    pub(crate) name: String,
    pub(crate) transition: Transition,
    pub(crate) heartbeat_seconds: u32,
}

impl LifecycleHook {
    /// Least and most seconds of a heartbeat. Auto Scaling API Reference, "PutLifecycleHook".
    pub(crate) const HEARTBEAT: std::ops::RangeInclusive<u32> = 30..=7200;

    /// A hook that waits for at most so many seconds.
    pub fn new(name: impl Into<String>, transition: Transition, heartbeat_seconds: u32) -> Self {
        Self { name: name.into(), transition, heartbeat_seconds }
    }

    /// Form of a hook's name: 1–255 characters of `A-Z a-z 0-9 - _ /`.
    pub(crate) fn has_name(&self) -> bool {
        (1..=255).contains(&self.name.len()) && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/'))
    }
}
