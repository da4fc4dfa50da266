//! Instance profiles: the containers through which instances get a role.

use serde_json::{Value, json};

use super::{Tags, conflict, exists, name, no_such, page, path, quota, required, role, tag_list, tag_pairs, tags, unique_id};
use crate::{call::Args, error::ApiError, inventory::Inventory, times::Time, world::World};

#[derive(Clone, Debug)]
pub(super) struct Profile {
    name: String,
    id: String,
    arn: String,
    path: String,
    created: String,
    tags: Tags,
    /// Name of its role; one at most.
    pub(super) role: Option<String>,
    /// Counts changes that other services must learn.
    version: u64,
    /// Version and role that other services see.
    seen: Option<(u64, Option<String>)>,
}

impl Profile {
    fn describe(&self, world: &World) -> Value {
        let roles: Vec<Value> = self.role.iter().filter_map(|name| world.iam.roles.get(name)).map(|role| role.describe(false)).collect();
        json!({
            "Path": self.path,
            "InstanceProfileName": self.name,
            "InstanceProfileId": self.id,
            "Arn": self.arn,
            "CreateDate": self.created,
            "Roles": roles,
            "Tags": (!self.tags.is_empty()).then(|| tag_list(&self.tags)),
        })
    }
}

fn missing(name: &str) -> ApiError {
    no_such(format!("Instance Profile {name} cannot be found."))
}

fn find<'a>(world: &'a World, name: &str) -> Result<&'a Profile, ApiError> {
    world.iam.profiles.get(name).ok_or_else(|| missing(name))
}

/// Other services see the profile as it is now after a while.
fn propagate(world: &mut World, name: &str) {
    let Some(profile) = world.iam.profiles.get_mut(name) else { return };
    profile.version += 1;
    let (id, seen) = (profile.id.clone(), (profile.version, profile.role.clone()));
    let owned = name.to_owned();
    world.take(Time::IamPropagation, name, move |world| {
        let profile = world.iam.profiles.get_mut(&owned).filter(|profile| profile.id == id);
        // An older change may arrive after a newer one.
        if let Some(profile) = profile.filter(|profile| profile.seen.as_ref().is_none_or(|(version, _)| *version < seen.0)) {
            profile.seen = Some(seen);
        }
    });
}

/// ARN of the role that services see in a profile, given by name or ARN.
pub(super) fn seen_role(world: &World, profile: &str) -> Option<String> {
    let profile = world.iam.profiles.values().find(|known| known.name == profile || known.arn == profile)?;
    let (_, role) = profile.seen.as_ref()?;
    let role = world.iam.roles.get(role.as_ref()?)?;
    role.seen.as_ref()?;
    Some(role.arn.clone())
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = name(args, "InstanceProfileName", 128)?;
    let path = path(args)?;
    let tags = tags(args)?;
    if world.iam.profiles.keys().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(exists(format!("Instance Profile {name} already exists.")));
    }
    if world.iam.profiles.len() >= 1_000 {
        return Err(quota("InstanceProfilesPerAccount", 1_000));
    }
    let profile = Profile {
        id: unique_id(world, "AIPA"),
        arn: format!("arn:aws:iam::{}:instance-profile{path}{name}", world.account),
        name: name.to_owned(),
        path,
        created: world.timestamp(),
        tags,
        role: None,
        version: 0,
        seen: None,
    };
    let reply = json!({"InstanceProfile": profile.describe(world)});
    world.iam.profiles.insert(name.to_owned(), profile);
    propagate(world, name);
    Ok(reply)
}

pub(super) fn get(world: &World, args: &Args) -> Result<Value, ApiError> {
    Ok(json!({"InstanceProfile": find(world, required(args, "InstanceProfileName")?)?.describe(world)}))
}

pub(super) fn add_role(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "InstanceProfileName")?;
    let role_name = required(args, "RoleName")?;
    let profile = find(world, name)?;
    // One role per profile, a quota that cannot be raised; the same role again is refused alike.
    let taken = profile.role.is_some();
    role::find(world, role_name)?;
    if taken {
        return Err(quota("InstanceSessionsPerInstanceProfile", 1));
    }
    role::find_mut(world, role_name)?;
    if let Some(profile) = world.iam.profiles.get_mut(name) {
        profile.role = Some(role_name.to_owned());
    }
    propagate(world, name);
    Ok(json!({}))
}

pub(super) fn remove_role(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "InstanceProfileName")?;
    let role_name = required(args, "RoleName")?;
    find(world, name)?;
    role::find(world, role_name)?;
    match world.iam.profiles.get_mut(name) {
        Some(profile) if profile.role.as_deref() == Some(role_name) => profile.role = None,
        _ => return Err(no_such(format!("The role with name {role_name} cannot be found in instance profile {name}."))),
    }
    propagate(world, name);
    Ok(json!({}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let name = required(args, "InstanceProfileName")?;
    if find(world, name)?.role.is_some() {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    world.iam.profiles.remove(name);
    Ok(json!({}))
}

pub(super) fn list(world: &World, args: &Args) -> Result<Value, ApiError> {
    let prefix = args.str("PathPrefix").unwrap_or("/");
    let profiles = world.iam.profiles.values().filter(|profile| profile.path.starts_with(prefix));
    page("InstanceProfiles", profiles.map(|profile| profile.describe(world)).collect(), args)
}

pub(super) fn list_for_role(world: &World, args: &Args) -> Result<Value, ApiError> {
    let role_name = required(args, "RoleName")?;
    role::find(world, role_name)?;
    let profiles = world.iam.profiles.values().filter(|profile| profile.role.as_deref() == Some(role_name));
    page("InstanceProfiles", profiles.map(|profile| profile.describe(world)).collect(), args)
}

pub(super) fn inventory(world: &World, inventory: &mut Inventory) {
    for profile in world.iam.profiles.values() {
        inventory.push("iam/instance-profile", &profile.name, tag_pairs(&profile.tags), "", 0.0);
    }
}
