//! One operation on a stack: which resources are to be made or changed, in the order of their references.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    eval::{Scope, texts},
    removal::{self, Purpose, Removal},
    resources::{self, Change, Failure, Progress, Target},
    rollback,
    rolling::{Rolling, roll},
    stack::{Definition, OnFailure, Resource, push_resource_event, scope, service, set_resource, set_status, stack, stack_mut},
};
use crate::{call::Service, ledger::ServiceTime, times::Time, world::World};

/// How often a resource is looked at while it settles. Assumption.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// How long eventual consistency and throttling are retried. Assumption.
const RETRY_FOR: Duration = Duration::from_mins(2);
/// How long a resource may take to settle. Assumption.
const SETTLE_FOR: Duration = Duration::from_hours(1);

/// The operation that runs on a stack, or the last one.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) number: u64,
    pub(super) token: Option<String>,
    pub(super) began: Duration,
    pub(super) deploy: Deploy,
    pub(super) removal: Removal,
}

/// A creation or an update, going forward.
#[derive(Clone, Debug, Default)]
pub(super) struct Deploy {
    /// What the stack was before, if this is an update.
    pub(super) previous: Option<Definition>,
    waiting: BTreeMap<String, BTreeSet<String>>,
    active: BTreeSet<String>,
    failed: Vec<String>,
    /// How to go back, oldest first.
    pub(super) undo: Vec<Undo>,
    /// Resources that an update replaced: deleted at its end.
    pub(super) replaced: Vec<Resource>,
}

/// How to take back one step of an update.
#[derive(Clone, Debug)]
pub(super) enum Undo {
    Changed(Resource),
    Created(String),
    Replaced(Resource),
}

/// Begins an operation on the stack; callbacks of an earlier one no longer count.
pub(super) fn begin(world: &mut World, id: &str, token: Option<String>) -> u64 {
    let began = world.now;
    let Some(stack) = stack_mut(world, id) else { return 0 };
    stack.operations += 1;
    let number = stack.operations;
    stack.operation = Some(Operation { number, token, began, deploy: Deploy::default(), removal: Removal::default() });
    number
}

/// The operation with this number, if it still runs.
pub(super) fn current<'a>(world: &'a mut World, id: &str, number: u64) -> Option<&'a mut Operation> {
    stack_mut(world, id)?.operation.as_mut().filter(|operation| operation.number == number)
}

/// Makes everything that the stack's template describes.
pub(super) fn create(world: &mut World, id: &str, token: Option<String>) {
    let number = begin(world, id, token);
    set_status(world, id, "CREATE_IN_PROGRESS", Some("User Initiated".to_owned()));
    let minutes = stack(world, id).and_then(|stack| stack.timeout_minutes);
    if let Some(minutes) = minutes.and_then(|minutes| u64::try_from(minutes).ok()) {
        let stack_id = id.to_owned();
        world.after(Duration::from_mins(minutes), move |world| time_out(world, &stack_id, number));
    }
    deploy(world, id, number);
}

/// Changes the stack to another definition.
pub(super) fn update(world: &mut World, id: &str, definition: Definition, token: Option<String>) {
    let number = begin(world, id, token);
    let now = world.timestamp();
    let Some(stack) = stack_mut(world, id) else { return };
    stack.updated = Some(now);
    let previous = std::mem::replace(&mut stack.definition, definition);
    if let Some(operation) = &mut stack.operation {
        operation.deploy.previous = Some(previous);
    }
    set_status(world, id, "UPDATE_IN_PROGRESS", Some("User Initiated".to_owned()));
    deploy(world, id, number);
}

fn deploy(world: &mut World, id: &str, number: u64) {
    let Some(definition) = stack(world, id).map(|stack| stack.definition.clone()) else { return };
    let conditions = scope(world, id, &definition).map(|scope| scope.conditions).unwrap_or_default();
    let enabled = enabled(&definition, &conditions);
    let waiting = enabled
        .iter()
        .map(|logical| {
            let needs = definition.template.dependencies(logical, &|name| conditions.get(name).copied());
            (logical.clone(), needs.into_iter().filter(|need| enabled.contains(need)).collect())
        })
        .collect();
    if let Some(operation) = current(world, id, number) {
        operation.deploy.waiting = waiting;
    }
    step(world, id, number);
}

