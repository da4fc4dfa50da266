//! What a picture shows, whichever way it was learnt and whichever way it is drawn.

/// A network to look at: [`to_svg`](Self::to_svg) and [`to_mermaid`](Self::to_mermaid) draw it.
///
/// It comes from [`NetworkSpec::picture`](crate::NetworkSpec::picture) or [`Observed::picture`](crate::Observed::picture).
/// The same network gives the same picture, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) region: Option<String>,
    pub(super) vpcs: Vec<Vpc>,
    /// The columns.
    pub(super) zones: Vec<String>,
    /// The rows, from the internet inwards.
    pub(super) rows: Vec<Row>,
    pub(super) subnets: Vec<Subnet>,
    pub(super) gateways: Vec<Gateway>,
    pub(super) tables: Vec<Table>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) groups: Vec<Group>,
    pub(super) relations: Vec<Relation>,
}

/// Where the picture comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Planned,
    Found,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vpc {
    pub(super) id: Option<String>,
    pub(super) blocks: Vec<String>,
}

/// What a subnet is for, from the internet inwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Public,
    Private,
    Named,
    Intra,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Named => "named",
            Self::Intra => "intra",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) role: Role,
    pub(super) name: String,
    /// Tells rows of one name apart: a zone may have several such subnets.
    pub(super) ordinal: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subnet {
    pub(super) row: usize,
    pub(super) zone: usize,
    pub(super) cidr: String,
    /// IPv6.
    pub(super) second: Option<String>,
    pub(super) space: Option<Space>,
    pub(super) id: Option<String>,
    /// The name that somebody else gave it.
    pub(super) name: Option<String>,
}

/// Addresses for instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) usable: u32,
    pub(super) free: Option<u32>,
}

impl Space {
    pub(super) fn words(self) -> String {
        let usable = grouped(self.usable);
        match self.free {
            Some(free) => format!("{} of {usable} free", grouped(free)),
            None => format!("{usable} addresses"),
        }
    }
}

/// A number with a comma at every third digit.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum GatewayKind {
    Internet,
    EgressOnly,
    Nat,
    Transit,
    Other,
}

/// Where a gateway stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the border of the VPC.
    Border,
    /// In a subnet.
    Subnet(usize),
    /// Across all zones.
    Zones,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gateway {
    pub(super) kind: GatewayKind,
    pub(super) place: Place,
    pub(super) label: String,
    /// Its address.
    pub(super) address: Option<String>,
    pub(super) id: Option<String>,
}

impl Gateway {
    /// What lies beyond it, if it stands at the border.
    pub(super) fn beyond(&self) -> &'static str {
        match self.kind {
            GatewayKind::Internet | GatewayKind::EgressOnly | GatewayKind::Nat => "Internet",
            GatewayKind::Transit | GatewayKind::Other => "Other networks",
        }
    }
}

/// A route table, without the routes inside the VPC that every one has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) subnets: Vec<usize>,
    pub(super) routes: Vec<Route>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) to: String,
    /// Index of a gateway.
    pub(super) by: usize,
}

/// A VPC endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) service: String,
    /// One of routes, or one of network interfaces.
    pub(super) gateway: bool,
    /// Where its interfaces are.
    pub(super) subnets: Vec<usize>,
    pub(super) id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) id: Option<String>,
}

/// Who may come in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// Everyone.
    World,
    /// Addresses.
    Block(String),
    /// A group, prefix list or the like of elsewhere.
    Outside(String),
    /// Index of a group.
    Group(usize),
}

/// That a group lets somebody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) from: Origin,
    pub(super) to: usize,
    /// Protocols and ports.
    pub(super) what: String,
}

impl Picture {
    pub(super) fn new(name: impl Into<String>, kind: Kind, region: Option<String>) -> Self {
        Self {
            name: name.into(),
            kind,
            region,
            vpcs: Vec::new(),
            zones: Vec::new(),
            rows: Vec::new(),
            subnets: Vec::new(),
            gateways: Vec::new(),
            tables: Vec::new(),
            endpoints: Vec::new(),
            groups: Vec::new(),
            relations: Vec::new(),
        }
    }

    /// Adds a gateway; its index.
    pub(super) fn gateway(&mut self, kind: GatewayKind, place: Place, label: &str) -> usize {
        self.gateways.push(Gateway { kind, place, label: label.to_owned(), address: None, id: None });
        self.gateways.len() - 1
    }

