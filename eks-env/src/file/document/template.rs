//! Amazon's templates of workers, in a document.

use std::collections::BTreeMap;

use eks_nodes::NodeGroupTemplate;
use serde::{Deserialize, Serialize};

use super::words::{NodeVolumeType, TemplateAuthentication, Text};

/// A template of Amazon's, or one of your own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Template {
    /// Amazon's of 2018-12-10, for Amazon Linux 2, with a launch configuration.
    NodeGroup2018(NodeGroup2018),
    /// Amazon's of 2022-12-23, for Amazon Linux 2.
    NodeGroup2022(NodeGroup2022),
    /// Amazon's of 2025-11-26, for Amazon Linux 2023.
    NodeGroup2025(NodeGroup2025),
    /// One of your own.
    Custom(Custom),
}

/// The template of 2018-12-10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeGroup2018 {
    /// The EC2 key pair.
    pub(crate) key_pair: String,
    /// The image.
    pub(crate) image: Text<eks_core::AmiId>,
    /// More arguments of the bootstrap script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bootstrap_arguments: Option<String>,
    /// Where it is read from. Default: AWS's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// More parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: BTreeMap<String, String>,
}

/// The template of 2022-12-23.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeGroup2022 {
    /// The EC2 key pair.
    pub(crate) key_pair: String,
    /// More arguments of the bootstrap script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bootstrap_arguments: Option<String>,
    /// Its image and volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<Machine>,
    /// Where it is read from. Default: AWS's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// More parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: BTreeMap<String, String>,
}

/// The template of 2025-11-26.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeGroup2025 {
    /// The EC2 key pair.
    pub(crate) key_pair: String,
    /// How nodes are let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authentication: Option<TemplateAuthentication>,
    /// Its image and volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<Machine>,
    /// Where it is read from. Default: AWS's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// More parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: BTreeMap<String, String>,
}

/// A template of your own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Custom {
    /// Where it is read from.
    pub(crate) url: String,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: BTreeMap<String, String>,
}

/// Image and volume of a template of Amazon's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Machine {
    /// Release of AWS's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
    /// An image of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<Text<eks_core::AmiId>>,
    /// The SSM parameter that names the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image_parameter: Option<String>,
    /// Kind of the root volume. Default gp3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) volume_type: Option<NodeVolumeType>,
    /// Leaves version 1 of the instance metadata service on. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) imds_v1: Option<bool>,
}

/// What the templates have in common.
macro_rules! common {
    ($template:ident, $of:ident) => {{
        if let Some(url) = $of.url {
            $template = $template.at(url);
        }
        for (name, value) in $of.parameters {
            $template = $template.parameter(name, value);
        }
        $template.into()
    }};
}

/// Image and volume, which two of them have.
macro_rules! machine {
    ($template:ident, $of:ident) => {
        if let Some(machine) = $of.machine {
            if let Some(release) = machine.release {
                $template = $template.release(release);
            }
            if let Some(image) = machine.image {
                $template = $template.image(image.0);
            }
            if let Some(name) = machine.image_parameter {
                $template = $template.image_parameter(name);
            }
            if let Some(kind) = machine.volume_type {
                $template = $template.volume_type(kind.into());
            }
            if let Some(on) = machine.imds_v1 {
                $template = $template.imds_v1(on);
            }
        }
    };
}

impl Template {
    pub(crate) fn template(self) -> NodeGroupTemplate {
        match self {
            Self::NodeGroup2018(of) => {
                let mut template = eks_nodes::NodeGroup2018::new(of.key_pair, of.image.0);
                if let Some(arguments) = of.bootstrap_arguments {
                    template = template.bootstrap_arguments(arguments);
                }
                common!(template, of)
            }
            Self::NodeGroup2022(of) => {
                let mut template = eks_nodes::NodeGroup2022::new(of.key_pair);
                if let Some(arguments) = of.bootstrap_arguments {
                    template = template.bootstrap_arguments(arguments);
                }
                machine!(template, of);
                common!(template, of)
            }
            Self::NodeGroup2025(of) => {
                let mut template = eks_nodes::NodeGroup2025::new(of.key_pair);
                if let Some(mode) = of.authentication {
                    template = template.authentication(mode.into());
                }
                machine!(template, of);
                common!(template, of)
            }
            Self::Custom(of) => {
                let template = eks_nodes::CustomTemplate::new(of.url);
                of.parameters.into_iter().fold(template, |template, (name, value)| template.parameter(name, value)).into()
            }
        }
    }
}
