//! Placeholder.

use serde_json::Value;

use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

pub(crate) fn handle(_world: &mut World, _caller: &Caller, action: &str, _args: &Args) -> Result<Value, ApiError> {
    Err(ApiError::unknown_action(action))
}
