//! What kubelets do with Pods that are bound to their nodes: start them when their volumes are attached.

use serde_json::{Value, json};

use super::{
    kinds, nodes,
    store::{self, Key, items, text},
    volumes,
};
use crate::{times::Time, world::World};

/// Starts Pods. Whether one still waits.
pub(super) fn run(world: &mut World, cluster: &str) -> bool {
    let mut waits = false;
    for (key, pod) in store::all(world, cluster, &kinds::POD) {
        let name = text(&pod, "/spec/nodeName");
        if name.is_empty() || text(&pod, "/status/phase") != "Pending" || store::deleting(&pod) {
            continue;
        }
        // Pods of the host's network need no CNI.
        let node = store::fetch(world, cluster, &Key::new(&kinds::NODE, "", name));
        let lives = !nodes::has_stopped(world, cluster, name);
        let runs = lives && node.is_some_and(|node| nodes::is_ready(&node) || pod["spec"]["hostNetwork"] == true);
        let uid = text(&pod, "/metadata/uid").to_owned();
        if !runs || !volumes::are_attached(world, cluster, &key, &pod) {
            waits = true;
        } else if world.kube.clusters.get_mut(cluster).is_some_and(|state| state.starting.insert(uid.clone())) {
            let subject = format!("{cluster}/{}/{}", key.namespace, key.name);
            let cluster = cluster.to_owned();
            world.take(Time::PodStart, &subject, move |world| started(world, &cluster, &key, &uid));
        }
    }
    waits
}

fn started(world: &mut World, cluster: &str, key: &Key, uid: &str) {
    let Some(state) = world.kube.clusters.get_mut(cluster) else { return };
    state.starting.remove(uid);
    let Some(pod) = state.get(key).filter(|pod| text(pod, "/metadata/uid") == uid && !store::deleting(pod)) else { return };
    let node = text(pod, "/spec/nodeName");
    let host = state.kubelets.get(node).filter(|_| !state.stopped.contains_key(node)).map(|kubelet| kubelet.address.clone());
    let Some(host) = host else { return };
    let own_network = pod["spec"]["hostNetwork"] != true;
    let (now, last) = (store::now(world), world.draw.bits("pod-ip") % 250 + 2);
    let address = if own_network { format!("{}.{last}", host.rsplit_once('.').map_or("10.0.0", |(net, _)| net)) } else { host.clone() };
    store::edit(world, cluster, key, |pod| {
        let container = |container: &Value| {
            json!({
                "name": container["name"], "image": container["image"], "imageID": "", "ready": true, "started": true, "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            })
        };
        let containers: Vec<Value> = items(pod, "/spec/containers").iter().map(container).collect();
        let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];
        let conditions = conditions.map(|name| json!({"type": name, "status": "True", "lastTransitionTime": now}));
        pod["status"] = json!({
            "phase": "Running", "qosClass": "BestEffort", "hostIP": host, "podIP": address, "podIPs": [{"ip": address}],
            "startTime": now, "conditions": conditions, "containerStatuses": containers,
        });
    });
}
