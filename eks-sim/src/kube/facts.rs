//! What the Kubernetes side asks of EKS. Unit tests put their own answers here.

use super::{Kubelet, store};
use crate::{
    call::Service,
    eks::{self, AccessFacts, ClusterFacts},
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

/// The role under which the EBS CSI driver's controller acts: Pod Identity's, or the add-on's service account role.
pub(super) fn storage_role(world: &mut World, cluster: &str) -> Option<String> {
    #[cfg(test)]
    if let Some(facts) = &world.kube.stand_in {
        return facts.storage_role.clone();
    }
    eks::pod_role(world, cluster, "kube-system", "ebs-csi-controller-sa").or_else(|| {
        let args = serde_json::json!({"clusterName": cluster, "name": cluster, "addonName": "aws-ebs-csi-driver"});
        let caller = world.service_caller("eks.amazonaws.com");
        let answer = world.call(Service::Eks, "DescribeAddon", args, &caller).ok()?;
        Some(store::text(&answer, "/addon/serviceAccountRoleArn").to_owned()).filter(|role| !role.is_empty())
    })
}

/// Whether a kubelet is not newer than the control plane and at most three minor versions older (Kubernetes' version skew policy).
pub(super) fn version_fits(cluster: &ClusterFacts, kubelet: &Kubelet) -> bool {
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    match (minor(&cluster.version), minor(&kubelet.version)) {
        (Some(server), Some(node)) => node <= server && server - node <= 3,
        _ => false,
    }
}

/// Answers for unit tests, where no EKS is wanted.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct StandIn {
    pub(super) cluster: ClusterFacts,
    pub(super) access: std::collections::BTreeMap<String, AccessFacts>,
    pub(super) software: std::collections::BTreeSet<&'static str>,
    pub(super) storage_role: Option<String>,
}
