//! Bottlerocket: TOML settings.
//!
//! Schema: Bottlerocket's "API settings reference", pages kubernetes, network, container-registry and host-containers.

use std::collections::BTreeMap;

use eks_core::Problems;
use serde::Serialize;

use super::{Mirror, NodeSettings, Proxy, Target, check_release, pull::check_mirrors};
use crate::instance::Variant;

/// Bottlerocket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bottlerocket {
    version: Option<String>,
    fips: bool,
    admin_container: bool,
    proxy: Option<Proxy>,
    mirrors: Vec<Mirror>,
}

impl Bottlerocket {
    /// The latest version.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pins a version, such as `1.65.0`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// With cryptography that is validated by FIPS 140-3.
    #[must_use]
    pub fn fips(mut self, on: bool) -> Self {
        self.fips = on;
        self
    }

    /// Runs the administrator's container, without which no key pair opens the node. Default off.
    #[must_use]
    pub fn admin_container(mut self, on: bool) -> Self {
        self.admin_container = on;
        self
    }

    /// Lets the node's daemons go through a proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// A mirror that containerd asks before the registry.
    #[must_use]
    pub fn mirror(mut self, mirror: Mirror) -> Self {
        self.mirrors.push(mirror);
        self
    }

    pub(crate) fn has_admin_container(&self) -> bool {
        self.admin_container
    }

    /// EKS User Guide, "Retrieve recommended Bottlerocket AMI IDs"; Neuron's drivers are in the standard variant ("Use EKS-optimized
    /// accelerated AMIs for GPU instances").
    pub(super) fn parameter(&self, target: Target<'_>) -> String {
        let nvidia = if target.variant == Variant::Nvidia { "-nvidia" } else { "" };
        let fips = if self.fips { "-fips" } else { "" };
        let Target { version: kubernetes, architecture, .. } = target;
        let version = self.version.as_deref().unwrap_or("latest");
        format!("/aws/service/bottlerocket/aws-k8s-{kubernetes}{nvidia}{fips}/{architecture}/{version}/image_id")
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.version.is_some()
    }

    pub(crate) fn is_fips(&self) -> bool {
        self.fips
    }

    /// What is merged into EKS's user data.
    pub(super) fn managed_user_data(&self, settings: NodeSettings<'_>) -> Option<String> {
        let settings = Settings { kubernetes: self.kubernetes(settings), ..self.settings(settings) };
        let text = toml::to_string(&Document { settings }).unwrap_or_default();
        // The tables themselves say nothing.
        text.lines().any(|line| line.contains('=')).then_some(text)
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let form = |text: &str| {
            let (version, build) = text.split_once('-').unwrap_or((text, "0"));
            version.split('.').count() == 3 && version.split('.').all(number) && build.bytes().all(|b| b.is_ascii_hexdigit())
        };
        check_release(self.version.as_ref(), form, "1.65.0", problems);
        if let Some(proxy) = &self.proxy {
            proxy.check(problems);
        }
        check_mirrors(&self.mirrors, problems);
    }

    pub(super) fn user_data(&self, settings: NodeSettings<'_>) -> String {
        let document = Document { settings: self.settings(settings) };
        // Texts, numbers and maps with text keys: this cannot fail.
        toml::to_string(&document).unwrap_or_default()
    }

    /// What the node is told of the kubelet; its cluster is another matter.
    fn kubernetes(&self, node: NodeSettings<'_>) -> Kubernetes {
        let kubelet = node.kubelet;
        let mut taints: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for taint in node.taints {
            taints.entry(taint.key.clone()).or_default().push(format!("{}:{}", taint.value, taint.effect));
        }
        let reserved = |map: &BTreeMap<crate::ReservedResource, String>| {
            map.iter().map(|(resource, quantity)| (resource.as_str(), quantity.clone())).collect()
        };
        Kubernetes {
            cluster_name: None,
            api_server: None,
            cluster_certificate: None,
            cluster_dns_ip: kubelet.cluster_dns.map(|address| address.to_string()),
            max_pods: node.max_pods,
            image_gc_low_threshold_percent: kubelet.image_gc.map(|(low, _)| low),
            image_gc_high_threshold_percent: kubelet.image_gc.map(|(_, high)| high),
            container_log_max_size: kubelet.container_logs.as_ref().map(|(size, _)| size.clone()),
            container_log_max_files: kubelet.container_logs.as_ref().map(|(_, files)| *files),
            pod_pids_limit: kubelet.pod_pids_limit,
            registry_qps: kubelet.registry_pulls.map(|(per_second, _)| per_second),
            registry_burst: kubelet.registry_pulls.map(|(_, burst)| burst),
            node_labels: node.labels.clone(),
            node_taints: taints,
            kube_reserved: reserved(&kubelet.kube_reserved),
            system_reserved: reserved(&kubelet.system_reserved),
            eviction_hard: kubelet.eviction_hard.iter().map(|(signal, threshold)| (signal.as_str(), threshold.clone())).collect(),
            eviction_soft: kubelet.eviction_soft.iter().map(|(signal, soft)| (signal.as_str(), soft.0.clone())).collect(),
            eviction_soft_grace_period: kubelet
                .eviction_soft
                .iter()
                .map(|(signal, soft)| (signal.as_str(), format!("{}s", soft.1)))
                .collect(),
        }
    }

    fn settings(&self, node: NodeSettings<'_>) -> Settings {
        let kubernetes = Kubernetes {
            cluster_name: Some("${ClusterName}"),
            api_server: Some("${ApiServerEndpoint}"),
            cluster_certificate: Some("${CertificateAuthorityData}"),
            ..self.kubernetes(node)
        };
        Settings {
            kubernetes,
            network: self.proxy.as_ref().map(|proxy| Network { https_proxy: proxy.url.clone(), no_proxy: proxy.no_proxy.clone() }),
            container_registry: (!self.mirrors.is_empty()).then(|| ContainerRegistry {
                mirrors: self
                    .mirrors
                    .iter()
                    .map(|mirror| RegistryMirror { registry: mirror.registry.clone(), endpoint: mirror.endpoints.clone() })
                    .collect(),
            }),
            host_containers: self.admin_container.then_some(HostContainers { admin: HostContainer { enabled: true } }),
        }
    }
}

#[derive(Debug, Serialize)]
struct Document {
    settings: Settings,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    kubernetes: Kubernetes,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_registry: Option<ContainerRegistry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_containers: Option<HostContainers>,
}

type Table = BTreeMap<&'static str, String>;

/// Cluster DNS and the number of Pods are found by the node itself where they are not said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Kubernetes {
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_server: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_certificate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_dns_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pods: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_gc_low_threshold_percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_gc_high_threshold_percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_log_max_size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_log_max_files: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_pids_limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_qps: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_burst: Option<u16>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    node_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    node_taints: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    kube_reserved: Table,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    system_reserved: Table,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    eviction_hard: Table,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    eviction_soft: Table,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    eviction_soft_grace_period: Table,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Network {
    https_proxy: String,
    no_proxy: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ContainerRegistry {
    mirrors: Vec<RegistryMirror>,
}

#[derive(Debug, Serialize)]
struct RegistryMirror {
    registry: String,
    endpoint: Vec<String>,
}

#[derive(Debug, Serialize)]
struct HostContainers {
    admin: HostContainer,
}

#[derive(Debug, Serialize)]
struct HostContainer {
    enabled: bool,
}
