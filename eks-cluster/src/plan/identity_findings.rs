//! What a reviewer should see of roles, of the ways by which Pods get them, and of add-ons.

use eks_core::{Error, Finding};

use super::{broken, identity::oidc_provider_key, roles::LEGACY_POLICY};
use crate::{
    ClusterSpec, Observed, addon,
    identity::{PodAccess, USUAL_MANAGED},
};

impl ClusterSpec {
    pub(super) fn identity_findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
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

    pub(super) fn addon_findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
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
}
