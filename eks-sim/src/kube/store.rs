//! What etcd and the watch cache are to a real API server: objects, one counter of versions, and the recent changes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Kubelet,
    balancer::Balancer,
    control,
    kinds::{self, Kind},
    lbc::Stack,
};
use crate::world::World;

/// How many changes a watch can go back. Older ones are "410 Gone".
const HISTORY: usize = 2_000;

/// An object's place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: &'static Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    /// The key of an object; `namespace` is empty for kinds that are not in namespaces.
    pub(super) fn new(kind: &'static Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// One change: the object before and after.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

/// One cluster's API.
#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    pub(super) objects: BTreeMap<Key, Arc<Value>>,
    pub(super) revision: u64,
    pub(super) history: VecDeque<Change>,
    /// The newest version whose change is forgotten.
    pub(super) forgotten: u64,
    /// UIDs of what the cluster had from the start or EKS put there.
    pub(super) furnished: BTreeSet<String>,
    /// Nodes' kubelets, by node name.
    pub(super) kubelets: BTreeMap<String, Kubelet>,
    /// What the cloud provider made for Services, by namespace and name.
    pub(super) balancers: BTreeMap<(String, String), Balancer>,
    /// What the AWS Load Balancer Controller made, by stack.
    pub(super) stacks: BTreeMap<String, Stack>,
    /// Volumes that EC2 is creating, by the future PersistentVolume's name.
    pub(super) provisioning: BTreeMap<String, String>,
    /// Nodes and Pods (by UID) that are about to become ready.
    pub(super) starting: BTreeSet<String>,
    /// Since when a node's kubelet is refused.
    pub(super) refused: BTreeMap<String, Duration>,
    /// Since when a node's kubelet is no more, as its instance is shutting down.
    pub(super) stopped: BTreeMap<String, Duration>,
    /// After a failed attempt: the pause, and when it is over.
    pub(super) failures: BTreeMap<String, (Duration, Duration)>,
    /// A run of the controllers is due.
    pub(super) due: bool,
    /// A later look at what is outside is due.
    pub(super) again: bool,
    /// The kubelets' next heartbeat is due.
    pub(super) beat: bool,
}

impl Cluster {
    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// Objects of a kind, of all namespaces or of one.
    pub(super) fn list<'a>(&'a self, kind: &'static Kind, namespace: Option<&'a str>) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        self.objects
            .range(Key::new(kind, namespace.unwrap_or_default(), "")..)
            .take_while(move |(key, _)| key.kind == kind)
            .filter(move |(key, _)| namespace.is_none_or(|wanted| wanted == key.namespace))
    }

    /// Stores or (None) removes an object under the next version. The object that is then stored, or the last state of the removed.
    fn write(&mut self, key: &Key, object: Option<Value>) -> Option<Arc<Value>> {
        if object.is_none() && !self.objects.contains_key(key) {
            return None;
        }
        self.revision += 1;
        let stamp = |mut object: Value| {
            object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
            Arc::new(object)
        };
        let (before, after) = match object {
            Some(object) => {
                let object = stamp(object);
                (self.objects.insert(key.clone(), Arc::clone(&object)), Some(object))
            }
            // A DELETED event carries the last state under the deletion's version.
            None => (self.objects.remove(key).map(|object| stamp(Arc::unwrap_or_clone(object))), None),
        };
        let result = after.clone().or_else(|| before.clone());
        self.history.push_back(Change { revision: self.revision, key: key.clone(), before, after });
        if self.history.len() > HISTORY
            && let Some(change) = self.history.pop_front()
        {
            self.forgotten = change.revision;
        }
        result
    }

    /// The objects of a kind as they were at an earlier version, as the later pages of a list show them.
    pub(super) fn at(&self, revision: u64, kind: &'static Kind, namespace: Option<&str>) -> BTreeMap<Key, Arc<Value>> {
        let mut objects: BTreeMap<_, _> = self.list(kind, namespace).map(|(key, object)| (key.clone(), Arc::clone(object))).collect();
        let later = self.history.iter().rev().take_while(|change| change.revision > revision);
        for change in later.filter(|change| change.key.kind == kind && namespace.is_none_or(|wanted| wanted == change.key.namespace)) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        objects
    }
}

