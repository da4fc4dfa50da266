//! Services of type LoadBalancer, for each of the three controllers that make load balancers in EKS.

use std::{collections::BTreeMap, net::IpAddr};

use eks_core::{OWNER_TAG, Owner, Price, Problems, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{kind::DECIDES, name};

const PREFIX: &str = "service.beta.kubernetes.io/aws-load-balancer";

/// Who makes the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Controller {
    /// EKS Auto Mode: class `eks.amazonaws.com/nlb`.
    AutoMode,
    /// The AWS cloud provider in the control plane: there without installing anything.
    CloudProvider,
    /// The AWS Load Balancer Controller, which must be installed: class `service.k8s.aws/nlb`.
    LoadBalancerController,
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoadBalancerKind {
    /// Classic Load Balancer; the cloud provider alone makes it.
    Classic,
    /// Network Load Balancer.
    Network,
}

/// A Service with a load balancer: by default an internal one, made by the cloud provider, classic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub(crate) name: String,
    controller: Controller,
    kind: Option<LoadBalancerKind>,
    internet_facing: bool,
    /// Port of the load balancer and of the Pods.
    ports: Vec<(u32, u32)>,
    selector: BTreeMap<String, String>,
    source_ranges: Vec<String>,
    annotations: BTreeMap<String, String>,
    pub(crate) needs: Vec<StepKey>,
}

