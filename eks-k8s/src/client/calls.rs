//! Calls, counted, each with an end.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use eks_core::{Class, Error};
use futures::{Stream, StreamExt};
use kube::{
    Client,
    api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, Preconditions, Request, WatchEvent, WatchParams},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    connect::Place,
    error::{endless, failed},
};
use crate::owned::MANAGER;

/// What ends a call that gets no answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Objects a page.
const PAGE: u32 = 500;
/// So many pages hold half a million objects; etcd of a cluster does not.
pub(super) const PAGES: u32 = 1_000;
/// How often a read is tried that time may heal, and a write that another one came before.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_secs(1);

pub(super) const NODES: &str = "/api/v1/nodes";
pub(super) const PODS: &str = "/api/v1/pods";
pub(super) const NAMESPACES: &str = "/api/v1/namespaces";
pub(super) const BUDGETS: &str = "/apis/policy/v1/poddisruptionbudgets";
pub(super) const VOLUMES: &str = "/api/v1/persistentvolumes";
pub(super) const DAEMON_SETS: &str = "/apis/apps/v1/daemonsets";
pub(super) const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
pub(super) const STATEFUL_SETS: &str = "/apis/apps/v1/statefulsets";
pub(super) const REPLICA_SETS: &str = "/apis/apps/v1/replicasets";
pub(super) const SERVICES: &str = "/api/v1/services";
pub(super) const INGRESSES: &str = "/apis/networking.k8s.io/v1/ingresses";
pub(super) const INGRESS_CLASSES: &str = "/apis/networking.k8s.io/v1/ingressclasses";
pub(super) const NODE_POOLS: &str = "/apis/karpenter.sh/v1/nodepools";

/// A request as kube makes it.
type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// An API server. Paths are those of resources.
pub(super) struct Api<'a> {
    place: Place<'a>,
    calls: AtomicU64,
}

impl<'a> Api<'a> {
    pub(super) fn new(place: Place<'a>) -> Self {
        Self { place, calls: AtomicU64::new(0) }
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// A client for one call, which is counted.
    pub(super) async fn client(&self) -> Result<Client, Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.place.client().await
    }

    /// Forgets the client, whose token has ended before its time. Whether another one can be made.
    pub(super) async fn renew(&self) -> bool {
        self.place.renew().await
    }

    async fn text(&self, verb: &str, path: &str, request: Built) -> Result<String, Error> {
        let request = request.map_err(|error| unbuilt(path, error))?;
        match self.once(verb, path, request.clone()).await {
            Err(error) if is_unauthorized(&error) && self.renew().await => self.once(verb, path, request).await,
            answer => answer,
        }
    }

    async fn once(&self, verb: &str, path: &str, request: http::Request<Vec<u8>>) -> Result<String, Error> {
        match timeout(ANSWER, self.client().await?.request_text(request)).await {
            Ok(answer) => answer.map_err(|error| failed(verb, path, error)),
            Err(_) => Err(failed(verb, path, kube::Error::Service("no answer".into()))),
        }
    }

    async fn json(&self, verb: &str, path: &str, request: Built) -> Result<Value, Error> {
        let text = self.text(verb, path, request).await?;
        serde_json::from_str(&text).map_err(|error| failed(verb, path, kube::Error::SerdeError(error)))
    }

    /// One page of a list, as text.
    async fn page(&self, path: &str, params: &ListParams, metadata_only: bool) -> Result<String, Error> {
        let request = || if metadata_only { Request::new(path).list_metadata(params) } else { Request::new(path).list(params) };
        retried(|| self.text("list", path, request())).await
    }

