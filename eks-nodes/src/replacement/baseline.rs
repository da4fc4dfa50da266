//! How workloads were when the replacement began. A later run judges by that, not by what an earlier one has left: what was a regression
//! stays one, until it is mended.

use std::collections::BTreeSet;

use eks_k8s::replacing::{Health, PodTrouble, WorkloadHealth};

use super::{observed::ReplacementObserved, spec::Replacement};
use crate::fingerprint::fingerprint;

impl Replacement {
    /// What workloads are compared with.
    pub(crate) fn baseline(&self, now: &ReplacementObserved) -> Health {
        let begun = now.old_groups().find_map(|group| group.mark.as_ref());
        match begun {
            Some(mark) if !self.health_as_it_is => mark.ill.as_ref().map_or_else(|| now.health.clone(), |ill| before(&now.health, ill)),
            _ => now.health.clone(),
        }
    }
}

/// Short names of what is ill, to be written down.
pub(crate) fn ill(health: &Health) -> BTreeSet<String> {
    let workloads = health.workloads.iter().filter(|workload| workload.available < workload.wanted).map(of_workload);
    let nodes = health.nodes.iter().filter(|node| !node.ready && !node.closed).map(|node| short(&node.name));
    workloads.chain(nodes).chain(health.troubles.iter().map(of_trouble)).collect()
}

/// The health by which a run judges that was begun when only these were ill.
fn before(now: &Health, ill: &BTreeSet<String>) -> Health {
    let mut before = now.clone();
    for workload in before.workloads.iter_mut().filter(|workload| !ill.contains(&of_workload(workload))) {
        workload.available = workload.wanted;
    }
    for node in before.nodes.iter_mut().filter(|node| !ill.contains(&short(&node.name))) {
        node.ready = true;
    }
    before.troubles.retain(|trouble| ill.contains(&of_trouble(trouble)));
    before
}

fn of_workload(workload: &WorkloadHealth) -> String {
    short(&format!("{} {}/{}", workload.kind, workload.namespace, workload.name))
}

/// Its successors have other names, and the same maker.
fn of_trouble(trouble: &PodTrouble) -> String {
    let maker = trouble.controller.as_deref().unwrap_or(&trouble.pod.name);
    short(&format!("{} {maker} {}", trouble.pod.namespace, trouble.why))
}

fn short(text: &str) -> String {
    let mut hash = fingerprint(text);
    hash.truncate(8);
    hash
}
