//! PersistentVolumes: which EBS volumes they are, and which of them nobody would delete.

use eks_core::Survivor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Quantity, VolumeType,
    storage_class::{Performance, volume_price},
};

/// A PersistentVolume and the EBS volume that it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Volume {
    /// Name of the PersistentVolume.
    pub name: String,
    /// `vol-…`
    pub volume_id: String,
    /// The claim that it belongs to, or belonged to: `default/pvc-a`. Empty if it never had one.
    pub claim: String,
    /// Its size in GiB.
    pub gib: u32,
    /// Its class.
    pub class: String,
    /// Its type, if its class is there to tell it.
    #[serde(default)]
    pub volume_type: Option<VolumeType>,
    /// `Bound`, `Released`, `Failed`, `Available`.
    #[serde(default)]
    pub phase: String,
    /// Whether it outlives its claim.
    pub retained: bool,
    /// What it costs a month, us-east-1; as gp3 if its type is not known.
    #[serde(default)]
    pub usd_per_month: f64,
}

impl Volume {
    /// A PersistentVolume, with the classes that are known.
    pub(crate) fn read<'a>(live: &Value, classes: impl IntoIterator<Item = &'a Value>) -> Self {
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        // In-tree volumes are named aws://<zone>/<id> or by the id alone.
        let handle = [text("/spec/csi/volumeHandle"), text("/spec/awsElasticBlockStore/volumeID")].join("");
        let gib = text("/spec/capacity/storage").parse::<Quantity>().map(|size| size.gib()).unwrap_or_default();
        let class = text("/spec/storageClassName");
        let found = classes.into_iter().find(|found| found["metadata"]["name"] == class && !class.is_empty());
        let (volume_type, performance) = found.map_or((None, Performance::default()), Performance::of_live);
        let claim = [text("/spec/claimRef/namespace"), text("/spec/claimRef/name")];
        Self {
            name: text("/metadata/name").to_owned(),
            volume_id: handle.rsplit('/').next().unwrap_or_default().to_owned(),
            claim: if claim[1].is_empty() { String::new() } else { claim.join("/") },
            gib: u32::try_from(gib).unwrap_or(u32::MAX),
            class: class.to_owned(),
            volume_type,
            phase: text("/status/phase").to_owned(),
            retained: text("/spec/persistentVolumeReclaimPolicy") == "Retain",
            usd_per_month: volume_price(volume_type.unwrap_or(VolumeType::Gp3), gib, performance).usd_per_month,
        }
    }

    /// Whether no claim has it, and nobody deletes it: retained, or deleting it failed, or it was never claimed.
    pub(crate) fn is_left(&self) -> bool {
        match self.phase.as_str() {
            "Available" | "Failed" => true,
            "Released" => self.retained,
            _ => false,
        }
    }

    /// As a survivor of a teardown.
    pub fn survivor(&self) -> Survivor {
        let why = match self.phase.as_str() {
            "Failed" => format!("it was of claim {}, and deleting it failed", self.claim),
            "Available" => "no claim has taken it".to_owned(),
            "Released" => format!("it was of claim {}, which is gone, and volumes of class {} are retained", self.claim, self.class),
            _ => format!("claim {} is of class {}, whose volumes are retained", self.claim, self.class),
        };
        Survivor::new(
            "EBS volume",
            self.volume_id.clone(),
            why,
            format!("aws ec2 delete-volume --volume-id {}", self.volume_id),
            self.usd_per_month,
        )
    }
}

/// The volumes that will be billed when their claims are gone: those with reclaim policy Retain, and those that are Released, Failed
/// or Available. Sorted by price, dearest first.
///
/// `objects` are PersistentVolumes as the API tells them and, beside them in any order, StorageClasses: only these tell the type
/// and so the price of a volume. PersistentVolumes that are no EBS volumes are left out.
pub fn volumes_left(objects: &[Value]) -> Vec<Volume> {
    let (classes, volumes): (Vec<_>, Vec<_>) = objects.iter().partition(|object| object["provisioner"].is_string());
    let read = volumes.into_iter().map(|volume| Volume::read(volume, classes.iter().copied()));
    let in_doubt = |volume: &Volume| volume.retained || ["Released", "Failed", "Available"].contains(&volume.phase.as_str());
    let mut left: Vec<_> = read.filter(|volume| volume.volume_id.starts_with("vol-") && in_doubt(volume)).collect();
    left.sort_by(|one, other| other.usd_per_month.total_cmp(&one.usd_per_month).then_with(|| one.name.cmp(&other.name)));
    left
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn volume(name: &str, policy: &str, phase: &str, source: Value) -> Value {
        let mut volume = json!({
            "metadata": {"name": name},
            "spec": {"capacity": {"storage": "100Gi"}, "storageClassName": "fast", "persistentVolumeReclaimPolicy": policy,
                     "claimRef": {"namespace": "shop", "name": format!("claim-of-{name}")}},
            "status": {"phase": phase},
        });
        volume["spec"].as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        volume
    }

    #[test]
    fn what_would_be_billed_on() {
        let ebs = |id: &str| json!({"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": id}});
        let mut cold = volume("cold", "Delete", "Failed", json!({"awsElasticBlockStore": {"volumeID": "aws://us-east-1a/vol-2"}}));
        cold["spec"]["storageClassName"] = json!("gone");
        let objects = [
            volume("bound", "Delete", "Bound", ebs("vol-0")),
            volume("kept", "Retain", "Bound", ebs("vol-1")),
            json!({"metadata": {"name": "fast"}, "provisioner": "ebs.csi.aws.com", "parameters": {"Type": "io2", "iopsPerGB": "10"}}),
            cold,
            volume("files", "Retain", "Released", json!({"csi": {"driver": "efs.csi.aws.com", "volumeHandle": "fs-1"}})),
        ];
        let left: Vec<_> = volumes_left(&objects)
            .into_iter()
            .map(|v| format!("{} {} {} {} {:?} {} {:.2}", v.name, v.volume_id, v.claim, v.gib, v.volume_type, v.phase, v.usd_per_month))
            .collect();
        // 100 GiB × $0.125 + 1,000 IOPS × $0.065; 100 GiB × $0.08.
        assert_eq!(left, ["kept vol-1 shop/claim-of-kept 100 Some(Io2) Bound 77.50", "cold vol-2 shop/claim-of-cold 100 None Failed 8.00"]);
    }
}
