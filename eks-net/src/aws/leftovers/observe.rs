//! Observing, by the tags that controllers put on.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Filter;
use eks_core::{Class, ClusterTrace, Error, Owner, aws::failed};

use super::{
    super::observe::{filter, owned, pages},
    Leftovers, read,
};
use crate::{
    existing::marks,
    leftovers::{Leftover, ObservedLeftovers},
    tags::Tags,
};

/// DescribeTags takes so many names or ARNs. (Elastic Load Balancing API references.)
const NAMES: usize = 20;

/// EKS Auto Mode's tag with the cluster's name. (Amazon EKS User Guide, "Learn about identity and access in EKS Auto Mode".)
const AUTO_MODE: &str = "eks:eks-cluster-name";

/// Tags of a volume that was made for a claim, whatever its state. (aws-ebs-csi-driver, docs/tagging.md.)
const OF_CLAIMS: [&str; 2] = ["kubernetes.io/created-for/pv/name", "CSIVolumeName"];

/// Those that carry the key of one of these clusters.
fn cluster_key(names: &[&str]) -> Filter {
    filter("tag-key", names.iter().map(|name| format!("kubernetes.io/cluster/{name}")))
}

/// Those on which this tag has the name of one of these clusters.
fn valued(tag: &str, names: &[&str]) -> Filter {
    filter(format!("tag:{tag}"), names.iter().copied())
}

impl Leftovers {
    pub(super) async fn look(&self, owner: &Owner, traces: Vec<ClusterTrace>) -> Result<ObservedLeftovers, Error> {
        let region = self.networks.region.clone();
        if traces.is_empty() {
            return Ok(ObservedLeftovers { region, ..ObservedLeftovers::nothing(owner, traces) });
        }
        let names: Vec<&str> = traces.iter().map(|trace| trace.name.as_str()).collect();
        let vpcs = async {
            let request = self.networks.patient.describe_vpcs().filters(owned(owner));
            pages!(request, "ec2:DescribeVpcs", owner, super::super::read::vpc)
        };
        let (vpcs, classic, balancers, target_groups, groups, interfaces, volumes, instances, templates, addresses) = tokio::try_join!(
            vpcs,
            self.classic(owner),
            self.balancers(owner),
            self.target_groups(owner),
            self.groups(owner, &names),
            self.interfaces(owner, &names),
            self.volumes(owner, &names),
            self.instances(owner, &names),
            self.templates(owner, &names),
            self.addresses(owner, &names),
        )?;
        let lists = [classic, balancers, target_groups, groups, interfaces, volumes, instances, templates, addresses];
        let mut found: Vec<Leftover> = lists.into_iter().flatten().collect();
        found.retain(|found| found.clusters().iter().any(|cluster| names.contains(cluster)));
        // The order of its pages is AWS's own affair.
        found.sort_by(|one, other| (one.kind, &one.id).cmp(&(other.kind, &other.id)));
        // Several of its tags may have found it.
        found.dedup_by(|one, other| (one.kind, &one.id) == (other.kind, &other.id));
        let made = vpcs.into_iter().filter(|vpc| !marks::is_adopted(&vpc.tags)).map(|vpc| vpc.id);
        Ok(ObservedLeftovers { region, vpcs: made.collect(), found, ..ObservedLeftovers::nothing(owner, traces) })
    }

    async fn classic(&self, owner: &Owner) -> Result<Vec<Leftover>, Error> {
        let request = self.classic.describe_load_balancers();
        let mut found = pages!(request, "elasticloadbalancing:DescribeLoadBalancers", owner, |told| Ok(read::classic(told)))?;
        for some in found.chunks_mut(NAMES) {
            tag(some, |names| self.classic_tags(names)).await?;
        }
        Ok(found)
    }

    /// Tags of classic load balancers by name: of twenty at most, all of which must exist.
    pub(super) async fn classic_tags(&self, names: Vec<String>) -> Result<BTreeMap<String, Tags>, Error> {
        let subject = names.join(", ");
        let answer = self.classic.describe_tags().set_load_balancer_names(Some(names)).send().await;
        let answer = answer.map_err(|error| failed("elasticloadbalancing:DescribeTags", subject, error))?;
        let told = answer.tag_descriptions().iter();
        let tags = |all: &[aws_sdk_elasticloadbalancing::types::Tag]| {
            all.iter().map(|tag| (tag.key().to_owned(), tag.value().unwrap_or_default().to_owned())).collect()
        };
        Ok(told.filter_map(|told| Some((told.load_balancer_name()?.to_owned(), tags(told.tags())))).collect())
    }

    async fn balancers(&self, owner: &Owner) -> Result<Vec<Leftover>, Error> {
        let request = self.elb.describe_load_balancers();
        let found = pages!(request, "elasticloadbalancing:DescribeLoadBalancers", owner, |told| Ok(read::balancer(told)))?;
        self.tagged(found.into_iter().flatten().collect()).await
    }

    async fn target_groups(&self, owner: &Owner) -> Result<Vec<Leftover>, Error> {
        let request = self.elb.describe_target_groups();
        let found = pages!(request, "elasticloadbalancing:DescribeTargetGroups", owner, |told| Ok(read::target_group(told)))?;
        self.tagged(found).await
    }

    async fn tagged(&self, mut found: Vec<Leftover>) -> Result<Vec<Leftover>, Error> {
        for some in found.chunks_mut(NAMES) {
            tag(some, |arns| self.tags(arns)).await?;
        }
        Ok(found)
    }

