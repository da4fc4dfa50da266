//! How much capacity a control plane has at all times.

use std::fmt;

use eks_core::Price;
use serde::{Deserialize, Serialize};

/// Capacity of a control plane. Amazon EKS User Guide, "Amazon EKS Provisioned Control Plane".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ScalingTier {
    /// EKS scales the control plane by its load. The default, at no price of its own.
    #[default]
    #[serde(rename = "standard")]
    Standard,
    /// $1.65 an hour.
    #[serde(rename = "tier-xl")]
    Xl,
    /// $3.40 an hour.
    #[serde(rename = "tier-2xl")]
    Xl2,
    /// $6.90 an hour.
    #[serde(rename = "tier-4xl")]
    Xl4,
    /// $13.90 an hour.
    #[serde(rename = "tier-8xl")]
    Xl8,
}

impl ScalingTier {
    #[cfg(feature = "aws")]
    const ALL: [Self; 5] = [Self::Standard, Self::Xl, Self::Xl2, Self::Xl4, Self::Xl8];

    /// EKS's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Xl => "tier-xl",
            Self::Xl2 => "tier-2xl",
            Self::Xl4 => "tier-4xl",
            Self::Xl8 => "tier-8xl",
        }
    }

    /// The tier of that name.
    #[cfg(feature = "aws")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == name)
    }

    /// US dollars an hour on top of the cluster's price. Amazon EKS pricing, us-east-1.
    pub fn usd_per_hour(self) -> f64 {
        match self {
            Self::Standard => 0.0,
            Self::Xl => 1.65,
            Self::Xl2 => 3.40,
            Self::Xl4 => 6.90,
            Self::Xl8 => 13.90,
        }
    }

    /// What it adds to a plan's price.
    pub(crate) fn price(self) -> Option<Price> {
        (self != Self::Standard).then(|| Price::hourly(format!("EKS provisioned control plane, {self}"), self.usd_per_hour()))
    }
}

impl fmt::Display for ScalingTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
