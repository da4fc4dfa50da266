//! Security groups.

use serde_json::{Value, json};

use super::{
    Reply, State,
    filter::Listing,
    ids, invalid, quota,
    security_group_rule::{self, Peer, Rule},
    tags,
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// The name of the group that comes with a VPC.
pub(super) const DEFAULT_GROUP: &str = "default";

#[derive(Clone, Debug)]
pub(super) struct SecurityGroup {
    pub(super) vpc: String,
    pub(super) name: String,
    description: String,
    /// Rule id and rule.
    pub(super) rules: Vec<(String, Rule)>,
}

fn arn(world: &World, id: &str) -> String {
    format!("arn:aws:ec2:{}:{}:security-group/{id}", world.region, world.account)
}

fn render(world: &World, id: &str, group: &SecurityGroup) -> Value {
    json!({
        "groupId": id,
        "groupName": group.name,
        "groupDescription": group.description,
        "vpcId": group.vpc,
        "ownerId": world.account,
        "securityGroupArn": arn(world, id),
        "ipPermissions": security_group_rule::permissions(world, group.rules.iter().filter(|(_, rule)| !rule.egress)),
        "ipPermissionsEgress": security_group_rule::permissions(world, group.rules.iter().filter(|(_, rule)| rule.egress)),
        "tagSet": world.ec2.tag_set(id),
    })
}

/// Checks a name or description by "Security group rules" of CreateSecurityGroup: up to 255 of these characters.
fn check_text(parameter: &str, text: &str) -> Result<(), ApiError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.len() <= 255 && text.chars().all(allowed) {
        return Ok(());
    }
    let message = format!(
        "Invalid security group {parameter}. Valid {parameter}s are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*"
    );
    Err(invalid(message))
}

pub(super) fn create(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::SECURITY_GROUP.tag_type, &[])?;
    // Trailing spaces are trimmed (CreateSecurityGroup).
    let name = args.required("GroupName")?.trim_end();
    let description = args.required("GroupDescription")?;
    check_text("name", name)?;
    check_text("description", description)?;
    if name.starts_with("sg-") {
        return Err(invalid("Invalid group name. Group names may not be in the format sg-*."));
    }
    let vpc = match args.str("VpcId") {
        Some(vpc) => vpc.to_owned(),
        None => world.ec2.default_vpc()?,
    };
    ids::VPC.find(&world.ec2.vpcs, &vpc)?;
    if name == DEFAULT_GROUP {
        return Err(invalid("Cannot use reserved security group name: default"));
    }
    if world.ec2.security_groups.values().any(|group| group.vpc == vpc && group.name == name) {
        let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(ApiError::new("InvalidGroup.Duplicate", message));
    }
    let message = "The maximum number of security groups has been reached.";
    quota::within(world.ec2.security_groups.len(), quota::SECURITY_GROUPS * world.quota_factor, "SecurityGroupLimitExceeded", message)?;
    let id = make(world, &vpc, name, description);
    world.ec2.tag(&id, tags);
    Ok(json!({"return": true, "groupId": id, "securityGroupArn": arn(world, &id), "tagSet": world.ec2.tag_set(&id)}))
}

/// A group with the rule that every new one has: all traffic out.
fn make(world: &mut World, vpc: &str, name: &str, description: &str) -> String {
    let id = world.id(ids::SECURITY_GROUP.prefix);
    let group = SecurityGroup { vpc: vpc.to_owned(), name: name.to_owned(), description: description.to_owned(), rules: Vec::new() };
    world.ec2.security_groups.insert(id.clone(), group);
    let everywhere = Rule::all(true, Peer::Cidr("0.0.0.0/0".to_owned()));
    security_group_rule::add(world, &id, everywhere);
    if world.ec2.vpcs.get(vpc).is_some_and(|vpc| !vpc.ipv6.is_empty()) {
        security_group_rule::add(world, &id, Rule::all(true, Peer::Cidr6("::/0".to_owned())));
    }
    id
}

/// The default group of a new VPC, whose members may talk to one another.
pub(super) fn make_default(world: &mut World, vpc: &str) {
    let id = make(world, vpc, DEFAULT_GROUP, "default VPC security group");
    security_group_rule::add(world, &id, Rule::all(false, Peer::Group(id.clone())));
}

impl State {
    /// The VPC that calls mean which name none.
    pub(super) fn default_vpc(&self) -> Result<String, ApiError> {
        let default = self.vpcs.iter().find(|(_, vpc)| vpc.is_default).map(|(id, _)| id.clone());
        default.ok_or_else(|| ApiError::new("VPCIdNotSpecified", "No default VPC for this user"))
    }

