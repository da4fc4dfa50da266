//! A group as it is asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use eks_core::{ClusterName, Ref, RoleArn, StackName, SubnetId};
use serde::{Deserialize, Serialize};

use super::settings::{NodeRepair, Share, UpdateStrategy};
use crate::taint::TaintEffect;

/// A taint of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "Kubernetes' taints have these three")]
pub struct GroupTaint {
    /// Its key.
    pub key: String,
    /// Its value, which may be empty.
    pub value: String,
    /// What it does.
    pub effect: TaintEffect,
}

impl fmt::Display for GroupTaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.key, self.value, self.effect)
    }
}

/// A version of a launch template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a template is named by these two")]
pub struct TemplateRef {
    /// Its id.
    pub id: Ref<String>,
    /// The version's number.
    pub version: Ref<String>,
}

/// Sizes of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "EKS API Reference, NodegroupScalingConfig")]
pub struct GroupScaling {
    /// Fewest nodes.
    pub min: u32,
    /// Most nodes.
    pub max: u32,
    /// Nodes now.
    pub desired: u32,
}

/// A managed group that EKS should make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupRequest {
    /// The cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub name: StackName,
    /// The role of its nodes.
    pub role: Ref<RoleArn>,
    /// Its subnets.
    pub subnets: Vec<Ref<SubnetId>>,
    /// Its launch template.
    pub template: TemplateRef,
    /// Which image, by EKS's name.
    pub ami_type: String,
    /// Which release of it; the newest if none is named.
    pub release: Option<String>,
    /// In the order of preference.
    pub instance_types: Vec<String>,
    /// Bought as Spot.
    pub spot: bool,
    /// Its sizes.
    pub scaling: GroupScaling,
    /// Labels of its nodes.
    pub labels: BTreeMap<String, String>,
    /// Taints of its nodes.
    pub taints: BTreeSet<GroupTaint>,
    /// How many nodes an update empties at once.
    pub max_unavailable: Share,
    /// What an update does first.
    pub strategy: UpdateStrategy,
    /// Repair of nodes, if it is on.
    pub repair: Option<NodeRepair>,
}

/// What EKS should change of a group, all of it in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupUpdate {
    /// Fewest and most nodes. How many there are stays the autoscaler's business: only what is out of bounds is brought within.
    pub scaling: Option<(u32, u32)>,
    /// Labels that are new or have another value.
    pub labels: BTreeMap<String, String>,
    /// Labels that go.
    pub labels_gone: BTreeSet<String>,
    /// Taints that are new or have another value.
    pub taints: BTreeSet<GroupTaint>,
    /// Taints that go.
    pub taints_gone: BTreeSet<GroupTaint>,
    /// Another way to update.
    pub updates: Option<(Share, UpdateStrategy)>,
    /// Repair of nodes on (with these settings) or off.
    pub repair: Option<Option<NodeRepair>>,
    /// Another version of Kubernetes, release or launch template: every node is replaced.
    pub roll: Option<Roll>,
}

/// The replacement of every node, by EKS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Roll {
    /// The version of Kubernetes.
    pub version: String,
    /// The release of the image; the newest if none is named.
    pub release: Option<String>,
    /// The launch template.
    pub template: TemplateRef,
    /// Whether Pods that budgets hold are ended.
    pub force: bool,
}

impl GroupUpdate {
    /// Whether settings change, and not only nodes.
    pub(crate) fn has_settings(&self) -> bool {
        *self != Self { roll: self.roll.clone(), ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
