//! Every operation of this crate, for plans and removals.

use std::collections::BTreeMap;

use eks_core::{ClusterName, Operation, Ref, RoleArn};
use serde::{Deserialize, Serialize};

use crate::{
    access::AccessRequest,
    addon::AddonRequest,
    change::ClusterChange,
    control_plane::ControlPlane,
    identity::{PolicyDocument, RoleKind, RoleTrust, ServiceAccount},
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
    /// Makes the cluster's issuer an identity provider of the account, so that IAM believes tokens of its service accounts.
    OidcProvider {
        /// `https://oidc.eks.…`
        issuer: Ref<String>,
        /// ARN of the cluster, which names partition and account.
        cluster_arn: Ref<String>,
    },
    /// Gives a service account a role through EKS Pod Identity, or another role.
    PodIdentity {
        /// Name of the cluster.
        cluster: ClusterName,
        /// The association.
        association: AssociationRequest,
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
        /// When it was made; `None` if the service did not tell. One made at another time is another cluster.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        created: Option<jiff::Timestamp>,
        /// Whether deletion protection is switched off before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unprotect: bool,
    },
    /// Deletes an add-on, and waits until it is gone.
    DeleteAddon {
        /// Name of the cluster.
        cluster: ClusterName,
        /// Its Region.
        region: String,
        /// Name of the add-on.
        addon: String,
        /// Whether its software stays.
        preserve: bool,
    },
    /// Deletes an identity provider.
    DeleteOidcProvider {
        /// Its ARN.
        arn: String,
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
    /// Its path, if not `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who may act under it.
    pub trust: RoleTrust,
    /// ARNs of its managed policies.
    pub policies: Vec<String>,
    /// Policies written into it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<String, PolicyDocument>,
    /// ARN of the policy that bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
    /// The user's tags, beside ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// An association as CreatePodIdentityAssociation is asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AssociationRequest {
    /// Whose Pods.
    pub service_account: ServiceAccount,
    /// The role that EKS Pod Identity assumes.
    pub role: Ref<RoleArn>,
    /// The role that it assumes by that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RoleArn>,
    /// Whether session tags are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_session_tags: bool,
    /// What restricts the role for these Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyDocument>,
    /// The user's tags, beside ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}
