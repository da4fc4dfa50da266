//! Simulated time: tokio's clock, optionally sped up.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Simulated time. With tokio's clock paused it costs nothing; a served simulator runs it faster than the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    epoch: SystemTime,
    speed: f64,
}

impl Clock {
    /// A clock that starts now, at `epoch` of the calendar, and runs `speed` simulated seconds for each second of tokio's clock.
    pub fn new(epoch: SystemTime, speed: f64) -> Self {
        Self { origin: Instant::now(), epoch, speed }
    }

    /// The same clock, set so that it is `now`.
    pub(crate) fn set(&self, now: Duration) -> Self {
        Self { origin: Instant::now().checked_sub(now.div_f64(self.speed)).unwrap_or(self.origin), ..*self }
    }

    /// Simulated time since the account came to be.
    pub fn now(&self) -> Duration {
        self.origin.elapsed().mul_f64(self.speed)
    }

    /// The calendar time that the simulated account believes in.
    pub fn wall(&self) -> SystemTime {
        self.wall_at(self.now())
    }

    /// The calendar time at `at` on this clock.
    pub fn wall_at(&self, at: Duration) -> SystemTime {
        self.epoch + at
    }

    /// Waits for a simulated duration.
    pub async fn sleep(&self, simulated: Duration) {
        tokio::time::sleep(simulated.div_f64(self.speed)).await;
    }

    /// Waits until a moment of this clock.
    pub async fn sleep_until(&self, at: Duration) {
        // One microsecond more: division must not wake us just before the event that we wait for.
        self.sleep(at.saturating_sub(self.now()) + Duration::from_micros(1)).await;
    }
}
