//! The template of 2025-11-26: a launch template for Amazon Linux 2023.

use std::collections::BTreeMap;

use eks_core::{Problems, Ref};

use super::{
    More, any_template,
    generation::OF_2025,
    image::{Machine, launch_template},
};
use crate::{
    image::{AmazonLinux2023, Family},
    mapping::RoleMapping,
    request::Argument,
    spec::WorkersSpec,
};

/// What the template's parameter `AuthenticationMode` takes: words of the console, not the names of the EKS API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemplateAuthentication {
    /// `ConfigMap`: the role is mapped by aws-auth.
    ConfigMap,
    /// `EKS API`: the template makes the access entry of the nodes' role.
    EksApi,
    /// `EKS API and ConfigMap`. Reports differ on whether the template makes an access entry then.
    EksApiAndConfigMap,
}

impl TemplateAuthentication {
    fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::EksApi => "EKS API",
            Self::EksApiAndConfigMap => "EKS API and ConfigMap",
        }
    }
}

/// The template of 2025-11-26, for Amazon Linux 2023.
///
/// Endpoint, certificate authority and Service range come from the cluster. It has no parameter for labels, taints, or settings of
/// the kubelet; so its nodes do not carry the label by which a group is found. `KeyName` is required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeGroup2025 {
    pub(super) url: String,
    pub(super) more: More,
    key_pair: Ref<String>,
    machine: Machine,
    authentication: Option<TemplateAuthentication>,
}

any_template!(NodeGroup2025);
launch_template!(NodeGroup2025, "Amazon Linux 2023", "v20261118");

impl NodeGroup2025 {
    /// Nodes opened by this EC2 key pair.
    pub fn new(key_pair: impl Into<Ref<String>>) -> Self {
        Self { url: OF_2025.url(), more: More::new(), key_pair: key_pair.into(), machine: Machine::default(), authentication: None }
    }

    /// `AuthenticationMode`. Default: `EKS API`, whatever else the cluster has, if the spec maps the role by an access entry, which makes the
    /// template make it; else `ConfigMap`.
    #[must_use]
    pub fn authentication(mut self, mode: TemplateAuthentication) -> Self {
        self.authentication = Some(mode);
        self
    }

    fn family(&self) -> Family {
        self.machine.release.iter().fold(AmazonLinux2023::new(), |family, release| family.release(release)).into()
    }

    pub(super) fn check(&self, spec: &WorkersSpec, problems: &mut Problems) {
        self.machine.check(spec, &self.family(), problems);
    }

    pub(super) fn arguments(&self, spec: &WorkersSpec) -> BTreeMap<&'static str, Argument> {
        let fitting =
            if spec.mapping == RoleMapping::AccessEntry { TemplateAuthentication::EksApi } else { TemplateAuthentication::ConfigMap };
        let mut arguments = self.machine.arguments(spec, &self.family());
        arguments.extend([
            ("ApiServerEndpoint", Argument::reference(&spec.cluster.endpoint)),
            ("AuthenticationMode", Argument::known(self.authentication.unwrap_or(fitting).as_str())),
            ("CertificateAuthorityData", Argument::reference(&spec.cluster.certificate_authority)),
            ("KeyName", Argument::reference(&self.key_pair)),
            ("ServiceCidr", Argument::reference(&spec.cluster.service_cidr)),
        ]);
        arguments
    }
}
