//! AMI types and their images (API reference, Nodegroup, `amiType`; user guide, "Retrieve recommended … AMI IDs").

use serde_json::json;

use super::{ApiError, Service, World, ask};
use crate::eks::{invalid_parameter, version};

/// What is used where nothing is said: Amazon Linux 2023 ("Upgrade from Amazon Linux 2 to Amazon Linux 2023": the default since 1.30).
pub(super) const DEFAULT: &str = "AL2023_x86_64_STANDARD";

/// Architecture of a type, and the folder of its public parameters; `None` for types that EKS does not have.
fn folder(ami_type: &str, kubernetes: &str) -> Option<(&'static str, String)> {
    let optimized = |path: &str| format!("/aws/service/eks/optimized-ami/{kubernetes}/{path}/recommended");
    let (x86, arm) = ("x86_64", "arm64");
    if let Some(rest) = ami_type.strip_prefix("AL2023_") {
        let (architecture, variant) = match rest {
            "x86_64_STANDARD" => (x86, "standard"),
            "x86_64_NEURON" => (x86, "neuron"),
            "x86_64_NVIDIA" => (x86, "nvidia"),
            "ARM_64_STANDARD" => (arm, "standard"),
            "ARM_64_NVIDIA" => (arm, "nvidia"),
            _ => return None,
        };
        return Some((architecture, optimized(&format!("amazon-linux-2023/{architecture}/{variant}"))));
    }
    if let Some(rest) = ami_type.strip_prefix("BOTTLEROCKET_") {
        let (architecture, flavour) = match rest.strip_prefix("ARM_64") {
            Some(flavour) => (arm, flavour),
            None => (x86, rest.strip_prefix("x86_64")?),
        };
        let flavour = match flavour {
            "" => "",
            "_FIPS" => "-fips",
            "_NVIDIA" => "-nvidia",
            "_NVIDIA_FIPS" => "-nvidia-fips",
            _ => return None,
        };
        return Some((architecture, format!("/aws/service/bottlerocket/aws-k8s-{kubernetes}{flavour}/{architecture}/latest")));
    }
    if let Some(rest) = ami_type.strip_prefix("WINDOWS_") {
        let (edition, year) = rest.strip_suffix("_x86_64")?.split_once('_')?;
        let edition = match edition {
            "CORE" => "Core",
            "FULL" => "Full",
            _ => return None,
        };
        let name = format!("Windows_Server-{year}-English-{edition}-EKS_Optimized-{kubernetes}");
        return matches!(year, "2019" | "2022" | "2025").then(|| (x86, format!("/aws/service/ami-windows-latest/{name}")));
    }
    Some(match ami_type {
        "AL2_x86_64" => (x86, optimized("amazon-linux-2")),
        "AL2_x86_64_GPU" => (x86, optimized("amazon-linux-2-gpu")),
        "AL2_ARM_64" => (arm, optimized("amazon-linux-2-arm64")),
        _ => return None,
    })
}

/// The published image of a type.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) image: String,
    pub(super) release: String,
    pub(super) architecture: &'static str,
}

/// The image of a type for a version: the newest release, or the one that is asked for.
pub(super) fn published(world: &mut World, ami_type: &str, kubernetes: &str, release: Option<&str>) -> Result<Published, ApiError> {
    let unknown = || invalid_parameter(format!("The AMI type {ami_type} is invalid"));
    let (architecture, folder) = folder(ami_type, kubernetes).ok_or_else(unknown)?;
    // Amazon Linux 2 ended with 1.32, Windows Server 2025 began with 1.35.
    let unsupported =
        || invalid_parameter(format!("AMI Type {ami_type} is only supported for other kubernetes versions than {kubernetes}"));
    let mut value = |name: &str| {
        let told = ask(world, Service::Ssm, "GetParameter", json!({"Name": format!("{folder}/{name}")})).ok()?;
        Some(told.pointer("/Parameter/Value")?.as_str()?.to_owned())
    };
    let image = value("image_id").ok_or_else(unsupported)?;
    let newest = value("release_version").or_else(|| value("image_version")).unwrap_or_default();
    if let Some(asked) = release.filter(|asked| *asked != newest) {
        let message = format!("Requested release version {asked} is not valid for kubernetes version {kubernetes}.");
        return Err(invalid_parameter(message));
    }
    Ok(Published { image, release: newest, architecture })
}

/// Minor version of a group's Kubernetes version.
pub(super) fn minor(kubernetes: &str) -> u32 {
    version::minor(kubernetes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_api_has_an_image_where_its_system_is_published() {
        let mut world = World::for_tests("us-east-1");
        // API reference, Nodegroup, amiType.
        let types = [
            "AL2023_x86_64_STANDARD",
            "AL2023_ARM_64_STANDARD",
            "AL2023_x86_64_NEURON",
            "AL2023_x86_64_NVIDIA",
            "AL2023_ARM_64_NVIDIA",
            "BOTTLEROCKET_ARM_64",
            "BOTTLEROCKET_x86_64",
            "BOTTLEROCKET_ARM_64_FIPS",
            "BOTTLEROCKET_x86_64_FIPS",
            "BOTTLEROCKET_ARM_64_NVIDIA",
            "BOTTLEROCKET_x86_64_NVIDIA",
            "BOTTLEROCKET_ARM_64_NVIDIA_FIPS",
            "BOTTLEROCKET_x86_64_NVIDIA_FIPS",
            "WINDOWS_CORE_2019_x86_64",
            "WINDOWS_FULL_2019_x86_64",
            "WINDOWS_CORE_2022_x86_64",
            "WINDOWS_FULL_2022_x86_64",
            "WINDOWS_CORE_2025_x86_64",
            "WINDOWS_FULL_2025_x86_64",
        ];
        for ami_type in types {
            let found = published(&mut world, ami_type, "1.35", None).expect(ami_type);
            assert!(found.image.starts_with("ami-"), "{ami_type}");
            assert_eq!(found.architecture == "arm64", ami_type.contains("ARM_64"), "{ami_type}");
        }
        for ami_type in ["AL2_x86_64", "AL2_x86_64_GPU", "AL2_ARM_64"] {
            assert!(published(&mut world, ami_type, "1.32", None).is_ok(), "{ami_type}");
            assert!(published(&mut world, ami_type, "1.33", None).is_err(), "{ami_type}");
        }
        assert!(published(&mut world, "AL2023_X86_64_STANDARD", "1.35", None).is_err());
        assert!(published(&mut world, "AL2023_x86_64_STANDARD", "1.35", Some("1.35.0-20200101")).is_err());
    }
}
