//! A run as far as it is known: what runs, what is done, and how long the rest will take.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use eks_core::{
    StepKey,
    engine::{Event, PlannedStep, Purpose},
};

/// A step that runs.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) key: StepKey,
    pub(crate) title: String,
    pub(crate) typical: Duration,
    pub(crate) began: Duration,
    pub(crate) doing: Doing,
}

/// What a step that runs is doing.
#[derive(Clone, Debug)]
pub(crate) enum Doing {
    /// Its calls.
    Calling,
    /// It waits, and this was seen last.
    Waiting { state: String },
    /// It is tried again at this time of the run.
    Retrying { attempt: u32, at: Duration, error: String },
}

/// A run, told by its events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    pub(crate) purpose: Option<Purpose>,
    pub(crate) total: usize,
    pub(crate) done: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    pub(crate) running: Vec<Live>,
    planned: Vec<PlannedStep>,
    ended: BTreeSet<StepKey>,
}

impl Board {
    /// Takes note of an event that happened at this time of the run.
    pub(crate) fn note(&mut self, at: Duration, event: &Event) {
        match event {
            Event::RunStarted { purpose, steps, planned, .. } => {
                *self = Self { purpose: Some(*purpose), total: *steps, planned: planned.clone(), ..Self::default() };
            }
            Event::StepStarted { key, title, typical } => {
                self.running.push(Live { key: key.clone(), title: title.clone(), typical: *typical, began: at, doing: Doing::Calling });
            }
            Event::StepWaiting { key, state, .. } => self.now(key, Doing::Waiting { state: state.clone() }),
            Event::StepRetrying { key, attempt, error, after } => {
                self.now(key, Doing::Retrying { attempt: *attempt, at: at + *after, error: error.clone() });
            }
            Event::StepFinished { key, .. } => {
                self.done += 1;
                self.end(key);
            }
            Event::StepFailed { key, .. } => {
                self.failed += 1;
                self.end(key);
            }
            Event::StepSkipped { key, .. } => {
                self.skipped += 1;
                self.end(key);
            }
            Event::RunFinished { .. } => self.running.clear(),
            _ => {}
        }
    }

    fn now(&mut self, key: &StepKey, doing: Doing) {
        if let Some(live) = self.running.iter_mut().find(|live| live.key == *key) {
            live.doing = doing;
        }
    }

    fn end(&mut self, key: &StepKey) {
        self.running.retain(|live| live.key != *key);
        self.ended.insert(key.clone());
    }

    /// The chain of steps that will end last, from what runs now, and how long it will take if each takes as long as it typically does. What
    /// takes longer than that already may end any second.
    pub(crate) fn remaining(&self, now: Duration) -> (Duration, Vec<&StepKey>) {
        const ANY_SECOND: Duration = Duration::from_secs(1);
        let began: BTreeMap<&StepKey, Duration> = self.running.iter().map(|live| (&live.key, live.began)).collect();
        let mut ends: BTreeMap<&StepKey, (Duration, Option<&StepKey>)> = BTreeMap::new();
        for step in self.planned.iter().filter(|step| !self.ended.contains(&step.key)) {
            let before = step.needs.iter().filter_map(|need| ends.get_key_value(need).map(|(key, (end, _))| (*end, *key))).max();
            let left =
                began.get(&step.key).map_or(step.typical, |began| step.typical.saturating_sub(now.saturating_sub(*began)).max(ANY_SECOND));
            let (start, previous) = before.map_or((Duration::ZERO, None), |(end, key)| (end, Some(key)));
            ends.insert(&step.key, (start + left, previous));
        }
        let Some((&last, &(total, _))) = ends.iter().max_by_key(|(_, (end, _))| *end) else { return (Duration::ZERO, Vec::new()) };
        let mut chain = vec![last];
        while let Some((_, Some(previous))) = chain.last().and_then(|key| ends.get(*key)) {
            chain.push(previous);
        }
        chain.reverse();
        (total, chain)
    }
}
