//! StorageClasses: how volumes are made.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{OWNER_TAG, Owner, Price, Problems, ZoneName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{name, zone::ZONE_LABEL};

/// An EBS volume type, with the limits that EC2 sets (CreateVolume, API reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VolumeType {
    /// General purpose, previous generation: 3 IOPS a GiB.
    Gp2,
    /// General purpose: 3,000 IOPS and 125 MiB/s included.
    Gp3,
    /// Provisioned IOPS, previous generation.
    Io1,
    /// Provisioned IOPS.
    Io2,
}

/// What EC2 allows for a volume type.
struct Limits {
    gib: (i128, i128),
    /// Range of IOPS and the most for each GiB; `None` where they cannot be chosen.
    iops: Option<(u32, u32, u32)>,
    /// Range of MiB/s.
    throughput: Option<(u32, u32)>,
}

impl VolumeType {
    /// EC2's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
        }
    }

    fn limits(self) -> Limits {
        match self {
            Self::Gp2 => Limits { gib: (1, 16_384), iops: None, throughput: None },
            Self::Gp3 => Limits { gib: (1, 65_536), iops: Some((3000, 80_000, 500)), throughput: Some((125, 2000)) },
            Self::Io1 => Limits { gib: (4, 16_384), iops: Some((100, 64_000, 50)), throughput: None },
            Self::Io2 => Limits { gib: (4, 65_536), iops: Some((100, 256_000, 1000)), throughput: None },
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
    in_tree: bool,
    fs_type: String,
    zones: Vec<String>,
    iops: Option<u32>,
    throughput: Option<u32>,
    encrypted: Option<bool>,
    kms_key: Option<String>,
    pub(crate) binding: Binding,
    pub(crate) reclaim: Reclaim,
    pub(crate) expandable: bool,
    default: bool,
}

impl StorageClass {
    fn new(name: impl Into<String>, volume_type: VolumeType) -> Self {
        Self {
            name: name.into(),
            volume_type,
            in_tree: false,
            fs_type: "ext4".to_owned(),
            zones: Vec::new(),
            iops: None,
            throughput: None,
            encrypted: None,
            kms_key: None,
            binding: Binding::WaitForFirstConsumer,
            reclaim: Reclaim::Delete,
            expandable: true,
            default: false,
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

    /// The form of 2018: gp2 volumes of the in-tree provisioner `kubernetes.io/aws-ebs`, in one zone. Kubernetes has
    /// translated it to the CSI driver since 1.23; a plan points that out.
    pub fn in_tree_gp2(name: impl Into<String>, zone: impl Into<String>) -> Self {
        let mut class = Self::new(name, VolumeType::Gp2).zone(zone);
        class.in_tree = true;
        class
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

    /// Makes it the class of claims that name none. EKS has made no default class since 1.30.
    #[must_use]
    pub fn default_class(mut self) -> Self {
        self.default = true;
        self
    }

    pub(crate) fn is_in_tree(&self) -> bool {
        self.in_tree
    }

    pub(crate) fn is_default(&self) -> bool {
        self.default
    }

    pub(crate) fn zones(&self) -> &[String] {
        &self.zones
    }

    fn parameters(&self, owner: &Owner) -> BTreeMap<&'static str, String> {
        let fs_type = if self.in_tree { "fsType" } else { "csi.storage.k8s.io/fstype" };
        let mut parameters = BTreeMap::from([("type", self.volume_type.as_str().to_owned()), (fs_type, self.fs_type.clone())]);
        if let (true, [zone]) = (self.in_tree, self.zones.as_slice()) {
            parameters.insert("zone", zone.clone());
        } else if self.in_tree && !self.zones.is_empty() {
            parameters.insert("zones", self.zones.join(","));
        }
        let chosen = [
            ("iops", self.iops.map(|n| n.to_string())),
            ("throughput", self.throughput.map(|n| n.to_string())),
            ("encrypted", self.encrypted.map(|yes| yes.to_string())),
            ("kmsKeyId", self.kms_key.clone()),
        ];
        if !self.in_tree {
            // By it a volume is found that outlived its cluster (EBS CSI driver, "Volume Tagging").
            parameters.insert("tagSpecification_1", format!("{OWNER_TAG}={owner}"));
        }
        parameters.extend(chosen.into_iter().filter_map(|(key, value)| Some((key, value?))));
        parameters
    }

    /// The manifest, without the marks of ownership.
    pub(crate) fn manifest(&self, owner: &Owner) -> Value {
        let mut manifest = json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": self.name},
            "provisioner": if self.in_tree { "kubernetes.io/aws-ebs" } else { "ebs.csi.aws.com" },
            "parameters": self.parameters(owner),
            "reclaimPolicy": match self.reclaim { Reclaim::Delete => "Delete", Reclaim::Retain => "Retain" },
            "volumeBindingMode": match self.binding {
                Binding::Immediate => "Immediate",
                Binding::WaitForFirstConsumer => "WaitForFirstConsumer",
            },
            "allowVolumeExpansion": self.expandable,
        });
        if !self.in_tree && !self.zones.is_empty() {
            manifest["allowedTopologies"] = json!([{"matchLabelExpressions": [{"key": ZONE_LABEL, "values": self.zones}]}]);
        }
        if self.default {
            manifest["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
        }
        manifest
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        let subject = format!("storage class {}", self.name);
        name::check_subdomain(problems, &subject, &self.name);
        let mut seen = BTreeSet::new();
        for zone in &self.zones {
            if let Err(error) = ZoneName::new(zone) {
                problems.add("zone", &subject, error.to_string(), "name a zone such as us-east-1a");
            }
            if !seen.insert(zone) {
                problems.add("zone", &subject, format!("{zone} is named twice"), "name each zone once");
            }
        }
        // Case-sensitive in the driver.
        if !["ext3", "ext4", "xfs"].contains(&self.fs_type.as_str()) {
            problems.add("fs-type", &subject, format!("{:?} is not ext3, ext4 or xfs", self.fs_type), "choose one of them");
        }
        self.check_performance(problems, &subject);
        if self.kms_key.is_some() && self.encrypted != Some(true) {
            problems.add(
                "kms-key",
                &subject,
                "a key is given but volumes are not to be encrypted",
                "set encrypted(true), or leave the key out",
            );
        }
        if let Some(key) = self.kms_key.as_ref().filter(|key| !(key.starts_with("arn:aws") && key.contains(":kms:"))) {
            problems.add(
                "kms-key",
                &subject,
                format!("{key:?} is not the full ARN of a key"),
                "give arn:aws:kms:<region>:<account>:key/<id>",
            );
        }
    }

    fn check_performance(&self, problems: &mut Problems, subject: &str) {
        let (kind, limits) = (self.volume_type.as_str(), self.volume_type.limits());
        match (self.iops, limits.iops) {
            (Some(iops), None) => {
                problems.add(
                    "iops",
                    subject,
                    format!("{iops} IOPS are asked for, but {kind} has no choice of IOPS"),
                    "use gp3, io1 or io2, or leave IOPS out",
                );
            }
            (Some(iops), Some((least, most, _))) if !(least..=most).contains(&iops) => {
                problems.add("iops", subject, format!("{iops} IOPS are not within {least}–{most} of {kind}"), "choose within these");
            }
            _ => {}
        }
        match (self.throughput, limits.throughput) {
            (Some(_), None) => {
                problems.add("throughput", subject, format!("{kind} has no choice of throughput"), "use gp3, or leave throughput out");
            }
            (Some(mib), Some((least, most))) if !(least..=most).contains(&mib) => {
                problems.add("throughput", subject, format!("{mib} MiB/s are not within {least}–{most} of {kind}"), "choose within these");
            }
            // EBS user guide, General Purpose SSD volumes: 0.25 MiB/s for each provisioned IOPS.
            (Some(mib), Some(_)) if mib * 4 > self.iops.unwrap_or(3000) => {
                let rule = format!("{mib} MiB/s need {} IOPS, at 0.25 MiB/s each; there are {}", mib * 4, self.iops.unwrap_or(3000));
                problems.add("throughput-ratio", subject, rule, "ask for more IOPS or less throughput");
            }
            _ => {}
        }
    }

    /// What a volume of this size breaks.
    pub(crate) fn check_size(&self, problems: &mut Problems, subject: &str, gib: i128) {
        let (kind, limits) = (self.volume_type.as_str(), self.volume_type.limits());
        let (least, most) = limits.gib;
        if !(least..=most).contains(&gib) {
            problems.add("size", subject, format!("{gib} GiB are not within {least}–{most} GiB of {kind}"), "choose within these");
            return;
        }
        let Some((iops, ratio)) = self.iops.zip(limits.iops.map(|(_, _, ratio)| i128::from(ratio))) else { return };
        let needed = (i128::from(iops) + ratio - 1) / ratio;
        if gib < needed {
            let rule = format!("{iops} IOPS of class {} are more than {ratio} for each of {gib} GiB, the most for {kind}", self.name);
            problems.add("iops-ratio", subject, rule, format!("ask for {needed} GiB or more, or for fewer IOPS"));
        }
    }

    /// What a volume of this size costs.
    pub(crate) fn price(&self, gib: i128) -> Price {
        volume_price(self.volume_type, gib, self.iops, self.throughput)
    }
}

/// A month of a volume, us-east-1.
pub(crate) fn volume_price(volume_type: VolumeType, gib: i128, iops: Option<u32>, throughput: Option<u32>) -> Price {
    let iops = f64::from(iops.unwrap_or(0));
    let (each, extra) = match volume_type {
        VolumeType::Gp2 => (0.10, 0.0),
        VolumeType::Gp3 => (0.08, (iops - 3000.0).max(0.0) * 0.005 + (f64::from(throughput.unwrap_or(0)) - 125.0).max(0.0) * 0.04),
        VolumeType::Io1 | VolumeType::Io2 => (0.125, iops * 0.065),
    };
    Price::monthly(format!("EBS volume {gib} GiB {}", volume_type.as_str()), gib as f64 * each + extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(class: &StorageClass) -> Vec<&'static str> {
        let mut problems = Problems::new();
        class.check(&mut problems);
        problems.finish("x", || ()).err().map(|error| error.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
    }

    #[test]
    fn then_and_now() {
        let owner = Owner::new("chap10").unwrap();
        let now = StorageClass::gp3("gp3-us-east-1a").zone("us-east-1a").manifest(&owner);
        assert_eq!(
            now,
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gp3-us-east-1a"},
                "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3", "csi.storage.k8s.io/fstype": "ext4", "tagSpecification_1": "eks-rs/owner=chap10"},
                "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true,
                "allowedTopologies": [{"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["us-east-1a"]}]}],
            })
        );
        let then = StorageClass::in_tree_gp2("gp2-us-east-1a", "us-east-1a").manifest(&owner);
        assert_eq!(then["provisioner"], "kubernetes.io/aws-ebs");
        assert_eq!(then["parameters"], json!({"type": "gp2", "fsType": "ext4", "zone": "us-east-1a"}));
        assert_eq!(then.get("allowedTopologies"), None);
    }

    #[test]
    fn limits() {
        assert_eq!(codes(&StorageClass::gp3("a").iops(16_000).throughput(1000)), [""; 0]);
        assert_eq!(codes(&StorageClass::gp3("a").iops(2999)), ["iops"]);
        assert_eq!(codes(&StorageClass::gp3("a").iops(80_001).throughput(2001)), ["iops", "throughput"]);
        assert_eq!(codes(&StorageClass::gp3("a").throughput(1000)), ["throughput-ratio"]);
        assert_eq!(codes(&StorageClass::gp2("a").iops(3000).throughput(200)), ["iops", "throughput"]);
        assert_eq!(codes(&StorageClass::io1("a", 64_001)), ["iops"]);
        assert_eq!(codes(&StorageClass::io2("a", 256_000).zone("us-east-1").zone("x").zone("x")), ["zone", "zone", "zone", "zone"]);
        assert_eq!(codes(&StorageClass::gp3("A").fs_type("EXT4").kms_key("alias/x")), ["name", "fs-type", "kms-key", "kms-key"]);
    }

    #[test]
    fn sizes_and_prices() {
        let mut problems = Problems::new();
        StorageClass::io1("a", 1000).check_size(&mut problems, "claim x", 19);
        StorageClass::io1("a", 1000).check_size(&mut problems, "claim x", 3);
        StorageClass::io1("a", 1000).check_size(&mut problems, "claim x", 20);
        let error = problems.finish("s", || ()).unwrap_err();
        assert_eq!(error.problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["iops-ratio", "size"]);
        assert!(error.problems[0].remedy.starts_with("ask for 20 GiB"));
        let usd = |class: StorageClass, gib| (class.price(gib).usd_per_month * 100.0).round() / 100.0;
        assert_eq!((usd(StorageClass::gp3("a"), 10), usd(StorageClass::gp3("a").iops(4000).throughput(225), 10)), (0.8, 9.8));
        assert_eq!((usd(StorageClass::gp2("a"), 10), usd(StorageClass::io2("a", 100), 10)), (1.0, 7.75));
    }
}
