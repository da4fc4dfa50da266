//! A stack, its resources and its events, and how the API shows them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    change_set::ChangeSet,
    eval::{Facts, Scope},
    operation::Operation,
    parameters::{self, Parameters},
    template::Template,
};
use crate::{
    call::{Caller, Service},
    world::World,
};

/// What to do when a creation fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OnFailure {
    Delete,
    DoNothing,
    #[default]
    Rollback,
}

/// A stack; deleted ones stay, to be found by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) definition: Definition,
    pub(super) on_failure: OnFailure,
    pub(super) timeout_minutes: Option<i64>,
    pub(super) protected: bool,
    pub(super) created: String,
    pub(super) updated: Option<String>,
    pub(super) deleted: Option<String>,
    pub(super) outputs: Vec<Value>,
    pub(super) resources: BTreeMap<String, Resource>,
    /// Oldest first.
    pub(super) events: Vec<Value>,
    pub(super) change_sets: BTreeMap<String, ChangeSet>,
    pub(super) operation: Option<Operation>,
    /// Tells an operation's late callbacks from those of the present one.
    pub(super) operations: u64,
}

/// What an update replaces as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Definition {
    pub(super) template: Template,
    pub(super) parameters: Parameters,
    pub(super) tags: Vec<(String, String)>,
    pub(super) capabilities: Vec<String>,
    pub(super) notifications: Vec<String>,
    pub(super) role: Option<String>,
}

/// A resource of a stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resource {
    pub(super) logical: String,
    pub(super) kind: String,
    pub(super) physical: Option<String>,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    /// Evaluated.
    pub(super) properties: Value,
    pub(super) attributes: serde_json::Map<String, Value>,
    pub(super) depends: BTreeSet<String>,
    /// `DeletionPolicy: Retain`.
    pub(super) retain: bool,
    pub(super) timestamp: String,
}

impl Stack {
    pub(super) fn is_deleted(&self) -> bool {
        self.status == "DELETE_COMPLETE"
    }

    pub(super) fn in_progress(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
    }

    /// Tags that CloudFormation puts on each resource: the stack's, and its own three (User Guide, "Resource tag").
    pub(super) fn resource_tags(&self, logical: &str) -> Vec<(String, String)> {
        let own = [
            ("aws:cloudformation:stack-name", self.name.as_str()),
            ("aws:cloudformation:stack-id", self.id.as_str()),
            ("aws:cloudformation:logical-id", logical),
        ];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.definition.tags.iter().cloned().chain(own).collect()
    }

    /// The resources that exist, as expressions see them.
    pub(super) fn facts(&self) -> BTreeMap<String, Facts> {
        let made = self.resources.values().filter(|resource| !resource.status.starts_with("DELETE"));
        made.filter_map(|resource| {
            let facts = Facts { id: resource.physical.clone()?, attributes: resource.attributes.clone() };
            Some((resource.logical.clone(), facts))
        })
        .collect()
    }

    pub(super) fn describe(&self) -> Value {
        json!({
            "StackId": self.id,
            "StackName": self.name,
            "Description": self.definition.template.description(),
            "Parameters": show_parameters(&self.definition.parameters),
            "CreationTime": self.created,
            "LastUpdatedTime": self.updated,
            "DeletionTime": self.deleted,
            "RollbackConfiguration": {},
            "StackStatus": self.status,
            "StackStatusReason": self.reason,
            "DisableRollback": self.on_failure == OnFailure::DoNothing,
            "NotificationARNs": self.definition.notifications,
            "TimeoutInMinutes": self.timeout_minutes,
            "Capabilities": self.definition.capabilities,
            "Outputs": self.outputs,
            "RoleARN": self.definition.role,
            "Tags": show_tags(&self.definition.tags),
            "EnableTerminationProtection": self.protected,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        })
    }

    pub(super) fn summary(&self) -> Value {
        json!({
            "StackId": self.id,
            "StackName": self.name,
            "TemplateDescription": self.definition.template.description(),
            "CreationTime": self.created,
            "LastUpdatedTime": self.updated,
            "DeletionTime": self.deleted,
            "StackStatus": self.status,
            "StackStatusReason": self.reason,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        })
    }
}

impl Resource {
    /// As in DescribeStackResources (`Timestamp`) and, with another name for the time, in ListStackResources.
    pub(super) fn describe(&self, time: &str) -> Value {
        json!({
            "LogicalResourceId": self.logical,
            "PhysicalResourceId": self.physical,
            "ResourceType": self.kind,
            "ResourceStatus": self.status,
            "ResourceStatusReason": self.reason,
            (time): self.timestamp,
            "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
        })
    }
}

