//! What the API server fills in: defaults, allocations and the admission plugins that are on by default.

use std::net::IpAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    facts,
    kinds::{self, Kind},
    store::{self, Key, items, text},
};
use crate::world::World;

const DEFAULT_CLASS: [&str; 2] = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
const NODE_PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;

fn default(object: &mut Value, pointer: &str, value: Value) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(members)) = object.pointer_mut(parent)
        && members.get(name).is_none_or(Value::is_null)
    {
        members.insert(name.to_owned(), value);
    }
}

/// Completes an object that is created or changed; `old` is its former state.
pub(super) fn fill(world: &World, cluster: &str, key: &Key, old: Option<&Value>, object: &mut Value) {
    let kind = key.kind;
    if kind.generation && !object["spec"].is_object() {
        object["spec"] = json!({});
    }
    if *kind == kinds::POD {
        pod(object, old.is_none());
    } else if *kind == kinds::SERVICE {
        service(world, cluster, old, object);
    } else if *kind == kinds::CLAIM {
        claim(world, cluster, old, object);
    } else if *kind == kinds::VOLUME {
        default(object, "/spec/persistentVolumeReclaimPolicy", json!("Retain"));
        default(object, "/spec/volumeMode", json!("Filesystem"));
        if old.is_none() {
            protect(object, "kubernetes.io/pv-protection");
            object["status"] = json!({"phase": "Available"});
        }
    } else if *kind == kinds::STORAGE_CLASS {
        default(object, "/reclaimPolicy", json!("Delete"));
        default(object, "/volumeBindingMode", json!("Immediate"));
    } else if *kind == kinds::NAMESPACE {
        if old.is_none() {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        if !object["metadata"]["labels"].is_object() {
            object["metadata"]["labels"] = json!({});
        }
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(key.name);
    } else if *kind == kinds::SECRET {
        default(object, "/type", json!("Opaque"));
        let plain = object.as_object_mut().and_then(|members| members.remove("stringData"));
        for (name, value) in plain.iter().filter_map(Value::as_object).flatten() {
            object["data"][name] = json!(BASE64_STANDARD.encode(value.as_str().unwrap_or_default()));
        }
    } else {
        workload(kind, object);
    }
}

fn protect(object: &mut Value, finalizer: &str) {
    default(object, "/metadata/finalizers", json!([]));
    if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut()
        && !finalizers.contains(&json!(finalizer))
    {
        finalizers.push(json!(finalizer));
    }
}

fn workload(kind: &Kind, object: &mut Value) {
    if *kind == kinds::DEPLOYMENT {
        default(object, "/spec/strategy", json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}));
        default(object, "/spec/revisionHistoryLimit", json!(10));
        default(object, "/spec/progressDeadlineSeconds", json!(600));
    } else if *kind == kinds::DAEMON_SET {
        let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}});
        default(object, "/spec/updateStrategy", strategy);
        default(object, "/spec/revisionHistoryLimit", json!(10));
    } else if *kind == kinds::STATEFUL_SET {
        default(object, "/spec/podManagementPolicy", json!("OrderedReady"));
        default(object, "/spec/updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    } else if *kind != kinds::REPLICA_SET {
        return;
    }
    if *kind != kinds::DAEMON_SET {
        default(object, "/spec/replicas", json!(1));
    }
    if let Some(template) = object.pointer_mut("/spec/template").filter(|template| template["spec"].is_object()) {
        pod_spec(template);
    }
}

fn pod_spec(pod: &mut Value) {
    for (name, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("securityContext", json!({})),
    ] {
        default(pod, &format!("/spec/{name}"), value);
    }
    let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut).into_iter().flatten();
    for container in containers.filter(|container| container.is_object()) {
        let image = text(container, "/image").to_owned();
        let latest = image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains([':', '@']);
        for (name, value) in [
            ("imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" })),
            ("resources", json!({})),
            ("terminationMessagePath", json!("/dev/termination-log")),
            ("terminationMessagePolicy", json!("File")),
        ] {
            default(container, &format!("/{name}"), value);
        }
        for port in container["ports"].as_array_mut().into_iter().flatten() {
            default(port, "/protocol", json!("TCP"));
        }
        if container["ports"].is_null() {
            container.as_object_mut().and_then(|members| members.remove("ports"));
        }
    }
}

fn pod(object: &mut Value, new: bool) {
    if object["spec"].is_object() {
        pod_spec(object);
    }
    if !new {
        return;
    }
    // Admission: ServiceAccount, Priority and DefaultTolerationSeconds.
    default(object, "/spec/serviceAccountName", json!("default"));
    default(object, "/spec/enableServiceLinks", json!(true));
    default(object, "/spec/priority", json!(0));
    default(object, "/spec/tolerations", json!([]));
    if let Some(tolerations) = object.pointer_mut("/spec/tolerations").and_then(Value::as_array_mut) {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let tolerated = |toleration: &Value| {
                let effect = text(toleration, "/effect");
                let named = text(toleration, "/key") == key || toleration["key"].is_null();
                named && (effect.is_empty() || effect == "NoExecute")
            };
            if !tolerations.iter().any(tolerated) {
                tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
            }
        }
    }
    object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
}

