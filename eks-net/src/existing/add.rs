//! Private subnets that are added to a network of somebody else's, in blocks that are free: ours, and removed by our teardown.

use std::collections::BTreeSet;

use eks_core::{AllocationId, Error, NatGatewayId, Price, Ref, StepKey, SubnetId, Tier, ZoneName};
use ipnet::Ipv4Net;

use super::{
    fixes::Steps,
    found::{ExistingNatGateway, ExistingVpc, ObservedExisting},
    marks,
    spec::ExistingNetwork,
    survey::{ChosenSubnet, Survey},
};
use crate::{
    cidr,
    egress::price::{ADDRESS_HOURLY, NAT_HOURLY},
    keys,
    observed::Found,
    op::{NetOp, RouteTarget},
    plan::{EVERYWHERE, NAT_CREATE, refused},
    tags::{self, Tags},
};

/// A subnet to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Added {
    pub(super) zone: ZoneName,
    pub(super) cidr: Ipv4Net,
    /// It was added before.
    pub(super) found: Option<SubnetId>,
}

impl Added {
    pub(super) fn key(&self) -> StepKey {
        keys::key(["subnet", keys::tier_name(Tier::Private), self.zone.as_str()])
    }

    fn association(&self) -> StepKey {
        keys::key(["association", keys::tier_name(Tier::Private), self.zone.as_str()])
    }
}

/// Finds a block for each zone of the chosen public subnets that has no private one; what was added before stays where it is.
pub(super) fn place(
    spec: &ExistingNetwork,
    now: &ObservedExisting,
    vpc: &ExistingVpc,
    subnets: &[ChosenSubnet],
    refusals: &mut Vec<Error>,
) -> Vec<Added> {
    let Some(prefix) = spec.add else { return Vec::new() };
    let of = |tier: Tier| subnets.iter().filter(move |subnet| subnet.tier == tier).map(|subnet| &subnet.zone);
    let private: BTreeSet<&ZoneName> = of(Tier::Private).collect();
    let zones: BTreeSet<&ZoneName> = of(Tier::Public).filter(|zone| !private.contains(zone)).collect();
    let mut taken: Vec<Ipv4Net> = now.subnets.iter().filter_map(|subnet| subnet.cidr).collect();
    let mut added: Vec<Added> = Vec::new();
    for zone in zones {
        let mut one = Added { zone: zone.clone(), cidr: Ipv4Net::default(), found: None };
        let key = one.key();
        let made = now.subnets.iter().find(|subnet| subnet.key(&spec.owner).as_ref() == Some(&key) && !marks::is_adopted(&subnet.tags));
        if let Some((made, cidr)) = made.and_then(|made| Some((made, made.cidr?))) {
            (one.cidr, one.found) = (cidr, Some(made.id.clone()));
            added.push(one);
            continue;
        }
        match vpc.cidrs.iter().find_map(|block| cidr::first_fit(*block, prefix, &taken)) {
            Some(cidr) => {
                taken.push(cidr);
                one.cidr = cidr;
                added.push(one);
            }
            None => {
                let blocks = vpc.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
                let rule = format!("{blocks} of {} has no /{prefix} left", vpc.id);
                refusals.push(refused(format!("private subnet in {zone}"), rule, "choose a longer prefix, or associate another block"));
            }
        }
    }
    added
}

fn table_key() -> StepKey {
    keys::of_table("route-table", Tier::Private, None)
}

fn route_key() -> StepKey {
    keys::of_table("route", Tier::Private, None)
}

/// Steps after which instances in the added subnets reach the internet.
pub(super) fn egress(survey: &Survey) -> Vec<StepKey> {
    if survey.added.is_empty() {
        return Vec::new();
    }
    std::iter::once(route_key()).chain(survey.added.iter().map(Added::association)).collect()
}

