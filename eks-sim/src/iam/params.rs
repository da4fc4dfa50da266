//! Parameters, errors, pages and tags, by IAM's rules and in its words.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// A parameter that must be there, in IAM's words.
pub(super) fn required<'a>(args: &'a Args, name: &str) -> Result<&'a str, ApiError> {
    args.str(name).filter(|text| !text.is_empty()).ok_or_else(|| violation(&member(name), "Value null", "Member must not be null"))
}

/// A name: `[\w+=,.@-]+`, at most `longest` characters (IAM API reference, each action's parameters).
pub(super) fn name<'a>(args: &'a Args, parameter: &str, longest: usize) -> Result<&'a str, ApiError> {
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
pub(super) fn path(args: &Args) -> Result<String, ApiError> {
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

pub(super) fn violation(member: &str, value: &str, rule: &str) -> ApiError {
    ApiError::new("ValidationError", format!("1 validation error detected: {value} at '{member}' failed to satisfy constraint: {rule}"))
}

/// IAM names parameters in messages with a small first letter.
fn member(parameter: &str) -> String {
    let mut letters = parameter.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

pub(super) fn no_such(message: impl Into<String>) -> ApiError {
    ApiError::new("NoSuchEntity", message).status(404)
}

pub(super) fn exists(message: impl Into<String>) -> ApiError {
    ApiError::new("EntityAlreadyExists", message).status(409)
}

pub(super) fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new("DeleteConflict", message).status(409)
}

pub(super) fn quota(name: &str, limit: usize) -> ApiError {
    ApiError::new("LimitExceeded", format!("Cannot exceed quota for {name}: {limit}")).status(409)
}

/// A unique id such as `AROA…`: 21 characters of IAM's alphabet.
pub(super) fn unique_id(world: &mut World, prefix: &str) -> String {
    let digits = world.draw.hex(prefix, 17).to_uppercase().replace('0', "Q").replace('1', "Z");
    format!("{prefix}{digits}")
}

/// One page of a list, by `Marker` and `MaxItems` (100 by default).
pub(super) fn page(list: &str, items: Vec<Value>, args: &Args) -> Result<Value, ApiError> {
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
pub(super) type Tags = BTreeMap<String, String>;

/// The `Tags` parameter, checked by IAM's rules (IAM user guide, "Tags for IAM resources").
pub(super) fn tags(args: &Args) -> Result<Tags, ApiError> {
    checked_tags(args, false)
}

/// The same, where a service such as CloudFormation may add tags of AWS's own.
pub(super) fn tags_by(caller: &Caller, args: &Args) -> Result<Tags, ApiError> {
    checked_tags(args, caller.arn.contains("aws-service-role"))
}

fn checked_tags(args: &Args, by_service: bool) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in args.nested("Tags") {
        let (key, value) = (tag.str("Key").unwrap_or_default(), tag.str("Value").unwrap_or_default());
        if key.is_empty() || key.len() > 128 || value.len() > 256 {
            return Err(ApiError::new("ValidationError", "A tag key has 1 to 128 characters, a tag value at most 256."));
        }
        if !by_service && key.to_lowercase().starts_with("aws:") {
            return Err(ApiError::new("InvalidInput", "User-supplied tag keys may not start with the reserved prefix aws:."));
        }
        if tags.keys().any(|known| known.eq_ignore_ascii_case(key)) {
            return Err(ApiError::new("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."));
        }
        tags.insert(key.to_owned(), value.to_owned());
    }
    if tags.len() > 50 { Err(quota("TagsPerResource", 50)) } else { Ok(tags) }
}

pub(super) fn tag_list(tags: &Tags) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

pub(super) fn tag_pairs(tags: &Tags) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
