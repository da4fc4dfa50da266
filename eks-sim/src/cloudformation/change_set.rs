//! Change sets: an update, or a creation, shown before it is carried out.

use serde_json::{Value, json};

use super::{
    operation,
    parameters::{invalid, partition},
    requests::{self, changes, check_name, check_updatable, find, insert},
    resources,
    stack::{Definition, Resource, Stack, set_status, show_parameters, show_tags, stack, stack_mut, uuid},
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// A change set; its execution uses it up.
#[derive(Clone, Debug)]
pub(super) struct ChangeSet {
    id: String,
    name: String,
    description: Option<String>,
    created: String,
    definition: Definition,
    changes: Vec<(&'static str, Resource)>,
    /// Whether it creates the stack.
    creates: bool,
    on_failure: Option<String>,
}

fn missing(name: &str) -> ApiError {
    ApiError::new("ChangeSetNotFound", format!("ChangeSet [{name}] does not exist")).status(404)
}

/// Stack id and name of the change set that a request means.
fn locate(world: &World, args: &Args) -> Result<(String, String), ApiError> {
    let wanted = args.required("ChangeSetName")?;
    if let Some(stack) = args.str("StackName") {
        let id = find(world, stack)?;
        let name =
            world.cloudformation.stacks.get(&id).and_then(|stack| {
                stack.change_sets.values().find(|set| set.name == wanted || set.id == wanted).map(|set| set.name.clone())
            });
        return name.map(|name| (id, name)).ok_or_else(|| missing(wanted));
    }
    let by_id = |stack: &Stack| stack.change_sets.values().find(|set| set.id == wanted).map(|set| (stack.id.clone(), set.name.clone()));
    world.cloudformation.stacks.values().find_map(by_id).ok_or_else(|| missing(wanted))
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    let (stack_name, name) = (args.required("StackName")?.to_owned(), args.required("ChangeSetName")?.to_owned());
    let existing = find(world, &stack_name).ok();
    let in_review = existing.as_deref().and_then(|id| stack(world, id)).is_some_and(|stack| stack.status == "REVIEW_IN_PROGRESS");
    let creates = match args.str("ChangeSetType").unwrap_or("UPDATE") {
        "CREATE" if existing.is_some() && !in_review => {
            return Err(invalid(format!("Stack [{stack_name}] already exists and cannot be created again with the changeSet [{name}].")));
        }
        "CREATE" => true,
        _ => false,
    };
    let previous = match (&existing, creates) {
        (Some(id), false) => {
            let Some(stack) = stack(world, id) else { return Err(invalid(format!("Stack [{stack_name}] does not exist"))) };
            check_updatable(stack)?;
            Some(stack.definition.clone())
        }
        (None, false) => return Err(invalid(format!("Stack [{stack_name}] does not exist"))),
        _ => None,
    };
    let definition = requests::definition(world, caller, args, previous.as_ref())?;
    let id = match existing {
        Some(id) => id,
        None => {
            check_name(&stack_name)?;
            let id = insert(world, &stack_name, definition.clone());
            set_status(world, &id, "REVIEW_IN_PROGRESS", Some("User Initiated".to_owned()));
            id
        }
    };
    if stack(world, &id).is_some_and(|stack| stack.change_sets.contains_key(&name)) {
        return Err(ApiError::new("AlreadyExistsException", format!("ChangeSet {name} already exists for stack {stack_name}")));
    }
    let changes = changes(world, &id, &definition)?;
    let unique = uuid(world);
    let partition = partition(&world.region);
    let set_id = format!("arn:{partition}:cloudformation:{}:{}:changeSet/{name}/{unique}", world.region, world.account);
    let set = ChangeSet {
        id: set_id.clone(),
        name: name.clone(),
        description: args.str("Description").map(str::to_owned),
        created: world.timestamp(),
        definition,
        changes,
        creates,
        on_failure: args.str("OnStackFailure").map(str::to_owned),
    };
    if let Some(stack) = stack_mut(world, &id) {
        stack.change_sets.insert(name, set);
    }
    Ok(json!({"Id": set_id, "StackId": id}))
}

impl ChangeSet {
    /// Status, execution status and reason; a change set without changes has failed (API Reference, "DescribeChangeSet").
    fn status(&self) -> (&'static str, &'static str, Option<&'static str>) {
        if self.changes.is_empty() {
            let reason = "The submitted information didn't contain changes. Submit different information to create a change set.";
            return ("FAILED", "UNAVAILABLE", Some(reason));
        }
        ("CREATE_COMPLETE", "AVAILABLE", None)
    }
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let (id, name) = locate(world, args)?;
    let Some(stack) = stack(world, &id) else { return Err(missing(&name)) };
    let Some(set) = stack.change_sets.get(&name) else { return Err(missing(&name)) };
    let changes: Vec<_> = set
        .changes
        .iter()
        .map(|(action, resource)| {
            let old = stack.resources.get(&resource.logical);
            let replaced = old.is_some_and(|old| resources::replaces(&resource.kind, &old.properties, &resource.properties));
            json!({"Type": "Resource", "ResourceChange": {
                "Action": action,
                "LogicalResourceId": resource.logical,
                "PhysicalResourceId": resource.physical,
                "ResourceType": resource.kind,
                "Replacement": (*action == "Modify").then_some(if replaced { "True" } else { "False" }),
                "Scope": [],
                "Details": [],
            }})
        })
        .collect();
    let (status, execution, reason) = set.status();
    Ok(json!({
        "ChangeSetName": set.name,
        "ChangeSetId": set.id,
        "StackId": stack.id,
        "StackName": stack.name,
        "Description": set.description,
        "Parameters": show_parameters(&set.definition.parameters),
        "CreationTime": set.created,
        "ExecutionStatus": execution,
        "Status": status,
        "StatusReason": reason,
        "Capabilities": set.definition.capabilities,
        "Tags": show_tags(&set.definition.tags),
        "Changes": changes,
        "OnStackFailure": set.on_failure,
    }))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let id = find(world, args.required("StackName")?)?;
    let sets = stack(world, &id).into_iter().flat_map(|stack| stack.change_sets.values());
    let summaries: Vec<_> = sets
        .map(|set| {
            let (status, execution, reason) = set.status();
            json!({"StackId": id, "ChangeSetId": set.id, "ChangeSetName": set.name, "Status": status, "StatusReason": reason,
                "ExecutionStatus": execution, "CreationTime": set.created, "Description": set.description})
        })
        .collect();
    Ok(json!({"Summaries": summaries}))
}

pub(super) fn execute(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let (id, name) = locate(world, args)?;
    let Some(stack) = stack_mut(world, &id) else { return Err(missing(&name)) };
    let Some(set) = stack.change_sets.get(&name) else { return Err(missing(&name)) };
    if set.changes.is_empty() {
        let message = format!("ChangeSet [{}] cannot be executed in its current status of [FAILED]", set.id);
        return Err(ApiError::new("InvalidChangeSetStatus", message));
    }
    if !set.creates {
        check_updatable(stack)?;
    }
    // The others were made for a stack that is no longer so.
    let sets = std::mem::take(&mut stack.change_sets);
    let Some(set) = sets.into_values().find(|set| set.name == name) else { return Err(missing(&name)) };
    let token = args.str("ClientRequestToken").map(str::to_owned);
    if set.creates {
        stack.definition = set.definition;
        operation::create(world, &id, token);
    } else {
        operation::update(world, &id, set.definition, token);
    }
    Ok(json!({}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    if let Ok((id, name)) = locate(world, args)
        && let Some(stack) = stack_mut(world, &id)
    {
        stack.change_sets.remove(&name);
    }
    Ok(json!({}))
}
