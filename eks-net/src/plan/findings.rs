//! What a reviewer of the plan should see.

use std::collections::BTreeSet;

use eks_core::{Action, Finding};
use ipnet::{IpNet, Ipv4Net};

use super::Planner;
use crate::{
    cidr, keys,
    observed::{Found, Observed},
};

/// Where Docker puts its bridge; nodes and some AWS services then cannot reach such addresses.
const DOCKER: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::new(172, 17, 0, 0), 16);
/// IPv4 blocks that a VPC may have by default. (Amazon VPC User Guide, "Amazon VPC quotas".)
const BLOCKS: usize = 5;
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
        self.review_egress();
        self.review_groups();
        self.review_what_is_not_wanted();
    }

    fn review_blocks(&mut self) {
        let secondary = self.spec.secondary.iter().map(|block| (*block, keys::secondary_block(*block)));
        for (block, key) in [(self.spec.cidr, keys::vpc())].into_iter().chain(secondary) {
            if cidr::overlap(block, DOCKER) {
                let message = format!("{block} meets {DOCKER}, which Docker uses on nodes: addresses there may be unreachable");
                self.findings.push(Finding::warning(key.clone(), message));
            }
            if !PRIVATE.iter().any(|private| private.contains(&block)) {
                let message = format!("{block} is not a private range: the internet hosts with these addresses become unreachable");
                self.findings.push(Finding::warning(key, message));
            }
        }
        self.review_further_blocks();
        for subnet in self.spec.subnets.iter().filter(|subnet| cidr::usable_addresses(subnet.cidr) < 16) {
            let usable = cidr::usable_addresses(subnet.cidr);
            let message = format!("{usable} addresses: a control plane needs 6 free ones, EKS recommends 16, and upgrades need them again");
            self.findings.push(Finding::note(subnet.key(), message));
        }
    }

    /// Blocks that EKS sees late, blocks that AWS may refuse, and blocks that are no longer wanted.
    fn review_further_blocks(&mut self) {
        let (spec, now) = (self.spec, self.now);
        let new: Vec<_> =
            self.steps.iter().filter(|step| step.action == Action::Create && step.key.as_str().starts_with("net/cidr/")).collect();
        let stands = !now.vpcs.is_empty();
        let late: Vec<_> = new.iter().filter(|step| stands && step.key != keys::ipv6_block()).map(|step| step.key.clone()).collect();
        for key in late {
            let message = "a control plane that stands already takes up to an hour to recognise a new block of its VPC";
            self.findings.push(Finding::note(key, message));
        }
        if let Some(last) = spec.secondary.last().filter(|_| spec.secondary.len() >= BLOCKS) {
            let message = format!("{} IPv4 blocks; the default quota is {BLOCKS} for a VPC", spec.secondary.len() + 1);
            self.findings.push(Finding::warning(keys::secondary_block(*last), message));
        }
        for block in now.vpcs.iter().flat_map(|vpc| &vpc.blocks) {
            let wanted = match block.cidr {
                IpNet::V4(cidr) => spec.secondary.contains(&cidr),
                IpNet::V6(_) => spec.ipv6,
            };
            if !wanted {
                let message = format!("the block {} is not in the spec; it stays until the teardown", block.cidr);
                self.findings.push(Finding::note(keys::vpc(), message));
            }
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
        tell(ids(now, &now.egress_only_gateways));
        tell(ids(now, &now.transit_attachments.iter().filter(|attachment| attachment.is_live()).cloned().collect::<Vec<_>>()));
        tell(ids(now, &now.endpoints.iter().filter(|endpoint| endpoint.is_live()).cloned().collect::<Vec<_>>()));
        tell(ids(now, &now.route_tables));
        tell(ids(now, &now.security_groups));
    }
}

fn ids<T: Found>(now: &Observed, all: &[T]) -> Vec<(eks_core::StepKey, String)> {
    now.ours(all).into_iter().map(|(key, found)| (key, found.id().to_owned())).collect()
}
