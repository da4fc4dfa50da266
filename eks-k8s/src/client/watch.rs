//! Waiting by list and watch: no time is lost to polling, and nothing is asked while nothing happens.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{Class, Error, engine::StepContext};
use futures::StreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    api::{Collection, Resource, value},
    connect::Place,
    error::failed,
};

/// Pause before a list or watch that failed is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// After how many seconds the server is asked to end a watch.
const SERVER_ENDS: u32 = 60;
/// When a watch is given up: its server should have ended it, so the connection is half open.
const CLIENT_ENDS: Duration = Duration::from_secs(75);

/// What the watched objects say.
pub(super) enum Seen<T> {
    /// It is as it should be.
    Done(T),
    /// It will never be.
    Never { state: String, reason: String },
    /// Not yet.
    Not(String),
}

/// What is watched.
pub(super) struct Watch<'a> {
    pub(super) place: &'a Place<'a>,
    pub(super) resource: Resource<'a>,
    pub(super) namespace: String,
    pub(super) labels: Option<String>,
    pub(super) fields: Option<String>,
    /// For people: `Pod default/nginx`.
    pub(super) subject: String,
    pub(super) limit: Duration,
}

/// Objects by uid.
pub(super) type Objects = BTreeMap<String, Value>;

struct Progress {
    state: String,
    looks: u32,
}

impl<'a> Watch<'a> {
    /// One object, by name.
    pub(super) fn one(
        place: &'a Place<'a>,
        resource: impl Into<Resource<'a>>,
        namespace: &str,
        name: &str,
        subject: impl Into<String>,
        limit: Duration,
    ) -> Self {
        let (resource, namespace) = (resource.into(), namespace.to_owned());
        Self { place, resource, namespace, labels: None, fields: Some(format!("metadata.name={name}")), subject: subject.into(), limit }
    }

    async fn collection(&self) -> Result<Collection, Error> {
        Ok(Collection::within(&self.place.client().await?, self.resource, &self.namespace))
    }

    /// Waits until `judge` is satisfied. Reconnects when the watch ends or fails, and lists anew when it is too old (410).
    ///
    /// # Errors
    /// [`Error::Terminal`], [`Error::Timeout`], [`Error::Stopped`]; [`Error::Call`] for what time does not heal.
    pub(super) async fn until<T>(&self, cx: &StepContext, mut judge: impl FnMut(&Objects) -> Seen<T>) -> Result<T, Error> {
        let began = Instant::now();
        let mut progress = Progress { state: "not seen".to_owned(), looks: 0 };
        let watched = cx.aside(&self.subject, async { Ok(timeout(self.limit, self.follow(cx, &mut judge, &mut progress)).await) }).await?;
        watched.unwrap_or_else(|_| {
            Err(Error::Timeout { subject: self.subject.clone(), state: progress.state, waited: began.elapsed(), polls: progress.looks })
        })
    }

    /// Tells what `judge` says, for as long as it is awaited: beside a wait, of which it is no part. Its failure is nobody's.
    pub(super) async fn beside(&self, cx: &StepContext, mut judge: impl FnMut(&Objects) -> Option<String>) {
        let mut progress = Progress { state: String::new(), looks: 0 };
        let mut judge = |objects: &Objects| Seen::<()>::Not(judge(objects).unwrap_or_default());
        let _ = self.follow(cx, &mut judge, &mut progress).await;
        std::future::pending().await
    }

