//! What the programs show: progress as it is asked for, plans as the terminal can show them, and a run as one page.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::Write,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::ValueEnum;
use eks_core::{Plan, Teardown, Verdict};
use eks_sim::Call;
use eks_view::{LINE_VERSION, Look, Page, Progress, Recorder, Run};
use serde_json::json;

use crate::{account::Account, environment::Failure};

/// How progress is shown, on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "not a published crate")]
pub enum Show {
    /// Live lines on a terminal, plain ones elsewhere.
    #[default]
    Auto,
    /// A line for each thing worth knowing.
    Plain,
    /// A line of JSON for each event.
    Json,
}

/// Whether standard error is for machines.
static MACHINES: AtomicBool = AtomicBool::new(false);

impl Show {
    /// Has the whole program heed it, from its first word on: with [`Show::Json`], standard error holds lines of JSON and nothing else.
    pub fn heed(self) {
        MACHINES.store(self == Self::Json, Ordering::Relaxed);
    }

    /// The progress that is asked for.
    pub fn progress(self) -> Progress {
        match self {
            Self::Auto => Progress::auto(),
            Self::Plain => Progress::plain(std::io::stderr()),
            Self::Json => Progress::json_lines(std::io::stderr()),
        }
    }
}

/// Writes a line to standard output.
pub fn text(text: impl Display) {
    // A closed pipe (`| head`) is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// On a terminal coloured and folded; elsewhere in full, for files and pipes.
pub fn plan(plan: &Plan) {
    let look = Look::stdout();
    if look.is_coloured() { text(eks_view::plan(plan).look(look)) } else { text(plan) }
}

/// Likewise.
pub fn teardown(teardown: &Teardown) {
    let look = Look::stdout();
    if look.is_coloured() { text(eks_view::teardown(teardown).look(look)) } else { text(teardown) }
}

/// What is left, with reasons and remedies.
pub fn verdict(verdict: &Verdict) {
    text(eks_view::verdict(verdict).look(Look::stdout()));
}

/// The error on standard error: where, what, why, what to do.
pub fn failure(error: &(dyn std::error::Error + 'static)) {
    if MACHINES.load(Ordering::Relaxed) {
        let _ = writeln!(std::io::stderr(), "{}", own_line("error", &json!(eks_view::explain(error))));
        return;
    }
    let choice = anstream::AutoStream::choice(&std::io::stderr());
    let look = if choice == anstream::ColorChoice::Never { Look::plain() } else { Look::coloured() };
    let _ = writeln!(std::io::stderr(), "{}", eks_view::error(error).look(look));
}

/// A line of the program's own among those of the progress: readers of [`eks_view::Line`] pass it over.
fn own_line(event: &str, told: &serde_json::Value) -> serde_json::Value {
    json!({ "v": LINE_VERSION, "event": event, event: told })
}

/// What a program did, for its page.
#[derive(Debug, Default)]
pub struct Story {
    plan: Option<Plan>,
    teardown: Option<Teardown>,
    verdict: Option<Verdict>,
    picture: Option<String>,
    runs: Vec<(&'static str, Recorder)>,
    calls: BTreeMap<(String, String), u64>,
}

impl Story {
    /// A story that shows a network, drawn as SVG.
    pub fn of(picture: Option<String>) -> Self {
        Self { picture, ..Self::default() }
    }

    /// The plan that is applied.
    pub fn plans(&mut self, plan: &Plan) {
        self.plan = Some(plan.clone());
    }

    /// The teardown that is carried out.
    pub fn tears_down(&mut self, teardown: &Teardown) {
        self.teardown = Some(teardown.clone());
    }

    /// How it ended.
    pub fn ends(&mut self, verdict: &Verdict) {
        self.verdict = Some(verdict.clone());
    }

    /// A run with its heading, told to the progress, too.
    #[must_use]
    pub fn run(&mut self, heading: &'static str, progress: Progress) -> Progress {
        let recorder = Recorder::new();
        self.runs.push((heading, recorder.clone()));
        progress.also(recorder.observer())
    }

    /// The calls that were made of a simulated account.
    pub fn calls(&mut self, account: &Account) {
        let Some(sim) = account.sim() else { return };
        self.calls = BTreeMap::new();
        for call in sim.log().calls() {
            *self.calls.entry((call.service.clone(), operation(call))).or_default() += 1;
        }
    }

    /// The page, with the reason if it failed.
    pub fn page(&self, title: &str, failure: Option<&(dyn std::error::Error + 'static)>) -> String {
        let runs: Vec<(&str, Run)> = self.runs.iter().map(|(heading, recorder)| (*heading, recorder.run())).collect();
        let mut page = Page::new(title).calls(self.calls.iter().map(|((service, operation), times)| (service, operation, *times)));
        for (heading, run) in &runs {
            page = page.run(*heading, run);
        }
        if let Some(plan) = &self.plan {
            page = page.plan(plan);
        }
        if let Some(teardown) = &self.teardown {
            page = page.teardown(teardown);
        }
        if let Some(verdict) = &self.verdict {
            page = page.verdict(verdict);
        }
        if let Some(svg) = &self.picture {
            page = page.picture(svg, "The network: its zones, subnets, gateways, and who lets in whom. The plan tells the same in words.");
        }
        if let Some(error) = failure {
            page = page.failure(error);
        }
        page.html()
    }

    /// Writes the page to a file, if one is asked for.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, file: Option<&Path>, title: &str, failure: Option<&(dyn std::error::Error + 'static)>) -> Result<(), Failure> {
        let Some(file) = file else { return Ok(()) };
        std::fs::write(file, self.page(title, failure))?;
        if MACHINES.load(Ordering::Relaxed) {
            let _ = writeln!(std::io::stderr(), "{}", own_line("report", &json!(file.display().to_string())));
        } else {
            let _ = writeln!(std::io::stderr(), "the report is in {}", file.display());
        }
        Ok(())
    }
}

/// The operation of a call; of Kubernetes' paths, what they are about: `GET pods`.
fn operation(call: &Call) -> String {
    let Some((method, path)) = call.action.split_once(' ').filter(|_| call.service == "kubernetes") else { return call.action.clone() };
    let mut parts: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').filter(|part| !part.is_empty()).collect();
    let version = match parts.first() {
        Some(&"api") => 2,
        Some(&"apis") => 3,
        _ => return call.action.clone(),
    };
    parts.drain(..version.min(parts.len()));
    if parts.first() == Some(&"namespaces") && parts.len() > 2 {
        parts.drain(..2);
    }
    match (parts.first(), parts.get(2)) {
        (Some(kind), Some(sub)) => format!("{method} {kind}/{sub}"),
        (Some(kind), None) => format!("{method} {kind}"),
        (None, _) => format!("{method} discovery"),
    }
}
