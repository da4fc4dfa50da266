//! From the API's lists, page by page, to a [`Cluster`]: only the fields that matter are ever held.

mod wire;

use std::{
    collections::{BTreeMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use serde::Deserialize;
use serde_json::Value;

pub(crate) use self::wire::Page;
use self::wire::{BudgetWire, MetaWire, NodeSpecWire, NodeWire, OwnerWire, PodSpecWire, PodTermWire, PodWire, SpreadWire, VolumeWire};
use super::{
    budget::{Budget, Threshold},
    cluster::{Cluster, Controller, Labels, Node, Phase, Pod, Resources, Volume},
    interpod::{HostPort, PodTerm, Spread},
    place::Placement,
    selector::Requirement,
};
use crate::Quantity;

/// An object of the API that is not of its kind's form.
#[derive(Debug, thiserror::Error)]
#[error("a list of {kind} cannot be read")]
#[expect(clippy::exhaustive_structs, reason = "what, and why")]
pub struct ReadError {
    /// `Pod`
    pub kind: &'static str,
    /// What is wrong.
    #[source]
    pub source: serde_json::Error,
}

/// Reads lists into a [`Cluster`].
#[derive(Debug, Default)]
pub struct Reader {
    cluster: Cluster,
    texts: HashSet<Arc<str>>,
    labels: HashSet<Labels>,
    placements: HashSet<Arc<Placement>>,
    controllers: HashSet<Arc<Controller>>,
}

impl Reader {
    /// Nothing read yet; `now` in seconds since 1970.
    pub fn new(now: i64) -> Self {
        let mut reader = Self::default();
        reader.cluster.read_at = now;
        reader
    }

    /// Takes in a page of nodes; the token of the next one.
    ///
    /// # Errors
    /// [`ReadError`] if it is no list of nodes.
    pub fn nodes(&mut self, page: &str) -> Result<Option<String>, ReadError> {
        self.page("Node", page, |reader, node: NodeWire| {
            let mut allocatable = node.status.allocatable;
            // A node that does not say takes any number.
            let pods = allocatable.remove("pods").and_then(|pods| pods.parse().ok()).unwrap_or(u32::MAX);
            let allocatable = reader.amounts(&allocatable);
            let NodeSpecWire { unschedulable, taints, provider_id } = node.spec;
            // `aws:///us-east-1a/i-0a1b…` (cloud-provider-aws, `InstanceID`)
            let instance = provider_id.rsplit('/').next().filter(|id| id.starts_with("i-")).map(str::to_owned);
            let ready = node.status.conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True");
            let (kubelet, labels) = (node.status.node_info.kubelet_version, node.metadata.labels);
            let read = Node { labels, taints, unschedulable, allocatable, pods, ready, kubelet, instance };
            reader.cluster.nodes.insert(node.metadata.name, read);
        })
    }

    /// Takes in a page of Pods; the token of the next one.
    ///
    /// # Errors
    /// [`ReadError`] if it is no list of Pods.
    pub fn pods(&mut self, page: &str) -> Result<Option<String>, ReadError> {
        self.page("Pod", page, |reader, pod: PodWire| {
            let pod = reader.pod(pod);
            reader.cluster.pods.push(pod);
        })
    }

    /// Takes in a page of PodDisruptionBudgets; the token of the next one.
    ///
    /// # Errors
    /// [`ReadError`] if it is no list of budgets.
    pub fn budgets(&mut self, page: &str) -> Result<Option<String>, ReadError> {
        self.page("PodDisruptionBudget", page, |reader, wire: BudgetWire| reader.cluster.budgets.push(budget(wire)))
    }

    /// Takes in a page of PersistentVolumes; the token of the next one.
    ///
    /// # Errors
    /// [`ReadError`] if it is no list of volumes.
    pub fn volumes(&mut self, page: &str) -> Result<Option<String>, ReadError> {
        self.page("PersistentVolume", page, |reader, wire: VolumeWire| {
            let Some(claim) = wire.spec.claim_ref else { return };
            let volume = Volume { name: wire.metadata.name, terms: wire.spec.node_affinity.required.node_selector_terms };
            reader.cluster.volumes.insert((claim.namespace, claim.name), volume);
        })
    }

    /// Takes in a page of namespaces, of which only the metadata is needed; the token of the next one. Without them, terms about Pods of
    /// namespaces with certain labels know their names only.
    ///
    /// # Errors
    /// [`ReadError`] if it is no list of objects.
    pub fn namespaces(&mut self, page: &str) -> Result<Option<String>, ReadError> {
        self.page("Namespace", page, |reader, namespace: MetaWire| {
            reader.cluster.namespaces.insert(namespace.metadata.name, namespace.metadata.labels);
        })
    }

    /// Takes in a page of DaemonSets, of which only the metadata is needed; the token of the next one.
    ///
    /// # Errors
    /// [`ReadError`] if it is no list of objects.
    pub fn daemon_sets(&mut self, page: &str) -> Result<Option<String>, ReadError> {
        self.page("DaemonSet", page, |reader, set: MetaWire| {
            reader.cluster.daemon_sets.insert((set.metadata.namespace, set.metadata.name));
        })
    }

    /// Everything that was read.
    pub fn finish(self) -> Cluster {
        self.cluster
    }

    fn page<'de, T: Deserialize<'de>>(
        &mut self,
        kind: &'static str,
        page: &'de str,
        mut each: impl FnMut(&mut Self, T),
    ) -> Result<Option<String>, ReadError> {
        let page: Page<T> = serde_json::from_str(page).map_err(|source| ReadError { kind, source })?;
        page.items.into_iter().for_each(|item| each(self, item));
        Ok(Some(page.metadata.next).filter(|next| !next.is_empty()))
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let fresh: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&fresh));
        fresh
    }

    fn amounts(&mut self, amounts: &BTreeMap<String, String>) -> Resources {
        let mut resources = Resources::default();
        for (name, text) in amounts {
            let amount = text.parse::<Quantity>().map_or(0, |quantity| quantity.milli());
            let bounded = |amount: i128| i64::try_from(amount).unwrap_or(i64::MAX);
            match name.as_str() {
                "cpu" => resources.cpu = bounded(amount),
                "memory" => resources.memory = bounded(amount.div_euclid(1000) + i128::from(amount.rem_euclid(1000) > 0)),
                _ => resources.other.push((self.text(name), bounded(amount))),
            }
        }
        resources
    }

    /// What a Pod asks for: its containers together, or its greediest init container with the sidecars before it, and its overhead
    /// ("Resource Management for Pods and Containers", "Sidecar Containers", kubernetes.io).
    fn requests(&mut self, spec: &PodSpecWire) -> Resources {
        let (mut running, mut peak) = (Resources::default(), Resources::default());
        let mut sidecars = Resources::default();
        for init in &spec.init_containers {
            let mut wanted = self.amounts(&init.resources.requests);
            if init.restart_policy.as_deref() == Some("Always") {
                sidecars.add(&wanted);
                wanted = sidecars.clone();
            } else {
                wanted.add(&sidecars);
            }
            peak.raise_to(&wanted);
        }
        for container in &spec.containers {
            let wanted = self.amounts(&container.resources.requests);
            running.add(&wanted);
        }
        running.add(&sidecars);
        running.raise_to(&peak);
        // What the Pod itself asks for stands above what its containers do.
        let own = self.amounts(&spec.resources.requests);
        for name in spec.resources.requests.keys() {
            match name.as_str() {
                "cpu" => running.cpu = own.cpu,
                "memory" => running.memory = own.memory,
                _ => {}
            }
        }
        let overhead = self.amounts(&spec.overhead);
        running.add(&overhead);
        running
    }

    fn pod(&mut self, wire: PodWire) -> Pod {
        let PodWire { metadata, mut spec, status } = wire;
        let requests = self.requests(&spec);
        let claims = spec.volumes.iter().filter_map(|volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(claim), _) => Some(claim.claim_name.clone()),
            // "Ephemeral Volumes": the claim is named after the Pod and the volume.
            (None, Some(_)) => Some(format!("{}-{}", metadata.name, volume.name)),
            (None, None) => None,
        });
        let claims = claims.collect();
        let local_storage = spec.volumes.iter().any(|volume| volume.empty_dir.is_some());
        let owner = metadata.owner_references.into_iter().find(|owner| owner.controller);
        let controller = owner.map(|OwnerWire { kind, name, uid, .. }| Controller { kind, name, uid });
        let node = spec.node_name.take().filter(|node| !node.is_empty()).map(|node| self.text(&node));
        // 30 s is the API server's default.
        let grace = metadata.deletion_grace_period_seconds.or(spec.termination_grace_period_seconds).unwrap_or(30);
        let placement = placement(spec, &metadata.namespace, &metadata.labels);
        Pod {
            namespace: self.text(&metadata.namespace),
            name: metadata.name,
            uid: metadata.uid,
            node,
            labels: interned(&mut self.labels, metadata.labels),
            phase: phase(&status.phase),
            ready: status.conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True"),
            grace: u32::try_from(grace.max(0)).unwrap_or(u32::MAX),
            deleted_at: metadata.deletion_timestamp.map(|text| {
                // The timestamp is when the grace period ends.
                time_of(&text).map_or(i64::MAX, |ends| ends - metadata.deletion_grace_period_seconds.unwrap_or(0))
            }),
            controller: controller.map(|controller| interned(&mut self.controllers, controller)),
            mirror: metadata.annotations.mirror.is_some(),
            local_storage,
            claims,
            requests,
            placement: interned(&mut self.placements, placement),
        }
    }
}

