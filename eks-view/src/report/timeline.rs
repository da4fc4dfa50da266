//! The steps of a run as bars over its time.

use std::collections::BTreeSet;

use eks_core::StepKey;

use super::html::Html;
use crate::{
    look::{clock, count, span},
    run::{Run, RunStatus, RunStep},
};

/// Where there are more steps, short ones that nothing waited for are folded.
const MANY: usize = 24;

/// The section of one run.
pub(super) fn section(html: &mut Html, heading: &str, run: &Run) {
    let length = run.length().as_secs_f64().max(0.001);
    let critical: BTreeSet<&StepKey> = run.critical_path().into_iter().collect();
    html.raw("<section>\n").element("h2", "", heading);
    summary(html, run, &critical);
    if run.steps.is_empty() {
        html.raw("</section>\n");
        return;
    }
    let mut begun: Vec<&RunStep> = run.steps.iter().filter(|step| step.began.is_some()).collect();
    begun.sort_by(|a, b| a.began.unwrap_or(0.0).total_cmp(&b.began.unwrap_or(0.0)));
    let folded = |step: &RunStep| {
        begun.len() > MANY
            && !critical.contains(&step.key)
            && step.status == RunStatus::Done
            && step.retries.is_empty()
            && step.took.unwrap_or(0.0) < length / 50.0
    };
    let (short, long): (Vec<&RunStep>, Vec<&RunStep>) = begun.iter().partition(|step| folded(step));
    html.raw("<p class=\"legend\" aria-hidden=\"true\"><span><i class=\"key crit\"></i>critical path</span>");
    html.raw("<span><i class=\"key\"></i>other steps</span><span><i class=\"key expected\"></i>expected</span></p>\n");
    axis(html, length);
    bars(html, &long, length, &critical);
    if !short.is_empty() {
        html.raw("<details><summary>").text(count(short.len(), "short step", "short steps")).raw("</summary>\n");
        bars(html, &short, length, &critical);
        html.raw("</details>\n");
    }
    not_begun(html, run);
    html.raw("</section>\n");
}

fn summary(html: &mut Html, run: &Run, critical: &BTreeSet<&StepKey>) {
    let (done, all) = (run.count(RunStatus::Done), run.steps.len());
    let expected = clock(span(run.expected));
    html.raw("<p>");
    if all == 0 {
        html.text("Nothing was to be done").text(if run.kept > 0 { format!(": {} as they should be", run.kept) } else { String::new() });
    } else {
        html.text(format_args!("{done} of {} in ", count(all, "step", "steps"))).element("strong", "", clock(run.length()));
        html.text(format_args!("; about {expected} were expected"));
        if run.kept > 0 {
            html.text(format_args!("; {} as they should be", run.kept));
        }
    }
    html.raw(".</p>\n");
    let mut path: Vec<&RunStep> = run.steps.iter().filter(|step| critical.contains(&step.key) && step.took.unwrap_or(0.0) >= 1.0).collect();
    if critical.len() > 1 && !path.is_empty() {
        html.raw("<p>The end waited for ");
        path.sort_by(|a, b| a.began.unwrap_or(0.0).total_cmp(&b.began.unwrap_or(0.0)));
        for (at, step) in path.iter().enumerate() {
            if at > 0 {
                html.raw(" → ");
            }
            html.element("code", "", &step.key).text(format_args!(" {}", clock(span(step.took.unwrap_or(0.0)))));
        }
        html.raw(".</p>\n");
    }
}

/// Marks at round times.
fn axis(html: &mut Html, length: f64) {
    const STEPS: [f64; 11] = [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];
    let every = STEPS.into_iter().find(|every| length / every <= 6.0).unwrap_or((length / 6.0).ceil());
    html.raw("<div class=\"axis\" aria-hidden=\"true\"><div>");
    let mut at = 0.0;
    // A mark at the very end would be cut.
    while at <= length * 0.9 {
        html.raw("<span style=\"left:").text(format_args!("{:.2}%", percent(at, length))).raw("\">");
        html.text(clock(span(at))).raw("</span>");
        at += every;
    }
    html.raw("</div></div>\n");
}

