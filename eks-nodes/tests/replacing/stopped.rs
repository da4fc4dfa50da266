//! Replacements that are stopped: by somebody, or by what they did to workloads.

use std::time::Duration;

use eks_core::{
    BoxError,
    engine::{ApplyError, Event, Report},
};
use eks_k8s::drain::{Drain, OnBlocked};
use eks_nodes::replacement::{Batch, ReplacementPlan, Way};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    account::Tested,
    scene::{NEW, OLD, Scene, settle},
};

/// Stopped after each kind of step, it goes on from there.
#[tokio::test(start_paused = true)]
async fn it_pauses_and_goes_on() -> Tested {
    let scene = Scene::set(|old| old).await?;
    scene.deploy("web", 4, json!({"maxUnavailable": 1})).await?;
    settle(60).await;
    let replacement = scene.replacement(scene.account.named(NEW).build()?).build()?;
    for step in
        ["nodes/chap10-v11/base", "/rules/open", "/hold/new", "/close", "/round-01/drain", "/round-01/terminate", "/rules/close", "/stack"]
    {
        let plan = scene.plan(&replacement).await?;
        scene.stop_after(step, &plan).await?;
    }
    let plan = scene.plan(&replacement).await?;
    assert_eq!(plan.rounds().len(), 0, "{plan}");
    scene.carry_out(&plan).await?;
    scene.replaced(&replacement, 2).await
}

/// New nodes turn out to be of no use: the first round's Pods find none, so nothing more is done, and the way back is open.
#[tokio::test(start_paused = true)]
async fn a_regression_stops_it_and_there_is_a_way_back() -> Tested {
    let scene = Scene::set(|old| old).await?;
    scene.deploy("web", 4, json!(null)).await?;
    settle(60).await;
    let drain = Drain::settings().on_blocked(OnBlocked::Wait).deadline(Duration::from_secs(900));
    let replacement = scene.replacement(scene.account.named(NEW).build()?).drain(drain).patience(Duration::from_secs(120)).build()?;
    scene.stop_after("/close", &scene.plan(&replacement).await?).await?;
    let nodes: Api<Node> = Api::all(scene.client()?);
    for node in scene.nodes().await?.iter().filter(|node| node.labels().get(eks_nodes::WORKERS_LABEL).is_some_and(|name| name == NEW)) {
        let cordon = json!({"spec": {"unschedulable": true}});
        nodes.patch(&node.name_any(), &PatchParams::default(), &Patch::Merge(&cordon)).await?;
    }
    let error = scene.apply(&scene.plan(&replacement).await?).await?.expect_err("nobody takes the Pods");
    let text = error.to_string();
    assert!(text.contains("a state worse than before") && text.contains("Deployment default/web"), "{text}");
    assert!(text.contains("Replacement::back"), "{text}");
    assert_eq!(scene.account.running_instances(), 4, "nothing was terminated");

    // Planned again, it knows that this was not so when it began, and drains nothing more.
    let again = scene.plan(&replacement).await?;
    assert!(again.findings().iter().any(|finding| finding.message.contains("worse than when the replacement began")), "{again}");
    let error = scene.apply(&again).await?.expect_err("still nobody");
    let failed: Vec<_> = error.report().expect("a report").failures().map(|(key, _)| key.as_str()).collect();
    assert_eq!(failed, ["replace/chap10-worker/health"]);

    let back = scene.replacements().back(&replacement).await?;
    assert_eq!(back.way(), Way::Back);
    scene.carry_out(&back).await?;
    settle(60).await;
    assert_eq!(scene.open_nodes(OLD).await?, 2);
    let groups = scene.scaling().await?;
    assert!(groups.iter().all(|group| group.suspended_processes().is_empty() && group.min_size() == Some(2)), "{groups:?}");
    let ready = scene.deployment_ready("web").await?;
    assert_eq!(ready, 4, "they run again");
    assert!(scene.replacements().back(&replacement).await?.is_done());
    Ok(())
}

/// Back from where half of the old group is gone: it comes again.
#[tokio::test(start_paused = true)]
async fn the_way_back_from_the_middle() -> Tested {
    let scene = Scene::set(|old| old).await?;
    scene.deploy("web", 4, json!({"maxUnavailable": 1})).await?;
    settle(60).await;
    let replacement = scene.replacement(scene.account.named(NEW).build()?).batch(Batch::Nodes(1)).build()?;
    scene.stop_after("/round-01/terminate", &scene.plan(&replacement).await?).await?;
    let plan = scene.replacements().back(&replacement).await?;
    scene.carry_out(&plan).await?;
    settle(240).await;
    assert_eq!((scene.open_nodes(OLD).await?, scene.open_nodes(NEW).await?), (2, 2));
    assert!(scene.replacements().back(&replacement).await?.is_done());
    // And forward again, after all.
    scene.carry_out(&scene.plan(&replacement).await?).await?;
    scene.replaced(&replacement, 2).await?;
    let error = scene.replacements().back(&replacement).await.expect_err("nothing is left to go back to");
    assert_eq!(error.codes(), ["old-gone"]);
    Ok(())
}

