//! How many nodes the new group has, and when.

use std::collections::BTreeMap;

use super::{
    group::ScalingGroup,
    observed::ReplacementObserved,
    rounds::Round,
    spec::{Replacement, Surge},
};
use crate::{Capacity, WorkersSpec, sizing::last_said};

/// Numbers of instances by zone; the empty zone stands for the group over all of them.
pub(crate) type Sizes = BTreeMap<String, u32>;

impl Replacement {
    /// How many instances the new group has in the end: as many as the old one had, unless the spec says more.
    pub(crate) fn target(&self, now: &ReplacementObserved) -> Sizes {
        let wanted = self.new.capacity.desired();
        let old = old_sizes(now);
        if !self.new.per_zone {
            return Sizes::from([(String::new(), wanted.max(old.values().sum()))]);
        }
        let zones = self.new.zones();
        zones.keys().map(|zone| (zone.to_string(), wanted.max(old.get(zone.as_str()).copied().unwrap_or_default()))).collect()
    }

    /// How many it has now; `None` if it is not there.
    pub(crate) fn present(&self, now: &ReplacementObserved) -> Option<Sizes> {
        let mut groups = now.new_groups().peekable();
        groups.peek()?;
        Some(groups.map(|group| (self.zone_of(group), group.desired)).collect())
    }

    pub(crate) fn zone_of(&self, group: &ScalingGroup) -> String {
        match (self.new.per_zone, group.zones.first()) {
            (true, Some(zone)) if group.zones.len() == 1 => zone.clone(),
            _ => String::new(),
        }
    }

    /// The spec that the new stack is made by. A replacement changes no sizes of a stack that stands, and one that comes batch by batch begins
    /// with as few instances as it may have.
    pub(crate) fn made(&self, now: &ReplacementObserved) -> WorkersSpec {
        let mut made = self.new.clone();
        if now.old_live().next().is_none() {
            return made;
        }
        let stack = now.stacks.stack(self.new.name.as_str());
        let size = |name: &str| stack?.parameters.get(&format!("NodeAutoScalingGroup{name}"))?.parse().ok();
        let standing = || Some((size("MinSize")?, last_said(stack?)?, size("MaxSize")?));
        if let Some((min, desired, max)) = standing() {
            made.capacity = Capacity::new(min, desired, max).unwrap_or(made.capacity);
        }
        made.begins_small = self.begins_small();
        made
    }

    fn begins_small(&self) -> bool {
        self.surge != Surge::Whole && self.new.amazon.is_none()
    }

    /// How many instances the new stack is made with.
    pub(crate) fn first(&self) -> u32 {
        let capacity = self.new.capacity;
        let each = if self.begins_small() { capacity.min() } else { capacity.desired() };
        each.saturating_mul(self.new.groups())
    }

    /// Tells each round how many new instances there must be before it.
    pub(crate) fn surge_rounds(&self, now: &ReplacementObserved, rounds: &mut [Round]) {
        if self.surge == Surge::Whole {
            return;
        }
        let (target, before) = (self.target(now), old_sizes(now));
        let zone = |zone: &str| if self.new.per_zone { zone.to_owned() } else { String::new() };
        let mut had = Sizes::new();
        for (at, count) in before {
            *had.entry(zone(&at)).or_default() += count;
        }
        let mut left = Sizes::new();
        for (_, instance) in now.old_live() {
            *left.entry(zone(&instance.zone)).or_default() += 1;
        }
        for round in rounds {
            let goes = u32::try_from(round.instances.len()).unwrap_or(u32::MAX);
            let Some(at) = round.zones.first().map(|first| zone(first)) else { continue };
            // What is replaced already, and what this round replaces.
            let replaced = had.get(&at).copied().unwrap_or_default().saturating_sub(left.get(&at).copied().unwrap_or_default());
            let most = target.get(&at).copied().unwrap_or_default();
            for (zone, most) in &target {
                let before = had.get(zone).copied().unwrap_or_default().saturating_sub(left.get(zone).copied().unwrap_or_default());
                round.new_first.insert(zone.clone(), before.min(*most));
            }
            round.new_first.insert(at.clone(), (replaced + goes).min(most));
            if let Some(left) = left.get_mut(&at) {
                *left = left.saturating_sub(goes);
            }
        }
    }
}

/// How many instances the old group had in each zone when the replacement began.
fn old_sizes(now: &ReplacementObserved) -> Sizes {
    let mut sizes = Sizes::new();
    for group in now.old_groups() {
        let desired = group.before().desired;
        let mut found = Sizes::new();
        for instance in group.live() {
            *found.entry(instance.zone.clone()).or_default() += 1;
        }
        let live: u32 = found.values().sum();
        let zones: Vec<&String> = group.zones.iter().collect();
        // Those that are missing by now are taken to have been spread evenly, as Auto Scaling does.
        for _ in live..desired {
            let Some(least) = zones.iter().min_by_key(|zone| found.get(**zone).copied().unwrap_or_default()) else { break };
            *found.entry((**least).clone()).or_default() += 1;
        }
        for (zone, count) in found {
            *sizes.entry(zone).or_default() += count;
        }
    }
    sizes
}
