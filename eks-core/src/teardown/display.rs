//! The teardown as a person wants to read it before agreeing to it.

use std::fmt;

use super::{Removal, Teardown, Verdict};
use crate::plan::clock;

/// Grouped by layer, in the order in which the first of each may begin; within a layer, each after what must be gone first.
impl fmt::Display for Teardown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            write!(f, "teardown of {}: nothing is there", self.owner())?;
        } else {
            let (total, _) = self.critical_path();
            let saved = usd(self.removals().iter().map(|removal| removal.usd_per_month));
            write!(f, "teardown of {}: {} to remove, about {}, saves {saved}", self.owner(), self.removals().len(), clock(total))?;
        }
        let width = self.removals().iter().map(|removal| removal.key.as_str().len()).max().unwrap_or_default();
        let layers = self.layers();
        for (layer, removals) in &layers {
            let indent = if layers.len() > 1 { "    " } else { "  " };
            if layers.len() > 1 {
                let saved = usd(removals.iter().map(|removal| removal.usd_per_month));
                write!(f, "\n  {layer}: {}, {saved}", removals.len())?;
            }
            for removal in removals {
                write!(f, "\n{indent}- {:width$}  {} {}", removal.key.as_str(), removal.title, removal.id)?;
                if removal.usd_per_month >= CENT {
                    write!(f, " ({})", usd([removal.usd_per_month]))?;
                }
            }
        }
        if !self.stays().is_empty() {
            write!(f, "\n  stays: {}, {}", self.stays().len(), usd(self.stays().iter().map(|survivor| survivor.usd_per_month)))?;
            self.stays().iter().try_for_each(|survivor| write!(f, "\n    = {survivor}"))?;
        }
        self.findings().iter().try_for_each(|finding| write!(f, "\n  ! {finding}"))?;
        self.refuses().iter().try_for_each(|why| write!(f, "\n  !! nothing will be done: {why}"))
    }
}

/// What rounds to less is not shown.
const CENT: f64 = 0.005;

fn usd(all: impl IntoIterator<Item = f64>) -> String {
    // An empty sum of floats is minus zero.
    format!("${:.2} a month", all.into_iter().sum::<f64>() + 0.0)
}

impl Teardown {
    /// Removals by layer.
    fn layers(&self) -> Vec<(&str, Vec<&Removal>)> {
        let mut layers: Vec<(&str, Vec<&Removal>)> = Vec::new();
        for removal in self.removals() {
            match layers.iter_mut().find(|(layer, _)| *layer == removal.key.layer()) {
                Some((_, all)) => all.push(removal),
                None => layers.push((removal.key.layer(), vec![removal])),
            }
        }
        layers
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
