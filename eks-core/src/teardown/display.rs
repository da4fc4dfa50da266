//! The teardown as a person wants to read it before agreeing to it.

use std::fmt;

use super::{Teardown, Verdict};
use crate::plan::clock;

impl fmt::Display for Teardown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            write!(f, "teardown of {}: nothing is there", self.owner())?;
            return self.findings().iter().try_for_each(|finding| write!(f, "\n  ! {finding}"));
        }
        let saved: f64 = self.removals().iter().map(|removal| removal.usd_per_month).sum();
        let (total, _) = self.critical_path();
        write!(f, "teardown of {}: {} to remove, about {}, saves ${saved:.2} a month", self.owner(), self.removals().len(), clock(total))?;
        let width = self.removals().iter().map(|removal| removal.key.as_str().len()).max().unwrap_or_default();
        for removal in self.removals() {
            let key = removal.key.as_str();
            write!(f, "\n  - {key:width$}  {} {}", removal.title, removal.id)?;
        }
        self.findings().iter().try_for_each(|finding| write!(f, "\n  ! {finding}"))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => write!(f, "verdict: clean, nothing is left"),
            Self::Leaked(survivors) => {
                let usd: f64 = survivors.iter().map(|survivor| survivor.usd_per_month).sum();
                write!(f, "verdict: leaked, {} left, ${usd:.2} a month", survivors.len())?;
                for survivor in survivors {
                    write!(f, "\n  ! {survivor}")?;
                }
                Ok(())
            }
        }
    }
}
