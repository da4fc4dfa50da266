//! Walks a graph of steps, each as soon as what it needs is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::{
    Driver, Engine, Event, PlannedStep, Purpose, Report, Status, StepContext, StepReport, poll::Pollers, retry::pause, settings::paced,
    trace,
};
use crate::{Class, Error, Outputs, Owner, Removal, Step, StepKey};

/// What a node of the graph does.
#[derive(Clone)]
pub(super) enum Work {
    /// Nothing: its outputs are known.
    Known(Outputs),
    Remove(Box<Removal>),
    Run(Box<Step>),
}

pub(super) struct Node {
    pub(super) key: StepKey,
    pub(super) title: String,
    pub(super) typical: Duration,
    pub(super) needs: BTreeSet<StepKey>,
    pub(super) work: Work,
}

/// What all steps of a run share.
struct Run {
    owner: Owner,
    purpose: Purpose,
    outputs: Arc<Mutex<BTreeMap<StepKey, Outputs>>>,
    pollers: Arc<Pollers>,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
    cancel: CancellationToken,
    emit: Arc<dyn Fn(Event) + Send + Sync>,
    began: Instant,
    speed: f64,
    span: Span,
}

/// Carries out the graph; `nodes` come in order, and every layer has a driver.
pub(super) async fn run(
    engine: &Engine,
    owner: &Owner,
    purpose: Purpose,
    region: Option<&str>,
    expected: Duration,
    nodes: Vec<Node>,
) -> Report {
    let steps = nodes.iter().filter(|node| !matches!(node.work, Work::Known(_))).count();
    let span = trace::of_run(owner, purpose, region, steps);
    let (observer, of_run) = (engine.observer.clone(), span.clone());
    let emit: Arc<dyn Fn(Event) + Send + Sync> = Arc::new(move |event: Event| {
        trace::happened(&of_run, &event);
        if let Some(observer) = &observer {
            observer(&event);
        }
    });
    let stop = engine.cancel.child_token();
    let _deadline = engine.deadline.map(|after| {
        let stop = stop.clone();
        tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(after).await;
            stop.cancel();
        }))
    });
    let run = Arc::new(Run {
        owner: owner.clone(),
        purpose,
        outputs: Arc::default(),
        pollers: Arc::new(Pollers::new(emit.clone(), engine.speed, span.clone())),
        slots: Arc::new(Semaphore::new(engine.concurrency)),
        stop,
        cancel: engine.cancel.clone(),
        emit,
        began: Instant::now(),
        speed: engine.speed,
        span,
    });
    (run.emit)(started(owner, purpose, expected, &nodes));

    let mut walk = Walk::new(nodes);
    walk.start_ready(engine, &run);
    while let Some(ended) = walk.tasks.join_next().await {
        // A driver that panics takes the run with it: the panic is a bug, and hiding it would leave its step undecided.
        let (key, step) = match ended {
            Ok(ended) => ended,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => continue,
            },
        };
        walk.ended(&run, key, step);
        walk.start_ready(engine, &run);
    }
    for (_, node) in std::mem::take(&mut walk.waiting) {
        walk.report.steps.insert(node.key, StepReport::not_run(Status::NotStarted, &run));
    }
    let mut report = walk.report;
    report.took = run.began.elapsed();
    report.polls = run.pollers.polls();
    trace::ended(&run.span, report.is_complete());
    (run.emit)(Event::RunFinished { took: report.took, complete: report.is_complete() });
    report
}

/// The run as it is meant to be.
fn started(owner: &Owner, purpose: Purpose, expected: Duration, nodes: &[Node]) -> Event {
    let planned: BTreeMap<&StepKey, &Node> =
        nodes.iter().filter(|node| !matches!(node.work, Work::Known(_))).map(|node| (&node.key, node)).collect();
    let step = |node: &Node| {
        let needs = node.needs.iter().filter(|need| planned.contains_key(need)).cloned();
        PlannedStep::new(node.key.clone(), node.title.clone(), node.typical, needs)
    };
    let steps: Vec<_> = nodes.iter().filter(|node| planned.contains_key(&node.key)).map(step).collect();
    let (owner, kept) = (owner.clone(), nodes.len() - steps.len());
    Event::RunStarted { owner, purpose, steps: steps.len(), expected, planned: steps, kept }
}

/// The graph, as far as it is not done.
struct Walk {
    /// Nodes that have not started, by position.
    waiting: BTreeMap<usize, Node>,
    /// By position: how many needs are not met.
    unmet: Vec<usize>,
    /// Who needs a step.
    dependents: BTreeMap<StepKey, Vec<usize>>,
    /// Positions whose needs are met.
    ready: BTreeSet<usize>,
    report: Report,
    tasks: JoinSet<(StepKey, StepReport)>,
}

