//! From what should be and what is to a plan.

mod access;
mod addons;
#[cfg(test)]
mod change_tests;
mod changes;
mod control_plane;
mod findings;
mod identity;
mod identity_findings;
#[cfg(test)]
mod identity_tests;
mod placement;
mod roles;
#[cfg(test)]
mod tests;

#[cfg(feature = "aws")]
pub(crate) use addons::drift;
pub(crate) use addons::{refuse_others, typical as addon_typical};
#[cfg(feature = "aws")]
pub(crate) use control_plane::CREATE_TYPICAL;
#[cfg(feature = "aws")]
pub(crate) use identity::{association_drift, refuse_association};
pub(crate) use identity::{oidc_provider_arn, oidc_provider_key};

use std::{collections::BTreeSet, fmt};

use eks_core::{Basis, Error, Permission, Plan, SpecError, StepKey};

use crate::{
    ClusterSpec, Observed, Scope,
    grants::Grants,
    identity::{PodAccess, RoleKind},
};

/// The key of the control plane, which other layers rely on.
pub(crate) const CONTROL_PLANE: &str = "cluster/control-plane";

impl ClusterSpec {
    /// What an observation for this spec looks for.
    pub fn scope(&self) -> Scope {
        Scope {
            cluster: self.name.clone(),
            region: self.region().to_owned(),
            roles: self.own_roles().into_iter().map(|role| role.kind).collect(),
            all_roles: false,
            oidc_provider: self.needs_oidc_provider(),
            associations: self.associations().into_iter().map(|(_, association)| association.service_account).collect(),
            addon_identities: self.addons_by_agent().map(str::to_owned).collect(),
            latest: self.addons.0.iter().filter(|addon| addon.latest).map(|addon| addon.name.clone()).collect(),
            pinned: self.addons.0.iter().filter_map(|addon| Some((addon.name.clone(), addon.version.clone()?))).collect(),
            removals: false,
            addons: self.wanted_addons(),
            unpinned: self.addons.0.iter().filter(|addon| addon.version.is_none()).map(|addon| addon.name.clone()).collect(),
            version: Some(self.version),
            access: self.access.iter().any(|entry| entry.principal.known().is_none()),
            principals: self.access.iter().filter_map(|entry| entry.principal.known().cloned()).collect(),
            calendar: self.version.needs_asking(),
            logged: false,
            unprotect: false,
        }
    }

    /// IAM actions of an observation.
    fn reads(&self) -> BTreeSet<&'static str> {
        let scope = self.scope();
        let mut reads = BTreeSet::from(["eks:DescribeCluster"]);
        if !scope.roles.is_empty() {
            reads.extend(["iam:GetRole", "iam:ListAttachedRolePolicies"]);
        }
        if scope.roles.len() > 1 {
            reads.insert("iam:GetAccountAuthorizationDetails");
        }
        // One role alone is read by its name, with what is written into it.
        let by_name = scope.roles.len() == 1 && scope.roles.iter().any(RoleKind::is_for_pods);
        if by_name || self.own_roles().iter().any(|role| !role.inline.is_empty()) {
            reads.extend(["iam:GetRolePolicy", "iam:ListRolePolicies"]);
        }
        if scope.oidc_provider {
            reads.insert("iam:GetOpenIDConnectProvider");
        }
        if !scope.addon_identities.is_empty() || !scope.associations.is_empty() {
            reads.insert("eks:DescribePodIdentityAssociation");
        }
        if !scope.associations.is_empty() {
            reads.insert("eks:ListPodIdentityAssociations");
        }
        if scope.calendar {
            reads.insert("eks:DescribeClusterVersions");
        }
        if !scope.addons.is_empty() {
            reads.insert("eks:DescribeAddon");
        }
        if !scope.addons.is_empty() {
            reads.insert("eks:DescribeAddonVersions");
        }
        if scope.access {
            reads.insert("eks:ListAccessEntries");
        }
        if !self.access.is_empty() {
            reads.extend(["eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies"]);
        }
        reads
    }

    /// The plan that brings what exists to this spec. Pure: the same for the same spec and the same observation.
    ///
    /// # Errors
    /// [`Error::Refused`] if what exists is not ours, is on its way out, has failed, or would have to change in a way that
    /// EKS or this crate does not change in place.
    pub fn plan(&self, now: &Observed) -> Result<Plan, Error> {
        let scope = serde_json::to_value(self.scope()).map_err(broken)?;
        let mut plan = Plan::builder(&self.owner, "cluster").basis(Basis::new(scope, now.facts()?));
        let mut steps = self.own_roles().into_iter().map(|role| self.role_step(role, now)).collect::<Result<Vec<_>, _>>()?;
        let (control_plane, placing) = self.control_plane_step(now)?;
        steps.push(control_plane);
        steps.extend(self.oidc_provider_step(now)?);
        steps.extend(self.addon_steps(now)?);
        steps.extend(self.association_steps(now)?);
        for entry in &self.access {
            steps.push(self.access_step(entry, now)?);
        }
        // Whichever of them has something to do, the basis is observed first.
        let reads = self.reads();
        let grants = Grants::new(&self.owner, self.name.as_str()).with_roles(&self.own_roles());
        plan = plan.observes(refined(reads.iter().copied(), |action| grants.read(action)));
        for step in steps {
            plan = plan.step(grants.narrow(step.permits(reads.iter().copied()))?);
        }
        for finding in placing.into_iter().chain(self.findings(now)?) {
            plan = plan.finding(finding);
        }
        plan.build().map_err(broken)
    }

    /// Add-ons that are looked for: wanted, or to be removed.
    fn wanted_addons(&self) -> BTreeSet<String> {
        let wanted = self.addons.0.iter().map(|addon| &addon.name);
        wanted.chain(self.addon_removals.iter().map(|removal| &removal.name)).cloned().collect()
    }

    /// Add-ons whose role comes through EKS Pod Identity.
    fn addons_by_agent(&self) -> impl Iterator<Item = &str> {
        self.addons.0.iter().filter(|addon| addon.access() == Some(PodAccess::PodIdentity)).map(|addon| addon.name.as_str())
    }
}

/// Actions with what is known of them.
pub(crate) fn refined<'a>(actions: impl IntoIterator<Item = &'a str>, with: impl Fn(&str) -> Option<Vec<Permission>>) -> Vec<Permission> {
    actions.into_iter().flat_map(|action| with(action).unwrap_or_else(|| vec![Permission::new(action)])).collect()
}

pub(crate) fn control_plane_key() -> StepKey {
    constant_key(CONTROL_PLANE)
}

pub(crate) fn constant_key(key: &'static str) -> StepKey {
    key.parse().expect("the constants of this crate are keys")
}

/// A fault of this crate, not of the account or the spec.
pub(crate) fn broken(error: impl fmt::Display) -> Error {
    Error::Plan { subject: "cluster".to_owned(), reason: error.to_string() }
}

pub(crate) fn refused(subject: impl Into<String>, rule: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::Refused { subject: subject.into(), rule: rule.into(), remedy: remedy.into() }
}

/// A spec that the account's facts speak against: every rule that it breaks.
pub(crate) fn refused_by(error: SpecError) -> Error {
    let rules = error.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  - ");
    refused(error.spec, format!("EKS would refuse it:\n  - {rules}\n "), "mend that, and plan again")
}
