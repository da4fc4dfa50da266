//! Network and application load balancers and their listeners.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Tags, change_tags,
    classic::check_name,
    invalid, page,
    placement::{self, Placement},
    show_tags, tags_of, targets,
};
use crate::{call::Args, error::ApiError, times::Time, world::World};

/// Service quota: load balancers of each type per Region.
const QUOTA: usize = 50;

/// A network or application load balancer.
#[derive(Clone, Debug)]
pub(super) struct Balancer {
    /// `network` or `application`.
    kind: &'static str,
    pub(super) arn: String,
    pub(super) name: String,
    dns: String,
    /// `provisioning`, then `active`.
    pub(super) state: &'static str,
    placement: Placement,
    pub(super) tags: Tags,
    created: String,
}

/// A listener of a network load balancer.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    arn: String,
    pub(super) balancer: String,
    protocol: String,
    port: i64,
    pub(super) target_group: String,
    tags: Tags,
}

fn missing(kind: &str, arn: &str) -> ApiError {
    ApiError::new(format!("{kind}NotFound"), format!("{kind} '{arn}' not found"))
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("Name")?.to_owned();
    check_name(&name)?;
    if name.starts_with("internal-") {
        return Err(invalid("The load balancer name cannot begin with 'internal-'"));
    }
    let (kind, short, interface) = match args.str("Type").unwrap_or("application") {
        "application" => ("application", "app", None),
        "network" => ("network", "net", Some("network_load_balancer")),
        other => return Err(invalid(format!("Load balancers of type {other} are not simulated"))),
    };
    let tags = tags_of(args)?;
    let mut subnets = args.strings("Subnets");
    subnets.extend(args.nested("SubnetMappings").iter().filter_map(|one| one.str("SubnetId").map(str::to_owned)));
    let mut place = placement::find(world, &subnets, &[], &args.strings("SecurityGroups"), args.str("Scheme"))?;
    // "Application Load Balancers", subnets: two zones at least.
    if kind == "application" && place.subnets.len() < 2 {
        return Err(invalid("At least two subnets in two different Availability Zones must be specified"));
    }
    if let Some(old) = world.elb.network.values().find(|old| old.name == name) {
        if (Placement { interfaces: BTreeMap::new(), ..old.placement.clone() }) == place && old.kind == kind {
            return Ok(json!({"LoadBalancers": [show(old)]}));
        }
        let message = format!("A load balancer with the same name '{name}' exists, but with different settings");
        return Err(ApiError::new("DuplicateLoadBalancerName", message));
    }
    if world.elb.network.values().filter(|old| old.kind == kind).count() >= QUOTA * world.quota_factor {
        return Err(ApiError::new("TooManyLoadBalancers", format!("The limit on the number of {kind} load balancers has been reached")));
    }
    let hex = world.draw.hex("elb-network", 16);
    placement::occupy(world, &mut place, &format!("ELB {short}/{name}/{hex}"), interface)?;
    let arn = format!("arn:aws:elasticloadbalancing:{}:{}:loadbalancer/{short}/{name}/{hex}", world.region, world.account);
    let dns = match kind {
        "network" => format!("{name}-{hex}.elb.{}.amazonaws.com", world.region),
        _ => format!("{name}-{hex}.{}.elb.amazonaws.com", world.region),
    };
    let balancer =
        Balancer { kind, arn: arn.clone(), name, dns, state: "provisioning", placement: place, tags, created: world.timestamp() };
    let shown = show(&balancer);
    world.elb.network.insert(arn.clone(), balancer);
    let subject = arn.clone();
    world.take(Time::NetworkLoadBalancer, &subject, move |world| {
        if let Some(balancer) = world.elb.network.get_mut(&arn) {
            balancer.state = "active";
        }
    });
    Ok(json!({"LoadBalancers": [shown]}))
}

fn show(balancer: &Balancer) -> Value {
    let place = &balancer.placement;
    let zones: Vec<_> =
        place.subnets.iter().map(|(subnet, zone)| json!({"ZoneName": zone, "SubnetId": subnet, "LoadBalancerAddresses": []})).collect();
    json!({
        "LoadBalancerArn": balancer.arn,
        "LoadBalancerName": balancer.name,
        "DNSName": balancer.dns,
        "CanonicalHostedZoneId": "Z26RNL4JYFTOTI",
        "CreatedTime": balancer.created,
        "Scheme": if place.internal { "internal" } else { "internet-facing" },
        "VpcId": place.vpc,
        "State": {"Code": balancer.state},
        "Type": balancer.kind,
        "AvailabilityZones": zones,
        "SecurityGroups": place.groups,
        "IpAddressType": "ipv4",
    })
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let (arns, names) = (args.strings("LoadBalancerArns"), args.strings("Names"));
    let all = world.elb.network.values();
    if let Some(unknown) = arns.iter().find(|arn| !world.elb.network.contains_key(*arn)) {
        return Err(missing("LoadBalancer", unknown));
    }
    if let Some(unknown) = names.iter().find(|name| !world.elb.network.values().any(|balancer| balancer.name == **name)) {
        return Err(ApiError::new("LoadBalancerNotFound", format!("Load balancers '[{unknown}]' not found")));
    }
    let chosen =
        all.filter(|balancer| (arns.is_empty() || arns.contains(&balancer.arn)) && (names.is_empty() || names.contains(&balancer.name)));
    let (shown, next) = page(chosen.map(show).collect(), args)?;
    Ok(json!({"LoadBalancers": shown, "NextMarker": next}))
}

