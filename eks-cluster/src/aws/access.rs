//! Access entries in EKS.

use std::collections::BTreeMap;

use aws_sdk_eks::types::{AccessScope as Scoped, AccessScopeType};
use eks_core::{Class, ClusterName, Error, KEY_TAG, Outputs, Owner, aws::failed, engine::StepContext};
use tokio::task::JoinSet;

use super::{Clusters, cluster::heals, found, observe::all, roles::not_seen_yet};
use crate::{AccessRequest, AccessScope, AccessType, ObservedAccess, Scope, access::Drift, observed::is_owned, plan::refused};

impl Clusters {
    /// Entries that are wanted, each described by its principal. Those whose principal no one knows yet are looked for among all.
    pub(super) async fn access_entries(&self, owner: &Owner, scope: &Scope) -> Result<Vec<ObservedAccess>, Error> {
        let listed = if scope.access { self.principals(&scope.cluster).await? } else { Vec::new() };
        let others = listed.into_iter().filter(|arn| !arn.contains(":role/aws-service-role/") && !scope.principals.contains(arn));
        let mut asked = JoinSet::new();
        for (principal, is_wanted) in scope.principals.iter().cloned().map(|arn| (arn, true)).chain(others.map(|arn| (arn, false))) {
            let (this, cluster, owner) = (self.clone(), scope.cluster.clone(), owner.clone());
            asked.spawn(async move {
                let Some(mut entry) = this.bare_access_entry(&cluster, &principal).await? else { return Ok(None) };
                let is_ours = is_owned(&entry.tags, &owner) && entry.tags.contains_key(KEY_TAG);
                if !is_wanted && !is_ours {
                    return Ok(None);
                }
                entry.policies = this.associated(&cluster, &entry).await?;
                Ok(Some((principal, entry)))
            });
        }
        let entries: BTreeMap<String, ObservedAccess> = all(asked).await?;
        Ok(entries.into_values().collect())
    }

    async fn principals(&self, cluster: &ClusterName) -> Result<Vec<String>, Error> {
        let mut pages = self.eks.list_access_entries().cluster_name(cluster.as_str()).into_paginator().items().send();
        let mut principals = Vec::new();
        while let Some(principal) = pages.next().await {
            match there(principal.map_err(|error| failed("eks:ListAccessEntries", cluster.as_str(), error)))? {
                Some(principal) => principals.push(principal),
                None => break,
            }
        }
        Ok(principals)
    }

    /// An entry with its policies.
    pub(super) async fn access_entry(&self, cluster: &ClusterName, principal: &str) -> Result<Option<ObservedAccess>, Error> {
        let Some(mut entry) = self.bare_access_entry(cluster, principal).await? else { return Ok(None) };
        entry.policies = self.associated(cluster, &entry).await?;
        Ok(Some(entry))
    }

    async fn bare_access_entry(&self, cluster: &ClusterName, principal: &str) -> Result<Option<ObservedAccess>, Error> {
        let sent = self.eks.describe_access_entry().cluster_name(cluster.as_str()).principal_arn(principal).send().await;
        let answer = there(sent.map_err(|error| failed("eks:DescribeAccessEntry", principal, error)))?;
        Ok(answer.and_then(|answer| answer.access_entry).map(|entry| ObservedAccess {
            principal: principal.to_owned(),
            created: entry.created_at().and_then(|at| jiff::Timestamp::from_second(at.secs()).ok()),
            type_name: entry.r#type.unwrap_or_default(),
            username: entry.username.unwrap_or_default(),
            groups: entry.kubernetes_groups.unwrap_or_default().into_iter().collect(),
            policies: BTreeMap::new(),
            tags: entry.tags.unwrap_or_default().into_iter().collect(),
        }))
    }

