//! The step for the control plane.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{Action, AuthenticationMode, Error, Outputs, Ref, Step};

use super::{broken, control_plane_key, refused};
use crate::{
    ClusterOp, ClusterSpec, Observed, ObservedCluster, RoleChoice, Support,
    control_plane::{ClusterChange, ControlPlane, rank},
    identity::RoleKind,
    price,
};

/// CREATING to ACTIVE; public run logs of 2024–26.
pub(crate) const CREATE_TYPICAL: Duration = Duration::from_secs(390);
/// One configuration update; public run logs.
pub(crate) const UPDATE_TYPICAL: Duration = Duration::from_secs(40);

impl ClusterSpec {
    fn control_plane(&self) -> ControlPlane {
        ControlPlane {
            name: self.name.clone(),
            version: self.version,
            role: self.cluster_role(),
            subnets: self.network.subnets.iter().map(|subnet| subnet.id.clone()).collect(),
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
        }
    }

    pub(super) fn control_plane_step(&self, now: &Observed) -> Result<Step, Error> {
        let wanted = self.control_plane();
        let key = control_plane_key();
        let title = format!("control plane {}, Kubernetes {}", self.name, self.version);
        let today = self.today.or(now.today);
        let uses = |mut step: Step| {
            step = step.uses(&wanted.role).costs(price::control_plane(self.version, today)).permits(["eks:DescribeCluster"]);
            step = wanted.subnets.iter().fold(step, Step::uses);
            wanted.security_groups.iter().fold(step, Step::uses)
        };
        let Some(cluster) = &now.cluster else {
            if let Some(Support::Ended { .. }) = today.map(|today| self.version.support(today)) {
                return Err(refused(
                    format!("cluster {}", self.name),
                    format!("support of Kubernetes {} has ended, and EKS makes no cluster of it", self.version),
                    "choose a version in standard support",
                ));
            }
            let step = Step::new(key, Action::Create, title, &ClusterOp::ControlPlane(Box::new(wanted.clone()))).map_err(broken)?;
            return Ok(uses(step).takes(CREATE_TYPICAL).permits([
                "eks:CreateCluster",
                "eks:TagResource",
                "iam:CreateServiceLinkedRole",
                "iam:PassRole",
            ]));
        };
        self.refuse(cluster)?;
        let changes = self.changes(cluster)?;
        if changes.is_empty() && cluster.status == "ACTIVE" {
            let step = Step::new(key, Action::Keep, title, &ClusterOp::ControlPlane(Box::new(wanted.clone()))).map_err(broken)?;
            return Ok(cluster.outputs().into_iter().fold(uses(step), |step, (name, value)| step.knows(name, value)));
        }
        let settle = (cluster.status != "ACTIVE").then(|| format!("status: {} → ACTIVE", cluster.status));
        let typical = if cluster.status == "CREATING" { CREATE_TYPICAL } else { UPDATE_TYPICAL };
        let count = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        let lines: Vec<_> = settle.iter().cloned().chain(changes.iter().map(ToString::to_string)).collect();
        let actions: BTreeSet<_> = changes.iter().flat_map(ClusterChange::iam_actions).copied().collect();
        let op = ClusterOp::ChangeControlPlane { cluster: self.name.clone(), changes };
        let step = Step::new(key, Action::Update, title, &op).map_err(broken)?;
        let takes = if settle.is_some() { typical } else { Duration::ZERO } + UPDATE_TYPICAL.saturating_mul(count);
        Ok(uses(step).changes(lines).takes(takes).permits(actions))
    }

