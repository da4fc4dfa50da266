//! How private subnets reach the internet over IPv4.

use std::{collections::BTreeMap, fmt};

use eks_core::{AllocationId, NatGatewayId, Problems, Tier, TransitGatewayId, ZoneName};
use serde::{Deserialize, Serialize};

use crate::subnet::PlacedSubnet;

/// Where the addresses of private subnets are translated on their way out. (Amazon VPC User Guide, "NAT gateways" and "Regional
/// NAT gateways"; "Centralized egress to internet" for transit gateways.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Nat {
    /// Nowhere: private subnets have no way out but VPC endpoints.
    None,
    /// One gateway, in the zone of the first public subnet: cheap, and a single point of failure.
    #[default]
    Single,
    /// One gateway, in this zone.
    SingleIn(String),
    /// One gateway in each zone that has private subnets: no zone depends on another.
    PerZone,
    /// One regional gateway, which spans the zones and needs no public subnet. It brings its own addresses, unless some are
    /// given ([`crate::NetworkSpecBuilder::elastic_ip`]).
    Regional,
    /// A gateway that exists in the VPC, by its id. It is never changed or deleted.
    Existing(String),
    /// Gateways that exist in the VPC, by zone.
    ExistingIn(BTreeMap<String, String>),
    /// In another VPC, behind this transit gateway, which exists. The VPC is attached to it in each zone that has private
    /// subnets; the routes of the transit gateway are its owner's.
    TransitGateway(String),
}

/// [`Nat`], decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    None,
    /// Gateways of ours in these zones: one for all private subnets, or one for those of each zone.
    Zonal(Vec<ZoneName>),
    Regional,
    Existing(NatGatewayId),
    ExistingIn(BTreeMap<ZoneName, NatGatewayId>),
    TransitGateway(TransitGatewayId),
}

const REMEDY: &str = "add a public subnet to that zone, or choose another Nat";

fn lacks(zone: impl fmt::Display) -> String {
    format!("its gateway must be in a public subnet, and zone {zone} has none")
}

/// The zones that have private subnets.
fn private_zones(subnets: &[PlacedSubnet]) -> Vec<&ZoneName> {
    let mut zones: Vec<&ZoneName> = Vec::new();
    for subnet in subnets.iter().filter(|subnet| subnet.tier == Tier::Private) {
        if !zones.contains(&&subnet.zone) {
            zones.push(&subnet.zone);
        }
    }
    zones
}

impl Nat {
    /// Whether each zone has a way of its own, and thus a private route table of its own.
    pub(crate) fn is_by_zone(&self) -> bool {
        matches!(self, Self::PerZone | Self::ExistingIn(_))
    }

