//! Amazon's own template, by address.
//!
//! `amazon-eks-nodegroup.yaml` has three generations that take different things, so each is a type: what one has no parameter for cannot be
//! said to it. What a template really declares is asked of CloudFormation (GetTemplateSummary) while observing, and a plan refuses
//! what does not fit before anything is called.

mod address;
mod check;
mod closest;
mod custom;
mod findings;
mod generation;
mod image;
mod node_group_2018;
mod node_group_2022;
mod node_group_2025;
mod summary;

use std::collections::BTreeMap;

use eks_core::{Error, Problems, Ref};

use self::{
    check::{check_names, check_summary},
    generation::Generation,
};
pub use self::{
    custom::CustomTemplate,
    image::VolumeType,
    node_group_2018::NodeGroup2018,
    node_group_2022::NodeGroup2022,
    node_group_2025::{NodeGroup2025, TemplateAuthentication},
    summary::{Capability, TemplateParameter, TemplateSummary},
};
use crate::{
    mapping::RoleMapping,
    observed::Observed,
    request::{Argument, DESIRED, StackRequest, TemplateSource, as_text},
    spec::WorkersSpec,
};

/// Parameters beyond those that are typed, by name.
pub(crate) type More = BTreeMap<String, Ref<String>>;

/// What every template can be told.
macro_rules! any_template {
    ($type:ident) => {
        impl $type {
            /// Reads the template from here instead: a copy in a bucket of your own, or what AWS publishes later. An `https://` address in
            /// S3, which CloudFormation reads with your rights.
            #[must_use]
            pub fn at(mut self, url: impl Into<String>) -> Self {
                self.url = url.into();
                self
            }

            /// Another parameter, which the template there must declare; one that has a setter, or that the spec gives, is refused.
            /// One that the template declares `NoEcho` takes a dynamic reference only (`{{resolve:secretsmanager:…}}`), or the output of
            /// a step: plans are saved and shown.
            #[must_use]
            pub fn parameter(mut self, name: impl Into<String>, value: impl Into<eks_core::Ref<String>>) -> Self {
                self.more.insert(name.into(), value.into());
                self
            }
        }
    };
}
use any_template;

/// A template by its address, with the parameters that it takes.
///
/// ```
/// use eks_nodes::{NodeGroup2022, NodeGroup2025, NodeGroupTemplate, VolumeType};
///
/// let today = NodeGroup2025::new("my-key".to_owned()).volume_type(VolumeType::Gp3);
/// let before = NodeGroup2022::new("my-key".to_owned()).bootstrap_arguments("--container-runtime containerd");
/// assert!(NodeGroupTemplate::from(today).url().contains("/2025-11-26/"));
/// assert!(NodeGroupTemplate::from(before).url().contains("/2022-12-23/"));
/// ```
///
/// Nodes of Amazon Linux 2023 have no bootstrap script, and their template no parameter for its arguments:
/// ```compile_fail,E0599
/// use eks_nodes::NodeGroup2025;
///
/// let template = NodeGroup2025::new("my-key".to_owned()).bootstrap_arguments("--use-max-pods false");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeGroupTemplate {
    /// With a launch configuration, which accounts made since 2024-10-01 cannot create.
    NodeGroup2018(NodeGroup2018),
    /// With a launch template, for Amazon Linux 2.
    NodeGroup2022(NodeGroup2022),
    /// With a launch template, for Amazon Linux 2023.
    NodeGroup2025(NodeGroup2025),
    /// One of your own.
    Custom(CustomTemplate),
}

macro_rules! template {
    ($($variant:ident($type:ident)),+) => {
        $(impl From<$type> for NodeGroupTemplate {
            fn from(template: $type) -> Self {
                Self::$variant(template)
            }
        })+

        impl NodeGroupTemplate {
            /// Where CloudFormation reads it.
            pub fn url(&self) -> &str {
                match self {
                    $(Self::$variant(template) => &template.url,)+
                }
            }

            fn more(&self) -> &More {
                match self {
                    $(Self::$variant(template) => &template.more,)+
                }
            }
        }
    };
}
template!(NodeGroup2018(NodeGroup2018), NodeGroup2022(NodeGroup2022), NodeGroup2025(NodeGroup2025), Custom(CustomTemplate));

