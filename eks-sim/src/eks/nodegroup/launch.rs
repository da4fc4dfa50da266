//! How a group comes to be: profile, mapping, launch template, Auto Scaling group, nodes.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ApiError, NodeGroup, Place, Service, World, ask, get, get_mut, health, scaling, service};
use crate::{
    call::Args,
    eks::{access, cluster},
    iam, kube,
    times::Time,
};

/// How often EKS looks at what it waits for; assumption.
pub(super) const POLL: Duration = Duration::from_secs(5);

/// The first steps, some seconds after the request.
pub(super) fn set_up(world: &mut World, place: &Place) {
    let Some(group) = get(world, place).cloned() else { return };
    if let Err((code, message)) = prepare(world, &group) {
        fail(world, place, vec![health::issue(code, message, &[])]);
        return;
    }
    let limit = world.now + world.record(Time::NodegroupFail, &group.arn);
    start(world, place, limit);
}

/// What must be there before instances: the role's mapping, its profile, and the way in by SSH.
fn prepare(world: &mut World, group: &NodeGroup) -> Result<(), (&'static str, String)> {
    check_public_addresses(world, group)?;
    map_role(world, group);
    let profile = group.own_name();
    let role = group.role.rsplit('/').next().unwrap_or_default();
    let gone = |error: ApiError| ("IamNodeRoleNotFound", error.message);
    ask(world, Service::Iam, "CreateInstanceProfile", json!({"InstanceProfileName": profile})).map_err(gone)?;
    ask(world, Service::Iam, "AddRoleToInstanceProfile", json!({"InstanceProfileName": profile, "RoleName": role})).map_err(gone)?;
    let Some(access) = &group.remote_access else { return Ok(()) };
    let made = remote_group(world, group, access).map_err(|error| ("AsgInstanceLaunchFailures", error.message))?;
    if let Some(group) = get_mut(world, &group.place()) {
        group.remote_group = made;
    }
    Ok(())
}

/// "If you launch a managed node group in a public subnet …, the subnet must have MapPublicIpOnLaunch set to true".
fn check_public_addresses(world: &mut World, group: &NodeGroup) -> Result<(), (&'static str, String)> {
    let closed = crate::ec2::public_subnets_without_addresses(world, &group.subnets);
    if closed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "One or more Amazon EC2 Subnets of {} for node group {} does not automatically assign public IP addresses to instances launched into it. If you want your instances to be assigned a public IP address, then you need to enable the auto-assign public IP address setting for the subnet.",
        json!(closed),
        group.name
    );
    Err(("Ec2SubnetInvalidConfiguration", message))
}

/// EKS lets the role in: by an access entry where the cluster has them, else by aws-auth ("Create access entries": "you don't need to
/// create an access entry for an IAM role that's used for … managed node groups").
fn map_role(world: &mut World, group: &NodeGroup) {
    let Some(facts) = cluster(world, &group.cluster) else { return };
    let windows = group.ami_type.starts_with("WINDOWS");
    if facts.authentication_mode == "CONFIG_MAP" {
        kube::map_node_role(world, &group.cluster, &group.role, windows);
    } else {
        let kind = if windows { "EC2_WINDOWS" } else { "EC2_LINUX" };
        let args = Args(json!({"clusterName": group.cluster, "principalArn": group.role, "type": kind}));
        let caller = service(world);
        // One that is there already stays, and is not EKS's to remove.
        if access::create(world, &caller, &args).is_err() {
            return;
        }
    }
    if let Ok(cluster) = cluster::find_mut(world, &group.cluster) {
        cluster.mapped_roles.insert(group.role.clone());
    }
}

/// "the port on the nodes is opened" to the given groups, or to everybody (RemoteAccessConfig).
fn remote_group(world: &mut World, group: &NodeGroup, access: &Value) -> Result<Option<String>, ApiError> {
    let Some(facts) = cluster(world, &group.cluster) else { return Ok(None) };
    if access["ec2SshKey"].as_str().is_none() {
        return Ok(None);
    }
    let args = json!({
        "GroupName": format!("eks-remoteAccess-{}", group.id), "VpcId": facts.vpc,
        "GroupDescription": "Security group for all nodes in the nodeGroup to allow SSH access",
        "TagSpecification": [{"ResourceType": "security-group", "Tag": [{"Key": "eks", "Value": group.scaling_group()}]}],
    });
    let made = ask(world, Service::Ec2, "CreateSecurityGroup", args)?;
    let id = made["groupId"].as_str().unwrap_or_default().to_owned();
    let port = if group.ami_type.starts_with("WINDOWS") { "3389" } else { "22" };
    let sources: Vec<Value> =
        access["sourceSecurityGroups"].as_array().into_iter().flatten().map(|from| json!({"GroupId": from})).collect();
    let mut rule = json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port});
    if sources.is_empty() {
        rule["IpRanges"] = json!([{"CidrIp": "0.0.0.0/0"}]);
    } else {
        rule["Groups"] = json!(sources);
    }
    ask(world, Service::Ec2, "AuthorizeSecurityGroupIngress", json!({"GroupId": id, "IpPermissions": [rule]}))?;
    Ok(Some(id))
}

/// Launches once EC2 sees the profile.
fn start(world: &mut World, place: &Place, limit: Duration) {
    let Some(group) = get(world, place).filter(|group| group.status == "CREATING").cloned() else { return };
    if iam::profile_role(world, &group.own_name()).is_none() {
        let place = place.clone();
        world.after(Duration::from_secs(2), move |world| start(world, &place, limit));
        return;
    }
    let made = scaling::write_template(world, &group).and_then(|template| {
        scaling::create_group(world, &group, &template)?;
        Ok(template)
    });
    match made {
        Ok(template) => {
            if let Some(group) = get_mut(world, place) {
                group.own_template = Some(template);
            }
            watch(world, place, limit);
        }
        Err(failure) => fail(world, place, vec![health::issue(failure.code, failure.message, &[])]),
    }
}

/// Whether as many nodes are Ready as are wanted.
pub(super) fn all_ready(world: &World, group: &NodeGroup) -> bool {
    let ready = kube::group_nodes(world, &group.cluster, &group.name).iter().filter(|node| node.is_ready).count();
    let (_, _, desired) = scaling::sizes(world, group);
    i64::try_from(ready).unwrap_or(i64::MAX) >= desired
}

/// ACTIVE when the nodes are there; "If the nodes in the managed node group do not connect to the cluster within 15 minutes, a health
/// issue of NodeCreationFailure will be emitted".
fn watch(world: &mut World, place: &Place, limit: Duration) {
    let now = world.epoch_seconds();
    let Some(group) = get(world, place).filter(|group| group.status == "CREATING").cloned() else { return };
    if all_ready(world, &group) {
        if let Some(group) = get_mut(world, place) {
            group.settle("ACTIVE", Vec::new(), now);
        }
    } else if world.now >= limit {
        let issues = health::why_no_nodes(world, &group);
        fail(world, place, issues);
    } else {
        let place = place.clone();
        world.after(POLL, move |world| watch(world, &place, limit));
    }
}

fn fail(world: &mut World, place: &Place, issues: Vec<Value>) {
    let now = world.epoch_seconds();
    if let Some(group) = get_mut(world, place) {
        group.settle("CREATE_FAILED", issues, now);
    }
}
