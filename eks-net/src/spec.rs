//! What should exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, iter,
};

use eks_core::{AllocationId, Owner, Problems, Region, SpecError, Tier, ZoneName};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    blocks,
    cidr::{self, Allocator, Derived, Size, Space, SubnetGroup},
    egress::{self, CheckedEndpoint, Endpoint, Kind, Nat, Others, Way},
    groups::{self, CheckedGroup, SecurityGroup, SecurityGroupQuotas},
    subnet::{PlacedSubnet, Subnet},
    tags::{self, ExtraTags},
};

/// A network in which every block, zone and rule is decided. One that exists breaks none of the rules that AWS documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NetworkSpecBuilder", into = "NetworkSpecBuilder")]
pub struct NetworkSpec {
    pub(crate) owner: Owner,
    pub(crate) cidr: Ipv4Net,
    pub(crate) secondary: Vec<Ipv4Net>,
    pub(crate) ipv6: bool,
    pub(crate) subnets: Vec<PlacedSubnet>,
    /// Blocks kept for zones to come, and what they were derived from.
    pub(crate) kept: Vec<Ipv4Net>,
    pub(crate) derive: Derived,
    /// Networks that it must not overlap, by name.
    apart: Vec<(String, String)>,
    pub(crate) nat: Nat,
    pub(crate) way: Way,
    pub(crate) addresses: BTreeMap<ZoneName, Vec<AllocationId>>,
    pub(crate) endpoints: Vec<CheckedEndpoint>,
    pub(crate) security_groups: Vec<CheckedGroup>,
    pub(crate) quotas: SecurityGroupQuotas,
    /// The group that nobody asked for, but endpoints.
    default_group: Option<SecurityGroup>,
    pub(crate) extra: ExtraTags,
}

