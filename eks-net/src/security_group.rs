//! Security groups: as the user asks for them, and with everything decided.
//!
//! Sources: Amazon VPC User Guide, "Security groups" and "Amazon VPC quotas"; Amazon EC2 API Reference, CreateSecurityGroup.

use eks_core::{Problems, Ref, StepKey};
use serde::{Deserialize, Serialize};

use crate::{
    cidr, keys,
    rule::{Ingress, Origin, Protocol, Rule, Source},
};

/// Inbound rules that a group may have by default, for each address family.
const RULES_PER_GROUP: usize = 60;

/// A security group, as the user asks for it. It lets everything out and only what its rules name in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    pub(crate) name: String,
    pub(crate) description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rules: Vec<Rule>,
}

impl SecurityGroup {
    /// A group that lets nothing in. Neither name nor description can be changed later.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self { name: name.into(), description: description.into(), rules: Vec::new() }
    }

    /// Lets something in.
    #[must_use]
    pub fn allow(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

/// A security group with everything decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedGroup {
    /// Its name, unique in the VPC.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it lets in: one source each.
    pub ingress: Vec<Ingress>,
    /// As the user wrote it.
    pub(crate) asked: SecurityGroup,
}

impl CheckedGroup {
    /// The key of the step that makes it.
    pub fn key(&self) -> StepKey {
        keys::security_group(&self.name)
    }

    /// The key of the step that lets its rules in.
    pub fn rules_key(&self) -> StepKey {
        keys::security_group_rules(&self.name)
    }
}

/// Checks all groups of a network; names and rules as far as they are right.
pub(crate) fn check(problems: &mut Problems, groups: &[SecurityGroup]) -> Vec<CheckedGroup> {
    let mut checked: Vec<CheckedGroup> = Vec::new();
    for group in groups {
        let subject = format!("security group {}", group.name);
        check_name(problems, &subject, &group.name);
        check_text(problems, "group-description", &subject, "its description", &group.description);
        if group.description.is_empty() {
            problems.add("group-description", &subject, "it has no description, which AWS requires", "say what it is for");
        }
        if checked.iter().any(|other| other.name == group.name) {
            problems.add("group-twice", &subject, "another group has its name, which must be unique in a VPC", "rename one of them");
        }
        let mut ingress: Vec<Ingress> = Vec::new();
        for rule in &group.rules {
            for one in expand(problems, &subject, group, rule, groups) {
                if ingress.iter().any(|other| other.same_as(&one)) {
                    problems.add("rule-twice", &subject, format!("{one} is given twice"), "give each rule once");
                } else {
                    ingress.push(one);
                }
            }
        }
        check_quota(problems, &subject, &ingress);
        let asked = group.clone();
        checked.push(CheckedGroup { name: group.name.clone(), description: group.description.clone(), ingress, asked });
    }
    checked
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

/// One rule for each source.
fn expand(problems: &mut Problems, subject: &str, group: &SecurityGroup, rule: &Rule, groups: &[SecurityGroup]) -> Vec<Ingress> {
    let what = rule.protocol;
    if rule.from.is_empty() {
        problems.add("rule-source", subject, format!("its rule {what} has no source"), "add .from_cidr, .from_group or .from_self");
    }
    if matches!(what, Protocol::Tcp(from, to) | Protocol::Udp(from, to) if from > to) {
        problems.add("rule-ports", subject, format!("its rule {what} ends before it begins"), "swap the ports");
    }
    if let Some(description) = &rule.description {
        check_text(problems, "rule-description", subject, &format!("the description of its rule {what}"), description);
    }
    let mut rules = Vec::new();
    for origin in &rule.from {
        let source = match origin {
            Origin::Cidr(text) => cidr::any(problems, &format!("{subject}, rule {what}"), text).map(Source::from),
            Origin::GroupId(id) => Some(Source::Group(Ref::Known(id.clone()))),
            Origin::Itself => Some(Source::Group(Ref::id_of(keys::security_group(&group.name)))),
            Origin::Group(name) if groups.iter().any(|other| other.name == *name) => {
                Some(Source::Group(Ref::id_of(keys::security_group(name))))
            }
            Origin::Group(name) => {
                let rule = format!("its rule {what} names the group {name}, which the network does not have");
                problems.add("rule-group", subject, rule, "add that group, or give the id of an existing one with .from_group_id");
                None
            }
        };
        let Some(source) = source else { continue };
        let family = matches!((what, &source), (Protocol::Icmp, Source::Ipv6(_)) | (Protocol::Icmpv6, Source::Ipv4(_)));
        if family {
            let rule = format!("{what} does not come from {source}");
            problems.add("rule-family", subject, rule, "use Rule::icmp for IPv4 and Rule::icmpv6 for IPv6");
        }
        rules.push(Ingress::new(what, source, rule.description.clone()));
    }
    rules
}

/// Rules with IPv4 and with IPv6 sources count apart; those with groups count for both.
fn check_quota(problems: &mut Problems, subject: &str, ingress: &[Ingress]) {
    let count = |wanted: fn(&Source) -> bool| ingress.iter().filter(|rule| wanted(&rule.source)).count();
    let groups = count(|source| matches!(source, Source::Group(_)));
    let (v4, v6) = (count(|source| matches!(source, Source::Ipv4(_))), count(|source| matches!(source, Source::Ipv6(_))));
    for (family, rules) in [("IPv4", v4 + groups), ("IPv6", v6 + groups)] {
        if rules > RULES_PER_GROUP {
            let rule = format!("it has {rules} rules for {family}; the quota is {RULES_PER_GROUP}");
            problems.add("rule-quota", subject, rule, "join ranges, or spread the rules over several groups");
        }
    }
}
