//! Geometry of pictures: random ones, and those that nobody plans but somebody finds.

use proptest::prelude::*;

use super::{
    layout,
    model::{Endpoint, Gateway, GatewayKind, Group, Kind, Origin, Picture, Place, Role, Route, Space, Subnet, Table, Vpc},
    scene::{Anchor, Point, Rect, Scene, Shape},
    text::{self, Style},
};

/// Numbers to choose by.
struct Choices<'a>(std::slice::Iter<'a, usize>);

impl Choices<'_> {
    fn below(&mut self, end: usize) -> usize {
        self.0.next().copied().unwrap_or_default() % end.max(1)
    }

    fn text(&mut self) -> String {
        const TEXTS: [&str; 7] = [
            "web",
            "",
            "control-plane",
            "a name of considerable length that no design document has room for",
            "<b>\"&';]]></b>",
            "Zürich 网络",
            "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        ];
        TEXTS[self.below(TEXTS.len())].to_owned()
    }

    fn id(&mut self, kind: &str) -> Option<String> {
        (self.below(2) == 1).then(|| format!("{kind}-0123456789abcdef0"))
    }
}

/// A picture with everything that one may have, in any combination.
fn arbitrary(choices: &[usize]) -> Picture {
    let mut choose = Choices(choices.iter());
    let mut picture = Picture::new(format!("p{}", choose.text()), Kind::Found, Some("us-east-1".to_owned()));
    for at in 0..=choose.below(2) {
        let blocks = (0..=choose.below(3)).map(|block| format!("10.{at}{block}.0.0/16"));
        picture.vpcs.push(Vpc { blocks: blocks.collect(), id: choose.id("vpc") });
    }
    let zones = 1 + choose.below(6);
    let subnets = (0..choose.below(33)).map(|at| {
        let role = [Role::Public, Role::Private, Role::Named, Role::Intra][choose.below(4)];
        let name = if role == Role::Named { choose.text() } else { role.word().to_owned() };
        let subnet = Subnet {
            row: 0,
            zone: 0,
            cidr: format!("100.100.{at}.0/24"),
            second: (choose.below(3) == 0).then(|| format!("2600:1f18:abcd:ef{at:02x}::/64")),
            space: (choose.below(4) > 0).then_some(Space { usable: 65_531, free: Some(65_530) }),
            id: choose.id("subnet"),
            name: (choose.below(3) == 0).then(|| choose.text()),
        };
        (role, name, format!("ap-southeast-2-local-{}", choose.below(zones)), subnet)
    });
    picture.place(subnets.collect());
    for _ in 0..choose.below(9) {
        let kind = [GatewayKind::Internet, GatewayKind::EgressOnly, GatewayKind::Nat, GatewayKind::Transit, GatewayKind::Other];
        let place = match choose.below(3) {
            1 if !picture.subnets.is_empty() => Place::Subnet(choose.below(picture.subnets.len())),
            2 => Place::Zones,
            _ => Place::Border,
        };
        let address = (choose.below(2) == 0).then(|| "203.0.113.200".to_owned());
        let gateway =
            Gateway { kind: kind[choose.below(5)], place, label: format!("Gateway {}", choose.text()), address, id: choose.id("nat") };
        picture.gateways.push(gateway);
    }
    for at in 0..picture.subnets.len() {
        let tables = picture.tables.len();
        if tables > 0 && choose.below(3) > 0 {
            let table = choose.below(tables);
            picture.tables[table].subnets.push(at);
            continue;
        }
        let gateways = picture.gateways.len();
        let routes = if gateways == 0 { 0 } else { choose.below(4) };
        let routes = (0..routes).map(|route| Route { to: format!("10.{route}.0.0/16"), by: choose.below(gateways) });
        picture.tables.push(Table { routes: routes.collect(), name: choose.text(), id: choose.id("rtb"), subnets: vec![at] });
    }
    for _ in 0..choose.below(12) {
        let service = format!("e{}", choose.text());
        let subnets = (0..picture.subnets.len()).filter(|_| choose.below(9) == 1).collect();
        picture.endpoints.push(Endpoint { service, gateway: choose.below(2) == 0, subnets, id: choose.id("vpce") });
    }
    let groups = choose.below(24);
    for at in 0..groups {
        picture.groups.push(Group { name: format!("g{at}{}", choose.text()), description: choose.text(), id: choose.id("sg") });
    }
    for to in 0..groups {
        let rules = (0..choose.below(7)).map(|rule| {
            let origin = match choose.below(4) {
                0 => Origin::World,
                1 => Origin::Block(format!("192.168.{}.0/24", choose.below(9))),
                2 => Origin::Outside("sg-0123456789abcdef0".to_owned()),
                _ => Origin::Group(choose.below(groups)),
            };
            (origin, format!("tcp {rule}000-{rule}999"))
        });
        let rules = rules.collect();
        picture.relate(to, rules);
    }
    picture
}

