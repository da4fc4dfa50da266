//! Changing rules of security groups in place: ModifySecurityGroupRules and the descriptions.

use serde_json::json;

use super::{
    Reply, done, ids, invalid,
    security_group_rule::{Peer, Rule, described, duplicate, parse},
};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// The place of a rule in its group, by id.
fn place(world: &World, group: &str, id: &str) -> Result<usize, ApiError> {
    ids::SECURITY_GROUP_RULE.check(id)?;
    let rules = &world.ec2.security_groups[group].rules;
    rules.iter().position(|(rule, _)| rule == id).ok_or_else(|| ids::SECURITY_GROUP_RULE.not_found(id))
}

fn set(world: &mut World, group: &str, place: usize, rule: Rule) -> Result<(), ApiError> {
    ids::SECURITY_GROUP.find_mut(&mut world.ec2.security_groups, group)?.rules[place].1 = rule;
    Ok(())
}

/// Everything of a rule but its direction and the type of its peer (SecurityGroupRuleRequest). All rules are changed, or none.
pub(super) fn modify(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let group = world.ec2.named_group(args)?;
    let updates = args.nested("SecurityGroupRule");
    if updates.is_empty() {
        return Err(ApiError::missing("SecurityGroupRules"));
    }
    let mut changed = Vec::new();
    for update in &updates {
        let place = place(world, &group, update.required("SecurityGroupRuleId")?)?;
        let old = &world.ec2.security_groups[&group].rules[place].1;
        let request = update.sub("SecurityGroupRule");
        let new = parse(world, &group, &as_permission(&request), old.egress)?;
        let [new] = new.as_slice() else { return Err(invalid("Exactly one source or destination must be specified for a rule.")) };
        let same_type = matches!(
            (&old.peer, &new.peer),
            (Peer::Cidr(_), Peer::Cidr(_))
                | (Peer::Cidr6(_), Peer::Cidr6(_))
                | (Peer::PrefixList(_), Peer::PrefixList(_))
                | (Peer::Group(_), Peer::Group(_))
        );
        if !same_type {
            return Err(invalid("You may not modify the type of a security group rule."));
        }
        let others = world.ec2.security_groups[&group].rules.iter().enumerate().filter(|(other, _)| *other != place);
        if let Some((_, (_, twin))) = others.clone().find(|(_, (_, other))| other.is_same(new)) {
            return Err(duplicate(twin));
        }
        changed.push((place, new.clone()));
    }
    for (place, rule) in changed {
        set(world, &group, place, rule)?;
    }
    Ok(done())
}

/// A SecurityGroupRuleRequest as an IpPermission.
fn as_permission(request: &Args) -> Args {
    let peers = |name: &str, list: &str, key: &str| {
        let why = request.str("Description");
        (list.to_owned(), request.str(name).map_or(json!([]), |value| json!([{key: value, "Description": why}])))
    };
    let mut permission = serde_json::Map::from_iter([
        peers("CidrIpv4", "IpRanges", "CidrIp"),
        peers("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        peers("PrefixListId", "PrefixListIds", "PrefixListId"),
        peers("ReferencedGroupId", "Groups", "GroupId"),
    ]);
    for key in ["IpProtocol", "FromPort", "ToPort"] {
        permission.insert(key.to_owned(), request.get(key).cloned().unwrap_or_default());
    }
    Args(json!({"IpPermissions": [permission]}))
}

pub(super) fn describe_ingress(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    redescribe(world, args, false)
}

pub(super) fn describe_egress(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    redescribe(world, args, true)
}

/// Rules are named by id or by what they let through; without a description in the request a rule loses the one that it has
/// (UpdateSecurityGroupRuleDescriptionsIngress). All are changed, or none.
fn redescribe(world: &mut World, args: &Args, egress: bool) -> Reply {
    let group = world.ec2.named_group(args)?;
    let by_id = args.nested("SecurityGroupRuleDescription");
    let mut changed = Vec::new();
    for one in &by_id {
        let id = one.required("SecurityGroupRuleId")?;
        let place = place(world, &group, id)?;
        let old = &world.ec2.security_groups[&group].rules[place].1;
        if old.egress != egress {
            return Err(ids::SECURITY_GROUP_RULE.not_found(id));
        }
        changed.push((place, old.clone().with_description(described(one)?)));
    }
    if by_id.is_empty() {
        for rule in parse(world, &group, args, egress)? {
            let rules = &world.ec2.security_groups[&group].rules;
            let place = rules
                .iter()
                .position(|(_, other)| other.is_same(&rule))
                .ok_or_else(|| ApiError::new("InvalidPermission.NotFound", "The specified rule does not exist in this security group."))?;
            changed.push((place, rule));
        }
    }
    for (place, rule) in changed {
        set(world, &group, place, rule)?;
    }
    Ok(done())
}
