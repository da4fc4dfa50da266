//! A group of workers of a document.

use std::collections::BTreeMap;

use eks_nodes::{LifecycleHook, WorkersSpecBuilder};
use serde::{Deserialize, Serialize};

use super::{
    family::Family,
    kubelet::Kubelet,
    managed::Managed,
    template::Template,
    words::{Architecture, RoleMapping, SpotAllocation, TaintEffect, Text, Transition},
};

/// A group of workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Workers {
    /// Name of the group, and of its CloudFormation stack.
    pub(crate) name: Text<eks_core::StackName>,
    /// Zones in whose private subnets it runs. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) zones: Vec<Text<eks_core::ZoneName>>,
    /// Runs in public subnets instead. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_subnets: Option<bool>,
    /// Instance types in the order of preference. Default t3.medium.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) instance_types: Vec<String>,
    /// How instances are bought. Default `onDemand`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purchase: Option<Purchase>,
    /// One Auto Scaling group in each zone, with the capacity in each. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_per_zone: Option<bool>,
    /// Seconds until the metrics of a new instance count for scaling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instance_warmup_seconds: Option<u16>,
    /// Lifecycle hooks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lifecycle_hooks: Vec<Hook>,
    /// Architecture, where the instance types' names do not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) architecture: Option<Architecture>,
    /// How many instances. Default two, at most three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) capacity: Option<Capacity>,
    /// Size of the volume of images and Pods, in GiB. Default 20, on Windows 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) volume_gib: Option<u32>,
    /// Operating system. Default Amazon Linux 2023.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<Family>,
    /// Settings of the kubelet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kubelet: Option<Kubelet>,
    /// The day by which ends of support are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) as_of: Option<Text<eks_cluster::Date>>,
    /// Image. Default: the one that the family's maker publishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<Image>,
    /// EC2 key pair for SSH. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_pair: Option<String>,
    /// Labels that the nodes register with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Taints that the nodes register with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) taints: Vec<Taint>,
    /// Room for as many Pods as the VPC CNI's prefix delegation allows. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prefix_delegation: Option<bool>,
    /// Most Pods on a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_pods: Option<u16>,
    /// Managed policies of the nodes' role, by ARN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) extra_policies: Vec<String>,
    /// Lets AWS Systems Manager Session Manager open shells. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session_manager: Option<bool>,
    /// How many hops the instance metadata's answers travel. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata_hop_limit: Option<u8>,
    /// How the nodes' role is let into the cluster. Default: as the cluster's authentication mode needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mapping: Option<RoleMapping>,
    /// Amazon's template, or one of your own, instead of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) template: Option<Template>,
    /// Sets the number of instances again with every update. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resize_on_update: Option<bool>,
    /// Logical ids of resources that may stay as a failed update left them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) skip_in_rollback: Vec<String>,
    /// Makes a managed node group of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) managed: Option<Managed>,
}

/// How instances are bought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Purchase {
    /// On demand.
    OnDemand,
    /// Spot only.
    Spot(SpotAllocation),
    /// Some on demand, the others Spot.
    Mixed {
        /// So many on demand first.
        on_demand_base: u32,
        /// Of those above, so many percent on demand.
        on_demand_percent: u8,
        /// Where the others come from.
        allocation: SpotAllocation,
    },
}

/// How many instances.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "Sizes", into = "Sizes")]
pub(crate) struct Capacity(#[cfg_attr(feature = "schema", schemars(with = "Sizes"))] eks_nodes::Capacity);

/// How many instances at least, as a rule, and at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Sizes {
    /// At least.
    min: u32,
    /// Wanted now.
    desired: u32,
    /// At most.
    max: u32,
}

impl TryFrom<Sizes> for Capacity {
    type Error = eks_nodes::CapacityError;

    fn try_from(sizes: Sizes) -> Result<Self, Self::Error> {
        eks_nodes::Capacity::new(sizes.min, sizes.desired, sizes.max).map(Self)
    }
}

impl From<Capacity> for Sizes {
    fn from(capacity: Capacity) -> Self {
        Self { min: capacity.0.min(), desired: capacity.0.desired(), max: capacity.0.max() }
    }
}

/// A lifecycle hook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Hook {
    /// Its name.
    pub(crate) name: String,
    /// When it holds an instance.
    pub(crate) transition: Transition,
    /// For how many seconds at most, 30–7200.
    pub(crate) heartbeat_seconds: u32,
}

