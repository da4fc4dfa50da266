//! What other services know of groups.

use crate::world::World;

/// An instance that counts towards a group's capacity.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) instance: String,
}

/// Minimum, maximum and desired size; `None` if there is no such group.
pub(crate) fn sizes(world: &World, name: &str) -> Option<(i64, i64, i64)> {
    world.autoscaling.groups.get(name).map(|group| (group.min, group.max, group.desired))
}

/// The instances that count.
pub(crate) fn members(world: &World, name: &str) -> Vec<Member> {
    let group = world.autoscaling.groups.get(name);
    group.map_or_else(Vec::new, |group| group.live().map(|(id, _)| Member { instance: id.clone() }).collect())
}

/// Why the last launch failed, if it did.
pub(crate) fn last_failure(world: &World, name: &str) -> Option<String> {
    let last = world.autoscaling.groups.get(name)?.activities.last()?;
    if last.status == "Failed" { last.message.clone() } else { None }
}
