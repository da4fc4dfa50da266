//! Access entries in EKS.

use aws_sdk_eks::types::{AccessScope, AccessScopeType};
use eks_core::{Class, ClusterName, Error, Outputs, aws::failed, engine::StepContext};

use super::{Clusters, cluster::heals, roles::not_seen_yet};
use crate::{AccessRequest, observed::is_owned, plan::refused};

impl Clusters {
    /// Makes the entry if it is not there, and associates its policy; associating twice is no error.
    pub(super) async fn ensure_access(
        &self,
        cluster: &ClusterName,
        entry: &AccessRequest,
        may_exist: bool,
        cx: &StepContext,
    ) -> Result<Outputs, Error> {
        let principal = cx.resolve(&entry.principal)?;
        let mut existing = if may_exist { self.access_entry(cluster, &principal).await? } else { None };
        if existing.is_none() {
            match self.create_access(cluster, entry, &principal, cx).await {
                Ok(()) => {}
                Err(error) if error.code() == Some("ResourceInUseException") => {
                    existing = Some(self.access_entry(cluster, &principal).await?.ok_or_else(|| error.with_class(Class::Inconsistent))?);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(found) = existing.filter(|found| !found.is(entry.kind) || !is_owned(&found.tags, cx.owner())) {
            return Err(refused(
                format!("access entry of {principal}"),
                format!("exists with type {} and is not ours", found.type_name),
                "delete it by aws eks delete-access-entry, or leave it out of the spec",
            ));
        }
        if let Some(policy) = &entry.policy {
            let scope = AccessScope::builder().r#type(AccessScopeType::Cluster).build();
            let associate = self.eks.associate_access_policy().cluster_name(cluster.as_str()).principal_arn(&principal);
            let sent = associate.policy_arn(policy).access_scope(scope).send().await;
            sent.map_err(|error| not_seen_yet(failed("eks:AssociateAccessPolicy", &principal, error)))?;
        }
        Ok([("id".to_owned(), principal)].into())
    }

    async fn create_access(&self, cluster: &ClusterName, entry: &AccessRequest, principal: &str, cx: &StepContext) -> Result<(), Error> {
        let mut create =
            self.eks.create_access_entry().cluster_name(cluster.as_str()).principal_arn(principal).r#type(entry.kind.type_name());
        for (key, value) in cx.tags() {
            create = create.tags(key, value);
        }
        let sent = create.send().await;
        // The principal may be seconds old.
        sent.map(|_| ()).map_err(|error| not_seen_yet(heals(failed("eks:CreateAccessEntry", principal, error))))
    }
}
