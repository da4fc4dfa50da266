//! What exists, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{Error, Facts, InstanceId, KeyPairId, Owner, Ref, SecurityGroupId, StepKey, SubnetId, VolumeId, VpcId, ZoneName};

use super::{
    disk::Disk,
    health_check::HealthCheck,
    instance::Metadata,
    keys::{self, LAYER},
    load_balancer::{BalancerAttributes, Listener},
    op::Held,
};
use crate::{
    found::{self, Found, found},
    tags::Tags,
};

/// What an owner's machines are now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedMachines {
    /// Whose machines were looked for.
    pub owner: Owner,
    /// Where they were looked for; `None` if they were not. A teardown is bound to it.
    pub region: Option<String>,
    /// Key pairs of the owner.
    pub key_pairs: Vec<FoundKeyPair>,
    /// Key pairs of others that have a name of the spec.
    pub foreign_key_pairs: Vec<FoundKeyPair>,
    /// Instances of the owner, terminated ones too while EC2 still shows them.
    pub instances: Vec<FoundInstance>,
    /// Volumes of the owner, root volumes of instances too.
    pub volumes: Vec<FoundMachineVolume>,
    /// All classic load balancers of the Region: their names are unique in it.
    pub load_balancers: Vec<FoundLoadBalancer>,
    /// Images that the spec gives by id.
    pub images: Vec<FoundImage>,
    /// Ids of the owner's subnets and security groups by key, where there are machines to compare with them.
    pub network: BTreeMap<StepKey, String>,
}

/// A key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundKeyPair {
    pub id: KeyPairId,
    pub name: String,
    pub fingerprint: String,
    pub tags: Tags,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundInstance {
    pub id: InstanceId,
    pub state: String,
    pub image: String,
    pub instance_type: String,
    pub subnet: Option<SubnetId>,
    pub groups: Vec<SecurityGroupId>,
    pub key_name: Option<String>,
    pub metadata: Metadata,
    pub private_ip: Option<String>,
    pub public_ip: Option<String>,
    pub root_device: String,
    pub tags: Tags,
}

impl FoundInstance {
    /// Whether it is, or may become, of use.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state.as_str(), "pending" | "running" | "stopping" | "stopped")
    }
}

/// An EBS volume.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundMachineVolume {
    pub id: VolumeId,
    pub state: String,
    pub zone: ZoneName,
    pub gib: u32,
    /// Type, IOPS, throughput and encryption as EC2 tells them, where IOPS and throughput are never absent.
    pub disk: Disk,
    pub held: Option<Held>,
    /// `attaching`, `attached`, `detaching`, `busy`.
    pub attachment: Option<String>,
    /// Whether it goes with its instance.
    pub with_instance: bool,
    pub tags: Tags,
}

/// A classic load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are Elastic Load Balancing's own")]
pub struct FoundLoadBalancer {
    /// Its name.
    pub id: String,
    pub dns_name: String,
    pub internal: bool,
    pub vpc: Option<VpcId>,
    pub listeners: Vec<Listener>,
    pub subnets: Vec<SubnetId>,
    pub groups: Vec<SecurityGroupId>,
    pub health_check: Option<HealthCheck>,
    /// Those of the owner's alone.
    pub attributes: Option<BalancerAttributes>,
    pub instances: Vec<FoundRegistration>,
    pub tags: Tags,
}

/// An instance of a load balancer, and its health.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are Elastic Load Balancing's own")]
pub struct FoundRegistration {
    pub instance: InstanceId,
    /// `InService`, `OutOfService`, `Unknown`; empty where it was not asked for.
    pub state: String,
    /// `ELB`, `Instance`, `N/A`.
    pub reason_code: String,
    pub description: String,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own")]
pub struct FoundImage {
    pub id: String,
    pub architecture: String,
    pub root_device: Option<String>,
    pub root_gib: Option<u32>,
}

found!(LAYER: FoundKeyPair FoundInstance FoundMachineVolume FoundLoadBalancer);

impl ObservedMachines {
    /// Nothing exists.
    pub fn nothing(owner: &Owner) -> Self {
        Self {
            owner: owner.clone(),
            region: None,
            key_pairs: Vec::new(),
            foreign_key_pairs: Vec::new(),
            instances: Vec::new(),
            volumes: Vec::new(),
            load_balancers: Vec::new(),
            images: Vec::new(),
            network: BTreeMap::new(),
        }
    }

