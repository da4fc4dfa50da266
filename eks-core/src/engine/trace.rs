//! What a run tells `tracing`: names of OpenTelemetry's semantic conventions where there are some, ours under `eks_rs.`. See
//! [the engine's documentation](crate::engine).

use tracing::{Span, debug, field::Empty, info_span, warn};

use super::{Event, Purpose, Status, StepReport, run::Work};
use crate::{Error, Owner, StepKey};

/// The span of a run.
pub(super) fn of_run(owner: &Owner, purpose: Purpose, region: Option<&str>, steps: usize) -> Span {
    let kind = match purpose {
        Purpose::Make => "apply",
        Purpose::Remove => "teardown",
    };
    info_span!(
        "eks_rs.run",
        otel.name = kind,
        otel.status_code = Empty,
        cloud.provider = "aws",
        cloud.region = region,
        eks_rs.owner = owner.as_str(),
        eks_rs.run.kind = kind,
        eks_rs.run.steps = steps,
        eks_rs.run.complete = Empty,
    )
}

/// How the run ended.
pub(super) fn ended(span: &Span, complete: bool) {
    span.record("eks_rs.run.complete", complete);
    span.record("otel.status_code", if complete { "OK" } else { "ERROR" });
}

/// The span of a step, in that of its run.
pub(super) fn of_step(run: &Span, key: &StepKey, work: &Work) -> Span {
    let action = match work {
        Work::Known(_) => "keep",
        Work::Remove(_) => "remove",
        Work::Run(_) => "run",
    };
    info_span!(
        parent: run,
        "eks_rs.step",
        otel.name = key.as_str(),
        otel.status_code = Empty,
        error.type = Empty,
        eks_rs.step.key = key.as_str(),
        eks_rs.step.layer = key.layer(),
        eks_rs.step.action = action,
        eks_rs.step.operation = operation(work),
        eks_rs.step.attempts = Empty,
        eks_rs.step.outcome = Empty,
    )
}

/// The name of an operation: the tag of its serialised form, and nothing of what is in it.
fn operation(work: &Work) -> Option<&str> {
    let op = match work {
        Work::Known(_) => return None,
        Work::Remove(removal) => &removal.op,
        Work::Run(step) => &step.op,
    };
    match &op.body {
        serde_json::Value::String(name) => Some(name),
        serde_json::Value::Object(map) if map.len() == 1 => map.keys().next().map(String::as_str),
        serde_json::Value::Object(map) => map.get("op").and_then(serde_json::Value::as_str),
        _ => None,
    }
}

/// How a step ended.
pub(super) fn step_ended(span: &Span, report: &StepReport) {
    span.record("eks_rs.step.attempts", report.attempts);
    let outcome = match report.status {
        Status::Done => "done",
        Status::Failed => "failed",
        Status::Kept => "kept",
        Status::NotStarted => "not_started",
        Status::Skipped { .. } => "skipped",
    };
    span.record("eks_rs.step.outcome", outcome);
    match &report.error {
        Some(error) => {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", error_type(error));
        }
        None => {
            span.record("otel.status_code", "OK");
        }
    }
}

/// The service's code, or what kind of failure it is.
fn error_type(error: &Error) -> &str {
    error.code().unwrap_or(match error {
        Error::Terminal { .. } => "terminal_state",
        Error::Timeout { .. } => "timeout",
        Error::Diagnosed { .. } => "diagnosed",
        Error::Stopped { .. } => "cancelled",
        Error::Refused { .. } => "refused",
        Error::Spec(_) => "spec",
        Error::Plan { .. } => "plan",
        Error::Call { .. } => "_OTHER",
    })
}

/// What happened in between.
pub(super) fn happened(run: &Span, event: &Event) {
    match event {
        Event::StepWaiting { key, subject, state, elapsed } => debug!(
            parent: run,
            eks_rs.step.key = key.as_str(),
            eks_rs.wait.subject = subject.as_str(),
            eks_rs.wait.state = state.as_str(),
            eks_rs.wait.seconds = elapsed.as_secs(),
            "waiting"
        ),
        Event::StepRetrying { key, attempt, error, after } => warn!(
            parent: run,
            eks_rs.step.key = key.as_str(),
            eks_rs.step.attempt = attempt,
            eks_rs.retry.seconds = after.as_secs(),
            error.message = error.as_str(),
            "trying again"
        ),
        Event::StepSkipped { key, because } => {
            warn!(parent: run, eks_rs.step.key = key.as_str(), eks_rs.step.because = because.as_str(), "skipped");
        }
        _ => {}
    }
}
