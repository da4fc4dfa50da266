//! Tags of groups.

use serde_json::{Value, json};

use super::group::{Group, Tag, find, invalid};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// The tags of a request.
pub(super) fn of_request(args: &Args) -> Result<Vec<Tag>, ApiError> {
    let tags: Vec<_> = args
        .nested("Tags")
        .iter()
        .map(|tag| {
            Ok(Tag {
                key: tag.required("Key")?.to_owned(),
                value: tag.str("Value").unwrap_or_default().to_owned(),
                propagate: tag.bool("PropagateAtLaunch").unwrap_or(false),
            })
        })
        .collect::<Result<_, ApiError>>()?;
    limit(&tags)?;
    Ok(tags)
}

fn limit(tags: &[Tag]) -> Result<(), ApiError> {
    if tags.iter().filter(|tag| !tag.key.starts_with("aws:")).count() > 50 {
        return Err(ApiError::new("LimitExceeded", "The number of tags exceeds the limit of 50 for an Auto Scaling group."));
    }
    Ok(())
}

pub(super) fn show(group: &str, tag: &Tag) -> Value {
    json!({
        "ResourceId": group,
        "ResourceType": "auto-scaling-group",
        "Key": tag.key,
        "Value": tag.value,
        "PropagateAtLaunch": tag.propagate,
    })
}

pub(super) fn put(world: &mut World, caller: &Caller, args: &Args) -> Result<Value, ApiError> {
    let tags = of_request(args)?;
    let own = caller.arn.contains("aws-service-role");
    if let Some(reserved) = tags.iter().find(|tag| !own && tag.key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(invalid(format!("Tag keys starting with 'aws:' are reserved for internal use: {}", reserved.key)));
    }
    for (item, tag) in args.nested("Tags").iter().zip(tags) {
        let group = find(world, item.required("ResourceId")?)?;
        group.tags.retain(|old| old.key != tag.key);
        group.tags.push(tag);
        limit(&group.tags)?;
    }
    Ok(json!({}))
}

pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    for item in args.nested("Tags") {
        let key = item.required("Key")?;
        find(world, item.required("ResourceId")?)?.tags.retain(|tag| tag.key != key);
    }
    Ok(json!({}))
}

pub(super) fn describe(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let filters = args.nested("Filters");
    let all = world.autoscaling.groups.values().flat_map(|group| group.tags.iter().map(move |tag| (group, tag)));
    let matches = |group: &Group, tag: &Tag| {
        filters.iter().all(|filter| {
            let values = filter.strings("Values");
            let actual = match filter.str("Name").unwrap_or_default() {
                "auto-scaling-group" => group.name.clone(),
                "key" => tag.key.clone(),
                "value" => tag.value.clone(),
                "propagate-at-launch" => tag.propagate.to_string(),
                _ => return false,
            };
            values.contains(&actual)
        })
    };
    let shown = all.filter(|(group, tag)| matches(group, tag)).map(|(group, tag)| show(&group.name, tag)).collect();
    let (tags, next) = super::describe::page(shown, args, 50, 100)?;
    Ok(json!({"Tags": tags, "NextToken": next}))
}
