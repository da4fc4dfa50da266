//! Making, joining, saving and questioning plans.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Action, Step, longest_chain, sort};
use crate::{
    Basis, Finding, Owner, Permission, Policy, PolicyScope, Severity, StepKey,
    saved::{self, SavedError},
};

/// The form of saved plans that this version writes and reads.
const FORMAT: u32 = 2;

/// What should be done, in full: reviewable, serialisable, and the same for the same spec and the same account.
///
/// The plan of one layer may need steps of another; [`Plan::join`] brings them together. A plan never deletes. Its serialised form carries a
/// digest ([`saved`]): what was changed is refused when it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    format: u32,
    owner: Owner,
    pub(super) steps: Vec<Step>,
    pub(super) findings: Vec<Finding>,
    pub(super) basis: BTreeMap<String, Basis>,
    /// By layer: what observing must be permitted, whatever changes.
    pub(super) observing: BTreeMap<String, BTreeSet<Permission>>,
}

/// The serialised form, but for the digest.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Plan")]
struct Parts {
    format: u32,
    owner: Owner,
    steps: Vec<Step>,
    findings: Vec<Finding>,
    basis: BTreeMap<String, Basis>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    observing: BTreeMap<String, BTreeSet<Permission>>,
}

/// Why steps are no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Two steps have one key.
    #[error("two steps have the key {key}; one thing must be planned by one spec")]
    Duplicate {
        /// The key.
        key: StepKey,
    },
    /// A step needs one that is not in the plan.
    #[error("{step} needs {needs}, which no joined plan has; join the plan that makes it, or give its id")]
    Missing {
        /// The step.
        step: StepKey,
        /// What it needs.
        needs: StepKey,
    },
    /// Steps wait for one another.
    #[error("steps wait for one another: {}", path.iter().map(StepKey::as_str).collect::<Vec<_>>().join(" → "))]
    Cycle {
        /// The cycle; its first key comes again at its end.
        path: Vec<StepKey>,
    },
    /// Plans of different owners cannot be joined.
    #[error("a plan of owner {one} cannot be joined with one of owner {other}")]
    Owners {
        /// One owner.
        one: Owner,
        /// The other.
        other: Owner,
    },
    /// A step's key is of another layer than its operation.
    #[error("{key} carries an operation of layer {layer}")]
    Layer {
        /// The step.
        key: StepKey,
        /// The operation's layer.
        layer: String,
    },
    /// Two plans of one layer each stand on an observation of their own, which would hide one another; likewise, two teardowns of one
    /// layer look for survivors each in a scope of their own.
    #[error("two plans or teardowns of layer {layer} cannot be joined; let its crate make one of both")]
    SameLayer {
        /// The layer.
        layer: String,
    },
    /// No plans were given.
    #[error("there is nothing to join")]
    Empty,
    /// A saved plan cannot be read.
    #[error("this is not a saved plan of format {FORMAT}")]
    Unreadable(#[source] serde_json::Error),
    /// A saved plan, teardown or replacement is not what was saved.
    #[error("what was saved is refused")]
    Saved(#[source] SavedError),
    /// A saved plan is of another format.
    #[error("the plan was saved in format {0}, this version reads format {FORMAT}; plan again")]
    Format(u32),
}

/// Collects the steps of one layer.
#[derive(Clone, Debug)]
pub struct PlanBuilder {
    plan: Plan,
    layer: String,
}

impl PlanBuilder {
    /// What the plan stands on.
    #[must_use]
    pub fn basis(mut self, basis: Basis) -> Self {
        self.plan.basis.insert(self.layer.clone(), basis);
        self
    }

    /// What observing for the plan, and again before it is applied, must be permitted, whatever it changes.
    #[must_use]
    pub fn observes<P: Into<Permission>>(mut self, permissions: impl IntoIterator<Item = P>) -> Self {
        self.plan.observing.entry(self.layer.clone()).or_default().extend(permissions.into_iter().map(Into::into));
        self
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.plan.steps.push(step);
        self
    }

    /// Adds something that a reviewer should see.
    #[must_use]
    pub fn finding(mut self, finding: Finding) -> Self {
        self.plan.findings.push(finding);
        self
    }

    /// The plan, in order.
    ///
    /// # Errors
    /// On duplicate keys and cycles. Steps of other layers may be missing yet.
    pub fn build(self) -> Result<Plan, PlanError> {
        self.plan.ordered()
    }
}

impl Plan {
    /// Starts the plan of one layer.
    pub fn builder(owner: &Owner, layer: impl Into<String>) -> PlanBuilder {
        let plan = Self {
            format: FORMAT,
            owner: owner.clone(),
            steps: Vec::new(),
            findings: Vec::new(),
            basis: BTreeMap::new(),
            observing: BTreeMap::new(),
        };
        PlanBuilder { plan, layer: layer.into() }
    }

    /// Makes the plans of several layers one graph.
    ///
    /// # Errors
    /// [`PlanError`] on duplicate keys, references to steps that no plan has, cycles, plans of different owners, and two plans
    /// of one layer.
    pub fn join(plans: impl IntoIterator<Item = Self>) -> Result<Self, PlanError> {
        let mut plans = plans.into_iter();
        let mut joined = plans.next().ok_or(PlanError::Empty)?;
        for plan in plans {
            if plan.owner != joined.owner {
                return Err(PlanError::Owners { one: joined.owner, other: plan.owner });
            }
            if let Some(layer) = plan.basis.keys().find(|layer| joined.basis.contains_key(*layer)) {
                return Err(PlanError::SameLayer { layer: layer.clone() });
            }
            joined.steps.extend(plan.steps);
            joined.findings.extend(plan.findings);
            joined.basis.extend(plan.basis);
            joined.observing.extend(plan.observing);
        }
        let joined = joined.ordered()?;
        joined.whole()?;
        Ok(joined)
    }

    /// Steps in order; no duplicates, no cycles, each operation of its key's layer.
    fn ordered(mut self) -> Result<Self, PlanError> {
        let mut seen = BTreeSet::new();
        for step in &self.steps {
            if !seen.insert(step.key.clone()) {
                return Err(PlanError::Duplicate { key: step.key.clone() });
            }
            if step.op.layer != step.key.layer() {
                return Err(PlanError::Layer { key: step.key.clone(), layer: step.op.layer.clone() });
            }
        }
        let nodes: Vec<_> = self.steps.iter().map(|step| (step.key.clone(), step.needs.clone())).collect();
        let order = sort(&nodes).map_err(|path| PlanError::Cycle { path })?;
        let mut steps: Vec<_> = std::mem::take(&mut self.steps).into_iter().map(Some).collect();
        self.steps = order.into_iter().filter_map(|at| steps[at].take()).collect();
        Ok(self)
    }

    /// The same plan with these steps instead, and more findings: for a layer that came to know its own steps better. What it stands on and
    /// what observing needs stay.
    ///
    /// # Errors
    /// As [`PlanBuilder::build`].
    pub fn with_steps(mut self, steps: Vec<Step>, findings: impl IntoIterator<Item = Finding>) -> Result<Self, PlanError> {
        self.steps = steps;
        self.findings.extend(findings);
        self.ordered()
    }

    /// Every need is met by a step of this plan.
    ///
    /// # Errors
    /// [`PlanError::Missing`] for the first one that is not.
    pub fn whole(&self) -> Result<(), PlanError> {
        let keys: BTreeSet<_> = self.steps.iter().map(|step| &step.key).collect();
        for step in &self.steps {
            if let Some(missing) = step.needs.iter().find(|key| !keys.contains(key)) {
                return Err(PlanError::Missing { step: step.key.clone(), needs: missing.clone() });
            }
        }
        Ok(())
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The steps, each after what it needs.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step with this key.
    pub fn step(&self, key: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.key.as_str() == key)
    }

    /// What a reviewer should see, warnings first.
    pub fn findings(&self) -> Vec<&Finding> {
        let mut findings: Vec<_> = self.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }

    /// Whether a warning is among the findings.
    pub fn has_warnings(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Warning)
    }

    /// By layer: how to observe again, and what was observed.
    pub fn basis(&self) -> &BTreeMap<String, Basis> {
        &self.basis
    }

    /// Steps that do something.
    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action != Action::Keep)
    }

    /// Whether there is nothing to do.
    pub fn is_noop(&self) -> bool {
        self.changes().next().is_none()
    }

    /// The chain of changes that takes longest, and how long it typically takes.
    pub fn critical_path(&self) -> (Duration, Vec<&StepKey>) {
        longest_chain(self.steps.iter().map(|step| {
            let takes = if step.action == Action::Keep { Duration::ZERO } else { step.typical };
            (&step.key, &step.needs, takes)
        }))
    }

    /// What everything planned costs once it exists, in US dollars a month, on demand, before traffic.
    pub fn usd_per_month(&self) -> f64 {
        sum(&self.steps, |_| true)
    }

    /// The part of [`Plan::usd_per_month`] that applying the plan adds.
    pub fn added_usd_per_month(&self) -> f64 {
        sum(&self.steps, |step| step.action == Action::Create)
    }

    /// IAM actions that making and applying the plan needs.
    pub fn iam_actions(&self) -> BTreeSet<&str> {
        self.permissions().map(Permission::action).collect()
    }

    fn permissions(&self) -> impl Iterator<Item = &Permission> {
        self.observing.values().flatten().chain(self.changes().flat_map(|step| &step.permissions))
    }

    /// The least policy under which this plan is made and applied.
    pub fn policy(&self, scope: &PolicyScope) -> Policy {
        Policy::new(self.permissions(), scope)
    }

    /// The plan as JSON, to be reviewed and applied later, exactly. Its digest tells of changes, but anybody can write another one:
    /// see [`Plan::to_signed_json`].
    ///
    /// # Errors
    /// Never in practice: every part has a JSON form.
    pub fn to_json(&self) -> Result<String, PlanError> {
        self.saved(None)
    }

    /// The same, signed: only who has the key can have written what [`Plan::from_signed_json`] reads. The key is any secret, best 32 random
    /// bytes; it is not in the text.
    ///
    /// ```
    /// use eks_core::{Owner, Plan};
    ///
    /// let plan = Plan::builder(&Owner::new("park")?, "garden").build()?;
    /// let reviewed = plan.to_signed_json(b"of the pipeline alone")?;
    /// assert_eq!(Plan::from_signed_json(&reviewed, b"of the pipeline alone")?, plan);
    /// assert!(Plan::from_signed_json(&reviewed.replace("park", "mine"), b"of the pipeline alone").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Plan::to_json`].
    pub fn to_signed_json(&self, key: &[u8]) -> Result<String, PlanError> {
        self.saved(Some(key))
    }

    /// A saved plan.
    ///
    /// # Errors
    /// If it cannot be read, is of another format, was changed since it was saved, is signed, or is no valid graph.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        Self::read(serde_json::from_str(text).map_err(PlanError::Unreadable)?, None)
    }

    /// A saved plan that was signed with this key.
    ///
    /// # Errors
    /// As [`Plan::from_json`], and if it was not signed, or with another key.
    pub fn from_signed_json(text: &str, key: &[u8]) -> Result<Self, PlanError> {
        Self::read(serde_json::from_str(text).map_err(PlanError::Unreadable)?, Some(key))
    }

    fn saved(&self, key: Option<&[u8]>) -> Result<String, PlanError> {
        let parts = Parts::serialize(self, serde_json::value::Serializer).map_err(PlanError::Unreadable)?;
        serde_json::to_string_pretty(&saved::seal(parts, key).map_err(PlanError::Saved)?).map_err(PlanError::Unreadable)
    }

    fn read(value: Value, key: Option<&[u8]>) -> Result<Self, PlanError> {
        // The format first: what another version wrote was not changed by anybody.
        let format = value.get("format").and_then(Value::as_u64).and_then(|format| u32::try_from(format).ok());
        if let Some(format) = format.filter(|format| *format != FORMAT) {
            return Err(PlanError::Format(format));
        }
        let parts = saved::open(value, key).map_err(PlanError::Saved)?;
        Parts::deserialize(parts).map_err(PlanError::Unreadable)?.ordered()
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = Parts::serialize(self, serde_json::value::Serializer).map_err(serde::ser::Error::custom)?;
        saved::seal(parts, None).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Value::deserialize(deserializer)?, None).map_err(serde::de::Error::custom)
    }
}

