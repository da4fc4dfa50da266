//! STS: who am I, and sessions under a role.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    call::{Args, Caller},
    error::ApiError,
    iam::{self, Trust},
    world::World,
};

pub(crate) fn handle(world: &mut World, caller: &Caller, action: &str, args: &Args) -> Result<Value, ApiError> {
    match action {
        "GetCallerIdentity" => Ok(json!({"UserId": caller.user_id, "Account": world.account, "Arn": caller.arn})),
        "AssumeRole" => assume_role(world, caller, args),
        _ => Err(ApiError::unknown_action(action)),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

/// Limits of the session's name and length: API reference, AssumeRole.
fn assume_role(world: &mut World, caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    let role_arn = args.str("RoleArn").ok_or_else(|| {
        invalid("1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null")
    })?;
    let name = args.str("RoleSessionName").unwrap_or_default();
    if !(2..=64).contains(&name.len()) || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        )));
    }
    if !role_arn.starts_with("arn:") {
        return Err(invalid(format!("{role_arn} is invalid")));
    }
    let seconds = args.int("DurationSeconds").unwrap_or(3_600);
    if !(900..=43_200).contains(&seconds) {
        return Err(invalid("The requested DurationSeconds must be between 900 and 43200."));
    }
    // A role that is absent, too new, trusts somebody else, or asks for another external id: STS does not tell which.
    let denied = || {
        let message = format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}", caller.arn);
        ApiError::new("AccessDenied", message).status(403)
    };
    if iam::trust_caller(world, role_arn, caller, args.str("ExternalId")) != Trust::Ready {
        return Err(denied());
    }
    let (role, role_id, longest) = iam::role_facts(world, role_arn).ok_or_else(denied)?;
    if seconds > longest {
        return Err(invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."));
    }
    if caller.arn.contains(":assumed-role/") && seconds > 3_600 {
        return Err(invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"));
    }
    let session =
        Caller { arn: format!("arn:aws:sts::{}:assumed-role/{role}/{name}", world.account), user_id: format!("{role_id}:{name}") };
    let lasts = Duration::from_secs(seconds.unsigned_abs());
    let (key, secret, token) = iam::open_session(world, session.clone(), role_arn, lasts);
    let expiration = jiff::Timestamp::try_from(world.clock.wall_at(world.now + lasts)).unwrap_or_default();
    Ok(json!({
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
    }))
}
