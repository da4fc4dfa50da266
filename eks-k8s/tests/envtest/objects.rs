//! The chapter's storage classes and claims: made, found as they should be, and taken away.

use std::collections::BTreeMap;

use eks_core::{Owner, Verdict, engine::Engine};
use eks_k8s::{Claim, ObjectsSpec, Pod, Service, StorageClass, client::Objects};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    server::server,
    stage::{Tested, cluster},
};

/// Which class is the default is the cluster's, so plans of classes rest on it: these tests go one after the other.
static CLASSES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn storage_comes_and_goes() -> Tested {
    let _alone = CLASSES.lock().await;
    let owner = Owner::new("envtest-storage")?;
    let spec = ObjectsSpec::builder(&owner, cluster()?)
        .storage_class(StorageClass::gp3("gp3-us-east-1a").zone("us-east-1a"))
        .claim(Claim::new("pvc-a", "10Gi").class("gp3-us-east-1a"))
        .build()?;
    let objects = Objects::new(server().admin().await);
    let engine = Engine::new().driver(objects.clone());

    let plan = objects.plan(&spec, None).await?;
    assert_eq!(plan.changes().count(), 2);
    assert!(plan.apply(&engine).await?.is_complete());

    let again = objects.plan(&spec, None).await?;
    let changes: BTreeMap<_, _> = again.changes().map(|step| (step.key.to_string(), step.changes.clone())).collect();
    assert_eq!(changes, BTreeMap::new(), "a fixpoint, with what the API server defaults");

    let ending = objects.teardown(&owner, None).await?.apply(&engine).await?;
    assert_eq!(ending.verdict, Verdict::Clean);
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn one_class_is_the_default() -> Tested {
    let _alone = CLASSES.lock().await;
    const DEFAULT: [&str; 2] = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let client = server().admin().await;
    let classes: Api<k8s_openapi::api::storage::v1::StorageClass> = Api::all(client.clone());
    for (name, annotations) in [
        ("envtest-gp2", json!({DEFAULT[0]: "true", DEFAULT[1]: "true", "example.com/other": "stays"})),
        ("envtest-old", json!({DEFAULT[1]: "true"})),
    ] {
        let class = json!({"metadata": {"name": name, "annotations": annotations}, "provisioner": "kubernetes.io/aws-ebs", "parameters": {"type": "gp2"}});
        classes.create(&PostParams::default(), &serde_json::from_value(class)?).await?;
    }
    let owner = Owner::new("envtest-default")?;
    let spec = ObjectsSpec::builder(&owner, cluster()?).storage_class(StorageClass::gp3("envtest-only").only_default_class()).build()?;
    let objects = Objects::new(client);
    let engine = Engine::new().driver(objects.clone());
    let plan = objects.plan(&spec, None).await?;
    assert_eq!(plan.changes().count(), 3, "{plan}");
    assert!(plan.apply(&engine).await?.is_complete());
    let again = objects.plan(&spec, None).await?;
    assert!(again.is_noop() && !again.has_warnings(), "{again}");
    let annotations = classes.get("envtest-gp2").await?.metadata.annotations.unwrap_or_default();
    assert_eq!(
        annotations,
        BTreeMap::from([("example.com/other".to_owned(), "stays".to_owned())]),
        "only what makes it the default is gone"
    );
    assert!(classes.get("envtest-old").await?.metadata.annotations.unwrap_or_default().is_empty());

    let teardown = objects.teardown(&owner, None).await?;
    assert_eq!(teardown.removals().len(), 1, "what others made stays: {teardown}");
    assert_eq!(teardown.apply(&engine).await?.verdict, Verdict::Clean);
    for name in ["envtest-gp2", "envtest-old"] {
        classes.delete(name, &DeleteParams::default()).await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn what_a_claim_lacks_is_told_before() -> Tested {
    let _alone = CLASSES.lock().await;
    let client = server().admin().await;
    let owner = Owner::new("envtest-bind")?;
    let spec = ObjectsSpec::builder(&owner, cluster()?)
        .storage_class(StorageClass::gp3("envtest-bind").zone("us-east-1a"))
        .claim(Claim::new("bind", "10Gi").class("envtest-bind"))
        .pod(Pod::new("bind", "nginx").mount("bind", "/data").node_selector("envtest", "bind"))
        .build()?;
    let objects = Objects::new(client.clone());
    let told = async || {
        let plan = objects.plan(&spec, None).await?;
        let of_claim = plan.findings().into_iter().filter(|finding| finding.step.as_str() == "k8s/claim/default/bind");
        Ok::<_, eks_core::Error>(of_claim.map(|finding| finding.message.clone()).collect::<Vec<_>>().join("; "))
    };
    assert!(told().await?.contains("CSIDriver ebs.csi.aws.com is not there"));

    let make = async |kind: &str, version: &str, namespace: Option<&str>, object: Value| {
        let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
            None => Api::all_with(client.clone(), &kind),
        };
        let made = api.create(&PostParams::default(), &serde_json::from_value(object.clone())?).await?;
        if object["status"].is_object() {
            let name = made.metadata.name.unwrap_or_default();
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": object["status"]}))).await?;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    make("CSIDriver", "storage.k8s.io/v1", None, json!({"metadata": {"name": "ebs.csi.aws.com"}, "spec": {"attachRequired": true}}))
        .await?;
    assert!(told().await?.contains("ebs-csi-controller is not there"));
    let template = json!({"metadata": {"labels": {"app": "ebs"}}, "spec": {"containers": [{"name": "ebs", "image": "ebs"}]}});
    let controller = json!({"metadata": {"name": "ebs-csi-controller"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "ebs"}}, "template": template}});
    make("Deployment", "apps/v1", Some("kube-system"), controller).await?;
    assert!(told().await?.contains("ebs-csi-controller is not available"));

    let node = |name: &str, zone: &str, labels: Value| {
        let mut node = json!({"metadata": {"name": name, "labels": labels},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastHeartbeatTime": null, "lastTransitionTime": null}]}});
        node["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!(zone);
        node
    };
    let csi_node = |name: &str, count: u32| {
        json!({"metadata": {"name": name}, "spec": {"drivers": [
            {"name": "ebs.csi.aws.com", "nodeID": "i-1", "topologyKeys": ["topology.kubernetes.io/zone"], "allocatable": {"count": count}}]}})
    };
    make("Node", "v1", None, node("bind-b", "us-east-1b", json!({"envtest": "bind"}))).await?;
    make("CSINode", "storage.k8s.io/v1", None, csi_node("bind-b", 20)).await?;
    assert!(told().await?.contains("no Ready node that runs the EBS CSI driver is in us-east-1a"));
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn what_leaves_the_spec_is_seen() -> Tested {
    let _alone = CLASSES.lock().await;
    let owner = Owner::new("envtest-left")?;
    let objects = Objects::new(server().admin().await);
    let engine = Engine::new().driver(objects.clone());
    let spec = |class: StorageClass, tier: bool| {
        let service = Service::load_balancer("envtest-left").internal().port(80, 80).selector("app", "web");
        let service = if tier { service.selector("tier", "old") } else { service };
        Ok::<_, Box<dyn std::error::Error>>(ObjectsSpec::builder(&owner, cluster()?).storage_class(class).service(service).build()?)
    };
    let class = || StorageClass::gp3("envtest-left");
    // No cloud provider makes the load balancer: the Service is applied, and not waited for to the end.
    let first = spec(class().zone("us-east-1a"), true)?;
    let plan = objects.plan(&first, None).await?;
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::default_namespaced(server().admin().await);
    let applied = async {
        while services.get_opt("envtest-left").await?.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let balancer = json!({"status": {"loadBalancer": {"ingress": [{"hostname": "x.elb.amazonaws.com"}]}}});
        services.patch_status("envtest-left", &PatchParams::default(), &Patch::Merge(balancer)).await
    };
    let (report, status) = tokio::join!(plan.apply(&engine), applied);
    status?;
    assert!(report?.is_complete());

    let later = spec(class(), false)?;
    let plan = objects.plan(&later, None).await?;
    let mut changes: Vec<_> = plan.changes().flat_map(|step| step.changes.clone()).collect();
    changes.sort();
    assert!(changes.len() == 2 && changes[0].starts_with("allowedTopologies: "), "{plan}");
    assert_eq!(changes[1], "spec.selector.tier: old → nothing");
    assert!(plan.apply(&engine).await?.is_complete());
    let again = objects.plan(&later, None).await?;
    assert!(again.is_noop(), "{again}");
    assert_eq!(objects.teardown(&owner, None).await?.apply(&engine).await?.verdict, Verdict::Clean);
    Ok(())
}
