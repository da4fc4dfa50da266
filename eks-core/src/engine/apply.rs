//! Applying a plan, and carrying out a teardown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::{
    Engine, Purpose, Report, Status,
    run::{Node, Work, run},
    settings::paced,
};
use crate::{Action, Difference, Error, Finding, Op, Plan, PlanError, StepKey, Survivor, Teardown, Verdict};

/// Why a plan was not applied, or not wholly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The plan is not whole.
    #[error("the plan cannot be applied")]
    Plan(#[from] PlanError),
    /// No driver was given for a layer of the plan.
    #[error("the engine has no driver for layer {layer}; add it with Engine::driver")]
    NoDriver {
        /// The layer.
        layer: String,
    },
    /// A step's operation is not one of its layer's.
    #[error("step {key} cannot be carried out by this version; plan again")]
    Operation {
        /// The step.
        key: StepKey,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// A layer could not be observed.
    #[error("layer {layer} could not be observed")]
    Observe {
        /// The layer.
        layer: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// What exists is no longer what the plan was made on. Nothing was done.
    #[error("the plan no longer fits what exists; plan again{}", Lines(differences))]
    Stale {
        /// Every difference.
        differences: Vec<Difference>,
    },
    /// The teardown holds what cannot be removed, and what its other removals would take from that. Nothing was done.
    #[error("nothing was torn down{}", Lines(reasons))]
    Refused {
        /// Why, and what to do.
        reasons: Vec<Finding>,
    },
    /// Some steps failed or were not tried. What is done stays; running again continues.
    #[error("{}", Summary(report))]
    Incomplete {
        /// What is done, and what is not.
        report: Box<Report>,
    },
}

impl ApplyError {
    /// What was done before the failure, if anything was tried.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Incomplete { report } => Some(report),
            _ => None,
        }
    }
}

struct Lines<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

struct Summary<'a>(&'a Report);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let done = report.count(|status| matches!(status, Status::Done | Status::Kept));
        write!(f, "{done} of {} steps are done", report.steps.len())?;
        let later = report.count(|status| matches!(status, Status::NotStarted | Status::Skipped { .. }));
        if later > 0 {
            write!(f, ", {later} were not tried")?;
        }
        write!(f, "; run again to continue")?;
        for (key, error) in report.failures() {
            write!(f, "\n  {key}: {}", error.chain())?;
        }
        Ok(())
    }
}

/// The end of a teardown.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ending {
    /// Whether anything is left.
    pub verdict: Verdict,
    /// What was done.
    pub report: Report,
}

impl Plan {
    /// Applies exactly this plan: observes its basis again, refuses if anything differs, then carries out its steps.
    ///
    /// # Errors
    /// Before anything is done: [`ApplyError::Plan`], [`ApplyError::NoDriver`], [`ApplyError::Operation`],
    /// [`ApplyError::Observe`], [`ApplyError::Stale`]. Afterwards: [`ApplyError::Incomplete`], with the report of what is done.
    pub async fn apply(&self, engine: &Engine) -> Result<Report, ApplyError> {
        self.whole()?;
        engine.knows(self.steps().iter().map(|step| (&step.key, &step.op)))?;
        let observed = engine.each(self.basis(), |driver, basis| Box::pin(driver.observe(self.owner(), &basis.scope))).await?;
        let differences: Vec<_> = self
            .basis()
            .iter()
            .flat_map(|(layer, basis)| observed.get(layer).map(|found| basis.facts.differences(found)).unwrap_or_default())
            .collect();
        if !differences.is_empty() {
            return Err(ApplyError::Stale { differences });
        }
        let nodes = self
            .steps()
            .iter()
            .map(|step| Node {
                key: step.key.clone(),
                title: step.title.clone(),
                typical: step.typical,
                needs: step.needs.clone(),
                work: match step.action {
                    Action::Keep => Work::Known(step.outputs.clone()),
                    Action::Create | Action::Update => Work::Run(Box::new(step.clone())),
                },
            })
            .collect();
        let region = region(self.basis().values().map(|basis| &basis.scope));
        let report = run(engine, self.owner(), Purpose::Make, region, self.critical_path().0, nodes).await;
        if report.is_complete() { Ok(report) } else { Err(ApplyError::Incomplete { report: Box::new(report) }) }
    }
}