/// The resources whose condition holds.
pub(super) fn enabled(definition: &Definition, conditions: &BTreeMap<String, bool>) -> BTreeSet<String> {
    let holds = |body: &Value| body.get("Condition").and_then(Value::as_str).is_none_or(|name| conditions.get(name) == Some(&true));
    definition.template.resources().filter(|(_, body)| holds(body)).map(|(logical, _)| logical.clone()).collect()
}

/// Starts whatever no longer waits for anything; ends the operation when nothing is left.
fn step(world: &mut World, id: &str, number: u64) {
    let Some(deploy) = current(world, id, number).map(|operation| &mut operation.deploy) else { return };
    if deploy.failed.is_empty() {
        let busy = |name: &String| deploy.waiting.contains_key(name) || deploy.active.contains(name);
        let ready: Vec<_> =
            deploy.waiting.iter().filter(|(_, needs)| !needs.iter().any(busy)).map(|(name, needs)| (name.clone(), needs.clone())).collect();
        for (logical, _) in &ready {
            deploy.waiting.remove(logical);
            deploy.active.insert(logical.clone());
        }
        for (logical, needs) in ready {
            start(world, id, number, &logical, needs);
        }
    }
    let Some(deploy) = current(world, id, number).map(|operation| &operation.deploy) else { return };
    if deploy.active.is_empty() && deploy.failed.is_empty() && deploy.waiting.is_empty() {
        succeed(world, id, number);
    }
}

fn start(world: &mut World, id: &str, number: u64, logical: &str, depends: BTreeSet<String>) {
    let Some(stack) = stack(world, id) else { return };
    let Some(body) = stack.definition.template.resource(logical) else { return };
    let kind = body.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let policy = body.get("DeletionPolicy").and_then(Value::as_str).unwrap_or_default();
    let retain = policy == "Retain" || (policy == "RetainExceptOnCreate" && stack.status != "CREATE_IN_PROGRESS");
    let subject = format!("{}/{logical}", stack.name);
    let old = stack.resources.get(logical).filter(|old| old.physical.is_some() && !old.status.starts_with("DELETE")).cloned();
    match old {
        Some(mut old) => {
            let properties = evaluate(world, id, logical);
            (old.depends, old.retain) = (depends, retain);
            let unchanged = old.kind == kind && properties.as_ref().is_ok_and(|properties| *properties == old.properties);
            if let Some(stack) = stack_mut(world, id) {
                stack.resources.insert(logical.to_owned(), old);
            }
            if unchanged {
                done(world, id, number, logical);
                return;
            }
            set_resource(world, id, logical, "UPDATE_IN_PROGRESS", None);
        }
        None => {
            let resource = Resource { logical: logical.to_owned(), kind, depends, retain, ..Resource::default() };
            if let Some(stack) = stack_mut(world, id) {
                stack.resources.insert(logical.to_owned(), resource);
            }
            set_resource(world, id, logical, "CREATE_IN_PROGRESS", None);
        }
    }
    let (id, logical, since) = (id.to_owned(), logical.to_owned(), world.now);
    world.take(Time::StackResource, &subject, move |world| act(world, &id, number, &logical, since));
}

/// The properties of a resource, evaluated, with dynamic references resolved.
fn evaluate(world: &mut World, id: &str, logical: &str) -> Result<Value, String> {
    let Some(definition) = stack(world, id).map(|stack| stack.definition.clone()) else { return Ok(Value::Null) };
    let scope = scope(world, id, &definition)?;
    let mut properties = properties(&definition, &scope, logical)?;
    dynamic(world, &mut properties)?;
    Ok(properties)
}

pub(super) fn properties(definition: &Definition, scope: &Scope, logical: &str) -> Result<Value, String> {
    let written = definition.template.resource(logical).and_then(|body| body.get("Properties"));
    Ok(texts(scope.value(written.unwrap_or(&json!({})))?.unwrap_or_else(|| json!({}))))
}

