//! What exists, as plain data.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use eks_core::{
    AllocationId, EgressOnlyGatewayId, Error, Facts, InternetGatewayId, NatGatewayId, NetworkInterfaceId, Owner, RouteTableAssociationId,
    RouteTableId, SecurityGroupId, SecurityGroupRuleId, StepKey, SubnetId, TransitGatewayAttachmentId, TransitGatewayId, VolumeId,
    VpcEndpointId, VpcId, ZoneName,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub(crate) use crate::found::Found;
use crate::{
    cidr::Allocator,
    egress::{EndpointKind, Kind, kinds, price},
    existing::{ExistingNatGateway, ExistingRouteTable, ExistingSubnet, ExistingVpc, marks},
    found::{self, ByKey, found},
    groups::{self, Direction, SecurityGroupRule},
    keys::LAYER,
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
    /// Egress-only internet gateways of the owner; looked for only if a VPC has an IPv6 block.
    pub egress_only_gateways: Vec<FoundEgressOnlyGateway>,
    /// All attachments of these VPCs to transit gateways, and all endpoints in them; looked for only if a VPC's tag
    /// `eks-rs/kinds` tells that we made such.
    pub transit_attachments: Vec<FoundTransitAttachment>,
    /// See above.
    pub endpoints: Vec<FoundEndpoint>,
    /// NAT gateways of the owner, deleted ones too while EC2 still shows them; and those of others that the spec names.
    pub nat_gateways: Vec<FoundNatGateway>,
    /// Elastic IP addresses of the owner, and those of the user's that the spec names.
    pub addresses: Vec<FoundAddress>,
    /// All route tables of these VPCs.
    pub route_tables: Vec<FoundRouteTable>,
    /// All security groups of these VPCs.
    pub security_groups: Vec<FoundGroup>,
    /// Those of them whose rules' ids and tags were looked for, too.
    pub identified: BTreeSet<SecurityGroupId>,
    /// Whether network interfaces were looked for: after a teardown, and for a review.
    pub looked_for_interfaces: bool,
    /// All network interfaces of these VPCs, if they were looked for.
    pub interfaces: Vec<FoundInterface>,
    /// EBS volumes of the owner, whoever made them; looked for after a teardown only.
    pub volumes: Vec<FoundVolume>,
    /// Things that the owner uses without having made or adopted them, and that carry tags of ours; looked for by teardowns only.
    pub used: Vec<FoundUsed>,
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundVpc {
    pub id: VpcId,
    pub cidr: Ipv4Net,
    /// Further IPv4 blocks, and IPv6 blocks.
    pub blocks: Vec<FoundBlock>,
    pub dns_support: bool,
    pub dns_hostnames: bool,
    pub tags: Tags,
}

impl FoundVpc {
    /// The association of this further IPv4 block.
    pub(crate) fn secondary(&self, cidr: Ipv4Net) -> Option<&FoundBlock> {
        self.blocks.iter().find(|block| block.cidr == IpNet::V4(cidr))
    }

    /// Its IPv6 block, and its association: the first, if others added some.
    pub(crate) fn ipv6(&self) -> Option<(Ipv6Net, &FoundBlock)> {
        let blocks = self.blocks.iter().filter_map(|block| match block.cidr {
            IpNet::V6(cidr) => Some((cidr, block)),
            IpNet::V4(_) => None,
        });
        blocks.min_by_key(|(_, block)| &block.association)
    }

    /// Kinds of resources that we may have made in it, besides what every network has.
    pub(crate) fn kinds(&self) -> BTreeSet<Kind> {
        kinds(&self.tags)
    }
}

/// A block that is, or is being, associated with a VPC beside its first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundBlock {
    pub association: String,
    pub cidr: IpNet,
    pub state: String,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundSubnet {
    pub id: SubnetId,
    pub cidr: Ipv4Net,
    /// Addresses that nobody has, if EC2 tells.
    pub free_addresses: Option<u32>,
    pub zone: ZoneName,
    pub ipv6: Option<Ipv6Net>,
    pub map_public_ip: bool,
    pub assign_ipv6: bool,
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

/// An egress-only internet gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundEgressOnlyGateway {
    pub id: EgressOnlyGatewayId,
    pub attached_to: Vec<VpcId>,
    pub tags: Tags,
}

/// A VPC's attachment to a transit gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundTransitAttachment {
    pub id: TransitGatewayAttachmentId,
    pub gateway: TransitGatewayId,
    pub state: String,
    pub subnets: BTreeSet<SubnetId>,
    pub tags: Tags,
}

