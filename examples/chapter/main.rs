//! The chapter, end to end: one plan from an empty account to a running cluster, and back to nothing.
//!
//! `cargo run --example chapter` does it on the embedded simulator; see `--help` for the rest.

mod options;
mod output;

use std::process::ExitCode;

use clap::Parser;
use eks_examples::{
    environment::{Environment, Failure},
    floor,
    program::{clean, heading, say},
    seeing::{self, Story},
};
use serde_json::{Value, json};

use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    options.progress.heed();
    let mut story = Story::default();
    options.place.run_at(options.place.is_simulator(), async || {
        let result = chapter(&options, &mut story).await;
        let told = result.as_ref().err().map(|error| error.as_ref() as &(dyn std::error::Error + 'static));
        let written = story.write(options.html.as_deref(), &format!("Environment {}", options.owner), told);
        result.and(written)
    })
}

async fn chapter(options: &Options, story: &mut Story) -> Result<(), Failure> {
    let account = options.place.account_at_speed(options.speed).await?;
    let environment = Environment::new(&options.variant(&account).await?, &account)?;
    *story = Story::of(environment.picture());
    let mut json = json!({ "owner": options.owner, "plan": null, "apply": null, "replan": null, "teardown": null });

    let before = account.calls();
    let plan = environment.plan().await?;
    heading("Plan");
    seeing::plan(&plan);
    story.plans(&plan);
    json["plan"] = json!({
        "steps": plan.changes().count(),
        "critical_path_seconds": plan.critical_path().0.as_secs(),
        "usd_per_month": cents(plan.usd_per_month()),
        "iam_actions": plan.iam_actions().len(),
    });
    if options.plan {
        return finish(options, &json);
    }
    options.place.confirm(&options.owner)?;

    heading("Apply");
    let progress = story.run("Apply", options.progress.progress());
    let applied = plan.apply(&environment.engine().observer(progress.observer())).await;
    story.calls(&account);
    let report = match applied {
        Ok(report) => report,
        Err(error) => {
            if let Some(report) = error.report() {
                output::exists(&plan, Some(report));
            }
            return Err(error.into());
        }
    };
    let floor = account.sim().map(|sim| floor::of(&plan, &report, &sim.ledger()));
    json["apply"] = json!({
        "seconds": tenths(report.took.as_secs_f64()),
        "floor_seconds": floor.map(|floor| tenths(floor.as_secs_f64())),
        "calls": (account.calls() - before).saturating_sub(report.polls),
        "polls": report.polls,
    });
    output::applied(&report, floor);

    let before = account.calls();
    let again = environment.plan().await?;
    let replan_calls = account.calls() - before;
    heading("What exists");
    output::exists(&again, None);
    heading("Plan again");
    say(format!("{} changes, {replan_calls} calls", again.changes().count()));
    json["replan"] = json!({ "changes": again.changes().count(), "calls": replan_calls });
    if !again.is_noop() {
        seeing::plan(&again);
        return Err("the second plan should have nothing to do".into());
    }
    if options.keep {
        return finish(options, &json);
    }

    heading("Teardown");
    let before = account.calls();
    let teardown = environment.teardown().await?;
    seeing::teardown(&teardown);
    story.tears_down(&teardown);
    options.place.confirm(&options.owner)?;
    let progress = story.run("Teardown", options.progress.progress());
    let ending = teardown.apply(&environment.engine().observer(progress.observer())).await;
    story.calls(&account);
    let ending = ending?;
    story.ends(&ending.verdict);
    json["teardown"] = json!({
        "verdict": if ending.verdict.is_clean() { "clean" } else { "leaked" },
        "leaks": ending.verdict.survivors().len(),
        "seconds": tenths(ending.report.took.as_secs_f64()),
        "calls": (account.calls() - before).saturating_sub(ending.report.polls),
        "polls": ending.report.polls,
    });
    heading("Verdict");
    seeing::verdict(&ending.verdict);
    finish(options, &json)?;
    clean(&ending.verdict)
}

/// The last line of standard output, where it is asked for.
fn finish(options: &Options, json: &Value) -> Result<(), Failure> {
    if options.json {
        say(json);
    }
    Ok(())
}

fn cents(usd: f64) -> f64 {
    (usd * 100.0).round() / 100.0
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
