//! The rules that a group should have against those that it has.

use std::collections::{HashMap, HashSet};

use eks_core::{KEY_TAG, OWNER_TAG, Owner, StepKey};

use super::rule::SecurityGroupRule;
use crate::{keys::LAYER, observed::FoundRule, tags::Tags};

/// What turns the rules of a group into those wanted. Rules of others stay.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff<'a> {
    /// To add: places in what is wanted.
    pub(crate) add: Vec<usize>,
    /// Ours with another description, and where in what is wanted the right one is.
    pub(crate) redescribe: Vec<(&'a FoundRule, usize)>,
    /// Ours that are not wanted.
    pub(crate) revoke: Vec<&'a FoundRule>,
    /// Those with which EC2 made the group, where it has egress rules of its own.
    pub(crate) defaults: Vec<&'a FoundRule>,
    /// Of others, and not wanted.
    pub(crate) foreign: Vec<&'a FoundRule>,
    /// Of others, wanted, and described otherwise.
    pub(crate) described_otherwise: Vec<&'a FoundRule>,
}

/// Whether these are the tags of something that this owner's network made.
pub(crate) fn owned(tags: &Tags, owner: &Owner) -> bool {
    let key = || tags.get(KEY_TAG).and_then(|key| key.parse::<StepKey>().ok());
    tags.get(OWNER_TAG).is_some_and(|name| name == owner.as_str()) && key().is_some_and(|key| key.layer() == LAYER)
}

/// Compares rules with known groups. `own_egress` says that what goes out is said, so that EC2's own rules for that are too many.
/// A found rule whose id was not looked for counts as somebody else's.
pub(crate) fn diff<'a>(wanted: &[SecurityGroupRule], own_egress: bool, found: &'a [FoundRule], owner: &Owner) -> Diff<'a> {
    let places: HashMap<_, usize> = wanted.iter().enumerate().map(|(place, rule)| (rule.identity(), place)).collect();
    let mut there = HashSet::with_capacity(found.len());
    let mut diff = Diff::default();
    for one in found {
        let ours = one.id.is_some() && owned(&one.tags, owner);
        match places.get(&one.rule.identity()) {
            Some(&place) => {
                there.insert(place);
                if wanted[place].description != one.rule.description {
                    if ours {
                        diff.redescribe.push((one, place));
                    } else {
                        diff.described_otherwise.push(one);
                    }
                }
            }
            None if ours => diff.revoke.push(one),
            None if one.rule.is_default() && own_egress => diff.defaults.push(one),
            None if one.rule.is_default() => {}
            None => diff.foreign.push(one),
        }
    }
    diff.add = (0..wanted.len()).filter(|place| !there.contains(place)).collect();
    diff
}

