//! CreateCluster.

use serde_json::{Map, Value, json};

use super::{
    access,
    cluster::{self, Cluster},
    in_use, invalid_parameter, network, required, settings, strings, tags_of,
    version::{self, Support},
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    iam::{self, Trust},
    kube,
    times::Time,
    world::World,
};

const PRINCIPAL: &str = "eks.amazonaws.com";
const CLUSTER_POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
const CLUSTERS_PER_REGION: usize = 100;

/// `^[0-9A-Za-z][A-Za-z0-9\-_]*`, 1 to 100 characters (API reference).
fn check_name(name: &str) -> Result<(), ApiError> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let consists = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if starts && consists && name.len() <= 100 {
        Ok(())
    } else {
        Err(invalid_parameter(format!(
            "The name '{name}' does not match the pattern ^[0-9A-Za-z][A-Za-z0-9\\-_]*$ with at most 100 characters"
        )))
    }
}

/// Whether EKS can act under the cluster role; the words are those that clients match on after IAM writes.
fn check_role(world: &World, role: &str) -> Result<(), ApiError> {
    match iam::trust(world, role, PRINCIPAL) {
        Trust::Missing | Trust::NotYet => Err(invalid_parameter(format!(
            "Role with arn: {role}, could not be assumed because it does not exist or the trusted entity is not correct"
        ))),
        Trust::Refused => Err(invalid_parameter("Role could not be assumed because the trusted entity is not correct")),
        // Since 2023-10-03 a policy of one's own may stand in for the managed one (user guide, "EKS cluster IAM role").
        Trust::Ready
            if !iam::attached_policies(world, role).iter().any(|arn| arn == CLUSTER_POLICY) && !iam::has_own_policies(world, role) =>
        {
            Err(invalid_parameter(
                "The provided role doesn't have the Amazon EKS Managed Policies associated with it. Please ensure the following policy is attached: AmazonEKSClusterPolicy",
            ))
        }
        Trust::Ready => Ok(()),
    }
}

fn check_version(world: &World, version: &str, support_type: &str) -> Result<(), ApiError> {
    let unsupported = || invalid_parameter(format!("unsupported Kubernetes version {version}"));
    let release = version::find(version).ok_or_else(unsupported)?;
    // "On the last day of extended support" no new cluster can be made ("Understand the Kubernetes version lifecycle on EKS").
    if release.is_last_day(world) {
        return Err(unsupported());
    }
    match release.support(world) {
        Support::Ended => Err(unsupported()),
        // User guide, "View current cluster upgrade policy".
        Support::Extended if support_type == "STANDARD" => Err(invalid_parameter(format!(
            "Kubernetes version {version} is in extended support; the upgrade policy's support type cannot be STANDARD"
        ))),
        _ => Ok(()),
    }
}

/// The public endpoint's CIDR blocks: 40 at most, and each one a block.
pub(super) fn check_public_cidrs(cidrs: &[String], ip_family: &str) -> Result<(), ApiError> {
    // "You can't add IPv6 CIDR blocks to IPv4 clusters" (API reference, VpcConfigRequest).
    let is_foreign = |cidr: &&String| ip_family == "ipv4" && matches!(cidr.parse(), Ok(ipnet::IpNet::V6(_)));
    if let Some(foreign) = cidrs.iter().find(is_foreign) {
        return Err(invalid_parameter(format!("The following CIDRs are invalid in publicAccessCidrs: [{foreign}]")));
    }
    let wrong: Vec<&str> = cidrs.iter().filter(|cidr| cidr.parse::<ipnet::IpNet>().is_err()).map(String::as_str).collect();
    if !wrong.is_empty() {
        return Err(invalid_parameter(format!("The following CIDRs are invalid in publicAccessCidrs: [{}]", wrong.join(", "))));
    }
    if cidrs.len() > 40 { Err(invalid_parameter("At most 40 CIDR blocks can be specified in publicAccessCidrs")) } else { Ok(()) }
}

/// The same token again: the same request gets the same cluster (API reference, `clientRequestToken`). That another request is
/// refused follows from the token's meaning; its code is an assumption.
fn replay(world: &World, args: &Args) -> Option<Result<Value, ApiError>> {
    let token = args.str("clientRequestToken")?;
    let known = world.eks.clusters.values().find(|cluster| cluster.request.as_ref().is_some_and(|(known, _)| known == token))?;
    if known.request.as_ref().is_some_and(|(_, request)| *request == args.0) {
        return Some(Ok(json!({"cluster": known.describe(&world.region)})));
    }
    Some(Err(invalid_parameter("The client request token was already used with different parameters")))
}

