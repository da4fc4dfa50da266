//! UpdateNodegroupConfig (API reference; user guide, "Edit a node group configuration").

use serde_json::{Value, json};

use super::{ApiError, Args, NodeGroup, Place, Taint, World, get, get_mut, scaling, settings};
use crate::{
    eks::{cluster, in_use, invalid_parameter, invalid_request, required, strings, update::Update},
    kube,
    times::Time,
};

impl NodeGroup {
    /// One update at a time, of a group that stands. The codes are an assumption.
    pub(super) fn updatable(&self) -> Result<(), ApiError> {
        let message = format!("Nodegroup {} cannot be updated as it is currently not in Active State", self.name);
        let told = |error: ApiError| error.field("clusterName", self.cluster.as_str()).field("nodegroupName", self.name.as_str());
        match self.status {
            "ACTIVE" | "DEGRADED" => Ok(()),
            "UPDATING" => Err(told(in_use(message))),
            _ => Err(told(invalid_request(message))),
        }
    }
}

pub(in crate::eks) fn update(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    if let Some(answer) = cluster.replayed(args) {
        return Ok(answer);
    }
    let group = cluster.node_group(required(args, "nodegroupName")?)?.clone();
    group.updatable()?;
    let mut after = group.clone();
    let mut params = Vec::new();
    let scales = args.get("scalingConfig").is_some();
    if scales {
        after.sizes = settings::sizes(&args.sub("scalingConfig"), group.told_sizes(world))?;
        let (min, max, desired) = after.sizes;
        params.extend([("MinSize", min.to_string()), ("MaxSize", max.to_string()), ("DesiredSize", desired.to_string())]);
    }
    labels(&mut after, &args.sub("labels"), &mut params)?;
    taints(&mut after, &args.sub("taints"), &mut params)?;
    if args.get("updateConfig").is_some() {
        after.update_config = settings::update_config(&args.sub("updateConfig"))?;
        params.push(("MaxUnavailable", after.update_config.to_string()));
    }
    if args.get("nodeRepairConfig").is_some() {
        after.repair = settings::repair(&args.sub("nodeRepairConfig"))?;
        params.push(("NodeRepairEnabled", after.repair["enabled"].to_string()));
    }
    if params.is_empty() {
        return Err(invalid_parameter("No changes needed for the nodegroup config provided"));
    }
    let update = Update::new(world, "ConfigUpdate", None, params, args).of_node_group(&group.name);
    let (id, reply) = (update.id.clone(), json!({"update": update.describe()}));
    let place = group.place();
    cluster::find_mut(world, &group.cluster)?.updates.push(update);
    if let Some(group) = get_mut(world, &place) {
        group.status = "UPDATING";
    }
    world.take(Time::NodegroupConfigUpdate, &group.arn, move |world| finish(world, &place, &id, after, scales));
    Ok(reply)
}

fn labels(after: &mut NodeGroup, given: &Args, params: &mut Vec<(&'static str, String)>) -> Result<(), ApiError> {
    if let Some(added) = given.get("addOrUpdateLabels") {
        after.labels.extend(settings::labels(Some(added))?);
        params.push(("LabelsToAdd", added.to_string()));
    }
    let removed = strings(given, "removeLabels");
    if !removed.is_empty() {
        after.labels.retain(|key, _| !removed.contains(key));
        params.push(("LabelsToRemove", json!(removed).to_string()));
    }
    Ok(())
}

fn taints(after: &mut NodeGroup, given: &Args, params: &mut Vec<(&'static str, String)>) -> Result<(), ApiError> {
    let same = |one: &Taint, other: &Taint| one.key == other.key && one.effect == other.effect;
    let (added, removed) = (settings::taints(&given.nested("addOrUpdateTaints"))?, settings::taints(&given.nested("removeTaints"))?);
    if !removed.is_empty() {
        after.taints.retain(|taint| !removed.iter().any(|gone| same(gone, taint)));
        params.push(("TaintsToRemove", given.0["removeTaints"].to_string()));
    }
    if !added.is_empty() {
        after.taints.retain(|taint| !added.iter().any(|new| same(new, taint)));
        after.taints.extend(added);
        params.push(("TaintsToAdd", given.0["addOrUpdateTaints"].to_string()));
    }
    Ok(())
}

/// The end: Auto Scaling is told at once ("does not respect Pod disruption budgets"), new nodes get the new labels by a new version of
/// EKS's launch template, and those that run by the API server ("labels to apply to the nodes in the node group after the update").
fn finish(world: &mut World, place: &Place, id: &str, after: NodeGroup, scales: bool) {
    let now = world.epoch_seconds();
    let Some(before) = get(world, place).cloned() else { return };
    if let Some(group) = get_mut(world, place) {
        *group = NodeGroup { issues: before.issues.clone(), own_template: before.own_template.clone(), ..after };
        group.settle("ACTIVE", Vec::new(), now);
    }
    let Some(group) = get(world, place).cloned() else { return };
    if scales {
        scaling::resize(world, &group, group.sizes);
        if let Some(group) = get_mut(world, place) {
            group.before_update = None;
        }
    }
    if (&group.labels, &group.taints) != (&before.labels, &before.taints) {
        drop(scaling::write_template(world, &group));
        let kubernetes = |taints: &[Taint]| taints.iter().map(Taint::in_kubernetes).collect::<Vec<_>>();
        let gone: Vec<String> = before.labels.keys().filter(|key| !group.labels.contains_key(*key)).cloned().collect();
        let (old, new) = (kubernetes(&before.taints), kubernetes(&group.taints));
        kube::mark_group(world, &group.cluster, &group.name, (&group.labels, &gone), (&new, &old));
    }
    if let Ok(cluster) = cluster::find_mut(world, &place.cluster) {
        cluster.end_update(id, Vec::new());
    }
}
