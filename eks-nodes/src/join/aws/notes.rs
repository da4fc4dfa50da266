//! What a diagnostician remembers between two looks at a group.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Cause, evidence::Evidence};

#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What was certain at the last look.
    pub(super) certain: BTreeSet<Cause>,
    /// Names of images, which never change.
    pub(super) images: BTreeMap<String, String>,
    /// User data by launch template and version, which never changes.
    pub(super) user_data: BTreeMap<(String, String), String>,
    /// What the last look saw, for what this one has no call left for.
    pub(super) last: Evidence,
    /// With which of the sights that take turns the next look begins.
    pub(super) turn: usize,
}
