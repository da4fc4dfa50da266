//! The template of 2022-12-23: a launch template for Amazon Linux 2.

use std::collections::BTreeMap;

use eks_core::{Problems, Ref};

use super::{
    More, any_template,
    generation::OF_2022,
    image::{Machine, launch_template},
    node_group_2018::{all_arguments, check_arguments},
};
use crate::{
    image::{AmazonLinux2, Family},
    request::Argument,
    spec::WorkersSpec,
};

/// The template of 2022-12-23, the last for Amazon Linux 2, whose images ended with Kubernetes 1.32.
///
/// It makes no access entry: its role is mapped by aws-auth. `KeyName` is required. EKS User Guide, "Create self-managed Amazon Linux nodes"
/// (2024).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeGroup2022 {
    pub(super) url: String,
    pub(super) more: More,
    key_pair: Ref<String>,
    machine: Machine,
    bootstrap_arguments: String,
}

any_template!(NodeGroup2022);
launch_template!(NodeGroup2022, "Amazon Linux 2", "v20251112");

impl NodeGroup2022 {
    /// Nodes opened by this EC2 key pair.
    pub fn new(key_pair: impl Into<Ref<String>>) -> Self {
        Self {
            url: OF_2022.url(),
            more: More::new(),
            key_pair: key_pair.into(),
            machine: Machine::default(),
            bootstrap_arguments: String::new(),
        }
    }

    /// Further arguments of `bootstrap.sh`, before those that tell the kubelet labels, taints and settings of the spec.
    #[must_use]
    pub fn bootstrap_arguments(mut self, arguments: impl Into<String>) -> Self {
        self.bootstrap_arguments = arguments.into();
        self
    }

    fn family(&self) -> Family {
        self.machine.release.iter().fold(AmazonLinux2::new(), |family, release| family.release(release)).into()
    }

    pub(super) fn check(&self, spec: &WorkersSpec, problems: &mut Problems) {
        check_arguments(&self.bootstrap_arguments, problems);
        self.machine.check(spec, &self.family(), problems);
    }

    pub(super) fn arguments(&self, spec: &WorkersSpec) -> BTreeMap<&'static str, Argument> {
        let mut arguments = self.machine.arguments(spec, &self.family());
        arguments.insert("BootstrapArguments", Argument::known(all_arguments(spec, &self.bootstrap_arguments)));
        arguments.insert("KeyName", Argument::reference(&self.key_pair));
        arguments
    }
}
