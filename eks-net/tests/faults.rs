//! The network on an EC2 that fails: lost answers, throttling, and a process that is killed at any call.

mod common;

use std::{ops::RangeInclusive, time::Duration};

use aws_sdk_ec2::{
    Client,
    types::{ResourceType, Tag, TagSpecification},
};
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

/// An account in which a minute passes for each second of the client's, so that polls, which are all alike, are few.
fn fast() -> Sim {
    Sim::builder().speed(60.0).build()
}

/// Applies the chapter with these faults in one run, which must come through.
async fn comes_through(faults: Vec<(When, Fault)>) -> Result<Sim, Box<dyn std::error::Error>> {
    let sim = fast();
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
    Ok(sim)
}

/// Likewise with this fault at every kind of write, once each; what has come through is torn down without a trace.
async fn all_come_through(fault: &Fault) -> Done {
    let sim = comes_through(WRITES.map(|action| (at(action, 1), fault.clone())).to_vec()).await?;
    assert_eq!(tear_down(&sim).await, Verdict::Clean);
    assert_eq!(counts(&sim), [], "{fault:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn lost_answers_make_nothing_twice() -> Done {
    for action in WRITES {
        comes_through(vec![(at(action, 1), Fault::LoseAnswer)]).await?;
    }
    all_come_through(&Fault::LoseAnswer).await
}

/// A request that arrives after its answer was given up is found by one of the looks, and not made again.
#[tokio::test(start_paused = true)]
async fn a_create_that_arrives_late_is_found() -> Done {
    let sim = Sim::new();
    let (networks, engine) = process(&sim);
    let plan = networks.plan(&chapter()).await?;
    sim.inject(at("CreateVpc", 1), Fault::TimeOut);
    let seen = sim.log().count("ec2", "DescribeVpcs");
    let late = async {
        // The run observes once; then two looks find nothing.
        while sim.log().count("ec2", "DescribeVpcs") < seen + 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let tags = owner().tags(&"net/vpc".parse()?).into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags = TagSpecification::builder().resource_type(ResourceType::Vpc).set_tags(Some(tags.collect())).build();
        Client::new(&sim.sdk_config()).create_vpc().cidr_block("10.0.0.0/16").tag_specifications(tags).send().await?;
        Done::Ok(())
    };
    let (report, late) = tokio::join!(plan.apply(&engine), late);
    late?;
    assert!(report?.is_complete());
    assert_eq!(counts(&sim), standing());
    assert!(networks.plan(&chapter()).await?.is_noop());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn throttled_and_timed_out_calls_are_late_not_failed() -> Done {
    for fault in [Fault::Throttle, Fault::TimeOut] {
        all_come_through(&fault).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_internal_error_is_tried_again() -> Done {
    let fault = Fault::Refuse { status: 500, code: "InternalError".to_owned(), message: "An internal error has occurred".to_owned() };
    all_come_through(&fault).await
}

/// The numbers of the calls that applying the chapter makes.
async fn calls() -> Result<RangeInclusive<u64>, Box<dyn std::error::Error>> {
    let sim = fast();
    let (networks, engine) = process(&sim);
    let plan = networks.plan(&chapter()).await?;
    let planned = sim.log().len() as u64;
    plan.apply(&engine).await?;
    Ok(planned + 1..=sim.log().len() as u64)
}

/// Kills the process with this fault at every call of a run in turn, or every so many; each time a second process must finish.
async fn killed_at_calls(fault: Fault, every: usize) -> Done {
    for number in calls().await?.step_by(every) {
        let named = format!("{fault:?} at call {number}");
        let sim = fast();
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
async fn killed_before_a_call_a_second_run_finishes() -> Done {
    // Mostly what a kill after the call before it leaves.
    killed_at_calls(Fault::KillBefore, 3).await
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_call_a_second_run_finishes() -> Done {
    killed_at_calls(Fault::KillAfter, 1).await
}

#[tokio::test(start_paused = true)]
async fn killed_at_a_call_a_second_teardown_finishes() -> Done {
    let mut number = 1;
    loop {
        let sim = fast();
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
        // Most removals are one of several alike.
        number += 3;
    }
}
