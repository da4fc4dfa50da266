//! Deleting resources in the reverse order of their references: DeleteStack, rollback, and what an update leaves over.

use std::time::Duration;

use super::{
    operation::{POLL, current, finished, mark},
    resources::{self, Progress},
    stack::{Resource, set_status, stack, stack_mut},
};
use crate::{times::Time, world::World};

/// How long CloudFormation keeps trying while something else still uses a resource. Assumption.
const DEPENDENCY_PATIENCE: Duration = Duration::from_mins(5);
/// How long a deletion may take. Assumption.
const PATIENCE: Duration = Duration::from_hours(1);

/// Why resources are deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Purpose {
    #[default]
    Delete,
    Rollback,
    UpdateCleanup,
    UpdateRollbackCleanup,
}

/// A deletion under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Removal {
    purpose: Purpose,
    doomed: Vec<(Resource, State)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Active,
    Done,
    Failed,
    Waiting,
}

/// Deletes all resources of the stack, but for those to retain.
pub(super) fn everything(world: &mut World, id: &str, purpose: Purpose, retain: &[String]) {
    everything_and(world, id, purpose, retain, Vec::new());
}

/// And these, which an update that was not cleaned up has left beside them.
pub(super) fn everything_and(world: &mut World, id: &str, purpose: Purpose, retain: &[String], more: Vec<Resource>) {
    let Some(stack) = stack(world, id) else { return };
    let left = stack.resources.values().filter(|resource| !matches!(resource.status.as_str(), "DELETE_COMPLETE" | "DELETE_SKIPPED"));
    let doomed = left
        .cloned()
        .map(|mut resource| {
            resource.retain |= retain.contains(&resource.logical);
            resource
        })
        .chain(more)
        .collect();
    run(world, id, doomed, purpose);
}

/// Deletes these resources.
pub(super) fn run(world: &mut World, id: &str, doomed: Vec<Resource>, purpose: Purpose) {
    let Some(operation) = stack_mut(world, id).and_then(|stack| stack.operation.as_mut()) else { return };
    let number = operation.number;
    operation.removal = Removal { purpose, doomed: doomed.into_iter().map(|resource| (resource, State::Waiting)).collect() };
    step(world, id, number);
}

fn step(world: &mut World, id: &str, number: u64) {
    let Some(removal) = current(world, id, number).map(|operation| &mut operation.removal) else { return };
    let ready: Vec<usize> = (0..removal.doomed.len())
        .filter(|&index| {
            let (resource, state) = &removal.doomed[index];
            let needed = removal.doomed.iter().any(|(other, state)| *state != State::Done && other.depends.contains(&resource.logical));
            *state == State::Waiting && !needed
        })
        .collect();
    for &index in &ready {
        removal.doomed[index].1 = State::Active;
    }
    let retains = removal.purpose != Purpose::Rollback;
    let ready: Vec<_> = ready.into_iter().map(|index| (index, removal.doomed[index].0.clone())).collect();
    let began = !ready.is_empty();
    for (index, resource) in ready {
        if resource.physical.is_none() {
            forget(world, id, number, index, "DELETE_COMPLETE");
        } else if resource.retain && retains {
            forget(world, id, number, index, "DELETE_SKIPPED");
        } else {
            mark(world, id, &resource, "DELETE_IN_PROGRESS", None);
            let name = stack(world, id).map(|stack| stack.name.clone()).unwrap_or_default();
            let (id, subject, since) = (id.to_owned(), format!("{name}/{}", resource.logical), world.now);
            world.take(Time::StackResource, &subject, move |world| attempt(world, &id, number, index, since));
        }
    }
    if began {
        // Something may have been forgotten at once, which frees others.
        step(world, id, number);
        return;
    }
    let Some(removal) = current(world, id, number).map(|operation| &operation.removal) else { return };
    if !removal.doomed.iter().any(|(_, state)| *state == State::Active) {
        conclude(world, id, number);
    }
}

fn forget(world: &mut World, id: &str, number: u64, index: usize, status: &str) {
    let Some(removal) = current(world, id, number).map(|operation| &mut operation.removal) else { return };
    removal.doomed[index].1 = State::Done;
    let (resource, purpose) = (removal.doomed[index].0.clone(), removal.purpose);
    mark(world, id, &resource, status, None);
    if matches!(purpose, Purpose::UpdateCleanup | Purpose::UpdateRollbackCleanup)
        && let Some(stack) = stack_mut(world, id)
        && stack.resources.get(&resource.logical).is_some_and(|kept| kept.physical == resource.physical)
    {
        stack.resources.remove(&resource.logical);
    }
}

fn attempt(world: &mut World, id: &str, number: u64, index: usize, since: Duration) {
    let Some(operation) = current(world, id, number) else { return };
    let resource = operation.removal.doomed[index].0.clone();
    let waited = world.now.saturating_sub(since);
    let again = match resources::delete(world, &resource) {
        Ok(Progress::Done) => {
            forget(world, id, number, index, "DELETE_COMPLETE");
            step(world, id, number);
            return;
        }
        Ok(Progress::Pending(_)) if waited < PATIENCE => true,
        Ok(Progress::Pending(_)) => {
            fail(world, id, number, index, "Exceeded attempts to wait");
            false
        }
        Err(failure) if (failure.is_dependency() || failure.is_transient()) && waited < DEPENDENCY_PATIENCE => true,
        Err(failure) => {
            fail(world, id, number, index, &failure.message);
            false
        }
    };
    if again {
        let id = id.to_owned();
        world.after(POLL, move |world| attempt(world, &id, number, index, since));
    }
}

fn fail(world: &mut World, id: &str, number: u64, index: usize, reason: &str) {
    let Some(removal) = current(world, id, number).map(|operation| &mut operation.removal) else { return };
    removal.doomed[index].1 = State::Failed;
    let resource = removal.doomed[index].0.clone();
    mark(world, id, &resource, "DELETE_FAILED", Some(reason));
    step(world, id, number);
}

fn conclude(world: &mut World, id: &str, number: u64) {
    let Some(removal) = current(world, id, number).map(|operation| &operation.removal) else { return };
    let purpose = removal.purpose;
    let failed: Vec<_> =
        removal.doomed.iter().filter(|(_, state)| *state == State::Failed).map(|(resource, _)| resource.logical.clone()).collect();
    let reason = (!failed.is_empty()).then(|| format!("The following resource(s) failed to delete: [{}]. ", failed.join(", ")));
    match purpose {
        Purpose::Delete => {
            finished(world, id, "StackDelete");
            let now = world.timestamp();
            if let Some(stack) = stack_mut(world, id).filter(|_| reason.is_none()) {
                stack.deleted = Some(now);
            }
            set_status(world, id, if reason.is_some() { "DELETE_FAILED" } else { "DELETE_COMPLETE" }, reason);
        }
        Purpose::Rollback => {
            finished(world, id, "StackCreate");
            set_status(world, id, if reason.is_some() { "ROLLBACK_FAILED" } else { "ROLLBACK_COMPLETE" }, reason);
        }
        // What cannot be cleaned up after an update is left behind; the update stands (User Guide, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS").
        Purpose::UpdateCleanup => {
            finished(world, id, "StackUpdate");
            set_status(world, id, "UPDATE_COMPLETE", None);
        }
        Purpose::UpdateRollbackCleanup => {
            finished(world, id, "StackUpdate");
            set_status(world, id, "UPDATE_ROLLBACK_COMPLETE", None);
        }
    }
}
