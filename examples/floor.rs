//! The time that nobody could beat: the longest chain of the service times that AWS took in this run.
//!
//! It is computed from the plan's needs and the simulator's own ledger. The runner's clock has no part in it: not when steps began,
//! not how long they took, not what was polled. Latencies of calls are left out too, so the floor is lower than any client could go.

mod rolling;

use std::{collections::BTreeMap, time::Duration};

use eks_core::{Plan, Step, StepKey, engine::Report};
use eks_sim::{Ledger, ServiceTime};

pub use rolling::of_steps;

/// The longest chain of the run that `report` tells of.
pub fn of(plan: &Plan, report: &Report, ledger: &Ledger) -> Duration {
    let mut ends: BTreeMap<&StepKey, Duration> = BTreeMap::new();
    for step in plan.steps() {
        let start = step.needs.iter().filter_map(|need| ends.get(need)).max().copied().unwrap_or_default();
        ends.insert(&step.key, start + took(step, report, ledger));
    }
    ends.into_values().max().unwrap_or_default()
}

/// What AWS took for what a step makes.
fn took(step: &Step, report: &Report, ledger: &Ledger) -> Duration {
    let key = step.key.as_str();
    let segments: Vec<_> = key.split('/').collect();
    let cluster = plan_cluster(report);
    match segments.as_slice() {
        // Services see a role a while after its last change.
        ["cluster", "role", ..] => report.output(key, "name").or(report.output(key, "id")).map_or(Duration::ZERO, |id| {
            let name = id.rsplit('/').next().unwrap_or(id);
            from_first_to_newest(ledger.of(name))
        }),
        // These need nodes, which come by themselves once the group is there: from the cause to the effect, on AWS's clock.
        ["k8s", "nodes", stack] => last(ledger, "i-", "NodeReady").saturating_sub(end(ledger.of(stack), "StackCreate")),
        ["cluster", "addon-ready", name] => {
            let addon = format!(":addon/{cluster}/{name}/");
            healthy(ledger, |subject| subject.contains(&addon)).saturating_sub(last(ledger, "i-", "NodeReady"))
        }
        // An add-on that is only asked for is there at once.
        ["cluster", "addon", name] if plan_waits_elsewhere(name) => Duration::ZERO,
        ["cluster", "addon", name] => {
            let addon = format!(":addon/{cluster}/{name}/");
            ledger
                .iter()
                .filter(|(subject, _)| subject.contains(&addon))
                .flat_map(|(_, times)| times)
                .map(|time| time.took)
                .max()
                .unwrap_or_default()
        }
        // A stack has two names in one ledger: its own, and those of its parts, which it contains.
        ["nodes", stack] => longest(ledger.of(stack)),
        ["nodes", stack, "base"] => longest(ledger.of(&format!("{stack}-base"))),
        // A Pod with a claim: its volume is made, attached, then it starts.
        ["k8s", "pod", namespace, name] => {
            let volumes = ledger.iter().filter(|(subject, _)| subject.starts_with("vol-"));
            let volume = volumes.map(|(_, times)| times.iter().take(2).map(|time| time.took).sum::<Duration>()).max().unwrap_or_default();
            volume + longest(ledger.of(&format!("{cluster}/{namespace}/{name}")))
        }
        ["k8s", "service", namespace, name] => longest(ledger.of(&format!("{cluster}/{namespace}/{name}"))),
        _ => report.output(key, "id").map_or(Duration::ZERO, |id| longest(ledger.of(id))),
    }
}

fn plan_cluster(report: &Report) -> &str {
    report.output("cluster/control-plane", "id").unwrap_or_default()
}

/// Add-ons that run on nodes are waited for by a step of their own.
fn plan_waits_elsewhere(addon: &str) -> bool {
    matches!(addon, "coredns" | "aws-ebs-csi-driver")
}

fn longest(times: &[ServiceTime]) -> Duration {
    times.iter().map(|time| time.took).max().unwrap_or_default()
}

/// From the beginning of the first to the end of the one that began last: what services see last holds all changes.
fn from_first_to_newest(times: &[ServiceTime]) -> Duration {
    let began = times.iter().map(|time| time.began).min().unwrap_or_default();
    times.iter().max_by_key(|time| time.began).map_or(Duration::ZERO, |time| (time.began + time.took).saturating_sub(began))
}

fn end(times: &[ServiceTime], kind: &str) -> Duration {
    times.iter().filter(|time| time.kind == kind).map(|time| time.began + time.took).max().unwrap_or_default()
}

/// The last end of this kind over subjects that begin so.
fn last(ledger: &Ledger, prefix: &str, kind: &str) -> Duration {
    ledger.iter().filter(|(subject, _)| subject.starts_with(prefix)).map(|(_, times)| end(times, kind)).max().unwrap_or_default()
}

/// When an add-on that runs on nodes got healthy: the first of its ends since the first node was Ready.
fn healthy(ledger: &Ledger, of: impl Fn(&str) -> bool) -> Duration {
    let nodes = ledger.iter().filter(|(subject, _)| subject.starts_with("i-")).map(|(_, times)| end(times, "NodeReady"));
    let first = nodes.min().unwrap_or_default();
    let times = ledger.iter().filter(|(subject, _)| of(subject)).flat_map(|(_, times)| times);
    times.map(|time| time.began + time.took).filter(|end| *end >= first).min().unwrap_or_default()
}