/// Where the AMI comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Image {
    /// The one that the family's maker recommends.
    Recommended,
    /// This one.
    Ami(Text<eks_core::AmiId>),
    /// The one that this SSM parameter names.
    Parameter(String),
}

/// A taint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Taint {
    /// Its key.
    pub(crate) key: String,
    /// Its value. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    /// What it does.
    pub(crate) effect: TaintEffect,
}

impl From<Purchase> for eks_nodes::Purchase {
    fn from(purchase: Purchase) -> Self {
        match purchase {
            Purchase::OnDemand => Self::OnDemand,
            Purchase::Spot(allocation) => Self::Spot(allocation.into()),
            Purchase::Mixed { on_demand_base, on_demand_percent, allocation } => {
                Self::Mixed { on_demand_base, on_demand_percent, allocation: allocation.into() }
            }
        }
    }
}

impl Workers {
    /// Says all of it to the builder.
    pub(crate) fn apply(&self, builder: WorkersSpecBuilder) -> WorkersSpecBuilder {
        self.apply_nodes(self.apply_group(builder))
    }

    fn apply_group(&self, mut builder: WorkersSpecBuilder) -> WorkersSpecBuilder {
        let of = self.clone();
        if !of.instance_types.is_empty() {
            builder = builder.instance_types(of.instance_types);
        }
        if let Some(purchase) = of.purchase {
            builder = builder.purchase(purchase.into());
        }
        if let Some(on) = of.group_per_zone {
            builder = builder.group_per_zone(on);
        }
        if let Some(seconds) = of.instance_warmup_seconds {
            builder = builder.instance_warmup(seconds);
        }
        for Hook { name, transition, heartbeat_seconds } in of.lifecycle_hooks {
            builder = builder.lifecycle_hook(LifecycleHook::new(name, transition.into(), heartbeat_seconds));
        }
        if let Some(architecture) = of.architecture {
            builder = builder.architecture(architecture.into());
        }
        if let Some(capacity) = of.capacity {
            builder = builder.capacity(capacity.0);
        }
        if of.public_subnets == Some(true) {
            builder = builder.allow_public_subnets(true);
        }
        if let Some(mapping) = of.mapping {
            builder = builder.mapping(mapping.into());
        }
        if let Some(template) = of.template {
            builder = builder.amazon_template(template.template());
        }
        if let Some(on) = of.resize_on_update {
            builder = builder.resize_on_update(on);
        }
        if !of.skip_in_rollback.is_empty() {
            builder = builder.skip_in_rollback(of.skip_in_rollback);
        }
        of.managed.into_iter().fold(builder, |builder, managed| builder.managed(managed.settings()))
    }

    fn apply_nodes(&self, mut builder: WorkersSpecBuilder) -> WorkersSpecBuilder {
        let of = self.clone();
        if let Some(gib) = of.volume_gib {
            builder = builder.volume_gib(gib);
        }
        if let Some(family) = of.family {
            builder = builder.family(family.family());
        }
        if let Some(kubelet) = of.kubelet {
            builder = builder.kubelet(kubelet.settings());
        }
        if let Some(day) = of.as_of.and_then(|day| day_of(day.0)) {
            builder = builder.as_of(day);
        }
        if let Some(image) = of.image {
            builder = builder.image(match image {
                Image::Recommended => eks_nodes::Image::Recommended,
                Image::Ami(id) => eks_nodes::Image::Ami(id.0),
                Image::Parameter(name) => eks_nodes::Image::Parameter(name),
            });
        }
        builder = of.key_pair.into_iter().fold(builder, WorkersSpecBuilder::key_pair);
        builder = of.labels.into_iter().fold(builder, |builder, (key, value)| builder.label(key, value));
        for Taint { key, value, effect } in of.taints {
            builder = builder.taint(key, value.unwrap_or_default(), effect.into());
        }
        if let Some(on) = of.prefix_delegation {
            builder = builder.prefix_delegation(on);
        }
        builder = of.max_pods.into_iter().fold(builder, WorkersSpecBuilder::max_pods);
        builder = of.extra_policies.into_iter().fold(builder, WorkersSpecBuilder::extra_policy);
        if let Some(on) = of.session_manager {
            builder = builder.session_manager(on);
        }
        of.metadata_hop_limit.into_iter().fold(builder, WorkersSpecBuilder::metadata_hop_limit)
    }
}

fn day_of(day: eks_cluster::Date) -> Option<eks_nodes::Date> {
    let part = |number: i8| u8::try_from(number).ok();
    eks_nodes::Date::new(u16::try_from(day.year()).ok()?, part(day.month())?, part(day.day())?)
}
