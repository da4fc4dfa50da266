//! Change sets: what an update would do, asked of CloudFormation before it is done.
//!
//! They are of type UPDATE, for stacks that stand; none is ever made for a stack that is not there, which would leave it in
//! REVIEW_IN_PROGRESS.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_cloudformation::types::{self, ChangeSetStatus, ChangeSetType, Parameter};
use eks_core::{Error, Finding, Op, Owner, Plan, StackName, StepKey, aws::failed, engine::StepContext};

use super::{
    Workers,
    stack_calls::{capabilities, fresh_token, source, tags_of, token},
};
use crate::{
    actions,
    decide::HIDDEN,
    diff::{ChangeAction, PropertyChange, Replacement, ResourceChange, StackDiff},
    fingerprint::TEMPLATE_TAG,
    observed::Stack,
    op::WorkersOp,
    plan::fault,
    request::{DESIRED, StackRequest},
    spec::WorkersSpec,
};

/// What the names of our change sets begin with: those that a killed run left are found by it.
const PREFIX: &str = "eks-rs-";
/// How long CloudFormation may take to find the changes.
const PATIENCE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_secs(2);
/// Said of a change set that would change nothing; API Reference, "DescribeChangeSet", `StatusReason`.
const NOTHING: [&str; 2] = ["didn't contain changes", "No updates are to be performed"];

/// What change sets were made of, and what they tell, by step.
type Diffs = BTreeMap<StepKey, (StackRequest, StackDiff)>;

impl Workers {
    /// What the updates that these workers need would do to each resource, by CloudFormation's own word. Nothing is changed: a change set
    /// is made for each stack that would be updated, read, and deleted. Stacks that would be made or stay are not in it.
    ///
    /// Values that only another layer's steps will tell are taken to be as they are.
    ///
    /// # Errors
    /// As [`Workers::plan`]; [`Error::Terminal`] if CloudFormation cannot make the change set, or takes longer than five minutes.
    pub async fn diff(&self, spec: &WorkersSpec) -> Result<Vec<StackDiff>, Error> {
        let plan = self.plan(spec).await?;
        Ok(self.diffs(&plan, false).await?.into_values().map(|(_, diff)| diff).collect())
    }

    /// Plans, and shows of each update what CloudFormation says that it would do: the plan carries out exactly these change sets. It is
    /// refused once a stack was changed meanwhile, and where an autoscaler has moved a number that a change set would set back.
    ///
    /// A plan that is not applied leaves its change sets, which cost nothing and go with the next such plan, the next [`Workers::diff`] or
    /// the stack.
    ///
    /// # Errors
    /// As [`Workers::plan_all`] and [`Workers::diff`].
    pub async fn plan_with_change_sets(&self, specs: &[&WorkersSpec]) -> Result<Plan, Error> {
        let plan = self.plan_all(specs).await?;
        let diffs = self.diffs(&plan, true).await?;
        with_change_sets(plan, &diffs)
    }

    /// With the request that each change set was made of.
    async fn diffs(&self, plan: &Plan, keep: bool) -> Result<Diffs, Error> {
        let mut diffs = BTreeMap::new();
        for step in plan.steps() {
            if let Ok(WorkersOp::UpdateStack { id, stack }) = step.op.decode() {
                self.sweep(&id).await?;
                let stack = self.with_size_of_now(&id, &stack).await?;
                let diff = self.change_set(&id, &stack, plan.owner(), &step.key, keep).await?;
                diffs.insert(step.key.clone(), (stack, diff));
            }
        }
        Ok(diffs)
    }

    /// Deletes change sets of ours that an earlier run has left.
    async fn sweep(&self, stack: &str) -> Result<(), Error> {
        let mut pages = self.client.list_change_sets().stack_name(stack).into_paginator().items().send();
        while let Some(set) = pages.next().await {
            let set = set.map_err(|error| failed("cloudformation:ListChangeSets", format!("stack {stack}"), error))?;
            if let Some(id) = set.change_set_id().filter(|_| set.change_set_name().is_some_and(|name| name.starts_with(PREFIX))) {
                self.forget(stack, id).await?;
            }
        }
        Ok(())
    }

    async fn forget(&self, stack: &str, set: &str) -> Result<(), Error> {
        let sent = self.client.delete_change_set().stack_name(stack).change_set_name(set).send().await;
        sent.map(drop).map_err(|error| failed("cloudformation:DeleteChangeSet", format!("stack {stack}"), error))
    }

