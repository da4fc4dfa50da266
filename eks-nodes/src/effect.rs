//! What an update in place means for nodes that run.

use std::fmt;

use eks_core::Error;
use serde::{Deserialize, Serialize};

use crate::{observed::Observed, op::WorkersOp, spec::WorkersSpec};

/// What an update in place of a group's stack does to nodes. None of it drains a node: a new group beside the old one, and a drain,
/// replace nodes gently (feature `replacement`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UpdateEffect {
    /// Only the group's sizes change. Fewer instances are terminated undrained.
    Sizes,
    /// A new version of the launch template takes effect for instances that come later; those that run keep their settings.
    LaterNodes,
    /// CloudFormation replaces the instances one after another: Amazon's template has an update policy.
    Rolls,
}

impl UpdateEffect {
    /// Of the changes of a stack that is updated.
    pub(crate) fn of(changes: &[String], amazon: bool) -> Self {
        match (changes.iter().all(|change| change.starts_with("NodeAutoScalingGroup")), amazon) {
            (true, _) => Self::Sizes,
            (false, true) => Self::Rolls,
            (false, false) => Self::LaterNodes,
        }
    }
}

impl fmt::Display for UpdateEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sizes => "an update of sizes drains nothing",
            Self::LaterNodes => {
                "an update in place drains nothing: nodes that run keep their settings until they are replaced; a new group and a drain replace them gently"
            }
            Self::Rolls => {
                "Amazon's template rolls: an update replaces the nodes one after another, and drains none; a new group and a drain replace them gently"
            }
        })
    }
}

impl WorkersSpec {
    /// What the update that these workers need does to nodes; `None` if their stack needs none.
    ///
    /// # Errors
    /// As [`WorkersSpec::plan`].
    pub fn update_effect(&self, now: &Observed) -> Result<Option<UpdateEffect>, Error> {
        let plan = self.plan(now)?;
        let step = plan.step(self.key().as_str()).filter(|step| matches!(step.op.decode(), Ok(WorkersOp::UpdateStack { .. })));
        Ok(step.map(|step| UpdateEffect::of(&step.changes, self.amazon.is_some())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sizes_leave_nodes_as_they_are() {
        let of = |changes: &[&str], amazon| UpdateEffect::of(&changes.iter().map(ToString::to_string).collect::<Vec<_>>(), amazon);
        assert_eq!(of(&["NodeAutoScalingGroupMaxSize: 3 → 4"], true), UpdateEffect::Sizes);
        assert_eq!(of(&["NodeAutoScalingGroupMaxSize: 3 → 4", "NodeInstanceType: t3.medium → t3.large"], true), UpdateEffect::Rolls);
        assert_eq!(of(&["template: changed"], false), UpdateEffect::LaterNodes);
    }
}
