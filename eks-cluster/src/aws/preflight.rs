//! Reading what EKS would judge a new or moved control plane by.

use eks_core::{Error, aws::failed};

use super::Clusters;
use crate::{ClusterSpec, Observed, Preflight};

impl Clusters {
    /// `None` if nothing is to be made or moved: then no call is spent.
    pub(super) async fn preflight(&self, spec: &ClusterSpec, now: &Observed) -> Result<Option<Preflight>, Error> {
        let Some(cluster) = &now.cluster else {
            let (clusters, mut facts) = tokio::try_join!(self.count_clusters(), self.subnets(spec, &[]))?;
            facts.clusters = Some(clusters);
            return Ok(Some(facts));
        };
        if !cluster.is_owned_by(spec.owner()) || !spec.moves(cluster, now) {
            return Ok(None);
        }
        let theirs: Vec<_> = cluster.subnets.iter().cloned().collect();
        self.subnets(spec, &theirs).await.map(Some)
    }

    async fn count_clusters(&self) -> Result<usize, Error> {
        let mut pages = self.eks.list_clusters().into_paginator().items().send();
        let mut count = 0;
        while let Some(cluster) = pages.next().await {
            cluster.map_err(|error| failed("eks:ListClusters", &self.region, error))?;
            count += 1;
        }
        Ok(count)
    }

    /// The subnets of the spec that exist, and `others`; the ids of zones by their names, where no subnet tells them.
    #[cfg(feature = "ec2")]
    async fn subnets(&self, spec: &ClusterSpec, others: &[String]) -> Result<Preflight, Error> {
        let known = spec.network.subnets.iter().filter_map(|subnet| subnet.id.known()).map(ToString::to_string);
        let ids: std::collections::BTreeSet<_> = known.chain(others.iter().cloned()).collect();
        let mut facts = Preflight::default();
        if !ids.is_empty() {
            let mut found = std::collections::BTreeMap::new();
            // By a filter: an id that is not there must not hide the others.
            let wanted = aws_sdk_ec2::types::Filter::builder().name("subnet-id").set_values(Some(ids.into_iter().collect())).build();
            let mut pages = self.ec2.describe_subnets().filters(wanted).into_paginator().items().send();
            while let Some(subnet) = pages.next().await {
                let subnet = subnet.map_err(|error| failed("ec2:DescribeSubnets", spec.name().as_str(), error))?;
                found.extend(observed(&subnet));
            }
            facts.subnets = Some(found);
        }
        if spec.network.subnets.iter().any(|subnet| subnet.id.known().is_none()) {
            let sent = self.ec2.describe_availability_zones().send().await;
            let answer = sent.map_err(|error| failed("ec2:DescribeAvailabilityZones", &self.region, error))?;
            let zones = answer.availability_zones().iter();
            facts.zone_ids = zones.filter_map(|zone| Some((zone.zone_name()?.parse().ok()?, zone.zone_id()?.to_owned()))).collect();
        }
        Ok(facts)
    }

    #[cfg(not(feature = "ec2"))]
    async fn subnets(&self, _: &ClusterSpec, _: &[String]) -> Result<Preflight, Error> {
        Ok(Preflight::default())
    }
}

#[cfg(feature = "ec2")]
fn observed(subnet: &aws_sdk_ec2::types::Subnet) -> Option<(String, crate::SubnetFacts)> {
    let facts = crate::SubnetFacts {
        zone: subnet.availability_zone()?.parse().ok()?,
        zone_id: subnet.availability_zone_id()?.to_owned(),
        free_addresses: subnet.available_ip_address_count().and_then(|free| free.try_into().ok()).unwrap_or_default(),
        vpc: subnet.vpc_id()?.to_owned(),
        has_ipv6: subnet
            .ipv6_cidr_block_association_set()
            .iter()
            .any(|block| block.ipv6_cidr_block_state().and_then(|state| state.state()).is_some_and(|state| state.as_str() == "associated")),
    };
    Some((subnet.subnet_id()?.to_owned(), facts))
}
