//! Security groups and their rules.

use std::collections::HashMap;

use eks_core::{Error, Finding, Ref, SecurityGroupId, StepKey};

use super::{Planner, refused};
use crate::{
    existing::marks,
    found::ByKey,
    groups::{self, CheckedGroup, Diff, Peer, SecurityGroupRule, diff},
    observed::{Found, FoundGroup, FoundRule, Observed},
    op::{NetOp, RuleDescription, RuleId},
    permissions,
    spec::NetworkSpec,
};

/// The groups that exist, by the key of the step that made them and by name.
struct Index<'a> {
    by_key: ByKey<'a, FoundGroup>,
    by_name: HashMap<&'a str, &'a FoundGroup>,
}

impl<'a> Index<'a> {
    fn new(now: &'a Observed) -> Self {
        let by_name = now.security_groups.iter().map(|group| (group.name.as_str(), group)).collect();
        Self { by_key: now.by_key(&now.security_groups), by_name }
    }

    /// The one that `key` made; none if there are two, which a plan refuses.
    fn get(&self, key: &StepKey) -> Option<&'a FoundGroup> {
        self.by_key.get(key).ok().flatten()
    }

    /// The rule with ids for groups that exist.
    fn with_ids(&self, mut rule: SecurityGroupRule) -> SecurityGroupRule {
        if let Peer::Group(Ref::Output(output)) = &rule.peer
            && let Some(found) = self.get(&output.step)
        {
            rule.peer = Peer::Group(Ref::Known(found.id.clone()));
        }
        rule
    }

    /// The rules that a group should have: its own, and, if it exists and says nothing of what goes out, those with which EC2
    /// made it. What an adopted group lets out stays whatever it is.
    fn wanted(&self, spec: &NetworkSpec, group: &CheckedGroup, found: Option<&FoundGroup>) -> Wanted {
        let mut rules = group.rules.clone();
        let adopted = found.is_some_and(|found| marks::is_adopted(&found.tags));
        let own_egress = !adopted && group.egress().next().is_some();
        if found.is_some() && !adopted && !own_egress {
            rules.extend(defaults(spec));
        }
        let known = rules.iter().cloned().map(|rule| self.with_ids(rule)).collect();
        Wanted { rules, known, own_egress }
    }
}

/// The rules that a group should have: as the spec has them, and with the ids of groups that exist.
struct Wanted {
    rules: Vec<SecurityGroupRule>,
    known: Vec<SecurityGroupRule>,
    own_egress: bool,
}

impl Wanted {
    fn diff<'a>(&self, found: &'a [FoundRule], now: &Observed) -> Diff<'a> {
        diff(&self.known, self.own_egress, found, &now.owner)
    }
}

impl NetworkSpec {
    /// Groups of ours that hold rules which the spec does not have, or has described otherwise: what is to be done with those
    /// depends on whose they are, which only their tags tell.
    #[cfg(feature = "aws")]
    pub(crate) fn groups_in_doubt(&self, now: &Observed) -> std::collections::BTreeSet<SecurityGroupId> {
        let index = Index::new(now);
        let found = self.security_groups.iter().filter_map(|group| Some((group, index.get(&group.key())?)));
        let in_doubt = found.filter(|(group, found)| index.wanted(self, group, Some(found)).diff(&found.rules, now).is_in_doubt());
        in_doubt.map(|(_, found)| found.id.clone()).collect()
    }
}

