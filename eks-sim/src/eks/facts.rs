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
    /// Kubernetes minor version, `1.36`.
    pub(crate) version: String,
    /// Host of the endpoint, without scheme.
    pub(crate) endpoint_host: String,
    /// Base64 of the certificate authority, as DescribeCluster tells it.
    pub(crate) certificate_authority: String,
    pub(crate) service_cidr: String,
    pub(crate) vpc: String,
    /// Groups given at creation.
    pub(crate) security_groups: Vec<String>,
    /// The group that EKS made.
    pub(crate) cluster_security_group: String,
    /// `CONFIG_MAP`, `API_AND_CONFIG_MAP` or `API`.
    pub(crate) authentication_mode: String,
    pub(crate) endpoint_public: bool,
    pub(crate) endpoint_private: bool,
    /// Who may use the public endpoint.
    pub(crate) public_cidrs: Vec<String>,
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
        version: cluster.version.clone(),
        endpoint_host: cluster.endpoint_host(&world.region),
        certificate_authority: cluster.certificate_authority(),
        service_cidr: cluster.service_cidr.clone(),
        vpc: cluster.vpc.clone(),
        security_groups: cluster.security_groups.clone(),
        cluster_security_group: cluster.cluster_security_group.clone().unwrap_or_default(),
        authentication_mode: cluster.authentication_mode.clone(),
        endpoint_public: cluster.endpoint_public,
        endpoint_private: cluster.endpoint_private,
        public_cidrs: cluster.public_cidrs.clone(),
        creator_admin: cluster.creator_mapping.then(|| cluster.creator.clone()),
        role_arn: cluster.role_arn.clone(),
    })
}

/// The cluster that an endpoint's host belongs to, while it is there; on loopback the port belongs to the host.
pub(crate) fn cluster_by_host(world: &World, host: &str) -> Option<String> {
    // Host names do not tell case apart.
    let owner = |cluster: &&Cluster| {
        let names = [cluster.endpoint_host(&world.region), cluster.endpoint_authority(&world.region)];
        cluster.ready && names.iter().any(|name| name.eq_ignore_ascii_case(host))
    };
    world.eks.clusters.values().find(owner).map(|cluster| cluster.name.clone())
}

/// Opens doors for the clusters that are there already.
pub(crate) fn open_doors(world: &mut World) {
    let ready: Vec<String> = world.eks.clusters.values().filter(|cluster| cluster.ready).map(|cluster| cluster.name.clone()).collect();
    for name in ready {
        let door = world.doors.open(&name).ok().flatten();
        if let Some(cluster) = world.eks.clusters.get_mut(&name) {
            cluster.door = door;
        }
    }
}

