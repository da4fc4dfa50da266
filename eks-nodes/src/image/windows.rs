//! Windows Server.

use eks_core::Problems;

use super::Target;
use crate::{
    instance::{Architecture, Variant},
    kubelet::Kubelet,
};

/// A release of Windows Server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WindowsRelease {
    /// Windows Server 2019.
    Server2019,
    /// Windows Server 2022, for Kubernetes from 1.24.
    Server2022,
    /// Windows Server 2025, for Kubernetes from 1.35.
    Server2025,
}

impl WindowsRelease {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Server2019 => "2019",
            Self::Server2022 => "2022",
            Self::Server2025 => "2025",
        }
    }

    /// First minor of Kubernetes. EKS User Guide, "Retrieve recommended Microsoft Windows AMI IDs".
    fn first_minor(self) -> u16 {
        match self {
            Self::Server2019 => 0,
            Self::Server2022 => 24,
            Self::Server2025 => 35,
        }
    }
}

/// How much of Windows is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "Windows Server has these two")]
pub enum WindowsInstallation {
    /// Without a desktop.
    #[default]
    Core,
    /// With the desktop.
    Full,
}

/// Windows Server. AWS publishes the newest image only, and withdraws each after four months; an older one is given by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    release: WindowsRelease,
    installation: WindowsInstallation,
}

impl Windows {
    /// The newest Core image of a release.
    pub fn new(release: WindowsRelease) -> Self {
        Self { release, installation: WindowsInstallation::default() }
    }

    /// Core or Full. Default Core.
    #[must_use]
    pub fn installation(mut self, installation: WindowsInstallation) -> Self {
        self.installation = installation;
        self
    }

    pub(crate) fn is_full(&self) -> bool {
        self.installation == WindowsInstallation::Full
    }

    pub(crate) fn release(&self) -> WindowsRelease {
        self.release
    }

    /// EKS User Guide, "Retrieve recommended Microsoft Windows AMI IDs".
    pub(super) fn parameter(&self, target: Target<'_>) -> String {
        let installation = match self.installation {
            WindowsInstallation::Core => "Core",
            WindowsInstallation::Full => "Full",
        };
        let (release, version) = (self.release.as_str(), target.version);
        format!("/aws/service/ami-windows-latest/Windows_Server-{release}-English-{installation}-EKS_Optimized-{version}/image_id")
    }

    pub(super) fn check_published(&self, target: Target<'_>, problems: &mut Problems) {
        let subject = format!("family Windows Server {}", self.release.as_str());
        let first = self.release.first_minor();
        if target.minor().is_some_and(|minor| minor < first) {
            let rule = format!("AWS publishes it from Kubernetes 1.{first}, and the cluster has {}", target.version);
            problems.add("image-version", &subject, rule, "use an earlier release of Windows, or upgrade the cluster");
        }
        if target.architecture == Architecture::Arm64 {
            problems.add("image-architecture", &subject, "EKS has Windows for x86_64 only", "use an instance type of Intel or AMD");
        }
        if target.variant != Variant::Standard {
            let rule = "AWS publishes no image with drivers for accelerators";
            problems.add("image-accelerator", &subject, rule, "build one (\"EKS-optimized accelerated Windows AMIs\") and give its id");
        }
    }
}

/// What Windows nodes cannot be told. Kubernetes, "Process ID Limits And Reservations".
pub(super) fn check(kubelet: &Kubelet, problems: &mut Problems) {
    if kubelet.pod_pids_limit.is_some() {
        problems.add("kubelet-unsupported", "pod_pids_limit", "Windows has no control groups to limit processes with", "leave it out");
    }
}
