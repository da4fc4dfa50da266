//! Volumes: the EBS CSI driver (external-provisioner, external-attacher) and the binder of claims.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    control, events, facts, kinds, nodes, scheduler,
    store::{self, Key, items, text},
    validate,
};
use crate::{
    call::{Caller, Service},
    error::ApiError,
    world::World,
};

const DRIVER: &str = "ebs.csi.aws.com";
/// The in-tree plugin; its objects are the driver's since CSI migration.
const IN_TREE: &str = "kubernetes.io/aws-ebs";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
const ZONE: &str = "topology.kubernetes.io/zone";

/// What a Pod's claims ask of its node.
#[derive(Debug, Default)]
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
        !store::deleting(object)
            && !(only_reserved && wanted.is_empty())
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

/// The driver's identity in AWS, if it has one and its controller runs somewhere.
fn driver(world: &mut World, cluster: &str) -> Result<Caller, ApiError> {
    let role = facts::storage_role(world, cluster).ok_or_else(|| {
        let message = "You are not authorized to perform this operation. User is not authorized to perform: ec2:CreateVolume because no identity-based policy allows the ec2:CreateVolume action";
        ApiError::new("UnauthorizedOperation", message).status(403)
    })?;
    let name = role.rsplit('/').next().unwrap_or_default();
    Ok(Caller {
        arn: format!("arn:aws:sts::{}:assumed-role/{name}/ebs-csi-controller", world.account),
        user_id: format!("{name}:ebs-csi-controller"),
    })
}

fn driver_runs(world: &World, cluster: &str) -> bool {
    facts::software_installed(world, cluster, "aws-ebs-csi-driver")
        && store::all(world, cluster, &kinds::NODE).iter().any(|(_, node)| nodes::is_ready(node))
}

fn provision(world: &mut World, cluster: &str, key: &Key, claim: &Value, class: &Value, node: &str) {
    let name = format!("pvc-{}", text(claim, "/metadata/uid"));
    if !driver_runs(world, cluster) {
        let message = "Waiting for a volume to be created either by the external provisioner 'ebs.csi.aws.com' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.";
        return once(world, cluster, claim, "ExternalProvisioning", message);
    }
    if !control::may_try(world, cluster, &name) {
        return;
    }
    if let Err(error) = try_provision(world, cluster, key, claim, class, node, &name) {
        let class = text(class, "/metadata/name");
        let message = format!(
            "failed to provision volume with StorageClass \"{class}\": rpc error: code = Internal desc = Could not create volume \"{name}\": could not create volume in EC2: operation error EC2: CreateVolume, https response error StatusCode: {}, api error {}: {}",
            error.status, error.code, error.message
        );
        events::record(world, cluster, claim, true, "ProvisioningFailed", &message, "ebs.csi.aws.com_ebs-csi-controller");
        control::failed(world, cluster, &name);
    }
}

/// A StorageClass parameter; the driver's keys are case-insensitive.
fn parameter<'a>(class: &'a Value, name: &str) -> Option<&'a str> {
    let parameters = class["parameters"].as_object()?;
    parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
}

/// The zone for a volume: the chosen node's, or (Immediate) the first allowed one that has a node.
fn zone(world: &World, cluster: &str, class: &Value, node: &str) -> Option<String> {
    let terms: Vec<Value> = items(class, "/allowedTopologies").iter().map(term).collect();
    let nodes = store::all(world, cluster, &kinds::NODE);
    let allowed = |labels: &Value| terms.is_empty() || terms.iter().any(|term| scheduler::term_matches(term, labels));
    let found = nodes.iter().find(|(key, object)| (node.is_empty() || key.name == node) && allowed(&object["metadata"]["labels"]));
    let from_node = found.map(|(_, object)| text(object, "/metadata/labels/topology.kubernetes.io~1zone").to_owned());
    from_node.or_else(|| items(terms.first()?, "/matchExpressions/0/values").first()?.as_str().map(str::to_owned))
}

