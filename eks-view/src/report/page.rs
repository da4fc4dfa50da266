//! What a page tells, and in which order.

use std::{collections::BTreeMap, error::Error as StdError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eks_core::{Plan, Teardown, Verdict};

use super::{html::Html, sections, timeline};
use crate::{
    explain::{Explained, explain},
    look::{clock, count, span, usd},
    run::{Run, RunStatus},
};

const STYLE: &str = include_str!("style.css");

/// A page about one or several runs; see [`Page::html`]. Everything but the runs may be left out.
///
/// ```
/// use eks_view::{Page, Recorder};
///
/// let recorder = Recorder::new(); // its observer was given to an engine
/// let run = recorder.run();
/// let page = Page::new("demo <1>").run("Apply", &run).calls([("ec2", "CreateVpc", 1)]);
/// assert!(page.html().contains("<h1>demo &lt;1&gt;</h1>"));
/// ```
#[derive(Debug, Default)]
pub struct Page<'a> {
    title: String,
    runs: Vec<(String, &'a Run)>,
    plan: Option<&'a Plan>,
    teardown: Option<&'a Teardown>,
    verdict: Option<&'a Verdict>,
    picture: Option<(String, String)>,
    calls: BTreeMap<String, BTreeMap<String, u64>>,
    failure: Option<Explained>,
}

impl<'a> Page<'a> {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a run under a heading of its own: `Apply`, `Control plane`, `Teardown`.
    #[must_use]
    pub fn run(mut self, heading: impl Into<String>, run: &'a Run) -> Self {
        self.runs.push((heading.into(), run));
        self
    }

    /// The plan that was applied: costs, what is to be reviewed, changes, IAM actions.
    #[must_use]
    pub fn plan(mut self, plan: &'a Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// The teardown that was carried out: what it saves, what stays.
    #[must_use]
    pub fn teardown(mut self, teardown: &'a Teardown) -> Self {
        self.teardown = Some(teardown);
        self
    }

    /// Whether anything is left.
    #[must_use]
    pub fn verdict(mut self, verdict: &'a Verdict) -> Self {
        self.verdict = Some(verdict);
        self
    }

    /// A picture of the network, as SVG (`eks_net`'s `picture`), and what it shows for those who cannot see it. It is shown as an image, in
    /// which no script runs.
    #[must_use]
    pub fn picture(mut self, svg: impl Into<String>, description: impl Into<String>) -> Self {
        self.picture = Some((svg.into(), description.into()));
        self
    }

    /// Calls made: service, operation, how often. Those of one operation add up.
    #[must_use]
    pub fn calls<S: Into<String>, O: Into<String>>(mut self, calls: impl IntoIterator<Item = (S, O, u64)>) -> Self {
        for (service, operation, times) in calls {
            *self.calls.entry(service.into()).or_default().entry(operation.into()).or_default() += times;
        }
        self
    }

    /// Why it failed.
    #[must_use]
    pub fn failure(mut self, error: &(dyn StdError + 'static)) -> Self {
        self.failure = Some(explain(error));
        self
    }

    /// The page: one file for any browser, a phone's, too; light and dark; it prints. It holds no script and asks no server for anything, which
    /// its Content-Security-Policy also forbids. What it tells is escaped, whoever named it.
    pub fn html(&self) -> String {
        let mut html = Html::default();
        html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
        html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
        html.raw("<meta name=\"color-scheme\" content=\"light dark\"/>\n");
        html.raw(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"/>\n",
        );
        html.element("title", "", &self.title).raw("<style>\n").raw(STYLE).raw("</style>\n</head>\n<body>\n");
        self.head(&mut html);
        html.raw("<main>\n");
        if let Some(failure) = &self.failure {
            sections::failure(&mut html, failure);
        }
        if let Some(verdict) = self.verdict {
            sections::verdict(&mut html, verdict);
        }
        for (heading, run) in self.labelled() {
            timeline::section(&mut html, &heading, run);
        }
        self.image(&mut html);
        if let Some(plan) = self.plan {
            sections::findings(&mut html, &plan.findings());
            sections::changes(&mut html, plan);
            sections::cost(&mut html, plan);
        }
        if let Some(teardown) = self.teardown {
            sections::findings(&mut html, &teardown.findings().iter().collect::<Vec<_>>());
            sections::stays(&mut html, teardown.stays());
        }
        sections::calls(&mut html, &self.calls);
        if let Some(plan) = self.plan {
            sections::permissions(&mut html, plan);
        }
        html.raw("</main>\n<footer><p>");
        html.text(format_args!("Made by eks-view {}", env!("CARGO_PKG_VERSION")));
        html.raw(". Costs are on demand, in us-east-1, before traffic.</p></footer>\n</body>\n</html>\n");
        html.finish()
    }

    fn head(&self, html: &mut Html) {
        html.raw("<header>\n").element("h1", "", &self.title).raw("<p class=\"sub\">");
        let (class, status) = self.status();
        html.element("strong", class, status);
        if let Some(owner) = self.runs.iter().find_map(|(_, run)| run.owner.as_ref()) {
            html.raw("<span>owner ").element("code", "", owner).raw("</span>");
        }
        if let Some(began) = self.runs.iter().find_map(|(_, run)| run.began.as_ref()) {
            html.raw("<time datetime=\"").text(began).raw("\">").text(began.replace('T', " ").replace('Z', " UTC")).raw("</time>");
        }
        html.raw("</p>\n<dl class=\"tiles\">\n");
        for (heading, run) in self.labelled() {
            tile(html, &heading, clock(run.length()), format!("expected {}", clock(span(run.expected))));
        }
        let steps = self.last().into_values().map(|run| (run.steps.len(), run.count(RunStatus::Done)));
        let (total, done) = steps.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        if total > 0 {
            tile(html, "Steps", format!("{done} of {total}"), "done".to_owned());
        }
        if let Some(plan) = self.plan {
            tile(html, "A month", usd(plan.usd_per_month()), format!("{} of it new", usd(plan.added_usd_per_month())));
        }
        let calls: u64 = self.calls.values().flat_map(BTreeMap::values).sum();
        if calls > 0 {
            tile(html, "Calls", calls.to_string(), count(self.calls.len(), "service", "services"));
        }
        if let Some(verdict) = self.verdict {
            let left: f64 = verdict.survivors().iter().map(|survivor| survivor.usd_per_month).sum();
            tile(html, "Left", verdict.survivors().len().to_string(), format!("{} a month", usd(left)));
        }
        html.raw("</dl>\n</header>\n");
    }

    /// Of each heading the last run: one that was killed is judged by the one that continued it.
    fn last(&self) -> BTreeMap<&str, &'a Run> {
        self.runs.iter().map(|(heading, run)| (heading.as_str(), *run)).collect()
    }

    /// The runs; those of one heading are told apart.
    fn labelled(&self) -> Vec<(String, &'a Run)> {
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        let mut label = |heading| {
            let number = times.entry(heading).or_insert(0);
            *number += 1;
            if *number == 1 { heading.to_owned() } else { format!("{heading}, {} run", nth(*number)) }
        };
        self.runs.iter().map(|(heading, run)| (label(heading.as_str()), *run)).collect()
    }

    /// In one word: what became of it.
    fn status(&self) -> (&'static str, &'static str) {
        let last = self.last();
        match self.verdict {
            Some(verdict) if !verdict.is_clean() => return ("bad", "leaked"),
            _ if self.failure.is_some() || last.values().any(|run| run.count(RunStatus::Failed) > 0) => return ("bad", "failed"),
            _ if last.values().any(|run| run.took.is_none()) => return ("warn", "unfinished"),
            _ if last.values().any(|run| !run.complete) => return ("bad", "incomplete"),
            Some(_) => return ("good", "clean"),
            None => {}
        }
        if self.runs.is_empty() { ("warn", "planned") } else { ("good", "complete") }
    }

    fn image(&self, html: &mut Html) {
        let Some((svg, description)) = &self.picture else { return };
        html.raw("<section>\n<h2>Network</h2>\n<div class=\"scroll\"><img class=\"network\" alt=\"").text(description);
        html.raw("\" src=\"data:image/svg+xml;base64,").text(STANDARD.encode(svg)).raw("\"/></div>\n</section>\n");
    }
}

/// `2nd`, `11th`.
fn nth(number: usize) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn tile(html: &mut Html, name: &str, figure: String, more: String) {
    html.raw("<div>").element("dt", "", name).element("dd", "", figure).element("dd", "more", more).raw("</div>\n");
}
