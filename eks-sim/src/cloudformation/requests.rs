//! Calls that change stacks: what is checked at once, before anything happens.

use serde_json::{Value, json};

use super::{
    operation::{self, dynamic, enabled, outputs, properties},
    parameters::{self, invalid, partition},
    removal::{self, Purpose},
    rollback, served,
    stack::{Definition, OnFailure, Resource, Stack, scope, set_status, stack, stack_mut, uuid},
    template::Template,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// Carries out a change; a request token makes a repeated request harmless (API Reference, "ClientRequestToken").
pub(super) fn change(world: &mut World, caller: &Caller, action: &str, args: &Args) -> Result<Value, ApiError> {
    let token = args.str("ClientRequestToken").map(str::to_owned);
    let name = args.required("StackName").map_err(|_| {
        invalid("1 validation error detected: Value null at 'stackName' failed to satisfy constraint: Member must not be null")
    })?;
    if let Some((done, id)) = token.as_ref().and_then(|token| world.cloudformation.tokens.get(token)) {
        let same_stack = id == name || stack(world, id).is_some_and(|stack| stack.name == name);
        if done == action && same_stack {
            return Ok(json!({"StackId": id}));
        }
        let token = token.unwrap_or_default();
        return Err(ApiError::new(
            "TokenAlreadyExistsException",
            format!("A client request token {token} has already been used by another operation"),
        ));
    }
    let id = match action {
        "CreateStack" => create(world, caller, name, args)?,
        "DeleteStack" => match delete(world, name, args)? {
            Some(id) => id,
            None => return Ok(Value::Null),
        },
        "UpdateStack" => update(world, caller, name, args)?,
        "RollbackStack" => roll_back(world, name, args)?,
        "ContinueUpdateRollback" => continue_rollback(world, name, args)?,
        _ => cancel_update(world, name)?,
    };
    if let Some(token) = token {
        world.cloudformation.tokens.insert(token, (action.to_owned(), id.clone()));
    }
    Ok(if action == "DeleteStack" { Value::Null } else { json!({"StackId": id}) })
}

/// The live stack of that name, or any stack with that id.
pub(super) fn find(world: &World, name: &str) -> Result<String, ApiError> {
    let stacks = &world.cloudformation.stacks;
    let by_name = || stacks.values().find(|stack| stack.name == name && !stack.is_deleted()).map(|stack| stack.id.clone());
    stacks
        .contains_key(name)
        .then(|| name.to_owned())
        .or_else(by_name)
        .ok_or_else(|| invalid(format!("Stack with id {name} does not exist")))
}

fn live(world: &World, name: &str) -> Result<String, ApiError> {
    let id = find(world, name).map_err(|_| invalid(format!("Stack [{name}] does not exist")))?;
    if stack(world, &id).is_some_and(Stack::is_deleted) {
        return Err(invalid(format!("Stack [{name}] does not exist")));
    }
    Ok(id)
}

pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !valid {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )));
    }
    if name.len() > 128 {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must have length less than or equal to 128"
        )));
    }
    Ok(())
}

/// The template that a request carries.
pub(super) fn template(world: &World, args: &Args, previous: Option<&Template>) -> Result<Template, ApiError> {
    match (args.str("TemplateBody"), args.str("TemplateURL")) {
        (Some(_), Some(_)) => Err(invalid("Only one of TemplateBody or TemplateURL may be specified.")),
        // Quotas: "Template body size in a request".
        (Some(body), None) if body.len() > 51_200 => Err(invalid(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200",
        )),
        (Some(body), None) => Template::parse(body).map_err(invalid),
        (None, Some(url)) => Template::parse(served::fetch(world, url)?).map_err(invalid),
        (None, None) if args.bool("UsePreviousTemplate") == Some(true) => {
            previous.cloned().ok_or_else(|| invalid("Cannot use the previous template of a stack that has none."))
        }
        (None, None) => Err(invalid("Either Template URL or Template Body must be specified.")),
    }
}

