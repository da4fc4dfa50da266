//! Kubernetes objects of a document.

use std::collections::BTreeMap;

use eks_k8s::{ObjectsSpecBuilder, TargetPort};
use serde::{Deserialize, Serialize};

use super::{
    balancer::{HealthCheck, Tls},
    ingress::Ingress,
    words::{AccessMode, BackendProtocol, Binding, LoadBalancerKind, MadeBy, PortProtocol, Reclaim, TargetType, Text, VolumeType},
};

/// Kubernetes objects of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Objects {
    /// Namespace of claims, Pods, Services and Ingresses; it must exist. Default `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// StorageClasses that claims may name although they are not made here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) existing_classes: Vec<String>,
    /// StorageClasses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) storage_classes: Vec<StorageClass>,
    /// PersistentVolumeClaims.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) claims: Vec<Claim>,
    /// Pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pods: Vec<Pod>,
    /// Services of type LoadBalancer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) services: Vec<Service>,
    /// Ingresses, which become Application Load Balancers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ingresses: Vec<Ingress>,
    /// The role that the EBS CSI driver has by Pod Identity, where it is not of this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) driver_role: Option<Text<eks_core::RoleArn>>,
    /// In how many zones the cluster has public subnets, for what load balancers cost. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_zones: Option<u32>,
}

/// A StorageClass of EBS volumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StorageClass {
    /// Its name.
    pub(crate) name: String,
    /// Kind of the volumes. Default gp3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) volume_type: Option<VolumeType>,
    /// Made by EKS Auto Mode instead of the EBS CSI driver. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auto_mode: Option<bool>,
    /// Zones in which volumes may be. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) zones: Vec<String>,
    /// IOPS of each volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) iops: Option<u32>,
    /// IOPS for each GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) iops_per_gib: Option<u32>,
    /// Whether a volume that is too small for `iopsPerGib` gets the fewest of its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) raises_iops: Option<bool>,
    /// Throughput in MiB a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) throughput_mib: Option<u32>,
    /// File system. Default ext4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fs_type: Option<String>,
    /// Whether volumes are encrypted. Default: the account's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encrypted: Option<bool>,
    /// The KMS key, by ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kms_key: Option<String>,
    /// When a volume is made. Default WaitForFirstConsumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binding: Option<Binding>,
    /// What becomes of a volume whose claim goes. Default Delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reclaim: Option<Reclaim>,
    /// Whether volumes may grow. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expandable: Option<bool>,
    /// Whether claims without a class get it. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<bool>,
    /// Likewise, and takes it from the class that has it now. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) only_default: Option<bool>,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Claim {
    /// Its name.
    pub(crate) name: String,
    /// Its size: `10Gi`.
    pub(crate) size: String,
    /// Its StorageClass. Default: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    /// Who mounts it. Default ReadWriteOnce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access_mode: Option<AccessMode>,
}

/// A Pod of one container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Pod {
    /// Its name.
    pub(crate) name: String,
    /// Its image.
    pub(crate) image: String,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Ports of its container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ports: Vec<u32>,
    /// Claims that it mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mounts: Vec<Mount>,
    /// The zone in which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) zone: Option<String>,
    /// Labels of nodes on which it runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) node_selector: BTreeMap<String, String>,
}

/// A claim and where it is mounted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mount {
    /// The claim's name.
    pub(crate) claim: String,
    /// The path in the container.
    pub(crate) path: String,
}

