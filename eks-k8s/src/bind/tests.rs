//! Each reason for which a claim stays Pending, on a cluster that lacks just that.

use eks_core::{AuthenticationMode, RoleArn};
use serde_json::{Value, json};

use super::StorageObjects;
use crate::{
    Claim, ObjectsSpec, ObjectsSpecBuilder, Observed, Pod, StorageClass,
    fixture::{access, cluster, owner},
};

fn node(name: &str, zone: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
           "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
}

fn csi_node(name: &str, count: u64) -> Value {
    json!({"metadata": {"name": name}, "spec": {"drivers": [{"name": "ebs.csi.aws.com", "allocatable": {"count": count}}]}})
}

fn attachment(node: &str, volume: &str) -> Value {
    json!({"spec": {"attacher": "ebs.csi.aws.com", "nodeName": node, "source": {"persistentVolumeName": volume}}})
}

/// A cluster where everything works, with room for two volumes on one node in us-east-1a.
fn whole() -> StorageObjects {
    StorageObjects {
        drivers: vec![json!({"metadata": {"name": "ebs.csi.aws.com"}})],
        controller: Some(json!({"status": {"availableReplicas": 2}})),
        account: Some(json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/ebs"}}})),
        nodes: vec![node("a", "us-east-1a")],
        csi_nodes: vec![csi_node("a", 26)],
        attachments: (0..24).map(|n| attachment("a", &format!("pv-{n}"))).collect(),
    }
}

/// One claim in us-east-1a and its Pod.
fn base() -> ObjectsSpecBuilder {
    let mut refs = cluster(AuthenticationMode::Api);
    refs.volumes_need.clear();
    ObjectsSpec::builder(&owner(), refs)
        .storage_class(StorageClass::gp3("fast").zone("us-east-1a"))
        .claim(Claim::new("data", "10Gi").class("fast"))
        .pod(Pod::new("web", "nginx").mount("data", "/data"))
}

fn told(builder: ObjectsSpecBuilder, storage: StorageObjects) -> String {
    let spec = builder.build().unwrap();
    let now = Observed::at(&spec, access()).found_classes([]).found_storage(storage);
    let found = spec.hindrances(&now).unwrap();
    found.iter().map(|(claim, hindrance)| format!("{claim}: {hindrance}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_whole_cluster_hinders_nothing() {
    assert_eq!(told(base(), whole()), "");
}

#[test]
fn the_driver_and_its_role() {
    let with = |change: fn(&mut StorageObjects)| {
        let mut storage = whole();
        change(&mut storage);
        storage
    };
    assert!(told(base(), with(|s| s.drivers.clear())).contains("install the add-on aws-ebs-csi-driver"));
    assert!(told(base(), with(|s| s.controller = None)).contains("is not there"));
    assert!(told(base(), with(|s| s.controller = Some(json!({"status": {}})))).contains("is not available"));
    assert!(told(base(), with(|s| s.account = Some(json!({"metadata": {}})))).contains("has no annotation"));
    let role = RoleArn::new("arn:aws:iam::123456789012:role/ebs").unwrap();
    assert_eq!(told(base().driver_role(role), with(|s| s.account = None)), "");
    // Auto Mode brings its own.
    let auto = ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::Api))
        .storage_class(StorageClass::gp3("auto").auto_mode())
        .claim(Claim::new("data", "10Gi").class("auto"))
        .pod(Pod::new("web", "nginx").mount("data", "/data"));
    assert_eq!(told(auto, StorageObjects::default()), "");
}

#[test]
fn nodes_in_reach() {
    let nodes = |nodes: Vec<Value>| StorageObjects { csi_nodes: vec![csi_node("a", 26), csi_node("b", 26)], nodes, ..whole() };
    let nowhere = "data: no Ready node that runs the EBS CSI driver is in us-east-1a";
    assert_eq!(told(base(), nodes(vec![node("b", "us-east-1b")])), nowhere);
    let mut old = node("a", "us-east-1b");
    old["metadata"]["labels"] = json!({"failure-domain.beta.kubernetes.io/zone": "us-east-1a"});
    assert_eq!(told(base(), nodes(vec![old])), "");
    for change in [
        |node: &mut Value| node["spec"] = json!({"unschedulable": true}),
        |node: &mut Value| node["spec"] = json!({"taints": [{"key": "gpu", "effect": "NoSchedule"}]}),
        |node: &mut Value| node["status"]["conditions"][0]["status"] = json!("Unknown"),
        |node: &mut Value| node["metadata"]["labels"]["eks.amazonaws.com/compute-type"] = json!("fargate"),
        |node: &mut Value| node["metadata"]["name"] = json!("without-the-driver"),
    ] {
        let mut lacking = node("a", "us-east-1a");
        change(&mut lacking);
        assert_eq!(told(base(), nodes(vec![lacking.clone()])), nowhere, "{lacking}");
    }
    let picky =
        base().claim(Claim::new("more", "1Gi").class("fast")).pod(Pod::new("gpu", "x").mount("more", "/m").node_selector("gpu", "yes"));
    assert!(told(picky, whole()).contains("labels that Pod gpu selects"));
}

#[test]
fn attachments_that_are_left() {
    let claims = |count: usize| {
        (0..count)
            .fold(base(), |builder, n| builder.claim(Claim::new(format!("c{n}"), "1Gi").class("fast")))
            .pod((0..count).fold(Pod::new("many", "x"), |pod, n| pod.mount(format!("c{n}"), format!("/{n}"))))
    };
    assert_eq!(told(claims(2), whole()), "");
    assert!(
        told(claims(3), whole())
            .contains("Pod many mounts 3 volumes that have to be attached, and no node that it may run on can take more than 2")
    );
    let unlimited = StorageObjects {
        csi_nodes: vec![json!({"metadata": {"name": "a"}, "spec": {"drivers": [{"name": "ebs.csi.aws.com"}]}})],
        ..whole()
    };
    assert_eq!(told(claims(3), unlimited), "");
}

#[test]
fn pods_that_share_a_volume() {
    let two = |change: fn(Pod) -> Pod| base().pod(change(Pod::new("more", "x").mount("data", "/data")));
    let nodes = || {
        let mut gpu = node("b", "us-east-1a");
        gpu["metadata"]["labels"]["gpu"] = json!("yes");
        StorageObjects { nodes: vec![node("a", "us-east-1a"), gpu], csi_nodes: vec![csi_node("a", 26), csi_node("b", 26)], ..whole() }
    };
    assert_eq!(told(two(|pod| pod.node_selector("gpu", "yes")), nodes()), "", "both fit on b");
    let apart = told(two(|pod| pod.node_selector("gpu", "yes")).pod(Pod::new("a", "x").mount("data", "/d").node_selector("gpu", "no")), {
        let mut storage = nodes();
        storage.nodes[0]["metadata"]["labels"]["gpu"] = json!("no");
        storage
    });
    assert!(apart.contains("no one node suits all") && apart.contains("Pods web, more, a"), "{apart}");

    // Attached once for both, each with another volume of its own: three for a node that takes two.
    let own = base()
        .claim(Claim::new("b", "1Gi").class("fast"))
        .claim(Claim::new("c", "1Gi").class("fast"))
        .pod(Pod::new("one", "x").mount("data", "/data").mount("b", "/b"))
        .pod(Pod::new("two", "x").mount("data", "/data").mount("c", "/c"));
    assert!(told(own, whole()).contains("mounts 3 volumes that have to be attached"));

    // Two volumes, each of another zone.
    let torn = base()
        .storage_class(StorageClass::gp3("far").zone("us-east-1b"))
        .claim(Claim::new("b", "1Gi").class("far"))
        .pod(Pod::new("both", "x").mount("data", "/data").mount("b", "/b"));
    let zones = StorageObjects { nodes: vec![node("a", "us-east-1a"), node("b", "us-east-1b")], ..nodes() };
    assert!(told(torn, zones).contains("no one node suits all"));

    let exclusive = |pods: u32| {
        let builder = ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::Api))
            .storage_class(StorageClass::gp3("fast"))
            .claim(Claim::new("data", "10Gi").class("fast").access_mode(crate::AccessMode::ReadWriteOncePod));
        (0..pods).fold(builder, |builder, n| builder.pod(Pod::new(format!("p{n}"), "x").mount("data", "/data")))
    };
    assert!(told(exclusive(2), whole()).contains("is of one Pod (ReadWriteOncePod), and Pods p0, p1 mount it"));
    assert_eq!(told(exclusive(1), whole()), "");
}

