//! Until when images are supported.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Family;

/// A day of the Gregorian calendar: `2025-11-26`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A day; `None` if no calendar has it.
    pub const fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let last = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        if day >= 1 && day <= last { Some(Self { year, month, day }) } else { None }
    }

    /// The same day a year later, or the day before a leap day.
    pub(crate) fn a_year_later(self) -> Self {
        Self::new(self.year + 1, self.month, self.day).unwrap_or(Self { year: self.year + 1, day: 28, ..self })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The last day on which something that nodes run gets updates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndOfSupport {
    /// What ends: `Amazon Linux 2`, `Kubernetes 1.36`.
    pub images: String,
    /// The day.
    pub ends: Date,
    /// What to use instead.
    pub instead: &'static str,
}

/// The day on which this crate's table was read; a plan judges by it unless told another.
pub(crate) const READ: Date = date(2026, 11, 22);

/// EKS User Guide, "Guide to EKS AL2 & AL2-Accelerated AMIs transition features".
pub(crate) const AMAZON_LINUX_2: Date = date(2025, 11, 26);
/// Amazon Linux 2023 User Guide, "Release cadence": standard support and maintenance of five years together.
pub(crate) const AMAZON_LINUX_2023: Date = date(2029, 6, 30);

/// Ends of extended support, by minor of Kubernetes 1.x. EKS User Guide, "Understand the Kubernetes version lifecycle on EKS"; that of 1.37
/// is reckoned, 26 months from its release.
const KUBERNETES: [(u16, Date); 8] = [
    (30, date(2026, 7, 23)),
    (31, date(2026, 11, 26)),
    (32, date(2027, 3, 23)),
    (33, date(2027, 7, 29)),
    (34, date(2027, 12, 2)),
    (35, date(2028, 3, 27)),
    (36, date(2028, 8, 2)),
    (37, date(2028, 12, 1)),
];

/// When EKS ends a version of Kubernetes, and the images that are made for it with it.
pub(crate) fn kubernetes_end(version: &str, family: &Family) -> Option<EndOfSupport> {
    let minor: u16 = version.strip_prefix("1.")?.parse().ok()?;
    let (_, ends) = *KUBERNETES.iter().find(|(known, _)| *known == minor)?;
    let follows = matches!(family, Family::Bottlerocket(_) | Family::Windows(_));
    let images = if follows { format!("{} for Kubernetes {version}", family.name()) } else { format!("Kubernetes {version}") };
    Some(EndOfSupport { images, ends, instead: "a later version of Kubernetes" })
}

/// A day that this crate wrote itself; one that is none does not compile.
pub(crate) const fn date(year: u16, month: u8, day: u8) -> Date {
    match Date::new(year, month, day) {
        Some(date) => date,
        None => panic!("no such day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        assert_eq!(Date::new(2023, 2, 29), None);
        assert_eq!(Date::new(2025, 13, 1), None);
        assert_eq!(date(2024, 2, 29).a_year_later().to_string(), "2025-02-28");
        assert!(date(2025, 11, 26) < READ);
    }
}
