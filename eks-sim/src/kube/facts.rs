//! What the Kubernetes side asks of EKS. Unit tests put their own answers here.

use super::{Kubelet, store};
use crate::{
    call::Service,
    eks::{self, AccessFacts, ClusterFacts},
    iam,
    world::World,
};

pub(super) fn cluster(world: &World, name: &str) -> Option<ClusterFacts> {
    #[cfg(test)]
    if let Some(facts) = &world.kube.stand_in {
        return (facts.cluster.name == name).then(|| facts.cluster.clone());
    }
    eks::cluster(world, name)
}

pub(super) fn cluster_by_host(world: &World, host: &str) -> Option<String> {
    #[cfg(test)]
    if let Some(facts) = &world.kube.stand_in {
        return (facts.cluster.endpoint_host == host).then(|| facts.cluster.name.clone());
    }
    eks::cluster_by_host(world, host)
}

pub(super) fn access(world: &World, cluster: &str, principal: &str) -> Option<AccessFacts> {
    #[cfg(test)]
    if let Some(facts) = &world.kube.stand_in {
        return facts.access.get(principal).cloned();
    }
    eks::access(world, cluster, principal)
}

pub(super) fn software_installed(world: &World, cluster: &str, addon: &str) -> bool {
    #[cfg(test)]
    if let Some(facts) = &world.kube.stand_in {
        return facts.software.contains(&addon);
    }
    eks::software_installed(world, cluster, addon)
}

/// Whether aws-node runs on a node: the CNI is installed, the kubelet may pull its image, and it may manage the node's network
/// interfaces, by a role of its own or the node's ("Amazon EKS node IAM role", "Configure Amazon VPC CNI plugin to use IRSA").
/// What policies of the account's own making permit is not judged: they are taken to suffice.
pub(super) fn network_runs(world: &mut World, cluster: &str, kubelet: &Kubelet) -> bool {
    // Windows images bring their CNI, which kubelet runs ("Deploy Windows nodes on EKS clusters").
    if kubelet.windows {
        return true;
    }
    if !software_installed(world, cluster, "vpc-cni") {
        return false;
    }
    #[cfg(test)]
    if world.kube.stand_in.is_some() {
        return true;
    }
    let role = pod_role(world, cluster, "aws-node", "vpc-cni").unwrap_or_else(|| kubelet.role_arn.clone());
    permits(world, &kubelet.role_arn, &REGISTRY_POLICIES) && permits(world, &role, &CNI_POLICIES)
}

const CNI_POLICIES: [&str; 2] = ["AmazonEKS_CNI_Policy", "AdministratorAccess"];
const REGISTRY_POLICIES: [&str; 5] = [
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEC2ContainerRegistryPowerUser",
    "AmazonEC2ContainerRegistryFullAccess",
    "AdministratorAccess",
];

/// Whether a role has one of these managed policies, or policies of the account's own.
fn permits(world: &World, role: &str, policies: &[&str]) -> bool {
    let attached = iam::attached_policies(world, role);
    let managed = attached.iter().filter_map(|arn| arn.strip_prefix("arn:aws:iam::aws:policy/")).any(|name| policies.contains(&name));
    managed || iam::has_own_policies(world, role)
}

/// The role under which the EBS CSI driver's controller acts.
pub(super) fn storage_role(world: &mut World, cluster: &str) -> Option<String> {
    #[cfg(test)]
    if let Some(facts) = &world.kube.stand_in {
        return facts.storage_role.clone();
    }
    pod_role(world, cluster, "ebs-csi-controller-sa", "aws-ebs-csi-driver")
}

/// The role of an add-on's service account: Pod Identity's, or by the account's own token.
fn pod_role(world: &mut World, cluster: &str, service_account: &str, addon: &str) -> Option<String> {
    let by_agent = eks::pod_role(world, cluster, "kube-system", service_account);
    by_agent.or_else(|| eks::service_account_role(world, cluster, addon, service_account))
}

/// The service account role of an add-on, whether or not it can be taken: its annotation says it.
pub(super) fn addon_role(world: &mut World, cluster: &str, addon: &str) -> Option<String> {
    let args = serde_json::json!({"clusterName": cluster, "name": cluster, "addonName": addon});
    let caller = world.service_caller("eks.amazonaws.com");
    let answer = world.call(Service::Eks, "DescribeAddon", args, &caller).ok()?;
    Some(store::text(&answer, "/addon/serviceAccountRoleArn").to_owned()).filter(|role| !role.is_empty())
}

/// Answers for unit tests, where no EKS is wanted.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(super) struct StandIn {
    pub(super) cluster: ClusterFacts,
    pub(super) access: std::collections::BTreeMap<String, AccessFacts>,
    pub(super) software: std::collections::BTreeSet<&'static str>,
    pub(super) storage_role: Option<String>,
}
