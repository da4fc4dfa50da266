//! Whether a worker may and can join its cluster.
//!
//! EKS user guide, "Troubleshoot problems with Amazon EKS clusters and nodes": "Nodes fail to join cluster" lists the causes.

use ipnet::Ipv4Net;

use super::{
    forms,
    image::{self, System},
    max_pods,
    user_data::{self, NodeConfig},
};
use crate::{
    ec2::{self, InstanceFacts},
    eks::{self, ClusterFacts},
    iam,
    kube::{self, Kubelet},
    world::World,
};

/// Why a worker did not join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The boot is over.
    Aborts(String),
    /// A daemon tries again.
    Retries(String),
}

use Refusal::{Aborts, Retries};

/// What a node asks before it is Ready: EC2 for its own name, and the registry for its images, whose layers are in S3 ("Deploy
/// private clusters with limited internet access").
const NEEDED: [&str; 4] = ["ec2", "ecr.api", "ecr.dkr", "s3"];

fn retries(reason: impl Into<String>) -> Refusal {
    Retries(reason.into())
}

/// One try of the worker to join.
pub(super) fn join(world: &mut World, facts: &InstanceFacts) -> Result<(), Refusal> {
    // User data and credentials come from the instance metadata service.
    if !facts.imds {
        return Err(Aborts("operation error ec2imds: GetUserData, access disabled to EC2 IMDS".to_owned()));
    }
    let image = image::of(world, &facts.image);
    let read = match image.system {
        System::AmazonLinux2 | System::Ubuntu => user_data::bootstrap,
        System::AmazonLinux2023 => user_data::nodeadm,
        System::Bottlerocket => forms::bottlerocket,
        System::Windows => forms::powershell,
    };
    let config = read(&facts.user_data).map_err(Aborts)?;
    let role = facts.profile.as_deref().ok_or_else(|| Aborts("no IAM instance profile: the instance has no credentials".to_owned()))?;
    let role = iam::profile_role(world, role).ok_or_else(|| retries("no credentials from the instance metadata service yet"))?;
    if !ec2::dns_enabled(world, &facts.vpc) {
        return Err(retries("dial tcp: lookup: no such host (the VPC's DNS support or DNS hostnames are off)"));
    }
    if let Some(service) = NEEDED.iter().find(|service| !ec2::reaches_service(world, &facts.id, service)) {
        return Err(retries(format!(
            "dial tcp: i/o timeout (the subnet has no route to AWS's endpoints and the image registry: {service})"
        )));
    }
    may_describe(world, &role)?;
    let cluster = find_cluster(world, &config)?;
    reaches(world, facts, &cluster)?;
    let kubelet = Kubelet {
        name: if config.named_by_instance { facts.id.clone() } else { facts.private_dns.clone() },
        instance: facts.id.clone(),
        instance_type: facts.instance_type.clone(),
        zone: facts.zone.clone(),
        zone_id: facts.zone_id.clone(),
        region: world.region.clone(),
        address: facts.private_ip.clone(),
        role_arn: role,
        windows: image.system == System::Windows,
        version: image.version.unwrap_or_else(|| cluster.version.clone()),
        max_pods: config.max_pods.unwrap_or_else(|| max_pods::of(world, &facts.instance_type)),
        labels: config.labels,
        taints: config.taints,
    };
    kube::register(world, &cluster.name, kubelet).map_err(retries)
}

/// Policies that permit ec2:DescribeInstances (AWS Managed Policy Reference). What policies of the account's own making permit is not
/// judged: they are taken to suffice.
const DESCRIBING: [&str; 3] = ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AdministratorAccess"];

/// The node asks EC2 for its own private DNS name, which the worker policies allow ("Amazon EKS node IAM role").
fn may_describe(world: &World, role: &str) -> Result<(), Refusal> {
    let attached = iam::attached_policies(world, role);
    let managed = attached.iter().filter_map(|arn| arn.strip_prefix("arn:aws:iam::aws:policy/")).any(|name| DESCRIBING.contains(&name));
    if managed || iam::has_own_policies(world, role) {
        return Ok(());
    }
    Err(retries(format!(
        "operation error EC2: DescribeInstances, api error UnauthorizedOperation: {role} is not authorized to perform this operation"
    )))
}

/// The cluster that the node's configuration leads to.
fn find_cluster(world: &mut World, config: &NodeConfig) -> Result<ClusterFacts, Refusal> {
    let named = eks::cluster(world, &config.cluster);
    let Some(endpoint) = &config.endpoint else {
        return named.ok_or_else(|| Aborts(format!("ResourceNotFoundException: No cluster found for name: {}.", config.cluster)));
    };
    let host = endpoint.trim_start_matches("https://").trim_end_matches('/').to_ascii_lowercase();
    if !endpoint.starts_with("https://") {
        return Err(Aborts(format!("the API server endpoint {endpoint} is not an https URL")));
    }
    let Some(found) = eks::cluster_by_host(world, &host).and_then(|name| eks::cluster(world, &name)) else {
        return Err(retries(format!("dial tcp: lookup {host}: no such host")));
    };
    if config.certificate_authority.as_deref().is_some_and(|authority| authority.trim() != found.certificate_authority) {
        return Err(retries("tls: failed to verify certificate: x509: certificate signed by unknown authority"));
    }
    // A token is signed for one cluster's name; another cluster refuses it.
    if found.name != config.cluster {
        return Err(retries("Unauthorized"));
    }
    Ok(found)
}

/// With the private endpoint, the API server is the control plane's interfaces in the VPC, behind their security groups; without
/// it, the public endpoint, whose CIDR blocks must include the addresses that nodes come from ("Cluster API server endpoint").
fn reaches(world: &World, facts: &InstanceFacts, cluster: &ClusterFacts) -> Result<(), Refusal> {
    let timeout = || retries(format!("dial tcp {}:443: i/o timeout", cluster.endpoint_host));
    if !cluster.endpoint_private {
        let blocks: Vec<Ipv4Net> = cluster.public_cidrs.iter().filter_map(|block| block.parse().ok()).collect();
        let sources = ec2::public_addresses(world, &facts.id);
        // A node may come from any of its NAT gateway's addresses.
        let let_in = !sources.is_empty() && sources.iter().all(|source| blocks.iter().any(|block| block.contains(source)));
        return if cluster.endpoint_public && let_in { Ok(()) } else { Err(timeout()) };
    }
    if facts.vpc != cluster.vpc {
        return Err(timeout());
    }
    let control_plane: Vec<_> = cluster.security_groups.iter().chain([&cluster.cluster_security_group]).collect();
    let allowed = facts.security_groups.iter().any(|from| control_plane.iter().any(|to| ec2::security_group_allows(world, from, to, 443)));
    // Its interfaces are described so ("Best Practices for VPC and Subnets", EKS).
    let through = || ec2::acls_let_to(world, &facts.id, &format!("Amazon EKS {}", cluster.name));
    if allowed && through() { Ok(()) } else { Err(timeout()) }
}
