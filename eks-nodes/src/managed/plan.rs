//! The steps of managed workers: the stack that they stand on, then the group.

use std::time::Duration;

use eks_core::{Action, Error, Finding, Step, StepKey};

use super::{
    actions,
    decide::{Decision, Wanted, decide},
    op::GroupOp,
    settings::Managed,
};
use crate::{
    decide::{self as stacks, Told},
    observed::Observed,
    op::WorkersOp,
    plan::{fault, step},
    spec::WorkersSpec,
    template::TEMPLATE_DIGEST,
};

/// A role and a launch template.
const BASE_TAKES: Duration = Duration::from_secs(15);
/// From the request until the nodes are Ready: public logs have 1m28s–5m47s, median 2m00s.
const GROUP_TAKES: Duration = Duration::from_secs(120);
/// Settings alone.
const SETTINGS_TAKE: Duration = Duration::from_secs(20);
/// A replacement of nodes: until the first new ones are Ready, and at the end.
const ROLL_TAKES: Duration = Duration::from_secs(180);
/// A round of it: eviction, the minute that EKS waits, and the instance's end.
const ROUND_TAKES: Duration = Duration::from_secs(90);

impl WorkersSpec {
    pub(crate) fn managed_steps(&self, settings: &Managed, now: &Observed) -> Result<(Vec<Step>, Vec<Finding>), Error> {
        self.keeps_its_kind(now)?;
        let (base_key, request) = (self.base_key(), self.managed_base_request(settings));
        let base = stacks::decide(request.clone(), &base_key, now, &Told::new(), &self.skip_in_rollback)?;
        let digest = self.template_digest(settings);
        let template_changes =
            base.action == Action::Update && base.told.as_ref().is_some_and(|outputs| outputs.get(TEMPLATE_DIGEST) != Some(&digest));
        let told = base.told.clone();
        let what = if settings.role.is_some() { "launch template" } else { "role and launch template" };
        let title = format!("{what} of managed workers {}", self.name);
        let base = step(base_key, title, base, &request, BASE_TAKES)?.permits(actions::BASE);

        let (key, group) = (self.key(), self.group_of(settings));
        let wanted =
            Wanted { group: group.clone(), version: &self.cluster.version, force: settings.force, base: told.as_ref(), template_changes };
        let decision = decide(wanted, &key, now)?;
        let findings = self.managed_findings(settings, &key, &decision, now);
        let mut step = self.group_step(key, settings, decision, now)?.uses(&group.role).uses(&self.cluster.endpoint);
        step = step.uses(&group.template.id).uses(&group.template.version);
        step = group.subnets.iter().fold(step, |step, subnet| step.uses(subnet));
        // EKS waits until the nodes are Ready, which they are with the network's plugin only.
        step = step.after_all(&self.network.egress).after_all(&self.cluster.nodes_need);
        for price in self.prices(now) {
            step = step.costs(price);
        }
        Ok((vec![base, step], findings))
    }

    fn group_step(&self, key: StepKey, settings: &Managed, decision: Decision, now: &Observed) -> Result<Step, Error> {
        let title = format!("{}, managed by EKS", self.title());
        let title = decision.circumstance.map_or_else(|| title.clone(), |circumstance| format!("{title}, {circumstance}"));
        let takes = match decision.action {
            Action::Keep => Duration::ZERO,
            Action::Create => GROUP_TAKES,
            // What is under way may be a roll: EKS tells of a group only that it is being updated.
            Action::Update if decision.rolls || matches!(decision.op, GroupOp::Await { .. }) => {
                ROLL_TAKES + ROUND_TAKES * self.rounds(settings, now)
            }
            Action::Update => SETTINGS_TAKE,
        };
        let permits = if decision.action == Action::Update { &actions::UPDATE[..] } else { &actions::CREATE[..] };
        let clears = matches!(decision.op, GroupOp::Replace { .. }).then_some("eks:DeleteNodegroup");
        let step = Step::new(key, decision.action, title, &WorkersOp::Group { group: Box::new(decision.op) }).map_err(fault)?;
        let step = step.changes(decision.changes).takes(takes).permits(permits.iter().copied().chain(clears));
        Ok(decision.outputs.into_iter().fold(step, |step, (name, value)| step.knows(name, value)))
    }

    /// In how many rounds an update replaces the nodes that there are.
    pub(super) fn rounds(&self, settings: &Managed, now: &Observed) -> u32 {
        let nodes = now.group(self.cluster.name.as_str(), self.name.as_str()).map_or(0, |group| group.scaling.desired);
        nodes.div_ceil(settings.batch().of(nodes))
    }
}
