//! Route tables and VPC endpoints, in words.

use super::{
    Picture,
    model::{Endpoint, Place, Route, counted},
    scene::{Anchor, Rect, Scene, times},
    text::{self, Style},
};

const ENTRY: f64 = 270.0;
const CHIP: f64 = 22.0;

/// A section's name under a thin line; what follows begins at the returned height.
pub(super) fn heading(scene: &mut Scene, room: Rect, name: &str, note: &str) -> f64 {
    scene.line(vec![(room.x, room.y - 6.0), (room.right(), room.y - 6.0)], "rule", false);
    scene.text((room.x, room.y + 18.0), Anchor::Start, Style::Heading, "ink", name, room.w);
    let x = room.x + text::width(name, Style::Heading) + 14.0;
    scene.text((x, room.y + 18.0), Anchor::Start, Style::Note, "quiet", note, room.right() - x);
    room.y + 34.0
}

/// Which table leads where, in as many columns as fit; the height at which the list ends.
pub(super) fn tables(scene: &mut Scene, picture: &Picture, room: Rect) -> Option<f64> {
    if picture.tables.is_empty() {
        return None;
    }
    let mut y = heading(scene, room, "Route tables", "besides the routes within the VPC");
    let mut columns = 1;
    while times(columns + 1) * (ENTRY + 16.0) <= room.w + 16.0 {
        columns += 1;
    }
    let width = (room.w + 16.0) / times(columns) - 16.0;
    for chunk in picture.tables.chunks(columns) {
        let lines = chunk.iter().map(|table| table.routes.len().max(1)).max().unwrap_or(1);
        for (at, table) in chunk.iter().enumerate() {
            let x = room.x + times(at) * (width + 16.0);
            scene.start([Some(&table.name), table.id.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join(" "));
            scene.text((x, y + 12.0), Anchor::Start, Style::Label, "ink", &table.name, width * 0.6);
            let note = counted(table.subnets.len(), "subnet");
            let after = x + text::width(&text::shortened(&table.name, Style::Label, width * 0.6), Style::Label) + 10.0;
            scene.text((after, y + 12.0), Anchor::Start, Style::Note, "quiet", &note, x + width - after);
            for (line, route) in table.routes.iter().enumerate() {
                let text = format!("{} → {}", route.to, target(picture, route));
                scene.text((x, y + 28.0 + 15.0 * times(line)), Anchor::Start, Style::Note, "ink", &text, width);
            }
            if table.routes.is_empty() {
                scene.text((x, y + 28.0), Anchor::Start, Style::Note, "quiet", "no route out", width);
            }
            scene.end();
        }
        y += 28.0 + 15.0 * times(lines);
    }
    Some(y - 8.0)
}

/// What a route leads to, told from others of its kind.
pub(super) fn target(picture: &Picture, route: &Route) -> String {
    let gateway = &picture.gateways[route.by];
    match gateway.place {
        Place::Subnet(subnet) => format!("{} in {}", gateway.label, picture.zones[picture.subnets[subnet].zone]),
        Place::Border | Place::Zones => gateway.label.clone(),
    }
}

fn words(endpoint: &Endpoint) -> String {
    if endpoint.gateway { format!("{} (gateway)", endpoint.service) } else { endpoint.service.clone() }
}

/// Where each endpoint's chip lies, from (0, 0).
fn chips(picture: &Picture, room: f64) -> Vec<Rect> {
    let (mut x, mut y) = (0.0, 0.0);
    let mut chips = Vec::new();
    for endpoint in &picture.endpoints {
        let w = (text::width(&words(endpoint), Style::Code) + 16.0).min(room).ceil();
        if x > 0.0 && x + w > room {
            (x, y) = (0.0, y + CHIP + 6.0);
        }
        chips.push(Rect::new(x, y, w, CHIP));
        x += w + 6.0;
    }
    chips
}

pub(super) fn endpoints_height(picture: &Picture, (left, right): (f64, f64)) -> f64 {
    // Beside two lines of text.
    chips(picture, right - left).last().map_or(0.0, |chip| chip.bottom().max(36.0))
}

/// The endpoints, beside their name.
pub(super) fn endpoints(scene: &mut Scene, picture: &Picture, name: Rect, (left, right): (f64, f64)) {
    if picture.endpoints.is_empty() {
        return;
    }
    scene.text((name.x, name.y + 15.0), Anchor::Start, Style::Label, "ink", "VPC endpoints", name.w);
    let mut rows: Vec<usize> =
        picture.endpoints.iter().flat_map(|endpoint| &endpoint.subnets).map(|&subnet| picture.subnets[subnet].row).collect();
    rows.sort_unstable();
    rows.dedup();
    if !rows.is_empty() {
        let names: Vec<&str> = rows.into_iter().map(|row| picture.rows[row].name.as_str()).collect();
        scene.text((name.x, name.y + 31.0), Anchor::Start, Style::Note, "quiet", &format!("in {}", names.join(", ")), name.w - 8.0);
    }
    for (chip, endpoint) in chips(picture, right - left).into_iter().zip(&picture.endpoints) {
        let rect = Rect { x: left + chip.x, y: name.y + chip.y, ..chip };
        scene.start([Some(&endpoint.service), endpoint.id.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join(" "));
        scene.rect(rect, 11.0, "chip");
        scene.text((rect.middle().0, rect.y + 14.5), Anchor::Middle, Style::Code, "ink", &words(endpoint), rect.w - 10.0);
        scene.end();
    }
}
