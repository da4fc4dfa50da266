//! UpdateNodegroupVersion: every node is replaced (API reference; user guide, "Understand each phase of node updates").

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    ApiError, Args, NodeGroup, Place, World, ami, drain, get, get_mut, health,
    launch::{POLL, all_ready},
    scaling, template,
};
use crate::{
    autoscaling,
    eks::{cluster, invalid_parameter, invalid_request, required, update::Update},
    kube,
    times::Time,
};

/// "If the Pods don't leave the node within 15 minutes and there's no force flag, the upgrade phase fails".
const PATIENCE: Duration = Duration::from_mins(15);
/// "cordons the node after every Pod is evicted and waits for 60 seconds".
const SETTLE: Duration = Duration::from_secs(60);

/// An update under way.
#[derive(Clone, Debug)]
struct Rolling {
    update: String,
    force: bool,
    minimal: bool,
    /// How many nodes are emptied at once.
    batch: usize,
    /// Sizes before the update.
    sizes: (i64, i64, i64),
    /// Instances that the update replaces.
    old: Vec<String>,
    /// The group as it shall be.
    after: Box<NodeGroup>,
    /// Until when new nodes must be there.
    limit: Duration,
}

pub(in crate::eks) fn update(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?.clone();
    if let Some(answer) = cluster.replayed(args) {
        return Ok(answer);
    }
    let group = cluster.node_group(required(args, "nodegroupName")?)?.clone();
    group.updatable()?;
    let after = wanted(world, &group, &cluster.version, args)?;
    let mut params = vec![("Version", after.version.clone()), ("ReleaseVersion", after.release.clone())];
    params.extend(after.template.iter().map(|template| ("LaunchTemplateVersion", template.version.clone())));
    let update = Update::new(world, "VersionUpdate", None, params, args).of_node_group(&group.name);
    let (id, reply) = (update.id.clone(), json!({"update": update.describe()}));
    cluster::find_mut(world, &cluster.name)?.updates.push(update);
    let (place, force) = (group.place(), args.bool("force").unwrap_or(false));
    if let Some(group) = get_mut(world, &place) {
        group.status = "UPDATING";
    }
    world.take(Time::NodegroupSetup, &group.arn, move |world| set_up(world, &place, after, id, force));
    Ok(reply)
}

/// The group as it shall be.
fn wanted(world: &mut World, group: &NodeGroup, control_plane: &str, args: &Args) -> Result<NodeGroup, ApiError> {
    let mut after = group.clone();
    if let Some(template) = template::of_request(world, args)? {
        // "you must specify the same launch template ID or name that was used to create the node group".
        match &group.template {
            None => return Err(invalid_request("Cannot specify a launch template for a node group that was created without one.")),
            Some(old) if old.id != template.id => {
                return Err(invalid_request(format!("The launch template must be {}, with which the node group was created.", old.id)));
            }
            // "You must create a new node group to switch between specifying an AMI ID … and not specifying an AMI ID."
            Some(old) if old.image().is_some() != template.image().is_some() => {
                return Err(invalid_request("You cannot switch between a custom AMI and an Amazon EKS optimized AMI."));
            }
            Some(_) => {}
        }
        template::check_beside(&template, args)?;
        after.template = Some(template);
    }
    if let Some(image) = after.template.as_ref().and_then(template::UserTemplate::image).map(str::to_owned) {
        if args.str("version").is_some() || args.str("releaseVersion").is_some() {
            return Err(invalid_request("You cannot specify the field version when using custom AMIs."));
        }
        (after.image, after.release) = (image.clone(), image);
        return Ok(after);
    }
    // "If no version is specified, then the node group will be updated to match the cluster's current Kubernetes version": with a launch
    // template or a release alone the version stays (assumption).
    let alone = args.get("launchTemplate").is_none() && args.str("releaseVersion").is_none();
    let default = if alone { control_plane } else { &group.version };
    let version = args.str("version").unwrap_or(default).to_owned();
    let (to, from, most) = (ami::minor(&version), ami::minor(&group.version), ami::minor(control_plane));
    // "The version that you update to can't be greater than the control plane's version."
    if to > most {
        return Err(invalid_parameter(format!(
            "Nodegroup Kubernetes version {version} should be equal to or less than cluster version {control_plane}"
        )));
    }
    // "You cannot roll back a node group to an earlier Kubernetes version or AMI version."
    if to < from {
        return Err(invalid_parameter(format!("Nodegroup Kubernetes version {} cannot be rolled back to {version}", group.version)));
    }
    let found = ami::published(world, &group.ami_type, &version, args.str("releaseVersion"))?;
    (after.version, after.image, after.release) = (version, found.image, found.release);
    Ok(after)
}

