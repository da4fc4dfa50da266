//! Control planes on the simulator: every setting made and changed, protection, health, updates of others.

use std::time::Duration;

use crate::support::{Account, Tested};
use eks_cluster::{
    AutoMode, ClusterSpec, ClusterSpecBuilder, Components, EgressMode, Encryption, Endpoint, IpFamily, KubernetesVersion, LogType,
    NodePool, RemoteNetworks, ScalingTier, Scope, ScoringStrategy, UpgradePolicy, VersionChoice,
};
use eks_core::{Action, AuthenticationMode, Error, Ref, SubnetRef, Tier, engine::ApplyError};
use eks_sim::{Fault, Sim, When};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn key() -> Encryption {
    Encryption::CustomerManaged(KEY.parse().expect("an ARN"))
}

/// An account of 2026-11-22: support, and what it allows, depends on the day.
pub(crate) fn sim() -> Sim {
    Sim::builder().starting_at(std::time::UNIX_EPOCH + Duration::from_secs(1_795_348_800)).build()
}

pub(crate) fn bare(account: &Account) -> ClusterSpecBuilder {
    account.builder().no_addons()
}

/// Applies a spec; planned again there is nothing to do.
pub(crate) async fn settle(account: &Account, spec: &ClusterSpec) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let plan = account.clusters.plan(spec).await?;
    let changes = plan.step("cluster/control-plane").map(|step| step.changes.clone()).unwrap_or_default();
    if let Err(error) = plan.apply(&account.engine()).await {
        return Err(format!("{changes:?}: {error}").into());
    }
    let again = account.clusters.plan(spec).await?;
    assert!(again.is_noop(), "{changes:?}: {again}");
    Ok(changes)
}

/// A further subnet of the account's network.
pub(crate) async fn subnet(account: &Account, zone: &str, block: &str) -> Result<SubnetRef, Box<dyn std::error::Error>> {
    let ec2 = aws_sdk_ec2::Client::new(&account.sim.sdk_config());
    let vpc = account.network.vpc.known().ok_or("no VPC")?;
    let made = ec2.create_subnet().vpc_id(vpc.as_str()).cidr_block(block).availability_zone(zone).send().await?;
    let id = made.subnet().and_then(|subnet| subnet.subnet_id()).ok_or("no id")?;
    Ok(SubnetRef { id: Ref::Known(id.parse()?), zone: zone.parse()?, tier: Tier::Private })
}