    /// Removes a group with its rules.
    pub(super) fn forget_group(&mut self, id: &str) {
        for (rule, _) in self.security_groups.remove(id).into_iter().flat_map(|group| group.rules) {
            self.rule_owners.remove(&rule);
            self.tags.remove(&rule);
        }
        self.tags.remove(id);
    }

    /// The group that a call names by id, or by name in the default VPC.
    pub(super) fn named_group(&self, args: &Args) -> Result<String, ApiError> {
        if let Some(id) = args.str("GroupId") {
            return ids::SECURITY_GROUP.find(&self.security_groups, id).map(|_| id.to_owned());
        }
        let name = args
            .str("GroupName")
            .ok_or_else(|| ApiError::new("MissingParameter", "The request must contain the parameter groupName or groupId"))?;
        let vpc = self.default_vpc()?;
        let found = self.security_groups.iter().find(|(_, group)| group.vpc == vpc && group.name == name);
        found.map(|(id, _)| id.clone()).ok_or_else(|| {
            ApiError::new("InvalidGroup.NotFound", format!("The security group '{name}' does not exist in default VPC '{vpc}'"))
        })
    }
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let state = &mut world.ec2;
    let id = state.named_group(args)?;
    if state.security_groups[&id].name == DEFAULT_GROUP {
        let message = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(ApiError::new("CannotDelete", message));
    }
    let worn = state.interfaces.values().any(|interface| interface.groups.contains(&id));
    let named = state.security_groups.iter().any(|(other, group)| *other != id && group.rules.iter().any(|(_, rule)| rule.names(&id)));
    if worn || named {
        return Err(ApiError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    state.forget_group(&id);
    Ok(json!({"return": true, "groupId": id}))
}

const LISTING: Listing = Listing {
    set: "securityGroupInfo",
    ids: Some(("GroupId", &ids::SECURITY_GROUP)),
    key: "groupId",
    filters: &[
        ("group-id", "groupId"),
        ("group-name", "groupName"),
        ("description", "groupDescription"),
        ("owner-id", "ownerId"),
        ("vpc-id", "vpcId"),
        ("ip-permission.cidr", "ipPermissions.ipRanges.cidrIp"),
        ("ip-permission.from-port", "ipPermissions.fromPort"),
        ("ip-permission.group-id", "ipPermissions.groups.groupId"),
        ("ip-permission.ipv6-cidr", "ipPermissions.ipv6Ranges.cidrIpv6"),
        ("ip-permission.prefix-list-id", "ipPermissions.prefixListIds.prefixListId"),
        ("ip-permission.protocol", "ipPermissions.ipProtocol"),
        ("ip-permission.to-port", "ipPermissions.toPort"),
        ("ip-permission.user-id", "ipPermissions.groups.userId"),
        ("egress.ip-permission.cidr", "ipPermissionsEgress.ipRanges.cidrIp"),
        ("egress.ip-permission.from-port", "ipPermissionsEgress.fromPort"),
        ("egress.ip-permission.group-id", "ipPermissionsEgress.groups.groupId"),
        ("egress.ip-permission.ipv6-cidr", "ipPermissionsEgress.ipv6Ranges.cidrIpv6"),
        ("egress.ip-permission.prefix-list-id", "ipPermissionsEgress.prefixListIds.prefixListId"),
        ("egress.ip-permission.protocol", "ipPermissionsEgress.ipProtocol"),
        ("egress.ip-permission.to-port", "ipPermissionsEgress.toPort"),
        ("egress.ip-permission.user-id", "ipPermissionsEgress.groups.userId"),
    ],
    page: Some((5, 1000)),
};

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let names = args.strings("GroupName");
    let asked = world.ec2.security_groups.iter().filter(|(id, _)| !names.is_empty() || LISTING.wants(&world.ec2, args, id));
    let mut items: Vec<_> = asked.map(|(id, group)| render(world, id, group)).collect();
    if let Some(unknown) = names.iter().find(|name| !items.iter().any(|item| item["groupName"] == name.as_str())) {
        return Err(ApiError::new("InvalidGroup.NotFound", format!("The security group '{unknown}' does not exist")));
    }
    items.retain(|item| names.is_empty() || names.iter().any(|name| item["groupName"] == name.as_str()));
    LISTING.reply(args, items)
}
