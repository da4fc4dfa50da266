//! Sets that are right, sets that are wrong, and their plans.

mod members;
mod secrets;
mod together;

use std::collections::BTreeMap;

use eks_core::{Action, AuthenticationMode, Error, Plan, StepKey};
use serde_json::{Value, json};

use super::*;
use crate::fixture::{access, cluster, owner};

const SHOP: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: checks}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {replicas: 2}
---
apiVersion: example.com/v1
kind: Basket
metadata: {name: first, namespace: shop}
---
# nothing
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: baskets.example.com}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, creationTimestamp: null, resourceVersion: "7"}
status: {phase: Active}
"#;

fn shop() -> ObjectSetBuilder {
    ObjectSet::builder(&owner(), "shop", access()).yaml(SHOP)
}

fn config(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data})
}

fn small(manifest: Value) -> ObjectSet {
    ObjectSet::builder(&owner(), "small", access()).object(&manifest).build().unwrap()
}

/// The set's objects as the API server would hold them, each unchanged by a dry run.
fn applied(set: &ObjectSet) -> SetObserved {
    set.objects().fold(SetObserved::at(set, Some(access())), |now, manifest| {
        let mut live = manifest.clone();
        live["metadata"]["uid"] = json!("u");
        let live = Manifest::from(live);
        now.found(manifest, SetObject { live: Some(live.clone()), would_be: Some(live), ..SetObject::default() })
    })
}

fn needs(plan: &Plan) -> BTreeMap<&str, String> {
    let told = |step: &eks_core::Step| step.needs.iter().map(StepKey::as_str).collect::<Vec<_>>().join(" ");
    plan.steps().iter().map(|step| (step.key.as_str(), told(step))).collect()
}

#[test]
fn namespaces_and_definitions_come_first() {
    let set = shop().build().unwrap();
    let plan = set.plan(&SetObserved::nothing(&set)).unwrap();
    let needs = needs(&plan);
    let (namespace, definition) =
        ("objects/shop/Namespace/shop", "objects/shop/CustomResourceDefinition.apiextensions.k8s.io/baskets.example.com");
    let (basket, web) = ("objects/shop/Basket.example.com/shop/first", "objects/shop/Deployment.apps/shop/web");
    let webhook = "objects/shop/ValidatingWebhookConfiguration.admissionregistration.k8s.io/checks";
    assert_eq!(needs[namespace], "");
    assert_eq!(needs[definition], namespace);
    assert_eq!((needs[basket].as_str(), needs[web].as_str()), (definition, definition));
    assert_eq!(needs[webhook], format!("{basket} {web}"));
    let SetOp::Apply { object, .. } = plan.step(namespace).unwrap().op.decode().unwrap() else { panic!() };
    assert_eq!(
        object.manifest,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
            "annotations": {"eks-rs/key": namespace, "eks-rs/namespace": "default"}, "labels": {"eks-rs/owner": "chap10", "eks-rs/set": "shop"}}})
    );
    // A cluster that another plan makes.
    let later = ObjectSet::builder(&owner(), "later", &cluster(AuthenticationMode::Api)).yaml(SHOP).build().unwrap();
    let plan = later.plan(&SetObserved::nothing(&later)).unwrap();
    assert!(plan.steps().iter().all(|step| step.needs.iter().any(|key| key.as_str() == "cluster/control-plane")));
    assert_eq!(Plan::from_json(&plan.to_json().unwrap()).unwrap(), plan);
}

#[test]
fn changes_field_by_field() {
    let set = small(config("c", json!({"a": "1", "b": "2"})));
    let manifest = set.objects().next().unwrap().clone();
    let now = |live: Value, would_be: Value| {
        SetObserved::at(&set, Some(access()))
            .found(&manifest, SetObject { live: Some(live.into()), would_be: Some(would_be.into()), ..SetObject::default() })
    };
    let with = |data: Value, version: &str| {
        let mut live = manifest.clone();
        live["data"] = data;
        live["metadata"]["resourceVersion"] = json!(version);
        live["metadata"]["managedFields"] = json!([{"time": version}]);
        live
    };
    let plan = set.plan(&now(with(json!({"a": "0", "gone": "x"}), "1"), with(json!({"a": "1", "b": "2"}), "2"))).unwrap();
    let step = plan.steps().first().unwrap();
    assert_eq!(
        (step.action, step.changes.as_slice()),
        (Action::Update, ["data.a: 0 → 1", "data.gone: x → nothing", "data.b: nothing → 2"].map(String::from).as_slice())
    );
    assert!(set.plan(&applied(&set)).unwrap().is_noop());
}

