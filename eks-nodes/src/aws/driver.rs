//! Carries out the operations of this layer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use eks_core::{
    Class, Error, Facts, Op, OpError, Outputs, Owner, Removal, Step, Survivor,
    engine::{BoxFuture, Driver, Poll, StepContext, Wait},
};

use super::{
    Workers,
    stack_calls::{Call, TIMEOUT_MINUTES},
    wait::Goal,
};
use crate::{
    failure::StackFailure,
    observed::{Observed, Scope, Stack},
    op::WorkersOp,
    request::StackRequest,
    status::{Next, Purpose, StackStatus},
};

impl Driver for Workers {
    fn layer(&self) -> &'static str {
        <WorkersOp as eks_core::Operation>::LAYER
    }

    fn check(&self, op: &Op) -> Result<(), Error> {
        match op.decode::<WorkersOp>().map_err(unknown)? {
            WorkersOp::Group { .. } => Self::knows_groups(),
            _ => Ok(()),
        }
    }

    fn observe<'a>(&'a self, owner: &'a Owner, scope: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async move { Ok(self.within(owner, scope).await?.facts()) })
    }

    fn run<'a>(&'a self, step: &'a Step, cx: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async move {
            match step.op.decode::<WorkersOp>().map_err(unknown)? {
                WorkersOp::AwaitStack { id, name } => self.comes(name.as_str(), wait(Goal::Standing, &id, step.typical / 2), cx).await,
                WorkersOp::ContinueRollback { id, skip, .. } => {
                    self.restore(&id, StackStatus::UpdateRollbackFailed, &skip, step.typical, cx).await
                }
                WorkersOp::CreateStack { stack } => self.create(&stack, step.typical, cx).await,
                WorkersOp::ExecuteChangeSet { id, change_set, stack } => self.carry_out(&id, &change_set, &stack, step.typical, cx).await,
                WorkersOp::RecreateStack { id, stack } => {
                    self.gone(&id, cx).await?;
                    self.create(&stack, step.typical, cx).await
                }
                WorkersOp::ReplaceStack { id, stack } => {
                    self.clear(&id, cx).await?;
                    self.create(&stack, step.typical, cx).await
                }
                WorkersOp::UpdateStack { id, stack } => {
                    let stack = self.with_size_of_now(&id, &stack).await?;
                    self.update(&id, &stack, step.typical, cx).await
                }
                WorkersOp::RollBack { id, .. } => self.restore(&id, StackStatus::UpdateFailed, &BTreeSet::new(), step.typical, cx).await,
                WorkersOp::Group { group } => self.run_group(&group, step, cx).await,
                WorkersOp::KeepStack { .. } => Ok(step.outputs.clone()),
                WorkersOp::DeleteStack { name, .. } => Err(Error::Plan {
                    subject: cx.key().to_string(),
                    reason: format!("a plan never deletes, and this would delete stack {name}"),
                }),
            }
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal, cx: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match removal.op.decode::<WorkersOp>().map_err(unknown)? {
                WorkersOp::DeleteStack { id, .. } => self.delete(&id, removal.typical, cx).await,
                WorkersOp::Group { group } => self.remove_group(&group, removal.typical, cx).await,
                _ => Err(Error::Plan { subject: cx.key().to_string(), reason: "a removal only deletes".to_owned() }),
            }
        })
    }

    fn poll<'a>(&'a self, kind: &'a str, ids: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(async move { if kind.starts_with("group-") { self.look_groups(kind, ids).await } else { self.look(kind, ids).await } })
    }

    fn survivors<'a>(&'a self, owner: &'a Owner, scope: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async move { Ok(self.within(owner, scope).await?.survivors()) })
    }
}

impl Workers {
    async fn within(&self, owner: &Owner, scope: &serde_json::Value) -> Result<Observed, Error> {
        let scope: Scope = serde_json::from_value(scope.clone())
            .map_err(|error| Error::Plan { subject: "scope of nodes".to_owned(), reason: error.to_string() })?;
        self.observe(owner, scope).await
    }

    /// Creates the stack and waits until it stands.
    async fn create(&self, request: &StackRequest, typical: Duration, cx: &StepContext) -> Result<Outputs, Error> {
        // On a later attempt the stack may have been made although its answer was lost.
        let found = if cx.attempt() > 1 { self.ours(request, cx).await? } else { None };
        let id = match found {
            Some(stack) if stack.status.next(Purpose::Make) == Next::Recreate => {
                self.gone(&stack.id, cx).await?;
                self.create_stack(request, cx).await?
            }
            // If it failed meanwhile, waiting for it tells why; the plan did not say that anything would be deleted.
            Some(stack) => stack.id,
            None => match self.create_stack(request, cx).await {
                Err(error) if error.code() == Some("AlreadyExistsException") => match self.ours(request, cx).await? {
                    Some(stack) if stack.status.next(Purpose::Make) != Next::Recreate => stack.id,
                    _ => return Err(error.with_class(Class::Inconsistent)),
                },
                made => made?,
            },
        };
        self.comes(request.name.as_str(), wait(Goal::Standing, &id, typical), cx).await
    }

