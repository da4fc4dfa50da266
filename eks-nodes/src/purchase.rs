//! How instances are bought.

use serde::{Deserialize, Serialize};

/// From which pools Spot instances come. Auto Scaling User Guide, "Allocation strategies for multiple instance types".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SpotAllocation {
    /// Those with most capacity to spare.
    CapacityOptimized,
    /// Those with most capacity to spare, heeding the order of the instance types where it can.
    CapacityOptimizedPrioritized,
    /// The cheapest, which are interrupted most.
    LowestPrice,
    /// Those with most capacity to spare, the cheapest of them first: what AWS recommends.
    #[default]
    PriceCapacityOptimized,
}

impl SpotAllocation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CapacityOptimized => "capacity-optimized",
            Self::CapacityOptimizedPrioritized => "capacity-optimized-prioritized",
            Self::LowestPrice => "lowest-price",
            Self::PriceCapacityOptimized => "price-capacity-optimized",
        }
    }
}

/// How instances are bought.
///
/// On-demand instances of several types are launched in the order of the types, the first that has capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purchase {
    /// On demand.
    #[default]
    OnDemand,
    /// Spot only.
    Spot(SpotAllocation),
    /// Some on demand, the others Spot.
    Mixed {
        /// So many on demand first.
        on_demand_base: u32,
        /// Of those above, so many percent on demand.
        on_demand_percent: u8,
        /// Where the others come from.
        allocation: SpotAllocation,
    },
}

impl Purchase {
    /// On-demand base, on-demand percentage above it, and the pools of the rest.
    pub(crate) fn distribution(self) -> (u32, u8, Option<SpotAllocation>) {
        match self {
            Self::OnDemand => (0, 100, None),
            Self::Spot(allocation) => (0, 0, Some(allocation)),
            Self::Mixed { on_demand_base, on_demand_percent, allocation } => (on_demand_base, on_demand_percent, Some(allocation)),
        }
    }

    pub(crate) fn spot(self) -> Option<SpotAllocation> {
        self.distribution().2
    }
}
