//! Observing.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Filter;
use eks_core::{Class, Error, Owner, StepKey, aws::failed};

use super::{
    super::observe::{filter, owned, pages},
    Machines, read,
};
use crate::{
    found::Found,
    machines::{
        FoundImage, FoundInstance, FoundKeyPair, FoundLoadBalancer, FoundMachineVolume, MachinesSpec, ObservedMachines,
        instance::{Ami, PlacedInstance},
    },
    tags::Tags,
};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// What facts and teardowns rest on.
    Facts,
    /// The same, with health, and with the network to compare with.
    Whole,
}

/// DescribeTags takes so many names.
const NAMES: usize = 20;

impl Machines {
    pub(super) async fn look(&self, owner: &Owner, look: Look) -> Result<ObservedMachines, Error> {
        let (key_pairs, instances, volumes, mut load_balancers) = tokio::try_join!(
            self.key_pairs(owner, owned(owner)),
            self.instances(owner),
            self.volumes(owner, owned(owner)),
            self.load_balancers(owner),
        )?;
        for balancer in load_balancers.iter_mut().filter(|balancer| balancer.key(owner).is_some()) {
            balancer.attributes = self.attributes(&balancer.id).await?;
            if look == Look::Whole && !balancer.instances.is_empty() {
                balancer.instances = self.health(&balancer.id).await?;
            }
        }
        let now = ObservedMachines {
            region: self.region.clone(),
            key_pairs,
            instances,
            volumes,
            load_balancers,
            ..ObservedMachines::nothing(owner)
        };
        let compared = now.instances.iter().any(FoundInstance::is_live) || !now.ours(&now.load_balancers).is_empty();
        let network = if look == Look::Whole && compared { self.network(owner).await? } else { BTreeMap::new() };
        Ok(ObservedMachines { network, ..now })
    }

    /// What a spec names and others own.
    pub(super) async fn look_around(&self, now: ObservedMachines, spec: &MachinesSpec) -> Result<ObservedMachines, Error> {
        let ours: Vec<&str> = now.key_pairs.iter().map(|pair| pair.name.as_str()).collect();
        let names: Vec<&str> = spec.key_pairs.iter().map(|pair| pair.name.as_str()).filter(|name| !ours.contains(name)).collect();
        let foreign = async {
            if names.is_empty() { Ok(Vec::new()) } else { self.key_pairs(&now.owner, filter("key-name", names.iter().copied())).await }
        };
        let id = |instance: &PlacedInstance| match &instance.image {
            Ami::Id(id) => Some(id.to_string()),
            _ => None,
        };
        let mut ids: Vec<String> = spec.instances.iter().filter_map(id).collect();
        ids.sort();
        ids.dedup();
        let images = async { if ids.is_empty() { Ok(Vec::new()) } else { self.images(&ids).await } };
        let (foreign_key_pairs, images) = tokio::try_join!(foreign, images)?;
        Ok(ObservedMachines { foreign_key_pairs, images, ..now })
    }

    async fn key_pairs(&self, owner: &Owner, which: Filter) -> Result<Vec<FoundKeyPair>, Error> {
        let answer = self.ec2.describe_key_pairs().filters(which).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeKeyPairs", owner.as_str(), error))?;
        answer.key_pairs().iter().map(read::key_pair).collect()
    }

    async fn instances(&self, owner: &Owner) -> Result<Vec<FoundInstance>, Error> {
        let call = "ec2:DescribeInstances";
        let mut pages = self.ec2.describe_instances().filters(owned(owner)).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(call, owner.as_str(), error))?;
            for instance in page.reservations().iter().flat_map(|reservation| reservation.instances()) {
                found.push(read::instance(instance)?);
            }
        }
        Ok(found)
    }

    pub(super) async fn volumes(&self, subject: &impl ToString, which: Filter) -> Result<Vec<FoundMachineVolume>, Error> {
        let request = self.ec2.describe_volumes().filters(which);
        pages!(request, "ec2:DescribeVolumes", subject, read::volume)
    }

    /// All of the Region: the service has no filters.
    async fn load_balancers(&self, owner: &Owner) -> Result<Vec<FoundLoadBalancer>, Error> {
        let request = self.elb.describe_load_balancers();
        let mut found = pages!(request, "elasticloadbalancing:DescribeLoadBalancers", owner, read::load_balancer)?;
        for some in found.chunks_mut(NAMES) {
            let names: Vec<String> = some.iter().map(|balancer| balancer.id.clone()).collect();
            let tags = match self.tags_of(names).await {
                // One of them went since they were listed: each is asked for alone.
                Err(error) if error.class() == Class::NotFound => {
                    let mut tags = BTreeMap::new();
                    for balancer in some.iter() {
                        match self.tags_of(vec![balancer.id.clone()]).await {
                            Ok(told) => tags.extend(told),
                            Err(error) if error.class() == Class::NotFound => {}
                            Err(error) => return Err(error),
                        }
                    }
                    tags
                }
                told => told?,
            };
            for balancer in some {
                balancer.tags = tags.get(&balancer.id).cloned().unwrap_or_default();
            }
        }
        Ok(found)
    }

    /// Tags of load balancers by name: of twenty at most, all of which must exist.
    pub(super) async fn tags_of(&self, names: Vec<String>) -> Result<BTreeMap<String, Tags>, Error> {
        let subject = names.join(", ");
        let answer = self.elb.describe_tags().set_load_balancer_names(Some(names)).send().await;
        let answer = answer.map_err(|error| failed("elasticloadbalancing:DescribeTags", subject, error))?;
        let told = answer.tag_descriptions().iter();
        Ok(told.filter_map(|told| Some((told.load_balancer_name()?.to_owned(), read::balancer_tags(told.tags())))).collect())
    }

    async fn images(&self, ids: &[String]) -> Result<Vec<FoundImage>, Error> {
        let answer = self.ec2.describe_images().set_image_ids(Some(ids.to_vec())).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeImages", ids.join(", "), error))?;
        Ok(answer.images().iter().filter_map(read::image).collect())
    }

    /// Ids of the owner's subnets and security groups by key.
    async fn network(&self, owner: &Owner) -> Result<BTreeMap<StepKey, String>, Error> {
        let subnets = async {
            let request = self.ec2.describe_subnets().filters(owned(owner));
            pages!(request, "ec2:DescribeSubnets", owner, super::super::read::subnet)
        };
        let groups = async {
            let request = self.ec2.describe_security_groups().filters(owned(owner));
            pages!(request, "ec2:DescribeSecurityGroups", owner, super::super::read::group)
        };
        let (subnets, groups) = tokio::try_join!(subnets, groups)?;
        let subnets = subnets.iter().filter_map(|subnet| Some((subnet.key(owner)?, subnet.id.to_string())));
        Ok(subnets.chain(groups.iter().filter_map(|group| Some((group.key(owner)?, group.id.to_string())))).collect())
    }
}