    async fn follow<T>(&self, cx: &StepContext, judge: &mut impl FnMut(&Objects) -> Seen<T>, progress: &mut Progress) -> Result<T, Error> {
        loop {
            progress.looks += 1;
            let params = ListParams { label_selector: self.labels.clone(), field_selector: self.fields.clone(), ..ListParams::default() };
            let (listed, mut version) = match self.collection().await?.list(params).await {
                Ok(listed) => listed,
                Err(error) if heals(&error) => {
                    self.tell(cx, progress, format!("unknown ({})", error.chain()));
                    sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut objects: Objects = listed.into_iter().map(|object| (uid(&object), object)).collect();
            if let Some(end) = self.settled(cx, judge(&objects), progress) {
                return end;
            }
            loop {
                progress.looks += 1;
                match self.tail(cx, judge, progress, &mut objects, &mut version).await? {
                    Tail::End(end) => return end,
                    Tail::Watch => {}
                    Tail::List => break,
                }
            }
        }
    }

    /// One watch, until it ends.
    async fn tail<T>(
        &self,
        cx: &StepContext,
        judge: &mut impl FnMut(&Objects) -> Seen<T>,
        progress: &mut Progress,
        objects: &mut Objects,
        version: &mut String,
    ) -> Result<Tail<T>, Error> {
        let began = Instant::now();
        let params = WatchParams {
            label_selector: self.labels.clone(),
            field_selector: self.fields.clone(),
            timeout: Some(SERVER_ENDS),
            ..WatchParams::default()
        };
        let deadline = began + CLIENT_ENDS;
        let collection = self.collection().await?;
        let stream = match timeout_at(deadline, collection.api.watch(&params, version)).await {
            Err(_) => return Ok(Tail::List),
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let error = failed(format!("watch {}", collection.kind), self.subject.clone(), error);
                if !heals(&error) {
                    return Err(error);
                }
                sleep(PAUSE).await;
                return Ok(Tail::List);
            }
        };
        let mut stream = stream.boxed();
        loop {
            let event = match timeout_at(deadline, stream.next()).await {
                Err(_) => return Ok(Tail::List),
                Ok(None) => break,
                Ok(Some(event)) => event,
            };
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    let object = value(object)?;
                    *version = version_of(&object);
                    objects.insert(uid(&object), object);
                }
                Ok(WatchEvent::Deleted(object)) => {
                    let object = value(object)?;
                    *version = version_of(&object);
                    objects.remove(&uid(&object));
                }
                Ok(WatchEvent::Bookmark(bookmark)) => {
                    *version = bookmark.metadata.resource_version;
                    continue;
                }
                // 410: the server has forgotten the version that we were at.
                Ok(WatchEvent::Error(status)) if status.code == 410 => return Ok(Tail::List),
                Ok(WatchEvent::Error(_)) | Err(_) => {
                    sleep(PAUSE).await;
                    return Ok(Tail::List);
                }
            }
            if let Some(end) = self.settled(cx, judge(objects), progress) {
                return Ok(Tail::End(end));
            }
        }
        // Servers end watches now and then; one that ends them at once is not to be stormed.
        if began.elapsed() < PAUSE {
            sleep(PAUSE).await;
        }
        Ok(Tail::Watch)
    }

    fn settled<T>(&self, cx: &StepContext, seen: Seen<T>, progress: &mut Progress) -> Option<Result<T, Error>> {
        match seen {
            Seen::Done(told) => Some(Ok(told)),
            Seen::Never { state, reason } => Some(Err(Error::Terminal { subject: self.subject.clone(), state, reason })),
            Seen::Not(state) => {
                self.tell(cx, progress, state);
                None
            }
        }
    }

    /// Tells observers of a state, once.
    fn tell(&self, cx: &StepContext, progress: &mut Progress, state: String) {
        if progress.state != state {
            cx.waiting(self.subject.clone(), state.clone());
            progress.state = state;
        }
    }
}

/// How a watch ended.
enum Tail<T> {
    /// With what was waited for, or its failure.
    End(Result<T, Error>),
    /// In such a way that everything must be listed anew.
    List,
    /// In the ordinary way: go on where it ended.
    Watch,
}

/// Whether time heals it.
fn heals(error: &Error) -> bool {
    matches!(error.class(), Class::Inconsistent | Class::Throttled | Class::Transient)
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

fn version_of(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}
