//! What a cluster has from the start, and what EKS and its add-ons put into it.

use serde_json::{Value, json};

use super::{
    facts,
    kinds::{self, Kind},
    store::{self, Key},
};
use crate::world::World;

/// Fills a new cluster.
pub(super) fn furnish(world: &mut World, cluster: &str) {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let labels = json!({"kubernetes.io/metadata.name": name});
        let namespace = json!({"metadata": {"labels": labels}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
        put(world, cluster, &kinds::NAMESPACE, "", name, namespace);
        furnish_namespace(world, cluster, name);
    }
    // Since 1.30 without the annotation that made it the default ("Review release notes for Kubernetes versions", EKS).
    let class = json!({
        "metadata": {}, "provisioner": "kubernetes.io/aws-ebs", "parameters": {"type": "gp2", "fsType": "ext4"},
        "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
    });
    put(world, cluster, &kinds::STORAGE_CLASS, "", "gp2", class);
    let range = facts::cluster(world, cluster).map(|facts| facts.service_cidr).unwrap_or_default();
    let first = range.parse::<ipnet::IpNet>().ok().and_then(|range| range.hosts().next()).map(|address| address.to_string());
    let service = json!({
        "metadata": {"labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP", "clusterIP": first, "clusterIPs": [first], "sessionAffinity": "None", "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}],
        },
        "status": {"loadBalancer": {}},
    });
    put(world, cluster, &kinds::SERVICE, "default", "kubernetes", service);
    install(world, cluster);
}

/// What every namespace has from its start.
pub(super) fn furnish_namespace(world: &mut World, cluster: &str, namespace: &str) {
    put(world, cluster, &kinds::SERVICE_ACCOUNT, namespace, "default", json!({"metadata": {}}));
    let authority = facts::cluster(world, cluster).map(|facts| facts.certificate_authority).unwrap_or_default();
    let map = json!({"metadata": {}, "data": {"ca.crt": authority}});
    put(world, cluster, &kinds::CONFIG_MAP, namespace, "kube-root-ca.crt", map);
}

fn put(world: &mut World, cluster: &str, kind: &'static Kind, namespace: &str, name: &str, object: Value) {
    let Some(stored) = store::create(world, cluster, &Key::new(kind, namespace, name), object) else { return };
    if let Some(state) = world.kube.clusters.get_mut(cluster) {
        state.furnished.insert(store::text(&stored, "/metadata/uid").to_owned());
    }
}

/// The add-ons' workloads: add-on, kind, name, Pods.
static SOFTWARE: [(&str, &Kind, &str, u64); 5] = [
    ("vpc-cni", &kinds::DAEMON_SET, "aws-node", 0),
    ("kube-proxy", &kinds::DAEMON_SET, "kube-proxy", 0),
    ("coredns", &kinds::DEPLOYMENT, "coredns", 2),
    ("aws-ebs-csi-driver", &kinds::DEPLOYMENT, "ebs-csi-controller", 2),
    ("aws-ebs-csi-driver", &kinds::DAEMON_SET, "ebs-csi-node", 0),
];

/// Puts the workloads of installed add-ons in place and removes those of add-ons that are gone.
pub(super) fn install(world: &mut World, cluster: &str) {
    for (addon, kind, name, replicas) in SOFTWARE {
        let key = Key::new(kind, "kube-system", name);
        let present = store::fetch(world, cluster, &key);
        match (facts::software_installed(world, cluster, addon), present) {
            (true, None) => put(world, cluster, kind, "kube-system", name, workload(kind, addon, name, replicas)),
            (false, Some(object)) => {
                // Somebody's own workload of that name stays.
                let uid = store::text(&object, "/metadata/uid");
                if world.kube.clusters.get(cluster).is_some_and(|state| state.furnished.contains(uid)) {
                    store::commit(world, cluster, &key, None);
                }
            }
            _ => {}
        }
    }
    // An add-on's service account role is an annotation of its ServiceAccount; that of Pod Identity is not ("IAM roles for Amazon EKS
    // add-ons", EKS).
    let account = Key::new(&kinds::SERVICE_ACCOUNT, "kube-system", "ebs-csi-controller-sa");
    if facts::software_installed(world, cluster, "aws-ebs-csi-driver") && store::fetch(world, cluster, &account).is_none() {
        let role = facts::addon_role(world, cluster, "aws-ebs-csi-driver");
        let annotations = role.map_or_else(|| json!({}), |role| json!({"eks.amazonaws.com/role-arn": role}));
        put(world, cluster, &kinds::SERVICE_ACCOUNT, "kube-system", &account.name, json!({"metadata": {"annotations": annotations}}));
    }
    let driver = Key::new(&kinds::CSI_DRIVER, "", "ebs.csi.aws.com");
    match (facts::software_installed(world, cluster, "aws-ebs-csi-driver"), store::fetch(world, cluster, &driver).is_some()) {
        (true, false) => {
            put(world, cluster, &kinds::CSI_DRIVER, "", &driver.name, json!({"metadata": {}, "spec": {"attachRequired": true}}))
        }
        (false, true) => drop(store::commit(world, cluster, &driver, None)),
        _ => {}
    }
}

fn workload(kind: &Kind, addon: &str, name: &str, replicas: u64) -> Value {
    let labels = match addon {
        "vpc-cni" | "kube-proxy" => json!({"k8s-app": name}),
        "coredns" => json!({"k8s-app": "kube-dns"}),
        _ => json!({"app": name}),
    };
    let tolerations = if addon == "coredns" || name == "ebs-csi-controller" {
        json!([{"key": "CriticalAddonsOnly", "operator": "Exists"}, {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}])
    } else {
        json!([{"operator": "Exists"}])
    };
    let pod = json!({
        "serviceAccountName": if name == "ebs-csi-controller" { "ebs-csi-controller-sa" } else { name },
        "hostNetwork": addon == "vpc-cni" || addon == "kube-proxy",
        "priorityClassName": "system-cluster-critical", "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30, "securityContext": {}, "tolerations": tolerations,
        "containers": [{"name": name, "image": format!("602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/{name}:v1"), "resources": {}}],
    });
    let mut spec = json!({"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}});
    if *kind == kinds::DEPLOYMENT {
        spec["replicas"] = json!(replicas);
    }
    json!({"metadata": {"labels": labels}, "spec": spec})
}
