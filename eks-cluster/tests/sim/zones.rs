//! Subnets and zones of control planes on the simulator: refused, left out, too small, gone.

use std::{collections::BTreeSet, time::Duration};

use eks_cluster::{ClusterSpec, KubernetesVersion, PlaceError, UnsupportedZones};
use eks_core::{Error, Ref, SubnetRef, Tier, engine::ApplyError};
use eks_sim::{Fault, Outcome, When};

use crate::{
    plane::{bare, settle, sim, subnet},
    support::{Account, Tested},
};

/// The account's network with a third zone.
async fn three_zones(account: &Account, third: &str) -> Result<ClusterSpec, Box<dyn std::error::Error>> {
    let mut network = account.network.clone();
    network.subnets.push(subnet(account, third, "10.0.30.0/24").await?);
    Ok(ClusterSpec::builder(&account.owner, account.name.clone(), KubernetesVersion::V1_36, network).no_addons().build()?)
}

#[tokio::test(start_paused = true)]
async fn a_zone_without_room_leads_to_the_others() -> Tested {
    let account = Account::new(sim()).await?;
    let spec = three_zones(&account, "us-east-1c").await?;
    account.sim.exhaust_zone("us-east-1b");

    // By hand: the error is typed, and carries the zones.
    let plan = account.clusters.plan(&spec).await?;
    let Err(ApplyError::Incomplete { report }) = plan.apply(&account.engine()).await else { panic!("made without room") };
    let refused = report.caused_by::<UnsupportedZones>().ok_or("not typed")?;
    let expected: BTreeSet<_> =
        ["us-east-1a", "us-east-1c", "us-east-1d", "us-east-1f"].into_iter().map(|zone| zone.parse()).collect::<Result<_, _>>()?;
    assert_eq!(refused.valid, expected);
    assert_eq!(report.steps[&"cluster/control-plane".parse()?].attempts, 1, "asking again would not help");

    // By the flow: one more CreateCluster, and no other change of the account. EKS sees the new role by then.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let before = account.sim.log().len();
    let applied = account.clusters.apply(&spec, &account.engine()).await?;
    let calls = account.calls_since(before);
    assert_eq!(calls.iter().filter(|call| *call == "eks:CreateCluster").count(), 2, "{calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("ec2:Create") || call == "iam:CreateRole"), "{calls:?}");
    assert_eq!(applied.spec, spec.in_zones(&expected)?);

    // The spec as it was is met: a control plane stays in its zones.
    let again = account.clusters.plan(&spec).await?;
    assert!(again.is_noop(), "{again}");
    assert!(
        again.findings().iter().any(|finding| finding.message.contains("no subnet in us-east-1b, and EKS keeps it in its zones")),
        "{again}"
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn words_alone_tell_the_zones_too() -> Tested {
    let account = Account::new(sim()).await?;
    let spec = three_zones(&account, "us-east-1c").await?;
    for message in [
        "Cannot create cluster 'chap10' because us-east-1a, the targeted availability zone, does not currently have sufficient capacity to support the cluster. Retry and choose from these availability zones: us-east-1b, us-east-1c",
        "Cannot create cluster 'chap10' because EKS does not support creating control plane instances in us-east-1a, the targeted availability zone. Retry cluster creation using control plane subnets that span at least two of these availability zones: us-east-1b, us-east-1c. Note, post cluster creation, you can run worker nodes in separate subnets/availability zones from control plane subnets/availability zones passed during cluster creation",
    ] {
        let code = "UnsupportedAvailabilityZoneException".to_owned();
        let fault = Fault::Refuse { status: 400, code, message: message.to_owned() };
        account.sim.inject(When::Action { service: "eks".to_owned(), action: "CreateCluster".to_owned(), nth: 1 }, fault);
        let applied = account.clusters.apply(&spec, &account.engine()).await?;
        let used: Vec<_> = applied.report.steps.keys().map(|key| key.as_str().to_owned()).collect();
        assert!(used.contains(&"cluster/control-plane".to_owned()));
        let zones: BTreeSet<_> = ["us-east-1b", "us-east-1c"].into_iter().map(|zone| zone.parse()).collect::<Result<_, _>>()?;
        assert_eq!(applied.spec, spec.in_zones(&zones)?);
        assert!(account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?.verdict.is_clean());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn too_few_zones_are_told_with_those_that_would_do() -> Tested {
    let account = Account::new(sim()).await?;
    account.sim.exhaust_zone("us-east-1b");
    let Err(PlaceError::Zones(error)) = account.clusters.apply(&bare(&account).build()?, &account.engine()).await else { panic!("made") };
    assert_eq!(error.problems[0].code, "zones-too-few");
    assert!(error.problems[0].remedy.contains("us-east-1a, us-east-1c, us-east-1d, us-east-1f"), "{error}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn documented_zones_are_left_out_before_the_call() -> Tested {
    let account = Account::new(sim()).await?;
    // In this account us-east-1e is use1-az3.
    let spec = three_zones(&account, "us-east-1e").await?;
    let plan = account.clusters.plan(&spec).await?;
    assert!(plan.findings().iter().any(|finding| finding.message.contains("us-east-1e are left out: it is use1-az3")), "{plan}");
    settle(&account, &spec).await?;
    let refused = Outcome::Refused("UnsupportedAvailabilityZoneException".to_owned());
    assert!(account.sim.log().calls().iter().all(|call| call.outcome != refused));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn small_and_missing_subnets_are_told_before_the_first_call() -> Tested {
    let account = Account::new(sim()).await?;
    let mut network = account.network.clone();
    // A /28 has eleven addresses; interfaces take six of them.
    let small = subnet(&account, "us-east-1c", "10.0.40.0/28").await?;
    let ec2 = aws_sdk_ec2::Client::new(&account.sim.sdk_config());
    for _ in 0..6 {
        ec2.create_network_interface().subnet_id(small.id.to_string()).send().await?;
    }
    network.subnets.push(small.clone());
    network.subnets.push(SubnetRef {
        id: Ref::Known("subnet-00000000000000000".parse()?),
        zone: "us-east-1d".parse()?,
        tier: Tier::Private,
    });
    let spec = ClusterSpec::builder(&account.owner, account.name.clone(), KubernetesVersion::V1_36, network).no_addons().build()?;
    let Err(error @ Error::Refused { .. }) = account.clusters.plan(&spec).await else { panic!("planned") };
    let text = error.to_string();
    assert!(text.contains(&format!("subnet {}: has 5 free addresses, EKS needs 6 in each subnet", small.id)), "{text}");
    assert!(text.contains("subnet subnet-00000000000000000: is not there"), "{text}");
    assert_eq!(account.sim.log().count("iam", "CreateRole"), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_subnet_that_is_gone_is_told_and_replaced() -> Tested {
    let account = Account::new(sim()).await?;
    let spec = three_zones(&account, "us-east-1c").await?;
    settle(&account, &spec).await?;
    // EKS has its interfaces in two of the three.
    let ec2 = aws_sdk_ec2::Client::new(&account.sim.sdk_config());
    let mut gone = None;
    let mut network = account.network.clone();
    network.subnets.push(spec_subnet(&account, "us-east-1c").await?);
    for (at, subnet) in network.subnets.iter().enumerate() {
        if ec2.delete_subnet().subnet_id(subnet.id.to_string()).send().await.is_ok() {
            gone = Some((at, subnet.zone.to_string(), subnet.id.to_string()));
        }
    }
    let (at, zone, id) = gone.ok_or("none could be deleted")?;
    let told = account.clusters.plan(&spec).await?;
    let healed = "give the cluster subnets that exist, in the same zones";
    assert!(told.findings().iter().any(|finding| finding.message.contains(&id) && finding.message.ends_with(healed)), "{told}");

    network.subnets[at] = subnet(&account, &zone, "10.0.60.0/24").await?;
    let mended = ClusterSpec::builder(&account.owner, account.name.clone(), KubernetesVersion::V1_36, network).no_addons().build()?;
    assert_eq!(settle(&account, &mended).await?.len(), 1);
    let healthy = account.clusters.plan(&mended).await?;
    assert!(healthy.findings().iter().all(|finding| !finding.message.contains("EKS finds wrong")), "{healthy}");
    Ok(())
}

/// The subnet of the account's VPC in a zone.
async fn spec_subnet(account: &Account, zone: &str) -> Result<SubnetRef, Box<dyn std::error::Error>> {
    let ec2 = aws_sdk_ec2::Client::new(&account.sim.sdk_config());
    let by = |name: &str, value: &str| aws_sdk_ec2::types::Filter::builder().name(name).values(value).build();
    let vpc = account.network.vpc.to_string();
    let found = ec2.describe_subnets().filters(by("vpc-id", &vpc)).filters(by("availability-zone", zone)).send().await?;
    let id = found.subnets().first().and_then(|subnet| subnet.subnet_id()).ok_or("no subnet")?;
    Ok(SubnetRef { id: Ref::Known(id.parse()?), zone: zone.parse()?, tier: Tier::Private })
}