impl Steps<'_> {
    /// The subnets to add, their table, and the way out.
    pub(super) fn added(&mut self) -> Result<(), Error> {
        let survey = self.survey;
        if survey.added.is_empty() {
            return Ok(());
        }
        for added in &survey.added {
            self.added_subnet(added)?;
        }
        let table = self.added_table()?;
        for added in &survey.added {
            self.added_association(added, table.as_ref())?;
        }
        Ok(())
    }

    /// All tags for what is not there, else those that differ.
    fn own_tags<T: Found>(&self, key: &StepKey, more: Tags, found: Option<&T>) -> (Tags, Vec<String>) {
        let wanted: Tags = self.survey.spec.owner.tags(key).into_iter().chain(more).collect();
        match found {
            Some(found) => tags::drift(&wanted, found.tags()),
            None => (wanted, Vec::new()),
        }
    }

    fn made<'t, T: Found>(&self, all: &'t [T], key: &StepKey) -> Option<&'t T> {
        all.iter().find(|found| found.key(&self.survey.spec.owner).as_ref() == Some(key) && !marks::is_adopted(found.tags()))
    }

    fn added_subnet(&mut self, added: &Added) -> Result<(), Error> {
        let (survey, key) = (self.survey, added.key());
        let found = self.made(&survey.now.subnets, &key);
        let clusters = survey.spec.clusters.iter().map(|cluster| format!("kubernetes.io/cluster/{cluster}"));
        let load_balancers = std::iter::once("kubernetes.io/role/internal-elb".to_owned()).chain(clusters);
        let more = load_balancers.filter_map(|key| marks::given(&key).map(|value| (key.clone(), value.to_owned()))).collect();
        let (tags, changes) = self.own_tags(&key, more, found);
        let (zone, cidr) = (added.zone.clone(), added.cidr);
        let title = format!("private subnet {cidr} in {zone}, {} addresses", cidr::usable_addresses(cidr));
        let vpc = Ref::Known(survey.vpc.id.clone());
        let op = NetOp::Subnet { id: added.found.clone(), vpc, cidr, zone, ipv6: None, map_public_ip: None, assign_ipv6: false, tags };
        let id = added.found.clone();
        self.step(key, title, id.as_ref().map(AsRef::as_ref), changes, &op)
    }

    /// The table and its default route; its id if it is there.
    fn added_table(&mut self) -> Result<Option<eks_core::RouteTableId>, Error> {
        let (survey, key) = (self.survey, table_key());
        let found = self.made(&survey.now.route_tables, &key);
        let (tags, changes) = self.own_tags(&key, Tags::new(), found);
        let op = NetOp::RouteTable { id: found.map(|table| table.id.clone()), vpc: Ref::Known(survey.vpc.id.clone()), tags };
        self.step(key.clone(), "route table of added private subnets".to_owned(), found.map(Found::id), changes, &op)?;

        let gateway = self.way_out()?;
        let way = found.and_then(|table| table.default_route());
        let wanted = gateway.known().map(ToString::to_string);
        let mut changes = Vec::new();
        if let Some(way) = way.filter(|way| Some(&way.target) != wanted.as_ref() || way.is_blackhole) {
            let lost = if way.is_blackhole { " (blackhole)" } else { "" };
            changes.push(format!("0.0.0.0/0: {}{lost} → {gateway}", way.target));
        }
        let table = Ref::id_of(key);
        let target = RouteTarget::NatGateway(gateway.clone());
        let op = NetOp::Route { table: table.clone(), destination: EVERYWHERE, target, replace: way.is_some() };
        let id = way.and(found).map(|table| table.id.to_string());
        self.step(route_key(), format!("0.0.0.0/0 → {gateway}"), id.as_deref(), changes, &op)?;
        self.amend(|step| step.uses(&table).uses(&gateway));
        Ok(found.map(|table| table.id.clone()))
    }

    /// The gateway that added subnets leave by: ours, if there is one; one of the VPC's; or a new one.
    fn way_out(&mut self) -> Result<Ref<NatGatewayId>, Error> {
        let survey = self.survey;
        let Some(public) = survey.subnets.iter().find(|subnet| subnet.tier == Tier::Public) else {
            return Err(refused(&survey.vpc.id, "there is no public subnet for a NAT gateway".to_owned(), "choose one, too"));
        };
        let key = keys::nat(public.zone.as_str());
        let live = || survey.now.nat_gateways.iter().filter(|gateway| gateway.is_live());
        let ours = live().find(|gateway| gateway.key(&survey.spec.owner).as_ref() == Some(&key) && !marks::is_adopted(&gateway.tags));
        // One with an address: a private NAT gateway leads to no internet.
        let theirs = live().filter(|gateway| !gateway.addresses.is_empty()).min_by_key(|gateway| &gateway.id);
        if let (None, Some(gateway)) = (ours, theirs) {
            return Ok(Ref::Known(gateway.id.clone()));
        }
        let address = self.own_address(public.zone.as_str())?;
        let (tags, mut changes) = self.own_tags(&key, Tags::new(), ours);
        if ours.is_some_and(|gateway| gateway.state == "pending") {
            changes.push("state: pending → available".to_owned());
        }
        let mut dead: Vec<String> =
            survey.now.nat_gateways.iter().filter(|gateway| is_dead(survey, gateway, &key)).map(|it| it.id.to_string()).collect();
        dead.sort();
        let (id, subnet) = (ours.map(|gateway| gateway.id.clone()), Ref::Known(public.id.clone()));
        let op = NetOp::NatGateway { id: id.clone(), subnet, address: address.clone(), generation: dead.join(","), tags };
        self.step(key.clone(), format!("NAT gateway in {}", public.zone), id.as_ref().map(AsRef::as_ref), changes, &op)?;
        self.amend(|step| step.uses(&address).takes(NAT_CREATE).costs(Price::hourly("NAT gateway", NAT_HOURLY)));
        Ok(id.map_or(Ref::id_of(key), Ref::Known))
    }

    fn own_address(&mut self, zone: &str) -> Result<Ref<AllocationId>, Error> {
        let key = keys::elastic_ip(zone);
        let found = self.made(&self.survey.now.addresses, &key);
        let (tags, changes) = self.own_tags(&key, Tags::new(), found);
        let op = NetOp::ElasticIp { id: found.map(|found| found.id.clone()), tags };
        self.step(key.clone(), format!("elastic IP address for NAT in {zone}"), found.map(Found::id), changes, &op)?;
        let public_ip = found.map(|found| found.public_ip.clone());
        self.amend(|step| {
            let step = step.costs(Price::hourly("public IPv4 address", ADDRESS_HOURLY));
            match public_ip {
                Some(address) => step.knows("public_ip", address),
                None => step,
            }
        });
        Ok(Ref::id_of(key))
    }

    fn added_association(&mut self, added: &Added, table: Option<&eks_core::RouteTableId>) -> Result<(), Error> {
        let now = &self.survey.now;
        let current = added
            .found
            .as_ref()
            .and_then(|subnet| now.route_tables.iter().find_map(|table| Some((&table.id, table.associations.get(subnet)?))));
        let mut changes = Vec::new();
        if let Some((other, _)) = current.filter(|(current, _)| table != Some(*current)) {
            changes.push(format!("route table: {other} → {}", table.map_or_else(|| table_key().to_string(), ToString::to_string)));
        }
        let (table, subnet) = (Ref::id_of(table_key()), Ref::id_of(added.key()));
        let replace = current.map(|(_, association)| association.clone());
        let op = NetOp::Association { table: table.clone(), subnet: subnet.clone(), replace: replace.clone() };
        self.step(added.association(), format!("{} by {table}", added.cidr), replace.as_ref().map(AsRef::as_ref), changes, &op)?;
        self.amend(|mut step| {
            if step.action == eks_core::Action::Update {
                // The association gets another id.
                step.outputs.clear();
            }
            step.uses(&table).uses(&subnet)
        });
        Ok(())
    }
}

fn is_dead(survey: &Survey, gateway: &ExistingNatGateway, key: &StepKey) -> bool {
    !gateway.is_live() && gateway.key(&survey.spec.owner).as_ref() == Some(key)
}
