//! Who may enter, on the simulator: made, changed by others, mended; permissions of the caller.

use aws_sdk_eks::types::{AccessScope, AccessScopeType};
use eks_cluster::{AccessEntry, AccessPolicy, AccessType, ClusterSpecBuilder};
use eks_core::{Action, AuthenticationMode, Error, Finding, Severity};
use eks_sim::{Fault, Sim, When};

use crate::support::{Account, Tested};

const POLICIES: &str = "arn:aws:eks::aws:cluster-access-policy/";

fn bare(account: &Account) -> ClusterSpecBuilder {
    account.builder().no_addons().bootstrap_self_managed_addons(false)
}

fn lines(step: Option<&eks_core::Step>) -> Vec<String> {
    step.map(|step| step.changes.clone()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn every_type_is_made_and_found_again() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let mut builder = bare(&account);
    for kind in AccessType::ALL.into_iter().filter(|kind| *kind != AccessType::Standard) {
        let role: eks_core::RoleArn = account.role(&format!("role-{kind}"), "ec2.amazonaws.com").await?.parse()?;
        builder = builder.access_entry(AccessEntry::nodes(kind, kind.as_str(), role));
    }
    let spec = builder.build()?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    let again = account.clusters.plan(&spec).await?;
    assert!(again.is_noop(), "{again}");
    for kind in AccessType::ALL.into_iter().filter(|kind| *kind != AccessType::Standard) {
        let arn = format!("arn:aws:iam::123456789012:role/role-{kind}");
        let entry = eks.describe_access_entry().cluster_name(account.name.as_str()).principal_arn(arn).send().await?;
        assert_eq!(entry.access_entry().and_then(|entry| entry.r#type()), Some(kind.as_str()));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_others_change_about_our_entry_is_shown_and_mended() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let developers = account.role("developers", "ec2.amazonaws.com").await?;
    let entry = AccessEntry::standard(&developers)
        .username("dev:{{SessionName}}")
        .group("dev")
        .policy(AccessPolicy::edit().in_namespaces(["shop", "dev-*"]));
    let spec = bare(&account).access_entry(entry).build()?;
    account.clusters.plan(&spec).await?.apply(&account.engine()).await?;
    assert!(account.clusters.plan(&spec).await?.is_noop());

    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let name = account.name.as_str();
    let update = eks.update_access_entry().cluster_name(name).principal_arn(&developers);
    update.username("boss").kubernetes_groups("dev").kubernetes_groups("ops").send().await?;
    for policy in ["AmazonEKSEditPolicy", "AmazonEKSClusterAdminPolicy"] {
        let scope = AccessScope::builder().r#type(AccessScopeType::Cluster).build();
        let associate = eks.associate_access_policy().cluster_name(name).principal_arn(&developers).access_scope(scope);
        associate.policy_arn(format!("{POLICIES}{policy}")).send().await?;
    }
    let plan = account.clusters.plan(&spec).await?;
    let step = plan.step("cluster/access/developers");
    assert_eq!(step.map(|step| step.action), Some(Action::Update));
    assert_eq!(
        lines(step),
        [
            "username: boss → dev:{{SessionName}}",
            "groups: dev, ops → dev",
            "policy AmazonEKSEditPolicy: the whole cluster → dev-*, shop",
            "policy AmazonEKSClusterAdminPolicy: the whole cluster → none",
        ]
    );
    plan.apply(&account.engine()).await?;
    let again = account.clusters.plan(&spec).await?;
    assert!(again.is_noop(), "{again}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn entries_of_others_are_kept_or_refused_and_never_changed() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let theirs = account.role("theirs", "ec2.amazonaws.com").await?;
    account.clusters.plan(&bare(&account).build()?).await?.apply(&account.engine()).await?;
    let eks = aws_sdk_eks::Client::new(&account.sim.sdk_config());
    let create = eks.create_access_entry().cluster_name(account.name.as_str()).principal_arn(&theirs);
    create.kubernetes_groups("dev").kubernetes_groups("more").send().await?;
    let before = account.sim.log().len();
    // It gives what is asked for, and more.
    let enough = bare(&account).access_entry(AccessEntry::standard(&theirs).group("dev")).build()?;
    assert!(account.clusters.plan(&enough).await?.is_noop());
    let less = bare(&account).access_entry(AccessEntry::standard(&theirs).group("ops").policy(AccessPolicy::view())).build()?;
    let Err(Error::Refused { rule, .. }) = account.clusters.plan(&less).await else { panic!("changed") };
    assert_eq!(rule, "is not ours, and it lacks group ops; it lacks policy AmazonEKSViewPolicy in the whole cluster");
    let Err(Error::Refused { rule, .. }) = account.clusters.plan(&bare(&account).admin(&theirs).build()?).await else { panic!("changed") };
    assert!(rule.ends_with("it lacks policy AmazonEKSClusterAdminPolicy in the whole cluster"), "{rule}");
    assert!(account.calls_since(before).iter().all(|call| call.contains(":Describe") || call.contains(":List") || call.contains(":Get")));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn entries_come_with_the_mode_and_the_mode_is_warned_of() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let admin = account.role("admin", "ec2.amazonaws.com").await?;
    let before = bare(&account).authentication(AuthenticationMode::ConfigMap).build()?;
    account.clusters.plan(&before).await?.apply(&account.engine()).await?;
    let after = bare(&account).admin(&admin).build()?;
    let plan = account.clusters.plan(&after).await?;
    let warned: Vec<_> = plan.findings().into_iter().filter(|finding| finding.message.contains("no way back")).collect();
    assert_eq!(warned.len(), 1, "{plan}");
    assert_eq!(warned[0].message, "authentication mode API_AND_CONFIG_MAP: EKS has no way back to CONFIG_MAP");
    plan.apply(&account.engine()).await?;
    assert!(account.clusters.plan(&after).await?.is_noop());
    Ok(())
}

fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_permissions_is_told_before_the_first_call() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let iam = aws_sdk_iam::Client::new(&account.sim.sdk_config());
    let plan = account.clusters.plan(&bare(&account).build()?).await?;
    assert!(account.clusters.check_permissions(&plan, "arn:aws:iam::123456789012:user/admin").await?.is_empty());

    account.role("deployer", "ec2.amazonaws.com").await?;
    iam.attach_role_policy().role_name("deployer").policy_arn("arn:aws:iam::aws:policy/PowerUserAccess").send().await?;
    let denies = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"eks:Create*","Resource":"*"}}"#;
    iam.put_role_policy().role_name("deployer").policy_name("x").policy_document(denies).send().await?;
    let before = account.sim.log().len();
    let session = "arn:aws:sts::123456789012:assumed-role/deployer/ci";
    let findings = account.clusters.check_permissions(&plan, session).await?;
    assert_eq!(account.calls_since(before), ["iam:GetRole", "iam:SimulatePrincipalPolicy"]);
    let role = "arn:aws:iam::123456789012:role/deployer may not";
    assert_eq!(
        told(&findings),
        [
            format!("cluster/control-plane: {role} eks:CreateCluster: a statement denies it"),
            format!("cluster/role: {role} iam:AttachRolePolicy: no policy allows it on every resource"),
            format!("cluster/role: {role} iam:CreateRole: no policy allows it on every resource"),
            format!("cluster/role: {role} iam:GetRole: no policy allows it on every resource; also needed by cluster/control-plane"),
            format!(
                "cluster/role: {role} iam:ListAttachedRolePolicies: no policy allows it on every resource; also needed by cluster/control-plane"
            ),
            format!("cluster/control-plane: {role} iam:PassRole: no policy allows it on every resource"),
            format!("cluster/role: {role} iam:TagRole: no policy allows it on every resource"),
        ]
    );
    assert!(findings.iter().all(|finding| finding.severity == Severity::Warning));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn permissions_that_cannot_be_checked_are_a_note() -> Tested {
    let account = Account::new(Sim::new()).await?;
    let plan = account.clusters.plan(&bare(&account).build()?).await?;
    let denied = Fault::Refuse { status: 403, code: "AccessDenied".to_owned(), message: "not authorized to simulate".to_owned() };
    account.sim.inject(When::Action { service: "iam".to_owned(), action: "SimulatePrincipalPolicy".to_owned(), nth: 1 }, denied);
    for (caller, why) in [
        ("arn:aws:iam::123456789012:user/admin", "not authorized to simulate"),
        ("arn:aws:sts::123456789012:assumed-role/gone/me", "the account has no role gone"),
        ("arn:aws:iam::123456789012:root", "IAM does not simulate the policies of arn:aws:iam::123456789012:root"),
    ] {
        let findings = account.clusters.check_permissions(&plan, caller).await?;
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.severity, Severity::Note);
        assert!(finding.message.starts_with("permissions could not be checked: ") && finding.message.contains(why), "{finding}");
    }
    Ok(())
}
