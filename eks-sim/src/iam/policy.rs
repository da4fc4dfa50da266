//! Managed policies (AWS's and the account's own), their attachments, and roles' inline policies.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Tags, conflict,
    document::{check_permissions, encoded},
    exists, name, no_such, page, path, quota, required, role, tag_list, tag_pairs, tags, unique_id,
};
use crate::{call::Args, error::ApiError, inventory::Inventory, world::World};

/// AWS's managed policies, path and name below `arn:aws:iam::aws:policy/` (AWS managed policy reference guide).
const AWS_MANAGED: &[&str] = &[
    "AdministratorAccess",
    "AmazonEC2ContainerRegistryFullAccess",
    "AmazonEC2ContainerRegistryPowerUser",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEC2FullAccess",
    "AmazonEC2ReadOnlyAccess",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSFargatePodExecutionRolePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSLocalOutpostClusterPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSServicePolicy",
    "AmazonEKSVPCResourceController",
    "AmazonEKSWorkerNodeMinimalPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonFSxFullAccess",
    "AmazonS3ReadOnlyAccess",
    "AmazonSSMManagedInstanceCore",
    "AmazonVPCFullAccess",
    "AWSXrayWriteOnlyAccess",
    "AutoScalingFullAccess",
    "CloudWatchAgentServerPolicy",
    "CloudWatchNetworkFlowMonitorAgentPublishPolicy",
    "ElasticLoadBalancingFullAccess",
    "PowerUserAccess",
    "ReadOnlyAccess",
    "service-role/AmazonEBSCSIDriverPolicy",
    "service-role/AmazonEBSCSIDriverPolicyV2",
    "service-role/AmazonEFSCSIDriverPolicy",
];

const AWS_PREFIX: &str = "arn:aws:iam::aws:policy/";

/// Managed policies that a role can have (IAM quotas, default).
const ATTACHED_PER_ROLE: usize = 10;
/// Customer managed policies in an account (IAM quotas, default).
const OWN_PER_ACCOUNT: usize = 1_500;

#[derive(Clone, Debug)]
pub(super) struct Policy {
    name: String,
    id: String,
    arn: String,
    path: String,
    created: String,
    description: Option<String>,
    tags: Tags,
    /// Versions by number; AWS's own policies are told without their documents.
    pub(super) versions: BTreeMap<u32, Version>,
    pub(super) default: u32,
    pub(super) latest: u32,
    updated: String,
}

/// One version of a policy.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) document: String,
    pub(super) created: String,
}

/// A managed policy by ARN.
pub(super) fn find(world: &World, arn: &str) -> Result<Policy, ApiError> {
    if let Some(policy) = world.iam.policies.get(arn) {
        return Ok(policy.clone());
    }
    let known = arn.strip_prefix(AWS_PREFIX).filter(|name| AWS_MANAGED.contains(name));
    let (folder, name) = known.map(|full| full.rsplit_once('/').unwrap_or(("", full))).ok_or_else(|| not_found(arn))?;
    Ok(Policy {
        name: name.to_owned(),
        id: format!("ANPA{name:A<17.17}").to_uppercase(),
        arn: arn.to_owned(),
        path: if folder.is_empty() { "/".to_owned() } else { format!("/{folder}/") },
        created: "2018-05-27T21:09:46.000Z".to_owned(),
        updated: "2018-05-27T21:09:46.000Z".to_owned(),
        description: None,
        tags: Tags::new(),
        versions: BTreeMap::new(),
        default: 1,
        latest: 1,
    })
}

pub(super) fn not_found(arn: &str) -> ApiError {
    no_such(format!("Policy {arn} was not found."))
}

/// A policy of the account's own, to be changed; AWS's are AWS's to change.
pub(super) fn find_mut<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut Policy, ApiError> {
    if arn.starts_with(AWS_PREFIX) {
        return Err(ApiError::new("AccessDenied", format!("Policy {arn} is managed by AWS.")).status(403));
    }
    world.iam.policies.get_mut(arn).ok_or_else(|| not_found(arn))
}

/// A document within the quota "Managed policy length": 6,144 characters, whitespace not counted.
pub(super) fn checked_document(document: &str) -> Result<(), ApiError> {
    check_permissions(document)?;
    if document.chars().filter(|c| !c.is_whitespace()).count() > 6_144 { Err(quota("PolicySize", 6_144)) } else { Ok(()) }
}

impl Policy {
    pub(super) fn touch(&mut self, at: String) {
        self.updated = at;
    }