fn choices() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..1000_usize, 0..700)
}

/// Whether both cover a point; half a pixel is no matter.
fn meet(one: &Rect, other: &Rect) -> bool {
    one.x + 0.5 < other.right() && other.x + 0.5 < one.right() && one.y + 0.5 < other.bottom() && other.y + 0.5 < one.bottom()
}

fn inside(inner: &Rect, outer: &Rect) -> bool {
    inner.x >= outer.x - 0.5 && inner.y >= outer.y - 0.5 && inner.right() <= outer.right() + 0.5 && inner.bottom() <= outer.bottom() + 0.5
}

/// Where the letters are.
fn extent(at: Point, anchor: Anchor, style: Style, text: &str, up: bool) -> Rect {
    let (w, ascent, height) = (text::width(text, style), style.size() * 0.78, style.size());
    if up {
        return Rect::new(at.0 - ascent, at.1 - w, height, w);
    }
    let x = match anchor {
        Anchor::Start => at.0,
        Anchor::Middle => at.0 - w / 2.0,
        Anchor::End => at.0 - w,
    };
    Rect::new(x, at.1 - ascent, w, height)
}

/// What is wrong with a scene, if anything.
fn faults(scene: &Scene, width: f64, height: f64) -> Vec<String> {
    let page = Rect::new(0.0, 0.0, width, height);
    let (mut texts, mut boxes, mut lines, mut ends, mut found) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // The box of the thing that is being drawn.
    let (mut depth, mut around): (usize, Option<Rect>) = (0, None);
    for (at, shape) in scene.shapes.iter().enumerate() {
        match shape {
            Shape::Start { .. } => depth += 1,
            Shape::End => {
                depth -= 1;
                around = around.filter(|_| depth > 0);
            }
            Shape::Box { rect, class, .. } => {
                boxes.push((at, rect, *class));
                around = around.or((depth > 0).then_some(*rect));
            }
            Shape::Text { at: point, anchor, style, text, up, .. } => {
                let rect = extent(*point, *anchor, *style, text, *up);
                if around.is_some_and(|around| !inside(&rect, &around)) {
                    found.push(format!("{text:?} leaves its box"));
                }
                texts.push((at, rect, text));
            }
            Shape::Line { points, class, .. } => {
                ends.extend(class.strip_prefix("to-").zip(points.last()).map(|(to, end)| (at, to, *end)));
                let legs = points.windows(2).map(|leg| {
                    let ((x1, y1), (x2, y2)) = (leg[0], leg[1]);
                    if x1 != x2 && y1 != y2 {
                        found.push(format!("{leg:?} is not orthogonal"));
                    }
                    Rect::new(x1.min(x2) - 0.7, y1.min(y2) - 0.7, (x1 - x2).abs() + 1.4, (y1 - y2).abs() + 1.4)
                });
                let legs = legs.map(|leg| (at, *class, leg));
                lines.extend(legs);
            }
        }
    }
    found
        .extend(texts.iter().filter(|(_, rect, _)| !inside(rect, &page)).map(|(_, rect, text)| format!("{text:?} at {rect:?} is cut off")));
    found.extend(boxes.iter().filter(|(_, rect, _)| !inside(rect, &page)).map(|(_, _, class)| format!("a {class} is cut off")));
    for (number, (at, rect, text)) in texts.iter().enumerate() {
        for (_, other, words) in &texts[..number] {
            if meet(rect, other) {
                found.push(format!("{text:?} lies on {words:?}"));
            }
        }
        // What passes behind a box crosses nothing.
        let hidden = |line: usize| boxes.iter().any(|(between, other, _)| line < *between && between < at && inside(rect, other));
        let crossing = lines.iter().filter(|(line, _, leg)| meet(leg, rect) && !hidden(*line));
        found.extend(crossing.map(|(.., leg)| format!("{leg:?} crosses {text:?}")));
        let over = boxes.iter().filter(|(later, other, _)| later > at && meet(rect, other));
        found.extend(over.map(|(_, _, class)| format!("a {class} hides {text:?}")));
    }
    // A line ends at a gateway of its kind, or on another line that does.
    for (at, to, end) in ends {
        let tip = Rect::new(end.0 - 1.0, end.1 - 1.0, 2.0, 2.0);
        let arrives = boxes.iter().any(|(_, rect, class)| class.strip_prefix("gateway-") == Some(to) && meet(&tip, rect));
        let joins = lines.iter().any(|(line, class, leg)| *line != at && class.strip_prefix("to-") == Some(to) && meet(&tip, leg));
        if !arrives && !joins {
            found.push(format!("a line to {to} ends in the void at {end:?}"));
        }
    }
    for (number, (_, rect, class)) in boxes.iter().enumerate() {
        for (_, other, kind) in &boxes[..number] {
            if kind == class && meet(rect, other) {
                found.push(format!("two of {class} overlap"));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn nothing_overlaps_whatever_the_network(choices in choices()) {
        let (scene, width, height) = layout::scene(&arbitrary(&choices));
        prop_assert_eq!(faults(&scene, width, height), [""; 0]);
    }

    #[test]
    fn all_is_told(choices in choices()) {
        let picture = arbitrary(&choices);
        let (svg, mermaid) = (picture.to_svg(), picture.to_mermaid());
        for subnet in &picture.subnets {
            prop_assert_eq!(svg.matches(&format!(">{}<", subnet.cidr)).count(), 1);
            prop_assert_eq!(mermaid.matches(&subnet.cidr).count(), 1);
        }
        // From every subnet to each of its gateways.
        let lines: usize = (0..picture.subnets.len()).map(|subnet| picture.ways_out(subnet).len()).sum();
        let drawn = svg.lines().filter(|line| line.starts_with("<path class=\"to-")).count();
        prop_assert!(drawn >= lines, "{} lines for {}", drawn, lines);
    }
}

#[test]
fn the_judge_sees_faults() {
    let (mut scene, label) = (Scene::default(), Style::Label);
    let text = |scene: &mut Scene, y: f64| scene.text((20.0, y), Anchor::Start, label, "ink", "overlap", 200.0);
    text(&mut scene, 30.0);
    assert_eq!(faults(&scene, 200.0, 100.0), [""; 0]);
    text(&mut scene, 35.0);
    scene.line(vec![(10.0, 32.0), (90.0, 32.0)], "rule", false);
    scene.rect(Rect::new(150.0, 80.0, 90.0, 90.0), 0.0, "chip");
    let found = faults(&scene, 200.0, 100.0).join("; ");
    for fault in ["\"overlap\" lies on \"overlap\"", "crosses \"overlap\"", "a chip is cut off"] {
        assert!(found.contains(fault), "{found}");
    }
}
