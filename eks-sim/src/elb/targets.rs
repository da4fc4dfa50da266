//! Target groups of network and application load balancers.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{Tags, classic::check_name, invalid, page, placement, tags_of};
use crate::{call::Args, error::ApiError, world::World};

/// A target group.
#[derive(Clone, Debug)]
pub(super) struct TargetGroup {
    arn: String,
    name: String,
    protocol: String,
    port: i64,
    vpc: String,
    target_type: String,
    health_protocol: String,
    health_port: String,
    health_path: Option<String>,
    interval: i64,
    healthy: i64,
    pub(super) tags: Tags,
    /// `deregistration_delay.timeout_seconds`
    delay: i64,
    /// Targets by id and port, and since when.
    targets: BTreeMap<(String, i64), Duration>,
    /// Targets that were deregistered, and until when their connections go on.
    draining: BTreeMap<(String, i64), Duration>,
}

fn missing(arn: &str) -> ApiError {
    ApiError::new("TargetGroupNotFound", format!("Target groups '{arn}' not found"))
}

fn named<'a>(world: &'a mut World, args: &Args) -> Result<&'a mut TargetGroup, ApiError> {
    let arn = args.required("TargetGroupArn")?;
    world.elb.target_groups.get_mut(arn).ok_or_else(|| missing(arn))
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("Name")?.to_owned();
    check_name(&name)?;
    let target_type = args.str("TargetType").unwrap_or("instance");
    if !matches!(target_type, "instance" | "ip") {
        return Err(invalid(format!("Target type {target_type} is not valid")));
    }
    let protocol = args.required("Protocol")?.to_owned();
    if !matches!(protocol.as_str(), "HTTP" | "HTTPS" | "TCP" | "TCP_UDP" | "TLS" | "UDP") {
        return Err(ApiError::new("UnsupportedProtocol", format!("Protocol {protocol} is not supported by target groups")));
    }
    let port = args.int("Port").filter(|port| (1..=65_535).contains(port)).ok_or_else(|| invalid("Port must be between 1 and 65535"))?;
    let old = world.elb.target_groups.values().find(|group| group.name == name);
    if let Some(old) = old {
        if old.protocol == protocol && old.port == port && Some(old.vpc.as_str()) == args.str("VpcId") {
            return Ok(json!({"TargetGroups": [show(world, old)]}));
        }
        let message = format!("A target group with the same name '{name}' exists, but with different settings");
        return Err(ApiError::new("DuplicateTargetGroupName", message));
    }
    let hex = world.draw.hex("elb-target-group", 16);
    let arn = format!("arn:aws:elasticloadbalancing:{}:{}:targetgroup/{name}/{hex}", world.region, world.account);
    let group = TargetGroup {
        arn: arn.clone(),
        name,
        protocol,
        port,
        vpc: args.required("VpcId")?.to_owned(),
        target_type: target_type.to_owned(),
        health_protocol: args.str("HealthCheckProtocol").unwrap_or("TCP").to_owned(),
        health_port: args.str("HealthCheckPort").unwrap_or("traffic-port").to_owned(),
        health_path: args.str("HealthCheckPath").map(str::to_owned),
        interval: args.int("HealthCheckIntervalSeconds").unwrap_or(30),
        healthy: args.int("HealthyThresholdCount").unwrap_or(5),
        tags: tags_of(args)?,
        delay: 300,
        targets: BTreeMap::new(),
        draining: BTreeMap::new(),
    };
    let shown = show(world, &group);
    world.elb.target_groups.insert(arn, group);
    Ok(json!({"TargetGroups": [shown]}))
}

