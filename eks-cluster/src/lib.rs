//! Plan and operate the Amazon EKS control plane.
mod access;
mod addon;
#[cfg(feature = "aws")]
mod aws;
mod check;
#[cfg(test)]
mod check_tests;
#[cfg(feature = "kube")]
mod connect;
mod control_plane;
mod endpoint;
mod observed;
mod op;
mod partition;
mod plan;
mod price;
mod refs;
mod role;
mod service_cidr;
mod spec;
mod teardown;
#[cfg(test)]
mod testing;
#[cfg(feature = "aws")]
mod token;
mod version;

pub use access::{AccessKind, AccessRequest};
pub use addon::{Addon, AddonRequest, Addons};
#[cfg(feature = "aws")]
pub use aws::Clusters;
#[cfg(feature = "kube")]
pub use connect::{ConnectError, Connector};
pub use control_plane::{ClusterChange, ControlPlane, LogType, UpgradePolicy};
pub use eks_core::ClusterAccess;
pub use endpoint::Endpoint;
pub use jiff::civil::Date;
pub use observed::{Observed, ObservedAccess, ObservedAddon, ObservedCluster, ObservedRole, Scope};
pub use op::{ClusterOp, RoleRequest};
pub use role::{OneOrMore, RoleChoice, RoleKind, TrustPolicy, TrustPrincipal, TrustStatement};
pub use spec::{ClusterSpec, ClusterSpecBuilder};
#[cfg(feature = "aws")]
pub use token::{Token, TokenError, TokenSigner};
pub use version::{KubernetesVersion, Support, VersionError};
