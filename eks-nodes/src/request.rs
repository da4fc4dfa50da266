//! A stack as it is asked for: name, template, parameters, tags.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use eks_core::{Ref, StackName};
use serde::{Deserialize, Serialize};

use crate::{amazon::Capability, fingerprint::fingerprint};

/// The parameter that says how many instances a group is to have.
pub(crate) const DESIRED: &str = "NodeAutoScalingGroupDesiredCapacity";
/// The parameter of our own template that leaves that number to whoever moved it.
pub(crate) const KEEPS: &str = "KeepDesiredCapacity";

/// Where CloudFormation gets the template from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TemplateSource {
    /// The template itself.
    Body(String),
    /// An HTTPS address in S3.
    Url(String),
}

impl TemplateSource {
    /// What the stack's tag says of it.
    pub(crate) fn fingerprint(&self) -> String {
        match self {
            Self::Body(text) | Self::Url(text) => fingerprint(text),
        }
    }
}

/// The value of a stack's parameter: a text, or several that CloudFormation takes joined by commas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "CloudFormation has no other kinds")]
pub enum Argument {
    /// One value.
    One(Ref<String>),
    /// A list.
    Many(Vec<Ref<String>>),
}

impl Argument {
    /// The references in it.
    pub fn references(&self) -> &[Ref<String>] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    /// The text, if `value` tells each of the references.
    pub(crate) fn text<E>(&self, value: impl FnMut(&Ref<String>) -> Result<String, E>) -> Result<String, E> {
        Ok(self.references().iter().map(value).collect::<Result<Vec<_>, E>>()?.join(","))
    }

    pub(crate) fn known(text: impl Into<String>) -> Self {
        Self::One(Ref::Known(text.into()))
    }

    /// A reference of any type, as text.
    pub(crate) fn reference<T: fmt::Display>(reference: &Ref<T>) -> Self {
        Self::One(as_text(reference))
    }
}

pub(crate) fn as_text<T: fmt::Display>(reference: &Ref<T>) -> Ref<String> {
    match reference {
        Ref::Known(value) => Ref::Known(value.to_string()),
        Ref::Output(output) => Ref::Output(output.clone()),
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, reference) in self.references().iter().enumerate() {
            write!(f, "{}{reference}", if at > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// A stack that CloudFormation should make or change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StackRequest {
    /// Its name.
    pub name: StackName,
    /// Its template.
    pub template: TemplateSource,
    /// Its parameters.
    pub parameters: BTreeMap<String, Argument>,
    /// What CloudFormation wants to be acknowledged.
    pub capabilities: BTreeSet<Capability>,
    /// The number of instances that the spec says, where a tag must remember it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<u32>,
    /// Whether an update sends the number of instances that the group has then, instead of the one among the parameters.
    #[serde(default)]
    pub keeps_size: bool,
}
