//! A set on the simulated cluster, whose nodes run what it deploys.

#![cfg(feature = "client")]

mod support;

use std::{collections::BTreeMap, future::Future};

use eks_core::{AuthenticationMode, BoxError, Error, Plan, Verdict, engine::ApplyError};
use eks_k8s::{ObjectSet, ObjectsSpec, client::ObjectSets};
use eks_sim::{Fault, When};
use http::{Request, Response};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Secret},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    client::{Body, retry::RetryPolicy},
};
use serde_json::{Value, json};
use support::{Stage, Tested, client};
use tower::{ServiceBuilder, retry::RetryLayer};

/// A client whose requests go through `tamper` first: it may answer in the server's place.
fn behind<F, R>(server: Client, tamper: F) -> Client
where
    F: Fn(String) -> R + Clone + Send + 'static,
    R: Future<Output = Option<Response<Body>>> + Send + 'static,
{
    let service = tower::service_fn(move |request: Request<Body>| {
        let (server, answer) = (server.clone(), tamper(format!("{} {}", request.method(), request.uri().path())));
        async move {
            match answer.await {
                Some(answer) => Ok(answer),
                None => server.send(request).await,
            }
        }
    });
    Client::new(service, "default")
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:1.29"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, protocol: TCP}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#;

fn shop(stage: &Stage) -> Result<ObjectSet, eks_core::SpecError> {
    ObjectSet::builder(&stage.owner, "shop", stage.access.clone()).yaml(SHOP).wait_for_workloads().build()
}

/// A cluster with nodes.
async fn stage() -> Result<Stage, BoxError> {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let spec = ObjectsSpec::builder(&stage.owner, stage.cluster()).map_role("w", stage.workers().role).nodes(stage.workers()).build()?;
    let objects = stage.objects();
    stage.joined(objects.plan(&spec, None).await?)?.apply(&stage.engine(&objects)).await?;
    Ok(stage)
}

#[tokio::test(start_paused = true)]
async fn a_set_comes_and_goes() -> Tested {
    let stage = stage().await?;
    let objects = stage.objects();
    let sets = ObjectSets::from(&objects);
    let engine = stage.engine(&objects).driver(sets.clone());
    let set = shop(&stage)?;
    let plan = sets.plan(&set, None).await?;
    assert!(plan.apply(&engine).await?.is_complete());
    let states = stage.states("objects/shop/Deployment.apps/shop/web");
    assert!(states.iter().any(|state| state.contains("replicas")), "{states:?}");
    let web: Api<Deployment> = Api::namespaced(client(&stage.sim, &stage.access)?, "shop");
    assert_eq!(web.get("web").await?.status.and_then(|status| status.available_replicas), Some(2));

    let from = stage.sim.log().len();
    let again = sets.plan(&set, None).await?;
    assert!(again.is_noop(), "{again}");
    // Each object is read and applied without effect; what the server serves is known by now.
    assert_eq!(stage.calls(from).len(), 6, "{:?}", stage.calls(from));

    // Scaled by somebody else, who then has the field.
    let scale = json!({"spec": {"replicas": 3}});
    web.patch("web", &PatchParams { field_manager: Some("operator".to_owned()), ..PatchParams::default() }, &Patch::Merge(&scale)).await?;
    let refused = sets.plan(&set, None).await.expect_err("a conflict").to_string();
    assert!(refused.contains(".spec.replicas is managed by \"operator\""), "{refused}");

    let ending = sets.teardown(&stage.owner, "shop", Some(stage.access.clone())).await?.apply(&engine).await?;
    assert_eq!(ending.verdict, Verdict::Clean, "{}", ending.verdict);
    assert_eq!(stage.sim.inventory().count("kubernetes/Deployment"), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_process_may_die_after_any_call() -> Tested {
    let map =
        |n: u32| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{n}")}, "data": {"n": n.to_string()}});
    for number in 1..100 {
        let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
        let sets = || ObjectSets::from(&stage.objects());
        let fixed = |sets: &ObjectSets| stage.engine(&stage.objects()).driver(sets.clone());
        let builder = ObjectSet::builder(&stage.owner, "maps", stage.access.clone());
        let set = (0..3).fold(builder, |set, n| set.object(&map(n))).build()?;
        let dying = sets();
        let plan = dying.plan(&set, None).await?;
        stage.sim.inject(When::Call((stage.sim.log().len() + number) as u64), Fault::KillAfter);
        let first = plan.apply(&fixed(&dying)).await;
        if stage.sim.faults_pending() > 0 {
            assert!(number > 9, "three objects are observed, looked for and applied: {number} calls");
            return Ok(());
        }
        stage.sim.revive();
        let next = sets();
        if first.is_err() {
            assert!(next.plan(&set, None).await?.apply(&fixed(&next)).await?.is_complete());
        }
        assert!(next.plan(&set, None).await?.is_noop());
        let maps: Api<ConfigMap> = Api::default_namespaced(client(&stage.sim, &stage.access)?);
        assert_eq!(maps.get("c2").await?.data.expect("data")["n"], "2");
        let teardown = next.teardown(&stage.owner, "maps", Some(stage.access.clone())).await?;
        assert_eq!(teardown.removals().len(), 3);
        assert_eq!(teardown.apply(&fixed(&next)).await?.verdict, Verdict::Clean);
    }
    panic!("a run of a hundred calls");
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_holds_no_secret() -> Tested {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "hunter2"}});
    let set = ObjectSet::builder(&stage.owner, "db", stage.access.clone()).object(&secret).build()?;
    let saved = ObjectSets::from(&stage.objects()).plan(&set, None).await?.to_json()?;
    // printf hunter2 | base64
    assert!(!saved.contains("hunter2") && !saved.contains("aHVudGVyMg"), "{saved}");

    let another = ObjectSets::from(&stage.objects());
    let engine = stage.engine(&stage.objects()).driver(another.clone());
    let plan = Plan::from_json(&saved)?;
    let from = stage.sim.log().len();
    let refused = plan.apply(&engine).await.expect_err("it knows no password");
    let ApplyError::Observe { source, .. } = &refused else { panic!("{refused}") };
    assert!(matches!(&**source, Error::Refused { subject, remedy, .. } if subject == "Secret db" && remedy.contains("contents_of")));
    assert_eq!(stage.calls(from), [""; 0], "before any call");
    another.contents_of(&set);
    assert!(plan.apply(&engine).await?.is_complete());
    let secrets: Api<Secret> = Api::default_namespaced(client(&stage.sim, &stage.access)?);
    assert_eq!(secrets.get("db").await?.data.expect("data")["password"].0, b"hunter2");
    let again = another.plan(&set, None).await?;
    assert!(again.is_noop(), "{again}");
    assert!(!format!("{:?} {again:?}", stage.events).contains("aHVudGVyMg"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn several_sets_come_and_go_together() -> Tested {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let sets = ObjectSets::from(&stage.objects());
    let engine = stage.engine(&stage.objects()).driver(sets.clone());
    let one = |name: &str| ObjectSet::builder(&stage.owner, name, stage.access.clone()).object(&map(name)).build();
    let (a, b) = (one("a")?, one("b")?);
    assert!(sets.plan_all(&[&a, &b], None).await?.apply(&engine).await?.is_complete());
    assert!(sets.plan_all(&[&a, &b], None).await?.is_noop());
    // One is pruned as if it were alone.
    assert!(sets.prune(&a, None).await?.is_empty());
    let teardown = sets.teardown_all(&stage.owner, &["a", "b"], Some(stage.access.clone())).await?;
    assert_eq!(teardown.removals().len(), 2);
    assert_eq!(teardown.apply(&engine).await?.verdict, Verdict::Clean);
    Ok(())
}

/// A set of a map in a namespace of its own.
fn kept(stage: &Stage) -> Result<ObjectSet, eks_core::SpecError> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}});
    ObjectSet::builder(&stage.owner, "kept", stage.access.clone()).namespace("kept").object(&namespace).object(&map("kept")).build()
}

