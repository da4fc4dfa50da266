//! The way back, while the old group is there.

use std::time::Duration;

use eks_core::{Action, Error, Problems, Ref, Step, StepKey};
use eks_k8s::drain::Forecast;

use super::{
    actions,
    draft::is_closed,
    group::{NEW_PROCESSES, OLD_PROCESSES, ScalingGroup},
    observed::ReplacementObserved,
    op::ReplaceOp,
    plan::{CALL, ReplacementPlan, Way, fault, some},
    spec::{Replacement, ReplacementError},
};
use crate::status::{Next, Purpose};

impl Replacement {
    /// What must be done so that the old group is again what it was: as many instances as its tag says, nodes that were closed take Pods,
    /// processes and autoscalers go on. Nothing else is opened or started than what the replacement closed or paused: a new group that is being
    /// replaced itself by now stays held.
    ///
    /// The new group stays, with its mapping and the rules between both, as Pods may run there: to be rid of it, replace it by the old group's
    /// spec under another name; or drain its nodes and tear its stacks down.
    ///
    /// # Errors
    /// [`ReplacementError::Refused`] if the old group's stack is gone, or on its way, or if it is being replaced by another group.
    pub fn back(&self, now: &ReplacementObserved) -> Result<ReplacementPlan, ReplacementError> {
        let mut problems = Problems::new();
        self.check_stacks(now, &mut problems);
        let stands = now.stacks.stack(self.old.as_str()).is_some_and(|stack| stack.status.next(Purpose::Make) == Next::Compare);
        if problems.is_empty() && !stands {
            let rule = "is gone, or on its way: there is no way back to it";
            problems.add(
                "old-gone",
                format!("stack {}", self.old),
                rule,
                "go on (Replacement::plan), or replace the new workers by others",
            );
        }
        // Nodes and autoscalers bear the old group's name alone, so they are that one's.
        for (group, mark) in
            now.old_groups().filter_map(|group| Some((group, group.mark.as_ref()?))).filter(|(_, mark)| mark.with != self.new.name.as_str())
        {
            let rule = format!("is in the middle of a replacement together with stack {}", mark.with);
            problems.add("other-replacement", format!("Auto Scaling group {}", group.name), rule, "go back from that one");
        }
        problems.finish(format!("way back from {} to {}", self.new.name, self.old), || ())?;
        let access = self.access.clone().ok_or_else(|| fault("the API server is not known"))?;
        let mark = self.mark();
        let mut steps: Vec<Step> = Vec::new();

        let old: Vec<&ScalingGroup> = now.old_groups().filter(|group| group.is_marked(self.new.name.as_str())).collect();
        let resized = if old.is_empty() { None } else { Some(self.release(&old, &OLD_PROCESSES, true, "old", &mut steps)?) };
        let names = now.cluster.nodes.iter().filter(|(_, node)| is_closed(node, &mark)).map(|(name, _)| name.clone());
        // One that was shut before anybody tainted it bears only our note, so all of the old nodes are looked at.
        let mut nodes: Vec<String> = names.chain(now.old_live().filter_map(|(_, one)| now.node_of(&one.id)).map(str::to_owned)).collect();
        nodes.sort();
        nodes.dedup();
        let shut = nodes.iter().any(|name| now.cluster.nodes.get(name).is_some_and(|node| node.unschedulable));
        let mut opened = None;
        if shut {
            let op = ReplaceOp::Open { access: access.clone(), nodes: nodes.clone(), mark: mark.clone() };
            let title = format!("{} take Pods again, where this replacement closed them", some(&nodes));
            opened = Some(push(&mut steps, self.back_step(&["back", "open"], title, &op)?));
        }
        let new: Vec<&ScalingGroup> = now.new_groups().filter(|group| group.is_marked(self.old.as_str())).collect();
        if !new.is_empty() {
            self.release(&new, &NEW_PROCESSES, false, "new", &mut steps)?;
        }
        if now.autoscalers.iter().any(|one| one.paused_for.contains(&mark)) {
            let op = ReplaceOp::ResumeAutoscalers { access, mark };
            let step = self.back_step(&["back", "autoscalers"], "autoscalers run as before".to_owned(), &op)?;
            // What it would make room for is there by then.
            push(&mut steps, step.after_all(resized.iter().chain(&opened)));
        }
        let layer = self.layer(now, steps, Vec::new())?;
        Ok(self.finish(now, Way::Back, vec![layer], Vec::new(), Forecast::default())?)
    }

    fn back_step(&self, segments: &[&str], title: String, op: &ReplaceOp) -> Result<Step, Error> {
        Ok(Step::new(self.key(segments), Action::Update, title, op).map_err(fault)?.takes(CALL))
    }

    fn release(
        &self,
        groups: &[&ScalingGroup],
        processes: &[&str],
        sizes: bool,
        part: &str,
        steps: &mut Vec<Step>,
    ) -> Result<StepKey, Error> {
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        let op = ReplaceOp::Release {
            groups: Ref::Known(names.join(",")),
            with: if sizes { self.new.name.to_string() } else { self.old.to_string() },
            processes: processes.iter().map(|process| (*process).to_owned()).collect(),
            sizes,
        };
        let before = |group: &&ScalingGroup| {
            let mark = group.before();
            format!("{}: {}–{}–{} → {}–{}–{}", group.name, group.min, group.desired, group.max, mark.min, mark.desired, mark.max)
        };
        let stack = if sizes { &self.old } else { self.new.name() };
        let step = self.back_step(&["back", part], format!("{stack} is as it was before"), &op)?.permits(actions::RELEASE);
        let step = if sizes { step.changes(groups.iter().map(before)).takes(Duration::from_secs(5)) } else { step };
        Ok(push(steps, step))
    }
}

fn push(steps: &mut Vec<Step>, step: Step) -> StepKey {
    let key = step.key.clone();
    steps.push(step);
    key
}
