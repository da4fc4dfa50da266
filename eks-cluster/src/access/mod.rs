//! Access entries: IAM principals that may enter the cluster, and as whom.

mod check;
mod drift;
mod entry;
mod kind;
mod policy;

pub(crate) use check::check;
#[cfg(feature = "aws")]
pub(crate) use drift::Drift;
pub use entry::{AccessEntry, AccessRequest};
pub use kind::AccessType;
pub use policy::{AccessPolicy, AccessScope};
