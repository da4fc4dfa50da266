//! Launch configurations: closed to accounts made since 2024-10-01 (user guide, "Auto Scaling launch configurations").

use serde_json::{Map, Value, json};

use super::{describe::page, group::invalid};
use crate::{call::Args, error::ApiError, iam, world::World};

/// A launch configuration, which never changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Configuration {
    pub(super) name: String,
    created: String,
    /// As it was given.
    settings: Value,
}

/// From now on the account is one that may have them.
pub(crate) fn allow_configurations(world: &mut World) {
    world.autoscaling.configurations.get_or_insert_default();
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let Some(configurations) = &world.autoscaling.configurations else {
        return Err(ApiError::new(
            "UnsupportedOperation",
            "The Launch Configuration creation operation is not available in your account. Use launch templates to create configuration templates for your Auto Scaling groups.",
        ));
    };
    let name = args.required("LaunchConfigurationName")?.to_owned();
    if configurations.contains_key(&name) {
        let message =
            format!("Launch Configuration by this name already exists - A launch configuration already exists with the name {name}");
        return Err(ApiError::new("AlreadyExists", message));
    }
    for required in ["ImageId", "InstanceType"] {
        args.required(required)?;
    }
    if let Some(profile) = args.str("IamInstanceProfile")
        && iam::profile_role(world, profile).is_none()
    {
        return Err(invalid(format!("Invalid IamInstanceProfile: {profile}")));
    }
    let configuration = Configuration { name: name.clone(), created: world.timestamp(), settings: args.0.clone() };
    world.autoscaling.configurations.get_or_insert_default().insert(name, configuration);
    Ok(json!({}))
}

pub(super) fn describe(world: &World, args: &Args) -> Result<Value, ApiError> {
    let names = args.strings("LaunchConfigurationNames");
    let found = world.autoscaling.configurations.iter().flatten().filter(|(name, _)| names.is_empty() || names.contains(name));
    let shown = found
        .map(|(_, configuration)| {
            let mut shown = configuration.settings.clone();
            shown["CreatedTime"] = configuration.created.as_str().into();
            shown
        })
        .collect();
    let (shown, next) = page(shown, args, 50, 100)?;
    Ok(json!({"LaunchConfigurations": shown, "NextToken": next}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = args.required("LaunchConfigurationName")?;
    let uses = |group: &&super::group::Group| group.launch.configuration.as_ref().is_some_and(|used| used.name == name);
    if let Some(group) = world.autoscaling.groups.values().find(uses) {
        let message = format!("Cannot delete launch configuration {name} because it is attached to AutoScalingGroup {}", group.name);
        return Err(ApiError::new("ResourceInUse", message));
    }
    let gone = world.autoscaling.configurations.as_mut().and_then(|all| all.remove(name));
    gone.map(|_| json!({})).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> ApiError {
    invalid(format!("Launch configuration name not found - Launch configuration {name} not found"))
}

/// The one that a group names.
pub(super) fn named(world: &World, name: &str) -> Result<Configuration, ApiError> {
    world.autoscaling.configurations.as_ref().and_then(|all| all.get(name)).cloned().ok_or_else(|| missing(name))
}

impl Configuration {
    /// What RunInstances is asked for, in a subnet.
    pub(super) fn order(&self, subnet: &str) -> Value {
        let settings = Args(self.settings.clone());
        let mut order: Map<_, _> = ["ImageId", "InstanceType", "KeyName", "UserData"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), settings.get(name)?.clone())))
            .collect();
        if let Some(profile) = settings.str("IamInstanceProfile") {
            let by = if profile.starts_with("arn:") { "Arn" } else { "Name" };
            order.insert("IamInstanceProfile".to_owned(), json!({ by: profile }));
        }
        if let Some(disks) = settings.get("BlockDeviceMappings") {
            order.insert("BlockDeviceMapping".to_owned(), disks.clone());
        }
        let mut interface = json!({"DeviceIndex": "0", "SubnetId": subnet, "SecurityGroupId": settings.strings("SecurityGroups")});
        if let Some(public) = settings.get("AssociatePublicIpAddress") {
            interface["AssociatePublicIpAddress"] = public.clone();
        }
        order.insert("NetworkInterface".to_owned(), json!([interface]));
        order.into()
    }
}
