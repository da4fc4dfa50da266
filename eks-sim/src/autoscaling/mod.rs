//! Amazon EC2 Auto Scaling: groups that keep their desired capacity.

mod capacity;
mod configuration;
mod describe;
mod facts;
mod group;
mod hooks;
mod launch;
mod refresh;
mod requests;
mod tags;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

pub(crate) use capacity::{has_member, instance_running, instance_terminated};
pub(crate) use configuration::allow_configurations;
pub(crate) use facts::{last_failure, members, sizes};

/// The service's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    groups: BTreeMap<String, group::Group>,
    /// Launch configurations, in an account that may have them.
    configurations: Option<BTreeMap<String, configuration::Configuration>>,
}

pub(crate) fn handle(world: &mut World, caller: &Caller, action: &str, args: &Args) -> Result<Value, ApiError> {
    match action {
        "CreateAutoScalingGroup" => requests::create(world, args),
        "DeleteAutoScalingGroup" => requests::delete(world, args),
        "DetachInstances" => requests::detach(world, args),
        "ResumeProcesses" => requests::processes(world, args, false),
        "SetDesiredCapacity" => requests::set_desired(world, args),
        "SetInstanceProtection" => requests::protect(world, args),
        "SuspendProcesses" => requests::processes(world, args, true),
        "TerminateInstanceInAutoScalingGroup" => requests::terminate(world, args),
        "UpdateAutoScalingGroup" => requests::update(world, args),
        "CancelInstanceRefresh" => refresh::cancel(world, args),
        "DescribeInstanceRefreshes" => refresh::describe(world, args),
        "StartInstanceRefresh" => refresh::start(world, args),
        "CompleteLifecycleAction" => hooks::complete(world, args),
        "DeleteLifecycleHook" => hooks::delete(world, args),
        "DescribeLifecycleHooks" => hooks::describe(world, args),
        "PutLifecycleHook" => hooks::put(world, args),
        "CreateOrUpdateTags" => tags::put(world, caller, args),
        "DeleteTags" => tags::delete(world, args),
        "DescribeTags" => tags::describe(world, args),
        "DescribeAutoScalingGroups" => describe::groups(world, args),
        "DescribeAutoScalingInstances" => describe::instances(world, args),
        "DescribeScalingActivities" => describe::activities(world, args),
        "CreateLaunchConfiguration" => configuration::create(world, args),
        "DeleteLaunchConfiguration" => configuration::delete(world, args),
        "DescribeLaunchConfigurations" => configuration::describe(world, args),
        _ => Err(ApiError::unknown_action(action)),
    }
}

pub(crate) fn inventory(world: &World, inventory: &mut Inventory) {
    for group in world.autoscaling.groups.values() {
        let tags = group.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
        inventory.push("autoscaling/group", &group.name, tags, group.status().unwrap_or_default(), 0.0);
    }
}
