//! What was found of a network that somebody else made, as plain data.

use std::collections::BTreeMap;

use eks_core::{
    AllocationId, Facts, InternetGatewayId, NatGatewayId, Owner, RouteTableAssociationId, RouteTableId, SubnetId, VpcId, ZoneName,
};
use ipnet::Ipv4Net;

use crate::{
    egress::{EndpointKind, NODES_NEED},
    observed::{Found, FoundAddress, FoundEndpoint, FoundGroup, FoundInternetGateway},
    tags::Tags,
};

/// An existing network as it is now. The lists hold what lies in the VPC, chosen or not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedExisting {
    /// Who wants it.
    pub owner: Owner,
    /// Where it was looked for.
    pub region: Option<String>,
    /// VPCs that the choice means: one, if it is a good one. With none or several nothing else was looked for.
    pub vpcs: Vec<ExistingVpc>,
    /// Subnets of the VPC; where no VPC was chosen, the chosen ones alone.
    pub subnets: Vec<ExistingSubnet>,
    /// Route tables.
    pub route_tables: Vec<ExistingRouteTable>,
    /// Internet gateways that are attached to it.
    pub internet_gateways: Vec<FoundInternetGateway>,
    /// NAT gateways; looked for only to be adopted, or to add subnets.
    pub nat_gateways: Vec<ExistingNatGateway>,
    /// Elastic IP addresses of these gateways, and of the owner.
    pub addresses: Vec<FoundAddress>,
    /// VPC endpoints; looked for only if a subnet has no default route, and neither gateways nor addresses were looked for.
    pub endpoints: Option<Vec<FoundEndpoint>>,
    /// Security groups; looked for only if some are chosen.
    pub security_groups: Vec<FoundGroup>,
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct ExistingVpc {
    pub id: VpcId,
    /// The primary block, then the secondary ones that are associated.
    pub cidrs: Vec<Ipv4Net>,
    pub is_default: bool,
    pub account: String,
    pub dns_support: bool,
    pub dns_hostnames: bool,
    pub tags: Tags,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct ExistingSubnet {
    pub id: SubnetId,
    pub vpc: VpcId,
    /// None in a subnet that is IPv6 only.
    pub cidr: Option<Ipv4Net>,
    pub zone: ZoneName,
    pub zone_id: String,
    /// `AvailableIpAddressCount`.
    pub free_addresses: u32,
    pub map_public_ip: bool,
    pub account: String,
    pub outpost: Option<String>,
    pub tags: Tags,
}

/// A route table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct ExistingRouteTable {
    pub id: RouteTableId,
    /// Whether it serves every subnet without a table of its own.
    pub is_main: bool,
    pub routes: Vec<ExistingRoute>,
    /// Explicit associations.
    pub associations: BTreeMap<SubnetId, RouteTableAssociationId>,
    pub tags: Tags,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExistingRoute {
    /// A block or a prefix list.
    pub destination: String,
    /// Id of what it leads to.
    pub target: String,
    /// Whether its target is gone or unfit, so that it swallows traffic.
    pub is_blackhole: bool,
}

/// A NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct ExistingNatGateway {
    pub id: NatGatewayId,
    pub state: String,
    pub subnet: Option<SubnetId>,
    pub addresses: Vec<AllocationId>,
    pub tags: Tags,
}

impl ExistingNatGateway {
    /// Whether it is, or will become, of use.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state.as_str(), "pending" | "available")
    }
}

impl ExistingRouteTable {
    /// The route 0.0.0.0/0.
    pub(super) fn default_route(&self) -> Option<&ExistingRoute> {
        self.routes.iter().find(|route| route.destination == "0.0.0.0/0")
    }
}

impl ObservedExisting {
    /// Nothing was found.
    pub fn nothing(owner: &Owner) -> Self {
        Self {
            owner: owner.clone(),
            region: None,
            vpcs: Vec::new(),
            subnets: Vec::new(),
            route_tables: Vec::new(),
            internet_gateways: Vec::new(),
            nat_gateways: Vec::new(),
            addresses: Vec::new(),
            endpoints: None,
            security_groups: Vec::new(),
        }
    }

