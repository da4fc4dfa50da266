//! Keeping the desired capacity: launches, replacements, terminations.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    group::{Group, Member, begin, finish},
    hooks,
    launch::{Reason, launch_for, service},
};
use crate::{call::Service, times::Time, world::World};

/// How often a terminating instance is looked at.
const POLL: Duration = Duration::from_secs(5);

/// Starts whatever brings the group to its desired capacity.
pub(super) fn reconcile(world: &mut World, name: &str) {
    let Some(group) = world.autoscaling.groups.get_mut(name) else { return };
    if group.deleting {
        drop_if_empty(world, name);
        return;
    }
    let count = i64::try_from(group.live().count()).unwrap_or(i64::MAX) + group.launching;
    if count < group.desired && !group.backing_off && !group.suspended.contains("Launch") {
        let missing = group.desired - count;
        group.launching += missing;
        for _ in 0..missing {
            let subject = name.to_owned();
            world.take(Time::ScalingActivity, name, move |world| launch_for(world, &subject, Reason::Capacity));
        }
    } else if count == group.desired + 1 && group.balancing {
        // It goes when the new one is in service.
    } else if count > group.desired && !group.suspended.contains("Terminate") {
        let surplus = usize::try_from(count - group.desired).unwrap_or_default();
        for (index, id) in surplus_of(group, surplus).into_iter().enumerate() {
            let from = count - i64::try_from(index).unwrap_or_default();
            let cause = format!(
                "an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from {from} to {}.",
                from - 1
            );
            terminate(world, name, &id, &cause);
        }
    } else if count == group.desired {
        rebalance(world, name);
    }
}

/// Launches where a zone has two instances less than another, so that the surplus one goes from there ("Example: Distribute instances across
/// Availability Zones": a group may exceed its maximum for it by one, or by 10 %), and in place of what is in a zone that the group has no
/// longer ("Rebalancing activities": "You change the Availability Zones associated with your Auto Scaling group").
fn rebalance(world: &mut World, name: &str) {
    let Some(group) = world.autoscaling.groups.get_mut(name) else { return };
    if ["AZRebalance", "Launch", "Terminate"].iter().any(|process| group.suspended.contains(*process)) || group.launching > 0 {
        return;
    }
    let mut counts: BTreeMap<&str, usize> = group.subnets.iter().map(|(_, zone)| (zone.as_str(), 0)).collect();
    for (_, member) in group.live() {
        *counts.entry(member.zone.as_str()).or_default() += 1;
    }
    let settled = group.live().all(|(_, member)| member.state == "InService") && !group.backing_off;
    let spread = counts.values().max().copied().unwrap_or_default() - counts.values().min().copied().unwrap_or_default();
    if settled && (spread > 1 || group.live().any(|(_, member)| is_stray(group, member))) {
        group.launching += 1;
        group.balancing = true;
        let subject = name.to_owned();
        world.take(Time::ScalingActivity, name, move |world| launch_for(world, &subject, Reason::Balance));
    }
}

/// Whether a member is in a zone that the group has no longer.
fn is_stray(group: &Group, member: &Member) -> bool {
    !group.subnets.iter().any(|(_, zone)| *zone == member.zone)
}

/// Which members go: from a zone that the group has no longer, then from the zone with the most, the oldest version and then the oldest first (user guide, "Default
/// termination policy").
fn surplus_of(group: &Group, surplus: usize) -> Vec<String> {
    let mut left: Vec<_> = group.live().filter(|(_, member)| !member.protected).collect();
    let mut chosen = Vec::new();
    while chosen.len() < surplus && !left.is_empty() {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, member) in &left {
            *counts.entry(member.zone.as_str()).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or_default();
        let strays = left.iter().any(|(_, member)| is_stray(group, member));
        let goes_first = |member: &Member| {
            if strays { is_stray(group, member) } else { counts.get(member.zone.as_str()) == Some(&most) }
        };
        let best = left
            .iter()
            .enumerate()
            .filter(|(_, (_, member))| goes_first(member))
            .min_by_key(|(_, (_, member))| (member.version.parse::<u64>().unwrap_or_default(), member.number))
            .map(|(index, _)| index);
        let Some(index) = best else { break };
        chosen.push(left.remove(index).0.clone());
    }
    chosen
}

/// Terminates a member.
pub(super) fn terminate(world: &mut World, name: &str, id: &str, cause: &str) {
    let Some(member) = world.autoscaling.groups.get_mut(name).and_then(|group| group.members.get_mut(id)) else { return };
    if member.state.starts_with("Terminating") {
        return;
    }
    "Terminating".clone_into(&mut member.state);
    begin(world, name, Some(id), format!("Terminating EC2 instance: {id}"), cause.to_owned());
    balance(world, name, id, false);
    hooks::hold(world, name, id, "autoscaling:EC2_INSTANCE_TERMINATING");
}

/// Lets EC2 terminate the instance; the last step of [`terminate`], after any lifecycle hook.
pub(super) fn shut_down(world: &mut World, name: &str, id: &str) {
    let caller = service(world);
    // An instance that is gone already needs no termination.
    drop(world.call(Service::Ec2, "TerminateInstances", json!({"InstanceId": [id]}), &caller));
    watch(world, name, id);
}

