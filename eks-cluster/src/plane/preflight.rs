//! What is looked at before a control plane is made or moved.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Finding, Problems, SpecError, SubnetRef, ZoneName};

use super::{IpFamily, zones::UNSUPPORTED_ZONE_IDS};
use crate::{ClusterSpec, plan::control_plane_key};

/// A subnet as EC2 tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "users without the feature ec2 build it")]
pub struct SubnetFacts {
    /// Its zone.
    pub zone: ZoneName,
    /// Its zone's id, which is the same in every account: `use1-az4`.
    pub zone_id: String,
    /// Addresses that nothing uses.
    pub free_addresses: u32,
    /// Its VPC.
    pub vpc: String,
    /// Whether it has an IPv6 block.
    pub has_ipv6: bool,
}

/// Facts of the account that EKS would judge a new control plane by, read beforehand. What is absent is not judged. With the feature
/// `ec2`, `Clusters::plan` reads it whenever a control plane is to be made or moved; others fill it into [`crate::Observed`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "users without the feature ec2 build it")]
pub struct Preflight {
    /// Those of the spec's and the cluster's subnets that exist, by id; `None` if EC2 was not asked.
    pub subnets: Option<BTreeMap<String, SubnetFacts>>,
    /// Ids of zones by their names in this account.
    pub zone_ids: BTreeMap<ZoneName, String>,
    /// How many clusters the Region has.
    pub clusters: Option<usize>,
}

/// Amazon EKS User Guide, "Subnet requirements for clusters": at least six addresses, and sixteen are recommended.
const FREE_ADDRESSES: u32 = 6;
const FREE_ADDRESSES_RECOMMENDED: u32 = 16;
/// Service Quotas, "Clusters"; adjustable.
const CLUSTERS: usize = 100;

/// Which of the offered subnets a control plane takes.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) subnets: Vec<SubnetRef>,
    pub(crate) findings: Vec<Finding>,
}

impl Preflight {
    fn facts(&self, subnet: &SubnetRef) -> Option<&SubnetFacts> {
        self.subnets.as_ref()?.get(subnet.id.known()?.as_str())
    }

    /// The id of a subnet's zone, if it is known.
    fn zone_id(&self, subnet: &SubnetRef) -> Option<&str> {
        let told = self.facts(subnet).map(|facts| &facts.zone_id).or_else(|| self.zone_ids.get(&subnet.zone));
        told.map(String::as_str)
    }

    fn is_unsupported(&self, subnet: &SubnetRef) -> bool {
        self.zone_id(subnet).is_some_and(|id| UNSUPPORTED_ZONE_IDS.contains(&id))
    }
}

impl ClusterSpec {
    /// Judges the facts of an account by the rules of EKS: which of the network's subnets a new control plane takes, and what a
    /// reviewer should see. Subnets in zones that take no control planes are left out if two zones remain.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that EKS would refuse the cluster by.
    pub fn preflight(&self, facts: &Preflight) -> Result<Vec<Finding>, SpecError> {
        self.chosen(facts).map(|chosen| chosen.findings)
    }

    pub(crate) fn chosen(&self, facts: &Preflight) -> Result<Chosen, SpecError> {
        let key = control_plane_key();
        let (refused, subnets): (Vec<_>, Vec<_>) = self.network.subnets.iter().cloned().partition(|subnet| facts.is_unsupported(subnet));
        let mut problems = Problems::new();
        let mut findings = Vec::new();
        let zones: BTreeSet<_> = subnets.iter().map(|subnet| &subnet.zone).collect();
        let refused_zones: BTreeMap<_, _> = refused.iter().filter_map(|subnet| Some((&subnet.zone, facts.zone_id(subnet)?))).collect();
        for (zone, id) in &refused_zones {
            if zones.len() < 2 {
                problems.add(
                    "zone-unsupported",
                    format!("zone {zone}"),
                    format!("is {id}, where EKS has no control planes, and fewer than two other zones are offered"),
                    "give subnets in two other zones; nodes may still run there",
                );
            } else {
                let message = format!("subnets in {zone} are left out: it is {id}, where EKS has no control planes; nodes may run there");
                findings.push(Finding::note(key.clone(), message));
            }
        }
        for subnet in &subnets {
            if let Some(warning) = self.judge(subnet, facts, &mut problems) {
                findings.push(Finding::warning(key.clone(), warning));
            }
        }
        let vpcs: BTreeSet<_> = subnets.iter().filter_map(|subnet| facts.facts(subnet)).map(|facts| facts.vpc.as_str()).collect();
        let wanted = self.network.vpc.known().map(|vpc| vpc.as_str());
        if vpcs.len() > 1 || wanted.is_some_and(|wanted| vpcs.iter().any(|vpc| *vpc != wanted)) {
            let list = vpcs.into_iter().collect::<Vec<_>>().join(", ");
            problems.add(
                "subnets-of-vpcs",
                "subnets",
                format!("are of {list}, the network's VPC is {}", self.network.vpc),
                "give subnets of one VPC",
            );
        }
        if facts.clusters.is_some_and(|clusters| clusters >= CLUSTERS) {
            let message =
                format!("the Region has {CLUSTERS} clusters, as many as the quota is unless it was raised; EKS may refuse another");
            findings.push(Finding::warning(key, message));
        }
        problems.finish(format!("cluster {}", self.name), || Chosen { subnets, findings })
    }

