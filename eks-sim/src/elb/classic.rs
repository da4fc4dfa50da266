//! Classic load balancers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Tags,
    attributes::Attributes,
    change_tags,
    health::HealthCheck,
    invalid,
    listener::Listener,
    page,
    placement::{self, Placement},
    show_tags, tags_of,
};
use crate::{call::Args, error::ApiError, world::World};

/// Service quota: classic load balancers per Region.
const QUOTA: usize = 20;

/// A classic load balancer.
#[derive(Clone, Debug)]
pub(super) struct Balancer {
    pub(super) name: String,
    pub(super) dns: String,
    pub(super) placement: Placement,
    pub(super) listeners: Vec<Listener>,
    pub(super) tags: Tags,
    pub(super) check: HealthCheck,
    pub(super) attributes: Attributes,
    /// Registered instances, and since when.
    pub(super) instances: BTreeMap<String, std::time::Duration>,
    /// Instances that were deregistered, and until when their connections go on.
    pub(super) draining: BTreeMap<String, std::time::Duration>,
    created: String,
}

pub(super) fn not_found(name: &str) -> ApiError {
    ApiError::new("LoadBalancerNotFound", format!("There is no ACTIVE Load Balancer named '{name}'"))
}

/// The load balancer that a request names.
pub(super) fn named<'a>(world: &'a mut World, args: &Args) -> Result<&'a mut Balancer, ApiError> {
    let name = args.required("LoadBalancerName")?;
    world.elb.classic.get_mut(name).ok_or_else(|| not_found(name))
}

pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    if name.len() > 32 {
        return Err(invalid("LoadBalancer name cannot be longer than 32 characters"));
    }
    let valid = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !name.starts_with('-') && !name.ends_with('-');
    if !valid || name.is_empty() {
        return Err(invalid(
            "LoadBalancer name must contain only alphanumeric characters or hyphens, and must not begin or end with a hyphen",
        ));
    }
    Ok(())
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("LoadBalancerName")?.to_owned();
    check_name(&name)?;
    let listeners = Listener::all(args)?;
    let tags = tags_of(args)?;
    let (subnets, zones, groups) = (args.strings("Subnets"), args.strings("AvailabilityZones"), args.strings("SecurityGroups"));
    let mut place = placement::find(world, &subnets, &zones, &groups, args.str("Scheme"))?;
    if place.groups.is_empty() {
        place.groups = placement::default_group(world, &place.vpc);
    }
    if let Some(old) = world.elb.classic.get(&name) {
        let same_place = Placement { interfaces: BTreeMap::new(), ..old.placement.clone() } == place;
        if same_place && old.listeners == listeners {
            return Ok(json!({"DNSName": old.dns}));
        }
        return Err(ApiError::new("DuplicateLoadBalancerName", "The specified load balancer name already exists for this account."));
    }
    if world.elb.classic.len() >= QUOTA * world.quota_factor {
        return Err(ApiError::new("TooManyLoadBalancers", "The quota for the number of load balancers has been reached."));
    }
    placement::occupy(world, &mut place, &format!("ELB {name}"), None)?;
    let prefix = if place.internal { "internal-" } else { "" };
    let number = world.draw.bits("elb-dns") % 1_000_000_000 + 1_000_000_000;
    let dns = format!("{prefix}{name}-{number}.{}.elb.amazonaws.com", world.region);
    let check = HealthCheck::initial(&listeners);
    let balancer = Balancer {
        name: name.clone(),
        dns: dns.clone(),
        placement: place,
        listeners,
        tags,
        check,
        attributes: Attributes::default(),
        instances: BTreeMap::new(),
        draining: BTreeMap::new(),
        created: world.timestamp(),
    };
    world.elb.classic.insert(name, balancer);
    Ok(json!({"DNSName": dns}))
}

