//! Draining nodes of the simulated cluster: what must hold however it goes.

#![cfg(feature = "client")]

#[path = "drain/dice.rs"]
#[expect(dead_code, reason = "what random clusters need besides")]
mod dice;
#[expect(dead_code, reason = "what the tests of objects need besides")]
mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use dice::Random;
use eks_core::{AuthenticationMode, BoxError, Class, Error, engine::CancellationToken};
use eks_k8s::{
    client::Objects,
    drain::{Drain, DrainEvent, DrainReport, NodeEnd, OnBlocked, PodEnd},
};
use eks_sim::{Fault, When};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;
use support::{Stage, Tested};

/// After so many rounds the scene is set anew: a simulated cluster remembers all that ever happened, and gets slow by it.
const FRESH: u64 = 10;

/// The stage, with six nodes, and what the tests need of it.
struct Scene {
    stage: Stage,
    rounds: std::cell::Cell<usize>,
}

impl Scene {
    async fn set() -> Result<Self, BoxError> {
        let stage = Stage::set(AuthenticationMode::ApiAndConfigMap).await?;
        let config = stage.sim.sdk_config();
        let (ec2, eks) = (aws_sdk_ec2::Client::new(&config), aws_sdk_eks::Client::new(&config));
        eks.create_access_entry().cluster_name("chap10").principal_arn(stage.role.as_str()).r#type("EC2_LINUX").send().await?;
        let found = ec2.describe_subnets().send().await?;
        // Not those of the default VPC.
        let own = found.subnets().iter().filter(|subnet| subnet.cidr_block().is_some_and(|block| block.starts_with("10.0.")));
        let subnets: Vec<String> = own.filter_map(|subnet| subnet.subnet_id().map(str::to_owned)).collect();
        for _ in 0..2 {
            stage.launch(&ec2, &subnets).await?;
        }
        let scene = Self { stage, rounds: std::cell::Cell::default() };
        settle(180).await;
        assert_eq!(scene.nodes().await?.len(), 6);
        Ok(scene)
    }

    fn client(&self) -> Result<Client, BoxError> {
        support::client(&self.stage.sim, &self.stage.access)
    }

    fn objects(&self) -> Objects {
        self.stage.objects()
    }

    async fn nodes(&self) -> Result<Vec<Node>, BoxError> {
        Ok(Api::<Node>::all(self.client()?).list(&ListParams::default()).await?.items)
    }

    /// A namespace of its own for every round.
    async fn namespace(&self) -> Result<String, BoxError> {
        self.rounds.set(self.rounds.get() + 1);
        let name = format!("round-{}", self.rounds.get());
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::<Namespace>::all(self.client()?).create(&PostParams::default(), &namespace).await?;
        Ok(name)
    }

