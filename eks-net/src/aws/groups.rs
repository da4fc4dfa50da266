//! Security groups.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_ec2::types::{Filter, IpPermission, ResourceType, SecurityGroup, SecurityGroupRule, UserIdGroupPair};
use eks_core::{Class, Error, OWNER_TAG, Outputs, Ref, SecurityGroupId, VpcId, aws::failed, engine::StepContext};

use super::{
    Networks,
    create::{id_output, made_by, specification, told},
    is,
    observe::filter,
    read, unless_gone,
};
use crate::{
    observed::{FoundGroup, FoundRule, Observed},
    tags::Tags,
};

/// How many values a filter takes. (Amazon EC2 User Guide, "List and filter using the CLI and API".)
const FILTER_VALUES: usize = 200;

/// A security group to make or bring up to date.
pub(super) struct GroupArgs<'a> {
    pub(super) id: Option<SecurityGroupId>,
    pub(super) vpc: &'a Ref<VpcId>,
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) tags: &'a Tags,
}

impl Networks {
    /// Security groups as EC2 tells them.
    async fn raw_groups(&self, subject: &str, filters: Vec<Filter>) -> Result<Vec<SecurityGroup>, Error> {
        let pages: Result<Vec<_>, _> =
            self.patient.describe_security_groups().set_filters(Some(filters)).into_paginator().items().send().collect().await;
        pages.map_err(|error| failed("ec2:DescribeSecurityGroups", subject, error))
    }

    /// Rules as EC2 tells them.
    pub(super) async fn rules(&self, filters: &[Filter], subject: &str) -> Result<Vec<SecurityGroupRule>, Error> {
        let request = self.patient.describe_security_group_rules().set_filters(Some(filters.to_vec()));
        let pages: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        pages.map_err(|error| failed("ec2:DescribeSecurityGroupRules", subject, error))
    }

    /// Looks for the ids and tags of all rules of these groups: only they tell whose a rule is.
    pub(super) async fn identify(&self, now: &mut Observed, groups: BTreeSet<SecurityGroupId>) -> Result<(), Error> {
        let ids: Vec<&SecurityGroupId> = groups.iter().collect();
        let mut told: HashMap<SecurityGroupId, Vec<FoundRule>> = HashMap::new();
        for some in ids.chunks(FILTER_VALUES) {
            let which = filter("group-id", some.iter().map(|id| id.as_str()));
            for rule in self.rules(&[which], now.owner.as_str()).await? {
                if let Some((group, rule)) = read::rule(&rule)? {
                    told.entry(group).or_default().push(rule);
                }
            }
        }
        for group in now.security_groups.iter_mut() {
            if let Some(told) = told.get(&group.id) {
                identify(group, told);
            }
        }
        now.identified = groups;
        Ok(())
    }

    pub(super) async fn security_group(&self, cx: &StepContext, group: GroupArgs<'_>) -> Result<Outputs, Error> {
        let id = match &group.id {
            Some(id) => {
                self.tag(id.as_str(), group.tags).await?;
                id.to_string()
            }
            None => {
                let vpc = cx.resolve(group.vpc)?;
                self.made.once(cx, self.find_group(cx), self.create_group(&vpc, &group)).await?
            }
        };
        Ok(id_output(id))
    }

    async fn find_group(&self, cx: &StepContext) -> Result<Option<String>, Error> {
        let groups = self.raw_groups(cx.key().as_str(), made_by(cx)).await?;
        Ok(groups.first().and_then(|group| group.group_id()).map(str::to_owned))
    }

    async fn create_group(&self, vpc: &VpcId, group: &GroupArgs<'_>) -> Result<String, Error> {
        let call = self.once.create_security_group().vpc_id(vpc.as_str()).group_name(group.name).description(group.description);
        let call = call.tag_specifications(specification(ResourceType::SecurityGroup, group.tags));
        match call.send().await {
            Ok(answer) => told("ec2:CreateSecurityGroup", group.name, answer.group_id()),
            Err(error) => {
                let error = failed("ec2:CreateSecurityGroup", group.name, error);
                if !is(&error, "InvalidGroup.Duplicate") {
                    return Err(error);
                }
                // Names are unique: if the group of this name carries our tags, it is the one.
                let named = vec![filter("vpc-id", [vpc.as_str()]), filter("group-name", [group.name])];
                let groups = self.raw_groups(group.name, named).await?;
                let ours = |found: &&SecurityGroup| {
                    let owner = found.tags().iter().find(|tag| tag.key() == Some(OWNER_TAG)).and_then(|tag| tag.value());
                    owner.is_some() && owner == group.tags.get(OWNER_TAG).map(String::as_str)
                };
                groups.iter().find(ours).and_then(|found| found.group_id()).map(str::to_owned).ok_or(error)
            }
        }
    }

