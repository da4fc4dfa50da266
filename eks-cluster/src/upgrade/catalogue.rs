//! What EKS offers, until when, and at what price: what DescribeClusterVersions told, and this crate's calendar where it told nothing.

use jiff::civil::Date;

use crate::{KubernetesVersion, Support, Versions, price};

/// Where a version stands on a day.
pub(crate) fn support(told: &Versions, version: KubernetesVersion, today: Date) -> Support {
    told.get(version).map_or_else(|| version.support(today), |info| info.support(today))
}

/// US dollars a month that the control plane costs on a day, before what a scaling tier adds.
pub(crate) fn usd_per_month(told: &Versions, version: KubernetesVersion, today: Date) -> f64 {
    price::supported(Some(support(told, version, today))).usd_per_month
}

/// The newest version in support on a day.
pub(crate) fn newest(told: &Versions, today: Date) -> Option<KubernetesVersion> {
    let known = Versions::known();
    let versions = told.iter().chain(known.iter()).map(|info| info.version);
    versions.filter(|version| matches!(support(told, *version, today), Support::Standard { .. } | Support::Extended { .. })).max()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::VersionInfo;

    #[test]
    fn what_eks_tells_goes_before_the_calendar() {
        let (today, nothing) = (date(2026, 11, 22), Versions::default());
        assert_eq!(support(&nothing, KubernetesVersion::V1_34, today), Support::Standard { until: date(2026, 12, 2) });
        assert_eq!(usd_per_month(&nothing, KubernetesVersion::V1_33, today), 438.0);
        assert_eq!(usd_per_month(&nothing, KubernetesVersion::V1_34, today), 73.0);
        let line = |version, released, standard_until, extended_until| VersionInfo {
            version,
            is_default: false,
            released,
            standard_until,
            extended_until,
        };
        let new: KubernetesVersion = "1.38".parse().unwrap();
        let told: Versions = [
            line(KubernetesVersion::V1_34, date(2025, 10, 2), date(2026, 11, 1), date(2027, 11, 1)),
            line(new, date(2026, 11, 1), date(2028, 1, 1), date(2029, 1, 1)),
        ]
        .into_iter()
        .collect();
        assert_eq!(support(&told, KubernetesVersion::V1_34, today), Support::Extended { until: date(2027, 11, 1) });
        assert_eq!((support(&nothing, new, today), newest(&nothing, today)), (Support::Unknown, Some(KubernetesVersion::V1_37)));
        assert_eq!((support(&told, new, today), newest(&told, today)), (Support::Standard { until: date(2028, 1, 1) }, Some(new)));
        assert_eq!(support(&told, "1.30".parse().unwrap(), today), Support::Ended { since: None });
    }
}
