//! Subnets: as the user asks for them, and as they are placed.

use std::fmt;

use eks_core::{Problems, StepKey, Tier, ZoneName};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{cidr, keys};

/// A subnet with an explicit block, as the user asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    tier: Tier,
    zone: String,
    cidr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Subnet {
    /// A subnet whose default route leads to the internet gateway; instances get a public address.
    pub fn public(zone: impl Into<String>, cidr: impl fmt::Display) -> Self {
        Self { tier: Tier::Public, zone: zone.into(), cidr: cidr.to_string(), name: None }
    }

    /// A subnet whose default route leads to a NAT gateway, or nowhere.
    pub fn private(zone: impl Into<String>, cidr: impl fmt::Display) -> Self {
        Self { tier: Tier::Private, zone: zone.into(), cidr: cidr.to_string(), name: None }
    }

    /// Tells it from another of its tier in its zone. It becomes part of its key: `net/subnet/private/us-east-1a-data`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// A subnet with everything decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlacedSubnet {
    /// Public or private.
    pub tier: Tier,
    /// Its zone.
    pub zone: ZoneName,
    /// Its block, inside the VPC's.
    pub cidr: Ipv4Net,
    /// What tells it from another of its tier in its zone.
    pub name: Option<String>,
}

impl PlacedSubnet {
    /// The key of the step that makes it.
    pub fn key(&self) -> StepKey {
        keys::key(["subnet", keys::tier_name(self.tier), &self.place()])
    }

    /// The key of the step that associates it with its route table.
    pub(crate) fn association(&self) -> StepKey {
        keys::key(["association", keys::tier_name(self.tier), &self.place()])
    }

    fn place(&self) -> String {
        match &self.name {
            Some(name) => format!("{}-{name}", self.zone),
            None => self.zone.to_string(),
        }
    }
}

impl From<&PlacedSubnet> for Subnet {
    fn from(placed: &PlacedSubnet) -> Self {
        let (zone, cidr) = (placed.zone.to_string(), placed.cidr.to_string());
        Self { tier: placed.tier, zone, cidr, name: placed.name.clone() }
    }
}

/// Subnets to derive: one public and one private in each zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Derived {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) zones: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_prefix: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) private_prefix: Option<u8>,
}

/// Places explicit subnets where they ask to be and the derived ones, zone by zone, at the lowest address that is free. So a
/// zone that is added at the end moves none that was there before.
pub(crate) fn place(problems: &mut Problems, blocks: &[Ipv4Net], explicit: &[Subnet], derived: &Derived) -> Vec<PlacedSubnet> {
    let mut placed: Vec<PlacedSubnet> = Vec::new();
    for subnet in explicit {
        let subject = format!("{} subnet {} in {}", keys::tier_name(subnet.tier), subnet.cidr, subnet.zone);
        let block = cidr::ipv4(problems, &subject, &subnet.cidr);
        if let Some(block) = block {
            cidr::check_subnet(problems, &subject, block, blocks);
            for other in placed.iter().filter(|other| cidr::overlap(other.cidr, block)) {
                let rule = format!("it overlaps the {} subnet {} in {}", keys::tier_name(other.tier), other.cidr, other.zone);
                problems.add("subnet-overlap", &subject, rule, "move one of them");
            }
        }
        if let Some(name) = subnet.name.as_ref().filter(|name| !is_name(name)) {
            problems.add("subnet-name", &subject, format!("{name:?} is not 1–30 of a-z 0-9 -"), "choose such a name");
            continue;
        }
        let (Some(cidr), Some(zone)) = (block, zone(problems, &subnet.zone)) else { continue };
        let subnet = PlacedSubnet { tier: subnet.tier, zone, cidr, name: subnet.name.clone() };
        if placed.iter().any(|other| other.key() == subnet.key()) {
            let rule = format!("another subnet has its key {}", subnet.key());
            problems.add("subnet-twice", &subject, rule, "tell them apart with .named(\"…\")");
        }
        placed.push(subnet);
    }
    if let Some(&vpc) = blocks.first() {
        derive(problems, vpc, derived, &mut placed);
    }
    zones_fit(problems, &placed);
    placed
}