impl Service {
    /// A Service with a load balancer that only the VPC reaches.
    pub fn load_balancer(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            controller: Controller::CloudProvider,
            kind: None,
            internet_facing: false,
            ports: Vec::new(),
            selector: BTreeMap::new(),
            source_ranges: Vec::new(),
            annotations: BTreeMap::new(),
            needs: Vec::new(),
        }
    }

    /// A step that must be done first: the one that installs its controller, say.
    #[must_use]
    pub fn after(mut self, step: StepKey) -> Self {
        self.needs.push(step);
        self
    }

    /// Reached from the VPC alone; the default.
    #[must_use]
    pub fn internal(mut self) -> Self {
        self.internet_facing = false;
        self
    }

    /// Reached from the internet.
    #[must_use]
    pub fn internet_facing(mut self) -> Self {
        self.internet_facing = true;
        self
    }

    /// A Network Load Balancer.
    #[must_use]
    pub fn network(mut self) -> Self {
        self.kind = Some(LoadBalancerKind::Network);
        self
    }

    /// A Classic Load Balancer: the cloud provider's default.
    #[must_use]
    pub fn classic(mut self) -> Self {
        self.kind = Some(LoadBalancerKind::Classic);
        self
    }

    /// Who makes it; default [`Controller::CloudProvider`].
    #[must_use]
    pub fn controller(mut self, controller: Controller) -> Self {
        self.controller = controller;
        self
    }

    /// Forwards `port` of the load balancer to `target` of the Pods, TCP.
    #[must_use]
    pub fn port(mut self, port: u32, target: u32) -> Self {
        self.ports.push((port, target));
        self
    }

    /// A label of the Pods that answer.
    #[must_use]
    pub fn selector(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.selector.insert(key.into(), value.into());
        self
    }

    /// Addresses that may connect, in CIDR notation; none: all.
    #[must_use]
    pub fn source_range(mut self, cidr: impl Into<String>) -> Self {
        self.source_ranges.push(cidr.into());
        self
    }

    /// A further annotation. One that contradicts the rest of the Service is a problem.
    #[must_use]
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// What is made.
    pub fn kind(&self) -> LoadBalancerKind {
        self.kind.unwrap_or(match self.controller {
            Controller::CloudProvider => LoadBalancerKind::Classic,
            Controller::AutoMode | Controller::LoadBalancerController => LoadBalancerKind::Network,
        })
    }

    /// Whether the internet reaches it without a limit on source addresses.
    pub(crate) fn is_world_open(&self) -> bool {
        self.internet_facing && (self.source_ranges.is_empty() || self.source_ranges.iter().any(|range| range == "0.0.0.0/0"))
    }

    pub(crate) fn is_internet_facing(&self) -> bool {
        self.internet_facing
    }

    fn class(&self) -> Option<&'static str> {
        match self.controller {
            Controller::AutoMode => Some("eks.amazonaws.com/nlb"),
            Controller::CloudProvider => None,
            Controller::LoadBalancerController => Some("service.k8s.aws/nlb"),
        }
    }

    /// Annotations that say what the Service asks for, to the controller that is to make it.
    fn derived(&self) -> BTreeMap<String, String> {
        let mut derived = BTreeMap::new();
        let mut say = |suffix: &str, value: &str| derived.insert(format!("{PREFIX}-{suffix}"), value.to_owned());
        match self.controller {
            Controller::CloudProvider => {
                if !self.internet_facing {
                    say("internal", "true");
                }
                if self.kind() == LoadBalancerKind::Network {
                    say("type", "nlb");
                }
            }
            Controller::AutoMode | Controller::LoadBalancerController => {
                say("scheme", if self.internet_facing { "internet-facing" } else { "internal" });
                say("nlb-target-type", "instance");
            }
        }
        derived
    }

    /// All annotations; those given by hand win, where they agree in meaning. The owner's tag comes before tags given by hand: by it a
    /// load balancer is found that outlived its cluster.
    pub(crate) fn annotations(&self, owner: &Owner) -> BTreeMap<String, String> {
        let mut all = self.derived();
        all.extend(self.annotations.clone());
        if self.controller != Controller::AutoMode {
            let tag = format!("{OWNER_TAG}={owner}");
            let tags = all.entry(format!("{PREFIX}-additional-resource-tags")).or_default();
            *tags = if tags.is_empty() { tag } else { format!("{tag},{tags}") };
        }
        all
    }

    pub(crate) fn manifest(&self, namespace: &str, owner: &Owner) -> Value {
        let ports: Vec<_> = self
            .ports
            .iter()
            .map(|(port, target)| json!({"name": format!("tcp-{port}"), "port": port, "targetPort": target, "protocol": "TCP"}))
            .collect();
        let mut manifest = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": namespace, "annotations": self.annotations(owner)},
            "spec": {"type": "LoadBalancer", "ports": ports, "selector": self.selector},
        });
        if let Some(class) = self.class() {
            manifest["spec"]["loadBalancerClass"] = json!(class);
        }
        if !self.source_ranges.is_empty() {
            manifest["spec"]["loadBalancerSourceRanges"] = json!(self.source_ranges);
        }
        manifest
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        let subject = format!("service {}", self.name);
        name::check_service(problems, &subject, &self.name);
        if self.ports.is_empty() {
            problems.add("port", &subject, "it forwards no port", "add one with port(80, 80)");
        }
        let mut seen = Vec::new();
        for (port, target) in &self.ports {
            name::check_port(problems, &subject, *port);
            name::check_port(problems, &subject, *target);
            if seen.contains(port) {
                problems.add("port", &subject, format!("port {port} is forwarded twice"), "forward each port once");
            }
            seen.push(*port);
        }
        if self.selector.is_empty() {
            problems.add("selector", &subject, "no label says which Pods answer", "add one with selector(\"app\", …)");
        }
        for (key, value) in &self.selector {
            name::check_pair(problems, &subject, key, value);
        }
        for range in self.source_ranges.iter().filter(|range| !is_cidr(range)) {
            problems.add("source-range", &subject, format!("{range:?} is not an address block"), "write it like 203.0.113.0/24");
        }
        if self.controller != Controller::CloudProvider && self.kind() == LoadBalancerKind::Classic {
            let rule = "only the cloud provider makes Classic Load Balancers";
            problems.add("controller", &subject, rule, "use network(), or Controller::CloudProvider");
        }
        for (key, value) in &self.annotations {
            name::check_key(problems, &subject, key);
            name::check_unreserved(problems, &subject, key);
            self.check_annotation(problems, &subject, key, value);
        }
    }

    /// Annotations that contradict the Service, or that its controller does not read.
    fn check_annotation(&self, problems: &mut Problems, subject: &str, key: &str, value: &str) {
        let Some(suffix) = key.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-')) else { return };
        let cloud_provider = self.controller == Controller::CloudProvider;
        let rule = match suffix {
            // 0.0.0.0/0 is how it was written in 2018.
            "internal" if cloud_provider && ["true", "0.0.0.0/0"].contains(&value) == self.internet_facing => "asks for the other scheme",
            "internal" if !cloud_provider => "is read by the cloud provider alone; other controllers read -scheme",
            "scheme" if cloud_provider => "is not read by the cloud provider; it reads -internal",
            "scheme" if (value == "internet-facing") != self.internet_facing => "asks for the other scheme",
            "type" if cloud_provider && ["external", "nlb-ip"].contains(&value) => "makes the cloud provider ignore the Service",
            "type" if cloud_provider && (value == "nlb") != (self.kind() == LoadBalancerKind::Network) => {
                "asks for another kind of load balancer"
            }
            "type" if !cloud_provider => "contradicts the Service's load balancer class, which decides",
            "nlb-target-type" if !["instance", "ip"].contains(&value) => "is neither instance nor ip",
            "nlb-target-type" if cloud_provider && value == "ip" => "is not read by the cloud provider, whose targets are instances",
            "attributes" | "target-group-attributes" | "name" if cloud_provider => "is not read by the cloud provider",
            "connection-idle-timeout" if !within(value, 1, 4000) => "is not within 1–4000 seconds",
            "connection-draining-timeout" if !within(value, 1, 3600) => "is not within 1–3600 seconds",
            "access-log-emit-interval" if !["5", "60"].contains(&value) => "is neither 5 nor 60 minutes",
            "name" if value.len() > 32 => "is longer than 32 characters",
            _ => return,
        };
        problems.add(
            "annotation",
            subject,
            format!("annotation {key}: {value:?} {rule}"),
            "leave it out, or change what the Service asks for",
        );
    }

    /// What its load balancer costs.
    pub(crate) fn price(&self) -> Price {
        load_balancer_price(self.kind())
    }

    /// What the public addresses of its load balancer cost: one in each of so many zones, if the internet reaches it.
    pub(crate) fn address_prices(&self, zones: u32) -> impl Iterator<Item = Price> {
        (0..if self.internet_facing { zones } else { 0 }).map(|_| address_price())
    }
}

