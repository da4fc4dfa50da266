//! Amazon Linux 2.

use eks_core::Problems;

use super::{Target, check_release, is_serial};
use crate::instance::{Architecture, Variant};

/// Last minor version of Kubernetes that AWS made these images for. EKS User Guide, "Guide to EKS AL2 … transition features".
const LAST_MINOR: u16 = 32;

/// Amazon Linux 2, of which AWS published the last images on 2025-11-26.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AmazonLinux2 {
    release: Option<String>,
}

impl AmazonLinux2 {
    /// As AWS last recommended it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pins a release, such as `v20251112`.
    #[must_use]
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.release = Some(release.into());
        self
    }

    /// EKS User Guide, "Retrieve recommended Amazon Linux AMI IDs".
    pub(super) fn parameter(&self, target: Target<'_>) -> String {
        let (suffix, part) = match (target.variant, target.architecture) {
            (Variant::Neuron | Variant::Nvidia, _) => ("-gpu", "gpu-"),
            (Variant::Standard, Architecture::Arm64) => ("-arm64", "arm64-"),
            (Variant::Standard, Architecture::X86_64) => ("", ""),
        };
        let version = target.version;
        let name = match &self.release {
            Some(release) => format!("amazon-eks-{part}node-{version}-{release}"),
            None => "recommended".to_owned(),
        };
        format!("/aws/service/eks/optimized-ami/{version}/amazon-linux-2{suffix}/{name}/image_id")
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.release.is_some()
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let form = |text: &str| text.strip_prefix('v').is_some_and(is_serial);
        check_release(self.release.as_ref(), form, "v20251112", problems);
    }
}

pub(super) fn check_published(target: Target<'_>, problems: &mut Problems) {
    if target.minor().is_some_and(|minor| minor > LAST_MINOR) {
        problems.add(
            "image-version",
            "family Amazon Linux 2",
            format!("AWS made no such image for Kubernetes {}; 1.{LAST_MINOR} was the last", target.version),
            "use AmazonLinux2023 or Bottlerocket",
        );
    }
    if target.architecture == Architecture::Arm64 && target.variant != Variant::Standard {
        problems.add(
            "image-accelerator",
            "family Amazon Linux 2",
            "its images for accelerators are for x86_64 only",
            "use AmazonLinux2023, or give an image by id",
        );
    }
}
