//! The versions that EKS offers.

use aws_sdk_eks::{primitives::DateTime, types::ClusterVersionInformation};
use eks_core::{ClusterName, Error, aws::failed};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::Clusters;
use crate::{
    KubernetesVersion, Scope, VersionChoice, VersionInfo, Versions,
    plan::{broken, refused},
};

impl Clusters {
    /// The versions that EKS offers now, with their support dates: DescribeClusterVersions.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn versions(&self) -> Result<Versions, Error> {
        self.asked_versions(None).await
    }

    /// The version for a cluster whose owner names none: the one that it runs if it exists, so that the same program does not ask for an
    /// upgrade when EKS moves on; else that of `choice`.
    ///
    /// # Errors
    /// If a call fails; if EKS offers no version of that choice.
    pub async fn version_for(&self, cluster: &ClusterName, choice: VersionChoice) -> Result<KubernetesVersion, Error> {
        if let Some(found) = self.describe(cluster).await? {
            return found.version.parse().map_err(broken);
        }
        let today = self.today().ok_or_else(|| broken("the clock tells no day"))?;
        self.versions().await?.choose(choice, today).ok_or_else(|| {
            let rule = format!("EKS offers no version by the choice {choice:?}");
            refused(format!("cluster {cluster}"), rule, "name a version")
        })
    }

    /// Support dates that this crate's calendar lacks.
    pub(super) async fn calendar(&self, scope: &Scope) -> Result<Option<VersionInfo>, Error> {
        let Some(version) = scope.version.filter(|_| scope.calendar) else { return Ok(None) };
        Ok(self.asked_versions(Some(version)).await?.get(version).cloned())
    }

    async fn asked_versions(&self, version: Option<KubernetesVersion>) -> Result<Versions, Error> {
        let request = self.eks.describe_cluster_versions();
        let request = version.iter().fold(request, |request, version| request.cluster_versions(version.to_string()));
        let mut pages = request.into_paginator().items().send();
        let mut told = Vec::new();
        while let Some(info) = pages.next().await {
            let info = info.map_err(|error| failed("eks:DescribeClusterVersions", "Kubernetes versions", error))?;
            told.extend(observed(&info));
        }
        Ok(told.into_iter().collect())
    }
}

/// One without dates is none that we can judge.
fn observed(info: &ClusterVersionInformation) -> Option<VersionInfo> {
    Some(VersionInfo {
        version: info.cluster_version()?.parse().ok()?,
        is_default: info.default_version(),
        released: day(info.release_date()?)?,
        standard_until: day(info.end_of_standard_support_date()?)?,
        extended_until: day(info.end_of_extended_support_date()?)?,
    })
}

fn day(at: &DateTime) -> Option<Date> {
    Some(Timestamp::from_second(at.secs()).ok()?.to_zoned(TimeZone::UTC).date())
}
