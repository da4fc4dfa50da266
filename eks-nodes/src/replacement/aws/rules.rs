//! Rules between the two security groups.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, IpPermission, ResourceType, SecurityGroupRule, Tag, TagSpecification, UserIdGroupPair};
use eks_core::{Error, KEY_TAG, OWNER_TAG, Operation, Owner, SecurityGroupId, aws::failed, engine::StepContext};

use super::Replacements;
use crate::replacement::{observed::CrossRule, op::ReplaceOp};

impl Replacements {
    /// Lets each of two groups into the other; which of the rules are there already does not matter.
    pub(super) async fn open_rules(&self, cx: &StepContext, old: &SecurityGroupId, new: &SecurityGroupId) -> Result<(), Error> {
        for (group, peer) in [(new, old), (old, new)] {
            let pair = UserIdGroupPair::builder().group_id(peer.as_str()).description("Old and new workers, while they are replaced");
            let everything = IpPermission::builder().ip_protocol("-1").user_id_group_pairs(pair.build()).build();
            let tag = |(key, value)| Tag::builder().key(key).value(value).build();
            let tags = cx.tags().into_iter().map(tag).collect();
            let tags = TagSpecification::builder().resource_type(ResourceType::SecurityGroupRule).set_tags(Some(tags)).build();
            let call = self.ec2.authorize_security_group_ingress().group_id(group.as_str());
            let sent = call.ip_permissions(everything).tag_specifications(tags).send().await;
            let sent = sent.map(drop).map_err(|error| failed("ec2:AuthorizeSecurityGroupIngress", group.as_str(), error));
            match sent {
                Err(error) if error.code() == Some("InvalidPermission.Duplicate") => {}
                sent => sent?,
            }
        }
        Ok(())
    }

    /// Revokes our rules that any of these groups has, or is named by.
    pub(super) async fn close_rules(&self, owner: &Owner, groups: &[SecurityGroupId]) -> Result<(), Error> {
        let mut by_group: BTreeMap<SecurityGroupId, Vec<String>> = BTreeMap::new();
        for rule in self.our_rules(owner).await? {
            if groups.contains(&rule.group) || groups.contains(&rule.peer) {
                by_group.entry(rule.group).or_default().push(rule.id.to_string());
            }
        }
        for (group, rules) in by_group {
            let call = self.ec2.revoke_security_group_ingress().group_id(group.as_str()).set_security_group_rule_ids(Some(rules));
            match call.send().await.map(drop).map_err(|error| failed("ec2:RevokeSecurityGroupIngress", group.as_str(), error)) {
                // Gone, or gone with its group.
                Err(error) if error.class() == eks_core::Class::NotFound => {}
                revoked => revoked?,
            }
        }
        Ok(())
    }

    /// The rules of every replacement of this owner.
    pub(super) async fn our_rules(&self, owner: &Owner) -> Result<Vec<CrossRule>, Error> {
        let filter = Filter::builder().name(format!("tag:{OWNER_TAG}")).values(owner.as_str()).build();
        let mut rules = self.rules(owner, filter).await?;
        rules.retain(|rule| rule.ours);
        Ok(rules)
    }

    /// The rules of two groups that name the other one.
    pub(super) async fn rules_between(
        &self,
        owner: &Owner,
        one: &SecurityGroupId,
        other: &SecurityGroupId,
    ) -> Result<Vec<CrossRule>, Error> {
        let filter = Filter::builder().name("group-id").values(one.as_str()).values(other.as_str()).build();
        let mut rules = self.rules(owner, filter).await?;
        rules.retain(|rule| [&rule.group, &rule.peer] == [one, other] || [&rule.group, &rule.peer] == [other, one]);
        Ok(rules)
    }

    async fn rules(&self, owner: &Owner, filter: Filter) -> Result<Vec<CrossRule>, Error> {
        let mut pages = self.ec2.describe_security_group_rules().filters(filter).into_paginator().send();
        let mut rules = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("ec2:DescribeSecurityGroupRules", "rules between workers", error))?;
            rules.extend(page.security_group_rules().iter().filter_map(|found| read(owner, found)));
        }
        Ok(rules)
    }
}

/// A rule that lets another group in.
fn read(owner: &Owner, found: &SecurityGroupRule) -> Option<CrossRule> {
    if found.is_egress() == Some(true) {
        return None;
    }
    let tag = |key: &str| found.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
    let layer = tag(KEY_TAG).and_then(|key| key.split('/').next());
    let ours = tag(OWNER_TAG) == Some(owner.as_str()) && layer == Some(ReplaceOp::LAYER);
    let peer = found.referenced_group_info()?.group_id()?.parse().ok()?;
    let (id, group) = (found.security_group_rule_id()?.parse().ok()?, found.group_id()?.parse().ok()?);
    Some(CrossRule::new(id, group, peer, found.ip_protocol() == Some("-1"), ours))
}
