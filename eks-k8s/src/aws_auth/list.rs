//! One list of the document as text: entries are added and cut, and every other byte stays.

use eks_core::Error;
use serde_yaml_ng::Value;

use super::{mapping::scalar, refused};

/// The text of `mapRoles`, `mapUsers` or `mapAccounts`, parsed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct List {
    section: &'static str,
    text: String,
    items: Vec<Value>,
}

impl List {
    /// Reads the text of a section.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is no YAML list; the line is shown.
    pub(super) fn parse(section: &'static str, text: &str) -> Result<Self, Error> {
        let value: Value = serde_yaml_ng::from_str(text).map_err(|error| {
            let at = error.location().map_or(0, |location| location.line());
            let line = text.lines().nth(at.saturating_sub(1)).unwrap_or_default();
            refused(section, format!("line {at} is no YAML ({error}): {line:?}"))
        })?;
        let items = match value {
            Value::Null => Vec::new(),
            Value::Sequence(items) => items,
            _ => return Err(refused(section, format!("it is not a list; it begins with {:?}", text.lines().next().unwrap_or_default()))),
        };
        Ok(Self { section, text: text.to_owned(), items })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn items(&self) -> &[Value] {
        &self.items
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// With an entry of these lines behind the others.
    ///
    /// # Errors
    /// [`Error::Refused`] if the text has a form to which nothing can be appended without touching what is there.
    pub(super) fn append(&self, lines: &[String]) -> Result<Self, Error> {
        let mut text = self.text.clone();
        if self.items.is_empty() {
            // An empty list in flow form is the one thing that has to go: nothing can be appended to it.
            if text.trim() == "[]" {
                text = text.replacen("[]", "", 1).trim_end_matches(' ').to_owned();
            }
            if matches!(text.trim(), "null" | "~") {
                return Err(self.refused(format!("it is {:?}", text.trim())));
            }
        }
        let newline = self.newline();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(newline);
        }
        let indent = self.indent().unwrap_or_default();
        text.extend(lines.iter().flat_map(|line| [indent.as_str(), line.as_str(), newline]));
        let entry = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
        let entry: Vec<Value> =
            serde_yaml_ng::from_str(&entry).map_err(|error| self.refused(format!("the new entry is no YAML: {error}")))?;
        self.verified(text, self.items.iter().cloned().chain(entry).collect())
    }

    /// Without the entry at `index`.
    ///
    /// # Errors
    /// [`Error::Refused`] if the text has a form from which an entry cannot be cut without touching the others.
    pub(super) fn cut(&self, index: usize) -> Result<Self, Error> {
        let mut wanted = self.items.clone();
        wanted.remove(index);
        let lines = self.lines();
        let (start, end) = self.span(&lines, index)?;
        self.verified(lines[..start].iter().chain(&lines[end..]).copied().collect(), wanted)
    }

    /// With these groups behind those of the entry at `index`.
    ///
    /// # Errors
    /// [`Error::Refused`] if its groups are written in a form to which none can be added.
    pub(super) fn extend_groups(&self, index: usize, groups: &[&str]) -> Result<Self, Error> {
        let mut wanted = self.items.clone();
        let list = wanted[index].as_mapping_mut().and_then(|fields| {
            let (_, groups) = fields.iter_mut().find(|(key, _)| key.as_str().is_some_and(|key| key.eq_ignore_ascii_case("groups")))?;
            groups.as_sequence_mut()
        });
        let form = || self.refused(format!("{} has no list of groups to which one can be added", self.line_of(index)));
        list.ok_or_else(form)?.extend(groups.iter().map(|group| Value::from(*group)));

        let lines = self.lines();
        let (start, end) = self.span(&lines, index)?;
        let is_groups = |line: &str| line.trim_start_matches([' ', '-']).to_lowercase().starts_with("groups:");
        let at = (start..end).find(|at| is_groups(lines[*at])).ok_or_else(form)?;
        let (head, rest) = lines[at].split_once(':').ok_or_else(form)?;
        let mut text: String = lines[..at].concat();
        if rest.trim_start().starts_with('[') {
            let close = rest.rfind(']').ok_or_else(form)?;
            let comma = if rest[..close].trim_end().ends_with('[') { "" } else { ", " };
            let more = groups.iter().map(|group| scalar(group)).collect::<Vec<_>>().join(", ");
            text.extend([head, ":", &rest[..close], comma, &more, &rest[close..]]);
            text.push_str(&lines[at + 1..].concat());
        } else {
            let column = lines[at].len() - lines[at].trim_start_matches([' ', '-']).len();
            let is_group =
                |line: &&str| is_dash(line.trim_start_matches(' '), "") && line.len() - line.trim_start_matches(' ').len() >= column;
            let count = lines[at + 1..end].iter().copied().take_while(is_group).count();
            let last = lines[at..=at + count].last().filter(|_| count > 0).ok_or_else(form)?;
            let indent = &last[..last.len() - last.trim_start_matches(' ').len()];
            text.push_str(&lines[at..=at + count].concat());
            if !text.ends_with('\n') {
                text.push_str(self.newline());
            }
            for group in groups {
                text.extend([indent, "- ", &scalar(group), self.newline()]);
            }
            text.push_str(&lines[at + count + 1..].concat());
        }
        self.verified(text, wanted)
    }

    /// The line on which an entry begins, for people.
    pub(super) fn line_of(&self, index: usize) -> String {
        match self.number_of(index) {
            Some(number) => format!("line {number}: {:?}", self.text.lines().nth(number - 1).unwrap_or_default().trim()),
            None => format!("entry {}", index + 1),
        }
    }

    /// The number of the line on which an entry begins, if entries begin on lines of their own.
    pub(super) fn number_of(&self, index: usize) -> Option<usize> {
        Some(self.starts(&self.lines())?.get(index)? + 1)
    }

    fn lines(&self) -> Vec<&str> {
        self.text.split_inclusive('\n').collect()
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// Lines on which entries begin; `None` if they cannot be told.
    fn starts(&self, lines: &[&str]) -> Option<Vec<usize>> {
        let indent = self.indent()?;
        let starts: Vec<usize> = (0..lines.len()).filter(|at| is_dash(lines[*at], &indent)).collect();
        (starts.len() == self.items.len()).then_some(starts)
    }

    /// The first line of an entry, and the one behind its last. Comments and blank lines behind an entry belong to whatever follows.
    fn span(&self, lines: &[&str], index: usize) -> Result<(usize, usize), Error> {
        let starts = self.starts(lines).ok_or_else(|| self.refused("its entries are not each on lines of their own"))?;
        let start = starts[index];
        let next = starts.get(index + 1).copied().unwrap_or(lines.len());
        let content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let last = (start..next).rev().find(|line| content(lines[*line])).unwrap_or(start);
        Ok((start, last + 1))
    }

    /// The text, if it parses to exactly these items.
    fn verified(&self, text: String, wanted: Vec<Value>) -> Result<Self, Error> {
        let result = Self::parse(self.section, &text)?;
        if result.items == wanted {
            Ok(result)
        } else {
            Err(self.refused("its form does not allow one entry to be changed without touching the others"))
        }
    }

    /// Blanks before the dash of the first entry.
    fn indent(&self) -> Option<String> {
        let line = self.text.lines().find(|line| line.trim_start_matches(' ').starts_with('-') && line.trim_end() != "---")?;
        Some(line.chars().take_while(|c| *c == ' ').collect())
    }

    fn refused(&self, rule: impl Into<String>) -> Error {
        refused(self.section, rule)
    }

    /// The last entry for which this holds: of several for one ARN, the authenticator keeps the last.
    pub(super) fn last(&self, which: impl Fn(&Value) -> bool) -> Option<usize> {
        self.items.iter().rposition(which)
    }
}

fn is_dash(line: &str, indent: &str) -> bool {
    line.strip_prefix(indent).is_some_and(|rest| rest.starts_with("- ") || rest.trim_end() == "-") && line.trim_end() != "---"
}