fn check_capabilities(template: &Template, given: &[String]) -> Result<(), ApiError> {
    let (needed, _) = template.capabilities();
    let has = |name: &str| given.iter().any(|one| one == name);
    let satisfied = needed.iter().all(|name| has(name) || (*name == "CAPABILITY_IAM" && has("CAPABILITY_NAMED_IAM")));
    if satisfied {
        return Ok(());
    }
    Err(ApiError::new("InsufficientCapabilitiesException", format!("Requires capabilities : [{}]", needed.join(", "))))
}

fn tags(args: &Args, previous: &[(String, String)]) -> Result<Vec<(String, String)>, ApiError> {
    if args.get("Tags").is_none() {
        return Ok(previous.to_vec());
    }
    let tags: Vec<_> = args
        .nested("Tags")
        .iter()
        .map(|tag| Ok((tag.required("Key")?.to_owned(), tag.str("Value").unwrap_or_default().to_owned())))
        .collect::<Result<_, ApiError>>()?;
    if tags.len() > 50 {
        return Err(invalid(
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50",
        ));
    }
    if tags.iter().any(|(key, _)| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(invalid("aws: prefixed tag key names are not allowed for external use."));
    }
    Ok(tags)
}

/// What the request says the stack is to be.
pub(super) fn definition(world: &mut World, caller: &Caller, args: &Args, previous: Option<&Definition>) -> Result<Definition, ApiError> {
    let template = template(world, args, previous.map(|previous| &previous.template))?;
    let parameters = parameters::resolve(world, caller, &template, args, previous.map(|previous| &previous.parameters))?;
    let capabilities = args.strings("Capabilities");
    check_capabilities(&template, &capabilities)?;
    let tags = tags(args, previous.map_or(&[], |previous| &previous.tags))?;
    let notifications = args.strings("NotificationARNs");
    let definition = Definition { template, parameters, tags, capabilities, notifications, role: args.str("RoleARN").map(str::to_owned) };
    scope(world, "", &definition).map_err(invalid)?;
    Ok(definition)
}

fn on_failure(args: &Args) -> Result<OnFailure, ApiError> {
    match (args.str("OnFailure"), args.bool("DisableRollback")) {
        (Some(_), Some(_)) => Err(invalid("You cannot specify both OnFailure and DisableRollback")),
        (Some("DELETE"), None) => Ok(OnFailure::Delete),
        (Some("DO_NOTHING"), None) | (None, Some(true)) => Ok(OnFailure::DoNothing),
        (Some("ROLLBACK"), None) | (None, _) => Ok(OnFailure::Rollback),
        (Some(other), None) => Err(invalid(format!(
            "1 validation error detected: Value '{other}' at 'onFailure' failed to satisfy constraint: Member must satisfy enum value set: [DELETE, DO_NOTHING, ROLLBACK]"
        ))),
    }
}

fn create(world: &mut World, caller: &Caller, name: &str, args: &Args) -> Result<String, ApiError> {
    check_name(name)?;
    let on_failure = on_failure(args)?;
    let definition = definition(world, caller, args, None)?;
    let existing = find(world, name).ok();
    if existing.is_some() {
        return Err(ApiError::new("AlreadyExistsException", format!("Stack [{name}] already exists")));
    }
    let id = insert(world, name, definition);
    if let Some(stack) = stack_mut(world, &id) {
        stack.on_failure = on_failure;
        stack.timeout_minutes = args.int("TimeoutInMinutes");
        stack.protected = args.bool("EnableTerminationProtection") == Some(true);
    }
    operation::create(world, &id, args.str("ClientRequestToken").map(str::to_owned));
    Ok(id)
}

/// A new stack in which nothing happens yet.
pub(super) fn insert(world: &mut World, name: &str, definition: Definition) -> String {
    let partition = partition(&world.region);
    let unique = uuid(world);
    let id = format!("arn:{partition}:cloudformation:{}:{}:stack/{name}/{unique}", world.region, world.account);
    let stack = Stack { id: id.clone(), name: name.to_owned(), definition, created: world.timestamp(), ..Stack::default() };
    world.cloudformation.stacks.insert(id.clone(), stack);
    id
}

