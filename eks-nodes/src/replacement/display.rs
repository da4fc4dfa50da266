//! A replacement as a person wants to read it.

use std::fmt;

use eks_core::HOURS_PER_MONTH;

use super::plan::{ReplacementPlan, Way, some};

impl fmt::Display for ReplacementPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.way {
            Way::Forward if self.is_done() => {
                return write!(f, "{} has taken the place of {}: nothing to do\n\n{}", self.new, self.old, self.plan);
            }
            Way::Forward => writeln!(f, "replacement of {} by {}", self.old, self.new)?,
            Way::Back => writeln!(f, "way back from {} to {}; {} stays", self.new, self.old, self.new)?,
        }
        let width = self.rounds.len().to_string().len().max(2);
        for (number, round) in self.rounds.iter().enumerate() {
            let (count, zones) = (round.instances.len(), round.zones.join(", "));
            write!(
                f,
                "  round {:0width$}  {count} node{} in {zones}: {}",
                number + 1,
                if count == 1 { "" } else { "s" },
                some(&round.nodes)
            )?;
            let first: u32 = round.new_first.values().sum();
            if first > 0 {
                write!(f, ", once {first} new {} Ready", if first == 1 { "is" } else { "are" })?;
            }
            writeln!(f)?;
        }
        if !self.rounds.is_empty() {
            for line in self.forecast.to_string().lines() {
                writeln!(f, "  {line}")?;
            }
        }
        if self.way == Way::Forward && self.old_usd_per_month > 0.0 {
            let hours = self.critical_path().0.as_secs_f64() / 3600.0;
            let both = self.old_usd_per_month / HOURS_PER_MONTH * hours;
            writeln!(
                f,
                "  {} costs ${:.2} a month until it is gone; beside the new one, about ${both:.2}",
                self.old, self.old_usd_per_month
            )?;
        }
        write!(f, "\n{}", self.plan)
    }
}
