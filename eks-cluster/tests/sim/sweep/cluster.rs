//! The control plane, its roles and its add-ons.

use eks_cluster::{
    AccessEntry, AccessPolicy, Addon, AddonRemoval, ClusterSpecBuilder, Encryption, Endpoint, LogType, ScalingTier, UpgradePolicy,
};

use super::{Act, Flow, Stage, survives_every_fault};
use crate::support::Tested;

/// Roles, control plane, add-ons with and without a role, entries of each kind.
fn whole(stage: &Stage) -> ClusterSpecBuilder {
    let developers = AccessEntry::standard(&stage.developers)
        .username("dev:{{SessionName}}")
        .group("developers")
        .policy(AccessPolicy::edit().in_namespaces(["shop", "dev-*"]));
    let nodes: eks_core::RoleArn = stage.nodes.parse().expect("the simulator's ARNs are ARNs");
    agent(stage).addon(Addon::new("aws-ebs-csi-driver")).node_role_entry("workers", nodes).admin(&stage.admin).access_entry(developers)
}

/// Nothing runs in it: Pods that wait for nodes would keep the simulator busy.
fn bare(stage: &Stage) -> ClusterSpecBuilder {
    stage.account.builder().no_addons().bootstrap_self_managed_addons(false)
}

#[tokio::test(start_paused = true)]
async fn creating_all_of_it() -> Tested {
    survives_every_fault(Flow { before: None, tamper: None, act: Act::Apply(whole) }).await
}

#[tokio::test(start_paused = true)]
async fn deleting_all_of_it() -> Tested {
    survives_every_fault(Flow { before: Some(whole), tamper: None, act: Act::TearDown }).await
}

#[tokio::test(start_paused = true)]
async fn changing_each_kind_of_configuration() -> Tested {
    let after = |stage: &Stage| {
        bare(stage)
            .endpoint(Endpoint::Both)
            .public_access_cidrs(["98.234.106.21/32"])
            .upgrade_policy(UpgradePolicy::Standard)
            .tag("team", "platform")
    };
    survives_every_fault(Flow { before: Some(bare), tamper: None, act: Act::Apply(after) }).await
}

#[tokio::test(start_paused = true)]
async fn changing_what_a_provisioned_control_plane_has() -> Tested {
    let after = |stage: &Stage| {
        let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let key = Encryption::CustomerManaged(key.parse().expect("the ARN of a key"));
        bare(stage).zonal_shift(true).scaling_tier(ScalingTier::Xl).encryption(key)
    };
    survives_every_fault(Flow { before: Some(bare), tamper: None, act: Act::Apply(after) }).await
}

#[tokio::test(start_paused = true)]
async fn switching_logs_off_and_protection_too() -> Tested {
    let before = |stage: &Stage| bare(stage).logging([LogType::Audit]).deletion_protection(true);
    survives_every_fault(Flow { before: Some(before), tamper: None, act: Act::Apply(bare) }).await
}

#[tokio::test(start_paused = true)]
async fn changing_addons() -> Tested {
    let before = |stage: &Stage| agent(stage).addon(Addon::new("aws-ebs-csi-driver").without_role());
    let after = |stage: &Stage| {
        agent(stage).addon(Addon::new("vpc-cni").configuration(r#"{"env":{"WARM_IP_TARGET":"2"}}"#)).addon(Addon::new("aws-ebs-csi-driver"))
    };
    survives_every_fault(Flow { before: Some(before), tamper: None, act: Act::Apply(after) }).await
}

#[tokio::test(start_paused = true)]
async fn removing_an_addon() -> Tested {
    let without = |stage: &Stage| bare(stage).remove_addon(AddonRemoval::new("vpc-cni"));
    survives_every_fault(Flow { before: Some(agent), tamper: None, act: Act::Remove(without) }).await
}

fn agent(stage: &Stage) -> ClusterSpecBuilder {
    bare(stage).addon(Addon::new("vpc-cni")).addon(Addon::new("eks-pod-identity-agent"))
}

#[tokio::test(start_paused = true)]
async fn mending_a_role() -> Tested {
    let flow = Flow {
        before: Some(bare),
        tamper: Some(|stage| {
            Box::pin(async move {
                let role = "chap10-cluster-us-east-1";
                let policy = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
                stage.iam.detach_role_policy().role_name(role).policy_arn(policy).send().await?;
                let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["eks.amazonaws.com","ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}]}"#;
                stage.iam.update_assume_role_policy().role_name(role).policy_document(document).send().await?;
                Ok(())
            })
        }),
        act: Act::Apply(bare),
    };
    survives_every_fault(flow).await
}
