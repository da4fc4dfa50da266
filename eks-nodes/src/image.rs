//! Which image the instances boot from.

use eks_core::AmiId;
use serde::{Deserialize, Serialize};

use crate::instance::{Architecture, Variant};

/// The operating system of the workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Family {
    /// Amazon Linux 2023, configured by nodeadm.
    #[default]
    AmazonLinux2023,
}

/// Where the AMI id comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Image {
    /// This AMI.
    Ami(AmiId),
    /// The AMI that this SSM parameter names, resolved by CloudFormation at each create and update of the stack.
    Parameter(String),
    /// The AMI that AWS recommends for the cluster's version and the instance type's architecture and accelerator.
    #[default]
    Recommended,
}

impl Family {
    /// The public SSM parameter of AWS's recommended image. EKS User Guide, "Retrieve recommended Amazon Linux AMI IDs".
    pub(crate) fn parameter(self, version: &str, architecture: Architecture, variant: Variant) -> String {
        let Self::AmazonLinux2023 = self;
        format!("/aws/service/eks/optimized-ami/{version}/amazon-linux-2023/{architecture}/{}/recommended/image_id", variant.as_str())
    }

    /// The device that the root volume is attached as.
    pub(crate) fn root_device(self) -> &'static str {
        let Self::AmazonLinux2023 = self;
        "/dev/xvda"
    }
}

/// Form of an SSM parameter's name. Systems Manager API Reference, "PutParameter".
pub(crate) fn is_parameter_name(text: &str) -> bool {
    (1..=1011).contains(&text.len())
        && text.starts_with('/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recommended_paths() {
        assert_eq!(
            Family::AmazonLinux2023.parameter("1.35", Architecture::Arm64, Variant::Nvidia),
            "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/arm64/nvidia/recommended/image_id"
        );
    }
}
