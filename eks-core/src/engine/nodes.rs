//! What whoever waits for nodes may ask: whether they will come at all.

use super::BoxFuture;
use crate::{AwaitedNodes, Diagnosis};

/// Looks after nodes that somebody waits for.
///
/// Implemented by who knows the machines, asked by who knows Kubernetes. Neither needs to know the other.
pub trait WatchNodes: Send + Sync {
    /// Why the nodes will not come as things stand; `None` as long as that is not certain. Asked about every twenty seconds.
    ///
    /// It changes nothing, and it never fails: what it could not look at, it says nothing about.
    fn doom<'a>(&'a self, awaited: &'a AwaitedNodes) -> BoxFuture<'a, Option<Diagnosis>>;
}
