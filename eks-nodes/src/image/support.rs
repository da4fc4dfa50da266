//! Until when images are supported.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// The last day on which an operating system's images get updates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndOfSupport {
    /// The images: `Amazon Linux 2`.
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
