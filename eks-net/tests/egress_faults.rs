//! Ways out on an EC2 that fails: a lost answer, and a process that is killed, at every call.

#[expect(dead_code, reason = "other suites use the rest")]
mod common;

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use common::{builder, counts, owner, process, tear_down};
use eks_core::Verdict;
use eks_net::{Endpoint, Nat, NetworkSpec, Subnet};
use eks_sim::{Fault, Sim, When};

type Done = Result<(), Box<dyn std::error::Error>>;
type Made<T> = Result<T, Box<dyn std::error::Error>>;

/// An account in which a minute passes for each second of the client's, so that polls, which are all alike, are few; with a
/// transit gateway of somebody else's, where the network is to be attached to one.
async fn account(network: &dyn Fn(&str) -> Made<NetworkSpec>, hub: bool) -> Made<(Sim, NetworkSpec)> {
    let sim = Sim::builder().speed(60.0).build();
    if !hub {
        return Ok((sim, network("")?));
    }
    let other = Client::new(&sim.sdk_config());
    let gateway = other.create_transit_gateway().description("hub").send().await?;
    let id = gateway.transit_gateway().and_then(|gateway| gateway.transit_gateway_id()).unwrap_or_default().to_owned();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    Ok((sim, network(&id)?))
}

/// The calls that applying this network makes, by action and how many of it came before; and what then stands.
async fn calls(network: &dyn Fn(&str) -> Made<NetworkSpec>, hub: bool) -> Made<(Vec<(String, u64)>, Vec<(String, usize)>)> {
    let (sim, spec) = account(network, hub).await?;
    let (networks, engine) = process(&sim);
    let plan = networks.plan(&spec).await?;
    let planned = sim.log().len();
    plan.apply(&engine).await?;
    let log = sim.log();
    let mut before: BTreeMap<&str, u64> = BTreeMap::new();
    let mut calls = Vec::new();
    for (number, call) in log.calls().iter().enumerate() {
        let nth = before.entry(&call.action).or_default();
        *nth += 1;
        if number >= planned {
            calls.push((call.action.clone(), *nth));
        }
    }
    Ok((calls, counts(&sim)))
}

fn is_write(action: &str) -> bool {
    !action.starts_with("Describe")
}

/// Loses the answer of each kind of write in turn, the first and the last of it; then kills the process after each call, or
/// after every so many, and at the same calls of a teardown.
async fn survives(network: &dyn Fn(&str) -> Made<NetworkSpec>, hub: bool, every: usize) -> Done {
    let (calls, standing) = calls(network, hub).await?;
    let mut nth: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (action, number) in calls.iter().filter(|(action, _)| is_write(action)) {
        nth.entry(action).or_insert((*number, *number)).1 = *number;
    }
    for (action, (first, last)) in nth {
        for number in [Some(first), (first != last).then_some(last)].into_iter().flatten() {
            lost(network, hub, action, number, &standing).await?;
        }
    }
    for (number, _) in calls.iter().enumerate().step_by(every) {
        killed(network, hub, number as u64 + 1, &standing).await?;
    }
    Ok(())
}

async fn lost(network: &dyn Fn(&str) -> Made<NetworkSpec>, hub: bool, action: &str, nth: u64, standing: &[(String, usize)]) -> Done {
    let named = format!("lost answer of {action} number {nth}");
    let (sim, spec) = account(network, hub).await?;
    let before = counts(&sim);
    let (networks, engine) = process(&sim);
    let plan = networks.plan(&spec).await?;
    sim.inject(When::Action { service: "ec2".to_owned(), action: action.to_owned(), nth }, Fault::LoseAnswer);
    plan.apply(&engine).await.map_err(|error| format!("{named}: {error}"))?;
    assert_eq!(sim.faults_pending(), 0, "{named} did not happen");
    assert_eq!(counts(&sim), standing, "{named}");
    let again = networks.plan(&spec).await?;
    assert!(again.is_noop(), "{named}: {again}");
    assert_eq!(tear_down(&sim).await, Verdict::Clean, "{named}");
    assert_eq!(counts(&sim), before, "{named}");
    Ok(())
}