impl Planner<'_> {
    pub(super) fn security_groups(&mut self) -> Result<(), Error> {
        let index = Index::new(self.now);
        for group in &self.spec.security_groups {
            let planned = index.by_key.get(&group.key()).and_then(|found| {
                self.security_group(group, found, &index)?;
                self.rules(group, found, &index)
            });
            self.noted(planned)?;
        }
        Ok(())
    }

    fn security_group(&mut self, group: &CheckedGroup, found: Option<&FoundGroup>, index: &Index<'_>) -> Result<(), Error> {
        let (spec, key) = (self.spec, group.key());
        match found {
            Some(found) if (&found.name, &found.description) != (&group.name, &group.description) => {
                let rule = format!(
                    "it is {:?} ({}), the spec has {:?} ({}), and neither name nor description can be changed",
                    found.name, found.description, group.name, group.description
                );
                return Err(refused(&found.id, rule, "keep them as they are, or give the new group another name"));
            }
            Some(_) => {}
            None => {
                if let Some(other) = index.by_name.get(group.name.as_str()) {
                    let rule = format!("{} in the same VPC has this name, and we did not make it", other.id);
                    return Err(refused(format!("security group {}", group.name), rule, "rename one, or refer to it by its id"));
                }
            }
        }
        let (tags, changes) = self.tags(spec.extra.of(&spec.owner, &key), found);
        let (name, description) = (group.name.clone(), group.description.clone());
        let op = NetOp::SecurityGroup { id: found.map(|found| found.id.clone()), vpc: self.vpc.clone(), name, description, tags };
        let title = format!("security group {}", group.name);
        let step = self.step(key, title, found.map(Found::id), changes, &op)?.uses(&self.vpc);
        self.steps.push(step);
        Ok(())
    }

    fn rules(&mut self, group: &CheckedGroup, found: Option<&FoundGroup>, index: &Index<'_>) -> Result<(), Error> {
        let wanted = index.wanted(self.spec, group, found);
        let diff = wanted.diff(found.map_or(&[], |found| &found.rules), self.now);
        if let Some(found) = found {
            self.rules_of_others(group, found, &diff);
        }
        let key = group.rules_key();

        let mut changes = Vec::new();
        changes.extend(diff.add.iter().map(|place| format!("rule {}: none → allowed", wanted.rules[*place])));
        for (one, place) in &diff.redescribe {
            let say = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
            changes.push(format!(
                "description of {}: {} → {}",
                wanted.rules[*place],
                say(&one.rule.description),
                say(&wanted.rules[*place].description)
            ));
        }
        changes.extend(diff.revoke.iter().chain(&diff.defaults).map(|one| format!("rule {}: allowed → none", one.rule)));
        if group.rules.is_empty() && changes.is_empty() {
            return Ok(());
        }

        // A new group has EC2's own rules for what goes out.
        let defaults = match found {
            None if wanted.own_egress => {
                // EC2 adds the one for IPv6 wherever the VPC has a block of it, whatever the spec says.
                let ipv6 = self.spec.ipv6 || self.now.vpcs.iter().any(|vpc| vpc.ipv6().is_some());
                let there = |rule: &SecurityGroupRule| ipv6 || matches!(rule.peer, Peer::Ipv4(_));
                let own = |rule: &SecurityGroupRule| wanted.rules.iter().any(|other| other.same_as(rule));
                SecurityGroupRule::defaults().into_iter().filter(|rule| there(rule) && !own(rule)).collect()
            }
            _ => diff.defaults.iter().map(|one| one.rule.clone()).collect(),
        };
        let rule_id = |one: &FoundRule| Some(RuleId { direction: one.rule.direction, id: one.id.clone()? });
        let describe = diff.redescribe.iter().filter_map(|(one, place)| {
            Some(RuleDescription { rule: rule_id(one)?, description: wanted.rules[*place].description.clone() })
        });
        let reference = Ref::id_of(group.key());
        let add: Vec<SecurityGroupRule> = diff.add.iter().map(|place| wanted.rules[*place].clone()).collect();
        let named: Vec<Ref<SecurityGroupId>> = add.iter().filter_map(|rule| rule.peer.group().cloned()).collect();
        let op = NetOp::SecurityGroupRules {
            group: reference.clone(),
            add,
            describe: describe.collect(),
            revoke: diff.revoke.iter().filter_map(|one| rule_id(one)).collect(),
            defaults,
            tags: self.spec.extra.of(&self.spec.owner, &key),
        };
        // Where none of its rules is there yet, they are made.
        let missing = diff.add.iter().filter(|place| **place < group.rules.len()).count();
        let some_there = missing < group.rules.len() || group.rules.is_empty() || !diff.revoke.is_empty();
        let (id, changes) = match found.filter(|_| some_there) {
            Some(found) => (Some(found.id()), changes),
            None => (None, Vec::new()),
        };
        let actions = permissions::rules(&op);
        let mut step = self.step(key, title(group), id, changes, &op)?.permits(actions).uses(&reference);
        if !self.now.identified.is_empty() {
            step = step.permits(["ec2:DescribeSecurityGroupRules"]);
        }
        for group in named {
            step = step.uses(&group);
        }
        self.steps.push(step);
        Ok(())
    }

    pub(super) fn review_groups(&mut self) {
        for group in &self.spec.security_groups {
            self.findings.extend(groups::review(&group.rules_key(), &group.rules));
        }
    }

    /// Rules that others added stay: a load balancer controller or a worker stack may have its reasons.
    fn rules_of_others(&mut self, group: &CheckedGroup, found: &FoundGroup, diff: &Diff<'_>) {
        let what = if diff.is_in_doubt() {
            "rules that the spec does not, and whose they are was not looked for"
        } else {
            "rules that the spec does not"
        };
        let list = |rules: Vec<String>| format!("{} has {what}; they stay: {}", found.id, rules.join(", "));
        let (open, rest): (Vec<&FoundRule>, Vec<&FoundRule>) = diff.foreign.iter().partition(|one| groups::is_world_open(&one.rule));
        if !open.is_empty() {
            self.findings.push(Finding::warning(group.key(), list(open.iter().map(|one| one.rule.to_string()).collect())));
        }
        let rest: Vec<String> = rest.iter().map(|one| one.rule.to_string()).chain(found.other.iter().cloned()).collect();
        if !rest.is_empty() {
            self.findings.push(Finding::note(group.key(), list(rest)));
        }
        for one in &diff.described_otherwise {
            let why = one.rule.description.as_deref().unwrap_or("no description");
            let message =
                format!("{} has {}, which the spec has, too, described otherwise ({why}); it is not ours and stays", found.id, one.rule);
            self.findings.push(Finding::note(group.key(), message));
        }
    }
}

/// The rules with which EC2 makes a group in this network.
fn defaults(spec: &NetworkSpec) -> impl Iterator<Item = SecurityGroupRule> {
    let [v4, v6] = SecurityGroupRule::defaults();
    [Some(v4), spec.ipv6.then_some(v6)].into_iter().flatten()
}

/// What a group lets in, and what it lets out if it says so.
fn title(group: &CheckedGroup) -> String {
    if group.rules.is_empty() {
        return "no rules".to_owned();
    }
    group.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
