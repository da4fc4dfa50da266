//! Add-ons: versions, configuration, roles, take-over, removal.

use crate::support::{Account, Tested};
use eks_cluster::{Addon, AddonRemoval, AddonRole, ClusterSpec, PolicyDocument, PolicyStatement, RoleChoice};
use eks_core::{Action, Error};
use eks_sim::{Fault, Sim, When};

fn eks(account: &Account) -> aws_sdk_eks::Client {
    aws_sdk_eks::Client::new(&account.sim.sdk_config())
}

async fn applied(account: &Account, spec: &ClusterSpec) -> Tested {
    account.clusters.plan(spec).await?.apply(&account.engine()).await?;
    let again = account.clusters.plan(spec).await?;
    if again.is_noop() { Ok(()) } else { Err(format!("not as it should be: {again}").into()) }
}

#[tokio::test(start_paused = true)]
async fn the_chapters_cluster_is_read_in_eight_calls() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account.builder().build()?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let before = account.sim.log().len();
    assert!(account.clusters.plan(&spec).await?.is_noop());
    let mut calls = account.calls_since(before);
    calls.sort();
    let addons = std::iter::repeat_n("eks:DescribeAddon", 5);
    let others = ["eks:DescribeCluster", "eks:DescribePodIdentityAssociation", "iam:GetAccountAuthorizationDetails"];
    assert_eq!(calls, addons.chain(others).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_role_of_an_add_on_is_noticed_and_mended() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account.builder().build()?;
    applied(&account, &spec).await?;
    let theirs = account.role("theirs", "pods.eks.amazonaws.com").await?;
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    let association =
        aws_sdk_eks::types::AddonPodIdentityAssociations::builder().service_account("ebs-csi-controller-sa").role_arn(&theirs);
    let update = eks(&account).update_addon().cluster_name("chap10").addon_name("aws-ebs-csi-driver");
    update.pod_identity_associations(association.build()?).send().await?;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let plan = account.clusters.plan(&spec).await?;
    let step = plan.step("cluster/addon/aws-ebs-csi-driver").ok_or("no step")?;
    let line = format!("pod identity: ebs-csi-controller-sa acts under ‹cluster/role/ebs-csi#arn› instead of {theirs}");
    assert_eq!((step.action, step.changes.as_slice()), (Action::Update, [line].as_slice()));
    applied(&account, &spec).await
}

