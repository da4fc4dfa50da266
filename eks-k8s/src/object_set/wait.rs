//! What to wait for, and whether it is so.

use eks_core::Problems;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{field, rollout, secret::CONTENTS};

/// What to wait for of an object. Conditions combine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wait {
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// A condition of its status: `Ready`, `True`.
    Condition {
        /// The type.
        kind: String,
        /// The status.
        status: String,
    },
    /// It is gone.
    Deleted,
    /// A CustomResourceDefinition serves its kind. Never, if its names are not accepted.
    Established,
    /// It is there.
    Exists,
    /// A field, by its path (`status.loadBalancer.ingress[0].hostname`).
    Field {
        /// The path.
        path: String,
        /// What it is; `None`: anything but nothing.
        equals: Option<Value>,
    },
    /// A Deployment, DaemonSet or StatefulSet is rolled out, as `kubectl rollout status` has it.
    RolledOut,
}

/// Whether what is waited for is so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer")]
pub enum Judgement {
    /// It is.
    Met,
    /// Not yet: the state.
    NotYet(String),
    /// It will never be: why.
    Never(String),
}

impl Wait {
    /// All of these.
    pub fn all(waits: impl IntoIterator<Item = Self>) -> Self {
        Self::All(waits.into_iter().collect())
    }

    /// One of these.
    pub fn any(waits: impl IntoIterator<Item = Self>) -> Self {
        Self::Any(waits.into_iter().collect())
    }

    /// A condition that is `True`.
    pub fn condition(kind: impl Into<String>) -> Self {
        Self::Condition { kind: kind.into(), status: "True".to_owned() }
    }

    /// A field that has any value.
    pub fn field(path: impl Into<String>) -> Self {
        Self::Field { path: path.into(), equals: None }
    }

    /// A field that has this value.
    pub fn field_equals(path: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Field { path: path.into(), equals: Some(value.into()) }
    }

    /// This and another.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::All(vec![self, other])
    }

    /// This or another.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::Any(vec![self, other])
    }

    pub(super) fn check(&self, problems: &mut Problems, subject: &str) {
        match self {
            Self::All(waits) | Self::Any(waits) => {
                if waits.is_empty() {
                    problems.add("wait-empty", subject, "nothing is to be waited for", "name a condition");
                }
                // Gone may be one of two good ends, as of a Job that is cleared away.
                let is_end = |wait: &&Self| matches!(self, Self::Any(_)) && **wait == Self::Deleted;
                waits.iter().filter(|wait| !is_end(wait)).for_each(|wait| wait.check(problems, subject));
            }
            Self::Condition { kind, .. } if kind.is_empty() => {
                problems.add("wait-condition", subject, "the condition has no type", "name one such as Ready");
            }
            Self::Condition { status, .. } if !["True", "False", "Unknown"].contains(&status.as_str()) => {
                let rule = format!("{status:?} is no status of a condition");
                problems.add("wait-condition", subject, rule, "write True, False or Unknown");
            }
            Self::Field { path, .. } if !field::is_path(path) => {
                let rule = format!("{path:?} is not a path of a field");
                problems.add("wait-path", subject, rule, "write one such as status.loadBalancer.ingress[0].hostname");
            }
            Self::Deleted => {
                let rule = "a set's objects are made, so waiting for one to be gone would never end";
                problems.add("wait-deleted", subject, rule, "take the object out of the set and prune it");
            }
            _ => {}
        }
    }

    /// Of a Secret: what is compared would be in plans, and what is found in events.
    pub(super) fn check_of_secret(&self, problems: &mut Problems, subject: &str) {
        match self {
            Self::All(waits) | Self::Any(waits) => waits.iter().for_each(|wait| wait.check_of_secret(problems, subject)),
            Self::Field { path, equals: Some(_) } if field::begins_in(path, &CONTENTS) => {
                let rule = "what a Secret holds would be in plans and events";
                problems.add("wait-secret", subject, rule, "wait until the field is there, whatever it is");
            }
            _ => {}
        }
    }

    /// Whether it is so of an object; `None`: it is not there.
    pub fn judge(&self, live: Option<&Value>) -> Judgement {
        let live = match (self, live) {
            (Self::All(waits), _) => return all(waits.iter().map(|wait| wait.judge(live))),
            (Self::Any(waits), _) => return any(waits.iter().map(|wait| wait.judge(live))),
            (Self::Deleted, None) => return Judgement::Met,
            (Self::Deleted, Some(_)) => return Judgement::NotYet("still there".to_owned()),
            (_, None) => return Judgement::NotYet("not there".to_owned()),
            (_, Some(live)) => live,
        };
        match self {
            Self::Condition { kind, status } => condition(live, kind, status),
            Self::Established => established(live),
            Self::Field { path, equals } => match (field::at(live, path), equals) {
                (Some(found), Some(wanted)) if found == wanted => Judgement::Met,
                (Some(Value::Null) | None, _) => Judgement::NotYet(format!("{path} is not set")),
                (Some(_), None) => Judgement::Met,
                (Some(found), Some(_)) => Judgement::NotYet(format!("{path} is {found}")),
            },
            Self::RolledOut => rollout::judge(live),
            Self::All(_) | Self::Any(_) | Self::Deleted | Self::Exists => Judgement::Met,
        }
    }
}

/// Met if all are; never if one never is.
fn all(judged: impl Iterator<Item = Judgement>) -> Judgement {
    let mut pending = Vec::new();
    for judgement in judged {
        match judgement {
            Judgement::Met => {}
            Judgement::NotYet(state) => pending.push(state),
            never @ Judgement::Never(_) => return never,
        }
    }
    if pending.is_empty() { Judgement::Met } else { Judgement::NotYet(pending.join(", ")) }
}

/// Met if one is; never if none ever is.
fn any(judged: impl Iterator<Item = Judgement>) -> Judgement {
    let (mut pending, mut hopeless) = (Vec::new(), Vec::new());
    for judgement in judged {
        match judgement {
            Judgement::Met => return Judgement::Met,
            Judgement::NotYet(state) => pending.push(state),
            Judgement::Never(reason) => hopeless.push(reason),
        }
    }
    if pending.is_empty() { Judgement::Never(hopeless.join(", ")) } else { Judgement::NotYet(pending.join(" or ")) }
}

fn find<'a>(live: &'a Value, kind: &str) -> Option<&'a Value> {
    live.pointer("/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn condition(live: &Value, kind: &str, status: &str) -> Judgement {
    // One that is of an older generation tells nothing of this one.
    let generation = |value: &Value| value.as_u64();
    let Some(found) = find(live, kind) else { return Judgement::NotYet(format!("no condition {kind}")) };
    let is_old =
        generation(&found["observedGeneration"]) < generation(&live["metadata"]["generation"]) && found["observedGeneration"].is_u64();
    if found["status"] == status && !is_old {
        return Judgement::Met;
    }
    let told = found["status"].as_str().unwrap_or("not told");
    let why = ["reason", "message"].iter().find_map(|key| found[*key].as_str()).filter(|why| !why.is_empty());
    Judgement::NotYet(why.map_or_else(|| format!("{kind} is {told}"), |why| format!("{kind} is {told} ({why})")))
}

fn established(live: &Value) -> Judgement {
    if let Some(refused) = find(live, "NamesAccepted").filter(|found| found["status"] == "False") {
        return Judgement::Never(format!("its names are not accepted: {}", refused["message"].as_str().unwrap_or_default()));
    }
    condition(live, "Established", "True")
}