    async fn deploy(&self, namespace: &str, name: &str, replicas: usize, budget: serde_json::Value) -> Tested {
        let labels = json!({"app": name});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "nginx"}]}});
        let deployment =
            json!({"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}});
        let deployments: Api<Deployment> = Api::namespaced(self.client()?, namespace);
        deployments.create(&PostParams::default(), &serde_json::from_value(deployment)?).await?;
        if !budget.is_null() {
            self.budget(namespace, name, name, budget).await?;
        }
        Ok(())
    }

    async fn budget(&self, namespace: &str, name: &str, app: &str, mut spec: serde_json::Value) -> Tested {
        spec["selector"] = json!({"matchLabels": {"app": app}});
        let budget = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?;
        Api::<PodDisruptionBudget>::namespaced(self.client()?, namespace).create(&PostParams::default(), &budget).await?;
        Ok(())
    }

    /// Pods of a namespace by node.
    async fn pods(&self, namespace: &str) -> Result<BTreeMap<String, Vec<Pod>>, BoxError> {
        let mut by_node: BTreeMap<String, Vec<Pod>> = BTreeMap::new();
        for pod in Api::<Pod>::namespaced(self.client()?, namespace).list(&ListParams::default()).await?.items {
            by_node.entry(pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default()).or_default().push(pod);
        }
        Ok(by_node)
    }

    /// Whether each budget of a namespace is met: how many Pods are ready and not going, and how many must be.
    async fn health(&self, namespace: &str) -> Result<BTreeMap<String, (i64, i64)>, BoxError> {
        let pods: Vec<Pod> = self.pods(namespace).await?.into_values().flatten().collect();
        let budgets = Api::<PodDisruptionBudget>::namespaced(self.client()?, namespace).list(&ListParams::default()).await?;
        let ready = |pod: &&Pod| {
            let status = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
            pod.metadata.deletion_timestamp.is_none()
                && status.is_some_and(|all| all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
        };
        let mut health = BTreeMap::new();
        for budget in budgets.items {
            let labels = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref()).and_then(|selector| selector.match_labels.clone());
            let labels = labels.unwrap_or_default();
            let of_it = pods.iter().filter(|pod| labels.iter().all(|(key, value)| pod.labels().get(key) == Some(value)));
            let desired = budget.status.as_ref().and_then(|status| status.desired_healthy).map_or(0, i64::from);
            health.insert(budget.name_any(), (of_it.filter(ready).count() as i64, desired));
        }
        Ok(health)
    }

    /// Drains, and looks at the budgets of a namespace every second all the while: none that was met is ever broken.
    async fn drain(&self, namespace: &str, drain: &Drain) -> Result<Result<DrainReport, Error>, BoxError> {
        let (result, _) = self.drain_telling(namespace, drain, &CancellationToken::new()).await?;
        Ok(result)
    }

    async fn drain_telling(
        &self,
        namespace: &str,
        drain: &Drain,
        cancel: &CancellationToken,
    ) -> Result<(Result<DrainReport, Error>, Vec<DrainEvent>), BoxError> {
        let events: Arc<Mutex<Vec<DrainEvent>>> = Arc::default();
        let objects = self.objects();
        let told = events.clone();
        let (access, drain, cancel) = (self.stage.access.clone(), drain.clone(), cancel.clone());
        let running =
            async move { objects.drain(Some(&access), &drain, &cancel, move |event| told.lock().expect("no panic").push(event)).await };
        // It can be spawned: nothing in it is bound to a thread.
        let mut running = tokio::spawn(running);
        let before = self.health(namespace).await?;
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended?,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            // While the process is dead, nobody looks.
            if let Ok(health) = self.health(namespace).await {
                for (budget, (ready, desired)) in health {
                    let was = before.get(&budget).map_or(i64::MAX, |(ready, _)| *ready);
                    assert!(ready >= desired.min(was), "{namespace}: {budget} has {ready} of {desired} ready Pods");
                }
            }
        };
        let events = events.lock().expect("no panic").clone();
        Ok((ended, events))
    }

    /// Everything as it was: no Pods of the round, nodes open, no marks.
    async fn clear(&self, namespace: &str) -> Tested {
        Api::<Namespace>::all(self.client()?).delete(namespace, &DeleteParams::default()).await?;
        for node in self.nodes().await? {
            self.objects().uncordon(Some(&self.stage.access), &node.name_any()).await?;
        }
        settle(40).await;
        assert!(self.nodes().await?.iter().all(|node| node.spec.as_ref().and_then(|spec| spec.unschedulable) != Some(true)));
        Ok(())
    }

    /// Changes that clients asked for since the log had `from` entries.
    fn writes(&self, from: usize) -> Vec<String> {
        self.stage.calls(from).into_iter().filter(|call| !call.starts_with("GET ")).collect()
    }
}

async fn settle(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// The nodes that have most Pods of a namespace.
fn fullest(pods: &BTreeMap<String, Vec<Pod>>, count: usize) -> Vec<String> {
    let mut nodes: Vec<_> = pods.iter().filter(|(node, _)| !node.is_empty()).collect();
    nodes.sort_by_key(|(node, pods)| (std::cmp::Reverse(pods.len()), (*node).clone()));
    nodes.into_iter().take(count).map(|(node, _)| node.clone()).collect()
}

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
        settle(300).await;
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
            scene.deploy(&namespace, &format!("w{number}"), 1 + random.below(4), budget).await?;
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
