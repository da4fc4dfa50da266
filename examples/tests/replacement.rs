//! Section 6 of the chapter on the simulator: what an upgrade's workers cost in time, and replacements that die after every single call.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use eks_cluster::KubernetesVersion;
use eks_core::{StackName, engine::Report};
use eks_examples::{
    account::Account,
    environment::{Auth, Environment, Failure, Variant},
    floor, workloads,
};
use eks_k8s::drain::{Drain, OnBlocked};
use eks_nodes::replacement::{Batch, REPLACING_TAG, ReplacementBuilder};
use eks_sim::{Call, Inventory, Sim, Snapshot};
use k8s_openapi::api::{apps::v1::Deployment, policy::v1::PodDisruptionBudget};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

type Tested<T = ()> = Result<T, Failure>;

const CLUSTER: &str = "chap10";

fn before(auth: Auth, version: KubernetesVersion) -> Variant {
    Variant { auth, version, ..Variant::default() }
}

fn after(auth: Auth) -> Variant {
    Variant { workers: "v36".to_owned(), ..before(auth, KubernetesVersion::V1_36) }
}

fn old() -> StackName {
    StackName::new("chap10-worker").expect("a name")
}

fn gently(builder: ReplacementBuilder) -> ReplacementBuilder {
    builder.drain(Drain::settings().delete_local_data().force().on_blocked(OnBlocked::Wait))
}

/// The chapter with workloads and a Cluster Autoscaler on it.
async fn chapter(variant: &Variant, seed: u64) -> Tested<Sim> {
    let sim = Sim::builder().seed(seed).standard_vcpus(4 * variant.nodes + 8).build();
    let account = Account::on(sim.clone());
    let environment = Environment::new(variant, &account)?;
    environment.plan().await?.apply(&environment.engine()).await?;
    let client = account.connector().connect(&environment.access().await?.ok_or("no cluster")?)?;
    workloads::deploy(&client, 2 * variant.nodes).await?;
    let labels = json!({"app": "cluster-autoscaler"});
    let containers = json!([{"name": "main", "image": "registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.0"}]);
    let autoscaler = json!({"metadata": {"name": "cluster-autoscaler"}, "spec": {"replicas": 1, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}});
    let deployments = Api::<Deployment>::namespaced(client, "kube-system");
    deployments.create(&PostParams::default(), &serde_json::from_value(autoscaler)?).await?;
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(
        budgets(&sim),
        [("db".to_owned(), 2, 1), ("web".to_owned(), 2 * u64::from(variant.nodes), 2 * u64::from(variant.nodes) - 1)]
    );
    Ok(sim)
}

/// Budgets, how many Pods of each are healthy, and how many must be: as the disruption controller counts.
fn budgets(sim: &Sim) -> Vec<(String, u64, u64)> {
    let pods = sim.stored(CLUSTER, "", "pods");
    let healthy = |pod: &&Arc<Value>| {
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        pod["metadata"]["deletionTimestamp"].is_null() && conditions.clone().any(|one| one["type"] == "Ready" && one["status"] == "True")
    };
    let budgets = sim.stored(CLUSTER, "policy", "poddisruptionbudgets");
    let told = budgets.iter().map(|budget| {
        let app = &budget["spec"]["selector"]["matchLabels"]["app"];
        let count = pods.iter().filter(|pod| pod["metadata"]["labels"]["app"] == *app).filter(healthy).count();
        (app.as_str().unwrap_or_default().to_owned(), count as u64, budget["status"]["desiredHealthy"].as_u64().unwrap_or_default())
    });
    told.collect()
}

/// What must hold whenever somebody looks.
fn judge(sim: &Sim, wrong: &Mutex<Vec<String>>, call: &Call) {
    let below =
        budgets(sim).into_iter().filter(|(_, healthy, desired)| healthy < desired).map(|budget| format!("below budget: {budget:?}"));
    let locked = sim.locked_out(CLUSTER).into_iter().map(|node| format!("locked out: {node}"));
    wrong.lock().expect("no panic").extend(below.chain(locked).map(|what| format!("call {} {}: {what}", call.number, call.action)));
}

