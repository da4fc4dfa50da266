//! Create, update, patch and apply, as clients ask for them.

use serde_json::{Map, Value, json};

use super::{
    defaults,
    fields::{self, Writer},
    kinds, patch as patches,
    request::Ask,
    status::{Refusal, Verdict},
    store::{self, Key, text},
    validate,
};
use crate::world::World;

/// Metadata that only the API server writes.
const SYSTEM: [&str; 5] = ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"];

/// Refuses an object of another kind, name or namespace than the path's.
fn agree(ask: &Ask, object: &Value) -> Verdict<()> {
    if !object.is_object() {
        return Err(Refusal::bad_request("the object provided is unrecognized: it is not a JSON object"));
    }
    let (kind, version) = (text(object, "/kind"), text(object, "/apiVersion"));
    if (!kind.is_empty() && kind != ask.kind.kind) || (!version.is_empty() && version != ask.kind.api_version()) {
        return Err(Refusal::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {}: the API version in the data ({version}) does not match the expected API version ({})",
            ask.kind.kind,
            ask.kind.api_version()
        )));
    }
    let namespace = text(object, "/metadata/namespace");
    if ask.kind.namespaced && !namespace.is_empty() && namespace != ask.namespace {
        return Err(Refusal::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    let name = text(object, "/metadata/name");
    if !ask.name.is_empty() && !name.is_empty() && name != ask.name {
        let why = format!("the name of the object ({name}) does not match the name on the URL ({})", ask.name);
        return Err(Refusal::bad_request(why));
    }
    validate::decode(ask.kind, object)
}

pub(super) fn create(world: &mut World, cluster: &str, ask: &Ask) -> Verdict<(u16, Value)> {
    let mut object = ask.json()?;
    agree(ask, &object)?;
    if text(&object, "/metadata/name").is_empty() && !text(&object, "/metadata/generateName").is_empty() {
        let suffix = suffix(world);
        object["metadata"]["name"] = json!(format!("{}{suffix}", text(&object, "/metadata/generateName")));
    }
    let key = Key::new(ask.kind, &ask.namespace, text(&object, "/metadata/name"));
    Ok((201, insert(world, cluster, ask, &key, object, None)?))
}

/// Five letters as `generateName` adds them.
pub(super) fn suffix(world: &mut World) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..5).map(|_| char::from(LETTERS[(world.draw.bits("suffix") % LETTERS.len() as u64) as usize])).collect()
}

/// Stores a new object. What was applied has its managed fields already.
fn insert(world: &mut World, cluster: &str, ask: &Ask, key: &Key, mut object: Value, applied: Option<Value>) -> Verdict<Value> {
    admit_namespace(world, cluster, key)?;
    if store::fetch(world, cluster, key).is_some() {
        return Err(Refusal::already_exists(key.kind, &key.name));
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        SYSTEM.iter().chain(&["managedFields", "resourceVersion"]).for_each(|name| drop(metadata.remove(*name)));
    }
    if key.kind.status {
        object.as_object_mut().and_then(|members| members.remove("status"));
    }
    let now = store::now(world);
    match applied {
        Some(managed) => object["metadata"]["managedFields"] = managed,
        None => {
            let writer = Writer { manager: &ask.manager(), operation: "Update", subresource: "", now: &now };
            fields::record(&json!({"metadata": {}}), &mut object, key.kind, writer);
        }
    }
    defaults::fill(world, cluster, key, None, &mut object);
    validate::check(key, None, &object)?;
    store::complete(world, key, &mut object);
    if ask.dry_run() {
        return Ok(object);
    }
    let stored = store::commit(world, cluster, key, Some(object)).ok_or_else(Refusal::no_such_path)?;
    if *key.kind == kinds::NAMESPACE {
        super::fresh::furnish_namespace(world, cluster, &key.name);
    }
    Ok((*stored).clone())
}

/// The NamespaceLifecycle admission plugin, for what is created.
pub(super) fn admit_namespace(world: &World, cluster: &str, key: &Key) -> Verdict<()> {
    if !key.kind.namespaced {
        return Ok(());
    }
    if key.namespace.is_empty() {
        return Err(Refusal::bad_request("an empty namespace may not be set during creation"));
    }
    let namespace = store::fetch(world, cluster, &Key::new(&kinds::NAMESPACE, "", &key.namespace));
    let namespace = namespace.ok_or_else(|| Refusal::not_found(&kinds::NAMESPACE, &key.namespace))?;
    if store::deleting(&namespace) {
        let why = format!("unable to create new content in namespace {} because it is being terminated", key.namespace);
        let cause = format!("namespace {} is being terminated", key.namespace);
        return Err(Refusal::forbidden(key.kind, &key.name, &why).causes(&[(
            "NamespaceTerminating",
            cause,
            "metadata.namespace".to_owned(),
        )]));
    }
    Ok(())
}

pub(super) fn existing(world: &World, cluster: &str, ask: &Ask) -> Verdict<(Key, Value)> {
    let key = Key::new(ask.kind, &ask.namespace, &ask.name);
    let object = store::fetch(world, cluster, &key).ok_or_else(|| Refusal::not_found(ask.kind, &ask.name))?;
    Ok((key, (*object).clone()))
}

