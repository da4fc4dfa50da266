//! What a client needs to know of a cluster before it can talk to it.

use eks_core::{ClusterName, Outputs};
use serde::{Deserialize, Serialize};

/// Name, address and certificate authority of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "users with their own cluster build it")]
pub struct ClusterAccess {
    /// Name of the cluster, which its tokens carry.
    pub name: ClusterName,
    /// `https://…`
    pub endpoint: String,
    /// Base64 of the certificate authority's PEM, as DescribeCluster tells it.
    pub certificate_authority: String,
}

impl ClusterAccess {
    /// From what the step `cluster/control-plane` told.
    pub fn from_outputs(outputs: &Outputs) -> Option<Self> {
        Some(Self {
            name: outputs.get("id")?.parse().ok()?,
            endpoint: outputs.get("endpoint")?.clone(),
            certificate_authority: outputs.get("certificate_authority")?.clone(),
        })
    }
}
