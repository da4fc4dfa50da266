//! The calls that change groups.

use aws_sdk_eks::types;
use eks_core::{Class, Error, Ref, aws::failed, engine::StepContext};

use crate::{
    aws::{Workers, token},
    managed::{GroupName, GroupRequest, GroupTaint, GroupUpdate, NodeRepair, Roll, Share, TemplateRef, UpdateStrategy},
    taint::TaintEffect,
};

impl Workers {
    pub(super) async fn call_create(&self, group: &GroupRequest, cx: &StepContext) -> Result<(), Error> {
        let subnets = group.subnets.iter().map(|subnet| cx.resolve(subnet).map(|id| id.to_string())).collect::<Result<Vec<_>, _>>()?;
        let scaling = scaling(group.scaling.min, group.scaling.max, group.scaling.desired);
        let labels = (!group.labels.is_empty()).then(|| group.labels.clone().into_iter().collect());
        let sent = self
            .eks
            .create_nodegroup()
            .cluster_name(group.cluster.as_str())
            .nodegroup_name(group.name.as_str())
            .node_role(cx.resolve(&group.role)?.as_str())
            .set_subnets(Some(subnets))
            .launch_template(template(&group.template, cx)?)
            .ami_type(group.ami_type.as_str().into())
            .set_release_version(group.release.clone())
            .set_instance_types(Some(group.instance_types.clone()))
            .capacity_type(if group.spot { types::CapacityTypes::Spot } else { types::CapacityTypes::OnDemand })
            .scaling_config(scaling)
            .set_labels(labels)
            .set_taints((!group.taints.is_empty()).then(|| group.taints.iter().map(taint).collect()))
            .update_config(updates(group.max_unavailable, group.strategy))
            .node_repair_config(repair(group.repair))
            .set_tags(Some(cx.tags().into_iter().collect()))
            .client_request_token(token(cx))
            .send()
            .await;
        sent.map(drop).map_err(|error| {
            let told = matches!(group.role, Ref::Output(_));
            too_new(failed("eks:CreateNodegroup", format!("group {}", group.name), error), told)
        })
    }

    /// Begins a change of settings; tells the update's id.
    pub(super) async fn call_update_config(&self, name: &GroupName, update: &GroupUpdate, cx: &StepContext) -> Result<String, Error> {
        let scaling = match update.scaling {
            // An autoscaler may have changed the number since the plan was made.
            Some((min, max)) => {
                let live = self.describe_group(name).await?.map_or(min, |group| group.scaling.desired);
                Some(scaling(min, max, live.clamp(min, max)))
            }
            None => None,
        };
        let labels = (!update.labels.is_empty() || !update.labels_gone.is_empty()).then(|| {
            types::UpdateLabelsPayload::builder()
                .set_add_or_update_labels((!update.labels.is_empty()).then(|| update.labels.clone().into_iter().collect()))
                .set_remove_labels((!update.labels_gone.is_empty()).then(|| update.labels_gone.iter().cloned().collect()))
                .build()
        });
        let taints = (!update.taints.is_empty() || !update.taints_gone.is_empty()).then(|| {
            types::UpdateTaintsPayload::builder()
                .set_add_or_update_taints((!update.taints.is_empty()).then(|| update.taints.iter().map(taint).collect()))
                .set_remove_taints((!update.taints_gone.is_empty()).then(|| update.taints_gone.iter().map(taint).collect()))
                .build()
        });
        let sent = self
            .eks
            .update_nodegroup_config()
            .cluster_name(&name.cluster)
            .nodegroup_name(&name.name)
            .set_scaling_config(scaling)
            .set_labels(labels)
            .set_taints(taints)
            .set_update_config(update.updates.map(|(share, strategy)| updates(share, strategy)))
            .set_node_repair_config(update.repair.map(repair))
            .client_request_token(token(cx))
            .send()
            .await;
        let sent = sent.map_err(|error| failed("eks:UpdateNodegroupConfig", format!("group {}", name.name), error))?;
        id_of(sent.update, name)
    }