/// A month of a public IPv4 address in use, us-east-1.
pub(crate) fn address_price() -> Price {
    Price::hourly("public IPv4 address", 0.005)
}

/// A month of a load balancer, us-east-1, before traffic.
pub(crate) fn load_balancer_price(kind: LoadBalancerKind) -> Price {
    match kind {
        LoadBalancerKind::Classic => Price::hourly("Classic Load Balancer", 0.025),
        LoadBalancerKind::Network => Price::hourly("Network Load Balancer", 0.0225),
    }
}

/// The kind of load balancer that a live Service has.
pub(crate) fn kind_of(live: &Value) -> LoadBalancerKind {
    let typed = live.pointer("/metadata/annotations").and_then(|all| all.get(DECIDES[2])).and_then(Value::as_str);
    let classed = live.pointer("/spec/loadBalancerClass").is_some_and(|class| !class.is_null());
    if classed || typed.is_some_and(|kind| kind != "classic") { LoadBalancerKind::Network } else { LoadBalancerKind::Classic }
}

/// Whether the load balancer of a live Service has public addresses.
pub(crate) fn is_public(live: &Value) -> bool {
    let annotation = |key: &str| live.pointer("/metadata/annotations").and_then(|all| all.get(key)).and_then(Value::as_str);
    let [internal, scheme, _] = DECIDES.map(annotation);
    match live.pointer("/spec/loadBalancerClass").filter(|class| !class.is_null()) {
        Some(_) => scheme == Some("internet-facing"),
        None => !matches!(internal, Some("true" | "0.0.0.0/0")),
    }
}

