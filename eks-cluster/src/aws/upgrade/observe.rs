//! Reading what an upgrade stands on. A cluster that is where it should be takes three calls and one an add-on.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eks::{
    primitives::DateTime,
    types::{AddonInfo, Category, InsightStatusValue, InsightsFilter},
};
use eks_core::{ClusterName, Error, Owner, aws::failed};
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::{
    KubernetesVersion, ObservedAddon, ObservedCluster,
    aws::{Clusters, observe::all},
    upgrade::{
        AddonCompatibility, AddonOffer, DeprecatedApi, DeprecatedClient, Insight, InsightCategory, InsightStatus, ObservedUpdate,
        OfferedVersion, UpgradeObserved, UpgradeTarget,
    },
};

impl Clusters {
    pub(super) async fn observed_upgrade(&self, owner: &Owner, target: &UpgradeTarget) -> Result<UpgradeObserved, Error> {
        let now = Timestamp::try_from(self.time.now()).ok();
        let Some(cluster) = self.describe(&target.cluster).await?.filter(|cluster| cluster.status != "DELETING") else {
            return Ok(UpgradeObserved { now, ..UpgradeObserved::default() });
        };
        if !cluster.is_owned_by(owner) {
            return Ok(UpgradeObserved { cluster: Some(cluster), now, ..UpgradeObserved::default() });
        }
        let is_there = cluster.status == "ACTIVE" && cluster.version == target.to.to_string();
        let addons = self.all_addons(&target.cluster).await?;
        let offers = self.offers(&addons).await?;
        let mut observed = UpgradeObserved { addons, offers, now, ..UpgradeObserved::default() };
        if !is_there {
            let (versions, insights, nodes, free_addresses, update_ids) = tokio::try_join!(
                self.versions(),
                self.insights(&target.cluster, target.category),
                self.upgrade_nodes(&cluster),
                self.free_addresses(&cluster),
                self.update_ids(&target.cluster),
            )?;
            if cluster.status != "ACTIVE" || target.category == InsightCategory::RollbackReadiness {
                observed.updates = self.updates(&target.cluster, &update_ids).await?;
            }
            (observed.versions, observed.insights, observed.free_addresses, observed.update_ids) =
                (versions, insights, free_addresses, update_ids);
            (observed.nodes, observed.self_managed_kube_proxy) = nodes;
        }
        observed.cluster = Some(cluster);
        Ok(observed)
    }

    /// The cluster's add-ons, all of them.
    async fn all_addons(&self, cluster: &ClusterName) -> Result<BTreeMap<String, ObservedAddon>, Error> {
        let mut pages = self.eks.list_addons().cluster_name(cluster.as_str()).into_paginator().items().send();
        let mut asked = JoinSet::new();
        while let Some(name) = pages.next().await {
            let name = name.map_err(|error| failed("eks:ListAddons", cluster.as_str(), error))?;
            let (this, cluster) = (self.clone(), cluster.clone());
            asked.spawn(async move { this.addon(&cluster, &name).await.map(|addon| Some((name, addon?))) });
        }
        all(asked).await
    }

    /// What EKS offers of these add-ons, over all Kubernetes versions: one call for AWS's own, and one for each that is not.
    async fn offers(&self, addons: &BTreeMap<String, ObservedAddon>) -> Result<BTreeMap<String, AddonOffer>, Error> {
        let mut offers = BTreeMap::new();
        if addons.is_empty() {
            return Ok(offers);
        }
        self.read_offers(None, addons, &mut offers).await?;
        let others: Vec<_> = addons.keys().filter(|name| !offers.contains_key(*name)).cloned().collect();
        for name in others {
            self.read_offers(Some(&name), addons, &mut offers).await?;
        }
        Ok(offers)
    }

