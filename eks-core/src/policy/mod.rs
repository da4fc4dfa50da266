//! Permissions that steps declare, and the least policy for a plan.

mod document;
mod merge;
mod partition;
mod permission;
mod scope;

pub use document::{Policy, PolicyError, Statement};
pub use partition::Partition;
pub use permission::Permission;
pub use scope::{PolicyScope, ScopeError};