    /// Gives every subnet its row and column. `subnets` come with role, row's name and zone.
    pub(super) fn place(&mut self, subnets: Vec<(Role, String, String, Subnet)>) {
        self.zones = subnets.iter().map(|(_, _, zone, _)| zone.clone()).collect();
        self.zones.sort();
        self.zones.dedup();
        let mut rows: Vec<Row> = Vec::new();
        let mut cells: Vec<(Row, &String)> = Vec::new();
        for (role, name, zone, _) in &subnets {
            let ordinal = cells.iter().filter(|(row, other)| (row.role, &row.name, *other) == (*role, name, zone)).count();
            let row = Row { role: *role, name: name.clone(), ordinal };
            rows.push(row.clone());
            cells.push((row, zone));
        }
        rows.sort();
        rows.dedup();
        for ((row, zone), (_, _, _, subnet)) in cells.iter().zip(&subnets) {
            let at = |found: Option<usize>| found.unwrap_or_default();
            let (row, zone) = (at(rows.iter().position(|other| other == row)), at(self.zones.iter().position(|other| other == *zone)));
            self.subnets.push(Subnet { row, zone, ..subnet.clone() });
        }
        self.rows = rows;
    }

    /// The gateways that a subnet's routes lead to, each once, with the destinations.
    pub(super) fn ways_out(&self, subnet: usize) -> Vec<(usize, Vec<&str>)> {
        let mut ways: Vec<(usize, Vec<&str>)> = Vec::new();
        for route in self.tables.iter().filter(|table| table.subnets.contains(&subnet)).flat_map(|table| &table.routes) {
            match ways.iter_mut().find(|(gateway, _)| *gateway == route.by) {
                Some((_, destinations)) => destinations.push(&route.to),
                None => ways.push((route.by, vec![&route.to])),
            }
        }
        ways
    }

    /// Joins what is known of who comes into the group `to`.
    pub(super) fn relate(&mut self, to: usize, rules: Vec<(Origin, String)>) {
        let mut origins: Vec<Origin> = rules.iter().map(|(origin, _)| origin.clone()).collect();
        origins.sort();
        origins.dedup();
        for from in origins {
            let mut what: Vec<&str> = Vec::new();
            for (_, rule) in rules.iter().filter(|(origin, _)| *origin == from) {
                if !what.contains(&rule.as_str()) {
                    what.push(rule);
                }
            }
            self.relations.push(Relation { from, to, what: joined(&what) });
        }
    }

    /// In one sentence.
    pub(super) fn words(&self) -> String {
        let vpcs = match self.vpcs.as_slice() {
            [] => "no VPC".to_owned(),
            [vpc] => format!("VPC {}", vpc.blocks.join(", ")),
            vpcs => counted(vpcs.len(), "VPC"),
        };
        let subnets = format!("{} in {}", counted(self.subnets.len(), "subnet"), counted(self.zones.len(), "zone"));
        let others = [(self.gateways.len(), "gateway"), (self.endpoints.len(), "VPC endpoint"), (self.groups.len(), "security group")];
        let others = others.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(count, what));
        let parts: Vec<String> = [subnets].into_iter().chain(others).collect();
        format!("{vpcs} with {}", parts.join(", "))
    }

    pub(super) fn title(&self) -> String {
        let kind = match self.kind {
            Kind::Planned => "planned",
            Kind::Found => "found",
        };
        match &self.region {
            Some(region) => format!("network {}, {kind} in {region}", self.name),
            None => format!("network {}, {kind}", self.name),
        }
    }
}

pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `tcp 22`, `tcp 80`, `udp 53` as `tcp 22, 80; udp 53`.
fn joined(what: &[&str]) -> String {
    let mut parts: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in what {
        let (protocol, ports) = one.split_once(' ').unwrap_or((one, ""));
        match parts.iter_mut().find(|(other, _)| *other == protocol) {
            Some((_, all)) => all.push(ports),
            None => parts.push((protocol, vec![ports])),
        }
    }
    let part = |(protocol, ports): &(&str, Vec<&str>)| format!("{protocol} {}", ports.join(", ")).trim_end().to_owned();
    parts.iter().map(part).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([5, 251, 4091, 65_531, 1_048_571].map(grouped), ["5", "251", "4,091", "65,531", "1,048,571"]);
    }

    #[test]
    fn ports_of_one_protocol_are_joined() {
        assert_eq!(joined(&["tcp 22", "tcp 80", "udp 53", "tcp 8000-8080"]), "tcp 22, 80, 8000-8080; udp 53");
        assert_eq!(joined(&["all"]), "all");
    }
}
