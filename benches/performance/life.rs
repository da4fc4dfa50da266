//! The chapter's life on the simulator: simulated times, calls, and what the services took.

use std::time::{Duration, Instant};

use eks_cluster::KubernetesVersion;
use eks_core::{StackName, engine::Report};
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    floor, workloads,
};
use eks_k8s::drain::{Drain, OnBlocked};
use eks_sim::{Ledger, Sim};

use crate::peers::Times;

/// One environment, made, planned again, and torn down.
pub(crate) struct Life {
    pub(crate) create: Duration,
    /// Until nodes are Ready and CoreDNS is healthy: what other tools call done.
    pub(crate) ready: Duration,
    pub(crate) create_floor: Duration,
    pub(crate) create_calls: u64,
    pub(crate) again_calls: u64,
    pub(crate) teardown: Duration,
    pub(crate) teardown_floor: Duration,
    pub(crate) teardown_calls: u64,
    pub(crate) resources: usize,
    pub(crate) times: Times,
    /// Calls of the whole life, and how long this machine took for it.
    pub(crate) calls: u64,
    pub(crate) wall: Duration,
}

/// An upgrade by one minor version: the control plane, then workers for workers.
pub(crate) struct Upgrade {
    pub(crate) plane: Duration,
    /// The step that moves the control plane, alone.
    pub(crate) version: Duration,
    pub(crate) workers: Duration,
    pub(crate) floor: Duration,
    pub(crate) calls: u64,
    pub(crate) service: f64,
}

pub(crate) async fn live(seed: u64) -> Result<Life, Failure> {
    let wall = Instant::now();
    let sim = Sim::builder().seed(seed).build();
    let account = Account::on(sim.clone());
    let environment = Environment::new(&Variant::default(), &account)?;
    let plan = environment.plan().await?;
    let report = plan.apply(&environment.engine()).await?;
    let (create_calls, made) = (account.calls(), sim.ledger());
    let create_floor = floor::of(&plan, &report, &made);
    environment.plan().await?;
    let again_calls = account.calls() - create_calls;

    let origin = sim.clock().now();
    let ending = environment.teardown().await?.apply(&environment.engine()).await?;
    if !ending.verdict.is_clean() {
        return Err(format!("seed {seed}: {}", ending.verdict).into());
    }
    let teardown = sim.clock().now() - origin;
    let ledger = sim.ledger();
    let workers_gone = longest(&ledger, origin, |_, kind| kind == "StackDelete");
    let plane_gone = longest(&ledger, origin, |_, kind| kind == "ClusterDelete");
    let interfaces = longest(&ledger, origin, |_, kind| kind == "ClusterInterfaceRelease");
    let ready = ["k8s/nodes/chap10-worker", "cluster/addon-ready/coredns", "cluster/control-plane"];
    let ends = ready.iter().filter_map(|key| end(&report, key)).max().ok_or("the chapter has other steps")?;
    let group = longest(&made, Duration::ZERO, |subject, kind| kind == "StackCreate" && subject == "chap10-worker");
    let times = Times {
        role: longest(&made, Duration::ZERO, |_, kind| kind == "IamPropagation"),
        nat: longest(&made, Duration::ZERO, |_, kind| kind == "NatGatewayCreate"),
        plane: longest(&made, Duration::ZERO, |_, kind| kind == "ClusterCreate"),
        cni: longest(&made, Duration::ZERO, |_, kind| kind == "AddonVpcCni"),
        coredns: longest(&made, Duration::ZERO, |_, kind| kind == "AddonCoreDns"),
        workers: group + joined(&made),
        version: 0.0,
        workers_gone,
        plane_gone,
    };
    Ok(Life {
        create: report.took,
        ready: ends,
        create_floor,
        create_calls,
        again_calls,
        teardown,
        teardown_floor: Duration::from_secs_f64(workers_gone + plane_gone + interfaces),
        teardown_calls: account.calls() - create_calls - again_calls,
        resources: plan.steps().len(),
        times,
        calls: account.calls(),
        wall: wall.elapsed(),
    })
}

pub(crate) async fn upgrade(seed: u64) -> Result<Upgrade, Failure> {
    let sim = Sim::builder().seed(seed).standard_vcpus(16).build();
    let account = Account::on(sim.clone());
    let before = Environment::new(&Variant { version: KubernetesVersion::V1_35, ..Variant::default() }, &account)?;
    before.plan().await?.apply(&before.engine()).await?;
    let client = account.connector().connect(&before.access().await?.ok_or("no cluster")?)?;
    workloads::deploy(&client, 4).await?;
    tokio::time::sleep(Duration::from_secs(90)).await;

    let (began, calls) = (sim.clock().now(), account.calls());
    let after = Environment::new(&Variant { workers: "v36".to_owned(), ..Variant::default() }, &account)?;
    let plan = after.upgrade().await?;
    let report = plan.plan().apply(&after.engine()).await?;
    let floor = floor::of_steps(plan.plan().steps(), &report, &sim.ledger(), sim.clock().now().saturating_sub(report.took));
    let plane = sim.clock().now() - began;
    let moved = report.steps.iter().filter(|(key, _)| key.as_str().ends_with("/control-plane"));
    let version = moved.map(|(_, step)| step.took).max().ok_or("the upgrade moves no control plane")?;
    let old = StackName::new("chap10-worker")?;
    let gently = |builder: eks_nodes::replacement::ReplacementBuilder| {
        builder.drain(Drain::settings().delete_local_data().force().on_blocked(OnBlocked::Wait))
    };
    let plan = after.replacement(&old, gently).await?;
    let report = plan.apply(&after.engine()).await?;
    let workers_floor = floor::of_steps(plan.steps(), &report, &sim.ledger(), sim.clock().now().saturating_sub(report.took));
    Ok(Upgrade {
        plane,
        version,
        workers: sim.clock().now() - began - plane,
        floor: floor + workers_floor,
        calls: account.calls() - calls,
        service: longest(&sim.ledger(), began, |_, kind| kind == "ClusterVersionUpdate"),
    })
}

fn end(report: &Report, key: &str) -> Option<Duration> {
    report.steps.get(&key.parse().ok()?).map(|step| step.began + step.took)
}

/// Seconds of the longest service time of some kind that began no earlier.
fn longest(ledger: &Ledger, from: Duration, is: impl Fn(&str, &str) -> bool) -> f64 {
    let all = ledger.iter().flat_map(|(subject, times)| times.iter().map(move |time| (subject, time)));
    let some = all.filter(|(subject, time)| time.began >= from && is(subject, &time.kind));
    some.map(|(_, time)| time.took).max().unwrap_or_default().as_secs_f64()
}

/// Seconds from the end of the workers' stack to the last Ready node, on AWS's clock.
fn joined(ledger: &Ledger) -> f64 {
    let ends = |subject: &str, kind: &str, of: &Ledger| {
        let times = of.iter().filter(|(name, _)| name.starts_with(subject)).flat_map(|(_, times)| times.iter());
        times.filter(|time| time.kind == kind).map(|time| time.began + time.took).max().unwrap_or_default()
    };
    let stack = ledger.of("chap10-worker").iter().filter(|time| time.kind == "StackCreate").map(|time| time.began + time.took).max();
    ends("i-", "NodeReady", ledger).saturating_sub(stack.unwrap_or_default()).as_secs_f64()
}
