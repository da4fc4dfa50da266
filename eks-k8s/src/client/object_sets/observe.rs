//! Reading a set: each object as it is, and as it would be.

use eks_core::{Error, Owner};
use futures::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use kube::Client;

use super::{
    apply::{Refusal, apply},
    discovery::live,
    handle::ObjectSets,
};
use crate::{
    Manifest, ObjectId, SetObject, SetObserved,
    object_set::{SetPart, SetScope, is_ours},
};

/// Objects at a time.
const AT_ONCE: usize = 16;

impl ObjectSets {
    /// Reads what the scope names.
    pub(super) async fn look(&self, owner: &Owner, scope: SetScope) -> Result<SetObserved, Error> {
        let mut manifests = Vec::new();
        for part in &scope.0 {
            let whole = part.objects.iter().map(|object| self.contents.whole(object));
            manifests.push(whole.collect::<Result<Vec<_>, _>>()?);
        }
        let mut now = SetObserved::in_scope(scope.clone());
        for (part, manifests) in scope.0.iter().zip(manifests) {
            let Some(client) = self.objects.client(part.access.as_ref()).await? else { continue };
            let mut reads: Vec<BoxFuture<'_, Result<SetObject, Error>>> = Vec::new();
            for manifest in &manifests {
                reads.push(Box::pin(self.read(&client, owner, part, manifest)));
            }
            let found: Vec<SetObject> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
            now = manifests.iter().zip(found).fold(now, |now, (manifest, found)| now.found(manifest, found));
        }
        Ok(now)
    }

    async fn read(&self, client: &Client, owner: &Owner, part: &SetPart, manifest: &Manifest) -> Result<SetObject, Error> {
        let id = ObjectId::of(manifest);
        let mut object = SetObject::default();
        // Without its definition, which may be in the set, there is no object of the kind.
        let Some(served) = self.discovery.find(client, part.access.as_ref(), &id).await? else { return Ok(object) };
        let collection = served.collection(client, &served.namespace(&id, &part.namespace)?);
        object.live = live(&collection, &id.name).await?.map(Manifest::from);
        if object.live.as_ref().is_some_and(|live| is_ours(live, owner, &part.set)) {
            match apply(&collection, &id.name, manifest, part.force, true).await {
                Ok(would_be) => object.would_be = Some(would_be.into()),
                Err(Refusal::Conflicts(conflicts)) => object.conflicts = conflicts,
                // Webhooks with side effects refuse dry runs: then only the fields of the manifest are compared.
                Err(Refusal::Invalid(why)) if why.contains("does not support dry run") => {}
                Err(Refusal::Invalid(why)) => object.refused = Some(why),
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        Ok(object)
    }
}
