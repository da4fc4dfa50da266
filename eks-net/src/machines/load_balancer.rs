//! Classic load balancers.
//!
//! Sources: Elastic Load Balancing API Reference 2012-06-01, CreateLoadBalancer, Listener, LoadBalancerAttributes; User Guide for
//! Classic Load Balancers, "Listeners for your Classic Load Balancer".

use std::fmt;

use eks_core::{InstanceId, NetworkRefs, Problems, Ref, SecurityGroupId, StepKey, SubnetId, SubnetRef, Tier};
use serde::{Deserialize, Serialize};

use super::{health_check::HealthCheck, instance::PlacedInstance, keys, place};

/// Listeners that a load balancer may have by default.
const LISTENERS: usize = 100;

/// A protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(clippy::exhaustive_enums, reason = "classic load balancers get no new ones")]
pub enum ListenerProtocol {
    /// Requests, in clear.
    Http,
    /// Requests, encrypted.
    Https,
    /// Connections, in clear.
    Tcp,
    /// Connections, encrypted.
    Ssl,
}

impl ListenerProtocol {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tcp => "TCP",
            Self::Ssl => "SSL",
        }
    }

    fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Ssl)
    }

    fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

impl fmt::Display for ListenerProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for ListenerProtocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Http, Self::Https, Self::Tcp, Self::Ssl];
        all.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| format!("{text:?} is no protocol of a listener"))
    }
}

/// A port that a load balancer listens on, and the instances' port behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Listener {
    /// The protocol in front.
    pub protocol: ListenerProtocol,
    /// The port in front; unique in a load balancer.
    pub port: u16,
    /// The protocol to the instances.
    pub instance_protocol: ListenerProtocol,
    /// Their port.
    pub instance_port: u16,
    /// ARN of the certificate, for HTTPS and SSL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl Listener {
    fn clear(protocol: ListenerProtocol, port: u16, instance_port: u16) -> Self {
        Self { protocol, port, instance_protocol: protocol, instance_port, certificate: None }
    }

    /// HTTP in front and behind.
    pub fn http(port: u16, instance_port: u16) -> Self {
        Self::clear(ListenerProtocol::Http, port, instance_port)
    }

    /// TCP in front and behind.
    pub fn tcp(port: u16, instance_port: u16) -> Self {
        Self::clear(ListenerProtocol::Tcp, port, instance_port)
    }

    /// HTTPS in front with this certificate, HTTP behind.
    pub fn https(port: u16, instance_port: u16, certificate: impl Into<String>) -> Self {
        let protocol = ListenerProtocol::Https;
        Self { protocol, certificate: Some(certificate.into()), ..Self::http(port, instance_port) }
    }

    /// SSL in front with this certificate, TCP behind.
    pub fn ssl(port: u16, instance_port: u16, certificate: impl Into<String>) -> Self {
        let protocol = ListenerProtocol::Ssl;
        Self { protocol, certificate: Some(certificate.into()), ..Self::tcp(port, instance_port) }
    }

    /// Another protocol to the instances, of the same layer: HTTP or HTTPS, TCP or SSL.
    #[must_use]
    pub fn to_instances(mut self, protocol: ListenerProtocol) -> Self {
        self.instance_protocol = protocol;
        self
    }

    /// Whether both differ in their certificate at most.
    pub(crate) fn same_but_certificate(&self, other: &Self) -> bool {
        Self { certificate: None, ..self.clone() } == Self { certificate: None, ..other.clone() }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} to {} {}", self.protocol, self.port, self.instance_protocol, self.instance_port)?;
        self.certificate.as_ref().map_or(Ok(()), |arn| write!(f, " ({arn})"))
    }
}

/// What a load balancer does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BalancerAttributes {
    /// Whether each node sends to the instances of every zone.
    pub cross_zone: bool,
    /// Seconds that requests have to finish when an instance leaves, 1–3600; `None` for at once.
    pub draining: Option<u32>,
    /// Seconds after which a silent connection is closed, 1–4000.
    pub idle_timeout: u32,
}

impl Default for BalancerAttributes {
    fn default() -> Self {
        Self { cross_zone: true, draining: Some(300), idle_timeout: 60 }
    }
}

