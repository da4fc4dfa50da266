//! Which further blocks a VPC may have beside those that it has.

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{PREFIXES, block::UNUSABLE, overlap};

const fn range(a: u8, b: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), prefix)
}

const TEN: Ipv4Net = range(10, 0, 8);
const SEVENTEEN_TWO: Ipv4Net = range(172, 16, 12);
const NINETEEN_TWO: Ipv4Net = range(192, 168, 16);
const BENCHMARKS: Ipv4Net = range(198, 19, 16);

/// The range that a VPC's first block lies in, and those that further blocks must not meet. (Amazon VPC User Guide, "IPv4 CIDR
/// block association restrictions".)
const RESTRICTED: [(Ipv4Net, &[Ipv4Net]); 5] = [
    (TEN, &[SEVENTEEN_TWO, NINETEEN_TWO, BENCHMARKS]),
    (SEVENTEEN_TWO, &[TEN, NINETEEN_TWO, range(172, 31, 16), BENCHMARKS]),
    (NINETEEN_TWO, &[TEN, SEVENTEEN_TWO, BENCHMARKS]),
    (BENCHMARKS, &[TEN, SEVENTEEN_TWO, NINETEEN_TWO]),
    // Anything else: publicly routable, or 100.64.0.0/10.
    (range(0, 0, 0), &[TEN, SEVENTEEN_TWO, NINETEEN_TWO, BENCHMARKS]),
];

/// Why a block cannot be associated with a VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restriction {
    /// Stable name of the rule: `secondary-size`, `secondary-overlap`, `secondary-range`, `secondary-restricted`.
    pub code: &'static str,
    /// The rule, and how it is broken.
    pub rule: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.rule, self.remedy)
    }
}

impl std::error::Error for Restriction {}

