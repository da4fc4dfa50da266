//! Placeholder.

use serde_json::Value;

use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

/// The service's state.
#[derive(Debug, Default)]
pub(crate) struct State {}

pub(crate) fn handle(_world: &mut World, _caller: &Caller, action: &str, _args: &Args) -> Result<Value, ApiError> {
    Err(ApiError::unknown_action(action))
}

pub(crate) fn inventory(_world: &World, _inventory: &mut Inventory) {}

use crate::call::Service;

/// The administrator's keys: the ones that AWS's documentation uses in its examples.
pub(crate) const ADMIN_ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const ADMIN_SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

pub(crate) fn furnish(_world: &mut World) {}

pub(crate) fn authenticate(world: &World, _service: Service, _access_key: &str) -> Result<Caller, ApiError> {
    Ok(Caller { arn: format!("arn:aws:iam::{}:user/admin", world.account), user_id: "AIDACKCEVSQ6C2EXAMPLE".to_owned() })
}
