//! Who may act as whom: IAM roles, the documents in them, and the ways by which Pods get them.

mod check;
mod document;
mod pod_role;
mod policies;
mod role;
mod settings;

pub(crate) use self::check::{Said, USUAL_MANAGED, check, requests as check_requests};
pub use self::{
    document::{Conditions, OneOrMore, PolicyDocument, PolicyStatement, TrustPolicy, TrustPrincipal, TrustStatement},
    pod_role::{PodAccess, PodRole, ServiceAccount},
    role::{RoleChoice, RoleKind, RoleLabel, RoleTrust},
    settings::{NodeRole, RoleSettings},
};
pub(crate) use self::{
    policies::{load_balancer_controller, vpc_cni_ipv6},
    role::{AUDIENCE, InWords},
    settings::Permissions,
};

/// Names the cluster that a role or an identity provider was made for: their names and keys do not.
pub(crate) const CLUSTER_TAG: &str = "eks-rs/cluster";
