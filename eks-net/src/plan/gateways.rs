//! Gateways: NAT, zonal and regional, with their addresses; egress-only; and the attachment to a transit gateway.

use std::collections::BTreeSet;

use eks_core::{AllocationId, Error, NatGatewayId, Price, Ref, StepKey, Tier, TransitGatewayId, ZoneName};

use super::{NAT_CREATE, Planner, REGIONAL_NAT_CREATE, TRANSIT_ATTACH, refused};
use crate::{
    egress::{
        Way,
        price::{ADDRESS_HOURLY, NAT_HOURLY, TRANSIT_HOURLY},
    },
    keys,
    observed::{Found, FoundAddress, FoundNatGateway},
    op::NetOp,
    subnet::PlacedSubnet,
};

impl Planner<'_> {
    pub(super) fn gateways(&mut self) -> Result<(), Error> {
        self.egress_only_gateway()?;
        let spec = self.spec;
        match &spec.way {
            Way::None => Ok(()),
            Way::Zonal(zones) => zones.iter().try_for_each(|zone| self.zonal(zone)),
            Way::Regional => self.regional(),
            Way::Existing(id) => self.existing(id),
            Way::ExistingIn(gateways) => gateways.values().try_for_each(|id| self.existing(id)),
            Way::TransitGateway(id) => self.transit_gateway_attachment(id),
        }
    }

    fn egress_only_gateway(&mut self) -> Result<(), Error> {
        if !self.spec.has_egress_only_gateway() {
            return Ok(());
        }
        let (spec, key) = (self.spec, keys::egress_only_gateway());
        let found = self.now.made_by(&self.now.egress_only_gateways, &key)?;
        let vpc = self.now.made_by(&self.now.vpcs, &keys::vpc())?;
        if let Some(gateway) = found.filter(|gateway| vpc.is_none_or(|vpc| !gateway.attached_to.contains(&vpc.id))) {
            let rule = "it is not attached to this network's VPC, and can be attached to none after it is made".to_owned();
            return Err(refused(&gateway.id, rule, "delete it and plan again"));
        }
        let (tags, changes) = self.tags(spec.extra.of(&spec.owner, &key), found);
        let op = NetOp::EgressOnlyGateway { id: found.map(|gateway| gateway.id.clone()), vpc: self.vpc.clone(), tags };
        let step = self.step(key, "egress-only internet gateway".to_owned(), found.map(Found::id), changes, &op)?.uses(&self.vpc);
        self.steps.push(step);
        Ok(())
    }

    fn zonal(&mut self, zone: &ZoneName) -> Result<(), Error> {
        let spec = self.spec;
        let address = match spec.addresses.get(zone).and_then(|own| own.first()) {
            Some(own) => {
                self.check_own(own, &keys::nat(zone.as_str()))?;
                Ref::Known(own.clone())
            }
            None => Ref::id_of(self.address(zone.as_str())?),
        };
        let public = spec.subnets.iter().find(|subnet| subnet.tier == Tier::Public && subnet.zone == *zone);
        public.map_or(Ok(()), |subnet| self.nat_gateway(subnet, &address))
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

    fn nat_gateway(&mut self, public: &PlacedSubnet, address: &Ref<AllocationId>) -> Result<(), Error> {
        let key = keys::nat(public.zone.as_str());
        let found = self.now.made_by(self.now.nat_gateways.iter().filter(|gateway| gateway.is_live()), &key)?;
        let subnet = self.now.made_by(&self.now.subnets, &public.key())?;
        if let Some(gateway) = found.filter(|gateway| gateway.subnet.as_ref() != subnet.map(|subnet| &subnet.id)) {
            let rule = format!("it is not in the subnet {}, and cannot be moved", public.key());
            return Err(refused(&gateway.id, rule, "delete it and plan again"));
        }
        if let (Some(gateway), Some(own)) = (found, address.known())
            && !gateway.addresses.iter().any(|(_, id)| id.as_ref() == Some(own))
        {
            let rule = format!("it does not have the address {own}, and the first address of a NAT gateway cannot be changed");
            return Err(refused(&gateway.id, rule, "delete it and plan again, or leave that address out"));
        }
        let (tags, changes) = self.nat_tags(&key, found);
        let subnet = Ref::id_of(public.key());
        let id = found.map(|gateway| gateway.id.clone());
        let op = NetOp::NatGateway { id, subnet: subnet.clone(), address: address.clone(), generation: self.generation(&key), tags };
        let title = format!("NAT gateway in {}", public.zone);
        let step = self.step(key, title, found.map(Found::id), changes, &op)?;
        // Without an attached internet gateway it would fail (Gateway.NotAttached).
        let step = step.uses(&subnet).uses(address).after(keys::internet_gateway()).takes(NAT_CREATE);
        self.steps.push(step.costs(Price::hourly("NAT gateway", NAT_HOURLY)));
        Ok(())
    }

    /// One over all zones. Between addresses of AWS's and one's own there is no way back. (Amazon EC2 API Reference,
    /// CreateNatGateway.)
    fn regional(&mut self) -> Result<(), Error> {
        let (spec, key) = (self.spec, keys::regional_nat());
        let found = self.now.made_by(self.now.nat_gateways.iter().filter(|gateway| gateway.is_live()), &key)?;
        let own: Vec<(ZoneName, AllocationId)> =
            spec.addresses.iter().flat_map(|(zone, ids)| ids.iter().map(|id| (zone.clone(), id.clone()))).collect();
        if let Some(gateway) = found.filter(|gateway| gateway.automatic != own.is_empty()) {
            let (has, wants) = if gateway.automatic { ("AWS's", "your own") } else { ("your own", "AWS's") };
            let rule = format!("it has addresses of {has}, the spec {wants}, and that cannot be changed");
            return Err(refused(&gateway.id, rule, "delete it and plan again, or keep it as it is"));
        }
        own.iter().try_for_each(|(_, id)| self.check_own(id, &key))?;
        let (tags, mut changes) = self.nat_tags(&key, found);
        let there = |id: &AllocationId| found.is_some_and(|gateway| gateway.addresses.iter().any(|(_, other)| other.as_ref() == Some(id)));
        let missing: Vec<_> = own.into_iter().filter(|(_, id)| !there(id)).collect();
        if found.is_some() {
            changes.extend(missing.iter().map(|(zone, id)| format!("address in {zone}: none → {id}")));
        }
        let id: Option<NatGatewayId> = found.map(|gateway| gateway.id.clone());
        let op = NetOp::RegionalNatGateway { id, vpc: self.vpc.clone(), addresses: missing, generation: self.generation(&key), tags };
        let step = self.step(key, "regional NAT gateway".to_owned(), found.map(Found::id), changes, &op)?;
        let mut step = step.uses(&self.vpc).after(keys::internet_gateway()).takes(REGIONAL_NAT_CREATE);
        // An automatic one extends itself to each zone that has subnets. (Amazon EC2 API Reference, NatGateway.)
        let zones: BTreeSet<&ZoneName> = if spec.addresses.is_empty() { spec.zones() } else { spec.addresses.keys().collect() };
        for zone in zones {
            step = step.costs(Price::hourly(format!("NAT gateway in {zone}"), NAT_HOURLY));
            if spec.addresses.is_empty() {
                step = step.costs(Price::hourly("public IPv4 address", ADDRESS_HOURLY));
            }
        }
        self.steps.push(step);
        Ok(())
    }

    fn nat_tags(&self, key: &StepKey, found: Option<&FoundNatGateway>) -> (crate::tags::Tags, Vec<String>) {
        let (tags, mut changes) = self.tags(self.spec.extra.of(&self.spec.owner, key), found);
        if found.is_some_and(|gateway| gateway.state == "pending") {
            changes.push("state: pending → available".to_owned());
        }
        (tags, changes)
    }

    /// What tells the token of the next gateway from those of the ones before it.
    fn generation(&self, key: &StepKey) -> String {
        let before = self.now.nat_gateways.iter().filter(|gateway| gateway.key(&self.now.owner).as_ref() == Some(key));
        let mut dead: Vec<_> = before.filter(|gateway| !gateway.is_live()).map(|gateway| gateway.id.to_string()).collect();
        dead.sort();
        dead.join(",")
    }

    /// An address of the user's own must exist, and be free for the gateway of this key if that has it not already.
    fn check_own(&self, id: &AllocationId, key: &StepKey) -> Result<(), Error> {
        let gateways = self.now.nat_gateways.iter().filter(|gateway| gateway.key(&self.now.owner).as_ref() == Some(key));
        let has_it = gateways
            .filter(|gateway| gateway.is_live())
            .flat_map(|gateway| &gateway.addresses)
            .any(|(_, other)| other.as_ref() == Some(id));
        // On nothing observed, nothing can be told.
        if has_it || self.now.region.is_none() {
            return Ok(());
        }
        let rule = match self.now.addresses.iter().find(|address| address.id == *id) {
            None => "there is no such elastic IP address in the account and Region".to_owned(),
            Some(FoundAddress { association: Some(association), .. }) => format!("it is in use ({association})"),
            Some(_) => return Ok(()),
        };
        Err(refused(id, rule, "give the allocation id of an address that is free, or leave it out"))
    }

    /// A gateway that others made: a route can lead to it only inside its VPC. (Amazon VPC User Guide, "Example routing
    /// options".)
    fn existing(&self, id: &NatGatewayId) -> Result<(), Error> {
        let gateway = self.now.nat_gateways.iter().find(|gateway| gateway.id == *id);
        let vpc = self.now.made_by(&self.now.vpcs, &keys::vpc())?;
        let rule = match gateway {
            None => "there is no such NAT gateway in the network's VPC".to_owned(),
            Some(gateway) if !gateway.is_live() => format!("it is {}", gateway.state),
            Some(gateway) if vpc.is_none_or(|vpc| gateway.vpc.as_ref() != Some(&vpc.id)) => {
                "it is in another VPC, and a route leads to a NAT gateway of its own VPC only".to_owned()
            }
            Some(_) => return Ok(()),
        };
        Err(refused(id, rule, "give a gateway that stands in the VPC, or choose another Nat"))
    }

    fn transit_gateway_attachment(&mut self, gateway: &TransitGatewayId) -> Result<(), Error> {
        let (spec, key) = (self.spec, keys::transit_gateway_attachment());
        let live = self.now.transit_attachments.iter().filter(|attachment| attachment.is_live());
        let found = self.now.made_by(live, &key)?;
        if let Some(attachment) = found.filter(|attachment| attachment.gateway != *gateway) {
            let rule = format!("it leads to {}, the spec to {gateway}, and an attachment cannot be moved", attachment.gateway);
            return Err(refused(&attachment.id, rule, "tear the network down first, or keep the transit gateway"));
        }
        let (tags, mut changes) = self.tags(spec.extra.of(&spec.owner, &key), found);
        if let Some(attachment) = found.filter(|attachment| attachment.state != "available") {
            changes.push(format!("state: {} → available", attachment.state));
        }
        // One subnet in each zone, and whichever it is, it serves its zone.
        let served: BTreeSet<&ZoneName> = self.zones_of_found(found.into_iter().flat_map(|attachment| &attachment.subnets));
        let private = spec.inner_subnets().into_iter().filter(|(zone, subnet)| subnet.tier == Tier::Private && !served.contains(zone));
        let mut subnets = Vec::new();
        for (zone, subnet) in private {
            if found.is_some() {
                changes.push(format!("subnet in {zone}: none → {}", subnet.key()));
            }
            subnets.push(Ref::id_of(subnet.key()));
        }
        let id = found.map(|attachment| attachment.id.clone());
        let op = NetOp::TransitGatewayAttachment {
            id,
            gateway: gateway.clone(),
            vpc: self.vpc.clone(),
            subnets: subnets.clone(),
            ipv6: spec.ipv6,
            tags,
        };
        let title = format!("attachment to transit gateway {gateway}");
        let step = self.step(key, title, found.map(Found::id), changes, &op)?.uses(&self.vpc).takes(TRANSIT_ATTACH);
        let step = subnets.iter().fold(step, |step, subnet| step.uses(subnet));
        self.steps.push(step.costs(Price::hourly("transit gateway attachment", TRANSIT_HOURLY)));
        Ok(())
    }
}
