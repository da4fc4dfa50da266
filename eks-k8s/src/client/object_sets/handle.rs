//! The handle.

use std::{fmt, sync::Arc};

use eks_core::{Error, Owner, Plan, Teardown};
use kube::Client;

use super::{super::connect::Objects, discovery::Discovery};
use crate::{
    Access, ObjectSet, SetMembers, SetObserved,
    object_set::{Contents, SetScope, removing},
};

/// Object sets of clusters: observes them, and carries out plans and teardowns of layer `objects`. Cheap to clone.
#[derive(Clone)]
pub struct ObjectSets {
    pub(super) objects: Objects,
    pub(super) discovery: Arc<Discovery>,
    pub(super) contents: Arc<Contents>,
}

impl fmt::Debug for ObjectSets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSets").field("objects", &self.objects).finish_non_exhaustive()
    }
}

impl From<&Objects> for ObjectSets {
    /// Sets of the same clusters, over the same connections.
    fn from(objects: &Objects) -> Self {
        Self { objects: objects.clone(), discovery: Arc::default(), contents: Arc::default() }
    }
}

impl ObjectSets {
    /// Sets of the cluster that `client` is connected to.
    pub fn new(client: Client) -> Self {
        Self::from(&Objects::new(client))
    }

    /// Plans a set against what exists, and what the API server says that applying it would change (a dry run of each object that
    /// is there).
    ///
    /// `access` is where the cluster's API server is, if it exists. Without it, and if the set itself knows no endpoint, nothing
    /// exists yet and nothing is called.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer; what [`ObjectSet::plan`] refuses.
    pub async fn plan(&self, set: &ObjectSet, access: Option<Access>) -> Result<Plan, Error> {
        set.plan(&self.observe(set, access).await?)
    }

    /// As [`ObjectSets::plan`], of several sets: one plan, which can be joined with those of other layers.
    ///
    /// # Errors
    /// As [`ObjectSets::plan`]; what [`ObjectSet::plan_all`] refuses.
    pub async fn plan_all(&self, sets: &[&ObjectSet], access: Option<Access>) -> Result<Plan, Error> {
        let mut now = SetObserved::default();
        for set in sets {
            now = now.and(self.observe(set, access.clone()).await?);
        }
        ObjectSet::plan_all(sets.iter().copied(), &now)
    }

    /// What exists of a set.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer; [`Error::Refused`] if an object names a namespace that its kind has not.
    pub async fn observe(&self, set: &ObjectSet, access: Option<Access>) -> Result<SetObserved, Error> {
        self.contents_of(set);
        let scope: SetScope = SetObserved::at(set, access.or_else(|| set.access().known())).into_scope();
        self.look(set.owner(), scope).await
    }

    /// Takes in the contents of a set's Secrets, for a plan that was saved: it carries a digest of them alone, and applying it without them,
    /// or with others, is refused before anything is done. What this handle has planned it knows.
    pub fn contents_of(&self, set: &ObjectSet) {
        self.contents.learn(set);
    }

    /// Removes what carries the set's label and is no longer in it. The teardown shows what that is; nothing is removed before it is
    /// applied. A set's plan never does this.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer.
    pub async fn prune(&self, set: &ObjectSet, access: Option<Access>) -> Result<Teardown, Error> {
        let access = access.or_else(|| set.access().known());
        let found = self.members(set.owner(), &[set.name()], access.as_ref()).await?;
        let outdated = SetMembers { members: set.outdated(found.members), unlisted: found.unlisted };
        removing(set.owner(), access.as_ref(), &[set.name()], outdated)
    }

    /// Removes all that carries the label of a set. What only a controller can release (load balancers, claims, custom resources) is gone
    /// before what may be that controller; kinds and namespaces go last.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer.
    pub async fn teardown(&self, owner: &Owner, set: &str, access: Option<Access>) -> Result<Teardown, Error> {
        self.teardown_all(owner, &[set], access).await
    }

    /// As [`ObjectSets::teardown`], of several sets at once: one may hold the controllers of another.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer.
    pub async fn teardown_all(&self, owner: &Owner, sets: &[&str], access: Option<Access>) -> Result<Teardown, Error> {
        let found = self.members(owner, sets, access.as_ref()).await?;
        removing(owner, access.as_ref(), sets, found)
    }

    /// What carries the labels of sets, of every kind that the API server can list.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer. That an aggregated API server does not (metrics, say) is told instead.
    pub async fn members(&self, owner: &Owner, sets: &[&str], access: Option<&Access>) -> Result<SetMembers, Error> {
        match self.objects.client(access).await? {
            Some(client) => super::members::list(&client, owner, sets).await,
            None => Ok(SetMembers::default()),
        }
    }
}
