//! CreateNodegroup (API reference; user guide, "Create a managed node group for your cluster").

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ApiError, Args, NodeGroup, Service, World, ami, ask, launch, settings, template};
use crate::{
    call::Caller,
    ec2,
    eks::{
        cluster::{self, Cluster},
        in_use, invalid_parameter, invalid_request, required, tags_by, uuid,
    },
    iam::{self, Trust},
    times::Time,
};

/// "Managed node groups per cluster" (user guide, "View and manage Amazon EKS and Fargate service quotas").
const MOST_GROUPS: usize = 30;
/// Instance types in a request (API reference, CreateNodegroup).
const MOST_TYPES: usize = 20;

pub(in crate::eks) fn create(world: &mut World, caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?.clone();
    let name = required(args, "nodegroupName")?.to_owned();
    let token = args.str("clientRequestToken").map(str::to_owned);
    if let Some(known) = cluster.node_groups.get(&name) {
        if token.is_some() && known.token == token {
            return Ok(json!({"nodegroup": known.describe(world)}));
        }
        let message = format!("NodeGroup already exists with name {name} and cluster name {}", cluster.name);
        return Err(in_use(message).field("clusterName", cluster.name.as_str()).field("nodegroupName", name));
    }
    let group = checked(world, caller, &cluster, &name, token, args)
        .map_err(|error| error.field("clusterName", cluster.name.as_str()).field("nodegroupName", name.as_str()))?;
    let reply = json!({"nodegroup": group.describe(world)});
    let (place, arn) = (group.place(), group.arn.clone());
    cluster::find_mut(world, &cluster.name)?.node_groups.insert(name, group);
    world.take(Time::NodegroupSetup, &arn, move |world| launch::set_up(world, &place));
    Ok(reply)
}

fn checked(
    world: &mut World,
    caller: &Caller,
    cluster: &Cluster,
    name: &str,
    token: Option<String>,
    args: &Args,
) -> Result<NodeGroup, ApiError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.len() > 63 || !name.bytes().all(plain) || !name.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(invalid_parameter("The node group name can't be longer than 63 characters and must start with letter or digit."));
    }
    // "You can't create a managed node group for a cluster that isn't already ACTIVE."
    if cluster.status != "ACTIVE" {
        return Err(invalid_request(format!("Cluster '{}' is not in ACTIVE status", cluster.name)));
    }
    if cluster.node_groups.len() >= MOST_GROUPS {
        return Err(ApiError::new("ResourceLimitExceededException", "Nodegroup limit exceeded for cluster"));
    }
    let sizes = settings::sizes(&args.sub("scalingConfig"), (1, 2, 2))?;
    let template = template::of_request(world, args)?;
    if let Some(template) = &template {
        template::check_beside(template, args)?;
    }
    let role = required(args, "nodeRole")?.to_owned();
    check_role(world, cluster, &role)?;
    let subnets = args.strings("subnets");
    let zones = check_subnets(world, cluster, &subnets)?;
    let capacity_type = args.str("capacityType").unwrap_or("ON_DEMAND");
    if !matches!(capacity_type, "ON_DEMAND" | "SPOT" | "CAPACITY_BLOCK") {
        return Err(invalid_parameter("capacityType must be one of [ON_DEMAND, SPOT, CAPACITY_BLOCK]"));
    }
    // "the Kubernetes version of the cluster is used, and this is the only accepted specified value".
    if args.str("version").is_some_and(|version| version != cluster.version) {
        return Err(invalid_parameter(format!("Requested Nodegroup version must be the cluster version {}", cluster.version)));
    }
    let (ami_type, image, release, architecture) = match template.as_ref().and_then(template::UserTemplate::image) {
        Some(image) => ("CUSTOM".to_owned(), image.to_owned(), image.to_owned(), None),
        None => {
            let ami_type = args.str("amiType").unwrap_or(ami::DEFAULT).to_owned();
            let found = ami::published(world, &ami_type, &cluster.version, args.str("releaseVersion"))?;
            (ami_type, found.image, found.release, Some(found.architecture))
        }
    };
    let instance_types = instance_types(template.as_ref(), &ami_type, architecture, args)?;
    let labels = settings::labels(args.get("labels"))?;
    let taints = settings::taints(&args.nested("taints"))?;
    let update_config = settings::update_config(&args.sub("updateConfig"))?;
    let repair = settings::repair(&args.sub("nodeRepairConfig"))?;
    let remote_access = args.get("remoteAccess").cloned();
    let tags = tags_by(caller, args)?;
    let disk_size = match (args.int("diskSize"), &template) {
        (Some(size), _) if size < 1 => return Err(invalid_parameter("diskSize must be at least 1")),
        (Some(size), _) => Some(size),
        (None, Some(_)) => None,
        // "The default disk size is 20 GiB for Linux and Bottlerocket. The default disk size is 50 GiB for Windows."
        (None, None) => Some(if ami_type.starts_with("WINDOWS") { 50 } else { 20 }),
    };
    let id = uuid(world, "eks-nodegroup");
    let now = world.epoch_seconds();
    Ok(NodeGroup {
        arn: format!("arn:aws:eks:{}:{}:nodegroup/{}/{name}/{id}", world.region, world.account, cluster.name),
        name: name.to_owned(),
        id,
        cluster: cluster.name.clone(),
        version: cluster.version.clone(),
        release,
        image,
        status: "CREATING",
        issues: Vec::new(),
        created: now,
        modified: now,
        capacity_type: capacity_type.to_owned(),
        sizes,
        before_update: None,
        instance_types,
        subnets,
        zones,
        ami_type,
        role,
        labels,
        taints,
        disk_size,
        remote_access,
        update_config,
        repair,
        template,
        tags,
        token,
        own_template: None,
        remote_group: None,
    })
}

