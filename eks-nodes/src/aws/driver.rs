//! Carries out the operations of this layer.

use std::{collections::BTreeMap, time::Duration};

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
                WorkersOp::AwaitStack { id, name } => self.stands(cx, name.as_str(), wait(Goal::Standing, &id, step.typical / 2)).await,
                WorkersOp::CreateStack { stack } => self.create(&stack, step.typical, cx).await,
                WorkersOp::RecreateStack { id, stack } => {
                    self.gone(&id, cx).await?;
                    self.create(&stack, step.typical, cx).await
                }
                WorkersOp::ReplaceStack { id, stack } => {
                    self.clear(&id, cx).await?;
                    self.create(&stack, step.typical, cx).await
                }
                WorkersOp::UpdateStack { id, stack } => self.update(&id, &stack, step.typical, cx).await,
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
        self.stands(cx, request.name.as_str(), wait(Goal::Standing, &id, typical)).await
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

    /// Changes the stack and waits until the change has been carried out.
    async fn update(&self, id: &str, request: &StackRequest, typical: Duration, cx: &StepContext) -> Result<Outputs, Error> {
        let running =
            cx.attempt() > 1 && self.describe(id).await?.is_some_and(|stack| matches!(stack.status.next(Purpose::Make), Next::Wait));
        let call = if running { Call::Began } else { self.update_stack(id, request, cx).await? };
        let goal = if call == Call::Began { Goal::Updated } else { Goal::Standing };
        let first = if call == Call::Began { typical / 4 } else { Duration::ZERO };
        self.stands(cx, request.name.as_str(), wait(goal, id, typical).first(first)).await
    }

    /// Waits until a stack that is being deleted is gone.
    async fn gone(&self, id: &str, cx: &StepContext) -> Result<(), Error> {
        match self.describe(id).await? {
            Some(stack) if stack.status != StackStatus::DeleteComplete => {
                cx.wait(wait(Goal::Deleted, id, Duration::from_secs(20))).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Deletes a stack that never came to be, if that is still so: change sets may have been carried out since the plan was made.
    async fn clear(&self, id: &str, cx: &StepContext) -> Result<(), Error> {
        match self.describe(id).await? {
            Some(stack) if matches!(stack.status.next(Purpose::Make), Next::Compare | Next::Wait) => Err(Error::Refused {
                subject: format!("stack {}", stack.name),
                rule: format!("was to be deleted as it had never come to be, and now is in {}", stack.status),
                remedy: "plan again".to_owned(),
            }),
            Some(_) => self.delete(id, Duration::from_secs(20), cx).await,
            None => Ok(()),
        }
    }

    /// Deletes the stack and waits until it is gone.
    async fn delete(&self, id: &str, typical: Duration, cx: &StepContext) -> Result<(), Error> {
        while let Some(stack) = self.describe(id).await? {
            match stack.status.next(Purpose::Remove) {
                Next::Gone => return Ok(()),
                Next::Wait => {
                    cx.wait(wait(Goal::Settled, id, typical)).await?;
                }
                _ => {
                    self.delete_stack(id, cx).await?;
                    return match cx.wait(wait(Goal::Deleted, id, typical)).await {
                        Err(error) => Err(held(error)),
                        Ok(_) => Ok(()),
                    };
                }
            }
        }
        Ok(())
    }
}

/// A deletion that failed because something still uses a resource (a network interface that the CNI left, a load balancer's rule)
/// succeeds when that is gone: the runner tries such conflicts again.
fn held(error: Error) -> Error {
    match error {
        Error::Terminal { subject, state, reason }
            if ["DependencyViolation", "dependent object"].iter().any(|mark| reason.contains(mark)) =>
        {
            Error::Call {
                call: "cloudformation:DeleteStack".to_owned(),
                subject,
                class: Class::Conflict,
                code: Some(state),
                request_id: None,
                source: reason.into(),
            }
        }
        other => other,
    }
}

fn wait(goal: Goal, id: &str, typical: Duration) -> Wait {
    // CloudFormation gives up first, and then its events tell why.
    Wait::typical(goal.kind(), id, typical).limit(Duration::from_secs(60 * (u64::from(TIMEOUT_MINUTES) + 5)))
}

fn unknown(error: OpError) -> Error {
    let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    Error::Plan { subject: "operation".to_owned(), reason }
}
