//! Kinds and sizes of EBS volumes, and what they cost.

use super::invalid;
use crate::{call::Args, error::ApiError};

/// What a volume is, wherever it is.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    /// GiB.
    pub(super) size: i64,
    pub(super) snapshot: Option<String>,
    pub(super) kind: String,
    pub(super) iops: Option<i64>,
    pub(super) throughput: Option<i64>,
    pub(super) encrypted: bool,
}

/// Limits of a volume type (CreateVolume): GiB, IOPS, IOPS for each GiB, MiB/s, dollars for a GiB and month.
struct Limits {
    size: (i64, i64),
    iops: Option<(i64, i64)>,
    iops_per_gib: i64,
    throughput: Option<(i64, i64)>,
    usd_per_gib: f64,
}

fn limits(kind: &str) -> Option<Limits> {
    let of = |size, iops, iops_per_gib, throughput, usd_per_gib| Some(Limits { size, iops, iops_per_gib, throughput, usd_per_gib });
    match kind {
        "gp3" => of((1, 65_536), Some((3_000, 80_000)), 500, Some((125, 2_000)), 0.08),
        "gp2" => of((1, 16_384), None, 0, None, 0.10),
        "io1" => of((4, 16_384), Some((100, 64_000)), 50, None, 0.125),
        "io2" => of((4, 65_536), Some((100, 256_000)), 1_000, None, 0.125),
        "st1" => of((125, 16_384), None, 0, None, 0.045),
        "sc1" => of((125, 16_384), None, 0, None, 0.015),
        "standard" => of((1, 1_024), None, 0, None, 0.05),
        _ => None,
    }
}

impl Disk {
    /// A disk of a type, of no size yet.
    pub(super) fn of_type(kind: &str) -> Self {
        Self { size: 0, snapshot: None, kind: kind.to_owned(), iops: None, throughput: None, encrypted: false }
    }

    /// A disk that is made from a snapshot.
    pub(super) fn of_snapshot(kind: &str, size: i64, snapshot: String) -> Self {
        Self { size, snapshot: Some(snapshot), ..Self::of_type(kind) }
    }

    /// Dollars a month in us-east-1.
    pub(super) fn usd_per_month(&self) -> f64 {
        let capacity = limits(&self.kind).map_or(0.0, |limits| limits.usd_per_gib) * self.size as f64;
        let iops = self.iops.unwrap_or(0);
        let extra = match self.kind.as_str() {
            "gp3" => 0.005 * (iops - 3_000).max(0) as f64 + 0.04 * (self.throughput.unwrap_or(125) - 125).max(0) as f64,
            "io1" | "io2" => 0.065 * iops as f64,
            _ => 0.0,
        };
        capacity + extra
    }

    /// What the volume does if nothing else was asked for: gp3's baseline; gp2's three for each GiB.
    pub(super) fn effective_iops(&self) -> Option<i64> {
        match self.kind.as_str() {
            "gp3" => Some(self.iops.unwrap_or(3_000)),
            "gp2" => Some((self.size * 3).clamp(100, 16_000)),
            _ => self.iops,
        }
    }
}

/// A disk as CreateVolume or a block device mapping asks for it, over what an image has there.
pub(super) fn parse(args: &Args, size_parameter: &str, base: Option<&Disk>) -> Result<Disk, ApiError> {
    // The API's default is gp2 to this day (CreateVolume).
    let kind = args.str("VolumeType").or(base.map(|disk| disk.kind.as_str())).unwrap_or("gp2").to_owned();
    let limits = limits(&kind).ok_or_else(|| ApiError::new("UnknownVolumeType", format!("Unknown volume type '{kind}'")))?;
    let snapshot = args.str("SnapshotId").map(str::to_owned).or(base.and_then(|disk| disk.snapshot.clone()));
    let size = args.int(size_parameter).or(base.map(|disk| disk.size).filter(|size| *size > 0));
    let size = size.ok_or_else(|| ApiError::new("MissingParameter", "The request must contain the parameter size or snapshotId"))?;
    let (low, high) = limits.size;
    if !(low..=high).contains(&size) {
        let (bound, which) = if size < low { (low, "at least") } else { (high, "at most") };
        return Err(invalid(format!("Volume of {size}GiB is invalid for volume type {kind}; it must be {which} {bound}GiB")));
    }
    let iops = args.int("Iops");
    match (limits.iops, iops) {
        (None, Some(_)) => {
            let message = format!("The parameter iops is not supported for {kind} volumes.");
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        (Some((low, high)), Some(iops)) => {
            if !(low..=high).contains(&iops) {
                return Err(invalid(format!("Volume iops of {iops} is out of range; it must be between {low} and {high} for {kind}")));
            }
            // gp3's baseline is there at any size.
            if iops > (size * limits.iops_per_gib).max(if kind == "gp3" { 3_000 } else { 0 }) {
                return Err(invalid(format!(
                    "Iops to volume size ratio of {:.1} is too high; maximum is {}",
                    iops as f64 / size as f64,
                    limits.iops_per_gib
                )));
            }
        }
        (Some(_), None) if kind.starts_with("io") => {
            return Err(ApiError::new("MissingParameter", format!("The parameter iops must be specified for {kind} volumes.")));
        }
        _ => {}
    }
    let throughput = args.int("Throughput");
    match (limits.throughput, throughput) {
        (None, Some(_)) => {
            let message = format!("The parameter throughput is not supported for {kind} volumes.");
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        (Some((low, high)), Some(throughput)) if !(low..=high).contains(&throughput) => {
            return Err(invalid(format!("Throughput of {throughput} MiB/s is out of range; it must be between {low} and {high}")));
        }
        _ => {}
    }
    let encrypted = args.bool("Encrypted").unwrap_or(args.str("KmsKeyId").is_some());
    Ok(Disk { size, snapshot, kind, iops, throughput, encrypted })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_of_types() {
        for (request, code) in [
            (json!({"VolumeType": "gp3", "Size": "10"}), None),
            (json!({"VolumeType": "gp3", "Size": "1", "Iops": "3000"}), None),
            (json!({"VolumeType": "gp3", "Size": "10", "Iops": "6000"}), Some("InvalidParameterValue")),
            (json!({"VolumeType": "gp3", "Size": "10", "Throughput": "100"}), Some("InvalidParameterValue")),
            (json!({"VolumeType": "gp2", "Size": "10", "Iops": "300"}), Some("InvalidParameterCombination")),
            (json!({"VolumeType": "io1", "Size": "10"}), Some("MissingParameter")),
            (json!({"VolumeType": "io1", "Size": "10", "Iops": "500"}), None),
            (json!({"VolumeType": "st1", "Size": "100"}), Some("InvalidParameterValue")),
            (json!({"VolumeType": "floppy", "Size": "1"}), Some("UnknownVolumeType")),
            (json!({"Size": "16385"}), Some("InvalidParameterValue")),
            (json!({}), Some("MissingParameter")),
        ] {
            let refused = parse(&Args(request.clone()), "Size", None).err().map(|error| error.code);
            assert_eq!(refused.as_deref(), code, "{request}");
        }
    }
}
