//! What EKS needs of a network, and what an existing one lacks.
//!
//! Source of most rules: Amazon EKS User Guide, "View Amazon EKS networking requirements for VPC and subnets" (below: NETWORK).

use std::{collections::BTreeSet, fmt};

use eks_core::Tier;

use super::{
    found::{ExistingVpc, ObservedExisting},
    marks,
    spec::{ExistingNetwork, Fix},
    survey::ChosenSubnet,
};
use crate::{keys, tags};

const NETWORK: &str = "Amazon EKS User Guide, \"View Amazon EKS networking requirements for VPC and subnets\"";
const PRIVATE: &str = "Amazon EKS User Guide, \"Deploy private clusters with limited internet access\"";
const BALANCERS: &str = "AWS Load Balancer Controller, \"Subnet auto-discovery\"";
const DNS: &str = "Amazon VPC User Guide, \"DNS attributes for your VPC\"";
const ROUTES: &str = "Amazon VPC User Guide, \"Configure route tables\"";
const SHARED: &str = "Amazon VPC User Guide, \"Share your VPC subnets with other accounts\"";
const DEFAULT: &str = "Amazon VPC User Guide, \"Default VPCs\"";

/// Zones in which a control plane cannot be, by id; names differ by account. (NETWORK.)
const UNSUPPORTED: [&str; 3] = ["use1-az3", "usw1-az2", "cac1-az3"];

/// Something that an existing network lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Stable name of the rule, for programs: `dns-hostnames`.
    pub code: &'static str,
    /// The thing concerned.
    pub subject: String,
    /// The rule, and how it is broken.
    pub rule: String,
    /// What to do about it.
    pub remedy: String,
    /// The page of AWS's documentation that the rule rests on.
    pub page: &'static str,
    /// Whether a cluster cannot work without; else it is worth a second thought.
    pub blocks: bool,
    /// What mends it, if we can.
    pub fix: Option<Fix>,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {} ({})", self.subject, self.rule, self.remedy, self.page)
    }
}

/// Collects gaps.
struct Gaps<'a> {
    spec: &'a ExistingNetwork,
    all: Vec<Gap>,
}

impl Gaps<'_> {
    fn add(&mut self, blocks: bool, code: &'static str, subject: impl fmt::Display, rule: String, remedy: &str, page: &'static str) {
        self.all.push(Gap { code, subject: subject.to_string(), rule, remedy: remedy.to_owned(), page, blocks, fix: None });
    }

    /// One that we can mend: if it is not allowed, the remedy says how to.
    fn fixable(&mut self, fix: Fix, blocks: bool, code: &'static str, subject: impl fmt::Display, rule: String, page: &'static str) {
        let remedy = match self.spec.allows(fix) {
            true => "the plan does so".to_owned(),
            false => format!("allow {}, or do it yourself", fix.name()),
        };
        self.all.push(Gap { code, subject: subject.to_string(), rule, remedy, page, blocks, fix: Some(fix) });
    }
}

/// Every gap between a network and what EKS needs.
pub(super) fn check(spec: &ExistingNetwork, now: &ObservedExisting, vpc: &ExistingVpc, subnets: &[ChosenSubnet], added: usize) -> Vec<Gap> {
    let mut gaps = Gaps { spec, all: Vec::new() };
    check_vpc(&mut gaps, vpc);
    check_zones(&mut gaps, subnets);
    for subnet in subnets {
        check_place(&mut gaps, vpc, subnet);
        check_addresses(&mut gaps, subnet);
        check_routes(&mut gaps, now, vpc, subnet, subnets);
        check_tags(&mut gaps, subnet);
    }
    if added == 0 && !subnets.is_empty() && subnets.iter().all(|subnet| subnet.tier == Tier::Public) {
        let rule = "every chosen subnet is public: nodes are reachable from the internet as far as their security groups let it".to_owned();
        gaps.add(false, "no-private", &vpc.id, rule, "add private subnets (add_private_subnets), or restrict the groups", NETWORK);
    }
    gaps.all
}

fn check_vpc(gaps: &mut Gaps<'_>, vpc: &ExistingVpc) {
    let why = "nodes cannot register with the cluster";
    if !vpc.dns_support {
        gaps.fixable(Fix::Dns, true, "dns-support", &vpc.id, format!("enableDnsSupport is off: {why}"), DNS);
    }
    if !vpc.dns_hostnames {
        gaps.fixable(Fix::Dns, true, "dns-hostnames", &vpc.id, format!("enableDnsHostnames is off: {why}"), DNS);
    }
    if let [_, secondary @ ..] = vpc.cidrs.as_slice()
        && !secondary.is_empty()
    {
        let blocks = secondary.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let rule =
            format!("it has the secondary blocks {blocks}: a cluster learns of one that is associated later only after an hour or more");
        gaps.add(false, "cidr-secondary", &vpc.id, rule, "associate blocks before the cluster is made, or wait", NETWORK);
    }
    if vpc.is_default {
        let rule = "it is the Region's default VPC, in which anybody's instances land who chooses no subnet".to_owned();
        gaps.add(false, "vpc-default", &vpc.id, rule, "use a VPC of its own for production", DEFAULT);
    }
}

