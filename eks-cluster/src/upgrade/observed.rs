//! What an upgrade or a rollback stands on.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{ClusterName, Facts, OWNER_TAG};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{
    addons::{AddonOffer, kube_proxy},
    insight::{Insight, InsightCategory, InsightStatus},
    nodes::ObservedNodes,
};
use crate::{KubernetesVersion, ObservedAddon, ObservedCluster, UpgradePolicy, Versions, addon};

/// What an upgrade's observation looks for; the `scope` of its plan's basis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UpgradeScope {
    /// The cluster, and where it should go.
    pub upgrade: UpgradeTarget,
}

/// A cluster and a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UpgradeTarget {
    /// Name of the cluster.
    pub cluster: ClusterName,
    /// Its Region.
    pub region: String,
    /// Where it should go.
    pub to: KubernetesVersion,
    /// Up or down.
    pub category: InsightCategory,
}

/// An update of the cluster's version that EKS knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedUpdate {
    /// Its id.
    pub id: String,
    /// `VersionUpdate`, `VersionRollback`, or another kind.
    pub kind: String,
    /// `InProgress`, `Successful`, …
    pub status: String,
    /// The version that it leads to.
    pub version: Option<KubernetesVersion>,
    /// When it began.
    pub created: Option<Timestamp>,
}

impl ObservedUpdate {
    /// An update of a kind in a status.
    pub fn new(id: impl Into<String>, kind: impl Into<String>, status: impl Into<String>) -> Self {
        Self { id: id.into(), kind: kind.into(), status: status.into(), version: None, created: None }
    }

    /// Whether it is under way.
    pub fn is_in_progress(&self) -> bool {
        self.status == "InProgress"
    }

    /// Whether it brings the control plane to `version`.
    pub fn leads_to(&self, version: KubernetesVersion) -> bool {
        matches!(self.kind.as_str(), "VersionUpdate" | "VersionRollback") && self.version == Some(version)
    }
}

/// What exists of a cluster that should change its version, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpgradeObserved {
    /// The cluster of that name, whoever owns it.
    pub cluster: Option<ObservedCluster>,
    /// What EKS offers; where it tells nothing, this crate's calendar counts.
    pub versions: Versions,
    /// Its add-ons, whoever owns them.
    pub addons: BTreeMap<String, ObservedAddon>,
    /// The versions of those that EKS offers.
    pub offers: BTreeMap<String, AddonOffer>,
    /// Its insights of the category at stake. None were asked for if it is where it should be.
    pub insights: Vec<Insight>,
    /// Its nodes.
    pub nodes: ObservedNodes,
    /// kube-proxy's version, where it is no add-on and its image tells it.
    pub self_managed_kube_proxy: Option<KubernetesVersion>,
    /// Free addresses of each of its subnets that exists. `None` if EC2 was not asked: the cluster is where it should be, or this crate's
    /// feature `ec2` is off.
    pub free_addresses: Option<BTreeMap<String, u32>>,
    /// Ids of all updates that EKS knows of.
    pub update_ids: BTreeSet<String>,
    /// Those of them that were read: all, if one is under way or a rollback is at stake.
    pub updates: Vec<ObservedUpdate>,
    /// When this was observed. Not a fact.
    pub now: Option<Timestamp>,
}

impl UpgradeObserved {
    pub(crate) fn today(&self) -> Option<Date> {
        self.now.map(|now| now.to_zoned(TimeZone::UTC).date())
    }

    /// kube-proxy's version, as add-on or by its image.
    pub(crate) fn kube_proxy(&self) -> Option<KubernetesVersion> {
        self.addons.get(addon::KUBE_PROXY).and_then(|addon| kube_proxy(&addon.version)).or(self.self_managed_kube_proxy)
    }

    /// The update of the version that is under way.
    pub(crate) fn under_way(&self) -> Option<&ObservedUpdate> {
        self.updates.iter().find(|update| update.is_in_progress() && update.kind.starts_with("Version"))
    }

    /// Everything that a plan's decisions rest on. Nodes count by version: that one of a kind comes or goes changes nothing.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        if let Some(cluster) = &self.cluster {
            let key = "cluster/control-plane";
            facts.note(key, "id", &cluster.name);
            facts.note(key, "arn", &cluster.arn);
            facts.note(key, "version", &cluster.version);
            facts.note(key, "status", settled(&cluster.status));
            facts.note(key, "owner", cluster.tags.get(OWNER_TAG).map(String::as_str).unwrap_or("nobody"));
            facts.note(key, "upgrade policy", cluster.upgrade_policy.map_or("not told", UpgradePolicy::as_str));
        }
        for (name, addon) in &self.addons {
            let key = format!("cluster/addon/{name}");
            facts.note(&key, "id", &addon.arn);
            facts.note(&key, "version", &addon.version);
            facts.note(&key, "failed", addon.has_failed());
            facts.note(&key, "owner", addon.tags.get(OWNER_TAG).map(String::as_str).unwrap_or("nobody"));
        }
        for insight in self.insights.iter().filter(|insight| insight.status == InsightStatus::Error) {
            facts.note(format!("cluster/insight/{}", insight.name), "id", &insight.id);
        }
        let mut kubelets: BTreeMap<String, BTreeSet<KubernetesVersion>> = BTreeMap::new();
        for node in &self.nodes.nodes {
            kubelets.entry(node.kind.to_string()).or_default().insert(node.kubelet);
        }
        for (kind, versions) in kubelets {
            facts.note("cluster/nodes", kind, versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        }
        if let Some(version) = self.self_managed_kube_proxy {
            facts.note("cluster/kube-proxy", "version", version);
        }
        facts
    }
}

/// States that pass by themselves are no facts.
fn settled(status: &str) -> &str {
    match status {
        "ACTIVE" | "UPDATING" | "CREATING" | "PENDING" => "there",
        lasting => lasting,
    }
}
