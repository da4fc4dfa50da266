//! Add-ons in EKS.

use aws_sdk_eks::types::{AddonPodIdentityAssociations, ResolveConflicts};
use eks_core::{Class, ClusterName, Error, Outputs, Ref, RoleArn, aws::failed, engine::StepContext};

use super::{Clusters, cluster::heals, found, wait};
use crate::{
    AddonRequest, ObservedAddon,
    plan::{broken, drift, refuse_others},
};

impl Clusters {
    pub(super) async fn addon(&self, cluster: &ClusterName, name: &str) -> Result<Option<ObservedAddon>, Error> {
        let sent = self.eks.describe_addon().cluster_name(cluster.as_str()).addon_name(name).send().await;
        let answer = found(sent.map_err(|error| failed("eks:DescribeAddon", name, error)))?;
        let Some(addon) = answer.and_then(|answer| answer.addon) else { return Ok(None) };
        let issues = addon.health().map(|health| health.issues()).unwrap_or_default();
        Ok(Some(ObservedAddon {
            arn: addon.addon_arn().unwrap_or_default().to_owned(),
            status: addon.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            issues: issues
                .iter()
                .map(|issue| {
                    let code = issue.code().map(|code| code.as_str()).unwrap_or("Unknown");
                    (code.to_owned(), issue.message().unwrap_or("no message").to_owned())
                })
                .collect(),
            version: addon.addon_version().unwrap_or_default().to_owned(),
            configuration: addon.configuration_values().map(str::to_owned),
            pod_identity_associations: addon.pod_identity_associations().iter().cloned().collect(),
            tags: addon.tags.unwrap_or_default().into_iter().collect(),
        }))
    }

    pub(super) async fn create_addon(&self, cluster: &ClusterName, addon: &AddonRequest, cx: &StepContext) -> Result<Outputs, Error> {
        let existing = if cx.attempt() > 1 { self.addon(cluster, &addon.name).await? } else { None };
        let existing = match existing {
            Some(existing) => existing,
            None => match self.send_create_addon(cluster, addon, cx).await {
                Ok(arn) => return self.come_up(cluster, addon, arn, cx).await,
                Err(error) if error.code() == Some("ResourceInUseException") => self.addon(cluster, &addon.name).await?.ok_or(error)?,
                Err(error) => return Err(error),
            },
        };
        refuse_others(&addon.name, &existing, cx.owner())?;
        self.come_up(cluster, addon, existing.arn, cx).await
    }

    async fn send_create_addon(&self, cluster: &ClusterName, addon: &AddonRequest, cx: &StepContext) -> Result<String, Error> {
        let conflicts = if addon.overwrite { ResolveConflicts::Overwrite } else { ResolveConflicts::None };
        let mut create = self
            .eks
            .create_addon()
            .cluster_name(cluster.as_str())
            .addon_name(&addon.name)
            .addon_version(&addon.version)
            .set_configuration_values(addon.configuration.clone())
            .resolve_conflicts(conflicts)
            .set_pod_identity_associations(addon.pod_identity.is_some().then(|| associations(addon, cx)).transpose()?);
        for (key, value) in cx.tags() {
            create = create.tags(key, value);
        }
        let answer = create.send().await.map_err(|error| {
            let error = heals(failed("eks:CreateAddon", &addon.name, error));
            // The cluster was seen ACTIVE, so this is a copy that lags.
            if error.class() == Class::NotFound { error.with_class(Class::Inconsistent) } else { error }
        })?;
        Ok(answer.addon.and_then(|addon| addon.addon_arn).unwrap_or_default())
    }

    /// Sets version, configuration and Pod Identity; on an add-on that has failed, EKS tries again.
    pub(super) async fn change_addon(&self, cluster: &ClusterName, addon: &AddonRequest, cx: &StepContext) -> Result<Outputs, Error> {
        let found = self.addon(cluster, &addon.name).await?.ok_or_else(|| {
            crate::plan::refused(format!("add-on {}", addon.name), "was there when the plan was made, and is gone", "plan again")
        })?;
        refuse_others(&addon.name, &found, cx.owner())?;
        if found.has_failed() || !drift(addon, &found).is_empty() {
            // What users changed in the cluster stays; a creation that failed has its own rule still.
            let finishes_creation = found.status == "CREATE_FAILED" && addon.overwrite;
            let conflicts = if finishes_creation { ResolveConflicts::Overwrite } else { ResolveConflicts::Preserve };
            let touches_roles = addon.pod_identity.is_some() || !found.pod_identity_associations.is_empty();
            let update = self
                .eks
                .update_addon()
                .cluster_name(cluster.as_str())
                .addon_name(&addon.name)
                .addon_version(&addon.version)
                .set_configuration_values(addon.configuration.clone())
                .resolve_conflicts(conflicts)
                // An empty list takes those away that it has.
                .set_pod_identity_associations(touches_roles.then(|| associations(addon, cx)).transpose()?);
            update.send().await.map_err(|error| {
                let error = heals(failed("eks:UpdateAddon", &addon.name, error));
                if error.code() == Some("ResourceInUseException") { error.with_class(Class::Inconsistent) } else { error }
            })?;
        }
        self.come_up(cluster, addon, found.arn, cx).await
    }

    async fn come_up(&self, cluster: &ClusterName, addon: &AddonRequest, arn: String, cx: &StepContext) -> Result<Outputs, Error> {
        if addon.wait {
            cx.wait(wait::addon_active(cluster, &addon.name)).await?;
        }
        Ok([("id".to_owned(), arn), ("version".to_owned(), addon.version.clone())].into())
    }
}

fn associations(addon: &AddonRequest, cx: &StepContext) -> Result<Vec<AddonPodIdentityAssociations>, Error> {
    let association = |(service_account, role): &(String, Ref<RoleArn>)| {
        let association = AddonPodIdentityAssociations::builder().service_account(service_account).role_arn(cx.resolve(role)?);
        association.build().map_err(broken)
    };
    addon.pod_identity.iter().map(association).collect()
}
