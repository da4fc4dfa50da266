//! An Ingress, as it is specified.

use std::collections::BTreeMap;

use eks_core::{Owner, Price, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PREFIX, annotations};
use crate::{Controller, HealthCheck, TargetType, service::address_price};

/// A port of the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Listener {
    /// In the clear.
    Http(u32),
    /// Within TLS.
    Https(u32),
}

impl Listener {
    /// Its port.
    pub fn port(self) -> u32 {
        match self {
            Self::Http(port) | Self::Https(port) => port,
        }
    }
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PathType {
    /// The whole path.
    Exact,
    /// By the load balancer's own patterns, with `*` and `?`.
    ImplementationSpecific,
    /// Element by element.
    #[default]
    Prefix,
}

impl PathType {
    pub(super) const ALL: [Self; 3] = [Self::Exact, Self::ImplementationSpecific, Self::Prefix];

    /// Kubernetes' name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "Exact",
            Self::ImplementationSpecific => "ImplementationSpecific",
            Self::Prefix => "Prefix",
        }
    }
}

/// Where requests go: those to any host and path, unless it says which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IngressRule {
    /// The host that is asked for, or `*.example.com`; `None`: any.
    pub host: Option<String>,
    /// The path that is asked for.
    pub path: String,
    /// How it is compared.
    pub path_type: PathType,
    /// The Service that answers, in the Ingress's namespace.
    pub service: String,
    /// Its port.
    pub port: u32,
}

impl IngressRule {
    /// Everything goes to this Service.
    pub fn to(service: impl Into<String>, port: u32) -> Self {
        Self { host: None, path: "/".to_owned(), path_type: PathType::Prefix, service: service.into(), port }
    }

    /// For this host alone.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// For what is below this path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// How the path is compared; default [`PathType::Prefix`].
    #[must_use]
    pub fn compared(mut self, path_type: PathType) -> Self {
        self.path_type = path_type;
        self
    }

    fn backend(service: &str, port: u32) -> Value {
        json!({"service": {"name": service, "port": {"number": port}}})
    }
}

/// An Ingress with an Application Load Balancer: by default an internal one, of class `alb`, made by the AWS Load Balancer Controller.
///
/// The controller must be installed, and its class made (LBC's chart makes it): [`crate::ControllersFound`] tells whether it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingress {
    pub(crate) name: String,
    pub(super) controller: Controller,
    pub(super) class: String,
    pub(super) internet_facing: bool,
    pub(super) target_type: TargetType,
    pub(super) listeners: Vec<Listener>,
    pub(super) certificates: Vec<String>,
    pub(super) policy: Option<String>,
    pub(super) ssl_redirect: Option<u32>,
    pub(super) group: Option<String>,
    pub(super) group_order: Option<u32>,
    pub(super) health: HealthCheck,
    pub(super) subnets: Vec<String>,
    pub(super) security_groups: Vec<String>,
    pub(super) inbound_cidrs: Vec<String>,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) target_attributes: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) load_balancer_name: Option<String>,
    pub(super) rules: Vec<IngressRule>,
    pub(super) default_backend: Option<(String, u32)>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(crate) needs: Vec<StepKey>,
}

impl Ingress {
    /// An Ingress with an Application Load Balancer that only the VPC reaches.
    pub fn alb(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            controller: Controller::LoadBalancerController,
            class: "alb".to_owned(),
            internet_facing: false,
            target_type: TargetType::Instance,
            listeners: Vec::new(),
            certificates: Vec::new(),
            policy: None,
            ssl_redirect: None,
            group: None,
            group_order: None,
            health: HealthCheck::default(),
            subnets: Vec::new(),
            security_groups: Vec::new(),
            inbound_cidrs: Vec::new(),
            attributes: BTreeMap::new(),
            target_attributes: BTreeMap::new(),
            tags: BTreeMap::new(),
            load_balancer_name: None,
            rules: Vec::new(),
            default_backend: None,
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

    /// Who makes the load balancer; default [`Controller::LoadBalancerController`]. The cloud provider knows no Ingress.
    #[must_use]
    pub fn controller(mut self, controller: Controller) -> Self {
        self.controller = controller;
        self
    }

    /// The IngressClass; default `alb`.
    #[must_use]
    pub fn class(mut self, name: impl Into<String>) -> Self {
        self.class = name.into();
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

    /// What the load balancer sends to; default [`TargetType::Instance`], for which the Services must have node ports.
    #[must_use]
    pub fn targets(mut self, targets: TargetType) -> Self {
        self.target_type = targets;
        self
    }

    /// Listens on a port. None: HTTP on 80, or HTTPS on 443 if there is a certificate.
    #[must_use]
    pub fn listen(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// A certificate in ACM or IAM; the first is the default. None: found in ACM by the hosts of the rules.
    #[must_use]
    pub fn certificate(mut self, arn: impl Into<String>) -> Self {
        self.certificates.push(arn.into());
        self
    }

    /// Protocols and ciphers, by ELB's name of the policy.
    #[must_use]
    pub fn tls_policy(mut self, name: impl Into<String>) -> Self {
        self.policy = Some(name.into());
        self
    }

    /// Sends what comes in the clear to this port, which must speak TLS.
    #[must_use]
    pub fn ssl_redirect(mut self, port: u32) -> Self {
        self.ssl_redirect = Some(port);
        self
    }

    /// Shares a load balancer with all Ingresses of this group. Whoever may make Ingresses can join it.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.group = Some(name.into());
        self
    }

    /// Its place in the group, 1–1000: lower ones are asked first.
    #[must_use]
    pub fn group_order(mut self, order: u32) -> Self {
        self.group_order = Some(order);
        self
    }

    /// How targets are found to be well: by HTTP or HTTPS.
    #[must_use]
    pub fn health_check(mut self, check: HealthCheck) -> Self {
        self.health = check;
        self
    }

    /// A subnet of the load balancer, by id or by its tag `Name`: two at least, each in a zone of its own. None: found by their tags.
    #[must_use]
    pub fn subnet(mut self, id_or_name: impl Into<String>) -> Self {
        self.subnets.push(id_or_name.into());
        self
    }

    /// A security group of your own, by id or by its tag `Name`, instead of one that the controller makes.
    #[must_use]
    pub fn security_group(mut self, id: impl Into<String>) -> Self {
        self.security_groups.push(id.into());
        self
    }

    /// Addresses that may connect, in CIDR notation; none: all.
    #[must_use]
    pub fn inbound_cidr(mut self, cidr: impl Into<String>) -> Self {
        self.inbound_cidrs.push(cidr.into());
        self
    }

    /// An attribute of the load balancer: `idle_timeout.timeout_seconds`.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(key.into(), value.into());
        self
    }

    /// An attribute of its target groups: `deregistration_delay.timeout_seconds`.
    #[must_use]
    pub fn target_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.target_attributes.insert(key.into(), value.into());
        self
    }

