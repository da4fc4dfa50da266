//! The picture of a network that should exist.

use eks_core::{AllocationId, NatGatewayId, Ref, Tier, ZoneName};

use super::{
    Picture,
    model::{Endpoint, GatewayKind, Group, Kind, Origin, Place, Role, Route, Space, Subnet, Table, Vpc},
};
use crate::{
    cidr,
    egress::{EndpointKind, Way},
    groups::{Peer, SecurityGroupRule},
    keys,
    spec::NetworkSpec,
    subnet::PlacedSubnet,
};

impl NetworkSpec {
    /// What the network will look like: its subnets with the addresses that instances can have, where routes lead, and who
    /// lets in whom.
    ///
    /// ```
    /// # use eks_core::Owner;
    /// # use eks_net::{NetworkSpec, Rule, SecurityGroup};
    /// let network = NetworkSpec::builder(&Owner::new("shop")?, "10.0.0.0/16")
    ///     .zones(["us-east-1a", "us-east-1b"])
    ///     .security_group(SecurityGroup::new("web", "web servers").allow(Rule::tcp(80).from_cidr("0.0.0.0/0")))
    ///     .build()?;
    /// let picture = network.picture();
    /// assert!(picture.to_svg().contains(">10.0.64.0/19<"));
    /// assert!(picture.to_mermaid().contains("internet -->|\"tcp 80\"| group0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn picture(&self) -> Picture {
        let mut picture = Picture::new(self.owner.as_str(), Kind::Planned, Some(self.region().to_string()));
        let blocks = [self.cidr].into_iter().chain(self.secondary.iter().copied()).map(|block| block.to_string());
        // AWS chooses the IPv6 block.
        picture.vpcs.push(Vpc { id: None, blocks: blocks.chain(self.ipv6.then(|| "an IPv6 /56".to_owned())).collect() });
        picture.place(self.subnets.iter().map(|subnet| self.planned(subnet)).collect());
        let internet = self.has_internet_gateway().then(|| picture.gateway(GatewayKind::Internet, Place::Border, "Internet gateway"));
        let egress = self.has_egress_only_gateway().then(|| picture.gateway(GatewayKind::EgressOnly, Place::Border, "Egress-only gateway"));
        let ways = self.ways(&mut picture);
        for (tier, zone) in self.tables() {
            let of_table = |(at, subnet): (usize, &PlacedSubnet)| (self.table_of(subnet) == (tier, zone.clone())).then_some(at);
            let own = ways.iter().find(|(way, _)| way.is_none() || zone.is_none() || *way == zone.as_ref()).map(|(_, at)| *at);
            let (v4, v6) = match tier {
                Tier::Public => (internet, internet.filter(|_| self.ipv6)),
                Tier::Private => (own, egress),
                _ => (None, None),
            };
            let routes = [("0.0.0.0/0", v4), ("::/0", v6)].into_iter();
            let words = [Some(keys::tier_name(tier)), zone.as_ref().map(ZoneName::as_str)];
            picture.tables.push(Table {
                name: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
                id: None,
                subnets: self.subnets.iter().enumerate().filter_map(of_table).collect(),
                routes: routes.filter_map(|(to, by)| Some(Route { to: to.to_owned(), by: by? })).collect(),
            });
        }
        self.endpoints(&mut picture);
        for group in &self.security_groups {
            picture.groups.push(Group { name: group.name.clone(), description: group.description.clone(), id: None });
        }
        for (to, group) in self.security_groups.iter().enumerate() {
            picture.relate(to, group.ingress().map(|rule| (self.origin(&rule.peer), words(rule))).collect());
        }
        picture
    }

    /// Where private subnets go out over IPv4; for those of one zone, or for all.
    fn ways(&self, picture: &mut Picture) -> Vec<(Option<&ZoneName>, usize)> {
        let public_in = |zone: &ZoneName| self.subnets.iter().position(|subnet| subnet.tier == Tier::Public && subnet.zone == *zone);
        let own = |ids: &[AllocationId]| ids.iter().map(AllocationId::to_string).collect::<Vec<_>>().join(", ");
        match &self.way {
            Way::None => Vec::new(),
            Way::Zonal(zones) => {
                let nat = |zone| {
                    let at = picture.gateway(GatewayKind::Nat, public_in(zone).map_or(Place::Zones, Place::Subnet), "NAT gateway");
                    let address = self.addresses.get(zone).map_or("elastic IP".to_owned(), |ids| own(ids));
                    picture.gateways[at].address = Some(address);
                    (Some(zone), at)
                };
                zones.iter().map(nat).collect()
            }
            Way::Regional => {
                let at = picture.gateway(GatewayKind::Nat, Place::Zones, "Regional NAT gateway");
                let ids: Vec<AllocationId> = self.addresses.values().flatten().cloned().collect();
                picture.gateways[at].address = Some(if ids.is_empty() { "elastic IPs by zone".to_owned() } else { own(&ids) });
                vec![(None, at)]
            }
            Way::Existing(id) => {
                let at = picture.gateway(GatewayKind::Nat, Place::Zones, "Existing NAT gateway");
                picture.gateways[at].id = Some(id.to_string());
                vec![(None, at)]
            }
            Way::ExistingIn(gateways) => {
                let nat = |(zone, id): (_, &NatGatewayId)| {
                    let at = picture.gateway(GatewayKind::Nat, public_in(zone).map_or(Place::Zones, Place::Subnet), "Existing NAT gateway");
                    picture.gateways[at].id = Some(id.to_string());
                    (Some(zone), at)
                };
                gateways.iter().map(nat).collect()
            }
            Way::TransitGateway(id) => {
                let at = picture.gateway(GatewayKind::Transit, Place::Border, "Transit gateway");
                picture.gateways[at].id = Some(id.to_string());
                vec![(None, at)]
            }
        }
    }

    fn endpoints(&self, picture: &mut Picture) {
        let inner: Vec<_> = self.inner_subnets().into_values().map(PlacedSubnet::key).collect();
        let inner: Vec<usize> = (0..self.subnets.len()).filter(|&at| inner.contains(&self.subnets[at].key())).collect();
        for endpoint in &self.endpoints {
            let gateway = endpoint.kind == EndpointKind::Gateway;
            let subnets = if gateway { Vec::new() } else { inner.clone() };
            picture.endpoints.push(Endpoint { service: endpoint.service.clone(), gateway, subnets, id: None });
        }
        picture.endpoints.sort_by(|a, b| (!a.gateway, &a.service).cmp(&(!b.gateway, &b.service)));
    }

    fn planned(&self, subnet: &PlacedSubnet) -> (Role, String, String, Subnet) {
        let (role, name) = role(keys::tier_name(subnet.tier), subnet.name.as_deref().unwrap_or_default());
        let space = Some(Space { usable: cidr::usable_addresses(subnet.cidr), free: None });
        let second = self.ipv6.then(|| "an IPv6 /64".to_owned());
        (
            role,
            name,
            subnet.zone.to_string(),
            Subnet { row: 0, zone: 0, cidr: subnet.cidr.to_string(), second, space, id: None, name: None },
        )
    }

    fn origin(&self, source: &Peer) -> Origin {
        match source {
            Peer::Group(Ref::Output(output)) => match self.security_groups.iter().position(|group| group.key() == output.step) {
                Some(group) => Origin::Group(group),
                None => origin(source),
            },
            other => origin(other),
        }
    }
}

/// What a subnet of this tier and name is for, and the name of its row.
pub(super) fn role(tier: &str, name: &str) -> (Role, String) {
    let role = match tier {
        "public" => Role::Public,
        _ if !name.is_empty() => Role::Named,
        "intra" => Role::Intra,
        _ => Role::Private,
    };
    (role, if name.is_empty() { role.word() } else { name }.to_owned())
}

/// Who it is, unless it is a group of the same network.
pub(super) fn origin(source: &Peer) -> Origin {
    match source {
        Peer::Ipv4(block) if block.prefix_len() == 0 => Origin::World,
        Peer::Ipv6(block) if block.prefix_len() == 0 => Origin::World,
        other => match other {
            Peer::Group(group) => Origin::Outside(group.to_string()),
            block => Origin::Block(block.to_string()),
        },
    }
}

/// What is let in.
pub(super) fn words(rule: &SecurityGroupRule) -> String {
    rule.protocol.to_string()
}
