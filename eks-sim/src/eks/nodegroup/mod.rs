//! Managed node groups: what they are, how they are told.
//!
//! User guide, "Simplify node lifecycle with managed node groups"; API reference, Nodegroup.

mod ami;
mod config;
mod create;
mod delete;
mod drain;
mod health;
mod launch;
mod scaling;
mod settings;
mod template;
mod user_data;
mod version;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub(super) use self::{config::update as update_config, create::create, delete::delete, version::update as update_version};
use super::{
    Tags,
    cluster::{self, Cluster},
    in_use, invalid_request, not_found, page, required,
};
use crate::{
    autoscaling,
    call::{Args, Caller, Service},
    error::ApiError,
    inventory::Inventory,
    world::World,
};

/// A taint by the API's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taint {
    key: String,
    value: String,
    /// `NO_SCHEDULE`, `NO_EXECUTE` or `PREFER_NO_SCHEDULE`.
    effect: String,
}

/// A node group, with what EKS made for it.
#[derive(Clone, Debug)]
pub(super) struct NodeGroup {
    pub(super) name: String,
    pub(super) arn: String,
    /// The UUID at the end of its ARN and of the names of what EKS makes for it.
    id: String,
    cluster: String,
    pub(super) version: String,
    release: String,
    image: String,
    pub(super) status: &'static str,
    issues: Vec<Value>,
    created: f64,
    modified: f64,
    capacity_type: String,
    /// Minimum, maximum and desired size, as they were last asked for.
    sizes: (i64, i64, i64),
    /// Desired size before the update that has launched more beside, or that left them when it failed.
    before_update: Option<i64>,
    instance_types: Vec<String>,
    subnets: Vec<String>,
    zones: BTreeSet<String>,
    ami_type: String,
    pub(super) role: String,
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
    disk_size: Option<i64>,
    remote_access: Option<Value>,
    update_config: Value,
    repair: Value,
    template: Option<template::UserTemplate>,
    pub(super) tags: Tags,
    token: Option<String>,
    /// The launch template that EKS made.
    own_template: Option<String>,
    /// The group that lets people in by SSH.
    remote_group: Option<String>,
}

/// Where a group is found again by an event.
#[derive(Clone, Debug)]
struct Place {
    cluster: String,
    group: String,
    /// Of this very group: one that was made anew under the name is another one.
    id: String,
}

impl NodeGroup {
    fn place(&self) -> Place {
        Place { cluster: self.cluster.clone(), group: self.name.clone(), id: self.id.clone() }
    }

    /// Name of the Auto Scaling group.
    fn scaling_group(&self) -> String {
        format!("eks-{}-{}", self.name, self.id)
    }

    /// Name of the launch template and of the instance profile.
    fn own_name(&self) -> String {
        format!("eks-{}", self.id)
    }

    fn is_custom(&self) -> bool {
        self.ami_type == "CUSTOM"
    }

    /// "the desiredSize parameter is altered by the Cluster Autoscaler": it is the Auto Scaling group's (NodegroupScalingConfig).
    /// What an update adds for a while is not told: assumption.
    fn told_sizes(&self, world: &World) -> (i64, i64, i64) {
        let (min, max, desired) = self.sizes;
        let live = autoscaling::sizes(world, &self.scaling_group()).map_or(desired, |(_, _, desired)| desired);
        (min, max, self.before_update.unwrap_or(live))
    }

