//! User data of AL2023 nodes: nodeadm's NodeConfig in a MIME multipart document.
//!
//! Schema: amazon-eks-ami, `nodeadm/doc/api.md`. The document is JSON, which is YAML too; CloudFormation's `Fn::Sub`
//! puts the cluster's values in.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::{LocalStorage, Mirror, NodeSettings, Proxy};
use crate::kubelet::Kubelet as KubeletSettings;

/// What nodeadm is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub(super) settings: NodeSettings<'a>,
    pub(super) local_storage: Option<LocalStorage>,
    pub(super) fast_image_pull: bool,
    pub(super) proxy: Option<&'a Proxy>,
    pub(super) mirrors: &'a [Mirror],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeConfig {
    api_version: &'static str,
    kind: &'static str,
    spec: Spec,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    /// Nodes that EKS manages are told by EKS.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Cluster>,
    #[serde(skip_serializing_if = "Kubelet::is_default")]
    kubelet: Kubelet,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<Instance>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    feature_gates: BTreeMap<&'static str, bool>,
}

/// What the node must know of its cluster; nodeadm asks EKS for nothing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    name: &'static str,
    api_server_endpoint: &'static str,
    certificate_authority: &'static str,
    cidr: &'static str,
}

#[derive(Debug, Serialize)]
struct Kubelet {
    #[serde(skip_serializing_if = "KubeletConfiguration::is_default")]
    config: KubeletConfiguration,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
}

impl Kubelet {
    fn is_default(&self) -> bool {
        self.config.is_default() && self.flags.is_empty()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    #[serde(skip_serializing_if = "Option::is_none")]
    local_storage: Option<Strategy>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    environment: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
}

#[derive(Debug, Serialize)]
struct Strategy {
    strategy: &'static str,
}

type Table = BTreeMap<&'static str, String>;

/// A fragment of Kubernetes' KubeletConfiguration, merged over nodeadm's defaults.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct KubeletConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pods: Option<u16>,
    #[serde(rename = "clusterDNS", skip_serializing_if = "Vec::is_empty")]
    cluster_dns: Vec<String>,
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
    #[serde(rename = "imageGCLowThresholdPercent", skip_serializing_if = "Option::is_none")]
    image_gc_low: Option<u8>,
    #[serde(rename = "imageGCHighThresholdPercent", skip_serializing_if = "Option::is_none")]
    image_gc_high: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_log_max_size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_log_max_files: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_pids_limit: Option<u32>,
    #[serde(rename = "registryPullQPS", skip_serializing_if = "Option::is_none")]
    registry_pull_qps: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_burst: Option<u16>,
}

