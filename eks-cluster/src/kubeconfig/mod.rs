//! Kubeconfig files: an entry for a cluster, put in and taken out without touching what others wrote.
//!
//! The text is edited, not parsed and printed: comments, order, unknown keys and every byte of foreign entries stay. Whatever
//! an edit makes is parsed again and must mean exactly the document that was wanted, or nothing is written.

mod arn;
mod document;
mod entry;
mod error;
mod file;
mod list;
mod scalar;

pub use document::Kubeconfig;
pub use entry::{ExecPlugin, ExecVersion, KubeconfigEntry, KubeconfigEntryBuilder};
pub use error::KubeconfigError;
pub use file::{KubeconfigPaths, Written};
