//! Subnets' blocks inside a VPC's IPv6 block. (Amazon VPC User Guide, "IPv6 VPC CIDR blocks" and "Subnet sizing for IPv6".)

use ipnet::Ipv6Net;

/// Subnets that fit into the /56 which Amazon provides.
pub(crate) const IPV6_SUBNETS: usize = 256;

/// Which /64 of a VPC's block a subnet's block is.
pub(crate) fn index_in(vpc: Ipv6Net, subnet: Ipv6Net) -> Option<u16> {
    let offset = u128::from(subnet.network()).checked_sub(u128::from(vpc.network()))? >> 64;
    vpc.contains(&subnet).then(|| u16::try_from(offset).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_256_and_none_outside() {
        let vpc: Ipv6Net = "2600:1f18:1234:5600::/56".parse().unwrap();
        assert_eq!(index_in(vpc, "2600:1f18:1234:56ff::/64".parse().unwrap()), Some(255));
        assert_eq!(index_in(vpc, "2600:1f18:1234:5700::/64".parse().unwrap()), None);
        assert_eq!(index_in(vpc, "2600:1f18:1234:5500::/64".parse().unwrap()), None);
    }
}
