//! Roles for Pods, by both ways, and their identity provider: made, found as they should be, mended, removed.

use crate::support::{Account, Tested};
use eks_cluster::{Addon, AddonRole, ClusterSpec, ClusterSpecBuilder, NodeRole, PodRole, RoleSettings, ServiceAccount};
use eks_core::{Error, engine::ApplyError};
use eks_sim::{Fault, Sim, When};

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/edge";

fn iam(account: &Account) -> aws_sdk_iam::Client {
    aws_sdk_iam::Client::new(&account.sim.sdk_config())
}

fn eks(account: &Account) -> aws_sdk_eks::Client {
    aws_sdk_eks::Client::new(&account.sim.sdk_config())
}

/// A policy of the company's, which bounds every role.
async fn with_boundary() -> Result<Account, Box<dyn std::error::Error>> {
    let account = Account::new(Sim::new()).await?;
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    iam(&account).create_policy().policy_name("edge").policy_document(document).send().await?;
    Ok(account)
}

fn builder(account: &Account) -> ClusterSpecBuilder {
    account
        .builder()
        .roles(RoleSettings::new().path("/eks/").permissions_boundary(BOUNDARY))
        .addon(Addon::new("aws-ebs-csi-driver").role(AddonRole::irsa()))
        .pod_role(PodRole::load_balancer_controller())
        .pod_role(PodRole::new("api", ServiceAccount::new("shop", "api")).aws_policy("AmazonS3ReadOnlyAccess").irsa())
        .node_role(NodeRole::new("gpu"))
}

async fn applied(account: &Account, spec: &ClusterSpec) -> Tested {
    match account.clusters.plan(spec).await?.apply(&account.engine()).await {
        Ok(_) => {}
        Err(ApplyError::Incomplete { report }) => return Err(format!("{:?}", report.failures().collect::<Vec<_>>()).into()),
        Err(error) => return Err(error.into()),
    }
    let again = account.clusters.plan(spec).await?;
    if again.is_noop() { Ok(()) } else { Err(format!("not as it should be: {again}").into()) }
}

async fn torn_down(account: &Account) -> Tested {
    let ending = account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?;
    assert!(ending.verdict.is_clean(), "{}", ending.verdict);
    assert_eq!(account.ours(), Vec::<String>::new());
    Ok(())
}

async fn trust(account: &Account, role: &str) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let told = iam(account).get_role().role_name(role).send().await?;
    let document = told.role().and_then(|role| role.assume_role_policy_document()).ok_or("no document")?.to_owned();
    Ok(serde_json::from_str(&percent_encoding::percent_decode_str(&document).decode_utf8()?)?)
}

