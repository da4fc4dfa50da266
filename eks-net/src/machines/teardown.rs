//! From what exists: what to remove, and in which order.
//!
//! Order: load balancers, until their network interfaces are gone; instances, which let go of their volumes as they shut down;
//! then volumes. Key pairs go at any time. The network waits for all of them.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{After, Error, HOURS_PER_MONTH, InstanceId, Removal, StepKey, Teardown};

use super::{
    grants, keys,
    observed::{FoundMachineVolume, ObservedMachines},
    op::MachineOp,
    permissions::OBSERVING,
    plan::{DISK, scope},
    price,
    volume::{OnTeardown, TEARDOWN_TAG},
};
use crate::{
    egress::price::ADDRESS_HOURLY,
    found::Found,
    plan::{CALL, faulty},
};

/// Shutting down to terminated. No log was found: an estimate.
pub(crate) const TERMINATE: Duration = Duration::from_secs(45);
/// Until a deleted load balancer's network interfaces are gone. Likewise.
pub(crate) const RELEASE: Duration = Duration::from_secs(40);

impl FoundMachineVolume {
    /// Whether it shall outlive a teardown.
    pub(crate) fn is_retained(&self) -> bool {
        self.tags.get(TEARDOWN_TAG).is_some_and(|value| value == OnTeardown::Retain.as_str())
    }

    pub(crate) fn usd_per_month(&self) -> f64 {
        self.disk.price(self.gib).usd_per_month
    }
}

impl ObservedMachines {
    /// What must be removed so that nothing of these machines is left, but volumes that shall stay: only what carries the owner's
    /// tags.
    ///
    /// # Errors
    /// [`Error::Plan`] if the removals do not come together, which would be a fault of this crate.
    pub fn teardown(&self) -> Result<Teardown, Error> {
        let mut removals: Vec<Removal> = Vec::new();
        for (key, balancer) in self.ours(&self.load_balancers) {
            let op = MachineOp::DeleteLoadBalancer { name: balancer.id.clone() };
            let addresses = if balancer.internal { 0 } else { balancer.subnets.len() };
            let hourly = price::BALANCER_HOURLY + ADDRESS_HOURLY * f64::from(u32::try_from(addresses).unwrap_or(u32::MAX));
            let removal = removal(&removals, key, "load balancer", balancer.id(), &op)?;
            removals.push(removal.takes(RELEASE).saves(hourly * HOURS_PER_MONTH));
        }
        let balancers: Vec<StepKey> = removals.iter().map(|removal| removal.key.clone()).collect();
        let mut instances: BTreeMap<&InstanceId, StepKey> = BTreeMap::new();
        for (key, instance) in self.ours(&self.instances).into_iter().filter(|(_, instance)| instance.state != "terminated") {
            let op = MachineOp::TerminateInstance { id: instance.id.clone() };
            let removal = removal(&removals, key, "instance", instance.id(), &op)?;
            // What a load balancer sends to it is answered until that is gone.
            let removal = balancers.iter().fold(removal, |removal, key| removal.after(After::Key(key.clone())));
            instances.insert(&instance.id, removal.key.clone());
            removals.push(removal.takes(TERMINATE).saves(instance.usd_per_month()));
        }
        let volumes = self.data_volumes();
        for (key, volume) in self.ours(&volumes).into_iter().filter(|(_, volume)| !volume.is_retained()) {
            let holder = volume.held.as_ref().map(|held| &held.instance);
            let before = holder.and_then(|id| instances.get(id)).cloned();
            let foreign = holder.filter(|id| self.our_instance(id).is_none()).map(ToString::to_string);
            let op = MachineOp::DeleteVolume { id: volume.id.clone(), foreign };
            let mut removal = removal(&removals, key, "EBS volume", volume.id(), &op)?;
            if let Some(before) = before {
                removal = removal.after(After::Key(before));
            }
            removals.push(removal.takes(DISK).saves(volume.usd_per_month()));
        }
        for (key, pair) in self.ours(&self.key_pairs) {
            let op = MachineOp::DeleteKeyPair { id: pair.id.clone() };
            let removal = removal(&removals, key, "key pair", pair.id(), &op)?;
            removals.push(removal);
        }
        let builder = Teardown::builder(&self.owner, keys::LAYER, scope(self.region.as_deref()));
        let mut builder = builder.observes(OBSERVING);
        for removal in removals {
            let op: MachineOp = removal.op.decode().map_err(|error| faulty(&removal.key, &error))?;
            builder = builder.removal(removal.refine(|action| grants::of(&self.owner, &op, action)));
        }
        builder.build().map_err(|error| faulty("teardown", &error))
    }
}

/// A removal under the key of the step that made the thing; under a key of its own if another has that key.
fn removal(others: &[Removal], key: StepKey, title: &str, id: &str, op: &MachineOp) -> Result<Removal, Error> {
    let key = if others.iter().any(|other| other.key == key) { keys::leftover(id) } else { key };
    let removal = Removal::new(key.clone(), title, id, op).map_err(|error| faulty(&key, &error))?;
    // Whatever is removed, a look for survivors ends the teardown.
    Ok(removal.takes(CALL).permits(op.permissions()).permits(OBSERVING))
}
