//! What keeps a stack's resources from being deleted: looked for in EC2 and IAM, and removed where it is a leftover for certain.
//!
//! A leftover is a network interface that the VPC CNI made for an instance that is gone, or a rule that carries our owner's tag.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, InstanceStateName, NetworkInterface, NetworkInterfaceStatus, SecurityGroupRule};
use aws_types::SdkConfig;
use eks_core::{Error, OWNER_TAG, Owner, aws::failed, engine::StepContext};

use super::{Workers, driver::Way};
use crate::{blocker::Blocker, failure::StackFailure};

/// The tag and the description that the VPC CNI gives its interfaces: "aws-K8S-" and the instance's id (amazon-vpc-cni-k8s, `awsutils`).
const CNI_TAG: &str = "node.k8s.amazonaws.com/instance_id";
const CNI_DESCRIPTION: &str = "aws-K8S-";

/// The services that know what holds a resource.
#[derive(Clone)]
pub(super) struct Holders {
    ec2: aws_sdk_ec2::Client,
    iam: aws_sdk_iam::Client,
}

impl Holders {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { ec2: eks_core::sdk_client!(aws_sdk_ec2, config), iam: eks_core::sdk_client!(aws_sdk_iam, config) }
    }
}

/// What was found of one resource.
#[derive(Debug, Default)]
struct Found {
    removed: usize,
    blockers: Vec<Blocker>,
}

impl Workers {
    /// Finds out what holds the resources whose deletion failed, and removes leftovers.
    ///
    /// # Errors
    /// If a leftover cannot be removed. What cannot be looked at is only left untold.
    pub(super) async fn clear_way(&self, mut failure: StackFailure, cx: &StepContext) -> Result<Way, Error> {
        let mut removed = 0;
        for resource in &mut failure.resources {
            let Some(id) = &resource.physical else { continue };
            let found = match resource.kind.as_str() {
                "AWS::EC2::SecurityGroup" => self.holders.group(id, cx.owner()).await?,
                "AWS::IAM::Role" => Found { removed: 0, blockers: self.holders.role(id).await },
                _ => Found::default(),
            };
            removed += found.removed;
            resource.blockers = found.blockers;
        }
        Ok(if removed > 0 { Way::Cleared } else { Way::Held(failure) })
    }
}

impl Holders {
    async fn group(&self, group: &str, owner: &Owner) -> Result<Found, Error> {
        let mut found = Found::default();
        let interfaces = self.interfaces(group).await;
        let alive = self.alive(interfaces.iter().filter_map(maker).collect()).await;
        for interface in interfaces {
            let id = interface.network_interface_id().unwrap_or_default();
            if is_leftover(&interface, &alive) {
                let sent = self.ec2.delete_network_interface().network_interface_id(id).send().await;
                match sent.map_err(|error| failed("ec2:DeleteNetworkInterface", id, error)) {
                    Err(error) if error.code() != Some("InvalidNetworkInterfaceID.NotFound") => return Err(error),
                    _ => found.removed += 1,
                }
            } else {
                found.blockers.push(Blocker::Interface {
                    id: id.to_owned(),
                    status: interface.status().map_or("", NetworkInterfaceStatus::as_str).to_owned(),
                    description: interface.description().unwrap_or_default().to_owned(),
                });
            }
        }
        for rule in self.rules(group).await {
            let (id, other) = (rule.security_group_rule_id().unwrap_or_default(), rule.group_id().unwrap_or_default());
            let egress = rule.is_egress().unwrap_or_default();
            if rule.tags().iter().any(|tag| tag.key() == Some(OWNER_TAG) && tag.value() == Some(owner.as_str())) {
                self.revoke(other, id, egress).await?;
                found.removed += 1;
            } else {
                found.blockers.push(Blocker::Rule { rule: id.to_owned(), group: other.to_owned(), egress });
            }
        }
        Ok(found)
    }

    async fn interfaces(&self, group: &str) -> Vec<NetworkInterface> {
        let of_group = Filter::builder().name("group-id").values(group).build();
        let pages = self.ec2.describe_network_interfaces().filters(of_group).into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.unwrap_or_default()
    }

    /// Those of the instances that are there, in whatever state but the last.
    async fn alive(&self, instances: BTreeSet<String>) -> BTreeSet<String> {
        if instances.is_empty() {
            return instances;
        }
        let named = Filter::builder().name("instance-id").set_values(Some(instances.iter().cloned().collect())).build();
        let mut pages = self.ec2.describe_instances().filters(named).into_paginator().items().send();
        let mut alive = BTreeSet::new();
        while let Some(reservation) = pages.next().await {
            // What cannot be looked at may be alive.
            let Ok(reservation) = reservation else { return instances };
            let there = reservation.instances().iter().filter(|instance| {
                instance.state().and_then(|state| state.name()).is_none_or(|state| *state != InstanceStateName::Terminated)
            });
            alive.extend(there.filter_map(|instance| instance.instance_id().map(str::to_owned)));
        }
        alive
    }

