//! Object sets on a real API server: definitions and their objects in one set, conflicts, pruning, waiting.

use eks_core::{Action, ClusterName, Error, Owner, Verdict, engine::Engine};
use eks_k8s::{Access, ObjectSet, ObjectSetBuilder, Wait, client::ObjectSets};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{server::server, stage::Tested};

/// The client knows the way.
fn set(owner: &Owner, name: &str) -> Result<ObjectSetBuilder, Box<dyn std::error::Error>> {
    let access =
        Access { name: ClusterName::new("envtest")?, endpoint: "https://127.0.0.1".to_owned(), certificate_authority: String::new() };
    Ok(ObjectSet::builder(owner, name, access))
}

fn maps(client: &Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), namespace)
}

const BASKETS: &str = r#"
apiVersion: envtest.example.com/v1
kind: Basket
metadata: {name: first, namespace: baskets}
spec: {apples: 3}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: none, namespace: baskets}
spec:
  replicas: 0
  selector: {matchLabels: {app: none}}
  template:
    metadata: {labels: {app: none}}
    spec: {containers: [{name: none, image: none}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: baskets.envtest.example.com}
spec:
  group: envtest.example.com
  scope: Namespaced
  names: {kind: Basket, plural: baskets, singular: basket}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {apples: {type: integer}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "envtest:baskets"}
rules: [{apiGroups: [envtest.example.com], resources: [baskets], verbs: [get]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: baskets}
"#;

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn a_definition_and_its_objects_in_one_set() -> Tested {
    let client = server().admin().await;
    let owner = Owner::new("envtest-baskets")?;
    let sets = ObjectSets::new(client.clone());
    let engine = Engine::new().driver(sets.clone());
    let with = |apples: u32| {
        Ok::<_, Box<dyn std::error::Error>>(
            set(&owner, "baskets")?.yaml(&BASKETS.replace("apples: 3", &format!("apples: {apples}"))).wait_for_workloads().build()?,
        )
    };

    let plan = sets.plan(&with(3)?, None).await?;
    assert!(plan.steps().iter().all(|step| step.action == Action::Create), "{plan}");
    let report = plan.apply(&engine).await?;
    assert!(report.is_complete(), "{:?}", report.failures().collect::<Vec<_>>());
    let again = sets.plan(&with(3)?, None).await?;
    assert!(again.is_noop(), "a fixpoint, with what the API server defaults: {again}");

    let plan = sets.plan(&with(4)?, None).await?;
    let changes: Vec<_> = plan.changes().flat_map(|step| step.changes.clone()).collect();
    assert_eq!(changes, ["spec.apples: 3 → 4"]);
    assert!(plan.apply(&engine).await?.is_complete());
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("envtest.example.com", "v1", "Basket"));
    let baskets: Api<DynamicObject> = Api::namespaced_with(client.clone(), "baskets", &kind);
    assert_eq!(baskets.get("first").await?.data["spec"]["apples"], 4);

    let wrong = set(&owner, "baskets")?.yaml(&BASKETS.replace("apples: 3", "apples: many")).build()?;
    let refused = sets.plan(&wrong, None).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { rule, .. } if rule.contains("spec.apples")), "{refused}");

    let teardown = sets.teardown(&owner, "baskets", None).await?;
    assert_eq!(teardown.removals().len(), 5, "{teardown}");
    let ending = teardown.apply(&engine).await?;
    assert_eq!(ending.verdict, Verdict::Clean, "{}", ending.verdict);
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn a_field_of_another_manager_is_a_conflict() -> Tested {
    let client = server().admin().await;
    let owner = Owner::new("envtest-conflict")?;
    let sets = ObjectSets::new(client.clone());
    let engine = Engine::new().driver(sets.clone());
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "contested"}, "data": {"ours": "1", "free": "1"}});
    let modest = set(&owner, "conflict")?.object(&map).build()?;
    assert!(sets.plan(&modest, None).await?.apply(&engine).await?.is_complete());

    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "contested"}, "data": {"ours": "2", "theirs": "1"}});
    maps(&client, "default").patch("contested", &PatchParams::apply("somebody").force(), &Patch::Apply(&theirs)).await?;
    let refused = sets.plan(&modest, None).await.unwrap_err().to_string();
    assert!(refused.contains(".data.ours is managed by \"somebody\"") && refused.contains("force_conflicts"), "{refused}");

    let forcing = set(&owner, "conflict")?.object(&map).force_conflicts().build()?;
    let plan = sets.plan(&forcing, None).await?;
    assert_eq!(plan.changes().flat_map(|step| step.changes.clone()).collect::<Vec<_>>(), ["data.ours: 2 → 1"]);
    assert!(plan.has_warnings());
    assert!(plan.apply(&engine).await?.is_complete());
    let data = maps(&client, "default").get("contested").await?.data.unwrap_or_default();
    assert_eq!((data["ours"].as_str(), data["theirs"].as_str()), ("1", "1"), "only the contested field changes hands");

    // Who comes between plan and step is met by the step.
    let plan = sets
        .plan(
            &set(&owner, "conflict")?.object(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fresh"}})).build()?,
            None,
        )
        .await?;
    maps(&client, "default").create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": "fresh"}}))?).await?;
    assert!(plan.apply(&engine).await.is_err() || !maps(&client, "default").get("fresh").await?.labels().contains_key("eks-rs/owner"));
    maps(&client, "default").delete("fresh", &kube::api::DeleteParams::default()).await?;
    let ending = sets.teardown(&owner, "conflict", None).await?.apply(&engine).await?;
    assert_eq!(ending.verdict, Verdict::Clean);
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn only_prune_removes_what_left_the_set() -> Tested {
    let client = server().admin().await;
    let owner = Owner::new("envtest-prune")?;
    let sets = ObjectSets::new(client.clone());
    let engine = Engine::new().driver(sets.clone());
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let service =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "prune"}, "spec": {"ports": [{"port": 80, "protocol": "TCP"}]}});
    let before = set(&owner, "prune")?.object(&map("prune-a")).object(&map("prune-b")).object(&service).build()?;
    assert!(sets.plan(&before, None).await?.apply(&engine).await?.is_complete());
    // A controller gives what it makes the labels of what it is made for.
    let mut copy = map("prune-copy");
    copy["metadata"]["labels"] = json!({"eks-rs/owner": "envtest-prune", "eks-rs/set": "prune"});
    maps(&client, "default").create(&PostParams::default(), &serde_json::from_value(copy)?).await?;

    let after = set(&owner, "prune")?.object(&map("prune-a")).object(&service).build()?;
    let plan = sets.plan(&after, None).await?;
    assert!(plan.is_noop(), "{plan}");
    let pruning = sets.prune(&after, None).await?;
    assert_eq!(pruning.removals().iter().map(|removal| removal.id.as_str()).collect::<Vec<_>>(), ["default/prune-b"]);
    assert!(maps(&client, "default").get_opt("prune-b").await?.is_some(), "a list removes nothing");
    assert_eq!(pruning.apply(&engine).await?.verdict, Verdict::Clean);
    let left: Vec<bool> = {
        let maps = maps(&client, "default");
        vec![
            maps.get_opt("prune-a").await?.is_some(),
            maps.get_opt("prune-b").await?.is_some(),
            maps.get_opt("prune-copy").await?.is_some(),
        ]
    };
    assert_eq!(left, [true, false, true]);
    assert!(sets.prune(&after, None).await?.is_empty());
    maps(&client, "default").delete("prune-copy", &kube::api::DeleteParams::default()).await?;
    assert_eq!(sets.teardown(&owner, "prune", None).await?.apply(&engine).await?.verdict, Verdict::Clean);
    Ok(())
}

