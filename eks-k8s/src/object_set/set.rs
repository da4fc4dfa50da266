//! The set: objects, what to wait for, and what it needs.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{KEY_TAG, OWNER_TAG, Owner, Problems, SpecError, StepKey};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Manifest, ObjectId, Wait,
    manifest::{self, key_of},
    secret,
};
use crate::{AccessRef, name};

/// The label that tells the set of an object.
pub const SET_LABEL: &str = "eks-rs/set";

/// The annotation that tells which namespace was meant where a manifest leaves it to its set.
pub(super) const NAMESPACE_MARK: &str = "eks-rs/namespace";

/// Objects that are made, changed and removed together: valid by construction.
///
/// A plan of a set carries its manifests, but not the contents of Secrets: a digest stands for them ([`Planned`](crate::Planned)). The
/// handle that planned has them in memory; for a plan that was saved and is applied by another process, they are given again by
/// `ObjectSets::contents_of`.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectSet {
    pub(super) owner: Owner,
    pub(super) name: String,
    pub(super) access: AccessRef,
    pub(super) namespace: String,
    /// Marked manifests by the key of their step.
    pub(super) objects: BTreeMap<StepKey, Manifest>,
    pub(super) waits: BTreeMap<StepKey, Wait>,
    pub(super) needs: BTreeSet<StepKey>,
    pub(super) force: bool,
}

/// Collects objects; checked by [`ObjectSetBuilder::build`].
#[derive(Clone, Debug)]
pub struct ObjectSetBuilder {
    owner: Owner,
    name: String,
    access: AccessRef,
    namespace: String,
    manifests: Vec<Manifest>,
    waits: Vec<(String, String, Wait)>,
    needs: BTreeSet<StepKey>,
    force: bool,
    waits_for_workloads: bool,
    problems: Problems,
}

impl ObjectSet {
    /// A set without objects. `access` is where they go: a [`ClusterRefs`](eks_core::ClusterRefs) of a cluster that may not exist yet, or
    /// the [`Access`](crate::Access) of one that does.
    pub fn builder(owner: &Owner, name: impl Into<String>, access: impl Into<AccessRef>) -> ObjectSetBuilder {
        ObjectSetBuilder {
            owner: owner.clone(),
            name: name.into(),
            access: access.into(),
            namespace: "default".to_owned(),
            manifests: Vec::new(),
            waits: Vec::new(),
            needs: BTreeSet::new(),
            force: false,
            waits_for_workloads: false,
            problems: Problems::new(),
        }
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    #[cfg(feature = "client")]
    pub(crate) fn access(&self) -> &AccessRef {
        &self.access
    }

    /// Its objects, with the marks of ownership.
    pub fn objects(&self) -> impl Iterator<Item = &Value> {
        self.objects.values().map(|manifest| &**manifest)
    }
}

impl ObjectSetBuilder {
    /// The objects of a YAML text, in as many documents as it likes.
    #[must_use]
    pub fn yaml(mut self, text: &str) -> Self {
        let found = manifest::read_yaml(text, &mut self.problems);
        self.add(found)
    }

    /// The object of a JSON text, or those of a list.
    #[must_use]
    pub fn json(mut self, text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(value) => return self.add([value]),
            Err(error) => self.problems.add("json", "document", format!("it cannot be read: {error}"), "correct it"),
        }
        self
    }

    /// Any object that can be serialised: of `k8s-openapi`, of a custom resource, or a [`Value`]. It must tell its apiVersion and kind.
    #[must_use]
    pub fn object(mut self, object: &impl Serialize) -> Self {
        match serde_json::to_value(object) {
            Ok(value) => return self.add([value]),
            Err(error) => self.problems.add("object", "object", format!("it has no JSON form: {error}"), "correct it"),
        }
        self
    }

    fn add(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        let mut found = Vec::new();
        values.into_iter().for_each(|value| manifest::flatten(value, &mut found));
        self.manifests.extend(found.into_iter().map(Manifest::from));
        self
    }

    /// The namespace of objects that need one and name none; it must exist, or be one of the set. Default `default`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// What the step of an object waits for. A CustomResourceDefinition waits until it is established if nothing else is said.
    #[must_use]
    pub fn wait(mut self, kind: impl Into<String>, name: impl Into<String>, wait: Wait) -> Self {
        self.waits.push((kind.into(), name.into(), wait));
        self
    }

