//! What a machine image boots into, as the public parameter that names it tells.

use crate::{ssm, world::World};

/// The operating system, by its form of user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    AmazonLinux2,
    AmazonLinux2023,
    Bottlerocket,
    Ubuntu,
    Windows,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) system: System,
    /// The kubelet's minor version, `1.36`.
    pub(super) version: Option<String>,
}

/// Images that no public parameter names are taken for Amazon Linux 2023's, with a kubelet of the cluster's version: an assumption.
pub(super) fn of(world: &World, id: &str) -> Image {
    ssm::image_parameter(world, id).and_then(|name| named(&name)).unwrap_or(Image { system: System::AmazonLinux2023, version: None })
}

/// EKS user guide, "Retrieve recommended … AMI IDs" of each system; Canonical's page of the same.
fn named(parameter: &str) -> Option<Image> {
    let parts: Vec<&str> = parameter.split('/').filter(|part| !part.is_empty()).collect();
    let (system, version) = match parts.as_slice() {
        ["aws", "service", "eks", "optimized-ami", version, system, ..] => {
            let is_al2 = *system == "amazon-linux-2" || system.starts_with("amazon-linux-2-");
            (if is_al2 { System::AmazonLinux2 } else { System::AmazonLinux2023 }, *version)
        }
        ["aws", "service", "bottlerocket", variant, ..] => {
            (System::Bottlerocket, variant.strip_prefix("aws-k8s-")?.split('-').next().unwrap_or_default())
        }
        ["aws", "service", "canonical", "ubuntu", _, _, version, ..] => (System::Ubuntu, *version),
        ["aws", "service", "ami-windows-latest", name, ..] => (System::Windows, name.split_once("EKS_Optimized-")?.1),
        _ => return None,
    };
    Some(Image { system, version: Some(version.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_tell_system_and_version() {
        for (parameter, system, version) in [
            ("/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id", System::AmazonLinux2023, "1.35"),
            ("/aws/service/eks/optimized-ami/1.32/amazon-linux-2-gpu/recommended/image_id", System::AmazonLinux2, "1.32"),
            ("/aws/service/bottlerocket/aws-k8s-1.36-nvidia/x86_64/latest/image_id", System::Bottlerocket, "1.36"),
            ("/aws/service/canonical/ubuntu/eks/24.04/1.35/stable/current/amd64/hvm/ebs-gp3/ami-id", System::Ubuntu, "1.35"),
            ("/aws/service/ami-windows-latest/Windows_Server-2022-English-Core-EKS_Optimized-1.36/image_id", System::Windows, "1.36"),
        ] {
            assert_eq!(named(parameter), Some(Image { system, version: Some(version.to_owned()) }));
        }
        assert_eq!(named("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"), None);
    }
}
