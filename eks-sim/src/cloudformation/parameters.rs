//! Parameter values: which are given, which are defaults, and whether they satisfy their declarations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    eval::plain,
    template::{PSEUDO, Template},
};
use crate::{
    call::{Args, Caller, Service},
    error::ApiError,
    world::World,
};

/// A parameter of a stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    /// As it was given, or the default.
    pub(super) given: String,
    /// What `Ref` gives: a string, or a list of strings.
    pub(super) value: Value,
    /// Of an SSM parameter: what its name resolved to.
    pub(super) resolved: Option<String>,
    pub(super) no_echo: bool,
}

pub(super) type Parameters = BTreeMap<String, Parameter>;

/// A ValidationError, which is what CloudFormation answers to nearly everything.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

/// Checks the request's `Parameters` against the template (User Guide, "CloudFormation template Parameters syntax").
pub(super) fn resolve(
    world: &mut World,
    caller: &Caller,
    template: &Template,
    args: &Args,
    previous: Option<&Parameters>,
) -> Result<Parameters, ApiError> {
    let mut given = BTreeMap::new();
    for item in args.nested("Parameters") {
        let name = item.required("ParameterKey")?.to_owned();
        let value = if item.bool("UsePreviousValue") == Some(true) {
            let old = previous.and_then(|all| all.get(&name));
            let old = old.ok_or_else(|| invalid(format!("Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key not in the previous template")))?;
            old.given.clone()
        } else {
            item.str("ParameterValue").unwrap_or_default().to_owned()
        };
        given.insert(name, value);
    }
    let unknown: Vec<_> = given.keys().filter(|name| !template.parameters().any(|(known, _)| known == *name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(invalid(format!("Parameters: [{}] do not exist in the template", unknown.join(", "))));
    }
    let mut missing = Vec::new();
    let mut all = Parameters::new();
    for (name, declared) in template.parameters() {
        let default = declared.get("Default").map(|value| plain(value).unwrap_or_default());
        match given.remove(name).or(default) {
            Some(text) => {
                let parameter = check(world, caller, name, declared, text)?;
                all.insert(name.clone(), parameter);
            }
            None => missing.push(name.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(all);
    }
    Err(invalid(format!("Parameters: [{}] must have values", missing.join(", "))))
}

fn check(world: &mut World, caller: &Caller, name: &str, declared: &Value, given: String) -> Result<Parameter, ApiError> {
    let kind = declared.get("Type").and_then(Value::as_str).unwrap_or("String");
    let no_echo = declared.get("NoEcho").is_some_and(|value| plain(value).is_ok_and(|text| text == "true"));
    let mut parameter = Parameter { value: given.clone().into(), given, resolved: None, no_echo };
    if let Some(inner) = kind.strip_prefix("AWS::SSM::Parameter::Value<").and_then(|rest| rest.strip_suffix('>')) {
        let found = world
            .call(Service::Ssm, "GetParameter", json!({"Name": parameter.given}), caller)
            .ok()
            .and_then(|reply| Some(reply.pointer("/Parameter/Value")?.as_str()?.to_owned()));
        let found = found
            .ok_or_else(|| invalid(format!("Unable to fetch parameters [{}] from parameter store for this account.", parameter.given)))?;
        parameter.value = typed(inner, &found);
        parameter.resolved = Some(found);
        return Ok(parameter);
    }
    parameter.value = typed(kind, &parameter.given);
    let each: Vec<&str> = match &parameter.value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => vec![parameter.given.as_str()],
    };
    let explain = |text: String| {
        let custom = declared.get("ConstraintDescription").and_then(Value::as_str);
        invalid(custom.map_or(text, |custom| format!("Parameter {name} failed to satisfy constraint: {custom}")))
    };
    if let Some(allowed) = declared.get("AllowedValues").and_then(Value::as_array) {
        let allowed: Vec<_> = allowed.iter().filter_map(|value| plain(value).ok()).collect();
        if each.iter().any(|value| !allowed.iter().any(|one| one == value)) {
            return Err(explain(format!("Parameter '{name}' must be one of AllowedValues")));
        }
    }
    let number = |member: &str| declared.get(member).and_then(|value| plain(value).ok()?.parse::<f64>().ok());
    for value in &each {
        let length = value.chars().count() as f64;
        if number("MinLength").is_some_and(|least| length < least) {
            return Err(explain(format!(
                "Parameter '{name}' must contain at least {} characters",
                number("MinLength").unwrap_or_default()
            )));
        }
        if number("MaxLength").is_some_and(|most| length > most) {
            return Err(explain(format!("Parameter '{name}' must contain at most {} characters", number("MaxLength").unwrap_or_default())));
        }
        if let Some(pattern) = declared.get("AllowedPattern").and_then(Value::as_str) {
            let whole = regex_lite::Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|_| invalid(format!("Template error: AllowedPattern of parameter {name} is not a regular expression")))?;
            if !whole.is_match(value) {
                return Err(explain(format!("Parameter '{name}' must match pattern {pattern}")));
            }
        }
        if kind == "Number" || kind == "List<Number>" {
            let parsed: f64 = value.parse().map_err(|_| invalid(format!("Parameter '{name}' must be a number")))?;
            if number("MinValue").is_some_and(|least| parsed < least) {
                return Err(explain(format!(
                    "Parameter '{name}' must be a number not less than {}",
                    number("MinValue").unwrap_or_default()
                )));
            }
            if number("MaxValue").is_some_and(|most| parsed > most) {
                return Err(explain(format!(
                    "Parameter '{name}' must be a number not greater than {}",
                    number("MaxValue").unwrap_or_default()
                )));
            }
        }
        exists(world, caller, name, kind, value)?;
    }
    Ok(parameter)
}

fn typed(kind: &str, text: &str) -> Value {
    if kind == "CommaDelimitedList" || kind.starts_with("List<") {
        text.split(',').map(|part| Value::from(part.trim())).collect()
    } else {
        text.into()
    }
}

/// AWS-specific types must name something that exists in the account.
fn exists(world: &mut World, caller: &Caller, name: &str, kind: &str, value: &str) -> Result<(), ApiError> {
    let inner = kind.strip_prefix("List<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(kind);
    let (action, parameter) = match inner {
        "AWS::EC2::VPC::Id" => ("DescribeVpcs", "VpcId"),
        "AWS::EC2::Subnet::Id" => ("DescribeSubnets", "SubnetId"),
        "AWS::EC2::SecurityGroup::Id" => ("DescribeSecurityGroups", "GroupId"),
        "AWS::EC2::KeyPair::KeyName" => ("DescribeKeyPairs", "KeyName"),
        "AWS::EC2::Image::Id" => ("DescribeImages", "ImageId"),
        "AWS::EC2::Instance::Id" => ("DescribeInstances", "InstanceId"),
        _ => return Ok(()),
    };
    let found = world.call(Service::Ec2, action, json!({ parameter: [value] }), caller);
    match found {
        // An id of another account is no error here, and an unknown action tells nothing.
        Err(error) if error.code.contains("NotFound") || error.code.contains("Malformed") => {
            Err(invalid(format!("Parameter validation failed: parameter value {value} for parameter name {name} does not exist")))
        }
        _ => Ok(()),
    }
}

/// The pseudo parameters of a stack.
pub(super) fn pseudo(world: &World, stack_name: &str, stack_id: &str) -> BTreeMap<String, Value> {
    let partition = partition(&world.region);
    let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let values = [
        world.account.as_str().into(),
        Value::Null,
        json!([]),
        partition.into(),
        world.region.as_str().into(),
        stack_id.into(),
        stack_name.into(),
        suffix.into(),
    ];
    PSEUDO.iter().map(|name| (*name).to_owned()).zip(values).collect()
}

pub(super) fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
