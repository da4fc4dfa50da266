//! Security groups and their rules.

use eks_core::{Error, Finding, Ref, SecurityGroupId};

use super::{Planner, refused};
use crate::{
    observed::{Found, FoundGroup},
    op::NetOp,
    rule::{Ingress, Source},
    security_group::CheckedGroup,
};

impl Planner<'_> {
    pub(super) fn security_groups(&mut self) -> Result<(), Error> {
        for group in &self.spec.security_groups {
            let planned = self.now.made_by(&self.now.security_groups, &group.key()).and_then(|found| {
                self.security_group(group, found)?;
                self.rules(group, found)
            });
            self.noted(planned)?;
        }
        Ok(())
    }

    fn security_group(&mut self, group: &CheckedGroup, found: Option<&FoundGroup>) -> Result<(), Error> {
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
                if let Some(other) = self.now.security_groups.iter().find(|other| other.name == group.name) {
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

    fn rules(&mut self, group: &CheckedGroup, found: Option<&FoundGroup>) -> Result<(), Error> {
        if let Some(found) = found {
            self.foreign_rules(group, found);
        }
        let there = |rule: &Ingress| {
            let rule = self.with_ids(rule);
            found.is_some_and(|found| found.ingress.iter().any(|other| other.same_as(&rule)))
        };
        if group.ingress.is_empty() {
            return Ok(());
        }
        let missing: Vec<Ingress> = group.ingress.iter().filter(|rule| !there(rule)).cloned().collect();
        let some_there = missing.len() < group.ingress.len();
        let changes = if some_there { missing.iter().map(|rule| format!("rule {rule}: none → allowed")).collect() } else { Vec::new() };
        let rules: Vec<String> = group.ingress.iter().map(ToString::to_string).collect();
        let reference = Ref::id_of(group.key());
        let referenced: Vec<Ref<SecurityGroupId>> = missing.iter().filter_map(|rule| group_of(rule).cloned()).collect();
        let op = NetOp::SecurityGroupRules { group: reference.clone(), missing };
        let id = found.filter(|_| some_there).map(Found::id);
        let mut step = self.step(group.rules_key(), rules.join(", "), id, changes, &op)?.uses(&reference);
        for group in referenced {
            step = step.uses(&group);
        }
        self.steps.push(step);
        Ok(())
    }

    /// The rule with ids for groups that exist.
    fn with_ids(&self, rule: &Ingress) -> Ingress {
        let mut rule = rule.clone();
        if let Source::Group(Ref::Output(output)) = &rule.source
            && let Ok(Some(found)) = self.now.made_by(&self.now.security_groups, &output.step)
        {
            rule.source = Source::Group(Ref::Known(found.id.clone()));
        }
        rule
    }

    /// Rules that others added stay: a load balancer controller or a worker stack may have its reasons.
    fn foreign_rules(&mut self, group: &CheckedGroup, found: &FoundGroup) {
        let wanted: Vec<Ingress> = group.ingress.iter().map(|rule| self.with_ids(rule)).collect();
        let foreign = found.ingress.iter().filter(|rule| !wanted.iter().any(|other| other.same_as(rule)));
        let (open, rest): (Vec<_>, Vec<_>) = foreign.partition(|rule| rule.is_world_open());
        let list = |rules: Vec<String>| format!("{} has rules that the spec does not; they stay: {}", found.id, rules.join(", "));
        if !open.is_empty() {
            self.findings.push(Finding::warning(group.key(), list(open.iter().map(ToString::to_string).collect())));
        }
        let rest: Vec<String> = rest.iter().map(ToString::to_string).chain(found.other.iter().cloned()).collect();
        if !rest.is_empty() {
            self.findings.push(Finding::note(group.key(), list(rest)));
        }
    }
}

fn group_of(rule: &Ingress) -> Option<&Ref<SecurityGroupId>> {
    match &rule.source {
        Source::Group(group) => Some(group),
        _ => None,
    }
}