fn update(world: &mut World, caller: &Caller, name: &str, args: &Args) -> Result<String, ApiError> {
    let id = live(world, name)?;
    let Some(stack) = stack(world, &id) else { return Err(invalid(format!("Stack [{name}] does not exist"))) };
    let previous = stack.definition.clone();
    check_updatable(stack)?;
    let definition = definition(world, caller, args, Some(&previous))?;
    if !differs(world, &id, &definition)? {
        return Err(invalid("No updates are to be performed."));
    }
    if let Some(stack) = stack_mut(world, &id) {
        stack.on_failure = if args.bool("DisableRollback") == Some(true) { OnFailure::DoNothing } else { OnFailure::Rollback };
    }
    operation::update(world, &id, definition, args.str("ClientRequestToken").map(str::to_owned));
    Ok(id)
}

/// Which states may be updated (User Guide, "Stack status codes").
pub(super) fn check_updatable(stack: &Stack) -> Result<(), ApiError> {
    match stack.status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" | "UPDATE_FAILED" => Ok(()),
        status => Err(invalid(format!("Stack:{} is in {status} state and can not be updated.", stack.id))),
    }
}

/// The resources that another definition would add, change or remove, as far as can be told before.
pub(super) fn changes(world: &mut World, id: &str, definition: &Definition) -> Result<Vec<(&'static str, Resource)>, ApiError> {
    let scope = scope(world, id, definition).map_err(invalid)?;
    let wanted = enabled(definition, &scope.conditions);
    let old = stack(world, id).map(|stack| stack.resources.clone()).unwrap_or_default();
    let mut changes = Vec::new();
    for logical in &wanted {
        let kind = definition.template.resource(logical).and_then(|body| body.get("Type")).and_then(Value::as_str).unwrap_or_default();
        // A property that refers to something not made yet cannot be evaluated: then the resource is new or changes.
        let mut properties = properties(definition, &scope, logical).ok();
        if let Some(properties) = &mut properties {
            dynamic(world, properties).map_err(invalid)?;
        }
        match old.get(logical) {
            Some(old) if old.kind == kind && properties.as_ref() == Some(&old.properties) => {}
            Some(old) => changes.push(("Modify", Resource { properties: properties.unwrap_or_default(), ..old.clone() })),
            None => changes.push(("Add", Resource { logical: logical.clone(), kind: kind.to_owned(), ..Resource::default() })),
        }
    }
    let removed = old.into_values().filter(|resource| !wanted.contains(&resource.logical));
    changes.extend(removed.map(|resource| ("Remove", resource)));
    Ok(changes)
}

fn differs(world: &mut World, id: &str, definition: &Definition) -> Result<bool, ApiError> {
    if !changes(world, id, definition)?.is_empty() {
        return Ok(true);
    }
    let scope = scope(world, id, definition).map_err(invalid)?;
    let Some(stack) = stack(world, id) else { return Ok(false) };
    let outputs = outputs(definition, &scope).map_err(invalid)?;
    Ok(stack.definition.tags != definition.tags || stack.outputs != outputs)
}

fn delete(world: &mut World, name: &str, args: &Args) -> Result<Option<String>, ApiError> {
    // Deleting what is not there succeeds.
    let Ok(id) = find(world, name) else { return Ok(None) };
    let Some(stack) = stack(world, &id) else { return Ok(None) };
    if stack.is_deleted() || stack.status == "DELETE_IN_PROGRESS" {
        return Ok(Some(id));
    }
    if stack.protected {
        return Err(invalid(format!("Stack [{}] cannot be deleted while TerminationProtection is enabled", stack.name)));
    }
    if stack.in_progress() && !matches!(stack.status.as_str(), "CREATE_IN_PROGRESS" | "ROLLBACK_IN_PROGRESS") {
        return Err(invalid(format!("Stack [{}] cannot be deleted while in status {}", stack.id, stack.status)));
    }
    let retain = args.strings("RetainResources");
    if !retain.is_empty() && stack.status != "DELETE_FAILED" {
        return Err(invalid(format!(
            "Invalid operation on stack [{}]. RetainResources can only be specified for stacks in the DELETE_FAILED state.",
            stack.id
        )));
    }
    if let Some(unknown) = retain.iter().find(|logical| !stack.resources.contains_key(*logical)) {
        return Err(invalid(format!(
            "The specified resources to retain must be in a valid state. Do not specify following resources in the retain list: [{unknown}]"
        )));
    }
    // What an update replaced or made, and its rollback did not come to delete, is still the stack's. Assumption.
    let last = stack_mut(world, &id).and_then(|stack| stack.operation.as_mut());
    let left = last.map(|operation| std::mem::take(&mut operation.deploy.replaced)).unwrap_or_default();
    operation::begin(world, &id, args.str("ClientRequestToken").map(str::to_owned));
    set_status(world, &id, "DELETE_IN_PROGRESS", Some("User Initiated".to_owned()));
    removal::everything_and(world, &id, Purpose::Delete, &retain, left);
    Ok(Some(id))
}

