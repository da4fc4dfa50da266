//! Calls that read.

use serde_json::{Value, json};

use super::{
    parameters::invalid,
    requests::{self, find},
    stack::{Stack, stack},
    template::Template,
};
use crate::{call::Args, error::ApiError, world::World};

/// API Reference: "If there is more than 1 MB of data", and for events and resources 100 a page.
const PAGE: usize = 100;

fn offset(args: &Args) -> Result<usize, ApiError> {
    match args.str("NextToken") {
        None => Ok(0),
        Some(token) => token.parse().map_err(|_| invalid("NextToken is invalid")),
    }
}

/// One page of `items`, with the token of the next.
fn page(items: Vec<Value>, args: &Args) -> Result<(Vec<Value>, Option<String>), ApiError> {
    let start = offset(args)?;
    let next = (items.len() > start + PAGE).then(|| (start + PAGE).to_string());
    Ok((items.into_iter().skip(start).take(PAGE).collect(), next))
}

fn required<'a>(world: &'a World, args: &Args) -> Result<&'a Stack, ApiError> {
    let name = args.required("StackName")?;
    let id = find(world, name)?;
    stack(world, &id).ok_or_else(|| invalid(format!("Stack with id {name} does not exist")))
}

pub(super) fn stacks(world: &World, args: &Args) -> Result<Value, ApiError> {
    if args.str("StackName").is_some() {
        return Ok(json!({"Stacks": [required(world, args)?.describe()]}));
    }
    let live = world.cloudformation.stacks.values().filter(|stack| !stack.is_deleted()).map(Stack::describe).collect();
    let (stacks, next) = page(live, args)?;
    Ok(json!({"Stacks": stacks, "NextToken": next}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let filter = args.strings("StackStatusFilter");
    let wanted = world.cloudformation.stacks.values().filter(|stack| filter.is_empty() || filter.contains(&stack.status));
    let (stacks, next) = page(wanted.map(Stack::summary).collect(), args)?;
    Ok(json!({"StackSummaries": stacks, "NextToken": next}))
}

/// Newest first. The token counts from the oldest event, so that new events do not shift the pages.
pub(super) fn events(world: &World, args: &Args) -> Result<Value, ApiError> {
    let events = &required(world, args)
        .map_err(|_| invalid(format!("Stack [{}] does not exist", args.str("StackName").unwrap_or_default())))?
        .events;
    let end = if args.str("NextToken").is_some() { offset(args)?.min(events.len()) } else { events.len() };
    let start = end.saturating_sub(PAGE);
    let shown: Vec<_> = events[start..end].iter().rev().collect();
    Ok(json!({"StackEvents": shown, "NextToken": (start > 0).then(|| start.to_string())}))
}

pub(super) fn resource(world: &World, args: &Args) -> Result<Value, ApiError> {
    let stack = required(world, args)?;
    let logical = args.required("LogicalResourceId")?;
    let resource =
        stack.resources.get(logical).ok_or_else(|| invalid(format!("Resource {logical} does not exist for stack {}", stack.name)))?;
    let mut detail = resource.describe("LastUpdatedTimestamp");
    detail["StackId"] = stack.id.as_str().into();
    detail["StackName"] = stack.name.as_str().into();
    Ok(json!({"StackResourceDetail": detail}))
}

pub(super) fn resources(world: &World, args: &Args) -> Result<Value, ApiError> {
    let all = world.cloudformation.stacks.values();
    let stack = match args.str("PhysicalResourceId") {
        Some(physical) => all
            .filter(|stack| !stack.is_deleted())
            .find(|stack| stack.resources.values().any(|resource| resource.physical.as_deref() == Some(physical)))
            .ok_or_else(|| invalid(format!("Stack for {physical} does not exist")))?,
        None => required(world, args)?,
    };
    let logical = args.str("LogicalResourceId");
    let shown: Vec<_> = stack
        .resources
        .values()
        .filter(|resource| logical.is_none_or(|logical| resource.logical == logical))
        .take(PAGE)
        .map(|resource| {
            let mut shown = resource.describe("Timestamp");
            shown["StackId"] = stack.id.as_str().into();
            shown["StackName"] = stack.name.as_str().into();
            shown
        })
        .collect();
    Ok(json!({"StackResources": shown}))
}

pub(super) fn list_resources(world: &World, args: &Args) -> Result<Value, ApiError> {
    let stack = required(world, args)?;
    let all = stack.resources.values().map(|resource| resource.describe("LastUpdatedTimestamp")).collect();
    let (shown, next) = page(all, args)?;
    Ok(json!({"StackResourceSummaries": shown, "NextToken": next}))
}

pub(super) fn template(world: &World, args: &Args) -> Result<Value, ApiError> {
    let stack = required(world, args)?;
    Ok(json!({"TemplateBody": stack.definition.template.text, "StagesAvailable": ["Original", "Processed"]}))
}

/// The declared parameters: what they are called, and in a summary (`typed`) what they may be. What a template leaves out is left out.
fn declared(template: &Template, typed: bool) -> Value {
    let show = |(name, body): (&String, &Value)| {
        let text = |member: &str| body.get(member).and_then(|value| super::eval::plain(value).ok());
        let no_echo = text("NoEcho").is_some_and(|value| value == "true");
        let mut shown = json!({"ParameterKey": name, "NoEcho": no_echo});
        for (member, value) in [("DefaultValue", text("Default")), ("Description", text("Description"))] {
            if let Some(value) = value {
                shown[member] = value.into();
            }
        }
        if typed {
            shown["ParameterType"] = text("Type").unwrap_or_else(|| "String".to_owned()).into();
            // API Reference, "ParameterConstraints": allowed values are the only constraint that is told.
            let allowed = body.get("AllowedValues").and_then(Value::as_array);
            let allowed = allowed.map(|values| values.iter().filter_map(|value| super::eval::plain(value).ok()).collect::<Vec<_>>());
            shown["ParameterConstraints"] = allowed.map_or_else(|| json!({}), |allowed| json!({"AllowedValues": allowed}));
        }
        shown
    };
    template.parameters().map(show).collect()
}

fn capability_reason(kinds: &[String]) -> Option<String> {
    (!kinds.is_empty()).then(|| format!("The following resource(s) require capabilities: [{}]", kinds.join(", ")))
}

/// API Reference, "GetTemplateSummary": of a stack, or of a template that is not one yet.
pub(super) fn template_summary(world: &World, args: &Args) -> Result<Value, ApiError> {
    let sources = ["StackName", "StackSetName", "TemplateBody", "TemplateURL"];
    if sources.iter().filter(|name| args.str(name).is_some()).count() > 1 {
        return Err(invalid("You must specify only one of the following parameters: StackName, StackSetName, TemplateBody, TemplateURL."));
    }
    let template = match args.str("StackName") {
        Some(_) => required(world, args)?.definition.template.clone(),
        None => requests::template(world, args, None)?,
    };
    let (capabilities, kinds) = template.capabilities();
    Ok(json!({
        "Description": template.description(),
        "Parameters": declared(&template, true),
        "Capabilities": capabilities,
        "CapabilitiesReason": capability_reason(&kinds),
        "ResourceTypes": template.kinds(),
        "Metadata": template.metadata(),
        "DeclaredTransforms": template.transforms(),
        "Version": "2010-09-09",
    }))
}

pub(super) fn validate(world: &World, args: &Args) -> Result<Value, ApiError> {
    let template = requests::template(world, args, None)?;
    let (capabilities, kinds) = template.capabilities();
    Ok(json!({
        "Description": template.description(),
        "Parameters": declared(&template, false),
        "Capabilities": capabilities,
        "CapabilitiesReason": capability_reason(&kinds),
    }))
}
