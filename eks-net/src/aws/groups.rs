//! Security groups and their rules.

use aws_sdk_ec2::types::{Filter, IpPermission, IpRange, Ipv6Range, ResourceType, SecurityGroup, UserIdGroupPair};
use eks_core::{Class, Error, OWNER_TAG, Outputs, Ref, SecurityGroupId, VpcId, aws::failed, engine::StepContext};

use super::{
    Networks,
    create::{id_output, made_by, specification, told},
    is,
    observe::filter,
    unless_gone,
};
use crate::{
    rule::{Ingress, Protocol, Source},
    tags::Tags,
};

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

    /// Lets in what is missing, in one call. If some of it is there already, the whole call fails: then the rest follows.
    pub(super) async fn allow(&self, cx: &StepContext, group: &Ref<SecurityGroupId>, missing: &[Ingress]) -> Result<Outputs, Error> {
        let id = cx.resolve(group)?;
        let rules = missing
            .iter()
            .map(|rule| {
                Ok(match &rule.source {
                    Source::Group(group) => Ingress { source: Source::Group(Ref::Known(cx.resolve(group)?)), ..rule.clone() },
                    _ => rule.clone(),
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let Err(error) = self.authorize(&id, &rules).await else { return Ok(id_output(id)) };
        if !is(&error, "InvalidPermission.Duplicate") {
            return Err(error);
        }
        let found = self.groups(&id, &filter("group-id", [id.as_str()])).await?;
        let there = |rule: &&Ingress| found.iter().flat_map(|group| &group.ingress).any(|other| other.same_as(rule));
        let rest: Vec<Ingress> = rules.iter().filter(|rule| !there(rule)).cloned().collect();
        if !rest.is_empty() {
            self.authorize(&id, &rest).await?;
        }
        Ok(id_output(id))
    }

    async fn authorize(&self, id: &SecurityGroupId, rules: &[Ingress]) -> Result<(), Error> {
        let call = self.patient.authorize_security_group_ingress().group_id(id.as_str());
        let call = call.set_ip_permissions(Some(rules.iter().map(permission).collect()));
        call.send().await.map(drop).map_err(|error| failed("ec2:AuthorizeSecurityGroupIngress", id.as_str(), error))
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

/// A rule in EC2's form.
fn permission(rule: &Ingress) -> IpPermission {
    let (protocol, from, to) = match rule.protocol {
        Protocol::All => ("-1", None, None),
        Protocol::Icmp => ("icmp", Some(-1), Some(-1)),
        Protocol::Icmpv6 => ("icmpv6", Some(-1), Some(-1)),
        Protocol::Tcp(from, to) => ("tcp", Some(from.into()), Some(to.into())),
        Protocol::Udp(from, to) => ("udp", Some(from.into()), Some(to.into())),
    };
    let permission = IpPermission::builder().ip_protocol(protocol).set_from_port(from).set_to_port(to);
    let why = rule.description.clone();
    match &rule.source {
        Source::Ipv4(block) => permission.ip_ranges(IpRange::builder().cidr_ip(block.to_string()).set_description(why).build()),
        Source::Ipv6(block) => permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(block.to_string()).set_description(why).build()),
        Source::Group(group) => {
            let id = group.known().map(ToString::to_string);
            permission.user_id_group_pairs(UserIdGroupPair::builder().set_group_id(id).set_description(why).build())
        }
    }
    .build()
}

/// Security groups that Kubernetes made for a cluster's load balancers or nodes, by tag.
pub(super) fn of_cluster(group: &crate::observed::FoundGroup) -> bool {
    group.tags.iter().any(|(key, value)| key.starts_with("kubernetes.io/cluster/") && value == "owned")
}
