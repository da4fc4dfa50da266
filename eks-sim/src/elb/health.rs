//! Health checks and registered instances of classic load balancers.

use std::time::Duration;

use serde_json::{Value, json};

use super::{classic::named, invalid, listener::Listener, placement};
use crate::{call::Args, error::ApiError, world::World};

/// A health check.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HealthCheck {
    target: String,
    interval: i64,
    timeout: i64,
    unhealthy: i64,
    healthy: i64,
}

impl HealthCheck {
    /// What a new load balancer has (user guide, "Configure health checks").
    pub(super) fn initial(listeners: &[Listener]) -> Self {
        let port = listeners.first().map_or(80, |listener| listener.instance_port);
        Self { target: format!("TCP:{port}"), interval: 30, timeout: 5, unhealthy: 2, healthy: 10 }
    }

    pub(super) fn show(&self) -> Value {
        json!({
            "Target": self.target,
            "Interval": self.interval,
            "Timeout": self.timeout,
            "UnhealthyThreshold": self.unhealthy,
            "HealthyThreshold": self.healthy,
        })
    }

    /// How long a good instance takes to be in service.
    fn until_healthy(&self) -> Duration {
        Duration::from_secs((self.interval * self.healthy).unsigned_abs())
    }
}

pub(super) fn configure(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let given = args.sub("HealthCheck");
    let number = |name: &str, least: i64, most: i64| {
        let value = given.int(name).ok_or_else(|| ApiError::missing(name))?;
        if (least..=most).contains(&value) {
            Ok(value)
        } else {
            Err(invalid(format!("HealthCheck {name} must be between {least} and {most}")))
        }
    };
    let check = HealthCheck {
        target: given.required("Target")?.to_owned(),
        interval: number("Interval", 5, 300)?,
        timeout: number("Timeout", 2, 60)?,
        unhealthy: number("UnhealthyThreshold", 2, 10)?,
        healthy: number("HealthyThreshold", 2, 10)?,
    };
    if check.timeout >= check.interval {
        return Err(invalid("HealthCheck timeout must be less than interval"));
    }
    let (protocol, rest) = check.target.split_once(':').unwrap_or_default();
    let (port, path) = rest.split_once('/').map_or((rest, None), |(port, path)| (port, Some(path)));
    let fits = match protocol {
        "TCP" | "SSL" => path.is_none(),
        "HTTP" | "HTTPS" => path.is_some(),
        _ => false,
    };
    if !fits || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(invalid("HealthCheck target must specify a valid protocol, port and, for HTTP and HTTPS, a path"));
    }
    let shown = check.show();
    named(world, args)?.check = check;
    Ok(json!({"HealthCheck": shown}))
}

fn ids(args: &Args) -> Vec<String> {
    args.nested("Instances").iter().filter_map(|one| one.str("InstanceId").map(str::to_owned)).collect()
}

fn bad_instance(id: &str) -> ApiError {
    ApiError::new("InvalidInstance", format!("Could not find EC2 instance {id}."))
}

fn registered(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let instances: Vec<_> = named(world, args)?.instances.keys().map(|id| json!({"InstanceId": id})).collect();
    Ok(json!({"Instances": instances}))
}

/// All the instances are registered, or none.
pub(super) fn register(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let vpc = named(world, args)?.placement.vpc.clone();
    let ids = ids(args);
    for id in &ids {
        let found = placement::instance_state(world, id).filter(|(state, _)| state != "terminated");
        if found.ok_or_else(|| bad_instance(id))?.1 != vpc {
            return Err(ApiError::new("InvalidInstance", format!("EC2 instance {id} is not in the same VPC as ELB.")));
        }
    }
    let now = world.now;
    for id in ids {
        let balancer = named(world, args)?;
        balancer.draining.remove(&id);
        balancer.instances.entry(id).or_insert(now);
    }
    registered(world, args)
}

pub(super) fn deregister(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let now = world.now;
    for id in ids(args) {
        let balancer = named(world, args)?;
        balancer.instances.remove(&id).ok_or_else(|| bad_instance(&id))?;
        if let Some(time) = balancer.attributes.drains() {
            balancer.draining.insert(id, now + time);
        }
    }
    registered(world, args)
}

/// Whether an instance passes depends on what it runs, which is not simulated: a running one passes its checks.
pub(super) fn describe(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let mut balancer = named(world, args)?.clone();
    balancer.draining.retain(|_, until| world.now < *until);
    let wanted = ids(args);
    let all = || balancer.instances.keys().chain(balancer.draining.keys()).cloned().collect();
    let wanted = if wanted.is_empty() { all() } else { wanted };
    let mut states = Vec::new();
    for id in wanted {
        if balancer.draining.contains_key(&id) {
            // User guide, "Configure connection draining": it is told so until its connections have ended.
            let why = "Instance deregistration currently in progress.";
            states.push(json!({"InstanceId": id, "State": "InService", "ReasonCode": "N/A", "Description": why}));
            continue;
        }
        let since = *balancer.instances.get(&id).ok_or_else(|| bad_instance(&id))?;
        let state = placement::instance_state(world, &id).map(|(state, _)| state).unwrap_or_else(|| "terminated".to_owned());
        let (health, code, reason) = if state != "running" {
            ("OutOfService", "Instance", format!("Instance is in {state} state."))
        } else if world.now < since + balancer.check.until_healthy() {
            ("OutOfService", "ELB", "Instance registration is still in progress.".to_owned())
        } else {
            ("InService", "N/A", "N/A".to_owned())
        };
        states.push(json!({"InstanceId": id, "State": health, "ReasonCode": code, "Description": reason}));
    }
    Ok(json!({"InstanceStates": states}))
}
