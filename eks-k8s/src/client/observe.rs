//! Reading what exists: one list for each kind, all at once.

use eks_core::{Class, Error, OWNER_TAG, Owner};
use futures::{
    future::{BoxFuture, try_join_all},
    try_join,
};
use kube::{Client, api::ListParams};
use serde_json::Value;

use super::{
    api::{ATTACHMENTS, CONFIG_MAPS, CSI_DRIVERS, CSI_NODES, Collection, DEPLOYMENTS, NODES, SERVICE_ACCOUNTS, VOLUMES},
    connect::Objects,
};
use crate::{
    Access, Kind, Observed, StorageObjects, Volume,
    aws_auth::record,
    observed::{NodeGroup, Scope},
    volumes_left,
};

/// The answer to one call.
enum Answer {
    Classes(Vec<Value>),
    Nodes(Vec<Value>),
    Objects(Kind, Vec<Value>),
    Roles(Option<Value>),
}

impl Objects {
    /// Reads what the scope names.
    pub(super) async fn look(&self, owner: &Owner, scope: Scope) -> Result<Observed, Error> {
        let Some(client) = self.client(scope.access.as_ref()).await? else { return Ok(Observed::in_scope(scope)) };
        let mut calls: Vec<BoxFuture<'_, Result<Answer, Error>>> = Vec::new();
        if scope.all_classes {
            let classes = Collection::all(&client, Kind::StorageClass);
            calls.push(Box::pin(async move { Ok(Answer::Classes(classes.list(ListParams::default()).await?.0)) }));
        }
        // All classes include ours.
        for kind in scope.kinds.iter().filter(|kind| **kind != Kind::StorageClass || !scope.all_classes) {
            calls.push(Box::pin(owned(&client, owner, *kind)));
        }
        if let Some(params) = selection(scope.nodes.iter()) {
            let nodes = Collection::all(&client, NODES);
            calls.push(Box::pin(async move { Ok(Answer::Nodes(nodes.list(params).await?.0)) }));
        }
        if scope.aws_auth {
            let maps = Collection::within(&client, CONFIG_MAPS, record::NAMESPACE);
            calls.push(Box::pin(async move { Ok(Answer::Roles(maps.get(record::NAME).await?)) }));
        }
        let answers = try_join_all(calls).await?;
        let volumes = scope.volumes;
        let mut now = Observed::in_scope(scope);
        for answer in answers {
            now = match answer {
                Answer::Classes(classes) => now.found(owner, Kind::StorageClass, classes.clone()).found_classes(classes),
                Answer::Nodes(nodes) => now.found_nodes(&nodes),
                Answer::Objects(kind, objects) => now.found(owner, kind, objects),
                Answer::Roles(Some(map)) => now.found_aws_auth(owner, map)?,
                Answer::Roles(None) => now,
            };
        }
        if now.has_unbound() {
            match storage(&client).await {
                Ok(storage) => now = now.found_storage(storage),
                // The check is a courtesy: who may not read these may still apply.
                Err(error) if error.class() == Class::Denied => now.unreadable_storage = Some(error.chain()),
                Err(error) => return Err(error),
            }
        }
        if volumes && now.objects.values().any(|(at, _)| matches!(at.kind, Kind::Claim | Kind::StorageClass)) {
            let (found, _) = Collection::all(&client, VOLUMES).list(ListParams::default()).await?;
            now = now.found_volumes(&found);
        }
        Ok(now)
    }
}

impl Objects {
    /// The volumes of a whole cluster that will be billed when their claims are gone, whoever made them; see
    /// [`volumes_left`](crate::volumes_left). Without `access`, and if no client was given, there is no cluster and no volume.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer.
    pub async fn volumes_left(&self, access: Option<&Access>) -> Result<Vec<Volume>, Error> {
        let Some(client) = self.client(access).await? else { return Ok(Vec::new()) };
        let (volumes, classes) = (Collection::all(&client, VOLUMES), Collection::all(&client, Kind::StorageClass));
        let ((volumes, _), (classes, _)) = try_join!(volumes.list(ListParams::default()), classes.list(ListParams::default()))?;
        Ok(volumes_left(&[volumes, classes].concat()))
    }
}

/// What makes and mounts volumes.
async fn storage(client: &Client) -> Result<StorageObjects, Error> {
    let all = |resource| {
        let collection = Collection::all(client, resource);
        async move { Ok::<_, Error>(collection.list(ListParams::default()).await?.0) }
    };
    let one = |resource, name| {
        let collection = Collection::within(client, resource, "kube-system");
        async move { collection.get(name).await }
    };
    let (drivers, controller, account, nodes, csi_nodes, attachments) = try_join!(
        all(CSI_DRIVERS),
        one(DEPLOYMENTS, "ebs-csi-controller"),
        one(SERVICE_ACCOUNTS, "ebs-csi-controller-sa"),
        all(NODES),
        all(CSI_NODES),
        all(ATTACHMENTS),
    )?;
    Ok(StorageObjects { drivers, controller, account, nodes, csi_nodes, attachments })
}

/// The owner's objects of one kind, in all namespaces.
async fn owned(client: &Client, owner: &Owner, kind: Kind) -> Result<Answer, Error> {
    let params = ListParams::default().labels(&format!("{OWNER_TAG}={owner}"));
    Ok(Answer::Objects(kind, Collection::all(client, kind).list(params).await?.0))
}

/// One list for the nodes of all groups; `None` if there are no groups.
fn selection<'a>(groups: impl Iterator<Item = &'a NodeGroup> + Clone) -> Option<ListParams> {
    let first = &groups.clone().next()?.label.0;
    // Groups with different label keys have no common selector.
    if groups.clone().any(|group| group.label.0 != *first) {
        return Some(ListParams::default());
    }
    let values: Vec<_> = groups.map(|group| group.label.1.as_str()).collect();
    Some(ListParams::default().labels(&format!("{first} in ({})", values.join(","))))
}
