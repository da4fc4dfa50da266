//! From the API's lists, page by page, to a [`Health`].

use serde::Deserialize;
use serde_json::Value;

use super::health::{Health, NodeHealth, PodTrouble, WorkloadHealth};
use crate::drain::{Page, PodRef, ReadError};

/// Why a container waits that will not start by itself (kubelet, `pkg/kubelet/images` and `pkg/kubelet/container`); the rest passes.
const STUCK: [&str; 9] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the six lists that health is read from")]
pub enum Listed {
    /// DaemonSets.
    DaemonSets,
    /// Deployments.
    Deployments,
    /// Nodes.
    Nodes,
    /// Pods.
    Pods,
    /// ReplicaSets; those of Deployments do not count.
    ReplicaSets,
    /// StatefulSets.
    StatefulSets,
}

/// Reads lists into a [`Health`].
#[derive(Debug, Default)]
pub struct HealthReader {
    health: Health,
}

impl HealthReader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a page; the token of the next one.
    ///
    /// # Errors
    /// [`ReadError`] if it is no list of that kind.
    pub fn page(&mut self, of: Listed, page: &str) -> Result<Option<String>, ReadError> {
        match of {
            Listed::Nodes => self.each("Node", page, |health, node: NodeWire| {
                let ready = node.status.conditions.iter().any(|one| one.kind == "Ready" && one.status == "True");
                health.nodes.push(NodeHealth { name: node.metadata.name, ready, closed: node.spec.unschedulable });
            }),
            Listed::Pods => self.each("Pod", page, |health, pod: PodWire| health.troubles.extend(pod.trouble())),
            Listed::DaemonSets => self.each("DaemonSet", page, |health, set: WorkloadWire| {
                let WorkloadStatus { desired_number_scheduled: wanted, number_ready, number_available, .. } = set.status;
                health.workloads.push(set.metadata.workload("DaemonSet", wanted, number_ready, number_available));
            }),
            Listed::Deployments => self.workloads("Deployment", page),
            Listed::ReplicaSets => self.workloads("ReplicaSet", page),
            Listed::StatefulSets => self.workloads("StatefulSet", page),
        }
    }

    /// Everything that was read, in an order of its own.
    pub fn finish(self) -> Health {
        let mut health = self.health;
        health.workloads.sort();
        health.nodes.sort();
        health.troubles.sort();
        health
    }

    fn workloads(&mut self, kind: &'static str, page: &str) -> Result<Option<String>, ReadError> {
        self.each(kind, page, |health, set: WorkloadWire| {
            if set.metadata.controller().is_none() {
                let WorkloadStatus { ready_replicas, available_replicas, .. } = set.status;
                health.workloads.push(set.metadata.workload(kind, set.spec.replicas.unwrap_or(1), ready_replicas, available_replicas));
            }
        })
    }

    fn each<'de, T: Deserialize<'de>>(
        &mut self,
        kind: &'static str,
        page: &'de str,
        mut each: impl FnMut(&mut Health, T),
    ) -> Result<Option<String>, ReadError> {
        let page: Page<T> = serde_json::from_str(page).map_err(|source| ReadError { kind, source })?;
        page.items.into_iter().for_each(|item| each(&mut self.health, item));
        Ok(Some(page.metadata.next).filter(|next| !next.is_empty()))
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    namespace: String,
    owner_references: Vec<OwnerWire>,
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OwnerWire {
    controller: bool,
    kind: String,
    name: String,
}

impl Meta {
    fn controller(&self) -> Option<String> {
        self.owner_references.iter().find(|owner| owner.controller).map(|owner| format!("{} {}", owner.kind, owner.name))
    }

    fn workload(self, kind: &str, wanted: u32, ready: u32, available: u32) -> WorkloadHealth {
        WorkloadHealth { kind: kind.to_owned(), namespace: self.namespace, name: self.name, wanted, ready, available }
    }
}

#[derive(Deserialize)]
struct WorkloadWire {
    metadata: Meta,
    #[serde(default)]
    spec: WorkloadSpec,
    #[serde(default)]
    status: WorkloadStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WorkloadSpec {
    replicas: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WorkloadStatus {
    ready_replicas: u32,
    available_replicas: u32,
    desired_number_scheduled: u32,
    number_ready: u32,
    number_available: u32,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
    last_transition_time: Option<String>,
}

#[derive(Deserialize)]
struct NodeWire {
    metadata: Meta,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: Conditions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    unschedulable: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct PodWire {
    metadata: Meta,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    phase: String,
    conditions: Vec<Condition>,
    init_container_statuses: Vec<ContainerStatus>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    state: ContainerState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
    message: String,
}

impl PodWire {
    fn trouble(self) -> Option<PodTrouble> {
        if self.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let since = |kind: &str| self.status.conditions.iter().find(|one| one.kind == kind)?.last_transition_time.clone();
        let containers = self.status.init_container_statuses.iter().chain(&self.status.container_statuses);
        let stuck = containers.filter_map(|container| container.state.waiting.as_ref()).find(|why| STUCK.contains(&&*why.reason));
        let unscheduled = self.status.conditions.iter().find(|one| one.kind == "PodScheduled" && one.reason == "Unschedulable");
        let (why, message, since) = match (stuck, unscheduled) {
            (Some(why), _) => (why.reason.clone(), why.message.clone(), since("Ready")),
            (None, Some(why)) if self.status.phase == "Pending" && why.status == "False" => {
                (why.reason.clone(), why.message.clone(), why.last_transition_time.clone())
            }
            _ => return None,
        };
        let controller = self.metadata.controller();
        let pod = PodRef { namespace: self.metadata.namespace, name: self.metadata.name };
        Some(PodTrouble { pod, controller, why, message, since })
    }
}

impl Health {
    /// From objects at hand.
    ///
    /// # Errors
    /// [`ReadError`] if one is not of its kind's form.
    pub fn of_objects<'a>(lists: impl IntoIterator<Item = (Listed, &'a [Value])>) -> Result<Self, ReadError> {
        let mut reader = HealthReader::new();
        for (of, items) in lists {
            reader.page(of, &serde_json::json!({"items": items}).to_string())?;
        }
        Ok(reader.finish())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn owned_replica_sets_do_not_count() {
        let owner = json!([{"kind": "Deployment", "name": "web", "controller": true}]);
        let set = |name: &str, owners: Value| {
            json!({"metadata": {"namespace": "a", "name": name, "ownerReferences": owners}, "spec": {"replicas": 2},
                   "status": {"replicas": 2, "readyReplicas": 2, "availableReplicas": 1}})
        };
        let daemons = json!({"metadata": {"namespace": "a", "name": "d"},
                             "status": {"desiredNumberScheduled": 3, "numberReady": 2, "numberAvailable": 2}});
        let sets = [set("web-1", owner), set("own", json!([]))];
        let health = Health::of_objects([(Listed::ReplicaSets, &sets[..]), (Listed::DaemonSets, &[daemons])]).expect("read");
        let told: Vec<_> = health.workloads.iter().map(|one| (&*one.kind, &*one.name, one.wanted, one.ready, one.available)).collect();
        assert_eq!(told, [("DaemonSet", "d", 3, 2, 2), ("ReplicaSet", "own", 2, 2, 1)]);
    }

    #[test]
    fn pods_that_do_not_get_on() {
        let pod = |status: Value| json!({"metadata": {"namespace": "a", "name": "p"}, "status": status});
        let waiting = |reason: &str| json!([{"state": {"waiting": {"reason": reason, "message": "why"}}}]);
        let unscheduled = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2",
                                  "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        for (status, why) in [
            (json!({"phase": "Running", "containerStatuses": waiting("CrashLoopBackOff")}), Some("CrashLoopBackOff")),
            (json!({"phase": "Pending", "initContainerStatuses": waiting("ImagePullBackOff")}), Some("ImagePullBackOff")),
            (json!({"phase": "Pending", "containerStatuses": waiting("ContainerCreating")}), None),
            (json!({"phase": "Pending", "conditions": unscheduled}), Some("Unschedulable")),
            (json!({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}), None),
        ] {
            let health = Health::of_objects([(Listed::Pods, &[pod(status)][..])]).expect("read");
            assert_eq!(health.troubles.first().map(|trouble| &*trouble.why), why);
        }
        let mut going = pod(json!({"phase": "Pending", "conditions": unscheduled}));
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(Health::of_objects([(Listed::Pods, &[going][..])]).expect("read").troubles, []);
    }
}