async fn give_away(client: Client) -> Result<ConfigMap, kube::Error> {
    let patch = json!({"metadata": {"labels": {"eks-rs/set": null}}});
    Api::<ConfigMap>::namespaced(client, "kept").patch("kept", &PatchParams::default(), &Patch::Merge(&patch)).await
}

#[tokio::test(start_paused = true)]
async fn what_is_given_away_is_left() -> Tested {
    for just_before_its_deletion in [false, true] {
        let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
        let set = kept(&stage)?;
        let server = client(&stage.sim, &stage.access)?;
        let giver = server.clone();
        let tampering = behind(server.clone(), move |call| {
            let giver = giver.clone();
            async move {
                if just_before_its_deletion && call.starts_with("DELETE") && call.ends_with("/configmaps/kept") {
                    // The second time it is given away already.
                    give_away(giver).await.expect("there");
                }
                None
            }
        });
        let sets = ObjectSets::new(tampering);
        let engine = stage.engine(&stage.objects()).driver(sets.clone());
        assert!(sets.plan(&set, None).await?.apply(&engine).await?.is_complete());
        let teardown = sets.teardown(&stage.owner, "kept", None).await?;
        if !just_before_its_deletion {
            give_away(server.clone()).await?;
        }
        let ending = teardown.apply(&engine).await?;
        let survivors: BTreeMap<_, _> = ending.verdict.survivors().iter().map(|left| (left.kind.as_str(), left.why.as_str())).collect();
        assert!(survivors["ConfigMap"].contains("no longer carries the marks"), "{}", ending.verdict);
        assert!(survivors["Namespace"].contains("not tried"), "it would take the map with it: {}", ending.verdict);
        assert_eq!(Api::<ConfigMap>::namespaced(server, "kept").get("kept").await?.data.expect("data")["a"], "1");
    }
    Ok(())
}

