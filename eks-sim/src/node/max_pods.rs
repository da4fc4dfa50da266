//! How many pods a worker takes.

use serde_json::{Value, json};

use crate::{call::Service, world::World};

/// nodeadm's default: network interfaces × (addresses each − 1) + 2; 110 for a type that it does not know.
pub(super) fn of(world: &mut World, instance_type: &str) -> u32 {
    let caller = world.service_caller("ec2.amazonaws.com");
    let reply = world.call(Service::Ec2, "DescribeInstanceTypes", json!({"InstanceType": [instance_type]}), &caller).unwrap_or_default();
    let number = |name: &str| {
        let value = reply.pointer(&format!("/instanceTypeSet/0/networkInfo/{name}"))?;
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
        u32::try_from(number).ok()
    };
    match (number("maximumNetworkInterfaces"), number("ipv4AddressesPerInterface")) {
        (Some(interfaces), Some(addresses)) => interfaces * addresses.saturating_sub(1) + 2,
        _ => 110,
    }
}

/// A number that may be written as text.
pub(super) fn number(value: &Value) -> Option<u32> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).and_then(|number| u32::try_from(number).ok())
}