#[tokio::test]
#[ignore = "needs KUBEBUILDER_ASSETS; run by .ci/run and as CONTRIBUTING.md says"]
async fn a_step_waits_for_what_its_set_says() -> Tested {
    let client = server().admin().await;
    let owner = Owner::new("envtest-wait")?;
    let sets = ObjectSets::new(client.clone());
    let engine = Engine::new().driver(sets.clone());
    let wait = Wait::all([Wait::Exists, Wait::condition("Never").or(Wait::field_equals("data.ready", "yes"))]);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "awaited"}, "data": {"a": "1"}});
    let waiting = set(&owner, "wait")?.object(&map).wait("ConfigMap", "awaited", wait).build()?;
    let plan = sets.plan(&waiting, None).await?;
    let other = maps(&client, "default");
    let maker = async {
        while other.get_opt("awaited").await?.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        other.patch("awaited", &PatchParams::default(), &Patch::Merge(json!({"data": {"ready": "yes"}}))).await
    };
    let (report, made) = tokio::join!(plan.apply(&engine), maker);
    made?;
    assert!(report?.is_complete());
    assert!(sets.plan(&waiting, None).await?.is_noop());
    assert_eq!(sets.teardown(&owner, "wait", None).await?.apply(&engine).await?.verdict, Verdict::Clean);
    Ok(())
}
