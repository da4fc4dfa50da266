//! The picture of a network that exists.

use std::collections::BTreeMap;

use eks_core::Ref;

use super::{
    Picture,
    model::{Gateway, GatewayKind, Group, Kind, Origin, Place, Role, Route, Space, Subnet, Table, Vpc},
    planned,
};
use crate::{
    cidr,
    observed::{Found, FoundGroup, FoundRouteTable, FoundSubnet, Observed},
    rule::Source,
    tags::Tags,
};

impl Observed {
    /// What the network looks like now: ids, free addresses, and where routes lead, ours and others' in its VPC.
    ///
    /// A subnet's row tells what it was made for, and its line where it leads: a private one whose line goes to the internet
    /// gateway has drifted. Subnets that are not ours are public or private by their route.
    ///
    /// ```
    /// # use eks_core::Owner;
    /// # use eks_net::Observed;
    /// let nothing = Observed::nothing(&Owner::new("shop")?);
    /// assert!(nothing.picture().to_svg().contains("Nothing exists"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn picture(&self) -> Picture {
        let mut picture = Picture::new(self.owner.as_str(), Kind::Found, self.region.clone());
        picture.vpcs.extend(self.vpcs.iter().map(|vpc| Vpc { id: Some(vpc.id.to_string()), blocks: vec![vpc.cidr.to_string()] }));
        picture.place(self.subnets.iter().map(|subnet| self.subnet(subnet)).collect());
        self.gateways(&mut picture);
        for table in &self.route_tables {
            self.table(&mut picture, table);
        }
        let outermost = |table: &Table| table.subnets.iter().map(|&subnet| picture.subnets[subnet].row).min();
        let mut tables = picture.tables.clone();
        tables.sort_by(|a, b| (outermost(a), &a.name, &a.id).cmp(&(outermost(b), &b.name, &b.id)));
        picture.tables = tables;
        // EC2 tells them in no order; the VPC's own comes last.
        let mut groups: Vec<&FoundGroup> = self.security_groups.iter().collect();
        groups.sort_by_key(|group| (group.name == "default", &group.name, &group.id));
        for group in &groups {
            picture.groups.push(Group { name: group.name.clone(), description: group.description.clone(), id: Some(group.id.to_string()) });
        }
        for (to, group) in groups.iter().enumerate() {
            let rules = group.ingress.iter().map(|rule| (origin(&groups, &rule.source), planned::words(rule)));
            let others = group.other.iter().map(|rule| match rule.split_once(" from ") {
                Some((what, from)) => (Origin::Outside(from.to_owned()), what.to_owned()),
                None => (Origin::Outside("others".to_owned()), rule.clone()),
            });
            picture.relate(to, rules.chain(others).collect());
        }
        picture
    }

    fn subnet(&self, subnet: &FoundSubnet) -> (Role, String, String, Subnet) {
        let zone = subnet.zone.to_string();
        let ours = subnet.key(&self.owner).and_then(|key| {
            let mut segments = key.as_str().split('/').skip(2);
            let (tier, place) = (segments.next()?.to_owned(), segments.next()?);
            Some((tier, place.strip_prefix(zone.as_str())?.trim_start_matches('-').to_owned()))
        });
        let name = if ours.is_some() { None } else { subnet.tags.get("Name").cloned() };
        let (role, row) = match ours {
            Some((tier, name)) => planned::role(&tier, &name),
            None => {
                let target = self.association(&subnet.id).and_then(|(table, _)| table.default_route.as_deref());
                let role = match target {
                    Some(target) if target.starts_with("igw-") => Role::Public,
                    Some(_) => Role::Private,
                    None => Role::Intra,
                };
                (role, role.word().to_owned())
            }
        };
        let space = Some(Space { usable: cidr::usable_addresses(subnet.cidr), free: subnet.free_addresses });
        let id = Some(subnet.id.to_string());
        (role, row, zone, Subnet { row: 0, zone: 0, cidr: subnet.cidr.to_string(), second: None, space, id, name })
    }

    fn gateways(&self, picture: &mut Picture) {
        for gateway in &self.internet_gateways {
            let label = if gateway.attached_to.is_empty() { "Internet gateway, not attached" } else { "Internet gateway" };
            picture.gateways.push(Gateway {
                kind: GatewayKind::Internet,
                place: Place::Border,
                label: label.to_owned(),
                address: None,
                id: Some(gateway.id.to_string()),
            });
        }
        // The address of a gateway has the same key, but for the kind.
        let addresses: BTreeMap<String, &str> = self
            .ours(&self.addresses)
            .into_iter()
            .map(|(key, address)| (key.as_str().replace("/elastic-ip/", "/nat/"), address.public_ip.as_str()))
            .collect();
        for gateway in self.nat_gateways.iter().filter(|gateway| gateway.is_live()) {
            let subnet = gateway.subnet.as_ref().and_then(|id| self.subnets.iter().position(|subnet| subnet.id == *id));
            let key = gateway.key(&self.owner);
            picture.gateways.push(Gateway {
                kind: GatewayKind::Nat,
                place: subnet.map_or(Place::Zones, Place::Subnet),
                label: if gateway.state == "pending" { "NAT gateway, pending" } else { "NAT gateway" }.to_owned(),
                address: key.and_then(|key| addresses.get(key.as_str()).map(|&address| address.to_owned())),
                id: Some(gateway.id.to_string()),
            });
        }
    }

    fn table(&self, picture: &mut Picture, table: &FoundRouteTable) {
        let subnets: Vec<usize> = (0..self.subnets.len()).filter(|&at| table.associations.contains_key(&self.subnets[at].id)).collect();
        let key = table.key(&self.owner).map(|key| key.as_str().split('/').skip(2).collect::<Vec<_>>().join(" "));
        if key.is_none() && subnets.is_empty() && table.default_route.is_none() {
            // The main table of a VPC that nobody uses.
            return;
        }
        let routes =
            table.default_route.iter().map(|target| Route { to: "0.0.0.0/0".to_owned(), by: target_of(picture, target) }).collect();
        let name = key.or_else(|| name_of(&table.tags)).unwrap_or_else(|| "route table".to_owned());
        picture.tables.push(Table { name, id: Some(table.id.to_string()), subnets, routes });
    }
}

