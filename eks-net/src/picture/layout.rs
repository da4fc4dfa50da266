//! Where everything lies: the outside above, the VPC with zones as columns and rows of subnets, and lists below.

use super::{
    Picture,
    gateways::{self, Band, Net, Source, Wiring, lanes},
    groups, lists, matrix,
    model::{GatewayKind, Place, Role, Row, Subnet},
    scene::{Anchor, Point, Rect, Scene, times},
    svg,
    text::{self, Style},
};

pub(super) const MARGIN: f64 = 28.0;
/// Between the VPC's border and what is in it.
const PAD: f64 = 14.0;
/// Cards are as wide as what they tell, within these bounds.
const CARDS: (f64, f64) = (140.0, 190.0);
/// The whole, if zones are few.
const LEAST_WIDTH: f64 = 860.0;
const TRACK: f64 = 8.0;
const LINE: f64 = 15.0;
/// How far a line runs along the one that it joins: as its bend needs.
const JOIN: f64 = 12.0;
/// More groups than this are told in a matrix.
const FEW_GROUPS: usize = 8;

/// The scene, its width and its height.
pub(super) fn scene(picture: &Picture) -> (Scene, f64, f64) {
    let layout = Layout::new(picture);
    let width = layout.vpc_width + 2.0 * MARGIN;
    let mut scene = Scene::default();
    let mut y = header(&mut scene, picture, layout.vpc_width);
    y = layout.draw(&mut scene, y);
    let room = Rect::new(MARGIN, y + 30.0, layout.vpc_width, 0.0);
    y = lists::tables(&mut scene, picture, room).unwrap_or(y);
    let room = Rect { y: y + 30.0, ..room };
    y = if picture.groups.is_empty() {
        y
    } else if picture.groups.len() <= FEW_GROUPS {
        groups::draw(&mut scene, picture, room)
    } else {
        matrix::draw(&mut scene, picture, room)
    };
    (scene, width, y + MARGIN)
}

fn header(scene: &mut Scene, picture: &Picture, room: f64) -> f64 {
    scene.text((MARGIN, MARGIN + 16.0), Anchor::Start, Style::Title, "ink", &picture.name, room);
    let title = picture.title();
    let what = title.strip_prefix("network ").and_then(|rest| rest.strip_prefix(&picture.name)).unwrap_or_default();
    let words = format!("{} · {}", what.trim_start_matches(", "), picture.words());
    scene.text((MARGIN, MARGIN + 38.0), Anchor::Start, Style::Body, "quiet", &words, room);
    MARGIN + 58.0
}

struct Layout<'a> {
    picture: &'a Picture,
    wiring: Wiring,
    vpc_width: f64,
    gutter: f64,
    column: f64,
    card: f64,
}

impl<'a> Layout<'a> {
    fn new(picture: &'a Picture) -> Self {
        let wiring = Wiring::new(picture);
        let names = picture.vpcs.iter().flat_map(|vpc| vpc.id.iter().chain(&vpc.blocks)).map(|text| text::width(text, Style::Code));
        let gutter = names.fold(104.0, f64::max) + 2.0 * PAD + 6.0;
        let zones = times(picture.zones.len().max(1));
        let channel = if wiring.widest() == 0 { 10.0 } else { 16.0 + TRACK * times(wiring.widest()) };
        let beside = gutter + PAD + (zones - 1.0) * 12.0;
        let lines = picture.subnets.iter().flat_map(Self::card_lines).map(|(text, style, _)| text::width(&text, style) + 22.0);
        let card = ((LEAST_WIDTH - 2.0 * MARGIN - beside) / zones - channel - 10.0).max(lines.fold(CARDS.0, f64::max).min(CARDS.1));
        let column = (10.0 + card + channel).round();
        Self { picture, wiring, vpc_width: (beside + zones * column).round(), gutter, column, card: column - 10.0 - channel }
    }

    fn zone_x(&self, zone: usize) -> f64 {
        MARGIN + self.gutter + times(zone) * (self.column + 12.0)
    }

    fn card_x(&self, zone: usize) -> f64 {
        self.zone_x(zone) + 10.0
    }