fn percent(part: f64, whole: f64) -> f64 {
    (part / whole * 100.0).clamp(0.0, 100.0)
}

fn bars(html: &mut Html, steps: &[&RunStep], length: f64, critical: &BTreeSet<&StepKey>) {
    html.raw("<ol class=\"bars\">\n");
    for step in steps {
        bar(html, step, length, critical.contains(&step.key));
    }
    html.raw("</ol>\n");
}

fn bar(html: &mut Html, step: &RunStep, length: f64, critical: bool) {
    let began = step.began.unwrap_or(0.0);
    let took = step.took.unwrap_or((length - began).max(0.0));
    let class = match (step.status, critical) {
        (RunStatus::Failed, _) => "bar failed",
        (RunStatus::Running, _) => "bar running",
        (_, true) => "bar crit",
        _ => "bar",
    };
    html.raw(if critical { "<li class=\"crit\">" } else { "<li>" });
    html.raw("<div class=\"what\">").element("code", "", &step.key).element("span", "title", &step.title).raw("</div>");
    html.raw("<div class=\"track\" aria-hidden=\"true\">");
    if step.typical >= 2.0 {
        style(html, "expected", began, step.typical, length);
    }
    style(html, class, began, took, length);
    html.raw("</div><div class=\"time\">");
    html.text(clock(span(took)));
    html.raw("<span class=\"hidden\">");
    html.text(format_args!(", began at {}", clock(span(began))));
    if step.typical >= 2.0 {
        html.text(format_args!(", expected {}", clock(span(step.typical))));
    }
    html.raw(if critical { ", on the critical path" } else { "" }).raw("</span></div>");
    if let Some(error) = &step.error {
        html.element("p", "error", error);
    }
    story(html, step);
    html.raw("</li>\n");
}

fn style(html: &mut Html, class: &'static str, began: f64, took: f64, length: f64) {
    let (left, right) = (percent(began, length), percent(began + took, length));
    html.raw("<span class=\"").raw(class).raw("\" style=\"left:");
    html.text(format_args!("{left:.2}%;width:{:.2}%", right - left)).raw("\"></span>");
}

/// What was seen of it, where there is more to tell than how long it took.
fn story(html: &mut Html, step: &RunStep) {
    if step.states.is_empty() && step.retries.is_empty() {
        return;
    }
    let mut told: Vec<(f64, String)> = step.states.iter().map(|seen| (seen.at, format!("{}: {}", seen.subject, seen.state))).collect();
    told.extend(step.retries.iter().map(|retry| (retry.at, format!("attempt {} failed: {}", retry.attempt, retry.error))));
    told.sort_by(|a, b| a.0.total_cmp(&b.0));
    html.raw("<details class=\"story\"><summary>");
    let mut parts = Vec::new();
    if let (false, Some(last)) = (step.states.is_empty(), step.states.last()) {
        parts.push(format!("waited, seen {}", last.state));
    }
    if !step.retries.is_empty() {
        parts.push(count(step.retries.len(), "retry", "retries"));
    }
    html.text(crate::look::fit(&parts.join("; "), 60)).raw("</summary><ol>");
    for (at, what) in told {
        html.raw("<li><span class=\"at\">").text(clock(span(at))).raw("</span> ").text(what).raw("</li>");
    }
    html.raw("</ol></details>");
}

fn not_begun(html: &mut Html, run: &Run) {
    let steps: Vec<&RunStep> = run.steps.iter().filter(|step| step.began.is_none()).collect();
    if steps.is_empty() {
        return;
    }
    html.raw("<h3>Not begun</h3>\n<ul class=\"plain\">\n");
    for step in steps {
        html.raw("<li>").element("code", "", &step.key);
        if let Some(because) = &step.because {
            html.raw(" because ").element("code", "", because).raw(" failed");
        }
        html.raw("</li>\n");
    }
    html.raw("</ul>\n");
}
