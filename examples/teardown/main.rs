//! Takes down everything of one owner's, found from nothing but the account, and proves that nothing is left, or tells what is.
//!
//! `cargo run --example teardown -- --owner NAME` first builds the chapter's environment under that owner on the embedded simulator;
//! `--aws` works on a real account instead, where everything is listed first and must be confirmed.
//!
//! It ends with 0 if nothing is left, with 2 if something is, and with 1 on an error.

mod options;

use std::process::ExitCode;

use clap::Parser;
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    mess::People,
    owned::Owned,
    program::heading,
    seeing::{self, Story, text},
};
use eks_view::clock;

use crate::options::Options;

/// Something is left.
const LEAKED: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    options.progress.heed();
    let mut story = Story::default();
    let mut code = None;
    let ended = options.place.run(async |account| {
        let result = teardown(&options, account, &mut story).await;
        let told = result.as_ref().err().map(|error| error.as_ref() as &(dyn std::error::Error + 'static));
        story.write(options.html.as_deref(), &format!("Teardown of {}", options.owner), told)?;
        code = Some(result?);
        Ok(())
    });
    code.unwrap_or(ended)
}

async fn teardown(options: &Options, account: Account, story: &mut Story) -> Result<ExitCode, Failure> {
    if options.place.is_simulator() && !options.empty {
        build(options, &account).await?;
    }
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
    options.place.confirm(&options.owner)?;
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
async fn build(options: &Options, account: &Account) -> Result<(), Failure> {
    let environment = Environment::new(&Variant { owner: options.owner.clone(), ..Variant::of(account).await? }, account)?;
    environment.plan().await?.apply(&environment.engine()).await?;
    text(format!("the chapter's environment of {} stands on the embedded simulator", options.owner));
    if options.mess {
        let people = People::of(account, &options.owner).await?;
        people.install_controller().await?;
        people.ingress("shop", None).await?;
        people.uninstall_controller().await?;
        people.service("front", true).await?;
        people.database("orders", "Retain").await?;
        let interface = people.interface(&options.owner).await?;
        text("somebody made a Service, a database that keeps its volume, and an Ingress whose controller was uninstalled first");
        text(format!("somebody made the network interface {interface} in a private subnet"));
    }
    Ok(())
}
