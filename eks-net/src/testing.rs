//! What several tests use: the network of the textbook chapter, and how it is found when it stands.

use eks_core::{Owner, Ref};

use crate::{
    NetworkSpec, NetworkSpecBuilder, Rule, SecurityGroup, Subnet,
    groups::{Peer, SecurityGroupRule},
    observed::{FoundAddress, FoundGroup, FoundInternetGateway, FoundNatGateway, FoundRouteTable, FoundSubnet, FoundVpc, Observed},
};

pub(crate) fn owner() -> Owner {
    Owner::new("chap10").unwrap()
}

pub(crate) fn builder() -> NetworkSpecBuilder {
    NetworkSpec::builder(&owner(), "10.0.0.0/16")
        .subnet(Subnet::public("us-east-1a", "10.0.1.0/24"))
        .subnet(Subnet::public("us-east-1b", "10.0.3.0/24"))
        .subnet(Subnet::private("us-east-1a", "10.0.4.0/24"))
        .subnet(Subnet::private("us-east-1b", "10.0.2.0/24"))
        .security_group(
            SecurityGroup::new("public", "public instances")
                .allow(Rule::tcp(22).from_cidr("98.234.106.21/32"))
                .allow(Rule::tcp(80).from_cidr("0.0.0.0/0")),
        )
        .security_group(
            SecurityGroup::new("private", "private instances")
                .allow(Rule::tcp(22).from_group("public"))
                .allow(Rule::tcp(80).from_group("public")),
        )
        .security_group(SecurityGroup::new("elb", "load balancer").allow(Rule::tcp(80).from_cidr("0.0.0.0/0")))
        .security_group(SecurityGroup::new("eks-control-plane", "control plane"))
        .cluster("chap10")
}

pub(crate) fn chapter() -> NetworkSpec {
    builder().build().unwrap()
}

/// A made-up id.
pub(crate) fn id<T: TryFrom<String>>(prefix: &str, number: usize) -> T
where
    T::Error: std::fmt::Debug,
{
    T::try_from(format!("{prefix}-{number:017x}")).unwrap()
}

/// The network as it is found when everything of the spec stands (one NAT gateway, one private table).
pub(crate) fn standing(spec: &NetworkSpec) -> Observed {
    let extra = |key: &eks_core::StepKey| spec.extra.of(&spec.owner, key);
    let key = |text: &str| text.parse::<eks_core::StepKey>().unwrap();
    let mut now = Observed::nothing(&spec.owner);
    let vpc: eks_core::VpcId = id("vpc", 1);
    now.vpcs.push(FoundVpc {
        id: vpc.clone(),
        cidr: spec.cidr,
        blocks: Vec::new(),
        dns_support: true,
        dns_hostnames: true,
        tags: extra(&key("net/vpc")),
    });
    now.internet_gateways.push(FoundInternetGateway {
        id: id("igw", 1),
        attached_to: vec![vpc.clone()],
        tags: extra(&key("net/internet-gateway")),
    });
    for (number, subnet) in spec.subnets.iter().enumerate() {
        now.subnets.push(FoundSubnet {
            id: id("subnet", number),
            cidr: subnet.cidr,
            free_addresses: None,
            zone: subnet.zone.clone(),
            ipv6: None,
            assign_ipv6: false,
            map_public_ip: subnet.tier == eks_core::Tier::Public,
            tags: spec.extra.of_subnet(&spec.owner, subnet),
        });
    }
    now.addresses.push(FoundAddress {
        id: id("eipalloc", 1),
        public_ip: "203.0.113.7".to_owned(),
        association: Some("eipassoc-00000000000000001".to_owned()),
        tags: extra(&key("net/elastic-ip/us-east-1a")),
    });
    now.nat_gateways.push(FoundNatGateway {
        id: id("nat", 1),
        state: "available".to_owned(),
        vpc: Some(vpc.clone()),
        subnet: Some(id("subnet", 0)),
        automatic: false,
        addresses: vec![(None, Some(id("eipalloc", 1)))],
        tags: extra(&key("net/nat/us-east-1a")),
    });
    for (number, (tier, target)) in [("public", "igw"), ("private", "nat")].into_iter().enumerate() {
        now.route_tables.push(FoundRouteTable {
            id: id("rtb", number),
            is_main: false,
            default_route: Some(format!("{target}-{:017x}", 1)),
            default_route_ipv6: None,
            associations: (0..2).map(|n| (id("subnet", number * 2 + n), id("rtbassoc", number * 2 + n))).collect(),
            tags: extra(&key(&format!("net/route-table/{tier}"))),
        });
    }
    for (number, group) in spec.security_groups.iter().enumerate() {
        let with_ids = |rule: &SecurityGroupRule| {
            let mut rule = rule.clone();
            if let Peer::Group(Ref::Output(output)) = &rule.peer {
                let at = spec.security_groups.iter().position(|group| group.key() == output.step).unwrap();
                rule.peer = Peer::Group(Ref::Known(id("sg", at)));
            }
            rule
        };
        let mut rules: Vec<SecurityGroupRule> = group.rules.iter().map(with_ids).collect();
        if group.egress().next().is_none() {
            let [everything_out, _] = SecurityGroupRule::defaults();
            rules.push(everything_out);
        }
        let references = rules.iter().filter_map(|rule| rule.peer.group()?.known().cloned());
        now.security_groups.push(FoundGroup {
            id: id("sg", number),
            vpc: vpc.clone(),
            name: group.name.clone(),
            description: group.description.clone(),
            references: references.collect(),
            rules: rules.into_iter().map(Into::into).collect(),
            other: Vec::new(),
            tags: extra(&group.key()),
        });
    }
    now
}
