//! Every documented rule for groups, offline.

use std::collections::HashSet;

use eks_core::{PrefixListId, Problems, Ref};

use super::{
    group::{CheckedGroup, SecurityGroup},
    peer::{Origin, Peer},
    protocol::Protocol,
    quota::{Counted, SecurityGroupQuotas},
    rule::{Direction, Rule, SecurityGroupRule},
};
use crate::{cidr, keys};

/// Entries that a prefix list may have. (Amazon VPC User Guide, "Amazon VPC quotas".)
const ENTRIES: std::ops::RangeInclusive<u32> = 1..=1_000;

/// Checks all groups of a network; names and rules as far as they are right.
pub(crate) fn check(problems: &mut Problems, groups: &[SecurityGroup], quotas: SecurityGroupQuotas) -> Vec<CheckedGroup> {
    quotas.check(problems);
    let names: HashSet<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let mut seen = HashSet::new();
    let mut checked = Vec::with_capacity(groups.len());
    for group in groups {
        let subject = format!("security group {}", group.name);
        check_name(problems, &subject, &group.name);
        check_text(problems, "group-description", &subject, "its description", &group.description);
        if group.description.is_empty() {
            problems.add("group-description", &subject, "it has no description, which AWS requires", "say what it is for");
        }
        if !seen.insert(group.name.as_str()) {
            problems.add("group-twice", &subject, "another group has its name, which must be unique in a VPC", "rename one of them");
        }
        let mut rules = Rules { problems, subject: &subject, group, names: &names, all: Vec::new() };
        for rule in &group.ingress {
            rules.expand(Direction::Ingress, rule);
        }
        for rule in &group.egress {
            rules.expand(Direction::Egress, rule);
        }
        let (rules, counted) = once_each(rules.all, &subject, problems);
        quotas.check_rules(problems, &subject, &counted);
        checked.push(CheckedGroup { name: group.name.clone(), description: group.description.clone(), rules, asked: group.clone() });
    }
    checked
}

/// Tells of rules that are given twice, and leaves one of them.
fn once_each(all: Vec<(SecurityGroupRule, Counted)>, subject: &str, problems: &mut Problems) -> (Vec<SecurityGroupRule>, Vec<Counted>) {
    let mut seen = HashSet::new();
    let first: Vec<bool> = all.iter().map(|(rule, _)| seen.insert(rule.identity())).collect();
    let (mut rules, mut counted) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    for ((rule, count), first) in all.into_iter().zip(first) {
        if first {
            rules.push(rule);
            counted.push(count);
        } else {
            problems.add("rule-twice", subject, format!("{rule} is given twice"), "give each rule once");
        }
    }
    (rules, counted)
}

fn check_name(problems: &mut Problems, subject: &str, name: &str) {
    let mut wrong = |rule: &str, remedy: &str| problems.add("group-name", subject, rule, remedy);
    if name.is_empty() || name.trim() != name {
        wrong("a name must not be empty, nor begin or end with a space", "choose another name");
    }
    if name.starts_with("sg-") {
        wrong("names beginning with sg- are reserved for ids", "choose another name");
    }
    if name == "default" {
        wrong("every VPC already has a group of this name", "choose another name");
    }
    check_text(problems, "group-name", subject, "its name", name);
}

/// Length and characters of names and descriptions.
fn check_text(problems: &mut Problems, code: &'static str, subject: &str, what: &str, text: &str) {
    if text.chars().count() > 255 {
        problems.add(code, subject, format!("{what} has more than 255 characters"), "shorten it");
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if let Some(wrong) = text.chars().find(|c| !fine(*c)) {
        let rule = format!("{what} has the character {wrong:?}; AWS accepts a-z A-Z 0-9, space and ._-:/()#,@[]+=&;{{}}!$*");
        problems.add(code, subject, rule, "leave it out");
    }
}

/// The rules of a group, one for each peer, as they come together.
struct Rules<'a> {
    problems: &'a mut Problems,
    subject: &'a str,
    group: &'a SecurityGroup,
    names: &'a HashSet<&'a str>,
    all: Vec<(SecurityGroupRule, Counted)>,
}

