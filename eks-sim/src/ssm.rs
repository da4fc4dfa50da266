//! Placeholder.

use serde_json::Value;

use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// The service's state.
#[derive(Debug, Default)]
pub(crate) struct State {}

pub(crate) fn furnish(_world: &mut World) {}

pub(crate) fn handle(_world: &mut World, _caller: &Caller, action: &str, _args: &Args) -> Result<Value, ApiError> {
    Err(ApiError::unknown_action(action))
}
