//! Plan and operate the Amazon EKS control plane: its IAM role, the cluster, add-ons, who may enter, and tokens made in process.
//!
//! A [`ClusterSpec`] says what should exist; building one checks every rule that AWS documents, offline and all at once.
//! With what [`Observed`] says exists, it makes a plan:
//!
//! ```
//! use eks_cluster::{Addon, ClusterSpec, KubernetesVersion, Observed};
//! use eks_core::{ClusterName, NetworkRefs, Owner, Ref, SubnetRef, Tier};
//!
//! // A network that exists; eks-net's `NetworkSpec::refs` gives one that does not exist yet.
//! let subnet = |id: &str, zone: &str| -> Result<SubnetRef, eks_core::IdError> {
//!     Ok(SubnetRef { id: Ref::Known(id.parse()?), zone: zone.parse()?, tier: Tier::Private })
//! };
//! let network = NetworkRefs {
//!     vpc: Ref::Known("vpc-0123456789abcdef0".parse()?),
//!     cidrs: vec!["10.0.0.0/16".into()],
//!     subnets: vec![subnet("subnet-00000001", "us-east-1a")?, subnet("subnet-00000002", "us-east-1b")?],
//!     security_groups: Default::default(),
//!     egress: vec![],
//! };
//! let cluster = ClusterSpec::builder(&Owner::new("shop")?, ClusterName::new("shop")?, KubernetesVersion::V1_36, network)
//!     .public_access_cidrs(["198.51.100.0/24"])
//!     .addons(["vpc-cni", "kube-proxy", "coredns"].map(|name| Addon::new(name).version("v1.0.0-eksbuild.1")).into_iter().collect())
//!     .admin("arn:aws:iam::123456789012:role/platform")
//!     .build()?;
//!
//! let plan = cluster.plan(&Observed::default())?;
//! assert_eq!(plan.usd_per_month(), 73.0);
//! assert!(plan.step("cluster/control-plane").is_some_and(|step| step.title == "control plane shop, Kubernetes 1.36"));
//! // The layers above refer to it before it exists.
//! assert_eq!(cluster.refs().endpoint.to_string(), "‹cluster/control-plane#endpoint›");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `aws`, `Clusters` observes, its plans and teardowns are applied by `eks_core::engine`, and `TokenSigner`
//! signs tokens. With the feature `kube`, `Connector` makes a `kube::Client` that uses them.
//!
//! # Features
//! | feature | default | brings |
//! |---|---|---|
//! | `aws` | yes | `Clusters`, `TokenSigner`: aws-sdk-eks, aws-sdk-iam, aws-sigv4 |
//! | `kube` | yes | `Connector`: kube, with rustls |
//!
//! # What this crate does not do
//! It replaces no nodes: [`upgrade`] tells what they must become before the next hop. It moves no control plane to other subnets or groups, and switches no deletion protection off to
//! delete. It writes no kubeconfig, makes no OIDC provider, and leaves the log group `/aws/eks/<name>/cluster` where it is: a
//! plan that switches logging on says so. Add-ons, access entries and Pod Identity associations that leave a spec stay until the
//! cluster goes, as a plan never deletes. It plans IPv4 clusters, without Auto Mode, hybrid nodes or Outposts.

mod access;
mod addon;
#[cfg(feature = "aws")]
mod aws;
mod calendar;
mod change;
mod check;
#[cfg(test)]
mod check_tests;
#[cfg(feature = "kube")]
mod connect;
mod control_plane;
mod endpoint;
mod identity;
mod observed;
mod op;
mod partition;
mod plan;
mod plane;
mod price;
mod refs;
mod service_cidr;
mod spec;
mod teardown;
#[cfg(test)]
mod testing;
#[cfg(feature = "aws")]
mod token;
pub mod upgrade;
mod version;

pub use access::{AccessEntry, AccessPolicy, AccessRequest, AccessScope, AccessType};
pub use addon::{Addon, AddonRemoval, AddonRequest, AddonRole, Addons, Conflicts};
#[cfg(feature = "aws")]
pub use addon::{AddonSchema, SchemaError, Violation};
#[cfg(feature = "aws")]
pub use aws::{Applied, Clusters, PlaceError};
pub use calendar::{VersionChoice, VersionInfo, Versions};
pub use change::ClusterChange;
#[cfg(feature = "kube")]
pub use connect::{ConnectError, Connector};
pub use control_plane::{ControlPlane, LogType, UpgradePolicy};
pub use eks_core::ClusterAccess;
pub use endpoint::Endpoint;
pub use identity::{
    Conditions, NodeRole, OneOrMore, PodAccess, PodRole, PolicyDocument, PolicyStatement, RoleChoice, RoleKind, RoleLabel, RoleSettings,
    RoleTrust, ServiceAccount, TrustPolicy, TrustPrincipal, TrustStatement,
};
pub use jiff::civil::Date;
pub use observed::{Observed, ObservedAccess, ObservedAddon, ObservedAssociation, ObservedCluster, ObservedProvider, ObservedRole, Scope};
pub use op::{AssociationRequest, ClusterOp, RoleRequest};
pub use plane::{
    AutoMode, Components, EgressMode, Encryption, HealthIssue, IpFamily, KmsKeyArn, KmsKeyArnError, NodePool, Preflight, RemoteNetworks,
    ScalingTier, ScoringStrategy, Settings, SubnetFacts, UnsupportedZones,
};
pub use spec::{ClusterSpec, ClusterSpecBuilder};
#[cfg(feature = "aws")]
pub use token::{Token, TokenError, TokenSigner};
pub use version::{KubernetesVersion, Support, VersionError};