    /// Every page of a list; `take` takes one in and tells the token of the next.
    pub(super) async fn pages(
        &self,
        path: &str,
        params: ListParams,
        metadata_only: bool,
        mut take: impl FnMut(&str) -> Result<Option<String>, Error>,
    ) -> Result<(), Error> {
        let mut params = params.limit(PAGE);
        for _ in 0..PAGES {
            match take(&self.page(path, &params, metadata_only).await?)? {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
        Err(endless("list", path, PAGES))
    }

    /// Whole objects, and the version at which they were so.
    pub(super) async fn list(&self, path: &str, params: ListParams) -> Result<(Vec<Value>, String), Error> {
        let (mut items, mut version) = (Vec::new(), String::new());
        self.pages(path, params, false, |page| {
            let mut page: Value = serde_json::from_str(page).map_err(|error| failed("list", path, kube::Error::SerdeError(error)))?;
            if let Some(found) = page["items"].as_array_mut() {
                items.append(found);
            }
            version = page["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
            Ok(page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned))
        })
        .await?;
        Ok((items, version))
    }

    pub(super) async fn get(&self, path: &str, name: &str) -> Result<Option<Value>, Error> {
        let subject = format!("{path}/{name}");
        match retried(|| self.json("get", &subject, Request::new(path).get(name, &GetParams::default()))).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.class() == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads an object, and merges into it what `change` says, until nobody else has written in between. `None` from `change`: all is
    /// as it should be. What was there before; `None` if it is gone.
    pub(super) async fn edit(
        &self,
        path: &str,
        name: &str,
        change: impl Fn(&Value) -> Option<Value>,
    ) -> Result<Option<(Value, bool)>, Error> {
        let subject = format!("{path}/{name}");
        // By this name the API server tells what we wrote from what others did (`metadata.managedFields`).
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let mut tries = 1;
        loop {
            let Some(before) = self.get(path, name).await? else { return Ok(None) };
            let Some(mut patch) = change(&before) else { return Ok(Some((before, false))) };
            patch["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            let request = Request::new(path).patch(name, &params, &Patch::Merge(&patch));
            match self.json("patch", &subject, request).await {
                Ok(_) => return Ok(Some((before, true))),
                Err(error) if error.class() == Class::NotFound => return Ok(None),
                // Somebody else wrote, or it is not known whether we did: what is there tells.
                Err(error) if tries < TRIES && (error.class() == Class::Conflict || heals(&error)) => {
                    sleep(if error.class() == Class::Conflict { PAUSE / 10 } else { PAUSE } * tries).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes the Pod with this uid, past its budgets. Gone is fine.
    pub(super) async fn delete_pod(&self, namespace: &str, name: &str, uid: &str, grace: Option<u32>) -> Result<(), Error> {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams { grace_period_seconds: grace, preconditions: Some(preconditions), ..DeleteParams::default() };
        let subject = format!("{path}/{name}");
        match retried(|| self.text("delete", &subject, Request::new(path.as_str()).delete(name, &params))).await {
            Ok(_) => Ok(()),
            // Gone, or another Pod of that name.
            Err(error) if [Class::NotFound, Class::Conflict].contains(&error.class()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Changes since a version.
    pub(super) async fn watch(
        &self,
        path: &str,
        params: &WatchParams,
        version: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<Value>, kube::Error>> + use<>, Error> {
        let request = Request::new(path).watch(params, version).map_err(|error| unbuilt(path, error))?;
        let open = async |request| {
            let events = timeout(ANSWER, self.client().await?.request_events(request)).await;
            events.unwrap_or_else(|_| Err(kube::Error::Service("no answer".into()))).map_err(|error| failed("watch", path, error))
        };
        let events = match open(request.clone()).await {
            Err(error) if is_unauthorized(&error) && self.renew().await => open(request).await,
            events => events,
        };
        Ok(events?.boxed())
    }
}

fn unbuilt(path: &str, error: kube::core::request::Error) -> Error {
    Error::Plan { subject: path.to_owned(), reason: error.to_string() }
}

/// Whether the API server does not know who we are: 401.
pub(super) fn is_unauthorized(error: &Error) -> bool {
    matches!(error, Error::Call { class: Class::Denied, code: Some(code), .. } if code == "Unauthorized" || code == "401")
}

/// Whether time heals it.
pub(super) fn heals(error: &Error) -> bool {
    matches!(error.class(), Class::Inconsistent | Class::Throttled | Class::Transient)
}

async fn retried<T, F: Future<Output = Result<T, Error>>>(mut call: impl FnMut() -> F) -> Result<T, Error> {
    let mut tries = 1;
    loop {
        match call().await {
            Err(error) if tries < TRIES && heals(&error) && error.class() != Class::Inconsistent => {
                sleep(PAUSE * tries).await;
                tries += 1;
            }
            answer => return answer,
        }
    }
}

/// The body of an eviction ("API-initiated Eviction"): of this Pod, not of another one that has its name by then.
pub(super) fn eviction(namespace: &str, name: &str, uid: &str, grace: Option<u32>) -> Vec<u8> {
    let mut options = json!({"preconditions": {"uid": uid}});
    if let Some(seconds) = grace {
        options["gracePeriodSeconds"] = json!(seconds);
    }
    json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"namespace": namespace, "name": name}, "deleteOptions": options,
    })
    .to_string()
    .into_bytes()
}