pub(super) fn show_tags(tags: &[(String, String)]) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

pub(super) fn show_parameters(parameters: &Parameters) -> Value {
    let show = |(name, parameter): (&String, &parameters::Parameter)| {
        let value = if parameter.no_echo { "****" } else { parameter.given.as_str() };
        json!({"ParameterKey": name, "ParameterValue": value, "ResolvedValue": parameter.resolved})
    };
    parameters.iter().map(show).collect()
}

pub(super) fn stack<'a>(world: &'a World, id: &str) -> Option<&'a Stack> {
    world.cloudformation.stacks.get(id)
}

pub(super) fn stack_mut<'a>(world: &'a mut World, id: &str) -> Option<&'a mut Stack> {
    world.cloudformation.stacks.get_mut(id)
}

/// A random UUID, as stack and event ids have.
pub(super) fn uuid(world: &mut World) -> String {
    let hex = world.draw.hex("cloudformation-uuid", 32);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// Gives the stack another status, with its event.
pub(super) fn set_status(world: &mut World, id: &str, status: &str, reason: Option<String>) {
    let Some(stack) = stack_mut(world, id) else { return };
    status.clone_into(&mut stack.status);
    stack.reason.clone_from(&reason);
    let name = stack.name.clone();
    let physical = id.to_owned();
    push_event(
        world,
        id,
        json!({
            "LogicalResourceId": name,
            "PhysicalResourceId": physical,
            "ResourceType": "AWS::CloudFormation::Stack",
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
        }),
    );
}

/// Gives a resource of the stack another status, with its event.
pub(super) fn set_resource(world: &mut World, id: &str, logical: &str, status: &str, reason: Option<&str>) {
    let now = world.timestamp();
    let Some(resource) = stack_mut(world, id).and_then(|stack| stack.resources.get_mut(logical)) else { return };
    status.clone_into(&mut resource.status);
    resource.reason = reason.map(str::to_owned);
    resource.timestamp = now;
    let shown = resource.clone();
    push_resource_event(world, id, &shown, status, reason);
}

/// An event about a resource that may no longer be the stack's own, such as one that was replaced.
pub(super) fn push_resource_event(world: &mut World, id: &str, resource: &Resource, status: &str, reason: Option<&str>) {
    push_event(
        world,
        id,
        json!({
            "LogicalResourceId": resource.logical,
            "PhysicalResourceId": resource.physical.clone().unwrap_or_default(),
            "ResourceType": resource.kind,
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
            "ResourceProperties": resource.properties.to_string(),
        }),
    );
}

fn push_event(world: &mut World, id: &str, mut event: Value) {
    let (event_id, now) = (uuid(world), world.timestamp());
    let Some(stack) = stack_mut(world, id) else { return };
    event["EventId"] = event_id.into();
    event["StackId"] = id.into();
    event["StackName"] = stack.name.as_str().into();
    event["Timestamp"] = now.into();
    event["ClientRequestToken"] = stack.operation.as_ref().and_then(|operation| operation.token.clone()).into();
    stack.events.push(event);
}

/// What the stack's expressions can refer to, as things are now.
pub(super) fn scope(world: &mut World, id: &str, definition: &Definition) -> Result<Scope, String> {
    let name = stack(world, id).map(|stack| stack.name.clone()).unwrap_or_default();
    let mut values = parameters::pseudo(world, &name, id);
    if !definition.notifications.is_empty() {
        values.insert("AWS::NotificationARNs".to_owned(), definition.notifications.clone().into());
    }
    values.extend(definition.parameters.iter().map(|(name, parameter)| (name.clone(), parameter.value.clone())));
    let resources = stack(world, id).map(Stack::facts).unwrap_or_default();
    let caller = service(world);
    let zones = world.call(Service::Ec2, "DescribeAvailabilityZones", json!({}), &caller).unwrap_or_default();
    let zones = zones["availabilityZoneInfo"].as_array().into_iter().flatten();
    let zones = zones.filter_map(|zone| zone["zoneName"].as_str().map(str::to_owned)).collect();
    let mut scope = Scope { values, resources, conditions: BTreeMap::new(), mappings: definition.template.mappings(), zones };
    scope.decide(&definition.template)?;
    Ok(scope)
}

/// CloudFormation itself, as the caller of other services.
pub(super) fn service(world: &World) -> Caller {
    world.service_caller("cloudformation.amazonaws.com")
}