impl Cluster {
    /// From whole objects, as the API tells them: nodes, Pods, budgets, persistent volumes, DaemonSets.
    ///
    /// # Errors
    /// [`ReadError`] for an object that is not of its kind's form.
    pub fn of_objects(
        nodes: &[Value],
        pods: &[Value],
        budgets: &[Value],
        volumes: &[Value],
        daemon_sets: &[Value],
    ) -> Result<Self, ReadError> {
        let page = |items: &[Value]| serde_json::json!({ "items": items }).to_string();
        let mut reader = Reader::new(0);
        reader.nodes(&page(nodes))?;
        reader.pods(&page(pods))?;
        reader.budgets(&page(budgets))?;
        reader.volumes(&page(volumes))?;
        reader.daemon_sets(&page(daemon_sets))?;
        Ok(reader.finish())
    }
}

/// The shared copy of a value.
fn interned<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, value: T) -> Arc<T> {
    if let Some(shared) = known.get(&value) {
        return Arc::clone(shared);
    }
    let fresh = Arc::new(value);
    known.insert(Arc::clone(&fresh));
    fresh
}

/// What a Pod of this namespace and with these labels demands of its node.
fn placement(spec: PodSpecWire, namespace: &str, labels: &BTreeMap<String, String>) -> Placement {
    let term = |wire: PodTermWire| {
        // "a null or empty namespaces list and null namespaceSelector means 'this pod's namespace'".
        let own = wire.namespaces.is_empty() && wire.namespace_selector.is_none();
        PodTerm {
            topology_key: wire.topology_key,
            selector: wire.label_selector,
            namespaces: if own { vec![namespace.to_owned()] } else { wire.namespaces },
            namespace_selector: wire.namespace_selector,
        }
    };
    let spread = |wire: SpreadWire| {
        // The Pod's own values of these labels.
        let more = wire.match_label_keys.iter().filter_map(|key| {
            let values = vec![labels.get(key)?.clone()];
            Some(Requirement { key: key.clone(), operator: "In".to_owned(), values })
        });
        let selector = wire.label_selector.map(|mut selector| {
            selector.match_expressions.extend(more);
            selector
        });
        Spread {
            max_skew: wire.max_skew,
            topology_key: wire.topology_key,
            selector,
            min_domains: wire.min_domains.unwrap_or(1),
            ignores_affinity: wire.node_affinity_policy == "Ignore",
            honors_taints: wire.node_taints_policy == "Honor",
        }
    };
    let sidecars = spec.init_containers.into_iter().filter(|init| init.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.into_iter().chain(sidecars).flat_map(|container| container.ports);
    let port = |wire: wire::PortWire| HostPort {
        ip: wire.host_ip,
        protocol: if wire.protocol.is_empty() { "TCP".to_owned() } else { wire.protocol },
        port: wire.host_port,
    };
    Placement {
        node_selector: spec.node_selector,
        affinity: spec.affinity.node_affinity.required.map(|required| required.node_selector_terms),
        tolerations: spec.tolerations,
        pod_affinity: spec.affinity.pod_affinity.required.into_iter().map(term).collect(),
        pod_anti_affinity: spec.affinity.pod_anti_affinity.required.into_iter().map(term).collect(),
        spread: spec
            .topology_spread_constraints
            .into_iter()
            .filter(|wire| wire.when_unsatisfiable == "DoNotSchedule")
            .map(spread)
            .collect(),
        host_ports: ports.filter(|port| port.host_port > 0).map(port).collect(),
    }
}

fn phase(text: &str) -> Phase {
    match text {
        "Running" => Phase::Running,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        "Unknown" => Phase::Unknown,
        _ => Phase::Pending,
    }
}

fn budget(wire: BudgetWire) -> Budget {
    let BudgetWire { metadata, spec, status } = wire;
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let threshold = match (spec.max_unavailable, spec.min_available) {
        (Some(maximum), _) => Threshold::MaxUnavailable(text(maximum)),
        (None, minimum) => Threshold::MinAvailable(minimum.map_or_else(|| "0".to_owned(), text)),
    };
    let failed = status.conditions.into_iter().find(|condition| condition.reason == "SyncFailed");
    Budget {
        namespace: metadata.namespace,
        name: metadata.name,
        selector: spec.selector,
        threshold,
        always_allow: spec.unhealthy_pod_eviction_policy == "AlwaysAllow",
        healthy: status.current_healthy,
        desired: status.desired_healthy,
        expected: status.expected_pods,
        sync_failed: failed.map(|condition| condition.message),
        allowed: status.disruptions_allowed,
        stale: status.observed_generation < metadata.generation,
    }
}

/// Seconds since 1970 of a `metav1.Time`: `2026-11-22T10:00:00Z`.
fn time_of(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, at: char| text.split(at).map(|part| part.parse::<i64>().ok()).collect::<Option<Vec<_>>>();
    let ([year, month, day], [hour, minute, second]) = (*numbers(date, '-')?.as_array()?, *numbers(time, ':')?.as_array()?);
    // Days from civil, proleptic Gregorian: years that begin in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// One Pod of a list or watch.
#[cfg(feature = "client")]
pub(crate) fn read_pod(object: Value) -> Result<Pod, ReadError> {
    let wire: PodWire = serde_json::from_value(object).map_err(|source| ReadError { kind: "Pod", source })?;
    Ok(Reader::default().pod(wire))
}

/// One budget of a list or watch.
#[cfg(feature = "client")]
pub(crate) fn read_budget(object: Value) -> Result<Budget, ReadError> {
    serde_json::from_value(object).map(budget).map_err(|source| ReadError { kind: "PodDisruptionBudget", source })
}

#[cfg(test)]
mod tests {
    use super::{
        wire::{ContainerWire, ResourcesWire},
        *,
    };

    #[test]
    fn times_are_seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-22T10:00:00Z", 1_795_341_600),
            ("2026-03-01T00:00:01Z", 1_772_323_201),
        ] {
            assert_eq!(time_of(text), Some(seconds), "{text}");
        }
        assert_eq!(time_of("yesterday"), None);
    }

    #[test]
    fn an_empty_list_may_be_null() {
        let mut reader = Reader::new(0);
        assert_eq!(reader.daemon_sets(r#"{"metadata": {"resourceVersion": "1"}, "items": null}"#).expect("a list"), None);
        assert!(reader.pods(r#"{"metadata": {}, "items": {}}"#).is_err());
    }

    #[test]
    fn requests_are_as_the_scheduler_counts_them() {
        let container = |cpu: &str| ContainerWire {
            resources: ResourcesWire { requests: BTreeMap::from([("cpu".to_owned(), cpu.to_owned())]) },
            ..ContainerWire::default()
        };
        let sidecar = |cpu: &str| ContainerWire { restart_policy: Some("Always".to_owned()), ..container(cpu) };
        let cpu = |init: Vec<ContainerWire>, containers: Vec<ContainerWire>, overhead: &str| {
            let overhead = BTreeMap::from([("cpu".to_owned(), overhead.to_owned())]);
            Reader::default().requests(&PodSpecWire { init_containers: init, containers, overhead, ..PodSpecWire::default() }).cpu
        };
        assert_eq!(cpu(vec![], vec![container("100m"), container("1")], "0"), 1_100);
        assert_eq!(cpu(vec![container("2")], vec![container("100m")], "10m"), 2_010, "the greediest init container");
        assert_eq!(cpu(vec![sidecar("200m"), container("500m")], vec![container("100m")], "0"), 700, "beside the sidecar before it");
        assert_eq!(cpu(vec![container("250m"), sidecar("200m")], vec![container("100m")], "0"), 300);
    }
}