/// Setup phase: a new version of EKS's launch template, which the Auto Scaling group uses.
fn set_up(world: &mut World, place: &Place, after: NodeGroup, update: String, force: bool) {
    let Some(group) = get(world, place).cloned() else { return };
    let template = match scaling::write_template(world, &after) {
        Ok(template) => template,
        Err(failure) => return end(world, place, &update, vec![error(failure.code, failure.message, &[])]),
    };
    scaling::use_newest(world, &group, &template);
    let old = outdated(world, &after);
    // A failed update may have left what it had launched.
    let sizes = group.told_sizes(world);
    let batch = batch(&group, old.len());
    let minimal = group.update_config["updateStrategy"] == "MINIMAL";
    let limit = world.now + world.record(Time::NodegroupFail, &group.arn);
    let rolling = Rolling { update, force, minimal, batch, sizes, old, after: Box::new(after), limit };
    if !rolling.old.is_empty() && !minimal {
        // "increments the Auto Scaling Group's maximum size and desired size by the larger of either: up to twice the number of
        // Availability Zones …; the maximum unavailable of upgrade".
        let more = i64::try_from((group.zones.len() * 2).max(batch)).unwrap_or(1);
        scaling::resize(world, &group, (sizes.0, sizes.1 + more, sizes.2 + more));
        if let Some(group) = get_mut(world, place) {
            group.before_update = Some(sizes.2);
        }
    }
    scale_up(world, place, rolling);
}

/// Instances whose nodes are not as the group shall be, by the labels that EKS gave them; and those that never joined. "This prevents
/// nodes that have already been updated from a previous failed update from being cordoned."
fn outdated(world: &World, after: &NodeGroup) -> Vec<String> {
    let wanted = scaling::labels(after);
    let is_new = |node: &kube::GroupNode| {
        let same = |key: &str| node.labels.get(key) == wanted.get(key);
        ["nodegroup-image", "sourceLaunchTemplateVersion"].iter().all(|name| same(&format!("eks.amazonaws.com/{name}")))
    };
    let nodes = kube::group_nodes(world, &after.cluster, &after.name);
    let new: Vec<&String> = nodes.iter().filter(|node| is_new(node)).map(|node| &node.instance).collect();
    let members = autoscaling::members(world, &after.scaling_group()).into_iter();
    members.map(|member| member.instance).filter(|id| !new.contains(&id)).collect()
}

