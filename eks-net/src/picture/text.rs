//! How wide a text is, and how it is shortened.
//!
//! Nothing can be measured here: the reader's machine chooses the font. The widths are those of DejaVu Sans, the widest of the
//! fonts that system stacks resolve to, so a text that fits here fits with Segoe UI, San Francisco, Roboto, Helvetica or Arial.

/// Advance widths of the characters from space to tilde, in thousandths of the font's size.
const SANS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337,
    337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732,
    684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635,
    635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];
/// Bold letters are at most this much wider, over a word.
const BOLD: f64 = 1.13;
/// Every monospaced character.
const MONO: f64 = 0.602;

/// A size and a weight; all of one kind look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// The picture's name.
    Title,
    /// A section.
    Heading,
    /// A zone, row, gateway, group.
    Label,
    /// Plain words.
    Body,
    /// Words of less weight.
    Note,
    /// A block of addresses.
    Block,
    /// Ids, ports.
    Code,
    /// Ports in a matrix.
    Cell,
}

impl Style {
    pub(super) const ALL: [Self; 8] =
        [Self::Title, Self::Heading, Self::Label, Self::Body, Self::Note, Self::Block, Self::Code, Self::Cell];

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Title => "t-title",
            Self::Heading => "t-heading",
            Self::Label => "t-label",
            Self::Body => "t-body",
            Self::Note => "t-note",
            Self::Block => "t-block",
            Self::Code => "t-code",
            Self::Cell => "t-cell",
        }
    }

    /// Pixels, before the picture is scaled.
    pub(super) fn size(self) -> f64 {
        match self {
            Self::Title => 20.0,
            Self::Heading => 14.0,
            Self::Label | Self::Body => 12.0,
            Self::Note => 11.0,
            Self::Block => 13.0,
            Self::Code => 10.5,
            Self::Cell => 9.5,
        }
    }

    pub(super) fn bold(self) -> bool {
        matches!(self, Self::Title | Self::Heading | Self::Label | Self::Block)
    }

    pub(super) fn mono(self) -> bool {
        matches!(self, Self::Block | Self::Code | Self::Cell)
    }
}

pub(super) fn width(text: &str, style: Style) -> f64 {
    let letter = |c: char| match u32::from(c).checked_sub(32).and_then(|at| SANS.get(usize::try_from(at).ok()?)) {
        Some(thousandths) if !style.mono() => f64::from(*thousandths) / 1000.0 * if style.bold() { BOLD } else { 1.0 },
        Some(_) => MONO,
        None if matches!(c, '·' | '–' | '…' | '→' | '↻') && style.mono() => MONO,
        None if c == '·' => 0.38,
        // A wide character, as in Chinese.
        None => 1.0,
    };
    text.chars().map(letter).sum::<f64>() * style.size()
}

/// As much of the text as fits, with an ellipsis if that is not all.
pub(super) fn shortened(text: &str, style: Style, room: f64) -> String {
    if width(text, style) <= room {
        return text.to_owned();
    }
    let mut short = text.to_owned();
    while short.pop().is_some() {
        let candidate = format!("{}…", short.trim_end());
        if width(&candidate, style) <= room {
            return candidate;
        }
    }
    "…".to_owned()
}

/// The text as XML's content or attribute. Characters that XML 1.0 cannot hold are left out.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\t' | '\n' | '\r' => safe.push(' '),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_fits_and_says_that_it_is_short() {
        let name = "a-very-long-name-of-a-security-group-that-nobody-should-choose";
        for room in [8_u8, 40, 100, 250] {
            let short = shortened(name, Style::Label, f64::from(room).max(13.0));
            assert!(width(&short, Style::Label) <= f64::from(room).max(13.0) && short.ends_with('…'), "{short}");
        }
        assert_eq!(shortened(name, Style::Label, 1000.0), name);
    }

    #[test]
    fn markup_is_escaped_and_control_characters_go() {
        assert_eq!(escaped("<a b=\"c\">&'\u{1}\n"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39; ");
    }
}
