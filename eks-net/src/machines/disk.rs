//! Kinds of EBS volumes: limits and prices. (Amazon EC2 API Reference, CreateVolume; Amazon EBS User Guide, "Amazon EBS volume
//! types"; Amazon EBS pricing, us-east-1.)

use std::fmt;

use eks_core::{Price, Problems};
use serde::{Deserialize, Serialize};

/// A type of EBS volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VolumeType {
    /// Magnetic, of 2008.
    Standard,
    /// General purpose SSD, whose speed follows from its size.
    Gp2,
    /// General purpose SSD, whose speed is chosen.
    #[default]
    Gp3,
    /// Provisioned IOPS SSD.
    Io1,
    /// Provisioned IOPS SSD, Block Express.
    Io2,
    /// Throughput optimised HDD.
    St1,
    /// Cold HDD.
    Sc1,
}

/// GiB; IOPS, and how many of them for each GiB; MiB/s; dollars for a GiB and month.
struct Limits {
    gib: (u32, u32),
    iops: Option<(u32, u32)>,
    iops_per_gib: u32,
    throughput: Option<(u32, u32)>,
    usd_per_gib: f64,
}

/// gp3's speed at any size, which its price includes.
const GP3_IOPS: u32 = 3_000;
const GP3_THROUGHPUT: u32 = 125;
/// gp3: MiB/s for each provisioned IOPS, at most a quarter.
const GP3_IOPS_PER_THROUGHPUT: u32 = 4;

impl VolumeType {
    /// EC2's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::St1 => "st1",
            Self::Sc1 => "sc1",
        }
    }

    fn limits(self) -> Limits {
        let of = |gib, iops, iops_per_gib, throughput, usd_per_gib| Limits { gib, iops, iops_per_gib, throughput, usd_per_gib };
        match self {
            Self::Standard => of((1, 1_024), None, 0, None, 0.05),
            Self::Gp2 => of((1, 16_384), None, 0, None, 0.10),
            Self::Gp3 => of((1, 65_536), Some((GP3_IOPS, 80_000)), 500, Some((GP3_THROUGHPUT, 2_000)), 0.08),
            Self::Io1 => of((4, 16_384), Some((100, 64_000)), 50, None, 0.125),
            Self::Io2 => of((4, 65_536), Some((100, 256_000)), 1_000, None, 0.125),
            Self::St1 => of((125, 16_384), None, 0, None, 0.045),
            Self::Sc1 => of((125, 16_384), None, 0, None, 0.015),
        }
    }
}

impl fmt::Display for VolumeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for VolumeType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Standard, Self::Gp2, Self::Gp3, Self::Io1, Self::Io2, Self::St1, Self::Sc1];
        all.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| format!("{text:?} is no type of EBS volume"))
    }
}

/// What a volume is, wherever it is: as it is asked for, and as it is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Disk {
    /// The type.
    #[serde(default)]
    pub kind: VolumeType,
    /// Size in GiB; `None` for what the image has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gib: Option<u32>,
    /// I/O operations a second; io1 and io2 must have them, gp3 may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iops: Option<u32>,
    /// MiB/s; gp3 may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The KMS key: id, alias or ARN; `None` for the account's default key for EBS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

impl Default for Disk {
    /// gp3, encrypted.
    fn default() -> Self {
        Self { kind: VolumeType::Gp3, gib: None, iops: None, throughput: None, encrypted: true, kms_key: None }
    }
}

impl Disk {
    /// A root volume of this type, encrypted, of the image's size.
    pub fn of(kind: VolumeType) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Its size in GiB.
    #[must_use]
    pub fn gib(mut self, gib: u32) -> Self {
        self.gib = Some(gib);
        self
    }

    /// I/O operations a second, for gp3, io1 and io2.
    #[must_use]
    pub fn iops(mut self, iops: u32) -> Self {
        self.iops = Some(iops);
        self
    }

    /// MiB a second, for gp3.
    #[must_use]
    pub fn throughput(mut self, mib: u32) -> Self {
        self.throughput = Some(mib);
        self
    }

