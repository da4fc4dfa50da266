//! The step for the control plane.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{Action, Error, Finding, Outputs, Ref, Step, SubnetRef};

use super::{broken, control_plane_key, refused, refused_by};
use crate::{
    ClusterChange, ClusterOp, ClusterSpec, Observed, ObservedCluster, ScalingTier, Support, change::UPDATE_TYPICAL,
    control_plane::ControlPlane, price,
};

/// CREATING to ACTIVE; public run logs of 2024–26.
pub(crate) const CREATE_TYPICAL: Duration = Duration::from_secs(390);

impl ClusterSpec {
    fn control_plane(&self, subnets: &[SubnetRef]) -> ControlPlane {
        ControlPlane {
            name: self.name.clone(),
            version: self.version,
            role: self.cluster_role(),
            subnets: subnets.iter().map(|subnet| subnet.id.clone()).collect(),
            security_groups: self.security_groups.clone(),
            endpoint: self.endpoint,
            public_access_cidrs: self.effective_public_access(),
            service_cidr: self.service_cidr,
            authentication: self.authentication,
            creator_admin: self.creator_admin,
            logging: self.logging.clone(),
            upgrade_policy: self.upgrade_policy,
            deletion_protection: self.deletion_protection,
            bootstrap_self_managed_addons: self.bootstrap_self_managed_addons,
            tags: self.tags.clone(),
            settings: self.settings.clone(),
        }
    }

    /// Where the version stands: by what EKS told, or by this crate's calendar.
    pub(super) fn support(&self, now: &Observed) -> Option<Support> {
        let today = self.today.or(now.today)?;
        let told = now.version.as_ref().filter(|info| info.version == self.version);
        Some(told.map_or_else(|| self.version.support(today), |info| info.support(today)))
    }

    pub(super) fn control_plane_step(&self, now: &Observed) -> Result<(Step, Vec<Finding>), Error> {
        match &now.cluster {
            None => self.create_step(now),
            Some(cluster) => self.change_step(cluster, now),
        }
    }

    fn title(&self) -> String {
        format!("control plane {}, Kubernetes {}", self.name, self.version)
    }

    /// What creating and keeping have in common.
    fn standing(&self, step: Step, wanted: &ControlPlane, tier: ScalingTier, now: &Observed) -> Step {
        let mut step = step.uses(&wanted.role).costs(price::supported(self.support(now))).permits(["eks:DescribeCluster"]);
        if let Some(price) = tier.price() {
            step = step.costs(price);
        }
        step = wanted.subnets.iter().fold(step, Step::uses);
        step = wanted.security_groups.iter().fold(step, Step::uses);
        wanted.settings.auto_mode.as_ref().and_then(|mode| mode.node_role()).into_iter().fold(step, Step::uses)
    }

    fn create_step(&self, now: &Observed) -> Result<(Step, Vec<Finding>), Error> {
        // "On the last day of extended support" EKS makes none any more. (EKS User Guide, "Understand the Kubernetes version lifecycle".)
        let is_over = match self.support(now) {
            Some(Support::Ended { .. }) => true,
            Some(Support::Extended { until }) => self.today.or(now.today).is_some_and(|today| today >= until),
            _ => false,
        };
        self.refuse_standard_policy(now)?;
        if is_over {
            return Err(refused(
                format!("cluster {}", self.name),
                format!("support of Kubernetes {} has ended, and EKS makes no cluster of it", self.version),
                "choose a version in standard support",
            ));
        }
        let chosen = self.chosen(&now.preflight.clone().unwrap_or_default()).map_err(refused_by)?;
        let wanted = self.control_plane(&chosen.subnets);
        let op = ClusterOp::ControlPlane(Box::new(wanted.clone()));
        let step = Step::new(control_plane_key(), Action::Create, self.title(), &op).map_err(broken)?;
        let step = self.standing(step, &wanted, self.settings.tier.unwrap_or_default(), now).takes(CREATE_TYPICAL).permits([
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeSubnets",
            "eks:CreateCluster",
            "eks:ListClusters",
            "eks:TagResource",
            "iam:CreateServiceLinkedRole",
            "iam:PassRole",
        ]);
        let has_key = self.settings.encryption.as_ref().is_some_and(|encryption| encryption.key().is_some());
        let step = if has_key { step.permits(["kms:CreateGrant", "kms:DescribeKey"]) } else { step };
        Ok((step, chosen.findings))
    }

    fn change_step(&self, cluster: &ObservedCluster, now: &Observed) -> Result<(Step, Vec<Finding>), Error> {
        self.refuse(cluster)?;
        let placed = self.placed(cluster, now)?;
        let wanted = self.control_plane(&placed.subnets);
        let changes = self.changes(cluster, &placed, now)?;
        let tier = self.settings.tier.or(cluster.settings.tier).unwrap_or_default();
        if changes.is_empty() && cluster.status == "ACTIVE" {
            let op = ClusterOp::ControlPlane(Box::new(wanted.clone()));
            let step = Step::new(control_plane_key(), Action::Keep, self.title(), &op).map_err(broken)?;
            let step = self.standing(step, &wanted, tier, now);
            let step = cluster.outputs().into_iter().fold(step, |step, (name, value)| step.knows(name, value));
            return Ok((step, placed.findings));
        }
        let settle = match cluster.status.as_str() {
            "ACTIVE" => None,
            "CREATING" => Some(CREATE_TYPICAL),
            _ => Some(UPDATE_TYPICAL),
        };
        let mut lines: Vec<_> = settle.iter().map(|_| format!("status: {} → ACTIVE", cluster.status)).collect();
        lines.extend(changes.iter().flat_map(|change| change.lines(cluster)));
        let actions: BTreeSet<_> = changes.iter().flat_map(ClusterChange::iam_actions).copied().collect();
        let takes = settle.unwrap_or_default() + changes.iter().map(ClusterChange::typical).sum::<Duration>();
        let moves = changes.iter().any(|change| matches!(change, ClusterChange::Placement { .. }));
        let op = ClusterOp::ChangeControlPlane { cluster: self.name.clone(), changes };
        let step = Step::new(control_plane_key(), Action::Update, self.title(), &op).map_err(broken)?;
        let step = self.standing(step, &wanted, tier, now).changes(lines).takes(takes).permits(actions);
        let step = if moves { step.permits(["ec2:DescribeAvailabilityZones", "ec2:DescribeSubnets"]) } else { step };
        Ok((step, placed.findings))
    }
}

impl ObservedCluster {
    /// What the cluster tells the steps after it. What EKS did not tell is left out.
    pub(crate) fn outputs(&self) -> Outputs {
        let told = [
            ("id", Some(self.name.to_string())),
            ("arn", Some(self.arn.clone())),
            ("endpoint", self.endpoint_url.clone()),
            ("certificate_authority", self.certificate_authority.clone()),
            ("service_cidr", self.service_cidr.clone()),
            ("cluster_security_group", self.cluster_security_group.clone()),
            ("issuer", self.issuer.clone()),
        ];
        told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl ClusterSpec {
    /// A value that the control plane tells.
    pub(crate) fn told<T>(&self, name: &str) -> Ref<T> {
        Ref::output(control_plane_key(), name)
    }
}
