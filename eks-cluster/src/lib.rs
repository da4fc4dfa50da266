//! Plan and operate the Amazon EKS control plane.
mod access;
mod addon;
mod check;
#[cfg(test)]
mod check_tests;
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
mod version;

pub use access::{AccessKind, AccessRequest};
pub use addon::{Addon, AddonRequest, Addons};
pub use control_plane::{ClusterChange, ControlPlane, LogType, UpgradePolicy};
pub use endpoint::Endpoint;
pub use jiff::civil::Date;
pub use observed::{Observed, ObservedAccess, ObservedAddon, ObservedCluster, ObservedRole, Scope};
pub use op::{ClusterOp, RoleRequest};
pub use role::{OneOrMore, RoleChoice, RoleKind, TrustPolicy, TrustPrincipal, TrustStatement};
pub use spec::{ClusterSpec, ClusterSpecBuilder};
pub use version::{KubernetesVersion, Support, VersionError};
