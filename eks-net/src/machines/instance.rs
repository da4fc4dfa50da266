//! Instances: as the user asks for them, and with everything decided.
//!
//! Sources: Amazon EC2 API Reference, RunInstances; Amazon EC2 User Guide, "Use the Instance Metadata Service", "Run commands
//! when you launch an EC2 instance with user data input", "Reference the latest AMIs using Systems Manager public parameters";
//! Amazon EC2 Instance Types Guide, "Amazon EC2 instance type naming conventions".

use std::fmt;

use eks_core::{AmiId, InstanceId, NetworkRefs, Problems, Ref, SecurityGroupId, StepKey, SubnetId, SubnetRef, Tier, ZoneName};
use serde::{Deserialize, Serialize};

use super::{device, disk::Disk, keys, place};

/// Before base64.
const USER_DATA_BYTES: usize = 16_384;
/// Groups that an interface may have by default.
const GROUPS: usize = 5;

/// What processors run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "EC2's Linux images are for these two")]
pub enum Architecture {
    /// Intel and AMD.
    #[default]
    X86_64,
    /// AWS Graviton.
    Arm64,
}

impl Architecture {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// That of an instance type: families of Graviton have a `g` behind their generation.
    pub(crate) fn of(instance_type: &str) -> Self {
        let family = instance_type.split('.').next().unwrap_or_default();
        let options = family.trim_start_matches(|c: char| c.is_ascii_lowercase()).trim_start_matches(|c: char| c.is_ascii_digit());
        if options.contains('g') || family == "a1" { Self::Arm64 } else { Self::X86_64 }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The image that an instance boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ami {
    /// The newest Amazon Linux 2023 when the instance is launched. A newer one later is no drift.
    AmazonLinux2023(Architecture),
    /// The image that an SSM parameter names when the instance is launched: `/aws/service/canonical/ubuntu/…`.
    Parameter(String),
    /// This image.
    Id(AmiId),
}

impl Ami {
    /// `ImageId` of the launch. EC2 reads the parameter itself.
    pub(crate) fn image_id(&self) -> String {
        match self {
            Self::AmazonLinux2023(architecture) => {
                format!("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}")
            }
            Self::Parameter(name) => format!("resolve:ssm:{name}"),
            Self::Id(id) => id.to_string(),
        }
    }
}

impl fmt::Display for Ami {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AmazonLinux2023(_) => write!(f, "Amazon Linux 2023"),
            Self::Parameter(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

/// Where an instance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Public(String),
    Private(String),
    Subnet(Ref<SubnetId>),
}

/// The key pair of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    /// Of the same spec.
    Ours(String),
    /// One that exists.
    Existing(String),
}

/// Options of the instance metadata service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metadata {
    /// Whether requests need a session token: IMDSv2 alone.
    pub tokens_required: bool,
    /// How many hops the answer to a token request travels, 1–64: 2 for containers.
    pub hop_limit: u32,
}

impl Default for Metadata {
    fn default() -> Self {
        Self { tokens_required: true, hop_limit: 1 }
    }
}

impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} hop{}",
            if self.tokens_required { "IMDSv2" } else { "IMDSv1 and v2" },
            self.hop_limit,
            if self.hop_limit == 1 { "" } else { "s" }
        )
    }
}

/// An instance, as the user asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    name: String,
    place: Place,
    #[serde(default = "default_type")]
    instance_type: String,
    #[serde(default = "default_image")]
    image: Ami,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<place::Group>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_pair: Option<Key>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_data: Option<String>,
    #[serde(default)]
    root: Disk,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_ip: Option<bool>,
    #[serde(default)]
    protected: bool,
    #[serde(default)]
    status_checks: bool,
}

fn default_type() -> String {
    "t3.nano".to_owned()
}

fn default_image() -> Ami {
    Ami::AmazonLinux2023(Architecture::X86_64)
}

