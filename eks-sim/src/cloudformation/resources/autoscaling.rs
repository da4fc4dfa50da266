//! Auto Scaling groups and lifecycle hooks.

use serde_json::{Map, Value, json};

use super::{Change, Failure, Made, Progress, Target, attributes, call, gone, text};
use crate::{
    call::{Args, Service},
    world::World,
};

/// The properties that CreateAutoScalingGroup and UpdateAutoScalingGroup share, in the API's form.
fn settings(props: &Args) -> Map<String, Value> {
    const SAME: [&str; 14] = [
        "AvailabilityZones",
        "CapacityRebalance",
        "DefaultInstanceWarmup",
        "DesiredCapacity",
        "HealthCheckGracePeriod",
        "HealthCheckType",
        "LaunchConfigurationName",
        "LaunchTemplate",
        "MaxInstanceLifetime",
        "MaxSize",
        "MinSize",
        "MixedInstancesPolicy",
        "NewInstancesProtectedFromScaleIn",
        "TerminationPolicies",
    ];
    let mut settings: Map<_, _> = SAME.iter().filter_map(|name| Some(((*name).to_owned(), props.get(name)?.clone()))).collect();
    if let Some(cooldown) = props.get("Cooldown") {
        settings.insert("DefaultCooldown".to_owned(), cooldown.clone());
    }
    if props.get("VPCZoneIdentifier").is_some() {
        settings.insert("VPCZoneIdentifier".to_owned(), props.strings("VPCZoneIdentifier").join(",").into());
    }
    settings
}

/// The group's tags, with the stack's; these reach the instances too.
fn tags(target: &Target, group: &str) -> Vec<Value> {
    let own = target.props.nested("Tags");
    target
        .tags()
        .into_iter()
        .map(|tag| {
            let declared = own.iter().find(|own| own.str("Key") == tag["Key"].as_str());
            let propagate = declared.map_or(Some(true), |own| own.bool("PropagateAtLaunch")).unwrap_or(false);
            json!({
                "ResourceId": group,
                "ResourceType": "auto-scaling-group",
                "Key": tag["Key"],
                "Value": tag["Value"],
                "PropagateAtLaunch": propagate,
            })
        })
        .collect()
}

pub(super) fn create_group(world: &mut World, target: &Target) -> Result<Made, Failure> {
    let name = target.name(world, "AutoScalingGroupName", 255);
    let mut args = settings(&target.props);
    args.insert("AutoScalingGroupName".to_owned(), name.as_str().into());
    args.insert("Tags".to_owned(), tags(target, &name).into());
    for list in ["LifecycleHookSpecificationList", "LoadBalancerNames", "TargetGroupARNs"] {
        if let Some(value) = target.props.get(list) {
            args.insert(list.to_owned(), value.clone());
        }
    }
    call(world, Service::AutoScaling, "CreateAutoScalingGroup", args.into())?;
    let found = describe(world, &name)?.unwrap_or_default();
    Ok(Made { id: name, attributes: attributes([("AutoScalingGroupARN", text(&found, "/AutoScalingGroupARN"))]) })
}

pub(super) fn create_configuration(world: &mut World, target: &Target) -> Result<Made, Failure> {
    let name = target.name(world, "LaunchConfigurationName", 255);
    let mut args = target.props.0.as_object().cloned().unwrap_or_default();
    args.insert("LaunchConfigurationName".to_owned(), name.as_str().into());
    call(world, Service::AutoScaling, "CreateLaunchConfiguration", args.into())?;
    Ok(Made { id: name, attributes: Map::new() })
}

fn describe(world: &mut World, name: &str) -> Result<Option<Value>, Failure> {
    let reply = call(world, Service::AutoScaling, "DescribeAutoScalingGroups", json!({"AutoScalingGroupNames": [name]}))?;
    Ok(reply.pointer("/AutoScalingGroups/0").cloned())
}

/// Without a CreationPolicy a group is complete once its desired instances are launched, whatever becomes of them.
pub(super) fn progress(world: &mut World, name: &str) -> Result<Progress, Failure> {
    let Some(group) = describe(world, name)? else {
        return Err(Failure::from(format!("AutoScalingGroup {name} was deleted")));
    };
    let in_service = group["Instances"].as_array().into_iter().flatten().filter(|one| one["LifecycleState"] == "InService").count();
    if group["DesiredCapacity"].as_u64().is_some_and(|desired| in_service as u64 >= desired) {
        return Ok(Progress::Done);
    }
    let reply = call(world, Service::AutoScaling, "DescribeScalingActivities", json!({"AutoScalingGroupName": name}))?;
    let last = reply.pointer("/Activities/0/StatusMessage").and_then(Value::as_str).map(str::to_owned);
    Ok(Progress::Pending(last))
}

pub(super) fn update_group(world: &mut World, target: &Target, name: &str, old: &Args) -> Result<Change, Failure> {
    let mut args = settings(&target.props);
    args.insert("AutoScalingGroupName".to_owned(), name.into());
    call(world, Service::AutoScaling, "UpdateAutoScalingGroup", args.into())?;
    if target.props.get("Tags") != old.get("Tags") {
        let kept = tags(target, name);
        let dropped: Vec<_> = old
            .nested("Tags")
            .iter()
            .filter(|tag| !kept.iter().any(|kept| kept["Key"].as_str() == tag.str("Key")))
            .map(|tag| json!({"ResourceId": name, "ResourceType": "auto-scaling-group", "Key": tag.str("Key")}))
            .collect();
        if !dropped.is_empty() {
            call(world, Service::AutoScaling, "DeleteTags", json!({"Tags": dropped}))?;
        }
        call(world, Service::AutoScaling, "CreateOrUpdateTags", json!({"Tags": kept}))?;
    }
    Ok(Change::InPlace(Map::new()))
}

/// Asked again and again until the group is gone with its instances.
pub(super) fn delete_group(world: &mut World, name: &str) -> Result<Progress, Failure> {
    let Some(group) = describe(world, name)? else { return Ok(Progress::Done) };
    if group["Status"].as_str() != Some("Delete in progress") {
        gone(call(world, Service::AutoScaling, "DeleteAutoScalingGroup", json!({"AutoScalingGroupName": name, "ForceDelete": "true"})))?;
    }
    Ok(Progress::Pending(None))
}

pub(super) fn create_hook(world: &mut World, target: &Target) -> Result<Made, Failure> {
    let name = target.name(world, "LifecycleHookName", 255);
    put_hook(world, target, &name)?;
    Ok(Made { id: name, attributes: Map::new() })
}

pub(super) fn put_hook(world: &mut World, target: &Target, name: &str) -> Result<(), Failure> {
    let mut args = target.props.0.as_object().cloned().unwrap_or_default();
    args.insert("LifecycleHookName".to_owned(), name.into());
    call(world, Service::AutoScaling, "PutLifecycleHook", args.into()).map(drop)
}
