//! A StorageClass as Kubernetes wants it.

use std::collections::BTreeMap;

use eks_core::{OWNER_TAG, Owner};
use serde_json::{Value, json};

use super::{Binding, DEFAULT_ANNOTATIONS, Provisioner, Reclaim, StorageClass};
use crate::labels::{COMPUTE_TYPE_LABEL, ZONE_LABEL};

impl StorageClass {
    fn parameters(&self, owner: &Owner) -> BTreeMap<&'static str, String> {
        let in_tree = self.is_in_tree();
        let fs_type = if in_tree { "fsType" } else { "csi.storage.k8s.io/fstype" };
        let mut parameters = BTreeMap::from([("type", self.volume_type.as_str().to_owned()), (fs_type, self.fs_type.clone())]);
        if let (true, [zone]) = (in_tree, self.zones.as_slice()) {
            parameters.insert("zone", zone.clone());
        } else if in_tree && !self.zones.is_empty() {
            parameters.insert("zones", self.zones.join(","));
        }
        if !in_tree {
            // By it a volume is found that outlived its cluster (EBS CSI driver, "Volume Tagging").
            parameters.insert("tagSpecification_1", format!("{OWNER_TAG}={owner}"));
        }
        let chosen = [
            ("iops", self.iops.map(|n| n.to_string())),
            ("iopsPerGB", self.iops_per_gib.map(|n| n.to_string())),
            ("allowAutoIOPSPerGBIncrease", self.raises_iops.then(|| "true".to_owned())),
            ("throughput", self.throughput.map(|n| n.to_string())),
            ("encrypted", self.encrypted.map(|yes| yes.to_string())),
            ("kmsKeyId", self.kms_key.clone()),
        ];
        parameters.extend(chosen.into_iter().filter_map(|(key, value)| Some((key, value?))));
        parameters
    }

    /// Where volumes may be. In-tree classes tell it by parameters.
    fn topologies(&self) -> Option<Value> {
        let mut expressions = Vec::new();
        if self.provisioner == Provisioner::AutoMode {
            expressions.push(json!({"key": COMPUTE_TYPE_LABEL, "values": ["auto"]}));
        }
        if !self.zones.is_empty() {
            expressions.push(json!({"key": ZONE_LABEL, "values": self.zones}));
        }
        (!self.is_in_tree() && !expressions.is_empty()).then(|| json!([{"matchLabelExpressions": expressions}]))
    }

    /// The manifest, without the marks of ownership.
    pub(crate) fn manifest(&self, owner: &Owner) -> Value {
        let mut manifest = json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": self.name},
            "provisioner": self.provisioner.as_str(),
            "parameters": self.parameters(owner),
            "reclaimPolicy": match self.reclaim { Reclaim::Delete => "Delete", Reclaim::Retain => "Retain" },
            "volumeBindingMode": match self.binding {
                Binding::Immediate => "Immediate",
                Binding::WaitForFirstConsumer => "WaitForFirstConsumer",
            },
            "allowVolumeExpansion": self.expandable,
        });
        if let Some(topologies) = self.topologies() {
            manifest["allowedTopologies"] = topologies;
        }
        if self.default {
            manifest["metadata"]["annotations"] = json!({DEFAULT_ANNOTATIONS[0]: "true"});
        }
        manifest
    }
}