    /// Those of the owner, with their keys.
    pub(crate) fn ours<'a, T: Found>(&self, all: &'a [T]) -> Vec<(StepKey, &'a T)> {
        found::ours(&self.owner, all)
    }

    /// The one that the step `key` made.
    ///
    /// # Errors
    /// [`Error::Refused`] if there are two.
    pub(crate) fn made_by<'a, T: Found + 'a>(&self, all: impl IntoIterator<Item = &'a T>, key: &StepKey) -> Result<Option<&'a T>, Error> {
        found::made_by(&self.owner, all, key)
    }

    /// The owner's instance with this id, alive or not.
    pub(crate) fn our_instance(&self, id: &InstanceId) -> Option<(StepKey, &FoundInstance)> {
        self.ours(&self.instances).into_iter().find(|(_, found)| found.id == *id)
    }

    /// The id behind a reference into the network, if it exists.
    pub(crate) fn resolved<'a, T: AsRef<str>>(&'a self, reference: &'a Ref<T>) -> Option<&'a str> {
        match reference {
            Ref::Known(id) => Some(id.as_ref()),
            Ref::Output(output) => self.network.get(&output.step).map(String::as_str),
        }
    }

    /// The id of an instance behind a reference, if it is alive.
    pub(crate) fn instance_behind<'a>(&'a self, reference: &'a Ref<InstanceId>) -> Option<&'a InstanceId> {
        match reference {
            Ref::Known(id) => Some(id),
            Ref::Output(output) => {
                let made = |found: &&FoundInstance| found.is_live() && found.key(&self.owner).as_ref() == Some(&output.step);
                self.instances.iter().find(made).map(|found| &found.id)
            }
        }
    }

    /// The owner's volumes that steps of their own made: root volumes carry their instance's key.
    pub(crate) fn data_volumes(&self) -> Vec<FoundMachineVolume> {
        let made = |volume: &&FoundMachineVolume| volume.key(&self.owner).is_some_and(|key| keys::is_volume(&key));
        self.volumes.iter().filter(made).filter(|volume| volume.is_there()).cloned().collect()
    }

    /// Every field that a plan's decisions rest on, by key. Whether something is ready yet is no basis: a plan waits for it either
    /// way.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        let owner = &self.owner;
        found::note(owner, &mut facts, &self.key_pairs, |pair, note| {
            note("name", pair.name.clone());
            note("fingerprint", pair.fingerprint.clone());
        });
        let live: Vec<_> = self.instances.iter().filter(|instance| instance.is_live()).cloned().collect();
        found::note(owner, &mut facts, &live, |instance, note| {
            note("image", instance.image.clone());
            note("type", instance.instance_type.clone());
            note("subnet", instance.subnet.as_ref().map(SubnetId::to_string).unwrap_or_default());
            note("groups", joined(&instance.groups));
            note("key pair", instance.key_name.clone().unwrap_or_default());
            note("metadata", instance.metadata.to_string());
        });
        found::note(owner, &mut facts, &self.data_volumes(), |volume, note| {
            note("zone", volume.zone.to_string());
            note("disk", format!("{} GB {}", volume.gib, volume.disk));
            note("at", volume.held.as_ref().map(|held| format!("{} {}", held.instance, held.device)).unwrap_or_default());
        });
        found::note(owner, &mut facts, &self.load_balancers, |balancer, note| {
            note("scheme", if balancer.internal { "internal" } else { "internet-facing" }.to_owned());
            note("listeners", joined(&balancer.listeners));
            note("subnets", joined(&balancer.subnets));
            note("groups", joined(&balancer.groups));
            note("health check", balancer.health_check.as_ref().map(HealthCheck::to_string).unwrap_or_default());
            note("attributes", format!("{:?}", balancer.attributes));
            note("instances", joined(balancer.instances.iter().map(|one| &one.instance)));
        });
        facts
    }
}

impl FoundMachineVolume {
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.state.as_str(), "deleting" | "deleted")
    }
}

/// In order, so that the same set is the same text.
fn joined<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}
