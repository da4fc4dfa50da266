//! What is left after a teardown, and why.

use eks_core::{HOURS_PER_MONTH, Survivor};

use super::{
    keys,
    observed::{FoundInstance, FoundMachineVolume, ObservedMachines},
    price,
};
use crate::{egress::price::ADDRESS_HOURLY, found::Found};

const AGAIN: &str = "remove what uses it, then tear down again";
const FAILED: &str = "it could not be deleted, or was made while the teardown ran";

impl FoundInstance {
    /// What it costs while it runs, with its public address and without its volumes.
    pub(crate) fn usd_per_month(&self) -> f64 {
        let hourly = price::instance_hourly(&self.instance_type).unwrap_or_default();
        let address = if self.public_ip.is_some() { ADDRESS_HOURLY } else { 0.0 };
        (hourly + address) * HOURS_PER_MONTH
    }
}

impl ObservedMachines {
    /// Everything of the owner's that is there.
    pub fn survivors(&self) -> Vec<Survivor> {
        let mut left = Vec::new();
        for (_, balancer) in self.ours(&self.load_balancers) {
            left.push(Survivor::new("load balancer", balancer.id(), FAILED, AGAIN, price::BALANCER_HOURLY * HOURS_PER_MONTH));
        }
        for (_, instance) in self.ours(&self.instances).into_iter().filter(|(_, instance)| instance.state != "terminated") {
            let why = format!("it is {}: it could not be terminated, or was launched while the teardown ran", instance.state);
            let remedy = "if it is protected, take that off: aws ec2 modify-instance-attribute --no-disable-api-termination --instance-id";
            let remedy = format!("{remedy} {}; then tear down again", instance.id);
            left.push(Survivor::new("instance", instance.id(), why, remedy, instance.usd_per_month()));
        }
        left.extend(self.ours(&self.volumes).into_iter().filter(|(_, found)| found.is_there()).map(|(key, found)| volume(&key, found)));
        left.extend(self.ours(&self.key_pairs).into_iter().map(|(_, pair)| Survivor::new("key pair", pair.id(), FAILED, AGAIN, 0.0)));
        left
    }
}

fn volume(key: &eks_core::StepKey, volume: &FoundMachineVolume) -> Survivor {
    let why = match &volume.held {
        _ if volume.is_retained() => "it was kept by request (Volume::retain)".to_owned(),
        Some(held) => format!("{} has it as {}", held.instance, held.device),
        None if keys::is_volume(key) => FAILED.to_owned(),
        None => "it was a volume of an instance, and outlived it".to_owned(),
    };
    let remedy = format!("when nothing in it is needed any more: aws ec2 delete-volume --volume-id {}", volume.id);
    Survivor::new("EBS volume", volume.id(), why, remedy, volume.usd_per_month())
}
