//! Editing aws-auth: read, change, write if nobody else has written meanwhile; otherwise read again. What was read and what is written
//! in its place are kept beside it first.

use std::time::Duration;

use eks_core::{Class, Error, Owner, RoleArn};
use kube::{Client, api::Preconditions};
use serde_json::{Value, json};

use super::{
    api::{CONFIG_MAPS, Collection},
    connect::Objects,
};
use crate::{
    Access, AuthEdit, AwsAuth, Guard, Mapping,
    aws_auth::record::{AuthMap, Fate, NAME, NAMESPACE},
};

/// How often another writer may come first: each time, one of them has written.
const TRIES: u32 = 30;
/// The pause after the first time; it grows with each.
const PAUSE: Duration = Duration::from_millis(10);
/// The ConfigMap that holds the backup, in the same namespace.
const BACKUP: &str = "eks-rs-aws-auth-backup";

/// Which of the two kept documents is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an edit has a before and an after")]
pub enum Backup {
    /// What was there before our last edit: undoes it.
    Before,
    /// What our last edit wrote: undoes whatever came after it.
    After,
}

impl Backup {
    fn key(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

impl Objects {
    /// Maps a role of nodes in `aws-auth` now, outside of a plan: a rolling replacement does, when it adds its new group beside
    /// the old one.
    ///
    /// # Errors
    /// [`Error::Refused`] if the document is broken or maps the role otherwise; [`Error::Call`].
    pub async fn map_role(&self, owner: &Owner, access: Option<&Access>, group: &str, role: &RoleArn) -> Result<(), Error> {
        map(&self.place(access.cloned()).client().await?, owner, &[(group.to_owned(), role.clone())]).await
    }

    /// Ends one group's need of a role. Its entry goes with the last group, of any owner, that needs it, and only if it was added by us.
    /// Do so only when no instance of the group runs any more: nodes that are still there would be cut off.
    ///
    /// # Errors
    /// [`Error::Refused`] if the document is broken; [`Error::Call`].
    pub async fn unmap_role(&self, owner: &Owner, access: Option<&Access>, group: &str, role: &RoleArn) -> Result<(), Error> {
        edit(&self.place(access.cloned()).client().await?, owner, |map| map.release(group, role)).await
    }

    /// Edits `aws-auth` for people: roles, users and accounts. Concurrent editors lose nothing: each change is made on top of theirs.
    ///
    /// # Errors
    /// [`Error::Refused`] if the document is broken, an ARN is mapped otherwise, or `guard` forbids the edit; [`Error::Call`].
    pub async fn edit_aws_auth(&self, owner: &Owner, access: Option<&Access>, edits: &[AuthEdit], guard: &Guard) -> Result<(), Error> {
        edit(&self.place(access.cloned()).client().await?, owner, |map| map.edited(edits, guard)).await
    }

    /// Puts back what our last edit found or wrote. A document that is whole by now and maps somebody whom the backup does not is left,
    /// unless `guard` says that people may be locked out.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no backup, or the guard forbids it; [`Error::Call`].
    pub async fn restore_aws_auth(&self, owner: &Owner, access: Option<&Access>, which: Backup, guard: &Guard) -> Result<(), Error> {
        let client = self.place(access.cloned()).client().await?;
        let backup = Collection::within(&client, CONFIG_MAPS, NAMESPACE).get(BACKUP).await?;
        let kept = backup.as_ref().and_then(|backup| backup["data"][which.key()].as_str()).and_then(|text| serde_json::from_str(text).ok());
        let data: Value = kept.ok_or_else(|| no_backup(which))?;
        let document = AwsAuth::read(&json!({"data": data}))?;
        write(&client, |live| {
            let Some(live) = live else { return AuthMap::absent(owner)?.replaced(document.clone()) };
            match AuthMap::read(live.clone(), owner) {
                Ok(map) => {
                    guard.check_replacement(map.document(), &document)?;
                    map.replaced(document.clone())
                }
                // `mapRoles` is broken and maps nobody; the other lists are as good as ever.
                Err(_) => {
                    let mut body = live.clone();
                    if let Some(data) = body["data"].as_object_mut() {
                        data.remove("mapRoles");
                    }
                    let map = AuthMap::read(body, owner)?;
                    guard.check_replacement(map.document(), &document)?;
                    map.mended(document.clone())
                }
            }
        })
        .await
    }
}

fn no_backup(which: Backup) -> Error {
    Error::Refused {
        subject: format!("ConfigMap {NAMESPACE}/{BACKUP}"),
        rule: format!("it holds no document from {} an edit of ours", which.key()),
        remedy: "write aws-auth by hand, or let an access entry in (aws eks create-access-entry)".to_owned(),
    }
}

pub(super) async fn map(client: &Client, owner: &Owner, roles: &[(String, RoleArn)]) -> Result<(), Error> {
    edit(client, owner, |map| map.with(roles)).await
}

pub(super) async fn unmap(client: &Client, owner: &Owner, mappings: &[Mapping]) -> Result<(), Error> {
    edit(client, owner, |map| map.without(mappings)).await
}

async fn edit(client: &Client, owner: &Owner, change: impl Fn(AuthMap) -> Result<Fate, Error>) -> Result<(), Error> {
    write(client, |live| match live {
        Some(live) => change(AuthMap::read(live.clone(), owner)?),
        None => change(AuthMap::absent(owner)?),
    })
    .await
}

/// Reads, decides, keeps a backup, writes; again from the start whenever somebody else was first.
async fn write(client: &Client, decide: impl Fn(Option<&Value>) -> Result<Fate, Error>) -> Result<(), Error> {
    let maps = Collection::within(client, CONFIG_MAPS, NAMESPACE);
    let mut tries = 1;
    loop {
        let live = maps.get(NAME).await?;
        let version = live.as_ref().and_then(|live| live["metadata"]["resourceVersion"].as_str()).map(str::to_owned);
        let written = match (decide(live.as_ref())?, &live) {
            (Fate::Keep, _) | (Fate::Delete, None) => return Ok(()),
            (Fate::Write(body), Some(live)) => {
                // A list that is broken must not push out the last whole one.
                if AwsAuth::unchecked(live).is_whole() {
                    keep(&maps, &live["data"], &body["data"]).await?;
                }
                maps.replace(NAME, &body).await
            }
            // There was nothing to lose.
            (Fate::Write(body), None) => maps.create(NAME, &body).await,
            (Fate::Delete, Some(_)) => maps.delete(NAME, Preconditions { resource_version: version, uid: None }).await,
        };
        match written {
            // Someone else has written since: their change stays, ours is made on top of it.
            Err(error) if error.class() == Class::Conflict && tries < TRIES => {
                tokio::time::sleep(PAUSE * tries).await;
                tries += 1;
            }
            written => return written,
        }
    }
}

/// Keeps what is there and what will be. An object of its own: `kubectl replace` of aws-auth, and its deletion, leave it.
async fn keep(maps: &Collection, before: &Value, after: &Value) -> Result<(), Error> {
    let body = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": BACKUP, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/managed-by": "eks-rs"}},
        "data": {Backup::Before.key(): before.to_string(), Backup::After.key(): after.to_string()},
    });
    maps.apply(BACKUP, &body, true).await.map(drop)
}
