//! Attributes of classic load balancers.

use serde_json::{Value, json};

use super::{classic::named, invalid};
use crate::{call::Args, error::ApiError, world::World};

/// Attributes, with their defaults (API Reference, "LoadBalancerAttributes").
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attributes {
    cross_zone: bool,
    access_log: Value,
    draining: bool,
    draining_timeout: i64,
    idle_timeout: i64,
}

impl Default for Attributes {
    fn default() -> Self {
        Self { cross_zone: false, access_log: json!({"Enabled": false}), draining: false, draining_timeout: 300, idle_timeout: 60 }
    }
}

impl Attributes {
    /// For how long connections to an instance go on that is deregistered (user guide, "Configure connection draining").
    pub(super) fn drains(&self) -> Option<std::time::Duration> {
        self.draining.then(|| std::time::Duration::from_secs(self.draining_timeout.unsigned_abs()))
    }

    fn show(&self) -> Value {
        json!({
            "CrossZoneLoadBalancing": {"Enabled": self.cross_zone},
            "AccessLog": self.access_log,
            "ConnectionDraining": {"Enabled": self.draining, "Timeout": self.draining_timeout},
            "ConnectionSettings": {"IdleTimeout": self.idle_timeout},
            "AdditionalAttributes": [{"Key": "elb.http.desyncmitigationmode", "Value": "defensive"}],
        })
    }
}

pub(super) fn describe(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    Ok(json!({"LoadBalancerAttributes": named(world, args)?.attributes.show()}))
}

pub(super) fn modify(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let given = args.sub("LoadBalancerAttributes");
    let within = |value: Option<i64>, name: &str, most: i64| match value {
        Some(value) if !(1..=most).contains(&value) => Err(invalid(format!("{name} must be between 1 and {most}"))),
        value => Ok(value),
    };
    let draining = given.sub("ConnectionDraining");
    let idle = within(given.sub("ConnectionSettings").int("IdleTimeout"), "IdleTimeout", 4000)?;
    let timeout = within(draining.int("Timeout"), "ConnectionDraining timeout", 3600)?;
    let balancer = named(world, args)?;
    let attributes = &mut balancer.attributes;
    attributes.cross_zone = given.sub("CrossZoneLoadBalancing").bool("Enabled").unwrap_or(attributes.cross_zone);
    attributes.draining = draining.bool("Enabled").unwrap_or(attributes.draining);
    attributes.draining_timeout = timeout.unwrap_or(attributes.draining_timeout);
    attributes.idle_timeout = idle.unwrap_or(attributes.idle_timeout);
    if let Some(log) = given.get("AccessLog") {
        attributes.access_log = log.clone();
    }
    Ok(json!({"LoadBalancerName": balancer.name, "LoadBalancerAttributes": balancer.attributes.show()}))
}
