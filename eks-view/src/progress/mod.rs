//! Progress of a run, for people and machines.

#[cfg(feature = "terminal")]
mod frame;
mod lines;
#[cfg(feature = "terminal")]
mod live;

use std::{
    fmt,
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eks_core::engine::Event;
use tokio::time::Instant;

use self::lines::Lines;
use crate::{line::Line, look::Look};

type Writer = Box<dyn Write + Send>;
type Observer = dyn Fn(&Event) + Send + Sync;

/// Shows what a run does; give [`Progress::observer`] to [`eks_core::engine::Engine::observer`].
///
/// The same for plans, teardowns, upgrades and replacements, and for several runs one after another. Cheap to clone: clones show on one display.
///
/// ```
/// use eks_core::engine::Engine;
/// use eks_view::Progress;
///
/// let progress = Progress::plain(std::io::stderr());
/// let engine = Engine::new().observer(progress.observer());
/// # let _ = engine;
/// ```
#[derive(Clone)]
pub struct Progress {
    display: Arc<Mutex<Display>>,
    others: Vec<Arc<Observer>>,
}

struct Display {
    began: Instant,
    sink: Sink,
}

enum Sink {
    Nothing,
    Plain(Lines, Writer),
    Json(Writer),
    #[cfg(feature = "terminal")]
    Live(live::Screen),
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}

impl Progress {
    /// Live lines where standard error is a terminal; plain lines on standard error where it is not, and where one of `NO_COLOR`, `CI` and
    /// `TERM=dumb` asks for calm.
    pub fn auto() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "false");
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if std::io::stderr().is_terminal() && !set("NO_COLOR") && !set("CI") && !dumb {
            return Self::terminal();
        }
        Self::plain(std::io::stderr())
    }

    /// Live lines on standard error: one for each step that runs, and what remains. What has ended scrolls away above them.
    ///
    /// The cursor is never hidden, so a program that is killed leaves the terminal as it was. Nothing is shown if standard error is no
    /// terminal. Without the feature `terminal`, it is [`Progress::plain`] in colour.
    pub fn terminal() -> Self {
        #[cfg(feature = "terminal")]
        return Self::of(Sink::Live(live::Screen::stderr()));
        #[cfg(not(feature = "terminal"))]
        Self::of(Sink::Plain(Lines::new(Look::coloured()), Box::new(std::io::stderr())))
    }

    /// A line for each thing worth knowing, with its time since the run began.
    pub fn plain(writer: impl Write + Send + 'static) -> Self {
        Self::of(Sink::Plain(Lines::new(Look::plain()), Box::new(writer)))
    }

    /// A line of JSON for each event, flushed one by one; see [`Line`] for the schema.
    pub fn json_lines(writer: impl Write + Send + 'static) -> Self {
        Self::of(Sink::Json(Box::new(writer)))
    }

    /// Shows nothing, where only [`Progress::also`] is wanted.
    pub fn silent() -> Self {
        Self::of(Sink::Nothing)
    }

    fn of(sink: Sink) -> Self {
        Self { display: Arc::new(Mutex::new(Display { began: Instant::now(), sink })), others: Vec::new() }
    }

    /// Tells another observer, too: a [`Recorder`](crate::Recorder), say. An engine has only one.
    #[must_use]
    pub fn also(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.others.push(Arc::new(observer));
        self
    }

    /// For [`eks_core::engine::Engine::observer`].
    pub fn observer(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let progress = self.clone();
        move |event| progress.observe(event)
    }

    /// Takes note of an event that has just happened. What cannot be written (a closed pipe) is no reason to stop a run.
    pub fn observe(&self, event: &Event) {
        self.display.lock().unwrap_or_else(PoisonError::into_inner).observe(event);
        self.others.iter().for_each(|other| other(event));
    }

    /// A line of the program's own amid the progress, with its time; machines are not told.
    pub fn say(&self, text: impl fmt::Display) {
        self.display.lock().unwrap_or_else(PoisonError::into_inner).say(&text.to_string());
    }
}

impl Display {
    fn observe(&mut self, event: &Event) {
        if matches!(event, Event::RunStarted { .. }) {
            self.began = Instant::now();
        }
        let at = self.began.elapsed();
        match &mut self.sink {
            Sink::Nothing => {}
            Sink::Plain(lines, writer) => {
                if let Some(line) = lines.of(at, event) {
                    put(writer, &line);
                }
            }
            Sink::Json(writer) => {
                if let Some(line) = Line::of(at, event).and_then(|line| serde_json::to_string(&line).ok()) {
                    put(writer, &line);
                }
            }
            #[cfg(feature = "terminal")]
            Sink::Live(screen) => screen.observe(at, event),
        }
    }

    fn say(&mut self, text: &str) {
        let at: Duration = self.began.elapsed();
        match &mut self.sink {
            Sink::Nothing | Sink::Json(_) => {}
            Sink::Plain(lines, writer) => put(writer, &lines.stamped(at, text)),
            #[cfg(feature = "terminal")]
            Sink::Live(screen) => screen.say(at, text),
        }
    }
}

fn put(writer: &mut Writer, line: &str) {
    let _ = writeln!(writer, "{line}").and_then(|()| writer.flush());
}
