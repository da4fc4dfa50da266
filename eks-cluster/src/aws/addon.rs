//! Add-ons in EKS.

use std::collections::BTreeMap;

use aws_sdk_eks::types::{AddonNamespaceConfigRequest, AddonPodIdentityAssociations, ResolveConflicts};
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
            pod_identity: BTreeMap::new(),
            namespace: addon.namespace_config().and_then(|config| config.namespace()).map(str::to_owned),
            service_account_role: addon.service_account_role_arn.filter(|role| !role.is_empty()),
            tags: addon.tags.unwrap_or_default().into_iter().collect(),
        }))
    }

    /// The add-on, with the roles of its EKS Pod Identity associations: a call for each.
    pub(super) async fn addon_with_roles(&self, cluster: &ClusterName, name: &str) -> Result<Option<ObservedAddon>, Error> {
        let Some(mut addon) = self.addon(cluster, name).await? else { return Ok(None) };
        for arn in &addon.pod_identity_associations {
            let id = arn.rsplit('/').next().unwrap_or_default();
            let Some(association) = self.association(cluster, id).await? else { continue };
            let (account, role) = (association.service_account.unwrap_or_default(), association.role_arn.unwrap_or_default());
            addon.pod_identity.insert(account, role);
        }
        Ok(Some(addon))
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
        let mut create = self
            .eks
            .create_addon()
            .cluster_name(cluster.as_str())
            .addon_name(&addon.name)
            .addon_version(&addon.version)
            .set_configuration_values(addon.configuration.clone())
            .resolve_conflicts(ResolveConflicts::from(addon.on_create.as_str()))
            .set_service_account_role_arn(service_account_role(addon, cx)?)
            .set_namespace_config(addon.namespace.as_ref().map(|name| AddonNamespaceConfigRequest::builder().namespace(name).build()))
            .set_pod_identity_associations((!addon.pod_identity.is_empty()).then(|| associations(addon, cx)).transpose()?);
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

    /// Sets version, configuration and roles, by way of the versions between; on an add-on that has failed, EKS tries again.
    pub(super) async fn change_addon(&self, cluster: &ClusterName, addon: &AddonRequest, cx: &StepContext) -> Result<Outputs, Error> {
        let known = |role: &Ref<RoleArn>| cx.resolve(role).ok().map(|role| role.to_string());
        let mut found = self.existing_addon(cluster, addon, cx).await?;
        // EKS takes one update at a time, and one that is under way may never end well: this one may be what mends it.
        if found.is_changing() && !drift(addon, &found, known).is_empty() {
            cx.wait(wait::addon_idle(cluster, &addon.name)).await?;
            found = self.existing_addon(cluster, addon, cx).await?;
        }
        let arn = found.arn.clone();
        // A run that was killed on the way is past some of them.
        let past = addon.via.iter().position(|version| *version == found.version).map_or(0, |at| at + 1);
        let ahead = if found.version == addon.version { &[] } else { addon.via.get(past..).unwrap_or_default() };
        for version in ahead {
            self.update_addon(cluster, addon, version, &found, cx).await?;
            // EKS takes one update at a time; only the software's own troubles end the way.
            cx.wait(wait::addon_settled(cluster, &addon.name)).await?;
        }
        if found.has_failed() || !drift(addon, &found, known).is_empty() {
            self.update_addon(cluster, addon, &addon.version, &found, cx).await?;
        }
        self.come_up(cluster, addon, arn, cx).await
    }

    async fn existing_addon(&self, cluster: &ClusterName, addon: &AddonRequest, cx: &StepContext) -> Result<ObservedAddon, Error> {
        let found = if addon.pod_identity.is_empty() {
            self.addon(cluster, &addon.name).await?
        } else {
            self.addon_with_roles(cluster, &addon.name).await?
        };
        let found = found.ok_or_else(|| {
            crate::plan::refused(format!("add-on {}", addon.name), "was there when the plan was made, and is gone", "plan again")
        })?;
        refuse_others(&addon.name, &found, cx.owner())?;
        Ok(found)
    }

    async fn update_addon(
        &self,
        cluster: &ClusterName,
        addon: &AddonRequest,
        version: &str,
        found: &ObservedAddon,
        cx: &StepContext,
    ) -> Result<(), Error> {
        // A creation that failed has its own rule still.
        let conflicts = if found.status == "CREATE_FAILED" { addon.on_create } else { addon.on_update };
        let touches_roles = !addon.pod_identity.is_empty() || !found.pod_identity_associations.is_empty();
        // EKS API Reference, UpdateAddon: without a role "the add-on uses the permissions assigned to the node IAM role". What the spec does
        // not say stays; only roles through EKS Pod Identity take its place.
        let stays = || found.service_account_role.clone().filter(|_| addon.pod_identity.is_empty());
        let update = self
            .eks
            .update_addon()
            .cluster_name(cluster.as_str())
            .addon_name(&addon.name)
            // EKS may offer the version that it has no more, and refuses it then.
            .set_addon_version((version != found.version).then(|| version.to_owned()))
            .set_configuration_values(addon.configuration.clone())
            .resolve_conflicts(ResolveConflicts::from(conflicts.as_str()))
            .set_service_account_role_arn(service_account_role(addon, cx)?.or_else(stays))
            // An empty list takes those away that it has.
            .set_pod_identity_associations(touches_roles.then(|| associations(addon, cx)).transpose()?);
        update.send().await.map(|_| ()).map_err(|error| {
            let error = heals(failed("eks:UpdateAddon", &addon.name, error));
            if error.code() == Some("ResourceInUseException") { error.with_class(Class::Inconsistent) } else { error }
        })
    }

    /// Deletes the add-on if it is ours, and waits until it is gone.
    pub(super) async fn delete_addon(&self, cluster: &ClusterName, name: &str, preserve: bool, cx: &StepContext) -> Result<(), Error> {
        let Some(found) = self.addon(cluster, name).await? else { return Ok(()) };
        refuse_others(name, &found, cx.owner())?;
        if found.status != "DELETING" {
            let sent = self.eks.delete_addon().cluster_name(cluster.as_str()).addon_name(name).preserve(preserve).send().await;
            let sent = sent.map_err(|error| failed("eks:DeleteAddon", name, error));
            if super::found(sent)?.is_none() {
                return Ok(());
            }
        }
        cx.wait(wait::addon_gone(cluster, name)).await.map(|_| ())
    }

    async fn come_up(&self, cluster: &ClusterName, addon: &AddonRequest, arn: String, cx: &StepContext) -> Result<Outputs, Error> {
        if addon.wait {
            cx.wait(wait::addon_active(cluster, &addon.name)).await?;
        }
        Ok([("id".to_owned(), arn), ("version".to_owned(), addon.version.clone())].into())
    }
}

fn service_account_role(addon: &AddonRequest, cx: &StepContext) -> Result<Option<String>, Error> {
    addon.service_account_role.as_ref().map(|role| cx.resolve(role).map(|role| role.to_string())).transpose()
}

fn associations(addon: &AddonRequest, cx: &StepContext) -> Result<Vec<AddonPodIdentityAssociations>, Error> {
    let association = |(service_account, role): &(String, Ref<RoleArn>)| {
        let association = AddonPodIdentityAssociations::builder().service_account(service_account).role_arn(cx.resolve(role)?);
        association.build().map_err(broken)
    };
    addon.pod_identity.iter().map(association).collect()
}
