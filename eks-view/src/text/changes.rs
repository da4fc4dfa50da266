//! Diffs, field by field, aligned on their arrows.

use std::fmt;

use crate::look::{BOLD, CYAN, DIM, Look, RED, YELLOW, columns, line};

/// `setting: old → new`, taken apart.
struct Change {
    setting: String,
    old: String,
    new: String,
}

impl Change {
    fn of(text: &str) -> Self {
        let text = line(text);
        let (setting, rest) = text.split_once(": ").unwrap_or(("", &text));
        match rest.split_once(" → ") {
            Some((old, new)) => Self { setting: setting.to_owned(), old: old.to_owned(), new: new.to_owned() },
            None => Self { setting: setting.to_owned(), old: String::new(), new: rest.to_owned() },
        }
    }
}

/// The changes of one step, a line each: settings and arrows below one another. What is too long goes below its setting.
pub(super) fn changes(f: &mut fmt::Formatter<'_>, look: Look, indent: usize, texts: &[String]) -> fmt::Result {
    let changes: Vec<Change> = texts.iter().map(|text| Change::of(text)).collect();
    let width = |of: fn(&Change) -> &str| changes.iter().map(|change| columns(of(change))).max().unwrap_or_default();
    let (setting, old) = (width(|change| &change.setting), width(|change| &change.old).min(look.columns() / 3));
    for change in &changes {
        let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(columns(text)));
        write!(f, "\n{:indent$}{}{}", "", look.ink(YELLOW, &change.setting), pad(&change.setting, setting))?;
        let room = look.columns().saturating_sub(indent + setting + 5);
        let whole = columns(&change.old).max(old) + columns(&change.new);
        if change.old.is_empty() {
            write!(f, "  {}", look.ink(BOLD, &change.new))?;
        } else if whole <= room {
            let (gone, pad) = (look.ink(DIM, &change.old), pad(&change.old, old));
            write!(f, "  {gone}{pad} {} {}", look.ink(CYAN, "→"), look.ink(BOLD, &change.new))?;
        } else {
            let under = indent + 2;
            write!(f, "\n{:under$}{} {}", "", look.ink(RED, "-"), look.ink(DIM, &change.old))?;
            write!(f, "\n{:under$}{} {}", "", look.ink(CYAN, "→"), look.ink(BOLD, &change.new))?;
        }
    }
    Ok(())
}
