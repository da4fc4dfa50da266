//! The way that the control plane's own requests take.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The way of the API server's requests to webhooks, OIDC providers and aggregated API servers. Amazon EKS User Guide, "Configuring
/// control plane egress routing".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum EgressMode {
    /// Amazon EKS's own. The default.
    #[default]
    AwsManaged,
    /// The cluster's subnets: their routes must lead to every endpoint that the control plane calls, and the VPC's DHCP options must name
    /// AmazonProvidedDNS. There is no way back.
    CustomerRouted,
    /// In the API reference beside the two others; the user guide does not describe it. There is no way back to
    /// [`EgressMode::AwsManaged`].
    CustomerIsolated,
}

impl EgressMode {
    #[cfg(feature = "aws")]
    const ALL: [Self; 3] = [Self::AwsManaged, Self::CustomerRouted, Self::CustomerIsolated];

    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwsManaged => "AWS_MANAGED",
            Self::CustomerRouted => "CUSTOMER_ROUTED",
            Self::CustomerIsolated => "CUSTOMER_ISOLATED",
        }
    }

    /// The mode of that name.
    #[cfg(feature = "aws")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

impl fmt::Display for EgressMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
