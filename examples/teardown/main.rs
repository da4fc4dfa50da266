//! Takes down everything of one owner's, found from nothing but the account, and proves that nothing is left, or tells what is.
//!
//! `cargo run --example teardown -- --owner NAME` first builds the chapter's environment under that owner on the embedded simulator;
//! `--aws` works on a real account instead, where everything is listed first and must be confirmed.
//!
//! It ends with 0 if nothing is left, with 2 if something is, and with 1 on an error.

mod options;

use std::{
    fmt::Display,
    io::{BufRead, Write},
    process::ExitCode,
};

use clap::Parser;
use eks_core::{Survivor, Verdict};
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    mess::People,
    owned::Owned,
    progress::{Progress, clock},
};

use crate::options::Options;

/// Something is left.
const LEAKED: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all();
    if !options.aws {
        // Simulated minutes pass as fast as the program gets through them.
        runtime.start_paused(true);
    }
    let result = match runtime.build() {
        Ok(runtime) => runtime.block_on(teardown(&options)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            tell(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn teardown(options: &Options) -> Result<ExitCode, Failure> {
    let account = if options.aws { Account::aws_in(options.region.as_deref()).await } else { simulated(options).await? };
    let account = if options.unreachable { account.out_of_reach() } else { account };
    let owned = Owned::find(&account, &options.owner).await?;
    let teardown = owned.teardown(&options.choices()).await?;
    heading("What will be done");
    text(&teardown);
    if options.dry_run {
        text("\nnothing was done");
        return Ok(ExitCode::SUCCESS);
    }
    if options.aws && !options.yes && !confirmed(&options.owner)? {
        text("nothing was done");
        return Ok(ExitCode::SUCCESS);
    }
    heading("Teardown");
    let progress = Progress::new();
    let ending = teardown.apply(&owned.engine().observer(move |event| progress.show(event))).await?;
    heading("Verdict");
    text(format!("{} removals in {}", ending.report.steps.len(), clock(ending.report.took)));
    table(&ending.verdict);
    Ok(if ending.verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(LEAKED) })
}

/// The chapter's environment under this owner, and what people made of it.
async fn simulated(options: &Options) -> Result<Account, Failure> {
    let account = Account::simulated();
    if options.empty {
        return Ok(account);
    }
    let environment = Environment::new(&Variant { owner: options.owner.clone(), ..Variant::default() }, &account)?;
    environment.plan().await?.apply(&environment.engine()).await?;
    text(format!("the chapter's environment of {} stands on the embedded simulator", options.owner));
    if options.mess {
        let people = People::of(&account, &options.owner).await?;
        people.install_controller().await?;
        people.ingress("shop", None).await?;
        people.uninstall_controller().await?;
        people.service("front", true).await?;
        people.database("orders", "Retain").await?;
        let interface = people.interface(&options.owner).await?;
        text("somebody made a Service, a database that keeps its volume, and an Ingress whose controller was uninstalled first");
        text(format!("somebody made the network interface {interface} in a private subnet"));
    }
    Ok(account)
}

/// The verdict, what costs most first.
fn table(verdict: &Verdict) {
    let Verdict::Leaked(survivors) = verdict else { return text(verdict) };
    let total: f64 = survivors.iter().map(|survivor| survivor.usd_per_month).sum();
    text(format!("leaked: {} left, ${total:.2} a month", survivors.len()));
    let mut survivors: Vec<&Survivor> = survivors.iter().collect();
    survivors.sort_by(|one, other| other.usd_per_month.total_cmp(&one.usd_per_month));
    let width = |of: fn(&Survivor) -> usize| survivors.iter().map(|survivor| of(survivor)).max().unwrap_or_default();
    let (kinds, ids) = (width(|survivor| survivor.kind.len()), width(|survivor| survivor.id.len()));
    for Survivor { kind, id, why, remedy, usd_per_month, .. } in survivors {
        text(format!("  {usd_per_month:>8.2}  {kind:kinds$}  {id:ids$}"));
        text(format!("            why:    {why}"));
        text(format!("            remedy: {remedy}"));
    }
}

/// Asks a person for the owner's name.
fn confirmed(owner: &str) -> std::io::Result<bool> {
    write!(std::io::stdout(), "\nThis deletes what is listed, on a real account. Type {owner} to go on: ")?;
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == owner)
}

fn text(text: impl Display) {
    // A closed pipe (`| head`) is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn heading(title: &str) {
    text(format!("\n── {title} {}", "─".repeat(76_usize.saturating_sub(title.chars().count()))));
}

/// The error and its causes.
fn tell(error: &(dyn std::error::Error + 'static)) {
    let mut message = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(&format!("\n  because {cause}"));
        source = cause.source();
    }
    let _ = writeln!(std::io::stderr(), "{message}");
}