/// Deleting one that is not there succeeds; its listeners go with it, its target groups stay.
pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let arn = args.required("LoadBalancerArn")?;
    if let Some(balancer) = world.elb.network.remove(arn) {
        world.elb.listeners.retain(|_, listener| listener.balancer != arn);
        placement::vacate(world, arn, balancer.placement.interfaces.into_values().collect());
    }
    Ok(json!({}))
}

pub(super) fn create_listener(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let balancer = args.required("LoadBalancerArn")?.to_owned();
    let found = world.elb.network.get(&balancer).ok_or_else(|| missing("LoadBalancer", &balancer))?;
    let path = found.arn.rsplit_once("loadbalancer/").map(|(_, path)| path.to_owned()).unwrap_or_default();
    let port = args.int("Port").filter(|port| (1..=65_535).contains(port)).ok_or_else(|| invalid("Port must be between 1 and 65535"))?;
    let protocol = args.required("Protocol")?;
    let kind = found.kind;
    let supported: &[&str] = if kind == "network" { &["TCP", "TCP_UDP", "TLS", "UDP"] } else { &["HTTP", "HTTPS"] };
    if !supported.contains(&protocol) {
        return Err(ApiError::new("UnsupportedProtocol", format!("Protocol {protocol} is not supported by {kind} load balancers")));
    }
    let action = args.nested("DefaultActions").into_iter().next().ok_or_else(|| ApiError::missing("DefaultActions"))?;
    let target_group = action.required("TargetGroupArn")?.to_owned();
    if !world.elb.target_groups.contains_key(&target_group) {
        return Err(missing("TargetGroup", &target_group));
    }
    if world.elb.listeners.values().any(|old| old.balancer == balancer && old.port == port) {
        return Err(ApiError::new("DuplicateListener", format!("A listener already exists on port {port} for this load balancer")));
    }
    let hex = world.draw.hex("elb-listener", 16);
    let arn = format!("arn:aws:elasticloadbalancing:{}:{}:listener/{path}/{hex}", world.region, world.account);
    let listener = Listener { arn: arn.clone(), balancer, protocol: protocol.to_owned(), port, target_group, tags: tags_of(args)? };
    let shown = show_listener(&listener);
    world.elb.listeners.insert(arn, listener);
    Ok(json!({"Listeners": [shown]}))
}

fn show_listener(listener: &Listener) -> Value {
    json!({
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.balancer,
        "Port": listener.port,
        "Protocol": listener.protocol,
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": listener.target_group}],
    })
}

pub(super) fn describe_listeners(world: &World, args: &Args) -> Result<Value, ApiError> {
    let arns = args.strings("ListenerArns");
    let balancer = args.str("LoadBalancerArn");
    if let Some(arn) = balancer.filter(|arn| !world.elb.network.contains_key(*arn)) {
        return Err(missing("LoadBalancer", arn));
    }
    if let Some(unknown) = arns.iter().find(|arn| !world.elb.listeners.contains_key(*arn)) {
        return Err(missing("Listener", unknown));
    }
    let chosen = world
        .elb
        .listeners
        .values()
        .filter(|listener| balancer.is_none_or(|arn| listener.balancer == arn) && (arns.is_empty() || arns.contains(&listener.arn)));
    let (shown, next) = page(chosen.map(show_listener).collect(), args)?;
    Ok(json!({"Listeners": shown, "NextMarker": next}))
}

pub(super) fn delete_listener(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let arn = args.required("ListenerArn")?;
    world.elb.listeners.remove(arn).ok_or_else(|| missing("Listener", arn))?;
    Ok(json!({}))
}

