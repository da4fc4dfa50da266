//! Calls that change groups.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    capacity::{reconcile, terminate as take_out},
    describe::show_activity,
    group::{Group, Launch, begin, find, invalid},
    hooks::Hook,
    launch::{self, service},
    tags,
};
use crate::{
    call::{Args, Service},
    error::ApiError,
    world::World,
};

/// Processes that can be suspended (API Reference, "SuspendProcesses").
const PROCESSES: [&str; 9] = [
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

fn check_sizes(min: i64, max: i64, desired: i64) -> Result<(), ApiError> {
    if min < 0 || max < 0 {
        return Err(invalid("Min size and max size must not be negative"));
    }
    if max < min {
        return Err(invalid(format!("Max bound, {max}, must be greater than or equal to min bound, {min}")));
    }
    if !(min..=max).contains(&desired) {
        return Err(invalid(format!("Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}")));
    }
    Ok(())
}

/// The subnets of a request with their zones; `None` if it names neither subnets nor zones.
fn subnets(world: &mut World, args: &Args) -> Result<Option<Vec<(String, String)>>, ApiError> {
    let caller = service(world);
    let named: Vec<_> = args.str("VPCZoneIdentifier").unwrap_or_default().split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    let zones = args.strings("AvailabilityZones");
    let query = if named.is_empty() {
        if zones.is_empty() {
            return Ok(None);
        }
        json!({"Filter": [{"Name": "default-for-az", "Value": ["true"]}, {"Name": "availability-zone", "Value": zones}]})
    } else {
        json!({"SubnetId": named})
    };
    let reply = world.call(Service::Ec2, "DescribeSubnets", query, &caller).map_err(|error| invalid(error.message))?;
    let text = |subnet: &Value, name: &str| subnet[name].as_str().unwrap_or_default().to_owned();
    let found = reply["subnetSet"].as_array().into_iter().flatten();
    let mut found: Vec<_> = found.map(|subnet| (text(subnet, "subnetId"), text(subnet, "availabilityZone"))).collect();
    if found.is_empty() {
        return Err(invalid("No default subnet was found in the given Availability Zones"));
    }
    found.sort_by_key(|(id, _)| named.iter().position(|name| name == id));
    if !zones.is_empty() && !named.is_empty() && found.iter().any(|(_, zone)| !zones.contains(zone)) {
        return Err(invalid("The availability zones of the specified subnets and the AutoScalingGroup do not match"));
    }
    Ok(Some(found))
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("AutoScalingGroupName")?.to_owned();
    if world.autoscaling.groups.contains_key(&name) {
        return Err(ApiError::new(
            "AlreadyExists",
            format!("AutoScalingGroup by this name already exists - A group with the name {name} already exists"),
        ));
    }
    let size = |parameter: &str| args.int(parameter).ok_or_else(|| ApiError::missing(parameter));
    let (min, max) = (size("MinSize")?, size("MaxSize")?);
    let desired = args.int("DesiredCapacity").unwrap_or(min);
    check_sizes(min, max, desired)?;
    let subnets = subnets(world, args)?.ok_or_else(|| invalid("At least one Availability Zone or VPC Subnet is required."))?;
    let launch = launch::of_request(world, args)?.ok_or_else(|| {
        invalid("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
    })?;
    let hooks = args.nested("LifecycleHookSpecificationList");
    let mut group = Group {
        arn: arn(world, &name),
        name: name.clone(),
        min,
        max,
        desired,
        cooldown: 300,
        subnets,
        health_check: "EC2".to_owned(),
        termination_policies: vec!["Default".to_owned()],
        load_balancers: args.strings("LoadBalancerNames"),
        target_groups: args.strings("TargetGroupARNs"),
        tags: tags::of_request(args)?,
        created: world.timestamp(),
        ..Group::default()
    };
    for hook in &hooks {
        group.hooks.insert(hook.required("LifecycleHookName")?.to_owned(), Hook::of(hook)?);
    }
    settings(&mut group, args, Some(launch));
    world.autoscaling.groups.insert(name.clone(), group);
    reconcile(world, &name);
    Ok(json!({}))
}

fn arn(world: &mut World, name: &str) -> String {
    let hex = world.draw.hex("autoscaling-group", 32);
    let unique = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("arn:aws:autoscaling:{}:{}:autoScalingGroup:{unique}:autoScalingGroupName/{name}", world.region, world.account)
}

/// Settings that creation and update share.
fn settings(group: &mut Group, args: &Args, launch: Option<Launch>) {
    if let Some(launch) = launch {
        group.launch = launch;
    }
    group.cooldown = args.int("DefaultCooldown").unwrap_or(group.cooldown);
    group.grace = args.int("HealthCheckGracePeriod").unwrap_or(group.grace);
    group.warmup = args.int("DefaultInstanceWarmup").or(group.warmup);
    group.protect_new = args.bool("NewInstancesProtectedFromScaleIn").unwrap_or(group.protect_new);
    if let Some(kind) = args.str("HealthCheckType") {
        kind.clone_into(&mut group.health_check);
    }
    if args.get("TerminationPolicies").is_some() {
        group.termination_policies = args.strings("TerminationPolicies");
    }
}

pub(super) fn update(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("AutoScalingGroupName")?.to_owned();
    let group = find(world, &name)?;
    let (min, max) = (args.int("MinSize").unwrap_or(group.min), args.int("MaxSize").unwrap_or(group.max));
    // Without a desired capacity in the request, the present one is moved between the new bounds (API Reference).
    let desired = args.int("DesiredCapacity").unwrap_or_else(|| group.desired.clamp(min, max.max(min)));
    check_sizes(min, max, desired)?;
    let subnets = subnets(world, args)?;
    let launch = launch::of_request(world, args)?;
    let group = find(world, &name)?;
    (group.min, group.max, group.desired) = (min, max, desired);
    if let Some(subnets) = subnets {
        group.subnets = subnets;
    }
    settings(group, args, launch);
    reconcile(world, &name);
    Ok(json!({}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("AutoScalingGroupName")?.to_owned();
    let group = find(world, &name)?;
    if args.bool("ForceDelete") != Some(true) {
        if !group.members.is_empty() {
            return Err(ApiError::new(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
            ));
        }
        if group.launching > 0 || group.activities.iter().any(|activity| activity.end.is_none()) {
            return Err(ApiError::new(
                "ScalingActivityInProgress",
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
            ));
        }
    }
    (group.min, group.max, group.desired) = (0, 0, 0);
    group.deleting = true;
    let members: Vec<_> = group.members.keys().cloned().collect();
    for id in members {
        take_out(world, &name, &id, "an instance was taken out of service in response to a user request to delete the group.");
    }
    reconcile(world, &name);
    Ok(json!({}))
}

pub(super) fn set_desired(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("AutoScalingGroupName")?.to_owned();
    let desired = args.int("DesiredCapacity").ok_or_else(|| ApiError::missing("DesiredCapacity"))?;
    let group = find(world, &name)?;
    if desired > group.max {
        let max = group.max;
        return Err(invalid(format!("New SetDesiredCapacity value {desired} is above max value {max} for the AutoScalingGroup.")));
    }
    if desired < group.min {
        let min = group.min;
        return Err(invalid(format!("New SetDesiredCapacity value {desired} is below min value {min} for the AutoScalingGroup.")));
    }
    group.desired = desired;
    reconcile(world, &name);
    Ok(json!({}))
}

/// Reduces the desired capacity by one for a member that leaves, if the group's minimum allows it.
fn decrement(group: &mut Group) -> Result<(), ApiError> {
    if group.desired <= group.min {
        return Err(invalid(format!(
            "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
            group.min
        )));
    }
    group.desired -= 1;
    Ok(())
}

pub(super) fn terminate(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?.to_owned();
    let shrink = args.bool("ShouldDecrementDesiredCapacity").ok_or_else(|| ApiError::missing("ShouldDecrementDesiredCapacity"))?;
    let group = world.autoscaling.groups.values_mut().find(|group| group.live().any(|(member, _)| *member == id));
    let group = group.ok_or_else(|| invalid(format!("Instance Id not found - No managed instance found for instance ID: {id}")))?;
    if shrink {
        decrement(group)?;
    }
    let name = group.name.clone();
    let cause = if shrink {
        "instance was taken out of service in response to a user request, shrinking the capacity."
    } else {
        "instance was taken out of service in response to a user request."
    };
    take_out(world, &name, &id, cause);
    reconcile(world, &name);
    let group = world.autoscaling.groups.get(&name);
    let activity = group.and_then(|group| {
        let last = group.activities.iter().rev().find(|activity| activity.instance.as_deref() == Some(id.as_str()))?;
        Some(show_activity(group, last))
    });
    Ok(json!({"Activity": activity}))
}

pub(super) fn detach(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("AutoScalingGroupName")?.to_owned();
    let shrink = args.bool("ShouldDecrementDesiredCapacity").ok_or_else(|| ApiError::missing("ShouldDecrementDesiredCapacity"))?;
    let ids = args.strings("InstanceIds");
    let group = find(world, &name)?;
    if let Some(missing) = ids.iter().find(|id| !group.members.contains_key(*id)) {
        return Err(invalid(format!("The instance {missing} is not part of Auto Scaling group {name}.")));
    }
    for id in &ids {
        if shrink {
            decrement(find(world, &name)?)?;
        }
        let cause = "instance was detached in response to a user request.".to_owned();
        begin(world, &name, Some(id), format!("Detaching EC2 instance: {id}"), cause);
        super::group::finish(world, &name, id);
        find(world, &name)?.members.remove(id);
    }
    reconcile(world, &name);
    let group = find(world, &name)?;
    let shown: Vec<_> = group.activities.iter().rev().take(ids.len()).map(|activity| show_activity(group, activity)).collect();
    Ok(json!({"Activities": shown}))
}

pub(super) fn processes(world: &mut World, args: &Args, suspend: bool) -> Result<Value, ApiError> {
    let name = args.required("AutoScalingGroupName")?.to_owned();
    let given = args.strings("ScalingProcesses");
    if let Some(unknown) = given.iter().find(|process| !PROCESSES.contains(&process.as_str())) {
        return Err(invalid(format!("Unknown process type: {unknown}")));
    }
    let all = || PROCESSES.iter().map(|process| (*process).to_owned()).collect();
    let chosen: BTreeSet<String> = if given.is_empty() { all() } else { given.into_iter().collect() };
    let group = find(world, &name)?;
    if suspend {
        group.suspended.extend(chosen);
    } else {
        group.suspended.retain(|process| !chosen.contains(process));
    }
    reconcile(world, &name);
    Ok(json!({}))
}

pub(super) fn protect(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let protected = args.bool("ProtectedFromScaleIn").ok_or_else(|| ApiError::missing("ProtectedFromScaleIn"))?;
    let group = find(world, args.required("AutoScalingGroupName")?)?;
    for id in args.strings("InstanceIds") {
        let member = group.members.get_mut(&id);
        let member = member.ok_or_else(|| invalid(format!("The instance {id} is not part of Auto Scaling group {}.", group.name)))?;
        member.protected = protected;
    }
    Ok(json!({}))
}
