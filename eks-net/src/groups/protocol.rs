//! Protocols, ports, ICMP types and codes of rules. (Amazon EC2 API Reference, IpPermission.)

use std::{fmt, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

/// Protocol of a rule, with its ports or ICMP types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Protocol {
    /// Every protocol, every port.
    All,
    /// ICMP.
    Icmp(IcmpTypes),
    /// ICMPv6.
    Icmpv6(IcmpTypes),
    /// TCP ports, from and to.
    Tcp(u16, u16),
    /// UDP ports, from and to.
    Udp(u16, u16),
    /// Another one by its number at IANA. It has no ports.
    Number(u8),
}

/// Types and codes of ICMP or ICMPv6. A code has a meaning only with its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "EC2 has a type, or none, and a code, or none")]
pub enum IcmpTypes {
    /// Every type.
    All,
    /// Every code of a type.
    Type(u8),
    /// One code of a type.
    Code(u8, u8),
}

impl IcmpTypes {
    fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Type(one), Self::Type(two) | Self::Code(two, _)) => one == two,
            _ => self == other,
        }
    }
}

impl Protocol {
    /// Whether every packet of the other is one of this, too.
    pub(super) fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Icmp(one), Self::Icmp(two)) | (Self::Icmpv6(one), Self::Icmpv6(two)) => one.covers(two),
            (Self::Tcp(from, to), Self::Tcp(first, last)) | (Self::Udp(from, to), Self::Udp(first, last)) => from <= first && last <= to,
            _ => self == other,
        }
    }
}

impl fmt::Display for IcmpTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Type(kind) => write!(f, " type {kind}"),
            Self::Code(kind, code) => write!(f, " type {kind} code {code}"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all"),
            Self::Icmp(types) => write!(f, "icmp{types}"),
            Self::Icmpv6(types) => write!(f, "icmpv6{types}"),
            Self::Tcp(from, to) if from == to => write!(f, "tcp {from}"),
            Self::Tcp(from, to) => write!(f, "tcp {from}-{to}"),
            Self::Udp(from, to) if from == to => write!(f, "udp {from}"),
            Self::Udp(from, to) => write!(f, "udp {from}-{to}"),
            Self::Number(number) => write!(f, "protocol {number}"),
        }
    }
}

/// One port or a range: `22`, `30000..=32767`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    pub(super) from: u16,
    pub(super) to: u16,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_covers_what() {
        use IcmpTypes::{All, Code, Type};
        use Protocol::{Icmp, Icmpv6, Number, Tcp, Udp};
        for (one, other, covers) in [
            (Protocol::All, Number(50), true),
            (Number(50), Protocol::All, false),
            (Tcp(20, 30), Tcp(20, 30), true),
            (Tcp(20, 30), Tcp(19, 25), false),
            (Tcp(20, 30), Udp(22, 22), false),
            (Icmp(All), Icmp(Code(3, 4)), true),
            (Icmp(Type(3)), Icmp(Code(3, 4)), true),
            (Icmp(Type(3)), Icmp(Code(4, 3)), false),
            (Icmp(Code(3, 4)), Icmp(Type(3)), false),
            (Icmp(Type(8)), Icmp(All), false),
            (Icmp(All), Icmpv6(All), false),
        ] {
            assert_eq!(one.covers(other), covers, "{one} {other}");
        }
    }
}
