//! Launch templates.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Reply, State,
    filter::{self, Listing},
    ids,
    launch::check_user_data,
    quota, tags,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct Template {
    name: String,
    created: String,
    created_by: String,
    default_version: u64,
    latest_version: u64,
    versions: BTreeMap<u64, Version>,
}

#[derive(Clone, Debug)]
struct Version {
    description: Option<String>,
    created: String,
    created_by: String,
    /// As it came: LaunchTemplateData has the names of RunInstances' parameters.
    data: Value,
}

fn unknown_name() -> ApiError {
    let message = "At least one of the launch templates specified in the request does not exist.";
    ApiError::new("InvalidLaunchTemplateName.NotFoundException", message)
}

/// The template that a call names by id or name.
fn named(state: &State, args: &Args) -> Result<String, ApiError> {
    match (args.str("LaunchTemplateId"), args.str("LaunchTemplateName")) {
        (Some(_), Some(_)) => {
            let message = "You must specify either the launch template ID or the launch template name, but not both.";
            Err(ApiError::new("InvalidParameterCombination", message))
        }
        (Some(id), None) => ids::LAUNCH_TEMPLATE.find(&state.templates, id).map(|_| id.to_owned()),
        (None, Some(name)) => {
            let found = state.templates.iter().find(|(_, template)| template.name == name);
            found.map(|(id, _)| id.clone()).ok_or_else(unknown_name)
        }
        (None, None) => Err(ApiError::missing("LaunchTemplateId or LaunchTemplateName")),
    }
}

impl Template {
    /// A version by number, `$Latest` or `$Default`.
    fn version(&self, id: &str, wanted: &str) -> Result<u64, ApiError> {
        let number = match wanted {
            "$Latest" => Some(self.latest_version),
            "$Default" | "" => Some(self.default_version),
            number => number.parse().ok().filter(|number| self.versions.contains_key(number)),
        };
        number.ok_or_else(|| {
            let message = format!("Could not find the specified version {wanted} for the launch template with ID {id}.");
            ApiError::new("InvalidLaunchTemplateId.VersionNotFound", message)
        })
    }
}

/// The data of the version that a LaunchTemplateSpecification names.
pub(super) fn resolve(state: &State, specification: &Args) -> Result<Value, ApiError> {
    let id = named(state, specification)?;
    let template = &state.templates[&id];
    // A number, when a service asks.
    let wanted = specification.get("Version").map_or("$Default".to_owned(), |version| filter::values(version, "").concat());
    let number = template.version(&id, &wanted)?;
    Ok(template.versions[&number].data.clone())
}

/// A version of a launch template, for services that make their own of it.
#[derive(Clone, Debug)]
pub(crate) struct TemplateFacts {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// In the names of the query API.
    pub(crate) data: Value,
}

/// A template by id or name, in a version by number, `$Latest` or `$Default`.
pub(crate) fn facts(world: &World, id: Option<&str>, name: Option<&str>, version: &str) -> Result<TemplateFacts, ApiError> {
    let id = named(&world.ec2, &Args(json!({"LaunchTemplateId": id, "LaunchTemplateName": name})))?;
    let template = &world.ec2.templates[&id];
    let number = template.version(&id, version)?;
    Ok(TemplateFacts { name: template.name.clone(), version: number.to_string(), data: template.versions[&number].data.clone(), id })
}

/// The data of the version that a LaunchTemplateSpecification names; nothing if there is none.
pub(crate) fn chosen(world: &World, specification: &Args) -> Value {
    resolve(&world.ec2, specification).unwrap_or_default()
}

fn render(world: &World, id: &str, template: &Template) -> Value {
    json!({
        "launchTemplateId": id, "launchTemplateName": template.name, "createTime": template.created, "createdBy": template.created_by,
        "defaultVersionNumber": template.default_version, "latestVersionNumber": template.latest_version,
        "tagSet": world.ec2.tag_set(id),
    })
}

fn render_version(id: &str, template: &Template, number: u64) -> Value {
    let version = &template.versions[&number];
    json!({
        "launchTemplateId": id, "launchTemplateName": template.name, "versionNumber": number, "versionDescription": version.description,
        "createTime": version.created, "createdBy": version.created_by, "defaultVersion": number == template.default_version,
        "launchTemplateData": respond(&version.data, false),
    })
}

