//! What a diagnostician remembers between two looks at a group.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::super::{Cause, evidence::Evidence};

/// For how long a look tells of what is so now: what it saw may be mended later.
const FRESH: Duration = Duration::from_secs(60);

/// Holds user data, so that it has no `Debug`.
#[derive(Default)]
pub(super) struct Notes {
    /// When the last look was.
    pub(super) at: Option<SystemTime>,
    /// With which turn the last look began that was no second one: a second one begins there, too.
    pub(super) began: usize,
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

impl Notes {
    /// Drops what a look saw too long ago; what never changes stays.
    pub(super) fn refresh(&mut self, now: SystemTime) {
        let is_fresh = self.at.is_some_and(|at| now.duration_since(at).is_ok_and(|passed| passed <= FRESH));
        if !is_fresh {
            self.certain.clear();
            self.last = Evidence::default();
        }
    }
}