    /// From the first column to the end of the last one.
    fn across(&self) -> (f64, f64) {
        let last = self.picture.zones.len().saturating_sub(1);
        (self.zone_x(0), self.zone_x(last) + self.column)
    }

    fn channel_x(&self, column: usize, net: usize) -> f64 {
        self.card_x(column) + self.card + 12.0 + TRACK * times(self.wiring.track(column, net))
    }

    fn border(&self) -> Vec<usize> {
        let mut border: Vec<usize> =
            (0..self.picture.gateways.len()).filter(|&at| self.picture.gateways[at].place == Place::Border).collect();
        border.sort_by_key(|&at| (self.picture.gateways[at].beyond(), at));
        border
    }

    fn draw(&self, scene: &mut Scene, y: f64) -> f64 {
        if self.picture.vpcs.is_empty() && self.picture.subnets.is_empty() {
            let box_ = Rect::new(MARGIN, y, self.vpc_width, 64.0);
            scene.rect(box_, 8.0, "chip");
            scene.text((box_.middle().0, y + 36.0), Anchor::Middle, Style::Body, "quiet", "Nothing exists.", box_.w);
            return box_.bottom();
        }
        let border = self.border();
        let chips = self.border_chips(&border);
        let tallest = chips.iter().map(|(_, rect)| rect.h).fold(0.0, f64::max);
        // Outside, what is at the border, and the VPC's upper edge.
        let top = if border.is_empty() { y } else { y + 30.0 + 24.0 + tallest / 2.0 };
        let levels = Levels::new(self, top, tallest);
        let ports = self.ports(&chips, &levels, top);
        let vpc = Rect::new(MARGIN, top, self.vpc_width, self.bottom(&levels) - top);
        scene.rect(vpc, 10.0, "vpc");
        self.label(scene, top);
        for (zone, name) in self.picture.zones.iter().enumerate() {
            let rect = Rect::new(self.zone_x(zone), levels.zone_top, self.column, levels.zone_bottom - levels.zone_top);
            scene.rect(rect, 8.0, "zone");
            scene.text((self.card_x(zone), levels.zone_top + 19.0), Anchor::Start, Style::Label, "quiet", name, self.card);
        }
        self.lines(scene, &levels, &ports);
        self.beyond(scene, &chips, y, top);
        for (at, rect) in &chips {
            self.gateway(scene, *at, Rect { y: top - rect.h / 2.0, ..*rect });
        }
        for (band, rows) in self.wiring.bands.iter().zip(&levels.bands) {
            match band {
                Band::Row(row) => self.row(scene, *row, *rows),
                Band::Bar(at) => self.gateway(scene, *at, self.bar(*rows)),
            }
        }
        for (at, rect) in self.nats(&levels) {
            self.gateway(scene, at, rect);
        }
        lists::endpoints(scene, self.picture, Rect::new(MARGIN + PAD, levels.zone_bottom + 14.0, self.gutter - PAD, 0.0), self.across());
        vpc.bottom()
    }

    fn bottom(&self, levels: &Levels) -> f64 {
        let endpoints = lists::endpoints_height(self.picture, self.across());
        levels.zone_bottom + 14.0 + if endpoints > 0.0 { endpoints + 14.0 } else { 0.0 }
    }

    /// What the VPC is, in its upper left corner.
    fn label(&self, scene: &mut Scene, top: f64) {
        let x = MARGIN + PAD;
        scene.text((x, top + 24.0), Anchor::Start, Style::Label, "ink", "VPC", 60.0);
        for (at, (text, class)) in self.label_lines().into_iter().enumerate() {
            scene.text((x, top + 40.0 + LINE * times(at)), Anchor::Start, Style::Code, class, text, self.gutter - PAD);
        }
    }

    fn label_lines(&self) -> Vec<(&'a str, &'static str)> {
        let lines = self.picture.vpcs.iter().flat_map(|vpc| {
            let blocks = vpc.blocks.iter().map(|block| (block.as_str(), "ink"));
            blocks.chain(vpc.id.as_deref().map(|id| (id, "quiet")))
        });
        lines.collect()
    }

