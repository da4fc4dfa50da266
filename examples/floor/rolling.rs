//! The same of an upgrade and of a replacement of nodes, whose service times come again and again under one subject: those of a step are told
//! by when it ran. What a step could have begun earlier, it should have: the order is that of the plan's needs alone.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{
    Step, StepKey,
    engine::{Report, Status},
};
use eks_sim::Ledger;

/// The longest chain of a run over these steps that began at `origin` of the simulator's clock.
pub fn of_steps(steps: &[Step], report: &Report, ledger: &Ledger, origin: Duration) -> Duration {
    let mut ends: BTreeMap<&StepKey, Duration> = BTreeMap::new();
    for step in steps {
        let start = step.needs.iter().filter_map(|need| ends.get(need)).max().copied().unwrap_or_default();
        ends.insert(&step.key, start + took(step, report, ledger, origin));
    }
    ends.into_values().max().unwrap_or_default()
}

/// What AWS and Kubernetes took within a step.
fn took(step: &Step, report: &Report, ledger: &Ledger, origin: Duration) -> Duration {
    let Some(ran) = report.steps.get(&step.key).filter(|ran| ran.status == Status::Done) else { return Duration::ZERO };
    let window = (origin + ran.began, origin + ran.began + ran.took);
    let of = |is: &dyn Fn(&str, &str) -> bool| chain(ledger, window, is);
    let segments: Vec<_> = step.key.as_str().split('/').collect();
    match segments.as_slice() {
        ["cluster", "upgrade" | "rollback", _, "control-plane"] => of(&|_, kind| kind == "ClusterVersionUpdate"),
        ["cluster", "upgrade" | "rollback", _, "insights"] => of(&|_, kind| kind == "InsightsRefresh"),
        ["cluster", "upgrade" | "rollback", _, _, name, ..] => {
            of(&|subject, _| subject.contains(":addon/") && subject.contains(&format!("/{name}/")))
        }
        ["nodes", stack] => of(&|subject, _| subject == *stack),
        ["nodes", stack, "base"] => of(&|subject, _| subject == format!("{stack}-base")),
        // Nodes come by themselves: the slowest of them, from its launch on.
        ["k8s", "nodes", _] | ["replace", _, _, "ready"] => slowest(ledger, window),
        // Pods end, their volumes follow them, they start elsewhere.
        ["replace", .., "drain" | "health"] => {
            of(&|subject, kind| kind == "PodStart" || kind == "VolumeAttach" && subject.starts_with("vol-"))
        }
        ["replace", .., "terminate"] => of(&|_, kind| matches!(kind, "InstanceTerminate" | "NodeRemoval")),
        // A time that somebody has configured; nothing else is waited for.
        ["replace", .., "deregister"] => step.typical.min(ran.took),
        ["replace", stack, "stack"] => of(&|subject, _| subject == *stack),
        ["replace", stack, "base"] => of(&|subject, _| subject == format!("{stack}-base")),
        _ => Duration::ZERO,
    }
}

/// The longest chain of service times within a window that do not overlap.
fn chain(ledger: &Ledger, (from, to): (Duration, Duration), is: &dyn Fn(&str, &str) -> bool) -> Duration {
    let all = ledger.iter().flat_map(|(subject, times)| times.iter().map(move |time| (subject, time)));
    let mut spans: Vec<(Duration, Duration)> = all
        .filter(|(subject, time)| is(subject, &time.kind))
        .map(|(_, time)| (time.began.max(from), (time.began + time.took).min(to)))
        .filter(|(began, ended)| began < ended)
        .collect();
    spans.sort_by_key(|(_, ended)| *ended);
    let mut best: Vec<(Duration, Duration)> = vec![(from, Duration::ZERO)];
    for (began, ended) in spans {
        let before = best.partition_point(|(end, _)| *end <= began).checked_sub(1).map_or(Duration::ZERO, |index| best[index].1);
        let now = best.last().map_or(Duration::ZERO, |(_, sum)| *sum).max(before + (ended - began));
        best.push((ended, now));
    }
    best.last().map_or(Duration::ZERO, |(_, sum)| *sum)
}

/// The longest sum of what one instance took within a window.
fn slowest(ledger: &Ledger, window: (Duration, Duration)) -> Duration {
    let instances = ledger.iter().map(|(subject, _)| subject).filter(|subject| subject.starts_with("i-"));
    instances
        .map(|instance| {
            let is = |subject: &str, kind: &str| subject == instance && matches!(kind, "InstanceLaunch" | "NodeRegister" | "NodeReady");
            chain(ledger, window, &is)
        })
        .max()
        .unwrap_or_default()
}
