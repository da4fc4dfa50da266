//! A cluster: what it is, how it is told, how it goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    AccessFacts, Tags, access::Entry, addon::Addon, in_use, insight::Insights, invalid_request, network, nodegroup, nodegroup::NodeGroup,
    not_found, page, pod_identity::Association, required, update::Update, version,
};
use crate::{
    call::Args,
    door::Door,
    error::ApiError,
    iam::{self, Trust},
    inventory::Inventory,
    kube,
    times::Time,
    world::World,
};

/// A real certificate whose key nobody has: TLS libraries accept it as a trust anchor.
const CERTIFICATE: &str = include_str!("ca.pem");

#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) arn: String,
    /// 32 upper-case hexadecimal digits; in the endpoint and the OIDC issuer.
    pub(super) id: String,
    pub(super) created: f64,
    pub(super) version: String,
    pub(super) status: String,
    pub(super) role_arn: String,
    pub(super) vpc: String,
    /// Zones of the subnets that it was made with: they stay.
    pub(super) zones: BTreeSet<String>,
    pub(super) subnets: Vec<String>,
    pub(super) security_groups: Vec<String>,
    pub(super) cluster_security_group: Option<String>,
    pub(super) interfaces: Vec<String>,
    pub(super) endpoint_public: bool,
    pub(super) endpoint_private: bool,
    pub(super) public_cidrs: Vec<String>,
    pub(super) egress_mode: String,
    pub(super) service_cidr: String,
    pub(super) ip_family: String,
    pub(super) authentication_mode: String,
    pub(super) bootstrap_admin: bool,
    /// The principal that made the cluster.
    pub(super) creator: String,
    /// The creator's administrator rights by an invisible mapping, not by an access entry.
    pub(super) creator_mapping: bool,
    pub(super) support_type: String,
    pub(super) deletion_protection: bool,
    pub(super) log_types: BTreeSet<String>,
    /// Whether it ever sent logs: their group stays when they are switched off, and when the cluster goes.
    pub(super) has_logged: bool,
    pub(super) tags: Tags,
    /// Parts of the request that only come back as they were given: encryption, compute, storage, scaling, …
    pub(super) echoed: Map<String, Value>,
    /// `clientRequestToken` and the request that it came with.
    pub(super) request: Option<(String, Value)>,
    /// The control plane has been up.
    pub(super) ready: bool,
    /// Where it listens, if the simulator is served.
    pub(super) door: Option<Arc<Door>>,
    pub(super) issues: Vec<Value>,
    pub(super) updates: Vec<Update>,
    pub(super) insights: Insights,
    /// Version before the last upgrade, and when that ended: what a rollback may go back to.
    pub(super) upgraded_from: Option<(String, f64)>,
    pub(super) addons: BTreeMap<String, Addon>,
    /// Add-on software that no add-on object manages: there from the start, or preserved.
    pub(super) self_managed: BTreeSet<String>,
    /// Access entries by principal.
    pub(super) entries: BTreeMap<String, Entry>,
    /// What the API server knows of the entries, with the change that taught it.
    pub(super) effects: BTreeMap<String, (u64, Option<AccessFacts>)>,
    pub(super) entry_changes: u64,
    pub(super) node_groups: BTreeMap<String, NodeGroup>,
    /// Roles of node groups that EKS itself let in.
    pub(super) mapped_roles: BTreeSet<String>,
    /// Pod Identity associations by id.
    pub(super) associations: BTreeMap<String, Association>,
}

pub(super) fn find<'a>(world: &'a World, name: &str) -> Result<&'a Cluster, ApiError> {
    world.eks.clusters.get(name).ok_or_else(|| missing(name))
}

