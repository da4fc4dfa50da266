//! Versions of the account's own policies (IAM user guide, "Versioning IAM policies").

use serde_json::{Value, json};

use super::{
    conflict,
    document::encoded,
    no_such, page,
    policy::{self, Policy, Version},
    quota, required,
};
use crate::{call::Args, error::ApiError, world::World};

/// "IAM and AWS STS quotas": versions per managed policy.
const MOST: usize = 5;

fn number(args: &Args) -> Result<u32, ApiError> {
    let id = required(args, "VersionId")?;
    let number = id.strip_prefix('v').and_then(|number| number.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| {
        let message = format!("1 validation error detected: Value '{id}' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?");
        ApiError::new("ValidationError", message)
    })
}

fn missing(arn: &str, number: u32) -> ApiError {
    no_such(format!("Policy {arn} version v{number} does not exist or is not attachable."))
}

fn describe(policy: &Policy, number: u32, version: &Version, whole: bool) -> Value {
    json!({
        "VersionId": format!("v{number}"),
        "IsDefaultVersion": number == policy.default,
        "CreateDate": version.created,
        "Document": whole.then(|| encoded(&version.document)),
    })
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let arn = required(args, "PolicyArn")?;
    let document = required(args, "PolicyDocument")?;
    let now = world.timestamp();
    let policy = policy::find_mut(world, arn)?;
    policy::checked_document(document)?;
    if policy.versions.len() >= MOST {
        return Err(quota("VersionsPerPolicy", MOST));
    }
    policy.latest += 1;
    let number = policy.latest;
    policy.versions.insert(number, Version { document: document.to_owned(), created: now.clone() });
    if args.bool("SetAsDefault").unwrap_or(false) {
        policy.default = number;
    }
    policy.touch(now);
    // The reply tells the version without its document.
    Ok(json!({"PolicyVersion": describe(policy, number, &policy.versions[&number], false)}))
}

pub(super) fn get(world: &World, args: &Args) -> Result<Value, ApiError> {
    let (arn, number) = (required(args, "PolicyArn")?, number(args)?);
    let policy = policy::find(world, arn)?;
    // The documents of AWS's policies are not kept here.
    let version = policy.versions.get(&number).ok_or_else(|| missing(arn, number))?;
    Ok(json!({"PolicyVersion": describe(&policy, number, version, true)}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let policy = policy::find(world, required(args, "PolicyArn")?)?;
    let versions = policy.versions.iter().rev().map(|(number, version)| describe(&policy, *number, version, false)).collect();
    page("Versions", versions, args)
}

pub(super) fn set_default(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let (arn, number) = (required(args, "PolicyArn")?, number(args)?);
    let now = world.timestamp();
    let policy = policy::find_mut(world, arn)?;
    if !policy.versions.contains_key(&number) {
        return Err(missing(arn, number));
    }
    policy.default = number;
    policy.touch(now);
    Ok(json!({}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let (arn, number) = (required(args, "PolicyArn")?, number(args)?);
    let policy = policy::find_mut(world, arn)?;
    if policy.default == number {
        return Err(conflict("Cannot delete the default version of a policy."));
    }
    policy.versions.remove(&number).map(|_| json!({})).ok_or_else(|| missing(arn, number))
}
