//! EBS volumes and where they are attached.

use eks_core::{Problems, Ref, StepKey, VolumeId, ZoneName};
use serde::{Deserialize, Serialize};

use super::{
    device,
    disk::{Disk, VolumeType},
    instance::PlacedInstance,
    keys, place,
};

/// Tag that tells what becomes of a volume at a teardown, which knows no spec.
pub(crate) const TEARDOWN_TAG: &str = "eks-rs/teardown";

/// What becomes of a volume at a teardown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "it goes or it stays")]
pub enum OnTeardown {
    /// It is deleted with everything in it.
    #[default]
    Delete,
    /// It stays, and the verdict tells of it.
    Retain,
}

impl OnTeardown {
    /// The value of its tag.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Retain => "retain",
        }
    }
}

/// A place at an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attach {
    pub(crate) instance: String,
    pub(crate) device: String,
}

/// An EBS volume, as the user asks for it: gp3 and encrypted, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    name: String,
    #[serde(flatten)]
    disk: Disk,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attach: Option<Attach>,
    #[serde(default)]
    on_teardown: OnTeardown,
}

impl Volume {
    /// A volume of this size in GiB. Its zone is that of the instance that it is attached to, or what [`Volume::zone`] says.
    pub fn new(name: impl Into<String>, gib: u32) -> Self {
        let disk = Disk { gib: Some(gib), ..Disk::default() };
        Self { name: name.into(), disk, zone: None, attach: None, on_teardown: OnTeardown::Delete }
    }

    /// Another type than gp3.
    #[must_use]
    pub fn of_type(mut self, kind: VolumeType) -> Self {
        self.disk.kind = kind;
        self
    }

    /// I/O operations a second, for gp3, io1 and io2.
    #[must_use]
    pub fn iops(mut self, iops: u32) -> Self {
        self.disk.iops = Some(iops);
        self
    }

    /// MiB a second, for gp3.
    #[must_use]
    pub fn throughput(mut self, mib: u32) -> Self {
        self.disk.throughput = Some(mib);
        self
    }

    /// The KMS key that encrypts it, instead of the account's default one for EBS: id, alias or ARN.
    #[must_use]
    pub fn kms_key(mut self, key: impl Into<String>) -> Self {
        self.disk.kms_key = Some(key.into());
        self
    }

    /// Without encryption.
    #[must_use]
    pub fn unencrypted(mut self) -> Self {
        self.disk.encrypted = false;
        self
    }

    /// Its zone. It cannot be changed later.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Attaches it to an instance of the same spec, as a device such as `/dev/xvdh`. Another instance later moves it; none
    /// detaches it.
    #[must_use]
    pub fn attach_to(mut self, instance: impl Into<String>, device: impl Into<String>) -> Self {
        self.attach = Some(Attach { instance: instance.into(), device: device.into() });
        self
    }

    /// It outlives the teardown.
    #[must_use]
    pub fn retain(mut self) -> Self {
        self.on_teardown = OnTeardown::Retain;
        self
    }
}

/// A volume with everything decided but ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedVolume {
    pub(crate) name: String,
    pub(crate) disk: Disk,
    pub(crate) gib: u32,
    pub(crate) zone: ZoneName,
    pub(crate) attach: Option<Attach>,
    pub(crate) on_teardown: OnTeardown,
}

impl PlacedVolume {
    pub(crate) fn key(&self) -> StepKey {
        keys::volume(&self.name)
    }

    pub(crate) fn id(&self) -> Ref<VolumeId> {
        Ref::id_of(self.key())
    }
}

/// Checks all volumes; those that have a zone.
pub(crate) fn check(problems: &mut Problems, volumes: &[Volume], instances: &[PlacedInstance], asked: &[&str]) -> Vec<PlacedVolume> {
    let mut placed: Vec<PlacedVolume> = Vec::new();
    for volume in volumes {
        let subject = format!("volume {}", volume.name);
        place::check_name(problems, "volume-name", &subject, &volume.name);
        if placed.iter().any(|other| other.name == volume.name) {
            problems.add("volume-twice", &subject, "another volume has its name", "rename one of them");
        }
        volume.disk.check(problems, &subject);
        let given = volume.zone.as_ref().and_then(|zone| match ZoneName::new(zone.clone()) {
            Ok(zone) => Some(zone),
            Err(error) => {
                problems.add("zone-form", &subject, error.to_string(), "give the zone's name");
                None
            }
        });
        let mut instance = None;
        if let Some(attach) = &volume.attach {
            instance = instances.iter().find(|instance| instance.name == attach.instance);
            check_attach(problems, &subject, attach, asked, &placed);
        }
        if let (Some(zone), Some(instance)) = (&given, instance)
            && zone != instance.zone()
        {
            let (name, other) = (&instance.name, instance.zone());
            let rule = format!("it is in {zone}, and the instance {name} in {other}: a volume is attached in its own zone only");
            problems.add("volume-zone", &subject, rule, format!("put both in {other}, or leave .zone out"));
        }
        if volume.zone.is_none() && volume.attach.is_none() {
            problems.add("volume-zone", &subject, "it is attached to nothing, and has no zone", "add .zone or .attach_to");
        }
        if volume.disk.gib.is_none() {
            problems.add("volume-size", &subject, "it has no size", "give its size in GiB");
        }
        let (Some(zone), Some(gib)) = (given.or_else(|| instance.map(|instance| instance.zone().clone())), volume.disk.gib) else {
            continue;
        };
        let (name, disk) = (volume.name.clone(), volume.disk.clone());
        placed.push(PlacedVolume { name, disk, gib, zone, attach: volume.attach.clone(), on_teardown: volume.on_teardown });
    }
    placed
}

fn check_attach(problems: &mut Problems, subject: &str, attach: &Attach, asked: &[&str], placed: &[PlacedVolume]) {
    let Attach { instance, device } = attach;
    device::check(problems, subject, device);
    if !asked.contains(&instance.as_str()) {
        let rule = format!("it is attached to the instance {instance}, which the spec does not have");
        problems.add("volume-instance", subject, rule, "add that instance");
    }
    let same = |other: &Attach| other.instance == *instance && device::canonical(&other.device) == device::canonical(device);
    if let Some(other) = placed.iter().find(|other| other.attach.as_ref().is_some_and(same)) {
        let rule = format!("{device} of the instance {instance} is the volume {}'s", other.name);
        problems.add("device-twice", subject, rule, "choose another device name");
    }
}
