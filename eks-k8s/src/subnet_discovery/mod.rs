//! Which subnets a load balancer would be put into, by the rules of the controller that makes it: before anything is applied.
//!
//! Cloud provider: `findELBSubnets` and "The Service Controller". AWS Load Balancer Controller: "Subnet Auto-Discovery". Auto Mode: EKS
//! user guide, "Tag subnets for EKS Auto Mode". Zones are taken to be Availability Zones: Local Zones and Outposts have rules of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use eks_core::{ClusterName, Problem, Problems};
use serde::{Deserialize, Serialize};

use crate::{Controller, Ingress, LoadBalancerKind, Service};

#[cfg(test)]
mod tests;

/// The fewest free addresses that a subnet of a load balancer must have (Elastic Load Balancing user guides, "Subnets").
const FREE: u32 = 8;
const CLUSTER: &str = "kubernetes.io/cluster/";

/// A subnet of the cluster's VPC, as EC2 describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users fill it from whatever describes their network")]
pub struct VpcSubnet {
    /// `subnet-…`
    pub id: String,
    /// `us-east-1a`
    pub zone: String,
    /// Addresses that nobody has.
    pub free_addresses: u32,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether its route table, its own or the VPC's main one, routes to an internet gateway.
    pub routes_to_internet: bool,
}

impl VpcSubnet {
    fn is_of(&self, cluster: &ClusterName) -> bool {
        self.tags.contains_key(&format!("{CLUSTER}{cluster}"))
    }

    fn is_of_others(&self, cluster: &ClusterName) -> bool {
        !self.is_of(cluster) && self.tags.keys().any(|key| key.starts_with(CLUSTER))
    }
}

/// A kind of load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Balancer {
    /// Application Load Balancer: of an Ingress.
    Application,
    /// Classic Load Balancer.
    Classic,
    /// Network Load Balancer.
    Network,
}

impl Balancer {
    /// In how many zones it needs a subnet.
    pub fn zones(self) -> usize {
        match self {
            Self::Application => 2,
            Self::Classic | Self::Network => 1,
        }
    }
}

impl fmt::Display for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Application => "an Application Load Balancer",
            Self::Classic => "a Classic Load Balancer",
            Self::Network => "a Network Load Balancer",
        })
    }
}

/// A load balancer that looks for subnets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubnetSearch {
    /// For whom, in messages: `service nginx`.
    pub subject: String,
    /// Who makes it.
    pub controller: Controller,
    /// What is made.
    pub balancer: Balancer,
    /// Whether the internet shall reach it.
    pub internet_facing: bool,
    /// The cluster.
    pub cluster: ClusterName,
    /// Subnets by id or by tag `Name`; none: they are discovered.
    pub named: Vec<String>,
}

/// Why a subnet was not chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotChosen {
    /// It has a tag of another cluster, and none of this one.
    OtherCluster,
    /// It has fewer than eight free addresses.
    Full(u32),
    /// It does not carry the tag of its role, and others do.
    NoRole,
    /// The tag of its role has a value that is neither 1 nor empty.
    RoleValue(String),
    /// It has no route to an internet gateway.
    Private,
    /// It has a route to an internet gateway, and an internal load balancer is looked for without any tags of roles.
    Public,
    /// This one in its zone came first.
    After(String),
    /// Others were named.
    NotNamed,
}

impl fmt::Display for NotChosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherCluster => f.write_str("is tagged for another cluster"),
            Self::Full(free) => write!(f, "has {free} free addresses, fewer than {FREE}"),
            Self::NoRole => f.write_str("lacks the tag of its role"),
            Self::RoleValue(value) => write!(f, "has the value {value:?} in the tag of its role, which is neither 1 nor empty"),
            Self::Private => f.write_str("has no route to an internet gateway"),
            Self::Public => f.write_str("routes to an internet gateway, and no subnet has a tag of its role"),
            Self::After(other) => write!(f, "comes after {other} in its zone"),
            Self::NotNamed => f.write_str("is not named"),
        }
    }
}

