//! A whole Amazon EKS environment as one value, or one file: network, control plane, workers and Kubernetes objects, planned, applied,
//! upgraded and torn down together.
//!
//! An [`Environment`] is built from the layers' own builders, which it wires to each other: workers join the cluster in the network's
//! private subnets, objects wait for the nodes of every group, load balancers for the routes of their subnets. Building one checks every
//! rule of every layer, offline and all at once.
//!
//! ```
//! use eks_cluster::KubernetesVersion;
//! use eks_core::{ClusterName, Owner, StackName};
//! use eks_env::Environment;
//! use eks_k8s::StorageClass;
//! use eks_net::NetworkSpec;
//!
//! let owner = Owner::new("shop")?;
//! let network = NetworkSpec::builder(&owner, "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"]).build()?;
//! let environment = Environment::builder(&owner, network)
//!     .cluster(ClusterName::new("shop")?, KubernetesVersion::V1_36, |cluster| cluster.public_access_cidrs(["198.51.100.0/24"]))
//!     .workers(StackName::new("shop-web")?, |workers| workers.instance_type("m7g.large"))
//!     .objects(|objects| objects.storage_class(StorageClass::gp3("fast").default_class()))
//!     .build()?;
//! assert_eq!(environment.region().as_str(), "us-east-1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # As a file
//! With the feature `file`, the same is a YAML or TOML document ([`EnvironmentFile`]): versioned by `apiVersion`, in the words of AWS and
//! Kubernetes, with a field for whatever the builders can say. What is wrong with it is told at its line, with a caret, the rule and the
//! remedy: syntax, unknown fields (and what was probably meant), types, and every rule of every layer, all at once. No field takes a secret.
//!
#![cfg_attr(feature = "file", doc = "```")]
#![cfg_attr(not(feature = "file"), doc = "```text")]
//! use eks_env::Environment;
//!
//! let environment = Environment::from_yaml(r#"
//! apiVersion: eks-rs.dev/v1
//! owner: shop
//! network: {cidr: 10.0.0.0/16, zones: [us-east-1a, us-east-1b]}
//! cluster: {version: "1.36", publicAccessCidrs: [198.51.100.0/24]}
//! workers: [{name: shop-web, instanceTypes: [m7g.large]}]
//! "#)?;
//! assert_eq!(environment.workers().len(), 1);
//! # Ok::<(), eks_env::FileError>(())
//! ```
//!
//! `Environment::json_schema` (feature `schema`) is what editors need: a first line `# yaml-language-server: $schema=environment.json` in
//! YAML, `#:schema environment.json` in TOML. The repository has it in `docs/schema`.
//!
//! # On AWS
//! With the feature `client`, [`Environments`] plans, applies, upgrades, replaces workers and tears down; everything that a program gives in
//! its `SdkConfig` (profile, SSO, assumed roles, endpoints, proxies, HTTP client) is used as it is. Futures are `Send`; a run is
//! ended by `Engine::cancelled_by`, anything else by dropping its future.
//!
//! # Features
//! | feature | default | brings |
//! |---|---|---|
//! | `client` | yes | `Environments`: the drivers of all layers |
//! | `file` | yes | `EnvironmentFile`, `Environment::from_yaml`, …: serde-saphyr, toml |
//! | `schema` | no | `Environment::json_schema`: schemars; and `file` |
//!
//! # What this crate does not do
//! It knows no instances outside of a cluster (`eks_net::machines`) and no manifests (`eks_k8s::ObjectSet`). A file holds no templates,
//! variables or secrets; what a file can not say, and why, is in the table of its coverage test.

#[cfg(feature = "client")]
mod client;
mod environment;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "schema")]
mod schema;
mod specs;

#[cfg(feature = "client")]
pub use client::{Environments, RunError};
pub use environment::{Environment, EnvironmentBuilder, Network};
#[cfg(feature = "file")]
pub use file::{EnvironmentFile, FileError, FileProblem};
pub use specs::Placement;