fn tags_mut<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut Tags, ApiError> {
    let elb = &mut world.elb;
    if arn.contains(":targetgroup/") {
        return elb
            .target_groups
            .get_mut(arn)
            .map(|group: &mut targets::TargetGroup| &mut group.tags)
            .ok_or_else(|| missing("TargetGroup", arn));
    }
    if arn.contains(":listener/") {
        return elb.listeners.get_mut(arn).map(|listener| &mut listener.tags).ok_or_else(|| missing("Listener", arn));
    }
    elb.network.get_mut(arn).map(|balancer| &mut balancer.tags).ok_or_else(|| missing("LoadBalancer", arn))
}

pub(super) fn tag(world: &mut World, action: &str, args: &Args) -> Result<Value, ApiError> {
    for arn in args.strings("ResourceArns") {
        change_tags(tags_mut(world, &arn)?, action, args)?;
    }
    Ok(json!({}))
}

pub(super) fn describe_tags(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let arns = args.strings("ResourceArns");
    if arns.is_empty() || arns.len() > 20 {
        return Err(invalid("ResourceArns must have 1 to 20 members"));
    }
    let mut shown = Vec::new();
    for arn in arns {
        let tags = show_tags(tags_mut(world, &arn)?);
        shown.push(json!({"ResourceArn": arn, "Tags": tags}));
    }
    Ok(json!({"TagDescriptions": shown}))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::{Caller, Service};

    struct Account(World, Caller);

    impl Account {
        fn call(&mut self, service: Service, action: &str, mut args: Value) -> Result<Value, ApiError> {
            if service == Service::Elb {
                args["Version"] = "2015-12-01".into();
            }
            self.0.call(service, action, args, &self.1)
        }

        fn wait(&mut self, seconds: u64) {
            self.0.advance(self.0.now + Duration::from_secs(seconds));
        }
    }

    fn text(value: &Value, pointer: &str) -> String {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn from_provisioning_to_release() -> Result<(), ApiError> {
        let world = World::for_tests("us-east-1");
        let mut account = Account(world, Caller { arn: "arn:aws:iam::123456789012:user/admin".to_owned(), user_id: String::new() });
        let vpc = text(&account.call(Service::Ec2, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}))?, "/vpc/vpcId");
        let subnet = json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"});
        let subnet = text(&account.call(Service::Ec2, "CreateSubnet", subnet)?, "/subnet/subnetId");
        let create = json!({"Name": "n", "Type": "network", "Scheme": "internal", "Subnets": [subnet]});
        let made = account.call(Service::Elb, "CreateLoadBalancer", create.clone())?;
        let arn = text(&made, "/LoadBalancers/0/LoadBalancerArn");
        assert_eq!(text(&made, "/LoadBalancers/0/State/Code"), "provisioning");
        assert_eq!(account.call(Service::Elb, "CreateLoadBalancer", create)?, made);
        let group = json!({"Name": "g", "Protocol": "TCP", "Port": "80", "VpcId": vpc});
        let group = text(&account.call(Service::Elb, "CreateTargetGroup", group)?, "/TargetGroups/0/TargetGroupArn");
        let listener = json!({"LoadBalancerArn": arn, "Protocol": "TCP", "Port": "80", "DefaultActions": [{"TargetGroupArn": group}]});
        account.call(Service::Elb, "CreateListener", listener.clone())?;
        let code = |result: Result<Value, ApiError>| result.map_or_else(|error| error.code, |_| "done".to_owned());
        assert_eq!(code(account.call(Service::Elb, "CreateListener", listener)), "DuplicateListener");
        let application = json!({"Name": "a", "Type": "application", "Scheme": "internal", "Subnets": [subnet]});
        assert_eq!(code(account.call(Service::Elb, "CreateLoadBalancer", application)), "ValidationError", "two zones are needed");
        assert_eq!(code(account.call(Service::Elb, "DeleteTargetGroup", json!({"TargetGroupArn": group}))), "ResourceInUse");
        account.wait(180);
        let shown = account.call(Service::Elb, "DescribeLoadBalancers", json!({"LoadBalancerArns": [arn]}))?;
        assert_eq!(text(&shown, "/LoadBalancers/0/State/Code"), "active");

        account.call(Service::Elb, "DeleteLoadBalancer", json!({"LoadBalancerArn": arn}))?;
        assert_eq!(code(account.call(Service::Elb, "DescribeLoadBalancers", json!({"LoadBalancerArns": [arn]}))), "LoadBalancerNotFound");
        account.call(Service::Elb, "DeleteTargetGroup", json!({"TargetGroupArn": group}))?;
        assert_eq!(code(account.call(Service::Ec2, "DeleteSubnet", json!({"SubnetId": subnet}))), "DependencyViolation");
        account.wait(90);
        account.call(Service::Ec2, "DeleteSubnet", json!({"SubnetId": subnet}))?;
        Ok(())
    }
}
