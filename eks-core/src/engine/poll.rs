//! Waiting: one poller for all steps that wait for things of one kind.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::{Driver, Event, Poll, Wait, settings::paced};
use crate::{Class, Error, Outputs, StepKey};

type Emit = Arc<dyn Fn(Event) + Send + Sync>;

/// The pollers of one run; dropped with it.
pub(super) struct Pollers {
    groups: Mutex<BTreeMap<(&'static str, String), Group>>,
    polls: Arc<AtomicU64>,
    emit: Emit,
    speed: f64,
    /// That of the run: a poll is for several steps.
    span: Span,
}

struct Group {
    waiters: Arc<Mutex<Vec<Waiter>>>,
    arrived: Arc<Notify>,
    task: AbortOnDropHandle<()>,
}

struct Waiter {
    step: StepKey,
    wait: Wait,
    began: Instant,
    due: Instant,
    polls: u32,
    state: String,
    tell: Option<oneshot::Sender<Result<Outputs, Error>>>,
}

impl Pollers {
    pub(super) fn new(emit: Emit, speed: f64, span: Span) -> Self {
        Self { groups: Mutex::default(), polls: Arc::default(), emit, speed, span }
    }

    /// How many polls were made.
    pub(super) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// A pause at the pace of the server.
    pub(super) fn paced(&self, pause: Duration) -> Duration {
        paced(pause, self.speed)
    }

    /// Waits as `wait` says; the answer comes through the channel.
    pub(super) fn enlist(&self, driver: &Arc<dyn Driver>, step: StepKey, mut wait: Wait) -> oneshot::Receiver<Result<Outputs, Error>> {
        let (tell, told) = oneshot::channel();
        let now = Instant::now();
        (wait.first, wait.every) = (paced(wait.first, self.speed), paced(wait.every, self.speed));
        let kind = wait.kind.clone();
        let waiter = Waiter { step, due: now + wait.first, began: now, wait, polls: 0, state: "not seen".to_owned(), tell: Some(tell) };
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        // A poller ends only by a panic in an observer; those who come later get one of their own.
        groups.retain(|_, group| !group.task.is_finished());
        let group = groups.entry((driver.layer(), kind.clone())).or_insert_with(|| {
            let (waiters, arrived) = (Arc::<Mutex<Vec<Waiter>>>::default(), Arc::<Notify>::default());
            let poller = Poller {
                driver: driver.clone(),
                kind,
                waiters: waiters.clone(),
                arrived: arrived.clone(),
                polls: self.polls.clone(),
                emit: self.emit.clone(),
            };
            Group { waiters, arrived, task: AbortOnDropHandle::new(tokio::spawn(poller.run().instrument(self.span.clone()))) }
        });
        group.waiters.lock().unwrap_or_else(PoisonError::into_inner).push(waiter);
        group.arrived.notify_one();
        told
    }
}

struct Poller {
    driver: Arc<dyn Driver>,
    kind: String,
    waiters: Arc<Mutex<Vec<Waiter>>>,
    arrived: Arc<Notify>,
    polls: Arc<AtomicU64>,
    emit: Emit,
}

impl Poller {
    async fn run(self) {
        loop {
            match self.next_due() {
                None => self.arrived.notified().await,
                Some(due) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(due) => self.poll().await,
                        () = self.arrived.notified() => {}
                    }
                }
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        // A step that stopped waiting has dropped its end of the channel.
        waiters.retain(|waiter| waiter.tell.as_ref().is_some_and(|tell| !tell.is_closed()));
        waiters.iter().map(|waiter| waiter.due).min()
    }

    async fn poll(&self) {
        let now = Instant::now();
        let ids: Vec<String> = {
            let waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            // Who is nearly due comes along: one call for all of them.
            let due = |waiter: &&Waiter| waiter.due <= now + waiter.wait.every / 2;
            let mut ids: Vec<_> = waiters.iter().filter(due).map(|waiter| waiter.wait.id.clone()).collect();
            ids.sort();
            ids.dedup();
            ids
        };
        self.polls.fetch_add(1, Ordering::Relaxed);
        let result = self.driver.poll(&self.kind, &ids).await;
        let mut news = Vec::new();
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        for waiter in waiters.iter_mut().filter(|waiter| ids.contains(&waiter.wait.id)) {
            waiter.polls += 1;
            match &result {
                Ok(states) => news.extend(waiter.judge(states.get(&waiter.wait.id).cloned())),
                // Polling errors have their own rule: what time heals is not a failure of the thing waited for.
                Err(error) if matches!(error.class(), Class::Inconsistent | Class::NotFound | Class::Throttled | Class::Transient) => {
                    news.extend(waiter.judge(Some(Poll::Pending { state: format!("unknown ({error})") })));
                }
                Err(error) => waiter.answer(Err(Error::Terminal {
                    subject: waiter.wait.id.clone(),
                    state: "an unknown state".to_owned(),
                    reason: error.chain(),
                })),
            }
        }
        waiters.retain(|waiter| waiter.tell.is_some());
        drop(waiters);
        // Observers are other people's code: not under the lock.
        news.into_iter().for_each(|event| (self.emit)(event));
    }
}

impl Drop for Poller {
    /// Whoever still waits learns that nobody polls any more.
    fn drop(&mut self) {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Waiter {
    /// Answers, or goes on waiting and tells what was seen.
    fn judge(&mut self, state: Option<Poll>) -> Option<Event> {
        let elapsed = self.began.elapsed();
        match state.unwrap_or(Poll::Pending { state: "not seen".to_owned() }) {
            Poll::Ready(outputs) => self.answer(Ok(outputs)),
            Poll::Failed { state, reason } => {
                self.answer(Err(Error::Terminal { subject: self.wait.id.clone(), state, reason }));
            }
            Poll::Pending { state } => {
                self.state.clone_from(&state);
                if elapsed >= self.wait.limit {
                    let (subject, polls) = (self.wait.id.clone(), self.polls);
                    self.answer(Err(Error::Timeout { subject, state, waited: elapsed, polls }));
                } else {
                    self.due = Instant::now() + self.wait.every;
                    return Some(Event::StepWaiting { key: self.step.clone(), subject: self.wait.id.clone(), state, elapsed });
                }
            }
        }
        None
    }

    fn answer(&mut self, result: Result<Outputs, Error>) {
        if let Some(tell) = self.tell.take() {
            // A step that stopped waiting needs no answer.
            let _ = tell.send(result);
        }
    }
}

/// How the interval of a wait follows from how long the thing typically takes: short enough to lose little time on the
/// critical path, long enough to spare the service.
pub(super) fn interval(typical: Duration) -> Duration {
    (typical / 60).clamp(Duration::from_secs(2), Duration::from_secs(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_fit_the_service() {
        let of = |seconds| interval(Duration::from_secs(seconds)).as_secs_f64();
        assert_eq!((of(1), of(114), of(300), of(3600)), (2.0, 2.0, 5.0, 10.0));
    }
}