    /// Tags by ARN: of twenty at most, all of which must exist.
    pub(super) async fn tags(&self, arns: Vec<String>) -> Result<BTreeMap<String, Tags>, Error> {
        let subject = arns.join(", ");
        let answer = self.elb.describe_tags().set_resource_arns(Some(arns)).send().await;
        let answer = answer.map_err(|error| failed("elasticloadbalancing:DescribeTags", subject, error))?;
        let tags = |all: &[aws_sdk_elasticloadbalancingv2::types::Tag]| {
            all.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
        };
        Ok(answer.tag_descriptions().iter().filter_map(|told| Some((told.resource_arn()?.to_owned(), tags(told.tags())))).collect())
    }

    /// Either tag: filters of one call are joined by "and".
    async fn groups(&self, owner: &Owner, names: &[&str]) -> Result<Vec<Leftover>, Error> {
        let [by_key, controlled, auto_mode] = [cluster_key(names), valued("elbv2.k8s.aws/cluster", names), valued(AUTO_MODE, names)];
        let (one, other, third) = tokio::try_join!(
            self.networks.groups(owner, &by_key),
            self.networks.groups(owner, &controlled),
            self.networks.groups(owner, &auto_mode),
        )?;
        Ok([one, other, third].into_iter().flatten().map(read::group).collect())
    }

    async fn interfaces(&self, owner: &Owner, names: &[&str]) -> Result<Vec<Leftover>, Error> {
        let ask = |which: Filter| async {
            let request = self.networks.patient.describe_network_interfaces().filters(which);
            pages!(request, "ec2:DescribeNetworkInterfaces", owner, |told| Ok(read::interface(told)))
        };
        let descriptions = names.iter().map(|name| format!("Amazon EKS {name}"));
        let (of_nodes, of_pods, of_control_planes) = tokio::try_join!(
            ask(filter("tag:cluster.k8s.amazonaws.com/name", names.iter().copied())),
            // The controller of Pods' security groups makes branch interfaces. (amazon-vpc-resource-controller-k8s, pkg/config.)
            ask(cluster_key(names)),
            ask(filter("description", descriptions)),
        )?;
        Ok([of_nodes, of_pods, of_control_planes].concat())
    }

    async fn volumes(&self, owner: &Owner, names: &[&str]) -> Result<Vec<Leftover>, Error> {
        let ask = |which: Filter| async {
            let request = self.networks.patient.describe_volumes().filters(which);
            pages!(request, "ec2:DescribeVolumes", owner, |told| Ok(read::volume(told)))
        };
        // The EBS CSI driver writes the first only if it is told the cluster's name, and the second if that is among its extra tags.
        let (by_key, by_driver, auto_mode) =
            tokio::try_join!(ask(cluster_key(names)), ask(valued("ebs.csi.aws.com/cluster-name", names)), ask(valued(AUTO_MODE, names)),)?;
        let found = [by_key, by_driver, auto_mode].concat();
        // A root volume that carries the tag goes with its instance.
        Ok(found
            .into_iter()
            .filter(|volume| volume.state == "available" || OF_CLAIMS.iter().any(|key| volume.tags.contains_key(*key)))
            .collect())
    }

    async fn instances(&self, owner: &Owner, names: &[&str]) -> Result<Vec<Leftover>, Error> {
        let mut pages = self
            .networks
            .patient
            .describe_instances()
            .filters(filter("tag:eks:eks-cluster-name", names.iter().copied()))
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("ec2:DescribeInstances", owner.as_str(), error))?;
            found.extend(page.reservations().iter().flat_map(|reservation| reservation.instances()).map(read::instance));
        }
        found.retain(|instance| instance.state != "terminated");
        Ok(found)
    }

    async fn templates(&self, owner: &Owner, names: &[&str]) -> Result<Vec<Leftover>, Error> {
        let request = self.networks.patient.describe_launch_templates().filters(filter("tag:eks:cluster-name", names.iter().copied()));
        pages!(request, "ec2:DescribeLaunchTemplates", owner, |told| Ok(read::template(told)))
    }

    async fn addresses(&self, owner: &Owner, names: &[&str]) -> Result<Vec<Leftover>, Error> {
        let keys = names.iter().map(|name| format!("kubernetes.io/cluster/{name}"));
        let answer = self.networks.patient.describe_addresses().filters(filter("tag-key", keys)).send().await;
        let answer = answer.map_err(|error| failed("ec2:DescribeAddresses", owner.as_str(), error))?;
        Ok(answer.addresses().iter().map(read::address).collect())
    }
}

/// Gives each its tags. Asks for all at once; if one of them went since they were listed, for each alone.
async fn tag<F>(found: &mut [Leftover], ask: impl Fn(Vec<String>) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<BTreeMap<String, Tags>, Error>>,
{
    let gone = |error: &Error| error.class() == Class::NotFound;
    let ids: Vec<String> = found.iter().map(|found| found.id.clone()).collect();
    let mut tags = BTreeMap::new();
    match ask(ids.clone()).await {
        Err(error) if gone(&error) => {
            for id in ids {
                match ask(vec![id]).await {
                    Err(error) if gone(&error) => {}
                    told => tags.extend(told?),
                }
            }
        }
        told => tags = told?,
    }
    for found in found {
        found.tags = tags.get(&found.id).cloned().unwrap_or_default();
    }
    Ok(())
}
