//! What exists in a cluster, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Basis, Error, Facts, KEY_TAG, OWNER_TAG, Owner, Ref, RoleArn, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Access, Kind, ObjectRef, ObjectsSpec, Volume, aws_auth::record::AuthMap, bind::StorageObjects, storage_class::default_annotations,
};

/// Which nodes are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct NodeGroup {
    pub(crate) name: String,
    pub(crate) label: (String, String),
}

/// What to observe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    /// Where; `None` if there is no cluster yet, or if the driver was given a client.
    pub(crate) access: Option<Access>,
    /// Kinds of objects.
    pub(crate) kinds: BTreeSet<Kind>,
    /// Groups of nodes; none: nodes are not listed.
    pub(crate) nodes: BTreeSet<NodeGroup>,
    /// Whether to read aws-auth, and roles that are known already.
    pub(crate) aws_auth: bool,
    /// Whether an aws-auth that cannot be read is told of, not refused: someone else's mistake keeps nothing from being removed.
    #[serde(default)]
    pub(crate) lenient: bool,
    pub(crate) roles: BTreeSet<RoleArn>,
    /// Whether to read the persistent volumes of the claims.
    pub(crate) volumes: bool,
    /// Whether to read every storage class, whoever made it.
    #[serde(default)]
    pub(crate) all_classes: bool,
    /// Claims that a plan would let bind: if one of them has no volume yet, what makes and mounts volumes is read.
    #[serde(default)]
    pub(crate) binding: BTreeSet<StepKey>,
}

impl Scope {
    /// What a plan of this spec rests on: only kinds that it specifies are read.
    pub(crate) fn of(spec: &ObjectsSpec, access: Option<Access>) -> Self {
        let used = [
            (Kind::Claim, spec.claims.is_empty()),
            (Kind::Ingress, spec.ingresses.is_empty()),
            (Kind::Pod, spec.pods.is_empty()),
            (Kind::Service, spec.services.is_empty()),
            (Kind::StorageClass, spec.classes.is_empty()),
        ];
        let key = |claim: &str| Kind::Claim.key(&spec.namespace, claim).ok();
        Self {
            access,
            kinds: used.into_iter().filter(|(_, empty)| !empty).map(|(kind, _)| kind).collect(),
            nodes: spec.nodes.iter().map(|group| NodeGroup { name: group.name.clone(), label: group.node_label.clone() }).collect(),
            aws_auth: !spec.roles.is_empty(),
            lenient: false,
            roles: spec.roles.iter().filter_map(|(_, role)| Ref::known(role)).cloned().collect(),
            volumes: false,
            all_classes: !(spec.claims.is_empty() && spec.classes.is_empty()),
            binding: spec.claims.iter().filter(|claim| spec.may_bind(claim)).filter_map(|claim| key(&claim.name)).collect(),
        }
    }

    /// Everything that an owner can have.
    #[cfg(any(test, feature = "client"))]
    pub(crate) fn everything(access: Option<Access>) -> Self {
        Self { access, kinds: Kind::ALL.into(), aws_auth: true, lenient: true, volumes: true, ..Self::default() }
    }
}

/// The nodes of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeCount {
    pub(crate) ready: u32,
}

/// What exists of an owner's objects. Made by `Objects::observe`, or empty, or from API answers at hand.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub(crate) scope: Scope,
    pub(crate) objects: BTreeMap<StepKey, (ObjectRef, Value)>,
    pub(crate) nodes: BTreeMap<String, NodeCount>,
    pub(crate) aws_auth: Option<AuthMap>,
    /// Why the entries that this owner recorded in aws-auth cannot be read.
    pub(crate) unreadable: Option<String>,
    pub(crate) volumes: Vec<Volume>,
    /// Every storage class of the cluster, if they were read.
    pub(crate) classes: Option<Vec<Value>>,
    pub(crate) storage: Option<StorageObjects>,
    /// Why what makes and mounts volumes could not be read.
    pub(crate) unreadable_storage: Option<String>,
}

impl Observed {
    /// There is no cluster yet, so nothing is in it.
    pub fn nothing(spec: &ObjectsSpec) -> Self {
        Self::in_scope(Scope::of(spec, None))
    }

    /// Nothing found yet at a known API server; add what it answers with [`Observed::found`].
    pub fn at(spec: &ObjectsSpec, access: Access) -> Self {
        Self::in_scope(Scope::of(spec, Some(access)))
    }

    pub(crate) fn in_scope(scope: Scope) -> Self {
        Self { scope, ..Self::default() }
    }

    /// Takes in objects of a kind, as the API tells them. Those of other owners, and copies that someone made of ours under
    /// another name, are left out.
    #[must_use]
    pub fn found(mut self, owner: &Owner, kind: Kind, objects: impl IntoIterator<Item = Value>) -> Self {
        for object in objects {
            let mark = |place: &str, key: &str| object["metadata"][place][key].as_str();
            let at = ObjectRef::of(kind, &object);
            if let Ok(key) = kind.key(&at.namespace, &at.name)
                && mark("labels", OWNER_TAG) == Some(owner.as_str())
                && mark("annotations", KEY_TAG) == Some(key.as_str())
            {
                self.objects.insert(key, (at, object));
            }
        }
        self
    }

