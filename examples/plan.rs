//! A plan and nothing else: what would be made, in how many minutes, for how many dollars, with which permissions; saved, and read again.
//!
//! `cargo run --example plan` plans on the embedded simulator, `--aws` on a real account: it is only ever read.

use std::{collections::BTreeSet, fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use eks_core::{Plan, PolicyScope};
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    program::{Place, heading, say},
    seeing,
};

/// Plans the environment of the chapter with the least policy for it, and saves both. Nothing is changed.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    place: Place,
    /// The owner of everything; also the name of the cluster.
    #[arg(long, default_value = "chap10")]
    owner: String,
    /// The account that the policy's ARNs name.
    #[arg(long, default_value = "123456789012")]
    account: String,
    /// The file that the plan is saved to.
    #[arg(long, value_name = "FILE", default_value_os_t = std::env::temp_dir().join("eks-rs-plan.json"))]
    out: PathBuf,
    /// The file that the least policy is written to.
    #[arg(long, value_name = "FILE", default_value_os_t = std::env::temp_dir().join("eks-rs-policy.json"))]
    policy: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    options.place.run(async |account| plan(&options, &account).await)
}

async fn plan(options: &Options, account: &Account) -> Result<(), Failure> {
    let environment = Environment::new(&Variant { owner: options.owner.clone(), ..Variant::of(account).await? }, account)?;
    let plan = environment.plan().await?;
    heading("What would be done");
    seeing::plan(&plan);

    heading("The least policy under which it can be");
    let region = account.config().region().map_or("us-east-1", |region| region.as_ref());
    let policy = plan.policy(&PolicyScope::of_region(region, &options.account)?);
    let first = |all: &BTreeSet<String>| {
        let more = if all.len() > 1 { format!(" +{}", all.len() - 1) } else { String::new() };
        format!("{}{more}", all.first().map_or("", String::as_str))
    };
    for statement in policy.statements() {
        let only = if statement.conditions.is_empty() { "" } else { " if …" };
        say(format!("  {:<44} {}{only}", first(&statement.actions), first(&statement.resources)));
    }
    fs::write(&options.policy, policy.documents()?.join("\n"))?;
    say(format!("{}: {} statements, {} characters", options.policy.display(), policy.statements().len(), policy.characters()));

    heading("Saved, and read again");
    fs::write(&options.out, plan.to_json()?)?;
    let read = Plan::from_json(&fs::read_to_string(&options.out)?)?;
    assert_eq!(read.to_json()?, plan.to_json()?, "what is read is what was saved");
    say(format!(
        "{}: {} steps, applied exactly as they are, or refused if the account has changed",
        options.out.display(),
        read.steps().len()
    ));

    heading("Touched");
    if let Some(sim) = account.sim() {
        let log = sim.log();
        let reads = ["Describe", "Get", "List"];
        let wrote = log.calls().iter().filter(|call| !reads.iter().any(|verb| call.action.starts_with(verb))).count();
        say(format!("{} calls, {wrote} of them changed something; {} things exist", log.len(), sim.inventory().items().len()));
    } else {
        say(format!("{} calls, each of which only reads", account.calls()));
    }
    Ok(())
}
