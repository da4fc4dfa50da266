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

/// Whether a service may act under a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// No such role.
    Missing,
    /// The role or its trust policy is too new; services do not see it yet.
    NotYet,
    /// Its trust policy does not name the principal.
    Refused,
    /// The principal can assume it.
    Ready,
}

/// Whether `principal` (`eks.amazonaws.com`, `ec2.amazonaws.com`, `pods.eks.amazonaws.com`) can assume the role.
pub(crate) fn trust(_world: &World, _role_arn: &str, _principal: &str) -> Trust {
    Trust::Ready
}

/// ARNs of the managed policies attached to a role, as far as services see them yet.
pub(crate) fn attached_policies(_world: &World, _role_arn: &str) -> Vec<String> {
    Vec::new()
}

/// ARN of the role in an instance profile (by name or ARN); `None` if there is none or services do not see it yet.
pub(crate) fn profile_role(_world: &World, _profile: &str) -> Option<String> {
    None
}

/// The principal behind an access key and the key's secret.
pub(crate) fn access_key(_world: &World, _access_key: &str) -> Option<(Caller, String)> {
    None
}
