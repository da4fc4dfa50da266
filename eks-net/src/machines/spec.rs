//! What should exist.

use eks_core::{InstanceId, NetworkRefs, Owner, Problems, Ref, Region, SpecError, StepKey, VolumeId};
use serde::{Deserialize, Serialize};

use super::{
    instance::{self, Instance, PlacedInstance},
    key_pair::{self, CheckedKeyPair, KeyPair},
    keys,
    load_balancer::{self, LoadBalancer, PlacedBalancer},
    volume::{self, PlacedVolume, Volume},
};
use crate::{
    keys as network,
    tags::{self, ExtraTags},
};

/// Machines in a network: key pairs, instances, volumes, classic load balancers. One that exists breaks none of the rules that
/// AWS documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "MachinesSpecBuilder", into = "MachinesSpecBuilder")]
pub struct MachinesSpec {
    pub(crate) owner: Owner,
    pub(crate) region: Region,
    pub(crate) network: NetworkRefs,
    pub(crate) key_pairs: Vec<CheckedKeyPair>,
    pub(crate) instances: Vec<PlacedInstance>,
    pub(crate) volumes: Vec<PlacedVolume>,
    pub(crate) balancers: Vec<PlacedBalancer>,
    pub(crate) extra: ExtraTags,
    asked: Box<MachinesSpecBuilder>,
}

/// Collects what should exist. It can be read from a file, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachinesSpecBuilder {
    owner: Owner,
    network: NetworkRefs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    key_pairs: Vec<KeyPair>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    instances: Vec<Instance>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<Volume>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    load_balancers: Vec<LoadBalancer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
}

impl MachinesSpecBuilder {
    /// A key pair to import.
    #[must_use]
    pub fn key_pair(mut self, pair: KeyPair) -> Self {
        self.key_pairs.push(pair);
        self
    }

    /// An instance.
    #[must_use]
    pub fn instance(mut self, instance: Instance) -> Self {
        self.instances.push(instance);
        self
    }

    /// A volume.
    #[must_use]
    pub fn volume(mut self, volume: Volume) -> Self {
        self.volumes.push(volume);
        self
    }

    /// A classic load balancer.
    #[must_use]
    pub fn load_balancer(mut self, balancer: LoadBalancer) -> Self {
        self.load_balancers.push(balancer);
        self
    }

    /// A tag for everything that is made.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// The machines. Nothing is called.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that they break, each with the remedy.
    pub fn build(self) -> Result<MachinesSpec, SpecError> {
        let mut problems = Problems::new();
        let asked: Vec<&str> = self.instances.iter().map(Instance::name).collect();
        let names: Vec<&str> = self.key_pairs.iter().map(|pair| pair.name.as_str()).collect();
        let key_pairs = key_pair::check(&mut problems, &self.key_pairs);
        let instances = instance::check(&mut problems, &self.instances, &self.network, &names);
        let volumes = volume::check(&mut problems, &self.volumes, &instances, &asked);
        let balancers = load_balancer::check(&mut problems, &self.load_balancers, &self.network, &instances, &asked);
        let extra = tags::check(&mut problems, &self.tags, &[]);
        let zones = self.network.subnets.iter().map(|subnet| &subnet.zone).chain(volumes.iter().map(|volume| &volume.zone));
        let mut regions: Vec<&str> = zones.map(eks_core::ZoneName::region).collect();
        regions.sort_unstable();
        regions.dedup();
        if regions.len() > 1 {
            problems.add("regions", "machines", format!("their zones are in {}", regions.join(" and ")), "choose zones of one Region");
        }
        let region = regions.first().and_then(|region| Region::new(*region).ok());
        let name = format!("machines of {}", self.owner);
        let Some(region) = region else {
            problems.add("network-empty", "network", "it has no subnet", "give the refs of a network with subnets");
            return problems.finish(name, || unreachable!("a network without subnets is a problem"));
        };
        problems.finish(name, || MachinesSpec {
            owner: self.owner.clone(),
            region,
            network: self.network.clone(),
            key_pairs,
            instances,
            volumes,
            balancers,
            extra,
            asked: Box::new(self.clone()),
        })
    }
}

impl MachinesSpec {
    /// Machines of this owner in this network: what `NetworkSpec::refs` tells, or ids of one that exists.
    pub fn builder(owner: &Owner, network: NetworkRefs) -> MachinesSpecBuilder {
        MachinesSpecBuilder {
            owner: owner.clone(),
            network,
            key_pairs: Vec::new(),
            instances: Vec::new(),
            volumes: Vec::new(),
            load_balancers: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The Region of the network's zones.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The internet gateway's step, where the network is of a spec of ours: public addresses need it.
    pub(crate) fn internet_gateway(&self) -> Option<StepKey> {
        (self.network.vpc == Ref::id_of(network::vpc())).then(network::internet_gateway)
    }

    /// The id of an instance of this spec, before it exists.
    pub fn instance(&self, name: &str) -> Option<Ref<InstanceId>> {
        self.instances.iter().find(|instance| instance.name == name).map(PlacedInstance::id)
    }

    /// The id of a volume of this spec, before it exists.
    pub fn volume(&self, name: &str) -> Option<Ref<VolumeId>> {
        self.volumes.iter().find(|volume| volume.name == name).map(PlacedVolume::id)
    }

    /// The DNS name of a load balancer of this spec, before it exists.
    pub fn dns_name(&self, load_balancer: &str) -> Option<Ref<String>> {
        let found = self.balancers.iter().find(|balancer| balancer.name == load_balancer)?;
        Some(Ref::output(keys::load_balancer(&found.name), "dns_name"))
    }
}

impl TryFrom<MachinesSpecBuilder> for MachinesSpec {
    type Error = SpecError;

    fn try_from(builder: MachinesSpecBuilder) -> Result<Self, SpecError> {
        builder.build()
    }
}

impl From<MachinesSpec> for MachinesSpecBuilder {
    fn from(spec: MachinesSpec) -> Self {
        *spec.asked
    }
}
