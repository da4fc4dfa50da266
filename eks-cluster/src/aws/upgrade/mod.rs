//! Upgrades and rollbacks on AWS.

mod carry;
#[cfg(feature = "kube")]
mod kubernetes;
mod nodes;
mod observe;
mod wait;

use std::time::Duration;

use eks_core::{
    ClusterName, Error, Outputs, Owner,
    aws::failed,
    engine::{Poll, StepContext},
};

#[cfg(feature = "kube")]
pub use self::kubernetes::KubernetesNodes;
pub use self::nodes::{ReadNodes, SeenNodes};
use super::Clusters;
use crate::{
    plan::broken,
    upgrade::{Rollback, Rule, Upgrade, UpgradeError, UpgradeObserved, UpgradeOp, UpgradePlan, UpgradeScope},
};

/// Between two looks at a refresh, and for how long.
const LOOK: Duration = Duration::from_secs(3);
const LONGEST_LOOK: Duration = Duration::from_secs(20 * 60);

impl Clusters {
    /// Has an upgrade ask `reader` for the nodes' versions. Without one, EKS tells of managed node groups alone, and its insight "Kubelet
    /// version skew" is what judges the other nodes.
    #[must_use]
    pub fn with_nodes(mut self, reader: impl ReadNodes + 'static) -> Self {
        self.nodes = Some(std::sync::Arc::new(reader));
        self
    }

    /// Observes a cluster and plans what can be done now of its upgrade. At the wanted version that takes three calls and one an add-on.
    ///
    /// Applied, and planned again whenever a gate was passed or a run ended early, it comes to the wanted version:
    ///
    /// ```no_run
    /// # use eks_cluster::{Clusters, KubernetesVersion, upgrade::{Upgrade, Gate}};
    /// # async fn replace_nodes(_: &Gate) {}
    /// # async fn f(clusters: Clusters, owner: eks_core::Owner) -> Result<(), Box<dyn std::error::Error>> {
    /// let upgrade = Upgrade::builder(&owner, "shop".parse()?, "us-east-1".parse()?, KubernetesVersion::V1_36).build()?;
    /// let engine = eks_core::engine::Engine::new().driver(clusters.clone());
    /// loop {
    ///     let planned = clusters.upgrade(&upgrade).await?;
    ///     println!("{planned}");
    ///     planned.plan().apply(&engine).await?;
    ///     match planned.gate() {
    ///         Some(gate) => replace_nodes(gate).await,
    ///         None => return Ok(()),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Upgrade::plan`]; if a call fails; if the upgrade is for another Region than this handle.
    pub async fn upgrade(&self, upgrade: &Upgrade) -> Result<UpgradePlan, UpgradeError> {
        upgrade.plan(&self.observe_upgrade(upgrade.owner(), &upgrade.scope()).await?)
    }

    /// Observes a cluster and plans its way back.
    ///
    /// # Errors
    /// As [`Rollback::plan`]; if a call fails; if the rollback is for another Region than this handle.
    pub async fn rollback(&self, rollback: &Rollback) -> Result<UpgradePlan, UpgradeError> {
        rollback.plan(&self.observe_upgrade(rollback.owner(), &rollback.scope()).await?)
    }

    /// What an upgrade or a rollback stands on.
    ///
    /// # Errors
    /// If a call fails; if the scope is of another Region than this handle.
    pub async fn observe_upgrade(&self, owner: &Owner, scope: &UpgradeScope) -> Result<UpgradeObserved, Error> {
        let target = &scope.upgrade;
        self.covers("upgrade", &target.cluster, &target.region)?;
        self.observed_upgrade(owner, target).await
    }

    /// Has EKS look through a cluster now, and waits until it has: it does so once a day by itself, and plans refuse what it found then.
    ///
    /// # Errors
    /// If a call fails; if EKS cannot look through the cluster, or has not after twenty minutes.
    pub async fn refresh_insights(&self, cluster: &ClusterName) -> Result<(), Error> {
        self.begin_refresh(cluster).await?;
        let began = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            let (subject, waited) = (format!("insights of cluster {cluster}"), began.elapsed());
            match self.refresh_state(cluster).await? {
                Poll::Ready(_) => return Ok(()),
                Poll::Failed { state, reason } => return Err(Error::Terminal { subject, state, reason }),
                Poll::Pending { state } if waited > LONGEST_LOOK => {
                    let polls = u32::try_from(waited.as_secs() / LOOK.as_secs()).unwrap_or(u32::MAX);
                    return Err(Error::Timeout { subject, state, waited, polls });
                }
                Poll::Pending { .. } => {}
            }
        }
    }

    /// Cancels a rollback that is under way, and tells its update's id; `None` if none is. EKS allows that on clusters of EKS Auto Mode,
    /// while nodes are rolled back and the control plane is not.
    ///
    /// # Errors
    /// If the cluster is not there, or is not this owner's; if a call fails: EKS refuses to cancel what can be cancelled no more.
    pub async fn cancel_rollback(&self, owner: &Owner, cluster: &ClusterName) -> Result<Option<String>, Error> {
        let subject = format!("cluster {cluster}");
        match self.describe(cluster).await? {
            None => return Err(against(Rule::ClusterMissing, subject, "does not exist", "check its name and Region")),
            Some(found) if !found.is_owned_by(owner) => {
                let what = format!("does not carry the tag that names {owner} as its owner");
                return Err(against(Rule::ClusterOfOthers, subject, what, "have its owner cancel it"));
            }
            Some(_) => {}
        }
        let ids = self.update_ids(cluster).await?;
        let updates = self.updates(cluster, &ids).await?;
        let Some(update) = updates.into_iter().find(|update| update.is_in_progress() && update.kind == "VersionRollback") else {
            return Ok(None);
        };
        let sent = self.eks.cancel_update().name(cluster.as_str()).update_id(&update.id).send().await;
        sent.map(|_| Some(update.id)).map_err(|error| failed("eks:CancelUpdate", cluster.as_str(), error))
    }

    /// The scope of an upgrade's plan, if it is one.
    pub(super) fn upgrade_scope(&self, scope: &serde_json::Value) -> Result<Option<UpgradeScope>, Error> {
        if scope.get("upgrade").is_none() {
            return Ok(None);
        }
        serde_json::from_value(scope.clone()).map(Some).map_err(broken)
    }

    pub(super) async fn run_upgrade(&self, op: &UpgradeOp, cx: &StepContext) -> Result<Outputs, Error> {
        match op {
            UpgradeOp::Insights(check) => self.check_insights(check, cx).await,
            UpgradeOp::ControlPlane(hop) => self.move_control_plane(hop, cx).await,
            UpgradeOp::Addon(hop) => self.move_addon(hop, cx).await,
        }
    }
}

/// A refusal at run time: the rule by name, and where it is written.
fn against(rule: Rule, subject: impl Into<String>, what: impl std::fmt::Display, remedy: impl Into<String>) -> Error {
    crate::plan::refused(subject, format!("{what} (rule {rule}; {})", rule.page()), remedy)
}
