//! An environment as a document: what YAML and TOML files say.

mod access;
mod addon;
mod balancer;
mod cluster;
mod contradiction;
mod family;
mod identity;
mod ingress;
mod kubelet;
mod managed;
mod network;
mod objects;
mod security_group;
mod template;
mod words;
mod workers;

use eks_core::{ClusterName, NetworkRefs, Problems, SpecError};
use serde::{Deserialize, Serialize};

use self::{
    cluster::Cluster,
    network::{Existing, Network},
    objects::Objects,
    words::{OwnerName, Text},
    workers::Workers,
};
use crate::{
    Environment, Placement,
    environment::{self, EnvironmentBuilder},
    specs::{Part, stand_in_network},
};

/// The format that a document is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) enum ApiVersion {
    /// This one.
    #[serde(rename = "eks-rs.dev/v1")]
    V1,
}

/// A whole Amazon EKS environment: network, control plane, workers and Kubernetes objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Document {
    /// The version of this format.
    pub(crate) api_version: ApiVersion,
    /// Whose everything is: by this name it is found again.
    pub(crate) owner: Text<OwnerName>,
    /// The Region. Default: that of the network's zones. An existing network needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<Text<eks_core::Region>>,
    /// The network, if it is to be made. Either this or `existingNetwork`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<Network>,
    /// The network, if it is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) existing_network: Option<Existing>,
    /// The control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<Cluster>,
    /// Groups of workers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) workers: Vec<Workers>,
    /// Kubernetes objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) objects: Option<Objects>,
}

impl Document {
    /// The environment, or every problem of every part.
    pub(crate) fn environment(&self) -> Result<Environment, Vec<(Part, SpecError)>> {
        let owner = &self.owner.0.0;
        let mut wrong = self.contradictions();
        let name = self.cluster_name().map_err(|error| wrong.push((Part::Cluster, error))).ok().flatten();
        let network = self.network(name.as_ref()).map_err(|error| wrong.push((Part::Network, error))).ok();
        // With a network that is wrong, the layers are checked over one that would be right.
        let wrong_network = network.is_none();
        let network = network.unwrap_or_else(|| environment::Network::Given(Box::new(self.stand_in())));
        let builder = self.builder(Environment::builder(owner, network), name.as_ref());
        match builder.check() {
            Ok(environment) if wrong.is_empty() => return Ok(environment),
            Ok(_) => {}
            Err(more) => wrong.extend(more.into_iter().filter(|(part, _)| !wrong_network || *part != Part::Environment)),
        }
        Err(wrong)
    }

    fn cluster_name(&self) -> Result<Option<ClusterName>, SpecError> {
        let Some(cluster) = &self.cluster else { return Ok(None) };
        if let Some(name) = &cluster.name {
            return Ok(Some(name.0.clone()));
        }
        ClusterName::new(self.owner.0.0.as_str()).map(Some).or_else(|error| {
            let mut problems = Problems::new();
            problems.add("cluster-name", "cluster", error.to_string(), "give the cluster a name of its own");
            problems.finish("cluster", || None)
        })
    }

    fn network(&self, cluster: Option<&ClusterName>) -> Result<environment::Network, SpecError> {
        let (owner, cluster) = (&self.owner.0.0, cluster.map(ClusterName::as_str));
        match (&self.network, &self.existing_network) {
            (Some(network), None) => network.clone().spec(owner, cluster).map(Into::into),
            (None, Some(existing)) => existing.clone().spec(owner, cluster).map(Into::into),
            (both, _) => {
                let mut problems = Problems::new();
                let rule = if both.is_some() { "there are two networks" } else { "there is no network" };
                problems.add(
                    "network-choice",
                    "network",
                    rule,
                    "give network for one to be made, or existingNetwork for one that is there",
                );
                problems.finish(format!("network {owner}"), || unreachable!("there is a problem"))
            }
        }
    }

    /// Has every zone and security group that the document names.
    fn stand_in(&self) -> NetworkRefs {
        let network = self.network.as_ref();
        let named = network.into_iter().flat_map(|network| network.zones.iter().chain(network.subnets.iter().map(|subnet| &subnet.zone)));
        let mut zones: Vec<eks_core::ZoneName> = named.filter_map(|zone| zone.parse().ok()).collect();
        zones.sort();
        zones.dedup();
        let region = self.region.as_ref().map(|region| region.0.to_string());
        let region = region.or_else(|| Some(zones.first()?.region().to_owned())).unwrap_or_else(|| "us-east-1".to_owned());
        zones.retain(|zone| zone.region() == region);
        if zones.len() < 2 {
            zones.clear();
        }
        let groups = self.cluster.iter().flat_map(|cluster| cluster.security_groups.iter().map(String::as_str));
        stand_in_network(&region, &zones, groups)
    }

    fn builder(&self, mut builder: EnvironmentBuilder, name: Option<&ClusterName>) -> EnvironmentBuilder {
        builder = builder.standing_in(self.stand_in());
        if let Some(region) = &self.region {
            builder = builder.region(region.0.clone());
        }
        if let (Some(cluster), Some(name)) = (self.cluster.clone(), name) {
            let (version, upgrade) = (cluster.version.0, cluster.upgrade.clone());
            builder = builder.cluster(name.clone(), version, move |builder| cluster.apply(builder));
            if let Some(upgrade) = upgrade {
                builder = builder.upgrade(move |builder| upgrade.apply(builder));
            }
        }
        for group in self.workers.iter().cloned() {
            let placement = match group.public_subnets {
                Some(true) => Placement::Public,
                _ if group.zones.is_empty() => Placement::Private,
                _ => Placement::Zones(group.zones.iter().map(|zone| zone.0.clone()).collect()),
            };
            builder = builder.workers_in(placement, group.name.0.clone(), move |builder| group.apply(builder));
        }
        match self.objects.clone() {
            Some(objects) => builder.objects(move |builder| objects.apply(builder)),
            None => builder,
        }
    }
}