    fn chip_lines(&self, at: usize) -> Vec<(&'a str, Style, &'static str)> {
        let gateway = &self.picture.gateways[at];
        let label = (gateway.label.as_str(), Style::Label, "ink");
        let address = gateway.address.as_deref().map(|address| (address, Style::Code, "ink"));
        let id = gateway.id.as_deref().map(|id| (id, Style::Code, "quiet"));
        [Some(label), address, id].into_iter().flatten().collect()
    }

    fn chip_size(&self, at: usize, room: f64) -> (f64, f64) {
        let lines = self.chip_lines(at);
        let widest = lines.iter().map(|(text, style, _)| text::width(text, *style)).fold(0.0, f64::max);
        ((widest + 22.0).min(room).ceil(), 10.0 + LINE * times(lines.len()))
    }

    /// Gateways at the border, spread over the columns; y follows later.
    fn border_chips(&self, border: &[usize]) -> Vec<(usize, Rect)> {
        let (left, right) = self.across();
        let share = (right - left) / times(border.len().max(1));
        let chip = |(place, &at): (usize, &usize)| {
            let (w, h) = self.chip_size(at, share - 12.0);
            (at, Rect::new((left + share * (times(place) + 0.5) - w / 2.0).round(), 0.0, w, h))
        };
        border.iter().enumerate().map(chip).collect()
    }

    /// NAT gateways, on the lower edges of their subnets.
    fn nats(&self, levels: &Levels) -> Vec<(usize, Rect)> {
        let mut nats = Vec::new();
        for (at, gateway) in self.picture.gateways.iter().enumerate() {
            let Place::Subnet(subnet) = gateway.place else { continue };
            let same = |other: &&usize| self.picture.gateways[**other].place == gateway.place;
            let all: Vec<usize> = (0..self.picture.gateways.len()).collect();
            let (count, before) = (all.iter().filter(same).count(), all[..at].iter().filter(same).count());
            let Subnet { zone, row, .. } = self.picture.subnets[subnet];
            let share = (self.card - 12.0) / times(count);
            let (w, h) = self.chip_size(at, share - 4.0);
            let middle = self.card_x(zone) + 6.0 + share * (times(before) + 0.5);
            let bottom = levels.band(&self.wiring, Band::Row(row)).1;
            nats.push((at, Rect::new((middle - w / 2.0).round(), bottom - h / 2.0, w, h)));
        }
        nats
    }

    fn bar(&self, (top, bottom): (f64, f64)) -> Rect {
        let last = self.picture.zones.len().saturating_sub(1);
        Rect::new(self.card_x(0), top, self.card_x(last) + self.card - self.card_x(0), bottom - top)
    }

    /// Where lines enter the gateways, from below.
    fn ports(&self, chips: &[(usize, Rect)], levels: &Levels, top: f64) -> Vec<(usize, Rect)> {
        let mut ports: Vec<(usize, Rect)> = chips.iter().map(|(at, rect)| (*at, Rect { y: top - rect.h / 2.0, ..*rect })).collect();
        ports.extend(self.nats(levels));
        let bars = self.wiring.bands.iter().zip(&levels.bands).filter_map(|(band, rows)| match band {
            Band::Bar(at) => Some((*at, self.bar(*rows))),
            Band::Row(_) => None,
        });
        ports.extend(bars);
        ports
    }

    fn gateway(&self, scene: &mut Scene, at: usize, rect: Rect) {
        let gateway = &self.picture.gateways[at];
        let lines = self.chip_lines(at);
        scene.start(lines.iter().map(|(text, ..)| *text).collect::<Vec<_>>().join(" "));
        scene.rect(rect, 6.0, gateways::class(gateway));
        let (x, room) = (rect.middle().0, rect.w - 10.0);
        let first = rect.middle().1 - LINE * (times(lines.len()) - 1.0) / 2.0 + 4.0;
        for (line, (text, style, class)) in lines.into_iter().enumerate() {
            scene.text((x, first + LINE * times(line)), Anchor::Middle, style, class, text, room);
        }
        scene.end();
    }

