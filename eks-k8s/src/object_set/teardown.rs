//! From what exists of sets to a teardown: of all of it, or of what is no longer in a set. Pure.

use std::{collections::BTreeSet, time::Duration};

#[cfg(feature = "client")]
use eks_core::Survivor;
use eks_core::{After, Error, Finding, Owner, Removal, StepKey, Teardown};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ObjectId, ObjectSet, SetOp,
    observed::{is_ours, key_mark},
    plan::{op_error, plan_error},
    turn::Turn,
};
use crate::Access;

/// An object that carries the label of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SetMember {
    /// Which.
    pub object: ObjectId,
    /// Its uid.
    pub uid: String,
    /// The key of its removal: by what it is and where, so that no two objects share one.
    pub key: StepKey,
    pub(crate) set: String,
    pub(crate) turn: Turn,
    /// Of a claim.
    volume: Option<String>,
}

/// What carries the labels of sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetMembers {
    /// The objects.
    pub members: Vec<SetMember>,
    /// Group versions of aggregated API servers that do not answer, so that it is not known whether a set has objects there. What
    /// Kubernetes serves by itself is never among them.
    pub unlisted: BTreeSet<String>,
}

impl FromIterator<SetMember> for SetMembers {
    fn from_iter<I: IntoIterator<Item = SetMember>>(members: I) -> Self {
        Self { members: members.into_iter().collect(), unlisted: BTreeSet::new() }
    }
}

/// What has to be looked for after a teardown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SetLeavings {
    pub(crate) access: Option<Access>,
    pub(crate) members: Vec<SetMember>,
}

impl SetMember {
    /// The object, if it was made by a set of this owner's. It must tell its apiVersion and kind.
    pub fn of(live: &Value, owner: &Owner, set: &str) -> Option<Self> {
        if !is_ours(live, owner, set) {
            return None;
        }
        let uid = live["metadata"]["uid"].as_str()?.to_owned();
        let object = ObjectId::of(live);
        let key = object.key(set).ok().or_else(|| key_mark(live))?;
        let volume = live.pointer("/spec/volumeName").and_then(Value::as_str).filter(|_| object.kind == "PersistentVolumeClaim");
        let volume = volume.map(str::to_owned);
        Some(Self { object, uid, key, set: set.to_owned(), turn: Turn::of(live), volume })
    }

    fn title(&self) -> String {
        match self.turn {
            Turn::Namespaces => format!("{}, with everything in it:", self.object.kind),
            Turn::Definitions => format!("{}, with every object of its kind:", self.object.kind),
            _ => self.object.kind.clone(),
        }
    }

    fn id(&self) -> String {
        match self.object.namespace.as_str() {
            "" => self.object.name.clone(),
            namespace => format!("{namespace}/{}", self.object.name),
        }
    }

    /// Whether an object would go if this did: it is its namespace, or defines kinds of its group.
    fn holds(&self, object: &ObjectId) -> bool {
        match self.turn {
            Turn::Namespaces => self.object.name == object.namespace,
            Turn::Definitions => self.object.name.split_once('.').is_some_and(|(_, group)| group == object.group()),
            _ => false,
        }
    }

    #[cfg(feature = "client")]
    pub(crate) fn survivor(&self, why: &str) -> Survivor {
        Survivor::new(self.object.kind.clone(), self.id(), why, "run the teardown again", 0.0)
    }

    fn removal(&self, access: Option<&Access>, earlier: &[&Self]) -> Result<Removal, Error> {
        let (object, uid, set, volume) = (self.object.clone(), self.uid.clone(), self.set.clone(), self.volume.clone());
        let op = SetOp::Delete { access: access.cloned(), object, uid, set, volume };
        let removal = Removal::new(self.key.clone(), self.title(), self.id(), &op).map_err(|error| op_error(&error))?;
        let removal = earlier.iter().fold(removal, |removal, other| removal.after(After::Key(other.key.clone())));
        // What layer k8s has the controllers of a set make is gone before they are.
        let balancers = ["k8s/ingress/", "k8s/service/"].into_iter().filter(|_| self.turn > Turn::Balancers);
        let pods = ["k8s/pod/"].into_iter().filter(|_| self.turn == Turn::Claims);
        let claims = ["k8s/claim/"].into_iter().filter(|_| self.turn > Turn::Claims);
        let others = balancers.chain(pods).chain(claims);
        let removal = others.fold(removal, |removal, prefix| removal.after(After::Prefix(prefix.to_owned())));
        Ok(removal.takes(Duration::from_secs(match self.turn {
            Turn::Namespaces => 10,
            Turn::Balancers => 20,
            Turn::Claims => 15,
            _ => 2,
        })))
    }
}

/// Removes members, each when those of earlier turns are gone.
///
/// # Errors
/// [`Error::Plan`] if an operation has no JSON form.
pub(crate) fn removing(owner: &Owner, access: Option<&Access>, sets: &[&str], found: SetMembers) -> Result<Teardown, Error> {
    let SetMembers { members, unlisted } = found;
    let leavings = SetLeavings { access: access.cloned(), members };
    let scope = serde_json::to_value(&leavings)
        .map_err(|error| Error::Plan { subject: "layer objects".to_owned(), reason: format!("its scope has no JSON form: {error}") })?;
    let mut teardown = Teardown::builder(owner, "objects", scope);
    for member in &leavings.members {
        let last = leavings.members.iter().map(|other| other.turn).filter(|turn| *turn < member.turn).max();
        let earlier: Vec<_> = leavings.members.iter().filter(|other| Some(other.turn) == last).collect();
        teardown = teardown.removal(member.removal(access, &earlier)?);
    }
    for (version, set) in unlisted.iter().flat_map(|version| sets.iter().map(move |set| (version, set))) {
        let step = StepKey::new(["objects", set])
            .map_err(|error| Error::Plan { subject: format!("object set {set}"), reason: error.to_string() })?;
        let message = format!("{version} does not answer: what the set may have there was not looked for; see its APIService");
        teardown = teardown.finding(Finding::warning(step, message));
    }
    teardown.build().map_err(|error| plan_error(&error))
}

impl ObjectSet {
    /// The members that are no longer in the set: compared by what they are and where, whatever the manifests leave to the set's default.
    /// A namespace, or a definition, that objects of the set still need is not among them: they would go with it.
    pub fn outdated(&self, members: impl IntoIterator<Item = SetMember>) -> Vec<SetMember> {
        let meant = |member: &SetMember| {
            self.objects.values().any(|manifest| ObjectId::of(manifest).may_be(&self.namespace, &member.object)) && member.set == self.name
        };
        let holds = |member: &SetMember| self.objects.values().any(|manifest| member.holds(&ObjectId::of(manifest).meant(&self.namespace)));
        members.into_iter().filter(|member| !meant(member) && !holds(member)).collect()
    }

    /// Removes members that are no longer in the set: the list to show before.
    ///
    /// # Errors
    /// [`Error::Plan`] if an operation has no JSON form.
    pub fn prune(&self, found: SetMembers) -> Result<Teardown, Error> {
        let outdated = SetMembers { members: self.outdated(found.members), unlisted: found.unlisted };
        removing(&self.owner, self.access.known().as_ref(), &[&self.name], outdated)
    }

    /// Removes every member.
    ///
    /// # Errors
    /// [`Error::Plan`] if an operation has no JSON form.
    pub fn teardown(&self, found: SetMembers) -> Result<Teardown, Error> {
        removing(&self.owner, self.access.known().as_ref(), &[&self.name], found)
    }
}
