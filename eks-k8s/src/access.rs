//! Where a cluster's API server is: known now, or told by the step that makes the cluster.

use eks_core::{ClusterName, ClusterRefs, Ref};
use serde::{Deserialize, Serialize};

pub use eks_core::ClusterAccess as Access;

/// Where a cluster's API server is, in terms of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "three facts lead to an API server")]
pub struct AccessRef {
    /// The cluster's name.
    pub name: ClusterName,
    /// `https://…`
    pub endpoint: Ref<String>,
    /// Base64 of the certificate authority's PEM.
    pub certificate_authority: Ref<String>,
}

impl AccessRef {
    /// The access, if it is known before any step runs.
    pub fn known(&self) -> Option<Access> {
        Some(Access {
            name: self.name.clone(),
            endpoint: self.endpoint.known()?.clone(),
            certificate_authority: self.certificate_authority.known()?.clone(),
        })
    }
}

impl From<&ClusterRefs> for AccessRef {
    fn from(cluster: &ClusterRefs) -> Self {
        Self {
            name: cluster.name.clone(),
            endpoint: cluster.endpoint.clone(),
            certificate_authority: cluster.certificate_authority.clone(),
        }
    }
}

impl From<Access> for AccessRef {
    fn from(access: Access) -> Self {
        Self { name: access.name, endpoint: Ref::Known(access.endpoint), certificate_authority: Ref::Known(access.certificate_authority) }
    }
}
