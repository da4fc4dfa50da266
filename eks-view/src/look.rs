//! How text is to look: coloured or not, and how wide; and the few helpers that keep it aligned.

use std::{fmt, time::Duration};

use anstyle::{AnsiColor, Style};

/// Where nothing tells the width.
const WIDTH: usize = 110;
/// Below it nothing is aligned any more.
const NARROWEST: usize = 24;

/// How a text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    colour: bool,
    width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self::plain()
    }
}

impl Look {
    /// Without colour, 110 columns wide.
    pub fn plain() -> Self {
        Self { colour: false, width: WIDTH }
    }

    /// With ANSI styles, 110 columns wide.
    pub fn coloured() -> Self {
        Self { colour: true, width: WIDTH }
    }

    /// As standard output can show it: coloured on a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` say otherwise; as wide as the
    /// terminal is (with the feature `terminal`), or as `COLUMNS` says.
    pub fn stdout() -> Self {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        let look = Self { colour: choice != anstream::ColorChoice::Never, width: WIDTH };
        width_of_stdout().map_or(look, |width| look.width(width))
    }

    /// Another width, in columns; at least 24.
    #[must_use]
    pub fn width(mut self, columns: usize) -> Self {
        self.width = columns.max(NARROWEST);
        self
    }

    /// Whether it is coloured.
    pub fn is_coloured(&self) -> bool {
        self.colour
    }

    pub(crate) fn columns(&self) -> usize {
        self.width
    }

    /// Text in a style, if there is colour.
    pub(crate) fn ink<T: fmt::Display>(&self, style: Style, text: T) -> Ink<T> {
        Ink { style: self.colour.then_some(style), text }
    }
}

fn width_of_stdout() -> Option<usize> {
    #[cfg(feature = "terminal")]
    if let Some((_, columns)) = console::Term::stdout().size_checked() {
        return Some(usize::from(columns));
    }
    std::env::var("COLUMNS").ok()?.parse().ok()
}

/// Styled text.
pub(crate) struct Ink<T> {
    style: Option<Style>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Ink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.style {
            Some(style) => write!(f, "{style}{}{style:#}", self.text),
            None => write!(f, "{}", self.text),
        }
    }
}

/// What comes into being, and what is well.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
/// What changes, and what deserves a second look.
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// What goes, and what failed.
pub(crate) const RED: Style = AnsiColor::Red.on_default();
/// What takes longest.
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();
/// What is not news.
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();

/// A duration as people say it: `7m 20s`, `45s`, `1h 05m`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(eks_view::clock(Duration::from_secs(440)), "7m 20s");
/// assert_eq!(eks_view::clock(Duration::from_secs(3900)), "1h 05m");
/// ```
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Seconds as they are told by a recording, which may be anybody's: less than none is none, and too many are as many as there are.
pub(crate) fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 { Duration::MAX } else { Duration::ZERO })
}

/// Dollars: `$73.00`.
pub(crate) fn usd(amount: f64) -> String {
    // An empty sum of floats is minus zero.
    format!("${:.2}", amount + 0.0)
}

/// How many of something: `1 step`, `3 steps`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How many columns text takes. Keys, ids and messages of AWS and Kubernetes are of one column a character.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// One line without control characters: what a service or a person named must not steer a terminal.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// As much as fits, with an ellipsis where something is left out.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let text = line(text);
    if columns(&text) <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Padded on the right, or cut.
pub(crate) fn cell(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let pad = width.saturating_sub(columns(&text));
    text + &" ".repeat(pad)
}

/// Broken between words into lines of at most `width`; a longer word stays whole, for it may have to be copied.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let paragraph = line(paragraph);
        let mut current = String::new();
        for word in paragraph.split_whitespace() {
            if !current.is_empty() && columns(&current) + 1 + columns(word) > width {
                lines.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        lines.push(current);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_cut_with_a_mark() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("arn:aws:iam::123456789012:role/x y", 10), ["arn:aws:iam::123456789012:role/x", "y"]);
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(cell("ab", 4), "ab  ");
    }

    #[test]
    fn no_number_of_seconds_is_too_strange() {
        assert_eq!((span(1.5), span(-1.0), span(f64::NAN)), (Duration::from_millis(1_500), Duration::ZERO, Duration::ZERO));
        assert_eq!((span(1e300), span(f64::INFINITY)), (Duration::MAX, Duration::MAX));
        assert!(clock(Duration::MAX).ends_with('m'));
    }

    #[test]
    fn nobody_elses_text_steers_the_terminal() {
        assert_eq!(line("a\u{1b}[2Jb\r\nc"), "a [2Jb  c");
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        assert_eq!(Look::plain().ink(RED, "x").to_string(), "x");
        assert!(Look::coloured().ink(RED, "x").to_string().starts_with('\u{1b}'));
    }
}
