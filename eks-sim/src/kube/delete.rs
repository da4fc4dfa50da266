//! Deletion: at once, after a grace period, or when the last finalizer is gone.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    kinds::{self, Kind},
    request::Ask,
    select::Selector,
    status::{Refusal, Verdict},
    store::{self, Key, text},
    workloads,
    write::existing,
};
use crate::{times::Time, world::World};

pub(super) fn delete(world: &mut World, cluster: &str, ask: &Ask) -> Verdict<(u16, Value)> {
    let options = if ask.body.is_empty() { Value::Null } else { ask.json()? };
    let (key, object) = existing(world, cluster, ask)?;
    preconditions(&key, &object, &options)?;
    let (grace, policy) = ask.delete_options(&options);
    // The NamespaceLifecycle admission plugin.
    if *key.kind == kinds::NAMESPACE && ["default", "kube-system", "kube-public"].contains(&key.name.as_str()) {
        return Err(Refusal::forbidden(key.kind, &key.name, "this namespace may not be deleted"));
    }
    if ask.dry_run() {
        return Ok((200, object));
    }
    Ok((200, remove(world, cluster, &key, grace, &policy).unwrap_or_else(|| success(key.kind, &object))))
}

pub(super) fn delete_collection(world: &mut World, cluster: &str, ask: &Ask) -> Verdict<(u16, Value)> {
    let selector = Selector::parse(ask.kind, ask.option("labelSelector"), ask.option("fieldSelector"))?;
    let (grace, policy) = ask.delete_options(&if ask.body.is_empty() { Value::Null } else { ask.json()? });
    let mut found = store::all(world, cluster, ask.kind);
    found.retain(|(key, object)| (ask.namespace.is_empty() || key.namespace == ask.namespace) && selector.matches(object));
    if !ask.dry_run() {
        for (key, _) in &found {
            remove(world, cluster, key, grace, &policy);
        }
    }
    let items: Vec<&Value> = found.iter().map(|(_, object)| &**object).collect();
    let list = json!({"kind": format!("{}List", ask.kind.kind), "apiVersion": ask.kind.api_version(), "metadata": {}, "items": items});
    Ok((200, list))
}

/// Refuses a deletion of another object than the options say.
pub(super) fn preconditions(key: &Key, object: &Value, options: &Value) -> Verdict<()> {
    for (name, told) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let wanted = text(options, &format!("/preconditions/{name}"));
        let found = text(object, &format!("/metadata/{name}"));
        if !wanted.is_empty() && wanted != found {
            let why = format!("Precondition failed: {told} in precondition: {wanted}, {told} in object meta: {found}");
            return Err(Refusal::conflict(key.kind, &key.name, &why));
        }
    }
    Ok(())
}

fn success(kind: &Kind, object: &Value) -> Value {
    let mut details = json!({"name": object["metadata"]["name"], "kind": kind.plural, "uid": object["metadata"]["uid"]});
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Deletes an object; it is returned if it stays for a while, with its deletion timestamp.
pub(super) fn remove(world: &mut World, cluster: &str, key: &Key, grace: Option<u64>, policy: &str) -> Option<Value> {
    let old = store::fetch(world, cluster, key)?;
    let mut object = (*old).clone();
    let is_pod = *key.kind == kinds::POD;
    let own_grace = old["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    // A Pod that no kubelet runs goes at once.
    let runs = is_pod && old["spec"]["nodeName"].is_string() && !["Succeeded", "Failed"].contains(&text(&old, "/status/phase"));
    let grace = if runs { grace.unwrap_or(own_grace) } else { 0 };
    let left = old["metadata"]["deletionGracePeriodSeconds"].as_u64();
    if !store::deleting(&old) || left.is_some_and(|left| grace < left) {
        object["metadata"]["deletionTimestamp"] = json!(store::time(world, Duration::from_secs(grace)));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    }
    if *key.kind == kinds::NAMESPACE {
        object["status"]["phase"] = json!("Terminating");
    }
    if policy == "Orphan" {
        workloads::orphan(world, cluster, text(&old, "/metadata/uid"));
    }
    if store::is_finished(&object, key.kind) {
        store::commit(world, cluster, key, None);
        return None;
    }
    if object != *old {
        store::commit(world, cluster, key, Some(object.clone()));
        if runs {
            // The kubelet stops the containers, well within a grace period as long as theirs are.
            let stop = world.duration(Time::Controller).min(Duration::from_secs(grace));
            let (cluster, key, uid) = (cluster.to_owned(), key.clone(), text(&old, "/metadata/uid").to_owned());
            world.after(stop, move |world| workloads::stopped(world, &cluster, &key, &uid));
        }
    }
    store::fetch(world, cluster, key).map(|stored| (*stored).clone())
}
