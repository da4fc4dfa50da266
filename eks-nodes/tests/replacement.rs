//! Groups of workers replaced on the simulated account, with workloads that have budgets.

#[expect(dead_code, reason = "what the tests of workers need besides")]
mod account;
#[path = "replacing/refusals.rs"]
mod refusals;
#[path = "replacing/scene.rs"]
mod scene;
#[path = "replacing/stopped.rs"]
mod stopped;

use std::time::Duration;

use account::{Tested, owner};
use eks_core::{Teardown, engine::ApplyError};
use eks_k8s::drain::{Drain, OnBlocked};
use eks_nodes::{
    Capacity, LifecycleHook, RoleMapping, Transition,
    replacement::{Batch, Surge},
};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Api;
use scene::{NEW, OLD, Scene, settle};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn the_chapter_s_two_nodes() -> Tested {
    let scene = Scene::set(|old| old).await?;
    scene.deploy("web", 4, json!({"maxUnavailable": 1})).await?;
    settle(60).await;
    let replacement = scene.replacement(scene.account.named(NEW).label("release", "new").build()?).build()?;
    let plan = scene.plan(&replacement).await?;
    assert_eq!(plan.rounds().len(), 2, "a zone each\n{plan}");
    assert_eq!(plan.forecast().evictions(), 6, "four of web, two of CoreDNS\n{plan}");
    let report = scene.carry_out(&plan).await?;
    // Profile, stack, nodes; two drains; instances, stacks.
    assert!(report.took < Duration::from_secs(7 * 60), "{:?}", report.took);
    scene.replaced(&replacement, 2).await?;

    // Saved and read back, it is the same plan; and one that was applied does not fit any more.
    let saved = serde_json::from_str(&serde_json::to_string(&plan)?)?;
    assert_eq!(plan, saved);
    assert!(matches!(scene.apply(&saved).await?, Err(ApplyError::Stale { .. })));
    Ok(())
}

/// The new role comes beside the old one, and that one goes with its last node.
#[tokio::test(start_paused = true)]
async fn roles_in_aws_auth() -> Tested {
    let scene = Scene::set(|old| old.mapping(RoleMapping::AwsAuth)).await?;
    scene.deploy("web", 3, json!({"minAvailable": 2})).await?;
    settle(60).await;
    let new = scene.account.named(NEW).mapping(RoleMapping::AwsAuth).build()?;
    let replacement = scene.replacement(new).build()?;
    let plan = scene.plan(&replacement).await?;
    let maps: Api<ConfigMap> = Api::namespaced(scene.client()?, "kube-system");
    let roles = async || -> Tested<(bool, bool)> {
        let map = maps.get("aws-auth").await?;
        let text = map.data.unwrap_or_default().remove("mapRoles").unwrap_or_default();
        Ok((text.contains(&format!("{OLD}-base")), text.contains(&format!("{NEW}-base"))))
    };
    assert_eq!(roles().await?, (true, false));
    scene.carry_out(&plan).await?;
    assert_eq!(roles().await?, (false, true));
    // Each of the roles, as long as nodes ran under it: else their nodes had been lost.
    scene.replaced(&replacement, 2).await
}

#[tokio::test(start_paused = true)]
async fn a_group_in_each_zone() -> Tested {
    let scene = Scene::set(|old| old.group_per_zone(true).capacity(Capacity::new(1, 2, 2).expect("fits"))).await?;
    scene.deploy("web", 6, json!({"maxUnavailable": 2})).await?;
    settle(60).await;
    // As many as live, though the spec says fewer.
    let new = scene.account.named(NEW).group_per_zone(true).capacity(Capacity::new(1, 1, 3)?).build()?;
    let replacement = scene.replacement(new).batch(Batch::Nodes(1)).build()?;
    let plan = scene.plan(&replacement).await?;
    assert_eq!(plan.rounds().len(), 4);
    assert!(plan.steps().iter().any(|step| step.key.as_str().ends_with("/grow")), "{plan}");
    scene.carry_out(&plan).await?;
    assert_eq!(scene.scaling().await?.iter().map(|group| group.desired_capacity()).collect::<Vec<_>>(), [Some(2), Some(2)]);
    scene.replaced(&replacement, 4).await
}

