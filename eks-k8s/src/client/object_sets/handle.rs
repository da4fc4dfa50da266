//! The handle.

use std::{fmt, sync::Arc};

use eks_core::{Error, Owner, Plan, Teardown};
use kube::Client;

use super::{super::connect::Objects, discovery::Discovery};
use crate::{
    Access, ObjectSet, SetMember, SetObserved,
    object_set::{SetScope, removing},
};

/// Object sets of clusters: observes them, and carries out plans and teardowns of layer `objects`. Cheap to clone.
#[derive(Clone)]
pub struct ObjectSets {
    pub(super) objects: Objects,
    pub(super) discovery: Arc<Discovery>,
}

impl fmt::Debug for ObjectSets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSets").field("objects", &self.objects).finish_non_exhaustive()
    }
}

impl From<&Objects> for ObjectSets {
    /// Sets of the same clusters, over the same connections.
    fn from(objects: &Objects) -> Self {
        Self { objects: objects.clone(), discovery: Arc::default() }
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

    /// What exists of a set.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer; [`Error::Refused`] if an object names a namespace that its kind has not.
    pub async fn observe(&self, set: &ObjectSet, access: Option<Access>) -> Result<SetObserved, Error> {
        let scope: SetScope = SetObserved::at(set, access.or_else(|| set.access().known())).scope().clone();
        self.look(set.owner(), set.name(), scope).await
    }

    /// Removes what carries the set's label and is no longer in it. The teardown shows what that is; nothing is removed before it is
    /// applied. A set's plan never does this.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer.
    pub async fn prune(&self, set: &ObjectSet, access: Option<Access>) -> Result<Teardown, Error> {
        let access = access.or_else(|| set.access().known());
        let members = self.members(set.owner(), set.name(), access.as_ref()).await?;
        removing(set.owner(), access.as_ref(), set.outdated(members))
    }

    /// Removes all that carries the label of a set, in the reverse of the order in which it was made.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer.
    pub async fn teardown(&self, owner: &Owner, set: &str, access: Option<Access>) -> Result<Teardown, Error> {
        let members = self.members(owner, set, access.as_ref()).await?;
        removing(owner, access.as_ref(), members)
    }

    /// What carries the label of a set, of every kind that the API server can list.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer.
    pub async fn members(&self, owner: &Owner, set: &str, access: Option<&Access>) -> Result<Vec<SetMember>, Error> {
        match self.objects.client(access).await? {
            Some(client) => super::members::list(&client, owner, set).await,
            None => Ok(Vec::new()),
        }
    }
}
