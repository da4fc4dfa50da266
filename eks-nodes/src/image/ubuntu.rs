//! Canonical's Ubuntu for EKS.

use eks_core::Problems;

use super::{
    Target, check_release, is_serial,
    support::{Date, date},
};
use crate::instance::Architecture;

/// A long-term release of Ubuntu.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum UbuntuRelease {
    /// Focal Fossa, for Kubernetes up to 1.29.
    Focal,
    /// Jammy Jellyfish, for Kubernetes from 1.29 to 1.33.
    Jammy,
    /// Noble Numbat, for Kubernetes from 1.31.
    Noble,
    /// Resolute Raccoon; Canonical documents no first version of Kubernetes.
    Resolute,
}

impl UbuntuRelease {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Focal => "20.04",
            Self::Jammy => "22.04",
            Self::Noble => "24.04",
            Self::Resolute => "26.04",
        }
    }

    /// End of standard security maintenance, the last day of its month. Canonical, "The Ubuntu lifecycle and release cadence".
    pub(super) fn ends(self) -> Date {
        match self {
            Self::Focal => date(2025, 5, 31),
            Self::Jammy => date(2027, 4, 30),
            Self::Noble => date(2029, 4, 30),
            Self::Resolute => date(2031, 4, 30),
        }
    }

    /// First and last minor of Kubernetes. Canonical, "Deploy an Ubuntu EKS cluster"; eksctl found no 22.04 for 1.34 (its pull request 8670).
    fn minors(self) -> (u16, u16) {
        match self {
            Self::Focal => (0, 29),
            Self::Jammy => (29, 33),
            Self::Noble => (31, u16::MAX),
            Self::Resolute => (0, u16::MAX),
        }
    }
}

/// Canonical's Ubuntu for EKS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ubuntu {
    release: UbuntuRelease,
    pro: bool,
    serial: Option<String>,
}

impl Ubuntu {
    /// The current image of a release.
    pub fn new(release: UbuntuRelease) -> Self {
        Self { release, pro: false, serial: None }
    }

    /// Ubuntu Pro, which costs extra.
    #[must_use]
    pub fn pro(mut self, on: bool) -> Self {
        self.pro = on;
        self
    }

    /// Pins an image, by its serial such as `20261104`.
    #[must_use]
    pub fn serial(mut self, serial: impl Into<String>) -> Self {
        self.serial = Some(serial.into());
        self
    }

    pub(super) fn release(&self) -> UbuntuRelease {
        self.release
    }

    /// Canonical, "Find Ubuntu images on AWS".
    pub(super) fn parameter(&self, target: Target<'_>) -> String {
        let product = if self.pro { "eks-pro" } else { "eks" };
        let architecture = match target.architecture {
            Architecture::Arm64 => "arm64",
            Architecture::X86_64 => "amd64",
        };
        let volume = if self.release <= UbuntuRelease::Jammy { "ebs-gp2" } else { "ebs-gp3" };
        let (release, version) = (self.release.as_str(), target.version);
        let serial = self.serial.as_deref().unwrap_or("current");
        format!("/aws/service/canonical/ubuntu/{product}/{release}/{version}/stable/{serial}/{architecture}/hvm/{volume}/ami-id")
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        check_release(self.serial.as_ref(), is_serial, "20261104", problems);
    }

    pub(super) fn check_published(&self, target: Target<'_>, problems: &mut Problems) {
        let (first, last) = self.release.minors();
        if target.minor().is_some_and(|minor| !(first..=last).contains(&minor)) {
            problems.add(
                "image-version",
                format!("family Ubuntu {}", self.release.as_str()),
                format!("Canonical publishes no such image for Kubernetes {}", target.version),
                "use 20.04 up to 1.29, 22.04 from 1.29 to 1.33, 24.04 from 1.31",
            );
        }
    }
}