/// Looks until the instance is terminated, then forgets it.
fn watch(world: &mut World, name: &str, id: &str) {
    let caller = service(world);
    let reply = world.call(Service::Ec2, "DescribeInstances", json!({"InstanceId": [id]}), &caller).unwrap_or_default();
    let state = reply.pointer("/reservationSet/0/instancesSet/0/instanceState/name").and_then(Value::as_str);
    let (name, id) = (name.to_owned(), id.to_owned());
    if state.is_some_and(|state| state != "terminated") {
        world.after(POLL, move |world| watch(world, &name, &id));
        return;
    }
    finish(world, &name, &id);
    if let Some(group) = world.autoscaling.groups.get_mut(&name) {
        group.members.remove(&id);
    }
    reconcile(world, &name);
}

/// The launch of an instance that ended before it was in service (user guide, "Troubleshoot: EC2 instance launch failure").
fn cancel_launch(world: &mut World, name: &str, id: &str) {
    let caller = service(world);
    let reply = world.call(Service::Ec2, "DescribeInstances", json!({"InstanceId": [id]}), &caller).unwrap_or_default();
    let reason = reply.pointer("/reservationSet/0/instancesSet/0/stateReason/message").and_then(Value::as_str).unwrap_or_default();
    let message = format!("Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: {reason}");
    let now = world.timestamp();
    let Some(group) = world.autoscaling.groups.get_mut(name) else { return };
    let launch = group.activities.iter_mut().find(|one| one.end.is_none() && one.instance.as_deref() == Some(id));
    if let Some(launch) = launch {
        (launch.status, launch.end, launch.message) = ("Cancelled", Some(now), Some(message));
    }
}

fn drop_if_empty(world: &mut World, name: &str) {
    if world.autoscaling.groups.get(name).is_some_and(|group| group.deleting && group.members.is_empty()) {
        world.autoscaling.groups.remove(name);
    }
}

fn group_of(world: &World, id: &str) -> Option<String> {
    world.autoscaling.groups.values().find(|group| group.members.contains_key(id)).map(|group| group.name.clone())
}

/// Whether an instance is a member of a group.
pub(crate) fn has_member(world: &World, id: &str) -> bool {
    group_of(world, id).is_some()
}

/// An instance runs.
pub(crate) fn instance_running(world: &mut World, id: &str) {
    let Some(name) = group_of(world, id) else { return };
    let pending = |group: &Group| group.members.get(id).is_some_and(|member| member.state == "Pending");
    if world.autoscaling.groups.get(&name).is_some_and(pending) {
        hooks::hold(world, &name, id, "autoscaling:EC2_INSTANCE_LAUNCHING");
    }
}

/// Puts a member into service; the last step of a launch, after any lifecycle hook.
pub(super) fn enter_service(world: &mut World, name: &str, id: &str) {
    let Some(group) = world.autoscaling.groups.get_mut(name) else { return };
    let Some(member) = group.members.get_mut(id) else { return };
    "InService".clone_into(&mut member.state);
    group.failures = 0;
    group.balancing = false;
    finish(world, name, id);
    balance(world, name, id, true);
    // More than the desired capacity are there only to balance zones: now one can go.
    reconcile(world, name);
}

/// Registers a member with the group's load balancers, or takes it off them.
fn balance(world: &mut World, name: &str, id: &str, register: bool) {
    let Some(group) = world.autoscaling.groups.get(name) else { return };
    let (classic, targets) = (group.load_balancers.clone(), group.target_groups.clone());
    let caller = service(world);
    for balancer in classic {
        let action = if register { "RegisterInstancesWithLoadBalancer" } else { "DeregisterInstancesFromLoadBalancer" };
        let args = json!({"Version": "2012-06-01", "LoadBalancerName": balancer, "Instances": [{"InstanceId": id}]});
        // A load balancer that is gone does not keep the group from working.
        drop(world.call(Service::Elb, action, args, &caller));
    }
    for target in targets {
        let action = if register { "RegisterTargets" } else { "DeregisterTargets" };
        let args = json!({"Version": "2015-12-01", "TargetGroupArn": target, "Targets": [{"Id": id}]});
        drop(world.call(Service::Elb, action, args, &caller));
    }
}

/// An instance is shutting down: if the group did not ask for it, its health check fails and it is replaced.
pub(crate) fn instance_terminated(world: &mut World, id: &str) {
    let Some(name) = group_of(world, id) else { return };
    let Some(group) = world.autoscaling.groups.get_mut(&name) else { return };
    if group.suspended.contains("HealthCheck") || group.suspended.contains("ReplaceUnhealthy") {
        return;
    }
    let Some(member) = group.members.get_mut(id).filter(|member| !member.state.starts_with("Terminating")) else { return };
    member.healthy = false;
    let was_pending = member.state.starts_with("Pending");
    "Terminating".clone_into(&mut member.state);
    if was_pending {
        cancel_launch(world, &name, id);
    }
    let cause = "an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped.";
    begin(world, &name, Some(id), format!("Terminating EC2 instance: {id}"), cause.to_owned());
    balance(world, &name, id, false);
    reconcile(world, &name);
    watch(world, &name, id);
}
