//! `UpdatePolicy: AutoScalingRollingUpdate`: replacing a group's instances in batches when its launch template changes.
//!
//! User guide, "UpdatePolicy attribute". The pause between batches passes whatever becomes of the new instances, as signals are not
//! simulated; instances are terminated without being drained.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    eval::texts,
    operation::{self, POLL},
    resources,
    stack::{Resource, scope, service, stack},
};
use crate::{
    call::{Args, Service},
    world::World,
};

/// A rolling update of one group.
#[derive(Clone, Debug)]
pub(super) struct Rolling {
    batch: usize,
    min_in_service: i64,
    pause: Duration,
    /// The launch template version that instances shall have.
    version: String,
    /// The capacity to go back to.
    desired: i64,
}

impl Rolling {
    /// The rolling update that a change of the group calls for, if its policy asks for one.
    pub(super) fn of(world: &mut World, id: &str, logical: &str, old: &Resource, properties: &Value) -> Option<Self> {
        if old.kind != "AWS::AutoScaling::AutoScalingGroup" || old.properties.get("LaunchTemplate") == properties.get("LaunchTemplate") {
            return None;
        }
        let definition = stack(world, id)?.definition.clone();
        let written = definition.template.resource(logical)?.pointer("/UpdatePolicy/AutoScalingRollingUpdate")?.clone();
        let scope = scope(world, id, &definition).ok()?;
        let policy = Args(texts(scope.value(&written).ok()??));
        let pause = policy.str("PauseTime").and_then(|text| text.parse::<jiff::SignedDuration>().ok());
        let group = group(world, old.physical.as_deref()?)?;
        Some(Self {
            batch: policy.int("MaxBatchSize").and_then(|size| usize::try_from(size).ok()).unwrap_or(1),
            min_in_service: policy.int("MinInstancesInService").unwrap_or(0),
            pause: pause.and_then(|pause| Duration::try_from(pause).ok()).unwrap_or_default(),
            version: properties.pointer("/LaunchTemplate/Version")?.as_str()?.to_owned(),
            desired: group["DesiredCapacity"].as_i64()?,
        })
    }

    /// Makes room for the first batch, so that enough instances stay in service.
    pub(super) fn begin(&self, world: &mut World, name: &str) -> Result<(), resources::Failure> {
        let missing = self.min_in_service + i64::try_from(self.batch).unwrap_or(1) - self.desired;
        if missing > 0 { self.resize(world, name, self.desired + missing) } else { Ok(()) }
    }

    fn resize(&self, world: &mut World, name: &str, desired: i64) -> Result<(), resources::Failure> {
        let args = json!({"AutoScalingGroupName": name, "DesiredCapacity": desired.to_string()});
        resources::call(world, Service::AutoScaling, "SetDesiredCapacity", args).map(drop)
    }
}

fn group(world: &mut World, name: &str) -> Option<Value> {
    let caller = service(world);
    let reply = world.call(Service::AutoScaling, "DescribeAutoScalingGroups", json!({"AutoScalingGroupNames": [name]}), &caller).ok()?;
    reply.pointer("/AutoScalingGroups/0").cloned()
}

/// One look at the group: the next batch goes when all instances are in service.
pub(super) fn roll(world: &mut World, id: &str, number: u64, logical: &str, rolling: Rolling) {
    if !operation::is_active(world, id, number, logical) {
        return;
    }
    let name = stack(world, id).and_then(|stack| stack.resources.get(logical)?.physical.clone()).unwrap_or_default();
    let Some(group) = group(world, &name) else {
        operation::settle(world, id, number, logical, world.now);
        return;
    };
    let members = group["Instances"].as_array().cloned().unwrap_or_default();
    let in_service: Vec<_> = members.iter().filter(|one| one["LifecycleState"] == "InService").collect();
    let ready = group["DesiredCapacity"].as_u64().is_some_and(|desired| in_service.len() as u64 >= desired);
    let outdated: Vec<_> = in_service
        .iter()
        .filter(|one| one.pointer("/LaunchTemplate/Version").and_then(Value::as_str) != Some(&rolling.version))
        .filter_map(|one| one["InstanceId"].as_str().map(str::to_owned))
        .collect();
    let wait = if !ready {
        POLL
    } else if outdated.is_empty() {
        // A group that was made smaller meanwhile keeps its size.
        if let Err(failure) = rolling.resize(world, &name, rolling.desired) {
            operation::fail(world, id, number, logical, &failure.message);
        } else {
            operation::settle(world, id, number, logical, world.now);
        }
        return;
    } else {
        let caller = service(world);
        for instance in outdated.iter().take(rolling.batch) {
            let args = json!({"InstanceId": instance, "ShouldDecrementDesiredCapacity": "false"});
            // One that somebody else terminated needs no termination.
            drop(world.call(Service::AutoScaling, "TerminateInstanceInAutoScalingGroup", args, &caller));
        }
        rolling.pause.max(POLL)
    };
    let (id, logical) = (id.to_owned(), logical.to_owned());
    world.after(wait, move |world| roll(world, &id, number, &logical, rolling));
}