fn origin(groups: &[&FoundGroup], source: &Source) -> Origin {
    let group = match source {
        Source::Group(Ref::Known(id)) => groups.iter().position(|group| group.id == *id),
        _ => None,
    };
    group.map_or_else(|| planned::origin(source), Origin::Group)
}

fn name_of(tags: &Tags) -> Option<String> {
    tags.get("Name").filter(|name| !name.is_empty()).cloned()
}

/// The gateway of this id. One that is not ours, or is gone, is drawn at the border.
fn target_of(picture: &mut Picture, id: &str) -> usize {
    if let Some(at) = picture.gateways.iter().position(|gateway| gateway.id.as_deref() == Some(id)) {
        return at;
    }
    let (kind, label) = match id.split('-').next().unwrap_or_default() {
        "igw" => (GatewayKind::Internet, "Internet gateway"),
        "eigw" => (GatewayKind::EgressOnly, "Egress-only gateway"),
        "nat" => (GatewayKind::Nat, "NAT gateway"),
        "tgw" => (GatewayKind::Transit, "Transit gateway"),
        "vgw" => (GatewayKind::Other, "Virtual private gateway"),
        "pcx" => (GatewayKind::Other, "Peering connection"),
        _ => (GatewayKind::Other, "Another target"),
    };
    picture.gateways.push(Gateway { kind, place: Place::Border, label: label.to_owned(), address: None, id: Some(id.to_owned()) });
    picture.gateways.len() - 1
}