impl FoundTransitAttachment {
    /// Whether it is, or will become, of use.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state.as_str(), "initiating" | "initiatingRequest" | "pendingAcceptance" | "pending" | "available" | "modifying")
    }

    /// Whether EC2 merely still tells of it: it holds nothing, and goes by itself.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state.as_str(), "deleted" | "failed" | "rejected")
    }
}

/// A VPC endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundEndpoint {
    pub id: VpcEndpointId,
    pub service: String,
    /// `None` for kinds that a spec cannot express.
    pub kind: Option<EndpointKind>,
    pub state: String,
    pub route_tables: BTreeSet<RouteTableId>,
    pub subnets: BTreeSet<SubnetId>,
    pub groups: BTreeSet<SecurityGroupId>,
    pub private_dns: bool,
    pub policy: Option<String>,
    pub tags: Tags,
}

impl FoundEndpoint {
    /// What it costs: an interface in each of its subnets.
    pub(crate) fn usd_per_month(&self) -> f64 {
        price::monthly(price::ENDPOINT_HOURLY, self.subnets.len())
    }

    /// Whether EC2 merely still tells of it.
    pub(crate) fn is_gone(&self) -> bool {
        self.state.eq_ignore_ascii_case("deleted")
    }

    /// Whether it is, or will become, of use. EC2 has written these states in either case.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state.to_ascii_lowercase().as_str(), "pendingacceptance" | "pending" | "available" | "partial")
    }
}

/// A NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundNatGateway {
    pub id: NatGatewayId,
    pub state: String,
    pub vpc: Option<VpcId>,
    /// `None` for a regional gateway.
    pub subnet: Option<SubnetId>,
    /// Whether AWS brings its addresses; for a regional gateway.
    pub automatic: bool,
    /// Its public addresses: for a regional gateway with their zones.
    pub addresses: Vec<(Option<ZoneName>, Option<AllocationId>)>,
    pub tags: Tags,
}

impl FoundNatGateway {
    /// What it costs: a regional one in each zone where it has an address, with the addresses that AWS brought.
    pub(crate) fn usd_per_month(&self) -> f64 {
        if self.subnet.is_some() {
            return price::monthly(price::NAT_HOURLY, 1);
        }
        let zones: BTreeSet<_> = self.addresses.iter().filter_map(|(zone, _)| zone.as_ref()).collect();
        let brought = if self.automatic { self.addresses.len() } else { 0 };
        price::monthly(price::NAT_HOURLY, zones.len()) + price::monthly(price::ADDRESS_HOURLY, brought)
    }

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
    /// Its association with something, if it is in use.
    pub association: Option<String>,
    pub tags: Tags,
}

/// A route table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundRouteTable {
    pub id: RouteTableId,
    /// Whether it serves every subnet without an association of its own.
    pub is_main: bool,
    /// Id of what the route 0.0.0.0/0 leads to.
    pub default_route: Option<String>,
    /// Id of what the route ::/0 leads to.
    pub default_route_ipv6: Option<String>,
    /// Explicit associations.
    pub associations: BTreeMap<SubnetId, RouteTableAssociationId>,
    pub tags: Tags,
}

impl FoundRouteTable {
    /// Id of what this default route leads to.
    pub(crate) fn default_route_to(&self, destination: IpNet) -> Option<&String> {
        match destination {
            IpNet::V4(_) => self.default_route.as_ref(),
            IpNet::V6(_) => self.default_route_ipv6.as_ref(),
        }
    }
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
    pub rules: Vec<FoundRule>,
    /// Rules of kinds that a spec cannot express, in words.
    pub other: Vec<String>,
    /// Groups that its rules name, ingress and egress.
    pub references: BTreeSet<SecurityGroupId>,
    pub tags: Tags,
}

impl FoundGroup {
    /// What it lets in, as far as a spec can express it.
    pub fn ingress(&self) -> impl Iterator<Item = &SecurityGroupRule> {
        self.rules.iter().map(|found| &found.rule).filter(|rule| rule.direction == Direction::Ingress)
    }
}

