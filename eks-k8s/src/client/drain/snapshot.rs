//! Reading a cluster for a forecast: six lists at once, page by page.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use eks_core::{Class, Error};
use futures::future::try_join_all;
use kube::api::ListParams;

use super::calls::{Api, BUDGETS, DAEMON_SETS, NAMESPACES, NODES, PODS, VOLUMES};
use crate::drain::{Cluster, Node, ReadError, Reader};

/// How a page is taken in.
type Take = fn(&mut Reader, &str) -> Result<Option<String>, ReadError>;

pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default()
}

pub(super) fn unreadable(error: ReadError) -> Error {
    Error::Plan { subject: error.to_string(), reason: error.source.to_string() }
}

/// How often everything is read anew, because the API server has forgotten the version that a list began with (410).
const TRIES: u32 = 3;

pub(super) async fn read(api: &Api<'_>) -> Result<Cluster, Error> {
    let mut tries = 1;
    loop {
        match once(api).await {
            Err(error) if tries < TRIES && error.class() == Class::Inconsistent => tries += 1,
            read => return read,
        }
    }
}

/// Nodes alone.
pub(super) async fn nodes(api: &Api<'_>) -> Result<BTreeMap<String, Node>, Error> {
    let mut reader = Reader::new(now());
    api.pages(NODES, ListParams::default(), false, |page| reader.nodes(page).map_err(unreadable)).await?;
    Ok(reader.finish().nodes)
}

async fn once(api: &Api<'_>) -> Result<Cluster, Error> {
    let reader = Mutex::new(Reader::new(now()));
    let lists: [(&str, bool, Take); 6] = [
        (NODES, false, Reader::nodes),
        (PODS, false, Reader::pods),
        (BUDGETS, false, Reader::budgets),
        (VOLUMES, false, Reader::volumes),
        (DAEMON_SETS, true, Reader::daemon_sets),
        (NAMESPACES, true, Reader::namespaces),
    ];
    try_join_all(lists.map(|(path, metadata_only, take)| {
        let reader = &reader;
        api.pages(path, ListParams::default(), metadata_only, move |page| {
            take(&mut reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner), page).map_err(unreadable)
        })
    }))
    .await?;
    Ok(reader.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).finish())
}