    /// Another KMS key than the account's default one for EBS: id, alias or ARN.
    #[must_use]
    pub fn kms_key(mut self, key: impl Into<String>) -> Self {
        self.kms_key = Some(key.into());
        self
    }

    /// Without encryption.
    #[must_use]
    pub fn unencrypted(mut self) -> Self {
        self.encrypted = false;
        self
    }

    /// What one of this type does when nothing is said: gp3's baseline.
    pub(crate) fn effective_iops(&self) -> Option<u32> {
        self.iops.or((self.kind == VolumeType::Gp3).then_some(GP3_IOPS))
    }

    pub(crate) fn effective_throughput(&self) -> Option<u32> {
        self.throughput.or((self.kind == VolumeType::Gp3).then_some(GP3_THROUGHPUT))
    }

    /// What it costs, once its size is known.
    pub(crate) fn price(&self, gib: u32) -> Price {
        let capacity = self.kind.limits().usd_per_gib * f64::from(gib);
        let extra = match self.kind {
            VolumeType::Gp3 => {
                let iops = self.iops.unwrap_or(GP3_IOPS).saturating_sub(GP3_IOPS);
                let throughput = self.throughput.unwrap_or(GP3_THROUGHPUT).saturating_sub(GP3_THROUGHPUT);
                0.005 * f64::from(iops) + 0.04 * f64::from(throughput)
            }
            VolumeType::Io1 | VolumeType::Io2 => 0.065 * f64::from(self.iops.unwrap_or_default()),
            _ => 0.0,
        };
        Price::monthly(format!("{} GB {}", gib, self.kind), capacity + extra)
    }

    /// Checks type, size and speed.
    pub(crate) fn check(&self, problems: &mut Problems, subject: &str) {
        let (kind, limits) = (self.kind, self.kind.limits());
        let (low, high) = limits.gib;
        if let Some(gib) = self.gib.filter(|gib| !(low..=high).contains(gib)) {
            let rule = format!("{gib} GiB is not between {low} and {high}, which {kind} volumes have");
            problems.add("volume-size", subject, rule, "choose a size in that range, or another type");
        }
        match (limits.iops, self.iops) {
            (None, Some(_)) => {
                let rule = format!("{kind} volumes have no IOPS to choose");
                problems.add("volume-iops", subject, rule, "leave .iops out, or choose gp3, io1 or io2");
            }
            (Some((low, high)), Some(iops)) if !(low..=high).contains(&iops) => {
                let rule = format!("{iops} IOPS are not between {low} and {high}, which {kind} volumes have");
                problems.add("volume-iops", subject, rule, "choose a number in that range");
            }
            (Some(_), Some(iops)) => self.check_ratio(problems, subject, iops, limits.iops_per_gib),
            (Some(_), None) if kind != VolumeType::Gp3 => {
                problems.add("volume-iops", subject, format!("{kind} volumes must say their IOPS"), "add .iops(…)");
            }
            _ => {}
        }
        match (limits.throughput, self.throughput) {
            (None, Some(_)) => {
                let rule = format!("{kind} volumes have no throughput to choose");
                problems.add("volume-throughput", subject, rule, "leave .throughput out, or choose gp3");
            }
            (Some((low, high)), Some(throughput)) => {
                let iops = self.effective_iops().unwrap_or_default();
                if !(low..=high).contains(&throughput) {
                    let rule = format!("{throughput} MiB/s are not between {low} and {high}, which {kind} volumes have");
                    problems.add("volume-throughput", subject, rule, "choose a number in that range");
                } else if throughput * GP3_IOPS_PER_THROUGHPUT > iops {
                    let rule = format!("{throughput} MiB/s need {} IOPS; it has {iops}", throughput * GP3_IOPS_PER_THROUGHPUT);
                    problems.add("volume-throughput", subject, rule, "add IOPS, or take less throughput");
                }
            }
            _ => {}
        }
        if self.kms_key.is_some() && !self.encrypted {
            problems.add("volume-key", subject, "it has a KMS key and is not encrypted", "leave out one of .kms_key and .unencrypted");
        }
        if self.kms_key.as_ref().is_some_and(|key| key.trim().is_empty()) {
            problems.add("volume-key", subject, "the KMS key is empty", "give an id, an alias or an ARN, or leave .kms_key out");
        }
    }