/// What a controller would choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovery {
    /// The subnet of each zone, by zone.
    pub chosen: BTreeMap<String, String>,
    /// Why each other one is not, by its id.
    pub others: BTreeMap<String, NotChosen>,
    /// Why the load balancer would not be made, or not as it should.
    pub problems: Vec<Problem>,
    /// What works, and should be looked at.
    pub remarks: Vec<String>,
}

impl SubnetSearch {
    /// The search for a Service.
    pub fn of_service(service: &Service, cluster: &ClusterName) -> Self {
        Self {
            subject: format!("service {}", service.name()),
            controller: service.made_by(),
            balancer: match service.kind() {
                LoadBalancerKind::Classic => Balancer::Classic,
                LoadBalancerKind::Network => Balancer::Network,
            },
            internet_facing: service.is_internet_facing(),
            cluster: cluster.clone(),
            named: service.subnets(),
        }
    }

    /// The search for an Ingress.
    pub fn of_ingress(ingress: &Ingress, cluster: &ClusterName) -> Self {
        Self {
            subject: format!("ingress {}", ingress.name()),
            controller: ingress.made_by(),
            balancer: Balancer::Application,
            internet_facing: ingress.is_internet_facing(),
            cluster: cluster.clone(),
            named: ingress.subnets().to_vec(),
        }
    }

