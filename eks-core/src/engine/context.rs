//! What a driver is given for one step.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    BoxFuture, Driver, Event,
    poll::{Pollers, interval},
};
use crate::{Error, Outputs, Owner, Ref, StepKey};

/// What to wait for, and how to poll.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// What the driver's `poll` is asked for: `nat-gateway-available`.
    pub kind: String,
    /// Which one.
    pub id: String,
    /// When success becomes plausible: the first poll.
    pub first: Duration,
    /// The interval of the polls after it.
    pub every: Duration,
    /// When to give up.
    pub limit: Duration,
}

impl Wait {
    /// Waits for something that typically takes `typical`: first poll when half of it has passed, then at a sixtieth of it
    /// (2–10 s), for at most 20 minutes or five times as long.
    pub fn typical(kind: impl Into<String>, id: impl Into<String>, typical: Duration) -> Self {
        Self {
            kind: kind.into(),
            id: id.into(),
            first: typical / 2,
            every: interval(typical),
            limit: (typical * 5).max(Duration::from_secs(20 * 60)),
        }
    }

    /// Another first poll.
    #[must_use]
    pub fn first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Another interval.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Another limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// One attempt at one step.
pub struct StepContext {
    pub(super) key: StepKey,
    pub(super) owner: Owner,
    pub(super) attempt: u32,
    pub(super) outputs: Arc<Mutex<BTreeMap<StepKey, Outputs>>>,
    pub(super) driver: Arc<dyn Driver>,
    pub(super) pollers: Arc<Pollers>,
    pub(super) stop: CancellationToken,
    pub(super) cancel: CancellationToken,
    pub(super) emit: Arc<dyn Fn(Event) + Send + Sync>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) slot: tokio::sync::Mutex<Option<OwnedSemaphorePermit>>,
    pub(super) began: tokio::time::Instant,
    pub(super) waited: AtomicBool,
}

impl fmt::Debug for StepContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepContext").field("key", &self.key).field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

impl StepContext {
    /// The step.
    pub fn key(&self) -> &StepKey {
        &self.key
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Tags for what this step makes.
    pub fn tags(&self) -> Vec<(String, String)> {
        self.owner.tags(&self.key)
    }

    /// Which attempt this is, from 1. Above 1, an earlier call may have taken effect although its answer was lost.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The value of a reference.
    ///
    /// # Errors
    /// [`Error::Plan`] if no step told it, or if it does not have the form of its type.
    pub fn resolve<T>(&self, reference: &Ref<T>) -> Result<T, Error>
    where
        T: Clone + FromStr,
        T::Err: fmt::Display,
    {
        let output = match reference {
            Ref::Known(value) => return Ok(value.clone()),
            Ref::Output(output) => output,
        };
        let told = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let text = told.get(&output.step).and_then(|outputs| outputs.get(&output.name)).ok_or_else(|| Error::Plan {
            subject: self.key.to_string(),
            reason: format!("{} told no output {}", output.step, output.name),
        })?;
        text.parse().map_err(|error: T::Err| Error::Plan { subject: format!("{}#{}", output.step, output.name), reason: error.to_string() })
    }

    /// Waits until the driver's `poll` says that it is ready; tells its outputs. Other steps use the slot meanwhile.
    ///
    /// # Errors
    /// [`Error::Terminal`], [`Error::Timeout`], or [`Error::Stopped`] when the run is stopped.
    pub async fn wait(&self, wait: Wait) -> Result<Outputs, Error> {
        let subject = wait.id.clone();
        self.waited.store(true, Ordering::Relaxed);
        self.slot.lock().await.take();
        let told = self.pollers.enlist(&self.driver, self.key.clone(), wait);
        let result = tokio::select! {
            told = told => told.unwrap_or_else(|_| {
                Err(Error::Plan { subject: subject.clone(), reason: "nobody polls it any more: an observer of the run panicked".to_owned() })
            }),
            () = self.stop.cancelled() => Err(self.stopped(&subject)),
        };
        self.take_slot().await;
        result
    }

    /// Awaits something other than a poll (a watch, say), giving up the slot meanwhile.
    ///
    /// # Errors
    /// What `work` fails with, or [`Error::Stopped`] when the run is stopped.
    pub async fn aside<T>(&self, subject: &str, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.waited.store(true, Ordering::Relaxed);
        self.slot.lock().await.take();
        let result = tokio::select! {
            result = work => result,
            () = self.stop.cancelled() => Err(self.stopped(subject)),
        };
        self.take_slot().await;
        result
    }

    /// Carries `work` through, unless `doubt` is certain that it will not end well: it is asked again and again meanwhile, with pauses
    /// of `every`. Nobody's time is lost on what cannot become true.
    ///
    /// # Errors
    /// What `work` fails with, or what `doubt` tells.
    pub async fn unless<'a, T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
        every: Duration,
        mut doubt: impl FnMut() -> BoxFuture<'a, Option<Error>>,
    ) -> Result<T, Error> {
        let mut work = std::pin::pin!(work);
        loop {
            let asked = async {
                tokio::time::sleep(self.pollers.paced(every)).await;
                doubt().await
            };
            tokio::select! {
                biased;
                done = &mut work => return done,
                told = asked => if let Some(error) = told { return Err(error) },
            }
        }
    }

    /// Tells observers what this step waits for.
    pub fn waiting(&self, subject: impl Into<String>, state: impl Into<String>) {
        (self.emit)(Event::StepWaiting {
            key: self.key.clone(),
            subject: subject.into(),
            state: state.into(),
            elapsed: self.began.elapsed(),
        });
    }

    /// Whether this attempt has come to wait for something: the calls before worked.
    pub(super) fn has_waited(&self) -> bool {
        self.waited.load(Ordering::Relaxed)
    }

    pub(super) async fn take_slot(&self) {
        // The semaphore is never closed; without a permit the step merely runs beside the limit.
        *self.slot.lock().await = self.slots.clone().acquire_owned().await.ok();
    }

    pub(super) fn stopped(&self, subject: &str) -> Error {
        let reason = if self.cancel.is_cancelled() { "cancelled" } else { "the deadline passed" };
        Error::Stopped { subject: subject.to_owned(), reason: reason.to_owned() }
    }
}