fn derive(problems: &mut Problems, vpc: Ipv4Net, derived: &Derived, placed: &mut Vec<PlacedSubnet>) {
    // By default six zones fit: private subnets of an eighth of the VPC, public ones of a thirty-second.
    let of = |wanted: Option<u8>, step: u8| wanted.unwrap_or((vpc.prefix_len() + step).clamp(16, 28));
    let prefixes = [(Tier::Public, of(derived.public_prefix, 5)), (Tier::Private, of(derived.private_prefix, 3))];
    if derived.zones.is_empty() {
        return;
    }
    for (tier, prefix) in prefixes {
        if prefix < vpc.prefix_len() || !cidr::PREFIXES.contains(&prefix) {
            let rule = format!("/{prefix} is not between /{} and /28", vpc.prefix_len().max(16));
            problems.add("prefix-size", format!("{} prefix", keys::tier_name(tier)), rule, "choose a length in this range");
            return;
        }
    }
    let mut seen: Vec<ZoneName> = Vec::new();
    for text in &derived.zones {
        let Some(zone) = zone(problems, text) else { continue };
        if seen.contains(&zone) {
            problems.add("zone-twice", &zone, "the zone is given twice", "give each zone once");
            continue;
        }
        for (tier, prefix) in prefixes {
            if placed.iter().any(|other| other.tier == tier && other.zone == zone && other.name.is_none()) {
                continue;
            }
            let taken: Vec<_> = placed.iter().map(|subnet| subnet.cidr).collect();
            match cidr::first_fit(vpc, prefix, &taken) {
                Some(cidr) => placed.push(PlacedSubnet { tier, zone: zone.clone(), cidr, name: None }),
                None => {
                    let subject = format!("{} subnet in {zone}", keys::tier_name(tier));
                    let rule = format!("{vpc} has no /{prefix} left");
                    problems.add("no-room", subject, rule, "choose longer prefixes, or a larger VPC");
                }
            }
        }
        seen.push(zone);
    }
}

/// What EKS needs of the zones: two or more, of one Region.
fn zones_fit(problems: &mut Problems, placed: &[PlacedSubnet]) {
    let mut zones: Vec<&ZoneName> = placed.iter().map(|subnet| &subnet.zone).collect();
    zones.sort();
    zones.dedup();
    let regions: std::collections::BTreeSet<_> = zones.iter().map(|zone| zone.region()).collect();
    if regions.len() > 1 {
        let rule =
            format!("a VPC lies in one Region, and its subnets' zones are of {}", regions.into_iter().collect::<Vec<_>>().join(" and "));
        problems.add("zones-regions", "subnets", rule, "choose zones of one Region");
    }
    if zones.len() < 2 && problems.is_empty() {
        let rule =
            format!("EKS needs subnets in two zones or more, and there {} {}", if zones.len() == 1 { "is" } else { "are" }, zones.len());
        problems.add("zones-too-few", "subnets", rule, "add subnets in another zone");
    }
}

