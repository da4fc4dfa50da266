//! Amazon Linux 2023.

use eks_core::Problems;

use super::{
    Mirror, NodeSettings, Proxy, Target, check_release, is_serial,
    node_config::{Node, extra_user_data, user_data},
    pull::check_mirrors,
};
use crate::instance::{Architecture, Variant};

/// What is done with disks that the instance has of its own. amazon-eks-ami, nodeadm's `LocalStorageStrategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "nodeadm has these three")]
pub enum LocalStorage {
    /// Each becomes a file system of its own.
    Mount,
    /// One striped volume for images, logs and empty directories.
    Raid0,
    /// One mirrored and striped volume; at least four disks.
    Raid10,
}

/// Amazon Linux 2023.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AmazonLinux2023 {
    release: Option<String>,
    local_storage: Option<LocalStorage>,
    fast_image_pull: bool,
    proxy: Option<Proxy>,
    mirrors: Vec<Mirror>,
}

impl AmazonLinux2023 {
    /// As AWS recommends it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pins a release, such as `v20261118`.
    #[must_use]
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.release = Some(release.into());
        self
    }

    /// Uses the disks that the instance has of its own.
    #[must_use]
    pub fn local_storage(mut self, strategy: LocalStorage) -> Self {
        self.local_storage = Some(strategy);
        self
    }

    /// Pulls and unpacks an image's layers in parallel.
    #[must_use]
    pub fn fast_image_pull(mut self, on: bool) -> Self {
        self.fast_image_pull = on;
        self
    }

    /// Lets the node's daemons go through a proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// A mirror that containerd asks before the registry.
    #[must_use]
    pub fn mirror(mut self, mirror: Mirror) -> Self {
        self.mirrors.push(mirror);
        self
    }

    /// EKS User Guide, "Retrieve recommended Amazon Linux AMI IDs".
    pub(super) fn parameter(&self, target: Target<'_>) -> String {
        let Target { version, architecture, variant } = target;
        let variant = variant.as_str();
        let name = match &self.release {
            Some(release) => format!("amazon-eks-node-al2023-{architecture}-{variant}-{version}-{release}"),
            None => "recommended".to_owned(),
        };
        format!("/aws/service/eks/optimized-ami/{version}/amazon-linux-2023/{architecture}/{variant}/{name}/image_id")
    }

    pub(super) fn user_data(&self, settings: NodeSettings<'_>) -> String {
        user_data(&self.node(settings))
    }

    fn node<'a>(&'a self, settings: NodeSettings<'a>) -> Node<'a> {
        Node {
            settings,
            local_storage: self.local_storage,
            fast_image_pull: self.fast_image_pull,
            proxy: self.proxy.as_ref(),
            mirrors: &self.mirrors,
        }
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.release.is_some()
    }

    /// What is merged into EKS's user data.
    pub(super) fn managed_user_data(&self, settings: NodeSettings<'_>) -> Option<String> {
        extra_user_data(&self.node(settings))
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let form = |text: &str| text.strip_prefix('v').is_some_and(is_serial);
        check_release(self.release.as_ref(), form, "v20261118", problems);
        if let Some(proxy) = &self.proxy {
            proxy.check(problems);
        }
        check_mirrors(&self.mirrors, problems);
    }
}

pub(super) fn check_published(target: Target<'_>, problems: &mut Problems) {
    if target.variant == Variant::Neuron && target.architecture == Architecture::Arm64 {
        let rule = "AWS publishes its images for Neuron for x86_64 only";
        problems.add("image-accelerator", "family Amazon Linux 2023", rule, "give an image by id");
    }
}
