//! Draining nodes of the simulated cluster: what must hold however it goes.

#![cfg(feature = "client")]

#[path = "drain/dice.rs"]
#[expect(dead_code, reason = "what random clusters need besides")]
mod dice;
#[path = "drain/endings.rs"]
mod endings;
#[path = "drain/scene.rs"]
mod scene;
#[expect(dead_code, reason = "what the tests of objects need besides")]
mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dice::Random;
use eks_core::{BoxError, Class, Error, engine::CancellationToken};
use eks_k8s::{
    client::Objects,
    drain::{Drain, DrainEvent, NodeEnd, OnBlocked, PodEnd},
};
use eks_sim::{Fault, When};
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::{Api, ResourceExt, api::DeleteParams};
use scene::{Scene, fullest, settle};
use serde_json::json;
use support::Tested;

/// After so many rounds the scene is set anew: a simulated cluster remembers all that ever happened, and gets slow by it.
const FRESH: u64 = 10;

#[tokio::test(start_paused = true)]
async fn nodes_are_emptied_with_few_calls_and_stay_so() -> Tested {
    let scene = Scene::set().await?;
    let namespace = scene.namespace().await?;
    scene.deploy(&namespace, "web", 12, json!({"maxUnavailable": 2})).await?;
    scene.deploy(&namespace, "api", 6, serde_json::Value::Null).await?;
    settle(90).await;
    let nodes = fullest(&scene.pods(&namespace).await?, 3);
    let drain = Drain::of(&nodes).in_parallel(2);
    let forecast = scene.objects().forecast(Some(&scene.stage.access), &drain).await?;
    assert!(forecast.is_smooth(), "{forecast}");

    let (report, events) = scene.drain_telling(&namespace, &drain, &CancellationToken::new()).await?;
    let report = report?;
    assert!(report.is_complete(), "{report}");
    let after = scene.pods(&namespace).await?;
    assert!(nodes.iter().all(|node| !after.contains_key(node)));
    let gone = report.pods.iter().filter(|(_, end)| *end == PodEnd::Gone).count();
    assert_eq!(gone, forecast.evictions());
    let stays = report.pods.iter().filter(|(pod, end)| matches!(end, PodEnd::Stays(_)) && pod.namespace == "kube-system").count();
    assert!(stays >= 6, "aws-node and kube-proxy of three nodes: {report:?}");
    // Six for each of the nodes (read, cordon, list, watch, and again), the snapshot's five, the budgets' two.
    assert!(report.calls <= 3 * gone as u64 + 25, "{} calls for {gone} Pods", report.calls);
    let count = |wanted: fn(&DrainEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, DrainEvent::Evicted { .. })), gone);
    assert_eq!(count(|event| matches!(event, DrainEvent::Gone { .. })), gone);
    assert_eq!(count(|event| matches!(event, DrainEvent::Drained { .. })), 3);

    // Once more: nothing is left to do, and nothing is written.
    let mut ours = scene.objects().draining(Some(&scene.stage.access)).await?;
    ours.sort();
    let mut sorted = nodes.clone();
    sorted.sort();
    assert_eq!(ours, sorted);
    let from = scene.stage.sim.log().len();
    assert!(scene.drain(&namespace, &drain).await??.is_complete());
    assert_eq!(scene.writes(from), [""; 0]);
    scene.clear(&namespace).await?;
    assert_eq!(scene.objects().draining(Some(&scene.stage.access)).await?, [""; 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn policies_decide_about_what_blocks() -> Tested {
    let scene = Scene::set().await?;
    let namespace = scene.namespace().await?;
    scene.deploy(&namespace, "single", 1, json!({"minAvailable": 1})).await?;
    settle(60).await;
    let nodes = fullest(&scene.pods(&namespace).await?, 1);
    let drain = || Drain::of(&nodes).deadline(Duration::from_secs(120));
    let forecast = scene.objects().forecast(Some(&scene.stage.access), &drain()).await?;
    assert!(forecast.is_blocked() && forecast.to_string().contains("demands every replica (minAvailable 1 of 1)"), "{forecast}");

    // Fail: nothing is touched.
    let from = scene.stage.sim.log().len();
    let error = scene.drain(&namespace, &drain()).await?.expect_err("blocked");
    assert!(matches!(&error, Error::Refused { rule, .. } if rule.contains("never end")), "{error}");
    assert_eq!(scene.writes(from), [""; 0]);

    // Wait: given up at the deadline, the node takes Pods again, and nobody was stormed.
    let from = scene.stage.sim.log().len();
    let report = scene.drain(&namespace, &drain().on_blocked(OnBlocked::Wait)).await??;
    assert_eq!(report.given_up.as_deref(), Some("its deadline passed"));
    assert_eq!(report.nodes.values().collect::<Vec<_>>(), [&NodeEnd::Uncordoned]);
    assert_eq!(report.held().count(), 1, "{report}");
    assert!(report.held().all(|(_, why)| why.contains("needs 1 ")), "{report}");
    let evictions = scene.writes(from).iter().filter(|call| call.ends_with("/eviction")).count();
    assert!(evictions <= 6, "{evictions} evictions in two minutes");

    // ScaleUpFirst: one more, and one again in the end.
    let (report, events) = scene.drain_telling(&namespace, &drain().on_blocked(OnBlocked::ScaleUpFirst), &CancellationToken::new()).await?;
    assert!(report?.is_complete());
    let scaled: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            DrainEvent::Scaled { from, to, .. } => Some((*from, *to)),
            _ => None,
        })
        .collect();
    assert_eq!(scaled, [(1, 2), (2, 1)]);
    settle(60).await;
    let pods = scene.pods(&namespace).await?;
    assert_eq!(pods.values().map(Vec::len).sum::<usize>(), 1);
    assert!(!pods.contains_key(&nodes[0]));

    // ForceDelete: past the budget, but not before the deadline.
    let nodes = fullest(&pods, 1);
    let began = tokio::time::Instant::now();
    let forced = Drain::of(&nodes).deadline(Duration::from_secs(120)).on_blocked(OnBlocked::ForceDelete);
    let objects = scene.objects();
    let deleted: Mutex<Vec<Duration>> = Mutex::default();
    let observer = |event: DrainEvent| {
        if matches!(event, DrainEvent::Deleted { .. }) {
            deleted.lock().expect("no panic").push(began.elapsed());
        }
    };
    let report = objects.drain(Some(&scene.stage.access), &forced, &CancellationToken::new(), observer).await?;
    assert!(report.is_complete(), "{report}");
    assert!(report.pods.iter().any(|(_, end)| *end == PodEnd::Deleted), "{report:?}");
    let deleted = deleted.lock().expect("no panic").clone();
    assert!(!deleted.is_empty() && deleted.iter().all(|at| *at >= Duration::from_secs(120)), "{deleted:?}");
    scene.clear(&namespace).await
}

