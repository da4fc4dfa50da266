//! A whole Amazon EKS environment as one value, or one file.

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
