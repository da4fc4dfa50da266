//! Adopting: which step of a `NetworkSpec` each thing would have been made by.

use std::collections::BTreeMap;

use eks_core::{Error, KEY_TAG, OWNER_TAG, Ref, StepKey, Tier, ZoneName};

use super::{
    fixes::Steps,
    found::ExistingNatGateway,
    survey::{ChosenSubnet, Survey},
};
use crate::{
    egress::Nat,
    groups::SecurityGroup,
    keys,
    observed::{Found, FoundAddress},
    op::NetOp,
    plan::refused,
    spec::NetworkSpec,
    subnet::Subnet,
    tags::Tags,
};

impl Survey {
    /// The network as a spec: what is adopted under it is kept by its plans. Security groups have no rules in it: those that
    /// they have are others', and stay.
    ///
    /// # Errors
    /// [`Error::Refused`] if no spec can have this shape.
    pub fn network_spec(&self) -> Result<NetworkSpec, Error> {
        let cidr = self.vpc.cidrs.first().map(ToString::to_string).unwrap_or_default();
        let (nat, gateways) = self.nat()?;
        let mut builder = NetworkSpec::builder(&self.spec.owner, cidr).nat(nat);
        for block in self.vpc.cidrs.iter().skip(1) {
            builder = builder.secondary_cidr(block);
        }
        // The first public subnet of a zone has its NAT gateway.
        let has_gateway = |subnet: &ChosenSubnet| gateways.iter().any(|gateway| gateway.subnet.as_ref() == Some(&subnet.id));
        let mut subnets: Vec<&ChosenSubnet> = self.subnets.iter().collect();
        subnets.sort_by_key(|subnet| !has_gateway(subnet));
        for (subnet, name) in self.named(&subnets) {
            builder = builder.subnet(as_asked(subnet, name));
        }
        for group in &self.groups {
            builder = builder.security_group(SecurityGroup::new(&group.name, &group.description));
        }
        for cluster in &self.spec.clusters {
            builder = builder.cluster(cluster.as_str());
        }
        builder.build().map_err(|error| {
            let rule = format!("no NetworkSpec can have its shape: {error}");
            refused(&self.vpc.id, rule, "choose other subnets, or use it without adopting it")
        })
    }