    async fn read_offers(
        &self,
        name: Option<&str>,
        addons: &BTreeMap<String, ObservedAddon>,
        offers: &mut BTreeMap<String, AddonOffer>,
    ) -> Result<(), Error> {
        let request = self.eks.describe_addon_versions();
        let request = match name {
            Some(name) => request.addon_name(name),
            // The marketplace has hundreds.
            None => request.owners("aws"),
        };
        let mut pages = request.into_paginator().items().send();
        while let Some(info) = pages.next().await {
            let info = info.map_err(|error| failed("eks:DescribeAddonVersions", name.unwrap_or("add-ons"), error))?;
            if let Some(name) = info.addon_name().filter(|name| addons.contains_key(*name)) {
                offers.insert(name.to_owned(), offer(&info));
            }
        }
        Ok(())
    }

    /// The insights of a category; of those that do not pass, with details.
    pub(super) async fn insights(&self, cluster: &ClusterName, category: InsightCategory) -> Result<Vec<Insight>, Error> {
        let filter = InsightsFilter::builder().categories(Category::from(category.as_str())).build();
        let mut pages = self.eks.list_insights().cluster_name(cluster.as_str()).filter(filter).into_paginator().items().send();
        let (mut insights, mut asked) = (BTreeMap::new(), JoinSet::new());
        while let Some(summary) = pages.next().await {
            let summary = summary.map_err(|error| failed("eks:ListInsights", cluster.as_str(), error))?;
            let (Some(id), Some(name)) = (summary.id(), summary.name()) else { continue };
            let told = summary.insight_status();
            let insight = Insight {
                reason: told.and_then(|told| told.reason()).unwrap_or_default().to_owned(),
                refreshed: summary.last_refresh_time().and_then(time),
                ..Insight::new(id, name, version(summary.kubernetes_version()), status(told.and_then(|told| told.status())))
            };
            if insight.status == InsightStatus::Passing {
                insights.insert(id.to_owned(), insight);
            } else {
                let (this, cluster) = (self.clone(), cluster.clone());
                asked.spawn(async move { this.detailed(&cluster, insight).await.map(|insight| Some((insight.id.clone(), insight))) });
            }
        }
        insights.extend(all(asked).await?);
        Ok(insights.into_values().collect())
    }

    async fn detailed(&self, cluster: &ClusterName, insight: Insight) -> Result<Insight, Error> {
        let sent = self.eks.describe_insight().cluster_name(cluster.as_str()).id(&insight.id).send().await;
        let answer = super::super::found(sent.map_err(|error| failed("eks:DescribeInsight", &insight.name, error)))?;
        let Some(told) = answer.and_then(|answer| answer.insight) else { return Ok(insight) };
        let summary = told.category_specific_summary();
        let deprecated = summary.map(|summary| summary.deprecation_details()).unwrap_or_default();
        let addons = summary.map(|summary| summary.addon_compatibility_details()).unwrap_or_default();
        let resource =
            |resource: &aws_sdk_eks::types::InsightResourceDetail| resource.kubernetes_resource_uri().or(resource.arn()).map(str::to_owned);
        Ok(Insight {
            recommendation: told.recommendation().map(str::to_owned),
            deprecated: deprecated.iter().map(deprecated_api).collect(),
            addons: addons
                .iter()
                .map(|addon| AddonCompatibility {
                    name: addon.name().unwrap_or_default().to_owned(),
                    versions: addon.compatible_versions().to_vec(),
                })
                .collect(),
            resources: told.resources().iter().filter_map(resource).collect(),
            ..insight
        })
    }

    pub(super) async fn update_ids(&self, cluster: &ClusterName) -> Result<BTreeSet<String>, Error> {
        let mut pages = self.eks.list_updates().name(cluster.as_str()).into_paginator().items().send();
        let mut ids = BTreeSet::new();
        while let Some(id) = pages.next().await {
            ids.insert(id.map_err(|error| failed("eks:ListUpdates", cluster.as_str(), error))?);
        }
        Ok(ids)
    }

