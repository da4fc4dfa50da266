//! What to do about one stack.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Action, Error, Outputs, Ref, StepKey};

use crate::{
    fingerprint::TEMPLATE_TAG,
    observed::{Observed, Stack},
    op::WorkersOp,
    request::{Argument, KEEPS, StackRequest, TemplateSource},
    status::{Next, Purpose, StackStatus},
};

/// Parameters that make another group of workers, not a changed one.
const FIXED: [&str; 2] = ["ClusterName", "VpcId"];

/// What CloudFormation tells of a parameter that is not echoed.
pub(crate) const HIDDEN: &str = "****";

/// A decision on one stack.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) action: Action,
    pub(crate) changes: Vec<String>,
    pub(crate) op: WorkersOp,
    /// What the step's title must add to what is made, if it is not simply made.
    pub(crate) circumstance: Option<&'static str>,
    pub(crate) outputs: Outputs,
    /// What later steps of this layer may compare with: the outputs of what stands, none of what will be made, and nothing
    /// at all if that is not known.
    pub(crate) told: Option<Outputs>,
}

/// Outputs of the steps of this layer, by step.
pub(crate) type Told = BTreeMap<StepKey, Outputs>;

/// `skip` names resources that a continued rollback may leave as they are.
pub(crate) fn decide(
    request: StackRequest,
    key: &StepKey,
    now: &Observed,
    told: &Told,
    skip: &BTreeSet<String>,
) -> Result<Decision, Error> {
    let name = request.name.clone();
    let decision = |action, op, told| Decision { action, changes: Vec::new(), op, circumstance: None, outputs: Outputs::new(), told };
    let make = |op| decision(Action::Create, op, Some(Outputs::new()));
    let Some(stack) = now.stack(name.as_str()) else {
        return Ok(make(WorkersOp::CreateStack { stack: request }));
    };
    if stack.key(now.owner()).as_ref() != Some(key) {
        return Err(refused(stack, "exists already, and is not this plan's", "choose another name, or delete that stack"));
    }
    let (id, status) = (stack.id.clone(), stack.status);
    Ok(match status.next(Purpose::Make) {
        Next::Compare => {
            let changes = changes(&request, stack, now, told)?;
            let told = Some(stack.outputs.clone());
            if changes.is_empty() {
                let mut outputs = stack.outputs.clone();
                outputs.insert("id".to_owned(), id);
                return Ok(Decision { outputs, ..decision(Action::Keep, WorkersOp::KeepStack { name }, told) });
            }
            Decision { changes, ..decision(Action::Update, WorkersOp::UpdateStack { id, stack: request }, told) }
        }
        Next::Recreate => Decision {
            changes: vec![format!("waits first until the deletion that runs has ended: {status}")],
            circumstance: Some("once the stack that is being deleted is gone"),
            ..make(WorkersOp::RecreateStack { id, stack: request })
        },
        Next::Replace => {
            let (left, circumstance) = match status {
                StackStatus::ReviewInProgress => ("a stack of change sets without resources", "after a stack that was only reviewed"),
                _ => ("what is left of the failed creation", "after what is left of a failed creation"),
            };
            let changes = vec![format!("deletes {left} first: {status}")];
            Decision { changes, circumstance: Some(circumstance), ..make(WorkersOp::ReplaceStack { id, stack: request }) }
        }
        Next::Wait if status == StackStatus::CreateInProgress => {
            Decision { circumstance: Some("begun by an earlier run"), ..decision(Action::Create, WorkersOp::AwaitStack { name, id }, None) }
        }
        Next::Wait => Decision {
            changes: vec![format!("{status}: waits until it has ended; then plan again")],
            circumstance: Some("being changed already"),
            ..decision(Action::Update, WorkersOp::AwaitStack { name, id }, None)
        },
        Next::ContinueRollback => Decision {
            changes: vec![format!("{status}: continues the rollback{}; then plan again", skipped(skip))],
            circumstance: Some("after an update that could not be taken back"),
            ..decision(Action::Update, WorkersOp::ContinueRollback { name, id, skip: skip.clone() }, None)
        },
        Next::RollBack => Decision {
            changes: vec![format!("{status}: rolls the update back; then plan again")],
            circumstance: Some("after an update that failed"),
            ..decision(Action::Update, WorkersOp::RollBack { name, id }, None)
        },
        Next::Create | Next::Gone | Next::Delete | Next::Finish => make(WorkersOp::CreateStack { stack: request }),
        Next::Refuse(refusal) => return Err(refusal.of(&stack.name, stack.reason.as_deref())),
    })
}

/// What a rollback leaves as the update made it, said aloud: CloudFormation then takes it to be as it was before.
fn skipped(skip: &BTreeSet<String>) -> String {
    if skip.is_empty() {
        return String::new();
    }
    format!(" without {}, which stays as it is wherever it cannot be restored", skip.iter().cloned().collect::<Vec<_>>().join(", "))
}

fn refused(stack: &Stack, rule: &str, remedy: &str) -> Error {
    Error::Refused { subject: format!("stack {}", stack.name), rule: rule.to_owned(), remedy: remedy.to_owned() }
}

/// Where the stack differs from what is wanted, field by field.
fn changes(request: &StackRequest, stack: &Stack, now: &Observed, told: &Told) -> Result<Vec<String>, Error> {
    let mut changes = Vec::new();
    let summary = match &request.template {
        TemplateSource::Url(url) => now.template(url),
        TemplateSource::Body(_) => None,
    };
    let is_secret = |name: &str| summary.and_then(|summary| summary.parameters.get(name)).is_some_and(|declared| declared.no_echo);
    if stack.tags.get(TEMPLATE_TAG) != Some(&request.template.fingerprint()) {
        changes.push("template: changed".to_owned());
    }
    // How an update treats the number of instances is no difference by itself.
    for (name, wanted) in request.parameters.iter().filter(|(name, _)| *name != KEEPS) {
        let found = stack.parameters.get(name);
        if found.is_some_and(|found| found == HIDDEN) {
            continue;
        }
        let Some(wanted) = difference(wanted, found, told) else { continue };
        if is_secret(name) {
            changes.push(format!("{name}: changes, which is not shown"));
            continue;
        }
        if FIXED.contains(&name.as_str()) {
            let rule = format!("has {name} {}, and {wanted} is wanted", found.map_or("none", String::as_str));
            return Err(refused(stack, &rule, "give the workers there another name"));
        }
        changes.push(format!("{name}: {} → {wanted}", found.map_or("none", String::as_str)));
    }
    Ok(changes)
}

/// What is wanted, if it is known to differ from what was found.
///
/// Outputs of other layers are not known here. They come from the thing of the same name, so they are taken to be as they were;
/// outputs of stacks that this plan makes anew are not.
fn difference(wanted: &Argument, found: Option<&String>, told: &Told) -> Option<String> {
    let mut anew = false;
    let text = wanted.text(|reference| match reference {
        Ref::Known(value) => Ok(value.clone()),
        Ref::Output(output) => match told.get(&output.step) {
            Some(outputs) => outputs.get(&output.name).cloned().ok_or_else(|| anew = true),
            None => Err(()),
        },
    });
    match text {
        Ok(text) => (Some(&text) != found).then_some(text),
        Err(()) => anew.then(|| wanted.to_string()),
    }
}
