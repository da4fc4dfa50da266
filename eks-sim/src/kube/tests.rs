//! The API as `kube::Client` sees it. EKS's part is stood in for; all else is the simulator's own.

mod aws;

use std::{collections::BTreeMap, time::Duration};

use ::kube::{
    Api, Client, Error,
    api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    core::Status,
};
use futures::{StreamExt, TryStreamExt};
use http::{HeaderValue, Request, header};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Event, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service},
    policy::v1::PodDisruptionBudget,
    storage::v1::StorageClass,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tower::ServiceExt;

use super::{Kubelet, control, facts::StandIn, open, register, token};
use crate::{
    Fault, Sim, When,
    eks::{AccessFacts, ClusterFacts},
    inventory::Inventory,
};

const CLUSTER: &str = "chap10";
const HOST: &str = "0123456789abcdef.gr7.us-east-1.eks.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/nodes";

/// An account with one open cluster, entered by its creator.
fn account() -> Sim {
    let sim = Sim::new();
    sim.with(|world| {
        let cluster = ClusterFacts {
            name: CLUSTER.to_owned(),
            version: "1.36".to_owned(),
            endpoint_host: HOST.to_owned(),
            service_cidr: "172.20.0.0/16".to_owned(),
            endpoint_public: true,
            authentication_mode: "API_AND_CONFIG_MAP".to_owned(),
            creator_admin: Some("arn:aws:iam::123456789012:user/admin".to_owned()),
            ..ClusterFacts::default()
        };
        let software = ["vpc-cni", "kube-proxy", "coredns"].into();
        world.kube.stand_in = Some(StandIn { cluster, software, ..StandIn::default() });
        open(world, CLUSTER);
    });
    sim
}

/// A client that makes a token for each request.
fn client(sim: &Sim) -> Client {
    client_with(sim, |sim| sim.with(|world| token::tests::make(world, CLUSTER, Duration::ZERO, "")))
}

fn client_with(sim: &Sim, token: impl Fn(&Sim) -> String + Send + 'static) -> Client {
    let account = sim.clone();
    let service = sim.kube_service().map_request(move |mut request: Request<::kube::client::Body>| {
        let value = format!("Bearer {}", token(&account));
        request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::try_from(value).expect("a header"));
        request.headers_mut().insert(header::HOST, HeaderValue::from_static(HOST));
        request
    });
    Client::new(service, "default")
}

fn from<K: DeserializeOwned>(value: serde_json::Value) -> K {
    serde_json::from_value(value).expect("an object of this kind")
}

fn status<T: std::fmt::Debug>(result: Result<T, Error>) -> Status {
    match result.expect_err("a refusal") {
        Error::Api(status) => *status,
        other => panic!("not a refusal: {other}"),
    }
}

fn config_map(name: &str, data: &[(&str, &str)]) -> ConfigMap {
    from(json!({"metadata": {"name": name}, "data": data.iter().copied().collect::<BTreeMap<_, _>>()}))
}

