//! Settings of the kubelet, in a document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::words::{EvictionSignal, ReservedResource, Text};

/// Settings of the kubelet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Kubelet {
    /// Reserved for Kubernetes' own processes, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) kube_reserved: BTreeMap<ReservedResource, String>,
    /// Reserved for the system's processes, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) system_reserved: BTreeMap<ReservedResource, String>,
    /// Thresholds at which Pods are evicted at once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) eviction_hard: BTreeMap<EvictionSignal, String>,
    /// Thresholds at which Pods are evicted after a while.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) eviction_soft: BTreeMap<EvictionSignal, SoftEviction>,
    /// Percentages of disk use between which images are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image_gc: Option<ImageGc>,
    /// Rotation of containers' logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container_logs: Option<ContainerLogs>,
    /// Most processes of a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod_pids_limit: Option<u32>,
    /// How fast images are pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) registry_pulls: Option<RegistryPulls>,
    /// The address of the cluster's DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster_dns: Option<Text<std::net::IpAddr>>,
}

/// A threshold, and how long it must last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SoftEviction {
    /// A quantity or a percentage.
    pub(crate) threshold: String,
    /// Seconds.
    pub(crate) grace_seconds: u32,
}

/// Percentages of disk use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImageGc {
    /// Down to which images are removed.
    pub(crate) low_percent: u8,
    /// From which on they are.
    pub(crate) high_percent: u8,
}

/// Rotation of logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ContainerLogs {
    /// Largest size of a file: `10Mi`.
    pub(crate) max_size: String,
    /// Most files.
    pub(crate) max_files: u16,
}

/// Pulls of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RegistryPulls {
    /// In a second.
    pub(crate) per_second: u16,
    /// At once.
    pub(crate) burst: u16,
}

impl Kubelet {
    pub(crate) fn settings(self) -> eks_nodes::Kubelet {
        let mut kubelet = eks_nodes::Kubelet::new();
        kubelet = self.kube_reserved.into_iter().fold(kubelet, |kubelet, (what, much)| kubelet.kube_reserved(what.into(), much));
        kubelet = self.system_reserved.into_iter().fold(kubelet, |kubelet, (what, much)| kubelet.system_reserved(what.into(), much));
        kubelet = self.eviction_hard.into_iter().fold(kubelet, |kubelet, (signal, at)| kubelet.eviction_hard(signal.into(), at));
        for (signal, SoftEviction { threshold, grace_seconds }) in self.eviction_soft {
            kubelet = kubelet.eviction_soft(signal.into(), threshold, grace_seconds);
        }
        if let Some(ImageGc { low_percent, high_percent }) = self.image_gc {
            kubelet = kubelet.image_gc(low_percent, high_percent);
        }
        if let Some(ContainerLogs { max_size, max_files }) = self.container_logs {
            kubelet = kubelet.container_logs(max_size, max_files);
        }
        if let Some(processes) = self.pod_pids_limit {
            kubelet = kubelet.pod_pids_limit(processes);
        }
        if let Some(RegistryPulls { per_second, burst }) = self.registry_pulls {
            kubelet = kubelet.registry_pulls(per_second, burst);
        }
        self.cluster_dns.into_iter().fold(kubelet, |kubelet, address| kubelet.cluster_dns(address.0))
    }
}
