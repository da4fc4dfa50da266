//! Parameters: kept, told, changed.

use serde_json::{Value, json};

use super::public;
use crate::{call::Args, error::ApiError, world::World};

#[derive(Clone, Debug)]
pub(super) struct Parameter {
    kind: String,
    data_type: &'static str,
    value: String,
    version: u64,
    modified: f64,
}

pub(crate) fn furnish(world: &mut World) {
    let modified = world.epoch_seconds();
    world.ssm.parameters = public::parameters()
        .into_iter()
        .map(|(name, value)| {
            let data_type = if value.starts_with("ami-") { "aws:ec2:image" } else { "text" };
            (name, Parameter { kind: "String".to_owned(), data_type, value, version: 1, modified })
        })
        .collect();
}

/// The public parameter that names an image: it tells operating system, architecture and Kubernetes version.
pub(crate) fn image_parameter(world: &World, image: &str) -> Option<String> {
    world.ssm.parameters.iter().find(|(name, parameter)| is_reserved(name) && parameter.value == image).map(|(name, _)| name.clone())
}

/// Parameters below these names are AWS's (user guide, "Working with public parameters").
fn is_reserved(name: &str) -> bool {
    let bare = name.trim_start_matches('/').to_lowercase();
    bare.starts_with("aws") || bare.starts_with("ssm")
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

fn required<'a>(args: &'a Args, name: &str) -> Result<&'a str, ApiError> {
    args.str(name).filter(|text| !text.is_empty()).ok_or_else(|| {
        let mut letters = name.chars();
        let member: String = letters.next().iter().flat_map(|first| first.to_lowercase()).chain(letters).collect();
        validation(format!("1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"))
    })
}

fn describe(world: &World, name: &str, parameter: &Parameter) -> Value {
    let owner = if is_reserved(name) { "" } else { world.account.as_str() };
    let slash = if name.starts_with('/') { "" } else { "/" };
    json!({
        "Name": name,
        "Type": parameter.kind,
        "Value": parameter.value,
        "Version": parameter.version,
        "LastModifiedDate": parameter.modified,
        "ARN": format!("arn:aws:ssm:{}:{owner}:parameter{slash}{name}", world.region),
        "DataType": parameter.data_type,
    })
}

/// A parameter by name or ARN, optionally with `:version`.
fn find(world: &World, asked: &str) -> Option<Value> {
    let name = asked.split_once(":parameter").filter(|_| asked.starts_with("arn:")).map_or(asked, |(_, name)| name);
    let (name, version) = match name.split_once(':') {
        Some((name, version)) => (name, Some(version)),
        None => (name, None),
    };
    let parameters = &world.ssm.parameters;
    let (name, parameter) = parameters.get_key_value(name).or_else(|| parameters.get_key_value(name.trim_start_matches('/')))?;
    if version.is_some_and(|version| version != parameter.version.to_string()) {
        return None;
    }
    Some(describe(world, name, parameter))
}

pub(super) fn get(world: &World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "Name")?;
    // The service says no more than this: the message is empty on the wire.
    let parameter = find(world, name).ok_or_else(|| ApiError::new("ParameterNotFound", ""))?;
    Ok(json!({"Parameter": parameter}))
}

pub(super) fn get_many(world: &World, args: &Args) -> Result<Value, ApiError> {
    let names = args.strings("Names");
    if names.is_empty() || names.len() > 10 {
        return Err(validation(
            "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length between 1 and 10",
        ));
    }
    let (found, invalid): (Vec<_>, Vec<_>) = names.iter().map(|name| (name, find(world, name))).partition(|(_, found)| found.is_some());
    let found: Vec<Value> = found.into_iter().filter_map(|(_, found)| found).collect();
    let invalid: Vec<&String> = invalid.into_iter().map(|(name, _)| name).collect();
    Ok(json!({"Parameters": found, "InvalidParameters": invalid}))
}

pub(super) fn get_by_path(world: &World, args: &Args) -> Result<Value, ApiError> {
    let path = required(args, "Path")?;
    if !path.starts_with('/') {
        return Err(validation("The parameter path must begin with a slash (/)."));
    }
    let folder = format!("{}/", path.trim_end_matches('/'));
    let recursive = args.bool("Recursive").unwrap_or(false);
    let below =
        world.ssm.parameters.iter().filter(|(name, _)| name.strip_prefix(&folder).is_some_and(|rest| recursive || !rest.contains('/')));
    let all: Vec<Value> = below.map(|(name, parameter)| describe(world, name, parameter)).collect();
    let start: usize = match args.str("NextToken") {
        Some(token) => token.parse().map_err(|_| ApiError::new("InvalidNextToken", "The specified token isn't valid."))?,
        None => 0,
    };
    let size = usize::try_from(args.int("MaxResults").unwrap_or(10)).unwrap_or(10).clamp(1, 10);
    let next = (start + size < all.len()).then(|| (start + size).to_string());
    Ok(json!({"Parameters": all.into_iter().skip(start).take(size).collect::<Vec<_>>(), "NextToken": next}))
}

pub(super) fn put(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "Name")?;
    let value = required(args, "Value")?;
    if is_reserved(name) {
        return Err(validation(format!("No access to reserved parameter name: {name}.")));
    }
    // Standard tier.
    if value.len() > 4_096 {
        return Err(validation("Standard tier parameters support a maximum parameter value of 4096 characters."));
    }
    let known = world.ssm.parameters.get(name);
    if known.is_some() && !args.bool("Overwrite").unwrap_or(false) {
        let message = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
        return Err(ApiError::new("ParameterAlreadyExists", message));
    }
    let kind = match (args.str("Type"), known) {
        (Some(kind @ ("String" | "StringList" | "SecureString")), _) => kind.to_owned(),
        (None, Some(known)) => known.kind.clone(),
        (None, None) => return Err(validation("A parameter type is required when you create a parameter.")),
        (Some(_), _) => return Err(validation("1 validation error detected: Value at 'type' failed to satisfy constraint")),
    };
    let version = known.map_or(1, |known| known.version + 1);
    let modified = world.epoch_seconds();
    let parameter = Parameter { kind, data_type: "text", value: value.to_owned(), version, modified };
    world.ssm.parameters.insert(name.to_owned(), parameter);
    Ok(json!({"Version": version, "Tier": "Standard"}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "Name")?;
    if is_reserved(name) || world.ssm.parameters.remove(name).is_none() {
        return Err(ApiError::new("ParameterNotFound", ""));
    }
    Ok(json!({}))
}
