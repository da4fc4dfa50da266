//! Kubernetes versions (EKS user guide, "Amazon EKS Kubernetes release calendar").

use serde_json::{Value, json};

use super::{page, strings};
use crate::{call::Args, error::ApiError, world::World};

/// A Kubernetes minor version on EKS. Dates are UTC; support includes the day.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) version: &'static str,
    released: &'static str,
    end_standard: &'static str,
    end_extended: &'static str,
    patch: &'static str,
    platform: &'static str,
}

/// Newest first. The last support dates of 1.37 are 14 and 26 months after its release: the exact ones were not to be seen.
const RELEASES: &[Release] = &[
    Release {
        version: "1.37",
        released: "2026-10-01",
        end_standard: "2027-12-01",
        end_extended: "2028-12-01",
        patch: "1.37.1",
        platform: "eks.3",
    },
    Release {
        version: "1.36",
        released: "2026-06-02",
        end_standard: "2027-08-02",
        end_extended: "2028-08-02",
        patch: "1.36.4",
        platform: "eks.9",
    },
    Release {
        version: "1.35",
        released: "2026-01-27",
        end_standard: "2027-03-27",
        end_extended: "2028-03-27",
        patch: "1.35.7",
        platform: "eks.16",
    },
    Release {
        version: "1.34",
        released: "2025-10-02",
        end_standard: "2026-12-02",
        end_extended: "2027-12-02",
        patch: "1.34.9",
        platform: "eks.22",
    },
    Release {
        version: "1.33",
        released: "2025-05-29",
        end_standard: "2026-07-29",
        end_extended: "2027-07-29",
        patch: "1.33.11",
        platform: "eks.31",
    },
    Release {
        version: "1.32",
        released: "2025-01-23",
        end_standard: "2026-03-23",
        end_extended: "2027-03-23",
        patch: "1.32.13",
        platform: "eks.38",
    },
    Release {
        version: "1.31",
        released: "2024-09-26",
        end_standard: "2025-11-26",
        end_extended: "2026-11-26",
        patch: "1.31.14",
        platform: "eks.54",
    },
    Release {
        version: "1.30",
        released: "2024-05-23",
        end_standard: "2025-07-23",
        end_extended: "2026-07-23",
        patch: "1.30.14",
        platform: "eks.62",
    },
];

/// What CreateCluster takes when no version is given. It lags behind the newest.
pub(super) const DEFAULT: &str = "1.35";

/// How AWS supports a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    Standard,
    Extended,
    Ended,
}

impl Release {
    pub(super) fn support(&self, world: &World) -> Support {
        let over = |date: &str| world.epoch_seconds() >= seconds(date) + 86_400.0;
        match (over(self.end_standard), over(self.end_extended)) {
            (_, true) => Support::Ended,
            (true, false) => Support::Extended,
            (false, false) => Support::Standard,
        }
    }

    /// Whether this is the last day of extended support, or a later one.
    pub(super) fn is_last_day(&self, world: &World) -> bool {
        world.epoch_seconds() >= seconds(self.end_extended)
    }

    pub(super) fn platform(&self) -> &'static str {
        self.platform
    }

    fn describe(&self, world: &World) -> Value {
        let (status, old) = match self.support(world) {
            Support::Standard => ("STANDARD_SUPPORT", "standard-support"),
            Support::Extended => ("EXTENDED_SUPPORT", "extended-support"),
            Support::Ended => ("UNSUPPORTED", "unsupported"),
        };
        json!({
            "clusterVersion": self.version,
            "clusterType": "eks",
            "defaultPlatformVersion": self.platform,
            "defaultVersion": self.version == DEFAULT,
            "releaseDate": seconds(self.released),
            "endOfStandardSupportDate": seconds(self.end_standard),
            "endOfExtendedSupportDate": seconds(self.end_extended),
            "status": old,
            "versionStatus": status,
            "kubernetesPatchVersion": self.patch,
        })
    }
}

/// Midnight of a date, in seconds since 1970.
fn seconds(date: &str) -> f64 {
    format!("{date}T00:00:00Z").parse::<jiff::Timestamp>().map_or(0.0, |at| at.as_second() as f64)
}

pub(super) fn find(version: &str) -> Option<&'static Release> {
    RELEASES.iter().find(|release| release.version == version)
}

/// The versions that have add-ons.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    RELEASES.iter().map(|release| release.version)
}

/// `1.36` as 36.
pub(super) fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.parse().ok()
}

pub(super) fn describe_all(world: &World, args: &Args) -> Result<Value, ApiError> {
    let wanted = strings(args, "clusterVersions");
    let status = args.str("versionStatus").map(str::to_owned);
    let old_status = args.str("status").map(|status| status.to_uppercase().replace('-', "_"));
    let status = status.or(old_status);
    let all = args.bool("includeAll").unwrap_or(false) || !wanted.is_empty() || status.is_some();
    let default_only = args.bool("defaultOnly").unwrap_or(false);
    let list = RELEASES
        .iter()
        .filter(|release| all || release.support(world) != Support::Ended)
        .filter(|release| !default_only || release.version == DEFAULT)
        .filter(|release| wanted.is_empty() || wanted.iter().any(|version| version == release.version))
        .map(|release| release.describe(world))
        .filter(|told| status.as_ref().is_none_or(|status| told["versionStatus"] == status.as_str()))
        .collect();
    page("clusterVersions", list, args)
}