fn check_zones(gaps: &mut Gaps<'_>, subnets: &[ChosenSubnet]) {
    let zones: BTreeSet<_> = subnets.iter().map(|subnet| &subnet.zone).collect();
    if zones.len() < 2 {
        let are = if zones.len() == 1 { "is 1" } else { "are 0" };
        let rule = format!("EKS needs subnets in two zones or more, and of the chosen ones' there {are}");
        gaps.add(true, "zones-too-few", "subnets", rule, "choose subnets in another zone, too", NETWORK);
    }
}

/// Where it lies, and whose it is.
fn check_place(gaps: &mut Gaps<'_>, vpc: &ExistingVpc, subnet: &ChosenSubnet) {
    let (id, zone) = (&subnet.id, &subnet.zone);
    if UNSUPPORTED.contains(&subnet.zone_id.as_str()) {
        let rule = format!("{zone} is {}, where EKS has no control planes", subnet.zone_id);
        gaps.add(true, "zone-unsupported", id, rule, "choose subnets of other zones; nodes may be there all the same", NETWORK);
    }
    // Names of Local and Wavelength Zones have more than the Region's name and a letter: us-west-2-lax-1a, us-east-1-wl1-bos-wlz-1.
    if zone.as_str().len() > zone.region().len() + 1 {
        let rule = format!("{zone} is a Local or Wavelength Zone, where EKS places no control-plane interfaces");
        gaps.add(true, "zone-kind", id, rule, "choose subnets of Availability Zones", NETWORK);
    }
    if let Some(outpost) = &subnet.outpost {
        let rule = format!("it lies on the Outpost {outpost}, where EKS places no control-plane interfaces");
        gaps.add(true, "subnet-outpost", id, rule, "choose subnets of Availability Zones", NETWORK);
    }
    if subnet.cidr.is_none() {
        let rule = "it has IPv6 addresses only, and control-plane interfaces need IPv4 ones, too".to_owned();
        gaps.add(true, "subnet-ipv6-only", id, rule, "choose subnets with IPv4 blocks", NETWORK);
    }
    if subnet.account != vpc.account {
        let rule = format!("it belongs to account {}, its VPC to {}", subnet.account, vpc.account);
        gaps.add(false, "subnet-shared", id, rule, "let the owning account set tags and routes: sharing does not hand those on", SHARED);
    }
}

fn check_addresses(gaps: &mut Gaps<'_>, subnet: &ChosenSubnet) {
    let free = subnet.free_addresses;
    if free < 6 {
        let rule = format!("{free} addresses are free, and a control plane needs 6");
        gaps.add(true, "addresses-too-few", &subnet.id, rule, "free some, or choose a larger subnet", NETWORK);
    } else if free < 16 {
        let rule = format!("{free} addresses are free: a control plane needs 6, EKS recommends 16, and upgrades need them again");
        gaps.add(false, "addresses-few", &subnet.id, rule, "free some, or choose a larger subnet", NETWORK);
    }
}

