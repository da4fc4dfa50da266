//! Progress in plain lines: what began and takes long, what is done, what failed.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use eks_core::engine::Event;
use tokio::time::Instant;

/// Writes a line for each thing worth knowing; give [`Progress::show`] to an engine's observer.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    waiting: Mutex<BTreeMap<String, String>>,
}

impl Progress {
    /// Starts the clock that its lines show.
    pub fn new() -> Self {
        Self { began: Instant::now(), waiting: Mutex::default() }
    }

    /// Writes the line of an event to standard output, if it has one.
    pub fn show(&self, event: &Event) {
        if let Some(line) = self.line(event) {
            let at = clock(self.began.elapsed());
            // A closed pipe (`| head`) is no reason to stop a run.
            let _ = writeln!(std::io::stdout(), "  {at:>7}  {line}");
        }
    }

    fn line(&self, event: &Event) -> Option<String> {
        match event {
            Event::StepStarted { key, typical, .. } if *typical >= Duration::from_secs(20) => {
                Some(format!("… {key} (about {})", clock(*typical)))
            }
            Event::StepWaiting { key, subject, state, .. } => {
                // A drain tells of each Pod, everything else of itself.
                let who = if key.layer() == "replace" && key.as_str().ends_with("/drain") { subject } else { key.as_str() };
                // A poll that saw nothing new is not news.
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let before = waiting.insert(who.to_owned(), state.clone());
                (before.as_ref() != Some(state)).then(|| format!("· {who} {}", short(state)))
            }
            // Trying again is what the runner is for; the first reason is news.
            Event::StepRetrying { key, attempt: 1, error, .. } => Some(format!("↻ {key} is tried again until it works: {error}")),
            Event::StepFinished { key, took } if *took >= Duration::from_secs(5) => Some(format!("✓ {key} ({})", clock(*took))),
            Event::StepFinished { key, .. } => Some(format!("✓ {key}")),
            Event::StepFailed { key, error } => Some(format!("✗ {key} {error}")),
            Event::StepSkipped { key, because } => Some(format!("- {key} not tried, because {because} failed")),
            _ => None,
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// As much as a line holds.
fn short(text: &str) -> String {
    const LINE: usize = 120;
    if text.chars().count() <= LINE { text.to_owned() } else { text.chars().take(LINE - 1).chain(['…']).collect() }
}

/// `7m 20s`, `45s`.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    if seconds >= 60 { format!("{}m {:02}s", seconds / 60, seconds % 60) } else { format!("{seconds}s") }
}
