//! Editing aws-auth: read, change, write if nobody else has written meanwhile; otherwise read again.

use std::time::Duration;

use eks_core::{Class, Error, Owner, RoleArn};
use kube::{Client, api::Preconditions};

use super::{
    api::{CONFIG_MAPS, Collection},
    connect::Objects,
};
use crate::{
    Access, RoleMapping,
    auth_map::{AuthMap, Fate, NAME, NAMESPACE},
};

/// How often another writer may come first.
const TRIES: u32 = 10;

impl Objects {
    /// Maps a role of nodes in `aws-auth` now, outside of a plan: a rolling replacement does, when it adds its new group beside
    /// the old one.
    ///
    /// # Errors
    /// [`Error::Refused`] if the document is broken or maps the role otherwise; [`Error::Call`].
    pub async fn map_role(&self, owner: &Owner, access: Option<&Access>, group: &str, role: &RoleArn) -> Result<(), Error> {
        map(&self.place(access.cloned()).client().await?, owner, &[(group.to_owned(), role.clone())]).await
    }

    /// Takes the entry of a role out of `aws-auth` now, if this owner added it. Do so only when no instance runs under the role any
    /// more: nodes that are still there would be cut off.
    ///
    /// # Errors
    /// [`Error::Refused`] if the document is broken; [`Error::Call`].
    pub async fn unmap_role(&self, owner: &Owner, access: Option<&Access>, role: &RoleArn) -> Result<(), Error> {
        unmap(&self.place(access.cloned()).client().await?, owner, &[RoleMapping::node(role)]).await
    }
}

pub(super) async fn map(client: &Client, owner: &Owner, roles: &[(String, RoleArn)]) -> Result<(), Error> {
    edit(client, owner, |map| map.with(roles)).await
}

pub(super) async fn unmap(client: &Client, owner: &Owner, mappings: &[RoleMapping]) -> Result<(), Error> {
    edit(client, owner, |map| map.without(mappings)).await
}

async fn edit(client: &Client, owner: &Owner, change: impl Fn(AuthMap) -> Result<Fate, Error>) -> Result<(), Error> {
    let maps = Collection::within(client, CONFIG_MAPS, NAMESPACE);
    let mut tries = 1;
    loop {
        let live = maps.get(NAME).await?;
        let version = live.as_ref().and_then(|live| live["metadata"]["resourceVersion"].as_str()).map(str::to_owned);
        let fate = match &live {
            Some(live) => change(AuthMap::read(live.clone(), owner)?)?,
            None => change(AuthMap::absent(owner)?)?,
        };
        let written = match (fate, &live) {
            (Fate::Keep, _) | (Fate::Delete, None) => return Ok(()),
            (Fate::Write(body), Some(_)) => maps.replace(NAME, &body).await,
            (Fate::Write(body), None) => maps.create(NAME, &body).await,
            (Fate::Delete, Some(_)) => maps.delete(NAME, Preconditions { resource_version: version, uid: None }).await,
        };
        match written {
            // Someone else has written since: their change stays, ours is made on top of it.
            Err(error) if error.class() == Class::Conflict && tries < TRIES => {
                tokio::time::sleep(Duration::from_millis(100) * tries).await;
                tries += 1;
            }
            written => return written,
        }
    }
}
