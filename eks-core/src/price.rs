//! What a resource costs.

use serde::{Deserialize, Serialize};

/// AWS's convention for a month.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// One price item of a step, on demand, in us-east-1, before traffic. Prices are defaults, not quotes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Price {
    /// What is paid for: `NAT gateway`.
    pub item: String,
    /// US dollars a month.
    pub usd_per_month: f64,
}

impl Price {
    /// An item that is billed by the hour.
    pub fn hourly(item: impl Into<String>, usd: f64) -> Self {
        Self { item: item.into(), usd_per_month: usd * HOURS_PER_MONTH }
    }

    /// An item that is billed by the month.
    pub fn monthly(item: impl Into<String>, usd: f64) -> Self {
        Self { item: item.into(), usd_per_month: usd }
    }
}