    fn describe(&self, world: &World) -> Value {
        let (min, max, desired) = self.told_sizes(world);
        let groups: Vec<Value> =
            autoscaling::sizes(world, &self.scaling_group()).map(|_| json!({"name": self.scaling_group()})).into_iter().collect();
        let taints: Vec<Value> = self.taints.iter().map(|t| json!({"key": t.key, "value": t.value, "effect": t.effect})).collect();
        json!({
            "nodegroupName": self.name,
            "nodegroupArn": self.arn,
            "clusterName": self.cluster,
            "version": self.version,
            "releaseVersion": self.release,
            "createdAt": self.created,
            "modifiedAt": self.modified,
            "status": self.status,
            "capacityType": self.capacity_type,
            "scalingConfig": {"minSize": min, "maxSize": max, "desiredSize": desired},
            "instanceTypes": (!self.instance_types.is_empty()).then_some(&self.instance_types),
            "subnets": self.subnets,
            "remoteAccess": self.remote_access,
            "amiType": self.ami_type,
            "nodeRole": self.role,
            "labels": self.labels,
            "taints": (!taints.is_empty()).then_some(taints),
            "resources": {"autoScalingGroups": groups, "remoteAccessSecurityGroup": self.remote_group},
            "diskSize": self.disk_size,
            "health": {"issues": self.issues},
            "updateConfig": self.update_config,
            "nodeRepairConfig": self.repair,
            "launchTemplate": self.template.as_ref().map(template::UserTemplate::describe),
            "tags": self.tags,
        })
    }

    fn settle(&mut self, status: &'static str, issues: Vec<Value>, now: f64) {
        (self.status, self.issues, self.modified) = (status, issues, now);
    }
}

impl Cluster {
    pub(super) fn node_group(&self, name: &str) -> Result<&NodeGroup, ApiError> {
        self.node_groups.get(name).ok_or_else(|| {
            let message = format!("No node group found for name: {name}.");
            not_found(message).field("clusterName", self.name.as_str()).field("nodegroupName", name)
        })
    }

    /// "If you have managed node groups … you must delete them first" (API reference, DeleteCluster); the words are those that
    /// users met.
    pub(super) fn refuse_with_node_groups(&self) -> Result<(), ApiError> {
        self.node_groups.keys().next().map_or(Ok(()), |name| {
            let refusal = in_use("Cluster has nodegroups attached").field("clusterName", self.name.as_str());
            Err(refusal.field("nodegroupName", name.as_str()))
        })
    }

    /// "all of your node groups' Kubernetes versions must match the cluster's Kubernetes version in order to update the cluster"
    /// (API reference, UpdateClusterVersion). Code and words are an assumption.
    pub(super) fn refuse_with_other_versions(&self) -> Result<(), ApiError> {
        let others: Vec<&str> =
            self.node_groups.values().filter(|group| group.version != self.version).map(|group| group.name.as_str()).collect();
        if others.is_empty() {
            return Ok(());
        }
        let message = format!(
            "Nodegroup(s) {} must be updated to match cluster version {} before updating cluster version",
            others.join(", "),
            self.version
        );
        Err(invalid_request(message).field("clusterName", self.name.as_str()))
    }
}

fn service(world: &World) -> Caller {
    world.service_caller("eks-nodegroup.amazonaws.com")
}

/// A call of EKS's own.
fn ask(world: &mut World, service_name: Service, action: &str, args: Value) -> Result<Value, ApiError> {
    let caller = service(world);
    world.call(service_name, action, args, &caller)
}

fn get<'a>(world: &'a World, place: &Place) -> Option<&'a NodeGroup> {
    world.eks.clusters.get(&place.cluster)?.node_groups.get(&place.group).filter(|group| group.id == place.id)
}

fn get_mut<'a>(world: &'a mut World, place: &Place) -> Option<&'a mut NodeGroup> {
    world.eks.clusters.get_mut(&place.cluster)?.node_groups.get_mut(&place.group).filter(|group| group.id == place.id)
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    Ok(json!({"nodegroup": cluster.node_group(required(args, "nodegroupName")?)?.describe(world)}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    page("nodegroups", cluster.node_groups.keys().map(|name| json!(name)).collect(), args)
}

/// Groups cost nothing besides what they are made of, which EC2 lists ("There are no additional costs").
pub(super) fn inventory(cluster: &Cluster, inventory: &mut Inventory) {
    for group in cluster.node_groups.values() {
        let tags = group.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        inventory.push("eks/nodegroup", &group.arn, tags, group.status, 0.0);
    }
}