fn check_routes(gaps: &mut Gaps<'_>, now: &ObservedExisting, vpc: &ExistingVpc, subnet: &ChosenSubnet, subnets: &[ChosenSubnet]) {
    let Some(table) = now.table_of(&subnet.id) else { return };
    let way = table.default_route();
    let lost = way.is_some_and(|route| route.is_blackhole);
    let said = way.map_or("none".to_owned(), |route| format!("{}{}", route.target, if lost { " (blackhole)" } else { "" }));
    let subject = format!("{} by {}", subnet.id, table.id);
    let to_internet = way.is_some_and(|route| route.target.starts_with("igw-"));
    match subnet.tier {
        Tier::Public if lost || !to_internet => {
            let rule = format!("a public subnet needs a default route to an attached internet gateway, and its leads to: {said}");
            let theirs = subnets.iter().filter(|other| other.tier == Tier::Public);
            if (lost || way.is_none())
                && now.attached(&vpc.id).is_some()
                && serves_only(gaps.spec, now, table, &theirs.map(|it| &it.id).collect())
            {
                gaps.fixable(Fix::Routes, true, "public-no-way", subject, rule, ROUTES);
            } else {
                let remedy = match now.attached(&vpc.id) {
                    Some(gateway) => format!("let 0.0.0.0/0 of {} lead to {gateway}, or choose another subnet", table.id),
                    None => "attach an internet gateway to the VPC, and let 0.0.0.0/0 lead to it".to_owned(),
                };
                gaps.add(true, "public-no-way", subject, rule, &remedy, ROUTES);
            }
        }
        Tier::Public if !subnet.map_public_ip => {
            let rule = "MapPublicIpOnLaunch is off: nodes in this public subnet get no public address, and so no way out".to_owned();
            gaps.fixable(Fix::PublicAddresses, false, "public-no-addresses", &subnet.id, rule, NETWORK);
        }
        Tier::Public => {}
        Tier::Private if lost => {
            let remedy = "make a new NAT gateway, and let the route lead to it; nodes there reach nothing until then";
            gaps.add(true, "route-blackhole", subject, format!("its default route leads to: {said}"), remedy, ROUTES);
        }
        Tier::Private if to_internet => {
            let rule = format!("it is stated as private, and its default route leads to the internet gateway: {said}");
            gaps.add(
                false,
                "private-is-public",
                subject,
                rule,
                "choose it as a public subnet, or give it a table with a NAT gateway",
                NETWORK,
            );
        }
        Tier::Private if way.is_some() => {}
        _ => {
            let lacking = now.services_lacking(&table.id);
            if !lacking.is_empty() {
                let seen = if now.endpoints.is_some() { "has none" } else { "may have none" };
                let rule = format!("it has no way out: nodes there need VPC endpoints, and it {seen} for {}", lacking.join(", "));
                gaps.add(false, "no-way-out", subject, rule, "make the endpoints, or a route to a NAT gateway", PRIVATE);
            }
        }
    }
    for route in table.routes.iter().filter(|route| route.is_blackhole && route.destination != "0.0.0.0/0") {
        let rule = format!("its route {} leads to {}, which is gone", route.destination, route.target);
        gaps.add(false, "route-blackhole", format!("{} by {}", subnet.id, table.id), rule, "delete the route, or mend its target", ROUTES);
    }
}

/// Whether a table serves no other subnets than these.
///
/// Where the VPC is known by its subnets only, the others were not looked at, and any of them may go by the main table.
pub(super) fn serves_only(
    spec: &ExistingNetwork,
    now: &ObservedExisting,
    table: &super::found::ExistingRouteTable,
    subnets: &BTreeSet<&eks_core::SubnetId>,
) -> bool {
    let all_seen = spec.vpc != super::spec::Vpc::OfSubnets;
    (all_seen || !table.is_main)
        && table.associations.keys().all(|id| subnets.contains(id))
        && now
            .subnets
            .iter()
            .filter(|subnet| now.table_of(&subnet.id).is_some_and(|other| other.id == table.id))
            .all(|it| subnets.contains(&it.id))
}

fn check_tags(gaps: &mut Gaps<'_>, subnet: &ChosenSubnet) {
    let tier = keys::tier_name(subnet.tier);
    for key in wanted_tags(gaps.spec, subnet).keys() {
        match subnet.tags.get(key).map(String::as_str) {
            // Any value of a cluster's tag will do; a role's is 1 or nothing.
            Some(_) if key.starts_with("kubernetes.io/cluster/") => {}
            Some("1" | "") => {}
            Some(other) => {
                let rule = format!("its tag {key} is {other:?}, and load balancer controllers look for 1");
                gaps.add(false, "role-tag", &subnet.id, rule, "set it to 1 yourself: values of others are not overwritten", BALANCERS);
            }
            None if key.starts_with("kubernetes.io/role/") => {
                let rule = format!("the {tier} subnet has no tag {key}: controllers may not find it for load balancers");
                gaps.fixable(Fix::Tags, false, "role-tag", &subnet.id, rule, BALANCERS);
            }
            None => {
                let others = subnet.tags.keys().any(|key| key.starts_with("kubernetes.io/cluster/"));
                let why = match others {
                    true => "it is tagged for other clusters only, which excludes it for this one's load balancers",
                    false => "controllers before 2.1.2 do not find it, and with several clusters in a VPC it decides",
                };
                gaps.fixable(Fix::Tags, false, "cluster-tag", &subnet.id, format!("it has no tag {key}: {why}"), BALANCERS);
            }
        }
    }
}

/// Tags that load balancers want of a subnet.
pub(super) fn wanted_tags(spec: &ExistingNetwork, subnet: &ChosenSubnet) -> tags::Tags {
    let role = match subnet.tier {
        Tier::Public => Some("kubernetes.io/role/elb"),
        Tier::Private => Some("kubernetes.io/role/internal-elb"),
        _ => None,
    };
    let clusters = spec.clusters.iter().map(|cluster| format!("kubernetes.io/cluster/{cluster}"));
    let keys = role.map(str::to_owned).into_iter().chain(clusters);
    keys.filter_map(|key| marks::given(&key).map(|value| (key.clone(), value.to_owned()))).collect()
}
