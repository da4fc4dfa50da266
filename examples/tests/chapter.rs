//! The chapter on the simulator: the figures that we promise, and runs that are killed.

use std::collections::BTreeSet;

use eks_core::{
    Plan, Verdict,
    engine::{ApplyError, Engine},
};
use eks_examples::{
    account::Account,
    environment::{Auth, Environment, Layer, Variant},
    floor,
};
use eks_sim::{Fault, Inventory, Sim, When};

fn config_map() -> Variant {
    Variant { auth: Auth::ConfigMap, ..Variant::default() }
}

/// Everything that exists, by kind: how many.
fn kinds(inventory: &Inventory) -> Vec<(String, usize)> {
    let mut kinds: Vec<_> = inventory.items().iter().map(|item| item.kind.clone()).collect();
    kinds.dedup();
    kinds.into_iter().map(|kind| (kind.clone(), inventory.count(&kind))).collect()
}

/// AWS calls from a place in the log on that a list of IAM actions does not have.
fn uncovered(sim: &Sim, from: usize, actions: &BTreeSet<&str>) -> BTreeSet<String> {
    let log = sim.log();
    let calls = log.calls()[from..].iter().filter(|call| call.service != "kubernetes");
    calls.map(|call| format!("{}:{}", call.service, call.action)).filter(|action| !actions.contains(action.as_str())).collect()
}

/// Creates, plans again, tears down; returns what existed in between.
#[expect(clippy::print_stdout, reason = "the figures, for whoever asks with --nocapture")]
async fn there_and_back(seed: u64, variant: &Variant) -> Vec<(String, usize)> {
    let sim = Sim::builder().seed(seed).build();
    let account = Account::on(sim.clone());
    let environment = Environment::new(variant, &account).expect("valid specs");
    let plan = environment.plan().await.expect("an empty account can be planned on");
    let before = account.calls();
    let report = plan.apply(&environment.engine()).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let calls = account.calls() - before;

    let floor = floor::of(&plan, &report, &sim.ledger());
    let ratio = report.took.as_secs_f64() / floor.as_secs_f64();
    println!("seed {seed}: {:?} against a floor of {floor:?}, {ratio:.4}; {calls} calls, {} of them polls", report.took, report.polls);
    assert!(ratio <= 1.03, "seed {seed}: {:?} against {floor:?}", report.took);

    let before = account.calls();
    let again = environment.plan().await.expect("what we made can be observed");
    let calls = account.calls() - before;
    assert!(again.is_noop(), "seed {seed}: {again}");
    assert!(calls <= 30, "plan again: {calls} calls");

    assert_eq!(uncovered(&sim, 0, &plan.iam_actions()), BTreeSet::new(), "planning and applying need no more than the plan says");
    let (priced, billed) = (plan.usd_per_month(), sim.inventory().usd_per_month());
    assert!((priced - billed).abs() < 0.01, "the plan says ${priced:.2} a month, the account is billed ${billed:.2}");

    let made = kinds(&sim.inventory());
    let before = sim.log().len();
    let teardown = environment.teardown().await.expect("observable");
    let ending = teardown.apply(&environment.engine()).await.expect("teardown");
    assert_eq!(ending.verdict, Verdict::Clean, "seed {seed}");
    assert_eq!(uncovered(&sim, before, &teardown.iam_actions()), BTreeSet::new(), "tearing down needs no more than the teardown says");
    assert_eq!(sim.inventory(), Inventory::default(), "seed {seed}: the simulator agrees");
    made
}

#[tokio::test(start_paused = true)]
async fn there_and_back_within_the_figures() {
    for seed in 1..=5 {
        there_and_back(seed, &Variant::default()).await;
    }
}

