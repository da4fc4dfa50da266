//! An environment from a YAML or TOML file: `cargo run --example environment -- plan examples/environments/chapter.yaml`.
//!
//! On the embedded simulator unless `--aws` is given, which asks before anything is changed.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use eks_env::{Environment, Environments};
use eks_examples::{
    account::Account,
    environment::Failure,
    program::{Place, clean, ended, say, telling},
    seeing,
};

/// What is done with the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Verb {
    /// Shows what would be done.
    Plan,
    /// Makes and changes what is not as the file says.
    Apply,
    /// Brings the control plane of an environment that stands to the file's version; so not on the embedded simulator, which begins empty.
    Upgrade,
    /// Removes everything of the owner's. On the simulator it is made first.
    Teardown,
}

/// Plans, applies, upgrades or takes down the environment that a file says.
#[derive(Debug, Parser)]
struct Options {
    /// What is done.
    #[arg(value_enum)]
    verb: Verb,
    /// The file: .yaml, .yml or .toml.
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match Environment::from_path(&options.file) {
        Ok(environment) => options.place.run_at(options.place.is_simulator(), async || run(&options, &environment).await),
        Err(problems) => ended(Err(problems.into())),
    }
}

async fn run(options: &Options, environment: &Environment) -> Result<(), Failure> {
    if options.verb == Verb::Upgrade && options.place.is_simulator() {
        return Err("the embedded simulator begins empty: give --endpoint-url of `eks-sim serve`, where the environment was applied at the version \
                    before, or --aws"
            .into());
    }
    let place = options.place.clone().in_region(environment.region().as_str());
    let account = match place.is_simulator() {
        true => Account::on(place.simulator().standard_vcpus(64).build()),
        false => place.account().await?,
    };
    let environments = Environments::with_objects(account.config(), account.connector(), account.kubernetes());
    let engine = telling(environments.drive(account.engine()));
    if options.verb == Verb::Teardown && place.is_simulator() {
        environments.plan(environment).await?.apply(&environments.engine()).await?;
    }
    let owner = environment.owner().as_str();
    match options.verb {
        Verb::Plan => seeing::plan(&environments.plan(environment).await?),
        Verb::Apply => {
            let plan = environments.plan(environment).await?;
            seeing::plan(&plan);
            place.confirm(owner)?;
            say(format_args!("done in {} s", plan.apply(&engine).await?.took.as_secs()));
        }
        Verb::Upgrade => {
            let plan = environments.upgrade(environment).await?;
            say(&plan);
            if !plan.is_done() {
                place.confirm(owner)?;
                plan.plan().apply(&engine).await?;
            }
        }
        Verb::Teardown => {
            let teardown = environments.teardown(environment).await?;
            seeing::teardown(&teardown);
            place.confirm(owner)?;
            let ending = teardown.apply(&engine).await?;
            seeing::verdict(&ending.verdict);
            clean(&ending.verdict)?;
        }
    }
    Ok(())
}