pub(super) fn update(world: &mut World, cluster: &str, ask: &Ask) -> Verdict<(u16, Value)> {
    let object = ask.json()?;
    agree(ask, &object)?;
    let (key, old) = existing(world, cluster, ask)?;
    Ok((200, replace(world, cluster, ask, &key, &old, object)?))
}

pub(super) fn patch(world: &mut World, cluster: &str, ask: &Ask) -> Verdict<(u16, Value)> {
    if ask.content_type == "application/apply-patch+yaml" {
        return apply(world, cluster, ask);
    }
    let (key, old) = existing(world, cluster, ask)?;
    let change = ask.json()?;
    // The version stays that of the object unless the patch gives one.
    let mut object = old.clone();
    match ask.content_type.as_str() {
        "application/merge-patch+json" => patches::merge(&mut object, &change),
        "application/strategic-merge-patch+json" => patches::strategic(&mut object, &change),
        "application/json-patch+json" => patches::json(&mut object, &change)?,
        other => {
            let known = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml";
            let message = format!("the body of the request was in an unknown format ({other}) - accepted media types include: {known}");
            return Err(Refusal::new(415, "UnsupportedMediaType", message));
        }
    }
    agree(ask, &object)?;
    Ok((200, replace(world, cluster, ask, &key, &old, object)?))
}

/// Checks a changed object against its former state and stores it.
fn replace(world: &mut World, cluster: &str, ask: &Ask, key: &Key, old: &Value, mut object: Value) -> Verdict<Value> {
    let metadata = |object: &Value, name: &str| object["metadata"].get(name).filter(|value| !value.is_null()).cloned();
    if let Some(uid) = metadata(&object, "uid").filter(|uid| Some(uid) != metadata(old, "uid").as_ref()) {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", old["metadata"]["uid"]);
        return Err(Refusal::conflict(key.kind, &key.name, &why));
    }
    let version = metadata(&object, "resourceVersion").filter(|version| version != "");
    if version.is_some() && version != metadata(old, "resourceVersion") {
        return Err(Refusal::modified(key.kind, &key.name));
    }
    object["apiVersion"] = old["apiVersion"].clone();
    object["kind"] = old["kind"].clone();
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    for name in SYSTEM.iter().chain(&["name", "namespace", "resourceVersion", "managedFields"]) {
        // An emptied list of managed fields is how clients reset it.
        let reset = *name == "managedFields" && object["metadata"]["managedFields"] == json!([{}]);
        match metadata(old, name).filter(|_| !reset) {
            Some(value) => object["metadata"][*name] = value,
            None => drop(object["metadata"].as_object_mut().and_then(|members| members.remove(*name))),
        }
    }
    let subresource = ask.sub.as_str();
    if subresource == "status" {
        object["spec"] = old["spec"].clone();
    } else if key.kind.status {
        object["status"] = old["status"].clone();
    }
    if *key.kind == kinds::NAMESPACE && subresource != "finalize" {
        object["spec"] = old["spec"].clone();
    }
    for section in ["spec", "status"] {
        if object[section].is_null() {
            object.as_object_mut().and_then(|members| members.remove(section));
        }
    }
    let now = store::now(world);
    let writer = Writer { manager: &ask.manager(), operation: "Update", subresource, now: &now };
    fields::record(old, &mut object, key.kind, writer);
    finish(world, cluster, ask, key, old, object)
}

/// Defaults, validation, generation and storage of a changed object.
fn finish(world: &mut World, cluster: &str, ask: &Ask, key: &Key, old: &Value, mut object: Value) -> Verdict<Value> {
    defaults::fill(world, cluster, key, Some(old), &mut object);
    validate::check(key, Some(old), &object)?;
    if *key.kind == kinds::CLAIM && old["spec"]["resources"] != object["spec"]["resources"] {
        let class = store::fetch(world, cluster, &Key::new(&kinds::STORAGE_CLASS, "", text(&object, "/spec/storageClassName")));
        if !class.is_some_and(|class| class["allowVolumeExpansion"] == true) {
            let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
            return Err(Refusal::forbidden(key.kind, &key.name, why));
        }
    }
    if store::deleting(old) {
        let had = store::items(old, "/metadata/finalizers");
        if store::items(&object, "/metadata/finalizers").iter().any(|finalizer| !had.contains(finalizer)) {
            let why = "Forbidden: no new finalizers can be added if the object is being deleted".to_owned();
            return Err(Refusal::invalid(key.kind, &key.name, &[("FieldValueForbidden", why, "metadata.finalizers".to_owned())]));
        }
    }
    if key.kind.generation && object["spec"] != old["spec"] {
        object["metadata"]["generation"] = json!(old["metadata"]["generation"].as_u64().unwrap_or(1) + 1);
    }
    if same(old, &object) {
        return Ok(old.clone());
    }
    if ask.dry_run() {
        return Ok(object);
    }
    let gone = store::is_finished(&object, key.kind);
    let stored = store::commit(world, cluster, key, (!gone).then(|| object.clone()));
    Ok(stored.map_or(object, |stored| (*stored).clone()))
}

