//! Rules of security groups on the wire: adding, describing, revoking.

use std::collections::HashSet;

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, SecurityGroupRuleDescription, TagSpecification, UserIdGroupPair,
};
use eks_core::{Error, OWNER_TAG, Outputs, Ref, SecurityGroupId, aws::failed, engine::StepContext};

use super::{
    Networks,
    create::{id_output, specification},
    is,
    observe::filter,
    read::tags,
    unless_gone,
};
use crate::{
    groups::{Direction, IcmpTypes, Peer, Protocol, SecurityGroupRule, owned},
    op::{RuleDescription, RuleId},
    tags::Tags,
};

/// What is to become of a group's rules.
pub(super) struct RuleArgs<'a> {
    pub(super) group: &'a Ref<SecurityGroupId>,
    pub(super) add: &'a [SecurityGroupRule],
    pub(super) describe: &'a [RuleDescription],
    pub(super) revoke: &'a [RuleId],
    pub(super) defaults: &'a [SecurityGroupRule],
    pub(super) tags: &'a Tags,
}

const DIRECTIONS: [Direction; 2] = [Direction::Ingress, Direction::Egress];

impl Networks {
    /// Adds first and revokes last, so that a change of rules interrupts nothing; unless the quota has no room for both.
    pub(super) async fn security_group_rules(&self, cx: &StepContext, rules: RuleArgs<'_>) -> Result<Outputs, Error> {
        let id = cx.resolve(rules.group)?;
        let resolved = |rule: &SecurityGroupRule| {
            let mut rule = rule.clone();
            if let Peer::Group(group) = &rule.peer {
                rule.peer = Peer::Group(Ref::Known(cx.resolve(group)?));
            }
            Ok(rule)
        };
        let add = rules.add.iter().map(resolved).collect::<Result<Vec<_>, Error>>()?;
        match self.add_all(&id, &add, rules.tags).await {
            Err(error) if is(&error, "RulesPerSecurityGroupLimitExceeded") && !rules.revoke.is_empty() => {
                self.revoke_all(&id, &rules).await?;
                self.add_all(&id, &add, rules.tags).await?;
            }
            result => result?,
        }
        for direction in DIRECTIONS {
            let of: Vec<_> = rules.describe.iter().filter(|one| one.rule.direction == direction).collect();
            if !of.is_empty() {
                self.describe_rules(&id, direction, &of).await?;
            }
        }
        self.revoke_all(&id, &rules).await?;
        Ok(id_output(id))
    }

    async fn add_all(&self, id: &SecurityGroupId, add: &[SecurityGroupRule], tags: &Tags) -> Result<(), Error> {
        for direction in DIRECTIONS {
            let of: Vec<_> = add.iter().filter(|rule| rule.direction == direction).collect();
            if !of.is_empty() {
                self.add_rules(id, direction, &of, tags).await?;
            }
        }
        Ok(())
    }

    /// Adds rules in one call. If one of them is there already, by an attempt whose answer was lost, none is added: then the
    /// rest follows, one by one if lists are behind.
    async fn add_rules(&self, id: &SecurityGroupId, direction: Direction, rules: &[&SecurityGroupRule], tags: &Tags) -> Result<(), Error> {
        let there = |result: &Result<(), Error>| result.as_ref().is_err_and(|error| is(error, "InvalidPermission.Duplicate"));
        let result = self.authorize(id, direction, rules, tags).await;
        if !there(&result) {
            return result;
        }
        let found = self.groups(id, &filter("group-id", [id.as_str()])).await?;
        let seen: HashSet<_> = found.iter().flat_map(|group| &group.rules).map(|found| found.rule.identity()).collect();
        let rest: Vec<_> = rules.iter().copied().filter(|rule| !seen.contains(&rule.identity())).collect();
        if rest.is_empty() {
            return Ok(());
        }
        let result = self.authorize(id, direction, &rest, tags).await;
        if !there(&result) {
            return result;
        }
        for rule in rest {
            let result = self.authorize(id, direction, &[rule], tags).await;
            if !there(&result) {
                result?;
            }
        }
        Ok(())
    }

    async fn authorize(&self, id: &SecurityGroupId, direction: Direction, rules: &[&SecurityGroupRule], tags: &Tags) -> Result<(), Error> {
        let permissions = Some(rules.iter().map(|rule| permission(rule)).collect());
        let tags: TagSpecification = specification(ResourceType::SecurityGroupRule, tags);
        match direction {
            Direction::Ingress => {
                let call = self.patient.authorize_security_group_ingress().group_id(id.as_str()).set_ip_permissions(permissions);
                let answer = call.tag_specifications(tags).send().await;
                answer.map(drop).map_err(|error| failed("ec2:AuthorizeSecurityGroupIngress", id.as_str(), error))
            }
            Direction::Egress => {
                let call = self.patient.authorize_security_group_egress().group_id(id.as_str()).set_ip_permissions(permissions);
                let answer = call.tag_specifications(tags).send().await;
                answer.map(drop).map_err(|error| failed("ec2:AuthorizeSecurityGroupEgress", id.as_str(), error))
            }
        }
    }