    /// What lies outside, and its lines to the border.
    fn beyond(&self, scene: &mut Scene, chips: &[(usize, Rect)], y: f64, top: f64) {
        let mut names: Vec<&str> = chips.iter().map(|(at, _)| self.picture.gateways[*at].beyond()).collect();
        names.dedup();
        let (left, right) = self.across();
        let share = (right - left) / times(chips.len().max(1));
        for name in names {
            let there: Vec<&(usize, Rect)> = chips.iter().filter(|(at, _)| self.picture.gateways[*at].beyond() == name).collect();
            let (Some((_, first)), Some((_, last))) = (there.first(), there.last()) else { continue };
            let half = (text::width(name, Style::Label) / 2.0 + 28.0).min(share / 2.0 - 6.0);
            let (left, right) = (first.middle().0, last.middle().0);
            let rect = Rect::new((left - half).round(), y, (right - left + 2.0 * half).round(), 30.0);
            for (_, chip) in there {
                let x = chip.middle().0;
                scene.line(vec![(x, top - chip.h / 2.0), (x, rect.bottom())], "beyond-line", true);
            }
            scene.rect(rect, 15.0, "beyond");
            scene.text((rect.middle().0, y + 19.0), Anchor::Middle, Style::Label, "ink", name, rect.w - 12.0);
        }
    }

    fn lines(&self, scene: &mut Scene, levels: &Levels, ports: &[(usize, Rect)]) {
        for (at, net) in self.wiring.nets.iter().enumerate() {
            let Some((_, port)) = ports.iter().find(|(gateway, _)| *gateway == net.gateway) else { continue };
            let gateway = &self.picture.gateways[net.gateway];
            let across = levels.across[at];
            let path = |source: &Source| {
                let x = self.channel_x(source.column, at);
                let end = if gateway.place == Place::Zones { x.min(port.right() - 8.0) } else { port.middle().0 };
                let (start, y) = self.start(levels, source);
                [(start, y), (x, y), (x, across), (end, across), (end, port.bottom())]
            };
            let paths: Vec<[Point; 5]> = net.sources.iter().map(path).collect();
            for (points, arrow) in joined(&paths) {
                scene.line(points, gateways::line_class(gateway), arrow);
            }
        }
    }

    /// Where a line leaves what it belongs to.
    fn start(&self, levels: &Levels, source: &Source) -> (f64, f64) {
        let (top, bottom) = levels.bands[(source.level - 1) / 2];
        let (slot, slots) = source.slot;
        let y = (top + bottom) / 2.0 + 10.0 * (times(slot) - (times(slots) - 1.0) / 2.0);
        (self.card_x(source.column) + self.card, y)
    }

    fn row(&self, scene: &mut Scene, row: usize, (top, bottom): (f64, f64)) {
        let drawn = &self.picture.rows[row];
        if drawn.ordinal == 0 {
            let (x, room) = (MARGIN + PAD, self.gutter - PAD - 8.0);
            scene.text((x, top + 20.0), Anchor::Start, Style::Label, "ink", &drawn.name, room);
            scene.text((x, top + 36.0), Anchor::Start, Style::Note, "quiet", &self.about_row(row), room);
        }
        for (at, subnet) in self.picture.subnets.iter().enumerate().filter(|(_, subnet)| subnet.row == row) {
            self.subnet(scene, at, Rect::new(self.card_x(subnet.zone), top, self.card, bottom - top), drawn.role);
        }
    }

    fn card_lines(subnet: &Subnet) -> Vec<(String, Style, &'static str)> {
        let space = subnet.space.map(|space| (space.words(), Style::Note, "quiet"));
        let second = subnet.second.clone().map(|block| (block, Style::Code, "ink"));
        let name = subnet.name.clone().map(|name| (name, Style::Note, "ink"));
        let id = subnet.id.clone().map(|id| (id, Style::Code, "quiet"));
        [Some((subnet.cidr.clone(), Style::Block, "ink")), second, space, name, id].into_iter().flatten().collect()
    }