impl Rules<'_> {
    fn wrong(&mut self, code: &'static str, rule: String, remedy: impl Into<String>) {
        self.problems.add(code, self.subject, rule, remedy);
    }

    fn expand<D>(&mut self, direction: Direction, rule: &Rule<D>) {
        let what = rule.protocol;
        if rule.peers.is_empty() {
            let (peer, remedy) = match direction {
                Direction::Ingress => ("source", "add .from_cidr, .from_prefix_list, .from_group or .from_self"),
                Direction::Egress => ("destination", "add .to_cidr, .to_prefix_list, .to_group or .to_self"),
            };
            self.wrong("rule-peer", format!("its rule {what} has no {peer}"), remedy);
        }
        if matches!(what, Protocol::Tcp(from, to) | Protocol::Udp(from, to) if from > to) {
            self.wrong("rule-ports", format!("its rule {what} ends before it begins"), "swap the ports");
        }
        if let Protocol::Number(number) = what
            && let Some(named) = named(number)
        {
            self.wrong("rule-protocol", format!("{what} has a name and ports or types of its own"), format!("use {named}"));
        }
        if let Some(description) = &rule.description {
            check_text(self.problems, "rule-description", self.subject, &format!("the description of its rule {what}"), description);
        }
        for origin in &rule.peers {
            let Some(peer) = self.peer(what, origin) else { continue };
            if matches!((what, &peer), (Protocol::Icmp(_), Peer::Ipv6(_)) | (Protocol::Icmpv6(_), Peer::Ipv4(_))) {
                let rule = format!("its rule {what} names {peer}, which is of the other family");
                self.wrong("rule-family", rule, "use Rule::icmp for IPv4 and Rule::icmpv6 for IPv6");
            }
            let one = SecurityGroupRule::new(direction, what, peer, rule.description.clone());
            let count = Counted::new(origin, &one);
            self.all.push((one, count));
        }
    }

    fn peer(&mut self, what: Protocol, origin: &Origin) -> Option<Peer> {
        match origin {
            Origin::Cidr(text) => cidr::any(self.problems, &format!("{}, rule {what}", self.subject), text).map(Peer::from),
            Origin::PrefixList { id, max_entries } => {
                if !ENTRIES.contains(max_entries) {
                    let rule = format!("its rule {what} says that {id} has at most {max_entries} entries; a prefix list has 1 to 1,000");
                    self.wrong("prefix-list-entries", rule, "give MaxEntries as DescribeManagedPrefixLists tells it");
                }
                match PrefixListId::new(id.as_str()) {
                    Ok(id) => Some(Peer::PrefixList(id)),
                    Err(error) => {
                        self.wrong("prefix-list-form", format!("its rule {what}: {error}"), "give the id, not the name: pl-0a1b2c3d");
                        None
                    }
                }
            }
            Origin::GroupId(id) => Some(Peer::Group(Ref::Known(id.clone()))),
            Origin::Itself => Some(Peer::Group(Ref::id_of(keys::security_group(&self.group.name)))),
            Origin::Group(name) if self.names.contains(name.as_str()) => Some(Peer::Group(Ref::id_of(keys::security_group(name)))),
            Origin::Group(name) => {
                let rule = format!("its rule {what} names the group {name}, which the network does not have");
                self.wrong("rule-group", rule, "add that group, or give the id of an existing one with .from_group_id or .to_group_id");
                None
            }
        }
    }
}

/// Protocols that EC2 calls by name and whose rules have ports or types.
fn named(number: u8) -> Option<&'static str> {
    match number {
        1 => Some("Rule::icmp"),
        6 => Some("Rule::tcp"),
        17 => Some("Rule::udp"),
        58 => Some("Rule::icmpv6"),
        _ => None,
    }
}