/// Closes every door.
pub(crate) fn close_doors(world: &mut World) {
    world.eks.clusters.values_mut().for_each(|cluster| cluster.door = None);
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

/// The role that an add-on's service account takes by its token: the add-on names it, the cluster's issuer is an identity
/// provider, and the role trusts the account (user guide, "IAM roles for service accounts").
pub(crate) fn service_account_role(world: &World, cluster: &str, addon: &str, service_account: &str) -> Option<String> {
    let found = world.eks.clusters.get(cluster)?;
    let addon = found.addons.get(addon)?;
    let (issuer, role) = (found.issuer(&world.region), addon.role.as_deref()?);
    let subject = format!("system:serviceaccount:{}:{service_account}", addon.namespace);
    (iam::trust_service_account(world, role, &issuer, &subject) == Trust::Ready).then(|| role.to_owned())
}

/// Nodes came or went; Kubernetes calls this, as add-ons such as coredns wait for nodes.
pub(crate) fn nodes_changed(world: &mut World, cluster: &str) {
    addon::nodes_changed(world, cluster);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        call::{Args, Caller},
        eks::handle,
        error::ApiError,
        iam::ADMIN_ACCESS_KEY,
    };

    const ADMIN: &str = "arn:aws:iam::123456789012:user/admin";

    fn call(world: &mut World, action: &str, args: Value) -> Result<Value, ApiError> {
        let caller = Caller { arn: ADMIN.to_owned(), user_id: ADMIN_ACCESS_KEY.to_owned() };
        handle(world, &caller, action, &Args(args))
    }

    fn wait(world: &mut World, seconds: u64) {
        world.advance(world.now + Duration::from_secs(seconds));
    }

    /// An account with a cluster that is there.
    fn world() -> World {
        let mut world = World::for_tests("us-east-1");
        let cluster = Cluster {
            name: "prod".to_owned(),
            id: "0A".repeat(16),
            version: "1.36".to_owned(),
            status: "ACTIVE".to_owned(),
            ready: true,
            authentication_mode: "API".to_owned(),
            creator: ADMIN.to_owned(),
            self_managed: ["vpc-cni".to_owned()].into(),
            ..Cluster::default()
        };
        world.eks.clusters.insert("prod".to_owned(), cluster);
        world
    }

    #[tokio::test(start_paused = true)]
    async fn endpoints_lead_to_clusters() {
        let world = world();
        let host = cluster(&world, "prod").map(|facts| facts.endpoint_host).unwrap_or_default();
        assert_eq!(host, format!("{}.gr7.us-east-1.eks.amazonaws.com", "0A".repeat(16)));
        assert_eq!(cluster_by_host(&world, &host.to_lowercase()).as_deref(), Some("prod"));
        assert_eq!(cluster_by_host(&world, "x.eks.amazonaws.com"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn access_entries_take_effect_late_and_lose_it_late() -> Result<(), ApiError> {
        let mut world = world();
        let entry = json!({"clusterName": "prod", "principalArn": ADMIN});
        call(&mut world, "CreateAccessEntry", entry.clone())?;
        assert!(access(&world, "prod", ADMIN).is_none());
        wait(&mut world, 9);
        assert_eq!(access(&world, "prod", ADMIN).map(|facts| facts.username).as_deref(), Some(ADMIN));
        call(&mut world, "DeleteAccessEntry", entry)?;
        assert!(access(&world, "prod", ADMIN).is_some());
        wait(&mut world, 9);
        assert!(access(&world, "prod", ADMIN).is_none());
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn pods_get_roles_through_association_agent_and_trust() -> Result<(), ApiError> {
        let mut world = world();
        let trust = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]});
        let caller = Caller { arn: ADMIN.to_owned(), user_id: String::new() };
        let role = json!({"RoleName": "ebs", "AssumeRolePolicyDocument": trust.to_string()});
        world.call(crate::call::Service::Iam, "CreateRole", role, &caller)?;
        wait(&mut world, 14);
        let role = "arn:aws:iam::123456789012:role/ebs";
        let association = json!({"clusterName": "prod", "namespace": "kube-system", "serviceAccount": "ebs", "roleArn": role});
        call(&mut world, "CreatePodIdentityAssociation", association)?;
        assert_eq!(pod_role(&world, "prod", "kube-system", "ebs"), None, "no agent");
        call(&mut world, "CreateAddon", json!({"clusterName": "prod", "addonName": "eks-pod-identity-agent"}))?;
        wait(&mut world, 50);
        assert_eq!(pod_role(&world, "prod", "kube-system", "ebs").as_deref(), Some(role));
        assert_eq!(pod_role(&world, "prod", "default", "ebs"), None);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn software_comes_and_goes_with_add_ons() -> Result<(), ApiError> {
        let mut world = world();
        assert!(software_installed(&world, "prod", "vpc-cni"));
        assert!(!software_installed(&world, "prod", "coredns"));
        let addon = json!({"clusterName": "prod", "addonName": "vpc-cni", "resolveConflicts": "OVERWRITE"});
        call(&mut world, "CreateAddon", addon.clone())?;
        wait(&mut world, 40);
        call(&mut world, "DeleteAddon", addon)?;
        assert!(software_installed(&world, "prod", "vpc-cni"));
        wait(&mut world, 30);
        assert!(!software_installed(&world, "prod", "vpc-cni"));
        Ok(())
    }
}
