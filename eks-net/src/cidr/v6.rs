//! IPv6 blocks: a VPC has a /56 of Amazon's, a subnet a /64 of it. (Amazon VPC User Guide, "VPC CIDR blocks" and "Subnet sizing".)

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

/// The n-th block of this prefix length, from 0: the /64s of a VPC's /56 are numbered 0–255. `None` if there is none.
///
/// ```
/// use eks_net::nth_block;
///
/// let vpc = "2001:db8:1234:1a00::/56".parse()?;
/// assert_eq!(nth_block(vpc, 64, 17), Some("2001:db8:1234:1a11::/64".parse()?));
/// assert_eq!(nth_block(vpc, 64, 256), None);
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn nth_block(within: Ipv6Net, prefix: u8, number: u128) -> Option<Ipv6Net> {
    let more = prefix.checked_sub(within.prefix_len()).filter(|_| prefix <= 128)?;
    let fits = number.checked_shr(more.into()).unwrap_or(0) == 0;
    // A block of all addresses is its own only one.
    let offset = number.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    fits.then(|| Ipv6Net::new((u128::from(within.network()) | offset).into(), prefix).ok())?
}

/// The five addresses of an IPv6 subnet that AWS reserves: the first four and the last.
///
/// ```
/// let subnet = "2001:db8:1234:1a00::/64".parse()?;
/// let reserved = eks_net::reserved_ipv6_addresses(subnet).map(|address| address.to_string());
/// assert_eq!(reserved, [
///     "2001:db8:1234:1a00::", "2001:db8:1234:1a00::1", "2001:db8:1234:1a00::2", "2001:db8:1234:1a00::3",
///     "2001:db8:1234:1a00:ffff:ffff:ffff:ffff",
/// ]);
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn reserved_ipv6_addresses(subnet: Ipv6Net) -> [Ipv6Addr; 5] {
    let at = |offset: u128| Ipv6Addr::from(u128::from(subnet.network()).saturating_add(offset));
    [at(0), at(1), at(2), at(3), subnet.broadcast()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_numbered_as_they_follow_each_other() {
        let vpc: Ipv6Net = "2001:db8:1234:1a00::/56".parse().unwrap();
        let all: Vec<_> = (0..256).map_while(|number| nth_block(vpc, 64, number)).collect();
        assert!(vpc.subnets(64).unwrap().eq(all));
        let nth = |within: &str, prefix, number| nth_block(within.parse().unwrap(), prefix, number);
        assert_eq!(nth("::/0", 0, 0), Some("::/0".parse().unwrap()));
        assert_eq!((nth("::/0", 0, 1), nth("::/56", 48, 0), nth("::/56", 129, 0)), (None, None, None));
        assert_eq!(nth("::/0", 128, u128::MAX), Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128".parse().unwrap()));
    }
}