/// Stores or removes an object, tells the watches and wakes the controllers.
pub(super) fn commit(world: &mut World, cluster: &str, key: &Key, object: Option<Value>) -> Option<Arc<Value>> {
    let written = world.kube.clusters.get_mut(cluster)?.write(key, object)?;
    world.watch_revision += 1;
    // Nothing reacts to events and leases.
    if *key.kind != kinds::EVENT && *key.kind != kinds::LEASE {
        control::wake(world, cluster);
    }
    Some(written)
}

/// An object, if cluster and object are there.
pub(super) fn fetch(world: &World, cluster: &str, key: &Key) -> Option<Arc<Value>> {
    world.kube.clusters.get(cluster)?.get(key).cloned()
}

/// A controller's copy of every object of a kind.
pub(super) fn all(world: &World, cluster: &str, kind: &'static Kind) -> Vec<(Key, Arc<Value>)> {
    let objects = world.kube.clusters.get(cluster);
    objects.map_or_else(Vec::new, |cluster| cluster.list(kind, None).map(|(key, object)| (key.clone(), Arc::clone(object))).collect())
}

/// Changes an object from within the control plane; nothing is written if nothing changes. An object whose last finalizer goes
/// while it is being deleted goes with it.
pub(super) fn edit(world: &mut World, cluster: &str, key: &Key, change: impl FnOnce(&mut Value)) -> bool {
    let Some(before) = fetch(world, cluster, key) else { return false };
    let mut after = (*before).clone();
    change(&mut after);
    if after == *before {
        return false;
    }
    let gone = is_finished(&after, key.kind);
    commit(world, cluster, key, (!gone).then_some(after));
    true
}

/// Whether a deletion has nothing left to wait for.
pub(super) fn is_finished(object: &Value, kind: &Kind) -> bool {
    let metadata = &object["metadata"];
    let waits = metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
        // A Pod on a node waits for its kubelet, a namespace for its contents.
        || (*kind == kinds::POD && object["spec"]["nodeName"].is_string() && metadata["deletionGracePeriodSeconds"] != json!(0))
        || (*kind == kinds::NAMESPACE && object["spec"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty()));
    metadata["deletionTimestamp"].is_string() && !waits
}

/// Creates an object from within the control plane.
pub(super) fn create(world: &mut World, cluster: &str, key: &Key, mut object: Value) -> Option<Arc<Value>> {
    if fetch(world, cluster, key).is_some() {
        return None;
    }
    complete(world, key, &mut object);
    commit(world, cluster, key, Some(object))
}

/// Kind and metadata that the API server fills in at creation.
pub(super) fn complete(world: &mut World, key: &Key, object: &mut Value) {
    object["apiVersion"] = json!(key.kind.api_version());
    object["kind"] = json!(key.kind.kind);
    let metadata = &mut object["metadata"];
    metadata["name"] = json!(key.name);
    if key.kind.namespaced {
        metadata["namespace"] = json!(key.namespace);
    }
    metadata["uid"] = json!(uid(world));
    metadata["creationTimestamp"] = json!(now(world));
    if key.kind.generation {
        metadata["generation"] = json!(1);
    }
}

fn uid(world: &mut World) -> String {
    let hex = world.draw.hex("uid", 32);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// The present as `metav1.Time` prints it.
pub(super) fn now(world: &World) -> String {
    time(world, Duration::ZERO)
}

/// A moment from now.
pub(super) fn time(world: &World, later: Duration) -> String {
    let wall = jiff::Timestamp::try_from(world.clock.wall_at(world.now + later)).unwrap_or_default();
    wall.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether an object is being deleted.
pub(super) fn deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// A string inside an object; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A list inside an object; empty where there is none.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
