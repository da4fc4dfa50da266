//! Roles in IAM.

use std::collections::BTreeMap;

use aws_sdk_iam::types::Tag;
use eks_core::{Class, Error, Outputs, aws::failed, engine::StepContext};

use super::{Clusters, found};
use crate::{
    ObservedRole, RoleRequest,
    plan::{broken, refused},
};

/// The attempt at a removal, some five seconds each, from which on a conflict is no delay of IAM's.
const SURELY_HELD: u32 = 6;

impl Clusters {
    /// The role with its policies; the documents of those written into it only if asked for.
    pub(super) async fn role(&self, name: &str, with_documents: bool) -> Result<Option<ObservedRole>, Error> {
        let Some(mut role) = self.role_alone(name).await? else { return Ok(None) };
        let mut pages = self.iam.list_attached_role_policies().role_name(name).into_paginator().items().send();
        while let Some(policy) = pages.next().await {
            let policy = policy.map_err(|error| failed("iam:ListAttachedRolePolicies", name, error))?;
            role.policies.extend(policy.policy_arn);
        }
        if with_documents {
            for policy in self.inline_policies(name).await? {
                let sent = self.iam.get_role_policy().role_name(name).policy_name(&policy).send().await;
                if let Some(found) = found(sent.map_err(|error| failed("iam:GetRolePolicy", name, error)))? {
                    role.inline.insert(policy, decoded(&found.policy_document));
                }
            }
        }
        Ok(Some(role))
    }

