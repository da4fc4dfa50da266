//! What an image is, by the name that its maker gives it.

/// The operating system of an image, by the form of its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    AmazonLinux2,
    AmazonLinux2023,
    Bottlerocket,
    Ubuntu,
    Windows,
}

impl System {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AmazonLinux2 => "Amazon Linux 2",
            Self::AmazonLinux2023 => "Amazon Linux 2023",
            Self::Bottlerocket => "Bottlerocket",
            Self::Ubuntu => "Ubuntu",
            Self::Windows => "Windows",
        }
    }
}

/// System and Kubernetes minor version of an image for EKS nodes; `None` for others, of which nothing is known.
///
/// Names: EKS user guide, "Retrieve recommended Amazon Linux AMI IDs" (its parameter tells the name), the same of Bottlerocket, Ubuntu (Canonical) and
/// Windows.
pub(super) fn of(name: &str) -> Option<(System, u32)> {
    let (system, rest) = if let Some(rest) = name.strip_prefix("amazon-eks-node-al2023-") {
        (System::AmazonLinux2023, rest)
    } else if let Some(rest) = name.strip_prefix("amazon-eks-") {
        (System::AmazonLinux2, rest.split_once("node-")?.1)
    } else if let Some(rest) = name.strip_prefix("bottlerocket-aws-k8s-") {
        (System::Bottlerocket, rest)
    } else if name.starts_with("ubuntu-eks") {
        (System::Ubuntu, name.split_once("k8s_")?.1)
    } else if name.starts_with("Windows_Server-") {
        (System::Windows, name.split_once("EKS_Optimized-")?.1)
    } else {
        return None;
    };
    // The first `1.<minor>` in what is left.
    let minor = rest.split(['-', '/', '_']).find_map(|part| part.strip_prefix("1.")?.parse().ok())?;
    Some((system, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_makers() {
        for (name, system, minor) in [
            ("amazon-eks-node-al2023-x86_64-standard-1.33-v20260209", System::AmazonLinux2023, 33),
            ("amazon-eks-node-1.32-v20251112", System::AmazonLinux2, 32),
            ("amazon-eks-gpu-node-1.31-v20251112", System::AmazonLinux2, 31),
            ("amazon-eks-arm64-node-1.31-v20251112", System::AmazonLinux2, 31),
            ("bottlerocket-aws-k8s-1.34-nvidia-x86_64-v1.52.0-f9f7a4b0", System::Bottlerocket, 34),
            ("ubuntu-eks/k8s_1.33/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251101", System::Ubuntu, 33),
            ("Windows_Server-2022-English-Core-EKS_Optimized-1.33-2025.11.13", System::Windows, 33),
        ] {
            assert_eq!(of(name), Some((system, minor)), "{name}");
        }
        assert_eq!(of("our-golden-image-2026"), None);
        assert_eq!(of("al2023-ami-2023.9.20251110.1-kernel-6.1-x86_64"), None);
    }
}
