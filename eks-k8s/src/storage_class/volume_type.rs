//! The types of EBS volumes: what EC2 allows of each, and what it costs.

use std::{fmt, str::FromStr};

use eks_core::Price;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::class::parameter;

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
    /// Cold disks.
    Sc1,
    /// Magnetic, previous generation.
    Standard,
    /// Disks for throughput.
    St1,
}

/// What EC2 allows for a volume type.
pub(super) struct Limits {
    pub(super) gib: (i128, i128),
    pub(super) iops: Option<IopsLimits>,
    /// Range of MiB/s.
    pub(super) throughput: Option<(u32, u32)>,
}

/// What EC2 allows where IOPS can be chosen.
pub(super) struct IopsLimits {
    pub(super) least: u32,
    pub(super) most: u32,
    /// The most for each GiB. As many as `least` go with any size.
    pub(super) per_gib: u32,
}

impl VolumeType {
    /// Every type.
    pub const ALL: [Self; 7] = [Self::Gp2, Self::Gp3, Self::Io1, Self::Io2, Self::Sc1, Self::Standard, Self::St1];

    /// EC2's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::Sc1 => "sc1",
            Self::Standard => "standard",
            Self::St1 => "st1",
        }
    }

    pub(super) fn limits(self) -> Limits {
        let iops = |least, most, per_gib| Some(IopsLimits { least, most, per_gib });
        let (gib, iops, throughput) = match self {
            Self::Gp2 => ((1, 16_384), None, None),
            Self::Gp3 => ((1, 65_536), iops(3000, 80_000, 500), Some((125, 2000))),
            Self::Io1 => ((4, 16_384), iops(100, 64_000, 50), None),
            Self::Io2 => ((4, 65_536), iops(100, 256_000, 1000), None),
            Self::Sc1 | Self::St1 => ((125, 16_384), None, None),
            Self::Standard => ((1, 1024), None, None),
        };
        Limits { gib, iops, throughput }
    }
}

impl fmt::Display for VolumeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text that is not the name of a volume type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a volume type: gp2, gp3, io1, io2, sc1, st1 or standard")]
#[expect(clippy::exhaustive_structs, reason = "the text is all there is to know")]
pub struct VolumeTypeError(pub String);

impl FromStr for VolumeType {
    type Err = VolumeTypeError;

    fn from_str(text: &str) -> Result<Self, VolumeTypeError> {
        Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or_else(|| VolumeTypeError(text.to_owned()))
    }
}

/// What a class says about the performance of its volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Performance {
    pub(crate) iops: Option<u32>,
    pub(crate) iops_per_gib: Option<u32>,
    pub(crate) throughput: Option<u32>,
}

impl Performance {
    /// IOPS of a volume of this size, if they are chosen.
    pub(crate) fn iops_of(self, gib: i128) -> Option<i128> {
        self.iops.map(i128::from).or_else(|| Some(i128::from(self.iops_per_gib?) * gib))
    }

    /// Type and performance of a live class, as the driver reads its parameters: gp3 if no type is told.
    pub(crate) fn of_live(class: &Value) -> (Option<VolumeType>, Self) {
        let number = |name: &str| parameter(class, name).and_then(|text| text.parse().ok());
        let volume_type = match (parameter(class, "type"), class["provisioner"].as_str()) {
            (Some(name), _) => name.to_ascii_lowercase().parse().ok(),
            // The plugin's own default was gp2 (Kubernetes, "Storage Classes").
            (None, Some("kubernetes.io/aws-ebs")) => Some(VolumeType::Gp2),
            (None, _) => Some(VolumeType::Gp3),
        };
        (volume_type, Self { iops: number("iops"), iops_per_gib: number("iopsPerGB"), throughput: number("throughput") })
    }
}

/// A month of a volume, us-east-1 (Amazon EBS pricing).
pub(crate) fn volume_price(volume_type: VolumeType, gib: i128, performance: Performance) -> Price {
    let most = volume_type.limits().iops.map_or(0, |limits| i128::from(limits.most));
    let iops = performance.iops_of(gib).unwrap_or(0).min(most) as f64;
    let above = |included: f64| (iops - included).max(0.0);
    let (each, extra) = match volume_type {
        VolumeType::Gp2 => (0.10, 0.0),
        VolumeType::Gp3 => {
            let throughput = f64::from(performance.throughput.unwrap_or(0));
            (0.08, above(3000.0) * 0.005 + (throughput - 125.0).max(0.0) * 0.04)
        }
        VolumeType::Io1 => (0.125, iops * 0.065),
        // Cheaper beyond 32,000 and beyond 64,000.
        VolumeType::Io2 => (0.125, iops * 0.065 - above(32_000.0) * (0.065 - 0.046) - above(64_000.0) * (0.046 - 0.032)),
        VolumeType::Sc1 => (0.015, 0.0),
        // Requests are billed beside it.
        VolumeType::Standard => (0.05, 0.0),
        VolumeType::St1 => (0.045, 0.0),
    };
    Price::monthly(format!("EBS volume {gib} GiB {volume_type}"), gib as f64 * each + extra)
}