fn pod(name: &str, labels: serde_json::Value) -> Pod {
    from(json!({"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "nginx", "image": "nginx"}]}}))
}

fn kubelet(name: &str, zone: &str, instance: &str) -> Kubelet {
    Kubelet {
        name: name.to_owned(),
        instance: instance.to_owned(),
        instance_type: "t3.medium".to_owned(),
        zone: zone.to_owned(),
        zone_id: "use1-az1".to_owned(),
        region: "us-east-1".to_owned(),
        address: "10.0.2.15".to_owned(),
        role_arn: ROLE.to_owned(),
        windows: false,
        version: "1.36".to_owned(),
        labels: Vec::new(),
        taints: Vec::new(),
        max_pods: 17,
    }
}

/// Lets nodes enter by an access entry and registers these.
fn join(sim: &Sim, names: &[&str]) {
    sim.with(|world| {
        let entry = AccessFacts {
            kind: "EC2_LINUX".to_owned(),
            username: "system:node:{{EC2PrivateDNSName}}".to_owned(),
            groups: vec!["system:nodes".to_owned()],
            policies: Vec::new(),
        };
        world.kube.stand_in.as_mut().expect("a stand-in").access.insert(ROLE.to_owned(), entry);
        for (index, name) in names.iter().enumerate() {
            let zone = ["us-east-1a", "us-east-1b"][index % 2];
            register(world, CLUSTER, kubelet(name, zone, &format!("i-{index}"))).expect("admitted");
        }
    });
}

async fn settle(sim: &Sim, seconds: u64) {
    sim.clock().sleep(Duration::from_secs(seconds)).await;
}

fn apply<K: Serialize>(manager: &str, object: K) -> (PatchParams, Patch<K>) {
    (PatchParams::apply(manager), Patch::Apply(object))
}

#[tokio::test(start_paused = true)]
async fn only_valid_tokens_enter() {
    let sim = account();
    let version = client(&sim).apiserver_version().await.expect("the creator enters");
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"));
    type Make = fn(&Sim) -> String;
    let refused: [(&str, Make); 5] = [
        ("expired", |sim| sim.with(|world| token::tests::make(world, CLUSTER, Duration::from_secs(16 * 60), ""))),
        ("another cluster's", |sim| sim.with(|world| token::tests::make(world, "other", Duration::ZERO, ""))),
        ("unknown parameter", |sim| sim.with(|world| token::tests::make(world, CLUSTER, Duration::ZERO, "&x-id=GetCallerIdentity"))),
        ("repeated parameter", |sim| sim.with(|world| token::tests::make(world, CLUSTER, Duration::ZERO, "&Action=GetCallerIdentity"))),
        ("no token", |_| "k8s-aws-v1.aGVsbG8".to_owned()),
    ];
    for (case, make) in refused {
        let refusal = status(client_with(&sim, make).apiserver_version().await);
        assert_eq!((refusal.code, refusal.reason.as_str()), (401, "Unauthorized"), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_cluster_is_eks() {
    let sim = account();
    let namespaces: Api<Namespace> = Api::all(client(&sim));
    let mut names: Vec<_> =
        namespaces.list(&ListParams::default()).await.expect("a list").items.into_iter().filter_map(|n| n.metadata.name).collect();
    names.sort();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
    let class = Api::<StorageClass>::all(client(&sim)).get("gp2").await.expect("gp2");
    assert_eq!(class.provisioner, "kubernetes.io/aws-ebs");
    assert!(class.metadata.annotations.is_none());
    let service = Api::<Service>::default_namespaced(client(&sim)).get("kubernetes").await.expect("the API server's Service");
    assert_eq!(service.spec.and_then(|spec| spec.cluster_ip).as_deref(), Some("172.20.0.1"));
    let aws_auth = Api::<ConfigMap>::namespaced(client(&sim), "kube-system").get("aws-auth").await;
    let refusal = status(aws_auth);
    assert_eq!((refusal.code, refusal.message.as_str()), (404, "configmaps \"aws-auth\" not found"));
    assert_eq!(sim.inventory(), Inventory::default());
}

#[tokio::test(start_paused = true)]
async fn writes_are_checked_against_versions() {
    let sim = account();
    let api: Api<ConfigMap> = Api::default_namespaced(client(&sim));
    let created = api.create(&PostParams::default(), &config_map("a", &[("k", "1")])).await.expect("created");
    assert!(created.metadata.uid.is_some() && created.metadata.creation_timestamp.is_some());
    let refusal = status(api.create(&PostParams::default(), &config_map("a", &[])).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (409, "AlreadyExists"));
    let mut changed = created.clone();
    changed.data = Some([("k".to_owned(), "2".to_owned())].into());
    api.replace("a", &PostParams::default(), &changed).await.expect("its version is the newest");
    let refusal = status(api.replace("a", &PostParams::default(), &changed).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (409, "Conflict"));
    let same = api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "2"}}))).await.expect("nothing changes");
    let again = api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "2"}}))).await.expect("nothing changes");
    assert_eq!(same.metadata.resource_version, again.metadata.resource_version);
    assert_eq!(sim.inventory().count("kubernetes/ConfigMap"), 1);
    let stale = DeleteParams {
        preconditions: Some(::kube::api::Preconditions { uid: Some("other".into()), ..Default::default() }),
        ..DeleteParams::default()
    };
    assert_eq!(status(api.delete("a", &stale).await).code, 409);
    api.delete("a", &DeleteParams::default()).await.expect("deleted");
    assert_eq!(status(api.delete("a", &DeleteParams::default()).await).code, 404);
}

