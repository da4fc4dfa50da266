//! The steps of layer `replace`, and what each must come after.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{Action, Error, Ref, Step, StepKey};
use eks_k8s::{
    Access,
    replacing::{Autoscaler, Registers},
};

use super::{
    actions,
    baseline::ill,
    group::{NEW_PROCESSES, OLD_PROCESSES},
    observed::ReplacementObserved,
    op::ReplaceOp,
    plan::{CALL, NOTICE, fault, some},
    rounds::Round,
    spec::{Replacement, Surge},
};
use crate::{RoleMapping, status::StackStatus, teardown};

/// An instance until it is running and its node Ready.
const NODE_COMES: Duration = Duration::from_secs(90);
/// An instance until it and its node are gone.
const NODE_GOES: Duration = Duration::from_secs(50);
/// A stack whose instances are gone already.
const EMPTY_GOES: Duration = Duration::from_secs(12);
/// A Pod elsewhere, until it is ready.
const POD_COMES: Duration = Duration::from_secs(10);

/// The steps while they are put together.
pub(crate) struct Draft<'a> {
    of: &'a Replacement,
    now: &'a ReplacementObserved,
    access: Access,
    rounds: &'a [Round],
    steps: Vec<Step>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(of: &'a Replacement, now: &'a ReplacementObserved, access: Access, rounds: &'a [Round]) -> Self {
        Self { of, now, access, rounds, steps: Vec::new() }
    }

    /// All of them.
    pub(crate) fn make(mut self) -> Result<Vec<Step>, Error> {
        let moves = !self.rounds.is_empty();
        let begun = if moves { self.begin()? } else { self.stay_empty()? };
        let mut last = self.rounds(begun.clone())?;
        if last.is_empty() {
            last = begun;
        }
        self.end(last)?;
        Ok(self.steps)
    }

    fn add(&mut self, step: Step) -> StepKey {
        let key = step.key.clone();
        self.steps.push(step);
        key
    }

    fn step(&self, segments: &[&str], action: Action, title: impl Into<String>, op: &ReplaceOp) -> Result<Step, Error> {
        let step = Step::new(self.of.key(segments), action, title, op).map_err(fault)?;
        Ok(if action == Action::Keep { step } else { step.takes(CALL) })
    }

    /// Names of the new group's Auto Scaling groups.
    fn new_groups(&self) -> Ref<String> {
        Ref::output(self.of.new.key(), "NodeAutoScalingGroup")
    }

    fn old_groups(&self) -> Ref<String> {
        Ref::Known(self.now.old.groups.join(","))
    }

    fn new_part<T>(&self, name: &str) -> Ref<T> {
        let new = &self.of.new;
        Ref::output(if new.amazon.is_some() { new.key() } else { new.base_key() }, name)
    }

    /// Until the first old node is closed: after what it may be.
    fn begin(&mut self) -> Result<Vec<StepKey>, Error> {
        let (of, now) = (self.of, self.now);
        let mut ready = vec![of.new.key()];
        if of.new.mapping() == RoleMapping::AwsAuth {
            ready.push(key_of("k8s/aws-auth")?);
        }
        ready.extend(self.open_rules()?);
        if of.surge == Surge::Whole {
            if of.needs_growth(now) {
                let target = of.target(now);
                let title = format!("{} instances in {}, as many as {} has", target.values().sum::<u32>(), of.new.name, of.old);
                let op = ReplaceOp::Grow { groups: self.new_groups(), wanted: target };
                let step = self.step(&["grow"], Action::Update, title, &op)?.after(of.new.key());
                self.add(step.permits(actions::GROW));
            }
            ready.push(key_of(&format!("k8s/nodes/{}", of.new.name))?);
        }
        let health = self.judge(&["health"], "workloads are as well as before, with the new nodes")?.after_all(&ready);
        let health = self.add(health);
        let mut held = vec![self.hold(false, &health)?];
        held.extend(self.still(&health)?);
        if of.surge == Surge::Whole {
            held.extend(self.close(&["close"], &now_nodes(self.rounds), &held)?);
        }
        Ok(held)
    }

    /// A group without instances gets none until its stack is deleted: they would be deleted with it.
    fn stay_empty(&mut self) -> Result<Vec<StepKey>, Error> {
        let stack = self.now.stacks.stack(self.of.old.as_str());
        let stands = stack.is_some_and(|stack| stack.status != StackStatus::DeleteInProgress);
        if stands && self.now.old_groups().next().is_some() { self.still(&self.of.new.key()) } else { Ok(Vec::new()) }
    }

    fn open_rules(&mut self) -> Result<Option<StepKey>, Error> {
        let Some(old) = self.now.old.security_group.clone() else { return Ok(None) };
        let new = self.now.new.security_group.as_ref();
        if new == Some(&old) {
            return Ok(None);
        }
        let lets = |group: &_, peer: &_| self.now.rules.iter().any(|rule| rule.everything && (&rule.group, &rule.peer) == (group, peer));
        let open = new.is_some_and(|new| lets(new, &old) && lets(&old, new));
        let (action, op) = match open {
            true => (Action::Keep, ReplaceOp::Keep),
            false => (Action::Create, ReplaceOp::OpenRules { old, new: self.new_part("NodeSecurityGroup") }),
        };
        let title = format!("nodes of {} and {} reach each other", self.of.old, self.of.new.name);
        let step = self.step(&["rules", "open"], action, title, &op)?.uses(&self.new_part::<String>("NodeSecurityGroup"));
        Ok(Some(self.add(step.permits(actions::OPEN_RULES))))
    }

    fn judge(&self, segments: &[&str], title: &str) -> Result<Step, Error> {
        let way_back = format!(
            "nothing more is done to the nodes of {}; mend it and plan again, or go back with Replacement::back, by which they take Pods again",
            self.of.old
        );
        let op = ReplaceOp::Judge {
            access: self.access.clone(),
            before: Box::new(self.of.baseline(self.now)),
            patience: self.of.patience,
            way_back,
        };
        Ok(self.step(segments, Action::Update, title, &op)?.takes(POD_COMES))
    }

    fn hold(&mut self, old: bool, after: &StepKey) -> Result<StepKey, Error> {
        let (of, now) = (self.of, self.now);
        let (name, with, groups): (_, _, Vec<_>) =
            if old { (&of.old, &of.new.name, now.old_groups().collect()) } else { (&of.new.name, &of.old, now.new_groups().collect()) };
        let processes: &[&str] = if old { &OLD_PROCESSES } else { &NEW_PROCESSES };
        let held = !groups.is_empty() && groups.iter().all(|group| group.is_held(with.as_str(), processes) && (!old || group.min == 0));
        let op = ReplaceOp::Hold {
            groups: if old { self.old_groups() } else { self.new_groups() },
            with: with.to_string(),
            processes: processes.iter().map(|process| (*process).to_owned()).collect(),
            to_none: old,
            ill: ill(&now.health),
        };
        let action = if held { Action::Keep } else { Action::Update };
        let title = format!("hold {name}: {} suspended", processes.join(", "));
        let part = if old { "old" } else { "new" };
        let step = self.step(&["hold", part], action, title, &op)?.after(after.clone()).after(of.new.key());
        let step = if old { step.changes(groups.iter().map(|group| format!("{}: min {} → 0", group.name, group.min))) } else { step };
        Ok(self.add(step.permits(actions::HOLD)))
    }

    /// The old group: nobody makes it larger or smaller. An autoscaler is paused first, as it would make use of the fewest instances' being none.
    fn still(&mut self, after: &StepKey) -> Result<Vec<StepKey>, Error> {
        let pause = self.pause(after)?;
        let hold = self.hold(true, pause.as_ref().unwrap_or(after))?;
        Ok(pause.into_iter().chain([hold]).collect())
    }

    fn pause(&mut self, after: &StepKey) -> Result<Option<StepKey>, Error> {
        let mark = self.of.mark();
        // A run that was killed may have paused one whose Pods have not ended.
        let running = |one: &&Autoscaler| one.interferes() || one.paused_for.contains(&mark);
        let running: Vec<_> = self.now.autoscalers.iter().filter(running).map(ToString::to_string).collect();
        if running.is_empty() {
            return Ok(None);
        }
        let op = ReplaceOp::PauseAutoscalers { access: self.access.clone(), mark };
        let step = self.step(&["autoscalers", "pause"], Action::Update, format!("pause {}", running.join(", ")), &op)?;
        Ok(Some(self.add(step.takes(Duration::from_secs(10)).after(after.clone()))))
    }

    fn close(&mut self, segments: &[&str], nodes: &[String], after: &[StepKey]) -> Result<Option<StepKey>, Error> {
        if nodes.is_empty() {
            return Ok(None);
        }
        let mark = self.of.mark();
        let closed = |name: &String| self.now.cluster.nodes.get(name).is_some_and(|node| is_closed(node, &mark));
        let action = if nodes.iter().all(closed) { Action::Keep } else { Action::Update };
        let title = format!("no more Pods for {}: cordoned, and tainted {}={mark}:NoSchedule", some(nodes), eks_k8s::replacing::TAINT);
        let op = ReplaceOp::Close { access: self.access.clone(), nodes: nodes.to_vec(), mark };
        let step = self.step(segments, action, title, &op)?.after_all(after);
        Ok(Some(self.add(step)))
    }

    /// The rounds; the steps after which all old instances are gone.
    fn rounds(&mut self, begun: Vec<StepKey>) -> Result<Vec<StepKey>, Error> {
        let mut last = Vec::new();
        last.extend(self.going(&begun)?);
        // A round begins when the one before has moved its Pods; while its instances go, the next one's Pods move.
        let mut moved = begun.clone();
        let width = self.rounds.len().to_string().len().max(2);
        for (number, round) in self.rounds.iter().enumerate() {
            let name = format!("round-{:0width$}", number + 1);
            let mut needs = moved.clone();
            if !round.new_first.is_empty() {
                // Room for the next ones comes as instances go.
                needs.extend(last.iter().cloned());
                needs = self.grow(&name, round, &needs)?;
                needs.extend(self.close(&[&name, "close"], &round.nodes, &needs.clone())?);
            }
            let health = self.drain(&name, round, &needs)?;
            let gone = self.terminate(&name, round, &health)?;
            moved = vec![health];
            last.push(gone);
        }
        Ok(last)
    }

    fn going(&mut self, begun: &[StepKey]) -> Result<Option<StepKey>, Error> {
        let instances: std::collections::BTreeMap<_, _> =
            self.now.old_going().map(|(group, instance)| (instance.id.clone(), group.name.clone())).collect();
        if instances.is_empty() {
            return Ok(None);
        }
        let title = format!("{} instances that are being terminated are gone", instances.len());
        let op = ReplaceOp::Terminate { access: self.access.clone(), instances };
        let step = self.step(&["going"], Action::Update, title, &op)?.takes(NODE_GOES).after_all(begun);
        Ok(Some(self.add(step.permits(actions::TERMINATE))))
    }

    fn grow(&mut self, name: &str, round: &Round, needs: &[StepKey]) -> Result<Vec<StepKey>, Error> {
        let count: u32 = round.new_first.values().sum();
        let op = ReplaceOp::Grow { groups: self.new_groups(), wanted: round.new_first.clone() };
        let title = format!("{count} instances in {}", self.of.new.name);
        let grow = self.step(&[name, "grow"], Action::Update, title, &op)?.after_all(needs).permits(actions::GROW);
        let grow = self.add(grow);
        let (key, value) = (crate::WORKERS_LABEL.to_owned(), self.of.new.name.to_string());
        let op = ReplaceOp::AwaitReady { access: self.access.clone(), label: (key, value), count };
        let title = format!("{count} Ready nodes of {}", self.of.new.name);
        let ready = self.step(&[name, "ready"], Action::Update, title, &op)?.takes(NODE_COMES).after(grow);
        Ok(vec![self.add(ready)])
    }

    fn drain(&mut self, name: &str, round: &Round, needs: &[StepKey]) -> Result<StepKey, Error> {
        let nodes: BTreeSet<&str> = round.nodes.iter().map(String::as_str).collect();
        let pods = self.now.cluster.pods.iter().filter(|pod| pod.node.as_deref().is_some_and(|node| nodes.contains(node)));
        let pods = pods.filter(|pod| pod.controller.as_ref().is_none_or(|controller| controller.kind != "DaemonSet"));
        let grace = pods.map(|pod| self.of.drain.grace_of(pod)).max().unwrap_or_default();
        let op = ReplaceOp::Drain {
            access: self.access.clone(),
            instances: round.instances.keys().cloned().collect(),
            drain: self.of.drain.clone(),
            mark: self.of.mark(),
        };
        let named = if round.nodes.is_empty() { format!("{} instances without a node", round.instances.len()) } else { some(&round.nodes) };
        let title = format!("drain {named} ({})", round.zones.join(", "));
        let takes = Duration::from_secs(u64::from(grace)) + POD_COMES;
        let step = self.step(&[name, "drain"], Action::Update, title, &op)?.takes(takes).after_all(needs);
        let drain = self.add(step);
        let health = self.judge(&[name, "health"], "workloads are as well as before")?.after(drain);
        Ok(self.add(health))
    }

    fn terminate(&mut self, name: &str, round: &Round, health: &StepKey) -> Result<StepKey, Error> {
        let mut after = health.clone();
        let delay = self.now.deregistration.longest();
        let count = round.instances.len();
        // Without a delay, too, nobody should be sent to an instance that is gone.
        if self.now.deregistration.balancers.iter().any(|balancer| balancer.registers == Registers::Instances) {
            let op = ReplaceOp::Deregister {
                access: self.access.clone(),
                instances: round.instances.keys().cloned().collect(),
                mark: self.of.mark(),
                delay,
            };
            let title = format!("load balancers let go of {}", some(&round.nodes));
            let step = self.step(&[name, "deregister"], Action::Update, title, &op)?.takes(delay + NOTICE).after(after);
            after = self.add(step);
        }
        let op = ReplaceOp::Terminate { access: self.access.clone(), instances: round.instances.clone() };
        let title = format!("terminate {count} instance{} of {}, {count} fewer wanted", if count == 1 { "" } else { "s" }, self.of.old);
        let step = self.step(&[name, "terminate"], Action::Update, title, &op)?.takes(NODE_GOES).after(after);
        Ok(self.add(step.permits(actions::TERMINATE)))
    }

    /// What is taken away and given back once no old instance is left.
    fn end(&mut self, last: Vec<StepKey>) -> Result<(), Error> {
        self.grow_on(&last)?;
        let unmapped = self.unmap(&last)?;
        let closed = self.close_rules(&last)?;
        let apart: Vec<StepKey> = last.iter().cloned().chain(unmapped).chain(closed).collect();
        let stack = self.delete_stack(self.of.old.as_str(), "stack", &apart, EMPTY_GOES)?;
        let after: Vec<StepKey> = apart.iter().cloned().chain(stack.clone()).collect();
        self.delete_stack(&self.of.old_base(), "base", &after, EMPTY_GOES)?;
        self.release(&last)?;
        // An autoscaler that finds the old group would make it larger again.
        let gone: Vec<StepKey> = last.into_iter().chain(stack).collect();
        self.resume(&gone)
    }

    /// What came batch by batch has as many nodes as the old group had; the spec may say more.
    fn grow_on(&mut self, after: &[StepKey]) -> Result<(), Error> {
        let (of, wanted) = (self.of, self.of.target(self.now));
        let reached = self.rounds.last().map(|round| &round.new_first).filter(|first| !first.is_empty());
        if of.surge == Surge::Whole || reached.is_none_or(|reached| wanted.iter().all(|(zone, count)| reached.get(zone) >= Some(count))) {
            return Ok(());
        }
        let title = format!("{} instances in {}", wanted.values().sum::<u32>(), of.new.name);
        let op = ReplaceOp::Grow { groups: self.new_groups(), wanted };
        let step = self.step(&["grow"], Action::Update, title, &op)?.after_all(after).permits(actions::GROW);
        self.add(step);
        Ok(())
    }

    fn unmap(&mut self, after: &[StepKey]) -> Result<Option<StepKey>, Error> {
        let (of, now) = (self.of, self.now);
        let there = now.stacks.stack(of.old.as_str()).is_some() || now.stacks.stack(&of.old_base()).is_some();
        let shared = now.old.role.is_some() && now.old.role == now.new.role;
        let Some(role) = now.old.role.clone().filter(|_| there && !shared && of.new.cluster.authentication.has_config_map()) else {
            return Ok(None);
        };
        let title = format!("role {} leaves aws-auth, if we put it there", role.name());
        let op = ReplaceOp::UnmapRole {
            access: self.access.clone(),
            group: of.old.to_string(),
            role,
            security_group: now.old.security_group.clone(),
        };
        let step = self.step(&["unmap"], Action::Update, title, &op)?.after_all(after).permits(actions::UNMAP);
        Ok(Some(self.add(step)))
    }

    fn close_rules(&mut self, after: &[StepKey]) -> Result<Option<StepKey>, Error> {
        let opens = self.steps.iter().any(|step| step.key == self.of.key(&["rules", "open"]));
        let ours = self.now.rules.iter().any(|rule| rule.ours);
        let Some(old) = self.now.old.security_group.clone().filter(|_| opens || ours) else { return Ok(None) };
        let op = ReplaceOp::CloseRules { groups: vec![old] };
        let title = format!("nodes of {} no longer reach those of {}", self.of.old, self.of.new.name);
        let step = self.step(&["rules", "close"], Action::Update, title, &op)?.after_all(after).permits(actions::CLOSE_RULES);
        Ok(Some(self.add(step)))
    }

    fn delete_stack(&mut self, name: &str, segment: &str, after: &[StepKey], takes: Duration) -> Result<Option<StepKey>, Error> {
        let Some(stack) = self.now.stacks.stack(name) else { return Ok(None) };
        let op = ReplaceOp::DeleteStack {
            name: eks_core::StackName::new(name).map_err(fault)?,
            id: stack.id.clone(),
            groups: if segment == "stack" { self.now.old.groups.clone() } else { Vec::new() },
        };
        let step = self.step(&[segment], Action::Update, format!("delete stack {name}, which holds no instance any more"), &op)?;
        let step = step.changes([format!("{}: deleted", stack.status)]).takes(takes).after_all(after);
        Ok(Some(self.add(step.permits(teardown::ACTIONS.iter().copied()))))
    }

    fn release(&mut self, after: &[StepKey]) -> Result<(), Error> {
        let held = self.steps.iter().any(|step| step.key == self.of.key(&["hold", "new"]));
        if !held && self.now.new_groups().all(|group| group.mark.is_none()) {
            return Ok(());
        }
        let op = ReplaceOp::Release {
            groups: self.new_groups(),
            with: self.of.old.to_string(),
            processes: NEW_PROCESSES.map(str::to_owned).into(),
            sizes: false,
        };
        let title = format!("release {}: {} as before", self.of.new.name, NEW_PROCESSES.join(", "));
        let step = self.step(&["release"], Action::Update, title, &op)?.after(self.of.new.key()).after_all(after);
        self.add(step.permits(actions::RELEASE));
        Ok(())
    }

    fn resume(&mut self, after: &[StepKey]) -> Result<(), Error> {
        let mark = self.of.mark();
        let pauses = self.steps.iter().any(|step| step.key == self.of.key(&["autoscalers", "pause"]));
        if !pauses && !self.now.autoscalers.iter().any(|one| one.paused_for.contains(&mark)) {
            return Ok(());
        }
        let op = ReplaceOp::ResumeAutoscalers { access: self.access.clone(), mark };
        let step = self.step(&["autoscalers", "resume"], Action::Update, "autoscalers run as before", &op)?;
        self.add(step.after_all(after));
        Ok(())
    }
}

/// Whether a node is closed for this mark.
pub(crate) fn is_closed(node: &eks_k8s::drain::Node, mark: &str) -> bool {
    node.unschedulable && node.taints.iter().any(|taint| taint.key == eks_k8s::replacing::TAINT && taint.value == mark)
}

fn key_of(text: &str) -> Result<StepKey, Error> {
    text.parse().map_err(fault)
}

fn now_nodes(rounds: &[Round]) -> Vec<String> {
    rounds.iter().flat_map(|round| round.nodes.iter().cloned()).collect()
}
