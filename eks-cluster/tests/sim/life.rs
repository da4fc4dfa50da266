//! A cluster's life on the simulator: made, found as it should be, changed, removed.

use std::{collections::BTreeMap, time::Duration};

use crate::support::{Account, Tested};
use eks_cluster::{Addon, Clusters, Endpoint, LogType, RoleChoice};
use eks_core::{
    Action, AuthenticationMode, Error, Facts, Op, Outputs, Survivor,
    engine::{ApplyError, BoxFuture, Driver, Poll, StepContext},
};
use eks_sim::Sim;

#[tokio::test(start_paused = true)]
async fn made_then_nothing_to_do_then_removed() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let nodes = account.role("nodes", "ec2.amazonaws.com").await?;
    let admin = account.role("admin", "ec2.amazonaws.com").await?;
    let spec = account.builder().node_role_entry("workers", nodes.parse::<eks_core::RoleArn>()?).admin(&admin).build()?;

    let plan = account.clusters.plan(&spec).await?;
    let expected = plan.critical_path().0;
    let report = plan.apply(&account.engine()).await?;
    assert!(report.output("cluster/control-plane", "endpoint").is_some_and(|endpoint| endpoint.starts_with("https://")));
    for output in ["id", "arn", "certificate_authority", "service_cidr", "cluster_security_group", "issuer"] {
        assert!(report.output("cluster/control-plane", output).is_some(), "{output}");
    }
    let control_plane = &report.steps[&"cluster/control-plane".parse()?];
    assert!(report.took < expected.mul_f64(1.3), "{:?} instead of {expected:?}", report.took);
    let ledger = account.sim.ledger();
    let creation = ledger.iter().flat_map(|(_, times)| times).find(|time| time.kind == "ClusterCreate").ok_or("no creation")?;
    // Six seconds between polls, and some seconds until EKS can assume the new role.
    let lost = control_plane.took.saturating_sub(creation.took);
    assert!(lost < Duration::from_secs(6 + 16), "{lost:?} lost beside the {:?} that EKS took", creation.took);

    let again = account.clusters.plan(&spec).await?;
    assert!(again.is_noop(), "{again}");

    let teardown = account.clusters.teardown(&account.owner, &account.name).await?;
    assert_eq!(
        teardown.removals().iter().map(|removal| removal.key.as_str()).collect::<Vec<_>>(),
        ["cluster/control-plane", "cluster/role", "cluster/role/ebs-csi"]
    );
    let ending = teardown.apply(&account.engine()).await?;
    assert!(ending.verdict.is_clean(), "{}", ending.verdict);
    assert_eq!(account.ours(), Vec::<String>::new());
    assert_eq!(account.sim.inventory().count("eks/cluster"), 0);
    assert!(account.clusters.teardown(&account.owner, &account.name).await?.is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_call_is_among_the_iam_actions_told() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let nodes = account.role("nodes", "ec2.amazonaws.com").await?.parse::<eks_core::RoleArn>()?;
    let admin = account.role("admin", "ec2.amazonaws.com").await?;
    let spec = account.builder().node_role_entry("workers", nodes).admin(&admin).build()?;
    let bare = Addon::new("aws-ebs-csi-driver").without_role();
    let tuned = account.builder().logging([LogType::Audit]).tag("team", "platform").addon(bare);
    let more = tuned.clone().addon(Addon::new("vpc-cni").configuration(r#"{"env":{"WARM_IP_TARGET":"2"}}"#));
    for (spec, changes) in [(spec, 10), (tuned.build()?, 2), (more.build()?, 1)] {
        let before = account.sim.log().len();
        let plan = account.clusters.plan(&spec).await?;
        assert_eq!(plan.changes().count(), changes, "{plan}");
        plan.apply(&account.engine()).await?;
        let (told, calls) = (plan.iam_actions(), account.calls_since(before));
        assert!(calls.iter().all(|call| told.contains(call.as_str())), "{calls:?} not within {told:?}");
    }
    // A role with a policy in it takes every call that a removal may need.
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}"#;
    iam.put_role_policy().role_name("chap10-cluster-us-east-1").policy_name("x").policy_document(policy).send().await?;
    let before = account.sim.log().len();
    let teardown = account.clusters.teardown(&account.owner, &account.name).await?;
    teardown.apply(&account.engine()).await?;
    let (told, calls) = (teardown.iam_actions(), account.calls_since(before));
    assert!(calls.iter().all(|call| told.contains(call.as_str())), "{calls:?} not within {told:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn made_again_after_a_teardown() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account.builder().build()?;
    for _ in 0..2 {
        account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
        assert!(account.clusters.plan(&spec).await?.is_noop());
        assert!(account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?.verdict.is_clean());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn few_calls_without_addons() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account.builder().no_addons().build()?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let before = account.sim.log().len();
    assert!(account.clusters.plan(&spec).await?.is_noop());
    let mut calls = account.calls_since(before);
    calls.sort();
    assert_eq!(calls, ["eks:DescribeCluster", "iam:GetRole", "iam:ListAttachedRolePolicies"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn as_it_was_in_2018() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account
        .builder()
        .role(RoleChoice::Own { legacy_service_policy: true })
        .authentication(AuthenticationMode::ConfigMap)
        .no_addons()
        .build()?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    assert!(account.clusters.plan(&spec).await?.is_noop());
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    let attached = iam.list_attached_role_policies().role_name("chap10-cluster-us-east-1").send().await?;
    let mut names: Vec<_> = attached.attached_policies().iter().filter_map(|policy| policy.policy_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["AmazonEKSClusterPolicy", "AmazonEKSServicePolicy"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn changed_in_place_one_kind_at_a_time() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let before = account.builder().authentication(AuthenticationMode::ConfigMap).no_addons().build()?;
    account.clusters.plan(&before).await?.apply(&account.engine()).await?;

    let after = account
        .builder()
        .authentication(AuthenticationMode::ApiAndConfigMap)
        .endpoint(Endpoint::Both)
        .public_access_cidrs(["98.234.106.21/32"])
        .logging([LogType::Audit, LogType::Authenticator])
        .deletion_protection(true)
        .tag("team", "platform")
        .no_addons()
        .build()?;
    let plan = account.clusters.plan(&after).await?;
    assert_eq!(plan.step("cluster/control-plane").map(|step| step.action), Some(Action::Update));
    let report = plan.apply(&account.engine()).await?;
    assert!(report.output("cluster/control-plane", "endpoint").is_some());
    assert_eq!(account.sim.log().count("eks", "UpdateClusterConfig"), 4);
    let again = account.clusters.plan(&after).await?;
    assert!(again.is_noop(), "{again}");

    // Protection is not switched off by a teardown: it is refused whole, before any call.
    let calls = account.sim.log().len();
    let teardown = account.clusters.teardown(&account.owner, &account.name).await?;
    let looked = account.sim.log().len();
    let refused = teardown.apply(&account.engine()).await.expect_err("the cluster is protected");
    assert!(refused.to_string().contains("deletion protection is on"), "{refused}");
    assert!(looked > calls && account.sim.log().len() == looked, "nothing is called");

    let unprotected = account
        .builder()
        .authentication(AuthenticationMode::Api)
        .endpoint(Endpoint::Private)
        .logging([LogType::Audit, LogType::Authenticator])
        .no_addons()
        .build()?;
    account.clusters.plan(&unprotected).await?.apply(&account.engine()).await?;
    assert!(account.clusters.plan(&unprotected).await?.is_noop());
    let ending = account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?;
    let [survivor] = ending.verdict.survivors() else { panic!("{}", ending.verdict) };
    assert_eq!((survivor.kind.as_str(), survivor.id.as_str()), ("CloudWatch log group", "/aws/eks/chap10/cluster"));
    assert_eq!(survivor.remedy, "aws logs delete-log-group --region us-east-1 --log-group-name /aws/eks/chap10/cluster");
    assert!(account.ours().is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_addon_changes_its_configuration() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account.builder().build()?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let tuned = account.builder().addon(Addon::new("vpc-cni").configuration(r#"{"env":{"WARM_IP_TARGET":"2"}}"#)).build()?;
    let plan = account.clusters.plan(&tuned).await?;
    assert_eq!(plan.changes().map(|step| step.key.as_str()).collect::<Vec<_>>(), ["cluster/addon/vpc-cni"]);
    plan.apply(&account.engine()).await?;
    assert!(account.clusters.plan(&tuned).await?.is_noop());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_addon_gains_and_loses_its_role() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let bare = account.builder().addon(Addon::new("aws-ebs-csi-driver").without_role()).build()?;
    let whole = account.builder().build()?;
    account.clusters.plan(&bare).await?.apply(&account.engine()).await?;
    for (spec, change, associations) in
        [(&whole, "pod identity: ebs-csi-controller-sa acts under ‹cluster/role/ebs-csi#arn›", 1), (&bare, "pod identity: none", 0)]
    {
        let plan = account.clusters.plan(spec).await?;
        let step = plan.step("cluster/addon/aws-ebs-csi-driver").ok_or("no step")?;
        assert_eq!((step.action, step.changes.as_slice()), (Action::Update, [change.to_owned()].as_slice()));
        plan.apply(&account.engine()).await?;
        let listed = eks.list_pod_identity_associations().cluster_name(account.name.as_str()).send().await?;
        assert_eq!(listed.associations().len(), associations);
        let again = account.clusters.plan(spec).await?;
        assert!(again.is_noop(), "{again}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_addon_of_others_is_neither_adopted_nor_updated() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    account.clusters.plan(&account.builder().no_addons().build()?).await?.apply(&account.engine()).await?;
    let spec = account.builder().no_addons().addon(Addon::new("metrics-server")).build()?;
    let early = account.clusters.plan(&spec).await?;
    eks.create_addon().cluster_name(account.name.as_str()).addon_name("metrics-server").send().await?;
    // Whether it came before the plan or after it.
    let Err(Error::Refused { subject, .. }) = account.clusters.plan(&spec).await else { panic!("adopted") };
    assert_eq!(subject, "add-on metrics-server");
    assert!(matches!(early.apply(&account.engine()).await, Err(ApplyError::Stale { .. })));
    assert_eq!(account.sim.log().count("eks", "UpdateAddon"), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_others_made_is_never_touched() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let role = account.role("eksServiceRole", "eks.amazonaws.com").await?;
    let spec = account.builder().role(RoleChoice::Existing(role.parse()?)).no_addons().build()?;
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    iam.attach_role_policy().role_name("eksServiceRole").policy_arn("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy").send().await?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;

    let other = eks_core::Owner::new("other")?;
    let theirs = eks_cluster::ClusterSpec::builder(&other, account.name.clone(), spec.version(), account.network.clone()).build()?;
    assert!(matches!(account.clusters.plan(&theirs).await, Err(Error::Refused { .. })));
    assert!(account.clusters.teardown(&other, &account.name).await?.is_empty());

    assert!(account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?.verdict.is_clean());
    assert!(iam.get_role().role_name("eksServiceRole").send().await.is_ok(), "an existing role stays");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_no_longer_ours_outlives_a_saved_teardown() -> Tested {
    let account = Account::new(Sim::new()).await?;
    account.clusters.plan(&account.builder().no_addons().build()?).await?.apply(&account.engine()).await?;
    let teardown = account.clusters.teardown(&account.owner, &account.name).await?;
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    iam.untag_role().role_name("chap10-cluster-us-east-1").tag_keys(eks_core::OWNER_TAG).send().await?;
    let ending = teardown.apply(&account.engine()).await?;
    let refused: Vec<_> = ending.report.failures().map(|(key, error)| (key.as_str(), error.to_string())).collect();
    let why = "role chap10-cluster-us-east-1: is not ours: it does not carry our tag any more; remove it by hand if it is not wanted";
    assert_eq!(refused, [("cluster/role", why.to_owned())]);
    let attached = iam.list_attached_role_policies().role_name("chap10-cluster-us-east-1").send().await?;
    assert_eq!(attached.attached_policies().len(), 1, "nothing of it is touched");
    Ok(())
}

/// A saved teardown, signed or not, is of the cluster that was there when it was planned.
#[tokio::test(start_paused = true)]
async fn a_cluster_made_anew_outlives_a_saved_teardown() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account.builder().no_addons().build()?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let saved = account.clusters.teardown(&account.owner, &account.name).await?.to_signed_json(b"a key")?;
    assert!(account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?.verdict.is_clean());
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let old = eks_core::Teardown::from_signed_json(&saved, b"a key")?;
    let ending = old.apply(&account.engine()).await?;
    let refused: Vec<_> = ending.report.failures().map(|(key, error)| (key.as_str(), error.to_string())).collect();
    assert!(matches!(&refused[..], [("cluster/control-plane", why)] if why.contains("another one under the same name")), "{refused:?}");
    assert_eq!(account.ours(), ["eks/cluster chap10", "iam/role chap10-cluster-us-east-1"], "its role goes after it, so it stays, too");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_no_longer_fits_is_refused() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account.builder().no_addons().build()?;
    let old = account.clusters.plan(&spec).await?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let Err(ApplyError::Stale { differences }) = old.apply(&account.engine()).await else { panic!("not stale") };
    assert!(differences.iter().any(|difference| difference.key == "cluster/control-plane"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_handle_of_another_region_is_refused() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let elsewhere = Clusters::new(&Sim::builder().region("eu-west-1").build().sdk_config());
    let refused = elsewhere.plan(&account.builder().build()?).await;
    assert!(matches!(refused, Err(Error::Refused { .. })));

    // So are a saved plan and a saved teardown, before anything is done.
    let account = Account::new(Sim::new()).await?;
    let plan = account.clusters.plan(&account.builder().no_addons().build()?).await?;
    let config = account.sim.sdk_config().into_builder().region(aws_types::region::Region::new("eu-west-1")).build();
    let abroad = eks_core::engine::Engine::new().driver(Clusters::new(&config));
    let Err(ApplyError::Observe { source, .. }) = plan.apply(&abroad).await else { panic!("applied abroad") };
    assert_eq!(
        source.to_string(),
        "plan of cluster chap10: was made for us-east-1, the SDK's configuration is for eu-west-1; give a configuration for us-east-1"
    );
    plan.apply(&account.engine()).await?;
    let teardown = account.clusters.teardown(&account.owner, &account.name).await?;
    let Err(ApplyError::Operation { source, .. }) = teardown.apply(&abroad).await else { panic!("torn down abroad") };
    assert!(source.to_string().starts_with("teardown of cluster chap10: was made for us-east-1"), "{source}");
    assert_eq!(account.ours(), ["eks/cluster chap10", "iam/role chap10-cluster-us-east-1"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn addons_without_nodes_are_waited_for_and_the_next_run_goes_on() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let nodes: eks_core::StepKey = "k8s/nodes/w".parse()?;
    let spec = account.builder().nodes_ready_after([nodes.clone()]).build()?;
    // The layer that waits for nodes, which here never come.
    let layer = |key: &eks_core::StepKey| -> Result<eks_core::Plan, Box<dyn std::error::Error>> {
        let step = eks_core::Step::new(key.clone(), Action::Keep, "nodes", &NoNodes {})?;
        Ok(eks_core::Plan::builder(&account.owner, "k8s").step(step).build()?)
    };
    let plan = eks_core::Plan::join([account.clusters.plan(&spec).await?, layer(&nodes)?])?;
    let engine = account.engine().driver(NoNodes {}).deadline(Duration::from_secs(1200));
    let Err(ApplyError::Incomplete { report }) = plan.apply(&engine).await else { panic!("add-ons came up without nodes") };
    let waiting: Vec<_> = report.failures().map(|(key, error)| (key.as_str(), error.class())).collect();
    let stopped = eks_core::Class::Transient;
    assert_eq!(waiting, [("cluster/addon-ready/aws-ebs-csi-driver", stopped), ("cluster/addon-ready/coredns", stopped)]);

    let again = account.clusters.plan(&spec).await?;
    let changes: Vec<_> = again.changes().map(|step| step.key.as_str()).collect();
    assert_eq!(changes, ["cluster/addon-ready/coredns", "cluster/addon-ready/aws-ebs-csi-driver"]);
    Ok(())
}

/// A layer of one kept step.
#[derive(serde::Serialize, serde::Deserialize)]
struct NoNodes {}

impl eks_core::Operation for NoNodes {
    const LAYER: &'static str = "k8s";
}

impl Driver for NoNodes {
    fn layer(&self) -> &'static str {
        "k8s"
    }

    fn check(&self, _: &Op) -> Result<(), Error> {
        Ok(())
    }

    fn observe<'a>(&'a self, _: &'a eks_core::Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async { Ok(Facts::new()) })
    }

    fn run<'a>(&'a self, _: &'a eks_core::Step, _: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async { Ok(Outputs::new()) })
    }

    fn remove<'a>(&'a self, _: &'a eks_core::Removal, _: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn poll<'a>(&'a self, _: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }

    fn survivors<'a>(&'a self, _: &'a eks_core::Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
