//! What exists of sets, and what applying them would make of that.

use std::collections::BTreeMap;

use eks_core::{Basis, Error, Facts, KEY_TAG, OWNER_TAG, Owner, StepKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Manifest, ObjectId, ObjectSet, Planned,
    difference::differences,
    set::{NAMESPACE_MARK, SET_LABEL},
};
use crate::Access;

/// What to observe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SetScope(pub(crate) Vec<SetPart>);

/// What to observe of one set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SetPart {
    pub(crate) set: String,
    /// Where; `None` if there is no cluster yet, or if the driver was given a client.
    pub(crate) access: Option<Access>,
    pub(crate) namespace: String,
    /// Only by the manifests the API server can tell what applying them would do.
    pub(crate) objects: Vec<Planned>,
    pub(crate) force: bool,
}

/// A field that another manager has set to another value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "who and what is all there is to a conflict")]
pub struct FieldConflict {
    /// Who: `"kubectl-edit" using apps/v1`.
    pub manager: String,
    /// `.spec.replicas`
    pub field: String,
}

/// One object of a set.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SetObject {
    /// As it is; `None`: it is not there.
    pub live: Option<Manifest>,
    /// As it would be, by a server-side dry run.
    pub would_be: Option<Manifest>,
    /// Why the dry run failed: fields of other managers.
    pub conflicts: Vec<FieldConflict>,
    /// Why the dry run failed otherwise, in the API server's words.
    pub refused: Option<String>,
}

/// What exists of sets. Made by `ObjectSets::observe`, or empty, or from API answers at hand.
#[derive(Clone, Debug, Default)]
pub struct SetObserved {
    pub(super) scope: SetScope,
    pub(super) found: BTreeMap<StepKey, SetObject>,
}

impl SetObserved {
    /// There is no cluster yet, so nothing is in it.
    pub fn nothing(set: &ObjectSet) -> Self {
        Self::at(set, None)
    }

    /// Nothing found yet; add what the API server answers with [`SetObserved::found`].
    pub fn at(set: &ObjectSet, access: Option<Access>) -> Self {
        let objects = set.objects.values().map(Planned::of).collect();
        let part = SetPart { set: set.name.clone(), access, namespace: set.namespace.clone(), objects, force: set.force };
        Self { scope: SetScope(vec![part]), found: BTreeMap::new() }
    }

    /// This and what exists of other sets: for [`ObjectSet::plan_all`].
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.scope.0.extend(other.scope.0);
        self.found.extend(other.found);
        self
    }

    #[cfg(feature = "client")]
    pub(crate) fn in_scope(scope: SetScope) -> Self {
        Self { scope, found: BTreeMap::new() }
    }

    #[cfg(feature = "client")]
    pub(crate) fn into_scope(self) -> SetScope {
        self.scope
    }

    /// Takes in what was found of the object that a manifest of the set describes.
    #[must_use]
    pub fn found(mut self, manifest: &Value, object: SetObject) -> Self {
        if let Some(key) = key_mark(manifest) {
            self.found.insert(key, object);
        }
        self
    }

    /// Every field on which plans rest: which objects are there, and what would change of them.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        for (key, object) in &self.found {
            let Some(live) = &object.live else { continue };
            facts.note(key, "id", live["metadata"]["uid"].as_str().unwrap_or_default());
            let changes = object.would_be.as_ref().map(|would_be| differences(live, would_be)).unwrap_or_default();
            let conflicts = object.conflicts.iter().map(|conflict| format!("{}: of {}", conflict.field, conflict.manager));
            facts.note(key, "changes", changes.into_iter().chain(conflicts).collect::<Vec<_>>().join(", "));
        }
        facts
    }

    pub(super) fn basis(&self) -> Result<Basis, Error> {
        let scope = serde_json::to_value(&self.scope)
            .map_err(|error| Error::Plan { subject: "layer objects".to_owned(), reason: format!("its scope has no JSON form: {error}") })?;
        Ok(Basis::new(scope, self.facts()))
    }
}

fn mark<'a>(object: &'a Value, place: &str, key: &str) -> Option<&'a str> {
    object["metadata"][place][key].as_str()
}

/// The step key that an object carries.
pub(crate) fn key_mark(object: &Value) -> Option<StepKey> {
    mark(object, "annotations", KEY_TAG)?.parse().ok()
}

/// Whether an object was made by a set of this owner's. The key tells apart what a controller made and gave our labels, such as the
/// EndpointSlices of a Service. Where a manifest left the namespace to the set, the key does not tell it, and a mark beside it does: a copy that
/// somebody made in another namespace, labels, annotations and all, is not ours.
pub(crate) fn is_ours(object: &Value, owner: &Owner, set: &str) -> bool {
    let id = ObjectId::of(object);
    let Some(key) = key_mark(object) else { return false };
    let without_namespace = ObjectId { namespace: String::new(), ..id.clone() };
    let is_meant = || mark(object, "annotations", NAMESPACE_MARK) == Some(id.namespace.as_str());
    mark(object, "labels", OWNER_TAG) == Some(owner.as_str())
        && mark(object, "labels", SET_LABEL) == Some(set)
        && (id.key(set).as_ref() == Ok(&key) || (without_namespace.key(set).as_ref() == Ok(&key) && is_meant()))
}
