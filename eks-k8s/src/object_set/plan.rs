//! From a set and what exists of it to a plan. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use eks_core::{Action, Error, Finding, OpError, Plan, PlanError, Step, StepKey};
use serde_json::Value;

use super::{
    Judgement, Manifest, ObjectId, ObjectSet, Planned, SetObject, SetObserved, SetOp,
    difference::{differences, told},
    observed::is_ours,
    order::Rank,
    secret::is_secret,
};
use crate::diff::drift;

pub(super) fn plan_error(error: &PlanError) -> Error {
    Error::Plan { subject: "layer objects".to_owned(), reason: error.to_string() }
}

pub(super) fn op_error(error: &OpError) -> Error {
    Error::Plan { subject: "layer objects".to_owned(), reason: error.to_string() }
}

impl ObjectSet {
    /// What has to be done, given what exists. What is no longer in the set stays: pruning is another verb.
    ///
    /// # Errors
    /// [`Error::Refused`] if an object of that name is someone else's, if another field manager holds a field of it, or if the API
    /// server refuses the change.
    pub fn plan(&self, now: &SetObserved) -> Result<Plan, Error> {
        Self::plan_all([self], now)
    }

    /// What has to be done for several sets, given what exists of all ([`SetObserved::and`]): one plan, which can be joined with those of
    /// other layers. One set waits for another only where it says so ([`ObjectSetBuilder::needs`](crate::ObjectSetBuilder::needs)).
    ///
    /// # Errors
    /// As [`ObjectSet::plan`]; [`Error::Plan`] without a set, or if they are of different owners or of one name; [`Error::Refused`] if an object
    /// is in two of them.
    pub fn plan_all<'a>(sets: impl IntoIterator<Item = &'a Self>, now: &SetObserved) -> Result<Plan, Error> {
        let sets: Vec<&Self> = sets.into_iter().collect();
        let wrong = |reason: &str| Error::Plan { subject: "layer objects".to_owned(), reason: reason.to_owned() };
        let Some(first) = sets.first() else { return Err(wrong("there is no set to plan")) };
        if sets.iter().any(|set| set.owner != first.owner) {
            return Err(wrong("sets of different owners cannot be planned together"));
        }
        if sets.iter().map(|set| &set.name).collect::<BTreeSet<_>>().len() < sets.len() {
            return Err(wrong("two sets of one name cannot be planned together; make one set of both"));
        }
        disjoint(&sets)?;
        let mut plan = Plan::builder(&first.owner, "objects").basis(now.basis()?);
        for set in sets {
            for (key, manifest) in &set.objects {
                plan = plan.step(set.step(key, manifest, now.found.get(key))?);
            }
            if set.force {
                for key in set.objects.keys().take(1) {
                    plan = plan.finding(Finding::warning(key.clone(), "fields that other managers have set are taken over"));
                }
            }
            plan = set.claim_findings().into_iter().fold(plan, eks_core::PlanBuilder::finding);
        }
        plan.build().map_err(|error| plan_error(&error))
    }

    fn step(&self, key: &StepKey, manifest: &Manifest, found: Option<&SetObject>) -> Result<Step, Error> {
        let id = ObjectId::of(manifest);
        let wait = self.waits.get(key);
        let live = found.and_then(|found| found.live.as_deref());
        let mut changed = Vec::new();
        if let (Some(found), Some(live)) = (found, live) {
            self.allowed(&id, live, found)?;
            changed = match &found.would_be {
                Some(would_be) => differences(live, would_be),
                None => told(is_secret(manifest), &drift(manifest, live)),
            };
            if changed.is_empty()
                && let Some(Judgement::NotYet(state) | Judgement::Never(state)) = wait.map(|wait| wait.judge(Some(live)))
            {
                changed.push(format!("status: {state}"));
            }
        }
        let action = match live {
            None => Action::Create,
            Some(_) if changed.is_empty() => Action::Keep,
            Some(_) => Action::Update,
        };
        let op = SetOp::Apply {
            access: self.access.clone(),
            namespace: self.namespace.clone(),
            object: Planned::of(manifest),
            force: self.force,
            wait: wait.cloned(),
        };
        let typical = Duration::from_secs(if wait.is_some() { 20 } else { 1 });
        let step = Step::new(key.clone(), action, id.to_string(), &op).map_err(|error| op_error(&error))?;
        let step = step.uses(&self.access.endpoint).uses(&self.access.certificate_authority);
        let step = step.after_all(&self.needs).after_all(&self.before(Rank::of(&id))).takes(typical).changes(changed);
        let uid = live.and_then(|live| live["metadata"]["uid"].as_str());
        Ok(match uid {
            Some(uid) if action == Action::Keep => step.knows("id", uid),
            _ => step,
        })
    }

    /// The objects of the last rank before this one: they need those before them in turn.
    fn before(&self, rank: Rank) -> BTreeSet<StepKey> {
        let ranks = self.objects.iter().map(|(key, manifest)| (Rank::of(&ObjectId::of(manifest)), key));
        let last = ranks.clone().map(|(other, _)| other).filter(|other| *other < rank).max();
        ranks.filter(|(other, _)| Some(*other) == last).map(|(_, key)| key.clone()).collect()
    }

    fn allowed(&self, id: &ObjectId, live: &Value, found: &SetObject) -> Result<(), Error> {
        let refuse = |rule: String, remedy: &str| Err(Error::Refused { subject: id.to_string(), rule, remedy: remedy.to_owned() });
        if !is_ours(live, &self.owner, &self.name) {
            let rule = "an object of that name is there that this set did not make".to_owned();
            return refuse(rule, "choose another name, or delete it");
        }
        if live["metadata"]["deletionTimestamp"].is_string() {
            return refuse("it is being deleted".to_owned(), "wait until it is gone, and plan again");
        }
        if !found.conflicts.is_empty() {
            let told = found.conflicts.iter().map(|conflict| format!("{} is managed by {}", conflict.field, conflict.manager));
            let rule = told.collect::<Vec<_>>().join(", ");
            return refuse(rule, "leave these fields out of the manifest, or take them over with force_conflicts");
        }
        let balanced = |object: &Value| object["kind"] == "Service" && object["spec"]["type"] == "LoadBalancer";
        if let Some(would_be) = found.would_be.as_deref().filter(|would_be| id.group().is_empty() && balanced(live) && balanced(would_be)) {
            // As in layer k8s: such changes would leave the load balancer that it has behind.
            let frozen = crate::service::frozen(live, would_be, &[]);
            if !frozen.is_empty() {
                return refuse(frozen.join("; "), "delete it, wait until it is gone, and plan again");
            }
        }
        match &found.refused {
            Some(why) => {
                refuse(format!("the API server refuses the change: {why}"), "correct the manifest, or delete the object and plan again")
            }
            None => Ok(()),
        }
    }
}

/// No object is in two sets of one cluster: each would take it from the other.
fn disjoint(sets: &[&ObjectSet]) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for set in sets {
        for manifest in set.objects.values() {
            let id = ObjectId::of(manifest).meant(&set.namespace);
            let at = (set.access.name.clone(), id.group().to_owned(), id.kind.clone(), id.namespace.clone(), id.name.clone());
            if let Some(other) = seen.insert(at, &set.name) {
                let (rule, remedy) = (format!("it is in set {other} and in set {}", set.name), "leave it in one of them".to_owned());
                return Err(Error::Refused { subject: id.to_string(), rule, remedy });
            }
        }
    }
    Ok(())
}
