//! Draining by eviction ("Understand each phase of node updates").

use super::World;
use crate::kube;

/// One try to evict what is on a node; how many Pods are left.
pub(super) fn step(world: &mut World, cluster: &str, node: &str) -> usize {
    kube::evict_from(world, cluster, node, false)
}

/// Deletes what is on a node, whatever budgets say.
pub(super) fn force(world: &mut World, cluster: &str, node: &str) -> usize {
    kube::evict_from(world, cluster, node, true)
}
