//! Auto Scaling groups: one, or one in each zone.

use eks_core::ZoneName;
use serde::Serialize;

use super::{Tag, Text};
use crate::{
    lifecycle::LifecycleHook,
    purchase::{Purchase, SpotAllocation},
    request::DESIRED,
};

/// The condition under which a group keeps its number of instances.
pub(super) const KEEPS_CONDITION: &str = "KeepsDesiredCapacity";

/// What decides the form of the groups.
#[derive(Clone, Debug)]
pub(crate) struct ScalingShape<'a> {
    pub(crate) hooks: &'a [LifecycleHook],
    /// In the order of preference; one, unless they are mixed.
    pub(crate) instance_types: &'a [String],
    pub(crate) purchase: Purchase,
    /// Seconds until the metrics of a new instance count.
    pub(crate) warmup: Option<u16>,
    /// The zones with the places of their subnets in the list of subnets, if each zone has a group of its own.
    pub(crate) zones: Vec<(ZoneName, Vec<usize>)>,
}

impl ScalingShape<'_> {
    fn is_mixed(&self) -> bool {
        self.instance_types.len() > 1 || self.purchase != Purchase::OnDemand
    }

    /// The logical ids of the groups, with their subnets.
    pub(super) fn groups(&self) -> Vec<(String, Subnets)> {
        if self.zones.is_empty() {
            return vec![("NodeGroup".to_owned(), Subnets::All(Text::reference("Subnets")))];
        }
        let subnets = |places: &[usize]| places.iter().map(|place| Text::reference("Subnets").select(*place)).collect();
        self.zones.iter().map(|(zone, places)| (logical(zone), Subnets::Some(subnets(places)))).collect()
    }

    /// A group over these subnets.
    pub(super) fn group(&self, subnets: Subnets, tags: Vec<GroupTag>) -> AutoScalingGroup {
        let template = LaunchTemplateReference {
            launch_template_id: Text::reference("NodeLaunchTemplate"),
            version: Text::attribute("NodeLaunchTemplate", "LatestVersionNumber"),
        };
        let (launch_template, mixed_instances_policy) =
            if self.is_mixed() { (None, Some(self.policy(template))) } else { (Some(template), None) };
        AutoScalingGroup {
            launch_template,
            mixed_instances_policy,
            min_size: Text::reference("NodeAutoScalingGroupMinSize"),
            // Without it Auto Scaling leaves the number as it is, within the limits.
            desired_capacity: Text::reference(DESIRED).unless(KEEPS_CONDITION),
            max_size: Text::reference("NodeAutoScalingGroupMaxSize"),
            // An instance that is about to be interrupted is replaced before it is.
            capacity_rebalance: self.purchase.spot().is_some().then_some(true),
            default_instance_warmup: self.warmup,
            lifecycle_hook_specification_list: self
                .hooks
                .iter()
                .map(|hook| LifecycleHookSpecification {
                    lifecycle_hook_name: hook.name.clone(),
                    lifecycle_transition: hook.transition.as_str(),
                    heartbeat_timeout: hook.heartbeat_seconds,
                    default_result: "CONTINUE",
                })
                .collect(),
            subnets,
            tags,
        }
    }

    fn policy(&self, template: LaunchTemplateReference) -> MixedInstancesPolicy {
        let (on_demand_base_capacity, on_demand_percentage_above_base_capacity, spot) = self.purchase.distribution();
        let overrides = self.instance_types.iter().map(|kind| Override { instance_type: kind.clone() });
        MixedInstancesPolicy {
            instances_distribution: InstancesDistribution {
                on_demand_allocation_strategy: "prioritized",
                on_demand_base_capacity,
                on_demand_percentage_above_base_capacity,
                spot_allocation_strategy: spot.map(SpotAllocation::as_str),
            },
            launch_template: OverriddenLaunchTemplate { launch_template_specification: template, overrides: overrides.collect() },
        }
    }
}

/// `NodeGroupUsEast1a`: logical ids are letters and digits.
fn logical(zone: &ZoneName) -> String {
    zone.as_str().split('-').fold("NodeGroup".to_owned(), |id, word| {
        let (first, rest) = word.split_at(word.len().min(1));
        id + &first.to_ascii_uppercase() + rest
    })
}

/// The subnets of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Subnets {
    All(Text),
    Some(Vec<Text>),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AutoScalingGroup {
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_template: Option<LaunchTemplateReference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mixed_instances_policy: Option<MixedInstancesPolicy>,
    min_size: Text,
    desired_capacity: Text,
    max_size: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity_rebalance: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_instance_warmup: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lifecycle_hook_specification_list: Vec<LifecycleHookSpecification>,
    #[serde(rename = "VPCZoneIdentifier")]
    subnets: Subnets,
    tags: Vec<GroupTag>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LaunchTemplateReference {
    launch_template_id: Text,
    version: Text,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MixedInstancesPolicy {
    instances_distribution: InstancesDistribution,
    launch_template: OverriddenLaunchTemplate,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstancesDistribution {
    on_demand_allocation_strategy: &'static str,
    on_demand_base_capacity: u32,
    on_demand_percentage_above_base_capacity: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    spot_allocation_strategy: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct OverriddenLaunchTemplate {
    launch_template_specification: LaunchTemplateReference,
    overrides: Vec<Override>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Override {
    instance_type: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LifecycleHookSpecification {
    lifecycle_hook_name: String,
    lifecycle_transition: &'static str,
    heartbeat_timeout: u32,
    default_result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GroupTag {
    #[serde(flatten)]
    tag: Tag,
    propagate_at_launch: bool,
}

impl GroupTag {
    /// A tag of the group and of its instances.
    pub(super) fn propagated(tag: Tag) -> Self {
        Self { tag, propagate_at_launch: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logical_ids() {
        assert_eq!(logical(&"us-east-1a".parse().expect("a zone")), "NodeGroupUsEast1a");
    }
}
