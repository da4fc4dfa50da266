//! Which network that exists is meant, and what may be done to it.

use std::{collections::BTreeSet, fmt};

use eks_core::{ClusterName, Owner, Problems, SecurityGroupId, SpecError, SubnetId, Tier, VpcId};
use serde::{Deserialize, Serialize};

use crate::{cidr, tags::Tags};

/// Something that a plan may mend about a network that we did not make. Nothing is mended that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fix {
    /// `enableDnsSupport` and `enableDnsHostnames` of the VPC. They stay on after a teardown.
    Dns,
    /// Role and cluster tags of the chosen subnets, for load balancers. A teardown takes off those that were added.
    Tags,
    /// `MapPublicIpOnLaunch` of chosen public subnets. It stays on after a teardown.
    PublicAddresses,
    /// A default route to the attached internet gateway in tables that serve nothing but subnets stated as public, and that
    /// lack one or have one that leads nowhere. It stays after a teardown.
    Routes,
}

impl Fix {
    /// How it is allowed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dns => "Fix::Dns",
            Self::Tags => "Fix::Tags",
            Self::PublicAddresses => "Fix::PublicAddresses",
            Self::Routes => "Fix::Routes",
        }
    }
}

/// Which VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Vpc {
    Id(VpcId),
    Tagged(Tags),
    /// That of the chosen subnets.
    OfSubnets,
}

/// Which of its subnets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subnets {
    All,
    Tagged(Tags),
    /// With the tier that the user states.
    Listed(Vec<(SubnetId, Option<Tier>)>),
}

/// Which security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Id(SecurityGroupId),
    Named(String),
}

/// A network that somebody else made, and what we may do to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ExistingNetworkBuilder", into = "ExistingNetworkBuilder")]
pub struct ExistingNetwork {
    pub(crate) owner: Owner,
    pub(crate) vpc: Vpc,
    pub(crate) subnets: Subnets,
    pub(crate) groups: Vec<Group>,
    pub(crate) clusters: Vec<ClusterName>,
    pub(crate) fixes: BTreeSet<Fix>,
    pub(crate) adopt: bool,
    /// Prefix length of private subnets to add.
    pub(crate) add: Option<u8>,
    asked: Box<ExistingNetworkBuilder>,
}

/// Collects which network is meant. It can be read from a file, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingNetworkBuilder {
    owner: Owner,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vpc: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    vpc_tags: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subnets: Vec<(String, Option<Tier>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subnet_tags: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    security_groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    allow: BTreeSet<Fix>,
    #[serde(default)]
    adopt: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    add_private_subnets: Option<u8>,
}

impl ExistingNetworkBuilder {
    /// The VPC of this id.
    #[must_use]
    pub fn vpc(mut self, id: impl Into<String>) -> Self {
        self.vpc = Some(id.into());
        self
    }

    /// The VPC with this tag `Name`.
    #[must_use]
    pub fn vpc_named(self, name: impl Into<String>) -> Self {
        self.vpc_tagged("Name", name)
    }

    /// The VPC with this tag, and every other one given so.
    #[must_use]
    pub fn vpc_tagged(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.vpc_tags.push((key.into(), value.into()));
        self
    }

    /// A subnet; whether it is public, private or intra tells its default route. Without any, every subnet of the VPC is meant.
    #[must_use]
    pub fn subnet(mut self, id: impl Into<String>) -> Self {
        self.subnets.push((id.into(), None));
        self
    }

    /// A subnet that is to be public, whatever its route is now.
    #[must_use]
    pub fn public_subnet(mut self, id: impl Into<String>) -> Self {
        self.subnets.push((id.into(), Some(Tier::Public)));
        self
    }

    /// A subnet that is to be private, whatever its route is now.
    #[must_use]
    pub fn private_subnet(mut self, id: impl Into<String>) -> Self {
        self.subnets.push((id.into(), Some(Tier::Private)));
        self
    }

    /// Subnets with this tag, and every other one given so.
    #[must_use]
    pub fn subnets_tagged(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.subnet_tags.push((key.into(), value.into()));
        self
    }

    /// A security group to hand on, by id or by name.
    #[must_use]
    pub fn security_group(mut self, id_or_name: impl Into<String>) -> Self {
        self.security_groups.push(id_or_name.into());
        self
    }

