//! Nodes as places for volumes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::StorageObjects;
use crate::{
    labels::{COMPUTE_TYPE_LABEL, labels_of, zone_of},
    observed::is_ready,
    storage_class::Provisioner,
};

/// A node that EBS volumes can be mounted on.
pub(super) struct Place {
    name: String,
    pub(super) labels: BTreeMap<String, String>,
    /// How many more volumes it takes; `None` if it does not tell its limit.
    pub(super) left: Option<usize>,
}

impl Place {
    pub(super) fn is_in(&self, zones: &[String]) -> bool {
        zones.is_empty() || zone_of(&self.labels).is_some_and(|zone| zones.iter().any(|other| other == zone))
    }

    /// As the scheduler reads a selector: by the letter.
    pub(super) fn suits(&self, selector: &BTreeMap<String, String>) -> bool {
        selector.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }
}

/// The driver's entry of a CSINode.
fn entry(csi_node: &Value) -> Option<&Value> {
    let drivers = csi_node.pointer("/spec/drivers")?.as_array()?;
    drivers.iter().find(|driver| driver["name"] == Provisioner::EbsCsi.as_str())
}

/// Whether Pods come to a node that tolerate nothing, as those of a spec do.
fn takes_pods(node: &Value) -> bool {
    let mut taints = node.pointer("/spec/taints").and_then(Value::as_array).into_iter().flatten();
    node["spec"]["unschedulable"] != true && taints.all(|taint| taint["effect"] == "PreferNoSchedule")
}

impl StorageObjects {
    /// Nodes that run the driver, are Ready and take Pods. Fargate, hybrid and Auto Mode nodes do not mount the driver's volumes (EKS
    /// user guide, "Use Kubernetes volume storage with Amazon EBS").
    pub(super) fn places(&self) -> Vec<Place> {
        let csi_nodes: BTreeMap<&str, &Value> =
            self.csi_nodes.iter().filter_map(|node| Some((node["metadata"]["name"].as_str()?, entry(node)?))).collect();
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for attachment in self.attachments.iter().filter(|found| found["spec"]["attacher"] == Provisioner::EbsCsi.as_str()) {
            *taken.entry(attachment["spec"]["nodeName"].as_str().unwrap_or_default()).or_default() += 1;
        }
        let usable = self.nodes.iter().filter(|node| is_ready(node) && takes_pods(node));
        let places = usable.filter_map(|node| {
            let name = node["metadata"]["name"].as_str()?;
            let limit = csi_nodes.get(name)?.pointer("/allocatable/count").and_then(Value::as_u64);
            let used = taken.get(name).copied().unwrap_or_default();
            let left = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(used));
            Some(Place { name: name.to_owned(), labels: labels_of(node), left })
        });
        places.filter(|place| !place.labels.contains_key(COMPUTE_TYPE_LABEL)).collect()
    }

    /// Whether a volume is attached to a node.
    pub(super) fn is_attached(&self, volume: &str, place: &Place) -> bool {
        self.attachments.iter().any(|found| {
            found["spec"]["nodeName"] == *place.name && found.pointer("/spec/source/persistentVolumeName") == Some(&volume.into())
        })
    }
}