impl Instance {
    fn at(name: impl Into<String>, place: Place) -> Self {
        Self {
            name: name.into(),
            place,
            instance_type: default_type(),
            image: default_image(),
            groups: Vec::new(),
            key_pair: None,
            metadata: Metadata::default(),
            user_data: None,
            root: Disk::default(),
            root_device: None,
            public_ip: None,
            protected: false,
            status_checks: false,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// An instance in the public subnet of a zone, with a public address: t3.nano, Amazon Linux 2023, IMDSv2, an encrypted root
    /// volume.
    pub fn public(name: impl Into<String>, zone: impl Into<String>) -> Self {
        Self::at(name, Place::Public(zone.into()))
    }

    /// The same in the private subnet of a zone, without a public address.
    pub fn private(name: impl Into<String>, zone: impl Into<String>) -> Self {
        Self::at(name, Place::Private(zone.into()))
    }

    /// The same in a subnet of the network, where a zone has several.
    pub fn in_subnet(name: impl Into<String>, subnet: impl Into<Ref<SubnetId>>) -> Self {
        Self::at(name, Place::Subnet(subnet.into()))
    }

    /// Another type than t3.nano. It cannot be changed later.
    #[must_use]
    pub fn instance_type(mut self, name: impl Into<String>) -> Self {
        self.instance_type = name.into();
        self
    }

    /// Another image than Amazon Linux 2023. It cannot be changed later.
    #[must_use]
    pub fn image(mut self, image: Ami) -> Self {
        self.image = image;
        self
    }

    /// A security group of the network, by name. Without any, EC2 takes the VPC's default group.
    #[must_use]
    pub fn security_group(mut self, name: impl Into<String>) -> Self {
        self.groups.push(place::Group::Name(name.into()));
        self
    }

    /// A security group that exists already.
    #[must_use]
    pub fn security_group_id(mut self, id: SecurityGroupId) -> Self {
        self.groups.push(place::Group::Id(id));
        self
    }

    /// A key pair of the same spec.
    #[must_use]
    pub fn key_pair(mut self, name: impl Into<String>) -> Self {
        self.key_pair = Some(Key::Ours(name.into()));
        self
    }

    /// A key pair that exists already.
    #[must_use]
    pub fn existing_key_pair(mut self, name: impl Into<String>) -> Self {
        self.key_pair = Some(Key::Existing(name.into()));
        self
    }

    /// What runs at the first boot, as it is (not in base64): at most 16 KB. It cannot be changed later.
    #[must_use]
    pub fn user_data(mut self, script: impl Into<String>) -> Self {
        self.user_data = Some(script.into());
        self
    }

    /// The root volume: type, size, encryption. Default: gp3 of the image's size, encrypted.
    #[must_use]
    pub fn root_volume(mut self, disk: Disk) -> Self {
        self.root = disk;
        self
    }

    /// The root device's name in the image, for images of others. Default: what EC2 tells of an image given by id, else
    /// `/dev/xvda`.
    #[must_use]
    pub fn root_device(mut self, name: impl Into<String>) -> Self {
        self.root_device = Some(name.into());
        self
    }

    /// Whether it gets a public IPv4 address. Default: in a public subnet it does.
    #[must_use]
    pub fn public_ip(mut self, yes: bool) -> Self {
        self.public_ip = Some(yes);
        self
    }

    /// How many hops the metadata service answers: 2 for containers. Default 1.
    #[must_use]
    pub fn hop_limit(mut self, hops: u32) -> Self {
        self.metadata.hop_limit = hops;
        self
    }

    /// Lets IMDSv1 answer, too, for programs of before 2020.
    #[must_use]
    pub fn imds_v1(mut self) -> Self {
        self.metadata.tokens_required = false;
        self
    }

    /// Nobody can terminate it before the protection is taken off; a teardown leaves it and says so.
    #[must_use]
    pub fn termination_protection(mut self) -> Self {
        self.protected = true;
        self
    }

    /// Its step ends when both status checks have passed (some minutes), not when it runs.
    #[must_use]
    pub fn wait_for_status_checks(mut self) -> Self {
        self.status_checks = true;
        self
    }
}

/// An instance with everything decided but ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedInstance {
    pub(crate) name: String,
    pub(crate) subnet: SubnetRef,
    pub(crate) instance_type: String,
    pub(crate) image: Ami,
    pub(crate) groups: Vec<Ref<SecurityGroupId>>,
    /// Its name, and its step.
    pub(crate) key_pair: Option<(String, Option<StepKey>)>,
    pub(crate) metadata: Metadata,
    pub(crate) user_data: Option<String>,
    pub(crate) root: Disk,
    pub(crate) root_device: Option<String>,
    pub(crate) public_ip: bool,
    pub(crate) protected: bool,
    pub(crate) status_checks: bool,
}

impl PlacedInstance {
    pub(crate) fn key(&self) -> StepKey {
        keys::instance(&self.name)
    }

    pub(crate) fn id(&self) -> Ref<InstanceId> {
        Ref::id_of(self.key())
    }

    pub(crate) fn zone(&self) -> &ZoneName {
        &self.subnet.zone
    }

