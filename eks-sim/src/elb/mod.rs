//! Elastic Load Balancing: classic load balancers (API version 2012-06-01) and network load balancers (2015-12-01).

mod attributes;
mod change;
mod classic;
mod health;
mod listener;
mod network;
mod placement;
mod targets;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

/// The service's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// By name.
    classic: BTreeMap<String, classic::Balancer>,
    /// By ARN.
    network: BTreeMap<String, network::Balancer>,
    target_groups: BTreeMap<String, targets::TargetGroup>,
    listeners: BTreeMap<String, network::Listener>,
}

type Tags = Vec<(String, String)>;

pub(crate) fn handle(world: &mut World, _caller: &Caller, action: &str, args: &Args) -> Result<Value, ApiError> {
    if args.str("Version") == Some("2015-12-01") {
        return match action {
            "AddTags" | "RemoveTags" => network::tag(world, action, args),
            "CreateListener" => network::create_listener(world, args),
            "CreateLoadBalancer" => network::create(world, args),
            "CreateTargetGroup" => targets::create(world, args),
            "DeleteListener" => network::delete_listener(world, args),
            "DeleteLoadBalancer" => network::delete(world, args),
            "DeleteTargetGroup" => targets::delete(world, args),
            "DeregisterTargets" => targets::deregister(world, args),
            "DescribeListeners" => network::describe_listeners(world, args),
            "DescribeLoadBalancers" => network::describe(world, args),
            "DescribeTags" => network::describe_tags(world, args),
            "DescribeTargetGroupAttributes" => targets::describe_attributes(world, args),
            "DescribeTargetGroups" => targets::describe(world, args),
            "DescribeTargetHealth" => targets::describe_health(world, args),
            "ModifyTargetGroupAttributes" => targets::modify_attributes(world, args),
            "RegisterTargets" => targets::register(world, args),
            _ => Err(ApiError::unknown_action(action)),
        };
    }
    match action {
        "AddTags" | "RemoveTags" => classic::tag(world, action, args),
        "ApplySecurityGroupsToLoadBalancer" => change::apply_groups(world, args),
        "AttachLoadBalancerToSubnets" => change::attach_subnets(world, args),
        "ConfigureHealthCheck" => health::configure(world, args),
        "CreateLoadBalancer" => classic::create(world, args),
        "CreateLoadBalancerListeners" => change::add_listeners(world, args),
        "DeleteLoadBalancer" => classic::delete(world, args),
        "DeleteLoadBalancerListeners" => change::delete_listeners(world, args),
        "DeregisterInstancesFromLoadBalancer" => health::deregister(world, args),
        "DescribeAccountLimits" => Ok(classic::limits()),
        "DescribeInstanceHealth" => health::describe(world, args),
        "DescribeLoadBalancerAttributes" => attributes::describe(world, args),
        "DescribeLoadBalancers" => classic::describe(world, args),
        "DescribeTags" => classic::describe_tags(world, args),
        "DetachLoadBalancerFromSubnets" => change::detach_subnets(world, args),
        "SetLoadBalancerListenerSSLCertificate" => change::set_certificate(world, args),
        "ModifyLoadBalancerAttributes" => attributes::modify(world, args),
        "RegisterInstancesWithLoadBalancer" => health::register(world, args),
        _ => Err(ApiError::unknown_action(action)),
    }
}

pub(crate) fn inventory(world: &World, inventory: &mut Inventory) {
    const HOURS: f64 = 730.0;
    for balancer in world.elb.classic.values() {
        inventory.push("elb/load-balancer", &balancer.name, balancer.tags.clone(), "", 0.025 * HOURS);
    }
    for balancer in world.elb.network.values() {
        inventory.push("elb/load-balancer", &balancer.arn, balancer.tags.clone(), balancer.state, 0.0225 * HOURS);
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

/// The configuration would not be one that the service carries out.
fn unworkable(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidConfigurationRequest", message).status(409)
}

/// The tags of a request.
fn tags_of(args: &Args) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in args.nested("Tags") {
        let key = tag.required("Key")?;
        let value = tag.str("Value").unwrap_or_default();
        // "Tag your Classic Load Balancer".
        if key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(invalid("Tag keys have at most 128 characters and tag values at most 256"));
        }
        if key.starts_with("aws:") {
            return Err(invalid("aws: prefixed tag key names are not allowed for external use."));
        }
        if tags.iter().any(|(known, _)| known == key) {
            return Err(ApiError::new("DuplicateTagKeys", format!("Tag key {key} was specified more than once")));
        }
        tags.push((key.to_owned(), value.to_owned()));
    }
    check_count(&tags)?;
    Ok(tags)
}

fn check_count(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > 50 {
        return Err(ApiError::new("TooManyTags", "The maximum number of tags (50) per load balancer was exceeded."));
    }
    Ok(())
}

/// Carries out AddTags or RemoveTags.
fn change_tags(tags: &mut Tags, action: &str, args: &Args) -> Result<(), ApiError> {
    if action == "RemoveTags" {
        let mut keys = args.strings("TagKeys");
        keys.extend(args.nested("Tags").iter().filter_map(|tag| tag.str("Key").map(str::to_owned)));
        tags.retain(|(key, _)| !keys.contains(key));
        return Ok(());
    }
    for (key, value) in tags_of(args)? {
        tags.retain(|(known, _)| *known != key);
        tags.push((key, value));
    }
    check_count(tags)
}

fn show_tags(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// One page of `items` and the marker of the next.
fn page(items: Vec<Value>, args: &Args) -> Result<(Vec<Value>, Option<String>), ApiError> {
    let size = args.int("PageSize").unwrap_or(400);
    if !(1..=400).contains(&size) {
        return Err(invalid(format!("Page size {size} is not valid: it must be between 1 and 400")));
    }
    let size = usize::try_from(size).unwrap_or(400);
    let start: usize = args.str("Marker").map_or(Ok(0), |marker| marker.parse().map_err(|_| invalid("Invalid marker")))?;
    let next = (items.len() > start + size).then(|| (start + size).to_string());
    Ok((items.into_iter().skip(start).take(size).collect(), next))
}