    /// A tag of the load balancer, besides the owner's.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// The load balancer's name in AWS.
    #[must_use]
    pub fn load_balancer_name(mut self, name: impl Into<String>) -> Self {
        self.load_balancer_name = Some(name.into());
        self
    }

    /// Where requests go.
    #[must_use]
    pub fn rule(mut self, rule: IngressRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Where requests go that no rule is for.
    #[must_use]
    pub fn default_backend(mut self, service: impl Into<String>, port: u32) -> Self {
        self.default_backend = Some((service.into(), port));
        self
    }

    /// A further annotation, for which there is no word here.
    #[must_use]
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who makes its load balancer.
    pub fn made_by(&self) -> Controller {
        self.controller
    }

    /// Whether the internet reaches it.
    pub fn is_internet_facing(&self) -> bool {
        self.internet_facing
    }

    pub(crate) fn class_name(&self) -> &str {
        &self.class
    }

    pub(crate) fn subnets(&self) -> &[String] {
        &self.subnets
    }

    pub(crate) fn group_name(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Services that it sends to, and their ports.
    pub(crate) fn backends(&self) -> impl Iterator<Item = (&str, u32)> {
        let rules = self.rules.iter().map(|rule| (rule.service.as_str(), rule.port));
        rules.chain(self.default_backend.iter().map(|(service, port)| (service.as_str(), *port)))
    }

    /// Whether the internet reaches it without a limit on source addresses.
    pub(crate) fn is_world_open(&self) -> bool {
        let limited = !self.inbound_cidrs.is_empty() && !self.inbound_cidrs.iter().any(|range| range == "0.0.0.0/0" || range == "::/0");
        self.internet_facing && !limited && self.security_groups.is_empty()
    }

    /// Whether a teardown will be held up until the attribute is taken away.
    pub(crate) fn is_protected(&self) -> bool {
        self.attributes.get("deletion_protection.enabled").is_some_and(|value| value == "true")
    }

    /// Whether its certificates must be found in ACM by the hosts of its rules.
    pub(crate) fn discovers_certificates(&self) -> bool {
        self.certificates.is_empty() && self.listeners.iter().any(|listener| matches!(listener, Listener::Https(_)))
    }

    /// The Ingress as it is applied, but for the marks of ownership that a plan adds.
    pub fn manifest(&self, namespace: &str, owner: &Owner) -> Value {
        let mut hosts: Vec<Option<&String>> = Vec::new();
        for rule in &self.rules {
            if !hosts.contains(&rule.host.as_ref()) {
                hosts.push(rule.host.as_ref());
            }
        }
        let rules: Vec<Value> = hosts
            .into_iter()
            .map(|host| {
                let paths: Vec<Value> = self.rules.iter().filter(|rule| rule.host.as_ref() == host).map(path).collect();
                match host {
                    Some(host) => json!({"host": host, "http": {"paths": paths}}),
                    None => json!({"http": {"paths": paths}}),
                }
            })
            .collect();
        let mut manifest = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": self.name, "namespace": namespace, "annotations": annotations::all(self, Some(owner))},
            "spec": {"ingressClassName": self.class},
        });
        if !rules.is_empty() {
            manifest["spec"]["rules"] = json!(rules);
        }
        if let Some((service, port)) = &self.default_backend {
            manifest["spec"]["defaultBackend"] = IngressRule::backend(service, *port);
        }
        manifest
    }
}

fn path(rule: &IngressRule) -> Value {
    json!({"path": rule.path, "pathType": rule.path_type.as_str(), "backend": IngressRule::backend(&rule.service, rule.port)})
}

/// A month of an Application Load Balancer and of its public addresses, us-east-1, before traffic.
pub(crate) fn application_price(public_zones: u32) -> impl Iterator<Item = Price> {
    std::iter::once(Price::hourly("Application Load Balancer", 0.0225)).chain((0..public_zones).map(|_| address_price()))
}

/// The group of a live Ingress.
pub(crate) fn group_of(live: &Value) -> Option<&str> {
    live["metadata"]["annotations"][format!("{PREFIX}group.name")].as_str()
}

/// Whether the load balancer of a live Ingress has public addresses.
pub(crate) fn is_public(live: &Value) -> bool {
    live["metadata"]["annotations"][format!("{PREFIX}scheme")] == "internet-facing"
}