impl NodeGroupTemplate {
    fn generation(&self) -> Option<&'static Generation> {
        match self {
            Self::NodeGroup2018(_) => Some(&generation::OF_2018),
            Self::NodeGroup2022(_) => Some(&generation::OF_2022),
            Self::NodeGroup2025(_) => Some(&generation::OF_2025),
            Self::Custom(_) => None,
        }
    }

    /// Whether each update takes the image that is the newest then.
    pub(crate) fn image_floats(&self, now: &Observed) -> bool {
        match self {
            Self::NodeGroup2018(_) => false,
            Self::NodeGroup2022(template) => template.image_floats(),
            Self::NodeGroup2025(template) => template.image_floats(),
            // Of a template of somebody else's only its types are known.
            Self::Custom(template) => {
                let declared = now.template(self.url()).into_iter().flat_map(|summary| summary.parameters.values());
                let mut kinds = declared.map(|parameter| parameter.kind.as_str());
                !template.more.contains_key("NodeImageId") && kinds.any(|kind| kind.starts_with("AWS::SSM::Parameter::Value<"))
            }
        }
    }

    /// Whether labels, taints and settings of the kubelet reach the nodes: by arguments of `bootstrap.sh`.
    pub(crate) fn has_bootstrap_arguments(&self) -> bool {
        matches!(self, Self::NodeGroup2018(_) | Self::NodeGroup2022(_))
    }

    /// How the nodes' role gets mapped, where `wished` is what the spec says.
    pub(crate) fn mapping(&self, wished: RoleMapping, has_config_map: bool) -> RoleMapping {
        match (self, wished) {
            // These make no access entry.
            (Self::NodeGroup2018(_) | Self::NodeGroup2022(_), RoleMapping::AccessEntry) if has_config_map => RoleMapping::AwsAuth,
            (Self::NodeGroup2018(_) | Self::NodeGroup2022(_), RoleMapping::AccessEntry) => RoleMapping::None,
            _ => wished,
        }
    }

    /// What can be said of it without asking.
    pub(crate) fn check(&self, spec: &WorkersSpec, problems: &mut Problems) {
        if let Some(fault) = address::fault(self.url()) {
            problems.add("template-url", format!("template {}", self.url()), fault, "give the address of the template in S3");
        }
        check_names(self.more(), self.generation(), problems);
        match self {
            Self::NodeGroup2018(template) => template.check(spec, problems),
            Self::NodeGroup2022(template) => template.check(spec, problems),
            Self::NodeGroup2025(template) => template.check(spec, problems),
            Self::Custom(_) => {}
        }
    }

    /// The stack, if it fits what the template declares.
    ///
    /// # Errors
    /// [`Error::Spec`] with everything that does not fit; [`Error::Plan`] if the template was not looked at.
    pub(crate) fn request(&self, spec: &WorkersSpec, now: &Observed) -> Result<StackRequest, Error> {
        let Some(summary) = now.template(self.url()) else {
            let reason = format!("the template {} was not observed", self.url());
            return Err(Error::Plan { subject: format!("workers {}", spec.name), reason });
        };
        let mut parameters = common(spec);
        match self {
            Self::NodeGroup2018(template) => parameters.extend(template.arguments(spec)),
            Self::NodeGroup2022(template) => parameters.extend(template.arguments(spec)),
            Self::NodeGroup2025(template) => parameters.extend(template.arguments(spec)),
            // A template of somebody else's is told what it asks for.
            Self::Custom(_) => parameters.retain(|name, _| summary.parameters.contains_key(*name)),
        }
        let mut parameters: BTreeMap<_, _> = parameters.into_iter().map(|(name, argument)| (name.to_owned(), argument)).collect();
        parameters.extend(self.more().iter().map(|(name, value)| (name.clone(), Argument::One(value.clone()))));
        let mut problems = Problems::new();
        check_summary(&parameters, summary, self.generation(), &mut problems);
        problems.finish(format!("workers {}: template {}", spec.name, self.url()), || ())?;
        Ok(StackRequest {
            name: spec.name.clone(),
            template: TemplateSource::Url(self.url().to_owned()),
            desired: parameters.contains_key(DESIRED).then(|| spec.capacity.desired()),
            parameters,
            capabilities: summary.capabilities.clone(),
            keeps_size: false,
        })
    }
}

/// What every generation is told by the spec.
fn common(spec: &WorkersSpec) -> BTreeMap<&'static str, Argument> {
    let capacity = spec.capacity;
    let mut parameters = BTreeMap::from([
        ("ClusterControlPlaneSecurityGroup", Argument::reference(spec.control_plane_group())),
        ("ClusterName", Argument::known(spec.cluster.name.as_str())),
        (DESIRED, Argument::known(capacity.desired().to_string())),
        ("NodeAutoScalingGroupMaxSize", Argument::known(capacity.max().to_string())),
        ("NodeAutoScalingGroupMinSize", Argument::known(capacity.min().to_string())),
        ("NodeGroupName", Argument::known(spec.name.as_str())),
        ("NodeInstanceType", Argument::known(spec.instance_type())),
        ("NodeVolumeSize", Argument::known(spec.volume_gib().to_string())),
        ("Subnets", Argument::Many(spec.network.subnets.iter().map(|subnet| as_text(&subnet.id)).collect())),
        ("VpcId", Argument::reference(&spec.network.vpc)),
    ]);
    if let Some(key_pair) = &spec.key_pair {
        parameters.insert("KeyName", Argument::known(key_pair));
    }
    parameters
}
