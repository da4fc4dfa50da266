//! Several sets in one plan; and what is told of claims that several Pods would mount.

use eks_core::{Owner, PlanError};

use super::*;

fn named(name: &str, object: Value) -> ObjectSet {
    ObjectSet::builder(&owner(), name, access()).object(&object).build().unwrap()
}

#[test]
fn several_sets_are_one_plan() {
    let (one, other) = (named("one", config("a", json!({}))), named("other", config("b", json!({}))));
    let now = || SetObserved::nothing(&one).and(SetObserved::nothing(&other));
    let plan = ObjectSet::plan_all([&one, &other], &now()).unwrap();
    assert_eq!(plan.steps().len(), 2);
    let scope: Vec<SetPart> = serde_json::from_value(plan.basis()["objects"].scope.clone()).unwrap();
    assert_eq!(scope.iter().map(|part| part.set.as_str()).collect::<Vec<_>>(), ["one", "other"]);
    // Facts of both are in the basis.
    let both = applied(&one).and(applied(&other));
    assert!(both.facts().get("objects/one/ConfigMap/shop/a").is_some() && both.facts().get("objects/other/ConfigMap/shop/b").is_some());
    assert!(ObjectSet::plan_all([&one, &other], &both).unwrap().is_noop());
    // Two plans still hide one another, and say so.
    let refused = Plan::join([one.plan(&SetObserved::nothing(&one)).unwrap(), other.plan(&SetObserved::nothing(&other)).unwrap()]);
    assert!(matches!(refused, Err(PlanError::SameLayer { .. })));
}

#[test]
fn sets_that_are_at_odds() {
    let (one, twin) = (named("one", config("a", json!({}))), named("twin", config("a", json!({}))));
    let refused = |sets: &[&ObjectSet]| ObjectSet::plan_all(sets.iter().copied(), &SetObserved::default()).unwrap_err();
    assert!(matches!(refused(&[&one, &twin]), Error::Refused { subject, .. } if subject == "ConfigMap shop/a"));
    assert!(refused(&[&one, &named("one", config("b", json!({})))]).to_string().contains("one name"));
    assert!(refused(&[]).to_string().contains("no set"));
    let foreign = Owner::new("other").unwrap();
    let foreign = ObjectSet::builder(&foreign, "two", access()).object(&config("b", json!({}))).build().unwrap();
    assert!(refused(&[&one, &foreign]).to_string().contains("different owners"));
}

#[test]
fn claims_that_replicas_share() {
    let told = |mode: &str, kind: &str, spec: Value| {
        let mut spec = spec;
        spec["template"] = json!({"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}});
        let set = ObjectSet::builder(&owner(), "small", access())
            .namespace("shop")
            .object(&json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {"accessModes": [mode]}}))
            .object(&json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}))
            .build()
            .unwrap();
        let plan = set.plan(&SetObserved::nothing(&set)).unwrap();
        plan.findings().iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("\n")
    };
    let one = || json!({"replicas": 1});
    assert!(
        told("ReadWriteOnce", "Deployment", json!({"replicas": 3})).starts_with("3 replicas mount claim data, whose volume is of one node")
    );
    assert!(told("ReadWriteOnce", "DaemonSet", json!({})).starts_with("the Pods of every node"));
    assert_eq!(told("ReadWriteOnce", "Deployment", one()), "");
    assert_eq!(told("ReadWriteMany", "Deployment", json!({"replicas": 3})), "");
    assert!(told("ReadWriteOncePod", "StatefulSet", json!({"replicas": 2})).contains("the others stay Pending"));
    assert!(told("ReadWriteOncePod", "Deployment", one()).contains("use strategy Recreate"));
    assert_eq!(told("ReadWriteOncePod", "Deployment", json!({"strategy": {"type": "Recreate"}})), "");
}
