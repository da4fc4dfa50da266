//! What a reviewer of the plan should see.

use std::collections::BTreeSet;

use eks_core::{Finding, Tier, ZoneName};
use ipnet::Ipv4Net;

use super::Planner;
use crate::{
    cidr, keys, nat,
    observed::{Found, Observed},
};

/// Where Docker puts its bridge; nodes and some AWS services then cannot reach such addresses.
const DOCKER: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::new(172, 17, 0, 0), 16);
/// Private ranges: RFC 1918 and, for carriers, RFC 6598.
const PRIVATE: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(100, 64, 0, 0), 10),
];

impl Planner<'_> {
    pub(super) fn review(&mut self) {
        self.review_blocks();
        self.review_nat();
        self.review_what_is_not_wanted();
    }

    fn review_blocks(&mut self) {
        let block = self.spec.cidr;
        if cidr::overlap(block, DOCKER) {
            let message = format!("{block} meets {DOCKER}, which Docker uses on nodes: addresses there may be unreachable");
            self.findings.push(Finding::warning(keys::vpc(), message));
        }
        if !PRIVATE.iter().any(|private| private.contains(&block)) {
            let message = format!("{block} is not a private range: the internet hosts with these addresses become unreachable");
            self.findings.push(Finding::warning(keys::vpc(), message));
        }
        for subnet in self.spec.subnets.iter().filter(|subnet| cidr::usable_addresses(subnet.cidr) < 16) {
            let usable = cidr::usable_addresses(subnet.cidr);
            let message = format!("{usable} addresses: a control plane needs 6 free ones, EKS recommends 16, and upgrades need them again");
            self.findings.push(Finding::note(subnet.key(), message));
        }
    }

    fn review_nat(&mut self) {
        let zones: BTreeSet<&ZoneName> =
            self.spec.subnets.iter().filter(|subnet| subnet.tier == Tier::Private).map(|subnet| &subnet.zone).collect();
        let Some(nat_zone) = self.spec.nat_zones.first() else {
            if !zones.is_empty() {
                let message = "no NAT gateway: instances in private subnets reach neither the internet nor AWS; nodes then need VPC \
                               endpoints for ec2, ecr.api, ecr.dkr, s3, sts and eks";
                self.findings.push(Finding::warning(keys::of_table("route-table", Tier::Private, None), message));
            }
            return;
        };
        let (one, gateways) = (nat::usd_per_month(), self.spec.nat_zones.len());
        if gateways < zones.len() {
            let message = format!(
                "${one:.2} a month instead of ${:.2} with one in each of {} zones; a single point of failure: when {nat_zone} fails, no \
                 private subnet has a way out; traffic of the other zones costs 0.01 $/GB more each way",
                f64::from(u32::try_from(zones.len()).unwrap_or(u32::MAX)) * one,
                zones.len()
            );
            self.findings.push(Finding::warning(keys::nat(nat_zone.as_str()), message));
        }
        if gateways > 5 {
            let message = format!("{gateways} elastic IP addresses; the default quota is 5 in a Region");
            self.findings.push(Finding::warning(keys::elastic_ip(nat_zone.as_str()), message));
        }
    }

    /// Things of ours whose steps the spec no longer has. A plan never deletes.
    fn review_what_is_not_wanted(&mut self) {
        let now = self.now;
        let wanted: BTreeSet<String> = self.steps.iter().map(|step| step.key.to_string()).collect();
        let mut tell = |found: Vec<(eks_core::StepKey, String)>| {
            for (key, id) in found.into_iter().filter(|(key, _)| !wanted.contains(key.as_str())) {
                self.findings.push(Finding::note(key, format!("{id} is no longer in the spec; it stays until the teardown")));
            }
        };
        tell(ids(now, &now.subnets));
        tell(ids(now, &now.internet_gateways));
        tell(ids(now, &now.nat_gateways.iter().filter(|gateway| gateway.is_live()).cloned().collect::<Vec<_>>()));
        tell(ids(now, &now.addresses));
        tell(ids(now, &now.route_tables));
        tell(ids(now, &now.security_groups));
    }
}

fn ids<T: Found>(now: &Observed, all: &[T]) -> Vec<(eks_core::StepKey, String)> {
    now.ours(all).into_iter().map(|(key, found)| (key, found.id().to_owned())).collect()
}
