//! The fields that matter, as the API writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

use crate::drain::{
    cluster::Taint,
    place::{NodeTerm, Toleration},
    selector::Selector,
};

/// A page of a list.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(crate) struct Page<T> {
    #[serde(default)]
    pub(crate) metadata: PageMeta,
    #[serde(default = "Vec::new", deserialize_with = "null_is_empty")]
    pub(crate) items: Vec<T>,
}

/// API servers write an empty list of metadata as null.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct PageMeta {
    #[serde(rename = "continue")]
    pub(crate) next: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: Annotations,
    pub(super) owner_references: Vec<OwnerWire>,
    pub(super) deletion_timestamp: Option<String>,
    pub(super) deletion_grace_period_seconds: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations {
    #[serde(rename = "kubernetes.io/config.mirror")]
    pub(super) mirror: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct OwnerWire {
    #[serde(default)]
    pub(super) controller: bool,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
}

#[derive(Deserialize)]
pub(super) struct NodeWire {
    pub(super) metadata: Meta,
    #[serde(default)]
    pub(super) spec: NodeSpecWire,
    #[serde(default)]
    pub(super) status: NodeStatusWire,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeSpecWire {
    pub(super) unschedulable: bool,
    pub(super) taints: Vec<Taint>,
    #[serde(rename = "providerID")]
    pub(super) provider_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeStatusWire {
    pub(super) allocatable: BTreeMap<String, String>,
    pub(super) conditions: Vec<ConditionWire>,
    #[serde(rename = "nodeInfo")]
    pub(super) node_info: NodeInfoWire,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeInfoWire {
    #[serde(rename = "kubeletVersion")]
    pub(super) kubelet_version: String,
}

#[derive(Deserialize)]
pub(super) struct PodWire {
    pub(super) metadata: Meta,
    #[serde(default)]
    pub(super) spec: PodSpecWire,
    #[serde(default)]
    pub(super) status: PodStatusWire,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpecWire {
    pub(super) node_name: Option<String>,
    pub(super) node_selector: BTreeMap<String, String>,
    pub(super) affinity: AffinityWire,
    pub(super) tolerations: Vec<Toleration>,
    pub(super) topology_spread_constraints: Vec<SpreadWire>,
    pub(super) containers: Vec<ContainerWire>,
    pub(super) init_containers: Vec<ContainerWire>,
    pub(super) overhead: BTreeMap<String, String>,
    pub(super) resources: ResourcesWire,
    pub(super) volumes: Vec<PodVolumeWire>,
    pub(super) termination_grace_period_seconds: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct AffinityWire {
    pub(super) node_affinity: NodeAffinityWire,
    pub(super) pod_affinity: PodAffinityWire,
    pub(super) pod_anti_affinity: PodAffinityWire,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PodAffinityWire {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub(super) required: Vec<PodTermWire>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodTermWire {
    pub(super) topology_key: String,
    pub(super) label_selector: Option<Selector>,
    pub(super) namespaces: Vec<String>,
    pub(super) namespace_selector: Option<Selector>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SpreadWire {
    pub(super) max_skew: i64,
    pub(super) topology_key: String,
    pub(super) when_unsatisfiable: String,
    pub(super) label_selector: Option<Selector>,
    pub(super) match_label_keys: Vec<String>,
    pub(super) min_domains: Option<usize>,
    pub(super) node_affinity_policy: String,
    pub(super) node_taints_policy: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PortWire {
    pub(super) host_port: u16,
    #[serde(rename = "hostIP")]
    pub(super) host_ip: String,
    pub(super) protocol: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeAffinityWire {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub(super) required: Option<NodeSelectorWire>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeSelectorWire {
    pub(super) node_selector_terms: Vec<NodeTerm>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerWire {
    pub(super) resources: ResourcesWire,
    pub(super) restart_policy: Option<String>,
    pub(super) ports: Vec<PortWire>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ResourcesWire {
    pub(super) requests: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodVolumeWire {
    pub(super) name: String,
    pub(super) empty_dir: Option<IgnoredAny>,
    pub(super) persistent_volume_claim: Option<ClaimWire>,
    pub(super) ephemeral: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClaimWire {
    pub(super) claim_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PodStatusWire {
    pub(super) phase: String,
    pub(super) conditions: Vec<ConditionWire>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ConditionWire {
    pub(super) r#type: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

#[derive(Deserialize)]
pub(super) struct BudgetWire {
    pub(super) metadata: Meta,
    #[serde(default)]
    pub(super) spec: BudgetSpecWire,
    #[serde(default)]
    pub(super) status: BudgetStatusWire,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BudgetSpecWire {
    pub(super) selector: Option<Selector>,
    pub(super) min_available: Option<Value>,
    pub(super) max_unavailable: Option<Value>,
    pub(super) unhealthy_pod_eviction_policy: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BudgetStatusWire {
    pub(super) current_healthy: i64,
    pub(super) desired_healthy: i64,
    pub(super) expected_pods: i64,
    pub(super) disruptions_allowed: i64,
    pub(super) observed_generation: i64,
    pub(super) conditions: Vec<ConditionWire>,
}

#[derive(Deserialize)]
pub(super) struct VolumeWire {
    pub(super) metadata: Meta,
    #[serde(default)]
    pub(super) spec: VolumeSpecWire,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VolumeSpecWire {
    pub(super) claim_ref: Option<ClaimRefWire>,
    pub(super) node_affinity: VolumeAffinityWire,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ClaimRefWire {
    pub(super) namespace: String,
    pub(super) name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct VolumeAffinityWire {
    pub(super) required: NodeSelectorWire,
}

#[derive(Deserialize)]
pub(super) struct MetaWire {
    pub(super) metadata: Meta,
}
