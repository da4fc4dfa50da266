//! Ingress rules of security groups. (Amazon VPC User Guide, "Security group rules".)

use std::{fmt, ops::RangeInclusive};

use eks_core::{Ref, SecurityGroupId};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::cidr;

/// Protocol and ports of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Protocol {
    /// Every protocol, every port.
    All,
    /// ICMP, every type.
    Icmp,
    /// ICMPv6, every type.
    Icmpv6,
    /// TCP ports, from and to.
    Tcp(u16, u16),
    /// UDP ports, from and to.
    Udp(u16, u16),
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all"),
            Self::Icmp => write!(f, "icmp"),
            Self::Icmpv6 => write!(f, "icmpv6"),
            Self::Tcp(from, to) if from == to => write!(f, "tcp {from}"),
            Self::Tcp(from, to) => write!(f, "tcp {from}-{to}"),
            Self::Udp(from, to) if from == to => write!(f, "udp {from}"),
            Self::Udp(from, to) => write!(f, "udp {from}-{to}"),
        }
    }
}

/// One port or a range: `22`, `30000..=32767`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    from: u16,
    to: u16,
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self { from: port, to: port }
    }
}

impl From<RangeInclusive<u16>> for Ports {
    fn from(ports: RangeInclusive<u16>) -> Self {
        Self { from: *ports.start(), to: *ports.end() }
    }
}

/// A source as the user writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Cidr(String),
    Group(String),
    GroupId(SecurityGroupId),
    #[serde(rename = "self")]
    Itself,
}

/// What a security group lets in, from one or several sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub(crate) protocol: Protocol,
    pub(crate) from: Vec<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}

impl Rule {
    fn of(protocol: Protocol) -> Self {
        Self { protocol, from: Vec::new(), description: None }
    }

    /// TCP, to a port or a range of ports.
    pub fn tcp(ports: impl Into<Ports>) -> Self {
        let ports = ports.into();
        Self::of(Protocol::Tcp(ports.from, ports.to))
    }

    /// UDP, to a port or a range of ports.
    pub fn udp(ports: impl Into<Ports>) -> Self {
        let ports = ports.into();
        Self::of(Protocol::Udp(ports.from, ports.to))
    }

    /// ICMP, every type.
    pub fn icmp() -> Self {
        Self::of(Protocol::Icmp)
    }

    /// ICMPv6, every type.
    pub fn icmpv6() -> Self {
        Self::of(Protocol::Icmpv6)
    }

    /// Every protocol and port.
    pub fn all() -> Self {
        Self::of(Protocol::All)
    }

    /// From these addresses, IPv4 or IPv6.
    #[must_use]
    pub fn from_cidr(mut self, cidr: impl fmt::Display) -> Self {
        self.from.push(Origin::Cidr(cidr.to_string()));
        self
    }

    /// From what is in the group of this name of the same network.
    #[must_use]
    pub fn from_group(mut self, name: impl Into<String>) -> Self {
        self.from.push(Origin::Group(name.into()));
        self
    }

    /// From what is in a group that exists already.
    #[must_use]
    pub fn from_group_id(mut self, id: SecurityGroupId) -> Self {
        self.from.push(Origin::GroupId(id));
        self
    }

    /// From what is in the same group.
    #[must_use]
    pub fn from_self(mut self) -> Self {
        self.from.push(Origin::Itself);
        self
    }

    /// Why: shown in the console. At most 255 characters.
    #[must_use]
    pub fn described(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

/// Who may come in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// IPv4 addresses.
    Ipv4(Ipv4Net),
    /// IPv6 addresses.
    Ipv6(Ipv6Net),
    /// Members of a group.
    Group(Ref<SecurityGroupId>),
}

impl From<IpNet> for Source {
    fn from(block: IpNet) -> Self {
        match block {
            IpNet::V4(block) => Self::Ipv4(block),
            IpNet::V6(block) => Self::Ipv6(block),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(block) => block.fmt(f),
            Self::Ipv6(block) => block.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}

/// One rule with everything decided: one protocol, one source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ingress {
    /// Protocol and ports.
    pub protocol: Protocol,
    /// Who.
    pub source: Source,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Ingress {
    /// A rule from its parts.
    pub fn new(protocol: Protocol, source: Source, description: Option<String>) -> Self {
        Self { protocol, source, description }
    }

    /// Whether both let in the same; descriptions do not count.
    pub fn same_as(&self, other: &Self) -> bool {
        (self.protocol, &self.source) == (other.protocol, &other.source)
    }

    /// Whether everyone on the internet is let in.
    pub(crate) fn is_world_open(&self) -> bool {
        match &self.source {
            Source::Ipv4(block) => cidr::is_world(Some(*block), None),
            Source::Ipv6(block) => cidr::is_world(None, Some(*block)),
            Source::Group(_) => false,
        }
    }
}

impl fmt::Display for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.protocol, self.source)
    }
}
