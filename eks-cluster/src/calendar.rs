//! The versions that EKS offers, as it tells them now.

use jiff::civil::Date;

use crate::{KubernetesVersion, Support};

/// A Kubernetes version on EKS. Dates are UTC; each is the last day of its kind of support.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data; users without the feature aws build it")]
pub struct VersionInfo {
    /// The version.
    pub version: KubernetesVersion,
    /// Whether EKS takes it when a cluster is made without a version. It is not the newest.
    pub is_default: bool,
    /// When it came to EKS.
    pub released: Date,
    /// Until when it costs $0.10 an hour.
    pub standard_until: Date,
    /// Until when it can be kept, at $0.60 an hour from the day after `standard_until` on.
    pub extended_until: Date,
}

impl VersionInfo {
    /// Where it stands on a day.
    pub fn support(&self, today: Date) -> Support {
        if today < self.released {
            Support::Upcoming { released: self.released }
        } else if today <= self.standard_until {
            Support::Standard { until: self.standard_until }
        } else if today <= self.extended_until {
            Support::Extended { until: self.extended_until }
        } else {
            Support::Ended { since: Some(self.extended_until) }
        }
    }
}

/// Which version a cluster gets that does not exist yet, if its owner names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "EKS marks one version, and one is the newest")]
pub enum VersionChoice {
    /// The one that EKS itself takes: some months old, so that tools and add-ons have caught up.
    #[default]
    EksDefault,
    /// The newest in standard support.
    Newest,
}

/// The versions that EKS offers: DescribeClusterVersions, or [`Versions::known`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions(Vec<VersionInfo>);

impl Versions {
    /// The calendar that this crate knows, without a call. It marks no default.
    pub fn known() -> Self {
        KubernetesVersion::calendar().collect()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &VersionInfo> {
        self.0.iter()
    }

    /// One of them.
    pub fn get(&self, version: KubernetesVersion) -> Option<&VersionInfo> {
        self.0.iter().find(|info| info.version == version)
    }

    /// The version of a choice on a day. None if EKS marks no default, or has no version in standard support.
    pub fn choose(&self, choice: VersionChoice, today: Date) -> Option<KubernetesVersion> {
        let chosen = match choice {
            VersionChoice::EksDefault => self.0.iter().find(|info| info.is_default),
            VersionChoice::Newest => self.0.iter().rfind(|info| matches!(info.support(today), Support::Standard { .. })),
        };
        chosen.map(|info| info.version)
    }
}

impl FromIterator<VersionInfo> for Versions {
    fn from_iter<I: IntoIterator<Item = VersionInfo>>(infos: I) -> Self {
        let mut infos: Vec<_> = infos.into_iter().collect();
        infos.sort_by_key(|info| info.version);
        Self(infos)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn choices() {
        let mut versions: Vec<_> = Versions::known().0;
        let day = date(2026, 11, 22);
        assert_eq!(Versions::known().choose(VersionChoice::EksDefault, day), None);
        versions.iter_mut().filter(|info| info.version == KubernetesVersion::V1_35).for_each(|info| info.is_default = true);
        let versions: Versions = versions.into_iter().rev().collect();
        assert_eq!(versions.choose(VersionChoice::EksDefault, day), Some(KubernetesVersion::V1_35));
        assert_eq!(versions.choose(VersionChoice::Newest, day), Some(KubernetesVersion::V1_37));
        assert_eq!(versions.choose(VersionChoice::Newest, date(2026, 9, 30)), Some(KubernetesVersion::V1_36));
        assert_eq!(versions.choose(VersionChoice::Newest, date(2029, 1, 1)), None);
    }
}