impl KubeletConfiguration {
    fn new(max_pods: Option<u16>, kubelet: &KubeletSettings) -> Self {
        let reserved =
            |map: &BTreeMap<crate::ReservedResource, String>| map.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        Self {
            max_pods,
            cluster_dns: kubelet.cluster_dns.iter().map(ToString::to_string).collect(),
            kube_reserved: reserved(&kubelet.kube_reserved),
            system_reserved: reserved(&kubelet.system_reserved),
            eviction_hard: kubelet.eviction_hard.iter().map(|(signal, threshold)| (signal.as_str(), threshold.clone())).collect(),
            eviction_soft: kubelet.eviction_soft.iter().map(|(signal, soft)| (signal.as_str(), soft.0.clone())).collect(),
            eviction_soft_grace_period: kubelet
                .eviction_soft
                .iter()
                .map(|(signal, soft)| (signal.as_str(), format!("{}s", soft.1)))
                .collect(),
            image_gc_low: kubelet.image_gc.map(|(low, _)| low),
            image_gc_high: kubelet.image_gc.map(|(_, high)| high),
            container_log_max_size: kubelet.container_logs.as_ref().map(|(size, _)| size.clone()),
            container_log_max_files: kubelet.container_logs.as_ref().map(|(_, files)| *files),
            pod_pids_limit: kubelet.pod_pids_limit,
            registry_pull_qps: kubelet.registry_pulls.map(|(per_second, _)| per_second),
            registry_burst: kubelet.registry_pulls.map(|(_, burst)| burst),
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Instance {
    fn new(node: &Node<'_>) -> Option<Self> {
        let local_storage = node.local_storage.map(|storage| Strategy {
            strategy: match storage {
                LocalStorage::Mount => "Mount",
                LocalStorage::Raid0 => "RAID0",
                LocalStorage::Raid10 => "RAID10",
            },
        });
        // `default` is the environment of every unit of systemd, and of nodeadm itself.
        let environment = node.proxy.map(|proxy| {
            let variables = [("HTTPS_PROXY", proxy.url.clone()), ("HTTP_PROXY", proxy.url.clone()), ("NO_PROXY", proxy.no_proxy.join(","))];
            ("default", variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
        });
        (local_storage.is_some() || environment.is_some()).then(|| Self { local_storage, environment: environment.into_iter().collect() })
    }
}

/// The user data, with `Fn::Sub` placeholders named as the template's parameters.
pub(super) fn user_data(node: &Node<'_>) -> String {
    let cluster = Cluster {
        name: "${ClusterName}",
        api_server_endpoint: "${ApiServerEndpoint}",
        certificate_authority: "${CertificateAuthorityData}",
        cidr: "${ServiceCidr}",
    };
    document(node, &config(node, Some(cluster), node.settings.registration_flags()))
}

/// What is merged into the user data of EKS, which tells cluster, labels and taints; nothing if there is nothing to say.
///
/// EKS User Guide, "Customize managed nodes with launch templates": a MIME multi-part archive.
pub(super) fn extra_user_data(node: &Node<'_>) -> Option<String> {
    let config = config(node, None, Vec::new());
    let says_nothing = config.spec.kubelet.is_default() && config.spec.instance.is_none() && config.spec.feature_gates.is_empty();
    (!says_nothing || !node.mirrors.is_empty()).then(|| document(node, &config))
}

fn config(node: &Node<'_>, cluster: Option<Cluster>, flags: Vec<String>) -> NodeConfig {
    let settings = node.settings;
    NodeConfig {
        api_version: "node.eks.aws/v1alpha1",
        kind: "NodeConfig",
        spec: Spec {
            cluster,
            kubelet: Kubelet { config: KubeletConfiguration::new(settings.max_pods, settings.kubelet), flags },
            instance: Instance::new(node),
            feature_gates: node.fast_image_pull.then_some(("FastImagePull", true)).into_iter().collect(),
        },
    }
}

fn document(node: &Node<'_>, config: &NodeConfig) -> String {
    // Strings and numbers in structs: this cannot fail.
    let config = serde_json::to_string_pretty(config).unwrap_or_default();
    let mirrors = if node.mirrors.is_empty() { String::new() } else { mirrors(node.mirrors) };
    format!(
        "MIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=\"//\"\n\
         \n\
         {mirrors}\
         --//\n\
         Content-Type: application/node.eks.aws\n\
         \n\
         {config}\n\
         --//--\n"
    )
}

/// A part that writes containerd's `hosts.toml`, which it reads at each pull. containerd, "Registry Configuration".
fn mirrors(mirrors: &[Mirror]) -> String {
    let mut part = "--//\nContent-Type: text/x-shellscript; charset=\"us-ascii\"\n\n#!/bin/bash\nset -o errexit\n".to_owned();
    for Mirror { registry, endpoints } in mirrors {
        let directory = format!("/etc/containerd/certs.d/{registry}");
        // Writing into a String cannot fail.
        let _ = write!(part, "mkdir -p {directory}\ncat >{directory}/hosts.toml <<'EOF'\n");
        for endpoint in endpoints {
            let _ = writeln!(part, "[host.\"{endpoint}\"]\n  capabilities = [\"pull\", \"resolve\"]");
        }
        part.push_str("EOF\n");
    }
    // The line break before a delimiter belongs to it (RFC 2046), and the script's last line needs one of its own.
    part.push('\n');
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_say_nothing() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let kubelet = KubeletSettings::new();
        let settings = NodeSettings { labels: &labels, taints: &[], kubelet: &kubelet, max_pods: None };
        let text = user_data(&Node { settings, local_storage: None, fast_image_pull: false, proxy: None, mirrors: &[] });
        for word in ["config\": {", "taints", "instance", "featureGates", "shellscript"] {
            assert!(!text.contains(word), "{text}");
        }
    }
}
