//! Live lines on a terminal.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use console::Term;
use eks_core::engine::Event;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{frame::frame, lines::Lines};
use crate::{board::Board, look::Look};

/// How often the lines are drawn anew: often enough for a spinner, seldom enough for a line over the sea.
const TICK: Duration = Duration::from_millis(120);

/// The terminal, and the run that it shows.
///
/// All lines are one bar of indicatif's, so that they are drawn at once: nothing flickers, and nothing is left over when there are fewer.
pub(super) struct Screen {
    stage: Arc<Mutex<Stage>>,
    lines: Lines,
    target: Box<dyn Fn() -> ProgressDrawTarget + Send + Sync>,
    size: Size,
    bar: Option<ProgressBar>,
    ticks: bool,
}

/// Rows and columns of the terminal, now.
type Size = Arc<dyn Fn() -> (usize, usize) + Send + Sync>;

/// What the drawing thread sees.
struct Stage {
    board: Board,
    /// The time of the run at the last event, and when that was on the wall: in a simulation these go at different paces.
    at: Duration,
    told: Instant,
}

impl Screen {
    pub(super) fn stderr() -> Self {
        let size = || {
            let (rows, columns) = Term::stderr().size();
            (usize::from(rows), usize::from(columns))
        };
        Self::on(|| ProgressDrawTarget::stderr_with_hz(12), size, true)
    }

    /// On any terminal.
    #[cfg(test)]
    pub(super) fn term(term: impl indicatif::TermLike + Clone + 'static) -> Self {
        let (drawn, measured) = (term.clone(), term);
        let target = move || ProgressDrawTarget::term_like_with_hz(Box::new(drawn.clone()), 255);
        Self::on(target, move || (usize::from(measured.height()), usize::from(measured.width())), false)
    }

    fn on(
        target: impl Fn() -> ProgressDrawTarget + Send + Sync + 'static,
        size: impl Fn() -> (usize, usize) + Send + Sync + 'static,
        ticks: bool,
    ) -> Self {
        let stage = Stage { board: Board::default(), at: Duration::ZERO, told: Instant::now() };
        Self {
            stage: Arc::new(Mutex::new(stage)),
            lines: Lines::ended(Look::coloured()),
            target: Box::new(target),
            size: Arc::new(size),
            bar: None,
            ticks,
        }
    }

    pub(super) fn observe(&mut self, at: Duration, event: &Event) {
        {
            let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            stage.board.note(at, event);
            (stage.at, stage.told) = (at, Instant::now());
        }
        // The stage is free again: drawing looks at it.
        if matches!(event, Event::RunStarted { .. }) {
            self.bar = Some(self.raise());
        }
        let line = self.lines.of(at, event);
        match event {
            Event::RunFinished { .. } => {
                if let Some(bar) = self.bar.take() {
                    if let Some(line) = line {
                        bar.println(line);
                    }
                    bar.finish_and_clear();
                }
            }
            _ => match (line, &self.bar) {
                (Some(line), Some(bar)) => bar.println(line),
                (None, Some(bar)) if !self.ticks => bar.tick(),
                _ => {}
            },
        }
    }

    pub(super) fn say(&self, at: Duration, text: &str) {
        if let Some(bar) = &self.bar {
            bar.println(self.lines.stamped(at, text));
        }
    }

    fn raise(&self) -> ProgressBar {
        let (stage, size, ticks) = (self.stage.clone(), self.size.clone(), Arc::new(AtomicUsize::new(0)));
        let ticking = self.ticks;
        let draw = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let (rows, columns) = size();
            let tick = ticks.fetch_add(1, Ordering::Relaxed);
            let stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
            let since = if ticking { stage.told.elapsed() } else { Duration::ZERO };
            // A line that fills the last column wraps on some terminals.
            let look = Look::coloured().width(columns.saturating_sub(1));
            let _ = out.write_str(&frame(&stage.board, stage.at + since, look, rows, tick));
        };
        let bar = ProgressBar::with_draw_target(None, (self.target)());
        if let Ok(style) = ProgressStyle::with_template("{frame}") {
            bar.set_style(style.with_key("frame", draw));
        }
        if self.ticks {
            bar.enable_steady_tick(TICK);
        }
        bar
    }
}