/// An instance as the user names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Member {
    Name(String),
    Id(InstanceId),
}

/// A classic load balancer, as the user asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    name: String,
    internal: bool,
    listeners: Vec<Listener>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subnets: Vec<Ref<SubnetId>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    zones: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<place::Group>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health_check: Option<HealthCheck>,
    #[serde(default)]
    attributes: BalancerAttributes,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    instances: Vec<Member>,
    #[serde(default)]
    in_service: bool,
}

impl LoadBalancer {
    fn new(name: impl Into<String>, internal: bool) -> Self {
        Self {
            name: name.into(),
            internal,
            listeners: Vec::new(),
            subnets: Vec::new(),
            zones: Vec::new(),
            groups: Vec::new(),
            health_check: None,
            attributes: BalancerAttributes::default(),
            instances: Vec::new(),
            in_service: false,
        }
    }

    /// One that the internet reaches, over the network's public subnets.
    pub fn internet_facing(name: impl Into<String>) -> Self {
        Self::new(name, false)
    }

    /// One that the network alone reaches, over its private subnets. Neither can be made the other later.
    pub fn internal(name: impl Into<String>) -> Self {
        Self::new(name, true)
    }

    /// A listener; one at least.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// The zones that it is in, one subnet each. Default: every zone with a subnet of its kind.
    #[must_use]
    pub fn zones<S: Into<String>>(mut self, zones: impl IntoIterator<Item = S>) -> Self {
        self.zones.extend(zones.into_iter().map(Into::into));
        self
    }

    /// A subnet, where a zone has several of its kind. Then these subnets alone.
    #[must_use]
    pub fn subnet(mut self, subnet: impl Into<Ref<SubnetId>>) -> Self {
        self.subnets.push(subnet.into());
        self
    }

    /// A security group of the network, by name. Without any, it gets the VPC's default group.
    #[must_use]
    pub fn security_group(mut self, name: impl Into<String>) -> Self {
        self.groups.push(place::Group::Name(name.into()));
        self
    }

    /// A security group that exists already.
    #[must_use]
    pub fn security_group_id(mut self, id: SecurityGroupId) -> Self {
        self.groups.push(place::Group::Id(id));
        self
    }

    /// Another health check than a connection to the first listener's instance port.
    #[must_use]
    pub fn health_check(mut self, check: HealthCheck) -> Self {
        self.health_check = Some(check);
        self
    }

    /// Whether each node sends to the instances of every zone. Default: it does.
    #[must_use]
    pub fn cross_zone(mut self, yes: bool) -> Self {
        self.attributes.cross_zone = yes;
        self
    }

    /// How long requests have to finish when an instance leaves, 1–3600 s; `None` for at once. Default 300.
    #[must_use]
    pub fn connection_draining(mut self, seconds: Option<u32>) -> Self {
        self.attributes.draining = seconds;
        self
    }

    /// After how long a silent connection is closed, 1–4000 s. Default 60.
    #[must_use]
    pub fn idle_timeout(mut self, seconds: u32) -> Self {
        self.attributes.idle_timeout = seconds;
        self
    }

    /// Registers an instance of the same spec.
    #[must_use]
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.instances.push(Member::Name(name.into()));
        self
    }

    /// Registers an instance that exists already.
    #[must_use]
    pub fn instance_id(mut self, id: InstanceId) -> Self {
        self.instances.push(Member::Id(id));
        self
    }

    /// The registration ends when every instance is in service, not when it is registered. It fails if none answers the health check.
    #[must_use]
    pub fn wait_in_service(mut self) -> Self {
        self.in_service = true;
        self
    }
}

/// A load balancer with everything decided but ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedBalancer {
    pub(crate) name: String,
    pub(crate) internal: bool,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) subnets: Vec<SubnetRef>,
    pub(crate) groups: Vec<Ref<SecurityGroupId>>,
    pub(crate) health_check: HealthCheck,
    pub(crate) attributes: BalancerAttributes,
    pub(crate) instances: Vec<Ref<InstanceId>>,
    pub(crate) in_service: bool,
}

impl PlacedBalancer {
    pub(crate) fn key(&self) -> StepKey {
        keys::load_balancer(&self.name)
    }
}

