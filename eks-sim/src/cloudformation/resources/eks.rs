//! Access entries.

use serde_json::{Map, Value, json};

use super::{Change, Failure, Made, Progress, Target, attributes, call, gone, text};
use crate::{
    call::{Args, Service},
    world::World,
};

pub(super) fn create(world: &mut World, target: &Target) -> Result<Made, Failure> {
    let props = &target.props;
    let (cluster, principal) = key(props);
    let tags: Map<String, Value> =
        target.tags().iter().filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].clone()))).collect();
    let mut args = json!({"clusterName": cluster, "principalArn": principal, "tags": tags});
    for (name, value) in
        [("type", props.get("Type")), ("username", props.get("Username")), ("kubernetesGroups", props.get("KubernetesGroups"))]
    {
        if let Some(value) = value {
            args[name] = value.clone();
        }
    }
    let reply = call(world, Service::Eks, "CreateAccessEntry", args)?;
    for policy in props.nested("AccessPolicies") {
        associate(world, &cluster, &principal, &policy)?;
    }
    let arn = text(&reply, "/accessEntry/accessEntryArn");
    Ok(Made { id: format!("{principal}|{cluster}"), attributes: attributes([("AccessEntryArn", arn)]) })
}

fn key(props: &Args) -> (String, String) {
    let member = |name| props.str(name).unwrap_or_default().to_owned();
    (member("ClusterName"), member("PrincipalArn"))
}

fn associate(world: &mut World, cluster: &str, principal: &str, policy: &Args) -> Result<(), Failure> {
    let scope = policy.sub("AccessScope");
    let mut access = json!({"type": scope.str("Type")});
    if scope.get("Namespaces").is_some() {
        access["namespaces"] = scope.strings("Namespaces").into();
    }
    let args = json!({"clusterName": cluster, "principalArn": principal, "policyArn": policy.str("PolicyArn"), "accessScope": access});
    call(world, Service::Eks, "AssociateAccessPolicy", args).map(drop)
}

pub(super) fn update(world: &mut World, target: &Target, old: &Args) -> Result<Change, Failure> {
    let (cluster, principal) = key(&target.props);
    let mut args = json!({"clusterName": cluster, "principalArn": principal, "kubernetesGroups": target.props.strings("KubernetesGroups")});
    if let Some(username) = target.props.str("Username") {
        args["username"] = username.into();
    }
    call(world, Service::Eks, "UpdateAccessEntry", args)?;
    let policies = target.props.nested("AccessPolicies");
    for policy in &policies {
        associate(world, &cluster, &principal, policy)?;
    }
    for policy in old.nested("AccessPolicies") {
        if !policies.iter().any(|kept| kept.str("PolicyArn") == policy.str("PolicyArn")) {
            let args = json!({"clusterName": cluster, "principalArn": principal, "policyArn": policy.str("PolicyArn")});
            gone(call(world, Service::Eks, "DisassociateAccessPolicy", args))?;
        }
    }
    Ok(Change::InPlace(Map::new()))
}

pub(super) fn delete(world: &mut World, props: &Args) -> Result<Progress, Failure> {
    let (cluster, principal) = key(props);
    gone(call(world, Service::Eks, "DeleteAccessEntry", json!({"clusterName": cluster, "principalArn": principal})))
}
