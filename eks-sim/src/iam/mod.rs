//! IAM: roles, instance profiles, policies and OIDC providers, with the delay until other services see them.
//!
//! Whoever authenticates may do everything, as the account's administrator does, unless [`crate::Sim::enforce`] says otherwise. Trust
//! policies are always evaluated, as services and STS act by them.

mod condition;
mod details;
mod document;
mod facts;
mod oidc;
mod params;
mod policy;
mod policy_version;
mod principal;
mod profile;
mod role;
mod simulate;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use self::facts::{
    Trust, attached_policies, has_own_policies, principal_of, principal_seen, profile_role, role_facts, trust, trust_caller,
    trust_service_account,
};
pub(crate) use self::principal::{
    ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY, access_key, administrator, authenticate, is_administrator, open_session,
};
pub(crate) use self::simulate::{Decision, Identity};
use self::{
    facts::principal_exists,
    params::{
        Tags, conflict, exists, name, no_such, page, path, quota, required, tag_list, tag_pairs, tags, tags_by, unique_id, violation,
    },
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

/// The service's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    roles: BTreeMap<String, role::Role>,
    profiles: BTreeMap<String, profile::Profile>,
    /// The account's own policies, by ARN.
    policies: BTreeMap<String, policy::Policy>,
    /// By ARN.
    oidc_providers: BTreeMap<String, oidc::Provider>,
    /// Temporary credentials, by access key.
    sessions: BTreeMap<String, principal::Session>,
}

pub(crate) fn handle(world: &mut World, caller: &Caller, action: &str, args: &Args) -> Result<Value, ApiError> {
    match action {
        "CreateRole" => role::create(world, caller, args),
        "GetRole" => role::get(world, args),
        "ListRoles" => role::list(world, args),
        "UpdateAssumeRolePolicy" => role::update_trust(world, args),
        "PutRolePermissionsBoundary" => role::put_boundary(world, args),
        "DeleteRolePermissionsBoundary" => role::delete_boundary(world, args),
        "DeleteRole" => role::delete(world, args),
        "TagRole" => role::tag(world, args),
        "UntagRole" => role::untag(world, args),
        "ListRoleTags" => role::list_tags(world, args),
        "CreateServiceLinkedRole" => role::create_service_linked(world, args),
        "AttachRolePolicy" => policy::attach(world, args),
        "DetachRolePolicy" => policy::detach(world, args),
        "ListAttachedRolePolicies" => policy::list_attached(world, args),
        "PutRolePolicy" => policy::put_inline(world, args),
        "GetRolePolicy" => policy::get_inline(world, args),
        "DeleteRolePolicy" => policy::delete_inline(world, args),
        "ListRolePolicies" => policy::list_inline(world, args),
        "CreatePolicy" => policy::create(world, args),
        "GetPolicy" => policy::get(world, args),
        "DeletePolicy" => policy::delete(world, args),
        "ListPolicies" => policy::list(world, args),
        "ListEntitiesForPolicy" => policy::list_entities(world, args),
        "TagPolicy" => policy::tag(world, args),
        "UntagPolicy" => policy::untag(world, args),
        "ListPolicyTags" => policy::list_tags(world, args),
        "CreatePolicyVersion" => policy_version::create(world, args),
        "GetPolicyVersion" => policy_version::get(world, args),
        "ListPolicyVersions" => policy_version::list(world, args),
        "SetDefaultPolicyVersion" => policy_version::set_default(world, args),
        "DeletePolicyVersion" => policy_version::delete(world, args),
        "GetAccountAuthorizationDetails" => details::get(world, args),
        "SimulatePrincipalPolicy" => simulate::principal(world, args),
        "CreateInstanceProfile" => profile::create(world, args),
        "GetInstanceProfile" => profile::get(world, args),
        "AddRoleToInstanceProfile" => profile::add_role(world, args),
        "RemoveRoleFromInstanceProfile" => profile::remove_role(world, args),
        "DeleteInstanceProfile" => profile::delete(world, args),
        "ListInstanceProfiles" => profile::list(world, args),
        "ListInstanceProfilesForRole" => profile::list_for_role(world, args),
        "CreateOpenIDConnectProvider" => oidc::create(world, args),
        "GetOpenIDConnectProvider" => oidc::get(world, args),
        "DeleteOpenIDConnectProvider" => oidc::delete(world, args),
        "ListOpenIDConnectProviders" => oidc::list(world),
        "AddClientIDToOpenIDConnectProvider" => oidc::add_client(world, args),
        "RemoveClientIDFromOpenIDConnectProvider" => oidc::remove_client(world, args),
        "UpdateOpenIDConnectProviderThumbprint" => oidc::update_thumbprints(world, args),
        "TagOpenIDConnectProvider" => oidc::tag(world, args),
        "UntagOpenIDConnectProvider" => oidc::untag(world, args),
        "ListOpenIDConnectProviderTags" => oidc::list_tags(world, args),
        "GetUser" => principal::get_user(world, caller, args),
        _ => Err(ApiError::unknown_action(action)),
    }
}

/// AWS's managed policies are constants and the administrator needs no record: a new account has nothing else in IAM.
pub(crate) fn furnish(_world: &mut World) {}

pub(crate) fn inventory(world: &World, inventory: &mut Inventory) {
    role::inventory(world, inventory);
    profile::inventory(world, inventory);
    policy::inventory(world, inventory);
    oidc::inventory(world, inventory);
}
