//! Parameters, errors, pages and tags, by EKS's rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

pub(super) fn invalid_parameter(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}

pub(super) fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidRequestException", message)
}

pub(super) fn in_use(message: impl Into<String>) -> ApiError {
    ApiError::new("ResourceInUseException", message).status(409)
}

pub(super) fn not_found(message: impl Into<String>) -> ApiError {
    ApiError::new("ResourceNotFoundException", message).status(404)
}

/// A parameter that must be there.
pub(super) fn required<'a>(args: &'a Args, name: &str) -> Result<&'a str, ApiError> {
    args.str(name).filter(|text| !text.is_empty()).ok_or_else(|| invalid_parameter(format!("{name} must not be null")))
}

/// A list of strings; a query parameter that occurs once comes as a string.
pub(super) fn strings(args: &Args, name: &str) -> Vec<String> {
    args.str(name).map_or_else(|| args.strings(name), |one| vec![one.to_owned()])
}

/// One page of a list, by `nextToken` and `maxResults` (100 at most).
pub(super) fn page(list: &str, items: Vec<Value>, args: &Args) -> Result<Value, ApiError> {
    let start: usize = match args.str("nextToken").filter(|token| !token.is_empty()) {
        Some(token) => token.parse().map_err(|_| invalid_parameter("Invalid token"))?,
        None => 0,
    };
    let size = usize::try_from(args.int("maxResults").unwrap_or(100)).ok().filter(|size| (1..=100).contains(size));
    let size = size.ok_or_else(|| invalid_parameter("maxResults must be between 1 and 100"))?;
    let next = (start + size < items.len()).then(|| (start + size).to_string());
    let items: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    Ok(json!({ list: items, "nextToken": next }))
}

/// Tags of any resource of EKS.
pub(super) type Tags = BTreeMap<String, String>;

/// The `tags` parameter by EKS's rules (user guide, "Organize Amazon EKS resources with tags").
pub(super) fn tags_of(args: &Args) -> Result<Tags, ApiError> {
    checked_tags(args, false)
}

/// The same, where a service such as CloudFormation may add tags of AWS's own.
pub(super) fn tags_by(caller: &Caller, args: &Args) -> Result<Tags, ApiError> {
    checked_tags(args, caller.arn.contains("aws-service-role"))
}

fn checked_tags(args: &Args, by_service: bool) -> Result<Tags, ApiError> {
    let tags: Tags = args
        .get("tags")
        .and_then(Value::as_object)
        .map(|tags| tags.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect())
        .unwrap_or_default();
    if tags.len() > 50 {
        return Err(invalid_parameter("A resource can have at most 50 tags."));
    }
    for (key, value) in &tags {
        let reserved = !by_service && key.to_lowercase().starts_with("aws:");
        if key.is_empty() || key.len() > 128 || value.len() > 256 || reserved {
            return Err(invalid_parameter(format!("The tag {key} is invalid.")));
        }
    }
    Ok(tags)
}

/// A random UUID, as EKS ends ARNs and names updates.
pub(super) fn uuid(world: &mut World, stream: &str) -> String {
    let hex = world.draw.hex(stream, 32);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
