//! Volumes: the EBS CSI driver (external-provisioner, external-attacher) and the binder of claims.

mod attach;
mod provision;

use std::sync::Arc;

use serde_json::{Value, json};

pub(super) use self::attach::are_attached;
use self::{
    attach::{attach, detach},
    provision::{driver, driver_runs, provision},
};
use super::{
    control, events, kinds, scheduler,
    store::{self, Key, items, text},
    validate,
};
use crate::{call::Service, world::World};

const DRIVER: &str = "ebs.csi.aws.com";
/// The in-tree plugin; its objects are the driver's since CSI migration.
const IN_TREE: &str = "kubernetes.io/aws-ebs";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
const ZONE: &str = "topology.kubernetes.io/zone";

/// What a Pod's claims ask of its node.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    /// Claims that wait for their first consumer.
    pub(super) unbound: Vec<Key>,
    /// Node selector terms of bound volumes and allowed topologies, one of each group.
    terms: Vec<Vec<Value>>,
}

impl Needs {
    /// Why a node with these labels cannot serve the claims.
    pub(super) fn refuses(&self, labels: &Value) -> Option<String> {
        let fits = self.terms.iter().all(|terms| terms.iter().any(|term| scheduler::term_matches(term, labels)));
        (!fits).then(|| "node(s) had volume node affinity conflict".to_owned())
    }
}

fn claims(key: &Key, pod: &Value) -> Vec<Key> {
    let names = items(pod, "/spec/volumes").iter().map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
    names.filter(|name| !name.is_empty()).map(|name| Key::new(&kinds::CLAIM, &key.namespace, name)).collect()
}

fn class_of(world: &World, cluster: &str, claim: &Value) -> Option<Arc<Value>> {
    store::fetch(world, cluster, &Key::new(&kinds::STORAGE_CLASS, "", text(claim, "/spec/storageClassName")))
}

fn volume_of(world: &World, cluster: &str, claim: &Value) -> Option<(Key, Arc<Value>)> {
    let key = Key::new(&kinds::VOLUME, "", text(claim, "/spec/volumeName"));
    Some((key.clone(), store::fetch(world, cluster, &key)?))
}

fn is_bound(claim: &Value) -> bool {
    text(claim, "/status/phase") == "Bound"
}

/// What the scheduler must know of a Pod's claims; the error says why the Pod cannot be placed anywhere.
pub(super) fn needs(world: &World, cluster: &str, key: &Key, pod: &Value) -> Result<Needs, String> {
    let mut needs = Needs::default();
    for claim_key in claims(key, pod) {
        let claim = store::fetch(world, cluster, &claim_key);
        let claim = claim.ok_or_else(|| format!("persistentvolumeclaim \"{}\" not found", claim_key.name))?;
        if store::deleting(&claim) {
            return Err(format!("persistentvolumeclaim \"{}\" is being deleted", claim_key.name));
        }
        if is_bound(&claim) {
            let terms = volume_of(world, cluster, &claim)
                .map(|(_, volume)| items(&volume, "/spec/nodeAffinity/required/nodeSelectorTerms").to_vec());
            needs.terms.extend(terms.filter(|terms| !terms.is_empty()));
            continue;
        }
        let class = class_of(world, cluster, &claim).filter(|class| text(class, "/volumeBindingMode") == "WaitForFirstConsumer");
        let class = class.ok_or("pod has unbound immediate PersistentVolumeClaims")?;
        let terms: Vec<Value> = items(&class, "/allowedTopologies").iter().map(term).collect();
        needs.terms.extend(Some(terms).filter(|terms| !terms.is_empty()));
        needs.unbound.push(claim_key);
    }
    Ok(needs)
}

