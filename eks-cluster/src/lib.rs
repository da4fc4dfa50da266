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
//! With the feature `aws`, `Clusters` observes, and its plans and teardowns are applied by `eks_core::engine`.
//!
//! # Entering a cluster
//! With the feature `token`, `TokenSigner` signs the tokens that `aws eks get-token` prints, with any credentials provider and,
//! with the feature `assume-role`, under another role ([`AssumeRole`]). With the feature `kube`, `Connector` makes a `kube::Client`
//! that renews them for as long as it lives, and `Connector::probe` tells why a cluster cannot be reached. With the feature
//! `kubeconfig`, `KubeconfigPaths` puts a cluster into the files of kubectl, for the AWS CLI, aws-iam-authenticator or a program of one's own.
//!
//! # Defaults and what a spec leaves out
//! The version is the caller's: `Clusters::version_for` takes the one that the cluster runs, else EKS's own default, else the newest in
//! standard support, as asked. Endpoint, blocks, logging, authentication mode and deletion protection are always brought to what the spec
//! says. Other settings ([`Settings`], the upgrade policy) are EKS's default on a new cluster and stay as they are found where the spec says
//! nothing of them. EKS changes one kind of thing at a time, so a plan's changes are made one after another, each waited for; what EKS
//! never changes is refused with the reason, before anything is called.
//!
//! # Roles
//! The control plane's role, add-ons', applications' ([`PodRole`]), the AWS Load Balancer Controller's and nodes' ([`NodeRole`]) are ours or
//! brought; [`RoleSettings`] gives all of ours a path and a permissions boundary. Pods get them through EKS Pod Identity, or by their
//! service account's own token (IRSA), for which the cluster's issuer becomes an identity provider of the account. What drifts (trust,
//! our policies, boundary) is mended field by field; what others attach stays.
//!
//! ```
//! use eks_cluster::{Addon, AddonRole, PodRole, PolicyDocument, PolicyStatement, RoleSettings, ServiceAccount};
//! # use eks_cluster::{Addons, ClusterSpec, KubernetesVersion, Observed};
//! # use eks_core::{ClusterName, NetworkRefs, Owner, Ref, SubnetRef, Tier};
//! # let subnet = |id: &str, zone: &str| -> Result<SubnetRef, eks_core::IdError> {
//! #     Ok(SubnetRef { id: Ref::Known(id.parse()?), zone: zone.parse()?, tier: Tier::Private })
//! # };
//! # let network = NetworkRefs {
//! #     vpc: Ref::Known("vpc-0123456789abcdef0".parse()?),
//! #     cidrs: vec!["10.0.0.0/16".into()],
//! #     subnets: vec![subnet("subnet-00000001", "us-east-1a")?, subnet("subnet-00000002", "us-east-1b")?],
//! #     security_groups: Default::default(),
//! #     egress: vec![],
//! # };
//! # let builder = ClusterSpec::builder(&Owner::new("shop")?, ClusterName::new("shop")?, KubernetesVersion::V1_36, network);
//! # let pinned = |name: &str| Addon::new(name).version("v1.0.0-eksbuild.1");
//! let bucket = PolicyDocument::new([PolicyStatement::allow(["s3:GetObject"], ["arn:aws:s3:::reports/*"])]);
//! let cluster = builder
//!     .roles(RoleSettings::new().permissions_boundary("arn:aws:iam::123456789012:policy/edge"))
//!     .addons(["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent"].map(pinned).into_iter().collect())
//!     .addon(pinned("aws-efs-csi-driver").role(AddonRole::irsa()))
//!     .pod_role(PodRole::load_balancer_controller())
//!     .pod_role(PodRole::new("reports", ServiceAccount::new("shop", "reports")).inline_policy("bucket", bucket))
//!     .build()?;
//! let plan = cluster.plan(&Observed::default())?;
//! assert!(plan.step("cluster/oidc-provider").is_some(), "as the EFS CSI driver takes its role by its own token");
//! assert!(plan.step("cluster/pod-identity/shop/reports").is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Add-ons
//! Versions are the pinned one, the newest ([`Addon::latest`]) or EKS's default, of those that EKS offers for the cluster's version; the VPC
//! CNI goes one minor version at a time. `Clusters::plan` checks configuration against the add-on's own JSON schema before anything is
//! called that changes something. A self-managed vpc-cni, coredns or kube-proxy is taken over. [`ClusterSpecBuilder::remove_addon`] and
//! `Clusters::removals` take one away, with its software or without.
//!
//! # Who may enter
//! An [`AccessEntry`] of each type that EKS has, with user name, groups and access policies in the whole cluster or in namespaces. One that
//! carries our tag is wholly as the spec says, and a plan tells what others changed about it, field by field; entries of others are kept
//! where they give enough, and never changed. A [`Migration`] brings over whom the ConfigMap aws-auth lets in, with both ways in live until
//! the entries are proven. `Clusters::check_permissions` asks IAM's policy simulator whether the caller may do what a plan needs.
//!
//! # Calls
//! A plan that finds everything as it should be costs one call for the cluster, one for all roles of ours (for a single one two: IAM tells
//! several at once, and one cheaper by name), one for each add-on, one for each role that an add-on or a Pod has through EKS Pod Identity,
//! two for each access entry (one for those of nodes) and one to list entries if a principal is not known yet. EKS has no call for several
//! of these. The default cluster, with five add-ons and two roles, takes eight; nothing of it is left unlooked at.
//!
//! # Features
//! | feature | default | brings |
//! |---|---|---|
//! | `aws` | yes | `Clusters`, `AddonSchema`: aws-sdk-eks, aws-sdk-iam, jsonschema, serde_yaml_ng; and `token` |
//! | `ec2` | yes | a look at subnets and zones before a control plane is made, moved or upgraded: aws-sdk-ec2 |
//! | `kube` | yes | `Connector`: kube, with rustls and ring; and `token` |
//! | `token` | yes | `TokenSigner`: aws-sigv4, no SDK |
//! | `kubeconfig` | yes | `Kubeconfig`, `KubeconfigPaths`: serde_yaml_ng |
//! | `assume-role` | no | `AssumeRole::config`: aws-sdk-sts |
//!
//! # What this crate does not do
//! It replaces no nodes: [`upgrade`] tells what they must become before the next hop. It moves no control plane to other zones, replaces
//! or takes away no KMS key, and switches deletion protection off only for a teardown that is told to ([`Scope::unprotect`]). It
//! leaves the log group `/aws/eks/<name>/cluster` where it is: a plan that switches logging on says so. Roles, add-ons, access entries and
//! Pod Identity associations that leave a spec stay until the cluster goes, as a plan never deletes (but policies and groups of an entry
//! that stays are as the spec says); policies that leave a role of ours stay
//! attached, as they may be others'. A plan warns of those that it sees, in no more calls: policies attached to roles that stay, those
//! written into them where several roles or one for Pods are read, and entries where one of the spec is for a role that a step tells, so that
//! all are listed. It writes no service account: the role of [`ClusterSpec::pod_role`] goes into its annotation, where it
//! is by its own token. It makes no local clusters on Outposts. Of Auto Mode and hybrid nodes it sets what the control plane must know;
//! NodePools and machines are Kubernetes' and yours.