    /// A cluster that will use the subnets.
    #[must_use]
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.clusters.push(name.into());
        self
    }

    /// Allows plans to mend this.
    #[must_use]
    pub fn allow(mut self, fix: Fix) -> Self {
        self.allow.insert(fix);
        self
    }

    /// Puts our tags on it, so that a `NetworkSpec` of the same shape keeps it. One owner only can adopt a thing. By default a
    /// network is used, and nothing of it is claimed.
    #[must_use]
    pub fn adopt(mut self) -> Self {
        self.adopt = true;
        self
    }

    /// Adds a private subnet of this prefix length, 16–28, in each zone of the chosen public subnets that has no private one, in
    /// blocks of the VPC that are free; with a route table, and a NAT gateway if it has none. These are ours.
    #[must_use]
    pub fn add_private_subnets(mut self, prefix: u8) -> Self {
        self.add_private_subnets = Some(prefix);
        self
    }

    /// The choice. Nothing is called.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that it breaks, each with the remedy.
    pub fn build(self) -> Result<ExistingNetwork, SpecError> {
        let mut problems = Problems::new();
        let vpc = self.chosen_vpc(&mut problems);
        let subnets = self.chosen_subnets(&mut problems);
        let groups = self.chosen_groups(&mut problems);
        let mut clusters = Vec::new();
        for cluster in &self.clusters {
            match ClusterName::new(cluster.clone()) {
                Ok(name) if !clusters.contains(&name) => clusters.push(name),
                Ok(_) => {}
                Err(error) => problems.add("cluster-name", format!("cluster {cluster}"), error.to_string(), "give the cluster's name"),
            }
        }
        if let Some(prefix) = self.add_private_subnets {
            if !cidr::PREFIXES.contains(&prefix) {
                let rule = format!("/{prefix} is not between /16 and /28");
                problems.add("prefix-size", "added private subnets", rule, "choose a prefix length from 16 to 28");
            }
            if self.adopt {
                let rule = "subnets are added to a network that is used; one that is adopted grows by its NetworkSpec";
                problems.add("adopt-and-add", "added private subnets", rule, "adopt first, then add the subnets to the NetworkSpec");
            }
            if vpc == Vpc::OfSubnets {
                let rule = "to find free blocks, every subnet of the VPC must be looked at, not the chosen ones alone";
                problems.add("add-without-vpc", "added private subnets", rule, "choose the VPC, too");
            }
        }
        problems.finish(format!("existing network for {}", self.owner), || ExistingNetwork {
            owner: self.owner.clone(),
            vpc,
            subnets,
            groups,
            clusters,
            fixes: self.allow.clone(),
            adopt: self.adopt,
            add: self.add_private_subnets,
            asked: Box::new(self),
        })
    }

    fn chosen_vpc(&self, problems: &mut Problems) -> Vpc {
        let tags = tags(problems, "VPC", &self.vpc_tags);
        match &self.vpc {
            Some(_) if !tags.is_empty() => {
                problems.add("vpc-choice", "VPC", "it is given by id and by tags", "give one of them");
                Vpc::OfSubnets
            }
            Some(id) => match VpcId::new(id.as_str()) {
                Ok(id) => Vpc::Id(id),
                Err(error) => {
                    problems.add("vpc-id", "VPC", error.to_string(), "see DescribeVpcs");
                    Vpc::OfSubnets
                }
            },
            None if !tags.is_empty() => Vpc::Tagged(tags),
            None => {
                if self.subnets.is_empty() && self.vpc_tags.is_empty() {
                    problems.add("vpc-none", "VPC", "neither the VPC nor its subnets are given", "give its id, its name or a tag");
                }
                Vpc::OfSubnets
            }
        }
    }

    fn chosen_subnets(&self, problems: &mut Problems) -> Subnets {
        let tags = tags(problems, "subnets", &self.subnet_tags);
        let mut listed: Vec<(SubnetId, Option<Tier>)> = Vec::new();
        for (text, tier) in &self.subnets {
            match SubnetId::new(text.as_str()) {
                Ok(id) if listed.iter().any(|(other, _)| *other == id) => {
                    problems.add("subnet-twice", &id, "the subnet is given twice", "give each subnet once");
                }
                Ok(id) => listed.push((id, *tier)),
                Err(error) => problems.add("subnet-id", format!("subnet {text}"), error.to_string(), "see DescribeSubnets"),
            }
        }
        if !self.subnets.is_empty() && !tags.is_empty() {
            problems.add("subnet-choice", "subnets", "they are given by ids and by tags", "give one of them");
        }
        if !tags.is_empty() {
            Subnets::Tagged(tags)
        } else if listed.is_empty() {
            Subnets::All
        } else {
            Subnets::Listed(listed)
        }
    }

    fn chosen_groups(&self, problems: &mut Problems) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for text in &self.security_groups {
            let subject = format!("security group {text:?}");
            let group = match SecurityGroupId::new(text.as_str()) {
                Ok(id) => Group::Id(id),
                // Names beginning so are reserved. (Amazon EC2 API Reference, CreateSecurityGroup.)
                Err(error) if text.starts_with("sg-") || text.is_empty() => {
                    problems.add("group-id", &subject, error.to_string(), "give the id, or the name");
                    continue;
                }
                Err(_) => Group::Named(text.clone()),
            };
            if groups.contains(&group) {
                problems.add("group-twice", &subject, "the group is given twice", "give each group once");
            } else {
                groups.push(group);
            }
        }
        groups
    }
}

fn tags(problems: &mut Problems, subject: &str, given: &[(String, String)]) -> Tags {
    let mut tags = Tags::new();
    for (key, value) in given {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            let rule = format!("no tag has the key {key:?} and the value {value:?}: 1–128 and at most 256 characters");
            problems.add("tag-form", subject, rule, "give a tag that it can have");
        }
        if tags.insert(key.clone(), value.clone()).is_some_and(|other| other != *value) {
            problems.add("tag-twice", subject, format!("nothing has the tag {key} with two values"), "give each key once");
        }
    }
    tags
}

