//! The chapter's flows from the network up: with workers on top, and Kubernetes objects, which need nothing of IAM themselves.

use eks_core::Plan;
use eks_examples::{
    account::Account,
    environment::{Environment, Layer, Variant},
};
use eks_sim::Sim;

use crate::flow::{Done, Failure, least, scope};

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
    least(name, stage, policy, async |sim: &Sim| apply(sim, top).await, without_use).await;
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

#[tokio::test(start_paused = true)]
async fn workers() {
    of(Layer::Nodes, Some(Layer::Cluster), "workers: create", &ROLLBACK).await;
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
    least("chapter: teardown", stage, policy, run, &["iam:DeleteRolePolicy"]).await;
}
