//! VPC, subnets and gateways.

use eks_core::{Error, KEY_TAG, OWNER_TAG, Price, Ref, StepKey, Tier};

use super::{NAT_CREATE, Planner, refused};
use crate::{
    cidr, keys,
    nat::{ADDRESS_HOURLY, NAT_HOURLY},
    observed::{Found, FoundNatGateway},
    op::{DnsAttribute, NetOp},
    spec::NetworkSpec,
    subnet::PlacedSubnet,
};

impl Planner<'_> {
    pub(super) fn vpc(&mut self) -> Result<(), Error> {
        let (spec, key) = (self.spec, keys::vpc());
        let found = self.now.made_by(&self.now.vpcs, &key)?;
        if let Some(vpc) = found.filter(|vpc| vpc.cidr != spec.cidr) {
            let rule = format!("it has {}, the spec {}, and the block of a VPC cannot be changed", vpc.cidr, spec.cidr);
            return Err(refused(&vpc.id, rule, "tear the network down first, or use another owner"));
        }
        let (tags, mut changes) = self.tags(spec.extra.of(&spec.owner, &key), found);
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
        let op = NetOp::Vpc { id: found.map(|vpc| vpc.id.clone()), cidr: spec.cidr, dns, tags };
        let changes = if found.is_some() { changes } else { Vec::new() };
        let step = self.step(key, format!("VPC {}", spec.cidr), found.map(Found::id), changes, &op)?;
        self.steps.push(step);
        Ok(())
    }

    pub(super) fn internet_gateway(&mut self) -> Result<(), Error> {
        if !self.spec.has(Tier::Public) {
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
        for subnet in &self.spec.subnets {
            let planned = self.subnet(subnet);
            self.noted(planned)?;
        }
        Ok(())
    }

    fn subnet(&mut self, subnet: &PlacedSubnet) -> Result<(), Error> {
        let key = subnet.key();
        let found = self.now.made_by(&self.now.subnets, &key)?;
        match found {
            Some(found) if (found.cidr, &found.zone) != (subnet.cidr, &subnet.zone) => {
                let rule = format!(
                    "it is {} in {}, the spec has {} in {}, and neither can be changed",
                    found.cidr, found.zone, subnet.cidr, subnet.zone
                );
                return Err(refused(&found.id, rule, "give the new subnet a name of its own, or tear the network down first"));
            }
            Some(_) => {}
            None => {
                if let Some(other) = self.now.subnets.iter().find(|other| cidr::overlap(other.cidr, subnet.cidr)) {
                    let rule = format!("{} in the same VPC has {}", other.id, other.cidr);
                    let remedy = if (other.cidr, &other.zone) == (subnet.cidr, &subnet.zone) {
                        format!("choose a block that is free; or, if it is ours and lost its tags, {}", retag(self.spec, &key))
                    } else {
                        "choose a block that is free".to_owned()
                    };
                    return Err(refused(format!("{key} {}", subnet.cidr), rule, remedy));
                }
            }
        }
        let (tags, mut changes) = self.tags(self.spec.extra.of_subnet(&self.spec.owner, subnet), found);
        // Off in a new subnet. (Amazon EC2 API Reference, ModifySubnetAttribute.)
        let (is, wanted) = (found.is_some_and(|found| found.map_public_ip), subnet.tier == Tier::Public);
        let map_public_ip = (is != wanted).then_some(wanted);
        if found.is_some() && is != wanted {
            changes.push(format!("MapPublicIpOnLaunch: {is} → {wanted}"));
        }
        let (zone, cidr) = (subnet.zone.clone(), subnet.cidr);
        let title = format!("{} subnet {cidr} in {zone}, {} addresses", keys::tier_name(subnet.tier), cidr::usable_addresses(cidr));
        let op = NetOp::Subnet { id: found.map(|found| found.id.clone()), vpc: self.vpc.clone(), cidr, zone, map_public_ip, tags };
        let step = self.step(key, title, found.map(Found::id), changes, &op)?.uses(&self.vpc);
        self.steps.push(step);
        Ok(())
    }

    pub(super) fn nat_gateways(&mut self) -> Result<(), Error> {
        for zone in &self.spec.nat_zones {
            let address = self.address(zone.as_str())?;
            let public = self.spec.subnets.iter().find(|subnet| subnet.tier == Tier::Public && subnet.zone == *zone);
            if let Some(subnet) = public {
                let planned = self.nat_gateway(subnet, address);
                self.noted(planned)?;
            }
        }
        Ok(())
    }

    fn address(&mut self, zone: &str) -> Result<StepKey, Error> {
        let key = keys::elastic_ip(zone);
        let found = self.now.made_by(&self.now.addresses, &key)?;
        let (tags, changes) = self.tags(self.spec.extra.of(&self.spec.owner, &key), found);
        let op = NetOp::ElasticIp { id: found.map(|found| found.id.clone()), tags };
        let mut step = self.step(key.clone(), format!("elastic IP address for NAT in {zone}"), found.map(Found::id), changes, &op)?;
        if let Some(address) = found {
            step = step.knows("public_ip", &address.public_ip);
        }
        self.steps.push(step.costs(Price::hourly("public IPv4 address", ADDRESS_HOURLY)));
        Ok(key)
    }

    fn nat_gateway(&mut self, public: &PlacedSubnet, address: StepKey) -> Result<(), Error> {
        let key = keys::nat(public.zone.as_str());
        let found = self.now.made_by(self.now.nat_gateways.iter().filter(|gateway| gateway.is_live()), &key)?;
        let subnet = self.now.made_by(&self.now.subnets, &public.key())?;
        if let Some(gateway) = found.filter(|gateway| gateway.subnet.as_ref() != subnet.map(|subnet| &subnet.id)) {
            let rule = format!("it is not in the subnet {}, and cannot be moved", public.key());
            return Err(refused(&gateway.id, rule, "delete it and plan again"));
        }
        let (tags, mut changes) = self.tags(self.spec.extra.of(&self.spec.owner, &key), found);
        if found.is_some_and(|gateway| gateway.state == "pending") {
            changes.push("state: pending → available".to_owned());
        }
        let (subnet, address) = (Ref::id_of(public.key()), Ref::id_of(address));
        let generation = generation(self.now.nat_gateways.iter().filter(|gateway| gateway.key(&self.now.owner).as_ref() == Some(&key)));
        let id = found.map(|gateway| gateway.id.clone());
        let op = NetOp::NatGateway { id, subnet: subnet.clone(), address: address.clone(), generation, tags };
        let title = format!("NAT gateway in {}", public.zone);
        let step = self.step(key, title, found.map(Found::id), changes, &op)?;
        // Without an attached internet gateway it would fail (Gateway.NotAttached).
        let step = step.uses(&subnet).uses(&address).after(keys::internet_gateway()).takes(NAT_CREATE);
        self.steps.push(step.costs(Price::hourly("NAT gateway", NAT_HOURLY)));
        Ok(())
    }
}

/// How something of ours is known again.
fn retag(spec: &NetworkSpec, key: &StepKey) -> String {
    format!("tag it {OWNER_TAG}={} and {KEY_TAG}={key} again", spec.owner)
}

/// What tells the token of the next gateway from those of the ones before it.
fn generation<'a>(gateways: impl Iterator<Item = &'a FoundNatGateway>) -> String {
    let mut dead: Vec<_> = gateways.filter(|gateway| !gateway.is_live()).map(|gateway| gateway.id.to_string()).collect();
    dead.sort();
    dead.join(",")
}
