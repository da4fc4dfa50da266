//! The steps of one hop.

use std::time::Duration;

use eks_core::{Action, ClusterName, Error, Permission, Step, StepKey};
use jiff::SignedDuration;

use super::{
    insight::{AcceptedInsights, InsightCategory},
    nodes::ManagedNodes,
    op::{AddonHop, ControlPlaneHop, InsightsCheck, UpgradeOp},
};
use crate::{ClusterOp, KubernetesVersion, ObservedAddon, plan::broken};

/// The control plane, one minor version up; public run logs of 2023–25 have 8m29s to 9m55s.
pub(crate) const UPGRADE_TYPICAL: Duration = Duration::from_secs(540);
/// A refresh of insights; an assumption, as no log was found.
pub(crate) const REFRESH_TYPICAL: Duration = Duration::from_secs(60);

/// What an observation may call.
pub(crate) const READS: [&str; 12] = [
    "ec2:DescribeSubnets",
    "eks:DescribeAddon",
    "eks:DescribeAddonVersions",
    "eks:DescribeCluster",
    "eks:DescribeClusterVersions",
    "eks:DescribeInsight",
    "eks:DescribeNodegroup",
    "eks:DescribeUpdate",
    "eks:ListAddons",
    "eks:ListInsights",
    "eks:ListNodegroups",
    "eks:ListUpdates",
];

/// When EKS looks for insights.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// So long ago, if ever.
    Known(Option<SignedDuration>),
    /// After something in the plan has changed what it sees.
    After(&'static str),
}

/// What the steps of an upgrade, or of a rollback, have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hops<'a> {
    pub(crate) cluster: &'a ClusterName,
    pub(crate) category: InsightCategory,
    pub(crate) accepted: &'a AcceptedInsights,
    pub(crate) managed_nodes: ManagedNodes,
}

impl Hops<'_> {
    /// `cluster/upgrade/1.35/<what>`
    pub(crate) fn key(&self, version: KubernetesVersion, what: &str) -> Result<StepKey, Error> {
        let flow = match self.category {
            InsightCategory::UpgradeReadiness => "upgrade",
            InsightCategory::RollbackReadiness => "rollback",
        };
        format!("cluster/{flow}/{version}/{what}").parse().map_err(broken)
    }

    fn step(&self, key: StepKey, action: Action, title: String, op: UpgradeOp) -> Result<Step, Error> {
        Ok(Step::new(key, action, title, &ClusterOp::Upgrade(op)).map_err(broken)?.permits(READS))
    }

    /// A look at insights about `version`: kept if EKS looked within the last 24 hours, else EKS looks again first.
    pub(crate) fn insights(&self, version: KubernetesVersion, look: Look) -> Result<Step, Error> {
        let check = InsightsCheck { cluster: self.cluster.clone(), category: self.category, version, accepted: self.accepted.clone() };
        let what = match self.category {
            InsightCategory::UpgradeReadiness => "upgrade",
            InsightCategory::RollbackReadiness => "rollback",
        };
        let (action, change) = match look {
            Look::Known(Some(age)) if age <= super::insight::FRESH => (Action::Keep, None),
            Look::Known(Some(age)) => (Action::Update, Some(format!("looked at {} h ago → now", age.as_hours()))),
            Look::Known(None) => (Action::Update, Some("not looked at yet → now".to_owned())),
            Look::After(what) => (Action::Update, Some(format!("looked at once {what}"))),
        };
        let title = format!("{what} insights for Kubernetes {version}");
        let step = self.step(self.key(version, "insights")?, action, title, UpgradeOp::Insights(check))?;
        let step = step.changes(change).permits(["eks:StartInsightsRefresh", "eks:DescribeInsightsRefresh"]);
        Ok(if action == Action::Keep { step } else { step.takes(REFRESH_TYPICAL) })
    }

    /// The control plane, from one version to the next.
    pub(crate) fn control_plane(&self, hop: ControlPlaneHop, under_way: bool) -> Result<Step, Error> {
        let (from, to) = (hop.from, hop.to);
        let title = format!("control plane {}, Kubernetes {to}", self.cluster);
        let change = if under_way { format!("version: {from} → {to}, already under way") } else { format!("version: {from} → {to}") };
        let step = self.step(self.key(to, "control-plane")?, Action::Update, title, UpgradeOp::ControlPlane(hop))?;
        Ok(step.changes([change]).takes(UPGRADE_TYPICAL).permits(["eks:UpdateClusterVersion"]))
    }

    /// The control plane, where it should be.
    pub(crate) fn kept(&self, version: KubernetesVersion) -> Result<Step, Error> {
        let hop = ControlPlaneHop {
            cluster: self.cluster.clone(),
            from: version,
            to: version,
            force: false,
            client_request_token: String::new(),
            timeout_minutes: None,
            managed_nodes: self.managed_nodes,
        };
        let title = format!("control plane {}, Kubernetes {version}", self.cluster);
        self.step(self.key(version, "control-plane")?, Action::Keep, title, UpgradeOp::ControlPlane(hop))
    }

    /// An add-on, over the versions of `way`, of which each is ACTIVE before the next; none if it stays as it is.
    pub(crate) fn addon(
        &self,
        version: KubernetesVersion,
        phase: &str,
        (name, now, found): (&str, &str, &ObservedAddon),
        way: &[String],
        may_be_degraded: bool,
    ) -> Result<Vec<Step>, Error> {
        let hop = |to: &str| AddonHop { cluster: self.cluster.clone(), name: name.to_owned(), to: to.to_owned(), may_be_degraded };
        let key = self.key(version, &format!("{phase}/{name}"))?;
        let Some(last) = way.last() else {
            let step = self.step(key, Action::Keep, format!("add-on {name} {now}"), UpgradeOp::Addon(hop(now)))?;
            return Ok(vec![step.knows("id", &found.arn).knows("version", now)]);
        };
        let mut steps: Vec<Step> = Vec::new();
        let mut before = now;
        for to in way {
            let key = if to == last { key.clone() } else { self.key(version, &format!("{phase}/{name}/{}", minor(to)))? };
            let change = if to == before { format!("status: {} → ACTIVE", found.status) } else { format!("version: {before} → {to}") };
            let step = self.step(key, Action::Update, format!("add-on {name} {to}"), UpgradeOp::Addon(hop(to)))?;
            let step = step.changes([change]).takes(crate::plan::addon_typical(name)).permits(["eks:UpdateAddon"]);
            // Its role is given again, or would be lost.
            let role = found.service_account_role.iter().map(|role| {
                Permission::new("iam:PassRole").on(role.as_str()).when("StringEquals", "iam:PassedToService", ["eks.amazonaws.com"])
            });
            let step = step.permits(role);
            steps.push(match steps.last() {
                Some(previous) => step.after(previous.key.clone()),
                None => step,
            });
            before = to;
        }
        Ok(steps)
    }
}

/// `1.20` of `v1.20.4-eksbuild.2`.
fn minor(version: &str) -> String {
    super::addons::numbers(version).iter().take(2).map(ToString::to_string).collect::<Vec<_>>().join(".")
}
