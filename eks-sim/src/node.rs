//! What an instance does once it runs: boot, read its user data, join its cluster if everything allows it.

use crate::world::World;

/// The instance is running; EC2 calls this.
pub(crate) fn instance_running(_world: &mut World, _instance: &str) {}

/// The instance is shutting down or terminated; EC2 calls this.
pub(crate) fn instance_terminated(_world: &mut World, _instance: &str) {}
