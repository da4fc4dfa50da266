//! The picture of a network that should exist.

use eks_core::{Ref, Tier, ZoneName};

use super::{
    Picture,
    model::{Gateway, GatewayKind, Group, Kind, Origin, Place, Role, Route, Space, Subnet, Table, Vpc},
};
use crate::{cidr, keys, rule::Ingress, rule::Source, spec::NetworkSpec, subnet::PlacedSubnet};

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
        picture.vpcs.push(Vpc { id: None, blocks: vec![self.cidr.to_string()] });
        picture.place(self.subnets.iter().map(planned).collect());
        let internet = self.has(Tier::Public).then(|| gateway(&mut picture, GatewayKind::Internet, Place::Border, "Internet gateway"));
        let nats: Vec<(&ZoneName, usize)> = self.nat_zones().iter().map(|zone| (zone, self.nat(&mut picture, zone))).collect();
        for (tier, zone) in self.tables() {
            let of_table = |(at, subnet): (usize, &PlacedSubnet)| (self.table_of(subnet) == (tier, zone.clone())).then_some(at);
            let by = match tier {
                Tier::Public => internet,
                _ => nats.iter().find(|(nat, _)| zone.as_ref().is_none_or(|zone| zone == *nat)).map(|(_, at)| *at),
            };
            picture.tables.push(Table {
                name: [Some(keys::tier_name(tier)), zone.as_ref().map(ZoneName::as_str)]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" "),
                id: None,
                subnets: self.subnets.iter().enumerate().filter_map(of_table).collect(),
                routes: by.map(|by| Route { to: "0.0.0.0/0".to_owned(), by }).into_iter().collect(),
            });
        }
        for group in &self.security_groups {
            picture.groups.push(Group { name: group.name.clone(), description: group.description.clone(), id: None });
        }
        for (to, group) in self.security_groups.iter().enumerate() {
            picture.relate(to, group.ingress.iter().map(|rule| (self.origin(&rule.source), words(rule))).collect());
        }
        picture
    }

    fn nat(&self, picture: &mut Picture, zone: &ZoneName) -> usize {
        let subnet = self.subnets.iter().position(|subnet| subnet.tier == Tier::Public && subnet.zone == *zone);
        let at = gateway(picture, GatewayKind::Nat, subnet.map_or(Place::Zones, Place::Subnet), "NAT gateway");
        if let Some(nat) = picture.gateways.last_mut() {
            nat.address = Some("elastic IP".to_owned());
        }
        at
    }

    fn origin(&self, source: &Source) -> Origin {
        match source {
            Source::Group(Ref::Output(output)) => match self.security_groups.iter().position(|group| group.key() == output.step) {
                Some(group) => Origin::Group(group),
                None => origin(source),
            },
            other => origin(other),
        }
    }
}

fn gateway(picture: &mut Picture, kind: GatewayKind, place: Place, label: &str) -> usize {
    picture.gateways.push(Gateway { kind, place, label: label.to_owned(), address: None, id: None });
    picture.gateways.len() - 1
}

fn planned(subnet: &PlacedSubnet) -> (Role, String, String, Subnet) {
    let (role, name) = role(keys::tier_name(subnet.tier), subnet.name.as_deref().unwrap_or_default());
    let space = Some(Space { usable: cidr::usable_addresses(subnet.cidr), free: None });
    let drawn = Subnet { row: 0, zone: 0, cidr: subnet.cidr.to_string(), second: None, space, id: None, name: None };
    (role, name, subnet.zone.to_string(), drawn)
}

/// What a subnet of this tier and name is for, and the name of its row.
pub(super) fn role(tier: &str, name: &str) -> (Role, String) {
    let role = match tier {
        "public" => Role::Public,
        "intra" => Role::Intra,
        _ if name.is_empty() => Role::Private,
        _ => Role::Named,
    };
    (role, if name.is_empty() { role.word() } else { name }.to_owned())
}

/// Who it is, unless it is a group of the same network.
pub(super) fn origin(source: &Source) -> Origin {
    match source {
        Source::Ipv4(block) if block.prefix_len() == 0 => Origin::World,
        Source::Ipv6(block) if block.prefix_len() == 0 => Origin::World,
        other => match other {
            Source::Group(group) => Origin::Outside(group.to_string()),
            block => Origin::Block(block.to_string()),
        },
    }
}

/// What is let in.
pub(super) fn words(rule: &Ingress) -> String {
    rule.protocol.to_string()
}
