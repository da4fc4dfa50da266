//! Section 6 of the chapter: one minor version up, the control plane first, then workers in place of workers.
//!
//! `cargo run --example upgrade` does it on the embedded simulator; see `--help` for the rest.

mod options;
mod watch;

use std::{fmt::Display, process::ExitCode, time::Duration};

use clap::Parser;
use eks_core::{
    Action, Finding, StackName, Step,
    engine::{Engine, Report},
};
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    floor,
    program::{heading, say},
    seeing::{Story, failure},
    workloads,
};
use eks_k8s::drain::{Drain, OnBlocked};
use eks_nodes::replacement::ReplacementBuilder;
use eks_sim::{Fault, When};
use eks_view::clock;
use serde_json::json;

use crate::{options::Options, watch::Watch};

fn main() -> ExitCode {
    let options = Options::parse();
    options.progress.heed();
    let mut story = Story::default();
    options.place.run_at(options.place.is_simulator(), async || {
        let result = upgrade(&options, &mut story).await;
        let told = result.as_ref().err().map(|error| error.as_ref() as &(dyn std::error::Error + 'static));
        story.write(options.html.as_deref(), &format!("Upgrade of {} to {}", options.owner, options.to), told)?;
        result
    })
}

async fn upgrade(options: &Options, story: &mut Story) -> Result<(), Failure> {
    let account = match options.place.is_simulator() {
        // A new account's quota of five vCPUs has no room for both groups.
        true => Account::on(options.place.simulator().standard_vcpus(4 * options.nodes + 8).build()),
        false => options.place.account().await?,
    };
    let [before, after] = options.variants(&account).await?;
    let run = Run { options, old: before.stack()?, new: after.stack()?, before, after, account };
    if options.place.is_simulator() {
        run.build().await?;
    }
    let (calls, mut deaths) = (run.account.calls(), 0);
    if let (Some(number), Some(sim)) = (options.kill_after, run.account.sim()) {
        sim.inject(When::Call(calls + number), Fault::KillBefore);
    }
    let done = loop {
        match run.go(story).await {
            Err(error) if run.died() => {
                deaths += 1;
                say(format!("\n✗ the process died before its call {}; another one goes on", options.kill_after.unwrap_or_default()));
                failure(&*error);
            }
            done => break done?,
        }
    };
    run.summary(&done, deaths, run.account.calls() - calls).await
}

/// What a process that came to the end did.
#[derive(Default)]
struct Done {
    /// How long the control plane and the workers took.
    took: [Duration; 2],
    /// The longest chain of service times of both, where somebody knows them.
    floor: Option<Duration>,
    watched: u64,
}

struct Run<'a> {
    options: &'a Options,
    old: StackName,
    new: StackName,
    before: Variant,
    after: Variant,
    account: Account,
}

impl Run<'_> {
    /// The environment of the chapter, one version before, with workloads.
    async fn build(&self) -> Result<(), Failure> {
        let environment = Environment::new(&self.before, &self.account)?;
        let report = environment.plan().await?.apply(&environment.engine()).await?;
        workloads::deploy(&self.client(&environment).await?, 2 * self.options.nodes).await?;
        tokio::time::sleep(Duration::from_secs(90)).await;
        heading("The chapter, simulated");
        let (owner, version) = (&self.options.owner, self.options.from()?);
        say(format!(
            "cluster {owner} at {version} with {} workers, made in {} and {} calls; on it web ({} Pods, one may lack) and db (2 Pods, each \
             with a volume)",
            self.options.nodes,
            clock(report.took),
            self.account.calls(),
            2 * self.options.nodes,
        ));
        Ok(())
    }

    async fn client(&self, environment: &Environment) -> Result<kube::Client, Failure> {
        let access = environment.access().await?.ok_or("the cluster is not there")?;
        Ok(self.account.connector().connect(&access)?)
    }

    /// The process has died, and another one may begin.
    fn died(&self) -> bool {
        let dead = self.options.kill_after.is_some() && self.account.sim().is_some_and(|sim| sim.faults_pending() == 0);
        let sim = self.account.sim().filter(|_| dead);
        sim.inspect(|sim| sim.revive()).is_some()
    }

    /// One process: whatever is left to be done.
    async fn go(&self, story: &mut Story) -> Result<Done, Failure> {
        let environment = Environment::new(&self.after, &self.account)?;
        let mut done = Done::default();
        let began = tokio::time::Instant::now();

        let plan = environment.upgrade().await?;
        heading("Control plane");
        self.show(&plan, plan.plan().steps(), plan.plan().critical_path().0, plan.plan().findings());
        if !plan.is_done() {
            self.options.place.confirm(&self.options.owner)?;
            let watch = Watch::plain(story.run("Control plane", self.options.progress.progress()));
            let report = plan.plan().apply(&watch.observing(environment.engine())).await?;
            done.floor = self.floor(plan.plan().steps(), &report);
        }
        done.took[0] = began.elapsed();

        let began = tokio::time::Instant::now();
        let plan = environment.replacement(&self.old, gently).await?;
        heading("Workers");
        self.show(&plan, plan.steps(), plan.critical_path().0, plan.findings());
        if !plan.is_done() {
            self.options.place.confirm(&self.options.owner)?;
            let progress = story.run("Workers", self.options.progress.progress());
            let watch = Watch::of(progress, self.client(&environment).await?, [self.old.to_string(), self.new.to_string()]);
            let engine: Engine = watch.observing(environment.engine());
            let report = plan.apply(&engine).await;
            drop(engine);
            done.watched = watch.end().await?;
            let report = report?;
            done.floor = self.floor(plan.steps(), &report).map(|floor| floor + done.floor.unwrap_or_default());
        }
        done.took[1] = began.elapsed();
        Ok(done)
    }

    /// The head of a plan, what it changes, and what is to be reviewed of that; the whole plan if it is asked for.
    fn show(&self, plan: &impl Display, steps: &[Step], takes: Duration, findings: Vec<&Finding>) {
        let text = plan.to_string();
        if self.options.details {
            return say(text);
        }
        say(text.split("\n\nplan for ").next().unwrap_or_default());
        let changes: Vec<&Step> = steps.iter().filter(|step| step.action != Action::Keep).collect();
        say(format!("  {} steps, about {}:", changes.len(), clock(takes)));
        let width = changes.iter().map(|step| step.key.as_str().len()).max().unwrap_or_default();
        for step in &changes {
            let takes = if step.typical >= Duration::from_secs(5) { format!(" ({})", clock(step.typical)) } else { String::new() };
            say(format!("    {:width$}  {}{takes}", step.key.as_str(), step.title));
        }
        for finding in findings.into_iter().filter(|finding| changes.iter().any(|step| step.key == finding.step)) {
            say(format!("  ! {}", finding.message));
        }
        say("");
    }

    fn floor(&self, steps: &[Step], report: &Report) -> Option<Duration> {
        let sim = self.account.sim()?;
        Some(floor::of_steps(steps, report, &sim.ledger(), sim.clock().now().saturating_sub(report.took)))
    }

    /// How it went, and whether anything is left over.
    async fn summary(&self, done: &Done, deaths: u32, calls: u64) -> Result<(), Failure> {
        let environment = Environment::new(&self.after, &self.account)?;
        let mut left: Vec<String> = Vec::new();
        let (upgrade, replacement) = (environment.upgrade().await?, environment.replacement(&self.old, gently).await?);
        left.extend((!upgrade.is_done()).then(|| format!("the control plane: {upgrade}")));
        left.extend((!replacement.is_done()).then(|| format!("the workers: {replacement}")));
        let sight = workloads::look(&self.client(&environment).await?).await?;
        left.extend(sight.groups.iter().filter(|group| group.0 != self.new.as_str()).map(|group| format!("nodes of {}", group.0)));
        left.extend(sight.groups.iter().filter(|group| group.3 > 0).map(|group| format!("closed nodes of {}", group.0)));
        left.extend((!sight.within_budgets()).then(|| "workloads below their budgets".to_owned()));
        let [plane, workers] = done.took;
        heading("Summary");
        say(format!("control plane {} → {} in {}, workers in {}", self.options.from()?, self.options.to, clock(plane), clock(workers)));
        let over = done.floor.filter(|_| deaths == 0).map(|floor| ((plane + workers).as_secs_f64() / floor.as_secs_f64() - 1.0) * 100.0);
        if let (Some(floor), Some(over)) = (done.floor, over) {
            say(format!("the longest chain of the services' own times was {}: {over:.1} % over it", clock(floor)));
        }
        say(format!("{} calls, and {} for the table above", calls - done.watched, done.watched));
        say(if left.is_empty() { "nothing is left over".to_owned() } else { left.join("\n") });
        if self.options.json {
            say(json!({
                "owner": self.options.owner, "from": self.options.from()?.to_string(), "to": self.options.to.to_string(),
                "control_plane_seconds": plane.as_secs(), "workers_seconds": workers.as_secs(),
                "floor_seconds": done.floor.filter(|_| deaths == 0).map(|floor| floor.as_secs()),
                "calls": calls - done.watched, "deaths": deaths, "left_over": left,
            }));
        }
        if left.is_empty() { Ok(()) } else { Err("something is left over".into()) }
    }
}

/// As the chapter drains: DaemonSets stay, data in `emptyDir` goes, and so does the one Pod that nothing makes anew.
fn gently(builder: ReplacementBuilder) -> ReplacementBuilder {
    builder.drain(Drain::settings().delete_local_data().force().on_blocked(OnBlocked::Wait))
}
