//! What is there now, kept up to date by list and watch.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{Class, Error};
use futures::StreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use super::calls::{Api, heals};

const PAUSE: Duration = Duration::from_secs(2);
/// After how many seconds the server is asked to end a watch, and when one is given up that it should have ended.
const SERVER_ENDS: u32 = 240;
const CLIENT_ENDS: Duration = Duration::from_secs(255);

/// Objects by uid; `None` until they were listed.
pub(super) type Objects<T> = Option<BTreeMap<String, T>>;

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

fn version_of(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}

/// What of a resource is followed.
pub(super) enum Filter {
    All,
    Fields(String),
    Labels(String),
}

impl Filter {
    fn selectors(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::All => (None, None),
            Self::Fields(fields) => (Some(fields.clone()), None),
            Self::Labels(labels) => (None, Some(labels.clone())),
        }
    }
}

/// Follows a resource for ever; returns only for what no time heals.
pub(super) async fn follow<T>(
    api: &Api<'_>,
    path: &str,
    filter: Filter,
    read: impl Fn(Value) -> Result<T, Error>,
    told: &watch::Sender<Objects<T>>,
) -> Error {
    loop {
        match once(api, path, &filter, &read, told).await {
            Err(error) if !heals(&error) => return error,
            Err(error) if error.class() != Class::Inconsistent => sleep(PAUSE).await,
            _ => {}
        }
    }
}

/// Lists, and watches until the server no longer knows where we were.
async fn once<T>(
    api: &Api<'_>,
    path: &str,
    filter: &Filter,
    read: &impl Fn(Value) -> Result<T, Error>,
    told: &watch::Sender<Objects<T>>,
) -> Result<(), Error> {
    let (field_selector, label_selector) = filter.selectors();
    let params = ListParams { field_selector: field_selector.clone(), label_selector: label_selector.clone(), ..ListParams::default() };
    let (listed, mut version) = api.list(path, params).await?;
    let objects = listed.into_iter().map(|object| Ok((uid(&object), read(object)?))).collect::<Result<_, Error>>()?;
    told.send_replace(Some(objects));
    let params = WatchParams { field_selector, label_selector, timeout: Some(SERVER_ENDS), bookmarks: true, ..WatchParams::default() };
    loop {
        let began = Instant::now();
        let Ok(opened) = timeout_at(began + CLIENT_ENDS, api.watch(path, &params, &version)).await else { return Ok(()) };
        let mut events = opened?;
        loop {
            let change =
                |change: &mut dyn FnMut(&mut BTreeMap<String, T>)| told.send_modify(|objects| change(objects.get_or_insert_default()));
            let Ok(event) = timeout_at(began + CLIENT_ENDS, events.next()).await else { return Ok(()) };
            match event {
                None => break,
                Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                    version = version_of(&object);
                    let (uid, mut object) = (uid(&object), Some(read(object)?));
                    change(&mut |objects| drop(object.take().and_then(|object| objects.insert(uid.clone(), object))));
                }
                Some(Ok(WatchEvent::Deleted(object))) => {
                    version = version_of(&object);
                    change(&mut |objects| drop(objects.remove(&uid(&object))));
                }
                Some(Ok(WatchEvent::Bookmark(bookmark))) => version = bookmark.metadata.resource_version,
                // 410: listed anew.
                Some(Ok(WatchEvent::Error(status))) if status.code == 410 => return Ok(()),
                Some(Ok(WatchEvent::Error(_)) | Err(_)) => {
                    sleep(PAUSE).await;
                    return Ok(());
                }
            }
        }
        // Servers end watches now and then; one that ends them at once is not to be stormed.
        if began.elapsed() < PAUSE {
            sleep(PAUSE).await;
        }
    }
}