    /// Revokes the rules of a group that name one of `to`, groups of ours, whichever they are by now; and no others. The group
    /// itself may be somebody else's, in our VPC.
    pub(super) async fn revoke_references(&self, id: &SecurityGroupId, to: &[SecurityGroupId]) -> Result<(), Error> {
        for group in self.raw_groups(id.as_str(), vec![filter("group-id", [id.as_str()])]).await? {
            self.revoke(&group, to).await?;
        }
        Ok(())
    }

    /// Revokes every rule in our VPC that names this group, which is about to be deleted, in whosever group; and no others.
    pub(super) async fn revoke_names_of(&self, id: &SecurityGroupId, vpc: &VpcId) -> Result<(), Error> {
        for group in self.raw_groups(id.as_str(), vec![filter("vpc-id", [vpc.as_str()])]).await? {
            if group.group_id() != Some(id.as_str()) {
                self.revoke(&group, std::slice::from_ref(id)).await?;
            }
        }
        Ok(())
    }

    async fn revoke(&self, group: &SecurityGroup, to: &[SecurityGroupId]) -> Result<(), Error> {
        let Some(id) = group.group_id() else { return Ok(()) };
        let (ingress, egress) = (naming(group.ip_permissions(), to), naming(group.ip_permissions_egress(), to));
        if !ingress.is_empty() {
            let call = self.patient.revoke_security_group_ingress().group_id(id).set_ip_permissions(Some(ingress));
            unless_gone(call.send().await.map(drop).map_err(|error| failed("ec2:RevokeSecurityGroupIngress", id, error)))?;
        }
        if !egress.is_empty() {
            let call = self.patient.revoke_security_group_egress().group_id(id).set_ip_permissions(Some(egress));
            unless_gone(call.send().await.map(drop).map_err(|error| failed("ec2:RevokeSecurityGroupEgress", id, error)))?;
        }
        Ok(())
    }

    pub(super) async fn delete_group(&self, id: &SecurityGroupId) -> Result<(), Error> {
        let result = self.patient.delete_security_group().group_id(id.as_str()).send().await;
        unless_gone(result.map(drop).map_err(|error| {
            let error = failed("ec2:DeleteSecurityGroup", id.as_str(), error);
            // EC2 has said so by this code, too.
            if is(&error, "InvalidGroup.InUse") { error.with_class(Class::Conflict) } else { error }
        }))
    }
}

/// The parts of these permissions that name one of `to`.
fn naming(permissions: &[IpPermission], to: &[SecurityGroupId]) -> Vec<IpPermission> {
    let part = |permission: &IpPermission| {
        let pairs: Vec<_> = permission
            .user_id_group_pairs()
            .iter()
            .filter(|pair| pair.group_id().is_some_and(|id| to.iter().any(|group| group.as_str() == id)))
            .map(|pair| UserIdGroupPair::builder().set_group_id(pair.group_id().map(str::to_owned)).build())
            .collect();
        let rule = IpPermission::builder().set_ip_protocol(permission.ip_protocol().map(str::to_owned));
        let rule = rule.set_from_port(permission.from_port()).set_to_port(permission.to_port());
        (!pairs.is_empty()).then(|| rule.set_user_id_group_pairs(Some(pairs)).build())
    };
    permissions.iter().filter_map(part).collect()
}

/// Gives rules the ids and tags that EC2 tells of them.
fn identify(group: &mut FoundGroup, told: &[FoundRule]) {
    let by_rule: HashMap<_, &FoundRule> = told.iter().map(|found| (found.rule.identity(), found)).collect();
    for rule in &mut group.rules {
        if let Some(found) = by_rule.get(&rule.rule.identity()) {
            (rule.id, rule.tags) = (found.id.clone(), found.tags.clone());
        }
    }
}

/// Security groups that Kubernetes made for a cluster's load balancers or nodes, by tag.
pub(super) fn of_cluster(group: &FoundGroup) -> bool {
    group.tags.iter().any(|(key, value)| key.starts_with("kubernetes.io/cluster/") && value == "owned")
}