    /// Waits for a stack. What failed is told by its events, and what did not get ready by its resources.
    async fn reached(&self, wait: Wait, cx: &StepContext) -> Result<Outputs, Error> {
        let id = wait.id.clone();
        self.told(&id, cx.wait(wait).await).await
    }

    /// The same of a stack whose instances are to come: whoever can say that they never will is asked meanwhile.
    async fn comes(&self, stack: &str, wait: Wait, cx: &StepContext) -> Result<Outputs, Error> {
        let id = wait.id.clone();
        self.told(&id, self.stands(cx, stack, wait).await).await
    }

    async fn told(&self, id: &str, ended: Result<Outputs, Error>) -> Result<Outputs, Error> {
        match ended {
            Err(Error::Terminal { state, reason, .. }) => {
                let status = state.parse().unwrap_or(StackStatus::Unknown);
                Err(self.failure(id, status, Some(reason)).await?.into_error())
            }
            Err(Error::Timeout { state, waited, .. }) => {
                let mut failure = StackFailure::new(id, state.parse().unwrap_or(StackStatus::Unknown));
                failure.reason = Some(format!("timed out: still {state} after {} minutes", waited.as_secs() / 60));
                failure.unready = self.unready(id).await?;
                Err(failure.into_error())
            }
            other => other,
        }
    }

    /// Leads a stack back to what it was before an update that failed, if it is still in that state.
    async fn restore(
        &self,
        id: &str,
        from: StackStatus,
        skip: &BTreeSet<String>,
        typical: Duration,
        cx: &StepContext,
    ) -> Result<Outputs, Error> {
        match self.describe(id).await? {
            Some(stack) if stack.status == from && from == StackStatus::UpdateFailed => self.roll_back(id, cx).await?,
            Some(stack) if stack.status == from => {
                let skip = self.unrestored(id, skip).await?;
                self.continue_rollback(id, skip, cx).await?;
            }
            // An earlier attempt, or somebody else, has begun it: waiting tells how it ends.
            _ => {}
        }
        self.reached(wait(Goal::Restored, id, typical), cx).await
    }

    /// The stack of this name, which must be this step's.
    async fn ours(&self, request: &StackRequest, cx: &StepContext) -> Result<Option<Stack>, Error> {
        let found = self.describe(request.name.as_str()).await?;
        if found.as_ref().is_some_and(|stack| stack.key(cx.owner()).as_ref() != Some(cx.key())) {
            return Err(Error::Refused {
                subject: format!("stack {}", request.name),
                rule: "exists already, and is not this plan's".to_owned(),
                remedy: "choose another name, or delete that stack".to_owned(),
            });
        }
        Ok(found)
    }

    /// Carries out a change set and waits until that is done.
    async fn carry_out(&self, id: &str, set: &str, request: &StackRequest, typical: Duration, cx: &StepContext) -> Result<Outputs, Error> {
        let runs = if self.runs(id, cx).await? {
            true
        } else {
            self.keeps_shown_size(id, request, cx).await?;
            self.execute(id, set, request, cx).await?
        };
        let goal = if runs { Goal::Updated } else { Goal::Standing };
        self.comes(request.name.as_str(), wait(goal, id, typical).first(typical / 4), cx).await
    }

    /// Whether an earlier attempt has begun an operation that runs.
    async fn runs(&self, id: &str, cx: &StepContext) -> Result<bool, Error> {
        Ok(cx.attempt() > 1 && self.describe(id).await?.is_some_and(|stack| stack.status.next(Purpose::Make) == Next::Wait))
    }

    /// Changes the stack and waits until the change has been carried out.
    async fn update(&self, id: &str, request: &StackRequest, typical: Duration, cx: &StepContext) -> Result<Outputs, Error> {
        let call = if self.runs(id, cx).await? { Call::Began } else { self.update_stack(id, request, cx).await? };
        let goal = if call == Call::Began { Goal::Updated } else { Goal::Standing };
        let first = if call == Call::Began { typical / 4 } else { Duration::ZERO };
        self.comes(request.name.as_str(), wait(goal, id, typical).first(first), cx).await
    }

