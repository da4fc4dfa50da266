//! CloudFormation templates as types: only what the workers' stacks need, and nothing untyped.

mod base;
mod group;
mod managed;
mod resource;
mod scaling;

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

pub(crate) use base::{MAX_POLICIES, base, own_policies, role_policies};
pub(crate) use group::{ACCESS_ENTRY_TYPE, GroupShape, ImageSource, ZONES, group};
pub(crate) use managed::{ManagedShape, TEMPLATE_DIGEST, TEMPLATE_ID, TEMPLATE_VERSION, managed};
use resource::Resource;
pub(crate) use scaling::ScalingShape;

/// CloudFormation's limit for a template in the request itself, in bytes.
pub(crate) const TEMPLATE_LIMIT: usize = 51_200;

/// A template.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Template {
    #[serde(rename = "AWSTemplateFormatVersion")]
    format: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    conditions: BTreeMap<&'static str, Condition>,
    parameters: BTreeMap<&'static str, Parameter>,
    resources: BTreeMap<Cow<'static, str>, Resource>,
    outputs: BTreeMap<&'static str, Output>,
}

impl Template {
    /// The template as it is sent: JSON without spaces.
    pub(crate) fn to_json(&self) -> String {
        // Maps with text keys only: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A parameter of a template.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    #[serde(rename = "Type")]
    kind: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    allowed_values: &'static [&'static str],
}

impl Parameter {
    fn new(kind: &'static str, description: &'static str) -> Self {
        Self { kind, description, allowed_values: &[] }
    }

    /// One of two words.
    fn switch(description: &'static str) -> Self {
        Self { allowed_values: &["false", "true"], ..Self::new("String", description) }
    }
}

/// A condition: that two texts are the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Condition {
    #[serde(rename = "Fn::Equals")]
    of: [Text; 2],
}

/// An output of a template.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    description: &'static str,
    value: Text,
}

/// A text, known or computed by CloudFormation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Ref {
        #[serde(rename = "Ref")]
        name: Cow<'static, str>,
    },
    Join {
        #[serde(rename = "Fn::Join")]
        of: (&'static str, Vec<Self>),
    },
    Select {
        #[serde(rename = "Fn::Select")]
        of: (usize, Box<Self>),
    },
    Attribute {
        #[serde(rename = "Fn::GetAtt")]
        of: [&'static str; 2],
    },
    Sub {
        #[serde(rename = "Fn::Sub")]
        text: String,
    },
    If {
        #[serde(rename = "Fn::If")]
        of: (&'static str, Box<Self>, Box<Self>),
    },
    Base64 {
        #[serde(rename = "Fn::Base64")]
        of: Box<Self>,
    },
}

impl Text {
    fn plain(text: impl Into<String>) -> Self {
        Self::Plain(text.into())
    }

    fn reference(name: impl Into<Cow<'static, str>>) -> Self {
        Self::Ref { name: name.into() }
    }

    /// Texts with commas between.
    fn joined(texts: Vec<Self>) -> Self {
        Self::Join { of: (",", texts) }
    }

    /// One of a list, counted from 0.
    fn select(self, at: usize) -> Self {
        Self::Select { of: (at, Box::new(self)) }
    }

    fn attribute(resource: &'static str, name: &'static str) -> Self {
        Self::Attribute { of: [resource, name] }
    }

    fn sub(text: impl Into<String>) -> Self {
        Self::Sub { text: text.into() }
    }

    /// This text where the condition does not hold; where it does, nothing is said.
    fn unless(self, condition: &'static str) -> Self {
        Self::If { of: (condition, Box::new(Self::reference("AWS::NoValue")), Box::new(self)) }
    }

    fn base64(self) -> Self {
        Self::Base64 { of: Box::new(self) }
    }
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: Text,
    value: Text,
}

impl Tag {
    fn new(key: Text, value: Text) -> Self {
        Self { key, value }
    }

    /// The tag by which the cloud provider and load balancer controllers know the cluster's own.
    fn cluster() -> Self {
        Self::new(Text::sub("kubernetes.io/cluster/${ClusterName}"), Text::plain("owned"))
    }
}