/// Collects what a network should be. It can be read from a file, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpecBuilder {
    owner: Owner,
    cidr: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secondary_cidrs: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    ipv6: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    apart: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "is_default")]
    derive: Derived,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subnets: Vec<Subnet>,
    #[serde(default)]
    nat: Nat,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    elastic_ips: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    endpoints: Vec<Endpoint>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    security_groups: Vec<SecurityGroup>,
    #[serde(default, skip_serializing_if = "is_default")]
    security_group_quotas: SecurityGroupQuotas,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl NetworkSpecBuilder {
    /// A further IPv4 block of the VPC: `100.64.0.0/16`. Explicit subnets may lie in it. A plan never takes one away.
    #[must_use]
    pub fn secondary_cidr(mut self, cidr: impl fmt::Display) -> Self {
        self.secondary_cidrs.push(cidr.to_string());
        self
    }

    /// IPv6 beside IPv4: a /56 of Amazon's for the VPC, a /64 of it for each subnet, addresses for new instances, and an
    /// egress-only internet gateway for private subnets.
    #[must_use]
    pub fn ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }

    /// Another network that will be reached from this one, or that Kubernetes uses: no block of the VPC may overlap it. Give
    /// peered VPCs, those behind a transit gateway, on-premises networks, and the cluster's service CIDR.
    ///
    /// ```
    /// # use eks_core::Owner;
    /// # use eks_net::NetworkSpec;
    /// let refused = NetworkSpec::builder(&Owner::new("shop")?, "10.8.0.0/16")
    ///     .zones(["us-east-1a", "us-east-1b"])
    ///     .must_not_overlap("on-premises", "10.0.0.0/12")
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(refused.problems[0].to_string(),
    ///     "on-premises: the VPC's 10.8.0.0/16 overlaps 10.0.0.0/12, and must not; choose another block for the VPC");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn must_not_overlap(mut self, name: impl Into<String>, cidr: impl fmt::Display) -> Self {
        self.apart.push((name.into(), cidr.to_string()));
        self
    }

    /// Zones in which subnets are derived: a public and a private one in each and one of every [group](Self::group), unless an
    /// explicit one of that tier and name is there already. Zones that are added at the end later move no subnet.
    #[must_use]
    pub fn zones<S: Into<String>>(mut self, zones: impl IntoIterator<Item = S>) -> Self {
        self.derive.zones.extend(zones.into_iter().map(Into::into));
        self
    }

    /// For how many zones each group keeps room, 1–32. Default: 6, the most that a Region has. Changing it later moves subnets.
    #[must_use]
    pub fn zone_capacity(mut self, zones: u8) -> Self {
        self.derive.zone_capacity = Some(zones);
        self
    }

    /// Prefix length of derived public subnets, 16–28. Default: the VPC's plus 5.
    #[must_use]
    pub fn public_prefix(self, length: u8) -> Self {
        self.public_size(length)
    }

    /// Prefix length of derived private subnets, 16–28. Default: the VPC's plus 3.
    #[must_use]
    pub fn private_prefix(self, length: u8) -> Self {
        self.private_size(length)
    }

    /// Size of derived public subnets: a prefix length, or what they must hold.
    #[must_use]
    pub fn public_size(mut self, size: impl Into<Size>) -> Self {
        self.derive.public = Some(size.into());
        self
    }

    /// Size of derived private subnets: a prefix length, or what they must hold.
    #[must_use]
    pub fn private_size(mut self, size: impl Into<Size>) -> Self {
        self.derive.private = Some(size.into());
        self
    }

    /// One more subnet in each zone. Groups that are added at the end later move no subnet.
    ///
    /// ```
    /// # use eks_core::Owner;
    /// # use eks_net::{NetworkSpec, SubnetGroup};
    /// let network = NetworkSpec::builder(&Owner::new("shop")?, "10.0.0.0/16")
    ///     .zones(["us-east-1a", "us-east-1b"])
    ///     .public_prefix(24)
    ///     .private_prefix(20)
    ///     .group(SubnetGroup::intra(24).named("database"))
    ///     .build()?;
    /// let blocks: Vec<_> = network.subnets().iter().map(|subnet| format!("{} {}", subnet.key(), subnet.cidr)).collect();
    /// assert_eq!(blocks, [
    ///     "net/subnet/public/us-east-1a 10.0.0.0/24",
    ///     "net/subnet/private/us-east-1a 10.0.16.0/20",
    ///     "net/subnet/intra/us-east-1a-database 10.0.6.0/24",
    ///     "net/subnet/public/us-east-1b 10.0.1.0/24",
    ///     "net/subnet/private/us-east-1b 10.0.32.0/20",
    ///     "net/subnet/intra/us-east-1b-database 10.0.7.0/24",
    /// ]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn group(mut self, group: SubnetGroup) -> Self {
        self.derive.groups.push(group);
        self
    }

    /// No public and private subnets are derived but those of [groups](Self::group).
    #[must_use]
    pub fn only_groups(mut self) -> Self {
        self.derive.only_groups = true;
        self
    }

    /// A subnet with an explicit block.
    #[must_use]
    pub fn subnet(mut self, subnet: Subnet) -> Self {
        self.subnets.push(subnet);
        self
    }

    /// How private subnets reach the internet. Default: [`Nat::Single`]. Without private subnets there is no gateway.
    #[must_use]
    pub fn nat(mut self, nat: Nat) -> Self {
        self.nat = nat;
        self
    }

    /// An elastic IP address of your own, by its allocation id, for the NAT gateway in this zone, in place of one that the
    /// network would allocate. A regional gateway may have several in a zone. It is never released.
    #[must_use]
    pub fn elastic_ip(mut self, zone: impl Into<String>, allocation_id: impl Into<String>) -> Self {
        self.elastic_ips.push((zone.into(), allocation_id.into()));
        self
    }

    /// A VPC endpoint.
    #[must_use]
    pub fn endpoint(self, endpoint: Endpoint) -> Self {
        self.endpoints([endpoint])
    }

    /// VPC endpoints: [`crate::Endpoints::private_cluster`], say.
    #[must_use]
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        self.endpoints.extend(endpoints);
        self
    }

    /// A security group.
    #[must_use]
    pub fn security_group(mut self, group: SecurityGroup) -> Self {
        self.security_groups.push(group);
        self
    }

    /// What the account may have of security groups and rules, if AWS has raised it.
    #[must_use]
    pub fn security_group_quotas(mut self, quotas: SecurityGroupQuotas) -> Self {
        self.security_group_quotas = quotas;
        self
    }

    /// A cluster that will use the subnets: they are tagged `kubernetes.io/cluster/<name>=shared` for its load balancers.
    #[must_use]
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.clusters.push(name.into());
        self
    }

    /// A tag for everything that the network makes.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// The network. Nothing is called.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that it breaks, each with the remedy.
    pub fn build(self) -> Result<NetworkSpec, SpecError> {
        let mut problems = Problems::new();
        let block = cidr::ipv4(&mut problems, "VPC", &self.cidr);
        if let Some(block) = block {
            cidr::check_vpc(&mut problems, block);
        }
        let secondary = blocks::check(&mut problems, block, &self.secondary_cidrs);
        let blocks: Vec<Ipv4Net> = block.into_iter().chain(secondary.iter().copied()).collect();
        cidr::check_apart(&mut problems, &blocks, &self.apart);
        // With a block that cannot be read, what is outside of the others is not known.
        let all_read = blocks.len() == 1 + self.secondary_cidrs.len();
        let placement = cidr::place(&mut problems, if all_read { &blocks } else { &[] }, &self.subnets, &self.derive);
        let (subnets, kept) = (placement.subnets, placement.kept);
        if self.ipv6 {
            blocks::check_ipv6(&mut problems, subnets.len());
        }
        let way = self.nat.way(&mut problems, &subnets);
        let addresses = egress::check_addresses(&mut problems, &self.elastic_ips, &way, &subnets);
        let default_group = egress::default_group(&self.endpoints, &self.security_groups, &blocks);
        let groups: Vec<SecurityGroup> = self.security_groups.into_iter().chain(default_group.clone()).collect();
        let security_groups = groups::check(&mut problems, &groups, self.security_group_quotas);
        let region = subnets.first().map(|subnet| subnet.zone.region()).unwrap_or_default();
        let endpoints = egress::check_endpoints(&mut problems, &self.endpoints, &groups, region);
        let extra = tags::check(&mut problems, &self.tags, &self.clusters);
        let name = format!("network {}", self.owner);
        let Some(cidr) = block else { return problems.finish(name, || unreachable!("a block that cannot be read is a problem")) };
        problems.finish(name, || NetworkSpec {
            owner: self.owner,
            cidr,
            secondary,
            ipv6: self.ipv6,
            subnets,
            kept,
            derive: self.derive,
            apart: self.apart,
            nat: self.nat,
            way,
            addresses,
            endpoints,
            security_groups,
            default_group,
            quotas: self.security_group_quotas,
            extra,
        })
    }
}

