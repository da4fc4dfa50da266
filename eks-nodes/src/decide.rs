//! What to do about one stack.

use std::collections::BTreeMap;

use eks_core::{Action, Error, Outputs, Ref, StepKey};

use crate::{
    fingerprint::TEMPLATE_TAG,
    observed::{Observed, Stack},
    op::WorkersOp,
    request::{Argument, StackRequest},
    status::{Next, Purpose, StackStatus},
};

/// Parameters that make another group of workers, not a changed one.
const FIXED: [&str; 2] = ["ClusterName", "VpcId"];

/// A decision on one stack.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) action: Action,
    pub(crate) changes: Vec<String>,
    pub(crate) op: WorkersOp,
    pub(crate) outputs: Outputs,
    /// What later steps of this layer may compare with: the outputs of what stands, none of what will be made, and nothing
    /// at all if that is not known.
    pub(crate) told: Option<Outputs>,
}

/// Outputs of the steps of this layer, by step.
pub(crate) type Told = BTreeMap<StepKey, Outputs>;

pub(crate) fn decide(request: StackRequest, key: &StepKey, now: &Observed, told: &Told) -> Result<Decision, Error> {
    let name = request.name.clone();
    let make = |op| Ok(Decision { action: Action::Create, changes: Vec::new(), op, outputs: Outputs::new(), told: Some(Outputs::new()) });
    let wait = |action, changes, op| Ok(Decision { action, changes, op, outputs: Outputs::new(), told: None });
    let Some(stack) = now.stack(name.as_str()) else {
        return make(WorkersOp::CreateStack { stack: request });
    };
    if stack.key(now.owner()).as_ref() != Some(key) {
        return Err(refused(stack, "exists already, and is not this plan's", "choose another name, or delete that stack"));
    }
    let id = stack.id.clone();
    match stack.status.next(Purpose::Make) {
        Next::Compare => {
            let changes = changes(&request, stack, told)?;
            let told = Some(stack.outputs.clone());
            if changes.is_empty() {
                let mut outputs = stack.outputs.clone();
                outputs.insert("id".to_owned(), id);
                return Ok(Decision { action: Action::Keep, changes, op: WorkersOp::KeepStack { name }, outputs, told });
            }
            let op = WorkersOp::UpdateStack { id, stack: request };
            Ok(Decision { action: Action::Update, changes, op, outputs: Outputs::new(), told })
        }
        Next::Replace => make(WorkersOp::ReplaceStack { id, stack: request }),
        Next::Wait if stack.status == StackStatus::CreateInProgress => wait(Action::Create, Vec::new(), WorkersOp::AwaitStack { name, id }),
        Next::Wait => {
            let change = format!("{}: waits until it has ended; then plan again", stack.status);
            wait(Action::Update, vec![change], WorkersOp::AwaitStack { name, id })
        }
        Next::Create | Next::Gone | Next::Delete => make(WorkersOp::CreateStack { stack: request }),
        Next::Refuse => {
            let rule = format!("is in {}, from which only a person can bring it back", stack.status);
            Err(refused(stack, &rule, "continue its rollback in CloudFormation, or delete it"))
        }
    }
}

fn refused(stack: &Stack, rule: &str, remedy: &str) -> Error {
    Error::Refused { subject: format!("stack {}", stack.name), rule: rule.to_owned(), remedy: remedy.to_owned() }
}

/// Where the stack differs from what is wanted, field by field.
fn changes(request: &StackRequest, stack: &Stack, told: &Told) -> Result<Vec<String>, Error> {
    let mut changes = Vec::new();
    if stack.tags.get(TEMPLATE_TAG) != Some(&request.template.fingerprint()) {
        changes.push("template: changed".to_owned());
    }
    for (name, wanted) in &request.parameters {
        let found = stack.parameters.get(name);
        let Some(wanted) = difference(wanted, found, told) else { continue };
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