impl ExistingNetwork {
    /// A network that this owner wants to use or to adopt. Choose the VPC, or subnets of it.
    pub fn builder(owner: &Owner) -> ExistingNetworkBuilder {
        ExistingNetworkBuilder {
            owner: owner.clone(),
            vpc: None,
            vpc_tags: Vec::new(),
            subnets: Vec::new(),
            subnet_tags: Vec::new(),
            security_groups: Vec::new(),
            clusters: Vec::new(),
            allow: BTreeSet::new(),
            adopt: false,
            add_private_subnets: None,
        }
    }

    /// Who uses or adopts it.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The subnets that are chosen by id.
    #[cfg(feature = "aws")]
    pub(crate) fn listed(&self) -> impl Iterator<Item = &SubnetId> {
        let listed: &[(SubnetId, Option<Tier>)] = match &self.subnets {
            Subnets::Listed(listed) => listed,
            _ => &[],
        };
        listed.iter().map(|(id, _)| id)
    }

    /// Whether it is adopted rather than used.
    pub fn adopts(&self) -> bool {
        self.adopt
    }

    /// Whether plans may mend this.
    pub fn allows(&self, fix: Fix) -> bool {
        self.fixes.contains(&fix)
    }
}

impl fmt::Display for Vpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Tagged(tags) => write!(f, "the VPC tagged {}", Tagged(tags)),
            Self::OfSubnets => write!(f, "the VPC of the chosen subnets"),
        }
    }
}

/// Tags in words.
pub(super) struct Tagged<'a>(pub(super) &'a Tags);

impl fmt::Display for Tagged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<_> = self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        write!(f, "{}", tags.join(" and "))
    }
}

impl TryFrom<ExistingNetworkBuilder> for ExistingNetwork {
    type Error = SpecError;

    fn try_from(builder: ExistingNetworkBuilder) -> Result<Self, SpecError> {
        builder.build()
    }
}

impl From<ExistingNetwork> for ExistingNetworkBuilder {
    fn from(spec: ExistingNetwork) -> Self {
        *spec.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_checked_and_says_what_to_do() {
        let empty = || ExistingNetwork::builder(&Owner::new("shop").unwrap());
        let vpc = || empty().vpc("vpc-0a1b2c3d4e5f60718");
        let subnet = "subnet-0a1b2c3d4e5f60718";
        type Case = (ExistingNetworkBuilder, &'static [&'static str], &'static str);
        let cases: Vec<Case> = vec![
            (empty(), &["vpc-none"], "give its id, its name or a tag"),
            (empty().vpc("my-vpc"), &["vpc-id"], "\"my-vpc\" is not a VPC id"),
            (empty().vpc("vpc-0a1b2c3d4e5f6071"), &["vpc-id"], "8 or 17 hexadecimal digits"),
            (vpc().vpc_named("prod"), &["vpc-choice"], "give one of them"),
            (empty().vpc_tagged("", "x"), &["tag-form"], "1–128"),
            (empty().vpc_tagged("a", "x").vpc_tagged("a", "y"), &["tag-twice"], "two values"),
            (vpc().subnet("eni-0a1b2c3d"), &["subnet-id"], "is not a subnet id"),
            (vpc().subnet(subnet).public_subnet(subnet), &["subnet-twice"], "give each subnet once"),
            (vpc().subnet(subnet).subnets_tagged("tier", "app"), &["subnet-choice"], "by ids and by tags"),
            (vpc().security_group("sg-xyz"), &["group-id"], "is not a security group id"),
            (vpc().security_group(""), &["group-id"], "give the id, or the name"),
            (vpc().security_group("web").security_group("web"), &["group-twice"], "give each group once"),
            (vpc().cluster("-x"), &["cluster-name"], "is not an EKS cluster name"),
            (vpc().add_private_subnets(29), &["prefix-size"], "/29 is not between /16 and /28"),
            (vpc().add_private_subnets(24).adopt(), &["adopt-and-add"], "adopt first"),
            (empty().subnet(subnet).add_private_subnets(24), &["add-without-vpc"], "choose the VPC, too"),
            (empty().vpc("x").subnet("y").cluster("!"), &["vpc-id", "subnet-id", "cluster-name"], "3 problems"),
        ];
        for (builder, codes, said) in cases {
            let error = builder.build().expect_err(said);
            assert_eq!(error.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), codes, "{error}");
            assert!(error.to_string().contains(said), "{said:?} is not said in {error}");
        }
    }

    #[test]
    fn saved_choices_come_back_the_same_and_are_checked() {
        let owner = Owner::new("shop").unwrap();
        let spec = ExistingNetwork::builder(&owner).vpc_named("prod").allow(Fix::Tags).cluster("shop").adopt().build().unwrap();
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ExistingNetwork>(&json).unwrap(), spec);
        assert!(serde_json::from_str::<ExistingNetwork>(r#"{"owner":"shop","vpc":"x"}"#).is_err());
    }
}
