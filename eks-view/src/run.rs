//! A run, recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eks_core::{
    Owner, StepKey,
    engine::{Event, Purpose},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    line::{Line, What},
    look::span,
};

/// States and retries of a step that are kept; a drain of a hundred nodes sees thousands.
const KEPT: usize = 100;

/// Takes note of what a run does; give [`Recorder::observer`] to an engine, or to [`Progress::also`](crate::Progress::also). Clones note into
/// one recording.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Recording>>);

#[derive(Debug)]
struct Recording {
    began: Instant,
    run: Run,
}

/// A run as it was: what was expected, and what came of it. Times are in seconds, from its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Whose; `None` if it never began.
    pub owner: Option<Owner>,
    /// Whether it makes or removes.
    pub purpose: Option<Purpose>,
    /// When it began, by the calendar of the machine: `2026-11-23T08:15:00Z`.
    pub began: Option<String>,
    /// How long it should take.
    pub expected: f64,
    /// How long it took; `None` while it runs.
    pub took: Option<f64>,
    /// Whether every step is done.
    pub complete: bool,
    /// Steps that did nothing.
    pub kept: usize,
    /// The steps that do something, each after what it needs.
    pub steps: Vec<RunStep>,
}

/// How far a step came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// It has not begun.
    #[default]
    Planned,
    /// It runs, or was running when the recording ended.
    Running,
    /// Done.
    Done,
    /// Failed for good.
    Failed,
    /// Not tried, because another failed.
    Skipped,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunStep {
    /// Its key.
    pub key: StepKey,
    /// What it makes or removes.
    pub title: String,
    /// The steps that had to be done first.
    pub needs: BTreeSet<StepKey>,
    /// How long it typically takes.
    pub typical: f64,
    /// How far it came.
    pub status: RunStatus,
    /// When it began.
    pub began: Option<f64>,
    /// How long it took.
    pub took: Option<f64>,
    /// How often it was tried.
    pub attempts: u32,
    /// What was seen while it waited, each state once.
    pub states: Vec<SeenState>,
    /// Attempts that failed.
    pub retries: Vec<SeenRetry>,
    /// Why it failed.
    pub error: Option<String>,
    /// The step whose failure kept it from being tried.
    pub because: Option<StepKey>,
}

/// A state that was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeenState {
    /// When it was first seen.
    pub at: f64,
    /// What was looked at.
    pub subject: String,
    /// Its state.
    pub state: String,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeenRetry {
    /// When.
    pub at: f64,
    /// Which, from 1.
    pub attempt: u32,
    /// Why.
    pub error: String,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Recording { began: Instant::now(), run: Run::default() })))
    }

    /// For [`eks_core::engine::Engine::observer`]. Another run begins the recording anew.
    pub fn observer(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let recorder = self.clone();
        move |event| recorder.observe(event)
    }

    /// Takes note of an event that has just happened.
    pub fn observe(&self, event: &Event) {
        let mut recording = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(event, Event::RunStarted { .. }) {
            recording.began = Instant::now();
        }
        let at = recording.began.elapsed();
        if let Some(line) = Line::of(at, event) {
            recording.run.note(&line);
        }
        if matches!(event, Event::RunStarted { .. }) {
            recording.run.began = jiff::Timestamp::now().round(jiff::Unit::Second).ok().map(|now| now.to_string());
        }
    }

    /// The run as far as it is known.
    pub fn run(&self) -> Run {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).run.clone()
    }
}

