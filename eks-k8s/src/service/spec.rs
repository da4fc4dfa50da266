//! A Service with a load balancer, as it is specified.

use std::collections::BTreeMap;

use eks_core::{OWNER_TAG, Owner, Price, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    PREFIX, annotations,
    live::{address_price, load_balancer_price},
    port::{Port, PortProtocol, TargetPort},
    settings::{BackendProtocol, HealthCheck, Settings, TargetType, Tls},
};

/// Who makes the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

impl Controller {
    /// The class of Services that it takes; `None` for those without a class.
    pub fn service_class(self) -> Option<&'static str> {
        match self {
            Self::AutoMode => Some("eks.amazonaws.com/nlb"),
            Self::CloudProvider => None,
            Self::LoadBalancerController => Some("service.k8s.aws/nlb"),
        }
    }
}

impl std::fmt::Display for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::AutoMode => "EKS Auto Mode",
            Self::CloudProvider => "the cloud provider",
            Self::LoadBalancerController => "the AWS Load Balancer Controller",
        })
    }
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoadBalancerKind {
    /// Classic Load Balancer; the cloud provider alone makes it.
    Classic,
    /// Network Load Balancer.
    Network,
}

/// A Service with a load balancer: by default an internal one, made by the cloud provider, classic.
///
/// What the load balancer should be like is said by meaning; [`Service::manifest`] turns it into the annotations and the class that
/// the controller reads, and [`Service::read`] turns them back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub(crate) name: String,
    pub(super) controller: Controller,
    pub(super) kind: Option<LoadBalancerKind>,
    pub(super) internet_facing: bool,
    pub(super) ports: Vec<Port>,
    pub(super) selector: BTreeMap<String, String>,
    pub(super) source_ranges: Vec<String>,
    #[serde(default)]
    pub(super) settings: Settings,
    pub(super) annotations: BTreeMap<String, String>,
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
            settings: Settings::default(),
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

    /// Forwards `port` of the load balancer to `target` of the Pods, a number or a name, TCP.
    #[must_use]
    pub fn port(self, port: u32, target: impl Into<TargetPort>) -> Self {
        self.port_of(PortProtocol::Tcp, port, target)
    }

    /// Forwards `port` of the load balancer to `target` of the Pods by another protocol than TCP.
    #[must_use]
    pub fn port_of(mut self, protocol: PortProtocol, port: u32, target: impl Into<TargetPort>) -> Self {
        self.ports.push(Port { listens: port, target: target.into(), protocol });
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

    /// What the load balancer sends to; default [`TargetType::Instance`].
    #[must_use]
    pub fn targets(mut self, targets: TargetType) -> Self {
        self.settings.target_type = targets;
        self
    }

    /// Ends TLS at the load balancer.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// What the load balancer speaks to the Pods; by default TCP.
    #[must_use]
    pub fn backend_protocol(mut self, protocol: BackendProtocol) -> Self {
        self.settings.backend = Some(protocol);
        self
    }

    /// How targets are found to be well.
    #[must_use]
    pub fn health_check(mut self, check: HealthCheck) -> Self {
        self.settings.health = check;
        self
    }

    /// A subnet of the load balancer, by id or by its tag `Name`, one for each zone. None: the controller discovers them by their tags.
    #[must_use]
    pub fn subnet(mut self, id_or_name: impl Into<String>) -> Self {
        self.settings.subnets.push(id_or_name.into());
        self
    }

    /// A security group of your own, instead of one that the controller makes.
    #[must_use]
    pub fn security_group(mut self, id: impl Into<String>) -> Self {
        self.settings.security_groups.push(id.into());
        self
    }

    /// A security group of your own, besides the one that the controller makes.
    #[must_use]
    pub fn extra_security_group(mut self, id: impl Into<String>) -> Self {
        self.settings.extra_security_groups.push(id.into());
        self
    }

    /// Whether each address of the load balancer sends to the targets of all zones.
    #[must_use]
    pub fn cross_zone(mut self, on: bool) -> Self {
        self.settings.cross_zone = Some(on);
        self
    }

    /// Tells the Pods the client's address by the PROXY protocol, which they must understand.
    #[must_use]
    pub fn proxy_protocol(mut self) -> Self {
        self.settings.proxy_protocol = true;
        self
    }

    /// The allocation of an elastic IP address, one for each subnet in the order of the subnets.
    #[must_use]
    pub fn elastic_ip(mut self, allocation: impl Into<String>) -> Self {
        self.settings.eip_allocations.push(allocation.into());
        self
    }

    /// For how many seconds connections to a target that leaves may last.
    #[must_use]
    pub fn draining(mut self, seconds: u32) -> Self {
        self.settings.draining = Some(seconds);
        self
    }

    /// After how many seconds of silence a connection is closed.
    #[must_use]
    pub fn idle_timeout(mut self, seconds: u32) -> Self {
        self.settings.idle_timeout = Some(seconds);
        self
    }

    /// A tag of the load balancer, besides the owner's.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.tags.insert(key.into(), value.into());
        self
    }

    /// The load balancer's name in AWS.
    #[must_use]
    pub fn load_balancer_name(mut self, name: impl Into<String>) -> Self {
        self.settings.load_balancer_name = Some(name.into());
        self
    }

    /// A further annotation. One that contradicts the rest of the Service is a problem.
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

    /// What is made.
    pub fn kind(&self) -> LoadBalancerKind {
        self.kind.unwrap_or(match self.controller {
            Controller::CloudProvider => LoadBalancerKind::Classic,
            Controller::AutoMode | Controller::LoadBalancerController => LoadBalancerKind::Network,
        })
    }

    /// Whether the internet reaches it.
    pub fn is_internet_facing(&self) -> bool {
        self.internet_facing
    }

    /// Whether it forwards this port, TCP.
    pub(crate) fn has_port(&self, port: u32) -> bool {
        self.ports.iter().any(|known| known.listens == port && known.speaks_tcp())
    }

    /// Whether TCP and UDP share one of its ports.
    pub(crate) fn shares_ports(&self) -> bool {
        self.ports.iter().any(|port| port.protocol == PortProtocol::TcpUdp)
    }

    /// A UDP port whose targets are asked by TCP whether they are well, on the port that UDP goes to.
    pub(crate) fn udp_unchecked(&self) -> Option<u32> {
        let (by_hand, _) = self.by_hand();
        let is_elsewhere = self.settings.health.port.is_some() || by_hand.health.port.is_some();
        self.ports.iter().find(|port| port.protocol == PortProtocol::Udp && !is_elsewhere).map(|port| port.listens)
    }

    /// Its subnets, by id or name, if it names any.
    pub(crate) fn subnets(&self) -> Vec<String> {
        let raw = self.annotations.get(&format!("{PREFIX}-subnets")).map(|list| annotations::items(list));
        raw.unwrap_or_else(|| self.settings.subnets.clone())
    }

    /// Whether the internet reaches it without a limit on source addresses.
    pub(crate) fn is_world_open(&self) -> bool {
        let limited = !self.source_ranges.is_empty() && !self.source_ranges.iter().any(|range| range == "0.0.0.0/0" || range == "::/0");
        self.internet_facing && !limited && self.settings.security_groups.is_empty()
    }

    /// All annotations; those given by hand win, where they agree in meaning. The owner's tag comes before other tags: by it a
    /// load balancer is found that outlived its cluster. In Auto Mode it is left out: the cluster's role may set no tags of others' making
    /// (EKS user guide, "Cluster IAM role", tag propagation).
    pub(crate) fn annotations(&self, owner: &Owner) -> BTreeMap<String, String> {
        let owned = (OWNER_TAG.to_owned(), owner.to_string());
        annotations::all(self, (self.controller != Controller::AutoMode).then_some(owned))
    }

    /// The Service as it is applied, but for the marks of ownership that a plan adds.
    pub fn manifest(&self, namespace: &str, owner: &Owner) -> Value {
        let ports: Vec<_> = self.ports.iter().flat_map(Port::entries).collect();
        let mut manifest = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": namespace, "annotations": self.annotations(owner)},
            "spec": {"type": "LoadBalancer", "ports": ports, "selector": self.selector},
        });
        if let Some(class) = self.controller.service_class() {
            manifest["spec"]["loadBalancerClass"] = json!(class);
        }
        if !self.source_ranges.is_empty() {
            manifest["spec"]["loadBalancerSourceRanges"] = json!(self.source_ranges);
        }
        manifest
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
