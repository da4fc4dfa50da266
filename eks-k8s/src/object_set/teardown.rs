//! From what exists of a set to a teardown: of all of it, or of what is no longer in it. Pure.

use std::time::Duration;

#[cfg(feature = "client")]
use eks_core::Survivor;
use eks_core::{After, Error, Owner, Removal, StepKey, Teardown};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ObjectId, ObjectSet, SetOp,
    observed::{is_ours, key_mark},
    order::Rank,
    plan::{op_error, plan_error},
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
    /// The key of the step that made it.
    pub key: StepKey,
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
        let uid = live["metadata"]["uid"].as_str()?.to_owned();
        is_ours(live, owner, set).then(|| Some(Self { object: ObjectId::of(live), uid, key: key_mark(live)? }))?
    }

    fn title(&self) -> String {
        match Rank::of(&self.object) {
            Rank::Namespaces => format!("{}, with everything in it", self.object),
            Rank::Definitions => format!("{}, with every object of its kind", self.object),
            Rank::Objects | Rank::Interceptors => self.object.to_string(),
        }
    }

    #[cfg(feature = "client")]
    pub(crate) fn survivor(&self, why: &str) -> Survivor {
        let id = match self.object.namespace.as_str() {
            "" => self.object.name.clone(),
            namespace => format!("{namespace}/{}", self.object.name),
        };
        Survivor::new(self.object.kind.clone(), id, why, "run the teardown again", 0.0)
    }
}

/// Removes members, in the reverse of the order in which they were made.
///
/// # Errors
/// [`Error::Plan`] if an operation has no JSON form.
pub(crate) fn removing(owner: &Owner, access: Option<&Access>, members: Vec<SetMember>) -> Result<Teardown, Error> {
    let leavings = SetLeavings { access: access.cloned(), members };
    let scope = serde_json::to_value(&leavings)
        .map_err(|error| Error::Plan { subject: "layer objects".to_owned(), reason: format!("its scope has no JSON form: {error}") })?;
    let mut teardown = Teardown::builder(owner, "objects", scope);
    for member in &leavings.members {
        let op = SetOp::Delete { access: access.cloned(), object: member.object.clone(), uid: member.uid.clone() };
        let removal =
            Removal::new(member.key.clone(), member.title(), member.object.name.clone(), &op).map_err(|error| op_error(&error))?;
        let rank = Rank::of(&member.object);
        let next = leavings.members.iter().map(|other| Rank::of(&other.object)).filter(|other| *other > rank).min();
        let later = leavings.members.iter().filter(|other| Some(Rank::of(&other.object)) == next);
        let removal = later.fold(removal, |removal, other| removal.after(After::Key(other.key.clone())));
        teardown = teardown.removal(removal.takes(Duration::from_secs(if rank == Rank::Namespaces { 10 } else { 2 })));
    }
    teardown.build().map_err(|error| plan_error(&error))
}

impl ObjectSet {
    /// The members that are no longer in the set.
    pub fn outdated(&self, members: impl IntoIterator<Item = SetMember>) -> Vec<SetMember> {
        members.into_iter().filter(|member| !self.objects.contains_key(&member.key)).collect()
    }

    /// Removes members that are no longer in the set: the list to show before.
    ///
    /// # Errors
    /// [`Error::Plan`] if an operation has no JSON form.
    pub fn prune(&self, members: impl IntoIterator<Item = SetMember>) -> Result<Teardown, Error> {
        removing(&self.owner, self.access.known().as_ref(), self.outdated(members))
    }

    /// Removes every member.
    ///
    /// # Errors
    /// [`Error::Plan`] if an operation has no JSON form.
    pub fn teardown(&self, members: impl IntoIterator<Item = SetMember>) -> Result<Teardown, Error> {
        removing(&self.owner, self.access.known().as_ref(), members.into_iter().collect())
    }
}
