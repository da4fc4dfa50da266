//! From meaning to annotations, in the words of each controller.
//!
//! Cloud provider: its page "The Service Controller". AWS Load Balancer Controller: its page "Service annotations". Auto Mode: EKS user
//! guide, "Use Service Annotations to configure Network Load Balancers".

use std::collections::BTreeMap;

use super::{Controller, LoadBalancerKind, PREFIX, PortProtocol, Service};

/// Annotations that hold pairs, so that what is said by meaning and what is said by hand go into one value.
pub(super) const MAPS: [&str; 3] = ["additional-resource-tags", "attributes", "target-group-attributes"];

pub(super) const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";
pub(super) const DRAINING: &str = "deregistration_delay.timeout_seconds";
pub(super) const IDLE: &str = "tcp.idle_timeout.seconds";
/// One listener for TCP and UDP of one port.
pub(super) const SHARED: &str = "enable-tcp-udp-listener";
pub(super) const PROXY: &str = "proxy_protocol_v2.enabled";

/// Elements of a list: `a, b`.
pub(crate) fn items(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Pairs of a map: `a=1,b=2`. A key without a value has an empty one.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |item: String| match item.split_once('=') {
        Some((key, value)) => (key.trim().to_owned(), value.trim().to_owned()),
        None => (item, String::new()),
    };
    items(text).into_iter().map(pair).collect()
}

/// A map as controllers read it.
pub(crate) fn text_of<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// What is being said: by the suffixes of annotations, and pairs by those of maps.
#[derive(Default)]
struct Said {
    values: BTreeMap<String, String>,
    maps: BTreeMap<&'static str, Vec<(String, String)>>,
}

impl Said {
    fn say(&mut self, suffix: impl Into<String>, value: impl ToString) {
        self.values.insert(suffix.into(), value.to_string());
    }

    fn say_if(&mut self, suffix: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.say(suffix, value);
        }
    }

    /// A list without spaces: the cloud provider does not trim ports.
    fn list(&mut self, suffix: &str, items: &[impl ToString]) {
        if !items.is_empty() {
            self.say(suffix, items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
        }
    }

    fn pair(&mut self, map: &'static str, key: impl Into<String>, value: impl ToString) {
        self.maps.entry(map).or_default().push((key.into(), value.to_string()));
    }
}

/// All annotations: those that say what the Service asks for, then those given by hand. `first` is a tag that comes before others.
pub(super) fn all(service: &Service, first: Option<(String, String)>) -> BTreeMap<String, String> {
    let mut said = Said::default();
    if let Some((key, value)) = first {
        said.pair(MAPS[0], key, value);
    }
    common(service, &mut said);
    match service.controller {
        Controller::CloudProvider => cloud_provider(service, &mut said),
        Controller::AutoMode | Controller::LoadBalancerController => controller(service, &mut said),
    }
    let mut all = BTreeMap::new();
    for (suffix, value) in said.values {
        all.insert(format!("{PREFIX}-{suffix}"), value);
    }
    all.extend(service.annotations.clone());
    for (suffix, mut wanted) in said.maps {
        let key = format!("{PREFIX}-{suffix}");
        for (name, value) in service.annotations.get(&key).map(|text| pairs(text)).unwrap_or_default() {
            if !wanted.contains(&(name.clone(), value.clone())) {
                wanted.push((name, value));
            }
        }
        all.insert(key, text_of(wanted.iter().map(|(name, value)| (name, value))));
    }
    all
}

/// What all controllers read alike.
fn common(service: &Service, said: &mut Said) {
    let settings = &service.settings;
    if let Some(tls) = &settings.tls {
        said.list("ssl-cert", &tls.certificates);
        said.list("ssl-ports", &tls.ports);
        said.say_if("ssl-negotiation-policy", tls.policy.as_ref());
    }
    said.say_if("backend-protocol", settings.backend);
    let health = &settings.health;
    // Auto Mode's page writes these in capitals.
    let upper = |protocol: &str| if service.controller == Controller::AutoMode { protocol.to_uppercase() } else { protocol.to_owned() };
    said.say_if("healthcheck-protocol", health.protocol.map(|protocol| upper(protocol.as_str())));
    said.say_if("healthcheck-port", health.port);
    said.say_if("healthcheck-path", health.path.as_ref());
    said.say_if("healthcheck-interval", health.interval);
    said.say_if("healthcheck-timeout", health.timeout);
    said.say_if("healthcheck-healthy-threshold", health.healthy);
    said.say_if("healthcheck-unhealthy-threshold", health.unhealthy);
    said.say_if("healthcheck-success-codes", health.success_codes.as_ref());
    said.list("subnets", &settings.subnets);
    said.list("security-groups", &settings.security_groups);
    said.list("extra-security-groups", &settings.extra_security_groups);
    said.list("eip-allocations", &settings.eip_allocations);
    said.say_if("name", settings.load_balancer_name.as_ref());
    for (key, value) in &settings.tags {
        said.pair(MAPS[0], key, value);
    }
    if settings.proxy_protocol && service.controller != Controller::AutoMode {
        said.say("proxy-protocol", "*");
    }
}

fn cloud_provider(service: &Service, said: &mut Said) {
    let settings = &service.settings;
    if !service.internet_facing {
        said.say("internal", true);
    }
    if service.kind() == LoadBalancerKind::Network {
        said.say("type", "nlb");
    }
    said.say_if("cross-zone-load-balancing-enabled", settings.cross_zone);
    if let Some(seconds) = settings.draining {
        said.say("connection-draining-enabled", true);
        said.say("connection-draining-timeout", seconds);
    }
    said.say_if("connection-idle-timeout", settings.idle_timeout);
}

/// The AWS Load Balancer Controller, and Auto Mode, which grew out of it.
fn controller(service: &Service, said: &mut Said) {
    let settings = &service.settings;
    said.say("scheme", if service.internet_facing { "internet-facing" } else { "internal" });
    said.say("nlb-target-type", settings.target_type);
    if !settings.security_groups.is_empty() {
        // Otherwise nobody lets the load balancer reach the targets.
        said.say("manage-backend-security-group-rules", true);
    }
    if let Some(on) = settings.cross_zone {
        said.pair(MAPS[1], CROSS_ZONE, on);
    }
    if let Some(seconds) = settings.draining {
        said.pair(MAPS[2], DRAINING, seconds);
    }
    if settings.proxy_protocol && service.controller == Controller::AutoMode {
        said.pair(MAPS[2], PROXY, true);
    }
    if let Some(seconds) = settings.idle_timeout {
        // It is an attribute of TCP listeners.
        for port in service.ports.iter().filter(|port| port.protocol == PortProtocol::Tcp).map(|port| port.listens) {
            if settings.tls.as_ref().is_none_or(|tls| !tls.covers(port)) {
                said.say(format!("listener-attributes.TCP-{port}"), format!("{IDLE}={seconds}"));
            }
        }
    }
    if service.shares_ports() {
        said.say(SHARED, true);
    }
}
