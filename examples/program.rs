//! What the programs have in common: where they work, as the command line says; what they say; how they end.

use std::{
    io::{BufRead, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use eks_core::{Action, Plan, Severity, engine::Engine};
use eks_sim::Sim;
use eks_view::clock;

pub use crate::seeing::text as say;
use crate::{
    account::Account,
    environment::Failure,
    seeing::{self, Show},
};

/// Where a program works: the same words for all of them.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Where it works; by default on the embedded simulator: no account, no network, no cost")]
pub struct Place {
    /// Work on AWS, with the default credential chain. What will be done is shown, and must be confirmed.
    #[arg(long)]
    aws: bool,
    /// Work on a server that speaks AWS's protocols, such as `eks-sim serve` or moto, with the credentials of the environment.
    #[arg(long, value_name = "URL", conflicts_with = "aws")]
    endpoint_url: Option<String>,
    /// The Region. Default: the environment's; on the simulator us-east-1.
    #[arg(long)]
    region: Option<String>,
    /// The simulator's seed: with another one, things take other times within what AWS takes.
    #[arg(long, default_value_t = 1, conflicts_with_all = ["aws", "endpoint_url"])]
    seed: u64,
    /// Do not ask before something is done on AWS.
    #[arg(long, requires = "aws")]
    yes: bool,
}

/// How many times faster than AWS a server at `--endpoint-url` is taken to be: polls and retries come sooner by that.
pub const SERVER_SPEED: f64 = 100.0;

impl Place {
    /// Whether it is AWS itself.
    pub fn is_aws(&self) -> bool {
        self.aws
    }

    /// Whether it is the embedded simulator.
    pub fn is_simulator(&self) -> bool {
        !self.aws && self.endpoint_url.is_none()
    }

    /// In this Region, unless the command line names another one.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        self.region.get_or_insert_with(|| region.to_owned());
        self
    }

    /// The simulator with the seed and Region that were asked for.
    pub fn simulator(&self) -> eks_sim::SimBuilder {
        Sim::builder().seed(self.seed).region(self.region.as_deref().unwrap_or("us-east-1"))
    }

    /// The account to work on. Needs a tokio runtime.
    ///
    /// # Errors
    /// If no Region is configured.
    pub async fn account(&self) -> Result<Account, Failure> {
        self.account_at_speed(SERVER_SPEED).await
    }

    /// Likewise; a server is so many times faster than AWS.
    ///
    /// # Errors
    /// If no Region is configured.
    pub async fn account_at_speed(&self, speed: f64) -> Result<Account, Failure> {
        let region = self.region.as_deref();
        let account = match &self.endpoint_url {
            Some(url) => Account::at_in(url, speed, region).await,
            None if self.aws => Account::aws_in(region).await,
            None => Account::on(self.simulator().build()),
        };
        account.config().region().ok_or("no Region is configured: set AWS_REGION, or give --region")?;
        Ok(account)
    }

    /// Asks a person for the owner's name before something is done on AWS. Elsewhere nobody is asked.
    ///
    /// # Errors
    /// If another name was typed, or nothing.
    pub fn confirm(&self, owner: &str) -> Result<(), Failure> {
        if !self.aws || self.yes {
            return Ok(());
        }
        write!(std::io::stdout(), "\nThis works on a real account and costs money. Type {owner} to go on: ")?;
        std::io::stdout().flush()?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        if line.trim() == owner { Ok(()) } else { Err(format!("nothing was done, as {owner} was not typed; --yes asks no more").into()) }
    }

    /// Runs a program to its end; errors go to standard error, with their causes.
    pub fn run(&self, program: impl AsyncFnOnce(Account) -> Result<(), Failure>) -> ExitCode {
        self.run_at(self.is_simulator(), async || program(self.account().await?).await)
    }

    /// Likewise of a program that makes its account itself; `paused` lets simulated minutes pass as fast as it gets through them.
    pub fn run_at(&self, paused: bool, program: impl AsyncFnOnce() -> Result<(), Failure>) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(paused).build();
        ended(runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(program())))
    }
}

/// The exit code of a program, whose error is told.
pub fn ended(result: Result<(), Failure>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    seeing::failure(&*error);
    ExitCode::FAILURE
}

/// An error and its causes; none that says no more than the one before it.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if causes.last().is_none_or(|before| !before.contains(&text)) {
            causes.push(text);
        }
        source = cause.source();
    }
    causes
}

/// The engine with progress on standard error, whose clock begins now.
pub fn telling(engine: Engine) -> Engine {
    engine.observer(Show::Auto.progress().observer())
}

/// What comes next.
pub fn heading(title: impl std::fmt::Display) {
    let title = title.to_string();
    say(format!("\n── {title} {}", "─".repeat(76_usize.saturating_sub(title.chars().count()))));
}

/// A plan without what stays as it is, the list of IAM actions and the prices one by one.
pub fn brief(plan: &Plan) -> String {
    let text = plan.to_string();
    let mut lines: Vec<String> = text.lines().take(2).map(str::to_owned).collect();
    let width = plan.changes().map(|step| step.key.as_str().len()).max().unwrap_or_default();
    for step in plan.changes() {
        let mark = if step.action == Action::Create { '+' } else { '~' };
        let takes = if step.typical >= Duration::from_secs(20) { format!(" ({})", clock(step.typical)) } else { String::new() };
        lines.push(format!("  {mark} {:width$}  {}{takes}", step.key.as_str(), step.title));
        lines.extend(step.changes.iter().map(|change| format!("    {:width$}    {change}", "")));
    }
    let changes = |key: &eks_core::StepKey| plan.step(key.as_str()).is_some_and(|step| step.action != Action::Keep);
    // Notes on what stays are no news; a warning is, whoever made it necessary.
    for finding in plan.findings().into_iter().filter(|finding| finding.severity == Severity::Warning || changes(&finding.step)) {
        let mark = if finding.severity == Severity::Warning { '!' } else { '·' };
        lines.push(format!("  {mark} {finding}"));
    }
    lines.join("\n")
}

/// Fails a program whose teardown left something; the verdict has said what.
///
/// # Errors
/// If something is left.
pub fn clean(verdict: &eks_core::Verdict) -> Result<(), Failure> {
    if verdict.is_clean() { Ok(()) } else { Err("something is left; the verdict says how to remove it".into()) }
}

#[cfg(test)]
mod tests {
    use eks_core::{Finding, Operation, Owner, Step};

    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Stand;

    impl Operation for Stand {
        const LAYER: &'static str = "park";
    }

    #[test]
    fn warnings_on_what_stays_are_told() -> Result<(), Failure> {
        let oak: eks_core::StepKey = "park/oak".parse()?;
        let plan = Plan::builder(&Owner::new("shop")?, "park")
            .step(Step::new(oak.clone(), Action::Keep, "oak", &Stand)?)
            .finding(Finding::warning(oak.clone(), "is ill"))
            .finding(Finding::note(oak, "is old"))
            .build()?;
        assert!(brief(&plan).ends_with("nothing to do; $0.00 a month\n  ! park/oak: is ill"), "{}", brief(&plan));
        Ok(())
    }
}
