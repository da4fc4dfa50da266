//! The scene as SVG: no scripts, nothing from elsewhere, readable on light and on dark screens.

use std::fmt::Write;

use super::{
    Picture, layout,
    scene::{Anchor, Point, Scene, Shape},
    text::{self, Style},
};

/// Radius of a line's bends.
const BEND: f64 = 6.0;

/// Class, fill and stroke on light, fill and stroke on dark; what is left out is none.
const COLOURS: [(&str, [&str; 2], [&str; 2]); 29] = [
    ("paper", ["#ffffff", ""], ["#12171d", ""]),
    ("vpc", ["#ffffff", "#7c8a99"], ["#171d24", "#6d7b8a"]),
    ("zone", ["#fafbfc", "#c9d1d9"], ["#1b222a", "#3a4551"]),
    ("public", ["#eaf5ed", "#b5d8c0"], ["#16301f", "#2c5a3b"]),
    ("private", ["#eaf1fa", "#b7cfea"], ["#15283f", "#2b4b73"]),
    ("named", ["#fbf3e3", "#e3ca98"], ["#33270f", "#665021"]),
    ("intra", ["#f1f3f5", "#cbd2d9"], ["#252d36", "#4a5663"]),
    ("public-mark", ["#4a9a63", ""], ["#4f9f68", ""]),
    ("private-mark", ["#4a7fc1", ""], ["#5a8dcc", ""]),
    ("named-mark", ["#b98527", ""], ["#c2923c", ""]),
    ("intra-mark", ["#8894a0", ""], ["#7e8b98", ""]),
    ("beyond", ["#f1f3f5", "#a9b4bf"], ["#252d36", "#566371"]),
    ("world", ["#fdeee6", "#c8561b"], ["#3a1f12", "#d9743f"]),
    ("gateway-internet", ["#ffffff", "#4a9a63"], ["#171d24", "#4f9f68"]),
    ("gateway-egress-only", ["#ffffff", "#4a9a63"], ["#171d24", "#4f9f68"]),
    ("gateway-nat", ["#ffffff", "#4a7fc1"], ["#171d24", "#5a8dcc"]),
    ("gateway-other", ["#ffffff", "#8a63ad"], ["#171d24", "#a07cc2"]),
    ("chip", ["#f7f8fa", "#c9d1d9"], ["#1f262e", "#3a4551"]),
    ("group", ["#ffffff", "#a9b4bf"], ["#171d24", "#566371"]),
    ("self", ["#f1f3f5", ""], ["#252d36", ""]),
    ("to-internet", ["", "#4a9a63"], ["", "#4f9f68"]),
    ("to-egress-only", ["", "#4a9a63"], ["", "#4f9f68"]),
    ("to-nat", ["", "#4a7fc1"], ["", "#5a8dcc"]),
    ("to-other", ["", "#8a63ad"], ["", "#a07cc2"]),
    ("beyond-line", ["", "#8894a0"], ["", "#7e8b98"]),
    ("lets-in", ["", "#8894a0"], ["", "#7e8b98"]),
    ("lets-world-in", ["", "#c8561b"], ["", "#d9743f"]),
    ("grid", ["", "#e1e5ea"], ["", "#2c353f"]),
    ("rule", ["", "#c9d1d9"], ["", "#3a4551"]),
];
/// Letters on light and on dark.
const INKS: [(&str, &str, &str); 3] = [("ink", "#1d2731", "#e7ebef"), ("quiet", "#596775", "#9eabb8"), ("alarm", "#b0440f", "#eb9264")];

impl Picture {
    /// The network as SVG 1.1: one file without scripts or references, which scales, and follows a dark screen.
    ///
    /// Zones are columns. What a line leads to has its colour. A name that is too long is cut, and told in full when pointed at.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let (scene, width, height) = layout::scene(self);
        let mut svg = String::new();
        write(&mut svg, self, &scene, width, height);
        svg
    }
}

