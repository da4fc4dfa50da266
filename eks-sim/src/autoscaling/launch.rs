//! Launching one instance, from a launch template into one of the group's subnets.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

use super::{
    capacity::reconcile,
    configuration,
    group::{Group, Launch, Member, begin, invalid},
};
use crate::{
    call::{Args, Caller, Service},
    error::ApiError,
    iam,
    world::World,
};

pub(super) fn service(world: &World) -> Caller {
    world.service_caller("autoscaling.amazonaws.com")
}

/// The launch template of a request, checked. `None` if the request has none.
pub(super) fn of_request(world: &mut World, args: &Args) -> Result<Option<Launch>, ApiError> {
    if let Some(name) = args.str("LaunchConfigurationName") {
        let configuration = Some(configuration::named(world, name)?);
        return Ok(Some(Launch { configuration, ..Launch::default() }));
    }
    let policy = args.sub("MixedInstancesPolicy");
    let (specification, mixed, types) = if policy.0.is_object() {
        let template = policy.sub("LaunchTemplate");
        let types = template.nested("Overrides").iter().filter_map(|one| one.str("InstanceType").map(str::to_owned)).collect();
        (template.sub("LaunchTemplateSpecification"), Some(policy.0.clone()), types)
    } else {
        (args.sub("LaunchTemplate"), None, Vec::new())
    };
    if !specification.0.is_object() {
        return Ok(None);
    }
    let version = specification.str("Version").unwrap_or("$Default").to_owned();
    let found = version_data(world, &specification, &version)?;
    let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let profile = [text("/launchTemplateData/iamInstanceProfile/name"), text("/launchTemplateData/iamInstanceProfile/arn")];
    // The template is tried out when it is named (user guide, "Troubleshoot: launch template").
    if let Some(profile) = profile.iter().find(|name| !name.is_empty())
        && iam::profile_role(world, profile).is_none()
    {
        return Err(fully_formed(&format!(
            "Value ({profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
        )));
    }
    let (template_id, template_name) = (text("/launchTemplateId"), text("/launchTemplateName"));
    Ok(Some(Launch { template_id, template_name, version, mixed, types, configuration: None }))
}

fn fully_formed(message: &str) -> ApiError {
    invalid(format!("You must use a valid fully-formed launch template. {message}"))
}

fn version_data(world: &mut World, specification: &Args, version: &str) -> Result<Value, ApiError> {
    let args = json!({
        "LaunchTemplateId": specification.str("LaunchTemplateId"),
        "LaunchTemplateName": specification.str("LaunchTemplateName"),
        "LaunchTemplateVersion": [version],
    });
    let caller = service(world);
    let reply = world.call(Service::Ec2, "DescribeLaunchTemplateVersions", args, &caller).map_err(|error| fully_formed(&error.message))?;
    reply
        .pointer("/launchTemplateVersionSet/0")
        .cloned()
        .ok_or_else(|| fully_formed(&format!("Could not find the specified version {version} for the launch template.")))
}

/// The subnets, those in the zone with the fewest instances first.
fn subnets(group: &Group) -> Vec<(String, String)> {
    let mut counts: BTreeMap<&str, usize> = group.subnets.iter().map(|(_, zone)| (zone.as_str(), 0)).collect();
    for (_, member) in group.live() {
        *counts.entry(member.zone.as_str()).or_default() += 1;
    }
    let mut subnets = group.subnets.clone();
    subnets.sort_by_key(|(_, zone)| counts.get(zone.as_str()).copied().unwrap_or_default());
    subnets
}

/// Why an instance is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The group lacks one.
    Capacity,
    /// A zone lacks one.
    Balance,
}

/// Carries out a launch that was decided.
pub(super) fn launch_for(world: &mut World, name: &str, reason: Reason) {
    let Some(group) = world.autoscaling.groups.get_mut(name) else { return };
    group.launching -= 1;
    let count = i64::try_from(group.live().count()).unwrap_or(i64::MAX);
    if group.deleting || group.backing_off || group.suspended.contains("Launch") {
        return;
    }
    let wanted = match reason {
        Reason::Capacity => count < group.desired,
        Reason::Balance => count == group.desired && !group.suspended.contains("AZRebalance"),
    };
    group.balancing &= wanted || reason == Reason::Capacity;
    if !wanted {
        return;
    }
    let group = group.clone();
    let why = match reason {
        Reason::Capacity => "a difference between desired and actual capacity",
        Reason::Balance => "availability zone imbalance",
    };
    let cause = format!("an instance was started in response to {why}, increasing the capacity from {count} to {}.", count + 1);
    match run(world, &group) {
        Ok((id, member)) => {
            begin(world, name, Some(&id), format!("Launching a new EC2 instance: {id}"), cause);
            if let Some(group) = world.autoscaling.groups.get_mut(name) {
                group.members.insert(id, member);
            }
        }
        Err(error) => fail(world, name, &error, cause),
    }
}

