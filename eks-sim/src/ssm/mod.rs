//! Systems Manager's Parameter Store: AWS's public parameters of machine images, and the account's own parameters.

mod public;
mod store;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use self::{
    public::image_name,
    store::{furnish, image_parameter},
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// The service's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    parameters: BTreeMap<String, store::Parameter>,
}

pub(crate) fn handle(world: &mut World, _caller: &Caller, action: &str, args: &Args) -> Result<Value, ApiError> {
    match action {
        "GetParameter" => store::get(world, args),
        "GetParameters" => store::get_many(world, args),
        "GetParametersByPath" => store::get_by_path(world, args),
        "PutParameter" => store::put(world, args),
        "DeleteParameter" => store::delete(world, args),
        _ => Err(ApiError::new("UnknownOperationException", "")),
    }
}
