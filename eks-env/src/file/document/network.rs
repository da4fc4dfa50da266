//! The network of a document: one that is made, or one that is there.

use std::collections::BTreeMap;

use eks_core::{Owner, Problems, SpecError};
use eks_net::{Endpoints, ExistingNetwork, ExistingNetworkBuilder, NetworkSpec, NetworkSpecBuilder, Size, SubnetGroup};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    security_group::SecurityGroup,
    words::{Fix, Tier},
};

/// A VPC with everything in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Network {
    /// The VPC's IPv4 block: `10.0.0.0/16`.
    pub(crate) cidr: String,
    /// Further IPv4 blocks of the VPC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) secondary_cidrs: Vec<String>,
    /// IPv6 beside IPv4. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ipv6: Option<bool>,
    /// Networks that the VPC's blocks must not overlap, by a name of your own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) must_not_overlap: BTreeMap<String, String>,
    /// Zones in which a public and a private subnet are derived, and one of every group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) zones: Vec<String>,
    /// For how many zones each group keeps room, 1–32. Default 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) zone_capacity: Option<u8>,
    /// Size of derived public subnets. Default: the VPC's prefix length plus 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_subnets: Option<SubnetSize>,
    /// Size of derived private subnets. Default: the VPC's prefix length plus 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) private_subnets: Option<SubnetSize>,
    /// More subnets in each zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) subnet_groups: Vec<Group>,
    /// No public and private subnets are derived but those of the groups. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) only_groups: Option<bool>,
    /// Subnets with explicit blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) subnets: Vec<Subnet>,
    /// How private subnets reach the internet. Default `single`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nat: Option<Nat>,
    /// Elastic IP addresses of your own for NAT gateways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) elastic_ips: Vec<ElasticIp>,
    /// VPC endpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) endpoints: Vec<VpcEndpoint>,
    /// Adds the VPC endpoints that a cluster without a way to the internet needs. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) private_cluster_endpoints: Option<bool>,
    /// Security groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) security_groups: Vec<SecurityGroup>,
    /// What the account may have of security groups, if AWS has raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) security_group_quotas: Option<Quotas>,
    /// Clusters that use the subnets beside the document's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) clusters: Vec<String>,
    /// Tags of everything that the network makes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
}

/// How large a derived subnet is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum SubnetSize {
    /// A prefix length, 16–28.
    Prefix(u8),
    /// Addresses that must be usable.
    Hosts(u32),
}

/// Subnets of one purpose: one in each zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Group {
    /// What tells them from others of their tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Where their default route leads.
    pub(crate) tier: Tier,
    /// How large each is.
    pub(crate) size: SubnetSize,
}

/// A subnet with an explicit block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Subnet {
    /// Where its default route leads.
    pub(crate) tier: Tier,
    /// Its zone.
    pub(crate) zone: String,
    /// Its IPv4 block.
    pub(crate) cidr: String,
    /// What tells it from another of its tier in its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// How private subnets reach the internet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Nat {
    /// Not at all, but by VPC endpoints.
    None,
    /// One gateway, in the zone of the first public subnet.
    Single,
    /// One gateway, in this zone.
    SingleIn(String),
    /// One gateway in each zone that has private subnets.
    PerZone,
    /// One regional gateway.
    Regional,
    /// A gateway that exists, by its id.
    Existing(String),
    /// Gateways that exist, by zone.
    ExistingIn(BTreeMap<String, String>),
    /// By a transit gateway that exists.
    TransitGateway(String),
}

/// An elastic IP address of your own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ElasticIp {
    /// The zone of its NAT gateway.
    pub(crate) zone: String,
    /// Its id: `eipalloc-…`.
    pub(crate) allocation_id: String,
}

/// Quotas of security groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Quotas {
    /// Rules of a group in each direction.
    pub(crate) rules: u32,
    /// Groups of a network interface.
    pub(crate) groups_per_interface: u32,
}