async fn killed(network: &dyn Fn(&str) -> Made<NetworkSpec>, hub: bool, number: u64, standing: &[(String, usize)]) -> Done {
    let named = format!("killed after call {number}");
    let (sim, spec) = account(network, hub).await?;
    let before = counts(&sim);
    let (networks, engine) = process(&sim);
    let plan = networks.plan(&spec).await?;
    sim.inject(When::Call(sim.log().len() as u64 + number), Fault::KillAfter);
    let ended = plan.apply(&engine).await;
    if sim.faults_pending() > 0 {
        // The last call, which this run did without.
        assert!(ended?.is_complete(), "{named}");
        return Ok(());
    }
    assert!(ended.is_err(), "{named}: the process is dead");
    sim.revive();

    let (networks, engine) = process(&sim);
    let plan = networks.plan(&spec).await.map_err(|error| format!("{named}: {error}"))?;
    plan.apply(&engine).await.map_err(|error| format!("{named}: {error}"))?;
    assert_eq!(counts(&sim), standing, "{named}");
    let again = networks.plan(&spec).await?;
    assert!(again.is_noop(), "{named}: {again}");

    // The same for the way back.
    let teardown = networks.teardown(&owner()).await?;
    sim.inject(When::Call(sim.log().len() as u64 + number), Fault::KillAfter);
    let ended = teardown.apply(&engine).await;
    if sim.faults_pending() > 0 {
        assert_eq!(ended?.verdict, Verdict::Clean, "{named}: the teardown has fewer calls");
        return Ok(());
    }
    assert!(ended.is_err(), "{named} of the teardown: silence is no proof");
    sim.revive();
    assert_eq!(tear_down(&sim).await, Verdict::Clean, "{named} of the teardown");
    assert_eq!(counts(&sim), before, "{named} of the teardown");
    Ok(())
}

fn inner() -> eks_net::NetworkSpecBuilder {
    NetworkSpec::builder(&owner(), "10.0.0.0/16")
        .subnet(Subnet::private("us-east-1a", "10.0.0.0/20"))
        .subnet(Subnet::private("us-east-1b", "10.0.16.0/20"))
}

#[tokio::test(start_paused = true)]
async fn a_gateway_in_each_zone() -> Done {
    survives(&|_| Ok(builder().nat(Nat::PerZone).build()?), false, 1).await
}

#[tokio::test(start_paused = true)]
async fn a_regional_gateway() -> Done {
    survives(&|_| Ok(inner().nat(Nat::Regional).build()?), false, 1).await
}

#[tokio::test(start_paused = true)]
async fn endpoints() -> Done {
    let network = |_: &str| {
        let builder = inner().nat(Nat::None).endpoint(Endpoint::gateway("s3"));
        Ok(builder.endpoint(Endpoint::interface("ec2")).endpoint(Endpoint::interface("sts")).build()?)
    };
    survives(&network, false, 1).await
}

#[tokio::test(start_paused = true)]
async fn two_families_and_a_secondary_block() -> Done {
    let network = |_: &str| {
        let pods = Subnet::private("us-east-1a", "100.64.0.0/18").named("pods");
        let public = Subnet::public("us-east-1a", "10.0.32.0/24");
        Ok(inner().ipv6().secondary_cidr("100.64.0.0/16").subnet(pods).subnet(public).nat(Nat::None).build()?)
    };
    survives(&network, false, 1).await
}

#[tokio::test(start_paused = true)]
async fn a_transit_gateway() -> Done {
    survives(&|hub| Ok(inner().nat(Nat::TransitGateway(hub.to_owned())).build()?), true, 2).await
}

/// A VPC that stands gets IPv6: its block comes by a call that would give a second one.
#[tokio::test(start_paused = true)]
async fn one_family_becomes_two_once() -> Done {
    for (action, fault) in [
        ("AssociateVpcCidrBlock", Fault::LoseAnswer),
        ("AssociateVpcCidrBlock", Fault::KillAfter),
        ("AssociateSubnetCidrBlock", Fault::LoseAnswer),
        ("AssociateSubnetCidrBlock", Fault::KillAfter),
        ("CreateEgressOnlyInternetGateway", Fault::KillAfter),
    ] {
        let named = format!("{fault:?} at {action}");
        let sim = Sim::builder().speed(60.0).build();
        let (networks, engine) = process(&sim);
        networks.plan(&inner().nat(Nat::None).build()?).await?.apply(&engine).await?;
        let spec = inner().nat(Nat::None).ipv6().build()?;
        let plan = networks.plan(&spec).await?;
        sim.inject(When::Action { service: "ec2".to_owned(), action: action.to_owned(), nth: 1 }, fault);
        let ended = plan.apply(&engine).await;
        assert_eq!(sim.faults_pending(), 0, "{named} did not happen");
        if ended.is_err() {
            sim.revive();
            let (networks, engine) = process(&sim);
            networks.plan(&spec).await?.apply(&engine).await.map_err(|error| format!("{named}: {error}"))?;
        }
        let (networks, _) = process(&sim);
        assert!(networks.plan(&spec).await?.is_noop(), "{named}");
        let now = networks.observe(&owner()).await?;
        assert_eq!((now.vpcs[0].blocks.len(), now.egress_only_gateways.len()), (1, 1), "{named}");
        assert_eq!(tear_down(&sim).await, Verdict::Clean, "{named}");
    }
    Ok(())
}