const STORE: &str = r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: store}
provisioner: ebs.csi.aws.com
parameters: {type: gp3}
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: store, resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: store}
spec:
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      containers: [{name: store, image: nginx, volumeMounts: [{name: data, mountPath: /data}]}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
"#;

#[tokio::test(start_paused = true)]
async fn a_claim_is_gone_with_its_volume() -> Tested {
    let stage = stage().await?;
    let sets = ObjectSets::from(&stage.objects());
    let engine = stage.engine(&stage.objects()).driver(sets.clone());
    let set = ObjectSet::builder(&stage.owner, "store", stage.access.clone()).yaml(STORE).wait_for_workloads().build()?;
    let volumes = || stage.sim.inventory().count("ec2/volume");
    let before = volumes();
    assert!(sets.plan(&set, None).await?.apply(&engine).await?.is_complete());
    assert_eq!(volumes(), before + 1);
    let teardown = sets.teardown(&stage.owner, "store", Some(stage.access.clone())).await?;
    let order: Vec<_> = teardown.removals().iter().filter_map(|removal| removal.title.split(' ').next()).collect();
    assert_eq!(order, ["Deployment", "PersistentVolumeClaim", "StorageClass"]);
    assert_eq!(teardown.apply(&engine).await?.verdict, Verdict::Clean);
    assert_eq!(volumes(), before, "nothing outlives the driver that would delete it");
    Ok(())
}

fn answer(code: u16, text: &str) -> Option<Response<Body>> {
    Some(Response::builder().status(code).body(Body::from(text.as_bytes().to_vec())).expect("an answer"))
}

/// What kube-apiserver says of an aggregated API server that is away: the group is there, its resources are not, in plain text.
fn aggregated(call: &str, group: &str) -> Option<Response<Body>> {
    let version = format!("{group}/v1beta1");
    if call == "GET /apis" {
        let versions = json!([{"groupVersion": version, "version": "v1beta1"}]);
        let groups = json!([{"name": group, "versions": versions, "preferredVersion": versions[0]}]);
        return answer(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}).to_string());
    }
    if call == format!("GET /apis/{version}") { answer(503, "service unavailable\n") } else { None }
}

#[tokio::test(start_paused = true)]
async fn what_is_aggregated_may_be_away() -> Tested {
    let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
    let server = client(&stage.sim, &stage.access)?;
    let set = ObjectSet::builder(&stage.owner, "a", stage.access.clone()).object(&map("a")).build()?;
    let members = async |server: Client, group: &'static str, service: Value| {
        let away = behind(server, move |call| {
            let found = if call.contains("/apiservices/v1beta1.") && !service.is_null() {
                answer(200, &json!({"metadata": {"name": "x"}, "spec": service}).to_string())
            } else {
                aggregated(&call, group)
            };
            async move { found }
        });
        ObjectSets::new(away).prune(&set, None).await
    };
    let metrics = members(server.clone(), "metrics.k8s.io", Value::Null).await?;
    assert!(metrics.findings()[0].message.contains("metrics.k8s.io/v1beta1 does not answer"), "{metrics}");
    let other = members(server.clone(), "example.com", json!({"service": {"name": "x", "namespace": "x"}})).await?;
    assert_eq!(other.findings().len(), 1);
    // Of a definition: kube-apiserver itself fails.
    let own = members(server.clone(), "example.com", json!({"groupPriorityMinimum": 1000})).await;
    assert_eq!(own.map_err(|error| error.class()).err(), Some(eks_core::Class::Transient));
    let unknown = members(server.clone(), "example.com", Value::Null).await;
    assert_eq!(unknown.map_err(|error| error.class()).err(), Some(eks_core::Class::Transient));

    // A client as kube makes it repeats a 503 for minutes.
    let away = behind(server.clone(), |call| {
        let found = aggregated(&call, "metrics.k8s.io");
        async move { found }
    });
    let patient = ServiceBuilder::new().layer(RetryLayer::new(RetryPolicy::server_retry())).service(tower::service_fn(move |request| {
        let away = away.clone();
        async move { away.send(request).await.map_err(BoxError::from) }
    }));
    let before = tokio::time::Instant::now();
    let pruned = ObjectSets::new(Client::new(patient, "default")).prune(&set, None).await?;
    assert_eq!(pruned.findings().len(), 1);
    assert!(before.elapsed() < std::time::Duration::from_secs(30), "of simulated time: {:?}", before.elapsed());

    // What Kubernetes serves by itself is never skipped.
    let fault = Fault::Refuse { status: 503, code: "ServiceUnavailable".to_owned(), message: "starting".to_owned() };
    stage.sim.inject(When::Action { service: "kubernetes".to_owned(), action: "GET /apis/apps/v1".to_owned(), nth: 1 }, fault);
    let refused = ObjectSets::new(server).prune(&set, None).await.expect_err("an error");
    assert_eq!(refused.code(), Some("ServiceUnavailable"));
    Ok(())
}
