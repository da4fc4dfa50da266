//! Tests of the program. Each has an account of its own, whose clock is tokio's: paused, so that waiting costs nothing.

use std::collections::BTreeMap;

use eks_sim::Outcome;

use super::*;

/// What exists, by kind: how many.
fn kinds(sim: &Sim) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for item in sim.inventory().items() {
        *kinds.entry(item.kind.clone()).or_default() += 1;
    }
    kinds
}

/// What exists when nothing goes wrong.
async fn undisturbed() -> BTreeMap<String, usize> {
    let sim = Sim::new();
    network_for("shop", &sim.sdk_config()).await.expect("nothing goes wrong");
    kinds(&sim)
}

#[tokio::test(start_paused = true)]
async fn it_makes_one_vpc_with_four_subnets_and_a_second_run_makes_nothing() {
    let sim = Sim::new();
    let vpc = network_for("shop", &sim.sdk_config()).await.expect("nothing goes wrong");
    assert_eq!((sim.inventory().count("ec2/vpc"), sim.inventory().count("ec2/subnet")), (1, 4));

    let before = sim.log().len();
    assert_eq!(network_for("shop", &sim.sdk_config()).await.expect("it is there"), vpc);
    let log = sim.log();
    assert!(log.calls()[before..].iter().all(|call| call.action.starts_with("Describe")), "a second run only reads");
}

#[tokio::test(start_paused = true)]
async fn throttling_is_waited_out() {
    let sim = Sim::new();
    let runs = until_done(&sim, Some(first("CreateNatGateway")), Fault::Throttle).await;
    assert!(runs.len() == 1 && runs[0].is_ok(), "{runs:?}");
    assert_eq!(sim.log().calls().iter().filter(|call| call.is_throttled()).count(), 1);
    assert_eq!(sim.log().count("ec2", "CreateNatGateway"), 2, "the one that was throttled, and another");
    assert_eq!(kinds(&sim), undisturbed().await);
}

/// CreateVpc has no idempotency token: to send it again blindly would make a second VPC.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_no_second_vpc() {
    let sim = Sim::new();
    let runs = until_done(&sim, Some(first("CreateVpc")), Fault::LoseAnswer).await;
    assert!(runs.len() == 1 && runs[0].is_ok(), "{runs:?}");
    let log = sim.log();
    let creates: Vec<_> = log.calls().iter().filter(|call| call.action == "CreateVpc").map(|call| call.outcome.clone()).collect();
    assert_eq!(creates, [Outcome::AnswerLost]);
    assert_eq!(kinds(&sim), undisturbed().await);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_and_nothing_is_half_made() {
    let sim = Sim::new();
    let full =
        Fault::Refuse { status: 400, code: "VpcLimitExceeded".into(), message: "The maximum number of VPCs has been reached.".into() };
    sim.inject(first("CreateVpc"), full);
    let told = network_for("shop", &sim.sdk_config()).await.expect_err("the quota is used up").to_string();
    assert!(told.contains("VpcLimitExceeded") && told.contains("net/vpc"), "{told}");
    assert_eq!(sim.inventory().count("ec2/vpc") + sim.inventory().count("ec2/subnet"), 0);

    network_for("shop", &sim.sdk_config()).await.expect("the quota was raised");
    assert_eq!(kinds(&sim), undisturbed().await);
}

/// Every call is once the last of its process. Whatever is there then, another process finishes it, and makes nothing twice.
#[tokio::test(start_paused = true)]
async fn killed_after_any_call_it_is_finished_by_running_it_again() {
    let whole = undisturbed().await;
    for call in 1.. {
        let sim = Sim::new();
        sim.inject(When::Call(call), Fault::KillAfter);
        let first = network_for("shop", &sim.sdk_config()).await;
        if sim.faults_pending() > 0 {
            assert!(first.is_ok() && call > 20, "it makes more calls than {call}");
            return;
        }
        sim.revive();
        network_for("shop", &sim.sdk_config()).await.unwrap_or_else(|error| panic!("killed after call {call}: {error}"));
        assert_eq!(kinds(&sim), whole, "killed after call {call}");
    }
}
