//! The network on an EC2 that fails: lost answers, throttling, and a process that is killed at any call.

mod common;

use common::{chapter, counts, owner, process, standing, tear_down};
use eks_core::Verdict;
use eks_sim::{Fault, Sim, When};

type Done = Result<(), Box<dyn std::error::Error>>;

/// Every call that creates or changes something.
const WRITES: [&str; 14] = [
    "CreateVpc",
    "ModifyVpcAttribute",
    "CreateSubnet",
    "ModifySubnetAttribute",
    "CreateInternetGateway",
    "AttachInternetGateway",
    "AllocateAddress",
    "CreateNatGateway",
    "CreateRouteTable",
    "CreateRoute",
    "AssociateRouteTable",
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "DescribeNatGateways",
];

fn at(action: &str, nth: u64) -> When {
    When::Action { service: "ec2".to_owned(), action: action.to_owned(), nth }
}

/// Applies the chapter with these faults in one run, which must come through.
async fn comes_through(faults: Vec<(When, Fault)>) -> Done {
    let sim = Sim::new();
    let (networks, engine) = process(&sim);
    let plan = networks.plan(&chapter()).await?;
    let named = format!("{faults:?}");
    for (when, fault) in faults {
        sim.inject(when, fault);
    }
    let report = plan.apply(&engine).await.map_err(|error| format!("{named}: {error}"))?;
    assert!(report.is_complete());
    assert_eq!(sim.faults_pending(), 0, "{named} did not happen");
    assert_eq!(counts(&sim), standing(), "{named}");
    let again = networks.plan(&chapter()).await?;
    assert!(again.is_noop(), "{named}: {again}");
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), [], "{named}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn lost_answers_make_nothing_twice() -> Done {
    for action in WRITES {
        comes_through(vec![(at(action, 1), Fault::LoseAnswer)]).await?;
    }
    comes_through(WRITES.map(|action| (at(action, 1), Fault::LoseAnswer)).to_vec()).await
}

#[tokio::test(start_paused = true)]
async fn throttled_and_timed_out_calls_are_late_not_failed() -> Done {
    for fault in [Fault::Throttle, Fault::TimeOut] {
        comes_through(WRITES.map(|action| (at(action, 1), fault.clone())).to_vec()).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_internal_error_is_tried_again() -> Done {
    let fault = Fault::Refuse { status: 500, code: "InternalError".to_owned(), message: "An internal error has occurred".to_owned() };
    comes_through(WRITES.map(|action| (at(action, 1), fault.clone())).to_vec()).await
}

/// The numbers of the calls that applying the chapter makes, but for all polls after the first.
async fn calls() -> Result<Vec<u64>, Box<dyn std::error::Error>> {
    let sim = Sim::new();
    let (networks, engine) = process(&sim);
    let plan = networks.plan(&chapter()).await?;
    let planned = sim.log().len();
    plan.apply(&engine).await?;
    let log = sim.log();
    let mut polls = 0;
    let made = log.calls().iter().skip(planned).filter(|call| {
        polls += usize::from(call.action == "DescribeNatGateways");
        call.action != "DescribeNatGateways" || polls == 1
    });
    Ok(made.map(|call| call.number).collect())
}

/// Kills the process with this fault at every call of a run in turn; each time a second process must finish.
async fn killed_at_any_call(fault: Fault) -> Done {
    for number in calls().await? {
        let named = format!("{fault:?} at call {number}");
        let sim = Sim::new();
        let (networks, engine) = process(&sim);
        let plan = networks.plan(&chapter()).await?;
        sim.inject(When::Call(number), fault.clone());
        assert!(plan.apply(&engine).await.is_err(), "{named}: the process is dead");
        sim.revive();

        let (networks, engine) = process(&sim);
        let plan = networks.plan(&chapter()).await.map_err(|error| format!("{named}: {error}"))?;
        plan.apply(&engine).await.map_err(|error| format!("{named}: {error}"))?;
        assert_eq!(counts(&sim), standing(), "{named}");
        let again = networks.plan(&chapter()).await?;
        assert!(again.is_noop(), "{named}: {again}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn killed_before_any_call_a_second_run_finishes() -> Done {
    killed_at_any_call(Fault::KillBefore).await
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_call_a_second_run_finishes() -> Done {
    killed_at_any_call(Fault::KillAfter).await
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_a_second_teardown_finishes() -> Done {
    let mut number = 1;
    loop {
        let sim = Sim::new();
        let (networks, engine) = process(&sim);
        networks.plan(&chapter()).await?.apply(&engine).await?;
        let teardown = networks.teardown(&owner()).await?;
        let fault = if number % 2 == 0 { Fault::KillBefore } else { Fault::KillAfter };
        sim.inject(When::Call(sim.log().len() as u64 + number), fault.clone());
        let ending = teardown.apply(&engine).await;
        if sim.faults_pending() > 0 {
            assert_eq!(ending?.verdict, Verdict::Clean, "the teardown has fewer calls");
            return Ok(());
        }
        assert!(ending.is_err(), "call {number}: silence is no proof");
        sim.revive();
        assert_eq!(tear_down(&sim).await, Verdict::Clean, "{fault:?} at call {number}");
        assert_eq!(counts(&sim), [], "{fault:?} at call {number}");
        number += 1;
    }
}
