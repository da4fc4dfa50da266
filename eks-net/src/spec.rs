//! What should exist.

use std::fmt;

use eks_core::{Owner, Problems, Region, SpecError, Tier, ZoneName};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    cidr,
    groups::{self, CheckedGroup, SecurityGroup, SecurityGroupQuotas},
    nat::Nat,
    subnet::{self, Derived, PlacedSubnet, Subnet},
    tags::{self, ExtraTags},
};

/// A network in which every block, zone and rule is decided. One that exists breaks none of the rules that AWS documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NetworkSpecBuilder", into = "NetworkSpecBuilder")]
pub struct NetworkSpec {
    pub(crate) owner: Owner,
    pub(crate) cidr: Ipv4Net,
    pub(crate) subnets: Vec<PlacedSubnet>,
    pub(crate) nat: Nat,
    pub(crate) nat_zones: Vec<ZoneName>,
    pub(crate) security_groups: Vec<CheckedGroup>,
    pub(crate) quotas: SecurityGroupQuotas,
    pub(crate) extra: ExtraTags,
}

/// Collects what a network should be. It can be read from a file, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpecBuilder {
    owner: Owner,
    cidr: String,
    #[serde(default, skip_serializing_if = "is_default")]
    derive: Derived,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subnets: Vec<Subnet>,
    #[serde(default)]
    nat: Nat,
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
    /// Zones in which subnets are derived: a public and a private one in each, unless an explicit one is there already.
    /// Zones that are added at the end later move none of the earlier subnets.
    #[must_use]
    pub fn zones<S: Into<String>>(mut self, zones: impl IntoIterator<Item = S>) -> Self {
        self.derive.zones.extend(zones.into_iter().map(Into::into));
        self
    }

    /// Prefix length of derived public subnets, 16–28. Default: the VPC's plus 5.
    #[must_use]
    pub fn public_prefix(mut self, length: u8) -> Self {
        self.derive.public_prefix = Some(length);
        self
    }

    /// Prefix length of derived private subnets, 16–28. Default: the VPC's plus 3.
    #[must_use]
    pub fn private_prefix(mut self, length: u8) -> Self {
        self.derive.private_prefix = Some(length);
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
        let subnets = subnet::place(&mut problems, block, &self.subnets, &self.derive);
        let nat_zones = self.nat.zones(&mut problems, &subnets);
        let security_groups = groups::check(&mut problems, &self.security_groups, self.security_group_quotas);
        let extra = tags::check(&mut problems, &self.tags, &self.clusters);
        let name = format!("network {}", self.owner);
        let Some(cidr) = block else { return problems.finish(name, || unreachable!("a block that cannot be read is a problem")) };
        problems.finish(name, || NetworkSpec {
            owner: self.owner,
            cidr,
            subnets,
            nat: self.nat,
            nat_zones,
            security_groups,
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
            derive: Derived::default(),
            subnets: Vec::new(),
            nat: Nat::default(),
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

    /// The VPC's block.
    pub fn cidr(&self) -> Ipv4Net {
        self.cidr
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

    /// Zones that get a NAT gateway.
    pub fn nat_zones(&self) -> &[ZoneName] {
        &self.nat_zones
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
        let own = subnet.tier == Tier::Private && self.nat == Nat::PerZone;
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
        Self {
            owner: spec.owner,
            cidr: spec.cidr.to_string(),
            derive: Derived::default(),
            subnets: spec.subnets.iter().map(Subnet::from).collect(),
            nat: spec.nat,
            security_groups: spec.security_groups.into_iter().map(|group| group.asked).collect(),
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
