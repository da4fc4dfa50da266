//! Who calls: the administrator, and sessions under assumed roles.

use std::time::Duration;

use serde_json::{Value, json};

use super::{no_such, unique_id};
use crate::{
    call::{Args, Caller, Service},
    error::ApiError,
    world::World,
};

/// The administrator's keys: the ones that AWS's documentation uses in its examples.
pub(crate) const ADMIN_ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const ADMIN_SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const ADMIN_ID: &str = "AIDACKCEVSQ6C2EXAMPLE";

/// Temporary credentials of an assumed role.
#[derive(Clone, Debug)]
pub(super) struct Session {
    caller: Caller,
    secret: String,
    token: String,
    role_arn: String,
    expires: Duration,
}

pub(super) fn admin_arn(world: &World) -> String {
    format!("arn:aws:iam::{}:user/admin", world.account)
}

/// ARN of the account's administrator.
pub(crate) fn administrator(world: &World) -> String {
    admin_arn(world)
}

/// Whether the account's administrator calls.
pub(crate) fn is_administrator(world: &World, caller: &Caller) -> bool {
    caller.arn == admin_arn(world)
}

fn admin(world: &World) -> Caller {
    Caller { arn: admin_arn(world), user_id: ADMIN_ID.to_owned() }
}

/// The caller behind an access key, or the error of that service's protocol (EC2 API reference, "Client error codes"; each
/// query service's "Common errors").
pub(crate) fn authenticate(world: &World, service: Service, key: &str) -> Result<Caller, ApiError> {
    if key == ADMIN_ACCESS_KEY {
        return Ok(admin(world));
    }
    let session = world.iam.sessions.get(key);
    if let Some(session) = session.filter(|session| session.expires > world.now) {
        return Ok(session.caller.clone());
    }
    let expired = session.is_some();
    Err(match service {
        Service::Ec2 if expired => ApiError::new("RequestExpired", "Request has expired."),
        Service::Ec2 => ApiError::new("AuthFailure", "AWS was not able to validate the provided access credentials").status(401),
        Service::Eks if expired => {
            ApiError::new("ExpiredTokenException", "The security token included in the request is expired").status(403)
        }
        Service::Eks => ApiError::new("UnrecognizedClientException", "The security token included in the request is invalid.").status(403),
        Service::Ssm if expired => ApiError::new("ExpiredTokenException", "The security token included in the request is expired"),
        Service::Ssm => ApiError::new("UnrecognizedClientException", "The security token included in the request is invalid."),
        _ if expired => ApiError::new("ExpiredToken", "The security token included in the request is expired").status(403),
        _ => ApiError::new("InvalidClientTokenId", "The security token included in the request is invalid.").status(403),
    })
}

/// The principal behind an access key and the key's secret. The keys of a session count with its token only (IAM user guide,
/// "Use temporary credentials with AWS resources").
pub(crate) fn access_key(world: &World, key: &str, token: Option<&str>) -> Option<(Caller, String)> {
    if key == ADMIN_ACCESS_KEY {
        return token.is_none().then(|| (admin(world), ADMIN_SECRET_KEY.to_owned()));
    }
    let session = world.iam.sessions.get(key).filter(|session| session.expires > world.now && token == Some(&session.token))?;
    Some((session.caller.clone(), session.secret.clone()))
}

/// New temporary credentials: access key, secret and token.
pub(crate) fn open_session(world: &mut World, caller: Caller, role_arn: &str, lasts: Duration) -> (String, String, String) {
    let key = unique_id(world, "ASIA")[..20].to_owned();
    let secret = world.draw.hex("secret", 40);
    let token = world.draw.hex("session-token", 128);
    let (told, expires) = ((secret.clone(), token.clone()), world.now + lasts);
    let session = Session { caller, secret, token, role_arn: role_arn.to_owned(), expires };
    world.iam.sessions.insert(key.clone(), session);
    (key, told.0, told.1)
}

/// ARN of the role under which a session works.
pub(super) fn role_of_session(world: &World, caller: &Caller) -> Option<String> {
    world.iam.sessions.values().find(|session| session.caller == *caller).map(|session| session.role_arn.clone())
}

/// Every name under which a trust policy can mean this caller (IAM user guide, "AWS JSON policy elements: Principal").
pub(super) fn names(world: &World, caller: &Caller) -> Vec<String> {
    let account = &world.account;
    let mut names = vec![account.clone(), format!("arn:aws:iam::{account}:root"), caller.arn.clone()];
    names.extend(role_of_session(world, caller));
    names
}

pub(super) fn get_user(world: &World, caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    let name = match args.str("UserName") {
        Some(name) => name,
        None if caller.arn == admin_arn(world) => "admin",
        None => return Err(ApiError::new("ValidationError", "Must specify userName when calling with non-User credentials")),
    };
    if name != "admin" {
        return Err(no_such(format!("The user with name {name} cannot be found.")));
    }
    Ok(json!({"User": {
        "Path": "/",
        "UserName": name,
        "UserId": ADMIN_ID,
        "Arn": admin_arn(world),
        "CreateDate": "2020-01-01T00:00:00.000Z",
    }}))
}