/// A Service of type LoadBalancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Service {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is reachable from the internet. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) internet_facing: Option<bool>,
    /// Kind of its load balancer. Default: as its controller makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<LoadBalancerKind>,
    /// Who makes the load balancer. Default: the cloud provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) controller: Option<MadeBy>,
    /// Its ports.
    pub(crate) ports: Vec<ServicePort>,
    /// Labels of its Pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) selector: BTreeMap<String, String>,
    /// Blocks from which it is reachable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) source_ranges: Vec<String>,
    /// What the load balancer sends to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) targets: Option<TargetType>,
    /// Encryption at the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
    /// How the load balancer talks to Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backend_protocol: Option<BackendProtocol>,
    /// How the load balancer sees whether Pods are well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health_check: Option<HealthCheck>,
    /// Subnets of the load balancer, by id or name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) subnets: Vec<String>,
    /// Security groups of the load balancer, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) security_groups: Vec<String>,
    /// More security groups beside the controller's own, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) extra_security_groups: Vec<String>,
    /// Whether each address serves targets of all zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cross_zone: Option<bool>,
    /// Tells targets the client's address by the proxy protocol. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proxy_protocol: Option<bool>,
    /// Elastic IP addresses, by allocation id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) elastic_ips: Vec<String>,
    /// Seconds for which targets are drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) draining_seconds: Option<u32>,
    /// Seconds after which idle connections end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) idle_timeout_seconds: Option<u32>,
    /// Tags of the load balancer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
    /// Name of the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) load_balancer_name: Option<String>,
    /// More annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServicePort {
    /// The load balancer's port.
    pub(crate) port: u32,
    /// The Pods' port, by number or name. Default: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<Target>,
    /// Default TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<PortProtocol>,
}

/// A port by number or name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a port's number or name is wanted here")]
pub(crate) enum Target {
    /// By number.
    Number(u32),
    /// By name.
    Name(String),
}

impl From<Target> for TargetPort {
    fn from(target: Target) -> Self {
        match target {
            Target::Number(number) => Self::Number(number),
            Target::Name(name) => Self::Name(name),
        }
    }
}

impl Objects {
    /// Says all of it to the builder.
    pub(crate) fn apply(&self, mut builder: ObjectsSpecBuilder) -> ObjectsSpecBuilder {
        let of = self.clone();
        builder = of.namespace.into_iter().fold(builder, ObjectsSpecBuilder::namespace);
        builder = of.existing_classes.into_iter().fold(builder, ObjectsSpecBuilder::existing_class);
        builder = of.storage_classes.into_iter().map(StorageClass::class).fold(builder, ObjectsSpecBuilder::storage_class);
        builder = of.claims.into_iter().map(Claim::claim).fold(builder, ObjectsSpecBuilder::claim);
        builder = of.pods.into_iter().map(Pod::pod).fold(builder, ObjectsSpecBuilder::pod);
        builder = of.services.into_iter().map(Service::service).fold(builder, ObjectsSpecBuilder::service);
        builder = of.ingresses.into_iter().map(Ingress::ingress).fold(builder, ObjectsSpecBuilder::ingress);
        builder = of.driver_role.into_iter().fold(builder, |builder, role| builder.driver_role(role.0));
        of.public_zones.into_iter().fold(builder, ObjectsSpecBuilder::public_zones)
    }
}

impl StorageClass {
    fn class(self) -> eks_k8s::StorageClass {
        let mut class = eks_k8s::StorageClass::new(self.name, self.volume_type.map_or(eks_k8s::VolumeType::Gp3, Into::into));
        if self.auto_mode == Some(true) {
            class = class.auto_mode();
        }
        class = self.zones.into_iter().fold(class, eks_k8s::StorageClass::zone);
        class = self.iops.into_iter().fold(class, eks_k8s::StorageClass::iops);
        class = self.iops_per_gib.into_iter().fold(class, eks_k8s::StorageClass::iops_per_gib);
        class = self.raises_iops.into_iter().fold(class, eks_k8s::StorageClass::raises_iops);
        class = self.throughput_mib.into_iter().fold(class, eks_k8s::StorageClass::throughput);
        class = self.fs_type.into_iter().fold(class, eks_k8s::StorageClass::fs_type);
        class = self.encrypted.into_iter().fold(class, eks_k8s::StorageClass::encrypted);
        class = self.kms_key.into_iter().fold(class, eks_k8s::StorageClass::kms_key);
        class = self.binding.into_iter().fold(class, |class, binding| class.binding(binding.into()));
        class = self.reclaim.into_iter().fold(class, |class, reclaim| class.reclaim(reclaim.into()));
        class = self.expandable.into_iter().fold(class, eks_k8s::StorageClass::expandable);
        match (self.default, self.only_default) {
            (_, Some(true)) => class.only_default_class(),
            (Some(true), _) => class.default_class(),
            _ => class,
        }
    }
}

