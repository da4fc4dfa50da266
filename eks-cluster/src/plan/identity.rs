//! Steps for the identity provider and for EKS Pod Identity associations.

use std::time::Duration;

use eks_core::{Action, Error, OWNER_TAG, Owner, Ref, Step, StepKey};

use super::{broken, constant_key, control_plane_key, refused};
use crate::{
    ClusterOp, ClusterSpec, Observed, ObservedAssociation, PodRole,
    identity::{AUDIENCE, PodAccess, ServiceAccount},
    op::AssociationRequest,
};

pub(crate) const OIDC_PROVIDER: &str = "cluster/oidc-provider";

/// ARN of the identity provider for the cluster's issuer.
pub(crate) fn oidc_provider_arn() -> Ref<String> {
    Ref::output(oidc_provider_key(), "arn")
}

pub(crate) fn oidc_provider_key() -> StepKey {
    constant_key(OIDC_PROVIDER)
}

impl ClusterSpec {
    /// Whether somebody takes roles by tokens of the cluster.
    pub(crate) fn needs_oidc_provider(&self) -> bool {
        self.oidc_provider
            || self.pod_roles.iter().any(|role| role.access == PodAccess::Irsa)
            || self.addons.0.iter().any(|addon| addon.access() == Some(PodAccess::Irsa))
    }

    pub(super) fn oidc_provider_step(&self, now: &Observed) -> Result<Option<Step>, Error> {
        if !self.needs_oidc_provider() {
            return Ok(None);
        }
        let op = ClusterOp::OidcProvider { issuer: self.told("issuer"), cluster_arn: self.told("arn") };
        let title = format!("identity provider for the issuer of cluster {}", self.name);
        let step = |action| {
            let step = Step::new(oidc_provider_key(), action, title.clone(), &op).map_err(broken)?;
            Ok::<_, Error>(step.after(control_plane_key()).takes(Duration::from_secs(1)).permits(["iam:GetOpenIDConnectProvider"]))
        };
        let Some(found) = &now.oidc_provider else {
            let actions = ["iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"];
            return Ok(Some(step(Action::Create)?.permits(actions)));
        };
        let serves = found.audiences.contains(AUDIENCE);
        if !serves && !found.is_owned_by(&self.owner) {
            return Err(refused(
                format!("identity provider {}", found.arn),
                format!("exists, is not ours, and does not accept tokens for {AUDIENCE}"),
                format!(
                    "have its owner add it: aws iam add-client-id-to-open-id-connect-provider --client-id {AUDIENCE} --open-id-connect-provider-arn {}",
                    found.arn
                ),
            ));
        }
        let step = if serves {
            step(Action::Keep)?
        } else {
            step(Action::Update)?.changes([format!("audiences: add {AUDIENCE}")]).permits(["iam:AddClientIDToOpenIDConnectProvider"])
        };
        Ok(Some(step.knows("id", &found.arn).knows("arn", &found.arn)))
    }

    /// Associations that are wanted, with the roles for Pods that they are of.
    pub(super) fn associations(&self) -> Vec<(&PodRole, AssociationRequest)> {
        let by_agent = self.pod_roles.iter().filter(|role| role.access == PodAccess::PodIdentity);
        let one = |role: &PodRole, account: &ServiceAccount| {
            Some(AssociationRequest {
                service_account: account.clone(),
                role: role.role().ok()?,
                target: role.target.clone(),
                disable_session_tags: role.disable_session_tags,
                policy: role.session_policy.clone(),
                tags: self.tags.clone(),
            })
        };
        by_agent.flat_map(|role| role.service_accounts.iter().filter_map(move |account| Some((role, one(role, account)?)))).collect()
    }

    pub(super) fn association_steps(&self, now: &Observed) -> Result<Vec<Step>, Error> {
        self.associations().into_iter().map(|(_, association)| self.association_step(association, now)).collect()
    }

    fn association_step(&self, wanted: AssociationRequest, now: &Observed) -> Result<Step, Error> {
        let key = wanted.service_account.association_key().map_err(broken)?;
        let found = now.associations.get(&wanted.service_account);
        if let Some(found) = found {
            refuse_association(&wanted.service_account, found, &self.owner)?;
        }
        let changes = found.map(|found| association_drift(&wanted, found, |role| Self::known_role(role, now)));
        let action = match &changes {
            None => Action::Create,
            Some(changes) if changes.is_empty() => Action::Keep,
            Some(_) => Action::Update,
        };
        let title = format!(
            "Pods of {} act under {}",
            wanted.service_account,
            wanted.target.as_ref().map_or_else(|| wanted.role.to_string(), ToString::to_string)
        );
        let op = ClusterOp::PodIdentity { cluster: self.name.clone(), association: wanted.clone() };
        let step = Step::new(key, action, title, &op)
            .map_err(broken)?
            .after(control_plane_key())
            .uses(&wanted.role)
            .takes(Duration::from_secs(1))
            .changes(changes.unwrap_or_default())
            .permits(["eks:ListPodIdentityAssociations", "eks:DescribePodIdentityAssociation", "iam:PassRole", "iam:GetRole"]);
        let step = match action {
            Action::Create => step.permits(["eks:CreatePodIdentityAssociation", "eks:TagResource"]),
            _ => step.permits(["eks:UpdatePodIdentityAssociation"]),
        };
        Ok(match found {
            Some(found) => step.knows("id", &found.id),
            None => step,
        })
    }
}

/// An association that somebody else made, or an add-on brought, is not changed.
pub(crate) fn refuse_association(account: &ServiceAccount, found: &ObservedAssociation, owner: &Owner) -> Result<(), Error> {
    let subject = format!("association {} of service account {account}", found.id);
    if let Some(addon) = &found.addon {
        let rule = format!("is the add-on's that brought it: {addon}");
        return Err(refused(subject, rule, "give the role by Addon::pod_identity or Addon::role"));
    }
    if found.is_owned_by(owner) {
        return Ok(());
    }
    Err(refused(
        subject,
        format!("exists, and does not carry the tag that names {owner} as its owner"),
        format!("leave the service account out of the spec, or hand it over: aws eks tag-resource --tags {OWNER_TAG}={owner}"),
    ))
}

/// What UpdatePodIdentityAssociation has to change; a role that is not known yet counts as the right one.
pub(crate) fn association_drift(
    wanted: &AssociationRequest,
    found: &ObservedAssociation,
    known: impl Fn(&Ref<eks_core::RoleArn>) -> Option<String>,
) -> Vec<String> {
    let mut changes = Vec::new();
    if let Some(role) = known(&wanted.role).filter(|role| *role != found.role) {
        changes.push(format!("role: {} → {role}", found.role));
    }
    let target = wanted.target.as_ref().map(|target| target.as_str());
    if target != found.target.as_deref() {
        changes.push(format!("target role: {} → {}", found.target.as_deref().unwrap_or("none"), target.unwrap_or("none")));
    }
    if wanted.disable_session_tags != found.disable_session_tags {
        changes.push(format!("session tags: {}", if wanted.disable_session_tags { "off" } else { "on" }));
    }
    let same_policy = match (&wanted.policy, &found.policy) {
        (Some(wanted), Some(found)) => wanted.is_said_by(found),
        (wanted, found) => wanted.is_none() == found.is_none(),
    };
    if !same_policy {
        changes.push(format!("session policy: {}", if wanted.policy.is_some() { "rewritten" } else { "none" }));
    }
    changes
}
