//! An upgrade as a person wants to read it.

use std::fmt;

use super::plan::{UpgradePlan, VersionCost};
use crate::Support;

impl fmt::Display for UpgradePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.to < self.from { "rollback" } else { "upgrade" };
        if self.from == self.to {
            writeln!(f, "{way} of cluster {}: it runs {}", self.cluster, self.to)?;
        } else {
            writeln!(f, "{way} of cluster {} from {} to {}", self.cluster, self.from, self.to)?;
        }
        for cost in &self.costs {
            writeln!(f, "  {:<5} {:<10} {}", cost.version.to_string(), self.place(cost), price(cost))?;
        }
        if let Some(gate) = &self.gate {
            writeln!(f, "\n{gate}")?;
        }
        write!(f, "\n{}", self.plan)
    }
}

impl UpgradePlan {
    /// Where a version stands on the way.
    fn place(&self, cost: &VersionCost) -> &'static str {
        let planned = (self.from.min(self.reached)..=self.from.max(self.reached)).contains(&cost.version);
        match () {
            () if cost.version == self.from => "now",
            () if planned => "planned",
            () => "gated",
        }
    }
}

fn price(cost: &VersionCost) -> String {
    let usd = format!("${:.2} a month", cost.usd_per_month);
    match cost.support {
        Some(Support::Standard { until }) => format!("{usd:<18} standard support until {until}"),
        Some(Support::Extended { until }) => format!("{usd:<18} extended support until {until}"),
        Some(Support::Ended { .. }) => format!("{usd:<18} support has ended"),
        Some(Support::Upcoming { released }) => format!("{usd:<18} released on {released}"),
        Some(Support::Unknown) => format!("{usd:<18} dates unknown"),
        None => usd,
    }
}
