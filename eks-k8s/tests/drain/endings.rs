//! What is left behind: nodes as they were, replicas as they were, however a drain ends and whoever was there before it.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{BoxError, Error, engine::CancellationToken};
use eks_k8s::drain::{Drain, DrainEvent, NodeEnd, OnBlocked, PodEnd};
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{Node, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{
    scene::{Scene, fullest, settle},
    support::Tested,
};

/// Whether each node is closed, and our label on it.
async fn marks(scene: &Scene) -> Result<BTreeMap<String, (bool, Option<String>)>, BoxError> {
    let nodes = scene.nodes().await?.into_iter();
    let mark = |node: Node| {
        let closed = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
        (node.name_any(), (closed, node.labels().get("eks-rs/drain").cloned()))
    };
    Ok(nodes.map(mark).collect())
}

#[tokio::test(start_paused = true)]
async fn only_what_this_drain_closed_is_opened() -> Tested {
    let scene = Scene::set().await?;
    let namespace = scene.namespace().await?;
    // Two budgets: none of its Pods ever goes, so no node gets empty.
    scene.deploy(&namespace, "stuck", 24, json!({"minAvailable": 0})).await?;
    scene.budget(&namespace, "second", "stuck", json!({"minAvailable": 0})).await?;
    settle(90).await;
    let nodes: Vec<String> = marks(&scene).await?.into_keys().collect();
    let [cordoned, administered, others, dead, open, _] = &nodes[..] else { return Err("six nodes".into()) };
    let access = Some(&scene.stage.access);
    assert!(!scene.objects().cordon(access, cordoned, None).await?);
    let patch = Patch::Merge(json!({"spec": {"unschedulable": true}}));
    Api::<Node>::all(scene.client()?).patch(administered, &PatchParams::default(), &patch).await?;
    // Another drain is at this one.
    let other = Drain::of([others]).on_blocked(OnBlocked::Wait);
    scene.kill_at(&other, |event| matches!(event, DrainEvent::Held { .. })).await?;
    // And this one was killed at that.
    let drain = Drain::of([cordoned, administered, others, dead, open]).in_parallel(5).on_blocked(OnBlocked::Wait);
    let before = marks(&scene).await?;
    scene.kill_at(&drain, |event| matches!(event, DrainEvent::Held { .. })).await?;
    assert!(marks(&scene).await?.values().filter(|(closed, _)| *closed).count() == 5);

    let report = scene.drain(&namespace, &drain.clone().deadline(Duration::from_secs(60))).await??;
    assert!(report.given_up.is_some() && report.held().count() > 0, "{report}");
    assert_eq!(marks(&scene).await?, before);
    let (opened, closed): (Vec<_>, Vec<_>) = report.nodes.iter().partition(|(_, end)| **end == NodeEnd::Uncordoned);
    assert_eq!(opened.iter().map(|(node, _)| *node).collect::<Vec<_>>(), [dead, open]);
    assert!(closed.iter().all(|(_, end)| **end == NodeEnd::Cordoned), "{closed:?}");

    // Opened and closed again by an administrator, while a drain is at it: then it is theirs.
    let again = Drain::of([open]).on_blocked(OnBlocked::Wait).deadline(Duration::from_secs(60));
    let nodes: Api<Node> = Api::all(scene.client()?);
    let theirs = async {
        settle(30).await;
        assert_eq!(marks(&scene).await?[open], (true, Some("draining".to_owned())));
        for closed in [false, true] {
            let params = PatchParams { field_manager: Some("admin".to_owned()), ..PatchParams::default() };
            nodes.patch(open, &params, &Patch::Merge(json!({"spec": {"unschedulable": closed}}))).await?;
        }
        Ok::<_, BoxError>(())
    };
    let drained = async { scene.drain(&namespace, &again).await };
    let (report, ()) = tokio::try_join!(drained, theirs)?;
    assert_eq!(report?.nodes[open], NodeEnd::Cordoned);
    assert_eq!(marks(&scene).await?[open], (true, None));
    nodes.patch(open, &PatchParams::default(), &Patch::Merge(json!({"spec": {"unschedulable": false}}))).await?;

    // What is left closed on purpose is not opened by the next one.
    let kept = drain.clone().deadline(Duration::from_secs(60)).keep_cordoned();
    scene.drain(&namespace, &kept).await??;
    scene.drain(&namespace, &drain.deadline(Duration::from_secs(60))).await??;
    assert_eq!(marks(&scene).await?[open], (true, Some("cordoned".to_owned())));
    for node in [cordoned, others, dead, open] {
        assert!(scene.objects().uncordon(access, node).await?);
        assert_eq!(marks(&scene).await?[node], (false, None));
    }
    assert!(!scene.objects().uncordon(access, administered).await?);
    Ok(())
}

async fn replicas(scene: &Scene, namespace: &str, name: &str) -> Result<(Option<i32>, bool), BoxError> {
    let deployment = Api::<Deployment>::namespaced(scene.client()?, namespace).get(name).await?;
    let marked = deployment.annotations().keys().chain(deployment.labels().keys()).any(|key| key.starts_with("eks-rs/"));
    Ok((deployment.spec.replicas, marked))
}

/// Whichever run finds it, under whichever policy, and whether or not it gets to drain.
#[tokio::test(start_paused = true)]
async fn replicas_are_given_back_in_every_ending() -> Tested {
    let scene = Scene::set().await?;
    let namespace = scene.namespace().await?;
    scene.deploy(&namespace, "single", 1, json!({"minAvailable": 1})).await?;
    settle(60).await;
    let raised = |event: &DrainEvent| matches!(event, DrainEvent::Scaled { .. });
    let nodes = fullest(&scene.pods(&namespace).await?, 1);
    let drain = Drain::of(&nodes).deadline(Duration::from_secs(300));
    let raising = drain.clone().on_blocked(OnBlocked::ScaleUpFirst);

    // Refused: something that no drain takes has come to the node. The node is opened, too.
    scene.kill_at(&raising, raised).await?;
    settle(60).await;
    assert_eq!(replicas(&scene, &namespace, "single").await?, (Some(2), true));
    let bare = json!({"metadata": {"name": "bare"}, "spec": {"nodeName": nodes[0], "containers": [{"name": "main", "image": "nginx"}]}});
    let pods: Api<Pod> = Api::namespaced(scene.client()?, &namespace);
    pods.create(&PostParams::default(), &serde_json::from_value(bare)?).await?;
    let refused = scene.drain(&namespace, &drain).await?.expect_err("nothing makes it anew");
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    assert_eq!(replicas(&scene, &namespace, "single").await?, (Some(1), false));
    assert_eq!(marks(&scene).await?[&nodes[0]], (false, None));
    pods.delete("bare", &Default::default()).await?;
    settle(60).await;

    // Under another policy, to the end.
    let nodes = fullest(&scene.pods(&namespace).await?, 1);
    let drain = Drain::of(&nodes).deadline(Duration::from_secs(300));
    scene.kill_at(&drain.clone().on_blocked(OnBlocked::ScaleUpFirst), raised).await?;
    let report = scene.drain(&namespace, &drain.clone().on_blocked(OnBlocked::Wait)).await??;
    assert!(report.is_complete() && report.left_scaled.is_empty(), "{report}");
    assert_eq!(replicas(&scene, &namespace, "single").await?, (Some(1), false));
    settle(60).await;

    // Cancelled before it began.
    let nodes = fullest(&scene.pods(&namespace).await?, 1);
    let drain = Drain::of(&nodes);
    scene.kill_at(&drain.clone().on_blocked(OnBlocked::ScaleUpFirst), raised).await?;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let (report, _) = scene.drain_telling(&namespace, &drain, &cancel).await?;
    assert_eq!(report?.given_up.as_deref(), Some("it was cancelled"));
    assert_eq!(replicas(&scene, &namespace, "single").await?, (Some(1), false));
    assert_eq!(marks(&scene).await?[&nodes[0]], (false, None));
    Ok(())
}

/// Lowered, a StatefulSet loses its last Pod, even if that is the one that is ready.
#[tokio::test(start_paused = true)]
async fn a_stateful_set_is_lowered_when_its_pods_are_ready() -> Tested {
    let scene = Scene::set().await?;
    let namespace = scene.namespace().await?;
    scene.stateful_set(&namespace, "db", 2, json!({"minAvailable": 2})).await?;
    settle(120).await;
    let nodes = fullest(&scene.pods(&namespace).await?, 1);
    let drain = Drain::of(&nodes).deadline(Duration::from_secs(600)).on_blocked(OnBlocked::ScaleUpFirst);
    let report = scene.drain(&namespace, &drain).await??;
    assert!(report.is_complete() && report.left_scaled.is_empty(), "{report}");
    let set = || async { Ok::<_, BoxError>(Api::<StatefulSet>::namespaced(scene.client()?, &namespace).get("db").await?) };
    assert_eq!(set().await?.spec.replicas, Some(2));
    for _ in 0..60 {
        settle(1).await;
        assert_eq!(scene.health(&namespace).await?["db"], (2, 2));
    }

    // A Pod that finds no node again: the number stays, and that is told. Later it is given back.
    let mut nodes: Vec<String> = marks(&scene).await?.into_keys().collect();
    let used = fullest(&scene.pods(&namespace).await?, 6);
    nodes.retain(|node| !used.contains(node));
    let (objects, access) = (scene.objects(), Some(&scene.stage.access));
    for node in &nodes[1..] {
        objects.cordon(access, node, None).await?;
    }
    // One of two, and a third node for the one more.
    let drain = Drain::of(&used[..1]).deadline(Duration::from_secs(1800)).on_blocked(OnBlocked::ScaleUpFirst);
    let forecast = objects.forecast(access, &drain).await?;
    assert!(forecast.is_blocked() && forecast.homeless.is_empty(), "{forecast}");
    let report = scene.drain(&namespace, &drain).await??;
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.left_scaled, [format!("StatefulSet {namespace}/db")], "{report}");
    assert_eq!(set().await?.spec.replicas, Some(3));
    for node in &nodes[1..] {
        assert!(objects.uncordon(access, node).await?);
    }
    assert_eq!(objects.restore_replicas(access, &used[..1]).await?, [""; 0]);
    assert_eq!(set().await?.spec.replicas, Some(2));
    settle(60).await;
    assert_eq!(scene.health(&namespace).await?["db"], (2, 2));
    Ok(())
}

