//! Every operation of this crate, for plans and removals.

use eks_core::{ClusterName, Operation};
use serde::{Deserialize, Serialize};

use crate::{
    access::AccessRequest,
    addon::AddonRequest,
    change::ClusterChange,
    control_plane::ControlPlane,
    role::{RoleKind, TrustPolicy},
    upgrade::UpgradeOp,
};

/// An operation on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClusterOp {
    /// Makes a role and attaches its policies, or mends it.
    Role(RoleRequest),
    /// Makes the control plane and waits until it is ACTIVE.
    ControlPlane(Box<ControlPlane>),
    /// Waits until the control plane is ACTIVE, then makes the changes that it still lacks, one after another.
    ChangeControlPlane {
        /// Name of the cluster.
        cluster: ClusterName,
        /// What should be.
        changes: Vec<ClusterChange>,
    },
    /// Makes an add-on.
    Addon {
        /// Name of the cluster.
        cluster: ClusterName,
        /// The add-on.
        addon: AddonRequest,
    },
    /// Changes an add-on's version or configuration, or tries a failed one again.
    ChangeAddon {
        /// Name of the cluster.
        cluster: ClusterName,
        /// The add-on as it should be.
        addon: AddonRequest,
    },
    /// Waits until an add-on is ACTIVE.
    AwaitAddon {
        /// Name of the cluster.
        cluster: ClusterName,
        /// Name of the add-on.
        addon: String,
    },
    /// Makes an access entry and associates its policy.
    Access {
        /// Name of the cluster.
        cluster: ClusterName,
        /// The entry.
        entry: AccessRequest,
    },
    /// A step of an upgrade or a rollback.
    Upgrade(UpgradeOp),
    /// Deletes the cluster, with its add-ons, access entries and associations, and waits until it is gone.
    DeleteCluster {
        /// Name of the cluster.
        cluster: ClusterName,
        /// Its Region.
        region: String,
        /// Whether deletion protection is switched off before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unprotect: bool,
    },
    /// Detaches a role's policies and deletes it.
    DeleteRole {
        /// Name of the role.
        name: String,
    },
}

impl Operation for ClusterOp {
    const LAYER: &'static str = "cluster";
}

/// A role as CreateRole is asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoleRequest {
    /// Which of our roles.
    pub kind: RoleKind,
    /// Its name.
    pub name: String,
    /// Who may act under it.
    pub trust: TrustPolicy,
    /// ARNs of its managed policies.
    pub policies: Vec<String>,
    /// The user's tags, beside ours.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub tags: std::collections::BTreeMap<String, String>,
}
