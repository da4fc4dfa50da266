//! What is a set's on a real API server, in which order it goes, and what may be away meanwhile.

use eks_core::{ClusterName, Owner, Verdict, engine::Engine};
use eks_k8s::{Access, ObjectSet, ObjectSetBuilder, client::ObjectSets};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Namespace},
        networking::v1::Ingress,
    },
    kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    client::Body,
};
use serde_json::{Value, json};

use crate::{server::server, stage::Tested};

fn set(owner: &Owner, name: &str) -> Tested<ObjectSetBuilder> {
    let access =
        Access { name: ClusterName::new("envtest")?, endpoint: "https://127.0.0.1".to_owned(), certificate_authority: String::new() };
    Ok(ObjectSet::builder(owner, name, access))
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

async fn namespaces(client: &Client, names: &[&str]) -> Tested {
    for name in names {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn a_set_moves_to_another_namespace() -> Tested {
    let client = server().admin().await;
    namespaces(&client, &["envtest-move-a", "envtest-move-b"]).await?;
    let owner = Owner::new("envtest-move")?;
    let sets = ObjectSets::new(client.clone());
    let engine = Engine::new().driver(sets.clone());
    let within =
        |namespace: &str| Ok::<_, Box<dyn std::error::Error>>(set(&owner, "move")?.namespace(namespace).object(&map("moving")).build()?);
    let (a, b) = (within("envtest-move-a")?, within("envtest-move-b")?);
    assert!(sets.plan(&a, None).await?.apply(&engine).await?.is_complete());
    // The same object, named in full.
    let mut full = map("moving");
    full["metadata"]["namespace"] = json!("envtest-move-a");
    let named = set(&owner, "move")?.object(&full).build()?;
    assert!(sets.prune(&named, None).await?.is_empty(), "it is in the set still");

    // Somebody copies it, marks and all.
    let maps = |namespace: &str| Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let mut copy = maps("envtest-move-a").get("moving").await?;
    (copy.metadata.resource_version, copy.metadata.uid, copy.metadata.namespace) = (None, None, None);
    copy.metadata.managed_fields = None;
    maps("default").create(&PostParams::default(), &copy).await?;

    assert!(sets.plan(&b, None).await?.apply(&engine).await?.is_complete());
    let pruning = sets.prune(&b, None).await?;
    assert_eq!(pruning.removals().iter().map(|removal| removal.id.as_str()).collect::<Vec<_>>(), ["envtest-move-a/moving"]);
    let teardown = sets.teardown(&owner, "move", None).await?;
    assert_eq!(teardown.removals().len(), 2, "{teardown}");
    assert_eq!(teardown.apply(&engine).await?.verdict, Verdict::Clean);
    assert!(maps("default").get_opt("moving").await?.is_some(), "the copy is theirs");
    maps("default").delete("moving", &DeleteParams::default()).await?;
    Ok(())
}

const HELD: &str = r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: envtest-held, finalizers: [example.com/balancer]}
spec: {defaultBackend: {service: {name: x, port: {number: 80}}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: envtest-held}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: envtest-held}
spec:
  replicas: 0
  selector: {matchLabels: {app: held}}
  template:
    metadata: {labels: {app: held}}
    spec: {containers: [{name: x, image: x}]}
"#;

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn a_controller_stays_until_what_it_holds_is_gone() -> Tested {
    let client = server().admin().await;
    let owner = Owner::new("envtest-held")?;
    let sets = ObjectSets::new(client.clone());
    let engine = Engine::new().driver(sets.clone());
    let held = set(&owner, "held")?.yaml(HELD).build()?;
    assert!(sets.plan(&held, None).await?.apply(&engine).await?.is_complete());
    let teardown = sets.teardown(&owner, "held", None).await?;
    let ingresses: Api<Ingress> = Api::default_namespaced(client.clone());
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let release = async {
        while ingresses.get("envtest-held").await?.metadata.deletion_timestamp.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        // What could not release it is still there, however long that takes.
        let there = deployments.get_opt("envtest-held").await?.is_some_and(|found| found.metadata.deletion_timestamp.is_none());
        let patch = json!({"metadata": {"finalizers": null}});
        ingresses.patch("envtest-held", &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok::<_, kube::Error>(there)
    };
    let (ending, there) = tokio::join!(teardown.apply(&engine), release);
    assert!(there?, "the controller is gone before what it holds");
    assert_eq!(ending?.verdict, Verdict::Clean);
    assert!(deployments.get_opt("envtest-held").await?.is_none());
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn an_aggregated_server_may_be_away() -> Tested {
    let client = server().admin().await;
    let owner = Owner::new("envtest-away")?;
    let sets = ObjectSets::new(client.clone());
    let engine = Engine::new().driver(sets.clone());
    let away = set(&owner, "away")?.object(&map("envtest-away")).build()?;
    assert!(sets.plan(&away, None).await?.apply(&engine).await?.is_complete());
    let services: Api<APIService> = Api::all(client.clone());
    let groups = ["metrics.k8s.io", "envtest-away.example.com"];
    for group in groups {
        let spec = json!({"group": group, "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"name": "nobody", "namespace": "default"}});
        let service = serde_json::from_value(json!({"metadata": {"name": format!("v1beta1.{group}")}, "spec": spec}))?;
        services.create(&PostParams::default(), &service).await?;
    }
    // The API server tells of a group a moment after it was registered, and a moment later that nobody serves it.
    for group in groups {
        let is_away = async || {
            let listed = client.list_api_groups().await?.groups.iter().any(|found| found.name == group);
            let answer = client.list_api_group_resources(&format!("{group}/v1beta1")).await;
            Ok::<_, kube::Error>(listed && matches!(answer, Err(kube::Error::Api(status)) if status.code == 503))
        };
        while !is_away().await? {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    let teardown = sets.teardown(&owner, "away", None).await;
    for group in groups {
        services.delete(&format!("v1beta1.{group}"), &DeleteParams::default()).await?;
    }
    let teardown = teardown?;
    assert_eq!(teardown.removals().len(), 1);
    let told: Vec<_> = teardown.findings().iter().map(|finding| finding.message.split(' ').next().unwrap_or_default()).collect();
    assert!(groups.iter().all(|group| told.contains(&format!("{group}/v1beta1").as_str())), "{told:?}");
    assert_eq!(teardown.apply(&engine).await?.verdict, Verdict::Clean);
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn a_secret_given_plain_is_kept() -> Tested {
    let client = server().admin().await;
    let owner = Owner::new("envtest-secret")?;
    let sets = ObjectSets::new(client.clone());
    let engine = Engine::new().driver(sets.clone());
    let with = |value: &str| {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "envtest-plain"}, "stringData": {"a": value}});
        Ok::<_, Box<dyn std::error::Error>>(set(&owner, "plain")?.object(&secret).build()?)
    };
    assert!(sets.plan(&with("hunter2")?, None).await?.apply(&engine).await?.is_complete());
    let again = sets.plan(&with("hunter2")?, None).await?;
    assert!(again.is_noop(), "{again}");
    let changed = sets.plan(&with("hunter3")?, None).await?;
    assert_eq!(changed.changes().flat_map(|step| step.changes.clone()).collect::<Vec<_>>(), ["data.a: another value"]);
    assert!(changed.apply(&engine).await?.is_complete());
    assert_eq!(sets.teardown(&owner, "plain", None).await?.apply(&engine).await?.verdict, Verdict::Clean);
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn what_is_given_away_just_before_its_deletion_is_left() -> Tested {
    let client = server().admin().await;
    let owner = Owner::new("envtest-given")?;
    let given = set(&owner, "given")?.object(&map("envtest-given")).build()?;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let (server, giver) = (client.clone(), maps.clone());
    let tampering = tower::service_fn(move |request: http::Request<Body>| {
        let (server, giver) = (server.clone(), giver.clone());
        async move {
            if request.method() == http::Method::DELETE {
                let patch = json!({"metadata": {"labels": {"eks-rs/set": null}}});
                giver.patch("envtest-given", &PatchParams::default(), &Patch::Merge(&patch)).await?;
            }
            server.send(request).await
        }
    });
    let sets = ObjectSets::new(Client::new(tampering, "default"));
    let engine = Engine::new().driver(sets.clone());
    assert!(sets.plan(&given, None).await?.apply(&engine).await?.is_complete());
    let ending = sets.teardown(&owner, "given", None).await?.apply(&engine).await?;
    let survivor = ending.verdict.survivors().first().ok_or("a survivor")?;
    assert!(survivor.why.contains("no longer carries the marks"), "{}", ending.verdict);
    let found = maps.list(&ListParams::default().fields("metadata.name=envtest-given")).await?;
    assert_eq!(found.items.len(), 1);
    maps.delete("envtest-given", &DeleteParams::default()).await?;
    Ok(())
}
