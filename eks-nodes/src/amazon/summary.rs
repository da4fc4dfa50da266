//! What CloudFormation tells of a template that is not a stack yet. API Reference, "GetTemplateSummary".

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use eks_core::Facts;
use serde::{Deserialize, Serialize};

use crate::fingerprint::fingerprint;

/// What a template may do that its user must acknowledge. User Guide, "Acknowledging IAM resources in CloudFormation templates".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Capability {
    /// `CAPABILITY_AUTO_EXPAND`: macros write a part of it.
    AutoExpand,
    /// `CAPABILITY_IAM`: it makes IAM resources.
    Iam,
    /// `CAPABILITY_NAMED_IAM`: it makes IAM resources with names that it chooses.
    NamedIam,
}

impl Capability {
    /// CloudFormation's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AutoExpand => "CAPABILITY_AUTO_EXPAND",
            Self::Iam => "CAPABILITY_IAM",
            Self::NamedIam => "CAPABILITY_NAMED_IAM",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Capability {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::AutoExpand, Self::Iam, Self::NamedIam].into_iter().find(|capability| capability.as_str() == text).ok_or(())
    }
}

/// A template, as CloudFormation reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data, so that plans can be made without an account")]
pub struct TemplateSummary {
    /// Its parameters, by name.
    pub parameters: BTreeMap<String, TemplateParameter>,
    /// What must be acknowledged.
    pub capabilities: BTreeSet<Capability>,
    /// Types of the resources that it makes.
    pub resource_types: BTreeSet<String>,
}

/// A parameter that a template declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data, so that plans can be made without an account")]
pub struct TemplateParameter {
    /// `String`, `Number`, `AWS::EC2::Subnet::Id`, …
    pub kind: String,
    /// What it is if it is not given; without one it must be.
    pub default: Option<String>,
    /// Whether its value is never told again.
    pub no_echo: bool,
    /// The only values allowed; empty if any is.
    pub allowed: Vec<String>,
}

impl TemplateSummary {
    /// A template that reads otherwise than when the plan was made makes the plan stale.
    pub(crate) fn note(&self, url: &str, facts: &mut Facts) {
        let key = format!("nodes/template/{}", &fingerprint(url)[..12]);
        facts.note(&key, "url", url);
        let joined = |items: Vec<&str>| items.join(", ");
        facts.note(&key, "capabilities", joined(self.capabilities.iter().map(|one| one.as_str()).collect()));
        facts.note(&key, "resource types", joined(self.resource_types.iter().map(String::as_str).collect()));
        for (name, parameter) in &self.parameters {
            let mut text = parameter.kind.clone();
            if let Some(default) = parameter.default.as_ref().filter(|_| !parameter.no_echo) {
                text += &format!(" = {default:?}");
            }
            if !parameter.allowed.is_empty() {
                text += &format!(" of {}", parameter.allowed.join(", "));
            }
            facts.note(&key, format!("parameter {name}"), text + if parameter.no_echo { ", not echoed" } else { "" });
        }
    }
}