impl NetworkSpec {
    /// A network of this owner with this IPv4 block: `10.0.0.0/16`.
    pub fn builder(owner: &Owner, cidr: impl fmt::Display) -> NetworkSpecBuilder {
        NetworkSpecBuilder {
            owner: owner.clone(),
            cidr: cidr.to_string(),
            secondary_cidrs: Vec::new(),
            ipv6: false,
            apart: Vec::new(),
            derive: Derived::default(),
            subnets: Vec::new(),
            nat: Nat::default(),
            elastic_ips: Vec::new(),
            endpoints: Vec::new(),
            security_groups: Vec::new(),
            security_group_quotas: SecurityGroupQuotas::default(),
            clusters: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The VPC's primary IPv4 block.
    pub fn cidr(&self) -> Ipv4Net {
        self.cidr
    }

    /// The VPC's further IPv4 blocks.
    pub fn secondary_cidrs(&self) -> &[Ipv4Net] {
        &self.secondary
    }

    /// Whether it has IPv6 beside IPv4.
    pub fn is_dual_stack(&self) -> bool {
        self.ipv6
    }

    /// The Region of its zones.
    ///
    /// # Panics
    /// Never: a spec has subnets, and a zone's name begins with a Region's.
    pub fn region(&self) -> Region {
        let zone = self.subnets.first().map(|subnet| subnet.zone.region()).unwrap_or_default();
        Region::new(zone).expect("a zone's name begins with a Region's")
    }

    /// The subnets: explicit ones, then derived ones by zone.
    pub fn subnets(&self) -> &[PlacedSubnet] {
        &self.subnets
    }

    /// The security groups.
    pub fn security_groups(&self) -> &[CheckedGroup] {
        &self.security_groups
    }

    /// What the account may have of security groups and rules.
    pub fn security_group_quotas(&self) -> SecurityGroupQuotas {
        self.quotas
    }

    /// Zones that get a zonal NAT gateway.
    pub fn nat_zones(&self) -> &[ZoneName] {
        self.way.nat_zones()
    }

    /// Whether the VPC needs an internet gateway: public subnets do, and a regional NAT gateway, which is in no subnet.
    pub(crate) fn has_internet_gateway(&self) -> bool {
        self.has(Tier::Public) || self.way == Way::Regional
    }

    /// Whether private subnets go out over IPv6.
    pub(crate) fn has_egress_only_gateway(&self) -> bool {
        self.ipv6 && self.has(Tier::Private)
    }

    /// Things of others that it names by their ids.
    pub(crate) fn others(&self) -> Others {
        let nat_gateways = match &self.way {
            Way::Existing(id) => vec![id.clone()],
            Way::ExistingIn(gateways) => gateways.values().cloned().collect(),
            _ => Vec::new(),
        };
        Others { nat_gateways, addresses: self.addresses.values().flatten().cloned().collect() }
    }

    /// Kinds of resources that most networks do not have.
    pub(crate) fn kinds(&self) -> BTreeSet<Kind> {
        let transit = matches!(self.way, Way::TransitGateway(_)).then_some(Kind::TransitGatewayAttachment);
        let endpoint = (!self.endpoints.is_empty()).then_some(Kind::VpcEndpoint);
        transit.into_iter().chain(endpoint).collect()
    }

    /// The zones that have subnets.
    pub(crate) fn zones(&self) -> BTreeSet<&ZoneName> {
        self.subnets.iter().map(|subnet| &subnet.zone).collect()
    }

    /// The zones that have subnets of this tier.
    pub(crate) fn zones_of(&self, tier: Tier) -> BTreeSet<&ZoneName> {
        self.subnets.iter().filter(|subnet| subnet.tier == tier).map(|subnet| &subnet.zone).collect()
    }

    /// One subnet in each zone for interfaces of AWS's: a private one where there is one, else one that is not public.
    pub(crate) fn inner_subnets(&self) -> BTreeMap<&ZoneName, &PlacedSubnet> {
        let mut by_zone: BTreeMap<&ZoneName, &PlacedSubnet> = BTreeMap::new();
        for wanted in [Some(Tier::Private), None, Some(Tier::Public)] {
            let fits = |subnet: &&PlacedSubnet| wanted.map_or(subnet.tier != Tier::Public, |tier| subnet.tier == tier);
            // Public ones only if there are no others at all.
            if wanted == Some(Tier::Public) && !by_zone.is_empty() {
                break;
            }
            for subnet in self.subnets.iter().filter(fits) {
                by_zone.entry(&subnet.zone).or_insert(subnet);
            }
        }
        by_zone
    }

    /// How much of the VPC is used, kept and free.
    pub fn space(&self) -> Space {
        let blocks = iter::once(self.cidr).chain(self.secondary.iter().copied());
        let taken = self.subnets.iter().map(|subnet| subnet.cidr).chain(self.kept.iter().copied());
        Allocator::around(blocks, taken).unwrap_or_else(|_| Allocator::new(self.cidr)).space().keeping(&self.kept)
    }

    /// Whether there is a subnet of this tier.
    pub(crate) fn has(&self, tier: Tier) -> bool {
        self.subnets.iter().any(|subnet| subnet.tier == tier)
    }

    /// The route tables by tier and zone: one for all subnets of a tier, or one in each zone if each has its own gateway.
    pub(crate) fn tables(&self) -> Vec<(Tier, Option<ZoneName>)> {
        let mut tables: Vec<(Tier, Option<ZoneName>)> = self.subnets.iter().map(|subnet| self.table_of(subnet)).collect();
        tables.sort();
        tables.dedup();
        tables
    }

    /// The route table of a subnet.
    pub(crate) fn table_of(&self, subnet: &PlacedSubnet) -> (Tier, Option<ZoneName>) {
        let own = subnet.tier == Tier::Private && self.nat.is_by_zone();
        (subnet.tier, own.then(|| subnet.zone.clone()))
    }
}

impl TryFrom<NetworkSpecBuilder> for NetworkSpec {
    type Error = SpecError;

    fn try_from(builder: NetworkSpecBuilder) -> Result<Self, SpecError> {
        builder.build()
    }
}

impl From<NetworkSpec> for NetworkSpecBuilder {
    fn from(spec: NetworkSpec) -> Self {
        let asked = spec.security_groups.into_iter().map(|group| group.asked);
        Self {
            owner: spec.owner,
            cidr: spec.cidr.to_string(),
            secondary_cidrs: spec.secondary.iter().map(ToString::to_string).collect(),
            ipv6: spec.ipv6,
            derive: spec.derive,
            apart: spec.apart,
            subnets: spec.subnets.iter().map(Subnet::from).collect(),
            nat: spec.nat,
            elastic_ips: spec.addresses.iter().flat_map(|(zone, ids)| ids.iter().map(|id| (zone.to_string(), id.to_string()))).collect(),
            endpoints: spec.endpoints.into_iter().map(|endpoint| endpoint.asked).collect(),
            security_groups: asked.filter(|group| Some(group) != spec.default_group.as_ref()).collect(),
            security_group_quotas: spec.quotas,
            clusters: spec.extra.clusters.into_iter().map(Into::into).collect(),
            tags: spec.extra.tags.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn fine() -> NetworkSpecBuilder {
        NetworkSpec::builder(&testing::owner(), "10.0.0.0/16")
            .subnet(Subnet::public("us-east-1a", "10.0.1.0/24"))
            .subnet(Subnet::private("us-east-1b", "10.0.2.0/24"))
    }

    fn group(name: &str) -> SecurityGroup {
        SecurityGroup::new(name, "for tests")
    }

    #[test]
    fn problems_come_all_at_once() {
        let error = fine()
            .tag("aws:x", "y")
            .security_group(group("sg-x"))
            .subnet(Subnet::private("us-east-1c", "10.0.1.0/25"))
            .build()
            .unwrap_err();
        let codes: Vec<_> = error.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["subnet-overlap", "group-name", "tag-reserved"]);
        assert!(error.to_string().starts_with("network chap10: 3 problems\n"), "{error}");
    }

    #[test]
    fn a_spec_is_checked_when_it_is_read() {
        let spec = testing::chapter();
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<NetworkSpec>(&text).unwrap(), spec);
        let wrong = serde_json::from_str::<NetworkSpec>(&text.replace("10.0.4.0/24", "10.0.2.0/25")).unwrap_err();
        assert!(wrong.to_string().contains("overlaps"), "{wrong}");
        let derived = r#"{"owner": "shop", "cidr": "10.0.0.0/16", "derive": {"zones": ["us-east-1a", "us-east-1b"]}, "nat": "per_zone"}"#;
        assert_eq!(serde_json::from_str::<NetworkSpec>(derived).unwrap().nat_zones().len(), 2);
    }

    #[test]
    fn refs_name_the_way_out() {
        let refs = testing::chapter().refs();
        let egress: Vec<_> = refs.egress.iter().map(|key| key.as_str()).collect();
        assert_eq!(
            egress,
            [
                "net/route/public",
                "net/route/private",
                "net/association/public/us-east-1a",
                "net/association/private/us-east-1a",
                "net/association/private/us-east-1b",
            ]
        );
        assert_eq!(refs.security_groups.keys().collect::<Vec<_>>(), ["eks-control-plane", "elb", "private", "public"]);
        let refs = testing::builder().nat(Nat::None).build().unwrap().refs();
        assert!(refs.egress.is_empty() && refs.private().subnets.len() == 2);
    }
}