    /// The tag by which its subnets are known.
    pub fn role(&self) -> &'static str {
        if self.internet_facing { "kubernetes.io/role/elb" } else { "kubernetes.io/role/internal-elb" }
    }

    /// What would be chosen among the subnets of the VPC. Pure.
    pub fn among(&self, subnets: &[VpcSubnet]) -> Discovery {
        if !self.named.is_empty() {
            return self.by_name(subnets);
        }
        let mut found = Discovery::default();
        match self.controller {
            Controller::CloudProvider => self.cloud_provider(subnets, &mut found),
            Controller::AutoMode | Controller::LoadBalancerController => self.by_role(subnets, &mut found),
        }
        self.judge(subnets, &mut found);
        found
    }

    /// Candidates are not tagged for other clusters, and for the internet public; of a zone's, the tag of the role decides, then the
    /// tag of the cluster, then the id. Free addresses are not looked at.
    fn cloud_provider(&self, subnets: &[VpcSubnet], found: &mut Discovery) {
        let why_not = |subnet: &VpcSubnet| {
            if subnet.is_of_others(&self.cluster) {
                Some(NotChosen::OtherCluster)
            } else {
                (self.internet_facing && !subnet.routes_to_internet).then_some(NotChosen::Private)
            }
        };
        self.one_a_zone(subnets, why_not, |subnet| (!subnet.tags.contains_key(self.role()), !subnet.is_of(&self.cluster)), found);
    }

    /// Candidates carry the tag of the role, or, if none does (not in Auto Mode), are public or private as wanted; of these, those that
    /// are not tagged for other clusters and have eight free addresses. Of a zone's, the tag of the cluster decides, then the id.
    fn by_role(&self, subnets: &[VpcSubnet], found: &mut Discovery) {
        let has_role = |subnet: &VpcSubnet| subnet.tags.get(self.role()).is_some_and(|value| value.is_empty() || value == "1");
        let by_reach = self.controller == Controller::LoadBalancerController && !subnets.iter().any(has_role);
        let why_not = |subnet: &VpcSubnet| {
            if by_reach {
                if subnet.routes_to_internet != self.internet_facing {
                    return Some(if self.internet_facing { NotChosen::Private } else { NotChosen::Public });
                }
            } else if !has_role(subnet) {
                let value = subnet.tags.get(self.role());
                return Some(value.map_or(NotChosen::NoRole, |value| NotChosen::RoleValue(value.clone())));
            }
            if subnet.is_of_others(&self.cluster) {
                return Some(NotChosen::OtherCluster);
            }
            (subnet.free_addresses < FREE).then_some(NotChosen::Full(subnet.free_addresses))
        };
        self.one_a_zone(subnets, why_not, |subnet| (false, !subnet.is_of(&self.cluster)), found);
        if by_reach && !found.chosen.is_empty() {
            let remark =
                format!("no subnet has tag {}; the controller goes by routes since 2.12.1, and older ones find nothing", self.role());
            found.remarks.push(remark);
        }
    }

    fn one_a_zone(
        &self,
        subnets: &[VpcSubnet],
        why_not: impl Fn(&VpcSubnet) -> Option<NotChosen>,
        rank: impl Fn(&VpcSubnet) -> (bool, bool),
        found: &mut Discovery,
    ) {
        let mut zones: BTreeMap<&str, Vec<&VpcSubnet>> = BTreeMap::new();
        for subnet in subnets {
            match why_not(subnet) {
                Some(reason) => drop(found.others.insert(subnet.id.clone(), reason)),
                None => zones.entry(&subnet.zone).or_default().push(subnet),
            }
        }
        for (zone, mut candidates) in zones {
            candidates.sort_by_key(|subnet| (rank(subnet), &subnet.id));
            let mut candidates = candidates.into_iter();
            let Some(first) = candidates.next() else { continue };
            found.others.extend(candidates.map(|subnet| (subnet.id.clone(), NotChosen::After(first.id.clone()))));
            found.chosen.insert(zone.to_owned(), first.id.clone());
        }
    }

    /// Subnets that are named: each must be there, and be alone in its zone.
    fn by_name(&self, subnets: &[VpcSubnet]) -> Discovery {
        let mut found = Discovery::default();
        let mut problems = Problems::new();
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        for named in &self.named {
            let is_it = |subnet: &&VpcSubnet| {
                if named.starts_with("subnet-") { subnet.id == *named } else { subnet.tags.get("Name") == Some(named) }
            };
            let mut matching: Vec<_> = subnets.iter().filter(is_it).collect();
            matching.sort_by_key(|subnet| &subnet.id);
            let [subnet] = matching.as_slice() else {
                let rule = match matching.as_slice() {
                    [] => format!("subnet {named} is not in the VPC"),
                    _ => format!("{} subnets are named {named}", matching.len()),
                };
                problems.add("subnets", &self.subject, rule, "name subnets of the cluster's VPC by their ids");
                continue;
            };
            taken.insert(&subnet.id);
            if let Some(other) = found.chosen.insert(subnet.zone.clone(), subnet.id.clone()).filter(|other| *other != subnet.id) {
                let rule = format!("subnets {other} and {} are both in {}; a load balancer takes one of each zone", subnet.id, subnet.zone);
                problems.add("subnets", &self.subject, rule, "name one of them");
            }
        }
        let others = subnets.iter().filter(|subnet| !taken.contains(subnet.id.as_str()));
        found.others = others.map(|subnet| (subnet.id.clone(), NotChosen::NotNamed)).collect();
        found.problems = list(problems);
        if found.problems.is_empty() {
            self.judge(subnets, &mut found);
        }
        found
    }

    /// Whether the choice is enough, and good.
    fn judge(&self, subnets: &[VpcSubnet], found: &mut Discovery) {
        let mut problems = Problems::new();
        let needed = self.balancer.zones();
        if found.chosen.len() < needed {
            let zones = if needed == 1 { "a subnet".to_owned() } else { format!("subnets in {needed} zones") };
            let rule = format!("{} needs {zones}, and {} finds {}{}", self.balancer, self.controller, found.chosen.len(), self.why(found));
            problems.add("subnets", &self.subject, rule, self.remedy(subnets, found));
        }
        for (zone, id) in &found.chosen {
            let Some(subnet) = subnets.iter().find(|subnet| subnet.id == *id) else { continue };
            if subnet.free_addresses < FREE {
                let rule = format!("{id}, which would be taken in {zone}, {}; AWS refuses it", NotChosen::Full(subnet.free_addresses));
                let remedy = format!(
                    "free addresses, or give another subnet of {zone} the tag {}=1 and take it off {id}, or name subnets",
                    self.role()
                );
                problems.add("subnets", &self.subject, rule, remedy);
            }
            if self.internet_facing && !subnet.routes_to_internet {
                let rule =
                    format!("{id}, which would be taken in {zone}, has no route to an internet gateway: nobody would reach it there");
                let remedy = format!(
                    "take the tag {} off {id} and give it to a public subnet of {zone}, or route {id} to an internet gateway",
                    self.role()
                );
                problems.add("subnets", &self.subject, rule, remedy);
            }
            if !self.internet_facing && subnet.routes_to_internet && self.named.is_empty() {
                found.remarks.push(format!("{id} in {zone} is public; an internal load balancer works there, and is usually kept out"));
            }
        }
        found.problems.extend(list(problems));
    }

    fn why(&self, found: &Discovery) -> String {
        let reasons: Vec<_> =
            found.others.iter().filter(|(_, reason)| !matches!(reason, NotChosen::After(_) | NotChosen::NotNamed)).collect();
        if reasons.is_empty() {
            return String::new();
        }
        let told: Vec<_> = reasons.iter().take(6).map(|(id, reason)| format!("{id} {reason}")).collect();
        let more = reasons.len().saturating_sub(told.len());
        let more = if more == 0 { String::new() } else { format!(", and {more} more") };
        format!(" ({}{more})", told.join(", "))
    }

    /// What makes subnets of further zones eligible: for each zone the cheapest change, tags before all else.
    fn remedy(&self, subnets: &[VpcSubnet], found: &Discovery) -> String {
        let missing = self.balancer.zones() - found.chosen.len();
        let has_role = |subnet: &VpcSubnet| matches!(subnet.tags.get(self.role()).map(String::as_str), Some("" | "1"));
        let by_reach = self.controller == Controller::LoadBalancerController && !subnets.iter().any(has_role);
        let fits = |subnet: &&VpcSubnet| !by_reach || self.internet_facing || !subnet.routes_to_internet;
        let as_it_is = |subnet: &VpcSubnet| self.controller != Controller::CloudProvider && !by_reach && !has_role(subnet);
        let mut told = Vec::new();
        let mut best = self.best(subnets.iter().filter(fits), found, as_it_is);
        if by_reach && best.len() < missing {
            // Once a subnet has the tag of the role, the controller goes by routes no longer: those that it chose by them need it too.
            best = self.best(subnets.iter(), found, |_| true);
            told.extend(found.chosen.values().map(|id| format!("tag {id} with {}=1", self.role())));
        }
        told.extend(best.into_iter().take(missing).flat_map(|(_, _, texts)| texts));
        if told.is_empty() {
            return format!("make a subnet in another zone, with tag {}=1 and {FREE} free addresses", self.role());
        }
        told.join("; ")
    }

    /// The cheapest change for each zone that lacks a subnet: how much of it is more than tags, how many tags, and the changes.
    fn best<'a>(
        &self,
        subnets: impl Iterator<Item = &'a VpcSubnet>,
        found: &Discovery,
        needs_role: impl Fn(&VpcSubnet) -> bool,
    ) -> Vec<(usize, usize, Vec<String>)> {
        let mut zones: BTreeMap<&str, (usize, usize, Vec<String>)> = BTreeMap::new();
        for subnet in subnets.filter(|subnet| !found.chosen.contains_key(&subnet.zone)) {
            let id = &subnet.id;
            let mut tags = Vec::new();
            if needs_role(subnet) {
                tags.push(format!("{}=1", self.role()));
            }
            if subnet.is_of_others(&self.cluster) {
                tags.push(format!("{CLUSTER}{}=shared", self.cluster));
            }
            let mut work = Vec::new();
            if subnet.free_addresses < FREE {
                work.push(format!("free addresses in {id}"));
            }
            if self.internet_facing && !subnet.routes_to_internet {
                work.push(format!("route {id} to an internet gateway"));
            }
            let tagging = (!tags.is_empty()).then(|| format!("tag {id} with {}", tags.join(" and ")));
            let advice = (work.len(), tags.len(), tagging.into_iter().chain(work).collect());
            let best = zones.entry(&subnet.zone).or_insert_with(|| advice.clone());
            if advice < *best {
                *best = advice;
            }
        }
        let mut best: Vec<_> = zones.into_values().collect();
        best.sort();
        best
    }
}

fn list(problems: Problems) -> Vec<Problem> {
    problems.finish("", || ()).err().map(|error| error.problems).unwrap_or_default()
}
