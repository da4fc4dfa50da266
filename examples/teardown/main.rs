//! Takes down everything of one owner's, found from nothing but the account, and proves that nothing is left, or tells what is.
//!
//! `cargo run --example teardown -- --owner NAME` first builds the chapter's environment under that owner on the embedded simulator;
//! `--aws` works on a real account instead, where everything is listed first and must be confirmed.
//!
//! It ends with 0 if nothing is left, with 2 if something is, and with 1 on an error.

mod options;

use std::process::ExitCode;

use clap::Parser;
use eks_core::{Survivor, Verdict};
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    mess::People,
    owned::Owned,
    program::{heading, say},
    progress::{Progress, clock},
};

use crate::options::Options;

/// Something is left.
const LEAKED: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let mut left = false;
    let code = options.place.run(async |account| {
        left = teardown(&options, account).await?;
        Ok(())
    });
    if left { ExitCode::from(LEAKED) } else { code }
}

/// Whether something is left.
async fn teardown(options: &Options, account: Account) -> Result<bool, Failure> {
    if options.place.is_simulator() && !options.empty {
        build(options, &account).await?;
    }
    let account = if options.unreachable { account.out_of_reach() } else { account };
    let owned = Owned::find(&account, &options.owner).await?;
    let teardown = owned.teardown(&options.choices()).await?;
    heading("What will be done");
    say(&teardown);
    if options.dry_run {
        say("\nnothing was done");
        return Ok(false);
    }
    options.place.confirm(&options.owner)?;
    heading("Teardown");
    let progress = Progress::new();
    let ending = teardown.apply(&owned.engine().observer(move |event| progress.show(event))).await?;
    heading("Verdict");
    say(format!("{} removals in {}", ending.report.steps.len(), clock(ending.report.took)));
    table(&ending.verdict);
    Ok(!ending.verdict.is_clean())
}

/// The chapter's environment under this owner, and what people made of it.
async fn build(options: &Options, account: &Account) -> Result<(), Failure> {
    let environment = Environment::new(&Variant { owner: options.owner.clone(), ..Variant::default() }, account)?;
    environment.plan().await?.apply(&environment.engine()).await?;
    say(format!("the chapter's environment of {} stands on the embedded simulator", options.owner));
    if options.mess {
        let people = People::of(account, &options.owner).await?;
        people.install_controller().await?;
        people.ingress("shop", None).await?;
        people.uninstall_controller().await?;
        people.service("front", true).await?;
        people.database("orders", "Retain").await?;
        let interface = people.interface(&options.owner).await?;
        say("somebody made a Service, a database that keeps its volume, and an Ingress whose controller was uninstalled first");
        say(format!("somebody made the network interface {interface} in a private subnet"));
    }
    Ok(())
}

/// The verdict, what costs most first.
fn table(verdict: &Verdict) {
    let Verdict::Leaked(survivors) = verdict else { return say(verdict) };
    let total: f64 = survivors.iter().map(|survivor| survivor.usd_per_month).sum();
    say(format!("leaked: {} left, ${total:.2} a month", survivors.len()));
    let mut survivors: Vec<&Survivor> = survivors.iter().collect();
    survivors.sort_by(|one, other| other.usd_per_month.total_cmp(&one.usd_per_month));
    let width = |of: fn(&Survivor) -> usize| survivors.iter().map(|survivor| of(survivor)).max().unwrap_or_default();
    let (kinds, ids) = (width(|survivor| survivor.kind.len()), width(|survivor| survivor.id.len()));
    for Survivor { kind, id, why, remedy, usd_per_month, .. } in survivors {
        say(format!("  {usd_per_month:>8.2}  {kind:kinds$}  {id:ids$}"));
        say(format!("            why:    {why}"));
        say(format!("            remedy: {remedy}"));
    }
}