    fn judge(&self, subnet: &SubnetRef, facts: &Preflight, problems: &mut Problems) -> Option<String> {
        let id = subnet.id.known()?;
        let all = facts.subnets.as_ref()?;
        let subject = format!("subnet {id}");
        let Some(facts) = all.get(id.as_str()) else {
            problems.add("subnet-missing", subject, "is not there", "give a subnet that exists, in the account and Region of the cluster");
            return None;
        };
        if facts.zone != subnet.zone {
            problems.add("subnet-zone-wrong", &subject, format!("is in {}, not in {}", facts.zone, subnet.zone), "give its true zone");
        }
        if self.settings.ip_family == IpFamily::Ipv6 && !facts.has_ipv6 {
            problems.add("subnet-ipv6", &subject, "has no IPv6 block, which the IPv6 family needs", "give it one, or choose IPv4");
        }
        if facts.free_addresses < FREE_ADDRESSES {
            let rule = format!("has {} free addresses, EKS needs {FREE_ADDRESSES} in each subnet", facts.free_addresses);
            let remedy = format!("free some, or give a larger subnet; {FREE_ADDRESSES_RECOMMENDED} are recommended");
            problems.add("subnet-free-addresses", &subject, rule, remedy);
        } else if facts.free_addresses < FREE_ADDRESSES_RECOMMENDED {
            let free = facts.free_addresses;
            return Some(format!(
                "{subject} has {free} free addresses; EKS recommends {FREE_ADDRESSES_RECOMMENDED}, and needs them for upgrades"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use eks_core::{ClusterName, NetworkRefs, Ref, Tier};

    use super::*;
    use crate::{KubernetesVersion, testing::owner};

    fn network(zones: &[&str]) -> NetworkRefs {
        let subnets = zones.iter().enumerate().map(|(at, zone)| SubnetRef {
            id: Ref::Known(format!("subnet-0000000{at}").parse().unwrap()),
            zone: zone.parse().unwrap(),
            tier: Tier::Private,
        });
        NetworkRefs {
            vpc: Ref::Known("vpc-00000001".parse().unwrap()),
            cidrs: vec!["10.0.0.0/16".into()],
            subnets: subnets.collect(),
            security_groups: BTreeMap::new(),
            egress: vec![],
        }
    }

    fn spec(zones: &[&str]) -> ClusterSpec {
        ClusterSpec::builder(&owner(), ClusterName::new("c").unwrap(), KubernetesVersion::V1_36, network(zones)).build().unwrap()
    }

    fn facts(zones: &[(&str, &str)], free: u32) -> Preflight {
        let subnets = zones.iter().enumerate().map(|(at, (zone, id))| {
            let facts = SubnetFacts {
                zone: zone.parse().unwrap(),
                zone_id: (*id).to_owned(),
                free_addresses: free,
                vpc: "vpc-00000001".into(),
                has_ipv6: false,
            };
            (format!("subnet-0000000{at}"), facts)
        });
        Preflight { subnets: Some(subnets.collect()), zone_ids: BTreeMap::new(), clusters: Some(3) }
    }

    fn codes(result: Result<Vec<Finding>, SpecError>) -> Vec<&'static str> {
        result.err().map(|error| error.problems.iter().map(|problem| problem.code).collect()).unwrap_or_default()
    }

    #[test]
    fn zones_without_control_planes_are_left_out_or_refused() {
        let three = spec(&["us-east-1a", "us-east-1b", "us-east-1e"]);
        let now = facts(&[("us-east-1a", "use1-az1"), ("us-east-1b", "use1-az2"), ("us-east-1e", "use1-az3")], 200);
        let chosen = three.chosen(&now).unwrap();
        assert_eq!(chosen.subnets.iter().map(|subnet| subnet.zone.as_str()).collect::<Vec<_>>(), ["us-east-1a", "us-east-1b"]);
        assert!(chosen.findings[0].message.contains("us-east-1e are left out: it is use1-az3"), "{:?}", chosen.findings);

        let two = spec(&["us-east-1a", "us-east-1e"]);
        let now = facts(&[("us-east-1a", "use1-az1"), ("us-east-1e", "use1-az3")], 200);
        assert_eq!(codes(two.preflight(&now)), ["zone-unsupported"]);
        // By the account's names alone, before there is a subnet.
        let names = Preflight { zone_ids: [("us-east-1e".parse().unwrap(), "use1-az3".to_owned())].into(), ..Preflight::default() };
        assert_eq!(codes(two.preflight(&names)), ["zone-unsupported"]);
    }

    #[test]
    fn addresses_zones_and_vpcs() {
        let two = spec(&["us-east-1a", "us-east-1b"]);
        let with = |change: &dyn Fn(&mut Preflight)| {
            let mut now = facts(&[("us-east-1a", "use1-az1"), ("us-east-1b", "use1-az2")], 200);
            change(&mut now);
            two.preflight(&now)
        };
        let first = |now: &mut Preflight, change: &dyn Fn(&mut SubnetFacts)| {
            change(now.subnets.as_mut().unwrap().get_mut("subnet-00000000").unwrap());
        };
        assert_eq!(with(&|_| {}).unwrap(), []);
        assert_eq!(codes(with(&|now| first(now, &|facts| facts.free_addresses = 5))), ["subnet-free-addresses"]);
        assert_eq!(codes(with(&|now| first(now, &|facts| facts.vpc = "vpc-00000002".into()))), ["subnets-of-vpcs"]);
        assert_eq!(codes(with(&|now| first(now, &|facts| facts.zone = "us-east-1c".parse().unwrap()))), ["subnet-zone-wrong"]);
        assert_eq!(codes(with(&|now| now.subnets.as_mut().unwrap().clear())), ["subnet-missing", "subnet-missing"]);
        let few = with(&|now| first(now, &|facts| facts.free_addresses = 6)).unwrap();
        assert!(few[0].message.starts_with("subnet subnet-00000000 has 6 free addresses"), "{few:?}");
        assert!(with(&|now| now.clusters = Some(100)).unwrap()[0].message.contains("100 clusters"));
    }
}
