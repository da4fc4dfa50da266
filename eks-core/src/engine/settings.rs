//! The engine's settings.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Driver, Event};

type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// Everything a run needs besides the plan: a driver for each layer, limits, and who watches. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) drivers: BTreeMap<&'static str, Arc<dyn Driver>>,
    pub(super) concurrency: usize,
    pub(super) deadline: Option<Duration>,
    pub(super) cancel: CancellationToken,
    pub(super) speed: f64,
    pub(super) observer: Option<Observer>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("layers", &self.drivers.keys())
            .field("concurrency", &self.concurrency)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// No drivers yet, 16 steps at once, no deadline.
    pub fn new() -> Self {
        Self { drivers: BTreeMap::new(), concurrency: 16, deadline: None, cancel: CancellationToken::new(), speed: 1.0, observer: None }
    }

    /// Adds the driver of a layer.
    #[must_use]
    pub fn driver(mut self, driver: impl Driver + 'static) -> Self {
        self.drivers.insert(driver.layer(), Arc::new(driver));
        self
    }

    /// How many steps make calls at once; steps that wait do not count. At least 1.
    #[must_use]
    pub fn concurrency(mut self, steps: usize) -> Self {
        self.concurrency = steps.max(1);
        self
    }

    /// Stops a run after this time.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Stops a run when this token is cancelled.
    #[must_use]
    pub fn cancelled_by(mut self, token: CancellationToken) -> Self {
        self.cancel = token;
        self
    }

    /// How many times faster than AWS the server is. Default 1; an emulator that is done at once deserves shorter pauses between
    /// polls and retries, which are divided by it (but stay above 50 ms). From a thousandth to a million.
    #[must_use]
    pub fn speed(mut self, times: f64) -> Self {
        self.speed = times.clamp(0.001, 1_000_000.0);
        self
    }

    /// Who is told what happens. It is called from the run: it should be quick.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }
}

/// A pause at the pace of a server; a fast one is not hammered.
pub(super) fn paced(pause: Duration, speed: f64) -> Duration {
    if speed > 1.0 { pause.div_f64(speed).max(Duration::from_millis(50)) } else { pause.div_f64(speed) }
}
