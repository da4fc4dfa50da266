//! Plans of the chapter's objects.

use eks_core::{Action, AuthenticationMode, Error, Plan, StepKey};
use serde_json::json;

use crate::{
    Claim, Kind, ObjectOp, ObjectsSpec, Observed, Pod, Service, StorageClass,
    aws_auth::record,
    fixture::{access, chapter, cluster, owner, workers},
    storage_class::Binding,
};

/// What the API server would hold after the plan.
fn applied(spec: &ObjectsSpec) -> Observed {
    let plan = spec.plan(&Observed::nothing(spec)).unwrap();
    let mut now = Observed::at(spec, access());
    for step in plan.steps() {
        match step.op.decode::<ObjectOp>().unwrap() {
            ObjectOp::Apply { kind, mut manifest, .. } => {
                manifest["metadata"]["uid"] = json!(format!("uid of {}", step.key));
                match kind {
                    Kind::Pod => manifest["status"] = json!({"phase": "Running"}),
                    Kind::Ingress | Kind::Service => {
                        manifest["status"] = json!({"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}})
                    }
                    Kind::Claim | Kind::StorageClass => {}
                }
                now = now.found(&owner(), kind, [manifest]);
            }
            ObjectOp::AwaitNodes { label, desired, .. } => {
                let node =
                    json!({"metadata": {"labels": {label.0: label.1}}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
                now = now.found_nodes(&vec![node; desired as usize]);
            }
            ObjectOp::MapRoles { roles, .. } => {
                let arn = eks_core::RoleArn::new("arn:aws:iam::123456789012:role/worker").unwrap();
                let roles: Vec<_> = roles.into_iter().map(|(group, _)| (group, arn.clone())).collect();
                let record::Fate::Write(map) = record::AuthMap::absent(&owner()).unwrap().with(&roles).unwrap() else { panic!() };
                now = now.found_aws_auth(&owner(), map).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    now
}

#[test]
fn the_chapter() {
    let spec = chapter().build().unwrap();
    insta::assert_snapshot!(spec.plan(&Observed::nothing(&spec)).unwrap());
}

#[test]
fn a_claim_without_a_volume_costs_nothing() {
    let spec = chapter().build().unwrap();
    let usd = |now: &Observed| {
        let plan = spec.plan(now).unwrap();
        plan.step("k8s/claim/default/pvc-b").unwrap().prices.iter().map(|price| price.usd_per_month).sum::<f64>()
    };
    let mut now = applied(&spec);
    assert!(usd(&now) == 0.0);
    for (_, live) in now.objects.values_mut().filter(|(at, _)| at.name == "pvc-b") {
        live["spec"]["volumeName"] = json!("pv-b");
    }
    assert!((usd(&now) - 0.8).abs() < 1e-9);
}

#[test]
fn true_needs() {
    let spec = chapter().build().unwrap();
    let plan = spec.plan(&Observed::nothing(&spec)).unwrap();
    let needs = |key: &str| plan.step(key).unwrap().needs.iter().map(StepKey::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(needs("k8s/aws-auth"), "cluster/control-plane nodes/chap10-worker");
    assert_eq!(needs("k8s/nodes/chap10-worker"), "cluster/addon/vpc-cni cluster/control-plane k8s/aws-auth nodes/chap10-worker");
    assert_eq!(needs("k8s/storage-class/gp3-us-east-1a"), "cluster/control-plane");
    assert_eq!(needs("k8s/claim/default/pvc-a"), "cluster/control-plane k8s/storage-class/gp3-us-east-1a");
    assert_eq!(
        needs("k8s/pod/default/nginx"),
        "cluster/addon/aws-ebs-csi-driver cluster/control-plane k8s/claim/default/pvc-a k8s/nodes/chap10-worker"
    );
    assert_eq!(needs("k8s/service/default/nginx"), "cluster/control-plane");
    assert_eq!(needs("k8s/service/default/nginx-external"), "cluster/control-plane net/route-table/public");
    assert!(plan.iam_actions().is_empty());
}

#[test]
fn planning_again_finds_nothing_to_do() {
    let spec = chapter().build().unwrap();
    let plan = spec.plan(&applied(&spec)).unwrap();
    assert!(plan.is_noop(), "{plan}");
    assert_eq!(plan.step("k8s/service/default/nginx").unwrap().outputs["hostname"], "lb.example");
    assert_eq!(Plan::from_json(&plan.to_json().unwrap()).unwrap(), plan);
}

#[test]
fn what_is_not_finished_is_waited_for() {
    let spec = chapter().build().unwrap();
    let mut now = applied(&spec);
    for (_, live) in now.objects.values_mut() {
        live["status"] = json!({"phase": "Pending"});
    }
    let plan = spec.plan(&now).unwrap();
    let changes: Vec<_> = plan.changes().map(|step| format!("{}: {}", step.key, step.changes.join(", "))).collect();
    assert_eq!(
        changes,
        [
            "k8s/pod/default/nginx: status: Pending → Running",
            "k8s/service/default/nginx: status: no load balancer → a load balancer",
            "k8s/service/default/nginx-external: status: no load balancer → a load balancer",
        ]
    );
}

#[test]
fn a_role_whose_nodes_are_not_ready_is_looked_at_again() {
    let spec = chapter().build().unwrap();
    let mut now = applied(&spec);
    now.nodes.clear();
    let plan = spec.plan(&now).unwrap();
    assert_eq!(plan.step("k8s/aws-auth").unwrap().action, Action::Update);
    assert_eq!(plan.step("k8s/nodes/chap10-worker").unwrap().action, Action::Create);
}

#[test]
fn changes_in_place_and_those_that_are_refused() {
    let base = || ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::Api));
    let class = || StorageClass::gp3("fast");
    let service = || Service::load_balancer("web").port(80, 80).selector("app", "web");
    let before = base()
        .storage_class(class())
        .claim(Claim::new("data", "10Gi").class("fast"))
        .pod(Pod::new("web", "nginx:1"))
        .service(service())
        .build()
        .unwrap();
    let now = applied(&before);
    let spec = |class: StorageClass, size: &str, pod: Pod, service: Service| {
        base().storage_class(class).claim(Claim::new("data", size).class("fast")).pod(pod).service(service).build().unwrap()
    };
    let plan = spec(class(), "20Gi", Pod::new("web", "nginx:2"), service().port(443, 8443)).plan(&now).unwrap();
    let lines: Vec<_> = plan.changes().flat_map(|step| step.changes.clone()).collect();
    assert_eq!(
        lines,
        [
            "spec.resources.requests.storage: 10Gi → 20Gi",
            "spec.containers[web].image: nginx:1 → nginx:2",
            "spec.ports[tcp-443]: nothing → {\"name\":\"tcp-443\",\"port\":443,\"protocol\":\"TCP\",\"targetPort\":8443}",
        ]
    );
    let pod = || Pod::new("web", "nginx:1");
    for (spec, rule) in [
        (spec(class().iops(4000), "10Gi", pod(), service()), "parameters, provisioner"),
        (spec(class().zone("us-east-1a").binding(Binding::Immediate), "10Gi", pod(), service()), "binding mode"),
        (spec(class(), "5Gi", pod(), service()), "never shrinks"),
        (spec(class(), "10Gi", pod().zone("us-east-1a"), service()), "only images change"),
        (spec(class(), "10Gi", pod(), service().network()), "leaks it"),
        (spec(class(), "10Gi", pod(), service().internet_facing()), "→ nothing: on a Service"),
    ] {
        let error = spec.plan(&now).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(rule), "{error}");
    }
}

#[test]
fn the_form_of_2018_is_pointed_out() {
    let spec = ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::ConfigMap))
        .nodes(workers("w"))
        .map_role("w", workers("w").role)
        .storage_class(StorageClass::in_tree_gp2("gp2-us-east-1a", "us-east-1a").binding(Binding::Immediate))
        .claim(Claim::new("pvc-a", "10Gi").class("gp2-us-east-1a"))
        .pod(Pod::new("nginx", "nginx").mount("pvc-a", "/data").node_selector(crate::LEGACY_ZONE_LABEL, "us-east-1a"))
        .build()
        .unwrap();
    let plan = spec.plan(&Observed::nothing(&spec)).unwrap();
    assert_eq!(plan.findings().len(), 3);
    assert!(plan.has_warnings());
    let claim = plan.step("k8s/claim/default/pvc-a").unwrap();
    assert!(claim.needs.iter().any(|key| key.as_str() == "cluster/addon/aws-ebs-csi-driver"), "binding at once needs the driver");
}

#[test]
fn one_class_becomes_the_default() {
    let [now, then] = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let class = |name: &str, annotations: serde_json::Value| {
        json!({"metadata": {"name": name, "uid": format!("uid-{name}"), "annotations": annotations},
               "provisioner": "ebs.csi.aws.com", "parameters": {}})
    };
    let there = || {
        [
            class("gp2", json!({now: "true", then: "true", "other": "stays"})),
            class("old", json!({now: "false", then: "true"})),
            class("plain", json!({now: "false"})),
        ]
    };
    let base = || ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::Api));
    let spec = base().storage_class(StorageClass::gp3("ours").only_default_class()).build().unwrap();
    let plan = spec.plan(&Observed::at(&spec, access()).found_classes(there())).unwrap();
    let steps: Vec<_> = plan.changes().map(|step| format!("{} {:?} {}", step.key, step.action, step.changes.join(", "))).collect();
    assert_eq!(
        steps,
        [
            "k8s/storage-class/ours Create ".to_owned(),
            format!("k8s/default-class/gp2 Update metadata.annotations.{now}: true → nothing, metadata.annotations.{then}: true → nothing"),
            format!("k8s/default-class/old Update metadata.annotations.{then}: true → nothing"),
        ]
    );
    assert_eq!(plan.findings().len(), 0, "{plan}");
    let facts = &plan.basis()["k8s"];
    assert!(facts.facts.get("k8s/default-class/gp2").is_some() && facts.facts.get("k8s/default-class/plain").is_none());

    // Only who asks for it changes what others made.
    let modest = base().storage_class(StorageClass::gp3("ours").default_class()).build().unwrap();
    let told = |spec: &ObjectsSpec, classes: Vec<serde_json::Value>| {
        let plan = spec.plan(&Observed::at(spec, access()).found_classes(classes)).unwrap();
        assert!(plan.steps().iter().all(|step| !step.key.as_str().contains("default-class")));
        plan.findings().iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("; ")
    };
    assert!(told(&modest, there().into()).starts_with("gp2, old will be a default class, too"));
    let without = base().storage_class(StorageClass::gp3("ours")).build().unwrap();
    assert!(told(&without, there().into()).starts_with("gp2, old are default classes"));
    assert!(told(&without, vec![]).starts_with("no class is the default"));
    assert_eq!(told(&without, vec![class("gp2", json!({now: "true"}))]), "");
    let add_on = spec.plan(&Observed::at(&spec, access()).found_classes([class("ebs-csi-default-sc", json!({now: "true"}))])).unwrap();
    assert!(add_on.findings()[0].message.contains("defaultStorageClass.enabled"));
}
