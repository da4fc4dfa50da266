//! The driver's external-provisioner: EBS volumes and their PersistentVolumes.

use serde_json::{Value, json};

use super::{
    super::{
        control, events, facts, kinds, nodes, scheduler,
        store::{self, Key, items, text},
        validate,
    },
    DRIVER, VOLUME_PROTECTION, ZONE, once, term,
};
use crate::{
    call::{Caller, Service},
    error::ApiError,
    world::World,
};

/// The driver's identity in AWS, if it has one and its controller runs somewhere.
pub(super) fn driver(world: &mut World, cluster: &str) -> Result<Caller, ApiError> {
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

pub(super) fn driver_runs(world: &World, cluster: &str) -> bool {
    facts::software_installed(world, cluster, "aws-ebs-csi-driver")
        && store::all(world, cluster, &kinds::NODE).iter().any(|(_, node)| nodes::is_ready(node))
}

pub(super) fn provision(world: &mut World, cluster: &str, key: &Key, claim: &Value, class: &Value, node: &str) {
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

pub(super) fn describe(world: &mut World, caller: &Caller, id: &str) -> Result<Value, ApiError> {
    let answer = world.call(Service::Ec2, "DescribeVolumes", json!({"VolumeId": [id]}), caller)?;
    Ok(answer.pointer("/volumeSet/0").cloned().unwrap_or_default())
}
