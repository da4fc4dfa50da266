//! Stopping and starting instances ("Stop and start Amazon EC2 instances", EC2 user guide).

use serde_json::{Value, json};

use super::{
    Reply, address, ids,
    instance::{self, InstanceState},
    instance_types, launch,
};
use crate::{
    autoscaling,
    call::{Args, Caller},
    error::ApiError,
    times::Time,
    world::World,
};

/// The instances of a call, all of which must be in one of these states: one that is not and none is changed.
fn named(world: &World, args: &Args, action: &str, states: &[InstanceState]) -> Result<Vec<String>, ApiError> {
    let wanted = args.strings("InstanceId");
    if wanted.is_empty() {
        return Err(ApiError::missing("InstanceId"));
    }
    for id in &wanted {
        if !states.contains(&ids::INSTANCE.find(&world.ec2.instances, id)?.state) {
            let message = format!("The instance '{id}' is not in a state from which it can be {action}.");
            return Err(ApiError::new("IncorrectInstanceState", message));
        }
    }
    Ok(wanted)
}

fn set(world: &mut World, id: &str, state: InstanceState) -> Value {
    let before = world.ec2.instances[id].state;
    if let Some(found) = world.ec2.instances.get_mut(id) {
        found.state = state;
    }
    json!({"instanceId": id, "currentState": state.render(), "previousState": before.render()})
}

pub(super) fn stop(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    use InstanceState::{Pending, Running, Stopped, Stopping};
    let wanted = named(world, args, "stopped", &[Pending, Running, Stopping, Stopped])?;
    let mut changes = Vec::new();
    for id in wanted {
        let state = world.ec2.instances[&id].state;
        let next = if matches!(state, Pending | Running) { Stopping } else { state };
        changes.push(set(world, &id, next));
        if state != next {
            let event = id.clone();
            world.take(Time::InstanceStop, &id, move |world| stopped(world, &event));
        }
    }
    Ok(json!({"instancesSet": changes}))
}

/// "The instance keeps its private addresses and its Elastic IP address; its public IPv4 address is released." An Auto Scaling group
/// replaces a member that is stopped ("Health checks for instances in an Auto Scaling group").
fn stopped(world: &mut World, id: &str) {
    if world.ec2.instances.get(id).is_none_or(|found| found.state != InstanceState::Stopping) {
        return;
    }
    set(world, id, InstanceState::Stopped);
    for interface in world.ec2.interfaces_of(id) {
        if let Some(found) = world.ec2.interfaces.get_mut(&interface) {
            found.public_ip = None;
        }
    }
    if autoscaling::has_member(world, id) {
        instance::shut_down(world, id);
    }
}

pub(super) fn start(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    use InstanceState::{Pending, Running, Stopped};
    let wanted = named(world, args, "started", &[Pending, Running, Stopped])?;
    let still: Vec<_> = wanted.iter().filter(|id| world.ec2.instances[*id].state == Stopped).cloned().collect();
    for id in &still {
        let found = &world.ec2.instances[id];
        if let Some(instance_type) = instance_types::find(&found.instance_type) {
            launch::check_vcpus(&world.ec2, instance_type, 1)?;
        }
    }
    let mut changes = Vec::new();
    for id in wanted {
        let state = world.ec2.instances[&id].state;
        changes.push(set(world, &id, if state == Stopped { Pending } else { state }));
        if state == Stopped {
            renew_public_address(world, &id);
            let event = id.clone();
            world.take(Time::InstanceLaunch, &id, move |world| instance::start(world, &event));
        }
    }
    Ok(json!({"instancesSet": changes}))
}

/// "A new public IPv4 address is assigned" to an instance that had one by its launch, which its subnet tells.
fn renew_public_address(world: &mut World, id: &str) {
    let Some(found) = world.ec2.instances.get(id) else { return };
    let public = found.public && world.ec2.attached_gateway(&found.vpc).is_some();
    let primary = world.ec2.primary_interface(id).filter(|interface| public && world.ec2.public_address(interface).is_none());
    if let Some(interface) = primary {
        let ip = address::from_pool(world);
        if let Some(found) = world.ec2.interfaces.get_mut(&interface) {
            found.public_ip = Some(ip);
        }
    }
}
