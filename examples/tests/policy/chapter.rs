//! The chapter's flows from the network up: with workers on top, and Kubernetes objects, which need nothing of IAM themselves.

use eks_cluster::{ClusterSpec, KubernetesVersion};
use eks_core::{AuthenticationMode, ClusterName, Owner, Plan, StackName, engine::Engine};
use eks_examples::{
    account::Account,
    environment::{Environment, Layer, Variant},
};
use eks_nodes::{Capacity, Workers, WorkersSpec};
use eks_sim::Sim;

use crate::flow::{Done, Failure, least, least_if_asked, passes, scope};

fn environment(sim: &Sim, top: Layer) -> Result<Environment, Failure> {
    Environment::new(&Variant { top, ..Variant::default() }, &Account::on(sim.clone()))
}

async fn plan(sim: &Sim, top: Layer) -> Result<Plan, Failure> {
    environment(sim, top)?.plan().await
}

async fn apply(sim: &Sim, top: Layer) -> Done {
    let environment = environment(sim, top)?;
    environment.plan().await?.apply(&environment.engine()).await?;
    Ok(())
}

async fn of(top: Layer, from: Option<Layer>, name: &str, without_use: &[&str]) {
    let stage = async |sim: &Sim| match from {
        Some(top) => apply(sim, top).await,
        None => Ok(()),
    };
    let policy = async |sim: &Sim| Ok(plan(sim, top).await?.policy(&scope()));
    let run = async |sim: &Sim| apply(sim, top).await;
    if from.is_some() {
        least(name, stage, policy, run, without_use).await;
    } else {
        least_if_asked(name, stage, policy, run, without_use).await;
    }
}

/// What a stack calls only to take back what it has begun, or to change what stands.
const ROLLBACK: [&str; 15] = [
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
    "cloudformation:DeleteStack",
    "cloudformation:UpdateStack",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:DeleteLaunchTemplate",
    "ec2:DeleteSecurityGroup",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "eks:DeleteAccessEntry",
    "iam:DeleteInstanceProfile",
    "iam:DeleteRole",
    "iam:DetachRolePolicy",
    "iam:RemoveRoleFromInstanceProfile",
];

/// What a change of a stack calls only if it replaces what the stack holds.
const CREATION: [&str; 13] = [
    "autoscaling:CreateAutoScalingGroup",
    "cloudformation:CreateStack",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "eks:CreateAccessEntry",
    "eks:TagResource",
    "iam:CreateServiceLinkedRole",
    "iam:PassRole",
    "ec2:RunInstances",
    "cloudformation:TagResource",
];

#[tokio::test(start_paused = true)]
async fn workers() {
    of(Layer::Nodes, Some(Layer::Cluster), "workers: create", &ROLLBACK).await;
}

/// The same workers, one fewer.
fn fewer() -> Result<WorkersSpec, Failure> {
    let owner = Owner::new("chap10")?;
    let network = eks_examples::environment::network(&owner)?;
    let cluster = ClusterSpec::builder(&owner, ClusterName::new("chap10")?, KubernetesVersion::V1_36, network.refs());
    let cluster = cluster.security_groups(["eks-control-plane"]).authentication(AuthenticationMode::ApiAndConfigMap).build()?;
    let workers = WorkersSpec::builder(&owner, StackName::new("chap10-worker")?, cluster.refs(), network.refs().private());
    Ok(workers.instance_type("t3.medium").capacity(Capacity::new(1, 1, 3)?).build()?)
}

#[tokio::test(start_paused = true)]
async fn fewer_workers() {
    let stage = async |sim: &Sim| apply(sim, Layer::Nodes).await;
    // On what stands: the layers below are kept, and their steps tell what the workers refer to.
    let plan = async |sim: &Sim| {
        let below = environment(sim, Layer::Cluster)?.plan().await?;
        Ok::<_, Failure>(Plan::join([below, Workers::new(&sim.sdk_config()).plan(&fewer()?).await?])?)
    };
    let policy = async |sim: &Sim| Ok(plan(sim).await?.policy(&scope()));
    let run = async |sim: &Sim| {
        plan(sim).await?.apply(&environment(sim, Layer::Nodes)?.engine()).await?;
        Ok(())
    };
    let only = ROLLBACK.iter().chain(&CREATION).copied().collect::<Vec<_>>();
    // What CloudFormation replaces is not known before: a change may do what making the stack may.
    passes("workers: change", &stage, &policy, &run, &only).await;
}

#[tokio::test(start_paused = true)]
async fn workers_go() {
    let stage = async |sim: &Sim| apply(sim, Layer::Nodes).await;
    let owner = Owner::new("chap10").expect("a name");
    let policy = async |sim: &Sim| Ok(Workers::new(&sim.sdk_config()).teardown(&owner).await?.policy(&scope()));
    let run = async |sim: &Sim| {
        let workers = Workers::new(&sim.sdk_config());
        let ending = workers.teardown(&owner).await?.apply(&Engine::new().driver(workers)).await?;
        if ending.verdict.is_clean() { Ok(()) } else { Err(Failure::from(format!("{}\n{:?}", ending.verdict, ending.report))) }
    };
    least("workers: teardown", stage, policy, run, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_to_do() {
    of(Layer::K8s, Some(Layer::K8s), "chapter: nothing to do", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn create() {
    of(Layer::K8s, None, "chapter: create", &ROLLBACK).await;
}

#[tokio::test(start_paused = true)]
async fn teardown() {
    let stage = async |sim: &Sim| {
        apply(sim, Layer::K8s).await?;
        crate::net::leave(sim).await
    };
    let policy = async |sim: &Sim| Ok(environment(sim, Layer::K8s)?.teardown().await?.policy(&scope()));
    let run = async |sim: &Sim| {
        let environment = environment(sim, Layer::K8s)?;
        let ending = environment.teardown().await?.apply(&environment.engine()).await?;
        if ending.verdict.is_clean() { Ok(()) } else { Err(Failure::from(format!("{}\n{:?}", ending.verdict, ending.report))) }
    };
    least_if_asked("chapter: teardown", stage, policy, run, &["iam:DeleteRolePolicy"]).await;
}
