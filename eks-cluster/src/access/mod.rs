//! Access entries: IAM principals that may enter the cluster, and as whom.

mod check;
mod drift;
mod entry;
mod kind;
mod policy;

pub(crate) use check::{RESERVED, check, username_rule};
#[cfg(feature = "aws")]
pub(crate) use drift::Drift;
pub(crate) use entry::sanitised;
pub use entry::{AccessEntry, AccessRequest};
pub use kind::AccessType;
pub use policy::{AccessPolicy, AccessScope};