    fn subnet(&self, scene: &mut Scene, at: usize, rect: Rect, role: Role) {
        let subnet = &self.picture.subnets[at];
        let lines = Self::card_lines(subnet);
        let about = lines.iter().map(|(text, ..)| text.as_str()).collect::<Vec<_>>().join(", ");
        scene.start(format!("{} subnet in {}: {about}", self.picture.rows[subnet.row].name, self.picture.zones[subnet.zone]));
        let (fill, mark) = match role {
            Role::Public => ("public", "public-mark"),
            Role::Private => ("private", "private-mark"),
            Role::Named => ("named", "named-mark"),
            Role::Intra => ("intra", "intra-mark"),
        };
        scene.rect(rect, 4.0, fill);
        scene.rect(Rect { w: 4.0, ..rect }, 2.0, mark);
        for (line, (text, style, class)) in lines.into_iter().enumerate() {
            scene.text((rect.x + 14.0, rect.y + 21.0 + 16.0 * times(line)), Anchor::Start, style, class, &text, rect.w - 20.0);
        }
        scene.end();
    }

    fn card_height(&self, row: usize) -> f64 {
        let cards = self.picture.subnets.iter().filter(|subnet| subnet.row == row);
        cards.map(|subnet| 14.0 + 16.0 * times(Self::card_lines(subnet).len())).fold(46.0, f64::max)
    }

