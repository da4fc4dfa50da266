//! Calls, on untyped objects: what is compared and sent is JSON in any case.

use eks_core::{Class, Error};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::Value;

use super::{
    calls::PAGES,
    error::{endless, failed},
};
use crate::{Kind, ObjectRef, owned::MANAGER};

/// Objects a page.
const PAGE: u32 = 500;

/// A resource of the API: group and version, kind, plural.
#[derive(Clone, Copy)]
pub(super) struct Resource<'a>(pub(super) &'a str, pub(super) &'a str, pub(super) &'a str, pub(super) &'a str);

pub(super) const ATTACHMENTS: Resource<'static> = Resource("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments");
pub(super) const CSI_DRIVERS: Resource<'static> = Resource("storage.k8s.io", "v1", "CSIDriver", "csidrivers");
pub(super) const CSI_NODES: Resource<'static> = Resource("storage.k8s.io", "v1", "CSINode", "csinodes");
pub(super) const CONFIG_MAPS: Resource<'static> = Resource("", "v1", "ConfigMap", "configmaps");
pub(super) const DAEMON_SETS: Resource<'static> = Resource("apps", "v1", "DaemonSet", "daemonsets");
pub(super) const DEPLOYMENTS: Resource<'static> = Resource("apps", "v1", "Deployment", "deployments");
pub(super) const INGRESS_CLASSES: Resource<'static> = Resource("networking.k8s.io", "v1", "IngressClass", "ingressclasses");
pub(super) const EVENTS: Resource<'static> = Resource("", "v1", "Event", "events");
pub(super) const NODES: Resource<'static> = Resource("", "v1", "Node", "nodes");
pub(super) const SERVICE_ACCOUNTS: Resource<'static> = Resource("", "v1", "ServiceAccount", "serviceaccounts");
pub(super) const VOLUMES: Resource<'static> = Resource("", "v1", "PersistentVolume", "persistentvolumes");

impl From<Kind> for Resource<'_> {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Claim => Self("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Kind::Ingress => Self("networking.k8s.io", "v1", "Ingress", "ingresses"),
            Kind::Pod => Self("", "v1", "Pod", "pods"),
            Kind::Service => Self("", "v1", "Service", "services"),
            Kind::StorageClass => Self("storage.k8s.io", "v1", "StorageClass", "storageclasses"),
        }
    }
}

/// One resource, in one namespace or everywhere.
#[derive(Clone)]
pub(super) struct Collection {
    pub(super) api: Api<DynamicObject>,
    pub(super) kind: String,
    namespace: String,
}

impl Collection {
    /// All namespaces, or a resource that has none.
    pub(super) fn all<'r>(client: &Client, resource: impl Into<Resource<'r>>) -> Self {
        Self::within(client, resource, "")
    }

    pub(super) fn within<'r>(client: &Client, resource: impl Into<Resource<'r>>, namespace: &str) -> Self {
        let Resource(group, version, kind, plural) = resource.into();
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let api = match namespace {
            "" => Api::all_with(client.clone(), &resource),
            _ => Api::namespaced_with(client.clone(), namespace, &resource),
        };
        Self { api, kind: kind.to_owned(), namespace: namespace.to_owned() }
    }

    pub(super) fn of(client: &Client, at: &ObjectRef) -> Self {
        Self::within(client, at.kind, &at.namespace)
    }

    pub(super) fn failed(&self, verb: &str, name: &str, error: kube::Error) -> Error {
        failed(format!("{verb} {}", self.kind), self.subject(name), error)
    }

    fn subject(&self, name: &str) -> String {
        match (self.namespace.as_str(), name) {
            ("", "") => "all namespaces".to_owned(),
            ("", name) => name.to_owned(),
            (namespace, "") => namespace.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Value>, Error> {
        let found = self.api.get_opt(name).await.map_err(|error| self.failed("get", name, error))?;
        found.map(value).transpose()
    }

    /// Everything that matches, and the resource version at which it was so.
    pub(super) async fn list(&self, params: ListParams) -> Result<(Vec<Value>, String), Error> {
        let mut params = params.limit(PAGE);
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let page = self.api.list(&params).await.map_err(|error| self.failed("list", "", error))?;
            for object in page.items {
                all.push(value(object)?);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok((all, page.metadata.resource_version.unwrap_or_default())),
            }
        }
        Err(endless(format!("list {}", self.kind), self.subject(""), PAGES))
    }

    /// Server-side apply; by force only on what is ours.
    pub(super) async fn apply(&self, name: &str, manifest: &Value, ours: bool) -> Result<Value, Error> {
        let params = PatchParams::apply(MANAGER);
        let params = if ours { params.force() } else { params };
        let applied = self.api.patch(name, &params, &Patch::Apply(manifest)).await.map_err(|error| self.failed("apply", name, error))?;
        value(applied)
    }

    pub(super) async fn create(&self, name: &str, body: &Value) -> Result<(), Error> {
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        self.api.create(&params, &object(body)?).await.map_err(|error| self.failed("create", name, error))?;
        Ok(())
    }

    /// Writes an object as it should be; refused by the server if someone has written it since it was read.
    pub(super) async fn replace(&self, name: &str, body: &Value) -> Result<(), Error> {
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        self.api.replace(name, &params, &object(body)?).await.map_err(|error| self.failed("replace", name, error))?;
        Ok(())
    }

    /// Takes annotations off an object, if it still is the one that was seen. Gone is fine.
    pub(super) async fn drop_annotations(&self, name: &str, uid: &str, annotations: &[String]) -> Result<(), Error> {
        let gone: serde_json::Map<String, Value> = annotations.iter().map(|key| (key.clone(), Value::Null)).collect();
        let patch = serde_json::json!({"metadata": {"uid": uid, "annotations": gone}});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match self.api.patch(name, &params, &Patch::Merge(&patch)).await.map_err(|error| self.failed("patch", name, error)) {
            Ok(_) => Ok(()),
            Err(error) if error.class() == Class::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object if it still is the one that was seen. Gone is fine.
    pub(super) async fn delete(&self, name: &str, preconditions: Preconditions) -> Result<(), Error> {
        // Said, as Jobs and ReplicationControllers leave their Pods running otherwise.
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        match self.api.delete(name, &params).await.map_err(|error| self.failed("delete", name, error)) {
            Ok(_) => Ok(()),
            Err(error) if error.class() == Class::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn value(object: DynamicObject) -> Result<Value, Error> {
    serde_json::to_value(object).map_err(|error| Error::Plan { subject: "an object of the API".to_owned(), reason: error.to_string() })
}

fn object(body: &Value) -> Result<DynamicObject, Error> {
    serde_json::from_value(body.clone())
        .map_err(|error| Error::Plan { subject: "an object for the API".to_owned(), reason: error.to_string() })
}