fn try_provision(
    world: &mut World,
    cluster: &str,
    key: &Key,
    claim: &Value,
    class: &Value,
    node: &str,
    name: &str,
) -> Result<(), ApiError> {
    let caller = driver(world, cluster)?;
    let bytes = claim.pointer("/spec/resources/requests/storage").and_then(validate::quantity).unwrap_or(0);
    let gibibytes = bytes.div_ceil(1 << 30).max(1);
    let started = world.kube.clusters.get(cluster).and_then(|state| state.provisioning.get(name).cloned());
    let id = match started {
        Some(id) => id,
        None => {
            let zone = zone(world, cluster, class, node).ok_or_else(|| ApiError::new("InvalidArgument", "no topology for the volume"))?;
            let args = create_arguments(cluster, key, class, name, gibibytes, &zone);
            let answer = world.call(Service::Ec2, "CreateVolume", args, &caller)?;
            let id = text(&answer, "/volumeId").to_owned();
            if let Some(state) = world.kube.clusters.get_mut(cluster) {
                state.provisioning.insert(name.to_owned(), id.clone());
            }
            id
        }
    };
    let volume = describe(world, &caller, &id)?;
    match text(&volume, "/status") {
        "available" | "in-use" => {}
        "creating" => return Ok(()),
        state => return Err(ApiError::new("VolumeNotAvailable", format!("volume {id} is {state}"))),
    }
    let zone = text(&volume, "/availabilityZone");
    let object = json!({
        "metadata": {
            "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER}, "finalizers": [VOLUME_PROTECTION, "external-provisioner.volume.kubernetes.io/finalizer"],
        },
        "spec": {
            "capacity": {"storage": format!("{gibibytes}Gi")}, "accessModes": claim["spec"]["accessModes"],
            "claimRef": {
                "kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": key.namespace, "name": key.name, "uid": claim["metadata"]["uid"],
            },
            "csi": {
                "driver": DRIVER, "volumeHandle": id, "fsType": parameter(class, "csi.storage.k8s.io/fstype").or(parameter(class, "fsType")).unwrap_or("ext4"),
                "volumeAttributes": {"storage.kubernetes.io/csiProvisionerIdentity": "ebs.csi.aws.com"},
            },
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"], "storageClassName": class["metadata"]["name"], "volumeMode": claim["spec"]["volumeMode"],
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": ZONE, "operator": "In", "values": [zone]}]}]}},
        },
        "status": {"phase": "Pending"},
    });
    let volume = Key::new(&kinds::VOLUME, "", name);
    store::create(world, cluster, &volume, object);
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.provisioning.remove(name);
    }
    control::succeeded(world, cluster, name);
    let message = format!("Successfully provisioned volume {name}");
    events::record(world, cluster, claim, false, "ProvisioningSucceeded", &message, "ebs.csi.aws.com_ebs-csi-controller");
    Ok(())
}