pub(super) fn one_of<'a>(given: Option<&'a str>, default: &'a str, values: &[&str], what: &str) -> Result<&'a str, ApiError> {
    let value = given.unwrap_or(default);
    if values.contains(&value) { Ok(value) } else { Err(invalid_parameter(format!("{what} must be one of [{}]", values.join(", ")))) }
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    if let Some(answer) = replay(world, args) {
        return answer;
    }
    let name = required(args, "name")?.to_owned();
    check_name(&name)?;
    let role_arn = required(args, "roleArn")?.to_owned();
    if world.eks.clusters.contains_key(&name) {
        return Err(in_use(format!("Cluster already exists with name: {name}")).field("clusterName", name));
    }
    let cluster = checked(world, caller, args, name, role_arn).map_err(|error| {
        let name = args.str("name").unwrap_or_default();
        error.field("clusterName", name)
    })?;
    Ok(start(world, cluster))
}

/// Everything that CreateCluster refuses at once; the result is the cluster that it will make.
fn checked(world: &mut World, caller: &Caller, args: &Args, name: String, role_arn: String) -> Result<Cluster, ApiError> {
    let most = CLUSTERS_PER_REGION * world.quota_factor;
    if world.eks.clusters.len() >= most {
        return Err(ApiError::new("ResourceLimitExceededException", format!("You've reached the quota of {most} clusters.")));
    }
    let access_config = args.sub("accessConfig");
    let modes = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];
    let authentication_mode = one_of(access_config.str("authenticationMode"), "CONFIG_MAP", &modes, "authenticationMode")?;
    let bootstrap_admin = access_config.bool("bootstrapClusterCreatorAdminPermissions").unwrap_or(true);
    if !bootstrap_admin && authentication_mode == "CONFIG_MAP" {
        let message = "bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode is set to CONFIG_MAP";
        return Err(invalid_parameter(message));
    }
    let upgrade_policy = args.sub("upgradePolicy");
    let support_type = one_of(upgrade_policy.str("supportType"), "EXTENDED", &["EXTENDED", "STANDARD"], "supportType")?;
    let version = args.str("version").unwrap_or(version::DEFAULT);
    check_version(world, version, support_type)?;
    settings::check_auto_mode(args, authentication_mode)?;
    let tags = tags_of(args)?;

    let vpc_config = args.sub("resourcesVpcConfig");
    let endpoint_public = vpc_config.bool("endpointPublicAccess").unwrap_or(true);
    let endpoint_private = vpc_config.bool("endpointPrivateAccess").unwrap_or(false);
    if !endpoint_public && !endpoint_private {
        return Err(invalid_parameter("Private and public endpoint access cannot be false"));
    }
    let egress_mode = one_of(vpc_config.str("controlPlaneEgressMode"), "AWS_MANAGED", &settings::EGRESS_MODES, "controlPlaneEgressMode")?;
    let network_config = args.sub("kubernetesNetworkConfig");
    let ip_family = one_of(network_config.str("ipFamily"), "ipv4", &["ipv4", "ipv6"], "ipFamily")?;
    let mut public_cidrs = strings(&vpc_config, "publicAccessCidrs");
    check_public_cidrs(&public_cidrs, ip_family)?;
    if public_cidrs.is_empty() && endpoint_public {
        public_cidrs.push("0.0.0.0/0".to_owned());
        if ip_family == "ipv6" {
            public_cidrs.push("::/0".to_owned());
        }
    }
    let subnets = strings(&vpc_config, "subnetIds");
    let security_groups = strings(&vpc_config, "securityGroupIds");
    let placement = network::check(world, caller, &name, &subnets, &security_groups)?;
    if ip_family == "ipv6" {
        if world.region.starts_with("cn-") {
            return Err(invalid_parameter("The ipFamily ipv6 is not supported in this Region"));
        }
        placement.check_ipv6()?;
    }
    let asked = network_config.str("serviceIpv4Cidr");
    let service_cidr = match (ip_family, asked) {
        ("ipv6", Some(_)) => return Err(invalid_parameter("serviceIpv4Cidr cannot be specified for a cluster of the ipv6 family")),
        // EKS assigns a unique local range (API reference, KubernetesNetworkConfigResponse).
        ("ipv6", None) => format!("fd{}::/108", &world.draw.hex("service-cidr", 2)),
        _ => network::service_cidr(asked, &placement.vpc_blocks)?,
    };
    settings::check(&world.region, args, &settings::Around { version, ip_family, vpc: &placement.vpc_blocks, services: &service_cidr })?;
    check_role(world, &role_arn)?;

    let mut cluster = Cluster {
        arn: format!("arn:aws:eks:{}:{}:cluster/{name}", world.region, world.account),
        id: world.draw.hex("eks-cluster", 32).to_uppercase(),
        name,
        created: world.epoch_seconds(),
        version: version.to_owned(),
        status: "CREATING".to_owned(),
        role_arn,
        vpc: placement.vpc,
        zones: placement.zones,
        subnets,
        security_groups,
        endpoint_public,
        endpoint_private,
        public_cidrs,
        egress_mode: egress_mode.to_owned(),
        service_cidr,
        ip_family: ip_family.to_owned(),
        authentication_mode: authentication_mode.to_owned(),
        bootstrap_admin,
        creator: iam::principal_of(world, caller),
        creator_mapping: bootstrap_admin && authentication_mode == "CONFIG_MAP",
        support_type: support_type.to_owned(),
        deletion_protection: args.bool("deletionProtection").unwrap_or(false),
        tags,
        echoed: echoed(args),
        request: args.str("clientRequestToken").map(|token| (token.to_owned(), args.0.clone())),
        ..Cluster::default()
    };
    cluster.set_logging(&args.sub("logging"));
    // Self-managed networking software comes with the control plane unless it is declined.
    if args.bool("bootstrapSelfManagedAddons").unwrap_or(true) {
        cluster.self_managed = ["vpc-cni", "coredns", "kube-proxy"].map(str::to_owned).into();
    }
    Ok(cluster)
}

