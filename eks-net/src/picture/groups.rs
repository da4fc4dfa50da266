//! Few security groups: who reaches them on the left, they on the right, and on each line what is let in.

use std::collections::BTreeMap;

use super::{
    Picture,
    lists::heading,
    model::{Origin, Relation},
    scene::{Anchor, Rect, Scene, times},
    text::{self, Style},
};

const SOURCE: f64 = 210.0;
const PITCH: f64 = 26.0;
const GAP: f64 = 4.0;
const TRACK: f64 = 8.0;
/// Blocks that reach the same are drawn as one; this many of them are told.
const BLOCKS: usize = 4;

/// Somebody who is let in, as a node.
struct From<'a> {
    lines: Vec<String>,
    all: String,
    origins: Vec<&'a Origin>,
}

impl From<'_> {
    fn height(&self) -> f64 {
        7.0 + 15.0 * times(self.lines.len())
    }
}

pub(super) fn draw(scene: &mut Scene, picture: &Picture, room: Rect) -> f64 {
    let top = heading(scene, room, "Security groups", "who is let in, and by which ports");
    let froms = froms(picture);
    let lane = room.x + SOURCE + 14.0;
    let labels = lane + TRACK * times(froms.len()) + 12.0;
    let group_width = (room.w * 0.32).max(230.0).round();
    let group_x = room.right() - group_width;

    // The groups, with a line's height for each who is let in.
    let mut y = top;
    let mut entries: Vec<(&Relation, f64)> = Vec::new();
    for (at, group) in picture.groups.iter().enumerate() {
        let relations: Vec<&Relation> = ordered(picture, &froms, at);
        let lines = [Some((group.name.as_str(), Style::Label, "ink")), Some((group.description.as_str(), Style::Note, "quiet"))];
        let id = group.id.as_deref().map(|id| (id, Style::Code, "quiet"));
        let lines: Vec<_> = lines.into_iter().chain([id]).flatten().filter(|(text, ..)| !text.is_empty()).collect();
        let height = (8.0 + PITCH * times(relations.len())).max(12.0 + 15.0 * times(lines.len()));
        let rect = Rect::new(group_x, y, group_width, height);
        scene.start(format!("{}: {}", group.name, group.description));
        scene.rect(rect, 6.0, "group");
        for (line, (text, style, class)) in lines.into_iter().enumerate() {
            scene.text((rect.x + 12.0, y + 18.0 + 15.0 * times(line)), Anchor::Start, style, class, text, rect.w - 24.0);
        }
        scene.end();
        let first = rect.middle().1 - PITCH * (times(relations.len()) - 1.0) / 2.0;
        entries.extend(relations.into_iter().enumerate().map(|(line, relation)| (relation, first + PITCH * times(line) + 3.0)));
        if !picture.relations.iter().any(|relation| relation.to == at) {
            scene.text((group_x - 12.0, rect.middle().1 + 4.0), Anchor::End, Style::Note, "quiet", "lets nobody in", 200.0);
        }
        y += height + 12.0;
    }

    let bottom = lines(scene, &froms, &entries, Rect::new(room.x, top, lane - room.x, 0.0), (labels, group_x));
    bottom.max(y - 12.0)
}

