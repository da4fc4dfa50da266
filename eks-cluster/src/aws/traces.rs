//! Which clusters an owner has, or had: by what the account still tells, without being told names.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{ClusterName, ClusterStanding, ClusterTrace, Error, Owner, aws::failed};
use tokio::task::JoinSet;

use super::{Clusters, found, observe::all};
use crate::{Scope, identity::CLUSTER_TAG, observed::is_owned, plan::broken};

/// So many clusters are described at once: an account has a hundred in a Region, unless its quota was raised.
const AT_ONCE: usize = 8;

impl Clusters {
    /// The clusters of an owner in this Region: those that carry the owner's tag, and those that are gone and that a role or an identity
    /// provider of the owner's still names. `named` are further names to look for: what subnets of the owner's are tagged for, say.
    ///
    /// One call lists the clusters, and one describes each, as EKS has no filter by tag; then three calls for roles and providers.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn traces(&self, owner: &Owner, named: impl IntoIterator<Item = ClusterName>) -> Result<Vec<ClusterTrace>, Error> {
        let (there, remembered) = tokio::try_join!(self.clusters_of_region(owner), self.remembered(owner))?;
        let mut names: BTreeSet<ClusterName> = named.into_iter().chain(remembered).collect();
        names.extend(there.iter().filter(|(_, standing)| matches!(standing, ClusterStanding::Ours { .. })).map(|(name, _)| name.clone()));
        let trace = |name: ClusterName| {
            let standing = there.get(&name).cloned().unwrap_or(ClusterStanding::Gone);
            ClusterTrace { name, standing }
        };
        Ok(names.into_iter().map(trace).collect())
    }

    /// Every cluster of the Region, and whose it is.
    async fn clusters_of_region(&self, owner: &Owner) -> Result<BTreeMap<ClusterName, ClusterStanding>, Error> {
        let mut pages = self.eks.list_clusters().into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            names.push(name.map_err(|error| failed("eks:ListClusters", owner.as_str(), error))?);
        }
        let mut standing = BTreeMap::new();
        for some in names.chunks(AT_ONCE) {
            let mut asked = JoinSet::new();
            for name in some {
                let (this, owner, name) = (self.clone(), owner.clone(), ClusterName::new(name).map_err(broken)?);
                asked.spawn(async move { Ok(this.stands(&owner, &name).await?.map(|standing| (name, standing))) });
            }
            standing.extend(all(asked).await?);
        }
        Ok(standing)
    }

    /// Whose a cluster is; `None` if it went since it was listed.
    async fn stands(&self, owner: &Owner, name: &ClusterName) -> Result<Option<ClusterStanding>, Error> {
        let sent = self.eks.describe_cluster().name(name.as_str()).send().await;
        let answer = found(sent.map_err(|error| failed("eks:DescribeCluster", name.as_str(), error)))?;
        let Some(cluster) = answer.and_then(|answer| answer.cluster) else { return Ok(None) };
        let tags: BTreeMap<_, _> = cluster.tags().cloned().unwrap_or_default().into_iter().collect();
        if !is_owned(&tags, owner) {
            return Ok(Some(ClusterStanding::Others));
        }
        let vpc = cluster.resources_vpc_config().and_then(|config| config.vpc_id()).and_then(|id| id.parse().ok());
        Ok(Some(ClusterStanding::Ours { vpc, since: cluster.created_at().map(|made| made.secs()) }))
    }

    /// Names that the owner's roles and identity providers carry.
    async fn remembered(&self, owner: &Owner) -> Result<BTreeSet<ClusterName>, Error> {
        // Of which cluster does not matter to what is asked.
        let scope = Scope::everything(ClusterName::new(owner.as_str()).map_err(broken)?, &self.region);
        let (roles, providers) = tokio::try_join!(self.roles(owner, &scope), self.provider_tags(owner))?;
        let of_roles = roles.into_values().map(|role| role.tags);
        let ours = of_roles.chain(providers).filter(|tags| is_owned(tags, owner));
        Ok(ours.filter_map(|tags| ClusterName::new(tags.get(CLUSTER_TAG)?).ok()).collect())
    }

    /// Tags of identity providers for issuers of this Region.
    async fn provider_tags(&self, owner: &Owner) -> Result<Vec<BTreeMap<String, String>>, Error> {
        let sent = self.iam.list_open_id_connect_providers().send().await;
        let listed = sent.map_err(|error| failed("iam:ListOpenIDConnectProviders", owner.as_str(), error))?;
        let of_region = |arn: &&str| arn.contains(":oidc-provider/oidc") && arn.contains(&format!(".{}.", self.region));
        let mut tags = Vec::new();
        for arn in listed.open_id_connect_provider_list().iter().filter_map(|entry| entry.arn()).filter(of_region) {
            tags.extend(self.provider(arn).await?.map(|provider| provider.tags));
        }
        Ok(tags)
    }
}