    /// Describes rules otherwise, in place. A rule without a description in the call loses the one that it has. (Amazon EC2 API
    /// Reference, UpdateSecurityGroupRuleDescriptionsIngress.)
    async fn describe_rules(&self, id: &SecurityGroupId, direction: Direction, rules: &[&RuleDescription]) -> Result<(), Error> {
        let to_wire = |one: &&RuleDescription| {
            let rule = SecurityGroupRuleDescription::builder().security_group_rule_id(one.rule.id.as_str());
            rule.set_description(one.description.clone()).build()
        };
        let descriptions = Some(rules.iter().map(to_wire).collect());
        match direction {
            Direction::Ingress => {
                let call = self.patient.update_security_group_rule_descriptions_ingress().group_id(id.as_str());
                let answer = call.set_security_group_rule_descriptions(descriptions).send().await;
                answer.map(drop).map_err(|error| failed("ec2:UpdateSecurityGroupRuleDescriptionsIngress", id.as_str(), error))
            }
            Direction::Egress => {
                let call = self.patient.update_security_group_rule_descriptions_egress().group_id(id.as_str());
                let answer = call.set_security_group_rule_descriptions(descriptions).send().await;
                answer.map(drop).map_err(|error| failed("ec2:UpdateSecurityGroupRuleDescriptionsEgress", id.as_str(), error))
            }
        }
    }

    async fn revoke_all(&self, id: &SecurityGroupId, rules: &RuleArgs<'_>) -> Result<(), Error> {
        for direction in DIRECTIONS {
            let of: Vec<&str> = rules.revoke.iter().filter(|rule| rule.direction == direction).map(|rule| rule.id.as_str()).collect();
            if !of.is_empty() {
                self.revoke_rules(id, direction, &of).await?;
            }
        }
        for rule in rules.defaults {
            let call = self.patient.revoke_security_group_egress().group_id(id.as_str()).ip_permissions(permission(rule));
            let result = call.send().await.map_err(|error| failed("ec2:RevokeSecurityGroupEgress", id.as_str(), error));
            // The one for IPv6 is there only in a VPC that has IPv6. That the group is not seen yet would be another code.
            if !result.as_ref().is_err_and(|error| is(error, "InvalidPermission.NotFound")) {
                result?;
            }
        }
        Ok(())
    }

    /// Revokes the rules of a group that carry our tags: no others, whatever they say.
    pub(super) async fn revoke_ours(&self, cx: &StepContext, id: &SecurityGroupId) -> Result<(), Error> {
        let tagged = [filter("group-id", [id.as_str()]), filter(format!("tag:{OWNER_TAG}"), [cx.owner().as_str()])];
        let found = self.rules(&tagged, id.as_str()).await?;
        let ours: Vec<_> = found.iter().filter(|rule| owned(&tags(rule.tags()), cx.owner())).collect();
        for direction in DIRECTIONS {
            let of = ours.iter().filter(|rule| rule.is_egress().unwrap_or_default() == (direction == Direction::Egress));
            let of: Vec<&str> = of.filter_map(|rule| rule.security_group_rule_id()).collect();
            if !of.is_empty() {
                unless_gone(self.revoke_rules(id, direction, &of).await)?;
            }
        }
        Ok(())
    }

    /// Revokes rules by id in one call. If one of them is gone already, none is revoked: then those that are left go one by one.
    async fn revoke_rules(&self, id: &SecurityGroupId, direction: Direction, rules: &[&str]) -> Result<(), Error> {
        let gone = |result: &Result<(), Error>| result.as_ref().is_err_and(|error| is(error, "InvalidSecurityGroupRuleId.NotFound"));
        let result = self.revoke_ids(id, direction, rules).await;
        if !gone(&result) {
            return result;
        }
        let left = self.rules(&[filter("security-group-rule-id", rules.iter().copied())], id.as_str()).await?;
        for rule in left.iter().filter_map(|rule| rule.security_group_rule_id()) {
            let result = self.revoke_ids(id, direction, &[rule]).await;
            if !gone(&result) {
                result?;
            }
        }
        Ok(())
    }