    /// API reference, ManagedPolicyDetail.
    pub(super) fn details(&self, world: &World) -> Value {
        let mut told = self.describe(world);
        let version = |(number, version): (&u32, &Version)| {
            json!({
                "VersionId": format!("v{number}"),
                "IsDefaultVersion": *number == self.default,
                "CreateDate": version.created,
                "Document": encoded(&version.document),
            })
        };
        told["PolicyVersionList"] = self.versions.iter().map(version).collect();
        told
    }

    fn describe(&self, world: &World) -> Value {
        let attachments = world.iam.roles.values().filter(|role| role.attached.contains(&self.arn)).count();
        let boundaries = world.iam.roles.values().filter(|role| role.boundary.as_deref() == Some(&self.arn)).count();
        json!({
            "PolicyName": self.name,
            "PolicyId": self.id,
            "Arn": self.arn,
            "Path": self.path,
            "DefaultVersionId": format!("v{}", self.default),
            "AttachmentCount": attachments,
            "PermissionsBoundaryUsageCount": boundaries,
            "IsAttachable": true,
            "Description": self.description,
            "CreateDate": self.created,
            "UpdateDate": self.updated,
            "Tags": (!self.tags.is_empty()).then(|| tag_list(&self.tags)),
        })
    }
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = name(args, "PolicyName", 128)?;
    let path = path(args)?;
    let document = required(args, "PolicyDocument")?;
    checked_document(document)?;
    let tags = tags(args)?;
    if world.iam.policies.values().any(|policy| policy.name.eq_ignore_ascii_case(name)) {
        return Err(exists(format!("A policy called {name} already exists. Duplicate names are not allowed.")));
    }
    if world.iam.policies.len() >= OWN_PER_ACCOUNT {
        return Err(quota("PoliciesPerAccount", OWN_PER_ACCOUNT));
    }
    let policy = Policy {
        versions: [(1, Version { document: document.to_owned(), created: world.timestamp() })].into(),
        default: 1,
        latest: 1,
        updated: world.timestamp(),
        id: unique_id(world, "ANPA"),
        arn: format!("arn:aws:iam::{}:policy{path}{name}", world.account),
        name: name.to_owned(),
        path,
        created: world.timestamp(),
        description: args.str("Description").map(str::to_owned),
        tags,
    };
    let reply = json!({"Policy": policy.describe(world)});
    world.iam.policies.insert(policy.arn.clone(), policy);
    Ok(reply)
}

pub(super) fn get(world: &World, args: &Args) -> Result<Value, ApiError> {
    Ok(json!({"Policy": find(world, required(args, "PolicyArn")?)?.describe(world)}))
}

/// API reference, DeletePolicy: detached from everything and without versions besides the default.
pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let arn = required(args, "PolicyArn")?;
    let versions = find_mut(world, arn)?.versions.len();
    let uses = |role: &role::Role| role.attached.iter().any(|attached| attached == arn) || role.boundary.as_deref() == Some(arn);
    if world.iam.roles.values().any(uses) {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    if versions > 1 {
        return Err(conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    world.iam.policies.remove(arn);
    Ok(json!({}))
}

/// `Scope`: `All`, `AWS` or `Local`.
pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let (scope, prefix) = (args.str("Scope").unwrap_or("All"), args.str("PathPrefix").unwrap_or("/"));
    let aws = AWS_MANAGED.iter().filter(|_| scope != "Local").filter_map(|name| find(world, &format!("{AWS_PREFIX}{name}")).ok());
    let own = world.iam.policies.values().filter(|_| scope != "AWS").cloned();
    let used = |policy: &Policy| world.iam.roles.values().any(|role| role.attached.contains(&policy.arn));
    let only_attached = args.bool("OnlyAttached").unwrap_or(false);
    let listed = aws.chain(own).filter(|policy| policy.path.starts_with(prefix) && (!only_attached || used(policy)));
    page("Policies", listed.map(|policy| policy.describe(world)).collect(), args)
}

/// Only roles have policies here. `PolicyUsageFilter` tells attachments from boundaries.
pub(super) fn list_entities(world: &World, args: &Args) -> Result<Value, ApiError> {
    let arn = required(args, "PolicyArn")?;
    find(world, arn)?;
    let boundary = args.str("PolicyUsageFilter") == Some("PermissionsBoundary");
    let uses = |role: &&role::Role| {
        if boundary { role.boundary.as_deref() == Some(arn) } else { role.attached.iter().any(|attached| attached == arn) }
    };
    let roles = world.iam.roles.values().filter(uses).map(|role| json!({"RoleName": role.name, "RoleId": role.id}));
    let mut reply = page("PolicyRoles", roles.collect(), args)?;
    reply["PolicyGroups"] = json!([]);
    reply["PolicyUsers"] = json!([]);
    Ok(reply)
}

pub(super) fn tag(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let added = tags(args)?;
    let policy = find_mut(world, required(args, "PolicyArn")?)?;
    let mut all = policy.tags.clone();
    all.extend(added);
    if all.len() > 50 {
        return Err(quota("TagsPerPolicy", 50));
    }
    policy.tags = all;
    Ok(json!({}))
}

pub(super) fn untag(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let policy = find_mut(world, required(args, "PolicyArn")?)?;
    for key in args.strings("TagKeys") {
        policy.tags.remove(&key);
    }
    Ok(json!({}))
}

pub(super) fn list_tags(world: &World, args: &Args) -> Result<Value, ApiError> {
    page("Tags", tag_list(&find(world, required(args, "PolicyArn")?)?.tags), args)
}

pub(super) fn attach(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "RoleName")?;
    let arn = required(args, "PolicyArn")?;
    role::find(world, name)?;
    find(world, arn).map_err(|_| no_such(format!("Policy {arn} does not exist or is not attachable.")))?;
    let role = role::find_mut(world, name)?;
    // Attaching twice succeeds and changes nothing.
    if role.attached.iter().any(|attached| attached == arn) {
        return Ok(json!({}));
    }
    if role.attached.len() >= ATTACHED_PER_ROLE {
        return Err(quota("PoliciesPerRole", ATTACHED_PER_ROLE));
    }
    role.attached.push(arn.to_owned());
    role::propagate(world, name);
    Ok(json!({}))
}

