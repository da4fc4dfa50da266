//! Reading what exists, in few calls: one for the cluster, one for all roles, one for each add-on and each role that an add-on has
//! through EKS Pod Identity (EKS has no call for several), two for each access entry (one for those of nodes), and one to list entries
//! if a principal is not known yet.

use std::collections::BTreeMap;

use eks_core::{AuthenticationMode, Error, Owner};
use tokio::task::JoinSet;

use super::Clusters;
use crate::{Observed, ObservedAddon, Scope, plan::broken};

impl Clusters {
    /// What exists of what `scope` names.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn observe(&self, owner: &Owner, scope: &Scope) -> Result<Observed, Error> {
        let (cluster, roles, version) = tokio::try_join!(self.describe(&scope.cluster), self.roles(owner, scope), self.calendar(scope))?;
        let mut now = Observed { cluster, roles, version, today: self.today(), ..Observed::default() };
        let provider = self.observe_provider(owner, scope, now.cluster.as_ref());
        if let Some(cluster) = now.cluster.as_ref().filter(|cluster| cluster.is_owned_by(owner)) {
            let access = async {
                // The ConfigMap's mode has no entries.
                let none = cluster.authentication == Some(AuthenticationMode::ConfigMap);
                if none { Ok(Vec::new()) } else { self.access_entries(owner, scope).await }
            };
            let associations = self.associations(&scope.cluster, &scope.associations);
            (now.addons, now.access, now.associations, now.oidc_provider) =
                tokio::try_join!(self.addons(scope), access, associations, provider)?;
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
}

/// What several concurrent calls found, by name.
pub(super) async fn all<K: Ord + 'static, V: 'static>(mut asked: JoinSet<Result<Option<(K, V)>, Error>>) -> Result<BTreeMap<K, V>, Error> {
    let mut answers = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        answers.extend(answer.map_err(broken)??);
    }
    Ok(answers)
}
