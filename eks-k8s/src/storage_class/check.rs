//! The rules that a StorageClass and the sizes of its volumes must keep.

use std::collections::BTreeSet;

use eks_core::{Price, Problems, ZoneName};

use super::{Provisioner, StorageClass, VolumeType, volume_price};
use crate::name;

impl StorageClass {
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
        self.check_iops(problems, &subject);
        self.check_throughput(problems, &subject);
        self.check_key(problems, &subject);
    }

    fn check_key(&self, problems: &mut Problems, subject: &str) {
        let Some(key) = &self.kms_key else { return };
        if self.encrypted != Some(true) {
            let rule = "a key is given but volumes are not to be encrypted";
            problems.add("kms-key", subject, rule, "set encrypted(true), or leave the key out");
        }
        if !is_key_arn(key) {
            let remedy = "give arn:aws:kms:<region>:<account>:key/<id>";
            problems.add("kms-key", subject, format!("{key:?} is not the full ARN of a key"), remedy);
        }
    }

    fn check_iops(&self, problems: &mut Problems, subject: &str) {
        let kind = self.volume_type;
        let limits = kind.limits().iops;
        if self.iops.is_some() && self.iops_per_gib.is_some() {
            let rule = "IOPS are given for each volume and for each GiB; the driver takes one of them";
            problems.add("iops-twice", subject, rule, "leave out iops or iops_per_gib");
        }
        if self.provisioner == Provisioner::InTree && self.iops.is_some() {
            let rule = "the in-tree provisioner knows IOPS for each GiB only";
            problems.add("iops", subject, rule, "use iops_per_gib, or the EBS CSI driver");
        }
        if self.raises_iops && self.iops_per_gib.is_none() {
            let rule = "IOPS are to be raised, but none are given for each GiB";
            problems.add("iops", subject, rule, "add iops_per_gib, or leave raises_iops out");
        }
        let Some(limits) = limits else {
            if let Some(iops) = self.iops.or(self.iops_per_gib) {
                let rule = format!("{iops} IOPS are asked for, but {kind} has no choice of IOPS");
                problems.add("iops", subject, rule, "use gp3, io1 or io2, or leave IOPS out");
            }
            return;
        };
        if matches!(kind, VolumeType::Io1 | VolumeType::Io2) && self.iops.is_none() && self.iops_per_gib.is_none() {
            problems.add("iops-missing", subject, format!("{kind} needs IOPS (EC2, CreateVolume)"), "add iops or iops_per_gib");
        }
        if let Some(iops) = self.iops.filter(|iops| !(limits.least..=limits.most).contains(iops)) {
            let rule = format!("{iops} IOPS are not within {}–{} of {kind}", limits.least, limits.most);
            problems.add("iops", subject, rule, "choose within these");
        }
        if let Some(each) = self.iops_per_gib.filter(|each| !(1..=limits.per_gib).contains(each)) {
            let rule = format!("{each} IOPS for each GiB are not within 1–{} of {kind}", limits.per_gib);
            problems.add("iops-ratio", subject, rule, "choose within these");
        }
    }

    fn check_throughput(&self, problems: &mut Problems, subject: &str) {
        let (kind, Some(mib)) = (self.volume_type, self.throughput) else { return };
        let Some((least, most)) = kind.limits().throughput else {
            problems.add("throughput", subject, format!("{kind} has no choice of throughput"), "use gp3, or leave throughput out");
            return;
        };
        if !(least..=most).contains(&mib) {
            problems.add("throughput", subject, format!("{mib} MiB/s are not within {least}–{most} of {kind}"), "choose within these");
        } else if self.iops_per_gib.is_none() {
            check_ratio(problems, subject, mib, i128::from(self.iops.unwrap_or(INCLUDED_IOPS)));
        }
    }

    /// What a volume of this size breaks.
    pub(crate) fn check_size(&self, problems: &mut Problems, subject: &str, gib: i128) {
        let (kind, limits) = (self.volume_type, self.volume_type.limits());
        let (least, most) = limits.gib;
        if !(least..=most).contains(&gib) {
            problems.add("size", subject, format!("{gib} GiB are not within {least}–{most} GiB of {kind}"), "choose within these");
            return;
        }
        let Some((iops, limits)) = self.performance().iops_of(gib).zip(limits.iops) else { return };
        let (fewest, highest, ratio) = (i128::from(limits.least), i128::from(limits.most), i128::from(limits.per_gib));
        match self.iops_per_gib.map(i128::from) {
            None => {
                let needed = (iops + ratio - 1) / ratio;
                // The fewest of gp3 are included in any size.
                if gib < needed && iops > fewest {
                    let rule =
                        format!("{iops} IOPS of class {} are more than {ratio} for each of {gib} GiB, the most for {kind}", self.name);
                    problems.add("iops-ratio", subject, rule, format!("ask for {needed} GiB or more, or for fewer IOPS"));
                }
            }
            Some(each) if each > 0 && iops < fewest && !self.raises_iops => {
                let rule =
                    format!("{each} IOPS for each of {gib} GiB are fewer than {fewest}, the fewest of {kind}; the driver refuses them");
                let needed = (fewest + each - 1) / each;
                problems.add(
                    "iops",
                    subject,
                    rule,
                    format!("ask for {needed} GiB or more, or add raises_iops(true) to class {}", self.name),
                );
            }
            Some(each) if iops > highest => {
                let rule = format!("{each} IOPS for each of {gib} GiB are more than {highest}, the most for {kind}");
                problems.add("iops", subject, rule, format!("ask for {} GiB or fewer, or for fewer IOPS", highest / each));
            }
            Some(_) => {
                if let Some(mib) = self.throughput {
                    check_ratio(problems, subject, mib, iops.max(fewest));
                }
            }
        }
    }

    /// What a volume of this size costs.
    pub(crate) fn price(&self, gib: i128) -> Price {
        volume_price(self.volume_type, gib, self.performance())
    }
}

/// IOPS of a gp3 volume for which none are asked.
const INCLUDED_IOPS: u32 = 3000;

/// EBS user guide, "General Purpose SSD volumes": 0.25 MiB/s for each provisioned IOPS.
fn check_ratio(problems: &mut Problems, subject: &str, mib: u32, iops: i128) {
    let needed = i128::from(mib) * 4;
    if needed > iops {
        let rule = format!("{mib} MiB/s need {needed} IOPS, at 0.25 MiB/s each; there are {iops}");
        problems.add("throughput-ratio", subject, rule, "ask for more IOPS or less throughput");
    }
}

/// `arn:<partition>:kms:<region>:<account>:key/<id>`, or an alias's ARN, which EC2 takes as well.
fn is_key_arn(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts.as_slice() else { return false };
    *arn == "arn"
        && partition.starts_with("aws")
        && *service == "kms"
        && !region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && ["key/", "alias/"].iter().any(|prefix| resource.strip_prefix(prefix).is_some_and(|id| !id.is_empty()))
}
