//! Testing your own program offline: a small program, and what it does when calls are refused, throttled, lose their answers, or when
//! its process dies.
//!
//! `cargo run --example offline-tests` shows it as a table; `cargo test --example offline-tests` runs the tests of `tests.rs`, as you
//! would write them for a program of yours. Nothing of it needs an account, a network or Docker; minutes of AWS pass in milliseconds.

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use aws_types::SdkConfig;
use clap::Parser;
use eks_core::{Owner, engine::Engine};
use eks_examples::{
    environment::Failure,
    program::{Place, heading, say},
};
use eks_net::{Nat, NetworkSpec, Networks};
use eks_sim::{Fault, Sim, When};

/// The program under test: a network for a team, and the id of its VPC. It takes an `SdkConfig`; that is all that a test needs.
async fn network_for(team: &str, config: &SdkConfig) -> Result<String, Failure> {
    let network = NetworkSpec::builder(&Owner::new(team)?, "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"]).nat(Nat::Single).build()?;
    let networks = Networks::new(config);
    let report = networks.plan(&network).await?.apply(&Engine::new().driver(networks.clone())).await?;
    Ok(report.output("net/vpc", "id").ok_or("the VPC told no id")?.to_owned())
}

/// The program again and again in a simulated account with a fault, until it is done: how each run ended.
async fn until_done(sim: &Sim, when: Option<When>, fault: Fault) -> Vec<Result<String, Failure>> {
    if let Some(when) = when {
        sim.inject(when, fault);
    }
    let mut runs = Vec::new();
    while runs.len() < 3 && runs.last().is_none_or(Result::is_err) {
        sim.revive();
        runs.push(network_for("shop", &sim.sdk_config()).await);
    }
    runs
}

/// The first call of this action of EC2.
fn first(action: &str) -> When {
    When::Action { service: "ec2".to_owned(), action: action.to_owned(), nth: 1 }
}

/// Runs a small program under faults on the embedded simulator, and shows what becomes of it.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    place: Place,
}

fn main() -> ExitCode {
    let Options { place } = Options::parse();
    place.run_at(true, async || {
        if !place.is_simulator() {
            return Err("faults are the simulator's to make: leave --aws and --endpoint-url out".into());
        }
        let full =
            Fault::Refuse { status: 400, code: "VpcLimitExceeded".into(), message: "The maximum number of VPCs has been reached.".into() };
        let cases = [
            ("nothing goes wrong", None, Fault::Throttle),
            ("CreateNatGateway is throttled", Some(first("CreateNatGateway")), Fault::Throttle),
            ("CreateVpc: its answer is lost", Some(first("CreateVpc")), Fault::LoseAnswer),
            ("CreateSubnet hangs for ever", Some(first("CreateSubnet")), Fault::TimeOut),
            ("CreateVpc is refused: too many", Some(first("CreateVpc")), full),
            ("the process dies after CreateNatGateway", Some(first("CreateNatGateway")), Fault::KillAfter),
        ];
        heading("A program that makes a network, under faults");
        say(format!("{:<40} {:<26} {:>5} {:>5} {:>5} {:>8}", "fault", "runs", "calls", "VPCs", "NATs", "$/month"));
        for (what, when, fault) in cases {
            let sim = place.simulator().build();
            let runs = until_done(&sim, when, fault).await;
            let ends: Vec<_> = runs.iter().map(|run| if run.is_ok() { "done" } else { "failed" }).collect();
            let (there, count) = (sim.inventory(), |kind| sim.inventory().count(kind));
            let (vpcs, nats) = (count("ec2/vpc"), count("ec2/nat-gateway"));
            let (ends, calls, usd) = (ends.join(", then again: "), sim.log().len(), there.usd_per_month());
            say(format!("{what:<40} {ends:<26} {calls:>5} {vpcs:>5} {nats:>5} {usd:>8.2}"));
            runs.iter()
                .filter_map(|run| run.as_ref().err())
                .for_each(|error| say(format!("    {}", error.to_string().replace('\n', "\n    "))));
        }
        Ok(())
    })
}
