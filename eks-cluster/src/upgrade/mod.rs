//! Upgrades of the Kubernetes version, hop by hop, and the way back within seven days.
//!
//! An [`Upgrade`] says where to; with what [`UpgradeObserved`] says is there, it makes an [`UpgradePlan`]: an ordinary
//! [`eks_core::Plan`] with every hop that the nodes allow as they are, and, before the hop that they do not allow, a [`Gate`] that names
//! them and what they must become. Nodes are replaced elsewhere; then the upgrade is planned again, and goes on from the state of the
//! account. So it does after a kill at any call. `Clusters::upgrade` observes and plans; `Clusters::with_nodes` lets it see the nodes.
//!
//! ```
//! use eks_cluster::{KubernetesVersion, upgrade::{Component, Rule, Upgrade, UpgradeObserved}};
//! use eks_core::Owner;
//!
//! let to = KubernetesVersion::V1_36;
//! let upgrade = Upgrade::builder(&Owner::new("shop")?, "shop".parse()?, "us-east-1".parse()?, to).build()?;
//! // Whatever stands against it is told at once, each rule by name.
//! let refused = upgrade.plan(&UpgradeObserved::default()).unwrap_err();
//! assert_eq!(refused.rules(), [Rule::ClusterMissing]);
//! // The skew policy is data: nodes of 1.33 may stay until the control plane is at 1.36.
//! assert_eq!(Component::Kubelet.oldest_beside(to), KubernetesVersion::V1_33);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Order of a hop
//! EKS User Guide, "Update existing cluster to new Kubernetes version": insights; add-ons that would not run on the new version, moved to
//! one that runs on both; control plane; kube-proxy, and on the last hop of a plan the other add-ons, to EKS's defaults; then the nodes,
//! before the next hop needs them. vpc-cni goes one minor version at a time. While a control plane moves, API servers of both versions
//! run, and everything must fit both.
//!
//! # Insights
//! Those in ERROR about the next version refuse a plan, and a run whose refresh finds them, unless they are accepted by name; EKS is then
//! told to go on by force. What the plan itself changes (add-ons), or knows better (nodes, if all are seen), EKS looks at again before the
//! hop. Insights older than 24 hours are refreshed by the plan.
//!
//! # Running again
//! A plan stands on what was observed. What an earlier run began may end between plan and application, which is then refused as stale:
//! plan again. An update that is under way is waited for, never asked for twice.
//!
//! # What this module does not do
//! It replaces no nodes. Add-ons of others, and software that is no EKS add-on (a kube-proxy of your own, cluster-autoscaler), stay as they
//! are; where their versions are known and matter, the plan says so. An add-on keeps its configuration, which EKS alone checks against the
//! new version's schema. Managed nodes are held to the skew policy, or to the control plane's version ([`ManagedNodes`]): EKS's pages say
//! both. A [`ClusterSpec`](crate::ClusterSpec) of the cluster must afterwards say the new version, and pinned add-ons theirs.

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
