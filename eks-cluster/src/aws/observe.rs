//! Reading what exists, in few calls: one for the cluster, one for all roles, one for each add-on and each role that an add-on has
//! through EKS Pod Identity (EKS has no call for several), and for access entries two lists and one for each that may be ours.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Error, KEY_TAG, Owner, aws::failed};
use tokio::task::JoinSet;

use super::{Clusters, found};
use crate::{Observed, ObservedAccess, ObservedAddon, Scope, access::ADMIN_POLICY, observed::is_owned, partition::Partition, plan::broken};

impl Clusters {
    /// What exists of what `scope` names.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn observe(&self, owner: &Owner, scope: &Scope) -> Result<Observed, Error> {
        let (cluster, roles) = tokio::try_join!(self.describe(&scope.cluster), self.roles(owner, scope))?;
        let mut now = Observed { cluster, roles, today: self.today(), ..Observed::default() };
        let provider = self.observe_provider(owner, scope, now.cluster.as_ref());
        if now.cluster.as_ref().is_some_and(|cluster| cluster.is_owned_by(owner)) {
            let associations = self.associations(&scope.cluster, &scope.associations);
            (now.addons, now.access, now.associations, now.oidc_provider) =
                tokio::try_join!(self.addons(scope), self.access_entries(owner, scope), associations, provider)?;
        } else {
            now.oidc_provider = provider.await?;
        }
        self.observe_versions(scope, &mut now).await?;
        Ok(now)
    }

    async fn addons(&self, scope: &Scope) -> Result<BTreeMap<String, ObservedAddon>, Error> {
        let mut asked = JoinSet::new();
        for name in scope.addons.clone() {
            let (this, cluster) = (self.clone(), scope.cluster.clone());
            let with_roles = scope.addon_identities.contains(&name);
            asked.spawn(async move {
                let addon = if with_roles { this.addon_with_roles(&cluster, &name).await } else { this.addon(&cluster, &name).await };
                addon.map(|addon| Some((name, addon?)))
            });
        }
        all(asked).await
    }

    /// Entries that are ours or wanted. Those of administrators that are neither, such as the creator's, are not described.
    async fn access_entries(&self, owner: &Owner, scope: &Scope) -> Result<Vec<ObservedAccess>, Error> {
        if !scope.access {
            return Ok(Vec::new());
        }
        let policy = Partition::of_region(&scope.region).access_policy(ADMIN_POLICY);
        let (all_entries, admins) = tokio::try_join!(self.principals(scope, None), self.principals(scope, Some(policy)))?;
        let mut asked = JoinSet::new();
        for principal in all_entries {
            let (is_admin, is_wanted) = (admins.contains(&principal), scope.principals.contains(&principal));
            if principal.contains(":role/aws-service-role/") || (is_admin && !is_wanted) {
                continue;
            }
            let (this, cluster) = (self.clone(), scope.cluster.clone());
            asked.spawn(async move {
                this.access_entry(&cluster, &principal).await.map(|entry| Some((principal, ObservedAccess { is_admin, ..entry? })))
            });
        }
        let entries: BTreeMap<String, ObservedAccess> = all(asked).await?;
        let ours = |entry: &ObservedAccess| is_owned(&entry.tags, owner) && entry.tags.contains_key(KEY_TAG);
        Ok(entries.into_values().filter(|entry| ours(entry) || scope.principals.contains(&entry.principal)).collect())
    }

    async fn principals(&self, scope: &Scope, policy: Option<String>) -> Result<BTreeSet<String>, Error> {
        let request = self.eks.list_access_entries().cluster_name(scope.cluster.as_str()).set_associated_policy_arn(policy);
        let mut pages = request.into_paginator().items().send();
        let mut principals = BTreeSet::new();
        while let Some(principal) = pages.next().await {
            match principal {
                Ok(principal) => _ = principals.insert(principal),
                // With authentication mode CONFIG_MAP there are none, and EKS refuses to list them.
                Err(error) => match failed("eks:ListAccessEntries", scope.cluster.as_str(), error) {
                    error if error.code() == Some("InvalidRequestException") => return Ok(principals),
                    error => return Err(error),
                },
            }
        }
        Ok(principals)
    }

    pub(super) async fn access_entry(&self, cluster: &eks_core::ClusterName, principal: &str) -> Result<Option<ObservedAccess>, Error> {
        let sent = self.eks.describe_access_entry().cluster_name(cluster.as_str()).principal_arn(principal).send().await;
        let answer = found(sent.map_err(|error| failed("eks:DescribeAccessEntry", principal, error)))?;
        Ok(answer.and_then(|answer| answer.access_entry).map(|entry| ObservedAccess {
            principal: principal.to_owned(),
            type_name: entry.r#type.unwrap_or_default(),
            is_admin: false,
            tags: entry.tags.unwrap_or_default().into_iter().collect(),
        }))
    }
}

/// What several concurrent calls found, by name.
pub(super) async fn all<K: Ord + 'static, V: 'static>(mut asked: JoinSet<Result<Option<(K, V)>, Error>>) -> Result<BTreeMap<K, V>, Error> {
    let mut answers = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        answers.extend(answer.map_err(broken)??);
    }
    Ok(answers)
}
