//! Takes down everything of one owner's, found from nothing but the account, and proves that nothing is left, or tells what is.
//!
//! `cargo run --example teardown -- --owner NAME` first builds the chapter's environment under that owner on the embedded simulator;
//! `--aws` works on a real account instead, where everything is listed first and must be confirmed.
//!
//! It ends with 0 if nothing is left, with 2 if something is, and with 1 on an error.

mod options;

use std::{
    io::{BufRead, Write},
    process::ExitCode,
};

use clap::Parser;
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    mess::People,
    owned::Owned,
    seeing::{self, Story, text},
};
use eks_view::clock;

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
    let mut story = Story::default();
    let result = match runtime.build() {
        Ok(runtime) => runtime.block_on(teardown(&options, &mut story)),
        Err(error) => Err(error.into()),
    };
    let told = result.as_ref().err().map(|error| error.as_ref() as &(dyn std::error::Error + 'static));
    let written = story.write(options.html.as_deref(), &format!("Teardown of {}", options.owner), told);
    match result.and_then(|code| written.map(|()| code)) {
        Ok(code) => code,
        Err(error) => {
            seeing::failure(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

async fn teardown(options: &Options, story: &mut Story) -> Result<ExitCode, Failure> {
    let account = if options.aws { Account::aws_in(options.region.as_deref()).await } else { simulated(options).await? };
    let account = if options.unreachable { account.out_of_reach() } else { account };
    let owned = Owned::find(&account, &options.owner).await?;
    let teardown = owned.teardown(&options.choices()).await?;
    heading("What will be done");
    seeing::teardown(&teardown);
    story.tears_down(&teardown);
    if options.dry_run {
        text("\nnothing was done");
        return Ok(ExitCode::SUCCESS);
    }
    if options.aws && !options.yes && !confirmed(&options.owner)? {
        text("nothing was done");
        return Ok(ExitCode::SUCCESS);
    }
    heading("Teardown");
    let progress = story.run("Teardown", options.progress.progress());
    let ending = teardown.apply(&owned.engine().observer(progress.observer())).await?;
    story.ends(&ending.verdict);
    heading("Verdict");
    text(format!("{} removals in {}", ending.report.steps.len(), clock(ending.report.took)));
    seeing::verdict(&ending.verdict);
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

/// Asks a person for the owner's name.
fn confirmed(owner: &str) -> std::io::Result<bool> {
    write!(std::io::stdout(), "\nThis deletes what is listed, on a real account. Type {owner} to go on: ")?;
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == owner)
}

fn heading(title: &str) {
    text(format!("\n── {title} {}", "─".repeat(76_usize.saturating_sub(title.chars().count()))));
}