#[tokio::test(start_paused = true)]
async fn wrong_objects_are_refused_as_kubernetes_does() {
    let sim = account();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sim));
    let refusal = status(maps.create(&PostParams::default(), &config_map("Big", &[])).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (422, "Invalid"));
    assert_eq!(
        refusal.details.and_then(|details| details.causes.first().map(|cause| cause.field.clone())).as_deref(),
        Some("metadata.name")
    );
    let elsewhere: Api<ConfigMap> = Api::namespaced(client(&sim), "missing");
    let refusal = status(elsewhere.create(&PostParams::default(), &config_map("a", &[])).await);
    assert_eq!((refusal.code, refusal.message.as_str()), (404, "namespaces \"missing\" not found"));
    maps.create(&PostParams::default(), &config_map("a", &[])).await.expect("created");
    let refusal = status(maps.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": 1}}))).await);
    assert_eq!(refusal.code, 400);
    let classes: Api<StorageClass> = Api::all(client(&sim));
    let refusal = status(classes.patch("gp2", &PatchParams::default(), &Patch::Merge(json!({"parameters": {"type": "gp3"}}))).await);
    assert_eq!(
        refusal.message,
        "StorageClass.storage.k8s.io \"gp2\" is invalid: parameters: Forbidden: updates to parameters are forbidden."
    );
}

#[tokio::test(start_paused = true)]
async fn server_side_apply_knows_owners() {
    let sim = account();
    let api: Api<ConfigMap> = Api::namespaced(client(&sim), "kube-system");
    let object =
        |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value, "mine": "x"}});
    let (params, patch) = apply("eks-rs", object("1"));
    let created = api.patch("a", &params, &patch).await.expect("created");
    let (params, patch) = apply("eks-rs", object("1"));
    let again = api.patch("a", &params, &patch).await.expect("unchanged");
    assert_eq!(created.metadata.resource_version, again.metadata.resource_version);
    let (params, patch) = apply("other", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "2"}}));
    let refusal = status(api.patch("a", &params, &patch).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (409, "Conflict"));
    assert_eq!(refusal.message, "Apply failed with 1 conflict: conflict with \"eks-rs\": .data.k");
    let causes = refusal.details.expect("details").causes;
    assert_eq!((causes[0].reason.as_str(), causes[0].field.as_str()), ("FieldManagerConflict", ".data.k"));
    let forced = api.patch("a", &params.force(), &patch).await.expect("forced");
    assert_eq!(forced.data.as_ref().and_then(|data| data.get("k")).map(String::as_str), Some("2"));
    assert_eq!(forced.metadata.managed_fields.as_ref().map(Vec::len), Some(2));
    // What its manager no longer applies goes; what another took stays.
    let (params, patch) = apply("eks-rs", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}));
    let rest = api.patch("a", &params, &patch).await.expect("applied");
    assert_eq!(rest.data, Some([("k".to_owned(), "2".to_owned())].into()));
}

#[tokio::test(start_paused = true)]
async fn lists_select_and_page() {
    let sim = account();
    let api: Api<ConfigMap> = Api::default_namespaced(client(&sim));
    for number in 0..5 {
        let mut map = config_map(&format!("m{number}"), &[]);
        map.metadata.labels = Some([("parity".to_owned(), ["even", "odd"][number % 2].to_owned())].into());
        api.create(&PostParams::default(), &map).await.expect("created");
    }
    let odd = api.list(&ListParams::default().labels("parity in (odd)")).await.expect("a list");
    assert_eq!(odd.items.len(), 2);
    assert_eq!(api.list(&ListParams::default().fields("metadata.name=m3")).await.expect("a list").items.len(), 1);
    let first = api.list(&ListParams::default().labels("parity").limit(2)).await.expect("a page");
    let token = first.metadata.continue_.expect("more");
    api.delete("m3", &DeleteParams::default()).await.expect("deleted");
    let second = api.list(&ListParams::default().labels("parity").limit(2).continue_token(&token)).await.expect("the next page");
    let names: Vec<_> = second.items.into_iter().filter_map(|map| map.metadata.name).collect();
    assert_eq!(names, ["m2", "m3"], "later pages show the state of the first");
}