    /// Begins the replacement of every node; tells the update's id.
    pub(super) async fn call_update_version(&self, name: &GroupName, roll: &Roll, cx: &StepContext) -> Result<String, Error> {
        let sent = self
            .eks
            .update_nodegroup_version()
            .cluster_name(&name.cluster)
            .nodegroup_name(&name.name)
            .version(&roll.version)
            .set_release_version(roll.release.clone())
            .launch_template(template(&roll.template, cx)?)
            .force(roll.force)
            .client_request_token(token(cx))
            .send()
            .await;
        let sent = sent.map_err(|error| failed("eks:UpdateNodegroupVersion", format!("group {}", name.name), error))?;
        id_of(sent.update, name)
    }

    /// Whether an attempt whose answer was lost has replaced the nodes.
    pub(super) async fn is_rolled(&self, name: &GroupName, roll: &Roll, cx: &StepContext) -> Result<bool, Error> {
        if cx.attempt() == 1 {
            return Ok(false);
        }
        let version = cx.resolve(&roll.template.version)?;
        let found = self.describe_group(name).await?;
        Ok(found.is_some_and(|group| {
            let used = group.template.as_ref().is_some_and(|(_, used)| *used == version);
            used && group.version == roll.version && roll.release.as_ref().is_none_or(|release| *release == group.release)
        }))
    }

    pub(super) async fn call_delete(&self, name: &GroupName) -> Result<(), Error> {
        let sent = self.eks.delete_nodegroup().cluster_name(&name.cluster).nodegroup_name(&name.name).send().await;
        sent.map(drop).map_err(|error| failed("eks:DeleteNodegroup", format!("group {}", name.name), error))
    }
}

fn id_of(update: Option<types::Update>, name: &GroupName) -> Result<String, Error> {
    let missing = || Error::Plan { subject: format!("group {}", name.name), reason: "the update has no id".to_owned() };
    update.and_then(|update| update.id).ok_or_else(missing)
}

fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn scaling(min: u32, max: u32, desired: u32) -> types::NodegroupScalingConfig {
    types::NodegroupScalingConfig::builder().min_size(whole(min)).max_size(whole(max)).desired_size(whole(desired)).build()
}

fn template(template: &TemplateRef, cx: &StepContext) -> Result<types::LaunchTemplateSpecification, Error> {
    let (id, version) = (cx.resolve(&template.id)?, cx.resolve(&template.version)?);
    Ok(types::LaunchTemplateSpecification::builder().id(id).version(version).build())
}

fn updates(share: Share, strategy: UpdateStrategy) -> types::NodegroupUpdateConfig {
    let config = types::NodegroupUpdateConfig::builder().update_strategy(strategy.as_str().into());
    match share {
        Share::Nodes(count) => config.max_unavailable(whole(count)),
        Share::Percent(percent) => config.max_unavailable_percentage(percent.into()),
    }
    .build()
}

fn repair(repair: Option<NodeRepair>) -> types::NodeRepairConfig {
    let mut config = types::NodeRepairConfig::builder().enabled(repair.is_some());
    let repair = repair.unwrap_or_default();
    config = match repair.stops_above {
        Some(Share::Nodes(count)) => config.max_unhealthy_node_threshold_count(whole(count)),
        Some(Share::Percent(percent)) => config.max_unhealthy_node_threshold_percentage(percent.into()),
        None => config,
    };
    config = match repair.parallel {
        Some(Share::Nodes(count)) => config.max_parallel_nodes_repaired_count(whole(count)),
        Some(Share::Percent(percent)) => config.max_parallel_nodes_repaired_percentage(percent.into()),
        None => config,
    };
    config.build()
}

fn taint(taint: &GroupTaint) -> types::Taint {
    let effect = match taint.effect {
        TaintEffect::NoExecute => types::TaintEffect::NoExecute,
        TaintEffect::NoSchedule => types::TaintEffect::NoSchedule,
        TaintEffect::PreferNoSchedule => types::TaintEffect::PreferNoSchedule,
    };
    types::Taint::builder().key(&taint.key).value(&taint.value).effect(effect).build()
}

/// EKS judges the role when it is asked, and may not yet see one that was just made, its trust or its policies.
fn too_new(error: Error, made_by_plan: bool) -> Error {
    let text = error.chain();
    let of_role = ["role", "trust relationship", "Managed Policies"].iter().any(|word| text.contains(word));
    if made_by_plan && of_role && matches!(error.code(), Some("InvalidParameterException" | "InvalidRequestException")) {
        return error.with_class(Class::Inconsistent);
    }
    error
}