// docs.rs tells beside each item which feature brings it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod addon;
mod assume_role;
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
mod grants;
mod identity;
#[cfg(feature = "kubeconfig")]
mod kubeconfig;
mod migration;
mod observed;
mod op;
mod partition;
#[cfg(feature = "aws")]
mod permissions;
mod plan;
mod plane;
mod price;
#[cfg(feature = "kube")]
mod reach;
mod refs;
mod service_cidr;
mod spec;
mod teardown;
#[cfg(test)]
mod testing;
#[cfg(feature = "token")]
mod token;
pub mod upgrade;
mod version;

pub use access::{AccessEntry, AccessPolicy, AccessRequest, AccessScope, AccessType};
pub use addon::{Addon, AddonRemoval, AddonRequest, AddonRole, Addons, Conflicts};
#[cfg(feature = "aws")]
pub use addon::{AddonSchema, SchemaError, Violation};
pub use assume_role::{AssumeRole, AssumeRoleBuilder};
#[cfg(feature = "aws")]
pub use aws::{Applied, Clusters, MigrationError, PlaceError};
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
#[cfg(feature = "kubeconfig")]
pub use kubeconfig::{
    ExecPlugin, ExecVersion, Kubeconfig, KubeconfigEntry, KubeconfigEntryBuilder, KubeconfigError, KubeconfigPaths, Written,
};
#[cfg(feature = "kube")]
pub use migration::who_am_i;
pub use migration::{AccessProof, KubernetesIdentity, Migration, MigrationFinding, RoleLookup, Standing};
pub use observed::{Observed, ObservedAccess, ObservedAddon, ObservedAssociation, ObservedCluster, ObservedProvider, ObservedRole, Scope};
pub use op::{AssociationRequest, ClusterOp, RoleRequest};
pub use plane::{
    AutoMode, Components, EgressMode, Encryption, HealthIssue, IpFamily, KmsKeyArn, KmsKeyArnError, NodePool, Preflight, RemoteNetworks,
    ScalingTier, ScoringStrategy, Settings, SubnetFacts, UnsupportedZones,
};
#[cfg(feature = "kube")]
pub use reach::{Reached, Stage, Unreachable};
pub use spec::{ClusterSpec, ClusterSpecBuilder};
#[cfg(feature = "token")]
pub use token::{Token, TokenError, TokenSigner};
pub use version::{KubernetesVersion, Support, VersionError};
