//! Clusters that are gone, half-made, or out of reach.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{Verdict, engine::ApplyError};
use eks_examples::{account::Account, environment::Environment, owned::Owned};
use eks_sim::{Fault, Inventory, When};

use super::stage::{OWNER, Stage, Tested, choices, kinds, variant};

#[tokio::test(start_paused = true)]
async fn everything_is_found_from_the_owners_name_alone() -> Tested {
    let stage = Stage::set().await?;
    let from = stage.sim.log().len();
    let listed = stage.listed().await?;
    assert_eq!(stage.changes(from), [""; 0], "a dry run changes nothing");
    assert!(listed.removals().len() > 30 && listed.stays().is_empty(), "{listed}");
    let (billed, told) =
        (stage.sim.inventory().usd_per_month(), listed.removals().iter().map(|removal| removal.usd_per_month).sum::<f64>());
    assert!((billed - told).abs() < 0.05, "the account is billed ${billed:.2} a month, the list frees ${told:.2}");

    let from = stage.sim.log().len();
    let owned = Owned::find(&stage.account, OWNER).await?;
    let teardown = owned.teardown(&choices()).await?;
    let ending = teardown.apply(&owned.engine()).await?;
    assert_eq!(ending.verdict, Verdict::Clean, "{}", ending.verdict);
    assert_eq!(stage.sim.inventory(), Inventory::default());
    let log = stage.sim.log();
    let calls = log.calls()[from..].iter().filter(|call| call.service != "kubernetes");
    let calls: BTreeSet<String> = calls.map(|call| format!("{}:{}", call.service, call.action)).collect();
    let permitted = teardown.iam_actions();
    let uncovered: Vec<_> = calls.iter().filter(|call| !permitted.contains(call.as_str())).collect();
    assert!(uncovered.is_empty(), "it needs no more than it says: {uncovered:?}");

    let from = stage.sim.log().len();
    let again = stage.torn_down().await?;
    assert!(again.teardown.is_empty() && again.ending.verdict.is_clean(), "{}", again.teardown);
    assert_eq!(stage.changes(from), [""; 0], "a second teardown is nothing");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_cluster_went_first() -> Tested {
    let stage = Stage::set().await?;
    let eks = aws_sdk_eks::Client::new(stage.account.config());
    eks.delete_cluster().name(OWNER).send().await?;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let torn = stage.torn_down().await?;
    // The load balancers of both Services, and the group of the classic one.
    for kind in ["load-balancer", "target-group", "security-group"] {
        let key = format!("leftovers/{kind}/");
        assert!(torn.teardown.removals().iter().any(|removal| removal.key.as_str().starts_with(&key)), "{kind}: {}", torn.teardown);
    }
    assert_eq!(torn.left(), [("EBS volume".to_owned(), "0.80".to_owned())], "{}", torn.ending.verdict);
    assert!(torn.told("EBS volume").contains("aws ec2 delete-volume --volume-id vol-"), "{}", torn.ending.verdict);
    assert_eq!(kinds(&stage.sim.inventory()), ["ec2/volume"], "what holds data stays, and nothing else");
    // It carries the owner's tag, so it is told as long as it is there.
    let again = stage.torn_down().await?;
    assert!(again.teardown.is_empty(), "{}", again.teardown);
    assert_eq!(again.ids(), torn.ids());
    Ok(())
}

/// From where the API server is not reached, everything goes all the same; whether volumes may go nobody can tell.
#[tokio::test(start_paused = true)]
async fn the_api_server_is_out_of_reach() -> Tested {
    let stage = Stage::set().await?;
    let torn = stage.torn_down_from(&stage.account.clone().out_of_reach()).await?;
    let told = torn.teardown.to_string();
    assert!(told.contains("the API server of cluster shop does not answer") && told.contains("reclaim policies are not known"), "{told}");
    assert_eq!(torn.teardown.stays().len(), 1, "{told}");
    assert_eq!(torn.left(), [("EBS volume".to_owned(), "0.80".to_owned())], "{}", torn.ending.verdict);
    assert_eq!(kinds(&stage.sim.inventory()), ["ec2/volume"]);
    Ok(())
}

/// The same if it goes silent while the teardown runs.
#[tokio::test(start_paused = true)]
async fn the_api_server_goes_silent_on_the_way() -> Tested {
    let stage = Stage::set().await?;
    let owned = Owned::find(&stage.account, OWNER).await?;
    let teardown = owned.teardown(&choices()).await?;
    for _ in 0..3_000 {
        let any = When::Action { service: "kubernetes".to_owned(), action: "/".to_owned(), nth: 1 };
        stage.sim.inject(any, Fault::CloseConnection);
    }
    let ending = teardown.apply(&owned.engine()).await?;
    let left = |kind: &str| stage.sim.inventory().count(kind);
    assert_eq!(left("eks/cluster") + left("elb/load-balancer") + left("ec2/vpc"), 0, "{}", ending.verdict);
    assert!(ending.verdict.survivors().iter().all(|survivor| survivor.kind == "EBS volume"), "{}", ending.verdict);
    Ok(())
}

/// With the other choice, nothing goes as long as what Kubernetes made might stay.
#[tokio::test(start_paused = true)]
async fn or_it_stops() -> Tested {
    let stage = Stage::set().await?;
    let before = stage.sim.inventory();
    let choices = eks_examples::owned::Choices::default();
    let owned = Owned::find(&stage.account.clone().out_of_reach(), OWNER).await?;
    let error = owned.teardown(&choices).await.expect_err("nothing is known of what is in it");
    assert!(format!("{error}").contains("connect"), "{error}");
    assert_eq!(stage.sim.inventory(), before);
    Ok(())
}

/// Call sites spread over the path: the process dies there, and a teardown from nothing but the account follows.
const SITES: [(&str, &str, u64); 9] = [
    ("ec2", "CreateVpc", 1),
    ("ec2", "CreateSubnet", 3),
    ("ec2", "AllocateAddress", 1),
    ("iam", "CreateRole", 1),
    ("eks", "CreateCluster", 1),
    ("cloudformation", "CreateStack", 1),
    ("cloudformation", "CreateStack", 2),
    ("eks", "CreateAddon", 2),
    ("kubernetes", "PATCH", 3),
];

#[tokio::test(start_paused = true)]
async fn half_made() -> Tested {
    for (service, action, nth) in SITES {
        let stage = Stage::empty();
        stage.sim.inject(When::Action { service: service.to_owned(), action: action.to_owned(), nth }, Fault::KillAfter);
        let environment = Environment::new(&variant(), &stage.account)?;
        let killed = environment.plan().await?.apply(&environment.engine()).await;
        assert!(matches!(killed, Err(ApplyError::Incomplete { .. })), "{action} {nth}");
        stage.sim.revive();
        let torn = stage.torn_down().await.map_err(|error| format!("{action} {nth}: {error}"))?;
        assert_eq!(torn.ending.verdict, Verdict::Clean, "{action} {nth}: {}", torn.ending.verdict);
        assert_eq!(stage.sim.inventory(), Inventory::default(), "{action} {nth}");
    }
    Ok(())
}

/// A protected cluster keeps its nodes, objects and network: nothing of the teardown is carried out.
#[tokio::test(start_paused = true)]
async fn a_protected_cluster_keeps_everything() -> Tested {
    let stage = Stage::set().await?;
    let eks = aws_sdk_eks::Client::new(stage.account.config());
    eks.update_cluster_config().name(OWNER).deletion_protection(true).send().await?;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let listed = stage.listed().await?;
    assert!(listed.removals().len() > 30, "it is listed all the same: {listed}");
    let from = stage.sim.log().len();
    let owned = Owned::find(&stage.account, OWNER).await?;
    let refused = owned.teardown(&choices()).await?.apply(&owned.engine()).await;
    assert!(matches!(refused, Err(ApplyError::Refused { .. })), "{refused:?}");
    assert_eq!(stage.changes(from), [""; 0]);
    Ok(())
}

/// Workers and networks go by their owner: a second cluster of the same owner's would lose its own.
#[tokio::test(start_paused = true)]
async fn a_second_cluster_of_the_owners_is_not_robbed() -> Tested {
    let stage = Stage::set().await?;
    let eks = aws_sdk_eks::Client::new(stage.account.config());
    let shop = eks.describe_cluster().name(OWNER).send().await?.cluster.ok_or("a cluster")?;
    let subnets = shop.resources_vpc_config().map(|config| config.subnet_ids().to_vec());
    let config = aws_sdk_eks::types::VpcConfigRequest::builder().set_subnet_ids(subnets).build();
    let create = eks.create_cluster().name("lab").role_arn(shop.role_arn().unwrap_or_default()).resources_vpc_config(config);
    create.tags(eks_core::OWNER_TAG, OWNER).send().await?;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let from = stage.sim.log().len();
    for cluster in ["shop", "lab"] {
        let choices = eks_examples::owned::Choices { cluster: Some(cluster.parse()?), ..choices() };
        let refused = Owned::find(&stage.account, OWNER).await?.teardown(&choices).await.expect_err("another cluster stands");
        assert!(refused.to_string().contains("stands as well"), "{refused}");
    }
    assert_eq!(stage.changes(from), [""; 0]);
    Ok(())
}

/// An answer that does not come is not an API server that does not answer: what is in the cluster is taken down through it, volumes too.
#[tokio::test(start_paused = true)]
async fn one_bad_answer_leaves_nothing_to_aws() -> Tested {
    let standing = Stage::set().await?.sim.snapshot();
    let refuse = |status, code: &str| Fault::Refuse { status, code: code.to_owned(), message: "not now".to_owned() };
    for fault in [Fault::LoseAnswer, Fault::Throttle, refuse(403, "Forbidden"), refuse(404, "NotFound"), refuse(503, "ServiceUnavailable")]
    {
        let sim = standing.open();
        let stage = Stage { account: Account::on(sim.clone()), sim };
        let list = When::Action { service: "kubernetes".to_owned(), action: "GET /api/v1/persistentvolumes".to_owned(), nth: 1 };
        stage.sim.inject(list, fault.clone());
        let torn = match stage.torn_down().await {
            // An API server that knows no such kind has answered; nothing was begun, and who looks again sees everything.
            Err(_) if matches!(fault, Fault::Refuse { status: 404, .. }) => stage.torn_down().await?,
            torn => torn?,
        };
        assert_eq!((stage.sim.faults_pending(), &torn.ending.verdict), (0, &Verdict::Clean), "{fault:?}: {}", torn.teardown);
        assert_eq!(stage.sim.inventory(), Inventory::default(), "{fault:?}: the simulator agrees");
    }
    Ok(())
}
