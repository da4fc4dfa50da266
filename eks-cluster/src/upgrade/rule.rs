//! The rules that can stand against an upgrade or a rollback, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A rule of Kubernetes or EKS. Its code is the `code` of the [`eks_core::Problem`] that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// The cluster exists.
    ClusterMissing,
    /// The cluster carries our owner's tag.
    ClusterOfOthers,
    /// The cluster is ACTIVE, or becomes so by itself.
    ClusterState,
    /// EKS tells no health issue of the cluster.
    ClusterHealth,
    /// An upgrade goes up; down goes a rollback.
    UpgradeOnly,
    /// EKS offers the version.
    VersionOffered,
    /// A kubelet is never newer than the API server.
    KubeletNewer,
    /// A kubelet may be at most three minor versions older than the API server; two before 1.25.
    KubeletLag,
    /// Nodes of managed groups and Fargate are at the control plane's version before it moves.
    ManagedNodesMatch,
    /// kube-proxy is never newer than the API server.
    KubeProxyNewer,
    /// kube-proxy may be at most three minor versions older than the API server; two before 1.25.
    KubeProxyLag,
    /// EKS offers a version of the add-on for each Kubernetes version.
    AddonIncompatible,
    /// Five addresses are free in the cluster's subnets.
    FreeAddresses,
    /// No insight is in ERROR that is not accepted.
    Insight,
    /// A rollback begins within seven days of its upgrade.
    RollbackWindow,
    /// A rollback undoes an upgrade in place; a cluster that was created at its version has none.
    RollbackWithoutUpgrade,
    /// A rollback goes one minor version back.
    RollbackOneMinor,
    /// A rollback to a version in extended support needs the upgrade policy EXTENDED.
    RollbackPolicy,
    /// Every node is at the target of the rollback, or older.
    RollbackNodes,
    /// A rollback's timeout is 120 to 10,080 minutes.
    RollbackTimeout,
}

const UPDATE: &str = "EKS User Guide, \"Update existing cluster to new Kubernetes version\"";
const ROLLBACK: &str = "EKS User Guide, \"Rollback cluster to previous Kubernetes version\"";
const SKEW: &str = "Kubernetes, \"Version Skew Policy\"";

impl Rule {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::ClusterMissing,
        Self::ClusterOfOthers,
        Self::ClusterState,
        Self::ClusterHealth,
        Self::UpgradeOnly,
        Self::VersionOffered,
        Self::KubeletNewer,
        Self::KubeletLag,
        Self::ManagedNodesMatch,
        Self::KubeProxyNewer,
        Self::KubeProxyLag,
        Self::AddonIncompatible,
        Self::FreeAddresses,
        Self::Insight,
        Self::RollbackWindow,
        Self::RollbackWithoutUpgrade,
        Self::RollbackOneMinor,
        Self::RollbackPolicy,
        Self::RollbackNodes,
        Self::RollbackTimeout,
    ];

    /// Its stable name: `kubelet-lag`.
    pub fn code(self) -> &'static str {
        match self {
            Self::ClusterMissing => "cluster-missing",
            Self::ClusterOfOthers => "cluster-of-others",
            Self::ClusterState => "cluster-state",
            Self::ClusterHealth => "cluster-health",
            Self::UpgradeOnly => "upgrade-only",
            Self::VersionOffered => "version-offered",
            Self::KubeletNewer => "kubelet-newer",
            Self::KubeletLag => "kubelet-lag",
            Self::ManagedNodesMatch => "managed-nodes-match",
            Self::KubeProxyNewer => "kube-proxy-newer",
            Self::KubeProxyLag => "kube-proxy-lag",
            Self::AddonIncompatible => "addon-incompatible",
            Self::FreeAddresses => "free-addresses",
            Self::Insight => "insight",
            Self::RollbackWindow => "rollback-window",
            Self::RollbackWithoutUpgrade => "rollback-without-upgrade",
            Self::RollbackOneMinor => "rollback-one-minor",
            Self::RollbackPolicy => "rollback-policy",
            Self::RollbackNodes => "rollback-nodes",
            Self::RollbackTimeout => "rollback-timeout",
        }
    }

    /// The rule of that name.
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.code() == code)
    }

    /// Where it is written.
    pub fn page(self) -> &'static str {
        match self {
            Self::ClusterMissing | Self::ClusterOfOthers => "eks-rs: what does not carry our owner's tag is never changed",
            Self::ClusterState | Self::ClusterHealth | Self::UpgradeOnly | Self::ManagedNodesMatch | Self::FreeAddresses => UPDATE,
            Self::VersionOffered => "EKS User Guide, \"Understand the Kubernetes version lifecycle on EKS\"",
            Self::KubeletNewer | Self::KubeletLag | Self::KubeProxyNewer | Self::KubeProxyLag => SKEW,
            Self::AddonIncompatible => "EKS API Reference, DescribeAddonVersions",
            Self::Insight => "EKS User Guide, \"Prepare for Kubernetes version upgrades with cluster insights\"",
            Self::RollbackWindow | Self::RollbackWithoutUpgrade | Self::RollbackOneMinor | Self::RollbackPolicy | Self::RollbackNodes => {
                ROLLBACK
            }
            Self::RollbackTimeout => "EKS API Reference, RollbackConfig",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_names() {
        for rule in Rule::ALL {
            assert_eq!(Rule::named(rule.code()), Some(rule));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.code());
        }
        assert_eq!(Rule::named("x"), None);
    }
}
