//! Progress in plain lines: what began and takes long, what is seen of it, what is done, what failed.

use std::{collections::BTreeMap, time::Duration};

use eks_core::{
    StepKey,
    engine::{Event, Purpose},
};

use crate::look::{CYAN, DIM, GREEN, Look, RED, YELLOW, clock, count, fit, line};

/// Shorter steps are told of when they are done.
const LONG: Duration = Duration::from_secs(20);
/// How much of a state or reason a line holds.
const ROOM: usize = 140;

/// Makes lines of events.
#[derive(Debug)]
pub(crate) struct Lines {
    look: Look,
    /// What was last seen of whom: a poll that saw nothing new is not news.
    seen: BTreeMap<String, String>,
    /// Whether lines tell only what has ended, because live ones tell the rest.
    ended_only: bool,
}

impl Lines {
    pub(crate) fn new(look: Look) -> Self {
        Self { look, seen: BTreeMap::new(), ended_only: false }
    }

    /// Only what has ended.
    #[cfg(feature = "terminal")]
    pub(crate) fn ended(look: Look) -> Self {
        Self { ended_only: true, ..Self::new(look) }
    }

    /// The line of an event, if it is news.
    pub(crate) fn of(&mut self, at: Duration, event: &Event) -> Option<String> {
        let news = self.news(event)?;
        Some(self.stamped(at, &news))
    }

    /// A line with its time.
    pub(crate) fn stamped(&self, at: Duration, text: &str) -> String {
        format!("  {} {text}", self.look.ink(DIM, format_args!("{:>7} ", clock(at))))
    }

    fn news(&mut self, event: &Event) -> Option<String> {
        let look = self.look;
        let text = match event {
            Event::RunStarted { steps, expected, purpose, .. } => {
                self.seen.clear();
                let what = if *purpose == Purpose::Remove { count(*steps, "removal", "removals") } else { count(*steps, "step", "steps") };
                format!("{} {what}, about {}", look.ink(CYAN, "▸"), clock(*expected))
            }
            Event::StepStarted { key, typical, .. } if *typical >= LONG && !self.ended_only => {
                format!("{} {key} (about {})", look.ink(DIM, "…"), clock(*typical))
            }
            Event::StepWaiting { key, subject, state, .. } if !self.ended_only => {
                let who = who(key, subject);
                let before = self.seen.insert(who.to_owned(), state.clone());
                if before.as_ref() == Some(state) {
                    return None;
                }
                format!("{} {who} {}", look.ink(DIM, "·"), look.ink(DIM, fit(state, ROOM)))
            }
            // Trying again is what the runner is for; the first reason is news.
            Event::StepRetrying { key, attempt: 1, error, .. } => {
                format!("{} {key} is tried again until it works: {}", look.ink(YELLOW, "↻"), fit(error, ROOM))
            }
            Event::StepFinished { key, took, attempts } => {
                let tries = if *attempts > 1 { format!(", {attempts} attempts") } else { String::new() };
                let took = if took.as_secs() >= 5 || *attempts > 1 { format!(" ({}{tries})", clock(*took)) } else { String::new() };
                format!("{} {key}{}", look.ink(GREEN, "✓"), look.ink(DIM, took))
            }
            Event::StepFailed { key, error, .. } => format!("{} {key} {}", look.ink(RED, "✗"), line(error)),
            Event::StepSkipped { key, because } => format!("{} {key} not tried, because {because} failed", look.ink(DIM, "-")),
            Event::RunFinished { took, complete: true } => format!("{} done in {}", look.ink(GREEN, "▸"), clock(*took)),
            Event::RunFinished { took, .. } => format!("{} ended after {}, not everything is done", look.ink(RED, "▸"), clock(*took)),
            _ => return None,
        };
        Some(text)
    }
}

/// A drain tells of each Pod, everything else of itself.
fn who<'a>(key: &'a StepKey, subject: &'a str) -> &'a str {
    if key.layer() == "replace" && key.as_str().ends_with("/drain") { subject } else { key.as_str() }
}
