//! Why an operation on a stack failed: what CloudFormation's events tell, as data.

use std::fmt;

use eks_core::{Class, Error};
use serde::{Deserialize, Serialize};

use crate::{blocker::Blocker, cause::Cause, status::StackStatus};

/// An operation on a stack that failed: the first failure and those that were not its consequence.
///
/// It is the source of the error of the stack's step: [`Error::caused_by`] finds it there, `Report::caused_by` in what a run left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub struct StackFailure {
    /// Name or ARN of the stack.
    pub stack: String,
    /// Its state.
    pub status: StackStatus,
    /// What failed in this operation, earliest first. What CloudFormation cancelled because of it is not listed.
    pub resources: Vec<FailedResource>,
    /// What CloudFormation says of the stack as a whole.
    pub reason: Option<String>,
    /// The last failed activity of an Auto Scaling group of the stack within the operation: why instances did not come.
    pub activity: Option<String>,
    /// Resources that are not as they should be yet, where nothing failed but time ran out.
    pub unready: Vec<String>,
}

/// A resource whose creation, change or deletion failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedResource {
    /// Its logical id: `NodeGroup`.
    pub logical: String,
    /// Its type: `AWS::AutoScaling::AutoScalingGroup`.
    pub kind: String,
    /// Its physical id, if it has one.
    pub physical: Option<String>,
    /// AWS's words.
    pub reason: String,
    /// What holds it, where its deletion failed and that was looked for (feature `diagnosis`).
    pub blockers: Vec<Blocker>,
}

impl StackFailure {
    /// A failure of which nothing but the stack's state is known.
    pub fn new(stack: impl Into<String>, status: StackStatus) -> Self {
        Self { stack: stack.into(), status, resources: Vec::new(), reason: None, activity: None, unready: Vec::new() }
    }

    /// The cause: what Auto Scaling says of instances that did not come, else what the first failed resource says, else what is said of
    /// the stack.
    pub fn cause(&self) -> Cause {
        let first = self.resources.first().map(|resource| resource.reason.as_str());
        let told = [self.activity.as_deref(), first, self.reason.as_deref()];
        told.into_iter().flatten().map(Cause::of).find(|cause| *cause != Cause::Unknown).unwrap_or(Cause::Unknown)
    }

    /// The error of the stack's step.
    pub fn into_error(self) -> Error {
        let call = match self.status {
            StackStatus::DeleteFailed | StackStatus::DeleteInProgress => "cloudformation:DeleteStack",
            StackStatus::UpdateRollbackFailed => "cloudformation:ContinueUpdateRollback",
            status if status.as_str().starts_with("UPDATE") => "cloudformation:UpdateStack",
            _ => "cloudformation:CreateStack",
        };
        Error::Call {
            call: call.to_owned(),
            subject: format!("stack {}", self.stack),
            class: self.class(),
            code: Some(self.status.to_string()),
            request_id: None,
            source: Box::new(self),
        }
    }

    /// What is in use may be let go of while one waits: a load balancer's interface, say.
    fn class(&self) -> Class {
        if self.status == StackStatus::DeleteFailed && !self.resources.iter().all(FailedResource::may_heal) {
            return Class::Permanent;
        }
        self.cause().class()
    }

    /// What to do, for people.
    fn remedy(&self) -> String {
        if self.status == StackStatus::UpdateRollbackFailed {
            let names: Vec<_> = self.resources.iter().map(|resource| resource.logical.as_str()).collect();
            return format!(
                "{}, then run again; what cannot be restored can be left as it is by skip_in_rollback([{}])",
                self.cause().remedy(),
                names.join(", ")
            );
        }
        self.cause().remedy().to_string()
    }
}

impl fmt::Display for StackFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.resources[..], &self.reason) {
            ([], None) => write!(f, "CloudFormation gives no reason")?,
            ([], Some(reason)) => write!(f, "{}", reason.trim_end())?,
            (resources, _) => {
                for (at, resource) in resources.iter().enumerate() {
                    write!(f, "{}{resource}", if at > 0 { "; " } else { "" })?;
                }
            }
        }
        if !self.unready.is_empty() {
            write!(f, "; not ready: {}", self.unready.join(", "))?;
        }
        if let Some(activity) = &self.activity {
            write!(f, "; the last failure of Auto Scaling: {activity}")?;
        }
        write!(f, "; {}", self.remedy())
    }
}

impl FailedResource {
    /// Whether its deletion may succeed later, though nobody does anything: what holds it is not known, or is itself in use.
    fn may_heal(&self) -> bool {
        let goes = |blocker: &Blocker| matches!(blocker, Blocker::Interface { status, .. } if status == "in-use");
        Cause::of(&self.reason) == Cause::InUse && (self.blockers.is_empty() || self.blockers.iter().any(goes))
    }
}

impl fmt::Display for FailedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.logical, self.reason)?;
        self.blockers.iter().try_for_each(|blocker| write!(f, "; {blocker}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(logical: &str, reason: &str) -> FailedResource {
        FailedResource {
            logical: logical.to_owned(),
            kind: "AWS::EC2::SecurityGroup".to_owned(),
            physical: None,
            reason: reason.to_owned(),
            blockers: Vec::new(),
        }
    }

    #[test]
    fn what_says_most_is_the_cause() {
        let mut failure = StackFailure::new("w", StackStatus::RollbackInProgress);
        assert_eq!(failure.cause(), Cause::Unknown);
        failure.reason = Some("Stack creation time exceeded the specified timeout. ".to_owned());
        assert_eq!(failure.cause(), Cause::Stuck);
        failure.activity = Some("There is no Spot capacity available that matches your request.".to_owned());
        assert_eq!(failure.cause(), Cause::NoCapacity);
        let text = failure.to_string();
        assert!(text.ends_with("your request.; give several instance types or more zones, or try again later"), "{text}");
        let error = failure.clone().into_error();
        assert_eq!(error.caused_by(), Some(&failure));
        assert_eq!(error.code(), Some("ROLLBACK_IN_PROGRESS"));
    }

    #[test]
    fn only_what_is_in_use_is_waited_for() {
        let mut failure = StackFailure::new("w", StackStatus::DeleteFailed);
        failure.resources = vec![resource("Group", "resource sg-1 has a dependent object")];
        assert_eq!(failure.clone().into_error().class(), Class::Conflict);
        failure.resources.push(resource("Role", "Cannot delete entity, must detach all policies first."));
        assert_eq!(failure.into_error().class(), Class::Permanent, "a policy does not go by itself");
    }

    #[test]
    fn a_rollback_that_fails_names_what_could_be_skipped() {
        let mut failure = StackFailure::new("w", StackStatus::UpdateRollbackFailed);
        failure.resources = vec![resource("Group", "x does not exist")];
        let text = failure.into_error().chain();
        assert!(text.contains("skip_in_rollback([Group])"), "{text}");
    }
}
