//! What an update in place means for nodes that run.

use std::fmt;

use eks_core::Error;
use serde::{Deserialize, Serialize};

use crate::{image::Image, observed::Observed, op::WorkersOp, spec::WorkersSpec};

/// What an update in place of a group's stack does to nodes. None of it drains a node: a new group beside the old one, and a drain,
/// replace nodes gently (feature `replacement`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UpdateEffect {
    /// Only the group's sizes change. Fewer instances are terminated undrained. An image that is not pinned is never among this:
    /// CloudFormation looks for the newest in each update (User Guide, "SSM parameter types").
    Sizes,
    /// A new version of the launch template takes effect for instances that come later; those that run keep their settings.
    LaterNodes,
    /// CloudFormation replaces the instances one after another: Amazon's template has an update policy.
    Rolls,
}

impl UpdateEffect {
    /// Of the changes of a stack that is updated.
    ///
    /// `floats` says that the image is looked for anew in each update.
    pub(crate) fn of(changes: &[String], amazon: bool, floats: bool) -> Self {
        let sizes = |change: &String| change.starts_with("NodeAutoScalingGroup") || change.starts_with("size of ");
        match (!floats && changes.iter().all(sizes), amazon) {
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
    /// Whether each update takes the image that is the newest then.
    pub(crate) fn image_floats(&self, now: &Observed) -> bool {
        match (&self.amazon, &self.image) {
            (Some(template), _) => template.image_floats(now),
            (None, Image::Ami(_)) => false,
            (None, Image::Parameter(_)) => true,
            (None, Image::Recommended) => !self.family.is_pinned(),
        }
    }

    /// What the update that these workers need does to nodes; `None` if their stack needs none.
    ///
    /// # Errors
    /// As [`WorkersSpec::plan`].
    pub fn update_effect(&self, now: &Observed) -> Result<Option<UpdateEffect>, Error> {
        let plan = self.plan(now)?;
        let step = plan.step(self.key().as_str()).filter(|step| matches!(step.op.decode(), Ok(WorkersOp::UpdateStack { .. })));
        Ok(step.map(|step| UpdateEffect::of(&step.changes, self.amazon.is_some(), self.image_floats(now))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sizes_leave_nodes_as_they_are() {
        let of = |changes: &[&str], amazon, floats| {
            UpdateEffect::of(&changes.iter().map(ToString::to_string).collect::<Vec<_>>(), amazon, floats)
        };
        let sizes = ["NodeAutoScalingGroupMaxSize: 3 → 4", "size of asg: 5 → 4, its new limit"];
        assert_eq!(of(&sizes, true, false), UpdateEffect::Sizes);
        assert_eq!(of(&sizes, true, true), UpdateEffect::Rolls, "by a newer image");
        assert_eq!(of(&sizes, false, true), UpdateEffect::LaterNodes);
        assert_eq!(of(&[sizes[0], "NodeInstanceType: t3.medium → t3.large"], true, false), UpdateEffect::Rolls);
        assert_eq!(of(&["template: changed"], false, false), UpdateEffect::LaterNodes);
    }
}