impl Diff<'_> {
    /// Whether something hangs on whose rules these are, and that was not looked for.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.foreign.iter().chain(&self.described_otherwise).any(|rule| rule.id.is_none())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        groups::{IcmpTypes, Peer, Protocol, rule::Direction},
        keys, testing,
    };

    /// Few enough rules that random sets of them meet.
    fn some_rule() -> impl Strategy<Value = SecurityGroupRule> {
        let protocol = prop_oneof![
            Just(Protocol::All),
            (20..23_u16).prop_map(|port| Protocol::Tcp(port, port)),
            Just(Protocol::Udp(0, 65_535)),
            Just(Protocol::Icmp(IcmpTypes::Type(8))),
            Just(Protocol::Number(50)),
        ];
        let peer = prop_oneof![Just("0.0.0.0/0"), Just("10.0.0.0/8"), Just("::/0"),]
            .prop_map(|block| Peer::from(block.parse::<ipnet::IpNet>().unwrap()));
        let group = (1..3_usize).prop_map(|number| Peer::Group(eks_core::Ref::Known(testing::id("sg", number))));
        let list = (1..3_usize).prop_map(|number| Peer::PrefixList(testing::id("pl", number)));
        let direction = prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)];
        let why = prop_oneof![Just(None), Just(Some("one".to_owned())), Just(Some("two".to_owned()))];
        (direction, protocol, prop_oneof![4 => peer, 2 => group, 1 => list], why)
            .prop_map(|(direction, protocol, peer, why)| SecurityGroupRule::new(direction, protocol, peer, why))
    }

    type Identified = (Direction, Protocol, Peer);

    fn identity(rule: &SecurityGroupRule) -> Identified {
        (rule.direction, rule.protocol, rule.peer.clone())
    }

    /// At most one rule of an identity, as EC2 has it.
    fn distinct(rules: Vec<SecurityGroupRule>) -> Vec<SecurityGroupRule> {
        rules.into_iter().map(|rule| (identity(&rule), rule)).collect::<BTreeMap<_, _>>().into_values().collect()
    }

    fn some_rules() -> impl Strategy<Value = Vec<SecurityGroupRule>> {
        proptest::collection::vec(some_rule(), 0..12).prop_map(distinct)
    }

    fn tags(owner: &str) -> Tags {
        Owner::new(owner).unwrap().tags(&keys::security_group_rules("web")).into_iter().collect()
    }

    /// Rules with owners: ours, somebody else's, or nobody's.
    fn some_found() -> impl Strategy<Value = Vec<FoundRule>> {
        (some_rules(), proptest::collection::vec(0..3_u8, 12)).prop_map(|(rules, owners)| {
            let found = rules.into_iter().zip(owners).enumerate();
            found
                .map(|(number, (rule, owner))| {
                    let tags = match owner {
                        0 => tags("chap10"),
                        1 => tags("somebody"),
                        _ => Tags::new(),
                    };
                    FoundRule { rule, id: Some(testing::id("sgr", number)), tags }
                })
                .collect()
        })
    }

    /// What EC2 has after a diff is carried out.
    fn carry_out(wanted: &[SecurityGroupRule], found: &[FoundRule], diff: &Diff<'_>) -> Vec<FoundRule> {
        let mut after: Vec<FoundRule> = found.to_vec();
        for &place in &diff.add {
            let rule = wanted[place].clone();
            assert!(!after.iter().any(|other| other.rule.same_as(&rule)), "InvalidPermission.Duplicate");
            after.push(FoundRule { rule, id: Some(testing::id("sgr", 100 + place)), tags: tags("chap10") });
        }
        for (one, place) in &diff.redescribe {
            let changed = after.iter_mut().find(|other| other.id == one.id).expect("it is there");
            changed.rule.description = wanted[*place].description.clone();
        }
        after.retain(|one| !diff.revoke.iter().chain(&diff.defaults).any(|gone| gone.id == one.id));
        after
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn after_a_diff_there_is_what_is_wanted_and_what_others_have(wanted in some_rules(), found in some_found()) {
            let owner = testing::owner();
            let own_egress = wanted.iter().any(|rule| rule.direction == Direction::Egress);
            let change = diff(&wanted, own_egress, &found, &owner);
            let after = carry_out(&wanted, &found, &change);

            let is_ours = |one: &FoundRule| one.tags == tags("chap10");
            let gone: Vec<_> = found.iter().filter(|one| !after.iter().any(|other| other.id == one.id)).collect();
            for one in gone {
                prop_assert!(is_ours(one) || own_egress && one.rule.is_default(), "{} is not ours", one.rule);
            }
            for one in found.iter().filter(|one| !is_ours(one)) {
                let still = after.iter().find(|other| other.id == one.id);
                prop_assert!(still.is_none_or(|other| other == one), "{} of others was changed", one.rule);
            }

            let stays = |one: &&FoundRule| !(is_ours(one) || own_egress && one.rule.is_default());
            let expected: BTreeMap<_, _> = wanted
                .iter()
                .map(|rule| (identity(rule), rule.description.clone()))
                // What is there and of others keeps its description.
                .chain(found.iter().filter(|one| !is_ours(one) && wanted.iter().any(|rule| rule.same_as(&one.rule))).map(|one| (identity(&one.rule), one.rule.description.clone())))
                .chain(found.iter().filter(stays).map(|one| (identity(&one.rule), one.rule.description.clone())))
                .collect();
            let there: BTreeMap<_, _> = after.iter().map(|one| (identity(&one.rule), one.rule.description.clone())).collect();
            prop_assert_eq!(there.len(), after.len());
            prop_assert_eq!(there, expected);

            let again = diff(&wanted, own_egress, &after, &owner);
            prop_assert!(again.add.is_empty() && again.redescribe.is_empty() && again.revoke.is_empty() && again.defaults.is_empty());
        }

        #[test]
        fn what_is_in_doubt_is_left_alone(wanted in some_rules(), found in some_found()) {
            let found: Vec<_> = found.into_iter().map(|one| FoundRule { id: None, tags: Tags::new(), ..one }).collect();
            let change = diff(&wanted, false, &found, &testing::owner());
            prop_assert!(change.revoke.is_empty() && change.redescribe.is_empty() && change.defaults.is_empty());
            let otherwise = |one: &&FoundRule| wanted.iter().any(|rule| rule.same_as(&one.rule) && rule.description != one.rule.description);
            let unknown = |one: &&FoundRule| !one.rule.is_default() && !wanted.iter().any(|rule| rule.same_as(&one.rule));
            prop_assert_eq!(change.is_in_doubt(), found.iter().any(|one| otherwise(&one) || unknown(&one)));
        }
    }
}