impl Walk {
    fn new(nodes: Vec<Node>) -> Self {
        let unmet: Vec<_> = nodes.iter().map(|node| node.needs.len()).collect();
        let mut dependents: BTreeMap<StepKey, Vec<usize>> = BTreeMap::new();
        for (at, node) in nodes.iter().enumerate() {
            for need in &node.needs {
                dependents.entry(need.clone()).or_default().push(at);
            }
        }
        let ready = (0..nodes.len()).filter(|&at| unmet[at] == 0).collect();
        Self {
            waiting: nodes.into_iter().enumerate().collect(),
            unmet,
            dependents,
            ready,
            report: Report::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Starts every node whose needs are met.
    fn start_ready(&mut self, engine: &Engine, run: &Arc<Run>) {
        while !run.stop.is_cancelled() {
            let Some(node) = self.ready.pop_first().and_then(|at| self.waiting.remove(&at)) else { return };
            if let Work::Known(outputs) = node.work {
                run.tell(&node.key, &outputs);
                let report = StepReport { outputs, ..StepReport::not_run(Status::Kept, run) };
                self.ended(run, node.key, report);
            } else if let Some(driver) = engine.drivers.get(node.key.layer()) {
                let span = trace::of_step(&run.span, &node.key, &node.work);
                let (run, driver, of_step) = (run.clone(), driver.clone(), span.clone());
                let traced = async move {
                    let ended = step(run, driver, node).await;
                    trace::step_ended(&of_step, &ended.1);
                    ended
                };
                self.tasks.spawn(traced.instrument(span));
            }
        }
    }

    /// Takes note of a step that ended: what needed it becomes ready, or is skipped if it failed.
    fn ended(&mut self, run: &Run, key: StepKey, step: StepReport) {
        let failed = step.status == Status::Failed;
        if failed {
            self.skip_dependents(run, &key);
        } else if let Some(dependents) = self.dependents.get(&key) {
            for &at in dependents {
                self.unmet[at] -= 1;
                if self.unmet[at] == 0 {
                    self.ready.insert(at);
                }
            }
        }
        self.report.steps.insert(key, step);
    }

    fn skip_dependents(&mut self, run: &Run, because: &StepKey) {
        let mut lost = vec![because.clone()];
        while let Some(key) = lost.pop() {
            for at in self.dependents.get(&key).cloned().unwrap_or_default() {
                if let Some(node) = self.waiting.remove(&at) {
                    (run.emit)(Event::StepSkipped { key: node.key.clone(), because: because.clone() });
                    let report = StepReport::not_run(Status::Skipped { because: because.clone() }, run);
                    self.report.steps.insert(node.key.clone(), report);
                    lost.push(node.key);
                }
            }
        }
    }
}

impl Run {
    fn tell(&self, key: &StepKey, outputs: &Outputs) {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), outputs.clone());
    }
}

impl StepReport {
    fn not_run(status: Status, run: &Run) -> Self {
        Self { status, began: run.began.elapsed(), took: Duration::ZERO, attempts: 0, outputs: Outputs::new(), error: None }
    }
}

/// The failures of one class in a row.
struct Failures {
    count: u32,
    first: Instant,
}

impl Failures {
    fn none() -> Self {
        Self { count: 0, first: Instant::now() }
    }

    /// One more, or the first of a new row.
    fn another(&mut self, new_row: bool) {
        if new_row {
            *self = Self::none();
        }
        self.count += 1;
    }
}

/// One step, tried until it is done, or failed for good, or the run is stopped.
async fn step(run: Arc<Run>, driver: Arc<dyn Driver>, node: Node) -> (StepKey, StepReport) {
    let mut cx = StepContext {
        key: node.key.clone(),
        owner: run.owner.clone(),
        attempt: 0,
        outputs: run.outputs.clone(),
        driver: driver.clone(),
        pollers: run.pollers.clone(),
        stop: run.stop.clone(),
        cancel: run.cancel.clone(),
        emit: run.emit.clone(),
        slots: run.slots.clone(),
        slot: tokio::sync::Mutex::default(),
        began: Instant::now(),
        waited: AtomicBool::new(false),
    };
    cx.take_slot().await;
    if run.stop.is_cancelled() {
        return (node.key, StepReport::not_run(Status::NotStarted, &run));
    }
    let began = Instant::now();
    cx.began = began;
    (run.emit)(Event::StepStarted { key: node.key.clone(), title: node.title.clone(), typical: node.typical });
    let mut failures: BTreeMap<Class, Failures> = BTreeMap::new();
    let result = loop {
        cx.attempt += 1;
        cx.waited = AtomicBool::new(false);
        let result = match &node.work {
            Work::Known(outputs) => Ok(outputs.clone()),
            Work::Remove(removal) => driver.remove(removal, &cx).await.map(|()| Outputs::new()),
            Work::Run(step) => driver.run(step, &cx).await,
        };
        let error = match result {
            Ok(outputs) => break Ok(outputs),
            Err(error @ Error::Stopped { .. }) => break Err(error),
            Err(error) => error,
        };
        let failed = failures.entry(error.class()).or_insert_with(Failures::none);
        // An attempt whose calls worked, so that it came to wait, ends a row of bad luck. A conflict is no bad luck.
        failed.another(cx.has_waited() && error.class() != Class::Conflict);
        let Some(after) = pause(run.purpose, error.class(), failed.count, failed.first.elapsed()) else { break Err(error) };
        let after = paced(after, run.speed);
        (run.emit)(Event::StepRetrying { key: node.key.clone(), attempt: cx.attempt, error: error.chain(), after });
        let paused = cx.aside(node.key.as_str(), async {
            tokio::time::sleep(after).await;
            Ok(())
        });
        if let Err(stopped) = paused.await {
            break Err(stopped);
        }
    };
    let (status, outputs, error) = match result {
        Ok(outputs) => {
            run.tell(&node.key, &outputs);
            (run.emit)(Event::StepFinished { key: node.key.clone(), took: began.elapsed(), attempts: cx.attempt });
            (Status::Done, outputs, None)
        }
        Err(error) => {
            let (took, attempts) = (began.elapsed(), cx.attempt);
            (run.emit)(Event::StepFailed { key: node.key.clone(), error: error.chain(), took, attempts });
            (Status::Failed, Outputs::new(), Some(Arc::new(error)))
        }
    };
    let report = StepReport { status, began: began - run.began, took: began.elapsed(), attempts: cx.attempt, outputs, error };
    (node.key, report)
}