    /// Types of nodes have no policies, so they are not asked for any.
    async fn associated(&self, cluster: &ClusterName, entry: &ObservedAccess) -> Result<BTreeMap<String, AccessScope>, Error> {
        let bare = AccessType::ALL.iter().any(|kind| kind.as_str() == entry.type_name && !kind.takes_policies());
        if bare {
            return Ok(BTreeMap::new());
        }
        let request = self.eks.list_associated_access_policies().cluster_name(cluster.as_str()).principal_arn(&entry.principal);
        let mut pages = request.into_paginator().send();
        let mut policies = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = found(page.map_err(|error| failed("eks:ListAssociatedAccessPolicies", &entry.principal, error)))?;
            for policy in page.and_then(|page| page.associated_access_policies).unwrap_or_default() {
                let scope = match policy.access_scope {
                    Some(scope) if scope.r#type == Some(AccessScopeType::Namespace) => {
                        AccessScope::Namespaces(scope.namespaces.unwrap_or_default().into_iter().collect())
                    }
                    _ => AccessScope::Cluster,
                };
                policies.insert(policy.policy_arn.unwrap_or_default(), scope);
            }
        }
        Ok(policies)
    }

    /// Makes the entry if it is not there, and mends it if it is ours; associating twice is no error.
    pub(super) async fn ensure_access(
        &self,
        cluster: &ClusterName,
        entry: &AccessRequest,
        may_exist: bool,
        cx: &StepContext,
    ) -> Result<Outputs, Error> {
        let principal = cx.resolve(&entry.principal)?;
        let existing = if may_exist { self.access_entry(cluster, &principal).await? } else { None };
        let existing = match existing {
            Some(existing) => existing,
            None => match self.create_access(cluster, entry, &principal, cx).await {
                Ok(made) => made,
                Err(error) if error.code() == Some("ResourceInUseException") => {
                    self.access_entry(cluster, &principal).await?.ok_or_else(|| error.with_class(Class::Inconsistent))?
                }
                Err(error) => return Err(error),
            },
        };
        let outputs: Outputs = [("id".to_owned(), principal.clone())].into();
        if !existing.is_owned_by(cx.owner()) {
            let lacks = entry.lacks(&existing);
            if lacks.is_empty() {
                return Ok(outputs);
            }
            return Err(refused(
                format!("access entry of {principal}"),
                format!("is not ours, and {}", lacks.join("; ")),
                "change or delete it by aws eks, or leave it out of the spec; what others made is never touched",
            ));
        }
        if existing.type_name != entry.kind.as_str() {
            return Err(refused(
                format!("access entry of {principal}"),
                format!("its type is {}, the plan says {}; EKS cannot change it", existing.type_name, entry.kind),
                "delete it by aws eks delete-access-entry, and plan again",
            ));
        }
        self.mend_access(cluster, &principal, entry.drift(&existing)).await?;
        Ok(outputs)
    }

    async fn mend_access(&self, cluster: &ClusterName, principal: &str, drift: Drift) -> Result<(), Error> {
        if drift.username.is_some() || drift.groups.is_some() {
            let update = self.eks.update_access_entry().cluster_name(cluster.as_str()).principal_arn(principal);
            let groups = drift.groups.map(|groups| groups.into_iter().collect());
            let sent = update.set_username(drift.username).set_kubernetes_groups(groups).send().await;
            sent.map_err(|error| not_seen_yet(failed("eks:UpdateAccessEntry", principal, error)))?;
        }
        for (policy, scope) in drift.associate {
            let scope = match scope {
                AccessScope::Cluster => Scoped::builder().r#type(AccessScopeType::Cluster),
                AccessScope::Namespaces(names) => {
                    Scoped::builder().r#type(AccessScopeType::Namespace).set_namespaces(Some(names.into_iter().collect()))
                }
            };
            let associate = self.eks.associate_access_policy().cluster_name(cluster.as_str()).principal_arn(principal);
            let sent = associate.policy_arn(policy).access_scope(scope.build()).send().await;
            sent.map_err(|error| not_seen_yet(failed("eks:AssociateAccessPolicy", principal, error)))?;
        }
        for policy in drift.disassociate {
            let disassociate = self.eks.disassociate_access_policy().cluster_name(cluster.as_str()).principal_arn(principal);
            let sent = disassociate.policy_arn(policy).send().await;
            found(sent.map_err(|error| failed("eks:DisassociateAccessPolicy", principal, error)))?;
        }
        Ok(())
    }

    async fn create_access(
        &self,
        cluster: &ClusterName,
        entry: &AccessRequest,
        principal: &str,
        cx: &StepContext,
    ) -> Result<ObservedAccess, Error> {
        let groups = (!entry.groups.is_empty()).then(|| entry.groups.iter().cloned().collect());
        let mut create = self.eks.create_access_entry().cluster_name(cluster.as_str()).principal_arn(principal);
        create = create.r#type(entry.kind.as_str()).set_username(entry.username.clone()).set_kubernetes_groups(groups);
        for (key, value) in cx.tags() {
            create = create.tags(key, value);
        }
        // The principal may be seconds old.
        create.send().await.map_err(|error| not_seen_yet(heals(failed("eks:CreateAccessEntry", principal, error))))?;
        Ok(ObservedAccess {
            principal: principal.to_owned(),
            type_name: entry.kind.as_str().to_owned(),
            username: entry.username.clone().unwrap_or_default(),
            groups: entry.groups.clone(),
            policies: BTreeMap::new(),
            created: None,
            tags: cx.tags().into_iter().collect(),
        })
    }
}

/// What is there of access entries. With authentication mode CONFIG_MAP, and before the control plane is up, there are none, and
/// EKS refuses to tell.
fn there<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(error) if error.code() == Some("InvalidRequestException") => Ok(None),
        answer => found(answer),
    }
}
