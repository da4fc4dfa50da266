//! Quotas of security groups. (Amazon VPC User Guide, "Amazon VPC quotas".)

use eks_core::Problems;
use serde::{Deserialize, Serialize};

use super::{
    peer::{Origin, Peer},
    rule::{Direction, SecurityGroupRule},
};

/// What an account may have. The defaults are AWS's; a raised quota is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SecurityGroupQuotas {
    /// Rules of a group in each direction, for IPv4 and for IPv6. Default: 60.
    pub rules: u32,
    /// Groups of a network interface. Default: 5; AWS raises it to 16 at most.
    pub groups_per_interface: u32,
}

impl Default for SecurityGroupQuotas {
    fn default() -> Self {
        Self { rules: 60, groups_per_interface: 5 }
    }
}

/// What both quotas multiplied may be at most.
const PRODUCT: u32 = 1_000;

impl SecurityGroupQuotas {
    /// Quotas as AWS has raised (or lowered) them.
    pub fn new(rules: u32, groups_per_interface: u32) -> Self {
        Self { rules, groups_per_interface }
    }

    /// Whether AWS can have given these.
    pub(super) fn check(self, problems: &mut Problems) {
        let Self { rules, groups_per_interface: groups } = self;
        let mut wrong = |rule: String, remedy: &str| problems.add("quota-impossible", "security group quotas", rule, remedy);
        if rules == 0 || groups == 0 {
            wrong("a quota is at least 1".to_owned(), "give the quotas that Service Quotas tells");
        }
        if groups > 16 {
            wrong(format!("{groups} groups an interface; AWS gives 16 at most"), "give the quota that Service Quotas tells");
        }
        if rules.saturating_mul(groups) > PRODUCT {
            let rule = format!("{rules} rules × {groups} groups an interface is more than {PRODUCT}, which AWS does not exceed");
            wrong(rule, "lower one of them: with 200 rules there are 5 groups, with 100 there are 10");
        }
    }

    /// Refuses more groups than one network interface can have: of an instance, an endpoint, a load balancer.
    pub fn check_interface(self, problems: &mut Problems, subject: &str, groups: usize) {
        let most = self.groups_per_interface;
        if groups > most as usize {
            let rule = format!("it has {groups} security groups; the quota is {most} for each network interface");
            problems.add("groups-per-interface", subject, rule, "join groups, or state a raised quota with .security_group_quotas");
        }
    }

    /// Rules for IPv4 and for IPv6 count apart. Those with a group count for both, as do those with a prefix list, whose family
    /// its id does not tell, with its maximum number of entries.
    pub(super) fn check_rules(self, problems: &mut Problems, subject: &str, rules: &[Counted]) {
        for (direction, name) in [(Direction::Ingress, "ingress"), (Direction::Egress, "egress")] {
            let of = rules.iter().filter(|rule| rule.direction == direction);
            let (mut v4, mut v6) = (0_u64, 0_u64);
            for rule in of {
                v4 += u64::from(rule.v4);
                v6 += u64::from(rule.v6);
            }
            for (family, count) in [("IPv4", v4), ("IPv6", v6)] {
                if count > u64::from(self.rules) {
                    let rule = format!("it has {count} {name} rules for {family}; the quota is {}", self.rules);
                    let remedy = "join ranges, spread the rules over several groups, or state a raised quota with .security_group_quotas";
                    problems.add("rule-quota", subject, rule, remedy);
                }
            }
        }
    }
}

/// How much a rule counts for each family.
pub(super) struct Counted {
    direction: Direction,
    v4: u32,
    v6: u32,
}

impl Counted {
    pub(super) fn new(origin: &Origin, rule: &SecurityGroupRule) -> Self {
        let weight = match origin {
            Origin::PrefixList { max_entries, .. } => *max_entries,
            _ => 1,
        };
        let (v4, v6) = (!matches!(rule.peer, Peer::Ipv6(_)), !matches!(rule.peer, Peer::Ipv4(_)));
        Self { direction: rule.direction, v4: if v4 { weight } else { 0 }, v6: if v6 { weight } else { 0 } }
    }
}