    /// What tells user data from other user data, in a tag.
    pub(crate) fn user_data_hash(&self) -> Option<String> {
        let digest = hmac_sha256::Hash::hash(self.user_data.as_ref()?.as_bytes());
        Some(digest[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Checks all instances; those that have a place.
pub(crate) fn check(problems: &mut Problems, instances: &[Instance], network: &NetworkRefs, key_pairs: &[&str]) -> Vec<PlacedInstance> {
    let mut placed: Vec<PlacedInstance> = Vec::new();
    for instance in instances {
        let subject = format!("instance {}", instance.name);
        place::check_name(problems, "instance-name", &subject, &instance.name);
        if placed.iter().any(|other| other.name == instance.name) {
            problems.add("instance-twice", &subject, "another instance has its name", "rename one of them");
        }
        check_type(problems, &subject, instance);
        check_image(problems, &subject, instance);
        check_boot(problems, &subject, instance);
        let key_pair = match &instance.key_pair {
            Some(Key::Ours(name)) => {
                if !key_pairs.contains(&name.as_str()) {
                    let rule = format!("it names the key pair {name}, which the spec does not have");
                    problems.add("instance-key-pair", &subject, rule, "add that key pair, or use .existing_key_pair");
                }
                Some((name.clone(), Some(keys::key_pair(name))))
            }
            Some(Key::Existing(name)) => Some((name.clone(), None)),
            None => None,
        };
        let groups = place::groups(problems, &subject, &instance.groups, network);
        if groups.len() > GROUPS {
            let rule = format!("it has {} security groups; a network interface has at most {GROUPS}", groups.len());
            problems.add("instance-groups", &subject, rule, "join some of them");
        }
        let subnet = match &instance.place {
            Place::Public(zone) => place::one_in(problems, &subject, network, Tier::Public, zone),
            Place::Private(zone) => place::one_in(problems, &subject, network, Tier::Private, zone),
            Place::Subnet(id) => place::named(problems, &subject, network, id),
        };
        let Some(subnet) = subnet else { continue };
        placed.push(PlacedInstance {
            name: instance.name.clone(),
            public_ip: instance.public_ip.unwrap_or(subnet.tier == Tier::Public),
            subnet,
            instance_type: instance.instance_type.clone(),
            image: instance.image.clone(),
            groups,
            key_pair,
            metadata: instance.metadata,
            user_data: instance.user_data.clone(),
            root: instance.root.clone(),
            root_device: instance.root_device.clone(),
            protected: instance.protected,
            status_checks: instance.status_checks,
        });
    }
    placed
}

fn check_type(problems: &mut Problems, subject: &str, instance: &Instance) {
    let name = &instance.instance_type;
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !name.split_once('.').is_some_and(|(family, size)| word(family) && word(size)) {
        let rule = format!("{name:?} is no instance type");
        problems.add("instance-type", subject, rule, "give a family and a size, such as t3.nano");
    }
}

fn check_image(problems: &mut Problems, subject: &str, instance: &Instance) {
    match &instance.image {
        Ami::AmazonLinux2023(architecture) if *architecture != Architecture::of(&instance.instance_type) => {
            let (name, other) = (&instance.instance_type, Architecture::of(&instance.instance_type));
            let rule = format!("its image is for {architecture}, and {name} is {other}");
            problems.add("image-architecture", subject, rule, format!("choose Ami::AmazonLinux2023 for {other}, or another type"));
        }
        Ami::Parameter(name) if !name.starts_with('/') || name.contains(char::is_whitespace) => {
            let rule = format!("{name:?} is no full name of an SSM parameter");
            problems.add("image-parameter", subject, rule, "give its whole path, from the first /");
        }
        // Settings for another device than the root's would make a second volume.
        Ami::Parameter(_) if instance.root_device.is_none() => {
            let rule = "the root device of an image behind a parameter is not known before it is launched";
            let remedy = "add .root_device(\"/dev/sda1\") for Ubuntu, .root_device(\"/dev/xvda\") for Amazon Linux";
            problems.add("image-root-device", subject, rule, remedy);
        }
        _ => {}
    }
}

fn check_boot(problems: &mut Problems, subject: &str, instance: &Instance) {
    if let Some(data) = &instance.user_data {
        if data.is_empty() {
            problems.add("user-data", subject, "its user data is empty", "leave .user_data out");
        }
        if data.len() > USER_DATA_BYTES {
            let rule = format!("its user data has {} bytes; EC2 takes {USER_DATA_BYTES} before base64", data.len());
            problems.add("user-data", subject, rule, "fetch the rest at boot, from S3 say");
        }
    }
    if !(1..=64).contains(&instance.metadata.hop_limit) {
        let rule = format!("{} hops of metadata answers are not between 1 and 64", instance.metadata.hop_limit);
        problems.add("hop-limit", subject, rule, "choose 1, or 2 for containers");
    }
    instance.root.check(problems, &format!("{subject}, root volume"));
    if matches!(instance.root.kind.as_str(), "st1" | "sc1") {
        let rule = format!("{} volumes cannot be boot volumes", instance.root.kind);
        problems.add("root-type", subject, rule, "choose gp3");
    }
    if let Some(name) = &instance.root_device
        && !matches!(name.as_str(), "/dev/xvda" | "/dev/sda1")
    {
        let rule = format!("{name:?} is no root device; images have {} or /dev/sda1", device::ROOT);
        problems.add("root-device", subject, rule, "see RootDeviceName of the image: aws ec2 describe-images");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amazon EC2 Instance Types Guide: T4g, M7g, C6gn, G5g and A1 are Graviton; G5, G4dn and T3 are not.
    #[test]
    fn graviton_is_told_by_its_name() {
        for name in ["t4g.nano", "m7g.large", "c6gn.xlarge", "g5g.xlarge", "a1.medium", "im4gn.large"] {
            assert_eq!(Architecture::of(name), Architecture::Arm64, "{name}");
        }
        for name in ["t3.nano", "t2.nano", "g5.xlarge", "g4dn.xlarge", "m7i.large", "u-6tb1.metal"] {
            assert_eq!(Architecture::of(name), Architecture::X86_64, "{name}");
        }
    }
}
