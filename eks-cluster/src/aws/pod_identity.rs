//! EKS Pod Identity associations.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eks::types::PodIdentityAssociation;
use eks_core::{Class, ClusterName, Error, Outputs, aws::failed, engine::StepContext};
use tokio::task::JoinSet;

use super::{Clusters, cluster::heals, found, observe::all};
use crate::{
    AssociationRequest, ObservedAssociation, ServiceAccount,
    plan::{association_drift, broken, refuse_association},
};

impl Clusters {
    /// Associations of wanted service accounts: one list, and a call for each that is there.
    pub(super) async fn associations(
        &self,
        cluster: &ClusterName,
        wanted: &BTreeSet<ServiceAccount>,
    ) -> Result<BTreeMap<ServiceAccount, ObservedAssociation>, Error> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut pages = self.eks.list_pod_identity_associations().cluster_name(cluster.as_str()).into_paginator().items().send();
        let mut asked = JoinSet::new();
        while let Some(summary) = pages.next().await {
            let summary = summary.map_err(|error| failed("eks:ListPodIdentityAssociations", cluster.as_str(), error))?;
            let account = ServiceAccount::new(summary.namespace().unwrap_or_default(), summary.service_account().unwrap_or_default());
            if let Some(id) = summary.association_id.filter(|_| wanted.contains(&account)) {
                let (this, cluster) = (self.clone(), cluster.clone());
                asked.spawn(async move { this.association(&cluster, &id).await.map(|found| Some((account, observed(found?)))) });
            }
        }
        all(asked).await
    }

    pub(super) async fn association(&self, cluster: &ClusterName, id: &str) -> Result<Option<PodIdentityAssociation>, Error> {
        let sent = self.eks.describe_pod_identity_association().cluster_name(cluster.as_str()).association_id(id).send().await;
        Ok(found(sent.map_err(|error| failed("eks:DescribePodIdentityAssociation", id, error)))?.and_then(|answer| answer.association))
    }

    /// The association of one service account.
    async fn association_of(&self, cluster: &ClusterName, account: &ServiceAccount) -> Result<Option<ObservedAssociation>, Error> {
        Ok(self.associations(cluster, &[account.clone()].into()).await?.into_values().next())
    }

    /// Makes the association, or changes what of it differs.
    pub(super) async fn ensure_association(
        &self,
        cluster: &ClusterName,
        wanted: &AssociationRequest,
        may_exist: bool,
        cx: &StepContext,
    ) -> Result<Outputs, Error> {
        let account = &wanted.service_account;
        let mut existing = if may_exist { self.association_of(cluster, account).await? } else { None };
        if existing.is_none() {
            match self.create_association(cluster, wanted, cx).await {
                Ok(id) => return Ok([("id".to_owned(), id)].into()),
                Err(error) if error.code() == Some("ResourceInUseException") => {
                    existing = Some(self.association_of(cluster, account).await?.ok_or_else(|| error.with_class(Class::Inconsistent))?);
                }
                Err(error) => return Err(error),
            }
        }
        let existing = existing.ok_or_else(|| broken("an association is there or was made"))?;
        refuse_association(account, &existing, cx.owner())?;
        let role = cx.resolve(&wanted.role)?.to_string();
        if !association_drift(wanted, &existing, |_| Some(role.clone())).is_empty() {
            let policy = wanted.policy.as_ref().map(serde_json::to_string).transpose().map_err(broken)?;
            // An empty text takes the target role and the session policy away.
            let update = self
                .eks
                .update_pod_identity_association()
                .cluster_name(cluster.as_str())
                .association_id(&existing.id)
                .role_arn(role)
                .disable_session_tags(wanted.disable_session_tags)
                .set_target_role_arn(wanted.target.as_ref().map(ToString::to_string).or(existing.target.map(|_| String::new())))
                .set_policy(policy.or(existing.policy.map(|_| String::new())));
            let sent = update.send().await;
            sent.map_err(|error| role_not_seen_yet(failed("eks:UpdatePodIdentityAssociation", account.to_string(), error)))?;
        }
        Ok([("id".to_owned(), existing.id)].into())
    }

    async fn create_association(&self, cluster: &ClusterName, wanted: &AssociationRequest, cx: &StepContext) -> Result<String, Error> {
        let account = &wanted.service_account;
        let policy = wanted.policy.as_ref().map(serde_json::to_string).transpose().map_err(broken)?;
        let mut create = self
            .eks
            .create_pod_identity_association()
            .cluster_name(cluster.as_str())
            .namespace(&account.namespace)
            .service_account(&account.name)
            .role_arn(cx.resolve(&wanted.role)?)
            .set_target_role_arn(wanted.target.as_ref().map(ToString::to_string))
            .set_policy(policy);
        if wanted.disable_session_tags {
            create = create.disable_session_tags(true);
        }
        for (key, value) in cx.tags().into_iter().chain(wanted.tags.clone()) {
            create = create.tags(key, value);
        }
        let sent = create.send().await;
        let answer = sent.map_err(|error| role_not_seen_yet(failed("eks:CreatePodIdentityAssociation", account.to_string(), error)))?;
        answer.association.and_then(|association| association.association_id).ok_or_else(|| broken("EKS told no association"))
    }
}

/// The cluster was seen ACTIVE, so one that is not found is a copy that lags; and roles made a moment ago come late.
fn role_not_seen_yet(error: Error) -> Error {
    let error = heals(error);
    if error.class() == Class::NotFound { error.with_class(Class::Inconsistent) } else { error }
}

fn observed(association: PodIdentityAssociation) -> ObservedAssociation {
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    ObservedAssociation {
        id: association.association_id.unwrap_or_default(),
        role: association.role_arn.unwrap_or_default(),
        target: said(association.target_role_arn),
        disable_session_tags: association.disable_session_tags.unwrap_or_default(),
        policy: said(association.policy),
        addon: said(association.owner_arn),
        tags: association.tags.unwrap_or_default().into_iter().collect(),
    }
}