    /// Every Deployment, DaemonSet and StatefulSet is waited for until it is rolled out.
    #[must_use]
    pub fn wait_for_workloads(mut self) -> Self {
        self.waits_for_workloads = true;
        self
    }

    /// Steps that must be done before any object is made: Ready nodes, an add-on.
    #[must_use]
    pub fn needs(mut self, steps: impl IntoIterator<Item = StepKey>) -> Self {
        self.needs.extend(steps);
        self
    }

    /// Takes fields over that other field managers have set to other values. Without it, a plan refuses and names them.
    #[must_use]
    pub fn force_conflicts(mut self) -> Self {
        self.force = true;
        self
    }

    /// Checks everything, without a call.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that is broken.
    pub fn build(self) -> Result<ObjectSet, SpecError> {
        let Self { owner, name, access, namespace, manifests, waits, needs, force, waits_for_workloads, mut problems } = self;
        name::check_label(&mut problems, "object set", &name);
        name::check_label(&mut problems, "namespace", &namespace);
        if manifests.is_empty() && problems.is_empty() {
            problems.add("empty", format!("object set {name}"), "it has no objects", "add one");
        }
        let mut objects = BTreeMap::new();
        let mut meant = BTreeSet::new();
        for mut manifest in manifests {
            manifest::check(&manifest, &name, &namespace, &mut problems);
            manifest::strip(&mut manifest);
            let Ok(key) = key_of(&manifest, &name) else { continue };
            let id = ObjectId::of(&manifest);
            secret::normalise(&mut manifest, &id.to_string(), &mut problems);
            mark(&mut manifest, &owner, &name, &namespace, &key);
            // Once by its name alone and once with its namespace is twice, too; so is one in two versions.
            if !meant.insert(ObjectId { api_version: id.group().to_owned(), ..id.meant(&namespace) }) {
                problems.add("duplicate", &id, "it is in the set twice", "give each object once");
            }
            objects.insert(key, manifest);
        }
        let waits = chosen_waits(&objects, waits, waits_for_workloads, &mut problems);
        problems.finish(format!("object set {name}"), || ObjectSet { owner, name, access, namespace, objects, waits, needs, force })
    }
}

/// What each object is waited for.
fn chosen_waits(
    objects: &BTreeMap<StepKey, Manifest>,
    asked: Vec<(String, String, Wait)>,
    workloads: bool,
    problems: &mut Problems,
) -> BTreeMap<StepKey, Wait> {
    let mut waits = BTreeMap::new();
    for (key, manifest) in objects {
        let id = ObjectId::of(manifest);
        match (id.group(), id.kind.as_str()) {
            ("apiextensions.k8s.io", "CustomResourceDefinition") => drop(waits.insert(key.clone(), Wait::Established)),
            ("apps", "DaemonSet" | "Deployment" | "StatefulSet") if workloads => drop(waits.insert(key.clone(), Wait::RolledOut)),
            _ => {}
        }
    }
    for (kind, name, wait) in asked {
        let subject = format!("wait for {kind} {name}");
        wait.check(problems, &subject);
        let is_meant = |manifest: &Manifest| manifest["kind"] == *kind && manifest["metadata"]["name"] == *name;
        let meant: Vec<_> = objects.iter().filter(|(_, manifest)| is_meant(manifest)).map(|(key, _)| key).collect();
        match meant.as_slice() {
            [] => problems.add("wait-unknown", &subject, "no such object is in the set", "name one that is"),
            keys => {
                if kind == "Secret" {
                    wait.check_of_secret(problems, &subject);
                }
                waits.extend(keys.iter().map(|key| ((*key).clone(), wait.clone())));
            }
        }
    }
    waits
}

/// Puts the marks of ownership on a manifest.
fn mark(manifest: &mut Value, owner: &Owner, set: &str, namespace: &str, key: &StepKey) {
    // What is no map has been told as a problem.
    if !manifest["metadata"].is_object() {
        return;
    }
    let mut annotations = json!({KEY_TAG: key.as_str()});
    if ObjectId::of(manifest).namespace.is_empty() {
        annotations[NAMESPACE_MARK] = json!(namespace);
    }
    for (place, marks) in [("labels", json!({OWNER_TAG: owner.as_str(), SET_LABEL: set})), ("annotations", annotations)] {
        let pairs = &mut manifest["metadata"][place];
        if !pairs.is_object() {
            *pairs = json!({});
        }
        if let (Some(pairs), Value::Object(marks)) = (pairs.as_object_mut(), marks) {
            pairs.extend(marks);
        }
    }
}
