//! IPv4 or IPv6 for Pods and Services.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which addresses Pods and Services get. Cannot be changed later. EKS API Reference, `KubernetesNetworkConfigRequest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "there are two families")]
pub enum IpFamily {
    /// IPv4, EKS's default.
    #[default]
    Ipv4,
    /// IPv6: VPC and subnets need blocks of both families, EKS chooses the Services' block in fc00::/7, and the public endpoint
    /// has addresses of both. Not in China.
    Ipv6,
}

impl IpFamily {
    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }

    /// The blocks from which a public endpoint is reached if nothing is said.
    pub(crate) fn anywhere(self) -> &'static [&'static str] {
        match self {
            Self::Ipv4 => &["0.0.0.0/0"],
            Self::Ipv6 => &["0.0.0.0/0", "::/0"],
        }
    }
}

impl fmt::Display for IpFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
