//! The template of 2018-12-10: a launch configuration.

use std::collections::BTreeMap;

use eks_core::{AmiId, Problems, Ref};

use super::{More, any_template, generation::OF_2018};
use crate::{
    image::{AmazonLinux2, Family, bootstrap_arguments},
    request::Argument,
    spec::WorkersSpec,
};

/// The template of 2018-12-10.
///
/// It makes a launch configuration, which accounts made since 2024-10-01 cannot create (Auto Scaling User Guide, "Auto Scaling launch
/// configurations"), and which knows no instance type that is younger than 2022. Every node gets a public address. It makes no access
/// entry: its role is mapped by aws-auth. `KeyName` and `NodeImageId` are required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeGroup2018 {
    pub(super) url: String,
    pub(super) more: More,
    key_pair: Ref<String>,
    image: AmiId,
    bootstrap_arguments: String,
}

any_template!(NodeGroup2018);

impl NodeGroup2018 {
    /// Nodes of this image, opened by this EC2 key pair.
    pub fn new(key_pair: impl Into<Ref<String>>, image: AmiId) -> Self {
        Self { url: OF_2018.url(), more: More::new(), key_pair: key_pair.into(), image, bootstrap_arguments: String::new() }
    }

    /// Further arguments of `bootstrap.sh`, before those that tell the kubelet labels, taints and settings of the spec.
    #[must_use]
    pub fn bootstrap_arguments(mut self, arguments: impl Into<String>) -> Self {
        self.bootstrap_arguments = arguments.into();
        self
    }

    pub(super) fn check(&self, spec: &WorkersSpec, problems: &mut Problems) {
        check_arguments(&self.bootstrap_arguments, problems);
        Family::from(AmazonLinux2::new()).check(&spec.kubelet, problems);
    }

    pub(super) fn arguments(&self, spec: &WorkersSpec) -> BTreeMap<&'static str, Argument> {
        BTreeMap::from([
            ("BootstrapArguments", Argument::known(all_arguments(spec, &self.bootstrap_arguments))),
            ("KeyName", Argument::reference(&self.key_pair)),
            ("NodeImageId", Argument::known(self.image.to_string())),
        ])
    }
}

/// The user's arguments, and the spec's labels, taints and settings.
pub(super) fn all_arguments(spec: &WorkersSpec, more: &str) -> String {
    let spec = spec.with_node_settings(bootstrap_arguments);
    if more.is_empty() { spec } else { format!("{more} {spec}") }
}

/// `bootstrap.sh` takes the last of two.
pub(super) fn check_arguments(arguments: &str, problems: &mut Problems) {
    for taken in ["--kubelet-extra-args", "--use-max-pods"] {
        if arguments.split([' ', '=']).any(|word| word == taken) {
            let rule = "is written from the labels, taints, kubelet settings and max_pods of the spec";
            problems.add("bootstrap-arguments", format!("argument {taken}"), rule, "say it by the spec");
        }
    }
    if arguments.contains(['\n', '\r']) {
        problems.add("bootstrap-arguments", "bootstrap_arguments", "is one line of a script", "leave the line breaks out");
    }
}