#[tokio::test(start_paused = true)]
async fn watches_tell_changes_and_forget_old_ones() {
    let sim = account();
    let api: Api<ConfigMap> = Api::default_namespaced(client(&sim));
    let version = api.list(&ListParams::default()).await.expect("a list").metadata.resource_version.expect("a version");
    let mut watch = api.watch(&WatchParams::default().labels("app=x").timeout(60), &version).await.expect("a watch").boxed();
    let mut map = config_map("a", &[]);
    map.metadata.labels = Some([("app".to_owned(), "x".to_owned())].into());
    api.create(&PostParams::default(), &map).await.expect("created");
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "1"}}))).await.expect("changed");
    // An object that ceases to match is deleted for this watch.
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"labels": null}}))).await.expect("changed");
    let mut seen = Vec::new();
    while let Some(event) = watch.try_next().await.expect("an event") {
        seen.push(match event {
            WatchEvent::Added(_) => "ADDED",
            WatchEvent::Modified(_) => "MODIFIED",
            WatchEvent::Deleted(_) => "DELETED",
            WatchEvent::Bookmark(_) => "BOOKMARK",
            WatchEvent::Error(_) => "ERROR",
        });
    }
    seen.retain(|event| *event != "BOOKMARK");
    assert_eq!(seen, ["ADDED", "MODIFIED", "DELETED"]);
    for number in 0..2_100 {
        sim.with(|world| {
            let key = super::store::Key::new(&super::kinds::CONFIG_MAP, "default", "a");
            super::store::edit(world, CLUSTER, &key, |map| map["data"]["k"] = json!(number.to_string()))
        });
    }
    let mut old = api.watch(&WatchParams::default(), &version).await.expect("a watch").boxed();
    match old.try_next().await.expect("an event") {
        Some(WatchEvent::Error(error)) => assert_eq!(error.code, 410),
        other => panic!("not gone: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_join_by_access_entry_and_become_ready_with_the_cni() {
    let sim = account();
    let refused = sim.with(|world| register(world, CLUSTER, kubelet("ip-10-0-2-15.ec2.internal", "us-east-1a", "i-9")));
    assert_eq!(refused, Err("Unauthorized".to_owned()));
    sim.with(|world| world.kube.stand_in.as_mut().expect("a stand-in").software.clear());
    join(&sim, &["n0"]);
    settle(&sim, 120).await;
    let api: Api<Node> = Api::all(client(&sim));
    let node = api.get("n0").await.expect("a node");
    let taints = node.spec.and_then(|spec| spec.taints).expect("not ready");
    assert_eq!(taints[0].key, "node.kubernetes.io/not-ready");
    sim.with(|world| world.kube.stand_in.as_mut().expect("a stand-in").software.insert("vpc-cni"));
    settle(&sim, 60).await;
    let node = api.get("n0").await.expect("a node");
    assert!(node.spec.as_ref().is_some_and(|spec| spec.taints.is_none()));
    assert_eq!(sim.with(|world| super::ready_nodes(world, CLUSTER)), 1);
    assert_eq!(sim.ledger().of("i-0")[0].kind, "NodeReady");
    sim.with(|world| super::instance_gone(world, "i-0"));
    settle(&sim, 40).await;
    assert!(api.get("n0").await.is_ok(), "nobody has noticed yet");
    settle(&sim, 20).await;
    assert_eq!(status(api.get("n0").await).code, 404);
}

#[tokio::test(start_paused = true)]
async fn nodes_join_by_aws_auth_and_are_lost_without_it() {
    let sim = account();
    let maps: Api<ConfigMap> = Api::namespaced(client(&sim), "kube-system");
    let roles = format!(
        "- rolearn: {ROLE}\n  username: system:node:{{{{EC2PrivateDNSName}}}}\n  groups:\n  - system:bootstrappers\n  - system:nodes\n"
    );
    maps.create(&PostParams::default(), &config_map("aws-auth", &[("mapRoles", &roles)])).await.expect("created");
    sim.with(|world| register(world, CLUSTER, kubelet("n0", "us-east-1a", "i-0"))).expect("admitted");
    settle(&sim, 60).await;
    assert_eq!(sim.with(|world| super::ready_nodes(world, CLUSTER)), 1);
    maps.delete("aws-auth", &DeleteParams::default()).await.expect("deleted");
    settle(&sim, 120).await;
    assert_eq!(sim.with(|world| super::ready_nodes(world, CLUSTER)), 0);
}

#[tokio::test(start_paused = true)]
async fn budgets_hold_evictions_back() {
    let sim = account();
    join(&sim, &["n0", "n1"]);
    let deployments: Api<Deployment> = Api::default_namespaced(client(&sim));
    let web = json!({"app": "web"});
    let template = json!({"metadata": {"labels": web}, "spec": {"containers": [{"name": "nginx", "image": "nginx"}]}});
    let deployment = json!({"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": web}, "template": template}});
    deployments.create(&PostParams::default(), &from(deployment)).await.expect("created");
    let budgets: Api<PodDisruptionBudget> = Api::default_namespaced(client(&sim));
    let budget = |name: &str| from(json!({"metadata": {"name": name}, "spec": {"minAvailable": 1, "selector": {"matchLabels": web}}}));
    budgets.create(&PostParams::default(), &budget("one")).await.expect("created");
    settle(&sim, 90).await;
    let pods: Api<Pod> = Api::default_namespaced(client(&sim));
    let running = pods.list(&ListParams::default().labels("app=web").fields("status.phase=Running")).await.expect("a list").items;
    assert_eq!(running.len(), 2);
    let names: Vec<_> = running.into_iter().filter_map(|pod| pod.metadata.name).collect();
    let dry = EvictParams { post_options: PostParams { dry_run: true, ..PostParams::default() }, ..EvictParams::default() };
    pods.evict(&names[0], &dry).await.expect("allowed, not done");
    pods.evict(&names[0], &EvictParams::default()).await.expect("evicted");
    let refusal = status(pods.evict(&names[1], &EvictParams::default()).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (429, "TooManyRequests"));
    assert_eq!(refusal.details.expect("details").causes[0].reason, "DisruptionBudget");
    settle(&sim, 60).await;
    pods.evict(&names[1], &EvictParams::default()).await.expect("its replacement is ready");
    assert_eq!(status(pods.evict("gone", &EvictParams::default()).await).code, 404);
    budgets.create(&PostParams::default(), &budget("two")).await.expect("created");
    settle(&sim, 60).await;
    let any = pods.list(&ListParams::default().labels("app=web").fields("status.phase=Running")).await.expect("a list").items;
    let name = any[0].metadata.name.clone().expect("a name");
    assert_eq!(status(pods.evict(&name, &EvictParams::default()).await).code, 500);
}

