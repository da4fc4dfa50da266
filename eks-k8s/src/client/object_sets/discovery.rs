//! Which resource an apiVersion and kind are: one call for each group version, remembered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use eks_core::{BoxError, Class, Error};
use kube::Client;
use serde_json::Value;

use super::super::{
    api::{Collection, Resource},
    error::failed,
};
use crate::{Access, ObjectId};

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
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let answer = match group {
        "" => client.list_core_api_resources(version).await,
        _ => client.list_api_group_resources(api_version).await,
    };
    let list = match answer.map_err(|error| failed("discover", api_version, error)) {
        Ok(list) => list,
        Err(error) if error.class() == Class::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
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

/// Every resource whose objects can be listed and deleted, each in its group's preferred version.
pub(super) async fn everything(client: &Client) -> Result<Vec<Served>, Error> {
    let groups = client.list_api_groups().await.map_err(|error| failed("discover", "/apis", error))?;
    let preferred = groups.groups.into_iter().filter_map(|group| {
        let version = group.preferred_version.or_else(|| group.versions.into_iter().next())?;
        Some(version.group_version)
    });
    let mut all = Vec::new();
    for version in std::iter::once("v1".to_owned()).chain(preferred) {
        match group_version(client, &version).await {
            Ok(served) => all.extend(served.into_iter().filter(|served| served.is_kept)),
            // An aggregated API server that is away (metrics, say) keeps its objects to itself: a set has none there.
            Err(error) if error.code() == Some("ServiceUnavailable") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}