#[tokio::test(start_paused = true)]
async fn roles_by_both_ways_are_made_kept_and_removed() -> Tested {
    let account = with_boundary().await?;
    let theirs = account.role("theirs", "pods.eks.amazonaws.com").await?;
    let brought = PodRole::new("bills", ServiceAccount::new("shop", "bills")).existing(theirs.parse::<eks_core::RoleArn>()?);
    let spec = builder(&account).pod_role(brought).build()?;
    applied(&account, &spec).await?;

    let issuer = eks(&account).describe_cluster().name("chap10").send().await?;
    let issuer = issuer.cluster().and_then(|c| c.identity()).and_then(|i| i.oidc()).and_then(|o| o.issuer()).ok_or("no issuer")?.to_owned();
    let url = issuer.trim_start_matches("https://");
    let provider = format!("arn:aws:iam::123456789012:oidc-provider/{url}");
    let told = iam(&account).get_open_id_connect_provider().open_id_connect_provider_arn(&provider).send().await?;
    assert_eq!(told.client_id_list(), ["sts.amazonaws.com"]);
    let api = trust(&account, "chap10-app-api-us-east-1").await?;
    let statement = &api["Statement"][0];
    assert_eq!(statement["Principal"]["Federated"], provider.as_str());
    assert_eq!(statement["Condition"]["StringEquals"][format!("{url}:sub")], "system:serviceaccount:shop:api");
    assert_eq!(statement["Condition"]["StringEquals"][format!("{url}:aud")], "sts.amazonaws.com");

    let lbc = iam(&account).get_role().role_name("chap10-lbc-us-east-1").send().await?;
    let lbc = lbc.role().ok_or("no role")?;
    assert_eq!(lbc.arn(), "arn:aws:iam::123456789012:role/eks/chap10-lbc-us-east-1");
    assert_eq!(lbc.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn()), Some(BOUNDARY));
    let written = iam(&account).list_role_policies().role_name("chap10-lbc-us-east-1").send().await?;
    assert_eq!(written.policy_names(), ["AWSLoadBalancerControllerIAMPolicy"]);
    let nodes = iam(&account).list_attached_role_policies().role_name("chap10-node-gpu-us-east-1").send().await?;
    assert_eq!(nodes.attached_policies().len(), 3);

    let listed = eks(&account).list_pod_identity_associations().cluster_name("chap10").send().await?;
    let mut accounts: Vec<_> = listed.associations().iter().filter_map(|association| association.service_account()).collect();
    accounts.sort_unstable();
    assert_eq!(accounts, ["aws-load-balancer-controller", "bills"]);
    let ebs = eks(&account).describe_addon().cluster_name("chap10").addon_name("aws-ebs-csi-driver").send().await?;
    let role = ebs.addon().and_then(|addon| addon.service_account_role_arn());
    assert_eq!(role, Some("arn:aws:iam::123456789012:role/eks/chap10-ebs-csi-us-east-1"));

    torn_down(&account).await?;
    assert_eq!(account.sim.inventory().count("iam/oidc-provider"), 0);
    assert!(iam(&account).get_role().role_name("theirs").send().await.is_ok(), "a role that was brought stays");
    assert!(iam(&account).get_policy().policy_arn(BOUNDARY).send().await.is_ok());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn drift_is_mended_and_what_others_attached_stays() -> Tested {
    let account = with_boundary().await?;
    let spec = builder(&account).build()?;
    applied(&account, &spec).await?;
    let (iam, role) = (iam(&account), "chap10-app-api-us-east-1");
    let theirs = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let strangers = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    iam.attach_role_policy().role_name(role).policy_arn(theirs).send().await?;
    iam.detach_role_policy().role_name(role).policy_arn("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess").send().await?;
    iam.update_assume_role_policy().role_name(role).policy_document(strangers).send().await?;
    iam.delete_role_permissions_boundary().role_name(role).send().await?;
    let lbc = "chap10-lbc-us-east-1";
    iam.delete_role_policy().role_name(lbc).policy_name("AWSLoadBalancerControllerIAMPolicy").send().await?;

    let plan = account.clusters.plan(&spec).await?;
    let changed: Vec<_> = plan.changes().map(|step| (step.key.as_str(), step.changes.len())).collect();
    assert_eq!(changed, [("cluster/role/load-balancer-controller", 1), ("cluster/role/app/api", 3)]);
    let before = account.sim.log().len();
    applied(&account, &spec).await?;
    let told = plan.iam_actions();
    let calls = account.calls_since(before);
    assert!(calls.iter().all(|call| told.contains(call.as_str())), "{calls:?} not within {told:?}");
    let attached = iam.list_attached_role_policies().role_name(role).send().await?;
    assert_eq!(attached.attached_policies().len(), 2, "theirs beside ours");
    torn_down(&account).await
}

