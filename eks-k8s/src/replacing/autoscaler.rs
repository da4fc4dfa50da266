//! Who changes the number of nodes by itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What changes the number of nodes by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Autoscaler {
    /// Which.
    pub kind: AutoscalerKind,
    /// The namespace of its Deployment; empty for a NodePool.
    pub namespace: String,
    /// The name of its Deployment or NodePool.
    pub name: String,
    /// How many replicas its Deployment should have; 0 while it is paused.
    pub replicas: u32,
    /// By which marks it is paused.
    pub paused_for: Vec<String>,
}

/// The autoscalers of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AutoscalerKind {
    /// A NodePool of EKS Auto Mode: no node of an Auto Scaling group is its own, so it is told and not touched.
    AutoMode,
    /// The Cluster Autoscaler, which changes the desired capacity of Auto Scaling groups, and terminates their instances.
    ClusterAutoscaler,
    /// A NodePool of Karpenter, likewise told and not touched.
    Karpenter,
}

impl Autoscaler {
    /// Whether it changes Auto Scaling groups now.
    pub fn interferes(&self) -> bool {
        self.kind == AutoscalerKind::ClusterAutoscaler && self.replicas > 0
    }
}

impl fmt::Display for Autoscaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            AutoscalerKind::ClusterAutoscaler => write!(f, "Cluster Autoscaler {}/{}", self.namespace, self.name),
            AutoscalerKind::Karpenter => write!(f, "Karpenter's NodePool {}", self.name),
            AutoscalerKind::AutoMode => write!(f, "Auto Mode's NodePool {}", self.name),
        }
    }
}
