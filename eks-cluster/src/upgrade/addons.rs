//! Which version of an add-on fits which Kubernetes version, and by which way to go there.

use std::collections::BTreeSet;

use crate::{KubernetesVersion, addon};

/// A version of an add-on that EKS offers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OfferedVersion {
    /// It: `v1.20.4-eksbuild.2`.
    pub version: String,
    /// The Kubernetes versions that it runs on.
    pub fits: BTreeSet<KubernetesVersion>,
    /// The Kubernetes versions for which it is EKS's default.
    pub default_for: BTreeSet<KubernetesVersion>,
}

impl OfferedVersion {
    /// A version that fits some Kubernetes versions, and is the default for some of them.
    pub fn new(
        version: impl Into<String>,
        fits: impl IntoIterator<Item = KubernetesVersion>,
        default_for: impl IntoIterator<Item = KubernetesVersion>,
    ) -> Self {
        Self { version: version.into(), fits: fits.into_iter().collect(), default_for: default_for.into_iter().collect() }
    }
}

/// What DescribeAddonVersions tells of an add-on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddonOffer {
    /// Its versions.
    pub versions: Vec<OfferedVersion>,
}

impl FromIterator<OfferedVersion> for AddonOffer {
    fn from_iter<I: IntoIterator<Item = OfferedVersion>>(versions: I) -> Self {
        Self { versions: versions.into_iter().collect() }
    }
}

/// The numbers of a version, in order: 1, 20, 4, 2 of `v1.20.4-eksbuild.2`.
pub(crate) fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Its minor version: 20 of `v1.20.4-eksbuild.2`.
fn minor(version: &str) -> u64 {
    numbers(version).get(1).copied().unwrap_or_default()
}

/// The Kubernetes version that a kube-proxy add-on is of.
pub(crate) fn kube_proxy(version: &str) -> Option<KubernetesVersion> {
    KubernetesVersion::of_release(version).ok()
}

/// kube-proxy is never newer than the API server (Kubernetes, "Version Skew Policy").
fn leads(name: &str, version: &str, kubernetes: KubernetesVersion) -> bool {
    name == addon::KUBE_PROXY && kube_proxy(version).is_some_and(|own| own > kubernetes)
}

impl AddonOffer {
    fn candidates(&self, name: &str, kubernetes: KubernetesVersion) -> Vec<&OfferedVersion> {
        let fits = |offered: &&OfferedVersion| offered.fits.contains(&kubernetes) && !leads(name, &offered.version, kubernetes);
        self.versions.iter().filter(fits).collect()
    }

    fn newest<'a>(versions: impl IntoIterator<Item = &'a OfferedVersion>) -> Option<&'a str> {
        versions.into_iter().map(|offered| offered.version.as_str()).max_by_key(|version| numbers(version))
    }

    /// Whether `version` runs on a Kubernetes version; `None` if EKS does not list it any more.
    pub(crate) fn fits(&self, version: &str, kubernetes: KubernetesVersion) -> Option<bool> {
        Some(self.versions.iter().find(|offered| offered.version == version)?.fits.contains(&kubernetes))
    }

    /// EKS's default for a Kubernetes version, or else the newest that fits.
    pub(crate) fn default_version(&self, name: &str, kubernetes: KubernetesVersion) -> Option<&str> {
        let candidates = self.candidates(name, kubernetes);
        let default = candidates.iter().find(|offered| offered.default_for.contains(&kubernetes));
        default.map(|offered| offered.version.as_str()).or_else(|| Self::newest(candidates))
    }

    /// The newest that runs on all of these.
    pub(crate) fn newest_for(&self, name: &str, kubernetes: &[KubernetesVersion]) -> Option<&str> {
        let oldest = kubernetes.iter().min()?;
        let fits = |offered: &&OfferedVersion| kubernetes.iter().all(|version| offered.fits.contains(version));
        Self::newest(self.candidates(name, *oldest).into_iter().filter(fits))
    }

    /// The versions from `now` to `to`, each to be reached before the next. Of vpc-cni "update one minor version at a time" (EKS User
    /// Guide, "Update the Amazon VPC CNI"); minor versions that EKS offers no version of for this Kubernetes version are left out.
    pub(crate) fn way(&self, name: &str, now: &str, to: &str, kubernetes: KubernetesVersion) -> Vec<String> {
        let mut way = Vec::new();
        if name == addon::VPC_CNI && numbers(now).first() == numbers(to).first() {
            let (now, to) = (minor(now), minor(to));
            let between: Vec<u64> = if now < to { (now + 1..to).collect() } else { (to + 1..now).rev().collect() };
            for between in between {
                let of_minor = self.candidates(name, kubernetes).into_iter().filter(|offered| minor(&offered.version) == between);
                way.extend(Self::newest(of_minor).map(str::to_owned));
            }
        }
        way.push(to.to_owned());
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(minor: u16) -> KubernetesVersion {
        format!("1.{minor}").parse().unwrap()
    }

    fn cni() -> AddonOffer {
        let version = |text: &str, fits: &[u16], default: &[u16]| {
            OfferedVersion::new(text, fits.iter().copied().map(v), default.iter().copied().map(v))
        };
        [
            version("v1.18.6-eksbuild.1", &[34], &[]),
            version("v1.19.2-eksbuild.5", &[34, 35], &[]),
            version("v1.19.10-eksbuild.1", &[34, 35], &[34]),
            version("v1.20.1-eksbuild.1", &[35], &[]),
            version("v1.21.0-eksbuild.1", &[35], &[35]),
            version("v1.22.0-eksbuild.1", &[35], &[]),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn versions_are_numbers_not_text() {
        assert!(numbers("v1.19.10-eksbuild.1") > numbers("v1.19.2-eksbuild.5"));
        assert_eq!(numbers("v1.20.4-eksbuild.2"), [1, 20, 4, 2]);
        assert_eq!(cni().newest_for("vpc-cni", &[v(34), v(35)]), Some("v1.19.10-eksbuild.1"));
        assert_eq!(cni().default_version("vpc-cni", v(35)), Some("v1.21.0-eksbuild.1"));
        assert_eq!(cni().default_version("vpc-cni", v(36)), None);
    }

    #[test]
    fn vpc_cni_goes_one_minor_at_a_time() {
        let way = |name| cni().way(name, "v1.18.6-eksbuild.1", "v1.21.0-eksbuild.1", v(35));
        assert_eq!(way("vpc-cni"), ["v1.19.10-eksbuild.1", "v1.20.1-eksbuild.1", "v1.21.0-eksbuild.1"]);
        assert_eq!(way("coredns"), ["v1.21.0-eksbuild.1"]);
        let back = cni().way("vpc-cni", "v1.22.0-eksbuild.1", "v1.19.10-eksbuild.1", v(35));
        assert_eq!(back, ["v1.21.0-eksbuild.1", "v1.20.1-eksbuild.1", "v1.19.10-eksbuild.1"]);
    }

    #[test]
    fn kube_proxy_never_leads() {
        let proxy = |minor: u16| OfferedVersion::new(format!("v1.{minor}.1-eksbuild.1"), (34..=37).map(v), [v(minor)]);
        let offer: AddonOffer = [proxy(34), proxy(35), proxy(36)].into_iter().collect();
        assert_eq!(offer.newest_for("kube-proxy", &[v(35)]), Some("v1.35.1-eksbuild.1"));
        assert_eq!(offer.default_version("kube-proxy", v(35)), Some("v1.35.1-eksbuild.1"));
        assert_eq!(offer.newest_for("kube-proxy", &[v(35), v(36)]), Some("v1.35.1-eksbuild.1"));
    }
}
