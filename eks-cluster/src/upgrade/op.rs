//! The operations of upgrades and rollbacks.

use eks_core::ClusterName;
use serde::{Deserialize, Serialize};

use super::{
    insight::{AcceptedInsights, InsightCategory},
    nodes::ManagedNodes,
};
use crate::KubernetesVersion;

/// An operation of an upgrade or a rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UpgradeOp {
    /// Has EKS look through the cluster again, and stops at what blocks.
    Insights(InsightsCheck),
    /// Moves the control plane by one minor version, and waits until it is there.
    ControlPlane(ControlPlaneHop),
    /// Moves an add-on to another version, with its configuration and role as they are.
    Addon(AddonHop),
}

/// A look at fresh insights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InsightsCheck {
    /// Name of the cluster.
    pub cluster: ClusterName,
    /// Which insights.
    pub category: InsightCategory,
    /// The version that they must be about.
    pub version: KubernetesVersion,
    /// Those in ERROR that do not stop it.
    pub accepted: AcceptedInsights,
}

/// One minor version up, or down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ControlPlaneHop {
    /// Name of the cluster.
    pub cluster: ClusterName,
    /// The version that it has.
    pub from: KubernetesVersion,
    /// The version that it gets.
    pub to: KubernetesVersion,
    /// Whether EKS is told to go on in spite of insights in ERROR.
    pub force: bool,
    /// EKS's `clientRequestToken`, no secret: EKS answers a repeated call with the update that it began. It follows from the updates
    /// that the cluster has had, so that after one that failed another can begin.
    pub client_request_token: String,
    /// Of a rollback: after how many minutes EKS gives up waiting for Auto Mode's nodes. EKS's default is 720.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<u16>,
    /// What is asked of managed nodes, as they are looked at once more before the call.
    pub managed_nodes: ManagedNodes,
}

impl ControlPlaneHop {
    /// Whether it goes back.
    pub fn is_rollback(&self) -> bool {
        self.to < self.from
    }
}

/// An add-on from one version to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddonHop {
    /// Name of the cluster.
    pub cluster: ClusterName,
    /// Name of the add-on.
    pub name: String,
    /// The version that it gets.
    pub to: String,
    /// Whether it may be DEGRADED afterwards, as it is now or as no node runs its Pods.
    pub may_be_degraded: bool,
}