fn claim(world: &World, cluster: &str, old: Option<&Value>, object: &mut Value) {
    default(object, "/spec/volumeMode", json!("Filesystem"));
    if old.is_some() {
        return;
    }
    object["status"] = json!({"phase": "Pending"});
    protect(object, "kubernetes.io/pvc-protection");
    if object["spec"]["storageClassName"].is_null()
        && let Some(class) = default_class(world, cluster)
    {
        default(object, "/spec/storageClassName", json!(class));
    }
    if object["spec"]["storageClassName"].is_null() {
        object["spec"].as_object_mut().and_then(|spec| spec.remove("storageClassName"));
    }
}

/// Of several default classes the newest counts.
pub(super) fn default_class(world: &World, cluster: &str) -> Option<String> {
    let mut classes = store::all(world, cluster, &kinds::STORAGE_CLASS);
    classes.retain(|(_, class)| DEFAULT_CLASS.iter().any(|name| class["metadata"]["annotations"][name] == "true"));
    classes.into_iter().max_by_key(|(_, class)| text(class, "/metadata/creationTimestamp").to_owned()).map(|(key, _)| key.name)
}

fn service(world: &World, cluster: &str, old: Option<&Value>, object: &mut Value) {
    if !object["spec"].is_object() {
        return;
    }
    default(object, "/spec/type", json!("ClusterIP"));
    default(object, "/spec/sessionAffinity", json!("None"));
    let kind = text(object, "/spec/type").to_owned();
    if old.is_none() {
        object["status"] = json!({"loadBalancer": {}});
    }
    if kind == "ExternalName" {
        return;
    }
    for (name, value) in
        [("ipFamilies", json!(["IPv4"])), ("ipFamilyPolicy", json!("SingleStack")), ("internalTrafficPolicy", json!("Cluster"))]
    {
        default(object, &format!("/spec/{name}"), value);
    }
    if text(object, "/spec/clusterIP").is_empty() {
        let kept = old.map(|old| text(old, "/spec/clusterIP").to_owned()).filter(|address| !address.is_empty());
        if let Some(address) = kept.or_else(|| free_address(world, cluster)) {
            object["spec"]["clusterIP"] = json!(address);
        }
    }
    if !text(object, "/spec/clusterIP").is_empty() {
        object["spec"]["clusterIPs"] = json!([object["spec"]["clusterIP"]]);
    }
    let external = kind == "LoadBalancer" || kind == "NodePort";
    if external {
        default(object, "/spec/externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        default(object, "/spec/allocateLoadBalancerNodePorts", json!(true));
    }
    let mut taken = node_ports(world, cluster, old);
    for (index, port) in object["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
        default(port, "/protocol", json!("TCP"));
        let number = port["port"].clone();
        default(port, "/targetPort", number.clone());
        if !external || port["nodePort"].is_u64() {
            continue;
        }
        let same = |old: &&Value| old["port"] == number;
        let kept = old.and_then(|old| items(old, "/spec/ports").iter().find(same).map(|old| old["nodePort"].clone()));
        // Deterministic, and unlike the order of creation: by the Service's name.
        let start = cluster.len() as u64 * 131 + index as u64 * 17 + taken.len() as u64 * 271;
        let span = NODE_PORTS.end() - NODE_PORTS.start() + 1;
        let free = (0..span).map(|n| NODE_PORTS.start() + (start + n) % span).find(|port| !taken.contains(port));
        if let Some(chosen) = kept.and_then(|port| port.as_u64()).or(free) {
            taken.push(chosen);
            port["nodePort"] = json!(chosen);
        }
    }
}

fn node_ports(world: &World, cluster: &str, except: Option<&Value>) -> Vec<u64> {
    let except = except.map(|object| text(object, "/metadata/uid"));
    let services = store::all(world, cluster, &kinds::SERVICE);
    let others = services.iter().filter(|(_, service)| except != Some(text(service, "/metadata/uid")));
    others.flat_map(|(_, service)| items(service, "/spec/ports").iter().filter_map(|port| port["nodePort"].as_u64())).collect()
}

/// The lowest free address of the service range; the first is the API server's own, the tenth coredns'.
fn free_address(world: &World, cluster: &str) -> Option<String> {
    let range: ipnet::IpNet = facts::cluster(world, cluster)?.service_cidr.parse().ok()?;
    let services = store::all(world, cluster, &kinds::SERVICE);
    let taken: Vec<&str> = services.iter().map(|(_, service)| text(service, "/spec/clusterIP")).collect();
    range.hosts().skip(10).map(|address: IpAddr| address.to_string()).find(|address| !taken.contains(&address.as_str()))
}
