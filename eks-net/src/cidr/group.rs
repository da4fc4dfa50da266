//! Groups of subnets: the same purpose and size in every zone.

use eks_core::{Problems, Tier};
use serde::{Deserialize, Serialize};

use super::{PREFIXES, budget::IpBudget};
use crate::keys;

/// How large each subnet of a group is. Numbers of type `u8` are prefix lengths.
///
/// ```
/// use eks_net::Size;
///
/// assert_eq!(Size::from(24), Size::Prefix(24));
/// // Five addresses of every subnet are AWS's.
/// assert_eq!(Size::Hosts(251).prefix(), 24);
/// assert_eq!(Size::Hosts(252).prefix(), 23);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Size {
    /// A prefix length, 16–28.
    Prefix(u8),
    /// Addresses that must be usable in each subnet.
    Hosts(u32),
    /// What must fit into each subnet.
    Budget(IpBudget),
}

impl From<u8> for Size {
    fn from(prefix: u8) -> Self {
        Self::Prefix(prefix)
    }
}

impl From<IpBudget> for Size {
    fn from(budget: IpBudget) -> Self {
        Self::Budget(budget)
    }
}

/// The prefix length of the smallest subnet that AWS allows and that has this many usable addresses.
pub(crate) fn smallest(usable: u64) -> u8 {
    let bits = usable.checked_add(5).and_then(u64::checked_next_power_of_two).map_or(64, u64::trailing_zeros);
    u8::try_from(32_u32.saturating_sub(bits)).unwrap_or(0).min(*PREFIXES.end())
}

impl Size {
    /// The prefix length: of the smallest subnet that AWS allows and that has the addresses. It is below 16 if none is large
    /// enough; a network then refuses it.
    pub fn prefix(&self) -> u8 {
        match self {
            Self::Prefix(prefix) => *prefix,
            Self::Hosts(hosts) => smallest(u64::from(*hosts)),
            Self::Budget(budget) => budget.prefix(),
        }
    }
}

/// Subnets of one purpose: one in each zone, all of one size.
///
/// ```
/// use eks_net::{Size, SubnetGroup};
///
/// let database = SubnetGroup::intra(24).named("database");
/// let pods = SubnetGroup::private(Size::Hosts(4_000)).named("pods");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubnetGroup {
    pub(crate) tier: Tier,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) size: Size,
}

impl SubnetGroup {
    /// Subnets whose default route leads to the internet gateway.
    pub fn public(size: impl Into<Size>) -> Self {
        Self { tier: Tier::Public, name: None, size: size.into() }
    }

    /// Subnets whose default route leads to a NAT gateway, if there is one.
    pub fn private(size: impl Into<Size>) -> Self {
        Self { tier: Tier::Private, name: None, size: size.into() }
    }

    /// Subnets without a route out.
    pub fn intra(size: impl Into<Size>) -> Self {
        Self { tier: Tier::Intra, name: None, size: size.into() }
    }

    /// Tells it from other groups of its tier. It becomes part of its subnets' keys: `net/subnet/intra/us-east-1a-database`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How problems call it.
    pub(crate) fn subject(&self) -> String {
        match &self.name {
            Some(name) => format!("{} subnets {name}", keys::tier_name(self.tier)),
            None => format!("{} subnets", keys::tier_name(self.tier)),
        }
    }

    /// The prefix length, if AWS allows it in a VPC of this one.
    pub(crate) fn check(&self, problems: &mut Problems, vpc: u8) -> Option<u8> {
        let prefix = self.size.prefix();
        let least = vpc.max(*PREFIXES.start());
        if (least..=*PREFIXES.end()).contains(&prefix) {
            return Some(prefix);
        }
        let too_many = |addresses: u64| {
            let rule = format!("{addresses} addresses need a /{prefix}, which is larger than a /{least}");
            (rule, "ask for fewer, or choose a larger VPC")
        };
        let (rule, remedy) = match &self.size {
            Size::Prefix(_) => (format!("/{prefix} is not between /{least} and /28"), "choose a length in this range"),
            Size::Hosts(hosts) => too_many((*hosts).into()),
            Size::Budget(budget) => too_many(budget.addresses()),
        };
        problems.add("prefix-size", self.subject(), rule, remedy);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usable_addresses;

    #[test]
    fn the_smallest_block_that_has_the_addresses() {
        for hosts in (0..3_000).chain([4_091, 4_092, 65_531]) {
            let prefix = Size::Hosts(hosts).prefix();
            let usable = |prefix: u8| usable_addresses(ipnet::Ipv4Net::new([10, 0, 0, 0].into(), prefix).unwrap());
            assert!(usable(prefix) >= hosts && (prefix == 28 || usable(prefix + 1) < hosts), "{hosts} in /{prefix}");
        }
        assert_eq!(Size::Hosts(65_532).prefix(), 15);
        assert_eq!(Size::Hosts(u32::MAX).prefix(), 0);
    }
}
