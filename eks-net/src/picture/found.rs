//! The picture of a network that exists.

use eks_core::{AllocationId, Ref};

use super::{
    Picture,
    model::{Endpoint, GatewayKind, Group, Kind, Origin, Place, Role, Route, Space, Subnet, Table, Vpc},
    planned,
};
use crate::{
    cidr,
    egress::EndpointKind,
    groups::Peer,
    observed::{Found, FoundGroup, FoundRouteTable, FoundSubnet, Observed},
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
        picture.vpcs.extend(self.vpcs.iter().map(|vpc| {
            let more = vpc.blocks.iter().filter(|block| block.state.starts_with("associat")).map(|block| block.cidr.to_string());
            Vpc { id: Some(vpc.id.to_string()), blocks: [vpc.cidr.to_string()].into_iter().chain(more).collect() }
        }));
        picture.place(self.subnets.iter().map(|subnet| self.subnet(subnet)).collect());
        self.gateways(&mut picture);
        self.endpoints(&mut picture);
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
            let rules = group.ingress().map(|rule| (origin(&groups, &rule.peer), planned::words(rule)));
            let others = group.other.iter().filter(|rule| !rule.contains(" to ")).map(|rule| match rule.split_once(" from ") {
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
        (
            role,
            row,
            zone,
            Subnet { row: 0, zone: 0, cidr: subnet.cidr.to_string(), second: subnet.ipv6.map(|block| block.to_string()), space, id, name },
        )
    }

    fn gateways(&self, picture: &mut Picture) {
        let border = |picture: &mut Picture, kind, label, id: String| {
            let at = picture.gateway(kind, Place::Border, label);
            picture.gateways[at].id = Some(id);
        };
        for gateway in &self.internet_gateways {
            let label = if gateway.attached_to.is_empty() { "Internet gateway, not attached" } else { "Internet gateway" };
            border(picture, GatewayKind::Internet, label, gateway.id.to_string());
        }
        for gateway in &self.egress_only_gateways {
            border(picture, GatewayKind::EgressOnly, "Egress-only gateway", gateway.id.to_string());
        }
        for attachment in self.transit_attachments.iter().filter(|attachment| attachment.is_live()) {
            border(picture, GatewayKind::Transit, "Transit gateway", attachment.gateway.to_string());
        }
        for gateway in self.nat_gateways.iter().filter(|gateway| gateway.is_live()) {
            let subnet = gateway.subnet.as_ref().and_then(|id| self.subnets.iter().position(|subnet| subnet.id == *id));
            let label = match (&gateway.subnet, gateway.state.as_str()) {
                (Some(_), "pending") => "NAT gateway, pending",
                (Some(_), _) => "NAT gateway",
                (None, "pending") => "Regional NAT gateway, pending",
                (None, _) => "Regional NAT gateway",
            };
            let at = picture.gateway(GatewayKind::Nat, subnet.map_or(Place::Zones, Place::Subnet), label);
            picture.gateways[at].id = Some(gateway.id.to_string());
            let ids = gateway.addresses.iter().filter_map(|(_, id)| id.as_ref());
            let ips: Vec<String> = ids.map(|id| self.public_ip(id)).collect();
            picture.gateways[at].address = (!ips.is_empty()).then(|| ips.join(", "));
        }
    }

    /// The address, or the id of one that is not ours.
    fn public_ip(&self, id: &AllocationId) -> String {
        self.addresses.iter().find(|address| address.id == *id).map_or_else(|| id.to_string(), |address| address.public_ip.clone())
    }

    fn endpoints(&self, picture: &mut Picture) {
        let ours = self.region.as_ref().map(|region| format!("com.amazonaws.{region}.")).unwrap_or_default();
        for endpoint in self.endpoints.iter().filter(|endpoint| endpoint.is_live()) {
            picture.endpoints.push(Endpoint {
                service: endpoint.service.strip_prefix(&ours).unwrap_or(&endpoint.service).to_owned(),
                gateway: endpoint.kind == Some(EndpointKind::Gateway),
                subnets: (0..self.subnets.len()).filter(|&at| endpoint.subnets.contains(&self.subnets[at].id)).collect(),
                id: Some(endpoint.id.to_string()),
            });
        }
        picture.endpoints.sort_by(|a, b| (!a.gateway, &a.service, &a.id).cmp(&(!b.gateway, &b.service, &b.id)));
    }

    fn table(&self, picture: &mut Picture, table: &FoundRouteTable) {
        let subnets: Vec<usize> = (0..self.subnets.len()).filter(|&at| table.associations.contains_key(&self.subnets[at].id)).collect();
        let key = table.key(&self.owner).map(|key| key.as_str().split('/').skip(2).collect::<Vec<_>>().join(" "));
        if key.is_none() && subnets.is_empty() && table.default_route.is_none() && table.default_route_ipv6.is_none() {
            // The main table of a VPC that nobody uses.
            return;
        }
        let targets = [("0.0.0.0/0", &table.default_route), ("::/0", &table.default_route_ipv6)];
        let routes =
            targets.into_iter().filter_map(|(to, target)| Some(Route { to: to.to_owned(), by: target_of(picture, target.as_deref()?) }));
        let routes = routes.collect();
        let name = key.or_else(|| name_of(&table.tags)).unwrap_or_else(|| "route table".to_owned());
        picture.tables.push(Table { name, id: Some(table.id.to_string()), subnets, routes });
    }
}

fn origin(groups: &[&FoundGroup], peer: &Peer) -> Origin {
    let group = match peer {
        Peer::Group(Ref::Known(id)) => groups.iter().position(|group| group.id == *id),
        _ => None,
    };
    group.map_or_else(|| planned::origin(peer), Origin::Group)
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
    let at = picture.gateway(kind, Place::Border, label);
    picture.gateways[at].id = Some(id.to_owned());
    at
}
