//! IAM: roles, instance profiles, policies and OIDC providers, with the delay until other services see them.
//!
//! Permissions are not evaluated: whoever authenticates may do everything, as the account's administrator does. Trust
//! policies are, as services and STS act by them.

mod document;
mod oidc;
mod policy;
mod principal;
mod profile;
mod role;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(crate) use self::principal::{ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY, access_key, authenticate, open_session};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

/// The service's state.
#[derive(Debug, Default)]
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
        "CreateRole" => role::create(world, args),
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
pub(crate) fn trust(world: &World, role_arn: &str, principal: &str) -> Trust {
    role::trust(world, role_arn, |document| document.allows_service(principal))
}

/// Whether the caller can assume the role.
pub(crate) fn trust_caller(world: &World, role_arn: &str, caller: &Caller) -> Trust {
    let names = principal::names(world, caller);
    role::trust(world, role_arn, |document| document.allows_aws(&names))
}

/// ARNs of the managed policies attached to a role, as far as services see them yet.
pub(crate) fn attached_policies(world: &World, role_arn: &str) -> Vec<String> {
    role::by_arn(world, role_arn).and_then(|role| role.seen.as_ref()).map_or_else(Vec::new, |seen| seen.policies.clone())
}

/// Name, unique id and longest session (seconds) of a role.
pub(crate) fn role_facts(world: &World, role_arn: &str) -> Option<(String, String, i64)> {
    role::by_arn(world, role_arn).map(|role| (role.name.clone(), role.id.clone(), role.max_session_seconds))
}

/// Whether a user or role of this account exists (services see a new one at once when they ask IAM itself).
pub(crate) fn principal_exists(world: &World, arn: &str) -> bool {
    arn == principal::admin_arn(world) || arn == format!("arn:aws:iam::{}:root", world.account) || role::by_arn(world, arn).is_some()
}

/// ARN of the role in an instance profile (by name or ARN); `None` if there is none or services do not see it yet.
pub(crate) fn profile_role(world: &World, profile: &str) -> Option<String> {
    profile::seen_role(world, profile)
}

/// A parameter that must be there, in IAM's words.
fn required<'a>(args: &'a Args, name: &str) -> Result<&'a str, ApiError> {
    args.str(name).filter(|text| !text.is_empty()).ok_or_else(|| violation(&member(name), "Value null", "Member must not be null"))
}

/// A name: `[\w+=,.@-]+`, at most `longest` characters (IAM API reference, each action's parameters).
fn name<'a>(args: &'a Args, parameter: &str, longest: usize) -> Result<&'a str, ApiError> {
    let text = required(args, parameter)?;
    if text.len() > longest {
        let rule = format!("Member must have length less than or equal to {longest}");
        return Err(violation(&member(parameter), &format!("Value '{text}'"), &rule));
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        return Err(ApiError::new(
            "ValidationError",
            format!(
                "The specified value for {} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
                member(parameter)
            ),
        ));
    }
    Ok(text)
}

/// A path, `/` by default: it begins and ends with a slash.
fn path(args: &Args) -> Result<String, ApiError> {
    let path = args.str("Path").unwrap_or("/");
    if path.starts_with('/') && path.ends_with('/') && path.len() <= 512 {
        Ok(path.to_owned())
    } else {
        Err(ApiError::new(
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        ))
    }
}

fn violation(member: &str, value: &str, rule: &str) -> ApiError {
    ApiError::new("ValidationError", format!("1 validation error detected: {value} at '{member}' failed to satisfy constraint: {rule}"))
}

/// IAM names parameters in messages with a small first letter.
fn member(parameter: &str) -> String {
    let mut letters = parameter.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn no_such(message: impl Into<String>) -> ApiError {
    ApiError::new("NoSuchEntity", message).status(404)
}

fn exists(message: impl Into<String>) -> ApiError {
    ApiError::new("EntityAlreadyExists", message).status(409)
}

fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new("DeleteConflict", message).status(409)
}

fn quota(name: &str, limit: usize) -> ApiError {
    ApiError::new("LimitExceeded", format!("Cannot exceed quota for {name}: {limit}")).status(409)
}

/// A unique id such as `AROA…`: 21 characters of IAM's alphabet.
fn unique_id(world: &mut World, prefix: &str) -> String {
    let digits = world.draw.hex(prefix, 17).to_uppercase().replace('0', "Q").replace('1', "Z");
    format!("{prefix}{digits}")
}

/// One page of a list, by `Marker` and `MaxItems` (100 by default).
fn page(list: &str, items: Vec<Value>, args: &Args) -> Result<Value, ApiError> {
    let start = match args.str("Marker") {
        Some(marker) => marker.parse().map_err(|_| ApiError::new("ValidationError", "Invalid Marker."))?,
        None => 0,
    };
    let size = usize::try_from(args.int("MaxItems").unwrap_or(100)).ok().filter(|size| (1..=1_000).contains(size));
    let size = size.ok_or_else(|| violation("maxItems", "Value", "Member must have value between 1 and 1000"))?;
    let end = items.len().min(start + size);
    let truncated = end < items.len();
    let items: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    Ok(json!({ list: items, "IsTruncated": truncated, "Marker": truncated.then(|| end.to_string()) }))
}

/// Tags, as kept and as told.
type Tags = BTreeMap<String, String>;

/// The `Tags` parameter, checked by IAM's rules (IAM user guide, "Tags for IAM resources").
fn tags(args: &Args) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in args.nested("Tags") {
        let (key, value) = (tag.str("Key").unwrap_or_default(), tag.str("Value").unwrap_or_default());
        if key.is_empty() || key.len() > 128 || value.len() > 256 {
            return Err(ApiError::new("ValidationError", "A tag key has 1 to 128 characters, a tag value at most 256."));
        }
        if key.to_lowercase().starts_with("aws:") {
            return Err(ApiError::new("InvalidInput", "User-supplied tag keys may not start with the reserved prefix aws:."));
        }
        if tags.keys().any(|known| known.eq_ignore_ascii_case(key)) {
            return Err(ApiError::new("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."));
        }
        tags.insert(key.to_owned(), value.to_owned());
    }
    if tags.len() > 50 { Err(quota("TagsPerResource", 50)) } else { Ok(tags) }
}

fn tag_list(tags: &Tags) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn tag_pairs(tags: &Tags) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
