//! From what there is to steps.

use std::{collections::BTreeSet, time::Duration};

use eks_core::{
    Basis, Error, Finding, Plan, PlanBuilder, Problems, Step, StepKey, WorkersRefs,
    engine::{ApplyError, Engine, Report},
    saved,
};
use eks_k8s::{ObjectsSpec, drain::Forecast};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    actions,
    draft::Draft,
    observed::ReplacementObserved,
    rounds::Round,
    sizes::Sizes,
    spec::{Replacement, ReplacementError, Surge},
};
use crate::RoleMapping;

/// One call, or a few.
pub(crate) const CALL: Duration = Duration::from_secs(1);
/// Until whoever manages load balancers has seen that a node is to be let go, beyond the time for which they go on.
pub(crate) const NOTICE: Duration = Duration::from_secs(10);
/// Whither a plan leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there are two ways")]
pub enum Way {
    /// The new group takes the old one's place.
    Forward,
    /// The old group is again what it was.
    Back,
}

/// What must be done so that one group of workers takes the place of another, or so that it does not.
///
/// It deletes by name what it has emptied, which no [`Plan`] does; so it cannot be joined to one. Plans of other layers can be brought into it
/// ([`Replacement::plan_with`]). Serialised, it carries a digest ([`saved`]): what was changed is refused when it is read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReplacementPlan {
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) way: Way,
    pub(crate) plan: Plan,
    pub(crate) rounds: Vec<Round>,
    pub(crate) forecast: Forecast,
    /// What the old group costs for as long as both run.
    pub(crate) old_usd_per_month: f64,
}

/// The serialised form, but for the digest.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ReplacementPlan")]
struct Parts {
    old: String,
    new: String,
    way: Way,
    plan: Plan,
    rounds: Vec<Round>,
    forecast: Forecast,
    old_usd_per_month: f64,
}

impl Serialize for ReplacementPlan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = Parts::serialize(self, serde_json::value::Serializer).map_err(serde::ser::Error::custom)?;
        saved::seal(parts, None).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ReplacementPlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = saved::open(serde_json::Value::deserialize(deserializer)?, None).map_err(serde::de::Error::custom)?;
        Parts::deserialize(parts).map_err(serde::de::Error::custom)
    }
}

impl ReplacementPlan {
    /// Whether nothing is to be done.
    pub fn is_done(&self) -> bool {
        self.plan.is_noop()
    }

    /// Carries it out, with an engine that has `Workers`, `Objects` and `Replacements` as drivers. It refuses if what exists is no longer what
    /// the plan was made on. Stopped, failed or killed, it goes on when it is planned again.
    ///
    /// # Errors
    /// As [`Plan::apply`]. A workload that stays worse than before is [`Error::Terminal`], and names the way back.
    pub async fn apply(&self, engine: &Engine) -> Result<Report, ApplyError> {
        self.plan.apply(engine).await
    }

    /// Whither it leads.
    pub fn way(&self) -> Way {
        self.way
    }

    /// The steps, each after what it needs.
    pub fn steps(&self) -> &[Step] {
        self.plan.steps()
    }

    /// What a reviewer should see, warnings first.
    pub fn findings(&self) -> Vec<&Finding> {
        self.plan.findings()
    }

    /// The batches of old nodes, in order.
    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// What the drains would meet, on the cluster as it will be with the new nodes.
    pub fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// The chain of steps that takes longest, and how long it typically takes.
    pub fn critical_path(&self) -> (Duration, Vec<&StepKey>) {
        self.plan.critical_path()
    }

    /// IAM actions that it needs, and those that planning it needed.
    pub fn iam_actions(&self) -> BTreeSet<&str> {
        self.plan.iam_actions().into_iter().chain(actions::READ).collect()
    }
}

impl Replacement {
    /// What must be done. Pure: the same replacement and the same observation give the same plan. After a kill at any call, observing and
    /// planning again goes on.
    ///
    /// # Errors
    /// [`ReplacementError::Refused`] with every rule that stands against it.
    pub fn plan(&self, now: &ReplacementObserved) -> Result<ReplacementPlan, ReplacementError> {
        self.plan_with(now, [])
    }