    async fn change_set(&self, id: &str, request: &StackRequest, owner: &Owner, key: &StepKey, keep: bool) -> Result<StackDiff, Error> {
        let name = fresh_token(owner, key);
        let (body, url) = source(&request.template);
        let call = self.client.create_change_set().stack_name(id).change_set_name(&name).change_set_type(ChangeSetType::Update);
        let call = call.set_template_body(body).set_template_url(url).set_parameters(Some(parameters(request)));
        let call = call.set_capabilities(capabilities(request)).set_tags(Some(tags_of(request, owner.tags(key))));
        let sent = call.client_token(&name).send().await;
        match sent.map_err(|error| failed("cloudformation:CreateChangeSet", format!("stack {}", request.name), error)) {
            // The SDK has tried it again after a lost answer: the name is of this call alone.
            Err(error) if error.code() != Some("AlreadyExistsException") => return Err(error),
            _ => {}
        }
        match self.read(id, &name, &request.name).await {
            Ok(diff) if keep && !diff.is_empty() => Ok(diff),
            // Whatever it told, it goes. An error here must not hide what was told.
            told => {
                let gone = self.forget(id, &name).await;
                let diff = told?;
                gone?;
                Ok(StackDiff { change_set: None, ..diff })
            }
        }
    }

    /// What the change set says, once CloudFormation has found out.
    async fn read(&self, id: &str, set: &str, stack: &StackName) -> Result<StackDiff, Error> {
        let mut diff = StackDiff { stack: stack.clone(), changes: Vec::new(), change_set: None };
        let (mut next, began) = (None, tokio::time::Instant::now());
        loop {
            let call = self.client.describe_change_set().stack_name(id).change_set_name(set).set_next_token(next.clone());
            let page = call.send().await.map_err(|error| failed("cloudformation:DescribeChangeSet", format!("stack {stack}"), error))?;
            let (status, reason) = (page.status().cloned(), page.status_reason().unwrap_or_default());
            match status {
                Some(ChangeSetStatus::CreateComplete) => {
                    diff.changes.extend(page.changes().iter().filter_map(|change| change.resource_change()).map(change));
                    diff.change_set = page.change_set_id().map(str::to_owned);
                    next = page.next_token().map(str::to_owned);
                    if next.is_none() {
                        return Ok(diff);
                    }
                }
                Some(ChangeSetStatus::Failed) if NOTHING.iter().any(|words| reason.contains(words)) => return Ok(diff),
                Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress) if began.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                }
                status => {
                    return Err(Error::Terminal {
                        subject: format!("change set {set} of stack {stack}"),
                        state: status.map_or_else(|| "an unknown state".to_owned(), |status| status.as_str().to_owned()),
                        reason: if reason.is_empty() { "CloudFormation gives no reason".to_owned() } else { reason.to_owned() },
                    });
                }
            }
        }
    }

    /// A change set of Amazon's template holds the number of instances that there were when it was made.
    ///
    /// # Errors
    /// [`Error::Refused`] if the group has another one by now, which would be set back.
    pub(super) async fn keeps_shown_size(&self, id: &str, request: &StackRequest, cx: &StepContext) -> Result<(), Error> {
        if !request.keeps_size {
            return Ok(());
        }
        let now = self.with_size_of_now(id, request).await?;
        let (shown, has) = (request.parameters.get(DESIRED), now.parameters.get(DESIRED));
        // An earlier attempt may have carried it out, and an autoscaler may have gone on since.
        if shown == has || (cx.attempt() > 1 && self.describe(id).await?.is_some_and(|stack| is_as_wanted(&stack, request, cx))) {
            return Ok(());
        }
        let told = |argument: Option<&crate::Argument>| argument.map_or_else(|| "none".to_owned(), ToString::to_string);
        Err(Error::Refused {
            subject: format!("stack {}", request.name),
            rule: format!("has {} instances now, and its change set would set {} again", told(has), told(shown)),
            remedy: "plan again".to_owned(),
        })
    }

    /// Carries out a change set. Whether an update runs now: not if an earlier attempt has brought it to its end.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can no longer be carried out.
    pub(super) async fn execute(&self, id: &str, set: &str, request: &StackRequest, cx: &StepContext) -> Result<bool, Error> {
        let sent = self.client.execute_change_set().stack_name(id).change_set_name(set).client_request_token(token(cx)).send().await;
        let Err(error) = sent.map_err(|error| failed("cloudformation:ExecuteChangeSet", format!("stack {}", request.name), error)) else {
            return Ok(true);
        };
        if !matches!(error.code(), Some("InvalidChangeSetStatus" | "ChangeSetNotFound" | "ChangeSetNotFoundException")) {
            return Err(error);
        }
        // Of an attempt whose answer was lost, the change set is used up and the stack is as it was to become.
        let now = self.describe(id).await?.filter(|_| cx.attempt() > 1);
        if now.is_some_and(|stack| is_as_wanted(&stack, request, cx)) {
            return Ok(false);
        }
        Err(Error::Refused {
            subject: format!("stack {}", request.name),
            rule: "was changed since its change set was made, so that what would be done is not what was shown".to_owned(),
            remedy: "plan again".to_owned(),
        })
    }
}

