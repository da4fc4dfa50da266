//! What is to be drained, and how.

use std::time::Duration;

use eks_core::{Problems, SpecError};
use serde::{Deserialize, Serialize};

use super::{
    cluster::{Cluster, Pod, Taint},
    forecast::Forecast,
};
use crate::name;

/// What to do about Pods that cannot be evicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnBlocked {
    /// Begin only if the forecast says that nothing blocks; give up at the deadline.
    #[default]
    Fail,
    /// Begin in any case, and try until the deadline.
    Wait,
    /// Where a budget demands every replica, raise the replicas of the Deployment or StatefulSet by one first, and lower them again at
    /// the end; then as [`OnBlocked::Wait`]. Where a HorizontalPodAutoscaler owns the number, its `minReplicas` (and `maxReplicas`, if need
    /// be) are raised and given back instead; it lowers the number itself, after its stabilization window.
    ScaleUpFirst,
    /// Try until the deadline, then delete what is left, against its budgets. The one way past them.
    ForceDelete,
}

/// Nodes to be emptied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    pub(crate) nodes: Vec<String>,
    pub(crate) in_parallel: usize,
    pub(crate) deadline: Option<Duration>,
    pub(crate) on_blocked: OnBlocked,
    pub(crate) refuse_daemon_sets: bool,
    pub(crate) delete_local_data: bool,
    pub(crate) force: bool,
    pub(crate) skip_deleted_after: Option<Duration>,
    pub(crate) grace: Option<u32>,
    pub(crate) taint: Option<Taint>,
    pub(crate) keep_cordoned: bool,
}

