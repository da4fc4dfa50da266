//! The picture as Mermaid text. (Mermaid, "Flowcharts - Basic Syntax".)

use std::fmt::Write;

use super::{
    Picture, groups,
    model::{GatewayKind, Origin, Place, Role},
};

impl Picture {
    /// The network as a Mermaid flowchart, which GitHub, GitLab and many wikis draw.
    ///
    /// Zones are subgraphs, route tables are nodes between subnets and gateways, and security groups have a subgraph of their
    /// own, with an arrow from each who is let in.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut text = Lines::default();
        text.add(0, "flowchart TB");
        text.add(1, format_args!("accTitle: {}", plain(&self.title())));
        text.add(1, format_args!("accDescr: {}", plain(&self.words())));
        self.outside(&mut text);
        self.vpc(&mut text);
        self.routes(&mut text);
        self.security_groups(&mut text);
        self.classes(&mut text);
        text.0
    }

    fn outside(&self, text: &mut Lines) {
        let beyond = self.gateways.iter().filter(|gateway| gateway.place == Place::Border).map(|gateway| gateway.beyond());
        let world = self.relations.iter().any(|relation| relation.from == Origin::World);
        if beyond.clone().any(|name| name == "Internet") || world {
            text.add(1, "internet([\"Internet\"])");
        }
        if beyond.clone().any(|name| name != "Internet") {
            text.add(1, "others([\"Other networks\"])");
        }
    }

    fn vpc(&self, text: &mut Lines) {
        if self.vpcs.is_empty() && self.subnets.is_empty() {
            text.add(1, "nothing[\"Nothing exists\"]");
            return;
        }
        let names = self.vpcs.iter().flat_map(|vpc| vpc.blocks.iter().chain(&vpc.id));
        let names: Vec<String> = names.map(|name| quoted(name)).collect();
        text.add(1, format_args!("subgraph vpc[\"VPC {}\"]", names.join(" · ")));
        text.add(2, "direction TB");
        for at in (0..self.gateways.len()).filter(|&at| !matches!(self.gateways[at].place, Place::Subnet(_))) {
            self.hexagon(text, 2, at);
        }
        for (zone, name) in self.zones.iter().enumerate() {
            text.add(2, format_args!("subgraph zone{zone}[\"{}\"]", quoted(name)));
            text.add(3, "direction TB");
            for (at, subnet) in self.subnets.iter().enumerate().filter(|(_, subnet)| subnet.zone == zone) {
                let space = subnet.space.map(|space| space.words());
                let lines = [Some(&self.rows[subnet.row].name), Some(&subnet.cidr), subnet.second.as_ref(), space.as_ref()];
                let lines: Vec<String> =
                    lines.into_iter().flatten().chain(&subnet.name).chain(&subnet.id).map(|line| quoted(line)).collect();
                text.add(3, format_args!("subnet{at}[\"{}\"]", lines.join("<br/>")));
                for nat in (0..self.gateways.len()).filter(|&nat| self.gateways[nat].place == Place::Subnet(at)) {
                    self.hexagon(text, 3, nat);
                }
            }
            text.add(2, "end");
        }
        for (at, table) in self.tables.iter().enumerate() {
            text.add(2, format_args!("table{at}([\"route table {}\"])", quoted(&table.name)));
        }
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            let kind = if endpoint.gateway { "gateway endpoint" } else { "endpoint" };
            text.add(2, format_args!("endpoint{at}[/\"{kind} {}\"/]", quoted(&endpoint.service)));
        }
        text.add(1, "end");
    }

    fn hexagon(&self, text: &mut Lines, depth: usize, at: usize) {
        let gateway = &self.gateways[at];
        let lines = [Some(&gateway.label), gateway.address.as_ref(), gateway.id.as_ref()];
        let lines: Vec<String> = lines.into_iter().flatten().map(|line| quoted(line)).collect();
        text.add(depth, format_args!("gateway{at}{{{{\"{}\"}}}}", lines.join("<br/>")));
    }

    fn routes(&self, text: &mut Lines) {
        for (at, table) in self.tables.iter().enumerate() {
            for subnet in &table.subnets {
                text.add(1, format_args!("subnet{subnet} --- table{at}"));
            }
            for route in &table.routes {
                text.add(1, format_args!("table{at} -->|\"{}\"| gateway{}", quoted(&route.to), route.by));
            }
        }
        for (at, gateway) in self.gateways.iter().enumerate() {
            match gateway.place {
                Place::Border if gateway.beyond() == "Internet" => text.add(1, format_args!("gateway{at} --> internet")),
                Place::Border => text.add(1, format_args!("gateway{at} --> others")),
                Place::Subnet(subnet) => text.add(1, format_args!("gateway{at} -.- subnet{subnet}")),
                Place::Zones => {
                    let internet = self.gateways.iter().position(|other| other.kind == GatewayKind::Internet);
                    if let Some(internet) = internet {
                        text.add(1, format_args!("gateway{at} --> gateway{internet}"));
                    }
                }
            }
        }
    }

    fn security_groups(&self, text: &mut Lines) {
        if self.groups.is_empty() {
            return;
        }
        text.add(1, "subgraph groups[\"Security groups\"]");
        for (at, group) in self.groups.iter().enumerate() {
            let lines: Vec<String> = [&group.name].into_iter().chain(&group.id).map(|line| quoted(line)).collect();
            text.add(2, format_args!("group{at}[\"{}\"]", lines.join("<br/>")));
        }
        text.add(1, "end");
        let mut others: Vec<&Origin> = self.relations.iter().map(|relation| &relation.from).collect();
        others.retain(|origin| matches!(origin, Origin::Block(_) | Origin::Outside(_)));
        others.sort();
        others.dedup();
        for (at, origin) in others.iter().enumerate() {
            text.add(1, format_args!("from{at}([\"{}\"])", quoted(&groups::name(self, origin))));
        }
        for relation in &self.relations {
            let from = match &relation.from {
                Origin::World => "internet".to_owned(),
                Origin::Group(group) => format!("group{group}"),
                other => format!("from{}", others.iter().position(|origin| *origin == other).unwrap_or_default()),
            };
            text.add(1, format_args!("{from} -->|\"{}\"| group{}", quoted(&relation.what), relation.to));
        }
    }

    /// Colours, the same as in the SVG.
    fn classes(&self, text: &mut Lines) {
        let frames = self.zones.iter().enumerate().map(|(zone, _)| format!("zone{zone}"));
        let frames = (!self.vpcs.is_empty() || !self.subnets.is_empty()).then(|| "vpc".to_owned()).into_iter().chain(frames);
        let frames: Vec<String> = frames.chain((!self.groups.is_empty()).then(|| "groups".to_owned())).collect();
        if !frames.is_empty() {
            text.add(1, "classDef frame fill:none,stroke:#8894a0");
            text.add(1, format_args!("class {} frame", frames.join(",")));
        }
        for (role, colours) in [
            (Role::Public, "fill:#e9f5ec,stroke:#4a9a63,color:#1d2731"),
            (Role::Private, "fill:#e9f1fb,stroke:#4a7fc1,color:#1d2731"),
            (Role::Named, "fill:#faf2e2,stroke:#b98527,color:#1d2731"),
            (Role::Intra, "fill:#f1f3f5,stroke:#8894a0,color:#1d2731"),
        ] {
            let of_role = self.subnets.iter().enumerate().filter(|(_, subnet)| self.rows[subnet.row].role == role);
            let names: Vec<String> = of_role.map(|(at, _)| format!("subnet{at}")).collect();
            if !names.is_empty() {
                text.add(1, format_args!("classDef {} {colours}", role.word()));
                text.add(1, format_args!("class {} {}", names.join(","), role.word()));
            }
        }
    }
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Writing to a string does not fail.
    fn add(&mut self, depth: usize, line: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{:1$}{line}", "", depth * 2);
    }
}

/// The text within quotation marks. What could end them, or be read as Markdown, HTML or an entity, becomes an entity.
fn quoted(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            _ if c.is_control() => safe.push(' '),
            _ if c.is_alphanumeric() || " .,:/-+→·".contains(c) => safe.push(c),
            _ => _ = write!(safe, "#{};", u32::from(c)),
        }
    }
    safe
}

/// The text where entities are not known: up to the end of the line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || "#;{}\"`<>%".contains(c) { ' ' } else { c }).collect()
}
