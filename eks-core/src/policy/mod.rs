//! Permissions that steps declare, and the least policy for a plan.

mod document;
mod merge;
mod permission;
mod scope;

pub use document::{Policy, PolicyError, Statement};
pub use permission::Permission;
pub use scope::{PolicyScope, ScopeError};
