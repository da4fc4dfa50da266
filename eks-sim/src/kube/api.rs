//! From a request to its answer.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, header};
use serde_json::{Value, json};

use super::{
    access::{self, User},
    delete, evict, facts,
    kinds::{self, Kind},
    request::{Ask, Verb},
    select::Selector,
    status::{Refusal, Verdict},
    store::{self, Key},
    token,
    watch::Watch,
    write,
};
use crate::world::World;

/// What a request ends in, if it is not refused.
#[derive(Debug)]
pub(super) enum Reply {
    Object(u16, Value),
    Text(&'static str),
    Watch(Watch),
}

/// Carries out a request to a cluster's API server.
pub(super) fn handle(world: &mut World, cluster: &str, request: &Request<Bytes>) -> Verdict<Reply> {
    let path = request.uri().path();
    // Since Kubernetes 1.32, EKS lets anonymous requests reach these only.
    if ["/healthz", "/livez", "/readyz"].contains(&path) {
        return Ok(Reply::Text("ok"));
    }
    let user = authenticate(world, cluster, request).ok_or_else(Refusal::unauthorized)?;
    if let Some(document) = discovery(world, cluster, path) {
        return Ok(Reply::Object(200, document));
    }
    if path == "/apis/authentication.k8s.io/v1/selfsubjectreviews" {
        let info = json!({"username": user.name, "groups": user.groups});
        let review =
            json!({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "status": {"userInfo": info}});
        return Ok(Reply::Object(201, review));
    }
    let ask = Ask::parse(request)?;
    access::authorize(&user, ask.verb, ask.kind, &ask.namespace, &ask.name, &ask.sub)?;
    let (code, object) = match (ask.verb, ask.sub.as_str()) {
        (Verb::Watch, "") => return watch(world, cluster, &ask),
        (Verb::List, "") => (200, list(world, cluster, &ask)?),
        (Verb::Get, "" | "status") => (200, (*get(world, cluster, &ask)?).clone()),
        (Verb::Create, "eviction") if *ask.kind == kinds::POD => evict::evict(world, cluster, &ask)?,
        (Verb::Create, "") if ask.name.is_empty() => write::create(world, cluster, &ask)?,
        (Verb::Update | Verb::Patch | Verb::Get, "scale") if is_scalable(ask.kind) => write::scale(world, cluster, &ask)?,
        (Verb::Update, "" | "status" | "finalize") => write::update(world, cluster, &ask)?,
        (Verb::Patch, "" | "status") => write::patch(world, cluster, &ask)?,
        (Verb::Delete, "") => delete::delete(world, cluster, &ask)?,
        (Verb::DeleteCollection, "") => delete::delete_collection(world, cluster, &ask)?,
        _ => return Err(Refusal::no_such_path()),
    };
    Ok(Reply::Object(code, object))
}

fn is_scalable(kind: &Kind) -> bool {
    [&kinds::DEPLOYMENT, &kinds::REPLICA_SET, &kinds::STATEFUL_SET].contains(&kind)
}

fn authenticate(world: &mut World, cluster: &str, request: &Request<Bytes>) -> Option<User> {
    let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let caller = token::verify(world, cluster, header.strip_prefix("Bearer ")?).ok()?;
    let mut user = access::map(world, cluster, &caller)?;
    user.groups.push("system:authenticated".to_owned());
    Some(user)
}

/// `/version` and the discovery documents.
fn discovery(world: &World, cluster: &str, path: &str) -> Option<Value> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let group = |name: &str| {
        let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
        json!({"name": name, "versions": [version], "preferredVersion": version})
    };
    let resources = |group: &str, group_version: &str| {
        let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let of_group = kinds::ALL.into_iter().filter(|kind| kind.group == group);
        let list: Vec<Value> = of_group
            .map(|kind| {
                let singular = kind.kind.to_ascii_lowercase();
                json!({"name": kind.plural, "singularName": singular, "namespaced": kind.namespaced, "kind": kind.kind, "verbs": verbs})
            })
            .collect();
        (!list.is_empty()).then(|| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list}))
    };
    Some(match parts.as_slice() {
        ["version"] => {
            let version = facts::cluster(world, cluster)?.version;
            let (major, minor) = version.split_once('.')?;
            json!({
                "major": major, "minor": minor, "gitVersion": format!("v{version}.0-eks-0000000"), "gitTreeState": "clean",
                "gitCommit": "", "buildDate": "", "goVersion": "", "compiler": "gc", "platform": "linux/amd64",
            })
        }
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let mut names: Vec<&str> = kinds::ALL.iter().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
            names.sort_unstable();
            names.dedup();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": names.into_iter().map(group).collect::<Vec<_>>()})
        }
        ["api", "v1"] => resources("", "v1")?,
        ["apis", name, "v1"] => resources(name, &format!("{name}/v1"))?,
        _ => return None,
    })
}

