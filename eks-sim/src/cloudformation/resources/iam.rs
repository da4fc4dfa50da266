//! Roles and instance profiles.

use serde_json::{Map, Value, json};

use super::{Change, Failure, Made, Progress, Target, attributes, call, gone, text};
use crate::{
    call::{Args, Service},
    world::World,
};

pub(super) fn create_role(world: &mut World, target: &Target) -> Result<Made, Failure> {
    let props = &target.props;
    let name = target.name(world, "RoleName", 64);
    let reply = call(
        world,
        Service::Iam,
        "CreateRole",
        json!({
            "RoleName": name,
            "AssumeRolePolicyDocument": document(props.get("AssumeRolePolicyDocument")),
            "Path": props.str("Path"),
            "Description": props.str("Description"),
            "MaxSessionDuration": props.str("MaxSessionDuration"),
            "PermissionsBoundary": props.str("PermissionsBoundary"),
            "Tags": target.tags(),
        }),
    )?;
    let added = add_policies(world, &name, props);
    if let Err(failure) = added {
        // A role that could not be completed is not left behind.
        delete_role(world, &name, props)?;
        return Err(failure);
    }
    Ok(Made { id: name, attributes: attributes([("Arn", text(&reply, "/Role/Arn")), ("RoleId", text(&reply, "/Role/RoleId"))]) })
}

fn document(value: Option<&Value>) -> String {
    value.map(Value::to_string).unwrap_or_default()
}

fn add_policies(world: &mut World, role: &str, props: &Args) -> Result<(), Failure> {
    for arn in props.strings("ManagedPolicyArns") {
        call(world, Service::Iam, "AttachRolePolicy", json!({"RoleName": role, "PolicyArn": arn}))?;
    }
    for policy in props.nested("Policies") {
        let args = json!({
            "RoleName": role,
            "PolicyName": policy.str("PolicyName"),
            "PolicyDocument": document(policy.get("PolicyDocument")),
        });
        call(world, Service::Iam, "PutRolePolicy", args)?;
    }
    Ok(())
}

fn drop_policies(world: &mut World, role: &str, props: &Args) -> Result<(), Failure> {
    for arn in props.strings("ManagedPolicyArns") {
        gone(call(world, Service::Iam, "DetachRolePolicy", json!({"RoleName": role, "PolicyArn": arn})))?;
    }
    for policy in props.nested("Policies") {
        let args = json!({"RoleName": role, "PolicyName": policy.str("PolicyName")});
        gone(call(world, Service::Iam, "DeleteRolePolicy", args))?;
    }
    Ok(())
}

pub(super) fn update_role(world: &mut World, target: &Target, name: &str, old: &Args) -> Result<Change, Failure> {
    let props = &target.props;
    if props.get("AssumeRolePolicyDocument") != old.get("AssumeRolePolicyDocument") {
        let args = json!({"RoleName": name, "PolicyDocument": document(props.get("AssumeRolePolicyDocument"))});
        call(world, Service::Iam, "UpdateAssumeRolePolicy", args)?;
    }
    // New permissions come before old ones go, so that the role is never without those that stay.
    add_policies(world, name, props)?;
    let kept = props.strings("ManagedPolicyArns");
    let kept_inline: Vec<_> = props.nested("Policies").iter().filter_map(|policy| policy.str("PolicyName").map(str::to_owned)).collect();
    let dropped = json!({
        "ManagedPolicyArns": old.strings("ManagedPolicyArns").into_iter().filter(|arn| !kept.contains(arn)).collect::<Vec<_>>(),
        "Policies": old.list("Policies").iter()
            .filter(|policy| policy["PolicyName"].as_str().is_some_and(|name| !kept_inline.iter().any(|kept| kept == name)))
            .collect::<Vec<_>>(),
    });
    drop_policies(world, name, &Args(dropped))?;
    if props.get("Tags") != old.get("Tags") {
        call(world, Service::Iam, "TagRole", json!({"RoleName": name, "Tags": target.tags()}))?;
    }
    Ok(Change::InPlace(Map::new()))
}

/// Takes away only what the template gave: a policy that somebody attached by hand makes DeleteRole fail with DeleteConflict.
pub(super) fn delete_role(world: &mut World, name: &str, props: &Args) -> Result<Progress, Failure> {
    drop_policies(world, name, props)?;
    gone(call(world, Service::Iam, "DeleteRole", json!({"RoleName": name})))
}

pub(super) fn create_profile(world: &mut World, target: &Target) -> Result<Made, Failure> {
    let name = target.name(world, "InstanceProfileName", 128);
    let args = json!({"InstanceProfileName": name, "Path": target.props.str("Path")});
    let reply = call(world, Service::Iam, "CreateInstanceProfile", args)?;
    for role in target.props.strings("Roles") {
        let added = call(world, Service::Iam, "AddRoleToInstanceProfile", json!({"InstanceProfileName": name, "RoleName": role}));
        if let Err(failure) = added {
            delete_profile(world, &name, &Args::default())?;
            return Err(failure);
        }
    }
    Ok(Made { id: name, attributes: attributes([("Arn", text(&reply, "/InstanceProfile/Arn"))]) })
}

pub(super) fn update_profile(world: &mut World, target: &Target, name: &str, old: &Args) -> Result<Change, Failure> {
    for role in old.strings("Roles") {
        let args = json!({"InstanceProfileName": name, "RoleName": role});
        gone(call(world, Service::Iam, "RemoveRoleFromInstanceProfile", args))?;
    }
    for role in target.props.strings("Roles") {
        call(world, Service::Iam, "AddRoleToInstanceProfile", json!({"InstanceProfileName": name, "RoleName": role}))?;
    }
    Ok(Change::InPlace(Map::new()))
}

pub(super) fn delete_profile(world: &mut World, name: &str, props: &Args) -> Result<Progress, Failure> {
    for role in props.strings("Roles") {
        let args = json!({"InstanceProfileName": name, "RoleName": role});
        gone(call(world, Service::Iam, "RemoveRoleFromInstanceProfile", args))?;
    }
    gone(call(world, Service::Iam, "DeleteInstanceProfile", json!({"InstanceProfileName": name})))
}
