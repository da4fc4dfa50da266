//! The StorageClass type, and what can be said of one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Performance, VolumeType, default_annotations};
use crate::labels::{EBS_ZONE_LABEL, LEGACY_ZONE_LABEL, ZONE_LABEL};

/// Who makes the volumes of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Provisioner {
    /// EKS Auto Mode, on its own nodes: `ebs.csi.eks.amazonaws.com`.
    AutoMode,
    /// The EBS CSI driver: `ebs.csi.aws.com`.
    EbsCsi,
    /// The plugin of 2018, which Kubernetes translates to the driver: `kubernetes.io/aws-ebs`.
    InTree,
}

impl Provisioner {
    /// Its name in a StorageClass.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AutoMode => "ebs.csi.eks.amazonaws.com",
            Self::EbsCsi => "ebs.csi.aws.com",
            Self::InTree => "kubernetes.io/aws-ebs",
        }
    }
}

/// When a claim gets its volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Binding {
    /// At once, in any zone that the class allows: maybe one without nodes.
    Immediate,
    /// When a Pod that uses it is scheduled, in that Pod's zone.
    WaitForFirstConsumer,
}

/// What becomes of a volume when its claim is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reclaim {
    /// It is deleted.
    Delete,
    /// It stays, and is billed.
    Retain,
}

/// A StorageClass of EBS volumes. Everything but labels, expansion and topologies is fixed once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageClass {
    pub(crate) name: String,
    pub(crate) volume_type: VolumeType,
    pub(super) provisioner: Provisioner,
    pub(super) fs_type: String,
    pub(super) zones: Vec<String>,
    pub(super) iops: Option<u32>,
    pub(super) iops_per_gib: Option<u32>,
    pub(super) raises_iops: bool,
    pub(super) throughput: Option<u32>,
    pub(super) encrypted: Option<bool>,
    pub(super) kms_key: Option<String>,
    pub(crate) binding: Binding,
    pub(crate) reclaim: Reclaim,
    pub(crate) expandable: bool,
    pub(super) default: bool,
    takes_over: bool,
}

impl StorageClass {
    /// Volumes of a type, made by the EBS CSI driver: ext4, any zone, bound when a Pod needs them, deleted with their claim. io1 and
    /// io2 need [`iops`](Self::iops) or [`iops_per_gib`](Self::iops_per_gib).
    pub fn new(name: impl Into<String>, volume_type: VolumeType) -> Self {
        Self {
            name: name.into(),
            volume_type,
            provisioner: Provisioner::EbsCsi,
            fs_type: "ext4".to_owned(),
            zones: Vec::new(),
            iops: None,
            iops_per_gib: None,
            raises_iops: false,
            throughput: None,
            encrypted: None,
            kms_key: None,
            binding: Binding::WaitForFirstConsumer,
            reclaim: Reclaim::Delete,
            expandable: true,
            default: false,
            takes_over: false,
        }
    }

    /// gp3 volumes of the EBS CSI driver: ext4, any zone, bound when a Pod needs them, deleted with their claim.
    pub fn gp3(name: impl Into<String>) -> Self {
        Self::new(name, VolumeType::Gp3)
    }

    /// gp2 volumes of the EBS CSI driver.
    pub fn gp2(name: impl Into<String>) -> Self {
        Self::new(name, VolumeType::Gp2)
    }

    /// io1 volumes of the EBS CSI driver, each with this many IOPS.
    pub fn io1(name: impl Into<String>, iops: u32) -> Self {
        Self::new(name, VolumeType::Io1).iops(iops)
    }

    /// io2 volumes of the EBS CSI driver, each with this many IOPS.
    pub fn io2(name: impl Into<String>, iops: u32) -> Self {
        Self::new(name, VolumeType::Io2).iops(iops)
    }

    /// st1 volumes of the EBS CSI driver.
    pub fn st1(name: impl Into<String>) -> Self {
        Self::new(name, VolumeType::St1)
    }

    /// sc1 volumes of the EBS CSI driver.
    pub fn sc1(name: impl Into<String>) -> Self {
        Self::new(name, VolumeType::Sc1)
    }

    /// The form of 2018: gp2 volumes of the in-tree provisioner `kubernetes.io/aws-ebs`, in one zone. Kubernetes has
    /// translated it to the CSI driver since 1.23; a plan points that out.
    pub fn in_tree_gp2(name: impl Into<String>, zone: impl Into<String>) -> Self {
        let mut class = Self::new(name, VolumeType::Gp2).zone(zone);
        class.provisioner = Provisioner::InTree;
        class
    }

    /// Made by EKS Auto Mode, and mounted on its nodes only (EKS user guide, "Create a storage class"). The cluster needs no driver.
    #[must_use]
    pub fn auto_mode(mut self) -> Self {
        self.provisioner = Provisioner::AutoMode;
        self
    }