/// Request data with the names of replies: `NetworkInterface` is `networkInterfaceSet`, `HttpTokens` is `httpTokens`.
fn respond(data: &Value, in_interface: bool) -> Value {
    let Value::Object(members) = data else { return data.clone() };
    let mut reply = Map::new();
    for (name, value) in members {
        let mut camel: String = name.chars().take(1).flat_map(char::to_lowercase).chain(name.chars().skip(1)).collect();
        match value {
            Value::Array(_) if in_interface && name == "SecurityGroupId" => {
                reply.insert("groupSet".to_owned(), value.clone());
            }
            Value::Array(items) => {
                let interfaces = name == "NetworkInterface";
                camel = format!("{}Set", camel.trim_end_matches("es"));
                if name == "PrivateIpAddresses" || name == "Ipv6Addresses" {
                    camel = camel.replace("AddressSet", "AddressesSet");
                }
                reply.insert(camel, items.iter().map(|item| respond(item, interfaces)).collect());
            }
            _ => {
                reply.insert(camel, respond(value, false));
            }
        }
    }
    Value::Object(reply)
}

/// LaunchTemplateData, with what RunInstances would refuse in any case refused now.
fn data(args: &Args) -> Result<Value, ApiError> {
    let data = args.get("LaunchTemplateData").filter(|data| data.as_object().is_some_and(|data| !data.is_empty()));
    let data = data.ok_or_else(|| ApiError::missing("LaunchTemplateData"))?;
    if let Some(text) = data["UserData"].as_str() {
        check_user_data(text)?;
    }
    Ok(data.clone())
}

/// Names are 3–128 characters of these (CreateLaunchTemplate).
fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "().-/_".contains(c);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let message = "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _.";
    Err(ApiError::new("InvalidLaunchTemplateName.MalformedException", message))
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::LAUNCH_TEMPLATE.tag_type, &[])?;
    let before = world.ec2.made_before("CreateLaunchTemplate", args)?.and_then(|made| made.first().cloned());
    let id = match before {
        Some(id) => id,
        None => {
            let name = args.required("LaunchTemplateName")?;
            check_name(name)?;
            let data = data(args)?;
            if world.ec2.templates.values().any(|template| template.name == name) {
                return Err(ApiError::new("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use."));
            }
            let message = "The maximum number of launch templates has been reached.";
            quota::within(world.ec2.templates.len(), quota::TEMPLATES, "MaxTemplateLimitExceeded", message)?;
            let (id, now) = (world.id(ids::LAUNCH_TEMPLATE.prefix), world.timestamp());
            let first = Version {
                description: args.str("VersionDescription").map(str::to_owned),
                created: now.clone(),
                created_by: caller.arn.clone(),
                data,
            };
            let template = Template {
                name: name.to_owned(),
                created: now,
                created_by: caller.arn.clone(),
                default_version: 1,
                latest_version: 1,
                versions: BTreeMap::from([(1, first)]),
            };
            world.ec2.templates.insert(id.clone(), template);
            world.ec2.tag(&id, tags);
            world.ec2.remember("CreateLaunchTemplate", args, vec![id.clone()]);
            id
        }
    };
    let template = ids::LAUNCH_TEMPLATE.find(&world.ec2.templates, &id)?;
    Ok(json!({"launchTemplate": render(world, &id, template)}))
}

pub(super) fn create_version(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let id = named(&world.ec2, args)?;
    if let Some(number) = world.ec2.made_before("CreateLaunchTemplateVersion", args)?.and_then(|made| made.first()?.parse().ok()) {
        return Ok(json!({"launchTemplateVersion": render_version(&id, &world.ec2.templates[&id], number)}));
    }
    let mut data = data(args)?;
    let now = world.timestamp();
    let template = ids::LAUNCH_TEMPLATE.find_mut(&mut world.ec2.templates, &id)?;
    if let Some(source) = args.str("SourceVersion") {
        // The new version has the source's parameters but for those given.
        let number = template.version(&id, source)?;
        let mut base = template.versions[&number].data.clone();
        for (name, value) in data.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            base[name] = value.clone();
        }
        data = base;
    }
    let message = "The maximum number of launch template versions has been reached.";
    quota::within(template.versions.len(), quota::VERSIONS_PER_TEMPLATE, "MaxTemplateVersionLimitExceeded", message)?;
    template.latest_version += 1;
    let number = template.latest_version;
    let description = args.str("VersionDescription").map(str::to_owned);
    template.versions.insert(number, Version { description, created: now, created_by: caller.arn.clone(), data });
    let reply = render_version(&id, template, number);
    world.ec2.remember("CreateLaunchTemplateVersion", args, vec![number.to_string()]);
    Ok(json!({"launchTemplateVersion": reply}))
}