#[test]
fn what_is_not_done() {
    let set = small(config("c", json!({})));
    let manifest = set.objects().next().unwrap().clone();
    let refused = |change: &dyn Fn(&mut SetObject)| {
        let unchanged = Manifest::from(manifest.clone());
        let mut object = SetObject { live: Some(unchanged.clone()), would_be: Some(unchanged), ..SetObject::default() };
        change(&mut object);
        let error = set.plan(&SetObserved::at(&set, Some(access())).found(&manifest, object)).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        error.to_string()
    };
    let edit = |object: &mut SetObject, pointer: &str, value: Value| *object.live.as_mut().unwrap().pointer_mut(pointer).unwrap() = value;
    for (pointer, value) in [
        ("/metadata/labels/eks-rs~1owner", "other"),
        ("/metadata/labels/eks-rs~1set", "other"),
        ("/metadata/annotations/eks-rs~1key", "objects/small/ConfigMap/shop/renamed"),
    ] {
        assert!(refused(&|object| edit(object, pointer, json!(value))).contains("that this set did not make"));
    }
    assert!(refused(&|object| edit(object, "/metadata", json!({"name": "c"}))).contains("did not make"));
    assert!(
        refused(&|object| {
            let mut metadata = manifest["metadata"].clone();
            metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            edit(object, "/metadata", metadata);
        })
        .contains("being deleted")
    );
    let conflict = FieldConflict { manager: "\"kubectl-edit\" using v1".to_owned(), field: ".data.a".to_owned() };
    let told = refused(&|object| object.conflicts = vec![conflict.clone()]);
    assert!(told.contains(".data.a is managed by \"kubectl-edit\" using v1") && told.contains("force_conflicts"), "{told}");
    assert!(refused(&|object| object.refused = Some("field is immutable".to_owned())).contains("field is immutable"));
}