/// A rule of a security group. Groups are told with their rules, but without the rules' ids and tags.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundRule {
    pub rule: SecurityGroupRule,
    /// `None` if it was not looked for.
    pub id: Option<SecurityGroupRuleId>,
    pub tags: Tags,
}

impl From<SecurityGroupRule> for FoundRule {
    fn from(rule: SecurityGroupRule) -> Self {
        Self { rule, id: None, tags: Tags::new() }
    }
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

/// Something that is used, and carries tags of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundUsed {
    /// Its id, of whatever kind.
    pub id: String,
    /// The tags that remember which of its other tags are whose: ours and other owners'.
    pub marks: Tags,
}

found!(LAYER: FoundVpc FoundSubnet FoundInternetGateway FoundEgressOnlyGateway FoundTransitAttachment FoundEndpoint);
found!(LAYER: FoundNatGateway FoundAddress FoundRouteTable FoundGroup);
found!(LAYER: ExistingVpc ExistingSubnet ExistingRouteTable ExistingNatGateway);

impl Observed {
    /// Nothing exists.
    pub fn nothing(owner: &Owner) -> Self {
        Self {
            owner: owner.clone(),
            region: None,
            vpcs: Vec::new(),
            subnets: Vec::new(),
            internet_gateways: Vec::new(),
            egress_only_gateways: Vec::new(),
            transit_attachments: Vec::new(),
            endpoints: Vec::new(),
            nat_gateways: Vec::new(),
            addresses: Vec::new(),
            route_tables: Vec::new(),
            security_groups: Vec::new(),
            identified: BTreeSet::new(),
            looked_for_interfaces: false,
            interfaces: Vec::new(),
            volumes: Vec::new(),
            used: Vec::new(),
        }
    }