/// Three nodes by way of four.
#[tokio::test(start_paused = true)]
async fn one_node_more_at_a_time() -> Tested {
    let scene = Scene::set(|old| old.capacity(Capacity::new(1, 3, 3).expect("fits"))).await?;
    scene.deploy("web", 6, json!({"maxUnavailable": 1})).await?;
    settle(60).await;
    let new = scene.account.named(NEW).capacity(Capacity::new(1, 3, 4)?).build()?;
    let replacement = scene.replacement(new).surge(Surge::Nodes(1)).build()?;
    let plan = scene.plan(&replacement).await?;
    assert_eq!(plan.rounds().len(), 3, "{plan}");
    let most = std::cell::Cell::new(0);
    let report = scene.apply_watching(&plan, scene.engine(), || most.set(most.get().max(scene.account.running_instances()))).await?;
    report.map_err(|error| format!("{error}\n{plan}"))?;
    assert_eq!(most.get(), 4);
    scene.replaced(&replacement, 3).await
}

/// A single replica whose budget demands it: refused by default, and moved with one more beside it.
#[tokio::test(start_paused = true)]
async fn a_budget_that_demands_every_replica() -> Tested {
    let scene = Scene::set(|old| old).await?;
    scene.deploy("single", 1, json!({"minAvailable": 1})).await?;
    settle(60).await;
    let new = || scene.account.named(NEW).build();
    let refused = scene.replacements().plan(&scene.replacement(new()?).build()?).await.expect_err("it would never end");
    assert_eq!(refused.codes(), ["drain-blocked"]);
    assert!(refused.to_string().contains("demands every replica (minAvailable 1 of 1); run one replica more"), "{refused}");
    let drain = Drain::settings().on_blocked(OnBlocked::ScaleUpFirst).deadline(Duration::from_secs(600));
    let replacement = scene.replacement(new()?).drain(drain).build()?;
    scene.carry_out(&scene.plan(&replacement).await?).await?;
    scene.replaced(&replacement, 2).await
}

/// Auto Scaling holds instances at their end, for whoever listens; nobody does, so the heartbeat ends it.
#[tokio::test(start_paused = true)]
async fn a_hook_at_the_end_of_instances() -> Tested {
    let scene = Scene::set(|old| old.lifecycle_hook(LifecycleHook::new("drain", Transition::Terminating, 300))).await?;
    let replacement = scene.replacement(scene.account.named(NEW).build()?).batch(Batch::Percent(100)).build()?;
    let plan = scene.plan(&replacement).await?;
    assert_eq!(plan.rounds().len(), 1);
    let report = scene.carry_out(&plan).await?;
    assert!(report.took > Duration::from_secs(600), "{:?}", report.took);
    scene.replaced(&replacement, 2).await
}

/// Where a load balancer sends to nodes, each stays until it is let go.
#[tokio::test(start_paused = true)]
async fn load_balancers_let_go_first() -> Tested {
    let scene = Scene::set(|old| old).await?;
    scene.deploy("web", 4, json!({"maxUnavailable": 1})).await?;
    let annotations = json!({
        "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
        "service.beta.kubernetes.io/aws-load-balancer-connection-draining-enabled": "true",
        "service.beta.kubernetes.io/aws-load-balancer-connection-draining-timeout": "60",
    });
    let spec = json!({"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 80}]});
    scene.create::<Service>("default", json!({"metadata": {"name": "web", "annotations": annotations}, "spec": spec})).await?;
    settle(60).await;
    let replacement = scene.replacement(scene.account.named(NEW).build()?).build()?;
    let report = scene.carry_out(&scene.plan(&replacement).await?).await?;
    let step = |name: &str| {
        let key = format!("replace/{OLD}/{name}").parse().expect("a key");
        let step = &report.steps[&key];
        (step.began, step.began + step.took)
    };
    for round in ["round-01", "round-02"] {
        let (drained, deregistered) = (step(&format!("{round}/drain")).1, step(&format!("{round}/deregister")));
        assert!(deregistered.0 >= drained && deregistered.1 - deregistered.0 >= Duration::from_secs(60), "{round}");
        assert!(step(&format!("{round}/terminate")).0 >= deregistered.1, "{round}");
    }
    // The second round's Pods do not wait for the first one's connections.
    assert!(step("round-02/drain").1 < step("round-01/deregister").1);
    Ok(())
}

/// What a replacement left half done keeps no stack.
#[tokio::test(start_paused = true)]
async fn a_teardown_in_the_middle() -> Tested {
    let scene = Scene::set(|old| old).await?;
    let replacement = scene.replacement(scene.account.named(NEW).build()?).build()?;
    scene.stop_after("/hold/old", &scene.plan(&replacement).await?).await?;
    let (nodes, rules) = (scene.account.workers.teardown(&owner()).await?, scene.replacements().teardown(&owner()).await?);
    let ending = Teardown::join([nodes, rules])?.apply(&scene.engine()).await?;
    assert!(ending.verdict.is_clean(), "{:?}", ending.verdict);
    assert_eq!(scene.account.ours(), [""; 0]);
    Ok(())
}
