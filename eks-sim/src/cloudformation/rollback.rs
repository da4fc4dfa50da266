//! Taking a failed update back, step by step, newest first.

use serde_json::Value;

use super::{
    operation::{Undo, current},
    removal::{self, Purpose},
    resources::{self, Change, Target},
    stack::{Resource, set_resource, set_status, stack, stack_mut},
};
use crate::{times::Time, world::World};

/// Restores the definition and then the resources.
pub(super) fn restore(world: &mut World, id: &str) {
    let Some(stack) = stack_mut(world, id) else { return };
    let Some(operation) = &mut stack.operation else { return };
    if let Some(previous) = operation.deploy.previous.clone() {
        stack.definition = previous;
    }
    operation.deploy.replaced.clear();
    let number = operation.number;
    // Resources of which nothing was made have nothing to restore.
    stack.resources.retain(|_, resource| resource.physical.is_some());
    next(world, id, number);
}

/// Goes on after the fault was repaired, or without the resources in `skip`, which count as restored (API Reference,
/// "ContinueUpdateRollback"). It is an operation of its own: its events carry its token.
pub(super) fn resume(world: &mut World, id: &str, skip: &[String], token: Option<String>) {
    let Some(stack) = stack_mut(world, id) else { return };
    let Some(operation) = &mut stack.operation else { return };
    operation.token = token;
    let number = operation.number;
    let (skipped, left): (Vec<_>, Vec<_>) = std::mem::take(&mut operation.deploy.undo)
        .into_iter()
        .partition(|undo| matches!(undo, Undo::Changed(old) if skip.contains(&old.logical)));
    operation.deploy.undo = left;
    for undo in skipped {
        if let Undo::Changed(old) = undo {
            set_resource(world, id, &old.logical, "UPDATE_COMPLETE", None);
        }
    }
    set_status(world, id, "UPDATE_ROLLBACK_IN_PROGRESS", Some("User Initiated".to_owned()));
    next(world, id, number);
}

fn next(world: &mut World, id: &str, number: u64) {
    let Some(undo) = current(world, id, number).map(|operation| operation.deploy.undo.pop()) else { return };
    match undo {
        None => clean_up(world, id, number),
        Some(Undo::Created(logical)) => {
            discard(world, id, number, &logical);
            next(world, id, number);
        }
        Some(Undo::Replaced(old)) => {
            discard(world, id, number, &old.logical);
            put_back(world, id, old);
            next(world, id, number);
        }
        Some(Undo::Changed(old)) => {
            set_resource(world, id, &old.logical, "UPDATE_IN_PROGRESS", None);
            let name = stack(world, id).map(|stack| stack.name.clone()).unwrap_or_default();
            let (id, subject) = (id.to_owned(), format!("{name}/{}", old.logical));
            world.take(Time::StackResource, &subject, move |world| change_back(world, &id, number, old));
        }
    }
}

fn change_back(world: &mut World, id: &str, number: u64, old: Resource) {
    let Some(now) = stack(world, id).and_then(|stack| stack.resources.get(&old.logical)).cloned() else { return };
    let target = Target::of(world, id, &old.logical, &old.properties);
    match resources::update(world, &target, &now) {
        Ok(change) => {
            let mut old = old;
            if let Change::InPlace(attributes) = change {
                old.attributes.extend(attributes);
            }
            put_back(world, id, old);
            next(world, id, number);
        }
        Err(failure) => {
            set_resource(world, id, &old.logical, "UPDATE_FAILED", Some(&failure.message));
            let reason = format!("The following resource(s) failed to update: [{}]. ", old.logical);
            if let Some(operation) = current(world, id, number) {
                operation.deploy.undo.push(Undo::Changed(old));
            }
            set_status(world, id, "UPDATE_ROLLBACK_FAILED", Some(reason));
        }
    }
}

fn put_back(world: &mut World, id: &str, old: Resource) {
    let logical = old.logical.clone();
    if let Some(stack) = stack_mut(world, id) {
        stack.resources.insert(logical.clone(), old);
    }
    set_resource(world, id, &logical, "UPDATE_COMPLETE", None);
}

/// Moves what the update made to the clean-up.
fn discard(world: &mut World, id: &str, number: u64, logical: &str) {
    let made = stack_mut(world, id).and_then(|stack| stack.resources.remove(logical));
    if let Some(operation) = current(world, id, number) {
        operation.deploy.replaced.extend(made);
    }
}

fn clean_up(world: &mut World, id: &str, number: u64) {
    let Some(operation) = current(world, id, number) else { return };
    let doomed = std::mem::take(&mut operation.deploy.replaced);
    let definition_outputs: Option<Vec<Value>> = stack(world, id).map(|stack| stack.definition.clone()).and_then(|definition| {
        let scope = super::stack::scope(world, id, &definition).ok()?;
        super::operation::outputs(&definition, &scope).ok()
    });
    if let (Some(stack), Some(outputs)) = (stack_mut(world, id), definition_outputs) {
        stack.outputs = outputs;
    }
    set_status(world, id, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None);
    removal::run(world, id, doomed, Purpose::UpdateRollbackCleanup);
}