/// A set, and the codes of the rules that it breaks.
#[test]
fn wrong_sets() {
    let map = |metadata: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    let typed = |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
    let secret = |contents: Value| {
        let mut secret = typed("v1", "Secret");
        secret.as_object_mut().unwrap().extend(contents.as_object().unwrap().clone());
        secret
    };
    let base = || ObjectSet::builder(&owner(), "s", access());
    let fine = || base().object(&map(json!({"name": "x"})));
    for (builder, broken) in [
        (fine(), ""),
        (base().object(&typed("rbac.authorization.k8s.io/v1", "ClusterRole")), ""),
        (base(), "empty"),
        (base().yaml("a: [1"), "yaml"),
        (base().yaml("just text"), "object"),
        (base().json("{"), "json"),
        (base().json("[]"), "object"),
        (base().object(&BTreeMap::from([((1, 2), 3)])), "object"),
        (base().object(&json!({"kind": "ConfigMap", "metadata": {"name": "x"}})), "api-version"),
        (base().object(&typed("apps", "Deployment")), "api-version"),
        (base().object(&typed("a/b/v1", "Deployment")), "api-version"),
        (base().object(&typed("/v1", "Pod")), "api-version"),
        (base().object(&typed("v1", "pod")), "kind"),
        (base().object(&typed("v1", "")), "kind"),
        (base().object(&map(json!({}))), "name"),
        (base().object(&map(json!({"generateName": "x-"}))), "name"),
        (base().object(&map(json!({"name": "../x"}))), "name"),
        (base().object(&map(json!({"name": "x".repeat(250)}))), "name"),
        (base().object(&map(json!({"name": "x", "namespace": "A"}))), "name"),
        (base().object(&map(json!({"name": "x", "labels": {"a": 1}}))), "metadata"),
        (base().object(&map(json!({"name": "x", "labels": []}))), "metadata"),
        (base().object(&map(json!({"name": "x", "labels": {"a b": "c"}}))), "label-key"),
        (base().object(&map(json!({"name": "x", "labels": {"a": "b c"}}))), "label-value"),
        (base().object(&map(json!({"name": "x", "labels": {"eks-rs/owner": "me"}}))), "label-key"),
        (base().object(&map(json!({"name": "x", "labels": {"eks-rs/set": "s"}}))), "label-key"),
        (base().object(&map(json!({"name": "x", "annotations": {"eks-rs/key": "s"}}))), "label-key"),
        (base().object(&map(json!({"name": "x", "annotations": {"eks-rs/namespace": "s"}}))), "label-key"),
        (fine().object(&map(json!({"name": "x"}))), "duplicate"),
        (fine().object(&map(json!({"name": "x", "namespace": "default"}))), "duplicate"),
        (fine().object(&map(json!({"name": "x", "namespace": "other"}))), ""),
        (fine().namespace("n".repeat(60)).object(&map(json!({"name": "x".repeat(120)}))), "name"),
        (base().object(&secret(json!({"data": {"a": "hunter2!"}}))), "secret"),
        (base().object(&secret(json!({"stringData": {"a": 1}}))), "secret"),
        (base().object(&secret(json!({"stringData": {"a": "x"}}))).wait("Secret", "x", Wait::field("data.a")), ""),
        (base().object(&secret(json!({}))).wait("Secret", "x", Wait::Exists.or(Wait::field_equals("data[\"a\"]", "x"))), "wait-secret"),
        (fine().namespace("Shop"), "name"),
        (ObjectSet::builder(&owner(), "S", access()).object(&map(json!({"name": "x"}))), "name"),
        (fine().wait("ConfigMap", "y", Wait::Exists), "wait-unknown"),
        (fine().wait("ConfigMap", "x", Wait::all([])), "wait-empty"),
        (fine().wait("ConfigMap", "x", Wait::Exists.and(Wait::any([]))), "wait-empty"),
        (fine().wait("ConfigMap", "x", Wait::field("a..b")), "wait-path"),
        (fine().wait("ConfigMap", "x", Wait::condition("")), "wait-condition"),
        (fine().wait("ConfigMap", "x", Wait::Condition { kind: "Ready".into(), status: "yes".into() }), "wait-condition"),
        (fine().wait("ConfigMap", "x", Wait::Deleted), "wait-deleted"),
        (fine().wait("ConfigMap", "x", Wait::condition("Complete").and(Wait::Deleted)), "wait-deleted"),
        (fine().wait("ConfigMap", "x", Wait::condition("Complete").or(Wait::Deleted)), ""),
        (base().yaml("kind: List\napiVersion: v1\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: a}}, {}]"), "api-version kind name"),
    ] {
        let told = format!("{builder:?}");
        let found: Vec<_> = builder.build().err().into_iter().flat_map(|error| error.problems).map(|problem| problem.code).collect();
        assert_eq!(found.join(" "), broken, "{told}");
    }
}

#[test]
fn names_stay_apart_in_keys() {
    let id = |name: &str| ObjectId {
        api_version: "rbac.authorization.k8s.io/v1".into(),
        kind: "ClusterRole".into(),
        namespace: String::new(),
        name: name.into(),
    };
    let key = |name: &str| id(name).key("s").unwrap().to_string();
    assert_eq!(key("system:node"), "objects/s/ClusterRole.rbac.authorization.k8s.io/system_3anode");
    assert_eq!(key("system_3anode"), "objects/s/ClusterRole.rbac.authorization.k8s.io/system_5f3anode");
}

