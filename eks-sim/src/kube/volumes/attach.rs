//! The attach/detach controller and the driver's external-attacher.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    super::{
        control, events, kinds,
        store::{self, Key, items, text},
    },
    DRIVER, claims,
    provision::{describe, driver},
    volume_of,
};
use crate::{call::Service, error::ApiError, world::World};

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
pub(in super::super) fn are_attached(world: &World, cluster: &str, key: &Key, pod: &Value) -> bool {
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

pub(super) fn attach(world: &mut World, cluster: &str) -> bool {
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
                store::edit(world, cluster, &key, |found| found["status"] = json!({"attached": true}));
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

pub(super) fn detach(world: &mut World, cluster: &str) -> bool {
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
        // By then it may be attached to another node: of a node that is gone, EC2 has detached it.
        let kubelet = world.kube.clusters.get(cluster).and_then(|state| state.kubelets.get(text(&object, "/spec/nodeName")));
        let instance = kubelet.map(|kubelet| kubelet.instance.clone()).unwrap_or_default();
        let here = |found: &&Value| text(found, "/instanceId") == instance;
        let attached = describe(world, &caller, &id).ok().and_then(|volume| items(&volume, "/attachmentSet").iter().find(here).cloned());
        match attached.as_ref().map(|found| text(found, "/status")) {
            None | Some("detached") => drop(store::commit(world, cluster, &key, None)),
            Some("detaching") => {}
            _ => drop(world.call(Service::Ec2, "DetachVolume", json!({"VolumeId": id}), &caller)),
        }
    }
    waits
}
