//! Which resource an apiVersion and kind are: one call for each group version, remembered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eks_core::{BoxError, Class, Error};
use kube::Client;
use serde_json::Value;
use tokio::time::timeout;

use super::super::{
    api::{Collection, Resource},
    error::failed,
};
use crate::{Access, ObjectId, object_set::is_built_in};

/// A resource that the API server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) is_namespaced: bool,
    /// Whether its objects can be listed and deleted.
    pub(super) is_kept: bool,
}

impl Served {
    pub(super) fn resource(&self) -> Resource<'_> {
        Resource(&self.group, &self.version, &self.kind, &self.plural)
    }

    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The namespace of an object of this kind; empty if it has none.
    pub(super) fn namespace(&self, id: &ObjectId, default: &str) -> Result<String, Error> {
        match (self.is_namespaced, id.namespace.as_str()) {
            (true, "") => Ok(default.to_owned()),
            (true, namespace) => Ok(namespace.to_owned()),
            (false, "") => Ok(String::new()),
            (false, _) => Err(Error::Refused {
                subject: id.to_string(),
                rule: format!("{} has no namespace", self.kind),
                remedy: "leave metadata.namespace out".to_owned(),
            }),
        }
    }

    pub(super) fn collection(&self, client: &Client, namespace: &str) -> Collection {
        Collection::within(client, self.resource(), namespace)
    }
}

/// An object as it is; `None` if it, or by now its whole kind, is not there.
pub(super) async fn live(collection: &Collection, name: &str) -> Result<Option<Value>, Error> {
    match collection.get(name).await {
        Err(error) if error.class() == Class::NotFound => Ok(None),
        found => found,
    }
}

type Key = (Option<Access>, String);

/// What API servers serve, as far as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Discovery(Mutex<BTreeMap<Key, Arc<Vec<Served>>>>);

impl Discovery {
    /// The resource of an object; `None` if the API server does not serve its kind. That is not remembered: a definition may come.
    pub(super) async fn find(&self, client: &Client, access: Option<&Access>, id: &ObjectId) -> Result<Option<Served>, Error> {
        let key = (access.cloned(), id.api_version.clone());
        let of_kind = |served: &[Served]| served.iter().find(|served| served.kind == id.kind).cloned();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(found) = known.and_then(|known| of_kind(&known)) {
            return Ok(Some(found));
        }
        let served = Arc::new(group_version(client, &id.api_version).await?);
        let found = of_kind(&served);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, served);
        Ok(found)
    }

    /// As [`Discovery::find`], where the kind should be served by now: just after its definition it may not be.
    pub(super) async fn need(&self, client: &Client, access: Option<&Access>, id: &ObjectId) -> Result<Served, Error> {
        self.find(client, access, id).await?.ok_or_else(|| Error::Call {
            call: format!("discover {}", id.api_version),
            subject: id.to_string(),
            class: Class::Inconsistent,
            code: None,
            request_id: None,
            source: BoxError::from(format!("the API server does not serve {} of {}", id.kind, id.api_version)),
        })
    }
}

/// The resources of a group version; none if it is not served.
async fn group_version(client: &Client, api_version: &str) -> Result<Vec<Served>, Error> {
    resources(client, api_version).await.or_else(|error| match failed("discover", api_version, error) {
        error if error.class() == Class::NotFound => Ok(Vec::new()),
        error => Err(error),
    })
}

async fn resources(client: &Client, api_version: &str) -> Result<Vec<Served>, kube::Error> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let list = match group {
        "" => client.list_core_api_resources(version).await?,
        _ => client.list_api_group_resources(api_version).await?,
    };
    let resources = list.resources.into_iter().filter(|resource| !resource.name.contains('/'));
    Ok(resources
        .map(|resource| Served {
            group: group.to_owned(),
            version: version.to_owned(),
            is_kept: ["list", "delete"].iter().all(|verb| resource.verbs.iter().any(|other| other == verb)),
            kind: resource.kind,
            plural: resource.name,
            is_namespaced: resource.namespaced,
        })
        .collect())
}

/// Every resource whose objects can be listed and deleted, each in its group's preferred version or, if that has it not, in another; and
/// the group versions of aggregated API servers that do not answer.
pub(super) async fn everything(client: &Client) -> Result<(Vec<Served>, BTreeSet<String>), Error> {
    let groups = client.list_api_groups().await.map_err(|error| failed("discover", "/apis", error))?;
    let versions = groups.groups.into_iter().flat_map(|group| group.preferred_version.into_iter().chain(group.versions));
    let versions = std::iter::once("v1".to_owned()).chain(versions.map(|version| version.group_version));
    let (mut all, mut unlisted) = (Vec::new(), BTreeSet::new());
    let (mut asked, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for version in versions {
        if !asked.insert(version.clone()) {
            continue;
        }
        match within_reach(client, &version).await? {
            Some(served) => {
                let new = |served: &Served| served.is_kept && seen.insert((served.group.clone(), served.plural.clone()));
                all.extend(served.into_iter().filter(new));
            }
            None => drop(unlisted.insert(version)),
        }
    }
    Ok((all, unlisted))
}

/// How long an aggregated API server may take; behind kube's own retries of 503, one that is away would take minutes.
const PATIENCE: Duration = Duration::from_secs(20);

/// As [`group_version`]; `None` if an aggregated API server serves it and does not answer.
async fn within_reach(client: &Client, api_version: &str) -> Result<Option<Vec<Served>>, Error> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    if is_built_in(group) {
        return Ok(Some(group_version(client, api_version).await?));
    }
    let error = match timeout(PATIENCE, resources(client, api_version)).await {
        Ok(Ok(served)) => return Ok(Some(served)),
        // kube-apiserver answers for one that is not available in plain text, one behind a proxy may in any form: the code alone tells.
        Ok(Err(kube::Error::Api(status))) if status.code == 503 => failed("discover", api_version, kube::Error::Api(status)),
        Ok(Err(error)) => match failed("discover", api_version, error) {
            error if error.class() == Class::NotFound => return Ok(Some(Vec::new())),
            error => return Err(error),
        },
        Err(_) => {
            Error::Timeout { subject: format!("discovery of {api_version}"), state: "no answer".to_owned(), waited: PATIENCE, polls: 1 }
        }
    };
    if is_aggregated(client, group, version).await? { Ok(None) } else { Err(error) }
}

/// These store nothing, so no set has an object there (Kubernetes, "Resource metrics pipeline").
const METRICS: [&str; 3] = ["custom.metrics.k8s.io", "external.metrics.k8s.io", "metrics.k8s.io"];
const API_SERVICES: Resource<'static> = Resource("apiregistration.k8s.io", "v1", "APIService", "apiservices");

/// Whether another server than kube-apiserver serves a group version: its APIService names a Service. Where that cannot be read it is not so.
async fn is_aggregated(client: &Client, group: &str, version: &str) -> Result<bool, Error> {
    if METRICS.contains(&group) {
        return Ok(true);
    }
    match Collection::all(client, API_SERVICES).get(&format!("{version}.{group}")).await {
        Ok(found) => Ok(found.is_some_and(|service| service["spec"]["service"].is_object())),
        Err(error) if [Class::Denied, Class::NotFound].contains(&error.class()) => Ok(false),
        Err(error) => Err(error),
    }
}
