//! An environment from a YAML or TOML file: `cargo run --example environment -- plan examples/environments/chapter.yaml`.
//!
//! On the embedded simulator unless `--aws` is given, which asks before anything is changed.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use eks_env::{Environment, Environments};
use eks_examples::{account::Account, environment::Failure, progress::Progress};
use eks_sim::Sim;
use std::io::Write;

/// What is done with the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Verb {
    /// Shows what would be done.
    Plan,
    /// Makes and changes what is not as the file says.
    Apply,
    /// Brings the control plane to the file's version.
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
    /// On AWS, with the default credentials, instead of the simulator.
    #[arg(long)]
    aws: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(!options.aws).build();
    match runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run(&options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    let environment = Environment::from_path(&options.file)?;
    let region = environment.region().as_str();
    let account = match options.aws {
        true => Account::aws_in(Some(region)).await,
        false => Account::on(Sim::builder().region(region).standard_vcpus(64).build()),
    };
    let environments = Environments::with_objects(account.config(), account.connector(), account.kubernetes());
    let progress = Progress::new();
    let engine = environments.drive(account.engine().observer(move |event| progress.show(event)));
    if options.verb == Verb::Teardown && !options.aws {
        environments.plan(&environment).await?.apply(&environments.engine()).await?;
    }
    match options.verb {
        Verb::Plan => say(environments.plan(&environment).await?),
        Verb::Apply => {
            let plan = environments.plan(&environment).await?;
            say(&plan);
            if confirmed(options, &environment)? {
                say(format_args!("done in {} s", plan.apply(&engine).await?.took.as_secs()));
            }
        }
        Verb::Upgrade => {
            let plan = environments.upgrade(&environment).await?;
            say(&plan);
            if !plan.is_done() && confirmed(options, &environment)? {
                plan.plan().apply(&engine).await?;
            }
        }
        Verb::Teardown => {
            let teardown = environments.teardown(&environment).await?;
            say(&teardown);
            if confirmed(options, &environment)? {
                say(teardown.apply(&engine).await?.verdict);
            }
        }
    }
    Ok(())
}

/// Whether a person typed the owner's name, where it is about a real account.
fn confirmed(options: &Options, environment: &Environment) -> Result<bool, Failure> {
    if !options.aws {
        return Ok(true);
    }
    say(format_args!("type {} to go on:", environment.owner()));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == environment.owner().as_str())
}

fn say(text: impl std::fmt::Display) {
    // A closed pipe (`| head`) is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{text}");
}