#[tokio::test(start_paused = true)]
async fn a_provider_of_others_is_used_and_stays() -> Tested {
    let account = with_boundary().await?;
    applied(&account, &account.builder().no_addons().build()?).await?;
    let issuer = eks(&account).describe_cluster().name("chap10").send().await?;
    let issuer = issuer.cluster().and_then(|c| c.identity()).and_then(|i| i.oidc()).and_then(|o| o.issuer()).ok_or("no issuer")?.to_owned();
    iam(&account).create_open_id_connect_provider().url(&issuer).client_id_list("sts.amazonaws.com").send().await?;
    applied(&account, &account.builder().no_addons().oidc_provider().build()?).await?;
    torn_down(&account).await?;
    assert_eq!(account.sim.inventory().count("iam/oidc-provider"), 1, "others made it");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_outlived_the_cluster_is_found_without_a_spec() -> Tested {
    for denied in [false, true] {
        let account = with_boundary().await?;
        let spec = builder(&account).build()?;
        applied(&account, &spec).await?;
        // A second cluster of the same owner keeps what is its own.
        let tag = |key: &str, value: &str| aws_sdk_iam::types::Tag::builder().key(key).value(value).build();
        let other = iam(&account).create_open_id_connect_provider().url("https://oidc.eks.us-east-1.amazonaws.com/id/OTHER");
        let other = other.tags(tag("eks-rs/owner", "chap10")?).tags(tag("eks-rs/key", "cluster/oidc-provider")?);
        other.tags(tag("eks-rs/cluster", "second")?).send().await?;
        // Somebody deletes the cluster by hand.
        eks(&account).delete_cluster().name("chap10").send().await?;
        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
        if denied {
            let no = Fault::Refuse { status: 403, code: "AccessDenied".to_owned(), message: "not authorized".to_owned() };
            let action = "GetAccountAuthorizationDetails".to_owned();
            account.sim.inject(When::Action { service: "iam".to_owned(), action, nth: 1 }, no);
        }
        let teardown = account.clusters.teardown(&account.owner, &account.name).await?;
        let keys: Vec<_> = teardown.removals().iter().map(|removal| removal.key.as_str()).collect();
        let all = [
            "cluster/role",
            "cluster/role/ebs-csi",
            "cluster/role/load-balancer-controller",
            "cluster/role/app/api",
            "cluster/role/node/gpu",
            "cluster/oidc-provider",
        ];
        assert_eq!(keys.len(), all.len(), "{denied}: {keys:?}");
        assert!(all.iter().all(|key| keys.contains(key)), "{denied}: {keys:?}");
        teardown.apply(&account.engine()).await?;
        assert_eq!(account.ours(), ["iam/oidc-provider arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/OTHER"]);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_association_changes_its_role_and_is_nobody_elses() -> Tested {
    let account = with_boundary().await?;
    let spec = builder(&account).build()?;
    applied(&account, &spec).await?;
    let theirs = account.role("theirs", "pods.eks.amazonaws.com").await?;
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    let listed = eks(&account).list_pod_identity_associations().cluster_name("chap10").send().await?;
    let id = listed.associations()[0].association_id().ok_or("no id")?.to_owned();
    eks(&account).update_pod_identity_association().cluster_name("chap10").association_id(&id).role_arn(&theirs).send().await?;
    let plan = account.clusters.plan(&spec).await?;
    let ours = "arn:aws:iam::123456789012:role/eks/chap10-lbc-us-east-1";
    assert_eq!(plan.changes().flat_map(|step| &step.changes).collect::<Vec<_>>(), [&format!("role: {theirs} → {ours}")]);
    applied(&account, &spec).await?;

    let create = eks(&account).create_pod_identity_association().cluster_name("chap10").namespace("shop").service_account("bills");
    create.role_arn(&theirs).send().await?;
    let more = builder(&account).pod_role(PodRole::new("bills", ServiceAccount::new("shop", "bills"))).build()?;
    let Err(Error::Refused { rule, .. }) = account.clusters.plan(&more).await else { panic!("taken over") };
    assert!(rule.contains("does not carry the tag"), "{rule}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn lost_answers_throttling_and_kills_of_every_new_call_converge() -> Tested {
    let creations = ["iam CreateOpenIDConnectProvider", "iam PutRolePolicy", "eks CreatePodIdentityAssociation", "eks CreateAddon"];
    for action in creations {
        for fault in [Fault::LoseAnswer, Fault::Throttle, Fault::KillBefore, Fault::KillAfter] {
            let account = with_boundary().await?;
            let spec = builder(&account).build()?;
            let (service, name) = action.split_once(' ').ok_or("no space")?;
            let plan = account.clusters.plan(&spec).await?;
            account.sim.inject(When::Action { service: service.to_owned(), action: name.to_owned(), nth: 1 }, fault.clone());
            let first = plan.apply(&account.engine()).await;
            let killed = matches!(fault, Fault::KillBefore | Fault::KillAfter);
            assert_eq!((first.is_err(), account.sim.faults_pending()), (killed, 0), "{fault:?} of {action}");
            account.sim.revive();
            applied(&account, &spec).await.map_err(|error| format!("{fault:?} of {action}: {error}"))?;
            assert_eq!(account.sim.inventory().count("iam/oidc-provider"), 1);
            torn_down(&account).await?;
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn lost_answers_of_every_change_converge() -> Tested {
    let role = "chap10-app-api-us-east-1";
    let changes = [
        "iam UpdateAssumeRolePolicy",
        "iam PutRolePermissionsBoundary",
        "iam AddClientIDToOpenIDConnectProvider",
        "eks UpdatePodIdentityAssociation",
    ];
    for action in changes {
        for fault in [Fault::LoseAnswer, Fault::KillAfter] {
            let account = with_boundary().await?;
            let spec = builder(&account).build()?;
            applied(&account, &spec).await?;
            let iam = iam(&account);
            let strangers = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
            iam.update_assume_role_policy().role_name(role).policy_document(strangers).send().await?;
            iam.delete_role_permissions_boundary().role_name(role).send().await?;
            let providers = iam.list_open_id_connect_providers().send().await?;
            let provider = providers.open_id_connect_provider_list()[0].arn().ok_or("no ARN")?;
            let remove = iam.remove_client_id_from_open_id_connect_provider().open_id_connect_provider_arn(provider);
            remove.client_id("sts.amazonaws.com").send().await?;
            let listed = eks(&account).list_pod_identity_associations().cluster_name("chap10").send().await?;
            let id = listed.associations()[0].association_id().ok_or("no id")?;
            let update = eks(&account).update_pod_identity_association().cluster_name("chap10").association_id(id);
            update.disable_session_tags(true).send().await?;

            let (service, name) = action.split_once(' ').ok_or("no space")?;
            let plan = account.clusters.plan(&spec).await?;
            account.sim.inject(When::Action { service: service.to_owned(), action: name.to_owned(), nth: 1 }, fault.clone());
            let first = plan.apply(&account.engine()).await;
            assert_eq!((first.is_err(), account.sim.faults_pending()), (fault == Fault::KillAfter, 0), "{fault:?} of {action}");
            account.sim.revive();
            applied(&account, &spec).await.map_err(|error| format!("{fault:?} of {action}: {error}"))?;
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_teardown_killed_at_the_provider_is_finished_by_the_next() -> Tested {
    for fault in [Fault::KillBefore, Fault::KillAfter, Fault::LoseAnswer] {
        let account = with_boundary().await?;
        applied(&account, &builder(&account).build()?).await?;
        let teardown = account.clusters.teardown(&account.owner, &account.name).await?;
        let action = "DeleteOpenIDConnectProvider".to_owned();
        account.sim.inject(When::Action { service: "iam".to_owned(), action, nth: 1 }, fault.clone());
        let first = teardown.apply(&account.engine()).await;
        assert_eq!(first.is_ok(), fault == Fault::LoseAnswer, "{fault:?}");
        account.sim.revive();
        torn_down(&account).await?;
        assert_eq!(account.sim.inventory().count("iam/oidc-provider"), 0);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_instance_profile_that_holds_a_role_is_named() -> Tested {
    let account = Account::new(Sim::new()).await?;
    applied(&account, &account.builder().no_addons().node_role(NodeRole::new("gpu")).build()?).await?;
    let (iam, role) = (iam(&account), "chap10-node-gpu-us-east-1");
    iam.create_instance_profile().instance_profile_name("by-hand").send().await?;
    iam.add_role_to_instance_profile().instance_profile_name("by-hand").role_name(role).send().await?;
    let ending = account.clusters.teardown(&account.owner, &account.name).await?.apply(&account.engine()).await?;
    let failures: Vec<_> = ending.report.failures().collect();
    let [(key, Error::Refused { rule, remedy, .. })] = failures.as_slice() else { panic!("{failures:?}") };
    assert_eq!(key.as_str(), "cluster/role/node/gpu");
    assert_eq!(rule, "is in the instance profile by-hand, which others made");
    assert!(remedy.contains(&format!("--role-name {role} --instance-profile-name by-hand")), "{remedy}");
    iam.remove_role_from_instance_profile().instance_profile_name("by-hand").role_name(role).send().await?;
    torn_down(&account).await
}