fn write(svg: &mut String, picture: &Picture, scene: &Scene, width: f64, height: f64) {
    let (w, h) = (number(width), number(height));
    line(
        svg,
        format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" class="eks-net" role="img">"#
        ),
    );
    line(svg, format_args!("<title>{}</title>", text::escaped(&picture.title())));
    line(svg, format_args!("<desc>{}</desc>", text::escaped(&picture.words())));
    style(svg);
    line(svg, format_args!(r#"<rect class="paper" width="{w}" height="{h}"/>"#));
    for shape in &scene.shapes {
        draw(svg, shape);
    }
    svg.push_str("</svg>\n");
}

/// One line. Writing to a string does not fail.
fn line(svg: &mut String, content: std::fmt::Arguments<'_>) {
    let _ = writeln!(svg, "{content}");
}

/// All rules begin with the picture's class, so that they reach nothing else of a page that it is put into.
fn style(svg: &mut String) {
    svg.push_str("<style>\n");
    line(
        svg,
        format_args!(
            ".eks-net text {{ font-family: system-ui, -apple-system, \"Segoe UI\", Roboto, Helvetica, Arial, \"DejaVu Sans\", sans-serif }}"
        ),
    );
    for style in Style::ALL {
        let weight = if style.bold() { "; font-weight: 600" } else { "" };
        let family =
            if style.mono() { "; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, \"DejaVu Sans Mono\", monospace" } else { "" };
        line(svg, format_args!(".eks-net .{} {{ font-size: {}px{weight}{family} }}", style.class(), number(style.size())));
    }
    for (class, [fill, stroke], _) in COLOURS {
        line(svg, format_args!(".eks-net .{class} {{ fill: {}; stroke: {} }}", or_none(fill), or_none(stroke)));
    }
    for (class, light, _) in INKS {
        line(svg, format_args!(".eks-net .{class} {{ fill: {light} }}"));
    }
    svg.push_str(".eks-net path { stroke-width: 1.4; stroke-linejoin: round }\n");
    svg.push_str(".eks-net .grid, .eks-net .rule { stroke-width: 1 }\n");
    svg.push_str(".eks-net .zone, .eks-net .gateway-egress-only, .eks-net .to-egress-only { stroke-dasharray: 4 3 }\n");
    svg.push_str("@media (prefers-color-scheme: dark) {\n");
    for (class, _, [fill, stroke]) in COLOURS {
        line(svg, format_args!(".eks-net .{class} {{ fill: {}; stroke: {} }}", or_none(fill), or_none(stroke)));
    }
    for (class, _, dark) in INKS {
        line(svg, format_args!(".eks-net .{class} {{ fill: {dark} }}"));
    }
    svg.push_str("}\n</style>\n");
}

fn or_none(colour: &str) -> &str {
    if colour.is_empty() { "none" } else { colour }
}

fn draw(svg: &mut String, shape: &Shape) {
    match shape {
        Shape::Box { rect, radius, class } => line(
            svg,
            format_args!(
                r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}" rx="{}"/>"#,
                number(rect.x),
                number(rect.y),
                number(rect.w),
                number(rect.h),
                number(*radius),
            ),
        ),
        Shape::Text { at, anchor, style, class, text, up } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => r#" text-anchor="middle""#,
                Anchor::End => r#" text-anchor="end""#,
            };
            let (x, y) = (number(at.0), number(at.1));
            let turned = if *up { format!(r#" transform="rotate(-90 {x} {y})""#) } else { String::new() };
            line(
                svg,
                format_args!(r#"<text class="{} {class}" x="{x}" y="{y}"{anchor}{turned}>{}</text>"#, style.class(), text::escaped(text)),
            );
        }
        Shape::Line { points, class, arrow } => {
            line(svg, format_args!(r#"<path class="{class}" d="{}"/>"#, path(points)));
            if let (true, Some(head)) = (*arrow, head(points)) {
                // Filled by the stroke, which has the line's colour.
                line(svg, format_args!(r#"<path class="{class}" d="{head}"/>"#));
            }
        }
        Shape::Start { title } => line(svg, format_args!("<g><title>{}</title>", text::escaped(title))),
        Shape::End => svg.push_str("</g>\n"),
    }
}

/// The line with rounded bends.
fn path(points: &[Point]) -> String {
    let mut d = String::new();
    for (at, &point) in points.iter().enumerate() {
        let bend = at.checked_sub(1).and_then(|before| Some((*points.get(before)?, *points.get(at + 1)?)));
        let (x, y) = (number(point.0), number(point.1));
        match bend {
            _ if at == 0 => _ = write!(d, "M{x} {y}"),
            None => _ = write!(d, "L{x} {y}"),
            Some((before, after)) => {
                let radius = BEND.min(length(before, point) / 2.0).min(length(point, after) / 2.0);
                let (from, to) = (towards(point, before, radius), towards(point, after, radius));
                _ = write!(d, "L{} {}Q{x} {y} {} {}", number(from.0), number(from.1), number(to.0), number(to.1));
            }
        }
    }
    d
}

/// An open arrow head at the end.
fn head(points: &[Point]) -> Option<String> {
    let [.., before, tip] = points else { return None };
    let size = 4.5;
    let back = towards(*tip, *before, size);
    let (dx, dy) = ((back.0 - tip.0) * 0.75, (back.1 - tip.1) * 0.75);
    let corner = |sign: f64| format!("{} {}", number(back.0 - sign * dy), number(back.1 + sign * dx));
    Some(format!("M{}L{} {}L{}", corner(1.0), number(tip.0), number(tip.1), corner(-1.0)))
}

fn length(a: Point, b: Point) -> f64 {
    (a.0 - b.0).abs() + (a.1 - b.1).abs()
}

/// The point that is this far from `from` on the way to `to`.
pub(super) fn towards(from: Point, to: Point, distance: f64) -> Point {
    let all = length(from, to);
    if all <= distance {
        return to;
    }
    (from.0 + (to.0 - from.0) * distance / all, from.1 + (to.1 - from.1) * distance / all)
}

/// At most one decimal.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bends_are_round_and_short_ones_rounder() {
        assert_eq!(path(&[(0.0, 0.0), (20.0, 0.0), (20.0, 30.0)]), "M0 0L14 0Q20 0 20 6L20 30");
        assert_eq!(path(&[(0.0, 0.0), (20.0, 0.0), (20.0, 4.0)]), "M0 0L18 0Q20 0 20 2L20 4");
    }
}