/// Deleting one that is not there succeeds (API Reference, "DeleteLoadBalancer").
pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("LoadBalancerName")?;
    if let Some(balancer) = world.elb.classic.remove(name) {
        placement::vacate(world, &balancer.name, balancer.placement.interfaces.into_values().collect());
    }
    Ok(json!({}))
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let names = args.strings("LoadBalancerNames");
    let chosen: Vec<_> = if names.is_empty() {
        world.elb.classic.values().collect()
    } else {
        names.iter().map(|name| world.elb.classic.get(name).ok_or_else(|| not_found(name))).collect::<Result<_, _>>()?
    };
    let shown = chosen.into_iter().map(|balancer| show(world, balancer)).collect();
    let (shown, next) = page(shown, args)?;
    Ok(json!({"LoadBalancerDescriptions": shown, "NextMarker": next}))
}

fn show(world: &World, balancer: &Balancer) -> Value {
    let place = &balancer.placement;
    let instances: Vec<_> = balancer.instances.keys().map(|id| json!({"InstanceId": id})).collect();
    json!({
        "LoadBalancerName": balancer.name,
        "DNSName": balancer.dns,
        "CanonicalHostedZoneName": (!place.internal).then_some(&balancer.dns),
        "CanonicalHostedZoneNameID": zone_id(&world.region),
        "ListenerDescriptions": balancer.listeners.iter().map(Listener::show).collect::<Vec<_>>(),
        "Policies": {"AppCookieStickinessPolicies": [], "LBCookieStickinessPolicies": [], "OtherPolicies": []},
        "BackendServerDescriptions": [],
        "AvailabilityZones": place.subnets.iter().map(|(_, zone)| zone).collect::<Vec<_>>(),
        "Subnets": place.subnets.iter().map(|(subnet, _)| subnet).collect::<Vec<_>>(),
        "VPCId": place.vpc,
        "Instances": instances,
        "HealthCheck": balancer.check.show(),
        "SourceSecurityGroup": {"OwnerAlias": world.account, "GroupName": place.groups.first()},
        "SecurityGroups": place.groups,
        "CreatedTime": balancer.created,
        "Scheme": if place.internal { "internal" } else { "internet-facing" },
    })
}

/// Hosted zone of classic load balancers (General Reference, "Elastic Load Balancing endpoints and quotas").
fn zone_id(region: &str) -> &'static str {
    match region {
        "us-east-2" => "Z3AADJGX6KTTL2",
        "us-west-1" => "Z368ELLRRE2KJ0",
        "us-west-2" => "Z1H1FL5HABSF5",
        "eu-central-1" => "Z215JYRZR1TBD5",
        "eu-west-1" => "Z32O12XQLNTSW2",
        _ => "Z35SXDOTRQ7X7K",
    }
}

pub(super) fn tag(world: &mut World, action: &str, args: &Args) -> Result<Value, ApiError> {
    // "You can specify one load balancer only" (AddTags, RemoveTags).
    let [name] = &args.strings("LoadBalancerNames")[..] else {
        return Err(invalid("LoadBalancerNames must have one member"));
    };
    let balancer = world.elb.classic.get_mut(name).ok_or_else(|| not_found(name))?;
    change_tags(&mut balancer.tags, action, args)?;
    Ok(json!({}))
}

/// What DescribeAccountLimits tells.
pub(super) fn limits() -> Value {
    let limit = |name: &str, most: usize| json!({"Name": name, "Max": most.to_string()});
    json!({"Limits": [
        limit("classic-load-balancers", QUOTA), limit("classic-listeners", 100), limit("classic-registered-instances", 1_000),
    ]})
}

pub(super) fn describe_tags(world: &World, args: &Args) -> Result<Value, ApiError> {
    let names = args.strings("LoadBalancerNames");
    if names.is_empty() || names.len() > 20 {
        return Err(invalid("LoadBalancerNames must have 1 to 20 members"));
    }
    let describe = |name: &String| {
        let balancer = world.elb.classic.get(name).ok_or_else(|| not_found(name))?;
        Ok(json!({"LoadBalancerName": name, "Tags": show_tags(&balancer.tags)}))
    };
    let shown = names.iter().map(describe).collect::<Result<Vec<_>, ApiError>>()?;
    Ok(json!({"TagDescriptions": shown}))
}
