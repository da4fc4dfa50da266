//! Upgrades on the simulator: hop by hop, through gates, faults and kills, and back.

#[cfg(feature = "kube")]
mod kubernetes;
mod sweep;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use eks_cluster::{
    Addon, Addons, AutoMode, ClusterAccess, ClusterSpec, KubernetesVersion,
    upgrade::{
        InsightStatus, ManagedNodes, NodeKind, NodeVersion, ReadNodes, Rollback, Rule, SeenNodes, Upgrade, UpgradeBuilder, UpgradeError,
        UpgradePlan,
    },
};
use eks_core::{
    AuthenticationMode, Error, Owner,
    engine::{ApplyError, BoxFuture, Engine},
};
use eks_sim::{DeprecatedUse, Fault, Sim, When};

use crate::support::{Account, Tested};

/// 2026-11-22T12:00:00Z.
fn sim() -> Sim {
    Sim::builder().starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_348_800)).build()
}

fn v(minor: u16) -> KubernetesVersion {
    format!("1.{minor}").parse().expect("a version")
}

/// Nodes that a test says; anything may be done to them between two reads.
#[derive(Clone, Debug, Default)]
struct Nodes(Arc<Mutex<Vec<NodeVersion>>>);

impl Nodes {
    fn set(&self, minors: &[u16]) {
        let node = |(at, minor): (usize, &u16)| NodeVersion::new(format!("n{at}"), NodeKind::SelfManaged, &format!("v1.{minor}.2-eks-1"));
        *self.0.lock().expect("a lock") = minors.iter().enumerate().filter_map(|pair| node(pair).ok()).collect();
    }
}

impl ReadNodes for Nodes {
    fn read<'a>(&'a self, _: &'a ClusterAccess) -> BoxFuture<'a, Result<SeenNodes, Error>> {
        Box::pin(async { Ok(SeenNodes::new(self.0.lock().expect("a lock").clone(), None)) })
    }
}

/// An account with a cluster of a version, vpc-cni and kube-proxy as add-ons, and nodes of that version.
async fn account(minor: u16) -> Result<(Account, Nodes), Box<dyn std::error::Error>> {
    account_with(minor, Addon::new("kube-proxy")).await
}

async fn account_with(minor: u16, kube_proxy: Addon) -> Result<(Account, Nodes), Box<dyn std::error::Error>> {
    let mut account = Account::new(sim()).await?;
    let addons: Addons = [Addon::new("vpc-cni"), kube_proxy].into_iter().collect();
    let spec = ClusterSpec::builder(&account.owner, account.name.clone(), v(minor), account.network.clone())
        .addons(addons)
        .bootstrap_self_managed_addons(false)
        .build()?;
    account.clusters.plan(&spec).await?.apply(&slow(&account)).await?;
    let nodes = Nodes::default();
    nodes.set(&[minor]);
    account.clusters = account.clusters.with_nodes(nodes.clone());
    Ok((account, nodes))
}

fn upgrade(account: &Account, to: u16) -> UpgradeBuilder {
    Upgrade::builder(&account.owner, account.name.clone(), "us-east-1".parse().expect("a Region"), v(to))
}

async fn version(account: &Account) -> Result<String, Box<dyn std::error::Error>> {
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let told = eks.describe_cluster().name(account.name.as_str()).send().await?;
    Ok(told.cluster().and_then(|cluster| cluster.version()).unwrap_or_default().to_owned())
}

async fn addon(account: &Account, name: &str) -> Result<String, Box<dyn std::error::Error>> {
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let told = eks.describe_addon().cluster_name(account.name.as_str()).addon_name(name).send().await?;
    Ok(told.addon().and_then(|addon| addon.addon_version()).unwrap_or_default().to_owned())
}

fn at(account: &Account, action: &str, fault: Fault) {
    account.sim.inject(When::Action { service: "eks".to_owned(), action: action.to_owned(), nth: 1 }, fault);
}

