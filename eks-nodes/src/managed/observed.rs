//! What managed groups exist.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Facts, KEY_TAG, OWNER_TAG, Operation, Owner, StepKey};
use serde::{Deserialize, Serialize};

use super::{
    issue::GroupIssue,
    request::{GroupScaling, GroupTaint},
    settings::{NodeRepair, Share, UpdateStrategy},
    status::GroupStatus,
};
use crate::{instance::usd_per_month, op::WorkersOp};

/// A managed group is known by its cluster's name and its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "EKS knows a group by these two")]
pub struct GroupName {
    /// The cluster.
    pub cluster: String,
    /// The group.
    pub name: String,
}

/// A managed group, as EKS describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data that tests and other observers build")]
pub struct NodeGroup {
    /// Its cluster and name.
    pub name: GroupName,
    /// Its ARN.
    pub arn: String,
    /// Its state.
    pub status: GroupStatus,
    /// What EKS finds wrong with it.
    pub issues: Vec<GroupIssue>,
    /// Kubernetes minor version, `1.36`.
    pub version: String,
    /// Release of its image.
    pub release: String,
    /// Which image, by EKS's name.
    pub ami_type: String,
    /// Instance types; none if they are its launch template's.
    pub instance_types: Vec<String>,
    /// `ON_DEMAND`, `SPOT` or `CAPACITY_BLOCK`.
    pub capacity_type: String,
    /// ARN of its nodes' role.
    pub role: String,
    /// Its subnets.
    pub subnets: BTreeSet<String>,
    /// Its sizes; desired is what an autoscaler made of it.
    pub scaling: GroupScaling,
    /// Labels that EKS gives its nodes.
    pub labels: BTreeMap<String, String>,
    /// Taints that EKS gives its nodes.
    pub taints: BTreeSet<GroupTaint>,
    /// How many nodes an update empties at once.
    pub max_unavailable: Share,
    /// What an update does first.
    pub strategy: UpdateStrategy,
    /// Repair of nodes, if it is on.
    pub repair: Option<NodeRepair>,
    /// Id and version of the launch template that it was given.
    pub template: Option<(String, String)>,
    /// Its Auto Scaling group, once there is one.
    pub scaling_group: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl NodeGroup {
    /// The step that made it, if this owner did.
    pub fn key(&self, owner: &Owner) -> Option<StepKey> {
        let key = self.tags.get(KEY_TAG)?.parse::<StepKey>().ok()?;
        (self.tags.get(OWNER_TAG).map(String::as_str) == Some(owner.as_str()) && key.layer() == WorkersOp::LAYER).then_some(key)
    }

    /// US dollars a month for its instances, with a volume of the least size each.
    pub fn usd_per_month(&self) -> f64 {
        let kind = self.instance_types.first().map_or("t3.medium", String::as_str);
        let gib = if self.ami_type.starts_with("WINDOWS") { 50 } else { 20 };
        usd_per_month(kind, self.scaling.desired, gib)
    }

    /// What a plan's decisions rest on. The desired size is the autoscaler's, and no part of it.
    pub(crate) fn note(&self, owner: &Owner, facts: &mut Facts) {
        let ours = self.key(owner);
        let state = match self.status {
            // One of the owner's that is being deleted counts as being gone.
            GroupStatus::Deleting if ours.is_some() => return,
            status if status.stands() => "standing",
            GroupStatus::CreateFailed => "failed",
            status => status.as_str(),
        };
        let key = ours.map_or_else(|| format!("nodes/{}", self.name.name), |key| key.to_string());
        facts.note(&key, "id", &self.arn);
        facts.note(&key, "state", state);
        for tag in [OWNER_TAG, KEY_TAG] {
            facts.note(&key, tag, self.tags.get(tag).map_or("none", String::as_str));
        }
        facts.note(&key, "version", &self.version);
        facts.note(&key, "release", &self.release);
        facts.note(&key, "role", &self.role);
        facts.note(&key, "min", self.scaling.min);
        facts.note(&key, "max", self.scaling.max);
        facts.note(&key, "max unavailable", format!("{} {}", self.max_unavailable, self.strategy.as_str()));
        if let Some((id, version)) = &self.template {
            facts.note(&key, "launch template", format!("{id} {version}"));
        }
        for (name, value) in &self.labels {
            facts.note(&key, format!("label {name}"), value);
        }
        for taint in &self.taints {
            facts.note(&key, format!("taint {}:{}", taint.key, taint.effect), &taint.value);
        }
    }
}