/// An operation of its own: its events carry its token.
fn retoken(world: &mut World, id: &str, args: &Args) {
    let token = args.str("ClientRequestToken").map(str::to_owned);
    if let Some(operation) = stack_mut(world, id).and_then(|stack| stack.operation.as_mut()) {
        operation.token = token;
    }
}

fn roll_back(world: &mut World, name: &str, args: &Args) -> Result<String, ApiError> {
    let id = live(world, name)?;
    let status = stack(world, &id).map(|stack| stack.status.clone()).unwrap_or_default();
    match status.as_str() {
        "CREATE_FAILED" => {
            retoken(world, &id, args);
            set_status(world, &id, "ROLLBACK_IN_PROGRESS", Some("User Initiated".to_owned()));
            removal::everything(world, &id, Purpose::Rollback, &[]);
        }
        "UPDATE_FAILED" => {
            retoken(world, &id, args);
            set_status(world, &id, "UPDATE_ROLLBACK_IN_PROGRESS", Some("User Initiated".to_owned()));
            rollback::restore(world, &id);
        }
        _ => return Err(invalid(format!("Stack:{id} is in {status} state and can not be rolled back."))),
    }
    Ok(id)
}

fn continue_rollback(world: &mut World, name: &str, args: &Args) -> Result<String, ApiError> {
    let id = live(world, name)?;
    let status = stack(world, &id).map(|stack| stack.status.clone()).unwrap_or_default();
    if status != "UPDATE_ROLLBACK_FAILED" {
        return Err(invalid(format!("Stack:{id} is in {status} state and can not continue rollback.")));
    }
    // API Reference: "You can specify only resources that are in the UPDATE_FAILED state because a rollback failed." The words are an
    // assumption.
    let skip = args.strings("ResourcesToSkip");
    let resources = stack(world, &id).map(|stack| &stack.resources);
    let failed = |logical: &String| resources.and_then(|all| all.get(logical)).is_some_and(|found| found.status == "UPDATE_FAILED");
    if let Some(other) = skip.iter().find(|logical| !failed(logical)) {
        return Err(invalid(format!("The following resources to skip are not in UPDATE_FAILED state: [{other}]")));
    }
    rollback::resume(world, &id, &skip, args.str("ClientRequestToken").map(str::to_owned));
    Ok(id)
}

fn cancel_update(world: &mut World, name: &str) -> Result<String, ApiError> {
    let id = live(world, name)?;
    let status = stack(world, &id).map(|stack| stack.status.clone()).unwrap_or_default();
    if status != "UPDATE_IN_PROGRESS" {
        return Err(invalid(format!("CancelUpdateStack cannot be called from current stack status {status}")));
    }
    operation::cancel(world, &id);
    Ok(id)
}

pub(super) fn protect(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let id = live(world, args.required("StackName")?)?;
    let protected = args.bool("EnableTerminationProtection").ok_or_else(|| ApiError::missing("EnableTerminationProtection"))?;
    if let Some(stack) = stack_mut(world, &id) {
        stack.protected = protected;
    }
    Ok(json!({"StackId": id}))
}
