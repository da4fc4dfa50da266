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

    /// A subnet without a route out of the VPC.
    pub fn intra(zone: impl Into<String>, cidr: impl fmt::Display) -> Self {
        Self { tier: Tier::Intra, zone: zone.into(), cidr: cidr.to_string(), name: None }
    }

    /// Tells it from another of its tier in its zone. It becomes part of its key: `net/subnet/private/us-east-1a-data`.
    /// Load balancers are kept out of it, unless no subnet of its tier and zone is without a name.
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
    /// Public, private or intra.
    pub tier: Tier,
    /// Its zone.
    pub zone: ZoneName,
    /// Its block, inside the VPC's.
    pub cidr: Ipv4Net,
    /// What tells it from another of its tier in its zone: the name of its group, if that has one.
    pub name: Option<String>,
    /// Whether load balancer controllers may use it: the one without a name of its tier in its zone, or, if all have names,
    /// each. Intra subnets are never used.
    pub load_balancers: bool,
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

    /// Whether it is the one of this tier, zone and name.
    pub(crate) fn is(&self, tier: Tier, zone: &ZoneName, name: Option<&str>) -> bool {
        self.tier == tier && self.zone == *zone && self.name.as_deref() == name
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

/// Explicit subnets, where they ask to be.
pub(crate) fn explicit(problems: &mut Problems, vpc: &[Ipv4Net], subnets: &[Subnet]) -> Vec<PlacedSubnet> {
    let mut placed: Vec<PlacedSubnet> = Vec::new();
    for subnet in subnets {
        let subject = format!("{} subnet {} in {}", keys::tier_name(subnet.tier), subnet.cidr, subnet.zone);
        let block = cidr::ipv4(problems, &subject, &subnet.cidr);
        if let Some(block) = block {
            cidr::check_subnet(problems, &subject, block, vpc);
            for other in placed.iter().filter(|other| cidr::overlap(other.cidr, block)) {
                let rule = format!("it overlaps the {} subnet {} in {}", keys::tier_name(other.tier), other.cidr, other.zone);
                problems.add("subnet-overlap", &subject, rule, "move one of them");
            }
        }
        if !name_is_right(problems, &subject, subnet.name.as_deref()) {
            continue;
        }
        let (Some(cidr), Some(zone)) = (block, zone(problems, &subnet.zone)) else { continue };
        let subnet = PlacedSubnet { tier: subnet.tier, zone, cidr, name: subnet.name.clone(), load_balancers: false };
        if placed.iter().any(|other| other.key() == subnet.key()) {
            let rule = format!("another subnet has its key {}", subnet.key());
            problems.add("subnet-twice", &subject, rule, "tell them apart with .named(\"…\")");
        }
        placed.push(subnet);
    }
    placed
}

/// Chooses those that load balancers may use.
pub(crate) fn choose_for_load_balancers(placed: &mut [PlacedSubnet]) {
    for at in 0..placed.len() {
        let PlacedSubnet { tier, zone, name, .. } = &placed[at];
        let only_named = || !placed.iter().any(|other| other.is(*tier, zone, None));
        placed[at].load_balancers = *tier != Tier::Intra && (name.is_none() || only_named());
    }
}

/// What EKS needs of the zones: two or more, of one Region.
pub(crate) fn zones_fit(problems: &mut Problems, placed: &[PlacedSubnet]) {
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

pub(crate) fn zone(problems: &mut Problems, text: &str) -> Option<ZoneName> {
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

/// Whether a name can be part of a key.
pub(crate) fn name_is_right(problems: &mut Problems, subject: &str, name: Option<&str>) -> bool {
    let right = name.is_none_or(is_name);
    if !right {
        problems.add("subnet-name", subject, format!("{:?} is not 1–30 of a-z 0-9 -", name.unwrap_or_default()), "choose such a name");
    }
    right
}

fn is_name(text: &str) -> bool {
    (1..=30).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