    /// Takes in nodes: counts those that are Ready, by the groups of the spec.
    #[must_use]
    pub fn found_nodes<'a>(mut self, nodes: impl IntoIterator<Item = &'a Value>) -> Self {
        for node in nodes {
            for group in self.scope.nodes.iter().filter(|group| has_label(node, &group.label)) {
                let count = self.nodes.entry(group.name.clone()).or_default();
                count.ready += u32::from(is_ready(node));
            }
        }
        self
    }

    /// Takes in the ConfigMap `kube-system/aws-auth`. For a teardown, only if this owner has recorded entries in it.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is broken; not for a teardown, which leaves its entries and tells of them.
    pub fn found_aws_auth(mut self, owner: &Owner, map: Value) -> Result<Self, Error> {
        if self.scope.lenient && !AuthMap::is_recorded(&map, owner) {
            return Ok(self);
        }
        match AuthMap::read(map, owner) {
            Ok(map) => self.aws_auth = Some(map),
            Err(Error::Refused { subject, rule, .. }) if self.scope.lenient => self.unreadable = Some(format!("{subject}: {rule}")),
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// Takes in persistent volumes: those of our claims, and those of our classes that no claim has any more.
    #[must_use]
    pub fn found_volumes<'a>(mut self, volumes: impl IntoIterator<Item = &'a Value>) -> Self {
        let of_kind = |kind| self.objects.values().filter(move |(at, _)| at.kind == kind);
        let claims: BTreeMap<&str, String> = of_kind(Kind::Claim)
            .filter_map(|(at, live)| Some((live["metadata"]["uid"].as_str()?, format!("{}/{}", at.namespace, at.name))))
            .collect();
        let classes: Vec<&Value> = of_kind(Kind::StorageClass).map(|(_, live)| live).collect();
        let ours = volumes.into_iter().filter_map(|live| {
            let claim = live.pointer("/spec/claimRef/uid").and_then(Value::as_str).and_then(|uid| claims.get(uid));
            let volume = Volume::read(live, classes.iter().copied());
            match claim {
                Some(claim) => Some(Volume { claim: claim.clone(), ..volume }),
                None if classes.iter().any(|class| class["metadata"]["name"] == *volume.class) && volume.is_left() => Some(volume),
                None => None,
            }
        });
        let ours: Vec<_> = ours.collect();
        self.volumes.extend(ours);
        self
    }

    /// Takes in every storage class of the cluster, whoever made it.
    #[must_use]
    pub fn found_classes(mut self, classes: impl IntoIterator<Item = Value>) -> Self {
        self.classes.get_or_insert_default().extend(classes);
        self
    }

    /// Takes in what makes and mounts volumes.
    #[must_use]
    pub fn found_storage(mut self, storage: StorageObjects) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Claims that the plan would let bind and that have no volume.
    #[cfg(feature = "client")]
    pub(crate) fn has_unbound(&self) -> bool {
        let bound =
            |key: &StepKey| self.objects.get(key).is_some_and(|(_, live)| live.pointer("/spec/volumeName").is_some_and(Value::is_string));
        self.scope.binding.iter().any(|key| !bound(key))
    }

    /// The uid of an object of ours.
    pub fn uid(&self, key: &str) -> Option<&str> {
        let key: StepKey = key.parse().ok()?;
        self.objects.get(&key)?.1["metadata"]["uid"].as_str()
    }

    /// For a teardown: why the entries that this owner recorded in aws-auth could not be read, so that they are left.
    pub fn unreadable_aws_auth(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    /// The volumes behind our claims, if they were read.
    pub fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// Every field on which plans rest. What only says how far something has come (a Pod's phase, a hostname, how many nodes
    /// are Ready) is not among them: a plan does not go stale because the cluster went on.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        for (key, (at, live)) in &self.objects {
            facts.note(key, "id", live["metadata"]["uid"].as_str().unwrap_or_default());
            for pointer in at.kind.decisive() {
                if let Some(value) = live.pointer(pointer) {
                    facts.note(key, pointer[1..].replace('/', "."), value);
                }
            }
        }
        for class in self.classes.iter().flatten() {
            let annotations = default_annotations(class);
            if let (false, Some(name)) = (annotations.is_empty(), class["metadata"]["name"].as_str()) {
                facts.note(format!("k8s/default-class/{name}"), "annotations", annotations.join(", "));
            }
        }
        if let Some(map) = &self.aws_auth {
            facts.note(crate::aws_auth::record::KEY, "id", "kube-system/aws-auth");
            let known = self.scope.roles.iter().map(|role| (role, map.maps(role)));
            for (role, mapped) in map.facts().chain(known) {
                facts.note(crate::aws_auth::record::KEY, format!("role {}", role.name()), if mapped { "mapped" } else { "not mapped" });
            }
        }
        facts
    }

    pub(crate) fn basis(&self) -> Result<Basis, Error> {
        // No step rests on what makes and mounts volumes, so it is not looked at again.
        let scope = Scope { binding: BTreeSet::new(), ..self.scope.clone() };
        let scope = serde_json::to_value(&scope)
            .map_err(|error| Error::Plan { subject: "layer k8s".to_owned(), reason: format!("its scope has no JSON form: {error}") })?;
        Ok(Basis::new(scope, self.facts()))
    }
}

/// Whether an object has a label with this value.
fn has_label(object: &Value, (key, value): &(String, String)) -> bool {
    object["metadata"]["labels"][key.as_str()].as_str() == Some(value)
}

/// Whether a node's kubelet says that it takes Pods.
pub(crate) fn is_ready(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"))
}

/// The hostname of the load balancer of a Service or Ingress.
pub(crate) fn hostname(service: &Value) -> Option<&str> {
    service.pointer("/status/loadBalancer/ingress/0/hostname").and_then(Value::as_str)
}

/// The phase of a Pod or claim.
pub(crate) fn phase(object: &Value) -> &str {
    object.pointer("/status/phase").and_then(Value::as_str).unwrap_or("not seen")
}
