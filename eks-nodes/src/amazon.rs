//! Amazon's own template, by address.

use std::collections::BTreeMap;

use eks_core::{Problems, Ref};

use crate::{
    request::{Argument, StackRequest, TemplateSource, as_text},
    spec::WorkersSpec,
};

/// CloudFormation's limit for a template's address.
const URL_LIMIT: usize = 5_120;

/// A template in S3, with parameters.
#[derive(Clone, Debug)]
pub(crate) struct AmazonTemplate {
    pub(crate) url: String,
    pub(crate) parameters: BTreeMap<String, Ref<String>>,
}

impl AmazonTemplate {
    pub(crate) fn check(&self, problems: &mut Problems) {
        if !self.url.starts_with("https://") || self.url.len() > URL_LIMIT {
            problems.add(
                "template-url",
                format!("template {}", self.url),
                format!("must be an https:// address of at most {URL_LIMIT} characters"),
                "give the address of the template in S3",
            );
        }
        for name in self.parameters.keys() {
            if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                problems.add(
                    "parameter-name",
                    format!("parameter {name:?}"),
                    "names of template parameters are 1–255 letters and digits",
                    "use the name that the template declares",
                );
            }
        }
    }

    /// The stack. Names of parameters as in every generation of amazon-eks-nodegroup.yaml.
    pub(crate) fn request(&self, spec: &WorkersSpec) -> StackRequest {
        let capacity = spec.capacity;
        let mut parameters = BTreeMap::from([
            ("ClusterControlPlaneSecurityGroup".to_owned(), Argument::reference(spec.control_plane_group())),
            ("ClusterName".to_owned(), Argument::known(spec.cluster.name.as_str())),
            ("NodeAutoScalingGroupDesiredCapacity".to_owned(), Argument::known(capacity.desired().to_string())),
            ("NodeAutoScalingGroupMaxSize".to_owned(), Argument::known(capacity.max().to_string())),
            ("NodeAutoScalingGroupMinSize".to_owned(), Argument::known(capacity.min().to_string())),
            ("NodeGroupName".to_owned(), Argument::known(spec.name.as_str())),
            ("NodeInstanceType".to_owned(), Argument::known(spec.instance_type())),
            ("NodeVolumeSize".to_owned(), Argument::known(spec.volume_gib().to_string())),
            ("Subnets".to_owned(), Argument::Many(spec.network.subnets.iter().map(|subnet| as_text(&subnet.id)).collect())),
            ("VpcId".to_owned(), Argument::reference(&spec.network.vpc)),
        ]);
        parameters.extend(self.parameters.iter().map(|(name, value)| (name.clone(), Argument::One(value.clone()))));
        StackRequest { name: spec.name.clone(), template: TemplateSource::Url(self.url.clone()), parameters, iam: true }
    }
}