    /// What looking for kinds calls that most networks do not have.
    pub(crate) fn observing_more(&self) -> BTreeSet<&'static str> {
        let ipv6 = self.vpcs.iter().any(|vpc| vpc.ipv6().is_some());
        let kinds = self.vpcs.iter().flat_map(FoundVpc::kinds).map(Kind::observing);
        kinds.chain(ipv6.then_some("ec2:DescribeEgressOnlyInternetGateways")).collect()
    }

    /// The free IPv4 space of the owner's VPC, all of its subnets taken. `None` without a VPC, or with several, whose subnets
    /// cannot be told apart.
    pub fn allocator(&self) -> Option<Allocator<Ipv4Net>> {
        let [vpc] = self.vpcs.as_slice() else { return None };
        let further = vpc.blocks.iter().filter_map(|block| match block.cidr {
            IpNet::V4(cidr) => Some(cidr),
            IpNet::V6(_) => None,
        });
        Allocator::around(iter::once(vpc.cidr).chain(further), self.subnets.iter().map(|subnet| subnet.cidr)).ok()
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

    /// Things of the owner, to be looked up by the keys of many steps.
    pub(crate) fn by_key<'a, T: Found>(&self, all: &'a [T]) -> ByKey<'a, T> {
        ByKey::new(&self.owner, all)
    }

    /// Ids of what we adopted.
    pub(crate) fn ours_adopted(&self) -> BTreeSet<&str> {
        fn ids<'a, T: Found>(now: &Observed, all: &'a [T]) -> impl Iterator<Item = &'a str> {
            now.ours(all).into_iter().map(|(_, found)| found).filter(|found| marks::is_adopted(found.tags())).map(Found::id)
        }
        ids(self, &self.vpcs)
            .chain(ids(self, &self.subnets))
            .chain(ids(self, &self.internet_gateways))
            .chain(ids(self, &self.nat_gateways))
            .chain(ids(self, &self.addresses))
            .chain(ids(self, &self.route_tables))
            .chain(ids(self, &self.security_groups))
            .collect()
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
            for block in &vpc.blocks {
                // Whether it is associated yet is no basis: a plan waits for it either way.
                note(&format!("block {}", block.cidr), block.association.clone());
            }
        });
        self.note(&mut facts, &self.subnets, |subnet, note| {
            note("cidr", subnet.cidr.to_string());
            note("zone", subnet.zone.to_string());
            note("public addresses", subnet.map_public_ip.to_string());
            if let Some(block) = subnet.ipv6 {
                note("ipv6", block.to_string());
                note("ipv6 addresses", subnet.assign_ipv6.to_string());
            }
            if let Some((table, association)) = self.association(&subnet.id) {
                note("route table", table.id.to_string());
                note("association", association.to_string());
            }
        });
        self.note(&mut facts, &self.internet_gateways, |gateway, note| note("attached to", join(&gateway.attached_to)));
        self.note(&mut facts, &self.egress_only_gateways, |gateway, note| note("attached to", join(&gateway.attached_to)));
        let live: Vec<_> = self.transit_attachments.iter().filter(|attachment| attachment.is_live()).cloned().collect();
        self.note(&mut facts, &live, |attachment, note| {
            note("transit gateway", attachment.gateway.to_string());
            note("subnets", join(&attachment.subnets));
        });
        let live: Vec<_> = self.endpoints.iter().filter(|endpoint| endpoint.is_live()).cloned().collect();
        self.note(&mut facts, &live, |endpoint, note| {
            note("service", endpoint.service.clone());
            note("route tables", join(&endpoint.route_tables));
            note("subnets", join(&endpoint.subnets));
            note("groups", join(&endpoint.groups));
            note("private dns", endpoint.private_dns.to_string());
            note("policy", endpoint.policy.clone().unwrap_or_default());
        });
        let live: Vec<_> = self.nat_gateways.iter().filter(|gateway| gateway.is_live()).cloned().collect();
        // Whether it is available yet is no basis: a plan waits for it either way.
        self.note(&mut facts, &live, |gateway, note| {
            note("subnet", gateway.subnet.as_ref().map(SubnetId::to_string).unwrap_or_default());
            // Addresses of an automatic gateway come and go with the workloads.
            if !gateway.automatic {
                note("addresses", join(gateway.addresses.iter().filter_map(|(_, id)| id.as_ref()).collect::<BTreeSet<_>>()));
            }
        });
        self.note_others(&mut facts);
        self.note(&mut facts, &self.addresses, |_, _| {});
        self.note(&mut facts, &self.route_tables, |table, note| {
            note("default route", table.default_route.clone().unwrap_or_default());
            if let Some(target) = &table.default_route_ipv6 {
                note("default route for ipv6", target.clone());
            }
        });
        self.note(&mut facts, &self.security_groups, |group, note| {
            note("name", group.name.clone());
            note("description", group.description.clone());
            note("ingress", rules(group, Direction::Ingress));
            note("egress", rules(group, Direction::Egress));
            if self.identified.contains(&group.id) {
                let ours = group.rules.iter().filter(|found| groups::owned(&found.tags, &self.owner)).filter_map(|found| found.id.as_ref());
                let ours: BTreeSet<&str> = ours.map(SecurityGroupRuleId::as_str).collect();
                note("rules of ours", ours.into_iter().collect::<Vec<_>>().join(", "));
            }
        });
        facts
    }

    /// What is not ours and was looked for by its id.
    fn note_others(&self, facts: &mut Facts) {
        for gateway in self.nat_gateways.iter().filter(|gateway| gateway.key(&self.owner).is_none() && gateway.is_live()) {
            facts.note(&gateway.id, "vpc", gateway.vpc.as_ref().map_or("", VpcId::as_str));
        }
        for address in self.addresses.iter().filter(|address| address.key(&self.owner).is_none()) {
            facts.note(&address.id, "association", address.association.as_deref().unwrap_or_default());
        }
    }

    fn note<T: Found>(&self, facts: &mut Facts, all: &[T], fields: impl Fn(&T, &mut dyn FnMut(&str, String))) {
        found::note(&self.owner, facts, all, fields);
    }
}

/// The rules of a group for one direction as one fact.
fn rules(group: &FoundGroup, direction: Direction) -> String {
    let of = group.rules.iter().map(|found| &found.rule).filter(|rule| rule.direction == direction);
    let text = |rule: &SecurityGroupRule| match &rule.description {
        Some(why) => format!("{rule} ({why})"),
        None => rule.to_string(),
    };
    let rules: BTreeSet<String> = of.map(text).collect();
    rules.into_iter().collect::<Vec<_>>().join(", ")
}

fn join<T: AsRef<str>>(ids: impl IntoIterator<Item = T>) -> String {
    ids.into_iter().map(|id| id.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}
