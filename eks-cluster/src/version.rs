//! Kubernetes versions on EKS: when they came, and when their support ends.

use std::{fmt, str::FromStr};

use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

use crate::VersionInfo;

/// A Kubernetes minor version that EKS offers: `1.36`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubernetesVersion {
    major: u8,
    minor: u16,
}

/// Text that is not a Kubernetes minor version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_structs, reason = "the text is all there is")]
#[error("{0:?} is not a Kubernetes version: 1 and a minor version without a patch, such as 1.36")]
pub struct VersionError(pub String);

/// Where a version stands in EKS's support calendar on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Support {
    /// Not yet released on EKS on that day.
    Upcoming {
        /// When EKS releases it.
        released: Date,
    },
    /// Standard support.
    Standard {
        /// Its last day, UTC. Extended support, and its price, begin on the day after.
        until: Date,
    },
    /// Extended support, at six times the price.
    Extended {
        /// Its last day, UTC.
        until: Date,
    },
    /// Not supported any more: EKS refuses new clusters, and upgrades old ones at a time of its own choice.
    Ended {
        /// The last day on which it was supported, if this crate knows it.
        since: Option<Date>,
    },
    /// Newer than this crate's calendar.
    Unknown,
}

/// One line of the calendar.
struct Entry {
    minor: u16,
    released: Date,
    standard: Date,
    extended: Date,
}

const fn entry(minor: u16, released: Date, standard: Date, extended: Date) -> Entry {
    Entry { minor, released, standard, extended }
}

/// Amazon EKS User Guide, "Amazon EKS Kubernetes release calendar", as of 2026-11. The ends of 1.37 follow from AWS's rule
/// of 14 and 12 months, as its exact dates were not published yet.
const CALENDAR: [Entry; 7] = [
    entry(31, date(2024, 9, 26), date(2025, 11, 26), date(2026, 11, 26)),
    entry(32, date(2025, 1, 23), date(2026, 3, 23), date(2027, 3, 23)),
    entry(33, date(2025, 5, 29), date(2026, 7, 29), date(2027, 7, 29)),
    entry(34, date(2025, 10, 2), date(2026, 12, 2), date(2027, 12, 2)),
    entry(35, date(2026, 1, 27), date(2027, 3, 27), date(2028, 3, 27)),
    entry(36, date(2026, 6, 2), date(2027, 8, 2), date(2028, 8, 2)),
    entry(37, date(2026, 10, 1), date(2027, 12, 1), date(2028, 12, 1)),
];

/// The first minor version whose dates are not AWS's own words.
const FIRST_ESTIMATED: u16 = 37;

impl KubernetesVersion {
    /// 1.31
    pub const V1_31: Self = Self::minor_of_1(31);
    /// 1.32
    pub const V1_32: Self = Self::minor_of_1(32);
    /// 1.33
    pub const V1_33: Self = Self::minor_of_1(33);
    /// 1.34
    pub const V1_34: Self = Self::minor_of_1(34);
    /// 1.35
    pub const V1_35: Self = Self::minor_of_1(35);
    /// 1.36
    pub const V1_36: Self = Self::minor_of_1(36);
    /// 1.37
    pub const V1_37: Self = Self::minor_of_1(37);

    const fn minor_of_1(minor: u16) -> Self {
        Self { major: 1, minor }
    }

    /// The minor version: 36 of 1.36.
    pub fn minor(self) -> u16 {
        self.minor
    }

