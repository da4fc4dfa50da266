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

    /// The prefix length of a block.
    pub(super) fn prefix_len(&self) -> Option<u8> {
        match self {
            Self::Ipv4(block) => Some(block.prefix_len()),
            Self::Ipv6(block) => Some(block.prefix_len()),
            Self::PrefixList(_) | Self::Group(_) => None,
        }
    }

    /// The wider block of this prefix length that contains it.
    pub(super) fn widened(&self, length: u8) -> Option<Self> {
        if self.prefix_len()? <= length {
            return None;
        }
        match self {
            Self::Ipv4(block) => Some(Self::Ipv4(Ipv4Net::new(block.addr(), length).ok()?.trunc())),
            Self::Ipv6(block) => Some(Self::Ipv6(Ipv6Net::new(block.addr(), length).ok()?.trunc())),
            Self::PrefixList(_) | Self::Group(_) => None,
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
