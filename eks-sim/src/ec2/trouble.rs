//! What may be wrong with AWS or with the account's keys at any time, and is: set from outside.

use std::collections::BTreeSet;

use super::State;
use crate::{error::ApiError, world::World};

/// The troubles of the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// Zones without room for another instance.
    pub(super) full_zones: BTreeSet<String>,
    /// Zones whose machines fail.
    pub(super) impaired_zones: BTreeSet<String>,
    /// The key of encrypted volumes may not be used.
    pub(super) key_is_locked: bool,
}

pub(crate) fn exhaust_capacity(world: &mut World, zone: &str) {
    world.ec2.trouble.full_zones.insert(zone.to_owned());
}

pub(crate) fn impair_zone(world: &mut World, zone: &str) {
    world.ec2.trouble.impaired_zones.insert(zone.to_owned());
}

pub(crate) fn lock_volume_key(world: &mut World) {
    world.ec2.trouble.key_is_locked = true;
}

/// "Troubleshoot Amazon EC2 instance launch issues": "Insufficient instance capacity".
pub(super) fn check_capacity(state: &State, kind: &str, zone: &str) -> Result<(), ApiError> {
    if !state.trouble.full_zones.contains(zone) {
        return Ok(());
    }
    let message = format!(
        "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). Our system will be working on provisioning additional capacity. You can currently get {kind} capacity by not specifying an Availability Zone in your request or choosing another one."
    );
    Err(ApiError::new("InsufficientInstanceCapacity", message).status(500))
}

/// Why an instance ends before it runs, if it does ("Troubleshoot Amazon EC2 instance launch issues": "Instance terminates
/// immediately"; Auto Scaling user guide, "Troubleshoot: EC2 instance launch failure": "Client.InternalError: Client error on launch").
pub(super) fn ends_at_launch(state: &State, id: &str) -> Option<(&'static str, String)> {
    let encrypted = state
        .volumes
        .values()
        .any(|volume| volume.disk.encrypted && volume.attachment.as_ref().is_some_and(|attachment| attachment.instance == id));
    (state.trouble.key_is_locked && encrypted).then(|| ("Client.InternalError", "Client.InternalError: Client error on launch".to_owned()))
}
