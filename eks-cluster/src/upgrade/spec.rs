//! What an upgrade should be.

use eks_core::{ClusterName, Error, Owner, Problems, Region, SpecError};
use jiff::civil::Date;

use super::{
    insight::{AcceptedInsights, InsightCategory},
    nodes::ManagedNodes,
    observed::{UpgradeScope, UpgradeTarget},
    rule::Rule,
};
use crate::KubernetesVersion;

/// Why there is no plan of an upgrade or a rollback.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Rules stand against it, all of them told: each problem's code is a [`Rule`]'s.
    #[error(transparent)]
    Refused(#[from] SpecError),
    /// A call failed, or the plan is at fault.
    #[error(transparent)]
    Other(#[from] Error),
}

impl UpgradeError {
    /// The rules that stand against it.
    pub fn rules(&self) -> Vec<Rule> {
        match self {
            Self::Refused(refused) => refused.problems.iter().filter_map(|problem| Rule::named(problem.code)).collect(),
            Self::Other(_) => Vec::new(),
        }
    }
}

/// A cluster that should come to a newer Kubernetes version, over as many minor versions as lie between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    pub(crate) owner: Owner,
    pub(crate) cluster: ClusterName,
    pub(crate) region: Region,
    pub(crate) to: KubernetesVersion,
    pub(crate) managed_nodes: ManagedNodes,
    pub(crate) accepted: AcceptedInsights,
    pub(crate) kubectl: Option<KubernetesVersion>,
    pub(crate) today: Option<Date>,
}

/// Collects what an upgrade should be. Setters take and return it.
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before build()"]
pub struct UpgradeBuilder {
    upgrade: Upgrade,
}

impl Upgrade {
    /// Starts an upgrade of the cluster of that name to `to`.
    pub fn builder(owner: &Owner, cluster: ClusterName, region: Region, to: KubernetesVersion) -> UpgradeBuilder {
        let (managed_nodes, accepted) = (ManagedNodes::default(), AcceptedInsights::default());
        UpgradeBuilder { upgrade: Self { owner: owner.clone(), cluster, region, to, managed_nodes, accepted, kubectl: None, today: None } }
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The cluster.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// Where it should go.
    pub fn to(&self) -> KubernetesVersion {
        self.to
    }

    /// What an observation for it looks for.
    pub fn scope(&self) -> UpgradeScope {
        let category = InsightCategory::UpgradeReadiness;
        UpgradeScope { upgrade: UpgradeTarget { cluster: self.cluster.clone(), region: self.region.to_string(), to: self.to, category } }
    }
}

impl UpgradeBuilder {
    /// What is asked of managed and Fargate nodes before a hop. Default [`ManagedNodes::MayLag`].
    pub fn managed_nodes(mut self, rule: ManagedNodes) -> Self {
        self.upgrade.managed_nodes = rule;
        self
    }

    /// Goes on although the insight of this name is in ERROR: one about deprecated APIs stays so for 30 days after the last use. EKS is
    /// then told to go on by force, which overrides whatever insight blocks at that moment.
    pub fn accept_insight(mut self, name: impl Into<String>) -> Self {
        self.upgrade.accepted = self.upgrade.accepted.also(name.into());
        self
    }

    /// Goes on whatever insights are in ERROR.
    pub fn accept_all_insights(mut self) -> Self {
        self.upgrade.accepted = AcceptedInsights::All;
        self
    }

    /// The version of the kubectl in use: the plan tells where it does not fit.
    pub fn kubectl(mut self, version: KubernetesVersion) -> Self {
        self.upgrade.kubectl = Some(version);
        self
    }

    /// The day by which support is judged, UTC. Without it, that of the observation.
    pub fn today(mut self, date: Date) -> Self {
        self.upgrade.today = Some(date);
        self
    }

    /// The upgrade.
    ///
    /// # Errors
    /// [`SpecError`] if the version's support had ended before this crate's calendar begins.
    pub fn build(self) -> Result<Upgrade, SpecError> {
        let mut problems = Problems::new();
        let to = self.upgrade.to;
        if to.is_before_calendar() {
            let rule = format!("its support has ended, and EKS upgrades no cluster to it ({})", Rule::VersionOffered.page());
            let remedy = format!("choose a version in support, such as {}", KubernetesVersion::newest());
            problems.add(Rule::VersionOffered.code(), format!("Kubernetes {to}"), rule, remedy);
        }
        let subject = format!("upgrade of cluster {}", self.upgrade.cluster);
        problems.finish(subject, || self.upgrade)
    }
}