/// Opens a snapshot under judgement.
fn judged(snapshot: &Snapshot, also: impl Fn(&Sim, &Call) + Send + Sync + 'static) -> (Sim, Arc<Mutex<Vec<String>>>) {
    let (own, wrong) = (Arc::new(OnceLock::<Sim>::new()), Arc::new(Mutex::default()));
    let (handle, told) = (own.clone(), wrong.clone());
    let sim = snapshot.open_telling(move |call| {
        if let Some(sim) = handle.get() {
            judge(sim, &told, call);
            also(sim, call);
        }
    });
    drop(own.set(sim.clone()));
    (sim, wrong)
}

/// One process, from nothing but the account to the end; its report and the floor of the run.
async fn process(
    sim: &Sim,
    variant: &Variant,
    settings: impl FnOnce(ReplacementBuilder) -> ReplacementBuilder + Send,
) -> Tested<Option<(Report, Duration)>> {
    let account = Account::on(sim.clone());
    let environment = Environment::new(variant, &account)?;
    let plan = environment.replacement(&old(), settings).await?;
    if plan.is_done() {
        return Ok(None);
    }
    let report = plan.apply(&environment.engine()).await?;
    let origin = sim.clock().now().saturating_sub(report.took);
    let floor = floor::of_steps(plan.steps(), &report, &sim.ledger(), origin);
    Ok(Some((report, floor)))
}

/// What exists, but for names that are drawn.
fn kinds(inventory: &Inventory) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for item in inventory.items().iter().filter(|item| item.state != "terminated") {
        *kinds.entry(item.kind.clone()).or_default() += 1;
    }
    kinds
}

