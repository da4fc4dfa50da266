//! DeleteNodegroup (API reference; user guide, "Delete a managed node group from your cluster").

use std::time::Duration;

use serde_json::{Value, json};

use super::{ApiError, Args, NodeGroup, Place, Service, World, ask, drain, get, get_mut, health, launch::POLL, scaling};
use crate::{
    autoscaling,
    eks::{access, cluster, in_use, required},
    kube,
    times::Time,
};

/// "If the Pods haven't drained after a few minutes, Amazon EKS lets Auto Scaling continue".
const PATIENCE: Duration = Duration::from_mins(3);

pub(in crate::eks) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let cluster = cluster::find(world, required(args, "clusterName")?)?;
    let group = cluster.node_group(required(args, "nodegroupName")?)?.clone();
    // Asking twice changes nothing; a group that is UPDATING is in use (assumptions).
    match group.status {
        "DELETING" => return Ok(json!({"nodegroup": group.describe(world)})),
        "UPDATING" => {
            let message = format!("Nodegroup {} cannot be deleted as it is currently in UPDATING state", group.name);
            return Err(in_use(message).field("clusterName", group.cluster.as_str()).field("nodegroupName", group.name.as_str()));
        }
        _ => {}
    }
    let (place, now) = (group.place(), world.epoch_seconds());
    if let Some(group) = get_mut(world, &place) {
        group.settle("DELETING", Vec::new(), now);
    }
    let reply = json!({"nodegroup": get(world, &place).map(|group| group.describe(world))});
    let until = world.now + PATIENCE;
    for node in kube::group_nodes(world, &group.cluster, &group.name) {
        kube::close_node(world, &group.cluster, &node.name);
    }
    empty(world, &place, until);
    Ok(reply)
}

/// Drains for a few minutes, then lets the instances go.
fn empty(world: &mut World, place: &Place, until: Duration) {
    let Some(group) = get(world, place).cloned() else { return };
    let nodes = kube::group_nodes(world, &group.cluster, &group.name);
    let left: usize = nodes.iter().map(|node| drain::step(world, &group.cluster, &node.name)).sum();
    if left > 0 && world.now < until {
        let place = place.clone();
        world.after(POLL, move |world| empty(world, &place, until));
        return;
    }
    if autoscaling::sizes(world, &group.scaling_group()).is_some() {
        scaling::resize(world, &group, (0, 0, 0));
        let args = json!({"AutoScalingGroupName": group.scaling_group(), "ForceDelete": "true"});
        drop(ask(world, Service::AutoScaling, "DeleteAutoScalingGroup", args));
    }
    wait(world, place);
}

fn wait(world: &mut World, place: &Place) {
    let Some(group) = get(world, place).cloned() else { return };
    if autoscaling::sizes(world, &group.scaling_group()).is_some() {
        let place = place.clone();
        world.after(POLL, move |world| wait(world, &place));
        return;
    }
    let place = place.clone();
    world.take(Time::NodegroupCleanup, &group.arn, move |world| finish(world, &place));
}

/// What is left of a group goes after its instances.
fn finish(world: &mut World, place: &Place) {
    let Some(group) = get(world, place).cloned() else { return };
    if let Some(template) = &group.own_template {
        drop(ask(world, Service::Ec2, "DeleteLaunchTemplate", json!({"LaunchTemplateId": template})));
    }
    let (profile, role) = (group.own_name(), group.role.rsplit('/').next().unwrap_or_default());
    drop(ask(world, Service::Iam, "RemoveRoleFromInstanceProfile", json!({"InstanceProfileName": profile, "RoleName": role})));
    drop(ask(world, Service::Iam, "DeleteInstanceProfile", json!({"InstanceProfileName": profile})));
    if let Some(id) = &group.remote_group {
        let gone = ask(world, Service::Ec2, "DeleteSecurityGroup", json!({"GroupId": id}));
        // "We could not delete the remote access security group for your managed node group."
        if let Err(error) = gone.or_else(|error| if error.code.ends_with(".NotFound") { Ok(Value::Null) } else { Err(error) }) {
            let now = world.epoch_seconds();
            if let Some(group) = get_mut(world, place) {
                let ids = [id.clone()];
                group.settle("DELETE_FAILED", vec![health::issue("Ec2SecurityGroupDeletionFailure", error.message, &ids)], now);
            }
            return;
        }
    }
    let Ok(cluster) = cluster::find_mut(world, &place.cluster) else { return };
    cluster.node_groups.remove(&place.group);
    unmap(world, &group);
}

/// "If you delete a managed node group that uses a node IAM role that isn't used by any other managed node group in the cluster, the
/// role is removed from the aws-auth ConfigMap"; of access entries the same: assumption.
fn unmap(world: &mut World, group: &NodeGroup) {
    let Ok(cluster) = cluster::find_mut(world, &group.cluster) else { return };
    let still_used = cluster.node_groups.values().any(|other| other.role == group.role);
    if still_used || !cluster.mapped_roles.remove(&group.role) {
        return;
    }
    if cluster.authentication_mode != "API" {
        kube::unmap_node_role(world, &group.cluster, &group.role);
    }
    let args = Args(json!({"clusterName": group.cluster, "principalArn": group.role}));
    // A cluster without access entries has none to delete.
    drop(access::delete(world, &args));
}
