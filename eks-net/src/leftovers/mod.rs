//! What clusters leave in AWS when Kubernetes could not let go of it: load balancers with their target groups and security groups,
//! network interfaces, volumes. A layer of its own, `leftovers`, that only tears down.
//!
//! Kubernetes' controllers delete what they made when its object is deleted. Where the controller is dead, the API server does not
//! answer, or the cluster went first, nobody does. Then this layer finds it from AWS's side, by the tags that the controllers put on, and
//! removes it in an order that ends: load balancers until their interfaces are gone, target groups, interfaces, security groups once the
//! rules that name them are revoked. The network goes after that.
//!
//! These tags name a cluster, not an owner, and a name is free again when its cluster is gone. So a thing is removed only if it is
//! provably of the owner's own cluster: that cluster alone is named, nobody else's mark is on it, and it lies in the cluster's VPC and
//! is no older than the cluster, or lies in a VPC that the owner made. Everything else is told, with the reason, and stays.
//!
//! Volumes are told and never deleted: a claim's reclaim policy may have been changed to Retain at any time, and only the API server
//! knows. So are instances, launch templates and addresses, which their own services remove.
//!
//! ```
//! use eks_core::{ClusterName, ClusterStanding, ClusterTrace, Owner};
//! use eks_net::leftovers::{Handling, ObservedLeftovers};
//!
//! let owner = Owner::new("shop")?;
//! let trace = ClusterTrace { name: ClusterName::new("shop")?, standing: ClusterStanding::Gone };
//! let teardown = ObservedLeftovers::nothing(&owner, [trace]).teardown(Handling::Remove, None)?;
//! assert!(teardown.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `aws`, `Leftovers` observes, and is the driver of the layer.
//!
//! What it does not look at: snapshots, CloudWatch log groups, KMS grants, Route 53 records, certificates, images in ECR.

mod found;
mod judge;
mod observed;
mod op;
mod survivors;
mod teardown;
#[cfg(test)]
mod tests;

pub use found::{Leftover, LeftoverKind};
pub use judge::Whose;
pub use observed::ObservedLeftovers;
pub use op::LeftoverOp;
pub use teardown::Handling;
#[cfg(feature = "aws")]
pub(crate) use teardown::{CONTROL_PLANE_RELEASE, Scope};

#[cfg(feature = "aws")]
pub use crate::aws::Leftovers;
