//! Steps for add-ons.

use std::time::Duration;

use eks_core::{Action, Error, OWNER_TAG, Owner, Ref, RoleArn, Step};

use super::{broken, control_plane_key, identity::oidc_provider_key, refused};
use crate::{
    Addon, ClusterOp, ClusterSpec, Observed, ObservedAddon,
    addon::{self, AddonRequest, Conflicts, Identity, SELF_MANAGED},
    identity::PodAccess,
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

    /// The version that an add-on shall have: the pinned or the newest one, the one that it has, or EKS's default.
    fn addon_version(&self, addon: &Addon, now: &Observed) -> Result<String, Error> {
        let found = now.addons.get(&addon.name).map(|found| &found.version);
        let offered = now.addon_versions.get(&addon.name);
        let newest = offered.and_then(|offered| offered.first()).filter(|_| addon.latest);
        let version = addon.version.as_ref().or(newest).or(found).or(now.default_versions.get(&addon.name));
        let Some(version) = version else {
            return Err(refused(
                format!("add-on {}", addon.name),
                format!("EKS tells no default version of it for Kubernetes {}", self.version),
                "check its name, or pin a version with Addon::version",
            ));
        };
        match offered.filter(|offered| !offered.contains(version) && found != Some(version)) {
            None => Ok(version.clone()),
            Some(offered) => Err(refused(
                format!("add-on {}", addon.name),
                format!("EKS does not offer {version} for Kubernetes {}", self.version),
                match offered.as_slice() {
                    [] => "check its name: EKS offers no version of it".to_owned(),
                    offered => format!("pin one of these: {}", offered.join(", ")),
                },
            )),
        }
    }

    /// What CreateAddon or UpdateAddon will be asked.
    pub(crate) fn addon_request(&self, addon: &Addon, now: &Observed) -> Result<AddonRequest, Error> {
        let version = self.addon_version(addon, now)?;
        let found = now.addons.get(&addon.name);
        let own = || Ok::<_, Error>(Ref::output(addon.role_kind().ok_or_else(|| broken("an add-on's name is no label"))?.key(), "arn"));
        let (pod_identity, service_account_role) = match &addon.identity {
            Identity::None => (Vec::new(), None),
            Identity::Own(role) if role.access == PodAccess::Irsa => (Vec::new(), Some(own()?)),
            Identity::Own(_) => {
                let role = own()?;
                (addon.service_accounts().into_iter().map(|account| (account.name, role.clone())).collect(), None)
            }
            Identity::Given { service_account, role } => (vec![(service_account.clone(), role.clone())], None),
            Identity::Irsa { role } => (Vec::new(), Some(role.clone())),
        };
        let offered = now.addon_versions.get(&addon.name).map(Vec::as_slice).unwrap_or_default();
        let is_self_managed = SELF_MANAGED.contains(&addon.name.as_str());
        Ok(AddonRequest {
            name: addon.name.clone(),
            via: found.map(|found| addon::hops(&addon.name, &found.version, &version, offered)).unwrap_or_default(),
            version,
            configuration: addon.configuration.clone(),
            namespace: addon.namespace.clone(),
            pod_identity,
            service_account_role,
            // What EKS or an earlier spec has installed there unmanaged is taken over.
            on_create: addon.conflicts.unwrap_or(if is_self_managed { Conflicts::Overwrite } else { Conflicts::None }),
            on_update: addon.conflicts.unwrap_or(Conflicts::Preserve),
            wait: !addon.needs_nodes(),
        })
    }

    fn addon_step(&self, addon: &Addon, now: &Observed) -> Result<Step, Error> {
        let found = now.addons.get(&addon.name);
        if let Some(found) = found {
            refuse_others(&addon.name, found, &self.owner)?;
            refuse_deleted(addon, found)?;
            refuse_namespace(addon, found)?;
        }
        let request = self.addon_request(addon, now)?;
        let changes = found.map(|found| changes(&request, found, |role| Self::known_role(role, now)));
        let (cluster, key) = (self.name.clone(), addon.key().map_err(broken)?);
        let title = format!("add-on {} {}", addon.name, request.version);
        let (action, op) = match &changes {
            None => (Action::Create, ClusterOp::Addon { cluster, addon: request.clone() }),
            Some(changes) if changes.is_empty() => (Action::Keep, ClusterOp::Addon { cluster, addon: request.clone() }),
            Some(_) => (Action::Update, ClusterOp::ChangeAddon { cluster, addon: request.clone() }),
        };
        let mut step = Step::new(key, action, title, &op).map_err(broken)?.after(control_plane_key());
        let each = if request.wait || !request.via.is_empty() { typical(&addon.name) } else { Duration::from_secs(1) };
        step = step.takes(each * u32::try_from(request.via.len() + 1).unwrap_or(1));
        step = step.permits(["eks:DescribeAddon", "eks:DescribeAddonVersions"]);
        step = match action {
            Action::Create => step.permits(["eks:CreateAddon", "eks:TagResource"]),
            // An update makes, changes and deletes associations under the caller's permissions.
            _ => step.permits(["eks:UpdateAddon", "eks:UpdatePodIdentityAssociation", "eks:DeletePodIdentityAssociation"]),
        };
        if request.configuration.is_some() {
            step = step.permits(["eks:DescribeAddonConfiguration"]);
        }
        if !request.pod_identity.is_empty() {
            step = step.permits(["iam:PassRole", "eks:CreatePodIdentityAssociation", "eks:DescribePodIdentityAssociation"]);
        }
        step = request.pod_identity.iter().fold(step, |step, (_, role)| step.uses(role));
        if let Some(role) = &request.service_account_role {
            step = step.uses(role).after(oidc_provider_key()).permits(["iam:PassRole"]);
        }
        if let Some(found) = found {
            step = step.changes(changes.unwrap_or_default()).knows("id", &found.arn).knows("version", &request.version);
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
        if addon.access() == Some(PodAccess::PodIdentity) && self.addons.has(addon::POD_IDENTITY_AGENT) {
            // Its Pods get credentials only from the agent, which Auto Mode brings along.
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

/// What is on its way out is neither there nor can be made.
fn refuse_deleted(addon: &Addon, found: &ObservedAddon) -> Result<(), Error> {
    if found.status != "DELETING" {
        return Ok(());
    }
    Err(refused(format!("add-on {}", addon.name), "is being deleted", "wait until it is gone, then plan again"))
}

/// EKS gives an add-on its namespace when it makes it.
fn refuse_namespace(addon: &Addon, found: &ObservedAddon) -> Result<(), Error> {
    match (&addon.namespace, &found.namespace) {
        (Some(wanted), Some(is)) if wanted != is => Err(refused(
            format!("add-on {}", addon.name),
            format!("runs in the namespace {is}, the spec says {wanted}; EKS cannot change it"),
            "keep the namespace, or remove the add-on first: ClusterSpecBuilder::remove_addon",
        )),
        _ => Ok(()),
    }
}

fn changes(wanted: &AddonRequest, found: &ObservedAddon, known: impl Fn(&Ref<RoleArn>) -> Option<String>) -> Vec<String> {
    let mut changes = drift(wanted, found, known);
    if found.has_failed() || (wanted.wait && found.status != "ACTIVE") {
        changes.push(format!("status: {} → ACTIVE", found.status));
    }
    changes
}

/// What UpdateAddon has to change; a role that is not known yet counts as the right one.
pub(crate) fn drift(wanted: &AddonRequest, found: &ObservedAddon, known: impl Fn(&Ref<RoleArn>) -> Option<String>) -> Vec<String> {
    let mut changes = Vec::new();
    if wanted.version != found.version {
        let way: Vec<_> = std::iter::once(&found.version).chain(&wanted.via).chain([&wanted.version]).map(String::as_str).collect();
        changes.push(format!("version: {}", way.join(" → ")));
    }
    if let Some(values) = wanted.configuration.as_deref().filter(|values| !same_values(values, found.configuration.as_deref())) {
        changes.push(format!("configuration: {values}"));
    }
    changes.extend(pod_identity_drift(wanted, found, &known));
    if let Some(role) = &wanted.service_account_role
        && found.service_account_role.as_ref().is_none_or(|is| known(role).is_some_and(|role| role != *is))
    {
        changes.push(format!("service account role: {} → {role}", found.service_account_role.as_deref().unwrap_or("none")));
    }
    changes
}

fn pod_identity_drift(wanted: &AddonRequest, found: &ObservedAddon, known: &impl Fn(&Ref<RoleArn>) -> Option<String>) -> Vec<String> {
    if wanted.pod_identity.is_empty() {
        return if found.pod_identity_associations.is_empty() { Vec::new() } else { vec!["pod identity: none".to_owned()] };
    }
    // Where roles were not asked for, numbers are all that is known.
    let (told, equally_many) = (!found.pod_identity.is_empty(), wanted.pod_identity.len() == found.pod_identity_associations.len());
    let line = |(account, role): &(String, Ref<RoleArn>)| match found.pod_identity.get(account) {
        Some(is) if known(role).is_some_and(|role| role != *is) => {
            Some(format!("pod identity: {account} acts under {role} instead of {is}"))
        }
        Some(_) => None,
        None if told || !equally_many => Some(format!("pod identity: {account} acts under {role}")),
        None => None,
    };
    let mut lines: Vec<_> = wanted.pod_identity.iter().filter_map(line).collect();
    if lines.is_empty() && !equally_many {
        lines.push("pod identity: other service accounts lose their roles".to_owned());
    }
    lines
}

/// Whether configuration values say the same; JSON whatever its spaces and order. YAML is compared as text.
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