fn within(value: &str, least: u32, most: u32) -> bool {
    value.parse().is_ok_and(|n: u32| (least..=most).contains(&n))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(service: &Service) -> Vec<&'static str> {
        let mut problems = Problems::new();
        service.check(&mut problems);
        problems.finish("x", || ()).err().map(|error| error.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
    }

    fn owner() -> Owner {
        Owner::new("chap10").unwrap()
    }

    fn nginx() -> Service {
        Service::load_balancer("nginx").port(80, 80).selector("app", "nginx")
    }

    /// Class and annotations, for each controller, scheme and kind.
    #[test]
    fn annotations() {
        let mut lines = Vec::new();
        for controller in [Controller::CloudProvider, Controller::LoadBalancerController, Controller::AutoMode] {
            for open in [false, true] {
                for network in [false, true] {
                    let service = nginx().controller(controller);
                    let service = if open { service.internet_facing() } else { service.internal() };
                    let service = if network { service.network() } else { service };
                    assert_eq!(codes(&service), [""; 0]);
                    let said: Vec<_> = service
                        .annotations(&owner())
                        .iter()
                        .map(|(key, value)| format!("{}={value}", key.strip_prefix(PREFIX).unwrap()))
                        .collect();
                    lines.push(format!("{controller:?} open={open} network={network}: {:?} {}", service.class(), said.join(" ")));
                }
            }
        }
        assert_eq!(
            lines,
            [
                "CloudProvider open=false network=false: None -additional-resource-tags=eks-rs/owner=chap10 -internal=true",
                "CloudProvider open=false network=true: None -additional-resource-tags=eks-rs/owner=chap10 -internal=true -type=nlb",
                "CloudProvider open=true network=false: None -additional-resource-tags=eks-rs/owner=chap10",
                "CloudProvider open=true network=true: None -additional-resource-tags=eks-rs/owner=chap10 -type=nlb",
                "LoadBalancerController open=false network=false: Some(\"service.k8s.aws/nlb\") -additional-resource-tags=eks-rs/owner=chap10 -nlb-target-type=instance -scheme=internal",
                "LoadBalancerController open=false network=true: Some(\"service.k8s.aws/nlb\") -additional-resource-tags=eks-rs/owner=chap10 -nlb-target-type=instance -scheme=internal",
                "LoadBalancerController open=true network=false: Some(\"service.k8s.aws/nlb\") -additional-resource-tags=eks-rs/owner=chap10 -nlb-target-type=instance -scheme=internet-facing",
                "LoadBalancerController open=true network=true: Some(\"service.k8s.aws/nlb\") -additional-resource-tags=eks-rs/owner=chap10 -nlb-target-type=instance -scheme=internet-facing",
                "AutoMode open=false network=false: Some(\"eks.amazonaws.com/nlb\") -nlb-target-type=instance -scheme=internal",
                "AutoMode open=false network=true: Some(\"eks.amazonaws.com/nlb\") -nlb-target-type=instance -scheme=internal",
                "AutoMode open=true network=false: Some(\"eks.amazonaws.com/nlb\") -nlb-target-type=instance -scheme=internet-facing",
                "AutoMode open=true network=true: Some(\"eks.amazonaws.com/nlb\") -nlb-target-type=instance -scheme=internet-facing",
            ]
        );
    }

    #[test]
    fn tags_by_hand_come_after_the_owner() {
        let key = format!("{PREFIX}-additional-resource-tags");
        let tags = |service: Service| service.annotation(&key, "team=web").annotations(&owner()).remove(&key);
        assert_eq!(tags(nginx()).as_deref(), Some("eks-rs/owner=chap10,team=web"));
        assert_eq!(tags(nginx().controller(Controller::AutoMode)).as_deref(), Some("team=web"));
    }

    #[test]
    fn public_addresses_are_paid_for() {
        let usd = |service: &Service| service.address_prices(3).map(|price| price.usd_per_month).sum::<f64>();
        for controller in [Controller::CloudProvider, Controller::LoadBalancerController, Controller::AutoMode] {
            let (internal, public) = (nginx().controller(controller), nginx().controller(controller).internet_facing());
            assert!(usd(&internal) == 0.0 && (usd(&public) - 10.95).abs() < 1e-9, "{controller:?}");
            assert!(
                !is_public(&internal.manifest("default", &owner())) && is_public(&public.manifest("default", &owner())),
                "{controller:?}"
            );
        }
    }

    #[test]
    fn contradictions() {
        let with = |service: Service, suffix: &str, value: &str| codes(&service.annotation(format!("{PREFIX}-{suffix}"), value));
        assert_eq!(with(nginx(), "internal", "0.0.0.0/0"), [""; 0]);
        let lbc = || nginx().controller(Controller::LoadBalancerController);
        for (service, suffix, value) in [
            (nginx(), "internal", "false"),
            (nginx().internet_facing(), "internal", "true"),
            (nginx(), "scheme", "internal"),
            (nginx(), "type", "external"),
            (nginx(), "type", "nlb"),
            (nginx(), "connection-idle-timeout", "4001"),
            (lbc(), "internal", "true"),
            (lbc(), "scheme", "internet-facing"),
            (lbc(), "type", "external"),
            (lbc(), "nlb-target-type", "pod"),
            (lbc(), "name", "a-name-that-is-longer-than-32-chars"),
        ] {
            assert_eq!(with(service, suffix, value), ["annotation"], "{suffix}={value}");
        }
    }

    #[test]
    fn problems() {
        let empty = Service::load_balancer("9nginx").controller(Controller::AutoMode).classic().source_range("10.0.0.0/33");
        assert_eq!(codes(&empty), ["name", "port", "selector", "source-range", "controller"]);
        assert_eq!(codes(&nginx().port(80, 70_000)), ["port", "port"]);
    }
}