impl Drain {
    /// A drain of these nodes, one after the other in this order, without a deadline.
    pub fn of(nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            nodes: nodes.into_iter().map(Into::into).collect(),
            in_parallel: 1,
            deadline: None,
            on_blocked: OnBlocked::default(),
            refuse_daemon_sets: false,
            delete_local_data: false,
            force: false,
            skip_deleted_after: None,
            grace: None,
            taint: None,
            keep_cordoned: false,
        }
    }

    /// Settings alone, for nodes that are named later ([`Drain::for_nodes`]).
    pub fn settings() -> Self {
        Self::of([""; 0])
    }

    /// The same drain, of these nodes.
    #[must_use]
    pub fn for_nodes(&self, nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { nodes: nodes.into_iter().map(Into::into).collect(), ..self.clone() }
    }

    /// Drains so many nodes at a time, beginning with the first. The Pods of a node go together in any case.
    #[must_use]
    pub fn in_parallel(mut self, nodes: usize) -> Self {
        self.in_parallel = nodes;
        self
    }

    /// After this time, [`OnBlocked`] decides. Without it, the drain waits for ever.
    #[must_use]
    pub fn deadline(mut self, after: Duration) -> Self {
        self.deadline = Some(after);
        self
    }

    /// What to do about Pods that cannot be evicted; [`OnBlocked::Fail`] if nothing is said.
    #[must_use]
    pub fn on_blocked(mut self, policy: OnBlocked) -> Self {
        self.on_blocked = policy;
        self
    }

    /// Refuses nodes with Pods of DaemonSets, as `kubectl drain` does without `--ignore-daemonsets`. Otherwise these are left: every
    /// node of EKS has some.
    #[must_use]
    pub fn refuse_daemon_sets(mut self) -> Self {
        self.refuse_daemon_sets = true;
        self
    }

    /// Evicts Pods with an emptyDir, whose data is lost (`--delete-emptydir-data`).
    #[must_use]
    pub fn delete_local_data(mut self) -> Self {
        self.delete_local_data = true;
        self
    }

    /// Evicts Pods that nothing makes anew, and those of DaemonSets that are gone (`--force`). Budgets are kept nevertheless.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Does not wait for Pods that were deleted longer ago than this (`--skip-wait-for-delete-timeout`).
    #[must_use]
    pub fn skip_deleted_after(mut self, age: Duration) -> Self {
        self.skip_deleted_after = Some(age);
        self
    }

    /// Seconds that containers get to end, instead of the Pod's own `terminationGracePeriodSeconds`.
    #[must_use]
    pub fn grace(mut self, seconds: u32) -> Self {
        self.grace = Some(seconds);
        self
    }

    /// Taints the nodes, too.
    #[must_use]
    pub fn taint(mut self, key: impl Into<String>, value: impl Into<String>, effect: impl Into<String>) -> Self {
        self.taint = Some(Taint { key: key.into(), value: value.into(), effect: effect.into() });
        self
    }

    /// Leaves nodes cordoned when the drain is given up, as `client::Objects::cordon` does. Otherwise those that it cordoned take Pods again.
    #[must_use]
    pub fn keep_cordoned(mut self) -> Self {
        self.keep_cordoned = true;
        self
    }

    /// The nodes, in order.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// Seconds that the containers of a Pod get to end.
    pub fn grace_of(&self, pod: &Pod) -> u32 {
        self.grace.unwrap_or(pod.grace)
    }

    /// What is done about Pods that cannot be evicted.
    pub fn on_blocked_policy(&self) -> OnBlocked {
        self.on_blocked
    }

    /// Everything that is wrong with it.
    ///
    /// # Errors
    /// [`SpecError`] with every broken rule.
    pub fn check(&self) -> Result<(), SpecError> {
        let mut problems = Problems::new();
        if self.nodes.is_empty() {
            problems.add("drain-nodes", "drain", "it names no node", "name at least one");
        }
        let mut sorted: Vec<_> = self.nodes.iter().collect();
        sorted.sort();
        for twice in sorted.windows(2).filter(|pair| pair[0] == pair[1]) {
            problems.add("drain-nodes", format!("node {}", twice[0]), "it is named twice", "name it once");
        }
        for node in &self.nodes {
            name::check_subdomain(&mut problems, &format!("node {node}"), node);
        }
        if self.in_parallel == 0 {
            problems.add("drain-parallel", "drain", "no node at a time is none at all", "drain at least one at a time");
        }
        if self.on_blocked == OnBlocked::ForceDelete && self.deadline.is_none() {
            problems.add(
                "drain-deadline",
                "drain",
                "ForceDelete deletes at a deadline, and there is none",
                "set a deadline, or choose Wait",
            );
        }
        if let Some(taint) = &self.taint {
            taint.check(&mut problems);
        }
        problems.finish("drain", || ())
    }

    /// What this drain would do to a cluster.
    pub fn forecast(&self, cluster: &Cluster) -> Forecast {
        super::rehearse::rehearse(self, cluster)
    }
}

impl Taint {
    /// What is wrong with it, put on a node that is to keep its Pods until they are evicted.
    pub(crate) fn check(&self, problems: &mut Problems) {
        let subject = format!("taint {self}");
        name::check_pair(problems, &subject, &self.key, &self.value);
        if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&&*self.effect) {
            problems.add("drain-taint", &subject, "its effect is not one of Kubernetes", "choose NoSchedule or PreferNoSchedule");
        }
        if self.effect == "NoExecute" {
            problems.add("drain-taint", &subject, "NoExecute ends Pods without asking their budgets", "choose NoSchedule");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_at_once() {
        let drain = Drain::of(["a", "a", "B"]).in_parallel(0).on_blocked(OnBlocked::ForceDelete).taint("x", "y", "NoExecute");
        let codes: Vec<_> = drain.check().unwrap_err().problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["drain-nodes", "name", "drain-parallel", "drain-deadline", "drain-taint"]);
        assert!(Drain::of(["a"]).deadline(Duration::from_secs(1)).on_blocked(OnBlocked::ForceDelete).check().is_ok());
        assert_eq!(Drain::of([""; 0]).check().unwrap_err().problems.len(), 1);
    }
}
