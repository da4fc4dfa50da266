//! Rules: as the user writes them, and with everything decided.

use std::{fmt, marker::PhantomData};

use eks_core::SecurityGroupId;
use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::{
    peer::{Origin, Peer},
    protocol::{IcmpTypes, Ports, Protocol},
};

/// A rule that says neither where from nor where to yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unaimed {}

/// A rule that lets something in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inbound {}

/// A rule that lets something out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outbound {}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else can be Unaimed, Inbound or Outbound")]
    pub trait Sealed {}
}

impl sealed::Sealed for Unaimed {}
impl sealed::Sealed for Inbound {}
impl sealed::Sealed for Outbound {}

/// What may still come from somewhere.
pub trait Incoming: sealed::Sealed {}

impl Incoming for Unaimed {}
impl Incoming for Inbound {}

/// What may still go somewhere.
pub trait Outgoing: sealed::Sealed {}

impl Outgoing for Unaimed {}
impl Outgoing for Outbound {}

/// What a security group lets in from one or several sources, or out to one or several destinations.
///
/// ```
/// use eks_net::{Rule, SecurityGroup};
///
/// SecurityGroup::new("web", "web servers")
///     .allow(Rule::tcp(443).from_cidr("0.0.0.0/0").from_cidr("::/0").described("HTTPS"))
///     .allow_out(Rule::tcp(5432).to_group("database"));
/// ```
///
/// The direction is part of the type:
///
/// ```compile_fail
/// eks_net::SecurityGroup::new("web", "web servers").allow(eks_net::Rule::tcp(443).to_cidr("0.0.0.0/0"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "", deny_unknown_fields)]
pub struct Rule<D = Unaimed> {
    pub(super) protocol: Protocol,
    pub(super) peers: Vec<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip)]
    direction: PhantomData<D>,
}

impl Rule {
    fn of(protocol: Protocol) -> Self {
        Self { protocol, peers: Vec::new(), description: None, direction: PhantomData }
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
        Self::of(Protocol::Icmp(IcmpTypes::All))
    }

    /// ICMP of these types: `IcmpTypes::Code(3, 4)` is "fragmentation needed".
    pub fn icmp_of(types: IcmpTypes) -> Self {
        Self::of(Protocol::Icmp(types))
    }

    /// ICMPv6, every type.
    pub fn icmpv6() -> Self {
        Self::of(Protocol::Icmpv6(IcmpTypes::All))
    }

    /// ICMPv6 of these types.
    pub fn icmpv6_of(types: IcmpTypes) -> Self {
        Self::of(Protocol::Icmpv6(types))
    }

    /// Another protocol by its number at IANA: 50 is ESP. EC2 tells no ports of it apart.
    pub fn protocol(number: u8) -> Self {
        Self::of(Protocol::Number(number))
    }

    /// Every protocol and port.
    pub fn all() -> Self {
        Self::of(Protocol::All)
    }
}

impl<D> Rule<D> {
    /// Why: shown in the console. At most 255 characters.
    #[must_use]
    pub fn described(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    fn with<E>(mut self, peer: Origin) -> Rule<E> {
        self.peers.push(peer);
        Rule { protocol: self.protocol, peers: self.peers, description: self.description, direction: PhantomData }
    }
}

impl<D: Incoming> Rule<D> {
    /// From these addresses, IPv4 or IPv6.
    #[must_use]
    pub fn from_cidr(self, cidr: impl fmt::Display) -> Rule<Inbound> {
        self.with(Origin::Cidr(cidr.to_string()))
    }

    /// From the addresses of a prefix list. It counts as its maximum number of entries against the quota of rules, and as its
    /// weight if it is AWS's own. (Amazon VPC User Guide, "Amazon VPC quotas".)
    #[must_use]
    pub fn from_prefix_list(self, id: impl Into<String>, max_entries: u32) -> Rule<Inbound> {
        self.with(Origin::PrefixList { id: id.into(), max_entries })
    }

    /// From what is in the group of this name of the same network.
    #[must_use]
    pub fn from_group(self, name: impl Into<String>) -> Rule<Inbound> {
        self.with(Origin::Group(name.into()))
    }

    /// From what is in a group that exists already.
    #[must_use]
    pub fn from_group_id(self, id: SecurityGroupId) -> Rule<Inbound> {
        self.with(Origin::GroupId(id))
    }

    /// From what is in the same group.
    #[must_use]
    pub fn from_self(self) -> Rule<Inbound> {
        self.with(Origin::Itself)
    }
}

impl<D: Outgoing> Rule<D> {
    /// To these addresses, IPv4 or IPv6.
    #[must_use]
    pub fn to_cidr(self, cidr: impl fmt::Display) -> Rule<Outbound> {
        self.with(Origin::Cidr(cidr.to_string()))
    }

    /// To the addresses of a prefix list; see [`Rule::from_prefix_list`].
    #[must_use]
    pub fn to_prefix_list(self, id: impl Into<String>, max_entries: u32) -> Rule<Outbound> {
        self.with(Origin::PrefixList { id: id.into(), max_entries })
    }

    /// To what is in the group of this name of the same network.
    #[must_use]
    pub fn to_group(self, name: impl Into<String>) -> Rule<Outbound> {
        self.with(Origin::Group(name.into()))
    }

    /// To what is in a group that exists already.
    #[must_use]
    pub fn to_group_id(self, id: SecurityGroupId) -> Rule<Outbound> {
        self.with(Origin::GroupId(id))
    }

    /// To what is in the same group.
    #[must_use]
    pub fn to_self(self) -> Rule<Outbound> {
        self.with(Origin::Itself)
    }
}

/// Which way a rule lets something through. Answers go back by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Direction {
    /// In.
    Ingress,
    /// Out.
    Egress,
}

/// One rule with everything decided: one direction, one protocol, one peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SecurityGroupRule {
    /// In or out.
    pub direction: Direction,
    /// Protocol and ports.
    pub protocol: Protocol,
    /// Where from, or where to.
    pub peer: Peer,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What tells a rule from the others of its group: EC2 refuses a second one with the same.
pub(super) type Identity<'a> = (Direction, Protocol, &'a Peer);

impl SecurityGroupRule {
    /// A rule from its parts.
    pub fn new(direction: Direction, protocol: Protocol, peer: Peer, description: Option<String>) -> Self {
        Self { direction, protocol, peer, description }
    }

    /// The rules with which EC2 makes a group: everything out, by IPv4 and, in a VPC that has it, by IPv6. (Amazon EC2 API
    /// Reference, CreateSecurityGroup; Amazon VPC User Guide, "Default security groups".)
    pub(crate) fn defaults() -> [Self; 2] {
        [Peer::Ipv4(Ipv4Net::default()), Peer::Ipv6(Ipv6Net::default())].map(|peer| Self::new(Direction::Egress, Protocol::All, peer, None))
    }

    /// Whether EC2 makes every group with it.
    pub(crate) fn is_default(&self) -> bool {
        Self::defaults().iter().any(|rule| rule.same_as(self))
    }

    pub(crate) fn identity(&self) -> Identity<'_> {
        (self.direction, self.protocol, &self.peer)
    }

    /// Whether both let through the same; descriptions do not count.
    pub fn same_as(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl fmt::Display for SecurityGroupRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.direction {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        };
        write!(f, "{} {way} {}", self.protocol, self.peer)
    }
}