impl Run {
    /// The run that lines tell of, as [`Progress::json_lines`](crate::Progress::json_lines) writes them; of several the last.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Self {
        let mut run = Self::default();
        lines.into_iter().for_each(|line| run.note(line));
        run
    }

    /// The runs that lines tell of, one after the other: a program's output may hold several. Lines before the first begins are of none.
    pub fn all<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Vec<Self> {
        let mut runs: Vec<Self> = Vec::new();
        for line in lines {
            if matches!(line.what, What::RunStarted { .. }) {
                runs.push(Self::default());
            }
            if let Some(run) = runs.last_mut() {
                run.note(line);
            }
        }
        runs
    }

    fn note(&mut self, Line { at, what, .. }: &Line) {
        match what {
            What::RunStarted { owner, purpose, kept, expected, planned, .. } => {
                let steps = planned.iter().map(|step| RunStep {
                    title: step.title.clone(),
                    needs: step.needs.clone(),
                    typical: step.typical,
                    ..RunStep::new(step.key.clone())
                });
                *self = Self {
                    owner: Some(owner.clone()),
                    purpose: Some(*purpose),
                    expected: *expected,
                    kept: *kept,
                    steps: steps.collect(),
                    ..Self::default()
                };
            }
            What::StepStarted { key, title, typical } => {
                let step = self.step_mut(key);
                step.title.clone_from(title);
                (step.typical, step.status, step.began, step.attempts) = (*typical, RunStatus::Running, Some(*at), 1);
            }
            What::StepWaiting { key, subject, state, .. } => {
                let states = &mut self.step_mut(key).states;
                let before = states.iter().rev().find(|seen| seen.subject == *subject);
                if before.is_none_or(|seen| seen.state != *state) && states.len() < KEPT {
                    states.push(SeenState { at: *at, subject: subject.clone(), state: state.clone() });
                }
            }
            What::StepRetrying { key, attempt, error, .. } => {
                let step = self.step_mut(key);
                step.attempts = *attempt + 1;
                if step.retries.len() < KEPT {
                    step.retries.push(SeenRetry { at: *at, attempt: *attempt, error: error.clone() });
                }
            }
            What::StepFinished { key, took, attempts } => {
                let step = self.step_mut(key);
                (step.status, step.took, step.attempts) = (RunStatus::Done, Some(*took), *attempts);
            }
            What::StepFailed { key, error, took, attempts } => {
                let step = self.step_mut(key);
                (step.status, step.took, step.attempts) = (RunStatus::Failed, Some(*took), *attempts);
                step.error = Some(error.clone());
            }
            What::StepSkipped { key, because } => {
                let step = self.step_mut(key);
                (step.status, step.because) = (RunStatus::Skipped, Some(because.clone()));
            }
            What::Unknown => {}
            What::RunFinished { took, complete } => (self.took, self.complete) = (Some(*took), *complete),
        }
    }

    fn step_mut(&mut self, key: &StepKey) -> &mut RunStep {
        let at = self.steps.iter().position(|step| step.key == *key).unwrap_or_else(|| {
            self.steps.push(RunStep::new(key.clone()));
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }

    /// How many steps came this far.
    pub fn count(&self, status: RunStatus) -> usize {
        self.steps.iter().filter(|step| step.status == status).count()
    }

    /// How long it took, or how far the recording goes.
    pub fn length(&self) -> Duration {
        let last = self.steps.iter().map(RunStep::end).fold(0.0, f64::max);
        span(self.took.unwrap_or(last).max(last))
    }

    /// The chain of steps that the end of the run waited for, first step first: of what each needed, what ended last.
    pub fn critical_path(&self) -> Vec<&StepKey> {
        let by_key: BTreeMap<&StepKey, &RunStep> =
            self.steps.iter().filter(|step| step.began.is_some()).map(|step| (&step.key, step)).collect();
        let later = |a: &&RunStep, b: &&RunStep| a.end().total_cmp(&b.end());
        let mut chain = Vec::new();
        let mut last = by_key.values().copied().max_by(later);
        while let Some(step) = last {
            chain.push(&step.key);
            // A recording that was changed by hand may hold a circle.
            last = step.needs.iter().filter_map(|need| by_key.get(need).copied()).filter(|step| !chain.contains(&&step.key)).max_by(later);
        }
        chain.reverse();
        chain
    }
}

impl RunStep {
    fn new(key: StepKey) -> Self {
        Self {
            title: key.to_string(),
            key,
            needs: BTreeSet::new(),
            typical: 0.0,
            status: RunStatus::Planned,
            began: None,
            took: None,
            attempts: 0,
            states: Vec::new(),
            retries: Vec::new(),
            error: None,
            because: None,
        }
    }

    /// When it ended, as far as that is known.
    fn end(&self) -> f64 {
        let seen = self.states.last().map_or(0.0, |seen| seen.at);
        self.began.map_or(0.0, |began| self.took.map_or(seen.max(began), |took| began + took))
    }
}