/// A topology selector term as a node selector term. The driver knows the zone by two keys.
fn term(topology: &Value) -> Value {
    let expression = |expression: &Value| {
        let key = text(expression, "/key");
        let key = if key == "topology.ebs.csi.aws.com/zone" { ZONE } else { key };
        json!({"key": key, "operator": "In", "values": expression["values"]})
    };
    json!({"matchExpressions": items(topology, "/matchLabelExpressions").iter().map(expression).collect::<Vec<_>>()})
}

/// Binds, provisions, reclaims, attaches and detaches. Whether something is awaited.
pub(super) fn run(world: &mut World, cluster: &str) -> bool {
    let mut waits = false;
    for (key, claim) in store::all(world, cluster, &kinds::CLAIM) {
        waits |= reconcile_claim(world, cluster, &key, &claim);
    }
    for (key, volume) in store::all(world, cluster, &kinds::VOLUME) {
        waits |= reconcile_volume(world, cluster, &key, &volume);
    }
    waits | attach(world, cluster) | detach(world, cluster)
}

fn reconcile_claim(world: &mut World, cluster: &str, key: &Key, claim: &Value) -> bool {
    if store::deleting(claim) {
        let used = store::all(world, cluster, &kinds::POD)
            .iter()
            .any(|(pod, object)| claims(pod, object).contains(key) && !["Succeeded", "Failed"].contains(&text(object, "/status/phase")));
        if !used {
            store::edit(world, cluster, key, |claim| drop_finalizer(claim, CLAIM_PROTECTION));
        }
        return false;
    }
    if is_bound(claim) {
        return false;
    }
    let class = class_of(world, cluster, claim);
    let waits_for_pod = class.as_ref().is_some_and(|class| text(class, "/volumeBindingMode") == "WaitForFirstConsumer");
    let selected = text(claim, &format!("/metadata/annotations/{}", SELECTED_NODE.replace('/', "~1"))).to_owned();
    if let Some((volume, object)) = matching_volume(world, cluster, key, claim, waits_for_pod && selected.is_empty()) {
        bind(world, cluster, key, &volume, &object);
        return false;
    }
    let Some(class) = class else { return false };
    if waits_for_pod && selected.is_empty() {
        once(world, cluster, claim, "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
        return false;
    }
    let provisioner = text(&class, "/provisioner");
    if provisioner != DRIVER && provisioner != IN_TREE {
        return false;
    }
    provision(world, cluster, key, claim, &class, &selected);
    true
}

fn once(world: &mut World, cluster: &str, about: &Value, reason: &str, message: &str) {
    let subject = format!("event/{}/{reason}", text(about, "/metadata/uid"));
    if control::may_try(world, cluster, &subject) {
        control::failed(world, cluster, &subject);
        events::record(world, cluster, about, false, reason, message, "persistentvolume-controller");
    }
}

fn drop_finalizer(object: &mut Value, finalizer: &str) {
    let mut finalizers = items(object, "/metadata/finalizers").to_vec();
    finalizers.retain(|name| name != finalizer);
    object["metadata"]["finalizers"] = json!(finalizers);
}

/// A volume that was reserved for a claim, or one that is free and fits.
fn matching_volume(world: &World, cluster: &str, key: &Key, claim: &Value, only_reserved: bool) -> Option<(Key, Arc<Value>)> {
    let size = |object: &Value, pointer: &str| object.pointer(pointer).and_then(validate::quantity).unwrap_or(0);
    let wanted = text(claim, "/spec/volumeName");
    store::all(world, cluster, &kinds::VOLUME).into_iter().find(|(volume, object)| {
        let reference = &object["spec"]["claimRef"];
        if reference.is_object() {
            let ours = text(reference, "/name") == key.name && text(reference, "/namespace") == key.namespace;
            return ours && (reference["uid"].is_null() || reference["uid"] == claim["metadata"]["uid"]);
        }
        let modes = items(object, "/spec/accessModes");
        !(store::deleting(object) || only_reserved && wanted.is_empty())
            && (wanted.is_empty() || wanted == volume.name)
            && text(object, "/spec/storageClassName") == text(claim, "/spec/storageClassName")
            && size(object, "/spec/capacity/storage") >= size(claim, "/spec/resources/requests/storage")
            && items(claim, "/spec/accessModes").iter().all(|mode| modes.contains(mode))
    })
}

fn bind(world: &mut World, cluster: &str, key: &Key, volume: &Key, object: &Value) {
    let Some(claim) = store::fetch(world, cluster, key) else { return };
    store::edit(world, cluster, volume, |volume| {
        volume["spec"]["claimRef"] = json!({
            "kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": key.namespace, "name": key.name,
            "uid": claim["metadata"]["uid"], "resourceVersion": claim["metadata"]["resourceVersion"],
        });
        volume["status"] = json!({"phase": "Bound"});
    });
    let (capacity, modes) = (object["spec"]["capacity"].clone(), object["spec"]["accessModes"].clone());
    store::edit(world, cluster, key, |claim| {
        claim["spec"]["volumeName"] = json!(volume.name);
        claim["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = json!("yes");
        claim["status"] = json!({"phase": "Bound", "accessModes": modes, "capacity": capacity});
    });
}

/// What a volume's claim leaves behind: kept, or deleted with the EBS volume.
fn reconcile_volume(world: &mut World, cluster: &str, key: &Key, volume: &Value) -> bool {
    let reference = &volume["spec"]["claimRef"];
    let claim = Key::new(&kinds::CLAIM, text(reference, "/namespace"), text(reference, "/name"));
    let claim = store::fetch(world, cluster, &claim).filter(|claim| claim["metadata"]["uid"] == reference["uid"]);
    if !reference.is_object() || reference["uid"].is_null() {
        if store::deleting(volume) {
            store::edit(world, cluster, key, |volume| volume["metadata"]["finalizers"] = json!([]));
        }
        return false;
    }
    if let Some(claim) = claim {
        if text(volume, "/status/phase") != "Bound" && !is_bound(&claim) && !store::deleting(&claim) {
            let claim_key = Key::new(&kinds::CLAIM, text(&claim, "/metadata/namespace"), text(&claim, "/metadata/name"));
            bind(world, cluster, &claim_key, key, volume);
        }
        return false;
    }
    if text(volume, "/status/phase") != "Released" {
        store::edit(world, cluster, key, |volume| volume["status"] = json!({"phase": "Released"}));
    }
    let ours = text(volume, "/spec/csi/driver") == DRIVER;
    if !ours || text(volume, "/spec/persistentVolumeReclaimPolicy") != "Delete" {
        // With Retain the EBS volume stays, whatever becomes of the object.
        if store::deleting(volume) {
            store::edit(world, cluster, key, |volume| volume["metadata"]["finalizers"] = json!([]));
        }
        return false;
    }
    let attached = store::all(world, cluster, &kinds::VOLUME_ATTACHMENT);
    if attached.iter().any(|(_, attachment)| text(attachment, "/spec/source/persistentVolumeName") == key.name) {
        return true;
    }
    if !driver_runs(world, cluster) || !control::may_try(world, cluster, &key.name) {
        return true;
    }
    let id = text(volume, "/spec/csi/volumeHandle").to_owned();
    let deleted = driver(world, cluster).and_then(|caller| world.call(Service::Ec2, "DeleteVolume", json!({"VolumeId": id}), &caller));
    match deleted {
        Err(error) if error.code != "InvalidVolume.NotFound" => {
            let message = format!("rpc error: code = Internal desc = Could not delete volume ID \"{id}\": {error}");
            events::record(world, cluster, volume, true, "VolumeFailedDelete", &message, "ebs.csi.aws.com_ebs-csi-controller");
            control::failed(world, cluster, &key.name);
            true
        }
        _ => {
            control::succeeded(world, cluster, &key.name);
            store::commit(world, cluster, key, None);
            false
        }
    }
}