/// Resolves `{{resolve:ssm:name}}` (User Guide, "Get a plaintext value from Systems Manager Parameter Store").
pub(super) fn dynamic(world: &mut World, value: &mut Value) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| dynamic(world, item)),
        Value::Object(members) => members.values_mut().try_for_each(|member| dynamic(world, member)),
        Value::String(text) => {
            while let Some(start) = text.find("{{resolve:ssm:") {
                let Some(end) = text[start..].find("}}").map(|length| start + length) else { break };
                let name = text[start + "{{resolve:ssm:".len()..end].to_owned();
                let caller = service(world);
                let reply = world.call(Service::Ssm, "GetParameter", json!({"Name": name}), &caller).unwrap_or_default();
                let found = reply
                    .pointer("/Parameter/Value")
                    .and_then(Value::as_str)
                    .ok_or_else(|| format!("Parameters: [ssm:{name}] cannot be found."))?;
                text.replace_range(start..end + 2, found);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn is_active(world: &mut World, id: &str, number: u64, logical: &str) -> bool {
    current(world, id, number).is_some_and(|operation| operation.deploy.active.contains(logical))
}

/// Makes or changes one resource.
fn act(world: &mut World, id: &str, number: u64, logical: &str, since: Duration) {
    if !is_active(world, id, number, logical) {
        return;
    }
    let Some(resource) = stack(world, id).and_then(|stack| stack.resources.get(logical)).cloned() else { return };
    let outcome = evaluate(world, id, logical).map_err(Failure::from).and_then(|properties| {
        let target = Target::of(world, id, logical, &properties);
        let change = match resource.physical {
            Some(_) if resource.kind == target.kind => resources::update(world, &target, &resource)?,
            _ => Change::Replace,
        };
        let change = match change {
            Change::Replace => Some(resources::create(world, &target)?),
            Change::InPlace(attributes) => {
                apply_change(world, id, number, logical, &resource, &attributes);
                None
            }
        };
        Ok((target.kind, properties, change))
    });
    match outcome {
        Ok((kind, properties, made)) => {
            if let Some(kept) = stack_mut(world, id).and_then(|stack| stack.resources.get_mut(logical)) {
                kept.properties = properties;
            }
            let Some(made) = made else {
                changed(world, id, number, logical, &resource);
                return;
            };
            let replaces = resource.physical.is_some();
            if let Some(kept) = stack_mut(world, id).and_then(|stack| stack.resources.get_mut(logical)) {
                kept.physical = Some(made.id.clone());
                kept.attributes = made.attributes;
                kept.kind.clone_from(&kind);
            }
            if let Some(operation) = current(world, id, number) {
                if replaces {
                    operation.deploy.undo.push(Undo::Replaced(resource.clone()));
                    operation.deploy.replaced.push(resource);
                } else {
                    operation.deploy.undo.push(Undo::Created(logical.to_owned()));
                }
            }
            if replaces {
                let reason = "Requested update requires the creation of a new physical resource; hence creating one.";
                set_resource(world, id, logical, "UPDATE_IN_PROGRESS", Some(reason));
            } else {
                set_resource(world, id, logical, "CREATE_IN_PROGRESS", Some("Resource creation Initiated"));
            }
            // CloudFormation holds a new instance profile until EC2 can be expected to see it.
            if kind == "AWS::IAM::InstanceProfile" {
                let (id, logical) = (id.to_owned(), logical.to_owned());
                world.take(Time::StackInstanceProfile, &made.id, move |world| settle(world, &id, number, &logical, world.now));
            } else {
                settle(world, id, number, logical, world.now);
            }
        }
        Err(failure) if failure.is_transient() && world.now < since + RETRY_FOR => {
            let (id, logical) = (id.to_owned(), logical.to_owned());
            world.after(POLL, move |world| act(world, &id, number, &logical, since));
        }
        Err(failure) => fail(world, id, number, logical, &failure.message),
    }
}

/// Goes on after a change in place.
fn changed(world: &mut World, id: &str, number: u64, logical: &str, old: &Resource) {
    let properties =
        stack(world, id).and_then(|stack| stack.resources.get(logical)).map(|kept| kept.properties.clone()).unwrap_or_default();
    let Some(rolling) = Rolling::of(world, id, logical, old, &properties) else {
        settle(world, id, number, logical, world.now);
        return;
    };
    match rolling.begin(world, old.physical.as_deref().unwrap_or_default()) {
        Ok(()) => roll(world, id, number, logical, rolling),
        Err(failure) => fail(world, id, number, logical, &failure.message),
    }
}

fn apply_change(world: &mut World, id: &str, number: u64, logical: &str, old: &Resource, attributes: &serde_json::Map<String, Value>) {
    if let Some(operation) = current(world, id, number) {
        operation.deploy.undo.push(Undo::Changed(old.clone()));
    }
    if let Some(kept) = stack_mut(world, id).and_then(|stack| stack.resources.get_mut(logical)) {
        kept.attributes.extend(attributes.clone());
    }
}

/// Waits until the resource is usable.
pub(super) fn settle(world: &mut World, id: &str, number: u64, logical: &str, since: Duration) {
    if !is_active(world, id, number, logical) {
        return;
    }
    let Some(resource) = stack(world, id).and_then(|stack| stack.resources.get(logical)).cloned() else { return };
    match resources::progress(world, &resource) {
        Ok(Progress::Done) => {
            let updating = current(world, id, number).is_some_and(|operation| operation.deploy.previous.is_some());
            let created = resource.status == "CREATE_IN_PROGRESS" || !updating;
            set_resource(world, id, logical, if created { "CREATE_COMPLETE" } else { "UPDATE_COMPLETE" }, None);
            done(world, id, number, logical);
        }
        Ok(Progress::Pending(last)) if world.now >= since + SETTLE_FOR => {
            let message = last.map_or_else(
                || "Exceeded attempts to wait".to_owned(),
                |last| format!("Group did not stabilize. Last scaling activity: {last}"),
            );
            fail(world, id, number, logical, &message);
        }
        Ok(Progress::Pending(_)) => {
            let (id, logical) = (id.to_owned(), logical.to_owned());
            world.after(POLL, move |world| settle(world, &id, number, &logical, since));
        }
        Err(failure) => fail(world, id, number, logical, &failure.message),
    }
}

fn done(world: &mut World, id: &str, number: u64, logical: &str) {
    if let Some(operation) = current(world, id, number) {
        operation.deploy.active.remove(logical);
    }
    step(world, id, number);
}

/// One resource failed: the others under way are cancelled, and the stack goes back.
pub(super) fn fail(world: &mut World, id: &str, number: u64, logical: &str, reason: &str) {
    let Some(operation) = current(world, id, number) else { return };
    operation.deploy.failed.push(logical.to_owned());
    operation.deploy.active.remove(logical);
    mark_failed(world, id, logical, reason);
    cancel_others(world, id, number);
    let Some(operation) = current(world, id, number) else { return };
    let names = std::mem::take(&mut operation.deploy.failed).join(", ");
    let updating = operation.deploy.previous.is_some();
    operation.deploy.waiting.clear();
    give_up(world, id, updating, &names, None);
}

fn mark_failed(world: &mut World, id: &str, logical: &str, reason: &str) {
    let status = stack(world, id).and_then(|stack| stack.resources.get(logical)).map(|resource| resource.status.clone());
    let failed = if status.as_deref() == Some("UPDATE_IN_PROGRESS") { "UPDATE_FAILED" } else { "CREATE_FAILED" };
    set_resource(world, id, logical, failed, Some(reason));
}

fn cancel_others(world: &mut World, id: &str, number: u64) {
    let active = current(world, id, number).map(|operation| std::mem::take(&mut operation.deploy.active)).unwrap_or_default();
    for other in active {
        let updating = stack(world, id).and_then(|stack| stack.resources.get(&other)).is_some_and(|r| r.status == "UPDATE_IN_PROGRESS");
        mark_failed(world, id, &other, if updating { "Resource update cancelled" } else { "Resource creation cancelled" });
        if let Some(operation) = current(world, id, number) {
            operation.deploy.failed.push(other);
        }
    }
}

fn give_up(world: &mut World, id: &str, updating: bool, failed: &str, timeout: Option<&str>) {
    let Some(on_failure) = stack(world, id).map(|stack| stack.on_failure) else { return };
    let verb = if updating { "update" } else { "create" };
    let reason = timeout.map_or_else(|| format!("The following resource(s) failed to {verb}: [{failed}]. "), str::to_owned);
    match (updating, on_failure) {
        (false, OnFailure::DoNothing) => {
            finished(world, id, "StackCreate");
            set_status(world, id, "CREATE_FAILED", Some(reason));
        }
        (false, OnFailure::Delete) => {
            set_status(world, id, "DELETE_IN_PROGRESS", Some(format!("{reason}Delete requested by user.")));
            removal::everything(world, id, Purpose::Delete, &[]);
        }
        (false, OnFailure::Rollback) => {
            set_status(world, id, "ROLLBACK_IN_PROGRESS", Some(format!("{reason}Rollback requested by user.")));
            removal::everything(world, id, Purpose::Rollback, &[]);
        }
        (true, OnFailure::DoNothing) => set_status(world, id, "UPDATE_FAILED", Some(reason)),
        (true, _) => {
            set_status(world, id, "UPDATE_ROLLBACK_IN_PROGRESS", Some(reason));
            rollback::restore(world, id);
        }
    }
}

fn time_out(world: &mut World, id: &str, number: u64) {
    let running = stack(world, id).is_some_and(|stack| stack.status == "CREATE_IN_PROGRESS");
    if running && current(world, id, number).is_some() {
        cancel_others(world, id, number);
        if let Some(operation) = current(world, id, number) {
            operation.deploy.waiting.clear();
        }
        give_up(world, id, false, "", Some("Stack creation time exceeded the specified timeout. "));
    }
}

/// Stops a running update and takes it back.
pub(super) fn cancel(world: &mut World, id: &str) {
    let Some(number) = stack(world, id).map(|stack| stack.operations) else { return };
    cancel_others(world, id, number);
    if let Some(operation) = current(world, id, number) {
        operation.deploy.waiting.clear();
    }
    give_up(world, id, true, "", Some("User Initiated"));
}

fn succeed(world: &mut World, id: &str, number: u64) {
    let Some(definition) = stack(world, id).map(|stack| stack.definition.clone()) else { return };
    let outputs = match scope(world, id, &definition).and_then(|scope| outputs(&definition, &scope)) {
        Ok(outputs) => outputs,
        Err(reason) => {
            let updating = current(world, id, number).is_some_and(|operation| operation.deploy.previous.is_some());
            give_up(world, id, updating, "", Some(&format!("{reason}. ")));
            return;
        }
    };
    if let Some(stack) = stack_mut(world, id) {
        stack.outputs = outputs;
    }
    let Some(operation) = current(world, id, number) else { return };
    if operation.deploy.previous.is_none() {
        finished(world, id, "StackCreate");
        set_status(world, id, "CREATE_COMPLETE", None);
        return;
    }
    let mut doomed = operation.deploy.replaced.clone();
    let conditions = scope(world, id, &definition).map(|scope| scope.conditions).unwrap_or_default();
    let kept = enabled(&definition, &conditions);
    let gone = stack(world, id).into_iter().flat_map(|stack| stack.resources.values());
    doomed.extend(gone.filter(|resource| !kept.contains(&resource.logical)).cloned());
    set_status(world, id, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None);
    removal::run(world, id, doomed, Purpose::UpdateCleanup);
}

/// The stack's outputs (User Guide, "Outputs").
pub(super) fn outputs(definition: &Definition, scope: &Scope) -> Result<Vec<Value>, String> {
    let mut outputs = Vec::new();
    for (name, body) in definition.template.outputs() {
        if body.get("Condition").and_then(Value::as_str).is_some_and(|name| scope.conditions.get(name) != Some(&true)) {
            continue;
        }
        let value = scope.text(body.get("Value").unwrap_or(&Value::Null))?;
        let export = body.pointer("/Export/Name").map(|name| scope.text(name)).transpose()?;
        outputs.push(json!({"OutputKey": name, "OutputValue": value, "Description": body.get("Description"), "ExportName": export}));
    }
    Ok(outputs)
}

/// Writes the whole operation into the ledger, under the stack's name.
pub(super) fn finished(world: &mut World, id: &str, kind: &str) {
    let Some(stack) = stack(world, id) else { return };
    let Some(began) = stack.operation.as_ref().map(|operation| operation.began) else { return };
    let (name, took) = (stack.name.clone(), world.now.saturating_sub(began));
    world.ledger.record(&name, ServiceTime { kind: kind.to_owned(), began, took });
}

/// An event of a resource's removal, which changes the stack's resource only if it is still that one.
pub(super) fn mark(world: &mut World, id: &str, resource: &Resource, status: &str, reason: Option<&str>) {
    let same =
        stack(world, id).and_then(|stack| stack.resources.get(&resource.logical)).is_some_and(|kept| kept.physical == resource.physical);
    if same {
        set_resource(world, id, &resource.logical, status, reason);
    } else {
        push_resource_event(world, id, resource, status, reason);
    }
}
