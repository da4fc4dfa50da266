//! Tags: tag-on-create, CreateTags, DeleteTags, DescribeTags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Reply, State, done, filter::Listing, ids::Kind, invalid, is_service, quota};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// A resource's tags.
pub(super) type Tags = BTreeMap<String, String>;

/// The tags that a creating call gives to a resource of this type. `others` may be tagged by the same call.
pub(super) fn specified(args: &Args, caller: &Caller, tag_type: &str, others: &[&str]) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    // Transit gateway attachments alone name the parameter in the plural.
    for specification in args.nested("TagSpecification").into_iter().chain(args.nested("TagSpecifications")) {
        let named = specification.required("ResourceType")?;
        if named != tag_type && !others.contains(&named) {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!("'{named}' is not a valid taggable resource type for this operation."),
            ));
        }
        let given = parse(&specification.nested("Tag"), caller)?;
        if named == tag_type {
            tags.extend(given);
        }
    }
    Ok(tags)
}

/// Checks tags by "Tag" of the API reference, whose keys are a character shorter than the user guide's.
fn parse(list: &[Args], caller: &Caller) -> Result<Tags, ApiError> {
    let invalid = |message: String| invalid(message);
    let mut tags = Tags::new();
    for tag in list {
        let key = tag.required("Key")?;
        let value = tag.str("Value").unwrap_or_default();
        if key.chars().count() > 127 {
            return Err(invalid("Tag key exceeds the maximum length of 127 characters".to_owned()));
        }
        if value.chars().count() > 256 {
            return Err(invalid("Tag value exceeds the maximum length of 256 characters".to_owned()));
        }
        if is_reserved(key, caller) {
            return Err(reserved(key));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(invalid(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    limit(&tags)?;
    Ok(tags)
}

/// Whether a key is AWS's own: nobody else may write or delete such a tag ("Tag restrictions", EC2 user guide).
fn is_reserved(key: &str, caller: &Caller) -> bool {
    key.to_ascii_lowercase().starts_with("aws:") && !is_service(caller)
}

fn reserved(key: &str) -> ApiError {
    invalid(format!("Tag keys starting with 'aws:' are reserved for internal use: {key}"))
}

fn limit(tags: &Tags) -> Result<(), ApiError> {
    // Tags of AWS's own do not count.
    let count = tags.keys().filter(|key| !key.starts_with("aws:")).count();
    quota::within(count, quota::TAGS + 1, "TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
}

impl State {
    /// A resource's tags as replies tell them.
    pub(super) fn tag_set(&self, id: &str) -> Value {
        self.tags.get(id).into_iter().flatten().map(|(key, value)| json!({"key": key, "value": value})).collect()
    }

    /// A resource's tags as the inventory tells them.
    pub(super) fn tag_pairs(&self, id: &str) -> Vec<(String, String)> {
        self.tags.get(id).into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(super) fn tag(&mut self, id: &str, tags: Tags) {
        if !tags.is_empty() {
            self.tags.entry(id.to_owned()).or_default().extend(tags);
        }
    }
}

/// The resources of a tagging call, all of which must exist.
fn resources(state: &State, args: &Args) -> Result<Vec<String>, ApiError> {
    let ids = args.strings("ResourceId");
    if ids.is_empty() {
        return Err(ApiError::missing("resourceIdSet"));
    }
    for id in &ids {
        let kind = Kind::of(id).ok_or_else(|| ApiError::new("InvalidID", format!("The ID '{id}' is not valid")))?;
        kind.check(id)?;
        if !kind.has(state, id) {
            return Err(kind.not_found(id));
        }
    }
    Ok(ids)
}

/// A resource's tags, if it exists.
pub(crate) fn tags_of(world: &World, id: &str) -> Option<Vec<(String, String)>> {
    Kind::of(id).filter(|kind| kind.has(&world.ec2, id)).map(|_| world.ec2.tag_pairs(id))
}

/// What TagSpecification calls the kind of resource that an id names.
pub(crate) fn tag_type(id: &str) -> Option<&'static str> {
    Kind::of(id).map(|kind| kind.tag_type)
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let ids = resources(&world.ec2, args)?;
    let tags = parse(&args.nested("Tag"), caller)?;
    if tags.is_empty() {
        return Err(ApiError::missing("Tag"));
    }
    for id in &ids {
        let mut all = world.ec2.tags.get(id).cloned().unwrap_or_default();
        all.extend(tags.clone());
        limit(&all)?;
    }
    for id in ids {
        world.ec2.tag(&id, tags.clone());
    }
    Ok(done())
}

pub(super) fn delete(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let ids = resources(&world.ec2, args)?;
    let named = args.nested("Tag");
    if let Some(key) = named.iter().filter_map(|tag| tag.str("Key")).find(|key| is_reserved(key, caller)) {
        return Err(reserved(key));
    }
    for id in &ids {
        let Some(tags) = world.ec2.tags.get_mut(id) else { continue };
        tags.retain(|key, value| {
            if is_reserved(key, caller) {
                return true;
            }
            // Without tags in the request all go; a tag without a value goes whatever its value is.
            !named.is_empty() && !named.iter().any(|tag| tag.str("Key") == Some(key) && tag.str("Value").is_none_or(|v| v == value))
        });
    }
    Ok(done())
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let items = world.ec2.tags.iter().flat_map(|(id, tags)| {
        let kind = Kind::of(id).map_or("", |kind| kind.tag_type);
        tags.iter().map(
            move |(key, value)| json!({"resourceId": id, "resourceType": kind, "key": key, "value": value, "sort": format!("{id} {key}")}),
        )
    });
    // `tag:<key>` filters on key and value together, as elsewhere.
    let items = items.map(|mut item| {
        item["tagSet"] = json!([{"key": item["key"], "value": item["value"]}]);
        item
    });
    const LISTING: Listing = Listing {
        set: "tagSet",
        ids: None,
        key: "sort",
        filters: &[("key", "key"), ("value", "value"), ("resource-id", "resourceId"), ("resource-type", "resourceType")],
        page: Some((5, 1000)),
    };
    let mut reply = LISTING.reply(args, items.collect())?;
    for item in reply["tagSet"].as_array_mut().into_iter().flatten() {
        item["sort"] = Value::Null;
        item["tagSet"] = Value::Null;
    }
    Ok(reply)
}