fn get(world: &World, cluster: &str, ask: &Ask) -> Verdict<Arc<Value>> {
    let key = Key::new(ask.kind, &ask.namespace, &ask.name);
    store::fetch(world, cluster, &key).ok_or_else(|| Refusal::not_found(ask.kind, &ask.name))
}

/// The namespace of a list or watch; `None` for all.
fn scope(ask: &Ask) -> Option<&str> {
    (!ask.namespace.is_empty()).then_some(&*ask.namespace)
}

/// An object as lists show it: without kind and version, which the list tells.
fn item(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        members.remove("kind");
        members.remove("apiVersion");
    }
    object
}

fn list(world: &World, cluster: &str, ask: &Ask) -> Verdict<Value> {
    let state = world.kube.clusters.get(cluster).ok_or_else(Refusal::no_such_path)?;
    let selector = Selector::parse(ask.kind, ask.option("labelSelector"), ask.option("fieldSelector"))?;
    let limit = ask.option("limit").parse::<usize>().ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    // Later pages show the state of the first (API concepts, "Retrieving large results sets in chunks").
    let (revision, after) = match ask.option("continue") {
        "" => (state.revision, None),
        token => {
            let decoded =
                BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| serde_json::from_slice::<(u64, String, String)>(&bytes).ok());
            let (revision, namespace, name) = decoded.ok_or_else(|| Refusal::bad_request("continue key is not valid"))?;
            if revision < state.forgotten {
                let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.";
                return Err(Refusal::new(410, "Expired", message));
            }
            (revision, Some(Key::new(ask.kind, &namespace, &name)))
        }
    };
    let objects = state.at(revision, ask.kind, scope(ask));
    let mut rest =
        objects.iter().filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after)).filter(|(_, object)| selector.matches(object));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    let remaining = rest.count();
    if let Some((key, _)) = page.last().filter(|_| remaining > 0) {
        let token = serde_json::to_vec(&(revision, &key.namespace, &key.name)).unwrap_or_default();
        metadata["continue"] = json!(BASE64_URL_SAFE_NO_PAD.encode(token));
        metadata["remainingItemCount"] = json!(remaining);
    }
    let items: Vec<Value> = page.into_iter().map(|(_, object)| item(object)).collect();
    Ok(json!({"kind": format!("{}List", ask.kind.kind), "apiVersion": ask.kind.api_version(), "metadata": metadata, "items": items}))
}

fn watch(world: &World, cluster: &str, ask: &Ask) -> Verdict<Reply> {
    let state = world.kube.clusters.get(cluster).ok_or_else(Refusal::no_such_path)?;
    let mut fields = ask.option("fieldSelector").to_owned();
    if !ask.name.is_empty() {
        fields = format!("{fields},metadata.name={}", ask.name);
    }
    let selector = Selector::parse(ask.kind, ask.option("labelSelector"), &fields)?;
    let asked = ask.option("resourceVersion");
    let since = match asked {
        "" | "0" => None,
        text => Some(text.parse::<u64>().map_err(|_| Refusal::bad_request(format!("invalid resource version: {text}")))?),
    };
    Ok(Reply::Watch(Watch {
        cluster: cluster.to_owned(),
        kind: ask.kind,
        namespace: scope(ask).map(str::to_owned),
        selector,
        // Without a version, a watch begins with what is there.
        initial: since.is_none() || ask.flag("sendInitialEvents"),
        marks_initial_end: ask.flag("sendInitialEvents"),
        bookmarks: ask.flag("allowWatchBookmarks"),
        since: since.unwrap_or(state.revision),
        timeout: ask.timeout(),
    }))
}