/// "If instance launches fail in one Availability Zone, Amazon EC2 Auto Scaling keeps trying in the other" ones (user guide, "Availability
/// Zone distribution"). What no zone mends is told at once; that the last zone's failure is told is an assumption.
fn run(world: &mut World, group: &Group) -> Result<(String, Member), ApiError> {
    let mut last = Err(invalid("At least one Availability Zone or VPC Subnet is required."));
    for place in subnets(group) {
        last = run_in(world, group, place);
        let elsewhere = |error: &ApiError| {
            matches!(error.code.as_str(), "InsufficientInstanceCapacity" | "InsufficientFreeAddressesInSubnet" | "Unsupported")
        };
        if !last.as_ref().is_err_and(elsewhere) {
            break;
        }
    }
    last
}

fn run_in(world: &mut World, group: &Group, (subnet, zone): (String, String)) -> Result<(String, Member), ApiError> {
    let (mut args, number) = match &group.launch.configuration {
        Some(configuration) => (configuration.order(&subnet), String::new()),
        None => order(world, group, &subnet)?,
    };
    let tags: Vec<_> = group
        .tags
        .iter()
        .filter(|tag| tag.propagate)
        .map(|tag| (tag.key.as_str(), tag.value.as_str()))
        .chain([("aws:autoscaling:groupName", group.name.as_str())])
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    args["MinCount"] = "1".into();
    args["MaxCount"] = "1".into();
    args["TagSpecification"] = json!([{"ResourceType": "instance", "Tag": tags}]);
    let caller = service(world);
    let reply = world.call(Service::Ec2, "RunInstances", args, &caller)?;
    let text = |pointer: &str| reply.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let member = Member {
        zone,
        instance_type: text("/instancesSet/0/instanceType"),
        version: number,
        state: "Pending".to_owned(),
        healthy: true,
        protected: group.protect_new,
        number: group.activities.len(),
    };
    Ok((text("/instancesSet/0/instanceId"), member))
}

/// What RunInstances is asked for by the group's launch template, in a subnet; and the template's version.
fn order(world: &mut World, group: &Group, subnet: &str) -> Result<(Value, String), ApiError> {
    let specification = Args(json!({"LaunchTemplateId": group.launch.template_id}));
    let version = version_data(world, &specification, &group.launch.version)?;
    let number = version.get("versionNumber").map(|number| number.to_string().trim_matches('"').to_owned()).unwrap_or_default();
    let mut order = json!({"LaunchTemplate": {"LaunchTemplateId": group.launch.template_id, "Version": number}});
    if let Some(instance_type) = group.launch.types.first() {
        order["InstanceType"] = instance_type.as_str().into();
    }
    match version.pointer("/launchTemplateData/networkInterfaceSet/0") {
        // The subnet goes into the template's interface: EC2 refuses a subnet beside interfaces.
        Some(interface) => order["NetworkInterface"] = json!([interface_in(interface, subnet)]),
        None => order["SubnetId"] = subnet.into(),
    }
    Ok((order, number))
}

/// A template's first interface as RunInstances takes it, placed in a subnet.
fn interface_in(interface: &Value, subnet: &str) -> Value {
    let mut members = Map::from_iter([("DeviceIndex".to_owned(), Value::from("0")), ("SubnetId".to_owned(), subnet.into())]);
    for (from, to) in [("associatePublicIpAddress", "AssociatePublicIpAddress"), ("deleteOnTermination", "DeleteOnTermination")] {
        if let Some(value) = interface.get(from).filter(|value| !value.is_null()) {
            members.insert(to.to_owned(), value.to_string().trim_matches('"').into());
        }
    }
    let groups = interface.get("groupSet").and_then(Value::as_array).into_iter().flatten();
    let groups: Vec<_> = groups.filter_map(|group| group.get("groupId").or(Some(group)).and_then(Value::as_str)).collect();
    if !groups.is_empty() {
        members.insert("SecurityGroupId".to_owned(), groups.into());
    }
    members.into()
}

/// A failed launch is an activity of its own, and is tried again (user guide, "Troubleshoot: EC2 instance launch failure").
fn fail(world: &mut World, name: &str, error: &ApiError, cause: String) {
    let id = begin(world, name, None, format!("Launching a new EC2 instance.  Status Reason: {}", error.message), cause);
    let now = world.timestamp();
    let Some(group) = world.autoscaling.groups.get_mut(name) else { return };
    if let Some(activity) = group.activities.iter_mut().find(|activity| activity.id == id) {
        activity.status = "Failed";
        activity.end = Some(now);
        activity.message = Some(format!("{} Launching EC2 instance failed.", error.message));
    }
    group.failures += 1;
    group.balancing = false;
    group.backing_off = true;
    // Intervals grow to five minutes. Assumption: AWS tells only that it tries again.
    let delay = Duration::from_secs(15).saturating_mul(1 << group.failures.min(5).saturating_sub(1)).min(Duration::from_mins(5));
    let name = name.to_owned();
    world.after(delay, move |world| {
        if let Some(group) = world.autoscaling.groups.get_mut(&name) {
            group.backing_off = false;
        }
        reconcile(world, &name);
    });
}
