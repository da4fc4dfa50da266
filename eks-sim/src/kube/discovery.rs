//! What an API server tells of itself: its version, its resources ("Kubernetes API Concepts", "The Kubernetes API": discovery), and
//! as OpenAPI v3 which query parameters its operations take. Schemas are not told, and unknown fields not refused.

use serde_json::{Map, Value, json};

use super::{
    facts,
    kinds::{self, Kind},
};
use crate::world::World;

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// The document at a path; `None` if the path is none of discovery's.
pub(super) fn document(world: &World, cluster: &str, path: &str) -> Option<Value> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    Some(match parts.as_slice() {
        ["version"] => version(&facts::cluster(world, cluster)?.version)?,
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups().into_iter().map(group).collect::<Vec<_>>()})
        }
        ["apis", name] if groups().contains(name) => {
            let mut group = group(name);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            group
        }
        ["api", "v1"] => resources("", "v1")?,
        ["apis", name, "v1"] => resources(name, &format!("{name}/v1"))?,
        ["openapi", "v3"] => openapi_paths(),
        ["openapi", "v3", "api", "v1"] => openapi("")?,
        ["openapi", "v3", "apis", name, "v1"] => openapi(name)?,
        _ => return None,
    })
}

fn version(version: &str) -> Option<Value> {
    let (major, minor) = version.split_once('.')?;
    Some(json!({
        "major": major, "minor": minor, "gitVersion": format!("v{version}.0-eks-0000000"), "gitTreeState": "clean",
        "gitCommit": "", "buildDate": "", "goVersion": "", "compiler": "gc", "platform": "linux/amd64",
    }))
}

/// Named groups.
fn groups() -> Vec<&'static str> {
    let mut names: Vec<&str> = kinds::ALL.iter().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str, group_version: &str) -> Option<Value> {
    let of_group = kinds::ALL.into_iter().filter(|kind| kind.group == group);
    let list: Vec<Value> = of_group.flat_map(|kind| std::iter::once(resource(kind)).chain(subresources(kind))).collect();
    (!list.is_empty()).then(|| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list}))
}

fn resource(kind: &Kind) -> Value {
    let singular = kind.kind.to_ascii_lowercase();
    let mut told = json!({"name": kind.plural, "singularName": singular, "namespaced": kind.namespaced, "kind": kind.kind, "verbs": VERBS});
    let names = short_names(kind);
    if !names.is_empty() {
        told["shortNames"] = json!(names);
    }
    if ["pods", "services", "deployments", "replicasets", "daemonsets", "statefulsets"].contains(&kind.plural) {
        told["categories"] = json!(["all"]);
    }
    told
}

/// "kubectl", resource types.
fn short_names(kind: &Kind) -> &'static [&'static str] {
    match kind.plural {
        "configmaps" => &["cm"],
        "daemonsets" => &["ds"],
        "deployments" => &["deploy"],
        "events" => &["ev"],
        "ingresses" => &["ing"],
        "namespaces" => &["ns"],
        "nodes" => &["no"],
        "persistentvolumeclaims" => &["pvc"],
        "persistentvolumes" => &["pv"],
        "poddisruptionbudgets" => &["pdb"],
        "pods" => &["po"],
        "replicasets" => &["rs"],
        "serviceaccounts" => &["sa"],
        "services" => &["svc"],
        "statefulsets" => &["sts"],
        "storageclasses" => &["sc"],
        _ => &[],
    }
}

fn subresources(kind: &'static Kind) -> Vec<Value> {
    let told = |name: &str, group: &str, of: &str, verbs: &[&str]| {
        let mut told = json!({
            "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced, "kind": of, "verbs": verbs,
        });
        if !group.is_empty() {
            told["group"] = json!(group);
            told["version"] = json!("v1");
        }
        told
    };
    let mut list = Vec::new();
    if *kind == kinds::POD {
        list.push(told("eviction", "policy", "Eviction", &["create"]));
    }
    if kind.is_scalable() {
        list.push(told("scale", "autoscaling", "Scale", &["get", "patch", "update"]));
    }
    if kind.status {
        list.push(told("status", "", kind.kind, &["get", "patch", "update"]));
    }
    list
}

/// Where each group's document is.
fn openapi_paths() -> Value {
    let path = |group: &str| if group.is_empty() { "api/v1".to_owned() } else { format!("apis/{group}/v1") };
    let mut paths = Map::new();
    for group in groups().into_iter().chain([""]) {
        let path = path(group);
        // Clients may keep a document for as long as its hash is the same.
        paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash=1")}));
    }
    json!({"paths": paths})
}

/// The patches of a group's resources: kubectl asks here whether the server validates fields and knows dry runs.
fn openapi(group: &str) -> Option<Value> {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter).into();
    let mut paths = Map::new();
    for kind in kinds::ALL.into_iter().filter(|kind| kind.group == group) {
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
        let namespace = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
        let gvk = json!({"group": group, "version": kind.version, "kind": kind.kind});
        let patch = json!({
            "parameters": parameters,
            "responses": {"200": {"description": "OK"}, "201": {"description": "Created"}, "401": {"description": "Unauthorized"}},
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": gvk,
        });
        paths.insert(format!("{root}{namespace}/{}/{{name}}", kind.plural), json!({"patch": patch}));
    }
    (!paths.is_empty()).then(|| json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "unversioned"}, "paths": paths}))
}