/// CreateVolume as the driver calls it; the tags are those of its `docs/tagging.md` with `--extra-create-metadata` and a cluster id.
fn create_arguments(cluster: &str, key: &Key, class: &Value, name: &str, gibibytes: u64, zone: &str) -> Value {
    let mut tags = vec![
        ("CSIVolumeName".to_owned(), name.to_owned()),
        ("Name".to_owned(), format!("{cluster}-dynamic-{name}")),
        ("KubernetesCluster".to_owned(), cluster.to_owned()),
        ("ebs.csi.aws.com/cluster".to_owned(), "true".to_owned()),
        ("ebs.csi.aws.com/cluster-name".to_owned(), cluster.to_owned()),
        (format!("kubernetes.io/cluster/{cluster}"), "owned".to_owned()),
        ("kubernetes.io/created-for/pv/name".to_owned(), name.to_owned()),
        ("kubernetes.io/created-for/pvc/name".to_owned(), key.name.clone()),
        ("kubernetes.io/created-for/pvc/namespace".to_owned(), key.namespace.clone()),
    ];
    for (parameter, value) in class["parameters"].as_object().into_iter().flatten() {
        if parameter.starts_with("tagSpecification_")
            && let Some((key, value)) = value.as_str().and_then(|text| text.split_once('='))
        {
            tags.push((key.to_owned(), value.to_owned()));
        }
    }
    let tags: Vec<Value> = tags.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let mut args = json!({
        "AvailabilityZone": zone, "Size": gibibytes.to_string(), "VolumeType": parameter(class, "type").unwrap_or("gp3"),
        "ClientToken": name, "TagSpecification": [{"ResourceType": "volume", "Tag": tags}],
    });
    for (name, argument) in [("iops", "Iops"), ("throughput", "Throughput"), ("encrypted", "Encrypted"), ("kmsKeyId", "KmsKeyId")] {
        if let Some(value) = parameter(class, name) {
            args[argument] = json!(value);
        }
    }
    if let Some(ratio) = parameter(class, "iopsPerGB").and_then(|ratio| ratio.parse::<u64>().ok()) {
        args["Iops"] = json!((ratio * gibibytes).max(100).to_string());
    }
    args
}