/// A VPC endpoint: a gateway or interfaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VpcEndpoint {
    /// `s3` or `dynamodb`, reached by routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<String>,
    /// A service such as `ecr.api`, or its whole name, reached by an interface in each zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interface: Option<String>,
    /// The network's security group that says who may use an interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) security_group: Option<String>,
    /// Whether the service's public name leads to the interface. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) private_dns: Option<bool>,
    /// What may be done through it, as an IAM policy document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Value>,
}

/// A network of others: used, or adopted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Existing {
    /// The VPC's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vpc: Option<String>,
    /// The VPC's tag `Name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vpc_name: Option<String>,
    /// Tags of the VPC.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) vpc_tags: BTreeMap<String, String>,
    /// Subnets by id. Default: all of the VPC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) subnets: Vec<String>,
    /// Subnets that are to be public, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) public_subnets: Vec<String>,
    /// Subnets that are to be private, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) private_subnets: Vec<String>,
    /// Tags of the subnets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) subnet_tags: BTreeMap<String, String>,
    /// Security groups to hand on, by id or name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) security_groups: Vec<String>,
    /// Clusters that use the subnets beside the document's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) clusters: Vec<String>,
    /// What a plan may mend about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow: Vec<Fix>,
    /// Puts our tags on it, so that it can be kept as a network of ours. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) adopt: Option<bool>,
    /// Adds private subnets of this prefix length where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) add_private_subnets: Option<u8>,
}

impl From<SubnetSize> for Size {
    fn from(size: SubnetSize) -> Self {
        match size {
            SubnetSize::Prefix(length) => Self::Prefix(length),
            SubnetSize::Hosts(hosts) => Self::Hosts(hosts),
        }
    }
}

impl From<Nat> for eks_net::Nat {
    fn from(nat: Nat) -> Self {
        match nat {
            Nat::None => Self::None,
            Nat::Single => Self::Single,
            Nat::SingleIn(zone) => Self::SingleIn(zone),
            Nat::PerZone => Self::PerZone,
            Nat::Regional => Self::Regional,
            Nat::Existing(id) => Self::Existing(id),
            Nat::ExistingIn(by_zone) => Self::ExistingIn(by_zone),
            Nat::TransitGateway(id) => Self::TransitGateway(id),
        }
    }
}

impl VpcEndpoint {
    fn endpoint(self, problems: &mut Problems) -> Option<eks_net::Endpoint> {
        let mut endpoint = match (self.gateway, self.interface) {
            (Some(service), None) => eks_net::Endpoint::gateway(service),
            (None, Some(service)) => eks_net::Endpoint::interface(service),
            (gateway, _) => {
                let rule = "it is either a gateway or interfaces, and this is neither or both";
                problems.add("endpoint-kind", format!("endpoint {}", gateway.unwrap_or_default()), rule, "give gateway or interface");
                return None;
            }
        };
        if let Some(group) = self.security_group {
            endpoint = endpoint.security_group(group);
        }
        if self.private_dns == Some(false) {
            endpoint = endpoint.without_private_dns();
        }
        Some(match self.policy {
            Some(policy) => endpoint.policy(policy),
            None => endpoint,
        })
    }
}

impl Network {
    /// The spec; `cluster` is the document's own.
    pub(crate) fn spec(self, owner: &Owner, cluster: Option<&str>) -> Result<NetworkSpec, SpecError> {
        let mut problems = Problems::new();
        let built = self.builder(owner, cluster, &mut problems).build();
        match (problems.is_empty(), built) {
            (true, built) => built,
            (false, built) => {
                for problem in built.err().into_iter().flat_map(|error| error.problems) {
                    problems.add(problem.code, problem.subject, problem.rule, problem.remedy);
                }
                problems.finish(format!("network {owner}"), || unreachable!("there are problems"))
            }
        }
    }

