//! Versions of add-ons: which fits, which is newest, and how to get from one to another.

use std::cmp::Ordering;

/// A version in its parts: `v1.20.4-eksbuild.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Parts {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    patch: u32,
    build: u32,
}

impl Parts {
    /// `None` if it is not written so.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (release, build) = text.strip_prefix('v')?.split_once('-')?;
        let mut numbers = release.split('.').map(|number| number.parse().ok());
        let (major, minor, patch) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let build = build.rsplit('.').next().and_then(|build| build.parse().ok()).unwrap_or(0);
        numbers.next().is_none().then_some(Self { major, minor, patch, build })
    }
}

/// By number where both have one, and else by text.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    match (Parts::of(one), Parts::of(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.cmp(other),
    }
}

/// `v1.20.4-eksbuild.2`
pub(super) fn is_version(text: &str) -> bool {
    let Some((release, build)) = text.strip_prefix('v').and_then(|rest| rest.split_once('-')) else { return false };
    let numbers: Vec<_> = release.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        && !build.is_empty()
        && build.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
}

/// Versions to go through on the way, for add-ons that go one minor version at a time: EKS User Guide, "Update the Amazon VPC CNI (Amazon
/// EKS add-on)". Of each minor version between, the newest that EKS offers; a minor version of which it offers none cannot be gone
/// through.
pub(crate) fn hops(addon: &str, from: &str, to: &str, offered: &[String]) -> Vec<String> {
    let (Some(from), Some(to)) = (Parts::of(from), Parts::of(to)) else { return Vec::new() };
    if addon != super::VPC_CNI || from.major != to.major {
        return Vec::new();
    }
    let newest = |minor: u32| {
        let of_minor = offered.iter().filter(|text| Parts::of(text).is_some_and(|parts| (parts.major, parts.minor) == (to.major, minor)));
        of_minor.max_by(|one, other| compare(one, other)).cloned()
    };
    match from.minor.cmp(&to.minor) {
        Ordering::Less => (from.minor + 1..to.minor).filter_map(newest).collect(),
        _ => (to.minor + 1..from.minor).rev().filter_map(newest).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert_eq!(compare("v1.9.0-eksbuild.1", "v1.10.0-eksbuild.1"), Ordering::Less);
        assert_eq!(compare("v1.36.0-eksbuild.17", "v1.36.0-eksbuild.2"), Ordering::Greater);
        assert_eq!(Parts::of("latest"), None);
        assert_eq!(Parts::of("v1.2-eksbuild.1"), None);
    }

    #[test]
    fn the_cni_goes_one_minor_version_at_a_time() {
        let offered = ["v1.19.0-eksbuild.1", "v1.20.4-eksbuild.2", "v1.20.10-eksbuild.1", "v1.21.1-eksbuild.7", "v1.22.3-eksbuild.1"];
        let offered = offered.map(str::to_owned);
        let way = |addon: &str, from: &str, to: &str| hops(addon, from, to, &offered);
        assert_eq!(
            way("vpc-cni", "v1.19.0-eksbuild.1", "v1.22.3-eksbuild.1"),
            ["v1.20.10-eksbuild.1", "v1.21.1-eksbuild.7"],
            "the newest of each"
        );
        assert!(way("vpc-cni", "v1.21.0-eksbuild.1", "v1.22.3-eksbuild.1").is_empty());
        assert_eq!(way("vpc-cni", "v1.22.3-eksbuild.1", "v1.20.4-eksbuild.2"), ["v1.21.1-eksbuild.7"], "nor down");
        assert!(way("vpc-cni", "v1.17.0-eksbuild.1", "v1.19.0-eksbuild.1").is_empty(), "EKS offers none of 1.18");
        assert!(way("coredns", "v1.19.0-eksbuild.1", "v1.22.3-eksbuild.1").is_empty());
    }
}
