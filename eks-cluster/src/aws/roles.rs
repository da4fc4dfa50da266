//! Roles in IAM.

use aws_sdk_iam::types::Tag;
use eks_core::{Class, Error, Outputs, aws::failed, engine::StepContext};

use super::{Clusters, found};
use crate::{
    ObservedRole, RoleRequest,
    plan::{broken, refused},
};

impl Clusters {
    pub(super) async fn role(&self, name: &str) -> Result<Option<ObservedRole>, Error> {
        let Some(mut role) = self.role_alone(name).await? else { return Ok(None) };
        let mut pages = self.iam.list_attached_role_policies().role_name(name).into_paginator().items().send();
        while let Some(policy) = pages.next().await {
            let policy = policy.map_err(|error| failed("iam:ListAttachedRolePolicies", name, error))?;
            role.policies.extend(policy.policy_arn);
        }
        Ok(Some(role))
    }

    /// The role, without its policies.
    async fn role_alone(&self, name: &str) -> Result<Option<ObservedRole>, Error> {
        let sent = self.iam.get_role().role_name(name).send().await;
        let answer = found(sent.map_err(|error| failed("iam:GetRole", name, error)))?;
        let Some(role) = answer.and_then(|answer| answer.role) else { return Ok(None) };
        let tags = role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        Ok(Some(ObservedRole {
            arn: role.arn().parse().map_err(broken)?,
            trust: decoded(role.assume_role_policy_document().unwrap_or_default()),
            name: role.role_name,
            policies: Default::default(),
            tags,
        }))
    }

    /// Makes the role, or mends it; attaching a policy twice is no error.
    pub(super) async fn ensure_role(&self, request: &RoleRequest, may_exist: bool, cx: &StepContext) -> Result<Outputs, Error> {
        let document = serde_json::to_string(&request.trust).map_err(broken)?;
        let existing = if may_exist { self.role_alone(&request.name).await? } else { None };
        let role = match existing {
            Some(role) => role,
            None => match self.create_role(request, &document, cx).await {
                Ok(arn) => return self.attach(request, arn).await,
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
        if !request.trust.is_said_by(&role.trust) {
            let sent = self.iam.update_assume_role_policy().role_name(&request.name).policy_document(document).send().await;
            sent.map_err(|error| failed("iam:UpdateAssumeRolePolicy", &request.name, error))?;
        }
        self.attach(request, role.arn.to_string()).await
    }

    async fn create_role(&self, request: &RoleRequest, document: &str, cx: &StepContext) -> Result<String, Error> {
        let mut create = self
            .iam_once
            .create_role()
            .role_name(&request.name)
            .assume_role_policy_document(document)
            .description(request.kind.description());
        for (key, value) in cx.tags().into_iter().chain(request.tags.clone()) {
            create = create.tags(Tag::builder().key(key).value(value).build().map_err(broken)?);
        }
        let answer = create.send().await.map_err(|error| failed("iam:CreateRole", &request.name, error))?;
        answer.role.map(|role| role.arn).ok_or_else(|| broken("CreateRole told no role"))
    }

    async fn attach(&self, request: &RoleRequest, arn: String) -> Result<Outputs, Error> {
        for policy in &request.policies {
            let sent = self.iam.attach_role_policy().role_name(&request.name).policy_arn(policy).send().await;
            // NoSuchEntity here is our own role, not seen yet everywhere.
            sent.map_err(|error| failed("iam:AttachRolePolicy", &request.name, error)).map_err(not_seen_yet)?;
        }
        Ok([("id".to_owned(), request.name.clone()), ("arn".to_owned(), arn)].into())
    }

    /// Deletes the role if it is ours, with the policies in it.
    pub(super) async fn delete_role(&self, name: &str, cx: &StepContext) -> Result<(), Error> {
        let Some(role) = self.role(name).await? else { return Ok(()) };
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
                self.delete_bare_role(name).await
            }
            result => result,
        }
    }

    async fn delete_bare_role(&self, name: &str) -> Result<(), Error> {
        let sent = self.iam.delete_role().role_name(name).send().await;
        found(sent.map_err(|error| failed("iam:DeleteRole", name, error))).map(|_| ())
    }

    async fn delete_inline_policies(&self, name: &str) -> Result<(), Error> {
        let mut pages = self.iam.list_role_policies().role_name(name).into_paginator().items().send();
        while let Some(policy) = pages.next().await {
            let policy = policy.map_err(|error| failed("iam:ListRolePolicies", name, error))?;
            let sent = self.iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
            found(sent.map_err(|error| failed("iam:DeleteRolePolicy", name, error)))?;
        }
        Ok(())
    }
}

pub(super) fn not_seen_yet(error: Error) -> Error {
    if error.class() == Class::NotFound { error.with_class(Class::Inconsistent) } else { error }
}

/// IAM tells policy documents percent-encoded (RFC 3986).
fn decoded(document: &str) -> String {
    percent_encoding::percent_decode_str(document).decode_utf8_lossy().into_owned()
}
