//! What the rest of the account asks of EKS.

use super::{access as entries, addon, cluster::Cluster};
use crate::{
    iam::{self, Trust},
    world::World,
};

/// What the rest of the account must know of a cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterFacts {
    pub(crate) name: String,
    /// `CREATING`, `ACTIVE`, …
    pub(crate) status: String,
    /// Kubernetes minor version, `1.36`.
    pub(crate) version: String,
    /// Host of the endpoint, without scheme.
    pub(crate) endpoint_host: String,
    /// Base64 of the certificate authority, as DescribeCluster tells it.
    pub(crate) certificate_authority: String,
    pub(crate) service_cidr: String,
    pub(crate) vpc: String,
    pub(crate) subnets: Vec<String>,
    /// Groups given at creation.
    pub(crate) security_groups: Vec<String>,
    /// The group that EKS made.
    pub(crate) cluster_security_group: String,
    /// `CONFIG_MAP`, `API_AND_CONFIG_MAP` or `API`.
    pub(crate) authentication_mode: String,
    pub(crate) endpoint_public: bool,
    /// ARN of whoever created the cluster, if it was given administrator rights.
    pub(crate) creator_admin: Option<String>,
    pub(crate) role_arn: String,
}

/// A mapping from an IAM principal into the cluster, as access entries give it (only those that have taken effect).
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessFacts {
    /// `STANDARD`, `EC2_LINUX`, …
    pub(crate) kind: String,
    pub(crate) username: String,
    pub(crate) groups: Vec<String>,
    /// ARNs of associated access policies.
    pub(crate) policies: Vec<String>,
}

/// A cluster by name.
pub(crate) fn cluster(world: &World, name: &str) -> Option<ClusterFacts> {
    let cluster = world.eks.clusters.get(name)?;
    Some(ClusterFacts {
        name: cluster.name.clone(),
        status: cluster.status.clone(),
        version: cluster.version.clone(),
        endpoint_host: cluster.endpoint_host(&world.region),
        certificate_authority: Cluster::certificate_authority(),
        service_cidr: cluster.service_cidr.clone(),
        vpc: cluster.vpc.clone(),
        subnets: cluster.subnets.clone(),
        security_groups: cluster.security_groups.clone(),
        cluster_security_group: cluster.cluster_security_group.clone().unwrap_or_default(),
        authentication_mode: cluster.authentication_mode.clone(),
        endpoint_public: cluster.endpoint_public,
        creator_admin: cluster.creator_mapping.then(|| cluster.creator.clone()),
        role_arn: cluster.role_arn.clone(),
    })
}

/// The cluster that an endpoint's host belongs to, while it is there.
pub(crate) fn cluster_by_host(world: &World, host: &str) -> Option<String> {
    // Host names do not tell case apart.
    let owner = |cluster: &&Cluster| cluster.ready && cluster.endpoint_host(&world.region).eq_ignore_ascii_case(host);
    world.eks.clusters.values().find(owner).map(|cluster| cluster.name.clone())
}

/// The access entry of a principal (a role's ARN, or a user's).
pub(crate) fn access(world: &World, cluster: &str, principal: &str) -> Option<AccessFacts> {
    entries::in_effect(world, world.eks.clusters.get(cluster)?, principal)
}

/// Whether an add-on's software runs: managed and installed, or self-managed from the start.
pub(crate) fn software_installed(world: &World, cluster: &str, addon: &str) -> bool {
    world
        .eks
        .clusters
        .get(cluster)
        .is_some_and(|cluster| cluster.self_managed.contains(addon) || cluster.addons.get(addon).is_some_and(|addon| addon.installed))
}

/// The role that Pod Identity gives to a service account, if the association and the agent are there.
pub(crate) fn pod_role(world: &World, cluster: &str, namespace: &str, service_account: &str) -> Option<String> {
    let found = world.eks.clusters.get(cluster)?;
    let association = found.associations.values().find(|known| known.namespace == namespace && known.service_account == service_account)?;
    let trusted = iam::trust(world, &association.role, "pods.eks.amazonaws.com") == Trust::Ready;
    (trusted && software_installed(world, cluster, "eks-pod-identity-agent")).then(|| association.effective_role().to_owned())
}

/// Nodes came or went; Kubernetes calls this, as add-ons such as coredns wait for nodes.
pub(crate) fn nodes_changed(world: &mut World, cluster: &str) {
    addon::nodes_changed(world, cluster);
}