/// Checks all load balancers; those that have subnets.
pub(crate) fn check(
    problems: &mut Problems,
    balancers: &[LoadBalancer],
    network: &NetworkRefs,
    instances: &[PlacedInstance],
    asked: &[&str],
) -> Vec<PlacedBalancer> {
    let mut placed: Vec<PlacedBalancer> = Vec::new();
    for balancer in balancers {
        let subject = format!("load balancer {}", balancer.name);
        check_name(problems, &subject, &balancer.name);
        if placed.iter().any(|other| other.name == balancer.name) {
            problems.add("balancer-twice", &subject, "another has its name, which is unique in a Region", "rename one of them");
        }
        check_listeners(problems, &subject, &balancer.listeners);
        check_attributes(problems, &subject, balancer.attributes);
        let first = balancer.listeners.first().map_or(80, |listener| listener.instance_port);
        let health_check = balancer.health_check.clone().unwrap_or_else(|| HealthCheck::tcp(first));
        health_check.check(problems, &subject);
        let subnets = subnets(problems, &subject, balancer, network);
        let groups = place::groups(problems, &subject, &balancer.groups, network);
        let mut members: Vec<Ref<InstanceId>> = Vec::new();
        for member in &balancer.instances {
            let id = match member {
                Member::Id(id) => Ref::Known(id.clone()),
                Member::Name(name) if !asked.contains(&name.as_str()) => {
                    let rule = format!("it registers the instance {name}, which the spec does not have");
                    problems.add("balancer-instance", &subject, rule, "add that instance, or give an existing one with .instance_id");
                    continue;
                }
                Member::Name(name) => Ref::id_of(keys::instance(name)),
            };
            if members.contains(&id) {
                problems.add("balancer-instance", &subject, format!("it registers {id} twice"), "give each instance once");
            } else {
                members.push(id);
            }
        }
        check_zones(problems, &subject, balancer, &subnets, instances);
        placed.push(PlacedBalancer {
            name: balancer.name.clone(),
            internal: balancer.internal,
            listeners: balancer.listeners.clone(),
            subnets,
            groups,
            health_check,
            attributes: balancer.attributes,
            instances: members,
            in_service: balancer.in_service,
        });
    }
    placed
}

fn check_name(problems: &mut Problems, subject: &str, name: &str) {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if !(1..=32).contains(&name.len()) || !name.bytes().all(fine) || name.starts_with('-') || name.ends_with('-') {
        let rule = format!("{name:?} is not 1–32 letters, digits and hyphens without one at either end");
        problems.add("balancer-name", subject, rule, "choose another name");
    }
}

fn check_listeners(problems: &mut Problems, subject: &str, listeners: &[Listener]) {
    if listeners.is_empty() {
        problems.add("listener-none", subject, "it has no listener", "add one: .listener(Listener::http(80, 80))");
    }
    if listeners.len() > LISTENERS {
        let rule = format!("it has {} listeners; the quota is {LISTENERS}", listeners.len());
        problems.add("listener-quota", subject, rule, "spread them over several load balancers");
    }
    for (at, listener) in listeners.iter().enumerate() {
        if listener.port == 0 || listener.instance_port == 0 {
            problems.add("listener-port", subject, format!("{listener}: ports are 1–65535"), "choose another port");
        }
        if listeners[..at].iter().any(|other| other.port == listener.port) {
            problems.add("listener-twice", subject, format!("two listeners have port {}", listener.port), "give each port once");
        }
        if listener.protocol.is_http() != listener.instance_protocol.is_http() {
            let rule = format!("{listener}: both protocols must be of one layer, HTTP and HTTPS or TCP and SSL");
            problems.add("listener-layer", subject, rule, "change one of the protocols");
        }
        match &listener.certificate {
            None if listener.protocol.is_secure() => {
                problems.add("listener-certificate", subject, format!("{listener}: it has no certificate"), "use Listener::https or ::ssl");
            }
            Some(_) if !listener.protocol.is_secure() => {
                let rule = format!("{listener}: {} has no certificate", listener.protocol);
                problems.add("listener-certificate", subject, rule, "leave it out, or use HTTPS or SSL in front");
            }
            Some(arn) if !is_certificate(arn) => {
                let rule = format!("{arn:?} is no ARN of a certificate in ACM or IAM");
                problems.add("listener-certificate", subject, rule, "give arn:aws:acm:REGION:ACCOUNT:certificate/…");
            }
            _ => {}
        }
        let clash = |other: &&Listener| {
            other.instance_port == listener.instance_port && other.instance_protocol.is_secure() != listener.instance_protocol.is_secure()
        };
        if let Some(other) = listeners[..at].iter().find(clash) {
            let rule = format!("{other} and {listener}: the protocols to one instance port must all be secure, or none");
            problems.add("listener-instance-port", subject, rule, "change one of the protocols, or the port");
        }
    }
}

