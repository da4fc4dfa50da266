//! Roles for Pods, by both ways.

use eks_cluster::{Addon, ClusterSpecBuilder, PodRole, ServiceAccount};

use super::{Act, Flow, Stage, survives_every_fault};
use crate::support::Tested;

fn agent(stage: &Stage) -> ClusterSpecBuilder {
    stage.account.builder().no_addons().bootstrap_self_managed_addons(false).addon(Addon::new("eks-pod-identity-agent"))
}

/// A role through EKS Pod Identity with its association, and one through the cluster's identity provider.
fn pods(stage: &Stage) -> ClusterSpecBuilder {
    let role = |name: &str| PodRole::new(name, ServiceAccount::new("shop", name)).aws_policy("AmazonS3ReadOnlyAccess");
    agent(stage).pod_role(role("api")).pod_role(role("bills").irsa())
}

#[tokio::test(start_paused = true)]
async fn giving_pods_their_roles() -> Tested {
    survives_every_fault(Flow { before: Some(agent), tamper: None, act: Act::Apply(pods) }).await
}

#[tokio::test(start_paused = true)]
async fn deleting_roles_associations_and_the_identity_provider() -> Tested {
    survives_every_fault(Flow { before: Some(pods), tamper: None, act: Act::TearDown }).await
}