/// What a replacement must not leave behind.
async fn left_over(sim: &Sim) -> Tested<Vec<String>> {
    let mut left = Vec::new();
    for node in sim.stored(CLUSTER, "", "nodes") {
        let marks = |what: &str| node["metadata"][what].as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        let ours = [marks("labels"), marks("annotations")]
            .concat()
            .into_iter()
            .filter(|key| key.starts_with("eks-rs/replacing") || key.starts_with("eks-rs/drain") || key.contains("exclude-from-external"));
        left.extend(ours.map(|key| format!("{} of {}", key, node["metadata"]["name"])));
        left.extend((!node["spec"]["taints"].is_null()).then(|| format!("taints {}", node["spec"]["taints"])));
        left.extend((node["spec"]["unschedulable"] == true).then(|| format!("cordon of {}", node["metadata"]["name"])));
        let group = &node["metadata"]["labels"]["eks-rs/workers"];
        left.extend((group != "chap10-v36").then(|| format!("node of {group}")));
    }
    for deployment in sim.stored(CLUSTER, "apps", "deployments") {
        let name = &deployment["metadata"]["name"];
        let annotations = deployment["metadata"]["annotations"].as_object().into_iter().flatten();
        left.extend(annotations.filter(|(key, _)| key.starts_with("eks-rs/")).map(|(key, _)| format!("{key} of {name}")));
        left.extend((deployment["spec"]["replicas"] == 0).then(|| format!("{name} is paused")));
    }
    let config = sim.sdk_config();
    let groups = aws_sdk_autoscaling::Client::new(&config).describe_auto_scaling_groups().send().await?;
    for group in groups.auto_scaling_groups() {
        left.extend((!group.suspended_processes().is_empty()).then(|| format!("suspended: {:?}", group.suspended_processes())));
        left.extend(group.tags().iter().filter(|tag| tag.key() == Some(REPLACING_TAG)).map(|tag| format!("{tag:?}")));
        left.extend((group.desired_capacity() != group.min_size()).then(|| format!("sizes of {group:?}")));
    }
    let rules = aws_sdk_ec2::Client::new(&config).describe_security_group_rules().send().await?;
    let crossing = rules
        .security_group_rules()
        .iter()
        .filter(|rule| rule.tags().iter().any(|tag| tag.value().is_some_and(|v| v.starts_with("replace/"))));
    left.extend(crossing.map(|rule| format!("{rule:?}")));
    let maps = sim.stored(CLUSTER, "", "configmaps").into_iter().filter(|map| map["metadata"]["name"] == "aws-auth");
    left.extend(
        maps.filter(|map| map["data"]["mapRoles"].as_str().is_some_and(|roles| roles.contains("chap10-worker")))
            .map(|map| map["data"].to_string()),
    );
    let stale = sim
        .inventory()
        .items()
        .iter()
        .filter(|item| item.id.contains("chap10-worker"))
        .map(|item| item.id.clone())
        .collect::<BTreeSet<_>>();
    left.extend(stale);
    Ok(left)
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_takes_what_its_services_take() -> Tested {
    for seed in 1..=3 {
        let sim = chapter(&before(Auth::Api, KubernetesVersion::V1_35), seed).await?;
        let began = sim.clock().now();
        let account = Account::on(sim.clone());
        let environment = Environment::new(&after(Auth::Api), &account)?;
        let plan = environment.upgrade().await?;
        let report = plan.plan().apply(&environment.engine()).await?;
        let origin = sim.clock().now().saturating_sub(report.took);
        let plane = floor::of_steps(plan.plan().steps(), &report, &sim.ledger(), origin);
        let replaced = process(&sim, &after(Auth::Api), gently).await;
        let (workers, floor) = replaced?.ok_or("nothing was done")?;
        let (took, floor) = (sim.clock().now() - began, plane + floor);
        println!("seed {seed}: {took:?} (workers {:?}) against {floor:?}", workers.took);
        let ratio = took.as_secs_f64() / floor.as_secs_f64();
        println!("seed {seed}: {:.1} % over it", (ratio - 1.0) * 100.0);
        assert_eq!(left_over(&sim).await?, [""; 0]);
        assert!(ratio <= 1.05, "{took:?} against {floor:?}");
    }
    Ok(())
}

/// Kills the process after every single call of a replacement, and lets another one go on from there. What a call that only reads leaves is the
/// account that the call before it left: one death stands for both, unless `EVERY_CALL` is set.
#[expect(clippy::print_stdout, reason = "the figures, for whoever asks with --nocapture")]
async fn sweep(auth: Auth) -> Tested {
    let variant = after(auth);
    let base = chapter(&before(auth, KubernetesVersion::V1_36), 1).await?.snapshot();
    let moments: Arc<Mutex<Vec<(Call, Snapshot)>>> = Arc::default();
    let (kept, all) = (moments.clone(), std::env::var_os("EVERY_CALL").is_some());
    let (calls, last) = (Arc::new(Mutex::new(0)), Mutex::new(base.fingerprint()));
    let counted = calls.clone();
    let (sim, wrong) = judged(&base, move |sim, call| {
        *counted.lock().expect("no panic") += 1;
        let moment = sim.snapshot();
        let fingerprint = moment.fingerprint();
        let mut last = last.lock().expect("no panic");
        if all || *last != fingerprint {
            kept.lock().expect("no panic").push((call.clone(), moment));
        }
        *last = fingerprint;
    });
    process(&sim, &variant, gently).await?.ok_or("nothing was done")?;
    assert_eq!((left_over(&sim).await?, wrong.lock().expect("no panic").join("\n")), (vec![], String::new()), "undisturbed");
    let undisturbed = kinds(&sim.inventory());
    let moments = std::mem::take(&mut *moments.lock().expect("no panic"));
    let of = *calls.lock().expect("no panic");
    println!("{auth:?}: {} moments after {of} calls", moments.len());
    let mut calls = Vec::new();
    for (call, moment) in &moments {
        let site = format!("killed after call {} {} {}", call.number, call.service, call.action);
        let (sim, wrong) = judged(moment, |_, _| ());
        let from = sim.log().len();
        // What an earlier run began may end between plan and application, which refuses then: planned again, it goes on.
        let mut tries = 0;
        loop {
            match process(&sim, &variant, gently).await {
                Ok(None) => break,
                Ok(Some(_)) => {}
                Err(error) if tries < 3 && error.to_string().contains("no longer fits") => {}
                Err(error) => return Err(format!("{site}: {error}").into()),
            }
            tries += 1;
            assert!(tries <= 4, "{site}: it does not converge");
        }
        calls.push(sim.log().len() - from);
        println!("{auth:?} {site}: {} calls more", sim.log().len() - from);
        assert_eq!(wrong.lock().expect("no panic").join("\n"), "", "{site}");
        assert_eq!(left_over(&sim).await?, [""; 0], "{site}");
        assert_eq!(kinds(&sim.inventory()), undisturbed, "{site}");
    }
    println!("{auth:?}: {} deaths, {} calls afterwards at most", moments.len(), calls.iter().max().copied().unwrap_or_default());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_replacement_converges_after_a_death_at_every_single_call() -> Tested {
    sweep(Auth::Api).await
}

#[tokio::test(start_paused = true)]
async fn and_so_it_does_with_aws_auth_alone() -> Tested {
    sweep(Auth::ConfigMap).await
}

/// How many nodes the largest group has, a multiple of 20. `NODES=100` measures the figure of a hundred.
fn most() -> u32 {
    std::env::var("NODES").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// A chapter of so many nodes, whose budget lets half of the Pods go: what a batch may move at once is not what holds it up.
async fn crowd(nodes: u32) -> Tested<Snapshot> {
    let sim = chapter(&Variant { nodes, ..before(Auth::Api, KubernetesVersion::V1_36) }, 1).await?;
    let account = Account::on(sim.clone());
    let environment = Environment::new(&Variant { nodes, ..before(Auth::Api, KubernetesVersion::V1_36) }, &account)?;
    let client = account.connector().connect(&environment.access().await?.ok_or("no cluster")?)?;
    let half = Patch::Merge(json!({"spec": {"maxUnavailable": "50%"}}));
    Api::<PodDisruptionBudget>::default_namespaced(client).patch("web", &PatchParams::default(), &half).await?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    Ok(sim.snapshot())
}

/// Seconds that a replacement of so many nodes in so many rounds takes.
#[expect(clippy::print_stdout, reason = "the figures, for whoever asks with --nocapture")]
async fn seconds(base: &Snapshot, nodes: u32, rounds: u32) -> Tested<f64> {
    let (sim, wrong) = judged(base, |_, _| ());
    let before = sim.log().len();
    let to = Variant { nodes, ..after(Auth::Api) };
    // Nodes lie in two zones, and a round in one.
    let settings = |builder: ReplacementBuilder| gently(builder).batch(Batch::Nodes(nodes.div_ceil(rounds)));
    let (report, floor) = process(&sim, &to, settings).await?.ok_or("nothing was done")?;
    let drained = report.steps.keys().filter(|key| key.as_str().ends_with("/drain")).count();
    let calls = sim.log().len() - before;
    println!("{nodes:3} nodes in {rounds:2} rounds: {:?}, its services {floor:?}, {calls} calls", report.took);
    assert_eq!(drained, rounds as usize);
    assert_eq!(wrong.lock().expect("no panic").join("\n"), "");
    assert_eq!(left_over(&sim).await?, [""; 0]);
    Ok(report.took.as_secs_f64())
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes in a debug build"]
async fn many_nodes_take_as_long_as_their_rounds() -> Tested {
    let most = most();
    // Five times as many nodes in as many rounds.
    let (few, some) = (most / 5, most * 2 / 5);
    let fewest = seconds(&crowd(few).await?, few, 4).await?;
    let between = seconds(&crowd(some).await?, some, 4).await?;
    let base = crowd(most).await?;
    let at_4 = seconds(&base, most, 4).await?;
    for (nodes, took) in [(some, between), (most, at_4)] {
        // The slowest of many instances is slower than that of few.
        assert!(took < fewest * 1.2, "{nodes} nodes take {took} s, {few} nodes {fewest} s");
    }
    // As many nodes in more rounds: on one line, whose beginning is what comes before the first round and after the last.
    let (at_10, at_20) = (seconds(&base, most, 10).await?, seconds(&base, most, 20).await?);
    let line = at_4 + (at_20 - at_4) * 6.0 / 16.0;
    assert!((at_10 / line - 1.0).abs() < 0.1, "{at_10} s for 10 rounds, {line} s on the line");
    assert!(at_4 < at_10 && at_10 < at_20 && at_20 < at_4 * 5.0, "{at_4}, {at_10}, {at_20} s");
    Ok(())
}