impl Teardown {
    /// Carries out the removals, then looks through the account and tells whether anything is left.
    ///
    /// A removal that fails does not end the teardown: what it leaves is in the verdict, with the reason.
    ///
    /// # Errors
    /// Before anything is done: [`ApplyError::Refused`], [`ApplyError::NoDriver`], [`ApplyError::Operation`]. Afterwards:
    /// [`ApplyError::Incomplete`] if the run was stopped; [`ApplyError::Observe`] if the account could not be looked through, as silence
    /// would not be proof.
    pub async fn apply(&self, engine: &Engine) -> Result<Ending, ApplyError> {
        if !self.refuses().is_empty() {
            return Err(ApplyError::Refused { reasons: self.refuses().to_vec() });
        }
        engine.knows(self.removals().iter().map(|removal| (&removal.key, &removal.op)))?;
        let nodes = self
            .removals()
            .iter()
            .map(|removal| Node {
                key: removal.key.clone(),
                title: removal.title.clone(),
                typical: removal.typical,
                needs: self.needs(removal),
                work: Work::Remove(Box::new(removal.clone())),
            })
            .collect();
        let region = region(self.scopes().values());
        let report = run(engine, self.owner(), Purpose::Remove, region, self.critical_path().0, nodes).await;
        if report.failures().any(|(_, error)| matches!(error, Error::Stopped { .. }))
            || report.count(|status| *status == Status::NotStarted) > 0
        {
            return Err(ApplyError::Incomplete { report: Box::new(report) });
        }
        let began = tokio::time::Instant::now();
        let mut survivors: Vec<Survivor> = loop {
            let found = engine.each(self.scopes(), |driver, scope| Box::pin(driver.survivors(self.owner(), scope))).await?;
            // Two layers may tell of one thing; the first knows it as its own.
            let mut seen = BTreeSet::new();
            let first_told = |survivor: &Survivor| seen.insert((survivor.kind.clone(), survivor.id.clone()));
            let found: Vec<Survivor> = found.into_values().flatten().filter(first_told).collect();
            // Reads lag behind deletes: what was removed and is still told of deserves another look.
            let lags = found.iter().any(|survivor| self.was_removed(&survivor.id, &report));
            if !lags || began.elapsed() >= LAG.div_f64(engine.speed) {
                break found;
            }
            tokio::time::sleep(paced(LOOK_AGAIN, engine.speed)).await;
        };
        for survivor in &mut survivors {
            // Several removals may concern one thing, its contents and itself: one that failed tells why.
            let removals = self.removals().iter().filter(|removal| removal.id == survivor.id);
            let step = removals.filter_map(|removal| report.steps.get(&removal.key)).find(|step| step.status != Status::Done);
            match step.map(|step| (&step.status, &step.error)) {
                Some((_, Some(error))) => survivor.why = error.chain(),
                Some((Status::Skipped { because }, _)) => survivor.why = format!("not tried, because the removal of {because} failed"),
                _ => {}
            }
        }
        Ok(Ending { verdict: Verdict::on(survivors), report })
    }
}

/// The Region, as the layers' scopes name it.
fn region<'a>(scopes: impl IntoIterator<Item = &'a serde_json::Value>) -> Option<&'a str> {
    scopes.into_iter().find_map(|scope| {
        let inner = scope.as_object()?.values().find_map(|value| value.get("region"));
        scope.get("region").or(inner)?.as_str()
    })
}

/// How long AWS's reads may lag behind its deletes before we believe them.
const LAG: Duration = Duration::from_secs(30);
/// The pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

impl Teardown {
    /// Whether every removal of this id is done.
    fn was_removed(&self, id: &str, report: &Report) -> bool {
        let mut statuses = self
            .removals()
            .iter()
            .filter(|removal| removal.id == id)
            .map(|removal| report.steps.get(&removal.key).map(|step| &step.status));
        let first = statuses.next();
        first == Some(Some(&Status::Done)) && statuses.all(|status| status == Some(&Status::Done))
    }
}

type Asked<'a, T> = super::BoxFuture<'a, Result<T, Error>>;

impl Engine {
    /// Every operation has a driver that knows it.
    fn knows<'a>(&self, ops: impl Iterator<Item = (&'a StepKey, &'a Op)>) -> Result<(), ApplyError> {
        for (key, op) in ops {
            let driver = self.drivers.get(key.layer()).ok_or_else(|| ApplyError::NoDriver { layer: key.layer().to_owned() })?;
            driver.check(op).map_err(|source| ApplyError::Operation { key: key.clone(), source: Box::new(source) })?;
        }
        Ok(())
    }

    /// Asks the drivers of several layers at once.
    async fn each<'a, I, T>(
        &'a self,
        inputs: &'a BTreeMap<String, I>,
        ask: impl Fn(&'a dyn super::Driver, &'a I) -> Asked<'a, T>,
    ) -> Result<BTreeMap<String, T>, ApplyError> {
        let mut asked = Vec::new();
        for (layer, input) in inputs {
            let driver = self.drivers.get(layer.as_str()).ok_or_else(|| ApplyError::NoDriver { layer: layer.clone() })?;
            asked.push((layer, ask(driver.as_ref(), input)));
        }
        let mut answers = BTreeMap::new();
        // Started together by polling them as one: each is only a handful of calls.
        let results = together(asked).await;
        for (layer, result) in results {
            answers.insert(layer.clone(), result.map_err(|source| ApplyError::Observe { layer: layer.clone(), source: Box::new(source) })?);
        }
        Ok(answers)
    }
}

/// Awaits named futures concurrently.
async fn together<'a, T>(mut waiting: Vec<(&'a String, Asked<'a, T>)>) -> Vec<(&'a String, Result<T, Error>)> {
    let mut done = Vec::new();
    std::future::poll_fn(move |cx| {
        waiting.retain_mut(|(layer, future)| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(result) => {
                done.push((*layer, result));
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(std::mem::take(&mut done)) } else { std::task::Poll::Pending }
    })
    .await
}
