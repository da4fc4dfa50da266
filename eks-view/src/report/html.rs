//! HTML that cannot be broken by what it shows: markup is written in the source, everything else is escaped.

use std::fmt::{self, Display, Write};

/// A page that grows.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup of this crate's own.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text of anybody's.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        // Writing to a string does not fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    /// An element with text in it.
    pub(super) fn element(&mut self, name: &'static str, class: &'static str, text: impl Display) -> &mut Self {
        self.open(name, class).text(text).close(name)
    }

    /// The beginning of an element.
    pub(super) fn open(&mut self, name: &'static str, class: &'static str) -> &mut Self {
        self.raw("<").raw(name);
        if !class.is_empty() {
            self.raw(" class=\"").raw(class).raw("\"");
        }
        self.raw(">")
    }

    /// Its end; a line ends with what is no part of one.
    pub(super) fn close(&mut self, name: &'static str) -> &mut Self {
        self.raw("</").raw(name).raw(if matches!(name, "code" | "span" | "strong") { ">" } else { ">\n" })
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Escapes for element content and quoted attributes; control characters, which HTML forbids, become visible.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(character),
                character if character.is_control() => self.0.push('\u{fffd}'),
                character => self.0.push(character),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_is_markup() {
        let mut html = Html::default();
        html.element("p", "", "<script>alert(\"x\")</script> & 'y' \u{1b}[2J");
        assert_eq!(html.finish(), "<p>&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39; \u{fffd}[2J</p>\n");
    }
}