    /// Rules of other groups that name this one.
    async fn rules(&self, group: &str) -> Vec<SecurityGroupRule> {
        let mut others = BTreeSet::new();
        for filter in ["ip-permission.group-id", "egress.ip-permission.group-id"] {
            let naming = Filter::builder().name(filter).values(group).build();
            let pages = self.ec2.describe_security_groups().filters(naming).into_paginator().items().send();
            let found = pages.collect::<Result<Vec<_>, _>>().await.unwrap_or_default();
            others.extend(found.into_iter().filter_map(|found| found.group_id).filter(|other| other != group));
        }
        if others.is_empty() {
            return Vec::new();
        }
        let of_them = Filter::builder().name("group-id").set_values(Some(others.into_iter().collect())).build();
        let pages = self.ec2.describe_security_group_rules().filters(of_them).into_paginator().items().send();
        let mut rules = pages.collect::<Result<Vec<_>, _>>().await.unwrap_or_default();
        rules.retain(|rule| rule.referenced_group_info().and_then(|named| named.group_id()) == Some(group));
        rules
    }

    async fn revoke(&self, group: &str, rule: &str, egress: bool) -> Result<(), Error> {
        let call = if egress { "ec2:RevokeSecurityGroupEgress" } else { "ec2:RevokeSecurityGroupIngress" };
        let result = if egress {
            let sent = self.ec2.revoke_security_group_egress().group_id(group).security_group_rule_ids(rule).send().await;
            sent.map(drop).map_err(|error| failed(call, rule, error))
        } else {
            let sent = self.ec2.revoke_security_group_ingress().group_id(group).security_group_rule_ids(rule).send().await;
            sent.map(drop).map_err(|error| failed(call, rule, error))
        };
        match result {
            Err(error) if error.code().is_none_or(|code| !code.ends_with(".NotFound")) => Err(error),
            _ => Ok(()),
        }
    }

    /// What others gave the role: CloudFormation has taken off what its template gave before it fails.
    async fn role(&self, role: &str) -> Vec<Blocker> {
        let attached = self.iam.list_attached_role_policies().role_name(role).into_paginator().items().send();
        let attached = attached.collect::<Result<Vec<_>, _>>().await.unwrap_or_default();
        let inline = self.iam.list_role_policies().role_name(role).into_paginator().items().send();
        let inline = inline.collect::<Result<Vec<_>, _>>().await.unwrap_or_default();
        let profiles = self.iam.list_instance_profiles_for_role().role_name(role).into_paginator().items().send();
        let profiles = profiles.collect::<Result<Vec<_>, _>>().await.unwrap_or_default();
        let policy = |policy, inline| Blocker::Policy { role: role.to_owned(), policy, inline };
        let attached = attached.into_iter().filter_map(|found| found.policy_arn).map(|arn| policy(arn, false));
        let inline = inline.into_iter().map(|name| policy(name, true));
        let held = |profile: aws_sdk_iam::types::InstanceProfile| Blocker::InstanceProfile {
            role: role.to_owned(),
            profile: profile.instance_profile_name,
        };
        attached.chain(inline).chain(profiles.into_iter().map(held)).collect()
    }
}

/// The instance for which the VPC CNI made the interface, if it did.
fn maker(interface: &NetworkInterface) -> Option<String> {
    let tagged = interface.tag_set().iter().find(|tag| tag.key() == Some(CNI_TAG)).and_then(|tag| tag.value());
    let told = interface.description().and_then(|text| text.strip_prefix(CNI_DESCRIPTION));
    tagged.or(told).map(str::to_owned)
}

/// Nothing is behind it, the VPC CNI made it, and its instance is gone.
fn is_leftover(interface: &NetworkInterface, alive: &BTreeSet<String>) -> bool {
    interface.status() == Some(&NetworkInterfaceStatus::Available)
        && interface.requester_managed() != Some(true)
        && maker(interface).is_some_and(|instance| !alive.contains(&instance))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::Tag;

    use super::*;

    #[test]
    fn leftovers_are_recognised_by_what_the_cni_writes() {
        let interface = || NetworkInterface::builder().network_interface_id("eni-1").status(NetworkInterfaceStatus::Available);
        let cni = |id: &str| interface().description(format!("aws-K8S-{id}"));
        let tagged = interface().tag_set(Tag::builder().key(CNI_TAG).value("i-2").build());
        let alive = BTreeSet::from(["i-1".to_owned()]);
        for (interface, leftover) in [
            (cni("i-2"), true),
            (tagged, true),
            (cni("i-1"), false),
            (cni("i-2").status(NetworkInterfaceStatus::InUse), false),
            (cni("i-2").requester_managed(true), false),
            (interface().description("ELB app/x"), false),
            (interface(), false),
        ] {
            let interface = interface.build();
            assert_eq!(is_leftover(&interface, &alive), leftover, "{interface:?}");
        }
    }
}
