//! From a request to its answer.

use std::{sync::Arc, time::SystemTime};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, header};
use serde_json::{Value, json};

use super::{
    Outside,
    access::{self, User},
    delete, discovery, evict, kinds,
    request::{Ask, Verb},
    review,
    select::Selector,
    status::{Refusal, Verdict},
    store::{self, Key},
    token,
    watch::Watch,
    write,
};
use crate::world::World;

/// What a request ends in, if it is not refused.
#[derive(Clone, Debug)]
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
    if let Some(document) = discovery::document(world, cluster, path) {
        return Ok(Reply::Object(200, document));
    }
    if let Some(review) = review::answer(&user, request) {
        return Ok(Reply::Object(201, review?));
    }
    let ask = Ask::parse(request)?;
    access::authorize(&user, ask.verb, ask.kind, &ask.namespace, &ask.name, &ask.sub)?;
    let (code, object) = match (ask.verb, ask.sub.as_str()) {
        (Verb::Watch, "") => return watch(world, cluster, &ask),
        (Verb::List, "") => (200, list(world, cluster, &ask)?),
        (Verb::Get, "" | "status") => (200, (*get(world, cluster, &ask)?).clone()),
        (Verb::Create, "eviction") if *ask.kind == kinds::POD => evict::evict(world, cluster, &ask)?,
        (Verb::Create, "") if ask.name.is_empty() => write::create(world, cluster, &ask)?,
        (Verb::Update | Verb::Patch | Verb::Get, "scale") if ask.kind.is_scalable() => write::scale(world, cluster, &ask)?,
        (Verb::Update, "" | "status" | "finalize") => write::update(world, cluster, &ask)?,
        (Verb::Patch, "" | "status") => write::patch(world, cluster, &ask)?,
        (Verb::Delete, "") => delete::delete(world, cluster, &ask)?,
        (Verb::DeleteCollection, "") => delete::delete_collection(world, cluster, &ask)?,
        _ => return Err(Refusal::no_such_path()),
    };
    Ok(Reply::Object(code, object))
}

fn authenticate(world: &mut World, cluster: &str, request: &Request<Bytes>) -> Option<User> {
    let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    // STS's clock is the caller's.
    let now = if request.extensions().get::<Outside>().is_some() { SystemTime::now() } else { world.clock.wall_at(world.now) };
    let caller = token::verify(world, cluster, header.strip_prefix("Bearer ")?, now).ok()?;
    let mut user = access::map(world, cluster, &caller)?;
    user.groups.push("system:authenticated".to_owned());
    Some(user)
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