    async fn revoke_ids(&self, id: &SecurityGroupId, direction: Direction, rules: &[&str]) -> Result<(), Error> {
        let rules = Some(rules.iter().copied().map(str::to_owned).collect());
        match direction {
            Direction::Ingress => {
                let call = self.patient.revoke_security_group_ingress().group_id(id.as_str()).set_security_group_rule_ids(rules);
                call.send().await.map(drop).map_err(|error| failed("ec2:RevokeSecurityGroupIngress", id.as_str(), error))
            }
            Direction::Egress => {
                let call = self.patient.revoke_security_group_egress().group_id(id.as_str()).set_security_group_rule_ids(rules);
                call.send().await.map(drop).map_err(|error| failed("ec2:RevokeSecurityGroupEgress", id.as_str(), error))
            }
        }
    }
}

/// A rule in EC2's form.
fn permission(rule: &SecurityGroupRule) -> IpPermission {
    let (protocol, from, to) = to_wire(rule.protocol);
    let permission = IpPermission::builder().ip_protocol(protocol).set_from_port(from).set_to_port(to);
    let why = rule.description.clone();
    match &rule.peer {
        Peer::Ipv4(block) => permission.ip_ranges(IpRange::builder().cidr_ip(block.to_string()).set_description(why).build()),
        Peer::Ipv6(block) => permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(block.to_string()).set_description(why).build()),
        Peer::PrefixList(list) => {
            permission.prefix_list_ids(PrefixListId::builder().prefix_list_id(list.as_str()).set_description(why).build())
        }
        Peer::Group(group) => {
            let id = group.known().map(ToString::to_string);
            permission.user_id_group_pairs(UserIdGroupPair::builder().set_group_id(id).set_description(why).build())
        }
    }
    .build()
}

/// A protocol as EC2 names it, with first and last port, or ICMP type and code; -1 is every one.
fn to_wire(protocol: Protocol) -> (String, Option<i32>, Option<i32>) {
    let types = |types: IcmpTypes| match types {
        IcmpTypes::All => (Some(-1), Some(-1)),
        IcmpTypes::Type(kind) => (Some(kind.into()), Some(-1)),
        IcmpTypes::Code(kind, code) => (Some(kind.into()), Some(code.into())),
    };
    let (name, (from, to)) = match protocol {
        Protocol::All => ("-1".to_owned(), (None, None)),
        Protocol::Icmp(which) => ("icmp".to_owned(), types(which)),
        Protocol::Icmpv6(which) => ("icmpv6".to_owned(), types(which)),
        Protocol::Tcp(from, to) => ("tcp".to_owned(), (Some(from.into()), Some(to.into()))),
        Protocol::Udp(from, to) => ("udp".to_owned(), (Some(from.into()), Some(to.into()))),
        Protocol::Number(number) => (number.to_string(), (None, None)),
    };
    (name, from, to)
}

/// The protocol that EC2 tells so, if a spec can express it.
pub(super) fn from_wire(name: &str, from: Option<i32>, to: Option<i32>) -> Option<Protocol> {
    let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok());
    let part = |part: Option<i32>| part.filter(|part| *part != -1).map(u8::try_from);
    let types = match (part(from), part(to)) {
        (None, _) => Some(IcmpTypes::All),
        (Some(Ok(kind)), None) => Some(IcmpTypes::Type(kind)),
        (Some(Ok(kind)), Some(Ok(code))) => Some(IcmpTypes::Code(kind, code)),
        _ => None,
    };
    match name {
        "-1" => Some(Protocol::All),
        "tcp" | "6" => Some(Protocol::Tcp(port(from)?, port(to)?)),
        "udp" | "17" => Some(Protocol::Udp(port(from)?, port(to)?)),
        "icmp" | "1" => types.map(Protocol::Icmp),
        "icmpv6" | "58" => types.map(Protocol::Icmpv6),
        number => number.parse().ok().map(Protocol::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms that IpPermission documents.
    #[test]
    fn protocols_on_the_wire() {
        for (protocol, name, from, to) in [
            (Protocol::All, "-1", None, None),
            (Protocol::Tcp(0, 65_535), "tcp", Some(0), Some(65_535)),
            (Protocol::Udp(53, 53), "udp", Some(53), Some(53)),
            (Protocol::Icmp(IcmpTypes::All), "icmp", Some(-1), Some(-1)),
            (Protocol::Icmp(IcmpTypes::Type(8)), "icmp", Some(8), Some(-1)),
            (Protocol::Icmpv6(IcmpTypes::Code(1, 4)), "icmpv6", Some(1), Some(4)),
            (Protocol::Number(50), "50", None, None),
        ] {
            assert_eq!(to_wire(protocol), (name.to_owned(), from, to));
            assert_eq!(from_wire(name, from, to), Some(protocol));
        }
        assert_eq!(from_wire("icmpv6", None, None), Some(Protocol::Icmpv6(IcmpTypes::All)), "its ports may be left out");
        assert_eq!(from_wire("-1", Some(-1), Some(-1)), Some(Protocol::All));
        assert_eq!(from_wire("tcp", None, None), None);
        assert_eq!(from_wire("esp", None, None), None);
    }
}
