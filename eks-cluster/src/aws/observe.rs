//! Reading what exists, in few calls: one for the cluster, two for each role, one for each add-on (EKS has no call for
//! several), and for access entries two lists and one for each that may be ours.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Error, KEY_TAG, Owner, aws::failed};
use tokio::task::JoinSet;

use super::{Clusters, found};
use crate::{
    KubernetesVersion, Observed, ObservedAccess, ObservedAddon, ObservedRole, Scope, access::ADMIN_POLICY, observed::is_owned,
    partition::Partition, plan::broken, role::RoleKind,
};

impl Clusters {
    /// What exists of what `scope` names.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn observe(&self, owner: &Owner, scope: &Scope) -> Result<Observed, Error> {
        let (cluster, roles, version) = tokio::try_join!(self.describe(&scope.cluster), self.roles(owner, scope), self.calendar(scope))?;
        let mut now = Observed { cluster, roles, version, today: self.today(), ..Observed::default() };
        if now.cluster.as_ref().is_some_and(|cluster| cluster.is_owned_by(owner)) {
            let (addons, access) = tokio::try_join!(self.addons(scope), self.access_entries(owner, scope))?;
            (now.addons, now.access) = (addons, access);
        }
        let missing: BTreeSet<_> = scope.unpinned.iter().filter(|name| !now.addons.contains_key(*name)).cloned().collect();
        if let Some(version) = scope.version.filter(|_| !missing.is_empty()) {
            now.default_versions = self.default_versions(version, &missing).await?;
        }
        Ok(now)
    }

    async fn roles(&self, owner: &Owner, scope: &Scope) -> Result<BTreeMap<RoleKind, ObservedRole>, Error> {
        let mut asked = JoinSet::new();
        for &kind in &scope.roles {
            let (this, name) = (self.clone(), kind.name(owner, &scope.region));
            asked.spawn(async move { this.role(&name).await.map(|role| Some((kind, role?))) });
        }
        all(asked).await
    }

    async fn addons(&self, scope: &Scope) -> Result<BTreeMap<String, ObservedAddon>, Error> {
        let mut asked = JoinSet::new();
        for name in scope.addons.clone() {
            let (this, cluster) = (self.clone(), scope.cluster.clone());
            asked.spawn(async move { this.addon(&cluster, &name).await.map(|addon| Some((name, addon?))) });
        }
        all(asked).await
    }

    /// EKS's default versions for a Kubernetes version, in one call (and its pages).
    async fn default_versions(&self, version: KubernetesVersion, names: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
        let subject = format!("Kubernetes {version}");
        let request = self.eks.describe_addon_versions().kubernetes_version(version.to_string());
        let request = match names.iter().next() {
            Some(name) if names.len() == 1 => request.addon_name(name),
            _ => request,
        };
        let mut pages = request.into_paginator().items().send();
        let mut defaults = BTreeMap::new();
        while let Some(addon) = pages.next().await {
            let addon = addon.map_err(|error| failed("eks:DescribeAddonVersions", &subject, error))?;
            let Some(name) = addon.addon_name().filter(|name| names.contains(*name)) else { continue };
            let default = addon.addon_versions().iter().find(|candidate| {
                let fits = |c: &&aws_sdk_eks::types::Compatibility| c.cluster_version() == Some(version.to_string().as_str());
                candidate.compatibilities().iter().find(fits).is_some_and(|c| c.default_version())
            });
            if let Some(version) = default.and_then(|default| default.addon_version()) {
                defaults.insert(name.to_owned(), version.to_owned());
            }
            // The list has hundreds of add-ons from the marketplace.
            if defaults.len() == names.len() {
                break;
            }
        }
        Ok(defaults)
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
