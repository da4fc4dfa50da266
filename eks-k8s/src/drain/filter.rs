//! Which Pods a drain takes off a node: kubectl's filters, in kubectl's order (`pkg/drain/filters.go`).

use serde::{Deserialize, Serialize};

use super::{
    cluster::{Cluster, Pod},
    spec::Drain,
};

/// Why a Pod is not evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Filtered {
    /// It was deleted so long ago that its node is taken to be dead ([`Drain::skip_deleted_after`]).
    DeletedLongAgo,
    /// A DaemonSet's Pod, which would come back at once; it stays.
    DaemonSet,
    /// A DaemonSet's Pod, and [`Drain::refuse_daemon_sets`] is on.
    DaemonSetRefused,
    /// A Pod of a DaemonSet that is not there any more; goes only by [`Drain::force`].
    Orphan,
    /// A mirror of a static Pod, which only its kubelet ends; it stays.
    Mirror,
    /// It has an emptyDir, whose data would be lost; goes only by [`Drain::delete_local_data`].
    LocalStorage,
    /// Nothing would make it anew; goes only by [`Drain::force`].
    Unmanaged,
}

impl Filtered {
    /// Whether the drain cannot be done as long as such a Pod is there; other Pods simply stay.
    pub fn refuses(self) -> bool {
        match self {
            Self::DeletedLongAgo | Self::DaemonSet | Self::Mirror => false,
            Self::DaemonSetRefused | Self::Orphan | Self::LocalStorage | Self::Unmanaged => true,
        }
    }
}

/// Why a drain does not evict a Pod; `None` if it does.
pub fn filter(drain: &Drain, cluster: &Cluster, pod: &Pod) -> Option<Filtered> {
    let orphan = |name: &str| !cluster.daemon_sets.contains(&(pod.namespace.to_string(), name.to_owned()));
    judge(drain, pod, cluster.read_at, orphan)
}

pub(crate) fn judge(drain: &Drain, pod: &Pod, now: i64, orphan: impl Fn(&str) -> bool) -> Option<Filtered> {
    if let (Some(after), Some(deleted)) = (drain.skip_deleted_after, pod.deleted_at)
        && now - deleted > i64::try_from(after.as_secs()).unwrap_or(i64::MAX)
    {
        return Some(Filtered::DeletedLongAgo);
    }
    let finished = pod.is_finished();
    if let Some(owner) = pod.controller.as_ref().filter(|owner| owner.kind == "DaemonSet" && !finished) {
        let filtered = match (orphan(&owner.name), drain.force) {
            (true, true) => None,
            (true, false) => Some(Filtered::Orphan),
            (false, _) if drain.refuse_daemon_sets => Some(Filtered::DaemonSetRefused),
            (false, _) => Some(Filtered::DaemonSet),
        };
        if filtered.is_some() {
            return filtered;
        }
    }
    if pod.mirror {
        return Some(Filtered::Mirror);
    }
    if pod.local_storage && !finished && !drain.delete_local_data {
        return Some(Filtered::LocalStorage);
    }
    (pod.controller.is_none() && !finished && !drain.force).then_some(Filtered::Unmanaged)
}