pub(super) fn find_mut<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Cluster, ApiError> {
    world.eks.clusters.get_mut(name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> ApiError {
    not_found(format!("No cluster found for name: {name}.")).field("clusterName", name)
}

impl Cluster {
    pub(super) fn endpoint_host(&self, region: &str) -> String {
        // Clusters of the IPv6 family have dual-stack endpoints (user guide, "Cluster API server endpoint").
        let domain = if self.ip_family == "ipv6" { "api.aws" } else { "eks.amazonaws.com" };
        format!("{}.gr7.{region}.{domain}", self.id)
    }

    pub(super) fn issuer(&self, region: &str) -> String {
        format!("https://oidc.eks.{region}.amazonaws.com/id/{}", self.id)
    }

    /// Host of the endpoint, with the port if it is not 443.
    pub(super) fn endpoint_authority(&self, region: &str) -> String {
        self.door.as_ref().map_or_else(|| self.endpoint_host(region), |door| door.authority())
    }

    pub(super) fn certificate_authority(&self) -> String {
        STANDARD.encode(self.door.as_ref().map_or(CERTIFICATE, |door| door.certificate()))
    }

    /// The cluster as DescribeCluster tells it. Endpoint, issuer and certificate come with the control plane.
    pub(super) fn describe(&self, region: &str) -> Value {
        let all = ["api", "audit", "authenticator", "controllerManager", "scheduler"];
        let (on, off): (Vec<&str>, Vec<&str>) = all.iter().partition(|kind| self.log_types.contains(**kind));
        let logging: Vec<Value> = [(on, true), (off, false)]
            .into_iter()
            .filter(|(types, _)| !types.is_empty())
            .map(|(types, enabled)| json!({"types": types, "enabled": enabled}))
            .collect();
        let up = |value: Value| if self.ready { value } else { Value::Null };
        let service = if self.ip_family == "ipv6" { "serviceIpv6Cidr" } else { "serviceIpv4Cidr" };
        let auto_mode = self.echoed.get("elasticLoadBalancing").cloned().unwrap_or_else(|| json!({"enabled": false}));
        let mut told = json!({
            "name": self.name,
            "arn": self.arn,
            "createdAt": self.created,
            "version": self.version,
            "endpoint": up(json!(format!("https://{}", self.endpoint_authority(region)))),
            "roleArn": self.role_arn,
            "resourcesVpcConfig": {
                "subnetIds": self.subnets,
                "securityGroupIds": self.security_groups,
                "clusterSecurityGroupId": self.cluster_security_group,
                "vpcId": self.vpc,
                "endpointPublicAccess": self.endpoint_public,
                "endpointPrivateAccess": self.endpoint_private,
                "publicAccessCidrs": self.public_cidrs,
                "controlPlaneEgressMode": self.egress_mode,
            },
            "kubernetesNetworkConfig": {service: self.service_cidr, "ipFamily": self.ip_family, "elasticLoadBalancing": auto_mode},
            "logging": {"clusterLogging": logging},
            "identity": up(json!({"oidc": {"issuer": self.issuer(region)}})),
            "status": self.status,
            "certificateAuthority": if self.ready { json!({"data": self.certificate_authority()}) } else { json!({}) },
            "platformVersion": version::find(&self.version).map(version::Release::platform),
            "tags": self.tags,
            "health": {"issues": self.issues},
            "accessConfig": {
                "authenticationMode": self.authentication_mode,
                "bootstrapClusterCreatorAdminPermissions": self.bootstrap_admin,
            },
            "upgradePolicy": {"supportType": self.support_type},
            "deletionProtection": self.deletion_protection,
        });
        if let Some(members) = told.as_object_mut() {
            members.extend(self.echoed.iter().filter(|(name, _)| *name != "elasticLoadBalancing").map(|(k, v)| (k.clone(), v.clone())));
        }
        told
    }

    /// What EKS finds wrong with it. The role must go on existing (API reference, ClusterIssue).
    pub(super) fn health_issues(&self, world: &mut World) -> Vec<Value> {
        let missing = if self.ready { missing_parts(world, self) } else { Vec::new() };
        self.issues.iter().cloned().chain(missing).collect()
    }

    /// Control plane: 0.10 $/h, 0.60 in extended support, and what a provisioned tier adds (EKS pricing).
    fn usd_per_month(&self, world: &World) -> f64 {
        let extended = version::find(&self.version).is_some_and(|release| release.support(world) != version::Support::Standard);
        let tier = match self.echoed.get("controlPlaneScalingConfig").and_then(|config| config["tier"].as_str()) {
            Some("tier-xl") => 1.65,
            Some("tier-2xl") => 3.40,
            Some("tier-4xl") => 6.90,
            Some("tier-8xl") => 13.90,
            _ => 0.0,
        };
        (if extended { 0.60 } else { 0.10 } + tier) * 730.0
    }

    pub(super) fn inventory(&self, world: &World, inventory: &mut Inventory) {
        let pairs = |tags: &Tags| tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        if self.has_logged {
            log_group(&self.name, inventory);
        }
        inventory.push("eks/cluster", &self.name, pairs(&self.tags), &self.status, self.usd_per_month(world));
        for addon in self.addons.values() {
            inventory.push("eks/addon", &addon.arn, pairs(&addon.tags), &addon.status, 0.0);
        }
        for entry in self.entries.values() {
            inventory.push("eks/access-entry", &entry.arn, pairs(&entry.tags), "", 0.0);
        }
        nodegroup::inventory(self, inventory);
        for association in self.associations.values() {
            inventory.push("eks/pod-identity-association", &association.arn, pairs(&association.tags), "", 0.0);
        }
    }
}

/// What CloudWatch Logs keeps of a cluster (user guide, "Send control plane logs to CloudWatch Logs").
pub(super) fn log_group(cluster: &str, inventory: &mut Inventory) {
    inventory.push("logs/log-group", &format!("/aws/eks/{cluster}/cluster"), Vec::new(), "", 0.0);
}

pub(super) fn describe(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = find(world, required(args, "name")?)?.clone();
    let mut told = cluster.describe(&world.region);
    told["health"]["issues"] = json!(cluster.health_issues(world));
    Ok(json!({"cluster": told}))
}

/// What a cluster needs and has no more: its role, its subnets, its groups (API reference, ClusterIssue).
fn missing_parts(world: &mut World, cluster: &Cluster) -> Vec<Value> {
    let issue = |code: &str, message: String, id: &str| json!({"code": code, "message": message, "resourceIds": [id]});
    let mut issues = Vec::new();
    if iam::trust(world, &cluster.role_arn, "eks.amazonaws.com") == Trust::Missing {
        let message = format!("The cluster role {} could not be found.", cluster.role_arn);
        issues.push(issue("IamRoleNotFound", message, &cluster.role_arn));
    }
    let eks = world.service_caller("eks.amazonaws.com");
    let mut gone = |action: &str, parameter: &str, ids: &[String], code: &str, what: &str| {
        for id in ids {
            let asked = world.call(crate::call::Service::Ec2, action, json!({parameter: [id]}), &eks);
            if asked.is_err_and(|error| error.code.ends_with(".NotFound")) {
                issues.push(issue(code, format!("The {what} {id} could not be found."), id));
            }
        }
    };
    gone("DescribeSubnets", "SubnetId", &cluster.subnets, "Ec2SubnetNotFound", "subnet");
    gone("DescribeSecurityGroups", "GroupId", &cluster.security_groups, "Ec2SecurityGroupNotFound", "security group");
    issues
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    page("clusters", world.eks.clusters.keys().map(|name| json!(name)).collect(), args)
}

/// A cluster goes with its add-ons, entries and associations, its API server first ("Delete a cluster": the control plane is
/// deleted; what its controllers made must go before, as nothing is left to remove it); its network interfaces and its group follow later.
pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "name")?.to_owned();
    let region = world.region.clone();
    let cluster = find_mut(world, &name)?;
    match cluster.status.as_str() {
        // Asking twice changes nothing (assumption; the API reference names no error for it).
        "DELETING" => return Ok(json!({"cluster": cluster.describe(&region)})),
        "CREATING" | "UPDATING" => {
            let message = format!("Cannot delete because cluster {name} currently has an update in progress");
            return Err(in_use(message).field("clusterName", name));
        }
        // Protection counts for clusters that are ACTIVE (user guide, "Protect EKS clusters from accidental deletion").
        "ACTIVE" if cluster.deletion_protection => {
            let message = format!("Cannot delete cluster {name} because it has deletion protection enabled.");
            return Err(invalid_request(message).field("clusterName", name));
        }
        _ => cluster.refuse_with_node_groups()?,
    }
    "DELETING".clone_into(&mut cluster.status);
    let reply = json!({"cluster": cluster.describe(&region)});
    let closing = name.clone();
    let stop = world.duration(Time::ClusterApiStop);
    world.after(stop, move |world| kube::close(world, &closing));
    world.take(Time::ClusterDelete, &name.clone(), move |world| {
        let Some(cluster) = world.eks.clusters.remove(&name) else { return };
        if cluster.has_logged {
            world.eks.log_groups.insert(name.clone());
        }
        let (interfaces, group) = (cluster.interfaces, cluster.cluster_security_group);
        world.take(Time::ClusterInterfaceRelease, &name, move |world| network::release(world, &interfaces, group.as_deref()));
    });
    Ok(reply)
}