#[tokio::test(start_paused = true)]
async fn cordoned_nodes_take_no_pods() {
    let sim = account();
    join(&sim, &["n0"]);
    settle(&sim, 60).await;
    let nodes: Api<Node> = Api::all(client(&sim));
    nodes.patch("n0", &PatchParams::default(), &Patch::Merge(json!({"spec": {"unschedulable": true}}))).await.expect("cordoned");
    let pods: Api<Pod> = Api::default_namespaced(client(&sim));
    pods.create(&PostParams::default(), &pod("a", json!({}))).await.expect("created");
    settle(&sim, 60).await;
    let pending = pods.get("a").await.expect("a Pod").status.expect("a status");
    assert_eq!(pending.phase.as_deref(), Some("Pending"));
    let events =
        Api::<Event>::default_namespaced(client(&sim)).list(&ListParams::default().fields("involvedObject.name=a")).await.expect("events");
    assert_eq!(events.items[0].reason.as_deref(), Some("FailedScheduling"));
    nodes.patch("n0", &PatchParams::default(), &Patch::Merge(json!({"spec": {"unschedulable": null}}))).await.expect("uncordoned");
    settle(&sim, 60).await;
    assert_eq!(pods.get("a").await.expect("a Pod").status.and_then(|status| status.phase).as_deref(), Some("Running"));
    pods.delete("a", &DeleteParams::default()).await.expect("deleted");
    settle(&sim, 10).await;
    assert_eq!(status(pods.get("a").await).code, 404);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_takes_its_contents_along() {
    let sim = account();
    let namespaces: Api<Namespace> = Api::all(client(&sim));
    namespaces.create(&PostParams::default(), &from(json!({"metadata": {"name": "x"}}))).await.expect("created");
    let maps: Api<ConfigMap> = Api::namespaced(client(&sim), "x");
    let mut held = config_map("held", &[]);
    held.metadata.finalizers = Some(vec!["example.com/hold".to_owned()]);
    maps.create(&PostParams::default(), &held).await.expect("created");
    namespaces.delete("x", &DeleteParams::default()).await.expect("accepted");
    let refusal = status(maps.create(&PostParams::default(), &config_map("late", &[])).await);
    assert_eq!((refusal.code, refusal.details.expect("details").causes[0].reason.as_str()), (403, "NamespaceTerminating"));
    settle(&sim, 30).await;
    assert!(maps.get("held").await.expect("held").metadata.deletion_timestamp.is_some());
    maps.patch("held", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await.expect("released");
    settle(&sim, 30).await;
    assert_eq!(status(namespaces.get("x").await).code, 404);
}

#[tokio::test(start_paused = true)]
async fn the_systems_namespaces_stay() {
    let sim = account();
    let refusal = status(Api::<Namespace>::all(client(&sim)).delete("kube-system", &DeleteParams::default()).await);
    assert_eq!(
        (refusal.code, refusal.message.as_str()),
        (403, "namespaces \"kube-system\" is forbidden: this namespace may not be deleted")
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_node_takes_its_pods_along() {
    let sim = account();
    join(&sim, &["n0"]);
    settle(&sim, 60).await;
    let pods: Api<Pod> = Api::all(client(&sim));
    let here = ListParams::default().fields("spec.nodeName=n0");
    assert!(pods.list(&here).await.expect("a list").items.len() >= 4, "aws-node, kube-proxy and two of coredns");
    Api::<Node>::all(client(&sim)).delete("n0", &DeleteParams::default()).await.expect("deleted");
    settle(&sim, 10).await;
    assert_eq!(pods.list(&here).await.expect("a list").items.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn streaming_lists_say_where_they_end() {
    let sim = account();
    let api: Api<Namespace> = Api::all(client(&sim));
    let params = WatchParams::default().initial_events().timeout(30);
    let mut watch = api.watch(&params, "0").await.expect("a watch").boxed();
    let mut added = 0;
    loop {
        match watch.try_next().await.expect("an event").expect("more") {
            WatchEvent::Added(_) => added += 1,
            WatchEvent::Bookmark(mark) => {
                assert_eq!(mark.metadata.annotations.get("k8s.io/initial-events-end").map(String::as_str), Some("true"));
                break;
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(added, 4);
}

#[tokio::test(start_paused = true)]
async fn a_claim_waits_for_its_driver() {
    let sim = account();
    join(&sim, &["n0"]);
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(client(&sim));
    let claim = json!({
        "metadata": {"name": "pvc-a"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "gp2", "resources": {"requests": {"storage": "10Gi"}}},
    });
    claims.create(&PostParams::default(), &from(claim)).await.expect("created");
    settle(&sim, 20).await;
    let reasons = || async {
        let events = Api::<Event>::default_namespaced(client(&sim)).list(&ListParams::default().fields("involvedObject.name=pvc-a")).await;
        events.expect("events").items.into_iter().filter_map(|event| event.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons().await, ["WaitForFirstConsumer"]);
    let mut user = pod("a", json!({}));
    let spec = user.spec.as_mut().expect("a spec");
    spec.volumes = Some(from(json!([{"name": "data", "persistentVolumeClaim": {"claimName": "pvc-a"}}])));
    let pods: Api<Pod> = Api::default_namespaced(client(&sim));
    pods.create(&PostParams::default(), &user).await.expect("created");
    settle(&sim, 60).await;
    assert!(reasons().await.contains(&"ExternalProvisioning".to_owned()));
    // The driver without a role in AWS: EC2 would refuse, and the claim says so.
    sim.with(|world| world.kube.stand_in.as_mut().expect("a stand-in").software.insert("aws-ebs-csi-driver"));
    settle(&sim, 60).await;
    assert!(reasons().await.contains(&"ProvisioningFailed".to_owned()));
    claims.delete("pvc-a", &DeleteParams::default()).await.expect("accepted");
    settle(&sim, 20).await;
    assert!(claims.get("pvc-a").await.expect("protected").metadata.deletion_timestamp.is_some());
    pods.delete("a", &DeleteParams::default()).await.expect("deleted");
    settle(&sim, 20).await;
    assert_eq!(status(claims.get("pvc-a").await).code, 404);
}

#[tokio::test(start_paused = true)]
async fn faults_are_status_objects() {
    let sim = account();
    let api: Api<ConfigMap> = Api::default_namespaced(client(&sim));
    let path = "GET /api/v1/namespaces/default/configmaps";
    sim.inject(When::Action { service: "kubernetes".into(), action: path.into(), nth: 1 }, Fault::Throttle);
    let refusal = status(api.list(&ListParams::default()).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (429, "TooManyRequests"));
    api.list(&ListParams::default()).await.expect("once only");
    assert_eq!(sim.log().count("kubernetes", path), 2);
}

#[tokio::test(start_paused = true)]
async fn an_idle_cluster_does_nothing() {
    let sim = account();
    join(&sim, &["n0", "n1"]);
    settle(&sim, 300).await;
    let before = sim.with(|world| world.kube.clusters[CLUSTER].revision);
    settle(&sim, 3_600).await;
    assert_eq!(sim.with(|world| world.kube.clusters[CLUSTER].revision), before);
    sim.with(|world| control::wake(world, CLUSTER));
    settle(&sim, 60).await;
    assert_eq!(sim.with(|world| world.kube.clusters[CLUSTER].revision), before);
}
