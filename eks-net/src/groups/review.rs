//! What a reviewer of rules should see.

use std::collections::BTreeSet;

use eks_core::{Finding, Plan, StepKey};

use super::{
    cover::shadowed,
    exposure::{Exposure, exposures, sensitive},
    protocol::Protocol,
    rule::{Direction, SecurityGroupRule},
};

/// Findings about the rules of one group.
pub(crate) fn review(key: &StepKey, rules: &[SecurityGroupRule]) -> Vec<Finding> {
    let open = exposures(rules).into_iter().map(|found| exposed(key, &found));
    let useless = shadowed(rules).into_iter().map(|(rule, by)| {
        let way = match rule.direction {
            Direction::Ingress => "in",
            Direction::Egress => "out",
        };
        Finding::note(key.clone(), format!("{rule} changes nothing: {by} lets the same {way} already"))
    });
    open.chain(useless).collect()
}

fn exposed(key: &StepKey, found: &Exposure<'_>) -> Finding {
    let behind = match found.protocol {
        Protocol::All => "every port of every protocol, SSH, RDP and databases among them".to_owned(),
        Protocol::Tcp(0, u16::MAX) => "every TCP port, SSH, RDP and databases among them".to_owned(),
        Protocol::Udp(0, u16::MAX) => "every UDP port".to_owned(),
        protocol => sensitive(protocol).join(", "),
    };
    let behind = if behind.is_empty() { behind } else { format!(" ({behind})") };
    let rules = found.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = match found.rules.len() {
        1 => format!("open to the world: {rules}{behind}"),
        _ => format!("open to the world: {rules} together let in {}{behind}", found.protocol),
    };
    match found.protocol {
        // What the world is meant to reach: HTTP, HTTPS, HTTP/3, and answers of the network itself.
        Protocol::Tcp(80, 80) | Protocol::Tcp(443, 443) | Protocol::Udp(443, 443) | Protocol::Icmp(_) | Protocol::Icmpv6(_) => {
            Finding::note(key.clone(), message)
        }
        _ => Finding::warning(key.clone(), message),
    }
}

/// Security groups of a plan that no rule of another group names and no step uses.
///
/// Ask it of the whole plan: whether a cluster or an instance gets a group, the network's own part cannot tell.
pub fn unused_groups(plan: &Plan) -> Vec<Finding> {
    let rules_of = |key: &StepKey| key.as_str().strip_prefix("net/security-group-rules/").map(str::to_owned);
    let group_of = |key: &StepKey| key.as_str().strip_prefix("net/security-group/").map(str::to_owned);
    // What a group's own rules need says nothing about its use.
    let used: BTreeSet<String> = plan
        .steps()
        .iter()
        .flat_map(|step| {
            let own = rules_of(&step.key);
            step.needs.iter().filter_map(group_of).filter(move |group| Some(group) != own.as_ref())
        })
        .collect();
    let groups = plan.steps().iter().filter_map(|step| Some((step, group_of(&step.key)?)));
    let unused = groups.filter(|(_, group)| !used.contains(group));
    unused.map(|(step, _)| Finding::note(step.key.clone(), "no rule of another group names it, and no step of this plan uses it")).collect()
}

impl crate::Observed {
    /// What a reviewer should see of the owner's security groups as they are: what is open to the world, rules that change
    /// nothing, and, if interfaces were looked for, groups that nothing uses.
    pub fn review_security_groups(&self) -> Vec<Finding> {
        let ours = self.ours(&self.security_groups);
        let named: BTreeSet<_> = self
            .security_groups
            .iter()
            .flat_map(|group| group.references.iter().filter(move |id| **id != group.id))
            .chain(self.interfaces.iter().flat_map(|interface| &interface.groups))
            .collect();
        let mut findings = Vec::new();
        for (key, group) in ours {
            let rules: Vec<SecurityGroupRule> = group.rules.iter().map(|found| found.rule.clone()).collect();
            findings.extend(review(&key, &rules));
            if self.looked_for_interfaces && !named.contains(&group.id) {
                findings
                    .push(Finding::note(key, format!("{} is unused: no network interface has it, and no other group names it", group.id)));
            }
        }
        findings
    }
}