pub(super) fn detach(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "RoleName")?;
    let arn = required(args, "PolicyArn")?;
    let role = role::find_mut(world, name)?;
    let before = role.attached.len();
    role.attached.retain(|attached| attached != arn);
    if role.attached.len() == before {
        return Err(not_found(arn));
    }
    role::propagate(world, name);
    Ok(json!({}))
}

pub(super) fn list_attached(world: &World, args: &Args) -> Result<Value, ApiError> {
    let role = role::find(world, required(args, "RoleName")?)?;
    let prefix = args.str("PathPrefix").unwrap_or("/");
    let attached = role.attached.iter().filter(|arn| {
        let full = arn.split_once(":policy").map_or("/", |(_, full)| full);
        full.starts_with(prefix)
    });
    let attached = attached.map(|arn| json!({"PolicyName": arn.rsplit('/').next(), "PolicyArn": arn})).collect();
    page("AttachedPolicies", attached, args)
}

pub(super) fn put_inline(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let role_name = required(args, "RoleName")?;
    let name = name(args, "PolicyName", 128)?;
    let document = required(args, "PolicyDocument")?;
    let role = role::find_mut(world, role_name)?;
    check_permissions(document)?;
    // Quotas: "Role inline policy", 10,240 characters for all of a role's inline policies, whitespace not counted.
    let others = role.inline.iter().filter(|(known, _)| *known != name).map(|(_, text)| text.as_str());
    let size: usize = others.chain([document]).map(|text| text.chars().filter(|c| !c.is_whitespace()).count()).sum();
    if size > 10_240 {
        return Err(ApiError::new("LimitExceeded", format!("Maximum policy size of 10240 bytes exceeded for role {role_name}")).status(409));
    }
    role.inline.insert(name.to_owned(), document.to_owned());
    Ok(json!({}))
}

fn no_inline(name: &str) -> ApiError {
    no_such(format!("The role policy with name {name} cannot be found."))
}

pub(super) fn get_inline(world: &World, args: &Args) -> Result<Value, ApiError> {
    let role = role::find(world, required(args, "RoleName")?)?;
    let name = required(args, "PolicyName")?;
    let document = role.inline.get(name).ok_or_else(|| no_inline(name))?;
    Ok(json!({"RoleName": role.name, "PolicyName": name, "PolicyDocument": encoded(document)}))
}

pub(super) fn delete_inline(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "PolicyName")?;
    match role::find_mut(world, required(args, "RoleName")?)?.inline.remove(name) {
        Some(_) => Ok(json!({})),
        None => Err(no_inline(name)),
    }
}

pub(super) fn list_inline(world: &World, args: &Args) -> Result<Value, ApiError> {
    let role = role::find(world, required(args, "RoleName")?)?;
    page("PolicyNames", role.inline.keys().map(|name| json!(name)).collect(), args)
}

pub(super) fn inventory(world: &World, inventory: &mut Inventory) {
    for policy in world.iam.policies.values() {
        inventory.push("iam/policy", &policy.arn, tag_pairs(&policy.tags), "", 0.0);
    }
}
