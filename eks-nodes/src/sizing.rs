//! How many instances an update leaves.
//!
//! An autoscaler moves a group's desired capacity, and an update must not undo that. Three numbers decide: what the spec says, what it said
//! when the stack was last made or changed, and what the group has. As long as the spec says the same, the group's number stays; once
//! the spec says another one, that was meant.
//!
//! Our template leaves `DesiredCapacity` out then, so that nothing comes between looking and changing, and each zone's group keeps its own:
//! Auto Scaling leaves the number alone, but for new limits (Auto Scaling API Reference, "UpdateAutoScalingGroup"). Amazon's
//! template always says a number, so that one is read just before the update, and what the spec said is remembered in a tag.
//!
//! An update that fails is another matter: its rollback brings back what the stack said before, a number, too, if it said one. A plan warns
//! where that is below what the group has.

use std::fmt;

use eks_core::{Action, Finding, Ref, StepKey};

use crate::{
    decide::Decision,
    observed::{Observed, Stack},
    request::{Argument, DESIRED, KEEPS, StackRequest, TemplateSource},
    spec::WorkersSpec,
    status::{Next, Purpose},
};

/// Tag of a stack of Amazon's template: the number of instances that the spec said when the stack was last made or changed.
pub const DESIRED_TAG: &str = "eks-rs/desired-capacity";

/// How large an Auto Scaling group is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data that tests and other observers build")]
pub struct GroupSize {
    /// Its name.
    pub name: String,
    /// Instances that it is to have.
    pub desired: u32,
}

impl fmt::Display for GroupSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {}", self.desired, self.name)
    }
}

impl WorkersSpec {
    /// The stack of the instances, if it can be updated.
    fn standing<'a>(&self, now: &'a Observed) -> Option<&'a Stack> {
        let stack = now.stack(self.name.as_str()).filter(|stack| stack.key(now.owner()) == Some(self.key()))?;
        (stack.status.next(Purpose::Make) == Next::Compare).then_some(stack)
    }

    /// Whether an update leaves the number of instances as it is.
    pub(crate) fn keeps_size(&self, now: &Observed) -> bool {
        !self.resize_on_update && self.standing(now).and_then(last_said) == Some(self.capacity.desired())
    }

    /// Says in the request what becomes of the number.
    pub(crate) fn settle_size(&self, request: &mut StackRequest, now: &Observed) {
        let keeps = self.keeps_size(now);
        if matches!(request.template, TemplateSource::Body(_)) {
            // Without a number, Auto Scaling begins with the fewest (Auto Scaling API Reference, "CreateAutoScalingGroup").
            let keeps = keeps || (self.begins_small && self.standing(now).is_none());
            request.parameters.insert(KEEPS.to_owned(), Argument::known(keeps.to_string()));
        } else if let Some(found) = self.standing(now).and_then(|stack| stack.parameters.get(DESIRED)).filter(|_| keeps) {
            request.keeps_size = true;
            request.parameters.insert(DESIRED.to_owned(), Argument::One(Ref::Known(found.clone())));
        }
    }

    /// How many instances there will be; in a group that keeps its number, that one within the new limits.
    pub(crate) fn instances(&self, now: &Observed) -> u32 {
        let sizes = now.sizes(self.name.as_str());
        if sizes.is_empty() || !self.keeps_size(now) {
            return self.capacity.desired().saturating_mul(self.groups());
        }
        sizes.iter().fold(0, |sum, size| sum.saturating_add(self.within_limits(size.desired)))
    }

    /// The number that a rollback sets: CloudFormation goes back to the stack's definition, and one that was made or resized last says it.
    fn said_by_rollback(&self, now: &Observed) -> Option<u32> {
        let stack = self.standing(now).filter(|stack| stack.parameters.get(KEEPS).is_none_or(|keeps| keeps != "true"))?;
        stack.parameters.get(DESIRED)?.parse().ok()
    }

    fn within_limits(&self, desired: u32) -> u32 {
        desired.clamp(self.capacity.min(), self.capacity.max())
    }

    /// What an update does to the number, in words.
    pub(crate) fn tell_size(
        &self,
        key: &StepKey,
        request: &StackRequest,
        decision: &mut Decision,
        now: &Observed,
        findings: &mut Vec<Finding>,
    ) {
        // A template of somebody else's may have no such parameter.
        if decision.action != Action::Update || !request.parameters.contains_key(DESIRED) {
            return;
        }
        let (keeps, said) = (self.keeps_size(now), self.capacity.desired());
        for size in now.sizes(self.name.as_str()) {
            let (has, name) = (size.desired, &size.name);
            let gets = if keeps { self.within_limits(has) } else { said };
            let change = match (keeps, gets == has) {
                (_, true) if has == said => None,
                (_, true) => Some(format!("size of {name}: stays {has}, as it is now; the spec says {said}")),
                (true, false) => Some(format!("size of {name}: {has} → {gets}, its new limit")),
                (false, false) => Some(format!("size of {name}: {has} → {gets}")),
            };
            decision.changes.extend(change);
            if let Some(old) = self.said_by_rollback(now).filter(|old| *old < has) {
                let text = format!(
                    "{name} has {has} instances: if this update fails, its rollback sets {old} again, and Auto Scaling terminates the others \
                     without draining them"
                );
                findings.push(Finding::warning(key.clone(), text));
            }
            if gets < has {
                let text = format!("{name} has {has} instances and gets {gets}: Auto Scaling terminates nodes without draining them");
                findings.push(Finding::warning(key.clone(), text));
            }
        }
    }
}

/// What the spec said last: a tag where the parameter was another number.
pub(crate) fn last_said(stack: &Stack) -> Option<u32> {
    stack.tags.get(DESIRED_TAG).or_else(|| stack.parameters.get(DESIRED))?.parse().ok()
}