    /// Subnets with the names that tell several of one tier and zone apart: those that they have, else their network addresses.
    fn named<'a>(&self, subnets: &[&'a ChosenSubnet]) -> Vec<(&'a ChosenSubnet, Option<String>)> {
        let mut named: Vec<(&ChosenSubnet, Option<String>)> = Vec::new();
        let (known, new): (Vec<&ChosenSubnet>, Vec<&ChosenSubnet>) =
            subnets.iter().copied().partition(|subnet| self.key_of(subnet).is_some());
        for subnet in known.into_iter().chain(new) {
            let twin = named.iter().any(|(other, name)| (other.tier, &other.zone, name) == (subnet.tier, &subnet.zone, &None));
            let address = subnet.cidr.map(|cidr| cidr.network().to_string().replace('.', "-"));
            let name = match self.key_of(subnet) {
                Some(key) => {
                    key.rsplit('/').next().and_then(|place| place.strip_prefix(subnet.zone.as_str())?.strip_prefix('-')).map(str::to_owned)
                }
                None => address.filter(|_| twin),
            };
            named.push((subnet, name));
        }
        named
    }

    /// The key that we have given to a subnet.
    fn key_of<'a>(&self, subnet: &'a ChosenSubnet) -> Option<&'a str> {
        let ours = subnet.tags.get(OWNER_TAG).is_some_and(|name| name == self.spec.owner.as_str());
        subnet.tags.get(KEY_TAG).filter(|_| ours).map(String::as_str)
    }

    /// How private subnets leave, and by which gateways of the chosen public subnets; others' gateways a spec refers to by id.
    fn nat(&self) -> Result<(Nat, Vec<&ExistingNatGateway>), Error> {
        let mut ways: BTreeMap<&ZoneName, &ExistingNatGateway> = BTreeMap::new();
        for subnet in self.subnets.iter().filter(|subnet| subnet.tier == Tier::Private) {
            let target = self.now.table_of(&subnet.id).and_then(|table| table.default_route()).map(|route| route.target.as_str());
            let Some(target) = target else { continue };
            let gateway = self.now.nat_gateways.iter().find(|gateway| gateway.id.as_str() == target && gateway.is_live());
            let Some(gateway) = gateway else {
                let rule =
                    format!("its default route leads to {target}, and a NetworkSpec that keeps it needs a NAT gateway of the same VPC");
                return Err(refused(&subnet.id, rule, "use the network without adopting it, or choose other subnets"));
            };
            let other = ways.insert(&subnet.zone, gateway).filter(|other| other.id != gateway.id);
            if let Some(other) = other {
                let rule = format!(
                    "its private subnets leave by {} and by {}, and those of a NetworkSpec by one for each zone",
                    other.id, gateway.id
                );
                return Err(refused(&subnet.zone, rule, "use the network without adopting it, or choose other subnets"));
            }
        }
        let zone_of = |gateway: &ExistingNatGateway| {
            let mut public = self.subnets.iter().filter(|subnet| subnet.tier == Tier::Public);
            public.find(|subnet| gateway.subnet.as_ref() == Some(&subnet.id)).map(|subnet| &subnet.zone)
        };
        let mut gateways: Vec<&ExistingNatGateway> = ways.values().copied().collect();
        gateways.sort_by_key(|gateway| &gateway.id);
        gateways.dedup_by_key(|gateway| &gateway.id);
        Ok(match gateways.as_slice() {
            [] => (Nat::None, gateways),
            [one] => match zone_of(one) {
                Some(zone) => (Nat::SingleIn(zone.to_string()), gateways),
                None => (Nat::Existing(one.id.to_string()), Vec::new()),
            },
            _ if ways.iter().all(|(zone, gateway)| zone_of(gateway) == Some(*zone)) => (Nat::PerZone, gateways),
            _ => (Nat::ExistingIn(ways.iter().map(|(zone, gateway)| (zone.to_string(), gateway.id.to_string())).collect()), Vec::new()),
        })
    }
}

fn as_asked(subnet: &ChosenSubnet, name: Option<String>) -> Subnet {
    let (zone, cidr) = (subnet.zone.as_str(), subnet.cidr.map(|cidr| cidr.to_string()).unwrap_or_default());
    let asked = match subnet.tier {
        Tier::Public => Subnet::public(zone, cidr),
        Tier::Intra => Subnet::intra(zone, cidr),
        _ => Subnet::private(zone, cidr),
    };
    match name {
        Some(name) => asked.named(name),
        None => asked,
    }
}

/// The key of each thing that is adopted, by its id.
pub(super) fn keys(survey: &Survey) -> Result<BTreeMap<String, StepKey>, Error> {
    let spec = survey.network_spec()?;
    let mut found = BTreeMap::from([(survey.vpc.id.to_string(), keys::vpc())]);
    let mut tables: BTreeMap<StepKey, Vec<&str>> = BTreeMap::new();
    for placed in &spec.subnets {
        let Some(subnet) = survey.subnets.iter().find(|subnet| subnet.cidr == Some(placed.cidr)) else { continue };
        found.insert(subnet.id.to_string(), placed.key());
        let (tier, zone) = spec.table_of(placed);
        let ids = tables.entry(keys::of_table("route-table", tier, zone.as_ref().map(ZoneName::as_str))).or_default();
        ids.extend(subnet.route_table.as_ref().map(|id| id.as_str()));
    }
    for (key, mut ids) in tables {
        ids.sort_unstable();
        ids.dedup();
        // Several tables where a NetworkSpec has one stay theirs; the plan tells of it.
        if let [one] = ids.as_slice() {
            // One table for two tiers or zones is the first one's.
            found.entry((*one).to_owned()).or_insert(key);
        }
    }
    if spec.has(Tier::Public)
        && let Some(gateway) = survey.now.attached(&survey.vpc.id)
    {
        found.insert(gateway.to_string(), keys::internet_gateway());
    }
    let (_, gateways) = survey.nat()?;
    for gateway in gateways {
        let Some(subnet) = survey.subnets.iter().find(|subnet| gateway.subnet.as_ref() == Some(&subnet.id)) else { continue };
        found.insert(gateway.id.to_string(), keys::nat(subnet.zone.as_str()));
        // Of several addresses one stands for the gateway's own; a second of the spec's would be attached to nothing.
        if let Some(address) = gateway.addresses.iter().min() {
            found.insert(address.to_string(), keys::elastic_ip(subnet.zone.as_str()));
        }
    }
    for group in &survey.groups {
        found.insert(group.id.to_string(), keys::security_group(&group.name));
    }
    Ok(found)
}