fn describe(world: &mut World, caller: &Caller, id: &str) -> Result<Value, ApiError> {
    let answer = world.call(Service::Ec2, "DescribeVolumes", json!({"VolumeId": [id]}), caller)?;
    Ok(answer.pointer("/volumeSet/0").cloned().unwrap_or_default())
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

/// (PersistentVolume, node) of every Pod that has a node and may use its volumes.
fn uses(world: &World, cluster: &str) -> Vec<(Key, Arc<Value>, String)> {
    let mut uses = Vec::new();
    for (key, pod) in store::all(world, cluster, &kinds::POD) {
        let node = text(&pod, "/spec/nodeName");
        if node.is_empty() || ["Succeeded", "Failed"].contains(&text(&pod, "/status/phase")) {
            continue;
        }
        for claim in claims(&key, &pod) {
            let volume = store::fetch(world, cluster, &claim).and_then(|claim| volume_of(world, cluster, &claim));
            uses.extend(
                volume.filter(|(_, volume)| text(volume, "/spec/csi/driver") == DRIVER).map(|(key, volume)| (key, volume, node.to_owned())),
            );
        }
    }
    uses
}

fn attachment(volume: &str, node: &str) -> Key {
    let hash = format!("{volume}/{node}")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Key::new(&kinds::VOLUME_ATTACHMENT, "", &format!("csi-{hash:016x}"))
}

/// Whether every volume of a Pod is attached to its node.
pub(super) fn are_attached(world: &World, cluster: &str, key: &Key, pod: &Value) -> bool {
    let node = text(pod, "/spec/nodeName");
    claims(key, pod).iter().all(|claim| {
        let Some((volume, object)) = store::fetch(world, cluster, claim).and_then(|claim| volume_of(world, cluster, &claim)) else {
            return false;
        };
        let attached =
            || store::fetch(world, cluster, &attachment(&volume.name, node)).is_some_and(|found| found["status"]["attached"] == true);
        text(&object, "/spec/csi/driver") != DRIVER || attached()
    })
}

fn attach(world: &mut World, cluster: &str) -> bool {
    let mut waits = false;
    for (volume, object, node) in uses(world, cluster) {
        let key = attachment(&volume.name, &node);
        let present = store::fetch(world, cluster, &key);
        if present.as_ref().is_some_and(|present| present["status"]["attached"] == true) {
            continue;
        }
        waits = true;
        let instance = world.kube.clusters.get(cluster).and_then(|state| state.kubelets.get(&node)).map(|kubelet| kubelet.instance.clone());
        let Some(instance) = instance.filter(|_| control::may_try(world, cluster, &key.name)) else { continue };
        if present.is_none() {
            let spec = json!({"attacher": DRIVER, "nodeName": node, "source": {"persistentVolumeName": volume.name}});
            store::create(world, cluster, &key, json!({"metadata": {}, "spec": spec, "status": {"attached": false}}));
        }
        match try_attach(world, cluster, text(&object, "/spec/csi/volumeHandle"), &instance) {
            Ok(true) => {
                control::succeeded(world, cluster, &key.name);
                drop(store::edit(world, cluster, &key, |found| found["status"] = json!({"attached": true})));
            }
            Ok(false) => {}
            Err(error) => {
                let message =
                    format!("AttachVolume.Attach failed for volume \"{}\" : rpc error: code = Internal desc = {error}", volume.name);
                let pods = store::all(world, cluster, &kinds::POD);
                if let Some((_, pod)) =
                    pods.iter().find(|(_, pod)| text(pod, "/spec/nodeName") == node && text(pod, "/status/phase") == "Pending")
                {
                    events::record(world, cluster, pod, true, "FailedAttachVolume", &message, "attachdetach-controller");
                }
                control::failed(world, cluster, &key.name);
            }
        }
    }
    waits
}

/// One step of attaching; whether it is done.
fn try_attach(world: &mut World, cluster: &str, id: &str, instance: &str) -> Result<bool, ApiError> {
    let caller = driver(world, cluster)?;
    let volume = describe(world, &caller, id)?;
    let here = items(&volume, "/attachmentSet").iter().find(|found| text(found, "/instanceId") == instance);
    match here.map(|found| text(found, "/status")) {
        Some("attached") => return Ok(true),
        Some("attaching" | "busy" | "detaching") => return Ok(false),
        _ => {}
    }
    // The volume's last node still detaches it.
    if items(&volume, "/attachmentSet").iter().any(|found| text(found, "/status") == "detaching") {
        return Ok(false);
    }
    let used = world.call(
        Service::Ec2,
        "DescribeVolumes",
        json!({"Filter": [{"Name": "attachment.instance-id", "Value": [instance]}]}),
        &caller,
    )?;
    let taken: Vec<&str> =
        items(&used, "/volumeSet").iter().flat_map(|volume| items(volume, "/attachmentSet")).map(|found| text(found, "/device")).collect();
    // The driver's device names: /dev/xvdaa and on.
    let device = ('a'..='z').map(|letter| format!("/dev/xvda{letter}")).find(|name| !taken.contains(&name.as_str())).unwrap_or_default();
    world.call(Service::Ec2, "AttachVolume", json!({"VolumeId": id, "InstanceId": instance, "Device": device}), &caller)?;
    Ok(false)
}

fn detach(world: &mut World, cluster: &str) -> bool {
    let wanted: Vec<Key> = uses(world, cluster).into_iter().map(|(volume, _, node)| attachment(&volume.name, &node)).collect();
    let mut waits = false;
    for (key, object) in store::all(world, cluster, &kinds::VOLUME_ATTACHMENT) {
        if wanted.contains(&key) || text(&object, "/spec/attacher") != DRIVER {
            continue;
        }
        waits = true;
        let volume = Key::new(&kinds::VOLUME, "", text(&object, "/spec/source/persistentVolumeName"));
        let id = store::fetch(world, cluster, &volume).map(|volume| text(&volume, "/spec/csi/volumeHandle").to_owned()).unwrap_or_default();
        let Ok(caller) = driver(world, cluster) else { continue };
        let attached = describe(world, &caller, &id).ok().and_then(|volume| items(&volume, "/attachmentSet").first().cloned());
        match attached.as_ref().map(|found| text(found, "/status")) {
            None | Some("detached") => drop(store::commit(world, cluster, &key, None)),
            Some("detaching") => {}
            _ => drop(world.call(Service::Ec2, "DetachVolume", json!({"VolumeId": id}), &caller)),
        }
    }
    waits
}