#[tokio::test(start_paused = true)]
async fn what_never_goes_is_asked_once_and_cancelling_undoes() -> Tested {
    let scene = Scene::set().await?;
    let namespace = scene.namespace().await?;
    scene.deploy(&namespace, "web", 1, json!({"minAvailable": 0})).await?;
    scene.budget(&namespace, "second", "web", json!({"minAvailable": 0})).await?;
    settle(60).await;
    let nodes = fullest(&scene.pods(&namespace).await?, 1);
    // Cordoned by somebody else before: it stays so.
    let other = scene.nodes().await?.into_iter().map(|node| node.name_any()).find(|node| *node != nodes[0]).expect("another");
    let patch = kube::api::Patch::Merge(json!({"spec": {"unschedulable": true}}));
    Api::<Node>::all(scene.client()?).patch(&other, &Default::default(), &patch).await?;
    settle(5).await;

    let drain = Drain::of([&nodes[0], &other]).on_blocked(OnBlocked::Wait);
    let (cancel, from) = (CancellationToken::new(), scene.stage.sim.log().len());
    let stop = async {
        // What happens to other budgets is no reason to ask again.
        for number in 0..10 {
            settle(30).await;
            scene.budget(&namespace, &format!("other{number}"), "nobody", json!({"maxUnavailable": 1})).await?;
        }
        cancel.cancel();
        Ok::<_, BoxError>(())
    };
    let ((report, _), _) = tokio::try_join!(scene.drain_telling(&namespace, &drain, &cancel), stop)?;
    let report = report?;
    assert_eq!(report.given_up.as_deref(), Some("it was cancelled"));
    assert_eq!((report.nodes[&nodes[0]], report.nodes[&other]), (NodeEnd::Uncordoned, NodeEnd::Cordoned));
    assert_eq!(scene.writes(from).iter().filter(|call| call.contains(&namespace) && call.ends_with("/eviction")).count(), 1);
    let error = scene.drain(&namespace, &Drain::of(["no-such-node"]).on_blocked(OnBlocked::Wait)).await?.expect_err("not there");
    assert_eq!(error.class(), Class::NotFound);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_being_deleted_is_waited_for() -> Tested {
    let scene = Scene::set().await?;
    let namespace = scene.namespace().await?;
    scene.deploy(&namespace, "web", 3, json!({"maxUnavailable": 0})).await?;
    settle(60).await;
    let nodes = fullest(&scene.pods(&namespace).await?, 2);
    let (drain, objects) = (Drain::of(&nodes).in_parallel(2).on_blocked(OnBlocked::Wait), scene.objects());
    let (cancel, access) = (CancellationToken::new(), scene.stage.access.clone());
    let running = tokio::spawn(async move { objects.drain(Some(&access), &drain, &cancel, |_| ()).await });
    settle(20).await;
    Api::<Namespace>::all(scene.client()?).delete(&namespace, &DeleteParams::default()).await?;
    let report = running.await??;
    assert!(report.is_complete(), "{report}");
    Ok(())
}

/// Tokens of EKS end after fifteen minutes; a client may have got one that was not fresh.
#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_is_replaced() -> Tested {
    let scene = Scene::set().await?;
    let old = Mutex::new(Some(scene.client()?));
    settle(8 * 60).await;
    let (sim, connected) = (scene.stage.sim.clone(), Arc::new(AtomicUsize::new(0)));
    let counting = Arc::clone(&connected);
    let objects = Objects::connecting(move |access| {
        counting.fetch_add(1, Ordering::Relaxed);
        let old = old.lock().expect("no panic").take();
        std::future::ready(old.map_or_else(|| support::client(&sim, &access), Ok))
    });
    let node = scene.nodes().await?[0].name_any();
    let drain = Drain::of([&node]).on_blocked(OnBlocked::Wait);
    let access = Some(&scene.stage.access);
    objects.forecast(access, &drain).await?;
    settle(8 * 60).await;
    let report = objects.drain(access, &drain, &CancellationToken::new(), |_| ()).await?;
    assert!(report.is_complete(), "{report}");
    assert_eq!(connected.load(Ordering::Relaxed), 2);
    Ok(())
}