/// Whether a further block can be associated with a VPC that has these, the first of them its primary one. Beside this, no route
/// of the VPC may lead to the block or to a part of it. (Amazon VPC User Guide, "VPC CIDR blocks".)
///
/// ```
/// use eks_net::check_association;
///
/// let vpc = ["10.0.0.0/16".parse()?];
/// assert!(check_association(&vpc, "10.2.0.0/16".parse()?).is_ok());
/// assert!(check_association(&vpc, "100.64.0.0/16".parse()?).is_ok());
/// let refused = check_association(&vpc, "192.168.0.0/20".parse()?).unwrap_err();
/// assert_eq!(refused.to_string(), "AWS refuses blocks in 192.168.0.0/16 for a VPC whose first block is in 10.0.0.0/8; \
///     choose a block in 10.2.0.0–10.255.255.255 or 100.64.0.0/10");
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
///
/// # Errors
/// The first rule that it breaks.
pub fn check_association(present: &[Ipv4Net], wanted: Ipv4Net) -> Result<(), Restriction> {
    let refuse = |code, rule: String, remedy: &str| Err(Restriction { code, rule, remedy: remedy.to_owned() });
    if !PREFIXES.contains(&wanted.prefix_len()) {
        return refuse("secondary-size", format!("{wanted} is not between /16 and /28"), "choose a prefix length from 16 to 28");
    }
    if let Some((range, what)) = UNUSABLE.iter().find(|(range, _)| overlap(*range, wanted)) {
        return refuse("secondary-range", format!("{wanted} lies in {range}, which is {what}"), "choose a block such as 100.64.0.0/16");
    }
    if let Some(other) = present.iter().find(|other| overlap(**other, wanted)) {
        return refuse("secondary-overlap", format!("it overlaps the VPC's {other}"), "choose a block that is free");
    }
    let Some((home, refused)) = present.first().and_then(|first| RESTRICTED.iter().find(|(range, _)| range.contains(first))) else {
        return Ok(());
    };
    let remedy = match *home {
        TEN => "choose a block in 10.2.0.0–10.255.255.255 or 100.64.0.0/10",
        SEVENTEEN_TWO => "choose a block in 172.16.0.0–172.30.255.255 or 100.64.0.0/10",
        NINETEEN_TWO => "choose a block in 192.168.0.0/16 or 100.64.0.0/10",
        _ => "choose a block in 100.64.0.0/10",
    };
    if let Some(range) = refused.iter().find(|range| overlap(**range, wanted)) {
        let place = if home.prefix_len() == 0 { "outside of the private ranges".to_owned() } else { format!("in {home}") };
        let rule = format!("AWS refuses blocks in {range} for a VPC whose first block is {place}");
        return refuse("secondary-restricted", rule, remedy);
    }
    let (lower, both) = (range(10, 0, 16), range(10, 0, 15));
    if let Some(other) = present.iter().find(|other| both.contains(*other)).filter(|_| lower.contains(&wanted)) {
        let rule = format!("AWS refuses blocks in {lower} for a VPC that has one in {both}: it has {other}");
        return refuse("secondary-restricted", rule, remedy);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_user_guide() {
        let cases = [
            // 10.0.0.0/8
            ("10.4.0.0/16", "172.16.0.0/16", "secondary-restricted"),
            ("10.4.0.0/16", "192.168.0.0/16", "secondary-restricted"),
            ("10.4.0.0/16", "198.19.0.0/16", "secondary-restricted"),
            ("10.4.0.0/16", "10.0.0.0/16", ""),
            ("10.0.0.0/24", "10.0.1.0/24", "secondary-restricted"),
            ("10.1.0.0/16", "10.0.0.0/16", "secondary-restricted"),
            ("10.0.0.0/16", "10.1.0.0/16", ""),
            ("10.4.0.0/16 10.1.0.0/20", "10.0.0.0/20", "secondary-restricted"),
            ("10.4.0.0/16", "198.18.0.0/16", ""),
            ("10.4.0.0/16", "8.8.8.0/24", ""),
            ("10.4.0.0/16", "100.64.0.0/16", ""),
            ("10.4.0.0/16 100.64.0.0/16", "10.5.0.0/16", ""),
            // 172.16.0.0/12
            ("172.16.0.0/16", "10.4.0.0/16", "secondary-restricted"),
            ("172.16.0.0/16", "192.168.0.0/16", "secondary-restricted"),
            ("172.16.0.0/16", "172.31.0.0/20", "secondary-restricted"),
            ("172.16.0.0/16", "198.19.4.0/24", "secondary-restricted"),
            ("172.16.0.0/16", "172.20.0.0/16", ""),
            ("172.31.0.0/16", "172.30.0.0/16", ""),
            ("172.16.0.0/16", "100.64.0.0/16", ""),
            // 192.168.0.0/16
            ("192.168.0.0/24", "10.4.0.0/16", "secondary-restricted"),
            ("192.168.0.0/24", "172.16.0.0/16", "secondary-restricted"),
            ("192.168.0.0/24", "198.19.0.0/16", "secondary-restricted"),
            ("192.168.0.0/24", "192.168.1.0/24", ""),
            ("192.168.0.0/24", "100.64.0.0/16", ""),
            // 198.19.0.0/16
            ("198.19.0.0/24", "10.4.0.0/16", "secondary-restricted"),
            ("198.19.0.0/24", "100.64.0.0/16", ""),
            ("198.19.0.0/24", "198.19.1.0/24", ""),
            // Public, or 100.64.0.0/10
            ("100.64.0.0/16", "10.4.0.0/16", "secondary-restricted"),
            ("100.64.0.0/16", "172.16.0.0/16", "secondary-restricted"),
            ("100.64.0.0/16", "198.19.0.0/16", "secondary-restricted"),
            ("100.64.0.0/16", "100.65.0.0/16", ""),
            ("8.8.8.0/24", "100.64.0.0/16", ""),
            ("8.8.8.0/24", "192.168.0.0/16", "secondary-restricted"),
            // All
            ("10.4.0.0/16", "169.254.0.0/20", "secondary-range"),
            ("10.4.0.0/16", "10.4.8.0/24", "secondary-overlap"),
            ("10.4.0.0/20", "10.4.0.0/16", "secondary-overlap"),
            ("10.4.0.0/16", "10.8.0.0/15", "secondary-size"),
            ("10.4.0.0/16", "10.8.0.0/29", "secondary-size"),
        ];
        for (present, wanted, code) in cases {
            let blocks: Vec<Ipv4Net> = present.split(' ').map(|text| text.parse().unwrap()).collect();
            let found = check_association(&blocks, wanted.parse().unwrap());
            assert_eq!(found.as_ref().map_or_else(|refused| refused.code, |()| ""), code, "{wanted} beside {present}: {found:?}");
        }
    }
}