    /// What cannot be changed in place.
    fn refuse(&self, cluster: &ObservedCluster) -> Result<(), Error> {
        let refuse = |rule: String, remedy: &str| Err(refused(format!("cluster {}", self.name), rule, remedy));
        if !cluster.is_owned_by(&self.owner) {
            return refuse(
                format!("exists, and does not carry the tag that names {} as its owner", self.owner),
                "choose another name; what others made is never touched",
            );
        }
        match cluster.status.as_str() {
            "DELETING" => return refuse("is being deleted".to_owned(), "wait until it is gone, then plan again"),
            "FAILED" => {
                let issues = if cluster.issues.is_empty() { "EKS tells no reason".to_owned() } else { cluster.issues.join("; ") };
                return refuse(format!("creating it has failed: {issues}"), "tear it down, mend the cause, and plan again");
            }
            _ => {}
        }
        if cluster.version != self.version.to_string() {
            return refuse(
                format!("runs Kubernetes {}, the spec says {}", cluster.version, self.version),
                "a version upgrade is a flow of its own, one minor version at a time; give the version that it runs",
            );
        }
        if let Some(wanted) = self.service_cidr.map(|block| block.to_string())
            && let Some(found) = cluster.service_cidr.as_ref().filter(|found| **found != wanted)
        {
            return refuse(
                format!("its service CIDR is {found}, the spec says {wanted}; EKS cannot change it"),
                "keep it, or make another cluster",
            );
        }
        let role_name = match &self.role {
            RoleChoice::Existing(arn) => arn.name().to_owned(),
            RoleChoice::Own { .. } => RoleKind::Cluster.name(&self.owner, self.region()),
        };
        if cluster.role.rsplit('/').next() != Some(role_name.as_str()) {
            return refuse(
                format!("acts under {}, the spec says {role_name}; EKS cannot change it", cluster.role),
                "give the role that it has, or make another cluster",
            );
        }
        if let Some(found) = cluster.creator_admin.filter(|found| *found != self.creator_admin) {
            return refuse(
                format!("was created with creator_admin {found}, the spec says {}; EKS cannot change it", self.creator_admin),
                "keep it; add or remove the creator's access entry instead",
            );
        }
        self.refuse_other_network(cluster)
    }

    /// Ids that an earlier step will tell are not known yet, but their number is.
    fn refuse_other_network(&self, cluster: &ObservedCluster) -> Result<(), Error> {
        let compare = |what: &str, wanted: Vec<Option<String>>, found: &BTreeSet<String>| {
            if wanted.len() == found.len() && wanted.iter().flatten().all(|id| found.contains(id)) {
                return Ok(());
            }
            let ids = if found.is_empty() { "none".to_owned() } else { found.iter().map(String::as_str).collect::<Vec<_>>().join(", ") };
            let others = if wanted.len() == found.len() { "others".to_owned() } else { wanted.len().to_string() };
            let rule = format!("its {what} are {ids}, the spec gives {others}");
            Err(refused(format!("cluster {}", self.name), rule, "give those; moving a control plane is not done in place by this crate"))
        };
        let subnets = self.network.subnets.iter().map(|subnet| subnet.id.known().map(ToString::to_string)).collect();
        compare("subnets", subnets, &cluster.subnets)?;
        let groups = self.security_groups.iter().map(|group| group.known().map(ToString::to_string)).collect();
        compare("security groups", groups, &cluster.security_groups)
    }

    /// What can be changed in place and differs.
    fn changes(&self, cluster: &ObservedCluster) -> Result<Vec<ClusterChange>, Error> {
        let mut changes = Vec::new();
        if let Some(found) = cluster.authentication.filter(|found| *found != self.authentication) {
            if rank(self.authentication) < rank(found) {
                return Err(refused(
                    format!("cluster {}", self.name),
                    format!("its authentication mode is {}, and EKS has no way back to {}", found.as_str(), self.authentication.as_str()),
                    "keep the mode that it has",
                ));
            }
            // EKS goes CONFIG_MAP → API_AND_CONFIG_MAP → API, one at a time.
            if (found, self.authentication) == (AuthenticationMode::ConfigMap, AuthenticationMode::Api) {
                changes.push(ClusterChange::Authentication(AuthenticationMode::ApiAndConfigMap));
            }
            changes.push(ClusterChange::Authentication(self.authentication));
        }
        let blocks = self.effective_public_access();
        if cluster.endpoint != self.endpoint || (self.endpoint.is_public() && cluster.public_access_cidrs != blocks) {
            changes.push(ClusterChange::Endpoint { endpoint: self.endpoint, public_access_cidrs: blocks });
        }
        if cluster.logging != self.logging {
            changes.push(ClusterChange::Logging(self.logging.clone()));
        }
        if let Some(policy) = self.upgrade_policy.filter(|policy| cluster.upgrade_policy.is_some_and(|found| found != *policy)) {
            changes.push(ClusterChange::UpgradePolicy(policy));
        }
        if cluster.deletion_protection != self.deletion_protection {
            changes.push(ClusterChange::DeletionProtection(self.deletion_protection));
        }
        let tags: std::collections::BTreeMap<_, _> =
            self.tags.iter().filter(|(key, value)| cluster.tags.get(*key) != Some(value)).map(|(k, v)| (k.clone(), v.clone())).collect();
        if !tags.is_empty() {
            changes.push(ClusterChange::Tags(tags));
        }
        Ok(changes)
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
