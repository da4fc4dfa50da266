//! What a reviewer should see of roles, of the ways by which Pods get them, and of add-ons.

use eks_core::{Error, Finding};

use super::{broken, identity::oidc_provider_key, roles::LEGACY_POLICY};
use crate::{
    Addon, ClusterSpec, IpFamily, Observed, ObservedRole,
    addon::{self, Identity},
    identity::{PodAccess, RoleKind, USUAL_MANAGED},
    op::RoleRequest,
    plane::AUTO_MODE_CLUSTER_POLICIES,
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
            if let Some(message) = now.roles.get(&role.kind).and_then(|found| self.left_over(&role, found)) {
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
        if !self.addons.has(addon::POD_IDENTITY_AGENT) && !self.keeps_auto_mode(now) {
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

    /// What a role of ours may do beyond the spec: by what an earlier spec said, or others attached.
    fn left_over(&self, wanted: &RoleRequest, found: &ObservedRole) -> Option<String> {
        // Auto Mode's do no harm once it is off.
        let auto_mode = AUTO_MODE_CLUSTER_POLICIES.map(|name| self.partition().managed_policy(name));
        let is_wanted = |arn: &String| wanted.policies.contains(arn) || (wanted.kind == RoleKind::Cluster && auto_mode.contains(arn));
        let attached = found.policies.iter().filter(|arn| !is_wanted(arn));
        let written = found.inline.keys().filter(|name| !wanted.inline.contains_key(*name));
        let left: Vec<_> = attached.chain(written).map(String::as_str).collect();
        match left.as_slice() {
            [] => None,
            [one] => Some(format!("{one} is not in the spec; it stays until it is detached by hand")),
            several => Some(format!("{} are not in the spec; they stay until they are detached by hand", several.join(", "))),
        }
    }

    /// AmazonEKS_CNI_Policy, which nodes have by default, allows IPv4 addresses alone. EKS User Guide, "Configure Amazon VPC CNI plugin to use
    /// IRSA": IPv6 clusters need a policy of one's own.
    fn ipv6_finding(&self, cni: &Addon) -> Result<Option<Finding>, Error> {
        let lacks = match &cni.identity {
            Identity::None => true,
            Identity::Own(role) => !role.ipv6_cni && role.permissions.is_empty(),
            Identity::Given { .. } | Identity::Irsa { .. } => false,
        };
        if !lacks || self.settings.ip_family != IpFamily::Ipv6 {
            return Ok(None);
        }
        let message = "gives no IPv6 addresses, and nodes stay NotReady, unless its role may assign them, which AmazonEKS_CNI_Policy does not allow: Addon::role(AddonRole::pod_identity().vpc_cni_ipv6())";
        Ok(Some(Finding::warning(cni.key().map_err(broken)?, message)))
    }

    pub(super) fn addon_findings(&self, now: &Observed) -> Result<Vec<Finding>, Error> {
        let mut said = Vec::new();
        for addon in &self.addons.0 {
            if addon.name == addon::VPC_CNI {
                said.extend(self.ipv6_finding(addon)?);
            }
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
                let then = match addon.access() {
                    // "How EKS Pod Identity works": credentials that are earlier in the chain continue to be used.
                    Some(_) => "and which comes before EKS Pod Identity; the next update leaves it out",
                    None => "and which updates keep",
                };
                let message = format!("has the service account role {role}, which the spec does not say {then}");
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
