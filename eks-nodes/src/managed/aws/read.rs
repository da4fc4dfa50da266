//! Reading groups.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eks::types;
use eks_core::{Class, Error, aws::failed};

use crate::{
    aws::Workers,
    managed::{GroupIssue, GroupName, GroupScaling, GroupStatus, GroupTaint, IssueCode, NodeGroup, NodeRepair, Share, UpdateStrategy},
    observed::{Observed, Scope},
    taint::TaintEffect,
};

impl Workers {
    /// Adds the groups of the scope: those that it names, or those of every cluster in the Region, as groups carry no tags that EKS
    /// could be asked for.
    pub(crate) async fn observe_groups(&self, observed: Observed) -> Result<Observed, Error> {
        let names = match observed.scope() {
            Scope::Named { .. } => observed.scope().groups().to_vec(),
            Scope::Owned { .. } => match self.all_groups().await {
                Ok(names) => names,
                // That nobody looked is told, and what a group may stand on stays.
                Err(error) if error.class() == Class::Denied => return Ok(observed.without_groups(error.to_string())),
                Err(error) => return Err(error),
            },
        };
        let mut groups = Vec::new();
        for name in names {
            match self.describe_group(&name).await {
                Ok(found) => groups.extend(found),
                // A plan names its groups and must see them; a teardown tells what it may not.
                Err(error) if error.class() == Class::Denied && matches!(observed.scope(), Scope::Owned { .. }) => {
                    return Ok(observed.without_groups(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        observed.with_groups(groups)
    }

    async fn all_groups(&self) -> Result<Vec<GroupName>, Error> {
        let mut names = Vec::new();
        let mut clusters = self.eks.list_clusters().into_paginator().items().send();
        while let Some(cluster) = clusters.next().await {
            let cluster = cluster.map_err(|error| failed("eks:ListClusters", "all clusters", error))?;
            let mut groups = self.eks.list_nodegroups().cluster_name(&cluster).into_paginator().items().send();
            while let Some(group) = groups.next().await {
                match group.map_err(|error| failed("eks:ListNodegroups", cluster.as_str(), error)) {
                    Ok(name) => names.push(GroupName { cluster: cluster.clone(), name }),
                    // The cluster went meanwhile, and its groups before it.
                    Err(error) if error.class() == Class::NotFound => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(names)
    }

    /// A group, if it and its cluster exist.
    pub(crate) async fn describe_group(&self, name: &GroupName) -> Result<Option<NodeGroup>, Error> {
        let sent = self.eks.describe_nodegroup().cluster_name(&name.cluster).nodegroup_name(&name.name).send().await;
        match sent.map_err(|error| failed("eks:DescribeNodegroup", format!("group {}", name.name), error)) {
            Ok(answer) => Ok(answer.nodegroup.map(|found| group(name, found))),
            Err(error) if error.class() == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn group(name: &GroupName, found: types::Nodegroup) -> NodeGroup {
    let (max_unavailable, strategy) = updates(found.update_config());
    NodeGroup {
        name: name.clone(),
        status: found.status().map_or("", types::NodegroupStatus::as_str).parse().unwrap_or(GroupStatus::Unknown),
        issues: issues(found.health()),
        ami_type: found.ami_type().map_or("", types::AmiTypes::as_str).to_owned(),
        capacity_type: found.capacity_type().map_or("", types::CapacityTypes::as_str).to_owned(),
        scaling: scaling(found.scaling_config()),
        taints: found.taints().iter().map(taint).collect(),
        max_unavailable,
        strategy,
        repair: repair(found.node_repair_config()),
        template: found.launch_template().and_then(|used| Some((used.id()?.to_owned(), used.version()?.to_owned()))),
        scaling_group: found.resources().and_then(|made| Some(made.auto_scaling_groups().first()?.name()?.to_owned())),
        arn: found.nodegroup_arn.unwrap_or_default(),
        version: found.version.unwrap_or_default(),
        release: found.release_version.unwrap_or_default(),
        instance_types: found.instance_types.unwrap_or_default(),
        role: found.node_role.unwrap_or_default(),
        subnets: found.subnets.unwrap_or_default().into_iter().collect::<BTreeSet<_>>(),
        labels: found.labels.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
        tags: found.tags.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
    }
}

fn issues(health: Option<&types::NodegroupHealth>) -> Vec<GroupIssue> {
    let issue = |issue: &types::Issue| GroupIssue {
        code: issue.code().map_or("", types::NodegroupIssueCode::as_str).parse().unwrap_or(IssueCode::Unknown),
        message: issue.message().unwrap_or_default().to_owned(),
        resources: issue.resource_ids().to_vec(),
    };
    health.map(|health| health.issues().iter().map(issue).collect()).unwrap_or_default()
}

fn number(number: Option<i32>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

fn scaling(config: Option<&types::NodegroupScalingConfig>) -> GroupScaling {
    let of = |part: fn(&types::NodegroupScalingConfig) -> Option<i32>| number(config.and_then(part)).unwrap_or_default();
    GroupScaling {
        min: of(types::NodegroupScalingConfig::min_size),
        max: of(types::NodegroupScalingConfig::max_size),
        desired: of(types::NodegroupScalingConfig::desired_size),
    }
}

fn share(count: Option<i32>, percent: Option<i32>) -> Option<Share> {
    let percent = percent.and_then(|percent| u8::try_from(percent).ok()).map(Share::Percent);
    number(count).map(Share::Nodes).or(percent)
}

fn updates(config: Option<&types::NodegroupUpdateConfig>) -> (Share, UpdateStrategy) {
    let found = config.and_then(|config| share(config.max_unavailable(), config.max_unavailable_percentage()));
    let minimal = config.and_then(types::NodegroupUpdateConfig::update_strategy) == Some(&types::NodegroupUpdateStrategies::Minimal);
    (found.unwrap_or(Share::Nodes(1)), if minimal { UpdateStrategy::Minimal } else { UpdateStrategy::Default })
}

fn repair(config: Option<&types::NodeRepairConfig>) -> Option<NodeRepair> {
    let config = config.filter(|config| config.enabled() == Some(true))?;
    Some(NodeRepair {
        stops_above: share(config.max_unhealthy_node_threshold_count(), config.max_unhealthy_node_threshold_percentage()),
        parallel: share(config.max_parallel_nodes_repaired_count(), config.max_parallel_nodes_repaired_percentage()),
    })
}

fn taint(taint: &types::Taint) -> GroupTaint {
    let effect = match taint.effect() {
        Some(types::TaintEffect::NoExecute) => TaintEffect::NoExecute,
        Some(types::TaintEffect::PreferNoSchedule) => TaintEffect::PreferNoSchedule,
        _ => TaintEffect::NoSchedule,
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    GroupTaint { key: text(taint.key()), value: text(taint.value()), effect }
}
