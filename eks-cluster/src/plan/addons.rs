//! Steps for add-ons.

use std::time::Duration;

use eks_core::{Action, Error, OWNER_TAG, Owner, Ref, Step};

use super::{broken, control_plane_key, refused};
use crate::{
    Addon, ClusterOp, ClusterSpec, Observed, ObservedAddon,
    addon::{self, AddonRequest, EBS_CSI_SERVICE_ACCOUNT, Identity, SELF_MANAGED},
    role::RoleKind,
};

impl ClusterSpec {
    /// A step for each add-on, and one more for each that is waited for once nodes are Ready.
    pub(super) fn addon_steps(&self, now: &Observed) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        for addon in &self.addons.0 {
            steps.push(self.addon_step(addon, now)?);
            if self.waits_for(addon) {
                steps.push(self.ready_step(addon, now)?);
            }
        }
        Ok(steps)
    }

    /// Whether a later step waits until it is ACTIVE.
    pub(crate) fn waits_for(&self, addon: &Addon) -> bool {
        addon.needs_nodes() && !self.nodes_ready_after.is_empty()
    }

    fn addon_step(&self, addon: &Addon, now: &Observed) -> Result<Step, Error> {
        let found = now.addons.get(&addon.name);
        if let Some(found) = found {
            refuse_others(&addon.name, found, &self.owner)?;
        }
        let version = addon.version.as_ref().or(found.map(|found| &found.version)).or(now.default_versions.get(&addon.name));
        let Some(version) = version else {
            return Err(refused(
                format!("add-on {}", addon.name),
                format!("EKS tells no default version of it for Kubernetes {}", self.version),
                "check its name, or pin a version with Addon::version",
            ));
        };
        let pod_identity = match &addon.identity {
            Identity::None => None,
            Identity::OwnEbsCsi => {
                let role = Ref::output(RoleKind::EbsCsi.key(), "arn");
                Some((EBS_CSI_SERVICE_ACCOUNT.to_owned(), role))
            }
            Identity::Given { service_account, role } => Some((service_account.clone(), role.clone())),
        };
        let request = AddonRequest {
            name: addon.name.clone(),
            version: version.clone(),
            configuration: addon.configuration.clone(),
            pod_identity,
            overwrite: self.bootstrap_self_managed_addons && SELF_MANAGED.contains(&addon.name.as_str()),
            wait: !addon.needs_nodes(),
        };
        let changes = found.map(|found| changes(&request, found));
        let (cluster, key) = (self.name.clone(), addon.key().map_err(broken)?);
        let title = format!("add-on {} {version}", addon.name);
        let (action, op) = match &changes {
            None => (Action::Create, ClusterOp::Addon { cluster, addon: request.clone() }),
            Some(changes) if changes.is_empty() => (Action::Keep, ClusterOp::Addon { cluster, addon: request.clone() }),
            Some(_) => (Action::Update, ClusterOp::ChangeAddon { cluster, addon: request.clone() }),
        };
        let mut step = Step::new(key, action, title, &op).map_err(broken)?.after(control_plane_key());
        step = step.takes(if request.wait { typical(&addon.name) } else { Duration::from_secs(1) });
        step = step.permits(["eks:DescribeAddon", "eks:DescribeAddonVersions"]);
        step = match action {
            Action::Create => step.permits(["eks:CreateAddon", "eks:TagResource"]),
            // An update makes, changes and deletes associations under the caller's permissions.
            _ => step.permits(["eks:UpdateAddon", "eks:UpdatePodIdentityAssociation", "eks:DeletePodIdentityAssociation"]),
        };
        if let Some((_, role)) = &request.pod_identity {
            step = step.uses(role).permits(["iam:PassRole", "eks:CreatePodIdentityAssociation"]);
        }
        if let Some(found) = found {
            step = step.changes(changes.unwrap_or_default()).knows("id", &found.arn).knows("version", version);
        }
        Ok(step)
    }

    /// Waits for ACTIVE, once nodes are Ready.
    fn ready_step(&self, addon: &Addon, now: &Observed) -> Result<Step, Error> {
        let active = now.addons.get(&addon.name).is_some_and(|found| found.status == "ACTIVE");
        let action = if active { Action::Keep } else { Action::Create };
        let op = ClusterOp::AwaitAddon { cluster: self.name.clone(), addon: addon.name.clone() };
        let title = format!("add-on {} ACTIVE", addon.name);
        let mut step = Step::new(addon.ready_key().map_err(broken)?, action, title, &op)
            .map_err(broken)?
            .after(addon.key().map_err(broken)?)
            .after_all(&self.nodes_ready_after)
            .takes(typical(&addon.name))
            .permits(["eks:DescribeAddon"]);
        if addon.identity != Identity::None {
            // Its Pods get credentials only from the agent.
            step = step.after(Addon::new(addon::POD_IDENTITY_AGENT).key().map_err(broken)?);
        }
        Ok(step.knows("id", &addon.name))
    }
}

/// An add-on that somebody else made in our cluster is not changed.
pub(crate) fn refuse_others(name: &str, found: &ObservedAddon, owner: &Owner) -> Result<(), Error> {
    if found.is_owned_by(owner) {
        return Ok(());
    }
    Err(refused(
        format!("add-on {name}"),
        format!("exists, and does not carry the tag that names {owner} as its owner"),
        format!("leave it out of the spec, or hand it over: aws eks tag-resource --resource-arn {} --tags {OWNER_TAG}={owner}", found.arn),
    ))
}

fn changes(wanted: &AddonRequest, found: &ObservedAddon) -> Vec<String> {
    let mut changes = drift(wanted, found);
    if found.has_failed() || (wanted.wait && found.status != "ACTIVE") {
        changes.push(format!("status: {} → ACTIVE", found.status));
    }
    changes
}

/// What UpdateAddon has to change. Whether it has a role is told by how many associations it has; another role for one that
/// it has is not seen.
pub(crate) fn drift(wanted: &AddonRequest, found: &ObservedAddon) -> Vec<String> {
    let mut changes = Vec::new();
    if wanted.version != found.version {
        changes.push(format!("version: {} → {}", found.version, wanted.version));
    }
    if let Some(values) = wanted.configuration.as_deref().filter(|values| !same_values(values, found.configuration.as_deref())) {
        changes.push(format!("configuration: {values}"));
    }
    if usize::from(wanted.pod_identity.is_some()) != found.pod_identity_associations.len() {
        changes.push(match &wanted.pod_identity {
            Some((service_account, role)) => format!("pod identity: {service_account} acts under {role}"),
            None => "pod identity: none".to_owned(),
        });
    }
    changes
}

/// Whether configuration values say the same; JSON whatever its spaces and order.
fn same_values(wanted: &str, found: Option<&str>) -> bool {
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    found.is_some_and(|found| found == wanted || (parsed(found).is_some() && parsed(found) == parsed(wanted)))
}

/// Public run logs; for add-ons not named, that of metrics-server.
pub(crate) fn typical(name: &str) -> Duration {
    Duration::from_secs(match name {
        addon::VPC_CNI => 29,
        addon::KUBE_PROXY => 20,
        addon::COREDNS => 30,
        _ => 45,
    })
}
