//! What replacing nodes by others asks of Kubernetes, as plain data: who else changes the number of nodes, how the workloads are, and how
//! long load balancers go on sending to a node that they have let go.
//!
//! `client::Objects` reads these, closes and opens nodes ([`TAINT`]), and pauses and resumes autoscalers.

mod autoscaler;
mod deregistration;
mod health;
mod health_read;
#[cfg(any(test, feature = "client"))]
mod pause;

pub use autoscaler::{Autoscaler, AutoscalerKind};
pub use deregistration::{BalancerDelay, Deregistration, Registers};
pub use health::{Health, NodeHealth, PodTrouble, Regression, WorkloadHealth};
pub use health_read::{HealthReader, Listed};

#[cfg(feature = "client")]
pub(crate) use self::pause::{paused, resumed};

/// The key of the taint on nodes that are being replaced; its value tells by which replacement, its effect is `NoSchedule`.
pub const TAINT: &str = "eks-rs.dev/replacing";
/// With this label, whatever its value, load balancers let a node go. ("Well-Known Labels, Annotations and Taints", kubernetes.io; the AWS
/// Load Balancer Controller leaves such nodes out of instance targets, too.)
pub const EXCLUDE_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