    fn check_ratio(&self, problems: &mut Problems, subject: &str, iops: u32, per_gib: u32) {
        let Some(gib) = self.gib else { return };
        // gp3's baseline is there at any size.
        let baseline = if self.kind == VolumeType::Gp3 { GP3_IOPS } else { 0 };
        if iops > gib.saturating_mul(per_gib).max(baseline) {
            let rule = format!("{iops} IOPS for {gib} GiB; {} volumes have at most {per_gib} for each GiB", self.kind);
            problems.add("volume-iops", subject, rule, "make it larger, or take fewer IOPS");
        }
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gib) = self.gib {
            write!(f, "{gib} GB ")?;
        }
        write!(f, "{}", self.kind)?;
        if let Some(iops) = self.iops {
            write!(f, ", {iops} IOPS")?;
        }
        if let Some(throughput) = self.throughput {
            write!(f, ", {throughput} MiB/s")?;
        }
        write!(f, "{}", if self.encrypted { ", encrypted" } else { ", not encrypted" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amazon EBS pricing, us-east-1.
    #[test]
    fn prices() {
        let usd = |disk: &Disk| disk.price(disk.gib.unwrap_or_default()).usd_per_month;
        let disk = |kind, gib| Disk { kind, gib: Some(gib), ..Disk::default() };
        for (kind, expected) in [(VolumeType::Gp3, 3.2), (VolumeType::Gp2, 4.0), (VolumeType::Standard, 2.0), (VolumeType::Sc1, 0.6)] {
            assert!((usd(&disk(kind, 40)) - expected).abs() < 1e-9, "{kind}");
        }
        let fast = Disk { iops: Some(4_000), throughput: Some(225), ..disk(VolumeType::Gp3, 100) };
        assert!((usd(&fast) - (8.0 + 5.0 + 4.0)).abs() < 1e-9);
        let io2 = Disk { iops: Some(1_000), ..disk(VolumeType::Io2, 100) };
        assert!((usd(&io2) - (12.5 + 65.0)).abs() < 1e-9);
    }

    #[test]
    fn limits_are_inclusive() {
        let fine = |disk: Disk| {
            let mut problems = Problems::new();
            disk.check(&mut problems, "volume");
            problems.is_empty()
        };
        for (kind, low, high) in [
            (VolumeType::Standard, 1, 1_024),
            (VolumeType::Gp2, 1, 16_384),
            (VolumeType::Gp3, 1, 65_536),
            (VolumeType::St1, 125, 16_384),
            (VolumeType::Sc1, 125, 16_384),
        ] {
            let of = |gib| fine(Disk { kind, gib: Some(gib), ..Disk::default() });
            assert!(of(low) && of(high) && !of(low - 1) && !of(high + 1), "{kind}");
        }
        for (kind, gib, iops, expected) in [
            (VolumeType::Io1, 4, 200, true),
            (VolumeType::Io1, 4, 201, false),
            (VolumeType::Io1, 1_280, 64_000, true),
            (VolumeType::Io2, 4, 4_000, true),
            (VolumeType::Io2, 4, 4_001, false),
            (VolumeType::Io2, 256, 256_000, true),
            (VolumeType::Gp3, 1, 3_000, true),
            (VolumeType::Gp3, 8, 4_000, true),
            (VolumeType::Gp3, 8, 4_001, false),
            (VolumeType::Gp3, 200, 80_000, true),
        ] {
            assert_eq!(fine(Disk { kind, gib: Some(gib), iops: Some(iops), ..Disk::default() }), expected, "{kind} {gib} {iops}");
        }
        assert!(fine(Disk { gib: Some(100), iops: Some(8_000), throughput: Some(2_000), ..Disk::default() }));
        assert!(!fine(Disk { gib: Some(100), throughput: Some(751), ..Disk::default() }), "3,000 IOPS carry 750 MiB/s");
    }
}
