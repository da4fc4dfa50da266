//! A family's images by EKS's names for them. EKS API Reference, "CreateNodegroup", `amiType`.

use crate::{
    image::{Family, Target},
    instance::{Architecture, Variant},
};

impl Family {
    /// The `amiType`, or `None` if EKS has none: managed groups of Ubuntu need an image of one's own, and no family has every accelerator
    /// on every architecture.
    pub(crate) fn ami_type(&self, target: Target<'_>) -> Option<String> {
        let arm = target.architecture == Architecture::Arm64;
        let architecture = if arm { "ARM_64" } else { "x86_64" };
        Some(match self {
            Self::AmazonLinux2(_) => match (target.variant, arm) {
                (Variant::Standard, _) => format!("AL2_{architecture}"),
                (Variant::Neuron | Variant::Nvidia, false) => "AL2_x86_64_GPU".to_owned(),
                (Variant::Neuron | Variant::Nvidia, true) => return None,
            },
            Self::AmazonLinux2023(_) => match (target.variant, arm) {
                (Variant::Neuron, true) => return None,
                (Variant::Neuron, false) => "AL2023_x86_64_NEURON".to_owned(),
                (Variant::Nvidia, _) => format!("AL2023_{architecture}_NVIDIA"),
                (Variant::Standard, _) => format!("AL2023_{architecture}_STANDARD"),
            },
            Self::Bottlerocket(bottlerocket) => {
                // Neuron's drivers are in the standard variant.
                let nvidia = if target.variant == Variant::Nvidia { "_NVIDIA" } else { "" };
                let fips = if bottlerocket.is_fips() { "_FIPS" } else { "" };
                format!("BOTTLEROCKET_{architecture}{nvidia}{fips}")
            }
            Self::Ubuntu(_) => return None,
            Self::Windows(windows) => {
                if arm || target.variant != Variant::Standard {
                    return None;
                }
                let edition = if windows.is_full() { "FULL" } else { "CORE" };
                format!("WINDOWS_{edition}_{}_x86_64", windows.release().as_str())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AmazonLinux2, AmazonLinux2023, Bottlerocket, Ubuntu, UbuntuRelease, Windows, WindowsInstallation, WindowsRelease};

    /// Every value of `amiType` that the API reference has but CUSTOM, each from the words that mean it.
    #[test]
    fn every_type_of_the_api_is_meant_by_something() {
        const ARM: Architecture = Architecture::Arm64;
        const X86: Architecture = Architecture::X86_64;
        use Variant::{Neuron, Nvidia, Standard};
        let full = |release| Windows::new(release).installation(WindowsInstallation::Full);
        let table: Vec<(Family, Architecture, Variant, Option<&str>)> = vec![
            (AmazonLinux2::new().into(), X86, Standard, Some("AL2_x86_64")),
            (AmazonLinux2::new().into(), X86, Nvidia, Some("AL2_x86_64_GPU")),
            (AmazonLinux2::new().into(), X86, Neuron, Some("AL2_x86_64_GPU")),
            (AmazonLinux2::new().into(), ARM, Standard, Some("AL2_ARM_64")),
            (AmazonLinux2::new().into(), ARM, Nvidia, None),
            (AmazonLinux2023::new().into(), X86, Standard, Some("AL2023_x86_64_STANDARD")),
            (AmazonLinux2023::new().into(), ARM, Standard, Some("AL2023_ARM_64_STANDARD")),
            (AmazonLinux2023::new().into(), X86, Neuron, Some("AL2023_x86_64_NEURON")),
            (AmazonLinux2023::new().into(), X86, Nvidia, Some("AL2023_x86_64_NVIDIA")),
            (AmazonLinux2023::new().into(), ARM, Nvidia, Some("AL2023_ARM_64_NVIDIA")),
            (AmazonLinux2023::new().into(), ARM, Neuron, None),
            (Bottlerocket::new().into(), ARM, Standard, Some("BOTTLEROCKET_ARM_64")),
            (Bottlerocket::new().into(), X86, Standard, Some("BOTTLEROCKET_x86_64")),
            (Bottlerocket::new().into(), X86, Neuron, Some("BOTTLEROCKET_x86_64")),
            (Bottlerocket::new().fips(true).into(), ARM, Standard, Some("BOTTLEROCKET_ARM_64_FIPS")),
            (Bottlerocket::new().fips(true).into(), X86, Standard, Some("BOTTLEROCKET_x86_64_FIPS")),
            (Bottlerocket::new().into(), ARM, Nvidia, Some("BOTTLEROCKET_ARM_64_NVIDIA")),
            (Bottlerocket::new().into(), X86, Nvidia, Some("BOTTLEROCKET_x86_64_NVIDIA")),
            (Bottlerocket::new().fips(true).into(), ARM, Nvidia, Some("BOTTLEROCKET_ARM_64_NVIDIA_FIPS")),
            (Bottlerocket::new().fips(true).into(), X86, Nvidia, Some("BOTTLEROCKET_x86_64_NVIDIA_FIPS")),
            (Windows::new(WindowsRelease::Server2019).into(), X86, Standard, Some("WINDOWS_CORE_2019_x86_64")),
            (full(WindowsRelease::Server2019).into(), X86, Standard, Some("WINDOWS_FULL_2019_x86_64")),
            (Windows::new(WindowsRelease::Server2022).into(), X86, Standard, Some("WINDOWS_CORE_2022_x86_64")),
            (full(WindowsRelease::Server2022).into(), X86, Standard, Some("WINDOWS_FULL_2022_x86_64")),
            (Windows::new(WindowsRelease::Server2025).into(), X86, Standard, Some("WINDOWS_CORE_2025_x86_64")),
            (full(WindowsRelease::Server2025).into(), X86, Standard, Some("WINDOWS_FULL_2025_x86_64")),
            (Windows::new(WindowsRelease::Server2025).into(), ARM, Standard, None),
            (Ubuntu::new(UbuntuRelease::Noble).into(), X86, Standard, None),
        ];
        for (family, architecture, variant, expected) in &table {
            let target = Target { version: "1.35", architecture: *architecture, variant: *variant };
            assert_eq!(family.ami_type(target).as_deref(), *expected, "{} {architecture} {}", family.name(), variant.as_str());
        }
        let meant: std::collections::BTreeSet<_> = table.iter().filter_map(|row| row.3).collect();
        assert_eq!(meant.len(), 22, "the enum's 23 without CUSTOM");
    }
}
