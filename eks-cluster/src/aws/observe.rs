//! Reading what exists, in few calls: one for the cluster, two for each role, one for each add-on (EKS has no call for
//! several), two for each access entry (one for those of nodes), and one to list entries if a principal is not known yet.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{AuthenticationMode, Error, Owner, aws::failed};
use tokio::task::JoinSet;

use super::Clusters;
use crate::{KubernetesVersion, Observed, ObservedAddon, ObservedRole, Scope, plan::broken, role::RoleKind};

impl Clusters {
    /// What exists of what `scope` names.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn observe(&self, owner: &Owner, scope: &Scope) -> Result<Observed, Error> {
        let (cluster, roles, version) = tokio::try_join!(self.describe(&scope.cluster), self.roles(owner, scope), self.calendar(scope))?;
        let mut now = Observed { cluster, roles, version, today: self.today(), ..Observed::default() };
        if let Some(cluster) = now.cluster.as_ref().filter(|cluster| cluster.is_owned_by(owner)) {
            let access = async {
                // The ConfigMap's mode has no entries.
                let none = cluster.authentication == Some(AuthenticationMode::ConfigMap);
                if none { Ok(Vec::new()) } else { self.access_entries(owner, scope).await }
            };
            let (addons, access) = tokio::try_join!(self.addons(scope), access)?;
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
}

/// What several concurrent calls found, by name.
pub(super) async fn all<K: Ord + 'static, V: 'static>(mut asked: JoinSet<Result<Option<(K, V)>, Error>>) -> Result<BTreeMap<K, V>, Error> {
    let mut answers = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        answers.extend(answer.map_err(broken)??);
    }
    Ok(answers)
}