#[tokio::test(start_paused = true)]
async fn every_setting_at_once_and_nothing_to_do_afterwards() -> Tested {
    let account = Account::new(sim()).await?;
    let node_role: eks_core::RoleArn = account.role("auto-nodes", "ec2.amazonaws.com").await?.parse()?;
    let spec = bare(&account)
        .authentication(AuthenticationMode::Api)
        .auto_mode(AutoMode::with_pools(node_role))
        .components(
            Components::default()
                .event_minutes(60)
                .node_ports(20000, 32767)
                .scoring(ScoringStrategy::MostAllocated, [("cpu", 2), ("memory", 1)])
                .terminated_pods(100)
                .autoscaler_seconds(10),
        )
        .egress(EgressMode::CustomerRouted)
        .encryption(key())
        .remote_networks(RemoteNetworks::new(["192.168.0.0/20".parse()?], ["192.168.128.0/17".parse()?]))
        .scaling_tier(ScalingTier::Xl)
        .zonal_shift(true)
        .upgrade_policy(UpgradePolicy::Standard)
        .logging(LogType::ALL)
        .endpoint(Endpoint::Both)
        .public_access_cidrs(["198.51.100.0/24"])
        .service_cidr("172.21.0.0/16")
        .deletion_protection(true)
        .tag("team", "platform")
        .build()?;
    let plan = account.clusters.plan(&spec).await?;
    // $0.10 an hour, and $1.65 for the tier.
    assert!((plan.usd_per_month() - 1.75 * 730.0).abs() < 1e-9, "{plan}");
    settle(&account, &spec).await?;
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    let attached = iam.list_attached_role_policies().role_name("chap10-cluster-us-east-1").send().await?;
    assert_eq!(attached.attached_policies().len(), 5, "Auto Mode's four beside the cluster's own");
    // What a spec leaves out stays as it is.
    let less = bare(&account)
        .authentication(AuthenticationMode::Api)
        .logging(LogType::ALL)
        .endpoint(Endpoint::Both)
        .public_access_cidrs(["198.51.100.0/24"])
        .deletion_protection(true)
        .build()?;
    let plan = account.clusters.plan(&less).await?;
    assert_eq!(plan.changes().map(|step| step.key.as_str()).collect::<Vec<_>>(), Vec::<&str>::new(), "{plan}");
    let notes = plan.findings().iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("\n");
    assert!(notes.contains("the spec says nothing of Auto Mode; it stays on, with node pools general-purpose, system under"), "{notes}");
    assert!(notes.contains("the spec says nothing of the scaling tier; it stays tier-xl"), "{notes}");
    assert!((plan.usd_per_month() - 1.75 * 730.0).abs() < 1e-9, "the tier that is there is in the price");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_change_in_place() -> Tested {
    let account = Account::new(sim()).await?;
    let node_role: eks_core::RoleArn = account.role("auto-nodes", "ec2.amazonaws.com").await?.parse()?;
    let other_subnet = subnet(&account, "us-east-1a", "10.0.20.0/24").await?;
    settle(&account, &bare(&account).authentication(AuthenticationMode::ConfigMap).build()?).await?;

    let mut network = account.network.clone();
    let before: Vec<_> = network.subnets.iter().map(|subnet| subnet.id.to_string()).collect();
    network.subnets[0] = other_subnet.clone();
    let over = |network: &eks_core::NetworkRefs| {
        ClusterSpec::builder(&account.owner, account.name.clone(), KubernetesVersion::V1_36, network.clone()).no_addons()
    };
    // Each row keeps what those before it have changed.
    type Change = Box<dyn Fn(ClusterSpecBuilder) -> ClusterSpecBuilder>;
    let role = node_role.clone();
    let rows: Vec<(Change, Vec<String>)> = vec![
        (
            Box::new(|builder| builder.authentication(AuthenticationMode::ApiAndConfigMap)),
            vec!["authentication mode: CONFIG_MAP → API_AND_CONFIG_MAP".into()],
        ),
        (Box::new(|builder| builder.authentication(AuthenticationMode::Api)), vec!["authentication mode: API_AND_CONFIG_MAP → API".into()]),
        (
            Box::new(|builder| builder.endpoint(Endpoint::Both).public_access_cidrs(["198.51.100.0/24"])),
            vec!["endpoint: public → public and private".into(), "public access CIDRs: 0.0.0.0/0 → 198.51.100.0/24".into()],
        ),
        (Box::new(|builder| builder.logging([LogType::Audit, LogType::Api])), vec!["logging: none → api, audit".into()]),
        (Box::new(|builder| builder.egress(EgressMode::CustomerRouted)), vec!["egress mode: AWS_MANAGED → CUSTOMER_ROUTED".into()]),
        (Box::new(|builder| builder.encryption(key())), vec![format!("encryption: a key of AWS's → {KEY}")]),
        (Box::new(|builder| builder.scaling_tier(ScalingTier::Xl2)), vec!["scaling tier: standard → tier-2xl".into()]),
        (
            Box::new(|builder| builder.components(Components::default().event_minutes(30).autoscaler_seconds(12))),
            vec!["events kept: not told → 30 min".into(), "autoscaler period: not told → 12 s".into()],
        ),
        (
            Box::new(|builder| {
                let nodes = "192.168.0.0/20".parse().expect("a block");
                builder.remote_networks(RemoteNetworks::new([nodes], []))
            }),
            vec!["remote networks: none → nodes 192.168.0.0/20".into()],
        ),
        (Box::new(|builder| builder.remote_networks(RemoteNetworks::none())), vec!["remote networks: nodes 192.168.0.0/20 → none".into()]),
        (
            Box::new(move |builder| {
                builder.auto_mode(AutoMode::On { node_pools: [NodePool::System].into(), node_role: Some(role.clone().into()) })
            }),
            vec![format!("Auto Mode: off → on, with node pools system under {node_role}")],
        ),
        (
            Box::new(|builder| builder.auto_mode(AutoMode::Off)),
            vec![format!("Auto Mode: on, with node pools system under {node_role} → off")],
        ),
        (Box::new(|builder| builder.zonal_shift(true)), vec!["zonal shift: off → on".into()]),
        (Box::new(|builder| builder.upgrade_policy(UpgradePolicy::Standard)), vec!["upgrade policy: EXTENDED → STANDARD".into()]),
        (Box::new(|builder| builder.deletion_protection(true)), vec!["deletion protection: off → on".into()]),
        (Box::new(|builder| builder.tag("team", "platform")), vec!["tag team: none → platform".into()]),
    ];
    let mut builder = bare(&account);
    for (change, expected) in rows {
        builder = change(builder);
        let changes = settle(&account, &builder.clone().build()?).await?;
        assert_eq!(changes, expected);
    }

    // Subnets and groups, in one call.
    let group = account.network.security_groups["eks-control-plane"].to_string();
    let moved = over(&network)
        .authentication(AuthenticationMode::Api)
        .endpoint(Endpoint::Both)
        .public_access_cidrs(["198.51.100.0/24"])
        .logging([LogType::Audit, LogType::Api])
        .deletion_protection(true)
        .build()?;
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids.join(", ")
    };
    let calls = account.sim.log().count("eks", "UpdateClusterConfig");
    let changes = settle(&account, &moved).await?;
    let wanted = format!("{}, {}", other_subnet.id, before[1]);
    assert_eq!(changes, [format!("subnets: {} → {wanted}", sorted(before.clone())), format!("security groups: {group} → none")]);
    assert_eq!(account.sim.log().count("eks", "UpdateClusterConfig") - calls, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_eks_never_changes_is_refused_with_the_reason() -> Tested {
    let account = Account::new(sim()).await?;
    settle(&account, &bare(&account).encryption(key()).egress(EgressMode::CustomerRouted).build()?).await?;
    let other = KEY.replace("1234abcd", "abcd1234");
    let only_a = {
        let mut network = account.network.clone();
        network.subnets[1] = subnet(&account, "us-east-1d", "10.0.21.0/24").await?;
        ClusterSpec::builder(&account.owner, account.name.clone(), KubernetesVersion::V1_36, network).no_addons()
    };
    let calls = account.sim.log().count("eks", "UpdateClusterConfig");
    for (wrong, reason) in [
        (bare(&account).ip_family(IpFamily::Ipv6), "its IP family is ipv4, the spec says ipv6; EKS cannot change it"),
        (
            bare(&account).service_cidr("172.21.0.0/16"),
            "its service CIDR is 172.20.0.0/16, the spec says 172.21.0.0/16; EKS cannot change it",
        ),
        (bare(&account).encryption(Encryption::AwsOwned), "EKS never takes a key away"),
        (bare(&account).encryption(Encryption::CustomerManaged(other.parse()?)), "EKS never replaces a key"),
        (bare(&account).egress(EgressMode::AwsManaged), "its egress mode is CUSTOMER_ROUTED, which is for good"),
        (bare(&account).authentication(AuthenticationMode::ConfigMap), "EKS has no way back to CONFIG_MAP"),
        (bare(&account).creator_admin(false), "was created with creator_admin true, the spec says false; EKS cannot change it"),
        (bare(&account).components(Components::default().autoscaler_seconds(10)).scaling_tier(ScalingTier::Xl), ""),
        (only_a, "was made with subnets in us-east-1b, where the spec gives none; EKS keeps a control plane in all its zones"),
    ] {
        match (account.clusters.plan(&wrong.build()?).await, reason) {
            (Ok(plan), "") => assert_eq!(plan.changes().count(), 1, "{plan}"),
            (Err(error @ Error::Refused { .. }), reason) if !reason.is_empty() => assert!(error.to_string().contains(reason), "{error}"),
            (other, _) => panic!("{reason}: {other:?}"),
        }
    }
    assert_eq!(account.sim.log().count("eks", "UpdateClusterConfig"), calls);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_update_of_somebody_else_is_waited_for() -> Tested {
    let account = Account::new(sim()).await?;
    settle(&account, &bare(&account).build()?).await?;
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let spec = bare(&account).logging([LogType::Audit]).zonal_shift(true).build()?;
    let plan = account.clusters.plan(&spec).await?;
    let shift = aws_sdk_eks::types::ZonalShiftConfigRequest::builder().enabled(true).build();
    // Theirs is one of ours, made in between: it is not made twice.
    let config = eks.update_cluster_config().name(account.name.as_str()).zonal_shift_config(shift).send().await?;
    let theirs = config.update().and_then(|update| update.id()).ok_or("no id")?.to_owned();
    plan.apply(&account.engine()).await?;
    let ended = eks.describe_update().name(account.name.as_str()).update_id(theirs).send().await?;
    assert_eq!(ended.update().and_then(|update| update.status()).map(|status| status.as_str()), Some("Successful"));
    assert_eq!(eks.list_updates().name(account.name.as_str()).send().await?.update_ids().len(), 2);
    assert!(account.clusters.plan(&spec).await?.is_noop());

    // One that EKS tells only by its refusal.
    let spec = bare(&account).logging([LogType::Audit]).zonal_shift(true).scaling_tier(ScalingTier::Xl).build()?;
    let message = "Cannot update because cluster chap10 currently has update x in progress".to_owned();
    let fault = Fault::Refuse { status: 409, code: "ResourceInUseException".to_owned(), message };
    for nth in 1..=20 {
        account.sim.inject(When::Action { service: "eks".to_owned(), action: "UpdateClusterConfig".to_owned(), nth }, fault.clone());
    }
    let start = account.sim.clock().now();
    settle(&account, &spec).await?;
    assert!(account.sim.clock().now() - start > Duration::from_secs(20 * 15), "five minutes of others' updates");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_kills_at_each_call_of_a_change() -> Tested {
    let changed = |account: &Account| {
        bare(account)
            .authentication(AuthenticationMode::Api)
            .encryption(key())
            .scaling_tier(ScalingTier::Xl)
            .components(Components::default().autoscaler_seconds(10))
            .logging([LogType::Audit])
            .tag("team", "platform")
            .build()
    };
    for (action, nth) in [
        ("UpdateClusterConfig", 1),
        ("UpdateClusterConfig", 2),
        ("UpdateClusterConfig", 4),
        ("AssociateEncryptionConfig", 1),
        ("TagResource", 1),
        ("DescribeUpdate", 1),
    ] {
        for fault in [Fault::LoseAnswer, Fault::KillAfter] {
            let account = Account::new(sim()).await?;
            settle(&account, &bare(&account).build()?).await?;
            let spec = changed(&account)?;
            let case = format!("{fault:?} at {action} {nth}");
            let plan = account.clusters.plan(&spec).await?;
            let kills = fault == Fault::KillAfter;
            account.sim.inject(When::Action { service: "eks".to_owned(), action: action.to_owned(), nth }, fault);
            let first = plan.apply(&account.engine()).await;
            assert_eq!(first.is_err(), kills, "{case}: {first:?}");
            assert_eq!(account.sim.faults_pending(), 0, "{case}");
            account.sim.revive();
            settle(&account, &spec).await.map_err(|error| format!("{case}: {error}"))?;
            let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
            let updates = eks.list_updates().name(account.name.as_str()).send().await?;
            assert_eq!(updates.update_ids().len(), 5, "{case}: each change once");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn protection_is_lifted_only_if_told_so() -> Tested {
    let account = Account::new(sim()).await?;
    settle(&account, &bare(&account).deletion_protection(true).build()?).await?;
    let scope = Scope::everything(account.name.clone(), "us-east-1");
    let kept = account.clusters.teardown_of(&account.owner, &scope).await?;
    assert!(kept.to_string().contains("control plane, which will stay: its deletion protection is on"), "{kept}");
    let before = account.sim.log().len();
    let refused = kept.apply(&account.engine()).await.expect_err("it is protected");
    assert!(matches!(refused, ApplyError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("deletion protection is on; tear down again with Scope::unprotect"), "{refused}");
    assert_eq!(account.sim.log().len(), before, "before any call");

    let teardown = account.clusters.teardown_of(&account.owner, &scope.unprotect()).await?;
    assert!(teardown.to_string().contains("its deletion protection switched off first"), "{teardown}");
    let before = account.sim.log().len();
    let ending = teardown.apply(&account.engine()).await?;
    assert!(ending.verdict.is_clean(), "{}", ending.verdict);
    let (told, calls) = (teardown.iam_actions(), account.calls_since(before));
    assert!(calls.iter().all(|call| told.contains(call.as_str())), "{calls:?} not within {told:?}");
    assert!(account.ours().is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn health_is_told_with_its_remedy() -> Tested {
    let account = Account::new(sim()).await?;
    let role = account.role("eksServiceRole", "eks.amazonaws.com").await?;
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    let policy = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
    iam.attach_role_policy().role_name("eksServiceRole").policy_arn(policy).send().await?;
    let spec = bare(&account).role(eks_cluster::RoleChoice::Existing(role.parse()?)).build()?;
    settle(&account, &spec).await?;
    iam.detach_role_policy().role_name("eksServiceRole").policy_arn(policy).send().await?;
    iam.delete_role().role_name("eksServiceRole").send().await?;
    let plan = account.clusters.plan(&spec).await?;
    let findings = plan.findings();
    let told = findings.iter().find(|finding| finding.message.contains("IamRoleNotFound")).ok_or("not told")?;
    assert!(told.message.ends_with("make the cluster role again, with the same name and path"), "{told}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_failed_is_told_and_torn_down() -> Tested {
    let account = Account::new(sim()).await?;
    let spec = bare(&account).build()?;
    let ec2 = aws_sdk_ec2::Client::new(&account.sim.sdk_config());
    let plan = account.clusters.plan(&spec).await?;
    let (engine, gone) = (account.engine(), account.network.subnets[0].id.to_string());
    let (applied, _) = tokio::join!(plan.apply(&engine), async {
        // EKS has taken the request, and has not made its interfaces yet.
        tokio::time::sleep(Duration::from_secs(60)).await;
        ec2.delete_subnet().subnet_id(gone).send().await
    });
    let Err(ApplyError::Incomplete { report }) = applied else { panic!("made without a subnet") };
    let (_, error) = report.failures().next().ok_or("no failure")?;
    assert!(
        error.to_string().contains("Ec2SubnetNotFound") && error.to_string().contains("give the cluster subnets that exist"),
        "{error}"
    );
    let refused = account.clusters.plan(&spec).await;
    let Err(Error::Refused { rule, remedy, .. }) = refused else { panic!("{refused:?}") };
    assert!(rule.starts_with("creating it has failed: Ec2SubnetNotFound"), "{rule}");
    assert!(remedy.contains("tear it down"), "{remedy}");
    assert!(account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?.verdict.is_clean());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn versions_are_those_that_eks_offers() -> Tested {
    let account = Account::new(sim()).await?;
    let versions = account.clusters.versions().await?;
    // Amazon EKS Kubernetes release calendar, November 2026.
    let offered: Vec<_> = versions.iter().map(|info| info.version.to_string()).collect();
    assert_eq!(offered, ["1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]);
    assert_eq!(versions.get(KubernetesVersion::V1_34).map(|info| info.standard_until.to_string()).as_deref(), Some("2026-12-02"));
    assert_eq!(account.clusters.version_for(&account.name, VersionChoice::EksDefault).await?, KubernetesVersion::V1_35);
    assert_eq!(account.clusters.version_for(&account.name, VersionChoice::Newest).await?, KubernetesVersion::V1_37);
    settle(&account, &bare(&account).build()?).await?;
    assert_eq!(account.clusters.version_for(&account.name, VersionChoice::Newest).await?, KubernetesVersion::V1_36, "the one that it runs");

    // EKS is asked for dates only where this crate's calendar has none of AWS's.
    assert_eq!(account.sim.log().count("eks", "DescribeClusterVersions"), 3);
    let newest = ClusterSpec::builder(&eks_core::Owner::new("other")?, "other".parse()?, KubernetesVersion::V1_37, account.network.clone())
        .no_addons();
    let plan = account.clusters.plan(&newest.build()?).await?;
    assert_eq!(account.sim.log().count("eks", "DescribeClusterVersions"), 4);
    let told = plan.findings().iter().any(|finding| finding.message.contains("Kubernetes 1.37 is in standard support until 2027-12-01"));
    assert!(told, "{plan}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_network_that_makes_its_subnets_again_moves_the_control_plane() -> Tested {
    let account = Account::new(sim()).await?;
    settle(&account, &bare(&account).build()?).await?;
    // The network as its own plan tells it: one subnet stands, one is about to be made again.
    let key = |zone: &str| format!("net/subnet/private/{zone}").parse::<eks_core::StepKey>();
    let mut network = account.network.clone();
    let ids: Vec<_> = network.subnets.iter().map(|subnet| subnet.id.to_string()).collect();
    for subnet in &mut network.subnets {
        subnet.id = Ref::id_of(key(subnet.zone.as_str())?);
    }
    let spec = ClusterSpec::builder(&account.owner, account.name.clone(), KubernetesVersion::V1_36, network)
        .security_groups(["eks-control-plane"])
        .no_addons()
        .build()?;
    let step = |zone: &str, action: Action, id: Option<&str>| -> Result<eks_core::Step, Box<dyn std::error::Error>> {
        let step = eks_core::Step::new(key(zone)?, action, "subnet", &NoOp {})?;
        Ok(id.into_iter().fold(step, |step, id| step.knows("id", id)))
    };
    let of = |second: eks_core::Step| -> Result<eks_core::Plan, Box<dyn std::error::Error>> {
        let first = step("us-east-1a", Action::Keep, Some(&ids[0]))?;
        Ok(eks_core::Plan::builder(&account.owner, "net").step(first).step(second).build()?)
    };
    assert!(account.clusters.plan(&spec).await?.is_noop(), "their number agrees");
    let stands = of(step("us-east-1b", Action::Keep, Some(&ids[1]))?)?;
    assert!(account.clusters.plan(&spec.over(&stands)).await?.is_noop(), "they are compared");

    let other = subnet(&account, "us-east-1b", "10.0.50.0/24").await?.id.to_string();
    let replaced = of(step("us-east-1b", Action::Keep, Some(&other))?)?;
    let plan = account.clusters.plan(&spec.over(&replaced)).await?;
    assert_eq!(plan.step("cluster/control-plane").map(|step| step.changes.len()), Some(1), "{plan}");
    plan.apply(&account.engine()).await?;
    assert!(account.clusters.plan(&spec.over(&replaced)).await?.is_noop());

    let remade = of(step("us-east-1b", Action::Create, None)?)?;
    let plan = account.clusters.plan(&spec.over(&remade)).await?;
    let changes = plan.step("cluster/control-plane").map(|step| step.changes.join("; ")).unwrap_or_default();
    assert!(changes.ends_with(&format!("{}, ‹net/subnet/private/us-east-1b›", ids[0])), "{changes}");
    Ok(())
}

/// An operation of the network's layer.
#[derive(serde::Serialize, serde::Deserialize)]
struct NoOp {}

impl eks_core::Operation for NoOp {
    const LAYER: &'static str = "net";
}

#[tokio::test(start_paused = true)]
async fn ipv6_needs_subnets_of_both_families() -> Tested {
    let account = Account::new(sim()).await?;
    let spec = bare(&account).ip_family(IpFamily::Ipv6).build()?;
    let Err(error @ Error::Refused { .. }) = account.clusters.plan(&spec).await else { panic!("planned") };
    assert_eq!(error.to_string().matches("has no IPv6 block, which the IPv6 family needs").count(), 2, "{error}");

    let ec2 = aws_sdk_ec2::Client::new(&account.sim.sdk_config());
    let vpc = account.network.vpc.to_string();
    ec2.associate_vpc_cidr_block().vpc_id(&vpc).amazon_provided_ipv6_cidr_block(true).send().await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let told = ec2.describe_vpcs().vpc_ids(&vpc).send().await?;
    let block = told.vpcs()[0].ipv6_cidr_block_association_set()[0].ipv6_cidr_block().ok_or("no block")?.to_owned();
    let prefix = block.strip_suffix("00::/56").ok_or(block.clone())?;
    for (at, subnet) in account.network.subnets.iter().enumerate() {
        let block = format!("{prefix}0{at}::/64");
        ec2.associate_subnet_cidr_block().subnet_id(subnet.id.to_string()).ipv6_cidr_block(block).send().await?;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    settle(&account, &spec).await?;
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let told = eks.describe_cluster().name(account.name.as_str()).send().await?;
    let cluster = told.cluster().ok_or("no cluster")?;
    assert!(cluster.endpoint().is_some_and(|endpoint| endpoint.ends_with(".us-east-1.api.aws")), "a dual-stack endpoint");
    assert_eq!(cluster.resources_vpc_config().map(|vpc| vpc.public_access_cidrs().join(" ")).as_deref(), Some("0.0.0.0/0 ::/0"));
    let narrow = bare(&account).ip_family(IpFamily::Ipv6).public_access_cidrs(["2600:1f00::/24"]).build()?;
    assert_eq!(settle(&account, &narrow).await?, ["public access CIDRs: 0.0.0.0/0, ::/0 → 2600:1f00::/24"]);
    Ok(())
}
