//! Calls that read.

use serde_json::{Value, json};

use super::{
    group::{Activity, Group, Member},
    tags,
};
use crate::{call::Args, error::ApiError, world::World};

/// One page of `items` and the token of the next.
pub(super) fn page(items: Vec<Value>, args: &Args, default: i64, most: i64) -> Result<(Vec<Value>, Option<String>), ApiError> {
    let bad = || ApiError::new("InvalidNextToken", "The token is invalid");
    let start: usize = args.str("NextToken").map_or(Ok(0), |token| token.parse().map_err(|_| bad()))?;
    let size = usize::try_from(args.int("MaxRecords").unwrap_or(default).clamp(1, most)).unwrap_or(1);
    let next = (items.len() > start + size).then(|| (start + size).to_string());
    Ok((items.into_iter().skip(start).take(size).collect(), next))
}

fn template_of(group: &Group, member: &Member) -> Value {
    let mut template = group.template();
    if template.is_object() {
        template["Version"] = member.version.as_str().into();
    }
    template
}

fn show(group: &Group) -> Value {
    let instances: Vec<_> = group
        .members
        .iter()
        .map(|(id, member)| {
            json!({
                "InstanceId": id,
                "InstanceType": member.instance_type,
                "AvailabilityZone": member.zone,
                "LifecycleState": member.state,
                "HealthStatus": if member.healthy { "Healthy" } else { "Unhealthy" },
                "LaunchTemplate": template_of(group, member),
                "ProtectedFromScaleIn": member.protected,
            })
        })
        .collect();
    let mut zones: Vec<_> = group.subnets.iter().map(|(_, zone)| zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    let subnets: Vec<_> = group.subnets.iter().map(|(subnet, _)| subnet.as_str()).filter(|subnet| !subnet.is_empty()).collect();
    let suspended: Vec<_> = group.suspended.iter().map(|name| json!({"ProcessName": name, "SuspensionReason": "User suspended"})).collect();
    json!({
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "LaunchTemplate": group.launch.mixed.is_none().then(|| group.template()),
        "MixedInstancesPolicy": group.launch.mixed,
        "LaunchConfigurationName": group.launch.configuration.as_ref().map(|used| used.name.as_str()),
        "MinSize": group.min,
        "MaxSize": group.max,
        "DesiredCapacity": group.desired,
        "DefaultCooldown": group.cooldown,
        "AvailabilityZones": zones,
        "LoadBalancerNames": group.load_balancers,
        "TargetGroupARNs": group.target_groups,
        "HealthCheckType": group.health_check,
        "HealthCheckGracePeriod": group.grace,
        "Instances": instances,
        "CreatedTime": group.created,
        "SuspendedProcesses": suspended,
        "VPCZoneIdentifier": subnets.join(","),
        "EnabledMetrics": [],
        "Status": group.status(),
        "Tags": group.tags.iter().map(|tag| tags::show(&group.name, tag)).collect::<Vec<_>>(),
        "TerminationPolicies": group.termination_policies,
        "NewInstancesProtectedFromScaleIn": group.protect_new,
        "ServiceLinkedRoleARN": Value::Null,
        "TrafficSources": [],
    })
}

fn has_tags(group: &Group, filter: &Args) -> bool {
    let values = filter.strings("Values");
    let any = |test: &dyn Fn(&str, &str) -> bool| group.tags.iter().any(|tag| test(&tag.key, &tag.value));
    match filter.str("Name").unwrap_or_default() {
        "tag-key" => any(&|key, _| values.iter().any(|value| value == key)),
        "tag-value" => any(&|_, found| values.iter().any(|value| value == found)),
        name => {
            name.strip_prefix("tag:").is_some_and(|wanted| any(&|key, found| key == wanted && values.iter().any(|value| value == found)))
        }
    }
}

pub(super) fn groups(world: &World, args: &Args) -> Result<Value, ApiError> {
    let names = args.strings("AutoScalingGroupNames");
    let filters = args.nested("Filters");
    let groups = world.autoscaling.groups.values();
    let shown = groups
        .filter(|group| names.is_empty() || names.contains(&group.name))
        .filter(|group| filters.iter().all(|filter| has_tags(group, filter)))
        .map(show)
        .collect();
    let (groups, next) = page(shown, args, 50, 100)?;
    Ok(json!({"AutoScalingGroups": groups, "NextToken": next}))
}

pub(super) fn instances(world: &World, args: &Args) -> Result<Value, ApiError> {
    let ids = args.strings("InstanceIds");
    let members = world.autoscaling.groups.values().flat_map(|group| group.members.iter().map(move |(id, member)| (group, id, member)));
    let shown = members
        .filter(|(_, id, _)| ids.is_empty() || ids.contains(id))
        .map(|(group, id, member)| {
            json!({
                "InstanceId": id,
                "InstanceType": member.instance_type,
                "AutoScalingGroupName": group.name,
                "AvailabilityZone": member.zone,
                "LifecycleState": member.state,
                "HealthStatus": if member.healthy { "HEALTHY" } else { "UNHEALTHY" },
                "LaunchTemplate": template_of(group, member),
                "ProtectedFromScaleIn": member.protected,
            })
        })
        .collect();
    let (instances, next) = page(shown, args, 50, 50)?;
    Ok(json!({"AutoScalingInstances": instances, "NextToken": next}))
}

pub(super) fn show_activity(group: &Group, activity: &Activity) -> Value {
    json!({
        "ActivityId": activity.id,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.start,
        "EndTime": activity.end,
        "StatusCode": activity.status,
        "StatusMessage": activity.message,
        "Progress": if activity.end.is_some() { 100 } else { 50 },
        "Details": "{}",
    })
}

/// Newest first.
pub(super) fn activities(world: &World, args: &Args) -> Result<Value, ApiError> {
    let wanted = args.str("AutoScalingGroupName");
    let ids = args.strings("ActivityIds");
    let groups = world.autoscaling.groups.values().filter(|group| wanted.is_none_or(|name| group.name == name));
    let shown = groups
        .flat_map(|group| group.activities.iter().rev().map(move |activity| (group, activity)))
        .filter(|(_, activity)| ids.is_empty() || ids.contains(&activity.id))
        .map(|(group, activity)| show_activity(group, activity))
        .collect();
    let (activities, next) = page(shown, args, 100, 100)?;
    Ok(json!({"Activities": activities, "NextToken": next}))
}
