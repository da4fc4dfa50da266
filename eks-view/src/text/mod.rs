//! Plans, teardowns, verdicts and errors as text for people: aligned, calm, coloured where that is wanted.

mod changes;
mod failure;
mod plan;
mod teardown;

pub use failure::{ErrorView, error};
#[cfg(feature = "report")]
pub(crate) use plan::{CENT, costs, services};
pub use plan::{PlanView, plan};
pub use teardown::{TeardownView, VerdictView, teardown, verdict};

use std::{
    fmt,
    io::{self, Write},
};

use crate::look::{Look, columns, wrap};

/// Writes a view to standard output as it can show it: give it the view for that look.
///
/// A closed pipe (`| head`) is no error.
///
/// # Errors
/// If standard output cannot be written.
pub fn print<V: fmt::Display>(view: impl FnOnce(Look) -> V) -> io::Result<()> {
    match writeln!(anstream::stdout(), "{}", view(Look::stdout())) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A paragraph behind a mark, its further lines below its first.
fn hanging(f: &mut fmt::Formatter<'_>, look: Look, mark: impl fmt::Display, indent: usize, text: &str) -> fmt::Result {
    let width = look.columns().saturating_sub(indent).max(16);
    for (at, line) in wrap(text, width).iter().enumerate() {
        if at == 0 {
            write!(f, "\n{mark}{line}")?;
        } else {
            write!(f, "\n{:indent$}{line}", "")?;
        }
    }
    Ok(())
}

/// Widths of the columns that a table of steps has room for.
#[derive(Clone, Copy, Debug)]
struct Table {
    key: usize,
    title: usize,
    time: usize,
    price: usize,
    /// Whether titles go to a line of their own.
    narrow: bool,
}

/// One row of a table of steps.
struct Row<'a> {
    key: &'a str,
    title: &'a str,
    time: String,
    price: String,
}

/// Columns between two cells.
const GAP: usize = 2;
/// What stands before the key: indentation and mark.
const LEAD: usize = 4;
/// Titles that get less room than this go to a line of their own.
const TITLE: usize = 24;

impl Table {
    fn of<'a>(look: Look, rows: impl Iterator<Item = &'a Row<'a>>) -> Self {
        let (mut key, mut title, mut time, mut price) = (0, 0, 0, 0);
        for row in rows {
            key = key.max(columns(row.key));
            title = title.max(columns(row.title));
            time = time.max(columns(&row.time));
            price = price.max(columns(&row.price));
        }
        // The mark of the critical path stands at the end.
        let others = LEAD + key + GAP + [time, price].iter().filter(|width| **width > 0).map(|width| width + GAP).sum::<usize>() + 2;
        let room = look.columns().saturating_sub(others);
        if room < TITLE.min(title) {
            let key = key.min(look.columns().saturating_sub(others - key).max(12));
            return Self { key, title: look.columns().saturating_sub(LEAD + GAP), time, price, narrow: true };
        }
        Self { key, title: title.min(room), time, price, narrow: false }
    }
}