fn show(world: &World, group: &TargetGroup) -> Value {
    let listeners = world.elb.listeners.values().filter(|listener| listener.target_group == group.arn);
    let balancers: Vec<_> = listeners.map(|listener| listener.balancer.as_str()).collect();
    json!({
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": group.port,
        "VpcId": group.vpc,
        "TargetType": group.target_type,
        "HealthCheckEnabled": true,
        "HealthCheckProtocol": group.health_protocol,
        "HealthCheckPort": group.health_port,
        "HealthCheckPath": group.health_path,
        "HealthCheckIntervalSeconds": group.interval,
        "HealthyThresholdCount": group.healthy,
        "LoadBalancerArns": balancers,
    })
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let (arns, names) = (args.strings("TargetGroupArns"), args.strings("Names"));
    let balancer = args.str("LoadBalancerArn");
    if let Some(unknown) = arns.iter().find(|arn| !world.elb.target_groups.contains_key(*arn)) {
        return Err(missing(unknown));
    }
    if let Some(unknown) = names.iter().find(|name| !world.elb.target_groups.values().any(|group| group.name == **name)) {
        return Err(missing(unknown));
    }
    let serves = |group: &TargetGroup| {
        balancer
            .is_none_or(|arn| world.elb.listeners.values().any(|listener| listener.balancer == arn && listener.target_group == group.arn))
    };
    let chosen = world.elb.target_groups.values().filter(|group| {
        (arns.is_empty() || arns.contains(&group.arn)) && (names.is_empty() || names.contains(&group.name)) && serves(group)
    });
    let (shown, next) = page(chosen.map(|group| show(world, group)).collect(), args)?;
    Ok(json!({"TargetGroups": shown, "NextMarker": next}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let arn = args.required("TargetGroupArn")?;
    if world.elb.listeners.values().any(|listener| listener.target_group == arn) {
        return Err(ApiError::new("ResourceInUse", format!("Target group '{arn}' is currently in use by a listener or a rule")));
    }
    world.elb.target_groups.remove(arn);
    Ok(json!({}))
}

fn targets(args: &Args, port: i64) -> Vec<(String, i64)> {
    let targets = args.nested("Targets");
    targets.iter().filter_map(|one| Some((one.str("Id")?.to_owned(), one.int("Port").unwrap_or(port)))).collect()
}

pub(super) fn register(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let group = named(world, args)?.clone();
    for target in targets(args, group.port) {
        if group.target_type == "instance" {
            let running = placement::instance_state(world, &target.0).is_some_and(|(state, _)| state == "running");
            if !running {
                let message = format!("The following targets are not in a running state and cannot be registered: '{}'", target.0);
                return Err(ApiError::new("InvalidTarget", message));
            }
        }
        let now = world.now;
        let group = named(world, args)?;
        group.draining.remove(&target);
        group.targets.entry(target).or_insert(now);
    }
    Ok(json!({}))
}

/// "Elastic Load Balancing stops sending requests to targets that are deregistering", and waits for those in flight ("Edit target group
/// attributes", Deregistration delay).
pub(super) fn deregister(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let now = world.now;
    let group = named(world, args)?;
    let until = now + Duration::from_secs(group.delay.unsigned_abs());
    for (id, _) in targets(args, group.port) {
        let gone: Vec<_> = group.targets.extract_if(.., |(known, _), _| *known == id).map(|(target, _)| target).collect();
        group.draining.extend(gone.into_iter().map(|target| (target, until)));
    }
    Ok(json!({}))
}

const DELAY: &str = "deregistration_delay.timeout_seconds";

pub(super) fn describe_attributes(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    Ok(json!({"Attributes": [{"Key": DELAY, "Value": named(world, args)?.delay.to_string()}]}))
}

/// Attributes but the delay are taken as they come: nothing here depends on them.
pub(super) fn modify_attributes(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let group = named(world, args)?;
    let given = args.nested("Attributes");
    if let Some(delay) = given.iter().find(|one| one.str("Key") == Some(DELAY)).and_then(|one| one.str("Value")) {
        let seconds = delay.parse().ok().filter(|seconds| (0..=3600).contains(seconds));
        group.delay = seconds.ok_or_else(|| invalid(format!("'{DELAY}' must be between 0 and 3600")))?;
    }
    let shown: Vec<_> = given.iter().map(|one| json!({"Key": one.str("Key"), "Value": one.str("Value")})).collect();
    Ok(json!({"Attributes": shown}))
}

/// As with classic load balancers, a running target passes its checks.
pub(super) fn describe_health(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let group = named(world, args)?.clone();
    let used = world.elb.listeners.values().any(|listener| listener.target_group == group.arn);
    let initial = Duration::from_secs((group.interval * group.healthy).unsigned_abs());
    let mut shown = Vec::new();
    for ((id, port), since) in &group.targets {
        let gone = group.target_type == "instance" && placement::instance_state(world, id).is_none_or(|(state, _)| state != "running");
        let (state, reason) = if !used {
            ("unused", Some("Target.NotInUse"))
        } else if gone {
            ("unused", Some("Target.InvalidState"))
        } else if world.now < *since + initial {
            ("initial", Some("Elb.RegistrationInProgress"))
        } else {
            ("healthy", None)
        };
        shown.push(json!({"Target": {"Id": id, "Port": port}, "HealthCheckPort": port.to_string(), "TargetHealth": {"State": state, "Reason": reason}}));
    }
    // The target is then unused, and no longer told ("Target health status").
    for ((id, port), _) in group.draining.iter().filter(|(_, until)| world.now < **until) {
        let health = json!({"State": "draining", "Reason": "Target.DeregistrationInProgress", "Description": "Target deregistration is in progress"});
        shown.push(json!({"Target": {"Id": id, "Port": port}, "HealthCheckPort": port.to_string(), "TargetHealth": health}));
    }
    Ok(json!({"TargetHealthDescriptions": shown}))
}