    fn builder(self, owner: &Owner, cluster: Option<&str>, problems: &mut Problems) -> NetworkSpecBuilder {
        let mut builder = NetworkSpec::builder(owner, self.cidr).zones(self.zones);
        builder = self.secondary_cidrs.into_iter().fold(builder, NetworkSpecBuilder::secondary_cidr);
        builder = self.must_not_overlap.into_iter().fold(builder, |builder, (name, cidr)| builder.must_not_overlap(name, cidr));
        if self.ipv6 == Some(true) {
            builder = builder.ipv6();
        }
        if let Some(zones) = self.zone_capacity {
            builder = builder.zone_capacity(zones);
        }
        if let Some(size) = self.public_subnets {
            builder = builder.public_size(size);
        }
        if let Some(size) = self.private_subnets {
            builder = builder.private_size(size);
        }
        for Group { name, tier, size } in self.subnet_groups {
            let group = match tier {
                Tier::Public => SubnetGroup::public(size),
                Tier::Private => SubnetGroup::private(size),
                Tier::Intra => SubnetGroup::intra(size),
            };
            builder = builder.group(name.into_iter().fold(group, SubnetGroup::named));
        }
        if self.only_groups == Some(true) {
            builder = builder.only_groups();
        }
        for Subnet { tier, zone, cidr, name } in self.subnets {
            let subnet = match tier {
                Tier::Public => eks_net::Subnet::public(zone, cidr),
                Tier::Private => eks_net::Subnet::private(zone, cidr),
                Tier::Intra => eks_net::Subnet::intra(zone, cidr),
            };
            builder = builder.subnet(name.into_iter().fold(subnet, eks_net::Subnet::named));
        }
        if let Some(nat) = self.nat {
            builder = builder.nat(nat.into());
        }
        builder = self.elastic_ips.into_iter().fold(builder, |builder, ip| builder.elastic_ip(ip.zone, ip.allocation_id));
        if self.private_cluster_endpoints == Some(true) {
            builder = builder.endpoints(Endpoints::private_cluster());
        }
        for endpoint in self.endpoints {
            builder = builder.endpoints(endpoint.endpoint(problems));
        }
        for group in self.security_groups {
            builder = builder.security_group(group.group(problems));
        }
        if let Some(Quotas { rules, groups_per_interface }) = self.security_group_quotas {
            builder = builder.security_group_quotas(eks_net::SecurityGroupQuotas::new(rules, groups_per_interface));
        }
        let clusters = cluster.map(str::to_owned).into_iter().chain(self.clusters);
        builder = clusters.fold(builder, NetworkSpecBuilder::cluster);
        self.tags.into_iter().fold(builder, |builder, (key, value)| builder.tag(key, value))
    }
}

impl Existing {
    /// The choice; `cluster` is the document's own.
    pub(crate) fn spec(self, owner: &Owner, cluster: Option<&str>) -> Result<ExistingNetwork, SpecError> {
        let mut builder = ExistingNetwork::builder(owner);
        builder = self.vpc.into_iter().fold(builder, ExistingNetworkBuilder::vpc);
        builder = self.vpc_name.into_iter().fold(builder, ExistingNetworkBuilder::vpc_named);
        builder = self.vpc_tags.into_iter().fold(builder, |builder, (key, value)| builder.vpc_tagged(key, value));
        builder = self.subnets.into_iter().fold(builder, ExistingNetworkBuilder::subnet);
        builder = self.public_subnets.into_iter().fold(builder, ExistingNetworkBuilder::public_subnet);
        builder = self.private_subnets.into_iter().fold(builder, ExistingNetworkBuilder::private_subnet);
        builder = self.subnet_tags.into_iter().fold(builder, |builder, (key, value)| builder.subnets_tagged(key, value));
        builder = self.security_groups.into_iter().fold(builder, ExistingNetworkBuilder::security_group);
        builder = cluster.map(str::to_owned).into_iter().chain(self.clusters).fold(builder, ExistingNetworkBuilder::cluster);
        builder = self.allow.into_iter().fold(builder, |builder, fix| builder.allow(fix.into()));
        if self.adopt == Some(true) {
            builder = builder.adopt();
        }
        self.add_private_subnets.into_iter().fold(builder, ExistingNetworkBuilder::add_private_subnets).build()
    }
}