/// A Pod that a finalizer holds keeps its own node from being emptied, and no other.
#[tokio::test(start_paused = true)]
async fn every_node_has_its_own_time_when_pods_are_deleted() -> Tested {
    let scene = Scene::set().await?;
    let namespace = scene.namespace().await?;
    scene.deploy(&namespace, "held", 1, json!({"minAvailable": 1})).await?;
    settle(30).await;
    let held = fullest(&scene.pods(&namespace).await?, 1);
    let pods: Api<Pod> = Api::namespaced(scene.client()?, &namespace);
    let name = pods.list(&ListParams::default()).await?.items[0].name_any();
    let hold = |finalizers| Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    pods.patch(&name, &PatchParams::default(), &hold(json!(["example.com/hold"]))).await?;
    scene.deploy(&namespace, "other", 5, json!({"minAvailable": 5})).await?;
    settle(60).await;
    let mut nodes = fullest(&scene.pods(&namespace).await?, 6);
    nodes.retain(|node| *node != held[0]);
    nodes.truncate(2);
    nodes.insert(0, held[0].clone());
    let drain = Drain::of(&nodes).deadline(Duration::from_secs(30)).on_blocked(OnBlocked::ForceDelete);
    let (objects, cancel) = (scene.objects(), CancellationToken::new());
    let report = objects.drain(Some(&scene.stage.access), &drain, &cancel, |_| ()).await?;
    assert_eq!(
        nodes.iter().map(|node| report.nodes[node]).collect::<Vec<_>>(),
        [NodeEnd::Uncordoned, NodeEnd::Drained, NodeEnd::Drained],
        "{report}"
    );
    assert!(report.given_up.as_ref().is_some_and(|why| why.ends_with(&held[0])), "{report}");
    assert!(report.pods.iter().any(|(pod, end)| pod.name == name && *end == PodEnd::Deleted), "{report:?}");
    pods.patch(&name, &PatchParams::default(), &hold(serde_json::Value::Null)).await?;
    scene.clear(&namespace).await
}
