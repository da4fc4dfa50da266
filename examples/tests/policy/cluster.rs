//! The flows of the control plane, on a network that stands.

use eks_cluster::{ClusterSpec, Clusters, KubernetesVersion, LogType, PodRole, ServiceAccount, upgrade::Upgrade};
use eks_core::{AuthenticationMode, ClusterName, Owner, Plan, engine::Engine};
use eks_net::Networks;
use eks_sim::Sim;

use crate::flow::{Done, Failure, least, scope};

fn owner() -> Owner {
    Owner::new("chap10").expect("a name")
}

fn builder(version: KubernetesVersion) -> eks_cluster::ClusterSpecBuilder {
    let network = eks_examples::environment::network(&owner()).expect("a fine network");
    ClusterSpec::builder(&owner(), ClusterName::new("chap10").expect("a name"), version, network.refs())
        .security_groups(["eks-control-plane"])
        .authentication(AuthenticationMode::ApiAndConfigMap)
        .creator_admin(false)
}

/// The control plane with its own role and add-ons, one of which has a role.
fn chapter() -> ClusterSpec {
    builder(KubernetesVersion::V1_36).build().expect("a fine cluster")
}

/// With an application's role, an administrator, an identity provider, logs and a tag.
fn changed() -> ClusterSpec {
    builder(KubernetesVersion::V1_36)
        .pod_role(PodRole::new("shop", ServiceAccount::new("shop", "api")).aws_policy("AmazonS3ReadOnlyAccess"))
        .admin("arn:aws:iam::123456789012:user/admin")
        .oidc_provider()
        .logging([LogType::Audit])
        .tag("team", "shop")
        .build()
        .expect("a fine cluster")
}

fn process(sim: &Sim) -> (Networks, Clusters, Engine) {
    let (networks, clusters) = (Networks::new(&sim.sdk_config()), Clusters::new(&sim.sdk_config()));
    (networks.clone(), clusters.clone(), Engine::new().driver(networks).driver(clusters))
}

async fn network(sim: &Sim) -> Done {
    let (networks, _, engine) = process(sim);
    networks.plan(&eks_examples::environment::network(&owner())?).await?.apply(&engine).await?;
    Ok(())
}

async fn plan(sim: &Sim, spec: &ClusterSpec) -> Result<Plan, Failure> {
    let (networks, clusters, _) = process(sim);
    let network = networks.plan(&eks_examples::environment::network(&owner())?).await?;
    let cluster = clusters.plan(&spec.over(&network)).await?;
    Ok(Plan::join([network, cluster])?)
}

async fn apply(sim: &Sim, spec: &ClusterSpec) -> Done {
    plan(sim, spec).await?.apply(&process(sim).2).await?;
    Ok(())
}

async fn of(spec: &ClusterSpec, from: Option<&ClusterSpec>, name: &str, without_use: &[&str]) {
    let stage = async |sim: &Sim| {
        network(sim).await?;
        match from {
            Some(spec) => apply(sim, spec).await,
            None => Ok(()),
        }
    };
    let policy = async |sim: &Sim| Ok(plan(sim, spec).await?.policy(&scope()));
    least(name, stage, policy, async |sim: &Sim| apply(sim, spec).await, without_use).await;
}

#[tokio::test(start_paused = true)]
async fn create() {
    of(&chapter(), None, "cluster: create", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_to_do() {
    of(&chapter(), Some(&chapter()), "cluster: nothing to do", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn change() {
    of(&changed(), Some(&chapter()), "cluster: change", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn upgrade() {
    let older = builder(KubernetesVersion::V1_35).no_addons().addon(eks_cluster::Addon::new("kube-proxy")).build().expect("a fine cluster");
    let upgrade = || {
        let name = ClusterName::new("chap10").expect("a name");
        Upgrade::builder(&owner(), name, "us-east-1".parse().expect("a Region"), KubernetesVersion::V1_36).build().expect("an upgrade")
    };
    let stage = async |sim: &Sim| {
        network(sim).await?;
        apply(sim, &older).await
    };
    let policy = async |sim: &Sim| Ok(process(sim).1.upgrade(&upgrade()).await?.plan().policy(&scope()));
    let run = async |sim: &Sim| {
        let (_, clusters, engine) = process(sim);
        clusters.upgrade(&upgrade()).await?.plan().apply(&engine).await?;
        Ok(())
    };
    least("cluster: upgrade", stage, policy, run, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn teardown() {
    let stage = async |sim: &Sim| {
        network(sim).await?;
        apply(sim, &changed()).await
    };
    let name = ClusterName::new("chap10").expect("a name");
    let policy = async |sim: &Sim| Ok(process(sim).1.teardown(&owner(), &name).await?.policy(&scope()));
    let run = async |sim: &Sim| {
        let (_, clusters, engine) = process(sim);
        let ending = clusters.teardown(&owner(), &name).await?.apply(&engine).await?;
        // The log group is left, which EKS never deletes.
        let left: Vec<_> = ending.verdict.survivors().iter().filter(|one| one.kind != "CloudWatch log group").collect();
        if left.is_empty() { Ok(()) } else { Err(Failure::from(format!("{}\n{:?}", ending.verdict, ending.report))) }
    };
    // Someone may have written a policy into a role.
    least("cluster: teardown", stage, policy, run, &["iam:DeleteRolePolicy"]).await;
}
