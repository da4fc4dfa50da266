//! What EKS offers of add-ons: versions, and what they can be configured with.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eks::types::{AddonInfo, Compatibility};
use eks_core::{Error, Plan, aws::failed};

use super::Clusters;
use crate::{
    AddonRequest, AddonSchema, ClusterOp, KubernetesVersion, Observed, Scope,
    addon::compare,
    plan::{broken, refused},
};

impl Clusters {
    /// Versions of wanted add-ons that are not there, shall have another version, or the newest: none if all is as it should be.
    pub(super) async fn observe_versions(&self, scope: &Scope, now: &mut Observed) -> Result<(), Error> {
        let is_other = |name: &&String| match (now.addons.get(*name), scope.pinned.get(*name)) {
            (None, _) => true,
            (Some(found), Some(pinned)) => found.version != *pinned,
            (Some(_), None) => scope.latest.contains(*name),
        };
        let asked: BTreeSet<String> = match scope.removals {
            true => BTreeSet::new(),
            false => scope.unpinned.iter().chain(scope.pinned.keys()).filter(is_other).cloned().collect(),
        };
        let Some(version) = scope.version.filter(|_| !asked.is_empty()) else { return Ok(()) };
        // EKS does not tell of an add-on of which it offers nothing.
        now.addon_versions = asked.iter().map(|name| (name.clone(), Vec::new())).collect();
        for addon in self.offered_addons(version, &asked).await? {
            let name = addon.addon_name().unwrap_or_default();
            let fitting = addon.addon_versions().iter().filter_map(|candidate| {
                let fits = |c: &&Compatibility| c.cluster_version() == Some(version.to_string().as_str());
                Some((candidate.addon_version()?.to_owned(), candidate.compatibilities().iter().find(fits)?.default_version()))
            });
            let fitting: Vec<_> = fitting.collect();
            if let Some((default, _)) = fitting.iter().find(|(_, is_default)| *is_default).filter(|_| !now.addons.contains_key(name)) {
                now.default_versions.insert(name.to_owned(), default.clone());
            }
            let mut versions: Vec<_> = fitting.into_iter().map(|(version, _)| version).collect();
            versions.sort_by(|one, other| compare(other, one));
            now.addon_versions.insert(name.to_owned(), versions);
        }
        Ok(())
    }

    /// What EKS tells of add-ons for a Kubernetes version, in one call and its pages.
    async fn offered_addons(&self, version: KubernetesVersion, names: &BTreeSet<String>) -> Result<Vec<AddonInfo>, Error> {
        let subject = format!("Kubernetes {version}");
        let request = self.eks.describe_addon_versions().kubernetes_version(version.to_string());
        let request = match names.iter().next() {
            Some(name) if names.len() == 1 => request.addon_name(name),
            _ => request,
        };
        let mut pages = request.into_paginator().items().send();
        let mut offers = Vec::new();
        while let Some(addon) = pages.next().await {
            let addon = match addon.map_err(|error| failed("eks:DescribeAddonVersions", &subject, error)) {
                Ok(addon) => addon,
                // EKS refuses the name of an add-on that it does not have.
                Err(error) if error.code() == Some("InvalidParameterException") && names.len() == 1 => return Ok(offers),
                Err(error) => return Err(error),
            };
            if addon.addon_name().is_some_and(|name| names.contains(name)) {
                offers.push(addon);
            }
            // The list has hundreds of add-ons from the marketplace.
            if offers.len() == names.len() {
                break;
            }
        }
        Ok(offers)
    }

    /// Checks the configuration of every add-on that a plan makes or changes against the schema of its version, before the first call
    /// that changes anything.
    pub(super) async fn check_configurations(&self, plan: &Plan) -> Result<(), Error> {
        let mut broken_ones: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for step in plan.changes() {
            let (ClusterOp::Addon { addon, .. } | ClusterOp::ChangeAddon { addon, .. }) = step.op.decode().map_err(broken)? else {
                continue;
            };
            let Some(values) = &addon.configuration else { continue };
            let rules = self.violations(&addon, values).await?;
            if !rules.is_empty() {
                broken_ones.insert(format!("{} {}", addon.name, addon.version), rules);
            }
        }
        if broken_ones.is_empty() {
            return Ok(());
        }
        let told: Vec<_> = broken_ones.iter().map(|(addon, rules)| format!("{addon}: {}", rules.join(", "))).collect();
        Err(refused(
            "configuration of add-ons",
            format!("breaks their schemas: {}", told.join("; ")),
            "correct it by what aws eks describe-addon-configuration tells",
        ))
    }

    async fn violations(&self, addon: &AddonRequest, values: &str) -> Result<Vec<String>, Error> {
        let request = self.eks.describe_addon_configuration().addon_name(&addon.name).addon_version(&addon.version);
        let answer = request.send().await.map_err(|error| failed("eks:DescribeAddonConfiguration", &addon.name, error))?;
        // An add-on that takes no configuration tells no schema; EKS judges what it is given.
        let Some(schema) = answer.configuration_schema.filter(|schema| !schema.is_empty()) else { return Ok(Vec::new()) };
        let schema = AddonSchema::new(&schema).map_err(broken)?;
        Ok(match schema.violations(values) {
            Ok(violations) => violations.iter().map(ToString::to_string).collect(),
            Err(unreadable) => vec![unreadable.to_string()],
        })
    }
}
