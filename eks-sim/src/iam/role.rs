//! Roles. A change is visible to IAM's own reads at once, and to other services after a while.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Tags, Trust, conflict,
    document::{TrustDocument, encoded},
    exists, name, no_such, page, path, policy, principal_exists, quota, required, tag_list, tag_pairs, tags, tags_by, unique_id, violation,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    inventory::Inventory,
    times::Time,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) path: String,
    pub(super) created: String,
    description: Option<String>,
    pub(super) max_session_seconds: i64,
    pub(super) boundary: Option<String>,
    pub(super) trust: TrustDocument,
    pub(super) tags: Tags,
    /// ARNs of attached managed policies, in the order of attachment.
    pub(super) attached: Vec<String>,
    pub(super) inline: BTreeMap<String, String>,
    /// Counts changes that other services must learn.
    version: u64,
    /// The role as other services see it.
    pub(super) seen: Option<Seen>,
}

#[derive(Clone, Debug)]
pub(super) struct Seen {
    version: u64,
    trust: TrustDocument,
    pub(super) policies: Vec<String>,
}

/// Prefix of the paths of service-linked roles.
const SERVICE_LINKED: &str = "/aws-service-role/";

impl Role {
    fn is_service_linked(&self) -> bool {
        self.path.starts_with(SERVICE_LINKED)
    }

    /// The element `Role`. Lists leave out tags and boundary (API reference, ListRoles).
    pub(super) fn describe(&self, whole: bool) -> Value {
        let boundary = self.boundary.as_ref().filter(|_| whole);
        json!({
            "Path": self.path,
            "RoleName": self.name,
            "RoleId": self.id,
            "Arn": self.arn,
            "CreateDate": self.created,
            "AssumeRolePolicyDocument": encoded(&self.trust.text),
            "Description": self.description,
            "MaxSessionDuration": self.max_session_seconds,
            "PermissionsBoundary": boundary.map(|arn| json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn})),
            "Tags": (whole && !self.tags.is_empty()).then(|| tag_list(&self.tags)),
        })
    }
}

pub(super) fn by_arn<'a>(world: &'a World, arn: &str) -> Option<&'a Role> {
    let name = arn.rsplit('/').next()?;
    world.iam.roles.get(name).filter(|role| role.arn == arn)
}

pub(super) fn find<'a>(world: &'a World, name: &str) -> Result<&'a Role, ApiError> {
    world.iam.roles.get(name).ok_or_else(|| missing(name))
}

/// The role that a call changes. Service-linked roles are the service's to change.
pub(super) fn find_mut<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Role, ApiError> {
    let role = world.iam.roles.get_mut(name).ok_or_else(|| missing(name))?;
    if role.is_service_linked() {
        let message = format!("Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS");
        return Err(ApiError::new("UnmodifiableEntity", message));
    }
    Ok(role)
}

fn missing(name: &str) -> ApiError {
    no_such(format!("The role with name {name} cannot be found."))
}

/// Other services see the role as it is now after a while.
pub(super) fn propagate(world: &mut World, name: &str) {
    let Some(role) = world.iam.roles.get_mut(name) else { return };
    role.version += 1;
    let id = role.id.clone();
    let seen = Seen { version: role.version, trust: role.trust.clone(), policies: role.attached.clone() };
    let owned = name.to_owned();
    world.take(Time::IamPropagation, name, move |world| {
        let role = world.iam.roles.get_mut(&owned).filter(|role| role.id == id);
        // An older change may arrive after a newer one.
        if let Some(role) = role.filter(|role| role.seen.as_ref().is_none_or(|known| known.version < seen.version)) {
            role.seen = Some(seen);
        }
    });
}

/// Whether a role's trust policy lets somebody in, told from what services see of it.
pub(super) fn trust(world: &World, arn: &str, allows: impl Fn(&TrustDocument) -> bool) -> Trust {
    let Some(role) = by_arn(world, arn) else { return Trust::Missing };
    match &role.seen {
        None => Trust::NotYet,
        Some(seen) if allows(&seen.trust) => Trust::Ready,
        Some(_) if allows(&role.trust) => Trust::NotYet,
        Some(_) => Trust::Refused,
    }
}

fn trust_document(world: &World, text: &str) -> Result<TrustDocument, ApiError> {
    // Quotas: "Role trust policy length", 2,048 characters, whitespace not counted.
    if text.chars().filter(|c| !c.is_whitespace()).count() > 2_048 {
        return Err(quota("ACLSizePerRole", 2_048));
    }
    let ours = format!(":{}:", world.account);
    TrustDocument::parse(text, |arn| !arn.contains(&ours) || arn.contains(":assumed-role/") || principal_exists(world, arn))
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    let name = name(args, "RoleName", 64)?.to_owned();
    let path = path(args)?;
    let trust = trust_document(world, required(args, "AssumeRolePolicyDocument")?)?;
    let max_session_seconds = args.int("MaxSessionDuration").unwrap_or(3_600);
    if !(3_600..=43_200).contains(&max_session_seconds) {
        let rule = "Member must have value between 3600 and 43200";
        return Err(violation("maxSessionDuration", &format!("Value '{max_session_seconds}'"), rule));
    }
    let tags = tags_by(caller, args)?;
    if path.starts_with(SERVICE_LINKED) {
        return Err(ApiError::new("ValidationError", "The path /aws-service-role/ is reserved for service-linked roles."));
    }
    let boundary = args.str("PermissionsBoundary").map(str::to_owned);
    if let Some(arn) = &boundary {
        policy::find(world, arn)?;
    }
    add(world, name, path, trust, |role| {
        role.tags = tags;
        role.boundary = boundary;
        role.max_session_seconds = max_session_seconds;
        role.description = args.str("Description").map(str::to_owned);
    })
}