    /// The role, without its policies.
    async fn role_alone(&self, name: &str) -> Result<Option<ObservedRole>, Error> {
        let sent = self.iam.get_role().role_name(name).send().await;
        let answer = found(sent.map_err(|error| failed("iam:GetRole", name, error)))?;
        let Some(role) = answer.and_then(|answer| answer.role) else { return Ok(None) };
        Ok(Some(ObservedRole {
            arn: role.arn().parse().map_err(broken)?,
            trust: decoded(role.assume_role_policy_document().unwrap_or_default()),
            boundary: role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn()).map(str::to_owned),
            tags: tags(role.tags()),
            name: role.role_name,
            policies: Default::default(),
            inline: Default::default(),
        }))
    }

    async fn inline_policies(&self, name: &str) -> Result<Vec<String>, Error> {
        let mut pages = self.iam.list_role_policies().role_name(name).into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(policy) = pages.next().await {
            names.push(policy.map_err(|error| failed("iam:ListRolePolicies", name, error))?);
        }
        Ok(names)
    }

    /// Makes the role, or mends it; attaching a policy twice is no error.
    pub(super) async fn ensure_role(&self, request: &RoleRequest, may_exist: bool, cx: &StepContext) -> Result<Outputs, Error> {
        let mut unknown = None;
        let trust = request.trust.document(|provider| cx.resolve(provider).map_err(|error| unknown = Some(error)).ok());
        let trust = match (trust, unknown) {
            (Some(trust), _) => trust,
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(broken("an identity provider's ARN has another form")),
        };
        let document = serde_json::to_string(&trust).map_err(broken)?;
        let existing = if may_exist { self.role_alone(&request.name).await? } else { None };
        let role = match existing {
            Some(role) => role,
            None => match self.create_role(request, &document, cx).await {
                Ok(arn) => return self.furnish(request, arn).await,
                // The answer to an earlier call was lost, or another process came first. IAM may not show it yet.
                Err(error) if error.code() == Some("EntityAlreadyExists") => {
                    self.role_alone(&request.name).await?.ok_or_else(|| error.with_class(Class::Inconsistent))?
                }
                Err(error) => return Err(error),
            },
        };
        if !role.is_owned_by(cx.owner()) {
            return Err(refused(
                format!("role {}", request.name),
                format!("exists, and does not carry the tag that names {} as its owner", cx.owner()),
                "choose another owner, or remove the role",
            ));
        }
        if !trust.is_said_by(&role.trust) {
            let sent = self.iam.update_assume_role_policy().role_name(&request.name).policy_document(document).send().await;
            sent.map_err(|error| principal_not_seen_yet(failed("iam:UpdateAssumeRolePolicy", &request.name, error)))?;
        }
        if let Some(boundary) = request.boundary.as_deref().filter(|boundary| role.boundary.as_deref() != Some(boundary)) {
            let sent = self.iam.put_role_permissions_boundary().role_name(&request.name).permissions_boundary(boundary).send().await;
            sent.map_err(|error| failed("iam:PutRolePermissionsBoundary", &request.name, error))?;
        }
        self.furnish(request, role.arn.to_string()).await
    }

    async fn create_role(&self, request: &RoleRequest, document: &str, cx: &StepContext) -> Result<String, Error> {
        let mut create = self
            .iam_once
            .create_role()
            .role_name(&request.name)
            .assume_role_policy_document(document)
            .set_path(request.path.clone())
            .set_permissions_boundary(request.boundary.clone())
            .description(request.kind.description());
        for (key, value) in cx.tags().into_iter().chain(request.tags.clone()) {
            create = create.tags(Tag::builder().key(key).value(value).build().map_err(broken)?);
        }
        let answer = create.send().await.map_err(|error| principal_not_seen_yet(failed("iam:CreateRole", &request.name, error)))?;
        answer.role.map(|role| role.arn).ok_or_else(|| broken("CreateRole told no role"))
    }

    /// Attaches and writes its policies.
    async fn furnish(&self, request: &RoleRequest, arn: String) -> Result<Outputs, Error> {
        for policy in &request.policies {
            let sent = self.iam.attach_role_policy().role_name(&request.name).policy_arn(policy).send().await;
            // NoSuchEntity here is our own role, not seen yet everywhere.
            sent.map_err(|error| failed("iam:AttachRolePolicy", &request.name, error)).map_err(not_seen_yet)?;
        }
        for (name, document) in &request.inline {
            let document = serde_json::to_string(document).map_err(broken)?;
            let put = self.iam.put_role_policy().role_name(&request.name).policy_name(name).policy_document(document);
            put.send().await.map_err(|error| failed("iam:PutRolePolicy", &request.name, error)).map_err(not_seen_yet)?;
        }
        Ok([("id".to_owned(), request.name.clone()), ("arn".to_owned(), arn)].into())
    }

    /// Deletes the role if it is ours, with the policies in it.
    pub(super) async fn delete_role(&self, name: &str, cx: &StepContext) -> Result<(), Error> {
        let Some(role) = self.role(name, false).await? else { return Ok(()) };
        if !role.is_owned_by(cx.owner()) {
            return Err(refused(
                format!("role {name}"),
                "is not ours: it does not carry our tag any more",
                "remove it by hand if it is not wanted",
            ));
        }
        for policy in &role.policies {
            let sent = self.iam.detach_role_policy().role_name(name).policy_arn(policy).send().await;
            found(sent.map_err(|error| failed("iam:DetachRolePolicy", name, error)))?;
        }
        match self.delete_bare_role(name).await {
            // Someone has written policies into it.
            Err(error) if error.code() == Some("DeleteConflict") => {
                self.delete_inline_policies(name).await?;
                match self.delete_bare_role(name).await {
                    Err(error) if error.code() == Some("DeleteConflict") => Err(self.held(name, error, cx).await),
                    result => result,
                }
            }
            result => result,
        }
    }

    /// What holds a role that IAM does not delete. A profile that nobody takes it out of holds it for good; one that was emptied a moment
    /// ago may be told still.
    async fn held(&self, name: &str, conflict: Error, cx: &StepContext) -> Error {
        if cx.attempt() < SURELY_HELD {
            return conflict;
        }
        // It may not be permitted.
        let Ok(answer) = self.iam.list_instance_profiles_for_role().role_name(name).send().await else { return conflict };
        let profiles: Vec<_> = answer.instance_profiles().iter().map(|profile| profile.instance_profile_name()).collect();
        let Some(first) = profiles.first() else { return conflict };
        refused(
            format!("role {name}"),
            format!("is in the instance profile {}, which others made", profiles.join(", ")),
            format!(
                "take it out, and tear down again: aws iam remove-role-from-instance-profile --role-name {name} --instance-profile-name {first}"
            ),
        )
    }

    async fn delete_bare_role(&self, name: &str) -> Result<(), Error> {
        let sent = self.iam.delete_role().role_name(name).send().await;
        found(sent.map_err(|error| failed("iam:DeleteRole", name, error))).map(|_| ())
    }

    async fn delete_inline_policies(&self, name: &str) -> Result<(), Error> {
        for policy in self.inline_policies(name).await? {
            let sent = self.iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
            found(sent.map_err(|error| failed("iam:DeleteRolePolicy", name, error)))?;
        }
        Ok(())
    }
}

pub(super) fn not_seen_yet(error: Error) -> Error {
    if error.class() == Class::NotFound { error.with_class(Class::Inconsistent) } else { error }
}

/// A principal that was made a moment ago: IAM User Guide, "Changes that I make are not always immediately visible".
fn principal_not_seen_yet(error: Error) -> Error {
    let unseen = error.code() == Some("MalformedPolicyDocument") && error.chain().contains("Invalid principal in policy");
    if unseen { error.with_class(Class::Inconsistent) } else { error }
}

pub(super) fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

/// IAM tells policy documents percent-encoded (RFC 3986).
pub(super) fn decoded(document: &str) -> String {
    percent_encoding::percent_decode_str(document).decode_utf8_lossy().into_owned()
}
