//! What went wrong, in parts that a person can act on.

use std::{error::Error as StdError, fmt};

use eks_core::{
    Class, Error, SpecError, StepKey,
    engine::{ApplyError, Report, Status},
};
use serde::{Deserialize, Serialize};

/// An error, taken apart: one trouble for each thing that has to be mended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explained {
    /// What happened, in one line; of errors that are not of these crates further lines may follow, as the error lays them out.
    pub summary: String,
    /// Each thing that went wrong.
    pub troubles: Vec<Trouble>,
    /// What follows from it for the rest: what was not tried, whether running again continues.
    pub then: Vec<String>,
}

/// One thing that went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trouble {
    /// Where: the step, the layer, or the thing as the user named it.
    pub place: String,
    /// What was tried: `eks:CreateCluster for chap10`.
    pub what: String,
    /// Why it failed, in the words of whoever refused it.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
    /// AWS's id of the request, for its support.
    pub request_id: Option<String>,
    /// What shows it: evidence, differences.
    pub details: Vec<String>,
}

/// Takes an error apart. The crates' own errors are found anywhere in the chain of sources; of others the chain is told.
pub fn explain(error: &(dyn StdError + 'static)) -> Explained {
    if let Some(error) = error.downcast_ref::<ApplyError>() {
        return apply(error);
    }
    if let Some(error) = error.downcast_ref::<Error>() {
        return match error {
            Error::Spec(spec) => problems(spec),
            error => one(headline(error), trouble(error)),
        };
    }
    if let Some(error) = error.downcast_ref::<SpecError>() {
        return problems(error);
    }
    match error.source() {
        // What wraps an error of ours says less than the error.
        Some(source) if is_ours(source) => explain(source),
        source => {
            let why = source.map(chain).unwrap_or_default();
            let troubles = if why.is_empty() { Vec::new() } else { vec![Trouble { why, ..Trouble::default() }] };
            Explained { summary: error.to_string(), troubles, then: Vec::new() }
        }
    }
}

fn is_ours(error: &(dyn StdError + 'static)) -> bool {
    error.is::<ApplyError>() || error.is::<Error>() || error.is::<SpecError>() || error.source().is_some_and(is_ours)
}

fn one(summary: impl Into<String>, trouble: Trouble) -> Explained {
    Explained { summary: summary.into(), troubles: vec![trouble], then: Vec::new() }
}

/// An error's causes in one line, without those that its own words end with.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}

fn problems(error: &SpecError) -> Explained {
    let count = error.problems.len();
    let summary = format!("{}: {count} problem{}; nothing was called", error.spec, if count == 1 { "" } else { "s" });
    let troubles = error.problems.iter().map(|problem| Trouble {
        place: problem.subject.clone(),
        why: problem.rule.clone(),
        remedy: problem.remedy.clone(),
        details: vec![format!("rule {}", problem.code)],
        ..Trouble::default()
    });
    Explained { summary, troubles: troubles.collect(), then: Vec::new() }
}

fn apply(error: &ApplyError) -> Explained {
    const NOTHING: &str = "nothing was done";
    let in_place = |place: &dyn fmt::Display, source: &Error| Trouble { place: place.to_string(), ..trouble(source) };
    let explained = match error {
        ApplyError::Incomplete { report } => return incomplete(report),
        ApplyError::Plan(source) => one(
            "the plan cannot be applied",
            Trouble { why: chain(source), remedy: "make the plan anew, from specs that belong together".to_owned(), ..Trouble::default() },
        ),
        ApplyError::NoDriver { layer } => one(
            format!("nobody carries out the layer {layer}"),
            Trouble {
                place: layer.clone(),
                why: "the engine was given no driver for it".to_owned(),
                remedy: format!("give the handle of the layer {layer} to Engine::driver"),
                ..Trouble::default()
            },
        ),
        ApplyError::Operation { key, source } => {
            let trouble = Trouble { remedy: "make the plan anew with this version".to_owned(), ..in_place(key, source) };
            one("a step of the plan is not one of this version's", trouble)
        }
        ApplyError::Observe { layer, source } => one(format!("the layer {layer} could not be looked at"), in_place(layer, source)),
        ApplyError::Stale { differences } => one(
            "the plan no longer fits what exists",
            Trouble {
                why: "what it was made on has changed since".to_owned(),
                remedy: "plan again, and read the new plan".to_owned(),
                details: differences.iter().map(ToString::to_string).collect(),
                ..Trouble::default()
            },
        ),
        ApplyError::Refused { reasons } => Explained {
            summary: "the teardown is not carried out".to_owned(),
            troubles: reasons
                .iter()
                .map(|reason| Trouble { place: reason.step.to_string(), why: reason.message.clone(), ..Trouble::default() })
                .collect(),
            then: Vec::new(),
        },
        error => one(error.to_string(), Trouble { why: error.source().map(chain).unwrap_or_default(), ..Trouble::default() }),
    };
    Explained { then: vec![NOTHING.to_owned()], ..explained }
}

fn incomplete(report: &Report) -> Explained {
    let done = report.count(|status| matches!(status, Status::Done | Status::Kept));
    let failed = report.count(|status| *status == Status::Failed);
    let stopped = report.count(|status| *status == Status::NotStarted);
    let mut then = Vec::new();
    for (key, _) in report.failures() {
        let because = |status: &Status| matches!(status, Status::Skipped { because } if because == key);
        let lost: Vec<&StepKey> = report.steps.iter().filter(|(_, step)| because(&step.status)).map(|(key, _)| key).collect();
        if let Some(first) = lost.first() {
            let more = if lost.len() > 1 { format!(" and {} more", lost.len() - 1) } else { String::new() };
            then.push(format!("not tried because {key} failed: {first}{more}"));
        }
    }
    if stopped > 0 {
        then.push(format!("{stopped} not begun, because the run was stopped"));
    }
    then.push("what is done stays; running again continues from there".to_owned());
    let failures = report.failures().flat_map(|(key, error)| match error {
        Error::Spec(spec) => problems(spec).troubles,
        error => vec![Trouble { place: key.to_string(), ..trouble(error) }],
    });
    let failing = if failed == 1 { "1 step failed".to_owned() } else { format!("{failed} steps failed") };
    let summary = if failed == 0 { "the run was stopped".to_owned() } else { failing };
    Explained { summary: format!("{summary}; {done} of {} are done", report.steps.len()), troubles: failures.collect(), then }
}

fn headline(error: &Error) -> String {
    match error {
        Error::Call { call, .. } => format!("{call} failed"),
        Error::Terminal { subject, state, .. } => format!("{subject} is {state}"),
        Error::Timeout { subject, .. } => format!("{subject} did not get ready in time"),
        Error::Diagnosed { subject, .. } => format!("{subject} will not come"),
        Error::Stopped { .. } => "the run was stopped".to_owned(),
        Error::Refused { subject, .. } => format!("{subject} is left as it is"),
        Error::Plan { .. } => "the plan is at fault".to_owned(),
        error => error.to_string(),
    }
}

/// The parts of an error of a step.
fn trouble(error: &Error) -> Trouble {
    let blank = Trouble::default();
    match error {
        Error::Call { call, subject, class, code, request_id, source } => {
            let said = chain(&**source);
            Trouble {
                place: subject.clone(),
                what: format!("{call} for {subject}"),
                why: code.as_ref().map_or(said.clone(), |code| format!("{code}: {said}")),
                remedy: remedy(*class, call, code.as_deref()),
                request_id: request_id.clone(),
                ..blank
            }
        }
        Error::Terminal { subject, state, reason } => Trouble {
            place: subject.clone(),
            what: format!("waited for {subject}, which is {state}"),
            why: reason.clone(),
            remedy: "mend the cause that is named, then run again".to_owned(),
            ..blank
        },
        Error::Timeout { subject, state, waited, polls } => Trouble {
            place: subject.clone(),
            what: format!("waited {} for {subject}", crate::clock(*waited)),
            why: format!("it is still {state}, after {polls} looks"),
            remedy: "look at it in AWS's console; running again goes on waiting".to_owned(),
            ..blank
        },
        Error::Diagnosed { subject, diagnosis } => Trouble {
            place: subject.clone(),
            what: format!("waited for {subject}"),
            why: format!("{} ({})", diagnosis.told, diagnosis.cause),
            remedy: diagnosis.fix.clone(),
            details: diagnosis.evidence.iter().cloned().chain([format!("page: {}", diagnosis.page)]).collect(),
            ..blank
        },
        Error::Stopped { subject, reason } => {
            Trouble { place: subject.clone(), why: reason.clone(), remedy: "run again to continue".to_owned(), ..blank }
        }
        Error::Refused { subject, rule, remedy } => Trouble { place: subject.clone(), why: rule.clone(), remedy: remedy.clone(), ..blank },
        Error::Plan { subject, reason } => {
            Trouble { place: subject.clone(), why: reason.clone(), remedy: "make the plan anew".to_owned(), ..blank }
        }
        error => Trouble { why: error.chain(), ..blank },
    }
}

/// What helps against an error of this class.
fn remedy(class: Class, call: &str, code: Option<&str>) -> String {
    let service = call.split(':').next().unwrap_or(call);
    match (class, code) {
        (Class::Denied, Some("ExpiredToken" | "ExpiredTokenException")) => {
            "the credentials have expired: log in anew, then run again".to_owned()
        }
        (Class::Denied, Some("InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClientException" | "AuthFailure")) => {
            "AWS does not know these credentials: look at the profile, the account and this machine's clock".to_owned()
        }
        (Class::Denied, Some("OptInRequired")) => format!("activate {service} for this account and Region"),
        (Class::Denied, _) => format!(
            "allow {call} to whoever runs this (Plan::policy tells the least policy); where a policy allows it, a boundary or an \
             organization's policy forbids it"
        ),
        (Class::Quota, _) => format!("ask for a higher quota of {service} in Service Quotas, or make less; then run again"),
        (Class::Conflict, _) => "something else has or holds it: remove or rename one of them, then run again".to_owned(),
        (Class::NotFound, _) => "it went away meanwhile: plan again".to_owned(),
        (Class::Throttled, _) => "run again later; one aws::Limiter for a process keeps below what AWS takes".to_owned(),
        (Class::Transient, _) => "run again: it looks first whether the call took effect".to_owned(),
        (Class::Inconsistent, _) => "AWS has not caught up with an earlier change: run again in a minute".to_owned(),
        _ => "mend what the message names, then plan again".to_owned(),
    }
}