    /// Another zone in which volumes may be; none: all.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zones.push(zone.into());
        self
    }

    /// IOPS of each volume.
    #[must_use]
    pub fn iops(mut self, iops: u32) -> Self {
        self.iops = Some(iops);
        self
    }

    /// IOPS for each GiB of a volume, instead of [`iops`](Self::iops).
    #[must_use]
    pub fn iops_per_gib(mut self, iops: u32) -> Self {
        self.iops_per_gib = Some(iops);
        self
    }

    /// Whether a volume that is too small for [`iops_per_gib`](Self::iops_per_gib) gets the fewest IOPS of its type, instead of
    /// being refused; default no.
    #[must_use]
    pub fn raises_iops(mut self, raises: bool) -> Self {
        self.raises_iops = raises;
        self
    }

    /// Throughput of each volume, in MiB/s.
    #[must_use]
    pub fn throughput(mut self, mib_per_second: u32) -> Self {
        self.throughput = Some(mib_per_second);
        self
    }

    /// `ext3`, `ext4` or `xfs`; default `ext4`.
    #[must_use]
    pub fn fs_type(mut self, fs_type: impl Into<String>) -> Self {
        self.fs_type = fs_type.into();
        self
    }

    /// Whether volumes are encrypted; default: as the account's setting says.
    #[must_use]
    pub fn encrypted(mut self, encrypted: bool) -> Self {
        self.encrypted = Some(encrypted);
        self
    }

    /// The key that encrypts volumes, by its full ARN.
    #[must_use]
    pub fn kms_key(mut self, arn: impl Into<String>) -> Self {
        self.kms_key = Some(arn.into());
        self
    }

    /// When a claim gets its volume; default [`Binding::WaitForFirstConsumer`].
    #[must_use]
    pub fn binding(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// What becomes of volumes; default [`Reclaim::Delete`].
    #[must_use]
    pub fn reclaim(mut self, reclaim: Reclaim) -> Self {
        self.reclaim = reclaim;
        self
    }

    /// Whether claims may grow; default yes.
    #[must_use]
    pub fn expandable(mut self, expandable: bool) -> Self {
        self.expandable = expandable;
        self
    }

    /// Makes it the class of claims that name none. EKS has made no default class since 1.30. Another one that there may be stays,
    /// and a plan points it out.
    #[must_use]
    pub fn default_class(mut self) -> Self {
        self.default = true;
        self
    }

    /// Makes it the class of claims that name none, and no other: any class that is one, whoever made it, loses the annotation
    /// that makes it so, and nothing else. A teardown does not give it back.
    #[must_use]
    pub fn only_default_class(mut self) -> Self {
        self.takes_over = true;
        self.default_class()
    }

    /// A live class, if it makes EBS volumes.
    pub(crate) fn of_live(live: &Value) -> Option<Self> {
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let provisioners = [Provisioner::AutoMode, Provisioner::EbsCsi, Provisioner::InTree];
        let provisioner = provisioners.into_iter().find(|known| known.as_str() == text("/provisioner"))?;
        let (volume_type, performance) = Performance::of_live(live);
        let mut class = Self::new(text("/metadata/name"), volume_type?);
        class.provisioner = provisioner;
        (class.iops, class.iops_per_gib, class.throughput) = (performance.iops, performance.iops_per_gib, performance.throughput);
        // The plugin raised them, and so does its translation.
        class.raises_iops = provisioner == Provisioner::InTree || parameter(live, "allowAutoIOPSPerGBIncrease") == Some("true");
        class.zones = allowed_zones(live);
        class.reclaim = if text("/reclaimPolicy") == "Retain" { Reclaim::Retain } else { Reclaim::Delete };
        let waits = text("/volumeBindingMode") == "WaitForFirstConsumer";
        class.binding = if waits { Binding::WaitForFirstConsumer } else { Binding::Immediate };
        class.expandable = live["allowVolumeExpansion"] == true;
        class.default = !default_annotations(live).is_empty();
        Some(class)
    }

    pub(crate) fn provisioner(&self) -> Provisioner {
        self.provisioner
    }

    pub(crate) fn is_in_tree(&self) -> bool {
        self.provisioner == Provisioner::InTree
    }

    pub(crate) fn takes_over(&self) -> bool {
        self.takes_over
    }

    pub(crate) fn performance(&self) -> Performance {
        Performance { iops: self.iops, iops_per_gib: self.iops_per_gib, throughput: self.throughput }
    }

    pub(crate) fn is_default(&self) -> bool {
        self.default
    }

    pub(crate) fn zones(&self) -> &[String] {
        &self.zones
    }
}

/// A parameter of a live class; the driver's keys are case-insensitive (EBS CSI driver, "CreateVolume parameters").
pub(super) fn parameter<'a>(live: &'a Value, name: &str) -> Option<&'a str> {
    let parameters = live["parameters"].as_object()?;
    parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
}

/// The zones that a live class allows, in either form; none: all.
fn allowed_zones(live: &Value) -> Vec<String> {
    let by_parameter = parameter(live, "zone").or(parameter(live, "zones")).into_iter().flat_map(|zones| zones.split(','));
    let terms = live["allowedTopologies"].as_array().into_iter().flatten();
    let expressions = terms.flat_map(|term| term["matchLabelExpressions"].as_array().into_iter().flatten());
    let by_zone = expressions
        .filter(|expression| [ZONE_LABEL, LEGACY_ZONE_LABEL, EBS_ZONE_LABEL].iter().any(|key| expression["key"] == **key))
        .flat_map(|expression| expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str));
    by_parameter.chain(by_zone).map(|zone| zone.trim().to_owned()).collect()
}
