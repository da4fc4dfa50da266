//! Upgrades of the Kubernetes version, hop by hop, and the way back within seven days.
//!
//! An [`Upgrade`] says where to; with what [`UpgradeObserved`] says is there, it makes an [`UpgradePlan`]: an ordinary
//! [`eks_core::Plan`] with every hop that the nodes allow as they are, and, before the hop that they do not allow, a [`Gate`] that names
//! them and what they must become. Nodes are replaced elsewhere; then the upgrade is planned again, and goes on from the state of the
//! account. So it does after a kill at any call.
//!
//! Order of a hop (EKS User Guide, "Update existing cluster to new Kubernetes version"): insights; add-ons that would not run on the new
//! version, moved to one that runs on both; control plane; kube-proxy and the other add-ons; then the nodes, before the next hop needs them.

mod addons;
mod catalogue;
mod display;
mod findings;
mod gate;
mod hop;
mod insight;
mod nodes;
mod observed;
mod op;
mod plan;
mod rollback;
mod rule;
mod skew;
mod spec;
#[cfg(test)]
mod tests;

pub use addons::{AddonOffer, OfferedVersion};
pub use gate::{Gate, GatedNode};
pub use insight::{AcceptedInsights, AddonCompatibility, DeprecatedApi, DeprecatedClient, Insight, InsightCategory, InsightStatus};
pub use nodes::{ManagedNodes, NodeKind, NodeVersion, ObservedNodes};
pub use observed::{ObservedUpdate, UpgradeObserved, UpgradeScope, UpgradeTarget};
pub use op::{AddonHop, ControlPlaneHop, InsightsCheck, UpgradeOp};
pub use plan::{UpgradePlan, VersionCost};
pub use rollback::{Rollback, RollbackBuilder};
pub use rule::Rule;
pub use skew::{Component, SKEW, SkewRule};
pub use spec::{Upgrade, UpgradeBuilder, UpgradeError};

#[cfg(feature = "kube")]
pub use crate::aws::KubernetesNodes;
#[cfg(feature = "aws")]
pub use crate::aws::{ReadNodes, SeenNodes};

#[cfg(feature = "aws")]
pub(crate) use hop::{REFRESH_TYPICAL, UPGRADE_TYPICAL};
#[cfg(feature = "aws")]
pub(crate) use insight::{blocking, remedy};
#[cfg(feature = "aws")]
pub(crate) use nodes::blockers;
