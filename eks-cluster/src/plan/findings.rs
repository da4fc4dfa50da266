//! What a reviewer should see.

use eks_core::{Error, Finding, Severity};
use jiff::civil::Date;

use super::{broken, control_plane_key, identity::oidc_provider_key, roles::LEGACY_POLICY};
use crate::{
    ClusterSpec, Observed, Support, addon, endpoint,
    identity::{PodAccess, USUAL_MANAGED},
    price,
};

/// From when on the end of standard support is worth a second thought.
const NEAR_DAYS: i32 = 60;

impl ClusterSpec {
    pub(super) fn findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let key = control_plane_key();
        let mut found = Vec::new();
        let mut say = |severity: Severity, message: String| {
            let key = key.clone();
            found.push(if severity == Severity::Warning { Finding::warning(key, message) } else { Finding::note(key, message) });
        };
        if let Some((severity, message)) = self.today.or(now.today).and_then(|today| self.support_finding(today)) {
            say(severity, message);
        }
        if self.endpoint.is_public() && self.effective_public_access().iter().any(|block| block.to_string() == endpoint::ANYWHERE) {
            say(Severity::Warning, "the Kubernetes API is reachable from 0.0.0.0/0; public_access_cidrs narrows it".to_owned());
        }
        if !self.creator_admin && self.admins().next().is_none() {
            say(
                Severity::Warning,
                "nobody can enter until an access entry is made: the creator is left out, and no admin is given".to_owned(),
            );
        }
        if !self.authentication.has_access_entries() {
            say(Severity::Note, "the ConfigMap aws-auth is deprecated by EKS; access entries succeed it".to_owned());
        }
        if !self.bootstrap_self_managed_addons && !self.addons.has(addon::VPC_CNI) {
            let message = "no CNI will be there: vpc-cni is not among the add-ons, and EKS is told not to install it; nodes stay NotReady";
            say(Severity::Warning, message.to_owned());
        }
        if !self.logging.is_empty() {
            let name = &self.name;
            say(Severity::Note, format!("the log group /aws/eks/{name}/cluster costs by the GB, and outlives the cluster and a teardown"));
        }
        for addon in self.addons.0.iter().filter(|addon| addon.needs_nodes() && !self.waits_for(addon)) {
            let message = "is created and not waited for, as it needs nodes; nodes_ready_after makes the plan wait for it";
            found.push(Finding::note(addon.key().map_err(broken)?, message));
        }
        found.extend(self.identity_findings(now)?);
        found.extend(self.addon_findings(now)?);
        Ok(found)
    }

    fn identity_findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let mut found = Vec::new();
        for role in self.own_roles() {
            if role.policies.iter().any(|arn| arn.ends_with(&format!("/{LEGACY_POLICY}"))) {
                let message =
                    format!("{LEGACY_POLICY} is needed by clusters made before 2020-04-16 alone; EKS has a service-linked role since");
                found.push(Finding::warning(role.kind.key(), message));
            }
            if role.policies.len() > USUAL_MANAGED {
                let message = format!("has {} managed policies: more than IAM's default quota of {USUAL_MANAGED}", role.policies.len());
                found.push(Finding::warning(role.kind.key(), message));
            }
            if let Some(boundary) = now.roles.get(&role.kind).and_then(|found| found.boundary.as_ref()).filter(|_| role.boundary.is_none())
            {
                found
                    .push(Finding::note(role.kind.key(), format!("is bounded by {boundary}, which the spec does not say and which stays")));
            }
        }
        if self.needs_oidc_provider()
            && let Some(provider) = now.oidc_provider.as_ref().filter(|provider| !provider.is_owned_by(&self.owner))
        {
            let message = format!("{} was made by others: it is used, and a teardown leaves it", provider.arn);
            found.push(Finding::note(oidc_provider_key(), message));
        }
        if !self.addons.has(addon::POD_IDENTITY_AGENT) {
            for (role, association) in self.associations() {
                let key = association.service_account.association_key().map_err(broken)?;
                let message = format!(
                    "Pods get the role {} only where the EKS Pod Identity Agent runs: the add-on {} is not in the spec, and only Auto Mode brings it along",
                    role.name,
                    addon::POD_IDENTITY_AGENT
                );
                found.push(Finding::warning(key, message));
            }
        }
        Ok(found)
    }

    fn addon_findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let mut said = Vec::new();
        for addon in &self.addons.0 {
            let Some(found) = now.addons.get(&addon.name) else { continue };
            let key = addon.key().map_err(broken)?;
            // Pods that wait for nodes are no trouble of the add-on's.
            let troubles: Vec<_> = found.issues.iter().filter(|(code, _)| code != "InsufficientNumberOfReplicas").cloned().collect();
            if !troubles.is_empty() {
                said.push(Finding::warning(key.clone(), format!("is {}: {}", found.status, addon::diagnosis(&troubles))));
            } else if !found.issues.is_empty() {
                said.push(Finding::note(key.clone(), format!("is {}: {}", found.status, addon::diagnosis(&found.issues))));
            }
            if let Some(role) = found.service_account_role.as_ref().filter(|_| addon.access() != Some(PodAccess::Irsa)) {
                let message = format!("has the service account role {role}, which the spec does not say and EKS takes no more away");
                said.push(Finding::note(key, message));
            }
        }
        for removal in self.addon_removals.iter().filter(|removal| now.addons.contains_key(&removal.name)) {
            let key = eks_core::StepKey::new(["cluster", "addon", &removal.name]).map_err(broken)?;
            said.push(Finding::warning(key, "is there and shall be removed: a plan never deletes, Clusters::removals does"));
        }
        Ok(said)
    }

    fn support_finding(&self, today: Date) -> Option<(Severity, String)> {
        let version = self.version;
        match version.support(today) {
            Support::Standard { until } => {
                let left = today.until(until).ok()?.get_days();
                let dearer = price::control_plane(version, until.tomorrow().ok()).usd_per_month;
                let message =
                    format!("standard support of Kubernetes {version} ends on {until}, in {left} days; then it costs ${dearer:.2} a month");
                (left <= NEAR_DAYS).then_some((Severity::Warning, message))
            }
            Support::Extended { until } => {
                let usd = price::control_plane(version, Some(today)).usd_per_month;
                let message = format!("Kubernetes {version} is in extended support until {until}: ${usd:.2} a month instead of $73.00");
                Some((Severity::Warning, message))
            }
            Support::Ended { .. } => {
                Some((Severity::Warning, format!("support of Kubernetes {version} has ended; EKS upgrades it at a time of its own choice")))
            }
            Support::Upcoming { released } => Some((Severity::Warning, format!("Kubernetes {version} comes to EKS on {released}"))),
            Support::Unknown => Some((Severity::Note, format!("Kubernetes {version} is newer than this crate's support calendar"))),
        }
    }
}
