//! VPC, subnets and gateways.

use std::collections::BTreeSet;

use eks_core::{Error, KEY_TAG, OWNER_TAG, Ref, StepKey, Tier};

use super::{Planner, refused};
use crate::{
    cidr,
    egress::{KINDS_TAG, Kind, index_in},
    keys,
    observed::{Found, FoundSubnet, FoundVpc},
    op::{DnsAttribute, Ipv6Slot, NetOp},
    spec::NetworkSpec,
    subnet::PlacedSubnet,
    tags::Tags,
};

impl Planner<'_> {
    pub(super) fn vpc(&mut self) -> Result<(), Error> {
        let (spec, key) = (self.spec, keys::vpc());
        let found = self.now.made_by(&self.now.vpcs, &key)?;
        if let Some(vpc) = found.filter(|vpc| vpc.cidr != spec.cidr) {
            let rule = format!("it has {}, the spec {}, and the block of a VPC cannot be changed", vpc.cidr, spec.cidr);
            return Err(refused(&vpc.id, rule, "tear the network down first, or use another owner"));
        }
        let (tags, mut changes) = self.tags(self.vpc_tags(found), found);
        // A new VPC has the first already. (Amazon VPC User Guide, "DNS attributes for your VPC".)
        let mut dns = Vec::new();
        if found.is_some_and(|vpc| !vpc.dns_support) {
            dns.push(DnsAttribute::Support);
            changes.push("enableDnsSupport: false → true".to_owned());
        }
        if found.is_none_or(|vpc| !vpc.dns_hostnames) {
            dns.push(DnsAttribute::Hostnames);
            changes.push("enableDnsHostnames: false → true".to_owned());
        }
        let ipv6 = spec.ipv6 && found.is_none();
        let op = NetOp::Vpc { id: found.map(|vpc| vpc.id.clone()), cidr: spec.cidr, ipv6, dns, tags };
        let changes = if found.is_some() { changes } else { Vec::new() };
        let step = self.step(key, format!("VPC {}", spec.cidr), found.map(Found::id), changes, &op)?;
        self.steps.push(step);
        Ok(())
    }

    /// The VPC's tags: what we may have made in it stays told, even when the spec no longer has it.
    fn vpc_tags(&self, found: Option<&FoundVpc>) -> Tags {
        let mut tags = self.spec.extra.of(&self.spec.owner, &keys::vpc());
        let mut kinds = found.map(FoundVpc::kinds).unwrap_or_default();
        kinds.extend(self.spec.kinds());
        if !kinds.is_empty() {
            tags.insert(KINDS_TAG.to_owned(), Kind::join(&kinds));
        }
        tags
    }

    pub(super) fn internet_gateway(&mut self) -> Result<(), Error> {
        if !self.spec.has_internet_gateway() {
            return Ok(());
        }
        let (spec, key) = (self.spec, keys::internet_gateway());
        let found = self.now.made_by(&self.now.internet_gateways, &key)?;
        let vpc = self.now.made_by(&self.now.vpcs, &keys::vpc())?;
        let (tags, mut changes) = self.tags(spec.extra.of(&spec.owner, &key), found);
        let mut attach = true;
        if let Some(gateway) = found {
            match gateway.attached_to.first() {
                None => changes.push("attachment: none → VPC".to_owned()),
                Some(id) if vpc.is_some_and(|vpc| vpc.id == *id) => attach = false,
                Some(other) => {
                    let rule = format!("it is attached to {other}, which is not this network's VPC");
                    let remedy = match vpc {
                        Some(_) => "detach it, or delete it".to_owned(),
                        None => format!("detach it; or, if that VPC is ours and lost its tags, {}", retag(spec, &keys::vpc())),
                    };
                    return Err(refused(&gateway.id, rule, remedy));
                }
            }
        }
        let op = NetOp::InternetGateway { id: found.map(|gateway| gateway.id.clone()), vpc: self.vpc.clone(), attach, tags };
        let step = self.step(key, "internet gateway".to_owned(), found.map(Found::id), changes, &op)?.uses(&self.vpc);
        self.steps.push(step);
        Ok(())
    }

    pub(super) fn subnets(&mut self) -> Result<(), Error> {
        let mut slots = self.slots();
        for subnet in &self.spec.subnets {
            let planned = self.subnet(subnet, &mut slots);
            self.noted(planned)?;
        }
        Ok(())
    }

    /// Which /64s of the VPC's IPv6 block are taken: a subnet that has one keeps it, whatever is added before it in the spec.
    fn slots(&self) -> BTreeSet<u16> {
        let Some((block, _)) = self.now.vpcs.first().and_then(FoundVpc::ipv6) else { return BTreeSet::new() };
        self.now.subnets.iter().filter_map(|subnet| index_in(block, subnet.ipv6?)).collect()
    }

    fn subnet(&mut self, subnet: &PlacedSubnet, slots: &mut BTreeSet<u16>) -> Result<(), Error> {
        let key = subnet.key();
        let found = self.subnets.get(&key)?;
        self.check_place(subnet, found)?;
        let (tags, mut changes) = self.tags(self.spec.extra.of_subnet(&self.spec.owner, subnet), found);
        // Both are off in a new subnet. (Amazon EC2 API Reference, ModifySubnetAttribute.)
        let mut switch = |name: &str, wanted: bool, is: fn(&FoundSubnet) -> bool| {
            let is = found.is_some_and(is);
            if found.is_some() && is != wanted {
                changes.push(format!("{name}: {is} → {wanted}"));
            }
            (is != wanted).then_some(wanted)
        };
        let map_public_ip = switch("MapPublicIpOnLaunch", subnet.tier == Tier::Public, |found| found.map_public_ip);
        // EKS wants it of every subnet that nodes with IPv6 are in. (Amazon EKS User Guide, "Learn about IPv6 addresses to
        // clusters, pods, and services".)
        let assign_ipv6 = self.spec.ipv6 && switch("AssignIpv6AddressOnCreation", true, |found| found.assign_ipv6).is_some();
        let ipv6 = self.slot(found, slots);
        if let Some(slot) = ipv6.as_ref().filter(|_| found.is_some()) {
            changes.push(format!("IPv6: none → /64 number {}", slot.index));
        }
        let (zone, cidr) = (subnet.zone.clone(), subnet.cidr);
        let mut title = format!("{} subnet {cidr} in {zone}, {} addresses", keys::tier_name(subnet.tier), cidr::usable_addresses(cidr));
        if let Some(slot) = ipv6.as_ref().filter(|_| found.is_none()) {
            title.push_str(&format!(", IPv6 /64 number {}", slot.index));
        }
        let block = ipv6.as_ref().map(|slot| slot.block.clone());
        let op = NetOp::Subnet {
            id: found.map(|found| found.id.clone()),
            vpc: self.vpc.clone(),
            cidr,
            zone,
            ipv6,
            map_public_ip,
            assign_ipv6,
            tags,
        };
        let mut step = self.step(key, title, found.map(Found::id), changes, &op)?.uses(&self.vpc);
        if !self.spec.cidr.contains(&cidr) {
            let inside = self.spec.secondary.iter().filter(|block| block.contains(&cidr));
            step = inside.fold(step, |step, block| step.after(keys::secondary_block(*block)));
        }
        if let Some(block) = block {
            step = step.uses(&block);
        }
        self.steps.push(step);
        Ok(())
    }

    /// Refuses a subnet that stands elsewhere, or whose place is taken.
    fn check_place(&self, subnet: &PlacedSubnet, found: Option<&FoundSubnet>) -> Result<(), Error> {
        match found {
            Some(found) if (found.cidr, &found.zone) != (subnet.cidr, &subnet.zone) => {
                let rule = format!(
                    "it is {} in {}, the spec has {} in {}, and neither can be changed",
                    found.cidr, found.zone, subnet.cidr, subnet.zone
                );
                Err(refused(&found.id, rule, "give the new subnet a name of its own, or tear the network down first"))
            }
            Some(_) => Ok(()),
            None => match self.now.subnets.iter().find(|other| cidr::overlap(other.cidr, subnet.cidr)) {
                Some(other) => {
                    let rule = format!("{} in the same VPC has {}", other.id, other.cidr);
                    let remedy = if (other.cidr, &other.zone) == (subnet.cidr, &subnet.zone) {
                        format!("choose a block that is free; or, if it is ours and lost its tags, {}", retag(self.spec, &subnet.key()))
                    } else {
                        "choose a block that is free".to_owned()
                    };
                    Err(refused(format!("{} {}", subnet.key(), subnet.cidr), rule, remedy))
                }
                None => Ok(()),
            },
        }
    }

    /// The lowest free /64, for a subnet that is to get one.
    fn slot(&self, found: Option<&FoundSubnet>, slots: &mut BTreeSet<u16>) -> Option<Ipv6Slot> {
        if !self.spec.ipv6 || found.is_some_and(|found| found.ipv6.is_some()) {
            return None;
        }
        let index = (0..u16::MAX).find(|index| !slots.contains(index))?;
        slots.insert(index);
        Some(Ipv6Slot { block: Ref::output(keys::ipv6_block(), "cidr"), index })
    }
}

/// How something of ours is known again.
fn retag(spec: &NetworkSpec, key: &StepKey) -> String {
    format!("tag it {OWNER_TAG}={} and {KEY_TAG}={key} again", spec.owner)
}
