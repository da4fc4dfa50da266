//! Our roles, in as few calls as IAM allows.
//!
//! GetAccountAuthorizationDetails tells roles with trust, policies, boundary and tags, up to a thousand in a call. Where it is not
//! permitted, and for what its first page lacks in an account with more roles, each is read by its name: two calls and more.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{EntityType, RoleDetail};
use eks_core::{Class, Error, Owner, aws::failed};
use tokio::task::JoinSet;

use super::{
    Clusters,
    observe::all,
    roles::{decoded, tags},
};
use crate::{ObservedRole, RoleKind, Scope, plan::broken};

/// The most that IAM tells at once.
const PAGE: i32 = 1_000;

impl Clusters {
    pub(super) async fn roles(&self, owner: &Owner, scope: &Scope) -> Result<BTreeMap<RoleKind, ObservedRole>, Error> {
        let mut wanted: BTreeMap<String, RoleKind> =
            scope.roles.iter().map(|kind| (kind.name(owner, &scope.region), kind.clone())).collect();
        // One role is read by its name alone; a teardown looks for all.
        if wanted.len() < 2 && !scope.all_roles {
            return self.roles_by_name(wanted, scope.inline_roles()).await;
        }
        let (mut found, whole) = match self.account_roles(owner, scope, &wanted).await {
            Ok(read) => read,
            Err(error) if error.class() == Class::Denied => {
                if scope.all_roles {
                    wanted.extend(self.role_names(owner, scope).await?);
                }
                (BTreeMap::new(), false)
            }
            Err(error) => return Err(error),
        };
        if !whole {
            wanted.retain(|_, kind| !found.contains_key(kind));
            found.extend(self.roles_by_name(wanted, true).await?);
        }
        Ok(found)
    }

    /// Wanted roles, or all of ours, from the account's list; and whether that was read to its end.
    async fn account_roles(
        &self,
        owner: &Owner,
        scope: &Scope,
        wanted: &BTreeMap<String, RoleKind>,
    ) -> Result<(BTreeMap<RoleKind, ObservedRole>, bool), Error> {
        let (mut found, mut marker) = (BTreeMap::new(), None);
        loop {
            let ask = self.iam.get_account_authorization_details().filter(EntityType::Role).max_items(PAGE).set_marker(marker);
            let page = ask.send().await.map_err(|error| failed("iam:GetAccountAuthorizationDetails", owner.as_str(), error))?;
            for role in page.role_detail_list() {
                let Some(name) = role.role_name() else { continue };
                let kind = match wanted.get(name) {
                    Some(kind) => Some(kind.clone()),
                    None if scope.all_roles => ours(role, owner, &scope.region),
                    None => None,
                };
                if let Some(kind) = kind {
                    found.insert(kind, observed(role)?);
                }
            }
            // What is wanted is found, or is looked for by name: an account may have thousands of roles.
            let enough = !scope.all_roles;
            if !page.is_truncated || enough {
                return Ok((found.clone(), !page.is_truncated || (enough && found.len() == wanted.len())));
            }
            marker = page.marker;
        }
    }

    async fn roles_by_name(
        &self,
        wanted: BTreeMap<String, RoleKind>,
        with_documents: bool,
    ) -> Result<BTreeMap<RoleKind, ObservedRole>, Error> {
        let mut asked = JoinSet::new();
        for (name, kind) in wanted {
            let this = self.clone();
            asked.spawn(async move { this.role(&name, with_documents).await.map(|role| Some((kind, role?))) });
        }
        all(asked).await
    }

    /// Names that ours may have, where nothing but names may be listed; whose they are, their tags tell.
    async fn role_names(&self, owner: &Owner, scope: &Scope) -> Result<BTreeMap<String, RoleKind>, Error> {
        let (prefix, suffix) = (format!("{owner}-"), format!("-{}", scope.region));
        let mut pages = self.iam.list_roles().max_items(PAGE).into_paginator().items().send();
        let mut names = BTreeSet::new();
        while let Some(role) = pages.next().await {
            match role {
                Ok(role) if role.role_name.starts_with(&prefix) && role.role_name.ends_with(&suffix) => _ = names.insert(role.role_name),
                Ok(_) => {}
                Err(error) => return Err(failed("iam:ListRoles", owner.as_str(), error)),
            }
        }
        let mut kinds = BTreeMap::new();
        for name in names {
            let Some(role) = self.role(&name, false).await? else { continue };
            let kind = role.tags.get(eks_core::KEY_TAG).and_then(|key| RoleKind::of_key(key)).filter(|_| role.is_owned_by(owner));
            kinds.extend(kind.map(|kind| (name, kind)));
        }
        Ok(kinds)
    }
}

impl Scope {
    /// Whether policies may be written into roles that are looked for.
    fn inline_roles(&self) -> bool {
        self.roles.iter().any(RoleKind::is_for_pods)
    }
}

/// Which of the owner's roles in a Region a role is, by its tags.
fn ours(role: &RoleDetail, owner: &Owner, region: &str) -> Option<RoleKind> {
    let tags = tags(role.tags());
    let kind = RoleKind::of_key(tags.get(eks_core::KEY_TAG)?)?;
    // The same owner may have a cluster in another Region.
    let is_ours = crate::observed::is_owned(&tags, owner) && role.role_name() == Some(&kind.name(owner, region));
    is_ours.then_some(kind)
}

fn observed(role: &RoleDetail) -> Result<ObservedRole, Error> {
    let document = |policy: &aws_sdk_iam::types::PolicyDetail| {
        Some((policy.policy_name()?.to_owned(), decoded(policy.policy_document().unwrap_or_default())))
    };
    Ok(ObservedRole {
        name: role.role_name().unwrap_or_default().to_owned(),
        arn: role.arn().unwrap_or_default().parse().map_err(broken)?,
        trust: decoded(role.assume_role_policy_document().unwrap_or_default()),
        policies: role.attached_managed_policies().iter().filter_map(|policy| policy.policy_arn().map(str::to_owned)).collect(),
        inline: role.role_policy_list().iter().filter_map(document).collect(),
        boundary: role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn()).map(str::to_owned),
        tags: tags(role.tags()),
    })
}