/// Types that exist, and fit the image. A template's own type is not told ("this is null").
fn instance_types(
    template: Option<&template::UserTemplate>,
    ami_type: &str,
    architecture: Option<&str>,
    args: &Args,
) -> Result<Vec<String>, ApiError> {
    let own = template.and_then(template::UserTemplate::instance_type);
    let mut types = args.strings("instanceTypes");
    if types.is_empty() && own.is_none() {
        types.push("t3.medium".to_owned());
    }
    if types.len() > MOST_TYPES {
        return Err(invalid_parameter(format!("A node group can have at most {MOST_TYPES} instance types")));
    }
    for text in types.iter().map(String::as_str).chain(own) {
        let Some(found) = ec2::instance_architecture(text) else {
            return Err(invalid_parameter(format!("The following supplied instance types do not exist: [{text}]")));
        };
        if architecture.is_some_and(|wanted| wanted != found) {
            return Err(invalid_parameter(format!("[{text}] is not a valid instance type for requested amiType {ami_type}")));
        }
    }
    Ok(types)
}

/// The role must be seen by EKS, trust EC2, have the node's policies, and be no cluster's ("Amazon EKS node IAM role"; "You can't
/// use the same role that is used to create any clusters").
fn check_role(world: &mut World, cluster: &Cluster, role: &str) -> Result<(), ApiError> {
    match iam::trust(world, role, "ec2.amazonaws.com") {
        Trust::Missing => return Err(invalid_parameter(format!("The role {role} cannot be found."))),
        Trust::NotYet | Trust::Refused => {
            return Err(invalid_parameter(format!(
                "Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of nodeRole {role}"
            )));
        }
        Trust::Ready => {}
    }
    let attached = iam::attached_policies(world, role);
    let worker = ["AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy"];
    let has = attached.iter().any(|arn| worker.iter().any(|name| arn.ends_with(&format!(":policy/{name}"))));
    if !has && !iam::has_own_policies(world, role) {
        return Err(invalid_parameter(
            "The provided role doesn't have the Amazon EKS Managed Policies associated with it. Please ensure the following policies [AmazonEKSWorkerNodePolicy, AmazonEC2ContainerRegistryReadOnly] are attached",
        ));
    }
    if cluster.role_arn == role {
        return Err(invalid_parameter(format!("The role {role} is used by a cluster and cannot be used for a node group.")));
    }
    Ok(())
}

/// Subnets of the cluster's VPC; their zones. Public ones must give addresses (NodegroupIssue Ec2SubnetInvalidConfiguration: that is
/// seen later).
fn check_subnets(world: &mut World, cluster: &Cluster, subnets: &[String]) -> Result<BTreeSet<String>, ApiError> {
    if subnets.is_empty() {
        return Err(invalid_parameter("subnets must not be null"));
    }
    let told = ask(world, Service::Ec2, "DescribeSubnets", json!({"SubnetId": subnets}))
        .map_err(|error| invalid_request(format!("{} ({})", error.message, error.code)))?;
    let found: Vec<&Value> = told["subnetSet"].as_array().into_iter().flatten().collect();
    if let Some(other) = found.iter().find(|subnet| subnet["vpcId"] != cluster.vpc.as_str()) {
        let message = format!("Subnet {} does not belong to the VPC {} of the cluster", other["subnetId"], cluster.vpc);
        return Err(invalid_parameter(message));
    }
    Ok(found.iter().filter_map(|subnet| subnet["availabilityZone"].as_str()).map(str::to_owned).collect())
}