/// Whether nothing but managed fields' times differs: such a write changes nothing (no new version).
fn same(old: &Value, new: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        for entry in object["metadata"]["managedFields"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        object
    };
    timeless(old) == timeless(new)
}

fn apply(world: &mut World, cluster: &str, ask: &Ask) -> Verdict<(u16, Value)> {
    let manager = ask.option("fieldManager").to_owned();
    if manager.is_empty() {
        let why = "Required value: is required for apply patch".to_owned();
        let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: {why}");
        let refusal = Refusal::new(422, "Invalid", message);
        return Err(refusal.causes(&[("FieldValueRequired", why, "fieldManager".to_owned())]));
    }
    // YAML's superset JSON is what most clients send.
    let config: Value =
        serde_yaml_ng::from_slice(&ask.body).map_err(|error| Refusal::bad_request(format!("error decoding YAML: {error}")))?;
    agree(ask, &config)?;
    if text(&config, "/kind").is_empty() || text(&config, "/apiVersion").is_empty() {
        return Err(Refusal::bad_request("invalid object type: apiVersion and kind must be set in an applied configuration"));
    }
    if config["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    let key = Key::new(ask.kind, &ask.namespace, &ask.name);
    let live = store::fetch(world, cluster, &key);
    let now = store::now(world);
    let writer = Writer { manager: &manager, operation: "Apply", subresource: &ask.sub, now: &now };
    let Some(live) = live else {
        if ask.sub == "status" {
            return Err(Refusal::not_found(ask.kind, &ask.name));
        }
        // A version or uid says that the object must be there.
        if !text(&config, "/metadata/uid").is_empty() || !text(&config, "/metadata/resourceVersion").is_empty() {
            return Err(Refusal::conflict(ask.kind, &ask.name, "the object does not exist"));
        }
        let created = fields::apply(&json!({"metadata": {}}), &config, ask.kind, writer, true).unwrap_or_default();
        let mut object = config;
        object["metadata"]["name"] = json!(ask.name);
        let managed = created["metadata"]["managedFields"].clone();
        return Ok((201, insert(world, cluster, ask, &key, object, Some(managed).filter(|fields| !fields.is_null()))?));
    };
    let version = text(&config, "/metadata/resourceVersion");
    if !version.is_empty() && version != text(&live, "/metadata/resourceVersion") {
        return Err(Refusal::modified(ask.kind, &ask.name));
    }
    let merged = fields::apply(&live, &config, ask.kind, writer, ask.flag("force")).map_err(|conflicts| conflict(&conflicts))?;
    Ok((200, finish(world, cluster, ask, &key, &live, merged)?))
}

fn conflict(conflicts: &[fields::Conflict]) -> Refusal {
    let causes: Vec<_> =
        conflicts.iter().map(|found| ("FieldManagerConflict", format!("conflict with {}", found.manager), found.field.clone())).collect();
    let mut by_manager: Map<String, Value> = Map::new();
    for found in conflicts {
        let fields = by_manager.entry(found.manager.clone()).or_insert_with(|| json!([]));
        fields.as_array_mut().into_iter().for_each(|fields| fields.push(json!(found.field)));
    }
    let told = match conflicts {
        [only] => format!("conflict with {}: {}", only.manager, only.field),
        _ => {
            let list = by_manager.iter().map(|(manager, fields)| {
                let fields: Vec<String> =
                    fields.as_array().into_iter().flatten().filter_map(Value::as_str).map(|field| format!("- {field}")).collect();
                format!("conflicts with {manager}:\n{}", fields.join("\n"))
            });
            list.collect::<Vec<_>>().join("\n")
        }
    };
    let plural = if conflicts.len() == 1 { "" } else { "s" };
    Refusal::new(409, "Conflict", format!("Apply failed with {} conflict{plural}: {told}", conflicts.len())).causes(&causes)
}

/// The Scale of a workload: read, replaced or merged.
pub(super) fn scale(world: &mut World, cluster: &str, ask: &Ask) -> Verdict<(u16, Value)> {
    let (key, old) = existing(world, cluster, ask)?;
    let scale = |object: &Value| {
        json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": key.name, "namespace": key.namespace, "uid": object["metadata"]["uid"],
                "resourceVersion": object["metadata"]["resourceVersion"], "creationTimestamp": object["metadata"]["creationTimestamp"],
            },
            "spec": {"replicas": object["spec"]["replicas"]},
            "status": {"replicas": object["status"]["replicas"].as_u64().unwrap_or(0)},
        })
    };
    if ask.body.is_empty() {
        return Ok((200, scale(&old)));
    }
    let change = ask.json()?;
    let mut object = old.clone();
    if let Some(replicas) = change["spec"]["replicas"].as_u64() {
        object["spec"]["replicas"] = json!(replicas);
    }
    if let Some(version) = change["metadata"].get("resourceVersion") {
        object["metadata"]["resourceVersion"] = version.clone();
    }
    let stored = replace(world, cluster, ask, &key, &old, object)?;
    Ok((200, scale(&stored)))
}