#[cfg(test)]
mod tests {
    use eks_core::{
        Owner, StepKey,
        engine::{PlannedStep, Purpose},
    };
    use indicatif::InMemoryTerm;

    use super::*;

    fn key(text: &str) -> StepKey {
        text.parse().expect("a key")
    }

    fn started(count: usize) -> Vec<Event> {
        let name = |number: usize| key(&format!("t/step-{number:03}"));
        let takes = Duration::from_secs(60);
        let planned = (0..count).map(|number| PlannedStep::new(name(number), "a thing", takes, [])).collect();
        let owner = Owner::new("demo").expect("an owner");
        let first = Event::RunStarted { owner, purpose: Purpose::Make, steps: count, expected: takes, planned, kept: 0 };
        let rest = (0..count).map(|number| Event::StepStarted { key: name(number), title: "a thing".to_owned(), typical: takes });
        [first].into_iter().chain(rest).collect()
    }

    fn screen(term: &InMemoryTerm, events: &[Event]) -> Screen {
        let mut screen = Screen::term(term.clone());
        events.iter().for_each(|event| screen.observe(Duration::ZERO, event));
        screen
    }

    #[test]
    fn a_line_for_each_step_and_what_remains() {
        let term = InMemoryTerm::new(24, 100);
        let mut screen = screen(&term, &started(2));
        let state = "CREATING".to_owned();
        let waiting = Event::StepWaiting { key: key("t/step-001"), subject: "x".to_owned(), state, elapsed: Duration::from_secs(30) };
        screen.observe(Duration::from_secs(30), &waiting);
        insta::assert_snapshot!(term.contents(), @r##"
             0s  ▸ 2 steps, about 1m 00s
        ⠸ t/step-000                        a thing                         30s of 1m 00s ━━━━━━╌╌╌╌╌╌
        ⠸ t/step-001                        CREATING                        30s of 1m 00s ━━━━━━╌╌╌╌╌╌ ◆
        about 30s left · 0 of 2 done · 2 running · 30s so far
        ◆ t/step-001
        "##);
        screen
            .observe(Duration::from_secs(50), &Event::StepFinished { key: key("t/step-000"), took: Duration::from_secs(50), attempts: 1 });
        screen.say(Duration::from_secs(51), "amid");
        screen
            .observe(Duration::from_secs(52), &Event::StepFinished { key: key("t/step-001"), took: Duration::from_secs(52), attempts: 1 });
        screen.observe(Duration::from_secs(52), &Event::RunFinished { took: Duration::from_secs(52), complete: true });
        insta::assert_snapshot!(term.contents(), @r##"
         0s  ▸ 2 steps, about 1m 00s
        50s  ✓ t/step-000 (50s)
        51s  amid
        52s  ✓ t/step-001 (52s)
        52s  ▸ done in 52s
        "##);
    }

    #[test]
    fn hundreds_of_steps_fit_on_any_terminal() {
        for (rows, columns) in [(24, 100), (10, 40), (50, 200), (5, 24)] {
            let term = InMemoryTerm::new(rows, columns);
            let _screen = screen(&term, &started(300));
            let text = term.contents();
            let lines: Vec<_> = text.lines().collect();
            assert!(lines.len() <= usize::from(rows), "{rows} rows: {text}");
            assert!(lines.iter().all(|line| line.chars().count() < usize::from(columns)), "{columns} columns: {text}");
            assert!(text.contains("more"), "{text}");
        }
    }

    /// Nothing of ours stays on a terminal whose program is killed: the cursor is never hidden, no mode is changed.
    #[test]
    fn the_terminal_stays_as_it_was() {
        let term = InMemoryTerm::new(24, 100);
        let screen = screen(&term, &started(3));
        let moves = term.moves_since_last_check();
        for mode in ["?25l", "?1049", "?7l"] {
            assert!(!moves.contains(mode), "{mode}: {moves}");
        }
        drop(screen);
        assert_eq!(term.contents(), "       0s  ▸ 3 steps, about 1m 00s", "who gives a run up leaves no half lines");
    }
}
