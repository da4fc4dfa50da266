//! What a cluster costs: Amazon EKS pricing, us-east-1, on demand.

use eks_core::Price;
use jiff::civil::Date;

use crate::{KubernetesVersion, Support};

/// US dollars an hour in standard support.
const STANDARD: f64 = 0.10;
/// US dollars an hour in extended support, altogether.
const EXTENDED: f64 = 0.60;

/// The control plane's price on a day; that of standard support when the day is not known.
pub(crate) fn control_plane(version: KubernetesVersion, today: Option<Date>) -> Price {
    supported(today.map(|today| version.support(today)))
}

/// The control plane's price in a kind of support; that of standard support when it is not known.
pub(crate) fn supported(support: Option<Support>) -> Price {
    match support {
        Some(Support::Extended { .. } | Support::Ended { .. }) => Price::hourly("EKS control plane, extended support", EXTENDED),
        _ => Price::hourly("EKS control plane", STANDARD),
    }
}

/// US dollars a month that a cluster of this version costs.
pub(crate) fn usd_per_month(version: &str, today: Option<Date>) -> f64 {
    control_plane(version.parse().unwrap_or(KubernetesVersion::newest()), today).usd_per_month
}
