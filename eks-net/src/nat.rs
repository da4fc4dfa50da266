//! How private subnets reach the internet.

use eks_core::{HOURS_PER_MONTH, Problems, Tier, ZoneName};
use serde::{Deserialize, Serialize};

use crate::subnet::PlacedSubnet;

/// US dollars an hour for a NAT gateway, before traffic.
pub(crate) const NAT_HOURLY: f64 = 0.045;
/// US dollars an hour for a public IPv4 address, used or not.
pub(crate) const ADDRESS_HOURLY: f64 = 0.005;

/// What one NAT gateway and its address cost a month.
pub(crate) fn usd_per_month() -> f64 {
    (NAT_HOURLY + ADDRESS_HOURLY) * HOURS_PER_MONTH
}

/// NAT gateways of a network. (Amazon VPC User Guide, "NAT gateways".)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Nat {
    /// None: private subnets have no way out but VPC endpoints.
    None,
    /// One, in the zone of the first public subnet: cheap, and a single point of failure.
    #[default]
    Single,
    /// One, in this zone.
    SingleIn(String),
    /// One in each zone that has private subnets: no zone depends on another.
    PerZone,
}

impl Nat {
    /// The zones that get a gateway, each with a public subnet; none if there are no private subnets to serve.
    pub(crate) fn zones(&self, problems: &mut Problems, subnets: &[PlacedSubnet]) -> Vec<ZoneName> {
        let of = |tier: Tier| subnets.iter().filter(move |subnet| subnet.tier == tier);
        if of(Tier::Private).next().is_none() {
            return Vec::new();
        }
        let lacks = |zone: &dyn std::fmt::Display| format!("its gateway must be in a public subnet, and zone {zone} has none");
        let remedy = "add a public subnet to that zone, or choose another Nat";
        match self {
            Self::None => Vec::new(),
            Self::Single => match of(Tier::Public).next() {
                Some(first) => vec![first.zone.clone()],
                None => {
                    let rule = "a NAT gateway must be in a public subnet, and there is none";
                    problems.add("nat-no-public", "NAT", rule, "add a public subnet, or choose Nat::None");
                    Vec::new()
                }
            },
            Self::SingleIn(zone) => match of(Tier::Public).find(|subnet| subnet.zone.as_str() == zone) {
                Some(subnet) => vec![subnet.zone.clone()],
                None => {
                    problems.add("nat-zone", "NAT", lacks(zone), remedy);
                    Vec::new()
                }
            },
            Self::PerZone => {
                let mut zones: Vec<ZoneName> = Vec::new();
                for subnet in of(Tier::Private) {
                    if zones.contains(&subnet.zone) {
                        continue;
                    }
                    if !of(Tier::Public).any(|public| public.zone == subnet.zone) {
                        problems.add("nat-zone", "NAT", lacks(&subnet.zone), remedy);
                    }
                    zones.push(subnet.zone.clone());
                }
                zones
            }
        }
    }
}