    /// The minor version after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self { minor: self.minor.saturating_add(1), ..self }
    }

    /// The minor version before it; `None` before 1.0.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        Some(Self { minor: self.minor.checked_sub(1)?, ..self })
    }

    /// The minor version of a release: 1.35 of `v1.35.2-eks-1234567`.
    ///
    /// # Errors
    /// If it does not begin with a version.
    pub fn of_release(text: &str) -> Result<Self, VersionError> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split(['.', '-', '+']);
        let (Some(major), Some(minor)) = (parts.next(), parts.next()) else { return Err(VersionError(text.to_owned())) };
        format!("{major}.{minor}").parse().map_err(|_| VersionError(text.to_owned()))
    }

    /// Where it stands on a day.
    pub fn support(self, today: Date) -> Support {
        match self.info() {
            None if self.is_before_calendar() => Support::Ended { since: None },
            None => Support::Unknown,
            Some(info) => info.support(today),
        }
    }

    /// This crate's calendar.
    pub(crate) fn calendar() -> impl Iterator<Item = VersionInfo> {
        CALENDAR.iter().map(|entry| VersionInfo {
            version: Self::minor_of_1(entry.minor),
            is_default: false,
            released: entry.released,
            standard_until: entry.standard,
            extended_until: entry.extended,
        })
    }

    /// What this crate knows of it without asking.
    pub(crate) fn info(self) -> Option<VersionInfo> {
        Self::calendar().find(|info| info.version == self)
    }

    /// Whether EKS must be asked for its dates: they were not published, or it did not exist, when this crate's calendar was made.
    pub(crate) fn needs_asking(self) -> bool {
        self.minor >= FIRST_ESTIMATED
    }

    /// Whether its support had ended before this crate's calendar begins.
    pub(crate) fn is_before_calendar(self) -> bool {
        self.minor < CALENDAR[0].minor
    }

    /// Versions in standard support on a day, for messages.
    pub(crate) fn in_standard_support(today: Date) -> String {
        let standard = CALENDAR.iter().filter(|entry| (entry.released..=entry.standard).contains(&today));
        standard.map(|entry| Self::minor_of_1(entry.minor).to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The newest version of this crate's calendar.
    pub(crate) fn newest() -> Self {
        Self::V1_37
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

impl FromStr for KubernetesVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError(text.to_owned());
        let minor = text.strip_prefix("1.").ok_or_else(wrong)?;
        let fine = !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()) && (minor.len() == 1 || !minor.starts_with('0'));
        if !fine {
            return Err(wrong());
        }
        Ok(Self::minor_of_1(minor.parse().map_err(|_| wrong())?))
    }
}

impl TryFrom<String> for KubernetesVersion {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<KubernetesVersion> for String {
    fn from(version: KubernetesVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text() {
        assert_eq!("1.36".parse(), Ok(KubernetesVersion::V1_36));
        assert_eq!("1.41".parse::<KubernetesVersion>().unwrap().to_string(), "1.41");
        for wrong in ["", "1", "1.", "1.36.2", "2.1", "v1.36", "1.036", "1.+3", "1.99999"] {
            assert!(wrong.parse::<KubernetesVersion>().is_err(), "{wrong:?}");
        }
        assert!("1.9".parse::<KubernetesVersion>().unwrap() < KubernetesVersion::V1_31);
    }

    #[test]
    fn releases_tell_their_minor_version() {
        for text in ["v1.35.2-eks-1234567", "1.35.2", "v1.35", "v1.35-eksbuild.1"] {
            assert_eq!(KubernetesVersion::of_release(text), Ok(KubernetesVersion::V1_35), "{text}");
        }
        for wrong in ["", "v1", "2.35", "latest"] {
            assert!(KubernetesVersion::of_release(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            (KubernetesVersion::V1_35.next(), KubernetesVersion::V1_36.previous()),
            (KubernetesVersion::V1_36, Some(KubernetesVersion::V1_35))
        );
    }

    #[test]
    fn support_changes_on_the_day_after_its_last_day() {
        let version = KubernetesVersion::V1_34;
        assert_eq!(version.support(date(2026, 12, 2)), Support::Standard { until: date(2026, 12, 2) });
        assert_eq!(version.support(date(2026, 12, 3)), Support::Extended { until: date(2027, 12, 2) });
        assert_eq!(version.support(date(2027, 12, 3)), Support::Ended { since: Some(date(2027, 12, 2)) });
        assert_eq!(version.support(date(2025, 1, 1)), Support::Upcoming { released: date(2025, 10, 2) });
        assert_eq!("1.10".parse::<KubernetesVersion>().unwrap().support(date(2026, 1, 1)), Support::Ended { since: None });
        assert_eq!("1.50".parse::<KubernetesVersion>().unwrap().support(date(2026, 1, 1)), Support::Unknown);
    }

    #[test]
    fn calendar_is_in_order_and_at_least_three_are_in_standard_support() {
        assert!(CALENDAR.windows(2).all(|pair| pair[0].minor + 1 == pair[1].minor && pair[0].extended < pair[1].extended));
        assert!(CALENDAR.iter().all(|entry| entry.released < entry.standard && entry.standard < entry.extended));
        assert_eq!(KubernetesVersion::in_standard_support(date(2026, 11, 22)), "1.34, 1.35, 1.36, 1.37");
    }
}
