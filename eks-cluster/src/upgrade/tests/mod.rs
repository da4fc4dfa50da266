//! Upgrades, read as a person reads them, and proven over every case.

mod exhaustive;
mod golden;
mod refusals;
mod rollback;

use eks_core::{ClusterName, Owner, Region};
use jiff::Timestamp;

use super::{
    AddonOffer, Insight, InsightStatus, NodeKind, NodeVersion, ObservedNodes, OfferedVersion, UpgradeBuilder, UpgradeObserved,
    spec::Upgrade,
};
use crate::{KubernetesVersion, ObservedAddon, ObservedCluster, testing};

pub(crate) const NOW: &str = "2026-11-22T12:00:00Z";

pub(crate) fn v(minor: u16) -> KubernetesVersion {
    format!("1.{minor}").parse().unwrap()
}

pub(crate) fn owner() -> Owner {
    testing::owner()
}

pub(crate) fn name() -> ClusterName {
    ClusterName::new("chap10").unwrap()
}

pub(crate) fn region() -> Region {
    Region::new("us-east-1").unwrap()
}

pub(crate) fn upgrade(to: u16) -> UpgradeBuilder {
    Upgrade::builder(&owner(), name(), region(), v(to))
}

pub(crate) fn node(name: &str, minor: u16) -> NodeVersion {
    NodeVersion::new(name, NodeKind::SelfManaged, &format!("v1.{minor}.3-eks-1234567")).unwrap()
}

fn offered(version: &str, fits: std::ops::RangeInclusive<u16>, default: std::ops::RangeInclusive<u16>) -> OfferedVersion {
    OfferedVersion::new(version, fits.map(v), default.map(v))
}

/// Offers in the shape of EKS's: kube-proxy of each version also fits later ones, coredns fits a few, vpc-cni fits all.
fn offer(name: &str) -> AddonOffer {
    #[expect(clippy::reversed_empty_ranges, reason = "a version that is nobody's default")]
    let nobody = 1..=0;
    match name {
        "kube-proxy" => (28..=37).map(|minor| offered(&format!("v1.{minor}.1-eksbuild.1"), minor..=minor + 3, minor..=minor)).collect(),
        "coredns" => [
            offered("v1.11.4-eksbuild.2", 29..=33, 29..=32),
            offered("v1.12.1-eksbuild.2", 31..=35, 33..=34),
            offered("v1.13.2-eksbuild.1", 34..=37, 35..=37),
        ]
        .into_iter()
        .collect(),
        _ => [
            offered("v1.18.6-eksbuild.1", 28..=37, 28..=32),
            offered("v1.19.5-eksbuild.3", 28..=37, nobody),
            offered("v1.20.4-eksbuild.2", 28..=37, 33..=34),
            offered("v1.21.1-eksbuild.1", 28..=37, 35..=37),
        ]
        .into_iter()
        .collect(),
    }
}

fn addon(name: &str, version: &str) -> ObservedAddon {
    ObservedAddon { version: version.to_owned(), ..testing::addon(name, "ACTIVE").1 }
}

fn insight(name: &str, minor: u16, status: InsightStatus, reason: &str) -> Insight {
    Insight {
        reason: reason.to_owned(),
        refreshed: Some("2026-11-22T08:30:00Z".parse().unwrap()),
        ..Insight::new(format!("id-{name}"), name, Some(v(minor)), status)
    }
}

/// A cluster of a version whose add-ons, kube-proxy among them, have EKS's defaults, with fresh insights that pass.
pub(crate) fn observed(minor: u16, nodes: &[NodeVersion]) -> UpgradeObserved {
    let names = ["vpc-cni", "kube-proxy", "coredns"];
    let default = |name: &str| offer(name).default_version(name, v(minor)).unwrap().to_owned();
    UpgradeObserved {
        cluster: Some(ObservedCluster { version: format!("1.{minor}"), ..testing::cluster() }),
        addons: names.map(|name| (name.to_owned(), addon(name, &default(name)))).into(),
        offers: names.map(|name| (name.to_owned(), offer(name))).into(),
        insights: vec![
            insight(
                "Kubelet version skew",
                minor + 1,
                InsightStatus::Passing,
                "Node kubelet versions match the cluster control plane version.",
            ),
            insight("EKS add-on version compatibility", minor + 1, InsightStatus::Passing, ""),
        ],
        nodes: ObservedNodes::all(nodes.iter().cloned()),
        free_addresses: Some((1..=4).map(|n| (format!("subnet-1111111{n}"), 200)).collect()),
        now: Some(NOW.parse::<Timestamp>().unwrap()),
        ..UpgradeObserved::default()
    }
}