impl Claim {
    fn claim(self) -> eks_k8s::Claim {
        let claim = self.class.into_iter().fold(eks_k8s::Claim::new(self.name, self.size), eks_k8s::Claim::class);
        self.access_mode.into_iter().fold(claim, |claim, mode| claim.access_mode(mode.into()))
    }
}

impl Pod {
    fn pod(self) -> eks_k8s::Pod {
        let mut pod = eks_k8s::Pod::new(self.name, self.image);
        pod = self.labels.into_iter().fold(pod, |pod, (key, value)| pod.label(key, value));
        pod = self.ports.into_iter().fold(pod, eks_k8s::Pod::port);
        pod = self.mounts.into_iter().fold(pod, |pod, Mount { claim, path }| pod.mount(claim, path));
        pod = self.zone.into_iter().fold(pod, eks_k8s::Pod::zone);
        self.node_selector.into_iter().fold(pod, |pod, (key, value)| pod.node_selector(key, value))
    }
}

impl Service {
    fn service(self) -> eks_k8s::Service {
        let of = self.clone();
        let mut service = self.balancer();
        for ServicePort { port, target, protocol } in of.ports {
            service = service.port_of(protocol.unwrap_or(PortProtocol::Tcp).into(), port, target.unwrap_or(Target::Number(port)));
        }
        service = of.selector.into_iter().fold(service, |service, (key, value)| service.selector(key, value));
        service = of.source_ranges.into_iter().fold(service, eks_k8s::Service::source_range);
        service = of.targets.into_iter().fold(service, |service, targets| service.targets(targets.into()));
        service = of.tls.into_iter().fold(service, |service, tls| service.tls(tls.settings()));
        service = of.backend_protocol.into_iter().fold(service, |service, protocol| service.backend_protocol(protocol.into()));
        service = of.health_check.into_iter().fold(service, |service, check| service.health_check(check.check()));
        service = of.subnets.into_iter().fold(service, eks_k8s::Service::subnet);
        service = of.security_groups.into_iter().fold(service, eks_k8s::Service::security_group);
        service = of.extra_security_groups.into_iter().fold(service, eks_k8s::Service::extra_security_group);
        service = of.cross_zone.into_iter().fold(service, eks_k8s::Service::cross_zone);
        service = of.elastic_ips.into_iter().fold(service, eks_k8s::Service::elastic_ip);
        service = of.draining_seconds.into_iter().fold(service, eks_k8s::Service::draining);
        service = of.idle_timeout_seconds.into_iter().fold(service, eks_k8s::Service::idle_timeout);
        service = of.tags.into_iter().fold(service, |service, (key, value)| service.tag(key, value));
        service = of.load_balancer_name.into_iter().fold(service, eks_k8s::Service::load_balancer_name);
        of.annotations.into_iter().fold(service, |service, (key, value)| service.annotation(key, value))
    }

    fn balancer(self) -> eks_k8s::Service {
        let mut service = eks_k8s::Service::load_balancer(self.name);
        service = if self.internet_facing == Some(true) { service.internet_facing() } else { service.internal() };
        service = match self.kind {
            Some(LoadBalancerKind::Network) => service.network(),
            Some(LoadBalancerKind::Classic) => service.classic(),
            None => service,
        };
        service = self.controller.into_iter().fold(service, |service, controller| service.controller(controller.into()));
        if self.proxy_protocol == Some(true) { service.proxy_protocol() } else { service }
    }
}
