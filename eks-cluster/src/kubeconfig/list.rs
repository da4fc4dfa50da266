//! The lists of a kubeconfig as lines: items are put in, replaced and cut, and every other byte stays.

use std::ops::Range;

use super::error::KubeconfigError;

/// A top-level list of a document in block style.
pub(super) struct Section<'a> {
    name: &'static str,
    lines: Vec<&'a str>,
    /// The line of its key; `None` if the document has none.
    key: Option<usize>,
    /// Lines between its key and whatever follows.
    body: Range<usize>,
    newline: &'static str,
}

impl<'a> Section<'a> {
    pub(super) fn find(name: &'static str, text: &'a str) -> Self {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let key = lines.iter().position(|line| value_of(line, name).is_some());
        let first = key.map_or(lines.len(), |key| key + 1);
        let ends = |line: &&str| !(line.starts_with([' ', '\t', '#']) || line.trim().is_empty() || is_item(line, ""));
        let last = lines[first..].iter().position(ends).map_or(lines.len(), |at| first + at);
        Self { name, key, body: first..last, newline: newline(text), lines }
    }

    /// With an item of these lines in the place of the one at `index`.
    pub(super) fn replace(&self, index: usize, count: usize, item: &[String]) -> Result<String, KubeconfigError> {
        let span = self.span(index, count)?;
        let indent = self.indent().unwrap_or_default();
        Ok(self.text(span, &self.rendered(&indent, item)))
    }

    /// With an item of these lines behind the `count` others.
    pub(super) fn append(&self, count: usize, item: &[String]) -> Result<String, KubeconfigError> {
        if count > 0 {
            let at = self.span(count - 1, count)?.end;
            let indent = self.indent().unwrap_or_default();
            return Ok(self.text(at..at, &self.rendered(&indent, item)));
        }
        let Some(key) = self.key else {
            let key = [self.name, ":", self.newline].concat();
            return Ok(self.text(self.lines.len()..self.lines.len(), &(key + &self.rendered("", item))));
        };
        // What stands for an empty list goes; a comment behind it stays.
        let comment = comment(value_of(self.lines[key], self.name).unwrap_or_default());
        let head = [self.name, ":", comment.map(|comment| format!(" {comment}")).as_deref().unwrap_or_default(), self.newline].concat();
        Ok(self.text(key..key + 1, &(head + &self.rendered("", item))))
    }

    /// Without the item at `index`.
    pub(super) fn cut(&self, index: usize, count: usize) -> Result<String, KubeconfigError> {
        let span = self.span(index, count)?;
        let text = self.text(span, "");
        let Some(key) = self.key.filter(|_| count == 1) else { return Ok(text) };
        let comment = comment(value_of(self.lines[key], self.name).unwrap_or_default());
        let head = [self.name, ": []", comment.map(|comment| format!(" {comment}")).as_deref().unwrap_or_default(), self.newline].concat();
        let section = Section::find(self.name, &text);
        Ok(section.text(key..key + 1, &head))
    }

    /// Number of the line on which the item at `index` of `count` begins, and the one behind its last. Comments and blank lines behind
    /// an item belong to whatever follows.
    fn span(&self, index: usize, count: usize) -> Result<Range<usize>, KubeconfigError> {
        let indent = self.indent().unwrap_or_default();
        let starts: Vec<usize> = self.body.clone().filter(|at| is_item(self.lines[*at], &indent)).collect();
        if starts.len() != count || index >= count {
            return Err(KubeconfigError::form(format!("the entries of {} are not each on lines of their own", self.name)));
        }
        let next = starts.get(index + 1).copied().unwrap_or(self.body.end);
        let content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let last = (starts[index]..next).rev().find(|at| content(self.lines[*at])).unwrap_or(starts[index]);
        Ok(starts[index]..last + 1)
    }

    /// Blanks before the dashes.
    fn indent(&self) -> Option<String> {
        let line = self.lines[self.body.clone()].iter().find(|line| is_item(line.trim_start_matches(' '), ""))?;
        Some(line.chars().take_while(|c| *c == ' ').collect())
    }

    fn rendered(&self, indent: &str, item: &[String]) -> String {
        item.iter().flat_map(|line| [indent, line.as_str(), self.newline]).collect()
    }

    /// The document with other text in the place of some lines.
    fn text(&self, span: Range<usize>, new: &str) -> String {
        let mut text = self.lines[..span.start].concat();
        if !new.is_empty() && !text.is_empty() && !text.ends_with('\n') {
            text.push_str(self.newline);
        }
        text.push_str(new);
        text.push_str(&self.lines[span.end..].concat());
        text
    }
}

/// With a top-level key of this value, on its line or on a new one at the end.
pub(super) fn set(text: &str, name: &str, value: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let newline = newline(text);
    let at = lines.iter().position(|line| value_of(line, name).is_some());
    let comment = at.and_then(|at| comment(value_of(lines[at], name)?)).map(|comment| format!(" {comment}")).unwrap_or_default();
    let line = format!("{name}: {value}{comment}{newline}");
    match at {
        Some(at) => {
            lines[at] = &line;
            lines.concat()
        }
        None if text.is_empty() || text.ends_with('\n') => [text, &line].concat(),
        None => [text, newline, &line].concat(),
    }
}

/// What stands behind a top-level key, if the line has it.
fn value_of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(name)?.trim_start_matches(' ').strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])).then(|| rest.trim())
}

/// The comment behind a value.
fn comment(value: &str) -> Option<&str> {
    if value.starts_with('#') {
        return Some(value);
    }
    let after = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.rfind(quote)?,
        _ => 0,
    };
    value[after..].find(" #").map(|at| value[after + at..].trim_start())
}

fn is_item(line: &str, indent: &str) -> bool {
    line.strip_prefix(indent).is_some_and(|rest| rest.starts_with("- ") || rest.trim_end() == "-")
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
