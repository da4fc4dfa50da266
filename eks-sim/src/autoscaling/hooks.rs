//! Lifecycle hooks: a pause before an instance enters service or is terminated.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    capacity::{enter_service, shut_down, terminate},
    group::{Group, find, invalid},
};
use crate::{call::Args, error::ApiError, world::World};

/// A lifecycle hook.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hook {
    name: String,
    transition: String,
    /// Seconds.
    heartbeat: i64,
    /// `CONTINUE` or `ABANDON`.
    default_result: String,
    metadata: Option<String>,
    target: Option<String>,
    role: Option<String>,
}

impl Hook {
    /// A hook from PutLifecycleHook or a LifecycleHookSpecification.
    pub(super) fn of(args: &Args) -> Result<Self, ApiError> {
        let transition = args.required("LifecycleTransition")?;
        if !matches!(transition, "autoscaling:EC2_INSTANCE_LAUNCHING" | "autoscaling:EC2_INSTANCE_TERMINATING") {
            return Err(invalid(format!("Unsupported lifecycle transition {transition}")));
        }
        let heartbeat = args.int("HeartbeatTimeout").unwrap_or(3600);
        if !(30..=7200).contains(&heartbeat) {
            return Err(invalid("Heartbeat timeout must be between 30 and 7200 seconds"));
        }
        Ok(Self {
            name: args.required("LifecycleHookName")?.to_owned(),
            transition: transition.to_owned(),
            heartbeat,
            default_result: args.str("DefaultResult").unwrap_or("ABANDON").to_owned(),
            metadata: args.str("NotificationMetadata").map(str::to_owned),
            target: args.str("NotificationTargetARN").map(str::to_owned),
            role: args.str("RoleARN").map(str::to_owned),
        })
    }
}

fn hook<'a>(group: &'a Group, transition: &str) -> Option<&'a Hook> {
    group.hooks.values().find(|hook| hook.transition == transition)
}

/// Holds a member at a transition if a hook says so; goes on otherwise.
pub(super) fn hold(world: &mut World, name: &str, id: &str, transition: &str) {
    let Some(group) = world.autoscaling.groups.get_mut(name) else { return };
    let Some(hook) = hook(group, transition).cloned().filter(|_| !group.deleting) else {
        proceed(world, name, id, "CONTINUE");
        return;
    };
    if let Some(member) = group.members.get_mut(id) {
        member.state = format!("{}:Wait", member.state);
    }
    let (name, id) = (name.to_owned(), id.to_owned());
    let heartbeat = Duration::from_secs(hook.heartbeat.unsigned_abs());
    world.after(heartbeat, move |world| {
        let waits = |group: &Group| group.members.get(&id).is_some_and(|member| member.state.ends_with(":Wait"));
        if world.autoscaling.groups.get(&name).is_some_and(waits) {
            proceed(world, &name, &id, &hook.default_result);
        }
    });
}

fn proceed(world: &mut World, name: &str, id: &str, result: &str) {
    let Some(member) = world.autoscaling.groups.get_mut(name).and_then(|group| group.members.get_mut(id)) else { return };
    if member.state.starts_with("Terminating") {
        if member.state.ends_with(":Wait") {
            "Terminating:Proceed".clone_into(&mut member.state);
        }
        shut_down(world, name, id);
    } else if result == "CONTINUE" {
        enter_service(world, name, id);
    } else {
        terminate(world, name, id, "a lifecycle hook abandoned the launch of the instance.");
    }
}

pub(super) fn put(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let hook = Hook::of(args)?;
    let group = find(world, args.required("AutoScalingGroupName")?)?;
    group.hooks.insert(hook.name.clone(), hook);
    Ok(json!({}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("LifecycleHookName")?;
    let group = find(world, args.required("AutoScalingGroupName")?)?;
    group.hooks.remove(name).ok_or_else(|| invalid(format!("No Lifecycle Hook found with name {name}; it was not found")))?;
    Ok(json!({}))
}

pub(super) fn describe(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("AutoScalingGroupName")?.to_owned();
    let wanted = args.strings("LifecycleHookNames");
    let group = find(world, &name)?;
    let shown: Vec<_> = group
        .hooks
        .values()
        .filter(|hook| wanted.is_empty() || wanted.contains(&hook.name))
        .map(|hook| {
            json!({
                "LifecycleHookName": hook.name,
                "AutoScalingGroupName": name,
                "LifecycleTransition": hook.transition,
                "NotificationTargetARN": hook.target,
                "RoleARN": hook.role,
                "NotificationMetadata": hook.metadata,
                "HeartbeatTimeout": hook.heartbeat,
                "GlobalTimeout": (hook.heartbeat * 100).min(172_800),
                "DefaultResult": hook.default_result,
            })
        })
        .collect();
    Ok(json!({"LifecycleHooks": shown}))
}

pub(super) fn complete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("AutoScalingGroupName")?.to_owned();
    let id = args.required("InstanceId")?.to_owned();
    let result = args.required("LifecycleActionResult")?.to_owned();
    let group = find(world, &name)?;
    let waits = group.members.get(&id).is_some_and(|member| member.state.ends_with(":Wait"));
    if !waits {
        return Err(invalid(format!("No active Lifecycle Action found with instance ID {id}")));
    }
    proceed(world, &name, &id, &result);
    Ok(json!({}))
}
