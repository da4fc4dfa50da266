//! What is drawn, and exactly where: all that is left to do is to write it down.

use super::text::{self, Style};

/// A rectangle; y grows downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

impl Rect {
    pub(super) fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    pub(super) fn right(&self) -> f64 {
        self.x + self.w
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.h
    }

    pub(super) fn middle(&self) -> (f64, f64) {
        (self.x + self.w / 2.0, self.y + self.h / 2.0)
    }
}

pub(super) type Point = (f64, f64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// `class` says its colours.
    Box {
        rect: Rect,
        radius: f64,
        class: &'static str,
    },
    /// `at` is where its baseline starts, has its middle or ends. `up`: it is read from below.
    Text {
        at: Point,
        anchor: Anchor,
        style: Style,
        class: &'static str,
        text: String,
        up: bool,
    },
    /// A line with right angles, and an arrow at its end.
    Line {
        points: Vec<Point>,
        class: &'static str,
        arrow: bool,
    },
    /// What follows, up to the end, is one thing, which is told when pointed at.
    Start {
        title: String,
    },
    End,
}

/// Shapes, in the order of painting.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub(super) shapes: Vec<Shape>,
}

impl Scene {
    pub(super) fn rect(&mut self, rect: Rect, radius: f64, class: &'static str) {
        self.shapes.push(Shape::Box { rect, radius, class });
    }

    /// A text in `room` pixels: shortened if need be, and then told in full when pointed at.
    pub(super) fn text(&mut self, at: Point, anchor: Anchor, style: Style, class: &'static str, text: &str, room: f64) {
        self.letters(at, anchor, style, class, text, room, false);
    }

    /// A text that is read from below.
    pub(super) fn text_up(&mut self, at: Point, style: Style, class: &'static str, text: &str, room: f64) {
        self.letters(at, Anchor::Start, style, class, text, room, true);
    }

    #[expect(clippy::too_many_arguments, reason = "what a text is")]
    fn letters(&mut self, at: Point, anchor: Anchor, style: Style, class: &'static str, text: &str, room: f64, up: bool) {
        let short = text::shortened(text, style, room);
        let cut = short != text;
        if cut {
            self.start(text);
        }
        self.shapes.push(Shape::Text { at, anchor, style, class, text: short, up });
        if cut {
            self.end();
        }
    }

    pub(super) fn line(&mut self, points: Vec<Point>, class: &'static str, arrow: bool) {
        let mut bends: Vec<Point> = Vec::new();
        for point in points {
            if bends.last() != Some(&point) {
                bends.push(point);
            }
        }
        self.shapes.push(Shape::Line { points: bends, class, arrow });
    }

    pub(super) fn start(&mut self, title: impl Into<String>) {
        self.shapes.push(Shape::Start { title: title.into() });
    }

    pub(super) fn end(&mut self) {
        self.shapes.push(Shape::End);
    }
}

/// How many, as a length's factor.
pub(super) fn times(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