fn is_certificate(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [prefix, partition, service, _, account, resource] = parts.as_slice() else { return false };
    *prefix == "arn"
        && partition.starts_with("aws")
        && account.len() == 12
        && matches!((*service, resource.split('/').next()), ("acm", Some("certificate")) | ("iam", Some("server-certificate")))
}

fn check_attributes(problems: &mut Problems, subject: &str, attributes: BalancerAttributes) {
    if let Some(seconds) = attributes.draining.filter(|seconds| !(1..=3600).contains(seconds)) {
        let rule = format!("{seconds} s of connection draining are not between 1 and 3600");
        problems.add("balancer-draining", subject, rule, "choose a number in that range, or None");
    }
    if !(1..=4000).contains(&attributes.idle_timeout) {
        let rule = format!("an idle timeout of {} s is not between 1 and 4000", attributes.idle_timeout);
        problems.add("balancer-idle", subject, rule, "choose a number in that range");
    }
}

/// One subnet a zone.
fn subnets(problems: &mut Problems, subject: &str, balancer: &LoadBalancer, network: &NetworkRefs) -> Vec<SubnetRef> {
    let tier = if balancer.internal { Tier::Private } else { Tier::Public };
    let mut found: Vec<SubnetRef> = Vec::new();
    if balancer.subnets.is_empty() {
        let every = || {
            let mut zones: Vec<String> = network.subnets.iter().filter(|one| one.tier == tier).map(|one| one.zone.to_string()).collect();
            zones.sort();
            zones.dedup();
            zones
        };
        let zones = if balancer.zones.is_empty() { every() } else { balancer.zones.clone() };
        if zones.is_empty() {
            let kind = place::tier(tier);
            problems.add("subnet-none", subject, format!("the network has no {kind} subnet"), "add one to the network");
        }
        found.extend(zones.iter().filter_map(|zone| place::one_in(problems, subject, network, tier, zone)));
    } else {
        found.extend(balancer.subnets.iter().filter_map(|id| place::named(problems, subject, network, id)));
    }
    for (at, subnet) in found.iter().enumerate() {
        if let Some(other) = found[..at].iter().find(|other| other.zone == subnet.zone) {
            let rule = format!("{} and {} are both in {}; it has one subnet a zone", other.id, subnet.id, subnet.zone);
            problems.add("balancer-zone-twice", subject, rule, "leave one out");
        }
        if !balancer.internal && subnet.tier != Tier::Public {
            let rule = format!("the internet does not reach the private subnet {}", subnet.id);
            problems.add("balancer-scheme", subject, rule, "choose public subnets, or LoadBalancer::internal");
        }
    }
    found
}

/// Without cross-zone balancing, and to be sure with it too, an instance must be in a zone that the load balancer is in.
fn check_zones(problems: &mut Problems, subject: &str, balancer: &LoadBalancer, subnets: &[SubnetRef], instances: &[PlacedInstance]) {
    let named = balancer.instances.iter().filter_map(|member| match member {
        Member::Name(name) => instances.iter().find(|instance| instance.name == *name),
        Member::Id(_) => None,
    });
    for instance in named.filter(|instance| !subnets.is_empty() && subnets.iter().all(|subnet| subnet.zone != *instance.zone())) {
        let rule =
            format!("the instance {} is in {}, and it has no subnet there: nothing would be sent to it", instance.name, instance.zone());
        problems.add("balancer-zone", subject, rule, "add that zone");
    }
}