/// What a run that ended early failed with.
fn failure(result: Result<eks_core::engine::Report, ApplyError>) -> String {
    match result {
        Err(ApplyError::Incomplete { report }) => report.failures().map(|(key, error)| format!("{key}: {}", error.chain())).collect(),
        other => panic!("not incomplete: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn two_hops_then_nothing_to_do_in_eight_calls() -> Tested {
    let (account, _) = account(34).await?;
    let upgrade = upgrade(&account, 36).build()?;
    let before = account.sim.log().len();
    let planned = account.clusters.upgrade(&upgrade).await?;
    assert!(planned.gate().is_none());
    let report = planned.plan().apply(&account.engine()).await?;
    let (told, calls) = (planned.plan().iam_actions(), account.calls_since(before));
    assert!(calls.iter().all(|call| told.contains(call.as_str())), "{calls:?} not within {told:?}");
    assert_eq!(account.sim.log().count("eks", "UpdateClusterVersion"), 2);
    let expected = planned.plan().critical_path().0;
    assert!(report.took < expected.mul_f64(1.25), "{:?} instead of {expected:?}", report.took);
    assert_eq!(version(&account).await?, "1.36");
    assert!(addon(&account, "kube-proxy").await?.starts_with("v1.36."));

    let before = account.sim.log().len();
    let again = account.clusters.upgrade(&upgrade).await?;
    assert!(again.is_done(), "{again}");
    let calls = account.calls_since(before);
    assert!(calls.len() <= 5, "three and one an add-on: {calls:?}");
    assert_eq!(again.plan().apply(&account.engine()).await?.failures().count(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_gate_opens_when_the_nodes_are_newer() -> Tested {
    let (account, nodes) = account(33).await?;
    nodes.set(&[32, 33]);
    let upgrade = upgrade(&account, 37).build()?;
    let mut gates = Vec::new();
    let mut runs = 0;
    loop {
        let planned = account.clusters.upgrade(&upgrade).await?;
        planned.plan().apply(&account.engine()).await?;
        runs += 1;
        assert_eq!(version(&account).await?, planned.reached().to_string());
        let Some(gate) = planned.gate() else { break };
        gates.push((gate.before, gate.nodes.iter().map(|held| held.node.name.clone()).collect::<Vec<_>>()));
        nodes.set(&[gate.become_version().minor(); 2]);
    }
    assert_eq!(gates, [(v(36), vec!["n0".to_owned()])]);
    assert_eq!((runs, version(&account).await?.as_str()), (2, "1.37"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_node_that_came_after_the_plan_stops_the_hop_it_would_break() -> Tested {
    let (account, nodes) = account(34).await?;
    let planned = account.clusters.upgrade(&upgrade(&account, 35).build()?).await?;
    let engine = account.engine().observer({
        let nodes = nodes.clone();
        // As an Auto Scaling group with an old image does, in the midst of the run.
        move |event| {
            if matches!(event, eks_core::engine::Event::RunStarted { .. }) {
                nodes.set(&[34, 31]);
            }
        }
    });
    let told = failure(planned.plan().apply(&engine).await);
    assert!(told.contains("node n1: is at 1.31, which does not go with 1.34 and 1.35 (rule kubelet-lag;"), "{told}");
    assert_eq!(version(&account).await?, "1.34");
    // Known before, it is a difference.
    let late = account.clusters.upgrade(&upgrade(&account, 35).build()?).await?;
    nodes.set(&[34]);
    assert!(matches!(late.plan().apply(&account.engine()).await, Err(ApplyError::Stale { .. })));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_eks_finds_before_the_second_hop_stops_the_run_and_can_be_accepted() -> Tested {
    let (account, _) = account(34).await?;
    account.sim.enforce_upgrade_insights(true);
    account.sim.use_deprecated_api(
        account.name.as_str(),
        DeprecatedUse {
            usage: "/apis/example/v1beta1/things".to_owned(),
            replaced_with: "/apis/example/v1/things".to_owned(),
            stop_serving_version: "1.36".to_owned(),
            user_agent: "old-controller/v1".to_owned(),
            requests: 7,
        },
    );
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    let planned = account.clusters.upgrade(&upgrade(&account, 36).build()?).await?;
    let warned = |finding: &&eks_core::Finding| finding.message.contains("is in WARNING") && finding.message.contains("old-controller/v1");
    assert!(planned.plan().findings().iter().any(warned), "{planned}");
    let told = failure(planned.plan().apply(&account.engine()).await);
    assert!(
        told.starts_with("cluster/upgrade/1.36/insights: Kubernetes 1.36: insight \"Deprecated APIs removed in Kubernetes v1.36\""),
        "{told}"
    );
    assert!(told.contains("(rule insight;"), "{told}");
    assert_eq!(version(&account).await?, "1.35");

    let refused = account.clusters.upgrade(&upgrade(&account, 36).build()?).await.err().ok_or("not refused")?;
    assert_eq!(refused.rules(), [Rule::Insight]);
    let accepted = upgrade(&account, 36).accept_insight("Deprecated APIs removed in Kubernetes v1.36").build()?;
    account.clusters.upgrade(&accepted).await?.plan().apply(&account.engine()).await?;
    assert_eq!(version(&account).await?, "1.36");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn eks_own_refusals_are_told_by_their_rule() -> Tested {
    // The first is EKS's message as users met it (hashicorp/terraform-provider-aws#42031), the second likewise (#19478).
    let state = "Upgrade readiness issues detected. Call the EKS ListInsights API to view upgrade blocking issues detected by EKS.";
    let groups = "Nodegroups web must be updated to match cluster version 1.34 before updating cluster version";
    for (code, message, rule) in [
        ("InvalidStateException", state, Rule::Insight),
        ("InvalidRequestException", groups, Rule::ManagedNodesMatch),
        ("InvalidParameterException", groups, Rule::ManagedNodesMatch),
    ] {
        let (account, _) = account(34).await?;
        let planned = account.clusters.upgrade(&upgrade(&account, 35).build()?).await?;
        at(&account, "UpdateClusterVersion", Fault::Refuse { status: 400, code: code.to_owned(), message: message.to_owned() });
        let told = failure(planned.plan().apply(&account.engine()).await);
        assert!(told.contains(&format!("(rule {rule};")) && told.contains(message), "{told}");
        // What stood in the way is gone: the same upgrade goes on.
        account.clusters.upgrade(&upgrade(&account, 35).build()?).await?.plan().apply(&account.engine()).await?;
        assert_eq!(version(&account).await?, "1.35");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_update_that_fails_is_told_with_its_reason_and_another_can_begin() -> Tested {
    let (account, _) = account(34).await?;
    let ec2 = aws_sdk_ec2::Client::new(&account.sim.sdk_config());
    let planned = account.clusters.upgrade(&upgrade(&account, 35).build()?).await?;
    let mut taken = Vec::new();
    for subnet in &account.network.subnets {
        let subnet = subnet.id.known().ok_or("an id")?;
        while let Ok(made) = ec2.create_network_interface().subnet_id(subnet.as_str()).send().await {
            taken.extend(made.network_interface().and_then(|made| made.network_interface_id()).map(str::to_owned));
        }
    }
    let told = failure(planned.plan().apply(&account.engine()).await);
    assert!(told.contains("IpNotAvailable"), "{told}");
    let refused = account.clusters.upgrade(&upgrade(&account, 35).build()?).await.err().ok_or("not refused")?;
    assert_eq!(refused.rules(), [Rule::FreeAddresses], "the plan sees it beforehand: {refused}");
    for id in taken {
        ec2.delete_network_interface().network_interface_id(id).send().await?;
    }
    account.clusters.upgrade(&upgrade(&account, 35).build()?).await?.plan().apply(&account.engine()).await?;
    assert_eq!(version(&account).await?, "1.35");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_update_is_waited_for() -> Tested {
    let (account, _) = account(34).await?;
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let planned = account.clusters.upgrade(&upgrade(&account, 35).build()?).await?;
    eks.update_cluster_config().name(account.name.as_str()).deletion_protection(true).send().await?;
    planned.plan().apply(&account.engine()).await?;
    assert_eq!(version(&account).await?, "1.35");
    // EKS may tell a cluster ACTIVE while something is under way that it will not have two of.
    let planned = account.clusters.upgrade(&upgrade(&account, 36).build()?).await?;
    let busy = "Cannot update because cluster chap10 currently has update 4711 in progress";
    for nth in 1..=3 {
        let fault = Fault::Refuse { status: 409, code: "ResourceInUseException".to_owned(), message: busy.to_owned() };
        let when = When::Action { service: "eks".to_owned(), action: "UpdateClusterVersion".to_owned(), nth };
        account.sim.inject(when, fault);
    }
    planned.plan().apply(&account.engine()).await?;
    assert_eq!((account.sim.faults_pending(), version(&account).await?.as_str()), (0, "1.36"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn up_and_back_within_the_week() -> Tested {
    let (account, _) = account(34).await?;
    account.clusters.upgrade(&upgrade(&account, 35).build()?).await?.plan().apply(&account.engine()).await?;
    let back = back(&account, 34)?;
    let before = account.sim.log().len();
    let planned = account.clusters.rollback(&back).await?;
    planned.plan().apply(&account.engine()).await?;
    let (told, calls) = (planned.plan().iam_actions(), account.calls_since(before));
    assert!(calls.iter().all(|call| told.contains(call.as_str())), "{calls:?} not within {told:?}");
    assert_eq!(version(&account).await?, "1.34");
    assert!(addon(&account, "kube-proxy").await?.starts_with("v1.34."), "never newer than the API server");
    assert!(account.clusters.rollback(&back).await?.is_done());
    assert_eq!(account.clusters.cancel_rollback(&account.owner, &account.name).await?, None);
    let refused = account.clusters.cancel_rollback(&Owner::new("others")?, &account.name).await.err().ok_or("not refused")?;
    assert!(refused.to_string().contains("(rule cluster-of-others;"), "{refused}");
    // And up again.
    account.clusters.upgrade(&upgrade(&account, 35).build()?).await?.plan().apply(&account.engine()).await?;
    tokio::time::sleep(Duration::from_secs(8 * 86_400)).await;
    let late = account.clusters.rollback(&back).await.err().ok_or("not refused")?;
    assert_eq!(late.rules(), [Rule::RollbackWindow]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn without_a_reader_eks_insight_judges_nodes() -> Tested {
    let (account, _) = account(34).await?;
    let blind = eks_cluster::Clusters::new(&account.sim.sdk_config());
    let observed = blind.observe_upgrade(&account.owner, &upgrade(&account, 35).build()?.scope()).await?;
    assert!(!observed.nodes.complete && observed.nodes.nodes.is_empty());
    assert!(observed.insights.iter().all(|insight| insight.status == InsightStatus::Passing), "{:?}", observed.insights);
    assert!(observed.free_addresses.is_some_and(|free| free.len() == 2));
    // A handle of another Region says so.
    let elsewhere = Upgrade::builder(&account.owner, account.name.clone(), "eu-west-1".parse()?, v(35)).build()?;
    assert!(matches!(blind.upgrade(&elsewhere).await, Err(UpgradeError::Other(Error::Refused { .. }))));
    let strict = upgrade(&account, 35).managed_nodes(ManagedNodes::MatchFirst).build()?;
    assert!(blind.upgrade(&strict).await?.gate().is_none(), "there are no managed nodes");
    Ok(())
}

/// Polls at a tenth of the pace: fewer calls, each of which is one more to fail at.
fn slow(account: &Account) -> Engine {
    account.engine().speed(0.1)
}

/// A way through versions.
#[derive(Clone, Debug)]
enum Journey {
    Up(Upgrade),
    Back(Rollback),
}

impl Journey {
    async fn plan(&self, account: &Account) -> Result<UpgradePlan, UpgradeError> {
        match self {
            Self::Up(upgrade) => account.clusters.upgrade(upgrade).await,
            Self::Back(rollback) => account.clusters.rollback(rollback).await,
        }
    }

    /// Applies what can be done now. What a killed run began may end between the plan and its application: then it is planned again.
    async fn run(&self, account: &Account) -> Result<(), String> {
        for _ in 0..3 {
            let planned = self.plan(account).await.map_err(|error| error.to_string())?;
            match planned.plan().apply(&slow(account)).await {
                Ok(_) => return Ok(()),
                Err(ApplyError::Stale { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("stale three times".to_owned())
    }
}

fn back(account: &Account, to: u16) -> Result<Rollback, Box<dyn std::error::Error>> {
    Ok(Rollback::builder(&account.owner, account.name.clone(), "us-east-1".parse()?, v(to)).build()?)
}

#[tokio::test(start_paused = true)]
async fn a_rollback_on_auto_mode_that_was_killed_goes_on_while_nodes_go_back() -> Tested {
    let mut account = Account::new(sim()).await?;
    let role: eks_core::RoleArn = account.role("auto-nodes", "ec2.amazonaws.com").await?.parse()?;
    let spec = ClusterSpec::builder(&account.owner, account.name.clone(), v(34), account.network.clone())
        .authentication(AuthenticationMode::Api)
        .auto_mode(AutoMode::with_pools(role))
        .no_addons()
        .build()?;
    account.clusters.plan(&spec).await?.apply(&slow(&account)).await?;
    let nodes = Nodes::default();
    account.clusters = account.clusters.with_nodes(nodes.clone());
    account.clusters.upgrade(&upgrade(&account, 35).build()?).await?.plan().apply(&account.engine()).await?;
    *nodes.0.lock().expect("a lock") = vec![NodeVersion::new("i-1", NodeKind::AutoMode, "v1.35.2-eks-1")?];

    let back = back(&account, 34)?;
    let planned = account.clusters.rollback(&back).await?;
    at(&account, "UpdateClusterVersion", Fault::KillAfter);
    assert!(planned.plan().apply(&account.engine()).await.is_err());
    account.sim.revive();
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let told = eks.describe_cluster().name(account.name.as_str()).send().await?;
    assert_eq!(told.cluster().and_then(|cluster| cluster.status()).map(|status| status.as_str()), Some("ACTIVE"), "nodes go first");
    assert_eq!(version(&account).await?, "1.35");
    let again = account.clusters.rollback(&back).await?;
    let step = again.plan().step("cluster/rollback/1.34/control-plane").ok_or("no step")?;
    assert_eq!(step.changes, ["version: 1.35 → 1.34, already under way"]);
    again.plan().apply(&account.engine()).await?;
    assert_eq!(version(&account).await?, "1.34");
    assert_eq!(account.sim.log().count("eks", "UpdateClusterVersion"), 2, "one up, one back");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_add_on_that_somebody_else_updates_is_waited_for() -> Tested {
    let (account, _) = account(34).await?;
    let planned = account.clusters.upgrade(&upgrade(&account, 35).build()?).await?;
    let busy = "Addon kube-proxy cannot be updated as it is currently in UPDATING state";
    // More often than two minutes of repeated calls would last.
    for nth in 1..=100 {
        let fault = Fault::Refuse { status: 409, code: "ResourceInUseException".to_owned(), message: busy.to_owned() };
        account.sim.inject(When::Action { service: "eks".to_owned(), action: "UpdateAddon".to_owned(), nth }, fault);
    }
    planned.plan().apply(&account.engine()).await?;
    assert_eq!(account.sim.faults_pending(), 0);
    assert!(addon(&account, "kube-proxy").await?.starts_with("v1.35."));
    Ok(())
}