/// Random workloads, budgets, policies: whatever happens, no budget that was met is broken, and what the forecast says comes true.
#[tokio::test(start_paused = true)]
async fn no_budget_is_ever_broken() -> Tested {
    let mut scene = Scene::set().await?;
    let (mut clear, mut blocked) = (0, 0);
    let rounds = std::env::var("DRAIN_ROUNDS").map_or(60, |rounds| rounds.parse().expect("a number"));
    for seed in 0..rounds {
        if seed % FRESH == 0 {
            scene = Scene::set().await?;
        }
        let mut random = Random(seed);
        let namespace = scene.namespace().await?;
        for number in 0..1 + random.below(3) {
            let budget = match random.below(5) {
                0 => json!({"minAvailable": random.below(4)}),
                1 => json!({"minAvailable": "50%"}),
                2 => json!({"maxUnavailable": random.below(3)}),
                3 => json!({"maxUnavailable": "34%"}),
                _ => serde_json::Value::Null,
            };
            let name = format!("w{number}");
            let selector = json!({"matchLabels": {"app": name}});
            let others = match random.below(4) {
                0 => {
                    let apart = json!([{"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}]);
                    json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}}})
                }
                1 => json!({"topologySpreadConstraints": [{
                    "maxSkew": 1, "topologyKey": random.of(&["kubernetes.io/hostname", "topology.kubernetes.io/zone"]),
                    "whenUnsatisfiable": "DoNotSchedule", "nodeTaintsPolicy": random.of(&["Honor", "Ignore"]), "labelSelector": selector,
                }]}),
                _ => json!({}),
            };
            scene.deploy_among(&namespace, &name, 1 + random.below(4), budget, others).await?;
        }
        settle(60).await;
        let nodes = fullest(&scene.pods(&namespace).await?, 1 + random.below(3));
        let policy = *random.of(&[&OnBlocked::Fail, &OnBlocked::Wait, &OnBlocked::ScaleUpFirst]);
        let drain = Drain::of(&nodes).in_parallel(1 + random.below(3)).deadline(Duration::from_secs(300)).on_blocked(policy);
        let forecast = scene.objects().forecast(Some(&scene.stage.access), &drain).await?;
        match (scene.drain(&namespace, &drain).await?, forecast.is_blocked()) {
            (Ok(report), false) => {
                assert!(report.is_complete(), "seed {seed}: {report}\n{forecast}");
                clear += 1;
            }
            (Ok(report), true) if policy == OnBlocked::Wait => {
                assert!(!report.is_complete(), "seed {seed}: {report}\n{forecast}");
                blocked += 1;
            }
            (Ok(_), true) => blocked += 1,
            (Err(Error::Refused { .. }), true) if policy == OnBlocked::Fail => blocked += 1,
            (Err(error), _) => panic!("seed {seed}: {}\n{forecast}", error.chain()),
        }
        scene.clear(&namespace).await?;
    }
    assert!(clear >= rounds / 6 && blocked >= rounds / 6, "{clear} clear, {blocked} blocked");
    Ok(())
}

