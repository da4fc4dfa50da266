//! Observing, applying and tearing down through a `kube::Client`.

mod api;
mod apply;
mod auth;
mod calls;
mod connect;
mod controllers;
mod doubt;
mod drain;
mod driver;
mod error;
mod object_sets;
mod observe;
mod remove;
mod replacing;
mod watch;

pub use auth::Backup;
pub use connect::Objects;
pub use object_sets::ObjectSets;