#[tokio::test(start_paused = true)]
async fn configuration_that_breaks_its_schema_is_refused_before_anything_is_made() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account
        .builder()
        .addon(Addon::new("coredns").configuration(r#"{"replicaCount":"3","replicas":2}"#))
        .addon(Addon::new("vpc-cni").configuration("env:\n  WARM_IP_TARGET: 2\n"))
        .build()?;
    let Err(Error::Refused { rule, .. }) = account.clusters.plan(&spec).await else { panic!("accepted") };
    for part in [
        "coredns v1.14.1-eksbuild.2: ",
        "/replicaCount: \"3\" is not of type \"integer\"",
        "the values: Additional properties are not allowed ('replicas' was unexpected)",
        "vpc-cni v1.22.3-eksbuild.1: /env/WARM_IP_TARGET: 2 is not of type \"string\"",
    ] {
        assert!(rule.contains(part), "{part:?} not in {rule}");
    }
    assert_eq!(account.sim.log().count("eks", "CreateCluster") + account.sim.log().count("iam", "CreateRole"), 0);
    // The simulator, which judges by itself, agrees on what is right.
    let right = account.builder().addon(Addon::new("vpc-cni").configuration("env:\n  WARM_IP_TARGET: \"2\"\n")).build()?;
    applied(&account, &right).await
}

#[tokio::test(start_paused = true)]
async fn self_managed_software_is_taken_over() -> Tested {
    let account = Account::new(Sim::new()).await?;
    // EKS installs vpc-cni, coredns and kube-proxy by itself.
    applied(&account, &account.builder().no_addons().build()?).await?;
    applied(&account, &account.builder().build()?).await?;
    for name in ["vpc-cni", "kube-proxy"] {
        let told = eks(&account).describe_addon().cluster_name("chap10").addon_name(name).send().await?;
        assert_eq!(told.addon().and_then(|addon| addon.status()).map(|status| status.as_str()), Some("ACTIVE"), "{name}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_cni_is_updated_one_minor_version_at_a_time() -> Tested {
    for fault in [None, Some(Fault::LoseAnswer), Some(Fault::KillBefore), Some(Fault::KillAfter)] {
        let account = Account::new(Sim::new()).await?;
        let old = account.builder().addon(Addon::new("vpc-cni").version("v1.20.5-eksbuild.1")).build()?;
        applied(&account, &old).await?;
        let new = account.builder().addon(Addon::new("vpc-cni").latest()).build()?;
        let plan = account.clusters.plan(&new).await?;
        let changes: Vec<_> = plan.changes().flat_map(|step| &step.changes).collect();
        assert_eq!(changes, ["version: v1.20.5-eksbuild.1 → v1.21.2-eksbuild.1 → v1.22.3-eksbuild.1"]);
        if let Some(fault) = &fault {
            // The second of the two updates.
            let when = When::Action { service: "eks".to_owned(), action: "UpdateAddon".to_owned(), nth: 2 };
            account.sim.inject(when, fault.clone());
        }
        let killed = matches!(fault, Some(Fault::KillBefore | Fault::KillAfter));
        assert_eq!(plan.apply(&account.engine()).await.is_err(), killed, "{fault:?}");
        account.sim.revive();
        applied(&account, &new).await.map_err(|error| format!("{fault:?}: {error}"))?;
        let updates = eks(&account).list_updates().name("chap10").addon_name("vpc-cni").send().await?;
        assert_eq!(updates.update_ids().len(), 2, "{fault:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_version_that_eks_does_not_offer_is_refused() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = account.builder().addon(Addon::new("vpc-cni").version("v1.2.3-eksbuild.4")).build()?;
    let Err(Error::Refused { remedy, .. }) = account.clusters.plan(&spec).await else { panic!("accepted") };
    assert!(remedy.starts_with("pin one of these: v1.22.3-eksbuild.1, v1.21.2-eksbuild.1"), "{remedy}");
    for unknown in [Addon::new("no-such-addon"), Addon::new("no-such-addon").version("v1.2.3-eksbuild.4")] {
        let unknown = account.builder().addon(unknown).build()?;
        let Err(Error::Refused { subject, .. }) = account.clusters.plan(&unknown).await else { panic!("accepted") };
        assert_eq!(subject, "add-on no-such-addon");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn add_ons_are_removed_by_a_verb_of_its_own() -> Tested {
    for preserve in [false, true] {
        let account = Account::new(Sim::new()).await?;
        applied(&account, &account.builder().addon(Addon::new("metrics-server")).build()?).await?;
        // Leaving it out removes nothing.
        applied(&account, &account.builder().build()?).await?;
        let removal = AddonRemoval::new("metrics-server");
        let removal = if preserve { removal.preserving_software() } else { removal };
        let spec = account.builder().remove_addon(removal).build()?;
        let plan = account.clusters.plan(&spec).await?;
        assert!(plan.is_noop() && plan.has_warnings());
        let teardown = account.clusters.removals(&spec).await?;
        let fault = When::Action { service: "eks".to_owned(), action: "DeleteAddon".to_owned(), nth: 1 };
        account.sim.inject(fault, Fault::LoseAnswer);
        let ending = teardown.apply(&account.engine()).await?;
        assert!(ending.verdict.is_clean(), "{}", ending.verdict);
        let left = eks(&account).list_addons().cluster_name("chap10").send().await?;
        assert_eq!(left.addons().len(), 5, "and no other");
        assert!(account.clusters.removals(&spec).await?.is_empty());
        assert!(!account.clusters.plan(&spec).await?.findings().iter().any(|finding| finding.message.contains("shall be removed")));
        // What is preserved stands in the way of the add-on as it would of anybody's.
        eks(&account).create_addon().cluster_name("chap10").addon_name("metrics-server").send().await?;
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        let told = eks(&account).describe_addon().cluster_name("chap10").addon_name("metrics-server").send().await?;
        let status = told.addon().and_then(|addon| addon.status()).map(|status| status.as_str());
        assert_eq!(status, Some(if preserve { "CREATE_FAILED" } else { "DEGRADED" }));
        let Err(Error::Refused { .. }) = account.clusters.removals(&spec).await else { panic!("others made it") };
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_given_once() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let spec = |name: &str| account.builder().addon(Addon::new("metrics-server").namespace(name)).build();
    applied(&account, &spec("metrics")?).await?;
    let Err(Error::Refused { rule, .. }) = account.clusters.plan(&spec("other")?).await else { panic!("moved") };
    assert_eq!(rule, "runs in the namespace metrics, the spec says other; EKS cannot change it");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_add_on_with_two_service_accounts_gets_both_a_role() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let efs = || Addon::new("aws-efs-csi-driver");
    let spec = account.builder().addon(efs().role(AddonRole::pod_identity())).build()?;
    applied(&account, &spec).await?;
    let listed = eks(&account).list_pod_identity_associations().cluster_name("chap10").send().await?;
    let mut accounts: Vec<_> = listed.associations().iter().filter_map(|association| association.service_account()).collect();
    accounts.sort_unstable();
    assert_eq!(accounts, ["ebs-csi-controller-sa", "efs-csi-controller-sa", "efs-csi-node-sa"]);
    // And by the other way instead.
    let irsa = account.builder().addon(efs().role(AddonRole::irsa())).build()?;
    account.clusters.plan(&irsa).await?.apply(&account.engine()).await?;
    // Without nodes it is not waited for.
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert!(account.clusters.plan(&irsa).await?.is_noop());
    let listed = eks(&account).list_pod_identity_associations().cluster_name("chap10").send().await?;
    assert_eq!(listed.associations().len(), 1);
    Ok(())
}

async fn role_of(account: &Account, name: &str) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let told = eks(account).describe_addon().cluster_name("chap10").addon_name(name).send().await?;
    Ok(told.addon().and_then(|addon| addon.service_account_role_arn()).map(str::to_owned))
}

#[tokio::test(start_paused = true)]
async fn a_role_that_the_spec_does_not_say_survives_an_update() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let cni = || Addon::new("vpc-cni");
    applied(&account, &account.builder().addon(cni().role(AddonRole::irsa())).build()?).await?;
    let role = role_of(&account, "vpc-cni").await?;
    assert!(role.is_some());
    let tuned = cni().configuration(r#"{"env":{"WARM_IP_TARGET":"2"}}"#);
    applied(&account, &account.builder().addon(tuned.clone()).build()?).await?;
    assert_eq!(role_of(&account, "vpc-cni").await?, role);
    // Through EKS Pod Identity it gets another in its place.
    applied(&account, &account.builder().addon(tuned.role(AddonRole::pod_identity())).build()?).await?;
    assert_eq!(role_of(&account, "vpc-cni").await?, None);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_update_waits_for_the_one_that_is_under_way() -> Tested {
    let account = Account::new(Sim::new()).await?;
    applied(&account, &account.builder().build()?).await?;
    let values = |target: u8| format!(r#"{{"env":{{"WARM_IP_TARGET":"{target}"}}}}"#);
    let theirs = eks(&account).update_addon().cluster_name("chap10").addon_name("vpc-cni");
    theirs.configuration_values(values(9)).send().await?;
    applied(&account, &account.builder().addon(Addon::new("vpc-cni").configuration(values(2))).build()?).await?;
    assert_eq!(account.sim.log().count("eks", "UpdateAddon"), 2, "theirs and ours, and none that EKS refused");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_written_into_the_only_role_is_seen() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let cluster = account.role("eksServiceRole", "eks.amazonaws.com").await?;
    let attach = aws_sdk_iam::Client::new(&account.sim.sdk_config()).attach_role_policy().role_name("eksServiceRole");
    attach.policy_arn("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy").send().await?;
    let document = PolicyDocument::new([PolicyStatement::allow(["ec2:CreateSnapshot"], ["*"])]);
    let ebs = Addon::new("aws-ebs-csi-driver").role(AddonRole::pod_identity().inline_policy("snapshots", document));
    let builder = account.builder().role(RoleChoice::Existing(cluster.parse()?)).addon(ebs);
    let spec = builder.build()?;
    applied(&account, &spec).await?;
    let before = account.sim.log().len();
    assert!(account.clusters.plan(&spec).await?.is_noop());
    assert!(account.calls_since(before).contains(&"iam:GetRolePolicy".to_owned()), "it is read by its name");
    Ok(())
}
