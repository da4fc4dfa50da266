//! A set on the simulated cluster, whose nodes run what it deploys.

#![cfg(feature = "client")]

mod support;

use eks_core::{AuthenticationMode, Verdict};
use eks_k8s::{ObjectSet, ObjectsSpec, client::ObjectSets};
use eks_sim::{Fault, When};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use support::{Stage, Tested, client};

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
async fn stage() -> Result<Stage, eks_core::BoxError> {
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
