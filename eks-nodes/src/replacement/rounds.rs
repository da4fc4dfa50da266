//! In which batches old nodes go.

use std::collections::BTreeMap;

use eks_core::InstanceId;
use serde::{Deserialize, Serialize};

use super::{
    observed::ReplacementObserved,
    spec::{Batch, Replacement, Surge},
};

/// Old nodes that are drained together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Round {
    /// Their zones; one, but where all go at once.
    pub zones: Vec<String>,
    /// Instances, each with the name of its Auto Scaling group.
    pub instances: BTreeMap<InstanceId, String>,
    /// The nodes that they were when this was planned.
    pub nodes: Vec<String>,
    /// How many instances the new group has before it, by zone; the empty zone stands for the group over all of them. Empty if the whole
    /// new group came first.
    pub new_first: BTreeMap<String, u32>,
}

impl Replacement {
    /// The rounds, zone by zone. The same for the same instances.
    pub(crate) fn rounds(&self, now: &ReplacementObserved) -> Vec<Round> {
        let mut by_zone: BTreeMap<&str, Vec<(&InstanceId, &str)>> = BTreeMap::new();
        for (group, instance) in now.old_live() {
            by_zone.entry(&instance.zone).or_default().push((&instance.id, &group.name));
        }
        let remembered: u32 = now.old_groups().map(|group| group.before().desired).sum();
        let live = by_zone.values().map(Vec::len).sum::<usize>();
        let total = live.max(remembered as usize);
        let most = match self.batch {
            Batch::Zone => usize::MAX,
            Batch::Nodes(count) => count as usize,
            Batch::Percent(percent) => (total * usize::from(percent)).div_ceil(100),
        };
        let most = match self.surge {
            Surge::Whole => most,
            Surge::Nodes(count) => most.min(count as usize),
        };
        if self.batch == Batch::Percent(100) && self.surge == Surge::Whole {
            let all = by_zone.values().flatten().copied();
            return Vec::from_iter((live > 0).then(|| round(now, by_zone.keys().map(|zone| (*zone).to_owned()).collect(), all)));
        }
        let mut rounds = Vec::new();
        for (zone, mut instances) in by_zone {
            instances.sort();
            let batches = instances.chunks(most.clamp(1, instances.len().max(1)));
            rounds.extend(batches.map(|batch| round(now, vec![zone.to_owned()], batch.iter().copied())));
        }
        rounds
    }
}

fn round<'a>(now: &ReplacementObserved, zones: Vec<String>, instances: impl Iterator<Item = (&'a InstanceId, &'a str)>) -> Round {
    let instances: BTreeMap<_, _> = instances.map(|(id, group)| (id.clone(), group.to_owned())).collect();
    let nodes = instances.keys().filter_map(|id| now.node_of(id)).map(str::to_owned).collect();
    Round { zones, instances, nodes, new_first: BTreeMap::new() }
}