    /// The same, together with plans of other layers: of the cluster, say, if the new workers are given by references to its outputs.
    ///
    /// # Errors
    /// As [`Replacement::plan`], and those of [`Plan::join`].
    pub fn plan_with(
        &self,
        now: &ReplacementObserved,
        others: impl IntoIterator<Item = Plan>,
    ) -> Result<ReplacementPlan, ReplacementError> {
        let mut problems = Problems::new();
        let mut rounds = self.rounds(now);
        self.surge_rounds(now, &mut rounds);
        let (forecast, room_known) = self.forecast(now, &rounds);
        self.check_stacks(now, &mut problems);
        self.check_groups(now, &mut problems);
        if !rounds.is_empty() {
            self.check_new(now, &mut problems);
            self.check_forecast(now, &forecast, room_known, &mut problems);
            self.check_surge(now, &mut problems);
        }
        problems.finish(format!("replacement of {} by {}", self.old, self.new.name), || ())?;
        let access = self.access.clone().ok_or_else(|| fault("the API server is not known"))?;
        let made = self.made(now);
        let mut parts = vec![made.plan(&now.stacks)?];
        if let Some(objects) = self.objects(now)? {
            parts.push(objects.plan(&now.objects)?);
        }
        let steps = Draft::new(self, now, access, &rounds).make()?;
        let findings = steps.first().map(|step| self.replacement_findings(now, &forecast, &step.key)).unwrap_or_default();
        parts.push(self.layer(now, steps, findings)?);
        parts.extend(others);
        Ok(self.finish(now, Way::Forward, parts, rounds, forecast)?)
    }

    /// The part of layer `replace`.
    pub(crate) fn layer(&self, now: &ReplacementObserved, steps: Vec<Step>, findings: Vec<Finding>) -> Result<Plan, Error> {
        let scope = serde_json::to_value(&now.scope).map_err(fault)?;
        let plan = Plan::builder(&self.owner, "replace").basis(Basis::new(scope, now.facts()));
        let plan = steps.into_iter().fold(plan, PlanBuilder::step);
        findings.into_iter().fold(plan, PlanBuilder::finding).build().map_err(fault)
    }

    pub(crate) fn finish(
        &self,
        now: &ReplacementObserved,
        way: Way,
        parts: Vec<Plan>,
        rounds: Vec<Round>,
        forecast: Forecast,
    ) -> Result<ReplacementPlan, Error> {
        let plan = Plan::join(parts).map_err(fault)?;
        let stack = now.stacks.stack(self.old.as_str());
        Ok(ReplacementPlan {
            old: self.old.to_string(),
            new: self.new.name.to_string(),
            way,
            plan,
            rounds,
            forecast,
            old_usd_per_month: stack.map_or(0.0, crate::Stack::usd_per_month),
        })
    }

    /// What the Kubernetes layer sees to: the mapping of the new role, and that all new nodes are Ready, where they come first.
    pub(crate) fn objects(&self, now: &ReplacementObserved) -> Result<Option<ObjectsSpec>, Error> {
        let mut refs = self.new.refs();
        refs.desired = match self.present(now) {
            // An autoscaler may have made it smaller since.
            Some(present) if now.old_live().next().is_none() => self.target(now).values().sum::<u32>().min(present.values().sum()),
            _ => self.target(now).values().sum(),
        };
        if self.needs_growth(now) {
            refs.running.push(self.key(&["grow"]));
        }
        self.objects_of(refs)
    }

    pub(crate) fn objects_of(&self, refs: WorkersRefs) -> Result<Option<ObjectsSpec>, Error> {
        let mut spec = ObjectsSpec::builder(&self.owner, self.new.cluster.clone());
        let maps = self.new.mapping() == RoleMapping::AwsAuth;
        if maps {
            spec = spec.map_role(self.new.name.as_str(), refs.role.clone());
        }
        let waits = self.surge == Surge::Whole;
        if waits {
            spec = spec.nodes(refs);
        }
        if maps || waits { spec.build().map(Some).map_err(fault) } else { Ok(None) }
    }

    /// Whether the new group, made by its spec, must grow to the size of the old one.
    pub(crate) fn needs_growth(&self, now: &ReplacementObserved) -> bool {
        let target = self.target(now);
        let short = |sizes: &Sizes| target.iter().any(|(zone, wanted)| sizes.get(zone).copied().unwrap_or_default() < *wanted);
        if self.surge != Surge::Whole || now.old_live().next().is_none() {
            return false;
        }
        match self.present(now) {
            Some(present) => short(&present),
            None => {
                let made = self.made(now).capacity.desired();
                target.values().any(|wanted| made < *wanted)
            }
        }
    }
}

pub(crate) fn fault(reason: impl ToString) -> Error {
    Error::Plan { subject: "replacement".to_owned(), reason: reason.to_string() }
}

/// `ip-10-0-1-5.ec2.internal and 3 others`
pub(crate) fn some(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, rest @ ..] => format!("{one} and {} others", rest.len()),
    }
}