pub(super) fn modify(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = named(&world.ec2, args)?;
    let template = ids::LAUNCH_TEMPLATE.find_mut(&mut world.ec2.templates, &id)?;
    if let Some(version) = args.str("SetDefaultVersion").or(args.str("DefaultVersion")) {
        template.default_version = template.version(&id, version)?;
    }
    Ok(json!({"launchTemplate": render(world, &id, &world.ec2.templates[&id])}))
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = named(&world.ec2, args)?;
    let reply = render(world, &id, &world.ec2.templates[&id]);
    world.ec2.templates.remove(&id);
    world.ec2.tags.remove(&id);
    Ok(json!({"launchTemplate": reply}))
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let names = args.strings("LaunchTemplateName");
    let templates = &world.ec2.templates;
    if names.iter().any(|name| !templates.values().any(|template| template.name == *name)) {
        return Err(unknown_name());
    }
    let chosen = templates.iter().filter(|(_, template)| names.is_empty() || names.contains(&template.name));
    Listing {
        set: "launchTemplates",
        ids: Some(("LaunchTemplateId", &ids::LAUNCH_TEMPLATE)),
        key: "launchTemplateId",
        filters: &[("launch-template-name", "launchTemplateName"), ("create-time", "createTime")],
        page: Some((1, 200)),
    }
    .reply(args, chosen.map(|(id, template)| render(world, id, template)).collect())
}

pub(super) fn describe_versions(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let wanted = args.strings("LaunchTemplateVersion");
    // Without a template the latest or default versions of all may be asked for.
    let ids: Vec<_> = if args.str("LaunchTemplateId").is_none() && args.str("LaunchTemplateName").is_none() && !wanted.is_empty() {
        world.ec2.templates.keys().cloned().collect()
    } else {
        vec![named(&world.ec2, args)?]
    };
    let bound = |name: &str| args.str(name).and_then(|text| text.parse::<u64>().ok());
    let (least, most) = (bound("MinVersion").unwrap_or(0), bound("MaxVersion").unwrap_or(u64::MAX));
    let mut items = Vec::new();
    for id in ids {
        let template = &world.ec2.templates[&id];
        let mut numbers: Vec<_> = if wanted.is_empty() {
            template.versions.keys().copied().filter(|number| (least..=most).contains(number)).collect()
        } else {
            wanted.iter().map(|version| template.version(&id, version)).collect::<Result<_, _>>()?
        };
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let mut item = render_version(&id, template, number);
            item["sort"] = json!(format!("{id} {number:020}"));
            items.push(item);
        }
    }
    let listing = Listing {
        set: "launchTemplateVersionSet",
        ids: None,
        key: "sort",
        filters: &[
            ("create-time", "createTime"),
            ("is-default-version", "defaultVersion"),
            ("image-id", "launchTemplateData.imageId"),
            ("instance-type", "launchTemplateData.instanceType"),
        ],
        page: Some((1, 200)),
    };
    let mut reply = listing.reply(args, items)?;
    for item in reply["launchTemplateVersionSet"].as_array_mut().into_iter().flatten() {
        item["sort"] = Value::Null;
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_told_with_the_names_of_replies() {
        let data = json!({
            "ImageId": "ami-1", "SecurityGroupId": ["sg-1"], "MetadataOptions": {"HttpTokens": "required"},
            "NetworkInterface": [{"DeviceIndex": "0", "SecurityGroupId": ["sg-1", "sg-2"]}],
            "TagSpecification": [{"ResourceType": "instance", "Tag": [{"Key": "a", "Value": "b"}]}],
        });
        assert_eq!(
            respond(&data, false),
            json!({
                "imageId": "ami-1", "securityGroupIdSet": ["sg-1"], "metadataOptions": {"httpTokens": "required"},
                "networkInterfaceSet": [{"deviceIndex": "0", "groupSet": ["sg-1", "sg-2"]}],
                "tagSpecificationSet": [{"resourceType": "instance", "tagSet": [{"key": "a", "value": "b"}]}],
            })
        );
    }
}
