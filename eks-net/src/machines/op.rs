//! The closed set of what the layer does.

use eks_core::{InstanceId, KeyPairId, Operation, Ref, SecurityGroupId, SubnetId, VolumeId, ZoneName};
use serde::{Deserialize, Serialize};

use super::{
    disk::{Disk, VolumeType},
    health_check::HealthCheck,
    instance::Metadata,
    keys::LAYER,
    load_balancer::{BalancerAttributes, Listener},
};
use crate::tags::Tags;

/// An operation of the machines' layer. Where `id` is given the thing exists, and what is listed is changed; else it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are EC2's own names; the variants say what is done with them")]
pub enum MachineOp {
    /// A key pair, imported.
    KeyPair { id: Option<KeyPairId>, name: String, public_key: String, tags: Tags },
    /// An instance, running. Those before it with the same key are its `generation`: a token is never used again.
    Launch { launch: Box<Launch>, generation: String, tags: Tags },
    /// Changes of an instance; then it runs.
    ChangeInstance { id: InstanceId, groups: Option<Vec<Ref<SecurityGroupId>>>, metadata: Option<Metadata>, pending: bool, tags: Tags },
    /// An EBS volume, made.
    Volume { zone: ZoneName, gib: u32, disk: Disk, tags: Tags },
    /// Changes of a volume, which it works through while it is in use.
    ChangeVolume { id: VolumeId, modify: Option<ModifyVolume>, creating: bool, tags: Tags },
    /// A volume, attached to an instance; detached from another place first, if it is there.
    Attachment { volume: Ref<VolumeId>, instance: Ref<InstanceId>, device: String, detach: Option<Held> },
    /// A volume, detached.
    Detach { volume: VolumeId, held: Held },
    /// A classic load balancer, made.
    LoadBalancer { balancer: Box<Balancer>, tags: Tags },
    /// Changes of a classic load balancer.
    ChangeLoadBalancer { name: String, changes: Vec<BalancerChange>, tags: Tags },
    /// Instances in and out of a load balancer.
    Registration { name: String, register: Vec<Ref<InstanceId>>, deregister: Vec<InstanceId>, health: Option<HealthCheck> },

    /// Deletes a load balancer and waits until its network interfaces are gone.
    DeleteLoadBalancer { name: String },
    /// Terminates an instance and waits until it is.
    TerminateInstance { id: InstanceId },
    /// Deletes a volume. One that a foreign instance has is not touched.
    DeleteVolume { id: VolumeId, foreign: Option<String> },
    /// Deletes a key pair.
    DeleteKeyPair { id: KeyPairId },
}

impl Operation for MachineOp {
    const LAYER: &'static str = LAYER;
}

/// An instance to launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are RunInstances' own")]
#[non_exhaustive]
pub struct Launch {
    pub image: String,
    pub instance_type: String,
    pub subnet: Ref<SubnetId>,
    pub groups: Vec<Ref<SecurityGroupId>>,
    pub key_name: Option<String>,
    pub metadata: Metadata,
    pub user_data: Option<String>,
    pub root_device: String,
    pub root: Disk,
    pub public_ip: bool,
    pub protected: bool,
    /// Whether both status checks are waited for.
    pub status_checks: bool,
}

/// What a volume becomes. Fields that stay are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are ModifyVolume's own")]
#[non_exhaustive]
pub struct ModifyVolume {
    pub kind: Option<VolumeType>,
    pub gib: Option<u32>,
    pub iops: Option<u32>,
    pub throughput: Option<u32>,
}

/// Where a volume is attached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are DetachVolume's own")]
#[non_exhaustive]
pub struct Held {
    pub instance: InstanceId,
    pub device: String,
}

/// A load balancer to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are CreateLoadBalancer's own")]
#[non_exhaustive]
pub struct Balancer {
    pub name: String,
    pub internal: bool,
    pub subnets: Vec<Ref<SubnetId>>,
    pub groups: Vec<Ref<SecurityGroupId>>,
    pub listeners: Vec<Listener>,
    pub health_check: HealthCheck,
    pub attributes: BalancerAttributes,
}

/// One change of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BalancerChange {
    /// Listeners on these ports go.
    RemoveListeners(Vec<u16>),
    /// These listeners come.
    AddListeners(Vec<Listener>),
    /// The listener on this port has this certificate.
    Certificate(u16, String),
    /// Instances are checked so.
    HealthCheck(HealthCheck),
    /// It is in these subnets no more.
    DetachSubnets(Vec<SubnetId>),
    /// It is in these subnets, too.
    AttachSubnets(Vec<Ref<SubnetId>>),
    /// It has these groups and no others.
    Groups(Vec<Ref<SecurityGroupId>>),
    /// It has these attributes.
    Attributes(BalancerAttributes),
}