/// Every kind of call that a drain makes fails once in every way, and the process dies at it; the next run ends the work.
#[tokio::test(start_paused = true)]
async fn any_call_may_fail() -> Tested {
    let mut scene = Scene::set().await?;
    // What a drain asks for, and how often at least.
    let calls = [
        ("GET /api/v1/nodes", 1),
        ("GET /api/v1/nodes/", 2),
        ("PATCH /api/v1/nodes/", 2),
        ("GET /api/v1/pods", 5),
        ("GET /apis/policy/v1/poddisruptionbudgets", 3),
        ("GET /api/v1/persistentvolumes", 1),
        ("GET /apis/apps/v1/daemonsets", 1),
        ("/eviction", 3),
        ("/replicasets/", 1),
        ("PATCH /apis/apps/v1/namespaces", 2),
        ("GET /apis/apps/v1/deployments", 1),
        ("GET /apis/apps/v1/statefulsets", 1),
        ("/horizontalpodautoscalers", 2),
    ];
    let unavailable = || Fault::Refuse { status: 503, code: "ServiceUnavailable".to_owned(), message: "later".to_owned() };
    let faults =
        [Fault::Throttle, unavailable(), Fault::LoseAnswer, Fault::CloseConnection, Fault::TimeOut, Fault::KillBefore, Fault::KillAfter];
    let mut hit: usize = 0;
    for ((call, times), fault) in calls.iter().flat_map(|call| faults.iter().map(move |fault| (*call, fault.clone()))) {
        for nth in 1..=times {
            if hit.is_multiple_of(FRESH as usize) {
                scene = Scene::set().await?;
            }
            let namespace = scene.namespace().await?;
            scene.deploy(&namespace, "web", 8, json!({"maxUnavailable": 3})).await?;
            scene.deploy(&namespace, "single", 1, json!({"minAvailable": 1})).await?;
            settle(60).await;
            let pods = scene.pods(&namespace).await?;
            let single = pods.iter().find(|(_, pods)| pods.iter().any(|pod| pod.name_any().starts_with("single")));
            let mut nodes = fullest(&pods, 2);
            nodes.extend(single.map(|(node, _)| node.clone()).filter(|node| !nodes.contains(node)));
            let drain = Drain::of(&nodes).in_parallel(2).deadline(Duration::from_secs(1200)).on_blocked(OnBlocked::ScaleUpFirst);
            let killed = matches!(fault, Fault::KillBefore | Fault::KillAfter);
            scene.stage.sim.inject(When::Action { service: "kubernetes".to_owned(), action: call.to_owned(), nth }, fault.clone());
            let first = if killed {
                // Whoever looks at the budgets would find the process dead, too.
                let (objects, cancel) = (scene.objects(), CancellationToken::new());
                let drained = objects.drain(Some(&scene.stage.access), &drain, &cancel, |_| ());
                let ended = tokio::time::timeout(Duration::from_secs(90), drained).await;
                scene.stage.sim.revive();
                ended.ok()
            } else {
                Some(scene.drain(&namespace, &drain).await?)
            };
            hit += usize::from(scene.stage.sim.faults_pending() == 0);
            let done = matches!(&first, Some(Ok(report)) if report.is_complete());
            assert!(
                killed || done,
                "{call} {nth} {fault:?}: {}",
                match first {
                    Some(Ok(report)) => report.to_string(),
                    Some(Err(error)) => error.chain(),
                    None => "never ended".to_owned(),
                }
            );
            if !done {
                let again = scene.drain(&namespace, &drain).await??;
                assert!(again.is_complete(), "{call} {nth} {fault:?}: {again}");
            }
            settle(60).await;
            let after = scene.pods(&namespace).await?;
            assert!(nodes.iter().all(|node| !after.contains_key(node)), "{call} {nth} {fault:?}");
            assert_eq!(after.values().map(Vec::len).sum::<usize>(), 9, "{call} {nth} {fault:?}: the replica more is gone again");
            if scene.stage.sim.faults_pending() > 0 {
                // No call like that: the fault would hit what comes next.
                return Err(format!("{call} is not made {nth} times").into());
            }
            scene.clear(&namespace).await?;
        }
    }
    assert_eq!(hit, calls.iter().map(|(_, times)| *times as usize).sum::<usize>() * faults.len());
    Ok(())
}
