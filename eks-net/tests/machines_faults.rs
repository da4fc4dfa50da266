//! The chapter's machines on an AWS that fails: lost answers, throttling, and a process that is killed at any call.

#[expect(dead_code, reason = "shared with the network's tests")]
mod common;
mod machines_common;

use std::ops::RangeInclusive;

use common::{chapter, counts};
use eks_core::Verdict;
use eks_sim::{Fault, Sim, When};
use machines_common::{Process, balancer, empty, machine_counts, machines, private, public};

type Failure = Box<dyn std::error::Error>;
type Done = Result<(), Failure>;

const STANDING: [(&str, usize); 3] = [("ec2/instance", 2), ("ec2/volume", 3), ("elb/load-balancer", 1)];

/// An account in which a minute passes for each second of the client's, so that polls, which are all alike, are few; with the network,
/// which has tests of its own.
async fn furnished() -> Result<(Sim, Process), Failure> {
    let sim = Sim::builder().speed(60.0).build();
    let process = Process::new(&sim);
    process.networks.plan(&chapter()).await?.apply(&process.engine).await?;
    Ok((sim, process))
}

/// The numbers of the calls that applying the chapter makes, counted from the plan, and their names.
async fn calls() -> Result<(RangeInclusive<u64>, Vec<String>), Failure> {
    let (sim, process) = furnished().await?;
    let plan = process.plan(&chapter(), &machines()).await?;
    let planned = sim.log().len();
    plan.apply(&process.engine).await?;
    let names = sim.log().calls()[planned..].iter().map(|call| call.action.clone()).collect();
    Ok((1..=(sim.log().len() - planned) as u64, names))
}

/// Applies with this fault at this call of the run.
async fn with_fault(number: u64, fault: &Fault) -> Result<(Sim, Process, Result<(), String>), Failure> {
    let (sim, process) = furnished().await?;
    let plan = process.plan(&chapter(), &machines()).await?;
    sim.inject(When::Call(sim.log().len() as u64 + number), fault.clone());
    let result = plan.apply(&process.engine).await.map(drop).map_err(|error| error.to_string());
    Ok((sim, process, result))
}

/// What fails for once is tried again: nothing is made twice, nothing is left out.
async fn comes_through(fault: Fault) -> Done {
    let (numbers, names) = calls().await?;
    for (number, name) in numbers.zip(names) {
        let named = format!("{fault:?} at call {number} ({name})");
        let (sim, process, result) = with_fault(number, &fault).await?;
        result.map_err(|error| format!("{named}: {error}"))?;
        assert_eq!(machine_counts(&sim), STANDING, "{named}");
        let again = process.plan(&chapter(), &machines()).await?;
        assert!(again.is_noop(), "{named}: {again}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn lost_answers_make_nothing_twice() -> Done {
    comes_through(Fault::LoseAnswer).await
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_late_not_failed() -> Done {
    comes_through(Fault::Throttle).await
}

async fn killed(fault: Fault) -> Done {
    let (numbers, names) = calls().await?;
    for (number, name) in numbers.zip(names) {
        let named = format!("{fault:?} at call {number} ({name})");
        let (sim, _, result) = with_fault(number, &fault).await?;
        assert!(result.is_err(), "{named}: the process is dead");
        sim.revive();
        let process = Process::new(&sim);
        process.apply(&machines()).await.map_err(|error| format!("{named}: {error}"))?;
        assert_eq!(machine_counts(&sim), STANDING, "{named}");
        let again = process.plan(&chapter(), &machines()).await?;
        assert!(again.is_noop(), "{named}: {again}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn killed_before_any_call_a_second_run_finishes() -> Done {
    killed(Fault::KillBefore).await
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_call_a_second_run_finishes() -> Done {
    killed(Fault::KillAfter).await
}

/// A volume that moves, grows, and a load balancer that changes: each call of it may be the last.
#[tokio::test(start_paused = true)]
async fn changes_survive_lost_answers_and_kills() -> Done {
    let larger = || eks_net::machines::Volume::new("data", 80).attach_to("second", "/dev/sdf");
    let second = || eks_net::machines::Instance::public("second", "us-east-1a").instance_type("t2.nano").security_group("public");
    let changed = empty()
        .instance(public().hop_limit(2))
        .instance(private())
        .instance(second())
        .volume(larger())
        .load_balancer(
            balancer().zones(["us-east-1a"]).idle_timeout(90).listener(eks_net::machines::Listener::tcp(22, 22)).instance("second"),
        )
        .build()?;
    for fault in [Fault::LoseAnswer, Fault::KillAfter] {
        let mut number = 1;
        loop {
            let named = format!("{fault:?} at call {number}");
            let (sim, process) = furnished().await?;
            process.apply(&machines()).await?;
            let plan = process.plan(&chapter(), &changed).await?;
            sim.inject(When::Call(sim.log().len() as u64 + number), fault.clone());
            let result = plan.apply(&process.engine).await;
            if sim.faults_pending() > 0 {
                // The run has fewer calls.
                assert!(result?.is_complete() && number > 20, "{named}");
                break;
            }
            if fault == Fault::LoseAnswer {
                result.map_err(|error| format!("{named}: {error}"))?;
            } else {
                assert!(result.is_err(), "{named}: the process is dead");
                sim.revive();
                Process::new(&sim).apply(&changed).await.map_err(|error| format!("{named}: {error}"))?;
            }
            let again = process.plan(&chapter(), &changed).await?;
            assert!(again.is_noop(), "{named}: {again}");
            assert_eq!(machine_counts(&sim), [("ec2/instance", 3), ("ec2/volume", 4), ("elb/load-balancer", 1)], "{named}");
            number += 1;
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn killed_at_a_call_a_second_teardown_finishes() -> Done {
    for fault in [Fault::KillBefore, Fault::KillAfter, Fault::LoseAnswer] {
        let mut number = 1;
        loop {
            let named = format!("{fault:?} at call {number}");
            let (sim, process) = furnished().await?;
            process.apply(&machines()).await?;
            let teardown = process.machines.teardown(&common::owner()).await?;
            sim.inject(When::Call(sim.log().len() as u64 + number), fault.clone());
            let ending = teardown.apply(&process.engine).await;
            if sim.faults_pending() > 0 {
                // The teardown has fewer calls.
                assert_eq!(ending?.verdict, Verdict::Clean, "{named}");
                break;
            }
            if fault == Fault::LoseAnswer {
                assert_eq!(ending?.verdict, Verdict::Clean, "{named}");
            } else {
                assert!(ending.is_err(), "{named}: silence is no proof");
                sim.revive();
            }
            assert_eq!(Process::new(&sim).tear_down().await?, Verdict::Clean, "{named}");
            assert_eq!(counts(&sim), [], "{named}");
            number += 1;
        }
    }
    Ok(())
}
