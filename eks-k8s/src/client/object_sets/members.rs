//! What carries the labels of sets.

use std::collections::BTreeMap;

use eks_core::{Class, Error, OWNER_TAG, Owner};
use futures::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use kube::{Client, api::ListParams};
use serde_json::{Value, json};

use super::discovery::{Served, everything};
use crate::{SET_LABEL, SetMember, SetMembers};

/// Lists at a time.
const AT_ONCE: usize = 16;

/// Objects of sets, of every kind.
pub(super) async fn list(client: &Client, owner: &Owner, sets: &[&str]) -> Result<SetMembers, Error> {
    if sets.is_empty() {
        return Ok(SetMembers::default());
    }
    let selector = format!("{OWNER_TAG}={owner},{SET_LABEL} in ({})", sets.join(","));
    let (kinds, unlisted) = everything(client).await?;
    let mut lists: Vec<BoxFuture<'_, Result<Vec<Value>, Error>>> = Vec::new();
    for served in &kinds {
        lists.push(Box::pin(labelled(client, served, &selector)));
    }
    let found: Vec<Vec<Value>> = stream::iter(lists).buffered(AT_ONCE).try_collect().await?;
    // Some kinds are served by two groups.
    let mut members: BTreeMap<String, SetMember> = BTreeMap::new();
    for live in found.iter().flatten() {
        for member in sets.iter().filter_map(|set| SetMember::of(live, owner, set)) {
            members.entry(member.uid.clone()).or_insert(member);
        }
    }
    let mut members: Vec<_> = members.into_values().collect();
    members.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(SetMembers { members, unlisted })
}

async fn labelled(client: &Client, served: &Served, selector: &str) -> Result<Vec<Value>, Error> {
    let listed = served.collection(client, "").list(ListParams::default().labels(selector)).await;
    let mut found = match listed {
        Ok((found, _)) => found,
        // Its definition has just gone.
        Err(error) if error.class() == Class::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    for object in &mut found {
        object["apiVersion"] = json!(served.api_version());
        object["kind"] = json!(served.kind);
    }
    Ok(found)
}
