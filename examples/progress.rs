//! Progress where nothing is asked for: live lines on a terminal, plain ones elsewhere.

use eks_core::engine::Event;
pub use eks_view::clock;

/// Give [`Progress::show`] to an engine's observer.
#[derive(Clone, Debug)]
pub struct Progress(eks_view::Progress);

impl Progress {
    /// On standard error.
    pub fn new() -> Self {
        Self(eks_view::Progress::auto())
    }

    /// Takes note of an event.
    pub fn show(&self, event: &Event) {
        self.0.observe(event);
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
