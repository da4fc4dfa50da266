//! What exists, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{
    AllocationId, Error, Facts, InternetGatewayId, NatGatewayId, NetworkInterfaceId, Owner, RouteTableAssociationId, RouteTableId,
    SecurityGroupId, StepKey, SubnetId, VolumeId, VpcId, ZoneName,
};
use ipnet::Ipv4Net;

pub(crate) use crate::found::Found;
use crate::{
    found::{self, found},
    keys::LAYER,
    rule::Ingress,
    tags::Tags,
};

/// What an owner's network consists of now, and what else is in its VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// Whose network was looked for.
    pub owner: Owner,
    /// Where it was looked for; `None` if it was not. A teardown is bound to it.
    pub region: Option<String>,
    /// VPCs of the owner.
    pub vpcs: Vec<FoundVpc>,
    /// All subnets of these VPCs.
    pub subnets: Vec<FoundSubnet>,
    /// Internet gateways of the owner.
    pub internet_gateways: Vec<FoundInternetGateway>,
    /// NAT gateways of the owner, deleted ones too while EC2 still shows them.
    pub nat_gateways: Vec<FoundNatGateway>,
    /// Elastic IP addresses of the owner.
    pub addresses: Vec<FoundAddress>,
    /// All route tables of these VPCs.
    pub route_tables: Vec<FoundRouteTable>,
    /// All security groups of these VPCs.
    pub security_groups: Vec<FoundGroup>,
    /// All network interfaces of these VPCs; looked for after a teardown only.
    pub interfaces: Vec<FoundInterface>,
    /// EBS volumes of the owner, whoever made them; looked for after a teardown only.
    pub volumes: Vec<FoundVolume>,
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundVpc {
    pub id: VpcId,
    pub cidr: Ipv4Net,
    pub dns_support: bool,
    pub dns_hostnames: bool,
    pub tags: Tags,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundSubnet {
    pub id: SubnetId,
    pub cidr: Ipv4Net,
    pub zone: ZoneName,
    pub map_public_ip: bool,
    pub tags: Tags,
}

/// An internet gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundInternetGateway {
    pub id: InternetGatewayId,
    pub attached_to: Vec<VpcId>,
    pub tags: Tags,
}

/// A NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundNatGateway {
    pub id: NatGatewayId,
    pub state: String,
    pub subnet: Option<SubnetId>,
    pub tags: Tags,
}

impl FoundNatGateway {
    /// Whether it is, or will become, of use.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state.as_str(), "pending" | "available")
    }
}

/// An elastic IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundAddress {
    pub id: AllocationId,
    pub public_ip: String,
    pub tags: Tags,
}

/// A route table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundRouteTable {
    pub id: RouteTableId,
    /// Id of what the route 0.0.0.0/0 leads to.
    pub default_route: Option<String>,
    /// Explicit associations.
    pub associations: BTreeMap<SubnetId, RouteTableAssociationId>,
    pub tags: Tags,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundGroup {
    pub id: SecurityGroupId,
    pub vpc: VpcId,
    pub name: String,
    pub description: String,
    pub ingress: Vec<Ingress>,
    /// Ingress rules of kinds that a spec cannot express, in words.
    pub other: Vec<String>,
    /// Groups that its rules name, ingress and egress.
    pub references: BTreeSet<SecurityGroupId>,
    pub tags: Tags,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundInterface {
    pub id: NetworkInterfaceId,
    pub description: String,
    pub status: String,
    /// The instance that it is attached to.
    pub instance: Option<String>,
    pub groups: Vec<SecurityGroupId>,
}

/// An EBS volume.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundVolume {
    pub id: VolumeId,
    pub gib: i32,
    pub state: String,
    pub tags: Tags,
}

found!(LAYER: FoundVpc FoundSubnet FoundInternetGateway FoundNatGateway FoundAddress FoundRouteTable FoundGroup);

impl Observed {
    /// Nothing exists.
    pub fn nothing(owner: &Owner) -> Self {
        Self {
            owner: owner.clone(),
            region: None,
            vpcs: Vec::new(),
            subnets: Vec::new(),
            internet_gateways: Vec::new(),
            nat_gateways: Vec::new(),
            addresses: Vec::new(),
            route_tables: Vec::new(),
            security_groups: Vec::new(),
            interfaces: Vec::new(),
            volumes: Vec::new(),
        }
    }

    /// Those of the owner, with their keys.
    pub(crate) fn ours<'a, T: Found>(&self, all: &'a [T]) -> Vec<(StepKey, &'a T)> {
        found::ours(&self.owner, all)
    }

    /// The one that the step `key` made.
    ///
    /// # Errors
    /// [`Error::Refused`] if there are two.
    pub(crate) fn made_by<'a, T: Found + 'a>(&self, all: impl IntoIterator<Item = &'a T>, key: &StepKey) -> Result<Option<&'a T>, Error> {
        found::made_by(&self.owner, all, key)
    }

    /// The explicit association of a subnet, and its table.
    pub(crate) fn association(&self, subnet: &SubnetId) -> Option<(&FoundRouteTable, &RouteTableAssociationId)> {
        self.route_tables.iter().find_map(|table| Some((table, table.associations.get(subnet)?)))
    }

    /// Every field that a plan's decisions rest on, by key.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        self.note(&mut facts, &self.vpcs, |vpc, note| {
            note("cidr", vpc.cidr.to_string());
            note("dns support", vpc.dns_support.to_string());
            note("dns hostnames", vpc.dns_hostnames.to_string());
        });
        self.note(&mut facts, &self.subnets, |subnet, note| {
            note("cidr", subnet.cidr.to_string());
            note("zone", subnet.zone.to_string());
            note("public addresses", subnet.map_public_ip.to_string());
            if let Some((table, association)) = self.association(&subnet.id) {
                note("route table", table.id.to_string());
                note("association", association.to_string());
            }
        });
        self.note(&mut facts, &self.internet_gateways, |gateway, note| {
            note("attached to", gateway.attached_to.iter().map(VpcId::as_str).collect::<Vec<_>>().join(", "));
        });
        let live: Vec<_> = self.nat_gateways.iter().filter(|gateway| gateway.is_live()).cloned().collect();
        // Whether it is available yet is no basis: a plan waits for it either way.
        self.note(&mut facts, &live, |gateway, note| {
            note("subnet", gateway.subnet.as_ref().map(SubnetId::to_string).unwrap_or_default());
        });
        self.note(&mut facts, &self.addresses, |_, _| {});
        self.note(&mut facts, &self.route_tables, |table, note| {
            note("default route", table.default_route.clone().unwrap_or_default());
        });
        self.note(&mut facts, &self.security_groups, |group, note| {
            note("name", group.name.clone());
            note("description", group.description.clone());
            let rules: BTreeSet<String> = group.ingress.iter().map(ToString::to_string).collect();
            note("ingress", rules.into_iter().collect::<Vec<_>>().join(", "));
        });
        facts
    }

    fn note<T: Found>(&self, facts: &mut Facts, all: &[T], fields: impl Fn(&T, &mut dyn FnMut(&str, String))) {
        found::note(&self.owner, facts, all, fields);
    }
}
