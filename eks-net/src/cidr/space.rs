//! How much of a block is used and free, and in which pieces.

use std::{collections::BTreeMap, fmt};

use ipnet::IpNet;

/// Used and free space, by an [`Allocator`](crate::Allocator) or of a [`NetworkSpec`](crate::NetworkSpec).
///
/// ```
/// # use eks_core::Owner;
/// # use eks_net::NetworkSpec;
/// let network = NetworkSpec::builder(&Owner::new("shop")?, "10.0.0.0/16")
///     .zones(["us-east-1a", "us-east-1b"])
///     .public_prefix(24)
///     .private_prefix(20)
///     .build()?;
/// assert_eq!(network.space().to_string(), "\
/// 10.0.0.0/16, 65536 addresses
///   used   8704  13 %  in 4 subnets
///   kept  17408  27 %  for zones to come
///   free  39424  60 %  1 × /17, 1 × /20, 1 × /21, 1 × /23; the largest block is 83 % of it
/// ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Space {
    /// The blocks, by address.
    pub blocks: Vec<IpNet>,
    /// How many blocks of them are allocated: subnets, in a network.
    pub allocated: usize,
    /// Addresses allocated. Numbers of addresses end at `u128::MAX`, one less than all of IPv6.
    pub used: u128,
    /// Addresses kept for zones to come.
    pub kept: u128,
    /// Addresses free.
    pub free: u128,
    /// Largest aligned blocks that the free space consists of: how many of each prefix length.
    pub free_blocks: BTreeMap<u8, usize>,
    width: u8,
}

impl Space {
    pub(crate) fn new(width: u8, blocks: Vec<IpNet>, allocated: usize, free_blocks: BTreeMap<u8, usize>) -> Self {
        let free = free_blocks.iter().fold(0, |sum: u128, (prefix, count)| {
            sum.saturating_add(addresses(width, *prefix).saturating_mul(u128::try_from(*count).unwrap_or(u128::MAX)))
        });
        let total = blocks.iter().fold(0, |sum: u128, block| sum.saturating_add(addresses(width, block.prefix_len())));
        Self { blocks, allocated, used: total.saturating_sub(free), kept: 0, free, free_blocks, width }
    }

    /// Addresses that are allocated but kept for later.
    pub(crate) fn keeping(mut self, blocks: &[ipnet::Ipv4Net]) -> Self {
        self.allocated = self.allocated.saturating_sub(blocks.len());
        self.kept = blocks.iter().map(|block| addresses(self.width, block.prefix_len())).sum();
        self.used = self.used.saturating_sub(self.kept);
        self
    }

    /// All addresses.
    pub fn total(&self) -> u128 {
        self.used.saturating_add(self.kept).saturating_add(self.free)
    }

    /// Prefix length of the largest free block.
    pub fn largest_free(&self) -> Option<u8> {
        self.free_blocks.keys().next().copied()
    }

    /// The part of the free space that is not in its largest block, 0–1: 0 if there is one free block or none.
    pub fn fragmentation(&self) -> f64 {
        self.largest_free().map_or(0.0, |prefix| 1.0 - ratio(addresses(self.width, prefix), self.free))
    }

    /// How many blocks of this prefix length could still be allocated.
    pub fn fits(&self, prefix: u8) -> u128 {
        let each = |size: &u8| 1_u128.checked_shl((prefix - size).into()).unwrap_or(u128::MAX);
        let large = self.free_blocks.range(..=prefix);
        large.fold(0, |sum: u128, (size, count)| sum.saturating_add(each(size).saturating_mul(u128::try_from(*count).unwrap_or(u128::MAX))))
    }
}

fn addresses(width: u8, prefix: u8) -> u128 {
    1_u128.checked_shl((width - prefix).into()).unwrap_or(u128::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "it is shown in percent")]
fn ratio(part: u128, whole: u128) -> f64 {
    part as f64 / whole as f64
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks = self.blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        let total = self.total();
        writeln!(f, "{blocks}, {total} addresses")?;
        let width = total.to_string().len();
        let mut line = |what: &str, addresses: u128, more: String| {
            writeln!(f, "  {what}  {addresses:>width$} {:>3.0} %  {more}", 100.0 * ratio(addresses, total))
        };
        line("used", self.used, format!("in {} subnet{}", self.allocated, if self.allocated == 1 { "" } else { "s" }))?;
        if self.kept > 0 {
            line("kept", self.kept, "for zones to come".to_owned())?;
        }
        let pieces = self.free_blocks.iter().map(|(prefix, count)| format!("{count} × /{prefix}")).collect::<Vec<_>>().join(", ");
        let largest = 100.0 * (1.0 - self.fragmentation());
        line("free", self.free, if self.free == 0 { String::new() } else { format!("{pieces}; the largest block is {largest:.0} % of it") })
    }
}