    /// Waits until a stack that is being deleted is gone.
    async fn gone(&self, id: &str, cx: &StepContext) -> Result<(), Error> {
        match self.describe(id).await? {
            Some(stack) if stack.status != StackStatus::DeleteComplete => {
                self.reached(wait(Goal::Deleted, id, Duration::from_secs(20)), cx).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Deletes a stack that never came to be, if that is still so: change sets may have been carried out since the plan was made.
    async fn clear(&self, id: &str, cx: &StepContext) -> Result<(), Error> {
        match self.describe(id).await? {
            Some(stack) if !never_came_to_be(stack.status) => Err(Error::Refused {
                subject: format!("stack {}", stack.name),
                rule: format!("was to be deleted as it had never come to be, and now is in {}", stack.status),
                remedy: "plan again".to_owned(),
            }),
            Some(_) => self.delete(id, Duration::from_secs(20), cx).await,
            None => Ok(()),
        }
    }

    /// Deletes the stack and waits until it is gone. What held it and is a leftover for certain is removed, and the deletion tried again.
    pub(crate) async fn delete(&self, id: &str, typical: Duration, cx: &StepContext) -> Result<(), Error> {
        while let Some(stack) = self.describe(id).await? {
            match stack.status.next(Purpose::Remove) {
                Next::Gone => return Ok(()),
                Next::Refuse(refusal) => return Err(refusal.of(&stack.name, stack.reason.as_deref())),
                Next::Wait => {
                    self.reached(wait(Goal::Settled, id, typical), cx).await?;
                    continue;
                }
                // Whatever held it then may be gone by now, and if not, the next attempt says so.
                Next::Finish => drop(self.clear_way(self.failure(id, stack.status, stack.reason).await?, cx).await?),
                _ => {}
            }
            self.delete_stack(id, cx).await?;
            let error = match self.reached(wait(Goal::Deleted, id, typical), cx).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            match error.caused_by::<StackFailure>() {
                Some(failure) if failure.status == StackStatus::DeleteFailed => match self.clear_way(failure.clone(), cx).await? {
                    Way::Cleared => {}
                    Way::Held(failure) => return Err(failure.into_error()),
                },
                _ => return Err(error),
            }
        }
        Ok(())
    }
}

/// What was found out about a deletion that failed.
pub(super) enum Way {
    /// Leftovers were removed: it is worth another attempt at once.
    #[cfg_attr(not(feature = "diagnosis"), expect(dead_code, reason = "only who looks at EC2 and IAM finds leftovers"))]
    Cleared,
    /// Nothing that may be removed holds it.
    Held(StackFailure),
}

#[cfg(not(feature = "diagnosis"))]
impl Workers {
    /// Without EC2 and IAM nobody can tell what holds a resource.
    #[expect(clippy::unused_async, reason = "with feature `diagnosis` it asks")]
    async fn clear_way(&self, failure: StackFailure, _cx: &StepContext) -> Result<Way, Error> {
        Ok(Way::Held(failure))
    }
}

/// Whether a stack may be deleted to make it again. One that failed to be updated, or to be rolled back, has nodes that work.
fn never_came_to_be(status: StackStatus) -> bool {
    // An earlier attempt has begun the deletion.
    matches!(status, StackStatus::DeleteComplete | StackStatus::DeleteInProgress | StackStatus::DeleteFailed)
        || status.next(Purpose::Make) == Next::Replace
}

fn wait(goal: Goal, id: &str, typical: Duration) -> Wait {
    // CloudFormation gives up first, and then its events tell why. An update that replaces instances one after another takes long, and
    // knows no limit of its own.
    let limit = Duration::from_secs(60 * (u64::from(TIMEOUT_MINUTES) + 5)).max(typical * 2);
    Wait::typical(goal.kind(), id, typical).limit(limit)
}

fn unknown(error: OpError) -> Error {
    let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    Error::Plan { subject: "operation".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In every other state a stack may hold nodes that work.
    #[test]
    fn only_what_never_came_to_be_is_deleted_to_make_it_again() {
        let deleted: Vec<_> = StackStatus::ALL.iter().filter(|status| never_came_to_be(**status)).map(|status| status.as_str()).collect();
        let expected = [
            "CREATE_FAILED",
            "DELETE_COMPLETE",
            "DELETE_FAILED",
            "DELETE_IN_PROGRESS",
            "REVIEW_IN_PROGRESS",
            "ROLLBACK_COMPLETE",
            "ROLLBACK_FAILED",
            "ROLLBACK_IN_PROGRESS",
        ];
        assert_eq!(deleted, expected);
        assert!(!never_came_to_be(StackStatus::Unknown));
    }
}