/// Who comes into the group, in the order in which they are drawn.
fn ordered<'a>(picture: &'a Picture, froms: &[From<'_>], group: usize) -> Vec<&'a Relation> {
    let mut relations: Vec<&Relation> = Vec::new();
    for from in froms {
        // One line for all blocks that are drawn as one.
        let here =
            picture.relations.iter().find(|relation| relation.to == group && !is_self(relation) && from.origins.contains(&&relation.from));
        relations.extend(here);
    }
    relations.extend(picture.relations.iter().filter(|relation| relation.to == group && is_self(relation)));
    relations
}

fn is_self(relation: &Relation) -> bool {
    relation.from == Origin::Group(relation.to)
}

/// The nodes, and their lines; the height at which the last node ends.
fn lines(scene: &mut Scene, froms: &[From<'_>], entries: &[(&Relation, f64)], nodes: Rect, (labels, group_x): (f64, f64)) -> f64 {
    let mut below = nodes.y;
    for (at, from) in froms.iter().enumerate() {
        let mine: Vec<&(&Relation, f64)> =
            entries.iter().filter(|(relation, _)| !is_self(relation) && from.origins.contains(&&relation.from)).collect();
        // Beside the first that it reaches, if there is room.
        let wanted = mine.first().map_or(0.0, |(_, y)| y - from.height() / 2.0);
        let rect = Rect::new(nodes.x, below.max(wanted), SOURCE, from.height());
        below = rect.bottom() + GAP;
        let world = from.origins.contains(&&Origin::World);
        let (class, ink) = if world { ("world", "alarm") } else { ("beyond", "ink") };
        let x = nodes.right() + TRACK * times(froms.len() - 1 - at);
        for (relation, y) in mine {
            let start = rect.middle().1;
            let class = if world { "lets-world-in" } else { "lets-in" };
            scene.line(vec![(rect.right(), start), (x, start), (x, *y), (group_x - 1.0, *y)], class, true);
            scene.text((labels, y - 4.0), Anchor::Start, Style::Code, ink, &relation.what, group_x - labels - 14.0);
        }
        scene.start(&from.all);
        scene.rect(rect, 6.0, class);
        for (line, text) in from.lines.iter().enumerate() {
            let style = if matches!(from.origins.first(), Some(Origin::World | Origin::Group(_))) { Style::Label } else { Style::Code };
            scene.text((rect.x + 12.0, rect.y + 15.5 + 15.0 * times(line)), Anchor::Start, style, ink, text, SOURCE - 24.0);
        }
        scene.end();
    }
    for (relation, y) in entries.iter().filter(|(relation, _)| is_self(relation)) {
        let text = format!("{} among its members", relation.what);
        let room = group_x - labels - 34.0;
        let short = text::width(&text::shortened(&text, Style::Code, room), Style::Code);
        scene.text((group_x - 26.0 - short, y + 3.5), Anchor::Start, Style::Code, "ink", &text, room);
        scene.line(
            vec![(group_x - 1.0, y - 6.0), (group_x - 16.0, y - 6.0), (group_x - 16.0, *y + 4.0), (group_x - 1.0, *y + 4.0)],
            "lets-in",
            true,
        );
    }
    below - GAP
}

/// Everyone who is let in somewhere, each once.
fn froms(picture: &Picture) -> Vec<From<'_>> {
    let others = picture.relations.iter().filter(|relation| !is_self(relation));
    let mut joined = joined(picture, others.map(|relation| &relation.from).collect());
    // In the order of the groups that they reach first, so that few lines cross.
    let first = |origins: &Vec<&Origin>| {
        let mine = |relation: &&Relation| !is_self(relation) && origins.first().is_some_and(|origin| **origin == relation.from);
        picture.relations.iter().filter(mine).map(|relation| relation.to).min()
    };
    joined.sort_by_key(first);
    let from = |origins: Vec<&'_ Origin>| {
        let mut lines: Vec<String> = origins.iter().map(|origin| name(picture, origin)).collect();
        let all = lines.join(", ");
        if lines.len() > BLOCKS {
            let more = lines.len() - (BLOCKS - 1);
            lines.truncate(BLOCKS - 1);
            lines.push(format!("and {more} more"));
        }
        (lines, all)
    };
    let joined = joined.into_iter().map(|origins| (from(origins.clone()), origins));
    joined.map(|((lines, all), origins)| From { lines, all, origins }).collect()
}

/// Each origin once, and blocks of addresses that reach the same together.
pub(super) fn joined<'a>(picture: &Picture, mut origins: Vec<&'a Origin>) -> Vec<Vec<&'a Origin>> {
    origins.sort();
    origins.dedup();
    let mut reach: BTreeMap<&Origin, Vec<(usize, &str)>> = BTreeMap::new();
    for relation in &picture.relations {
        reach.entry(&relation.from).or_default().push((relation.to, &relation.what));
    }
    let mut joined: Vec<Vec<&Origin>> = Vec::new();
    let mut blocks: BTreeMap<Option<&Vec<(usize, &str)>>, usize> = BTreeMap::new();
    for origin in origins {
        let same = matches!(origin, Origin::Block(_)).then(|| *blocks.entry(reach.get(origin)).or_insert(joined.len()));
        match same.and_then(|at| joined.get_mut(at)) {
            Some(others) => others.push(origin),
            None => joined.push(vec![origin]),
        }
    }
    joined
}

pub(super) fn name(picture: &Picture, origin: &Origin) -> String {
    match origin {
        Origin::World => "Internet".to_owned(),
        Origin::Block(block) => block.clone(),
        Origin::Outside(id) => id.clone(),
        Origin::Group(group) => picture.groups[*group].name.clone(),
    }
}
