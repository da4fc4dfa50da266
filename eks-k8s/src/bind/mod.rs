//! Whether a claim can get its volume, told before anything is applied. Pure.

mod check;
mod hindrance;
mod nodes;
#[cfg(test)]
mod tests;

pub(crate) use check::Resolved;
pub use hindrance::Hindrance;
use serde_json::Value;

/// What the API server tells about making and mounting EBS volumes. Fill in what was read; what is empty is not there.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StorageObjects {
    /// CSIDrivers.
    pub drivers: Vec<Value>,
    /// Deployment `kube-system/ebs-csi-controller`.
    pub controller: Option<Value>,
    /// ServiceAccount `kube-system/ebs-csi-controller-sa`.
    pub account: Option<Value>,
    /// Nodes.
    pub nodes: Vec<Value>,
    /// CSINodes.
    pub csi_nodes: Vec<Value>,
    /// VolumeAttachments.
    pub attachments: Vec<Value>,
}
