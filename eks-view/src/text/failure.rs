//! Errors that a person can act on.

use std::{error::Error as StdError, fmt};

use super::hanging;
use crate::{
    explain::{Explained, Trouble, explain},
    look::{BOLD, CYAN, DIM, Look, RED, YELLOW},
};

/// An error as text; see [`error`].
#[derive(Clone, Debug)]
pub struct ErrorView {
    explained: Explained,
    look: Look,
}

/// An error as text: where, what was tried, why it failed, what to do, AWS's request id; and what follows for the rest.
///
/// ```
/// use eks_core::Problems;
///
/// let mut problems = Problems::new();
/// problems.add("subnet-overlap", "subnet b", "overlaps subnet a", "move one of them");
/// let error = problems.finish("network n", || ()).unwrap_err();
/// let text = eks_view::error(&error).to_string();
/// assert!(text.contains("subnet b") && text.contains("move one of them"));
/// ```
pub fn error(error: &(dyn StdError + 'static)) -> ErrorView {
    ErrorView { explained: explain(error), look: Look::plain() }
}

impl ErrorView {
    /// Coloured, narrower, …; plain by default.
    #[must_use]
    pub fn look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }

    fn trouble(&self, f: &mut fmt::Formatter<'_>, trouble: &Trouble) -> fmt::Result {
        let look = self.look;
        if !trouble.place.is_empty() {
            write!(f, "\n  {} {}", look.ink(RED, "✗"), look.ink(BOLD, crate::look::line(&trouble.place)))?;
        }
        let request = trouble.request_id.as_deref().unwrap_or_default();
        let told = [("what", &*trouble.what, DIM), ("why", &trouble.why, YELLOW), ("do", &trouble.remedy, CYAN), ("request", request, DIM)];
        for (name, text, style) in told.into_iter().filter(|(_, text, _)| !text.is_empty()) {
            hanging(f, look, format_args!("    {}{:pad$}", look.ink(style, name), "", pad = 9 - name.len()), 13, text)?;
        }
        for detail in &trouble.details {
            hanging(f, look, format_args!("             {} ", look.ink(DIM, "·")), 15, detail)?;
        }
        Ok(())
    }
}

impl fmt::Display for ErrorView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (look, explained) = (self.look, &self.explained);
        write!(f, "{} ", look.ink(RED.bold(), "error:"))?;
        for (at, text) in explained.summary.lines().enumerate() {
            match at {
                0 => write!(f, "{}", look.ink(BOLD, crate::look::line(text)))?,
                // Some errors lay out what they tell, places below files: as they do.
                _ => write!(f, "\n  {}", crate::look::line(text.trim_end()))?,
            }
        }
        explained.troubles.iter().try_for_each(|trouble| self.trouble(f, trouble))?;
        explained.then.iter().try_for_each(|then| hanging(f, look, "  ", 2, then))
    }
}