fn add(world: &mut World, name: String, path: String, trust: TrustDocument, furnish: impl FnOnce(&mut Role)) -> Result<Value, ApiError> {
    // Names are unique in the account whatever their case and path.
    if world.iam.roles.keys().any(|known| known.eq_ignore_ascii_case(&name)) {
        return Err(exists(format!("Role with name {name} already exists.")));
    }
    if world.iam.roles.len() >= 1_000 {
        return Err(quota("RolesPerAccount", 1_000));
    }
    let mut role = Role {
        id: unique_id(world, "AROA"),
        arn: format!("arn:aws:iam::{}:role{path}{name}", world.account),
        name: name.clone(),
        path,
        created: world.timestamp(),
        description: None,
        max_session_seconds: 3_600,
        boundary: None,
        trust,
        tags: Tags::new(),
        attached: Vec::new(),
        inline: BTreeMap::new(),
        version: 0,
        seen: None,
    };
    furnish(&mut role);
    let reply = json!({"Role": role.describe(true)});
    world.iam.roles.insert(name.clone(), role);
    propagate(world, &name);
    Ok(reply)
}

/// Service-linked roles have names that their services fix (service authorisation reference).
pub(super) fn create_service_linked(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let service = required(args, "AWSServiceName")?;
    let (title, managed) = match service {
        "eks.amazonaws.com" => ("AWSServiceRoleForAmazonEKS", "AmazonEKSServiceRolePolicy"),
        "eks-nodegroup.amazonaws.com" => ("AWSServiceRoleForAmazonEKSNodegroup", "AWSServiceRoleForAmazonEKSNodegroup"),
        "autoscaling.amazonaws.com" => ("AWSServiceRoleForAutoScaling", "AutoScalingServiceRolePolicy"),
        "elasticloadbalancing.amazonaws.com" => ("AWSServiceRoleForElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy"),
        "spot.amazonaws.com" => ("AWSServiceRoleForEC2Spot", "AWSEC2SpotServiceRolePolicy"),
        _ => return Err(ApiError::new("InvalidInput", format!("Service Principal {service} does not support service-linked roles."))),
    };
    if world.iam.roles.contains_key(title) {
        let message = format!("Service role name {title} has been taken in this account, please try a different suffix.");
        return Err(ApiError::new("InvalidInput", message));
    }
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]}],
    });
    let trust = trust_document(world, &trust.to_string())?;
    add(world, title.to_owned(), format!("{SERVICE_LINKED}{service}/"), trust, |role| {
        role.attached = vec![format!("arn:aws:iam::aws:policy/aws-service-role/{managed}")];
        role.description = args.str("Description").map(str::to_owned);
    })
}

pub(super) fn get(world: &World, args: &Args) -> Result<Value, ApiError> {
    Ok(json!({"Role": find(world, required(args, "RoleName")?)?.describe(true)}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let prefix = args.str("PathPrefix").unwrap_or("/");
    let roles = world.iam.roles.values().filter(|role| role.path.starts_with(prefix)).map(|role| role.describe(false)).collect();
    page("Roles", roles, args)
}

pub(super) fn update_trust(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "RoleName")?;
    find(world, name)?;
    let trust = trust_document(world, required(args, "PolicyDocument")?)?;
    find_mut(world, name)?.trust = trust;
    propagate(world, name);
    Ok(json!({}))
}

pub(super) fn put_boundary(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "RoleName")?;
    let arn = required(args, "PermissionsBoundary")?;
    find(world, name)?;
    policy::find(world, arn)?;
    find_mut(world, name)?.boundary = Some(arn.to_owned());
    Ok(json!({}))
}

pub(super) fn delete_boundary(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "RoleName")?;
    match find_mut(world, name)?.boundary.take() {
        Some(_) => Ok(json!({})),
        None => Err(no_such(format!("Role {name} does not have a permission boundary"))),
    }
}

/// A role can go only when nothing hangs on it any more (API reference, DeleteRole).
pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "RoleName")?;
    let role = find_mut(world, name)?;
    if !role.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    if world.iam.profiles.values().any(|profile| profile.role.as_deref() == Some(name)) {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    world.iam.roles.remove(name);
    Ok(json!({}))
}

pub(super) fn tag(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let added = tags(args)?;
    let role = find_mut(world, required(args, "RoleName")?)?;
    let mut all = role.tags.clone();
    all.extend(added);
    if all.len() > 50 {
        return Err(quota("TagsPerRole", 50));
    }
    role.tags = all;
    Ok(json!({}))
}

pub(super) fn untag(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let role = find_mut(world, required(args, "RoleName")?)?;
    for key in args.strings("TagKeys") {
        role.tags.remove(&key);
    }
    Ok(json!({}))
}

pub(super) fn list_tags(world: &World, args: &Args) -> Result<Value, ApiError> {
    page("Tags", tag_list(&find(world, required(args, "RoleName")?)?.tags), args)
}

pub(super) fn inventory(world: &World, inventory: &mut Inventory) {
    for role in world.iam.roles.values().filter(|role| !role.is_service_linked()) {
        inventory.push("iam/role", &role.name, tag_pairs(&role.tags), "", 0.0);
    }
}