/// The plan as a person reads it, on the day it was read and accepted.
#[tokio::test(start_paused = true)]
async fn the_plan_reads_as_accepted() {
    let day = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_305_600); // 2026-11-22
    let account = Account::on(Sim::builder().starting_at(day).build());
    let environment = Environment::new(&Variant::default(), &account).expect("valid specs");
    let plan = environment.plan().await.expect("a plan").to_string();
    assert_eq!(plan, include_str!("plan.txt").trim_end());

    // The README quotes it.
    let readme = include_str!("../../README.md");
    let quoted = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a quotation");
    let verdict = Verdict::Clean.to_string();
    for line in quoted.lines().filter(|line| *line != "…") {
        assert!(plan.lines().any(|own| own == line) || line == verdict, "the README quotes {line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_is_applied_exactly_or_refused_with_the_differences() {
    let account = Account::simulated();
    let environment = Environment::new(&Variant::default(), &account).expect("valid specs");
    let saved = environment.plan().await.expect("a plan").to_json().expect("JSON");
    Plan::from_json(&saved).expect("a saved plan").apply(&environment.engine()).await.expect("it fits an empty account");
    assert!(environment.plan().await.expect("observable").is_noop());

    let error = Plan::from_json(&saved).expect("a saved plan").apply(&environment.engine()).await.expect_err("everything is there now");
    let ApplyError::Stale { differences } = error else { panic!("{error}") };
    assert!(
        differences.iter().any(|difference| difference.to_string().starts_with("net/vpc: planned on nothing, found vpc-")),
        "{differences:?}"
    );
    assert!(differences.iter().any(|difference| difference.key == "cluster/control-plane"), "{differences:?}");
}

#[tokio::test(start_paused = true)]
async fn as_in_2018_with_aws_auth_alone() {
    there_and_back(1, &config_map()).await;
}

#[tokio::test(start_paused = true)]
async fn without_managed_add_ons() {
    there_and_back(1, &Variant { addons: false, ..Variant::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn fewer_layers() {
    for top in [Layer::Net, Layer::Cluster, Layer::Nodes] {
        let account = Account::simulated();
        let environment = Environment::new(&Variant { top, ..Variant::default() }, &account).expect("valid specs");
        environment.plan().await.expect("a plan").apply(&environment.engine()).await.unwrap_or_else(|error| panic!("{top:?}: {error}"));
        assert!(environment.plan().await.expect("observable").is_noop(), "{top:?}");
        let ending = environment.teardown().await.expect("observable").apply(&environment.engine()).await.expect("teardown");
        assert_eq!(ending.verdict, Verdict::Clean, "{top:?}");
    }
}

/// Ten call sites spread over the path, each in another way of being interrupted.
const SITES: [(&str, &str, u64, Fault); 10] = [
    ("ec2", "CreateVpc", 1, Fault::KillAfter),
    ("ec2", "CreateSubnet", 3, Fault::KillAfter),
    ("ec2", "AllocateAddress", 1, Fault::KillAfter),
    ("ec2", "CreateNatGateway", 1, Fault::KillAfter),
    ("iam", "CreateRole", 1, Fault::KillAfter),
    ("eks", "CreateCluster", 1, Fault::KillBefore),
    ("eks", "CreateCluster", 1, Fault::KillAfter),
    ("cloudformation", "CreateStack", 2, Fault::KillAfter),
    ("eks", "CreateAddon", 2, Fault::KillAfter),
    ("kubernetes", "PATCH", 3, Fault::KillAfter),
];

#[tokio::test(start_paused = true)]
async fn killed_anywhere_and_run_again_it_converges() {
    let undisturbed = there_and_back(1, &Variant::default()).await;
    for (service, action, nth, fault) in SITES {
        for fault in [fault, Fault::LoseAnswer] {
            let site = format!("{fault:?} at {service} {action} {nth}");
            let account = Account::simulated();
            let sim = account.sim().expect("simulated").clone();
            let killed = fault != Fault::LoseAnswer;
            sim.inject(When::Action { service: service.to_owned(), action: action.to_owned(), nth }, fault);
            let first = run(&account).await;
            assert_eq!(sim.faults_pending(), 0, "{site}: the fault happened");
            assert_eq!(first.is_err(), killed, "{site}: a lost answer is healed, a dead process is not: {first:?}");
            sim.revive();
            // A new process knows nothing but the account.
            if killed {
                run(&account).await.unwrap_or_else(|error| panic!("{site}, run again: {error}"));
            }
            assert_eq!(kinds(&sim.inventory()), undisturbed, "{site}: no duplicate, nothing missing");

            let environment = Environment::new(&Variant::default(), &account).expect("valid specs");
            assert!(environment.plan().await.expect("observable").is_noop(), "{site}");
            let ending = environment.teardown().await.expect("observable").apply(&environment.engine()).await.expect("teardown");
            assert_eq!(ending.verdict, Verdict::Clean, "{site}");
        }
    }
}

/// Call sites spread over the way back.
const SITES_BACK: [(&str, &str, u64); 6] = [
    ("kubernetes", "DELETE", 2),
    ("cloudformation", "DeleteStack", 1),
    ("eks", "DeleteCluster", 1),
    ("iam", "DeleteRole", 1),
    ("ec2", "DeleteNatGateway", 1),
    ("ec2", "DeleteSubnet", 2),
];

#[tokio::test(start_paused = true)]
async fn a_teardown_that_is_killed_is_continued() {
    for (service, action, nth) in SITES_BACK {
        let sim = Sim::new();
        let account = Account::on(sim.clone());
        run(&account).await.expect("created");
        sim.inject(When::Action { service: service.to_owned(), action: action.to_owned(), nth }, Fault::KillAfter);
        let environment = Environment::new(&Variant::default(), &account).expect("valid specs");
        let killed = environment.teardown().await.expect("observable").apply(&environment.engine()).await;
        assert!(!killed.is_ok_and(|ending| ending.verdict.is_clean()), "{action}: a dead process proves nothing");
        assert_eq!(sim.faults_pending(), 0, "{action}: the fault happened");
        sim.revive();
        let environment = Environment::new(&Variant::default(), &account).expect("valid specs");
        let teardown = environment.teardown().await.unwrap_or_else(|error| panic!("{action}, torn down again: {error}"));
        let ending = teardown.apply(&environment.engine()).await.unwrap_or_else(|error| panic!("{action}, torn down again: {error}"));
        assert_eq!(ending.verdict, Verdict::Clean, "{action}");
        assert_eq!(sim.inventory(), Inventory::default(), "{action}: the simulator agrees");
    }
}

#[tokio::test(start_paused = true)]
async fn what_kubernetes_left_is_told_when_the_cluster_went_first() {
    let sim = Sim::new();
    let account = Account::on(sim.clone());
    run(&account).await.expect("created");
    let eks = aws_sdk_eks::Client::new(account.config());
    eks.delete_cluster().name("chap10").send().await.expect("somebody deletes the cluster by hand");
    sim.clock().sleep(std::time::Duration::from_secs(600)).await;

    let environment = Environment::new(&Variant::default(), &account).expect("valid specs");
    let teardown = environment.teardown().await.expect("a cluster that is gone is no error");
    let ending = teardown.apply(&environment.engine()).await.expect("a verdict");
    let told = |kind: &str| ending.verdict.survivors().iter().filter(|survivor| survivor.kind == kind).count();
    assert_eq!(told("EBS volume"), 1, "the volume of pvc-a: {}", ending.verdict);
    assert!(told("network interface") >= 2, "those of two load balancers: {}", ending.verdict);
    assert_eq!(sim.inventory().count("ec2/volume"), 1, "nothing that holds data is deleted");
    assert_eq!(sim.inventory().count("ec2/instance") + sim.inventory().count("ec2/nat-gateway"), 0, "what could go is gone");
}

async fn run(account: &Account) -> Result<(), String> {
    let environment = Environment::new(&Variant::default(), account).map_err(|error| error.to_string())?;
    let plan = environment.plan().await.map_err(|error| error.to_string())?;
    let engine: Engine = environment.engine();
    plan.apply(&engine).await.map(drop).map_err(|error| error.to_string())
}
