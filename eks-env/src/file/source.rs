//! The text of a file, and places in it.

use std::fmt::Write;

/// A stretch of a text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// A text with a name for people.
#[derive(Clone, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// Line and column of a byte, from 1, in characters.
    pub(crate) fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = self.before(at);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    fn before(&self, at: usize) -> &str {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        &self.text[..at]
    }

    /// What is written there.
    pub(crate) fn slice(&self, place: Place) -> &str {
        self.text.get(place.from..place.to).unwrap_or_default()
    }

    /// The line with a caret under the place.
    pub(crate) fn snippet(&self, place: Place) -> String {
        let (line, column) = self.line_and_column(place.from);
        let text = self.text.lines().nth(line - 1).unwrap_or_default();
        let rest = text.chars().count().saturating_sub(column - 1);
        let width = self.slice(place).lines().next().unwrap_or_default().trim_end().chars().count().clamp(1, rest.max(1));
        let (number, margin) = (line.to_string(), " ".repeat(line.to_string().len()));
        // Tabs are as wide under the line as in it.
        let indent: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let mut snippet = String::new();
        let _ = write!(snippet, "{margin} |\n{number} | {text}\n{margin} | {indent}{}", "^".repeat(width));
        snippet
    }
}