    /// The table that a subnet uses: its own, or the VPC's main one.
    pub(super) fn table_of(&self, subnet: &SubnetId) -> Option<&ExistingRouteTable> {
        let own = self.route_tables.iter().find(|table| table.associations.contains_key(subnet));
        own.or_else(|| self.route_tables.iter().find(|table| table.is_main))
    }

    /// Whether there are subnets without a default route.
    #[cfg(feature = "aws")]
    pub(crate) fn has_closed_subnets(&self) -> bool {
        let closed = |table: &ExistingRouteTable| table.default_route().is_none();
        self.subnets.iter().any(|subnet| self.table_of(&subnet.id).is_some_and(closed))
    }

    /// Services that nodes need and that no endpoint brings to this table's subnets, as far as it is known.
    pub(super) fn services_lacking(&self, table: &RouteTableId) -> Vec<&'static str> {
        let brings = |endpoint: &FoundEndpoint, service: &str| {
            let name = endpoint.service.strip_suffix(service).is_some_and(|before| before.is_empty() || before.ends_with('.'));
            name && endpoint.is_live() && (endpoint.kind != Some(EndpointKind::Gateway) || endpoint.route_tables.contains(table))
        };
        let endpoints = self.endpoints.as_deref().unwrap_or_default();
        NODES_NEED.into_iter().filter(|service| !endpoints.iter().any(|endpoint| brings(endpoint, service))).collect()
    }

    /// The internet gateway that is attached to this VPC.
    pub(super) fn attached(&self, vpc: &VpcId) -> Option<&InternetGatewayId> {
        self.internet_gateways.iter().find(|gateway| gateway.attached_to.contains(vpc)).map(|gateway| &gateway.id)
    }

    /// Every field that a plan's decisions rest on, by id. How many addresses are free is none: it changes all the time.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        for vpc in &self.vpcs {
            tags(&mut facts, vpc);
            facts.note(&vpc.id, "cidrs", vpc.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
            facts.note(&vpc.id, "dns support", vpc.dns_support);
            facts.note(&vpc.id, "dns hostnames", vpc.dns_hostnames);
        }
        for subnet in &self.subnets {
            tags(&mut facts, subnet);
            facts.note(&subnet.id, "vpc", &subnet.vpc);
            facts.note(&subnet.id, "cidr", subnet.cidr.map(|cidr| cidr.to_string()).unwrap_or_default());
            facts.note(&subnet.id, "zone", &subnet.zone);
            facts.note(&subnet.id, "public addresses", subnet.map_public_ip);
        }
        for table in &self.route_tables {
            tags(&mut facts, table);
            facts.note(&table.id, "main", table.is_main);
            for route in &table.routes {
                let state = if route.is_blackhole { " (blackhole)" } else { "" };
                facts.note(&table.id, format!("route {}", route.destination), format!("{}{state}", route.target));
            }
            for (subnet, association) in &table.associations {
                facts.note(&table.id, format!("association of {subnet}"), association);
            }
        }
        for gateway in &self.internet_gateways {
            tags(&mut facts, gateway);
        }
        for gateway in self.nat_gateways.iter().filter(|gateway| gateway.is_live()) {
            tags(&mut facts, gateway);
            facts.note(&gateway.id, "subnet", gateway.subnet.as_ref().map(SubnetId::to_string).unwrap_or_default());
        }
        for address in &self.addresses {
            tags(&mut facts, address);
        }
        for group in &self.security_groups {
            tags(&mut facts, group);
            facts.note(&group.id, "name", &group.name);
        }
        facts
    }
}

fn tags<T: Found>(facts: &mut Facts, found: &T) {
    facts.note(found.id(), "id", found.id());
    for (key, value) in found.tags().iter().filter(|(key, _)| !key.starts_with("aws:")) {
        facts.note(found.id(), format!("tag {key}"), value);
    }
}