#[test]
fn waits() {
    let met = Judgement::Met;
    let not = |state: &str| Judgement::NotYet(state.to_owned());
    let never = |why: &str| Judgement::Never(why.to_owned());
    let conditions = |all: Value| json!({"metadata": {"generation": 2}, "status": {"conditions": all}});
    let ready = |status: &str| conditions(json!([{"type": "Ready", "status": status, "reason": "Why"}]));
    let workload =
        |kind: &str, spec: Value, status: Value| json!({"kind": kind, "metadata": {"generation": 3}, "spec": spec, "status": status});
    let crd = |accepted: &str, established: &str| {
        conditions(
            json!([{"type": "NamesAccepted", "status": accepted, "message": "taken"}, {"type": "Established", "status": established}]),
        )
    };
    for (wait, live, judged) in [
        (Wait::Exists, None, not("not there")),
        (Wait::Exists, Some(json!({})), met.clone()),
        (Wait::Deleted, None, met.clone()),
        (Wait::Deleted, Some(json!({})), not("still there")),
        (Wait::condition("Ready"), Some(ready("True")), met.clone()),
        (Wait::condition("Ready"), Some(ready("False")), not("Ready is False (Why)")),
        (Wait::condition("Other"), Some(ready("True")), not("no condition Other")),
        (
            Wait::condition("Ready"),
            Some(conditions(json!([{"type": "Ready", "status": "True", "observedGeneration": 1}]))),
            not("Ready is True"),
        ),
        (Wait::field("a[0].b"), Some(json!({"a": [{"b": false}]})), met.clone()),
        (Wait::field("a"), Some(json!({"a": null})), not("a is not set")),
        (Wait::field_equals("a", "x"), Some(json!({"a": "y"})), not("a is \"y\"")),
        (Wait::field_equals("a", 3), Some(json!({"a": 3})), met.clone()),
        (Wait::field("a").and(Wait::field("b")), Some(json!({"a": 1})), not("b is not set")),
        (Wait::field("a").or(Wait::field("b")), Some(json!({"a": 1})), met.clone()),
        (
            Wait::all([Wait::field("a"), Wait::any([Wait::field("b"), Wait::field("c")])]),
            Some(json!({"a": 1})),
            not("b is not set or c is not set"),
        ),
        (Wait::Established, Some(crd("True", "True")), met.clone()),
        (Wait::Established, Some(crd("True", "False")), not("Established is False")),
        (Wait::Established, Some(crd("False", "False")), never("its names are not accepted: taken")),
        (Wait::Established.or(Wait::field("x")), Some(crd("False", "False")), not("x is not set")),
        (Wait::Established.and(Wait::field("x")), Some(crd("False", "False")), never("its names are not accepted: taken")),
        (
            Wait::RolledOut,
            Some(workload("Deployment", json!({"replicas": 2}), json!({"observedGeneration": 2}))),
            not("its controller has not seen it"),
        ),
        (
            Wait::RolledOut,
            Some(workload(
                "Deployment",
                json!({"replicas": 2}),
                json!({"observedGeneration": 3, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}),
            )),
            not("1 old replicas still there"),
        ),
        (
            Wait::RolledOut,
            Some(workload(
                "Deployment",
                json!({"replicas": 2}),
                json!({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
            )),
            met.clone(),
        ),
        (
            Wait::RolledOut,
            Some(workload(
                "Deployment",
                json!({}),
                json!({"observedGeneration": 3, "conditions": [{"reason": "ProgressDeadlineExceeded", "message": "too long"}]}),
            )),
            never("too long"),
        ),
        (
            Wait::RolledOut,
            Some(workload(
                "DaemonSet",
                json!({}),
                json!({"observedGeneration": 3, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}),
            )),
            not("1 of 2 Pods available"),
        ),
        (
            Wait::RolledOut,
            Some(workload(
                "StatefulSet",
                json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}),
                json!({"observedGeneration": 3, "readyReplicas": 3, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a"}),
            )),
            met.clone(),
        ),
        (
            Wait::RolledOut,
            Some(workload(
                "StatefulSet",
                json!({"replicas": 2}),
                json!({"observedGeneration": 3, "readyReplicas": 2, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a"}),
            )),
            not("1 of 2 replicas updated"),
        ),
        (Wait::RolledOut, Some(workload("Pod", json!({}), json!({"observedGeneration": 3}))), never("Pod is not rolled out")),
    ] {
        assert_eq!(wait.judge(live.as_ref()), judged, "{wait:?} of {live:?}");
    }
}

#[test]
fn what_is_not_ready_is_waited_for() {
    let set = ObjectSet::builder(&owner(), "small", access())
        .object(&config("c", json!({"ready": "no"})))
        .wait("ConfigMap", "c", Wait::field_equals("data.ready", "yes"))
        .build()
        .unwrap();
    let plan = set.plan(&applied(&set)).unwrap();
    assert_eq!(plan.steps()[0].changes, ["status: data.ready is \"no\""]);
}
