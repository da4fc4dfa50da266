//! Security groups: as the user asks for them, and with everything decided.

use eks_core::StepKey;
use serde::{Deserialize, Serialize};

use super::rule::{Direction, Inbound, Outbound, Rule, SecurityGroupRule};
use crate::keys;

/// A security group, as the user asks for it. It lets only what its rules name in; out, everything, unless it has rules for that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroup {
    pub(crate) name: String,
    pub(super) description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ingress: Vec<Rule<Inbound>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) egress: Vec<Rule<Outbound>>,
}

impl SecurityGroup {
    /// A group that lets nothing in and everything out. Neither name nor description can be changed later.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self { name: name.into(), description: description.into(), ingress: Vec::new(), egress: Vec::new() }
    }

    /// Lets something in.
    #[must_use]
    pub fn allow(mut self, rule: Rule<Inbound>) -> Self {
        self.ingress.push(rule);
        self
    }

    /// Lets something out. A group with a rule of its own for that loses the one with which EC2 makes it, which lets everything out.
    #[must_use]
    pub fn allow_out(mut self, rule: Rule<Outbound>) -> Self {
        self.egress.push(rule);
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
    /// Its own rules, one peer each: first those for what comes in.
    pub rules: Vec<SecurityGroupRule>,
    /// As the user wrote it.
    pub(crate) asked: SecurityGroup,
}

impl CheckedGroup {
    /// The key of the step that makes it.
    pub fn key(&self) -> StepKey {
        keys::security_group(&self.name)
    }

    /// The key of the step that makes its rules.
    pub fn rules_key(&self) -> StepKey {
        keys::security_group_rules(&self.name)
    }

    /// What it lets in.
    pub fn ingress(&self) -> impl Iterator<Item = &SecurityGroupRule> {
        self.rules.iter().filter(|rule| rule.direction == Direction::Ingress)
    }

    /// What it lets out; nothing here means everything.
    pub fn egress(&self) -> impl Iterator<Item = &SecurityGroupRule> {
        self.rules.iter().filter(|rule| rule.direction == Direction::Egress)
    }
}