/// Whoever opens a drained node lets Pods onto it, and a node may join when its round is drained: neither is ended with what it holds.
#[tokio::test(start_paused = true)]
async fn what_is_not_empty_is_not_terminated() -> Tested {
    let scene = Scene::set(|old| old).await?;
    scene.deploy("web", 4, json!({"maxUnavailable": 1})).await?;
    settle(60).await;
    let nodes: Api<Node> = Api::all(scene.client()?);
    let replacement = scene.replacement(scene.account.named(NEW).build()?).build()?;
    let plan = scene.plan(&replacement).await?;
    let first = plan.rounds()[0].nodes[0].clone();
    let late = nodes.get(&first).await?;
    let opened = json!({"spec": {"unschedulable": false, "taints": null}});
    let unmarked = json!({"metadata": {"labels": {"eks-rs/drain": null}}});
    for (done, change) in [("opened", opened), ("joined late: closed by nobody's drain", unmarked)] {
        let (api, name) = (nodes.clone(), first.clone());
        let changing =
            async move { api.patch(&name, &PatchParams::default(), &Patch::Merge(&change)).await.map(drop).map_err(BoxError::from) };
        let ended = apply_and_after(&scene, &scene.plan(&replacement).await?, "/round-01/drain", changing).await?;
        let text = ended.expect_err(done).to_string();
        assert!(text.contains("joined or was opened since its round was drained"), "{done}: {text}");
        assert!(nodes.get_opt(&first).await?.is_some_and(|node| node.metadata.uid == late.metadata.uid), "{done}: it runs on");
    }
    scene.carry_out(&scene.plan(&replacement).await?).await?;
    scene.replaced(&replacement, 2).await
}

/// Somebody takes a drained instance out of its group, and it runs on: no end of it is waited for.
#[tokio::test(start_paused = true)]
async fn an_instance_that_was_detached_is_told() -> Tested {
    let scene = Scene::set(|old| old).await?;
    let replacement = scene.replacement(scene.account.named(NEW).build()?).build()?;
    let plan = scene.plan(&replacement).await?;
    let (id, group) = plan.rounds()[0].instances.first_key_value().expect("an instance");
    let scaling = aws_sdk_autoscaling::Client::new(&scene.account.sim.sdk_config());
    let call = scaling.detach_instances().auto_scaling_group_name(group).instance_ids(id.as_str()).should_decrement_desired_capacity(true);
    let detaching = async move { call.send().await.map(drop).map_err(BoxError::from) };
    let ended = apply_and_after(&scene, &plan, "/round-01/drain", detaching).await?;
    let error = ended.expect_err("it runs on");
    assert!(error.to_string().contains(&format!("instance {id} is in no Auto Scaling group")), "{error}");
    assert!(error.report().expect("a report").took < Duration::from_secs(15 * 60), "{error}");
    let refused = scene.replacements().plan(&replacement).await.expect_err("somebody is at it");
    assert_eq!(refused.codes(), ["stray-instance"]);
    Ok(())
}

/// Applies a plan, and does something at the end of a step whose key ends so.
async fn apply_and_after(
    scene: &Scene,
    plan: &ReplacementPlan,
    step: &'static str,
    then: impl Future<Output = Result<(), BoxError>> + Send + 'static,
) -> Tested<Result<Report, ApplyError>> {
    let (sent, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let acting = tokio::spawn(async move {
        ended.recv().await;
        then.await
    });
    let observer = move |event: &Event| {
        if let Event::StepFinished { key, .. } = event
            && key.as_str().ends_with(step)
        {
            // It is done once.
            let _ = sent.send(());
        }
    };
    let applied = scene.apply_watching(plan, scene.engine().observer(observer), || {}).await?;
    acting.await?.map_err(|error| error.to_string())?;
    Ok(applied)
}

/// A Spot interruption takes an old node away before its turn.
#[tokio::test(start_paused = true)]
async fn a_node_that_vanishes_is_no_obstacle() -> Tested {
    let scene = Scene::set(|old| old).await?;
    scene.deploy("web", 4, json!({"maxUnavailable": 1})).await?;
    settle(60).await;
    let replacement = scene.replacement(scene.account.named(NEW).build()?).build()?;
    let plan = scene.plan(&replacement).await?;
    let doomed = plan.rounds()[1].instances.keys().next().expect("an instance").to_string();
    scene.stop_after("/round-01/health", &plan).await?;
    let plan = scene.plan(&replacement).await?;
    scene.account.ec2.terminate_instances().instance_ids(doomed).send().await?;
    // Its loss is no fact that the plan was made on, once it has begun.
    let report = scene.apply_late(&plan).await?;
    report.map_err(|error| format!("{error}\n{plan}"))?;
    scene.replaced(&replacement, 2).await
}
