//! Who a rule is about.

use std::fmt;

use eks_core::{PrefixListId, Ref, SecurityGroupId};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// A source or destination as the user writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Cidr(String),
    PrefixList {
        id: String,
        max_entries: u32,
    },
    Group(String),
    GroupId(SecurityGroupId),
    #[serde(rename = "self")]
    Itself,
}

/// The source of an ingress rule, the destination of an egress rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Peer {
    /// IPv4 addresses.
    Ipv4(Ipv4Net),
    /// IPv6 addresses.
    Ipv6(Ipv6Net),
    /// The addresses of a prefix list.
    PrefixList(PrefixListId),
    /// Members of a group.
    Group(Ref<SecurityGroupId>),
}

impl Peer {
    /// The group, if it is one.
    pub(crate) fn group(&self) -> Option<&Ref<SecurityGroupId>> {
        match self {
            Self::Group(group) => Some(group),
            _ => None,
        }
    }

    /// Itself and every block that contains it.
    pub(super) fn and_wider(&self) -> Box<dyn Iterator<Item = Self> + '_> {
        match self {
            Self::Ipv4(block) => Box::new(std::iter::successors(Some(*block), Ipv4Net::supernet).map(Self::Ipv4)),
            Self::Ipv6(block) => Box::new(std::iter::successors(Some(*block), Ipv6Net::supernet).map(Self::Ipv6)),
            other => Box::new(std::iter::once(other.clone())),
        }
    }
}

impl From<IpNet> for Peer {
    fn from(block: IpNet) -> Self {
        match block {
            IpNet::V4(block) => Self::Ipv4(block),
            IpNet::V6(block) => Self::Ipv6(block),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(block) => block.fmt(f),
            Self::Ipv6(block) => block.fmt(f),
            Self::PrefixList(list) => list.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}