    pub(super) async fn updates(&self, cluster: &ClusterName, ids: &BTreeSet<String>) -> Result<Vec<ObservedUpdate>, Error> {
        let mut asked = JoinSet::new();
        for id in ids.iter().cloned() {
            let (this, cluster) = (self.clone(), cluster.clone());
            asked.spawn(async move {
                let sent = this.eks.describe_update().name(cluster.as_str()).update_id(&id).send().await;
                let answer = super::super::found(sent.map_err(|error| failed("eks:DescribeUpdate", &id, error)))?;
                Ok(answer.and_then(|answer| answer.update).map(|update| (id.clone(), observed_update(id, &update))))
            });
        }
        Ok(all(asked).await?.into_values().collect())
    }

    /// By a filter: a subnet that is gone must not hide the others.
    #[cfg(feature = "ec2")]
    async fn free_addresses(&self, cluster: &ObservedCluster) -> Result<Option<BTreeMap<String, u32>>, Error> {
        let ids = cluster.subnets.iter().cloned().collect();
        let wanted = aws_sdk_ec2::types::Filter::builder().name("subnet-id").set_values(Some(ids)).build();
        let mut pages = self.ec2.describe_subnets().filters(wanted).into_paginator().items().send();
        let mut free = BTreeMap::new();
        while let Some(subnet) = pages.next().await {
            let subnet = subnet.map_err(|error| failed("ec2:DescribeSubnets", cluster.name.as_str(), error))?;
            let count = subnet.available_ip_address_count().and_then(|count| count.try_into().ok()).unwrap_or_default();
            free.extend(subnet.subnet_id().map(|id| (id.to_owned(), count)));
        }
        Ok(Some(free))
    }

    #[cfg(not(feature = "ec2"))]
    #[expect(clippy::unused_async, reason = "the same as with EC2")]
    async fn free_addresses(&self, _: &ObservedCluster) -> Result<Option<BTreeMap<String, u32>>, Error> {
        Ok(None)
    }
}

fn version(text: Option<&str>) -> Option<KubernetesVersion> {
    text.and_then(|text| KubernetesVersion::of_release(text).ok())
}

fn time(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(at.secs()).ok()
}

/// One that we do not know is one that EKS cannot tell us.
fn status(status: Option<&InsightStatusValue>) -> InsightStatus {
    match status.map(InsightStatusValue::as_str) {
        Some("PASSING") => InsightStatus::Passing,
        Some("WARNING") => InsightStatus::Warning,
        Some("ERROR") => InsightStatus::Error,
        _ => InsightStatus::Unknown,
    }
}

fn deprecated_api(detail: &aws_sdk_eks::types::DeprecationDetail) -> DeprecatedApi {
    let client = |client: &aws_sdk_eks::types::ClientStat| {
        let agent = client.user_agent().unwrap_or("an unnamed client");
        DeprecatedClient::new(agent, client.number_of_requests_last30_days(), client.last_request_time().and_then(time))
    };
    DeprecatedApi {
        usage: detail.usage().unwrap_or_default().to_owned(),
        replaced_with: detail.replaced_with().map(str::to_owned),
        stop_serving: version(detail.stop_serving_version()),
        replacement_since: version(detail.start_serving_replacement_version()),
        clients: detail.client_stats().iter().map(client).collect(),
    }
}

fn offer(info: &AddonInfo) -> AddonOffer {
    let versions = info.addon_versions().iter().filter_map(|told| {
        let fits = || told.compatibilities().iter().filter_map(|fit| Some((version(fit.cluster_version())?, fit.default_version())));
        let defaults = fits().filter(|(_, default)| *default).map(|(version, _)| version);
        Some(OfferedVersion::new(told.addon_version()?, fits().map(|(version, _)| version), defaults))
    });
    versions.collect()
}

fn observed_update(id: String, update: &aws_sdk_eks::types::Update) -> ObservedUpdate {
    let param = update.params().iter().find(|param| param.r#type().is_some_and(|kind| kind.as_str() == "Version"));
    ObservedUpdate {
        version: version(param.and_then(|param| param.value())),
        created: update.created_at().and_then(time),
        ..ObservedUpdate::new(
            id,
            update.r#type().map(|kind| kind.as_str()).unwrap_or_default(),
            update.status().map(|status| status.as_str()).unwrap_or_default(),
        )
    }
}