fn is_as_wanted(stack: &Stack, request: &StackRequest, cx: &StepContext) -> bool {
    let same = |(name, wanted): (&String, &crate::Argument)| {
        let found = stack.parameters.get(name);
        // What is not echoed cannot be compared.
        found.is_some_and(|found| found == HIDDEN)
            || wanted.text(|reference| cx.resolve(reference)).is_ok_and(|wanted| found == Some(&wanted))
    };
    // The size is that of the moment at which the change set was made.
    let mut settled = request.parameters.iter().filter(|(name, _)| name.as_str() != DESIRED);
    stack.tags.get(TEMPLATE_TAG) == Some(&request.template.fingerprint()) && settled.all(same)
}

/// What is known; the rest is as it is.
fn parameters(request: &StackRequest) -> Vec<Parameter> {
    let parameter = |(name, argument): (&String, &crate::Argument)| {
        let parameter = Parameter::builder().parameter_key(name);
        match argument.text(|reference| reference.known().cloned().ok_or(())) {
            Ok(value) => parameter.parameter_value(value).build(),
            Err(()) => parameter.use_previous_value(true).build(),
        }
    };
    request.parameters.iter().map(parameter).collect()
}

fn change(found: &types::ResourceChange) -> ResourceChange {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    ResourceChange {
        logical: text(found.logical_resource_id()),
        kind: text(found.resource_type()),
        action: match found.action() {
            Some(types::ChangeAction::Add | types::ChangeAction::Import) => ChangeAction::Add,
            Some(types::ChangeAction::Modify | types::ChangeAction::SyncWithActual) => ChangeAction::Modify,
            Some(types::ChangeAction::Remove) => ChangeAction::Remove,
            _ => ChangeAction::Undetermined,
        },
        replacement: match found.replacement() {
            Some(types::Replacement::True) => Replacement::Yes,
            Some(types::Replacement::Conditional) => Replacement::Conditional,
            _ => Replacement::No,
        },
        details: merged(found.details().iter().filter_map(detail)),
    }
}

fn detail(found: &types::ResourceChangeDetail) -> Option<PropertyChange> {
    let target = found.target()?;
    let part = target.name().or_else(|| target.attribute().map(types::ResourceAttribute::as_str))?;
    Some(PropertyChange {
        name: part.to_owned(),
        replacement: match target.requires_recreation() {
            Some(types::RequiresRecreation::Always) => Replacement::Yes,
            Some(types::RequiresRecreation::Conditionally) => Replacement::Conditional,
            _ => Replacement::No,
        },
        cause: found.causing_entity().map(str::to_owned),
        dynamic: found.evaluation() == Some(&types::EvaluationType::Dynamic),
    })
}

/// CloudFormation tells a property twice where both its value and what it refers to change: what names the cause says more.
fn merged(details: impl Iterator<Item = PropertyChange>) -> Vec<PropertyChange> {
    let mut kept: Vec<PropertyChange> = Vec::new();
    for detail in details {
        match kept.iter_mut().find(|known| known.name == detail.name && (known.cause.is_none() || detail.cause.is_none())) {
            Some(known) => {
                known.cause = known.cause.take().or(detail.cause);
                known.replacement = known.replacement.max(detail.replacement);
                known.dynamic &= detail.dynamic;
            }
            None => kept.push(detail),
        }
    }
    kept
}

/// The same plan, in which each update carries out exactly the change set that was looked at.
fn with_change_sets(plan: Plan, diffs: &Diffs) -> Result<Plan, Error> {
    let (mut steps, mut findings) = (plan.steps().to_vec(), Vec::new());
    for step in &mut steps {
        let Some((request, diff)) = diffs.get(&step.key) else { continue };
        step.changes.extend(diff.lines());
        *step = step.clone().permits(actions::CHANGE_SETS);
        if let (WorkersOp::UpdateStack { id, .. }, Some(change_set)) = (step.op.decode().map_err(fault)?, &diff.change_set) {
            let op = WorkersOp::ExecuteChangeSet { id, change_set: change_set.clone(), stack: request.clone() };
            step.op = Op::encode(&op).map_err(fault)?;
        }
        let lost = diff.lost().map(|lost| Finding::warning(step.key.clone(), format!("the update {lost}; nothing on it is drained")));
        findings.extend(lost);
    }
    plan.with_steps(steps, findings).map_err(fault)
}