impl Steps<'_> {
    /// Everything else that is adopted.
    pub(super) fn adopted(&mut self) -> Result<(), Error> {
        if !self.survey.spec.adopt {
            return Ok(());
        }
        let (survey, now) = (self.survey, &self.survey.now);
        let (vpc, none) = (Ref::Known(survey.vpc.id.clone()), Tags::new());
        let wanted = self.keys.clone();
        let is_wanted = |id: &str| wanted.contains_key(id);
        for gateway in now.internet_gateways.iter().filter(|it| is_wanted(it.id())) {
            let (key, tags, changes) = self.tags(gateway, &none);
            let op = NetOp::InternetGateway { id: Some(gateway.id.clone()), vpc: vpc.clone(), attach: false, tags };
            self.step(key, format!("internet gateway {}", gateway.id), Some(gateway.id()), changes, &op)?;
        }
        for address in now.addresses.iter().filter(|it| is_wanted(it.id())) {
            self.address(address)?;
        }
        for gateway in now.nat_gateways.iter().filter(|it| is_wanted(it.id())) {
            let (key, tags, changes) = self.tags(gateway, &none);
            let (Some(subnet), Some(address)) = (&gateway.subnet, gateway.addresses.first()) else { continue };
            let (subnet, address) = (Ref::Known(subnet.clone()), Ref::Known(address.clone()));
            let op = NetOp::NatGateway { id: Some(gateway.id.clone()), subnet, address, generation: String::new(), tags };
            self.step(key, format!("NAT gateway {}", gateway.id), Some(gateway.id()), changes, &op)?;
        }
        for table in now.route_tables.iter().filter(|it| is_wanted(it.id())) {
            let (key, tags, changes) = self.tags(table, &none);
            let op = NetOp::RouteTable { id: Some(table.id.clone()), vpc: vpc.clone(), tags };
            self.step(key, format!("route table {}", table.id), Some(table.id()), changes, &op)?;
        }
        for group in &survey.groups {
            let (key, tags, changes) = self.tags(group, &none);
            let (name, description) = (group.name.clone(), group.description.clone());
            let op = NetOp::SecurityGroup { id: Some(group.id.clone()), vpc: vpc.clone(), name, description, tags };
            self.step(key, format!("security group {} {}", group.id, group.name), Some(group.id()), changes, &op)?;
        }
        let tables = survey.subnets.iter().filter_map(|subnet| subnet.route_table.as_ref());
        let mut left: Vec<_> = tables.filter(|id| !is_wanted(id.as_str())).map(ToString::to_string).collect();
        left.sort();
        left.dedup();
        if !left.is_empty() {
            let message = format!(
                "{} stay theirs: a NetworkSpec has one table where these are several, and its plan would move the subnets to it",
                left.join(", ")
            );
            self.findings.push(eks_core::Finding::warning(keys::vpc(), message));
        }
        Ok(())
    }

    fn address(&mut self, address: &FoundAddress) -> Result<(), Error> {
        let (key, tags, changes) = self.tags(address, &Tags::new());
        let op = NetOp::ElasticIp { id: Some(address.id.clone()), tags };
        self.step(key, format!("elastic IP address {}", address.public_ip), Some(address.id()), changes, &op)?;
        self.amend(|step| step.knows("public_ip", &address.public_ip));
        Ok(())
    }
}
