//! From where the Kubernetes API is reachable.

use std::{collections::BTreeSet, fmt};

use eks_core::Problems;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::IpFamily;

/// From where the Kubernetes API is reachable. EKS User Guide, "Cluster API server endpoint".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "two switches of which one must be on")]
pub enum Endpoint {
    /// The internet, and from inside the VPC by way of the internet. EKS's default.
    #[default]
    Public,
    /// The VPC, and what is connected to it.
    Private,
    /// Both; traffic from inside the VPC stays there.
    Both,
}

impl Endpoint {
    /// Whether the internet reaches it.
    pub fn is_public(self) -> bool {
        self != Self::Private
    }

    /// Whether it has addresses in the VPC.
    pub fn is_private(self) -> bool {
        self != Self::Public
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Both => "public and private",
        })
    }
}

/// EKS allows 40 blocks (Service Quotas, "Public endpoint access CIDR ranges per cluster").
const MOST_CIDRS: usize = 40;

/// Blocks that reach the public endpoint, checked.
pub(crate) fn public_access(texts: &[String], endpoint: Endpoint, family: IpFamily, problems: &mut Problems) -> BTreeSet<IpNet> {
    let mut blocks = BTreeSet::new();
    if !texts.is_empty() && !endpoint.is_public() {
        problems.add(
            "public-access-without-public-endpoint",
            "public access CIDRs",
            "the endpoint is private, so no address of the internet reaches it",
            "use Endpoint::Both, or leave the CIDRs out",
        );
    }
    if texts.len() > MOST_CIDRS {
        problems.add(
            "public-access-count",
            "public access CIDRs",
            format!("EKS allows {MOST_CIDRS}, these are {}", texts.len()),
            "summarise them",
        );
    }
    for text in texts {
        let Ok(block) = text.parse::<IpNet>() else {
            problems.add(
                "public-access-form",
                format!("public access CIDR {text:?}"),
                "is not a block in CIDR notation",
                "write it as 203.0.113.0/24",
            );
            continue;
        };
        if matches!(block, IpNet::V6(_)) && family == IpFamily::Ipv4 {
            // EKS API Reference, VpcConfigRequest: "You can't add IPv6 CIDR blocks to IPv4 clusters".
            problems.add(
                "public-access-family",
                format!("public access CIDR {text}"),
                "is an IPv6 block, and the endpoint of an IPv4 cluster has IPv4 addresses alone",
                "leave it out, or choose the IPv6 family",
            );
        } else if block.trunc() != block {
            problems.add(
                "public-access-host-bits",
                format!("public access CIDR {text}"),
                "has bits set beyond its prefix",
                format!("write {}", block.trunc()),
            );
        } else if is_reserved(block) {
            problems.add(
                "public-access-reserved",
                format!("public access CIDR {text}"),
                "is in reserved address space, which EKS refuses: requests come from public addresses",
                "give the public address that the clients are seen with, or use a private endpoint",
            );
        } else if !blocks.insert(block) {
            problems.add("public-access-twice", format!("public access CIDR {text}"), "is given twice", "give it once");
        }
    }
    blocks
}

/// Private, loopback, link-local and multicast space. `0.0.0.0/0` contains them all and is allowed.
fn is_reserved(block: IpNet) -> bool {
    if block.prefix_len() == 0 {
        return false;
    }
    match block {
        IpNet::V4(block) => {
            let address = block.network();
            address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()
        }
        IpNet::V6(block) => {
            let address = block.network();
            address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local() || address.is_multicast()
        }
    }
}

/// Whether this is the whole internet.
pub(crate) fn is_anywhere(block: &IpNet) -> bool {
    block.prefix_len() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(texts: &[&str], endpoint: Endpoint) -> Vec<&'static str> {
        let mut problems = Problems::new();
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        public_access(&texts, endpoint, IpFamily::Ipv4, &mut problems);
        problems.finish("x", || ()).err().map(|e| e.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
    }

    #[test]
    fn ipv6() {
        let mut problems = Problems::new();
        let texts = ["2600:1f00::/24", "::/0", "fd00::/8"].map(str::to_owned);
        let blocks = public_access(&texts, Endpoint::Both, IpFamily::Ipv6, &mut problems);
        assert_eq!(blocks.len(), 2);
        let error = problems.finish("x", || ()).unwrap_err();
        assert_eq!(error.problems[0].code, "public-access-reserved");
    }

    #[test]
    fn blocks() {
        assert!(codes(&["0.0.0.0/0", "98.234.106.21/32"], Endpoint::Both).is_empty());
        assert_eq!(codes(&["198.51.100.1/32"], Endpoint::Private), ["public-access-without-public-endpoint"]);
        assert_eq!(codes(&["10.1.0.0/16"], Endpoint::Public), ["public-access-reserved"]);
        assert_eq!(codes(&["2001:db8::/32"], Endpoint::Public), ["public-access-family"]);
        assert_eq!(codes(&["198.51.100.1/24", "x"], Endpoint::Public), ["public-access-host-bits", "public-access-form"]);
        assert_eq!(codes(&["198.51.100.0/24", "198.51.100.0/24"], Endpoint::Public), ["public-access-twice"]);
        let many: Vec<_> = (0..41).map(|n| format!("198.51.{n}.0/24")).collect();
        assert_eq!(codes(&many.iter().map(String::as_str).collect::<Vec<_>>(), Endpoint::Public), ["public-access-count"]);
    }
}