#[test]
fn classes_of_the_cluster() {
    let refs = || cluster(AuthenticationMode::Api);
    let spec = |class: Option<&str>, size: &str| {
        let claim = Claim::new("data", size);
        let claim = class.map_or(claim.clone(), |class| claim.class(class));
        let builder = ObjectsSpec::builder(&owner(), refs()).claim(claim).pod(Pod::new("web", "nginx").mount("data", "/data"));
        class.map_or(builder.clone(), |class| builder.existing_class(class)).build().unwrap()
    };
    let gp2 = json!({"metadata": {"name": "gp2"}, "provisioner": "kubernetes.io/aws-ebs", "parameters": {"type": "gp2"}});
    let told = |spec: ObjectsSpec, classes: Vec<Value>| {
        let now = Observed::at(&spec, access()).found_classes(classes);
        spec.hindrances(&now).unwrap().iter().map(|(_, hindrance)| hindrance.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert!(told(spec(Some("gp2"), "10Gi"), vec![]).contains("no storage class gp2"));
    assert!(told(spec(None, "10Gi"), vec![gp2.clone()]).contains("no class is the default"));
    assert!(told(spec(Some("gp2"), "20Ti"), vec![gp2.clone()]).starts_with("20480 GiB are not within 1–16384 GiB of gp2"));
    assert_eq!(told(spec(Some("gp2"), "10Gi"), vec![gp2]), "");
    // It makes no EBS volumes, so nothing is known of it.
    assert_eq!(told(spec(Some("efs"), "20Ti"), vec![json!({"metadata": {"name": "efs"}, "provisioner": "efs.csi.aws.com"})]), "");
}
