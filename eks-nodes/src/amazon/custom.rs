//! A template of your own, by address.

use super::{More, any_template};

/// A template of your own, or a changed copy of Amazon's.
///
/// Of what the spec knows it is told what it declares by the names of Amazon's template: `ClusterName`, `ClusterControlPlaneSecurityGroup`,
/// `NodeGroupName`, `VpcId`, `Subnets`, `NodeInstanceType`, `NodeVolumeSize`, `KeyName` and the three `NodeAutoScalingGroup…` sizes, unless
/// given here. It must have an output `NodeInstanceRole`, and label its nodes `eks-rs/workers=<name>` to have them found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomTemplate {
    pub(super) url: String,
    pub(super) more: More,
}

any_template!(CustomTemplate);

impl CustomTemplate {
    /// The template at an `https://` address in S3.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), more: More::new() }
    }
}
