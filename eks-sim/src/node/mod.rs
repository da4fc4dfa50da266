//! What an instance does once it runs: boot, read its user data, join its cluster if everything allows it.

mod join;
mod max_pods;
mod user_data;

use std::{collections::BTreeMap, time::Duration};

use self::join::Refusal;
use crate::{autoscaling, ec2, kube, times::Time, world::World};

/// How often a kubelet tries again that was refused.
const RETRY: Duration = Duration::from_secs(10);

/// Boots of instances.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// What the console of an instance last said.
    consoles: BTreeMap<String, String>,
}

/// The instance is running; EC2 calls this.
pub(crate) fn instance_running(world: &mut World, instance: &str) {
    autoscaling::instance_running(world, instance);
    if ec2::instance(world, instance).is_some_and(|facts| user_data::is_for_eks(&facts.user_data)) {
        let id = instance.to_owned();
        world.take(Time::NodeRegister, instance, move |world| attempt(world, &id));
    }
}

/// The instance is shutting down or terminated; EC2 calls this.
pub(crate) fn instance_terminated(world: &mut World, instance: &str) {
    world.node.consoles.remove(instance);
    kube::instance_gone(world, instance);
    autoscaling::instance_terminated(world, instance);
}

/// Why the instance has not joined its cluster, in the words of its console; empty if there is nothing to say.
pub(crate) fn console(world: &World, instance: &str) -> String {
    world.node.consoles.get(instance).cloned().unwrap_or_default()
}

/// One try to join. What the kubelet does is repeated; what aborts the boot is not.
fn attempt(world: &mut World, instance: &str) {
    let Some(facts) = ec2::instance(world, instance).filter(|facts| facts.state == "running") else { return };
    match join::join(world, &facts) {
        Ok(()) => {
            world.node.consoles.remove(instance);
        }
        Err(refusal) => {
            let last = matches!(refusal, Refusal::Aborts(_));
            let (Refusal::Aborts(reason) | Refusal::Retries(reason)) = refusal;
            world.node.consoles.insert(instance.to_owned(), reason);
            if !last {
                let id = instance.to_owned();
                world.after(RETRY, move |world| attempt(world, &id));
            }
        }
    }
}
