//! Tags of clusters, add-ons, access entries, associations and node groups, by ARN.

use serde_json::{Value, json};

use super::{Tags, required, strings, tags_of};
use crate::{call::Args, error::ApiError, world::World};

fn find<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut Tags, ApiError> {
    if !arn.starts_with("arn:") || arn.split(':').nth(2) != Some("eks") {
        return Err(ApiError::new("BadRequestException", format!("The ARN {arn} is not that of an Amazon EKS resource.")));
    }
    world
        .eks
        .clusters
        .values_mut()
        .find_map(|cluster| {
            if cluster.arn == arn {
                return Some(&mut cluster.tags);
            }
            let addons = cluster.addons.values_mut().map(|addon| (&addon.arn, &mut addon.tags));
            let entries = cluster.entries.values_mut().map(|entry| (&entry.arn, &mut entry.tags));
            let associations = cluster.associations.values_mut().map(|association| (&association.arn, &mut association.tags));
            let groups = cluster.node_groups.values_mut().map(|group| (&group.arn, &mut group.tags));
            addons.chain(entries).chain(associations).chain(groups).find(|(known, _)| *known == arn).map(|(_, tags)| tags)
        })
        .ok_or_else(|| ApiError::new("NotFoundException", format!("Resource {arn} was not found.")).status(404))
}

pub(super) fn tag(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let added = tags_of(args)?;
    let tags = find(world, required(args, "resourceArn")?)?;
    let mut all = tags.clone();
    all.extend(added);
    if all.len() > 50 {
        return Err(ApiError::new("BadRequestException", "A resource can have at most 50 tags."));
    }
    *tags = all;
    Ok(json!({}))
}

pub(super) fn untag(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let tags = find(world, required(args, "resourceArn")?)?;
    for key in strings(args, "tagKeys") {
        tags.remove(&key);
    }
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    Ok(json!({"tags": find(world, required(args, "resourceArn")?)?}))
}