fn zone(problems: &mut Problems, text: &str) -> Option<ZoneName> {
    match ZoneName::new(text) {
        Ok(zone) if text.len() <= 60 => Some(zone),
        Ok(_) => {
            problems.add("zone-form", text, "no zone has a name of more than 60 characters", "see DescribeAvailabilityZones");
            None
        }
        Err(error) => {
            problems.add("zone-form", text, error.to_string(), "see DescribeAvailabilityZones");
            None
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=30).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn derived(zones: usize, public: u8, private: u8) -> Derived {
        let zones = ["a", "b", "c", "d", "e", "f"].iter().take(zones).map(|letter| format!("us-east-1{letter}")).collect();
        Derived { zones, public_prefix: Some(public), private_prefix: Some(private) }
    }

    fn blocks(placed: &[PlacedSubnet]) -> Vec<String> {
        placed.iter().map(|subnet| subnet.cidr.to_string()).collect()
    }

    #[test]
    fn small_subnets_fill_the_gap_before_large_ones() {
        let mut problems = Problems::new();
        let placed = place(&mut problems, &["10.0.0.0/16".parse().unwrap()], &[], &derived(3, 24, 20));
        assert!(problems.is_empty());
        assert_eq!(blocks(&placed), ["10.0.0.0/24", "10.0.16.0/20", "10.0.1.0/24", "10.0.32.0/20", "10.0.2.0/24", "10.0.48.0/20"]);
    }

    #[test]
    fn by_default_six_zones_fit() {
        for size in 16..=22 {
            let mut problems = Problems::new();
            let wanted = Derived { public_prefix: None, private_prefix: None, ..derived(6, 0, 0) };
            let vpc = Ipv4Net::new([10, 0, 0, 0].into(), size).unwrap();
            assert_eq!(place(&mut problems, &[vpc], &[], &wanted).len(), 12, "/{size}");
            assert!(problems.is_empty());
        }
    }

    #[test]
    fn explicit_subnets_stay_and_are_not_derived_again() {
        let mut problems = Problems::new();
        let explicit = [Subnet::private("us-east-1a", "10.0.0.0/24"), Subnet::private("us-east-1a", "10.0.3.0/24").named("data")];
        let placed = place(&mut problems, &["10.0.0.0/16".parse().unwrap()], &explicit, &derived(2, 24, 24));
        assert!(problems.is_empty());
        let keys: Vec<_> = placed.iter().map(|subnet| format!("{} {}", subnet.key(), subnet.cidr)).collect();
        assert_eq!(
            keys,
            [
                "net/subnet/private/us-east-1a 10.0.0.0/24",
                "net/subnet/private/us-east-1a-data 10.0.3.0/24",
                "net/subnet/public/us-east-1a 10.0.1.0/24",
                "net/subnet/public/us-east-1b 10.0.2.0/24",
                "net/subnet/private/us-east-1b 10.0.4.0/24",
            ]
        );
    }

    proptest! {
        #[test]
        fn derived_subnets_fit(size in 16..=20_u8, zones in 2..=6_usize, public in 20..=28_u8, private in 20..=28_u8, taken in proptest::collection::vec(0..256_u32, 0..4)) {
            let vpc = Ipv4Net::new([10, 32, 0, 0].into(), size).unwrap();
            let mut explicit: Vec<Subnet> = Vec::new();
            let mut blocks: Vec<Ipv4Net> = Vec::new();
            for (number, at) in taken.into_iter().enumerate() {
                let block = Ipv4Net::new((u32::from(vpc.network()) + at * 16).into(), 28).unwrap();
                if !blocks.contains(&block) {
                    blocks.push(block);
                    explicit.push(Subnet::private("us-east-1a", block).named(format!("n{number}")));
                }
            }
            let mut problems = Problems::new();
            let placed = place(&mut problems, &[vpc], &explicit, &derived(zones, public, private));
            prop_assume!(problems.is_empty());
            prop_assert_eq!(placed.len(), explicit.len() + 2 * zones);
            // Against a checker that knows nothing but addresses.
            let mut ranges: Vec<(u32, u32)> = placed.iter().map(|s| (s.cidr.network().into(), s.cidr.broadcast().into())).collect();
            ranges.sort_unstable();
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].1 < pair[1].0, "{ranges:?}");
            }
            for (subnet, &(low, high)) in placed.iter().zip(&placed.iter().map(|s| (s.cidr.network().into(), s.cidr.broadcast().into())).collect::<Vec<(u32, u32)>>()) {
                prop_assert!(low >= u32::from(vpc.network()) && high <= u32::from(vpc.broadcast()));
                prop_assert_eq!(low % (high - low + 1), 0, "aligned");
                prop_assert_eq!(subnet.cidr.addr(), subnet.cidr.network());
            }
            // A zone that is added moves none.
            if zones < 6 {
                let more = place(&mut Problems::new(), &[vpc], &explicit, &derived(zones + 1, public, private));
                prop_assert_eq!(&more[..placed.len()], &placed[..]);
            }
        }
    }
}
