//! What several kinds share: names, and their place in the network.

use eks_core::{NetworkRefs, Problems, Ref, SecurityGroupId, SubnetId, SubnetRef, Tier};
use serde::{Deserialize, Serialize};

/// A security group as the user writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Group {
    Name(String),
    Id(SecurityGroupId),
}

/// A name becomes part of keys and `Name` tags.
pub(crate) fn check_name(problems: &mut Problems, code: &'static str, subject: &str, name: &str) {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !(1..=60).contains(&name.len()) || !name.bytes().all(fine) {
        problems.add(code, subject, format!("{name:?} is not 1–60 of a-z A-Z 0-9 . _ -"), "choose another name");
    }
}

/// The groups, as references; each once.
pub(crate) fn groups(problems: &mut Problems, subject: &str, given: &[Group], network: &NetworkRefs) -> Vec<Ref<SecurityGroupId>> {
    let mut found: Vec<Ref<SecurityGroupId>> = Vec::new();
    for group in given {
        let reference = match group {
            Group::Id(id) => Some(Ref::Known(id.clone())),
            Group::Name(name) => network.security_groups.get(name).cloned(),
        };
        match (reference, group) {
            (Some(one), _) if found.contains(&one) => {
                problems.add("group-twice", subject, format!("the security group {one} is given twice"), "give each group once");
            }
            (Some(one), _) => found.push(one),
            (None, Group::Name(name)) => {
                let rule = format!("it names the security group {name}, which the network does not have");
                problems.add("group-unknown", subject, rule, "add that group to the network, or use .security_group_id");
            }
            (None, Group::Id(_)) => {}
        }
    }
    found
}

pub(crate) fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Public => "public",
        _ => "private",
    }
}

/// The one subnet of a tier in a zone.
pub(crate) fn one_in(problems: &mut Problems, subject: &str, network: &NetworkRefs, wanted: Tier, zone: &str) -> Option<SubnetRef> {
    let mut found = network.subnets.iter().filter(|subnet| subnet.tier == wanted && subnet.zone.as_str() == zone);
    let kind = tier(wanted);
    match (found.next(), found.next()) {
        (Some(one), None) => Some(one.clone()),
        (Some(_), Some(_)) => {
            let rule = format!("the network has several {kind} subnets in {zone}");
            problems.add("subnet-several", subject, rule, "say which one, by its reference");
            None
        }
        (None, _) => {
            let rule = format!("the network has no {kind} subnet in {zone}");
            problems.add("subnet-none", subject, rule, "choose a zone that has one, or add one to the network");
            None
        }
    }
}

/// The subnet of this reference.
pub(crate) fn named(problems: &mut Problems, subject: &str, network: &NetworkRefs, id: &Ref<SubnetId>) -> Option<SubnetRef> {
    let found = network.subnets.iter().find(|subnet| subnet.id == *id).cloned();
    if found.is_none() {
        let rule = format!("the network has no subnet {id}");
        problems.add("subnet-none", subject, rule, "give a subnet of the same network");
    }
    found
}
