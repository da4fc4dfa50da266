//! The kinds that the API server knows.

/// A resource of the API: its names, and what the API server does for it beyond storage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespaced: bool,
    /// Has a status subresource, so that the main resource's writes leave the status alone.
    pub(super) status: bool,
    /// Counts changes of its spec in `metadata.generation`.
    pub(super) generation: bool,
}

impl Kind {
    /// `apps/v1`, `v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods`, `deployments.apps`: how messages name the resource.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether it has the subresource `scale`.
    pub(super) fn is_scalable(&self) -> bool {
        [&DEPLOYMENT, &REPLICA_SET, &STATEFUL_SET].contains(&self)
    }
}

const fn kind(group: &'static str, plural: &'static str, kind: &'static str, namespaced: bool, status: bool, generation: bool) -> Kind {
    Kind { group, version: "v1", plural, kind, namespaced, status, generation }
}

pub(super) static NAMESPACE: Kind = kind("", "namespaces", "Namespace", false, true, false);
pub(super) static NODE: Kind = kind("", "nodes", "Node", false, true, false);
pub(super) static POD: Kind = kind("", "pods", "Pod", true, true, true);
pub(super) static CONFIG_MAP: Kind = kind("", "configmaps", "ConfigMap", true, false, false);
pub(super) static SECRET: Kind = kind("", "secrets", "Secret", true, false, false);
pub(super) static SERVICE: Kind = kind("", "services", "Service", true, true, false);
pub(super) static SERVICE_ACCOUNT: Kind = kind("", "serviceaccounts", "ServiceAccount", true, false, false);
pub(super) static EVENT: Kind = kind("", "events", "Event", true, false, false);
pub(super) static CLAIM: Kind = kind("", "persistentvolumeclaims", "PersistentVolumeClaim", true, true, false);
pub(super) static VOLUME: Kind = kind("", "persistentvolumes", "PersistentVolume", false, true, false);
pub(super) static STORAGE_CLASS: Kind = kind("storage.k8s.io", "storageclasses", "StorageClass", false, false, false);
pub(super) static CSI_NODE: Kind = kind("storage.k8s.io", "csinodes", "CSINode", false, false, false);
pub(super) static CSI_DRIVER: Kind = kind("storage.k8s.io", "csidrivers", "CSIDriver", false, false, false);
pub(super) static VOLUME_ATTACHMENT: Kind = kind("storage.k8s.io", "volumeattachments", "VolumeAttachment", false, true, false);
pub(super) static DEPLOYMENT: Kind = kind("apps", "deployments", "Deployment", true, true, true);
pub(super) static REPLICA_SET: Kind = kind("apps", "replicasets", "ReplicaSet", true, true, true);
pub(super) static DAEMON_SET: Kind = kind("apps", "daemonsets", "DaemonSet", true, true, true);
pub(super) static STATEFUL_SET: Kind = kind("apps", "statefulsets", "StatefulSet", true, true, true);
pub(super) static DISRUPTION_BUDGET: Kind = kind("policy", "poddisruptionbudgets", "PodDisruptionBudget", true, true, true);
pub(super) static INGRESS: Kind = kind("networking.k8s.io", "ingresses", "Ingress", true, true, true);
pub(super) static INGRESS_CLASS: Kind = kind("networking.k8s.io", "ingressclasses", "IngressClass", false, false, true);
pub(super) static LEASE: Kind = kind("coordination.k8s.io", "leases", "Lease", true, false, false);
pub(super) static ENDPOINT_SLICE: Kind = kind("discovery.k8s.io", "endpointslices", "EndpointSlice", true, false, true);

/// Every kind.
pub(super) static ALL: [&Kind; 23] = [
    &NAMESPACE,
    &NODE,
    &POD,
    &CONFIG_MAP,
    &SECRET,
    &SERVICE,
    &SERVICE_ACCOUNT,
    &EVENT,
    &CLAIM,
    &VOLUME,
    &STORAGE_CLASS,
    &CSI_NODE,
    &CSI_DRIVER,
    &VOLUME_ATTACHMENT,
    &DEPLOYMENT,
    &REPLICA_SET,
    &DAEMON_SET,
    &STATEFUL_SET,
    &DISRUPTION_BUDGET,
    &INGRESS,
    &INGRESS_CLASS,
    &LEASE,
    &ENDPOINT_SLICE,
];

/// The kind that a path names.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    ALL.into_iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

/// The controllers' kinds, as owner references name them.
pub(super) fn by_kind(api_version: &str, name: &str) -> Option<&'static Kind> {
    ALL.into_iter().find(|kind| kind.kind == name && kind.api_version() == api_version)
}
