//! IPv4 blocks as VPCs and subnets may have them.
//!
//! Sources: Amazon VPC User Guide, "VPC CIDR blocks" and "Subnet sizing"; Amazon EKS User Guide, "Networking requirements".

use std::net::Ipv4Addr;

use eks_core::Problems;
use ipnet::{IpNet, Ipv4Net};

use super::Allocator;

/// Prefix lengths that AWS accepts for a VPC and for a subnet.
pub(crate) const PREFIXES: std::ops::RangeInclusive<u8> = 16..=28;

/// How many addresses of a subnet instances can have: all but the five that AWS reserves.
///
/// ```
/// assert_eq!(eks_net::usable_addresses("10.0.1.0/24".parse()?), 251);
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn usable_addresses(subnet: Ipv4Net) -> u32 {
    let all = 1_u64 << (32 - subnet.prefix_len());
    u32::try_from(all.saturating_sub(5)).unwrap_or(u32::MAX)
}

/// The five addresses of a subnet that AWS reserves: network, router, DNS, one for the future, broadcast.
pub fn reserved_addresses(subnet: Ipv4Net) -> [Ipv4Addr; 5] {
    let base = u32::from(subnet.network());
    let at = |offset: u32| Ipv4Addr::from(base.saturating_add(offset));
    [at(0), at(1), at(2), at(3), subnet.broadcast()]
}

/// The block that `text` writes, if it is one and has no host bits: AWS would drop those silently.
pub(crate) fn ipv4(problems: &mut Problems, subject: &str, text: &str) -> Option<Ipv4Net> {
    match any(problems, subject, text)? {
        IpNet::V4(block) => Some(block),
        IpNet::V6(_) => {
            problems.add("cidr-form", subject, format!("{text:?} is an IPv6 block"), "give an IPv4 block such as 10.0.0.0/16");
            None
        }
    }
}

/// Likewise, for either family.
pub(crate) fn any(problems: &mut Problems, subject: &str, text: &str) -> Option<IpNet> {
    let Ok(block) = text.parse::<IpNet>() else {
        let remedy = "write an address, a slash and a prefix length, such as 10.0.0.0/16";
        problems.add("cidr-form", subject, format!("{text:?} is not in CIDR notation"), remedy);
        return None;
    };
    if block.addr() != block.network() {
        let canonical = block.trunc();
        problems.add("cidr-host-bits", subject, format!("{text} has bits set beyond its prefix"), format!("write {canonical}"));
        return None;
    }
    Some(block)
}

/// Ranges that no VPC can be in.
pub(crate) const UNUSABLE: [(Ipv4Net, &str); 4] = [
    (Ipv4Net::new_assert(Ipv4Addr::new(0, 0, 0, 0), 8), "\"this network\""),
    (Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8), "loopback"),
    (Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16), "link-local"),
    (Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3), "multicast and reserved"),
];

/// The blocks of other networks, by what the user calls them; none may meet the VPC's.
pub(crate) fn check_apart(problems: &mut Problems, vpc: &[Ipv4Net], others: &[(String, String)]) {
    for (name, text) in others {
        let Some(IpNet::V4(other)) = any(problems, name, text) else { continue };
        for block in vpc.iter().filter(|block| overlap(**block, other)) {
            let rule = format!("the VPC's {block} overlaps {other}, and must not");
            problems.add("network-overlap", name, rule, "choose another block for the VPC");
        }
    }
}

/// The rules for the block of a VPC.
pub(crate) fn check_vpc(problems: &mut Problems, block: Ipv4Net) {
    if !PREFIXES.contains(&block.prefix_len()) {
        problems.add("vpc-size", "VPC", format!("{block} is not between /16 and /28"), "choose a prefix length from 16 to 28");
    }
    for (range, what) in UNUSABLE {
        if overlap(block, range) {
            problems.add(
                "vpc-range",
                "VPC",
                format!("{block} lies in {range}, which is {what}"),
                "choose a range of RFC 1918, such as 10.0.0.0/16",
            );
        }
    }
}

/// The rules for the block of a subnet of its own.
pub(crate) fn check_subnet(problems: &mut Problems, subject: &str, block: Ipv4Net, vpc: &[Ipv4Net]) {
    if !PREFIXES.contains(&block.prefix_len()) {
        problems.add("subnet-size", subject, format!("{block} is not between /16 and /28"), "choose a prefix length from 16 to 28");
    }
    if !vpc.is_empty() && !vpc.iter().any(|vpc| vpc.contains(&block)) {
        let all = vpc.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        problems.add("subnet-outside", subject, format!("{block} is not inside the VPC's {all}"), "choose a block inside the VPC's");
    }
}

/// Whether two blocks share an address. Blocks are aligned, so one then contains the other.
pub(crate) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// The lowest aligned block of this prefix length inside `within` that overlaps none that is taken.
pub(crate) fn first_fit(within: Ipv4Net, prefix: u8, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    Allocator::around([within], taken.iter().copied()).ok()?.allocate_lowest(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn five_addresses_are_reserved() {
        assert_eq!(usable_addresses(net("10.0.0.0/28")), 11);
        assert_eq!(usable_addresses(net("10.0.0.0/16")), 65_531);
        assert_eq!(
            reserved_addresses(net("10.0.1.0/24")).map(|a| a.to_string()),
            ["10.0.1.0", "10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.255"]
        );
    }

    #[test]
    fn host_bits_name_the_canonical_form() {
        let mut problems = Problems::new();
        assert_eq!(ipv4(&mut problems, "VPC", "10.0.0.1/16"), None);
        let error = problems.finish("network", || ()).unwrap_err();
        assert_eq!(error.problems[0].to_string(), "VPC: 10.0.0.1/16 has bits set beyond its prefix; write 10.0.0.0/16");
    }
}
