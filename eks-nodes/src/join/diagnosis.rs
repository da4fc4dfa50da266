//! From evidence to causes.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Cause,
    evidence::{Evidence, InstanceEvidence},
    launch, network, node, role, unready,
};

/// How sure a diagnosis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Certainty {
    /// As things stand, the instances will not become nodes. A wait for them ends.
    Certain,
    /// It would explain what is seen, but something that decides it could not be looked at. No wait ends because of it.
    Likely,
}

/// Why instances do not become nodes, what shows it, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The cause.
    pub cause: Cause,
    /// How sure it is.
    pub certainty: Certainty,
    /// The cause in this case, in one line.
    pub told: String,
    /// What was seen.
    pub evidence: Vec<String>,
    /// What to do about it.
    pub fix: String,
}

impl Diagnosis {
    pub(super) fn certain(cause: Cause, told: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause, certainty: Certainty::Certain, told: told.into(), evidence: Vec::new(), fix: fix.into() }
    }

    pub(super) fn likely(cause: Cause, told: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { certainty: Certainty::Likely, ..Self::certain(cause, told, fix) }
    }

    pub(super) fn seen(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }

    /// Whether it is certain.
    pub fn is_certain(&self) -> bool {
        self.certainty == Certainty::Certain
    }
}

impl From<Diagnosis> for eks_core::Diagnosis {
    fn from(diagnosis: Diagnosis) -> Self {
        Self {
            cause: diagnosis.cause.code().to_owned(),
            told: diagnosis.told,
            evidence: diagnosis.evidence,
            fix: diagnosis.fix,
            page: diagnosis.cause.page().to_owned(),
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_certain() {
            f.write_str("likely: ")?;
        }
        eks_core::Diagnosis::from(self.clone()).fmt(f)
    }
}

/// For how long an instance may have run before what it needs is expected to be in place. Routes, rules, roles and entries that are made
/// together with it are there by then, or being made; a healthy instance has its last look at them some twenty seconds later at the earliest.
pub(super) const SETTLED: Duration = Duration::from_secs(45);

/// Why instances do not become nodes, the certain causes first; empty as long as everything may still end well.
///
/// `waited` tells for how long the group has been waited for: launches that failed before do not count.
pub fn diagnose(evidence: &Evidence, waited: Duration) -> Vec<Diagnosis> {
    let mut found: Vec<Diagnosis> = launch::diagnose(evidence, waited);
    for instance in suspects(evidence) {
        // The first in the order of its boot: what comes later was not reached.
        let unproven = !has_joined_sibling(evidence, instance);
        let first = node::at_boot(evidence, instance)
            .or_else(|| network::way_out(evidence, instance).filter(|_| unproven))
            .or_else(|| role::at_work(evidence, instance))
            .or_else(|| node::aims(evidence, instance))
            .or_else(|| network::way_to_api(evidence, instance).filter(|_| unproven))
            .or_else(|| role::mapping(evidence, instance).filter(|_| unproven))
            .or_else(|| node::skew(evidence, instance))
            .or_else(|| node::malformed(evidence, instance));
        if let Some(first) = first {
            let first = first.seen(format!("{} ({}, {}) runs for {} s", instance.id, instance.kind, instance.zone, instance.age.as_secs()));
            add(&mut found, first);
        }
    }
    unready::diagnose(evidence, waited).into_iter().for_each(|diagnosis| add(&mut found, diagnosis));
    found.sort_by_key(|diagnosis| diagnosis.certainty);
    found
}

/// Several instances with one cause make one diagnosis.
fn add(found: &mut Vec<Diagnosis>, more: Diagnosis) {
    match found.iter_mut().find(|one| one.cause == more.cause && one.told == more.told) {
        None => found.push(more),
        Some(one) => more.evidence.into_iter().for_each(|line| {
            if !one.evidence.contains(&line) {
                one.evidence.push(line);
            }
        }),
    }
}

/// Instances that run and that Kubernetes does not know as nodes.
fn suspects(evidence: &Evidence) -> impl Iterator<Item = &InstanceEvidence> {
    evidence.instances.iter().filter(|instance| instance.state == "running" && instance.age >= SETTLED && !has_joined(evidence, instance))
}

fn has_joined(evidence: &Evidence, instance: &InstanceEvidence) -> bool {
    evidence.nodes.iter().flatten().any(|node| node.instance.as_deref() == Some(&instance.id))
}

/// Whether another instance of the same subnet, profile and security groups is a node: then ways and mapping are in order, whatever they
/// look like from here.
fn has_joined_sibling(evidence: &Evidence, instance: &InstanceEvidence) -> bool {
    let groups = |one: &InstanceEvidence| one.security_groups.iter().cloned().collect::<BTreeSet<_>>();
    let wanted = groups(instance);
    evidence.instances.iter().any(|other| {
        other.id != instance.id
            && (&other.subnet, &other.profile) == (&instance.subnet, &instance.profile)
            && groups(other) == wanted
            && has_joined(evidence, other)
    })
}
