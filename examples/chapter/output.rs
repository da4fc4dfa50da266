//! What a person sees.

use std::time::Duration;

use eks_core::{
    Action, Plan,
    engine::{Report, Status},
};
use eks_examples::program::{heading, say};
use eks_view::clock;

/// Outputs worth showing besides the id, in this order.
const TELLING: [&str; 4] = ["endpoint", "hostname", "version", "nodes"];

/// How long it took, against what nobody could beat.
pub(crate) fn applied(report: &Report, floor: Option<Duration>) {
    let steps = report.count(|status| *status == Status::Done);
    say(format!("{steps} steps in {}, {} polls", clock(report.took), report.polls));
    if let Some(floor) = floor {
        let over = report.took.as_secs_f64() / floor.as_secs_f64().max(f64::MIN_POSITIVE);
        say(format!("the longest chain of AWS's own times was {}: {:.1} % over it", clock(floor), (over - 1.0) * 100.0));
    }
}

/// Everything of the plan that exists, with its ids: what was there, and what a run made.
pub(crate) fn exists(plan: &Plan, report: Option<&Report>) {
    if report.is_some() {
        heading("What exists now");
    }
    let width = plan.steps().iter().map(|step| step.key.as_str().len()).max().unwrap_or_default();
    for step in plan.steps() {
        let done = report.and_then(|report| report.steps.get(&step.key)).filter(|step| matches!(step.status, Status::Done | Status::Kept));
        let outputs = match (done, step.action) {
            (Some(done), _) => &done.outputs,
            (None, Action::Keep) if report.is_none() => &step.outputs,
            _ => continue,
        };
        let id = outputs.get("id").map_or("", String::as_str);
        let more: Vec<_> = TELLING.iter().filter_map(|name| outputs.get(*name)).map(String::as_str).collect();
        say(format!("  {:width$}  {}  {id} {}", step.key.as_str(), step.title, more.join(" ")).trim_end());
    }
}