    /// Where a row's routes lead, in few words.
    fn about_row(&self, row: usize) -> String {
        let mut words: Vec<&str> = Vec::new();
        for (subnet, _) in self.picture.subnets.iter().enumerate().filter(|(_, subnet)| subnet.row == row) {
            for (gateway, _) in self.picture.ways_out(subnet) {
                let word = match self.picture.gateways[gateway].kind {
                    GatewayKind::Internet => "internet",
                    GatewayKind::EgressOnly => "IPv6 out",
                    GatewayKind::Nat => "NAT",
                    GatewayKind::Transit => "transit",
                    GatewayKind::Other => "other networks",
                };
                if !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        let way = match words.as_slice() {
            [] => "no way out".to_owned(),
            words => format!("to {}", words.join(", ")),
        };
        let Row { role, name, .. } = &self.picture.rows[row];
        if *role == Role::Named || name == role.word() { way } else { format!("{}, {way}", role.word()) }
    }
}

/// Heights.
struct Levels {
    zone_top: f64,
    zone_bottom: f64,
    /// Top and bottom of each band.
    bands: Vec<(f64, f64)>,
    /// Where each net goes across, by net.
    across: Vec<f64>,
}

impl Levels {
    fn new(layout: &Layout<'_>, top: f64, tallest: f64) -> Self {
        let wiring = &layout.wiring;
        let tracks: Vec<Vec<(usize, usize)>> = (0..=wiring.bands.len()).map(|band| Self::tracks(layout, 2 * band)).collect();
        let room = |level: usize| TRACK * times(tracks[level].iter().map(|(_, track)| track + 1).max().unwrap_or_default());
        let mut across = vec![0.0; wiring.nets.len()];
        // The label of the VPC needs its room beside the zones, too.
        let label = 40.0 + LINE * times(layout.label_lines().len()) - 28.0;
        let first = top + tallest / 2.0 + 14.0;
        for &(net, track) in &tracks[0] {
            across[net] = first + TRACK * times(track);
        }
        let zone_top = (first + room(0)).max(top + 14.0);
        let mut y = (zone_top + 30.0).max(top + label + 26.0);
        let mut bands = Vec::new();
        for (at, band) in wiring.bands.iter().enumerate() {
            let (height, overhang) = match band {
                Band::Row(row) => {
                    let nats = |subnet: &Subnet, place: Place| matches!(place, Place::Subnet(of) if layout.picture.subnets[of].row == *row && subnet.row == *row);
                    let tall = layout
                        .picture
                        .gateways
                        .iter()
                        .enumerate()
                        .filter(|(_, gateway)| layout.picture.subnets.iter().any(|subnet| nats(subnet, gateway.place)));
                    let chip = tall.map(|(at, _)| layout.chip_size(at, layout.card).1).fold(0.0, f64::max);
                    (layout.card_height(*row) + chip / 2.0, chip / 2.0)
                }
                Band::Bar(at) => (layout.chip_size(*at, layout.card).1, 0.0),
            };
            bands.push((y, y + height));
            y += height + overhang;
            if let Some(tracks) = tracks.get(at + 1).filter(|tracks| !tracks.is_empty()) {
                y += 14.0;
                for &(net, track) in tracks {
                    across[net] = y + TRACK * times(track);
                }
                y += room(at + 1);
            }
            y += 12.0;
        }
        Self { zone_top, zone_bottom: y, bands, across }
    }

    /// Tracks of the nets that go across at this level.
    fn tracks(layout: &Layout<'_>, level: usize) -> Vec<(usize, usize)> {
        let wiring = &layout.wiring;
        let border = layout.border_chips(&layout.border());
        let span = |(at, net): (usize, &Net)| {
            let port = match layout.picture.gateways[net.gateway].place {
                Place::Border => border.iter().find(|(gateway, _)| *gateway == net.gateway).map(|(_, rect)| rect.middle().0)?,
                Place::Subnet(subnet) => layout.card_x(layout.picture.subnets[subnet].zone) + layout.card / 2.0,
                Place::Zones => return Some((at, (layout.across().0, layout.across().1))),
            };
            let ends = net.sources.iter().map(|source| layout.channel_x(source.column, at));
            Some((at, ends.fold((port, port), |(low, high), x| (low.min(x), high.max(x)))))
        };
        let nets = wiring.nets.iter().enumerate().filter(|(_, net)| net.level == level);
        lanes(&nets.filter_map(span).collect::<Vec<_>>())
    }

    fn band(&self, wiring: &Wiring, wanted: Band) -> (f64, f64) {
        let at = wiring.bands.iter().position(|band| *band == wanted).unwrap_or_default();
        self.bands[at]
    }
}

/// Lines to one gateway: each up to where it joins one that comes from farther away, so that no line is drawn twice, and
/// whether it reaches the gateway.
fn joined(paths: &[[Point; 5]]) -> Vec<(Vec<Point>, bool)> {
    let side = |from: f64, to: f64| from.total_cmp(&to);
    let (along, across) = (|path: &[Point; 5]| (path[1].1 - path[2].1).abs(), |path: &[Point; 5]| (path[2].0 - path[3].0).abs());
    // Of two from equally far, the earlier one goes on.
    let farther = |one: (usize, f64), other: (usize, f64)| one.1 > other.1 || (one.1 == other.1 && one.0 < other.0);
    let same_channel = |a: &[Point; 5], b: &[Point; 5]| a[2] == b[2] && side(a[1].1, a[2].1) == side(b[1].1, b[2].1);
    let leaves = |at: usize| {
        let others = paths.iter().enumerate().filter(|(_, other)| same_channel(other, &paths[at]));
        !others.into_iter().any(|(other, path)| farther((other, along(path)), (at, along(&paths[at]))))
    };
    // One goes on from each channel, though lines may come into it from above and from below.
    let goes_on = |at: usize| leaves(at) && !(0..at).any(|other| paths[other][2] == paths[at][2] && leaves(other));
    let same_level = |a: &[Point; 5], b: &[Point; 5]| a[3] == b[3] && side(a[2].0, a[3].0) == side(b[2].0, b[3].0);
    let arrives = |at: usize| {
        let others = paths.iter().enumerate().filter(|(other, path)| goes_on(*other) && same_level(path, &paths[at]));
        !others.into_iter().any(|(other, path)| farther((other, across(path)), (at, across(&paths[at]))))
    };
    let drawn = |(at, &[start, corner, turn, end, port]): (usize, &[Point; 5])| {
        if !leaves(at) {
            return (vec![start, corner, svg::towards(corner, turn, JOIN)], false);
        }
        if !goes_on(at) || !arrives(at) {
            return (vec![start, corner, turn, svg::towards(turn, end, JOIN)], false);
        }
        (vec![start, corner, turn, end, port], true)
    };
    paths.iter().enumerate().map(drawn).collect()
}
