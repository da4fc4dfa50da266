//! What each IAM action of an operation on machines is about. (Service Authorization Reference, the pages of Amazon EC2 and Elastic Load
//! Balancing.)

use std::fmt;

use eks_core::{Owner, Permission, Ref};

use super::op::{Launch, MachineOp};
use crate::grants::{arn, tag_on_create};

/// What `action` is about when this operation calls it: nothing where the operation does not call it after all, and no more than the action
/// where it knows no resources.
pub(crate) fn of(owner: &Owner, op: &MachineOp, action: &str) -> Option<Vec<Permission>> {
    let (service, name) = action.split_once(':')?;
    if name.starts_with("Describe") {
        return None;
    }
    let ours = |kind: &str| Permission::new(action).on(arn(kind, "*")).owned_by(owner);
    let made = |kind: &str| Permission::new(action).on(arn(kind, "*")).made_by(owner);
    let when = |called: bool, all: Vec<Permission>| if called { all } else { Vec::new() };
    Some(match (service, op) {
        ("ec2", MachineOp::KeyPair { id: None, .. }) if name == "CreateTags" => vec![tag_on_create(owner, "ImportKeyPair")],
        ("ec2", MachineOp::KeyPair { id: None, .. }) => vec![made("key-pair")],
        ("ec2", MachineOp::KeyPair { tags, .. }) => when(name == "CreateTags" && !tags.is_empty(), vec![ours("key-pair")]),
        ("ec2", MachineOp::Launch { .. }) if name == "CreateTags" => vec![tag_on_create(owner, "RunInstances")],
        ("ec2", MachineOp::Launch { launch, .. }) => run(owner, launch, action),
        ("ec2", MachineOp::Volume { .. }) if name == "CreateTags" => vec![tag_on_create(owner, "CreateVolume")],
        ("ec2", MachineOp::Volume { .. }) => vec![made("volume")],
        ("ec2", MachineOp::ChangeInstance { tags, .. }) => when(name != "CreateTags" || !tags.is_empty(), vec![ours("instance")]),
        ("ec2", MachineOp::ChangeVolume { modify, tags, .. }) => {
            when(if name == "CreateTags" { !tags.is_empty() } else { modify.is_some() }, vec![ours("volume")])
        }
        ("ec2", MachineOp::Attachment { detach, .. }) => {
            when(name == "AttachVolume" || detach.is_some(), vec![ours("volume"), ours("instance")])
        }
        ("ec2", MachineOp::Detach { .. }) => vec![ours("volume"), ours("instance")],
        ("ec2", MachineOp::TerminateInstance { .. }) => vec![ours("instance")],
        ("ec2", MachineOp::DeleteVolume { .. }) => vec![ours("volume")],
        ("ec2", MachineOp::DeleteKeyPair { .. }) => vec![ours("key-pair")],
        ("ssm", MachineOp::Launch { launch, .. }) => vec![Permission::new(action).on(parameter(launch)?)],
        ("iam", _) if name == "CreateServiceLinkedRole" => vec![
            Permission::new(action)
                .on("arn:${Partition}:iam::${Account}:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing")
                .when("StringEquals", "iam:AWSServiceName", ["elasticloadbalancing.amazonaws.com"]),
        ],
        ("elasticloadbalancing", op) => balancing(owner, op, action, name)?,
        _ => return None,
    })
}

fn balancing(owner: &Owner, op: &MachineOp, action: &str, call: &str) -> Option<Vec<Permission>> {
    let (name, is_called) = match op {
        MachineOp::LoadBalancer { balancer, .. } => (&balancer.name, true),
        MachineOp::ChangeLoadBalancer { name, tags, .. } => (name, call != "AddTags" || !tags.is_empty()),
        MachineOp::Registration { name, register, deregister, .. } => (
            name,
            match call {
                "RegisterInstancesWithLoadBalancer" => !register.is_empty(),
                _ => !deregister.is_empty(),
            },
        ),
        MachineOp::DeleteLoadBalancer { name } => (name, true),
        _ => return None,
    };
    if !is_called {
        return Some(Vec::new());
    }
    let on = Permission::new(action).on(format!("arn:${{Partition}}:elasticloadbalancing:${{Region}}:${{Account}}:loadbalancer/{name}"));
    let is_made = matches!(op, MachineOp::LoadBalancer { .. }) && matches!(call, "CreateLoadBalancer" | "AddTags");
    Some(vec![if is_made { on.made_by(owner) } else { on }])
}

/// What is launched, with our tag, and what it is launched in and from.
fn run(owner: &Owner, launch: &Launch, action: &str) -> Vec<Permission> {
    let mut all: Vec<_> =
        ["instance", "network-interface", "volume"].iter().map(|kind| Permission::new(action).on(arn(kind, "*")).made_by(owner)).collect();
    let image = if launch.image.starts_with("resolve:") { "*" } else { launch.image.as_str() };
    all.push(Permission::new(action).on(format!("arn:${{Partition}}:ec2:${{Region}}::image/{image}")));
    all.push(used(owner, action, "subnet", &launch.subnet));
    all.extend(launch.groups.iter().map(|group| used(owner, action, "security-group", group)));
    all.extend(launch.key_name.iter().map(|key| Permission::new(action).on(arn("key-pair", key))));
    all
}

/// What is known by its id may be anybody's; what is yet to be made will be ours.
fn used<T: fmt::Display>(owner: &Owner, action: &str, kind: &str, id: &Ref<T>) -> Permission {
    match id.known() {
        Some(id) => Permission::new(action).on(arn(kind, &id.to_string())),
        None => Permission::new(action).on(arn(kind, "*")).owned_by(owner),
    }
}

/// The parameter that an image is read from. AWS's public parameters belong to no account.
fn parameter(launch: &Launch) -> Option<String> {
    let name = launch.image.strip_prefix("resolve:ssm:")?;
    let account = if name.starts_with("/aws/") { "" } else { "${Account}" };
    Some(format!("arn:${{Partition}}:ssm:${{Region}}:{account}:parameter/{}", name.trim_start_matches('/')))
}
