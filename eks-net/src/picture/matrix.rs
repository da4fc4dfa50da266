//! Many security groups: a matrix of who may reach whom.

use super::{
    Picture, groups,
    lists::heading,
    model::Origin,
    scene::{Anchor, Rect, Scene, times},
    text::{self, Style},
};

/// Names of rows, and of columns, have at most this much room.
const NAMES: f64 = 250.0;
const HEAD: f64 = 170.0;
/// A cell's width, at least and at most.
const CELLS: (f64, f64) = (48.0, 64.0);
const LINE: f64 = 22.0;

/// What all panels share.
#[derive(Clone, Copy)]
struct Grid {
    left: f64,
    names: f64,
    cell: f64,
}

/// As many panels, one below the other, as the groups need.
pub(super) fn draw(scene: &mut Scene, picture: &Picture, room: Rect) -> f64 {
    let mut y = heading(scene, room, "Security groups", "rows may reach columns, by the ports told");
    let rows = groups::joined(picture, picture.relations.iter().map(|relation| &relation.from).collect());
    let rows = rows.iter().filter_map(|row| row.split_first());
    let rows = rows.map(|(origin, others)| text::width(&name(picture, origin, others.len()), Style::Label) + 14.0);
    let names = rows.fold(120.0, f64::max).min(NAMES);
    let mut columns = 1;
    while names + CELLS.0 * times(columns + 1) <= room.w {
        columns += 1;
    }
    // Panels of nearly the same width.
    let panels = picture.groups.len().div_ceil(columns);
    let columns = picture.groups.len().div_ceil(panels.max(1));
    let grid = Grid { left: room.x, names, cell: ((room.w - names) / times(columns)).clamp(CELLS.0, CELLS.1).floor() };
    let all: Vec<usize> = (0..picture.groups.len()).collect();
    for panel in all.chunks(columns) {
        y = draw_panel(scene, picture, panel, grid, y) + 20.0;
    }
    y - 20.0
}

fn draw_panel(scene: &mut Scene, picture: &Picture, columns: &[usize], grid: Grid, top: f64) -> f64 {
    let Grid { left, names: beside, cell } = grid;
    let here = picture.relations.iter().filter(|relation| columns.contains(&relation.to));
    let rows = groups::joined(picture, here.map(|relation| &relation.from).collect());
    let names = columns.iter().map(|&group| text::width(&picture.groups[group].name, Style::Label));
    let head = names.fold(40.0, f64::max).min(HEAD) + 12.0;
    let (x0, y0) = (left + beside, top + head);
    let (right, bottom) = (x0 + cell * times(columns.len()), y0 + LINE * times(rows.len()));
    for (at, &group) in columns.iter().enumerate() {
        let x = x0 + cell * times(at);
        let group = &picture.groups[group];
        scene.start(format!("{}: {}", group.name, group.description));
        scene.text_up((x + cell / 2.0 + 4.0, y0 - 8.0), Style::Label, "ink", &group.name, HEAD);
        scene.end();
        scene.line(vec![(x, y0), (x, bottom)], "grid", false);
    }
    scene.line(vec![(right, y0), (right, bottom)], "grid", false);
    for (at, (origin, others)) in rows.iter().filter_map(|row| row.split_first()).enumerate() {
        let y = y0 + LINE * times(at);
        scene.line(vec![(left, y), (right, y)], "grid", false);
        let (world, from) = (**origin == Origin::World, name(picture, origin, others.len()));
        let style = if matches!(origin, Origin::World | Origin::Group(_)) { Style::Label } else { Style::Code };
        let ink = if world { "alarm" } else { "ink" };
        let all: Vec<String> = [origin].into_iter().chain(others).map(|origin| groups::name(picture, origin)).collect();
        scene.start(all.join(", "));
        scene.text((left, y + 15.0), Anchor::Start, style, ink, &from, beside - 12.0);
        scene.end();
        for (column, &group) in columns.iter().enumerate() {
            let rect = Rect::new(x0 + cell * times(column) + 2.0, y + 2.0, cell - 4.0, LINE - 4.0);
            if **origin == Origin::Group(group) {
                scene.rect(rect, 2.0, "self");
            }
            let relation = picture.relations.iter().find(|relation| relation.to == group && relation.from == **origin);
            let Some(relation) = relation else { continue };
            if world {
                scene.rect(rect, 3.0, "world");
            }
            scene.start(format!("{from} → {}: {}", picture.groups[group].name, relation.what));
            let (x, y) = (rect.middle().0, rect.middle().1 + 3.5);
            scene.text((x, y), Anchor::Middle, Style::Cell, ink, &relation.what.replace("tcp ", ""), rect.w - 4.0);
            scene.end();
        }
    }
    if rows.is_empty() {
        scene.text((left, y0 + 15.0), Anchor::Start, Style::Note, "quiet", "nobody is let in", beside);
        return y0 + LINE;
    }
    scene.line(vec![(left, bottom), (right, bottom)], "grid", false);
    bottom
}

fn name(picture: &Picture, origin: &Origin, others: usize) -> String {
    let name = groups::name(picture, origin);
    if others == 0 { name } else { format!("{name} and {others} more") }
}