/// Parts of the request that come back as given.
fn echoed(args: &Args) -> Map<String, Value> {
    let parts =
        ["encryptionConfig", "computeConfig", "storageConfig", "zonalShiftConfig", "remoteNetworkConfig", "controlPlaneScalingConfig"];
    let parts = parts.iter().chain(&["kubeApiServerConfig", "kubeSchedulerConfig", "kubeControllerManagerConfig"]);
    let mut echoed: Map<String, Value> = parts.filter_map(|name| Some(((*name).to_owned(), args.get(name)?.clone()))).collect();
    if let Some(balancing) = args.sub("kubernetesNetworkConfig").get("elasticLoadBalancing") {
        echoed.insert("elasticLoadBalancing".to_owned(), balancing.clone());
    }
    echoed
}

impl Cluster {
    /// Applies a `logging` parameter: only the types that it names change.
    pub(super) fn set_logging(&mut self, logging: &Args) {
        for setup in logging.nested("clusterLogging") {
            for kind in setup.strings("types") {
                if setup.bool("enabled").unwrap_or(false) {
                    self.log_types.insert(kind);
                    self.has_logged = true;
                } else {
                    self.log_types.remove(&kind);
                }
            }
        }
    }
}

/// Begins the creation: group and interfaces appear on the way, the API server comes up at the end.
fn start(world: &mut World, cluster: Cluster) -> Value {
    let name = cluster.name.clone();
    let reply = json!({"cluster": cluster.describe(&world.region)});
    // EKS works in the account under its service-linked role and makes it where it is absent (user guide, "Using roles for
    // Amazon EKS clusters"); if it is there, this call is refused and nothing changes.
    let eks = world.service_caller(PRINCIPAL);
    let _exists = world.call(crate::call::Service::Iam, "CreateServiceLinkedRole", json!({"AWSServiceName": PRINCIPAL}), &eks);
    world.eks.clusters.insert(name.clone(), cluster);
    let owned = name.clone();
    let took = world.take(Time::ClusterCreate, &name, move |world| finish(world, &owned));
    world.after(took / 4, move |world| network::furnish(world, &name));
    reply
}

fn finish(world: &mut World, name: &str) {
    let door = world.doors.open(name);
    let Ok(cluster) = cluster::find_mut(world, name) else { return };
    match door {
        Ok(door) => cluster.door = door,
        // The service's own fault (API reference, ClusterIssue).
        Err(error) => cluster.issues.push(json!({"code": "InternalFailure", "message": error.to_string(), "resourceIds": []})),
    }
    if !cluster.issues.is_empty() {
        "FAILED".clone_into(&mut cluster.status);
        return;
    }
    "ACTIVE".clone_into(&mut cluster.status);
    cluster.ready = true;
    let entry_for_creator = cluster.bootstrap_admin && cluster.authentication_mode != "CONFIG_MAP";
    kube::open(world, name);
    if entry_for_creator {
        access::admit_creator(world, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_pattern() {
        for good in ["a", "0-a_B", &"x".repeat(100)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["-a", "_a", "a.b", "ä", &"x".repeat(101)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