    /// Decides it for these subnets: without private ones, there is nothing to do.
    pub(crate) fn way(&self, problems: &mut Problems, subnets: &[PlacedSubnet]) -> Way {
        let private = private_zones(subnets);
        if private.is_empty() {
            return Way::None;
        }
        let mut public = subnets.iter().filter(|subnet| subnet.tier == Tier::Public).map(|subnet| &subnet.zone);
        match self {
            Self::None => Way::None,
            Self::Single => match public.next() {
                Some(first) => Way::Zonal(vec![first.clone()]),
                None => {
                    let rule = "a NAT gateway must be in a public subnet, and there is none";
                    problems.add("nat-no-public", "NAT", rule, "add a public subnet, or choose Nat::None or Nat::Regional");
                    Way::None
                }
            },
            Self::SingleIn(zone) => match public.find(|public| public.as_str() == zone) {
                Some(zone) => Way::Zonal(vec![zone.clone()]),
                None => {
                    problems.add("nat-zone", "NAT", lacks(zone), REMEDY);
                    Way::None
                }
            },
            Self::PerZone => {
                let public: Vec<_> = public.collect();
                for zone in private.iter().filter(|zone| !public.contains(zone)) {
                    problems.add("nat-zone", "NAT", lacks(zone), REMEDY);
                }
                Way::Zonal(private.into_iter().cloned().collect())
            }
            Self::Regional => Way::Regional,
            Self::Existing(id) => gateway(problems, id).map_or(Way::None, Way::Existing),
            Self::ExistingIn(by_zone) => {
                for zone in by_zone.keys().filter(|zone| !private.iter().any(|private| private.as_str() == **zone)) {
                    problems.add("nat-zone", "NAT", format!("zone {zone} has no private subnets"), "leave the zone out");
                }
                let mut gateways = BTreeMap::new();
                for zone in private {
                    match by_zone.get(zone.as_str()) {
                        Some(id) => gateways.extend(gateway(problems, id).map(|id| (zone.clone(), id))),
                        None => {
                            let rule = format!("zone {zone} has private subnets, and no gateway is given for it");
                            problems.add("nat-zone", "NAT", rule, "give a gateway for each zone, or one for all with Nat::Existing");
                        }
                    }
                }
                Way::ExistingIn(gateways)
            }
            Self::TransitGateway(id) => match TransitGatewayId::new(id.clone()) {
                Ok(id) => Way::TransitGateway(id),
                Err(error) => {
                    problems.add("nat-id", "NAT", error.to_string(), "give the id of the transit gateway");
                    Way::None
                }
            },
        }
    }
}

fn gateway(problems: &mut Problems, id: &str) -> Option<NatGatewayId> {
    NatGatewayId::new(id).map_err(|error| problems.add("nat-id", "NAT", error.to_string(), "give the id of a NAT gateway")).ok()
}

impl Way {
    /// Zones in which gateways of ours are.
    pub(crate) fn nat_zones(&self) -> &[ZoneName] {
        match self {
            Self::Zonal(zones) => zones,
            _ => &[],
        }
    }
}

/// Addresses that an availability zone of a regional gateway may have. (Amazon VPC User Guide, "Regional NAT gateways".)
const ADDRESSES_PER_ZONE: usize = 32;

/// The user's own addresses by zone, for gateways that `way` has there.
pub(crate) fn check_addresses(
    problems: &mut Problems,
    given: &[(String, String)],
    way: &Way,
    subnets: &[PlacedSubnet],
) -> BTreeMap<ZoneName, Vec<AllocationId>> {
    let mut addresses: BTreeMap<ZoneName, Vec<AllocationId>> = BTreeMap::new();
    for (zone, id) in given {
        let subject = format!("elastic IP address {id}");
        let id = match AllocationId::new(id.clone()) {
            Ok(id) => id,
            Err(error) => {
                problems.add("elastic-ip-id", &subject, error.to_string(), "give its allocation id");
                continue;
            }
        };
        if addresses.values().flatten().any(|other| *other == id) {
            problems.add("elastic-ip-twice", &subject, "it is given twice", "an address serves one gateway: give each once");
            continue;
        }
        let used = match way {
            Way::Zonal(zones) => zones.iter().find(|other| other.as_str() == zone),
            Way::Regional => subnets.iter().map(|subnet| &subnet.zone).find(|other| other.as_str() == zone),
            _ => None,
        };
        match used {
            Some(zone) => addresses.entry(zone.clone()).or_default().push(id),
            None => {
                let rule = format!("the network makes no NAT gateway in {zone:?} that could use it");
                problems.add("elastic-ip-unused", &subject, rule, "leave it out, or choose another zone or Nat");
            }
        }
    }
    let most = if *way == Way::Regional { ADDRESSES_PER_ZONE } else { 1 };
    for (zone, ids) in addresses.iter().filter(|(_, ids)| ids.len() > most) {
        let rule = format!("{} addresses for the gateway in {zone}, which is made with {most} at most", ids.len());
        problems.add("elastic-ip-many", "NAT", rule, "leave some out");
    }
    addresses
}