/// `maxUnavailable`, or so many percent of the nodes, at least one.
fn batch(group: &NodeGroup, nodes: usize) -> usize {
    let number = |name: &str| group.update_config[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let percent = number("maxUnavailablePercentage").map(|percent| nodes * percent / 100);
    number("maxUnavailable").or(percent).unwrap_or(1).clamp(1, 100)
}

/// Scale up phase: the new nodes are Ready before an old one goes; the old ones take no new Pods and leave load balancers.
fn scale_up(world: &mut World, place: &Place, rolling: Rolling) {
    let Some(group) = get(world, place).cloned() else { return };
    if !rolling.minimal && !rolling.old.is_empty() && !all_ready(world, &group) {
        if world.now < rolling.limit {
            let place = place.clone();
            world.after(POLL, move |world| scale_up(world, &place, rolling));
            return;
        }
        let issues = health::why_no_nodes(world, &group);
        let ids: Vec<String> =
            issues[0]["resourceIds"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        return end(
            world,
            place,
            &rolling.update,
            vec![error("NodeCreationFailure", "Couldn't proceed with upgrade process as new nodes are not joining node group", &ids)],
        );
    }
    if !rolling.minimal {
        for node in old_nodes(world, &group, &rolling) {
            kube::close_node(world, &group.cluster, &node.name);
        }
    }
    upgrade(world, place, rolling);
}

fn old_nodes(world: &World, group: &NodeGroup, rolling: &Rolling) -> Vec<kube::GroupNode> {
    let mut nodes = kube::group_nodes(world, &group.cluster, &group.name);
    nodes.retain(|node| rolling.old.contains(&node.instance));
    nodes
}

/// Upgrade phase: as many old nodes as may be unavailable are drained, until none is left.
fn upgrade(world: &mut World, place: &Place, rolling: Rolling) {
    let Some(group) = get(world, place).cloned() else { return };
    // With the minimal strategy, what was ended is replaced before more is.
    if rolling.minimal && !all_ready(world, &group) && world.now < rolling.limit {
        let place = place.clone();
        world.after(POLL, move |world| upgrade(world, &place, rolling));
        return;
    }
    let chosen: Vec<kube::GroupNode> = old_nodes(world, &group, &rolling).into_iter().take(rolling.batch).collect();
    if chosen.is_empty() {
        // Old instances that never joined have nothing to drain.
        for member in autoscaling::members(world, &group.scaling_group()) {
            if rolling.old.contains(&member.instance) {
                scaling::terminate(world, &member.instance, true);
            }
        }
        return scale_down(world, place, rolling);
    }
    for node in &chosen {
        kube::close_node(world, &group.cluster, &node.name);
    }
    let until = world.now + PATIENCE;
    empty(world, place, rolling, chosen, until);
}

fn empty(world: &mut World, place: &Place, rolling: Rolling, chosen: Vec<kube::GroupNode>, until: Duration) {
    let Some(group) = get(world, place).cloned() else { return };
    let left: Vec<String> =
        chosen.iter().filter(|node| drain::step(world, &group.cluster, &node.name) > 0).map(|node| node.name.clone()).collect();
    if !left.is_empty() && world.now < until {
        let place = place.clone();
        world.after(POLL, move |world| empty(world, &place, rolling, chosen, until));
        return;
    }
    if !left.is_empty() && !rolling.force {
        return end(
            world,
            place,
            &rolling.update,
            vec![error("PodEvictionFailure", "Reached max retries while trying to evict pods from nodes in node group", &left)],
        );
    }
    for node in &left {
        drain::force(world, &group.cluster, node);
    }
    let place = place.clone();
    world.after(SETTLE, move |world| {
        let mut rolling = rolling;
        for node in &chosen {
            // What was launched beyond the size before takes the place of the old node: assumption.
            let beyond = get(world, &place).is_some_and(|group| scaling::sizes(world, group).2 > rolling.sizes.2);
            scaling::terminate(world, &node.instance, beyond);
            rolling.old.retain(|id| *id != node.instance);
        }
        rolling.limit = world.now + PATIENCE;
        upgrade(world, &place, rolling);
    });
}

/// Scale down phase: "decrements the Auto Scaling group maximum size and desired size by one to return to values before".
fn scale_down(world: &mut World, place: &Place, rolling: Rolling) {
    let Some(group) = get(world, place).cloned() else { return };
    let (min, max, desired) = scaling::sizes(world, &group);
    if desired <= rolling.sizes.2 {
        scaling::resize(world, &group, (min, rolling.sizes.1.max(desired), desired));
        if let Some(group) = get_mut(world, place) {
            let after = *rolling.after;
            group.before_update = None;
            (group.version, group.release, group.image, group.template) = (after.version, after.release, after.image, after.template);
        }
        return end(world, place, &rolling.update, Vec::new());
    }
    // What goes is drained first ("Amazon EKS automatically drains nodes … during terminations").
    if let Some(node) = spare(world, &group) {
        kube::close_node(world, &group.cluster, &node.name);
        drain::step(world, &group.cluster, &node.name);
        scaling::terminate(world, &node.instance, true);
    } else {
        scaling::resize(world, &group, (min, max, desired - 1));
    }
    let place = place.clone();
    world.after(POLL, move |world| scale_down(world, &place, rolling));
}

/// A node in the zone that has most of them ("Default termination policy").
fn spare(world: &World, group: &NodeGroup) -> Option<kube::GroupNode> {
    let members: Vec<String> = autoscaling::members(world, &group.scaling_group()).into_iter().map(|member| member.instance).collect();
    let mut nodes = kube::group_nodes(world, &group.cluster, &group.name);
    nodes.retain(|node| members.contains(&node.instance));
    let zone = |node: &kube::GroupNode| node.labels.get("topology.kubernetes.io/zone").cloned();
    let count = |of: &kube::GroupNode| nodes.iter().filter(|node| zone(node) == zone(of)).count();
    nodes.iter().max_by_key(|node| count(node)).cloned()
}

fn error(code: &str, message: impl Into<String>, ids: &[String]) -> Value {
    json!({"errorCode": code, "errorMessage": message.into(), "resourceIds": ids})
}

/// The group stands again; after a failure as far as it came.
fn end(world: &mut World, place: &Place, update: &str, errors: Vec<Value>) {
    let now = world.epoch_seconds();
    if let Some(group) = get_mut(world, place) {
        group.settle("ACTIVE", Vec::new(), now);
    }
    if let Ok(cluster) = cluster::find_mut(world, &place.cluster) {
        cluster.end_update(update, errors);
    }
}