/// An empty sum of floats is -0.0, which nobody wants to read.
fn sum(steps: &[Step], wanted: impl Fn(&Step) -> bool) -> f64 {
    steps.iter().filter(|step| wanted(step)).flat_map(|step| &step.prices).fold(0.0, |sum, price| sum + price.usd_per_month)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, Operation, Price};

    #[derive(Serialize, Deserialize)]
    enum TestOp {
        Make(u32),
    }

    impl Operation for TestOp {
        const LAYER: &'static str = "t";
    }

    fn step(key: &str, needs: &[&str]) -> Step {
        let mut step = Step::new(key.parse().unwrap(), Action::Create, key, &TestOp::Make(1)).unwrap().takes(Duration::from_secs(10));
        step.op.layer = step.key.layer().to_owned();
        needs.iter().fold(step, |step, need| step.after(need.parse().unwrap()))
    }

    fn plan(layer: &str, steps: Vec<Step>) -> Plan {
        let builder = Plan::builder(&Owner::new("o").unwrap(), layer).basis(Basis::new(serde_json::json!({"x": 1}), Facts::new()));
        steps.into_iter().fold(builder, PlanBuilder::step).build().unwrap()
    }

    #[test]
    fn join_meets_needs_across_layers() {
        let upper = plan("u", vec![step("u/a", &["t/b"])]);
        let lower = plan("t", vec![step("t/b", &["t/a"]), step("t/a", &[])]);
        assert!(upper.whole().is_err());
        let joined = Plan::join([upper, lower]).unwrap();
        assert_eq!(joined.steps().iter().map(|s| s.key.as_str()).collect::<Vec<_>>(), ["t/a", "t/b", "u/a"]);
        assert_eq!(joined.critical_path().0, Duration::from_secs(30));
        assert_eq!(joined.basis().len(), 2);
    }

    #[test]
    fn join_refuses() {
        let missing = Plan::join([plan("u", vec![step("u/a", &["t/b"])])]).unwrap_err();
        assert_eq!(missing.to_string(), "u/a needs t/b, which no joined plan has; join the plan that makes it, or give its id");
        let twice = Plan::builder(&Owner::new("o").unwrap(), "t").step(step("t/a", &[])).step(step("t/a", &[])).build().unwrap_err();
        assert!(matches!(twice, PlanError::Duplicate { .. }));
        let same = Plan::join([plan("t", vec![step("t/a", &[])]), plan("t", vec![step("t/b", &[])])]).unwrap_err();
        assert_eq!(same.to_string(), "two plans or teardowns of layer t cannot be joined; let its crate make one of both");
        let cycle = Plan::join([plan("t", vec![step("t/a", &["u/a"])]), plan("u", vec![step("u/a", &["t/a"])])]).unwrap_err();
        assert_eq!(cycle.to_string(), "steps wait for one another: t/a → u/a → t/a");
        let other = Plan::builder(&Owner::new("p").unwrap(), "t").build().unwrap();
        assert!(matches!(Plan::join([plan("t", vec![]), other]).unwrap_err(), PlanError::Owners { .. }));
        let foreign = Plan::builder(&Owner::new("p").unwrap(), "t")
            .step(Step::new("u/x".parse().unwrap(), Action::Create, "x", &TestOp::Make(1)).unwrap())
            .build();
        assert!(matches!(foreign, Err(PlanError::Layer { .. })));
    }

    #[test]
    fn saved_plans_come_back_the_same() {
        let plan = plan("t", vec![step("t/a", &[]).costs(Price::hourly("NAT gateway", 0.045)), step("t/b", &["t/a"])]);
        assert_eq!(Plan::from_json(&plan.to_json().unwrap()).unwrap(), plan);
        let newer = plan.to_json().unwrap().replacen("\"format\": 2", "\"format\": 3", 1);
        assert!(matches!(Plan::from_json(&newer).unwrap_err(), PlanError::Format(3)));
        assert!(matches!(Plan::from_json("{}").unwrap_err(), PlanError::Saved(SavedError::Undigested)));
        assert!(matches!(Plan::from_json("[").unwrap_err(), PlanError::Unreadable(_)));
    }

    #[test]
    fn kept_steps_cost_money_but_neither_time_nor_permissions() {
        let mut kept = step("t/a", &[]).costs(Price::hourly("x", 1.0)).permits(["ec2:CreateVpc"]);
        kept.action = Action::Keep;
        let plan = plan("t", vec![kept]);
        assert!(plan.is_noop() && plan.iam_actions().is_empty());
        assert_eq!((plan.critical_path().0, plan.usd_per_month(), plan.added_usd_per_month()), (Duration::ZERO, 730.0, 0.0));
    }
}
