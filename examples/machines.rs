//! The chapter without Kubernetes: a key pair, two instances, a volume that is attached, detached and attached again, and a classic
//! load balancer.
//!
//! `cargo run --example machines` does it on the embedded simulator; see `--help` for the rest.

use std::io::{BufRead, Write};

use clap::Parser;
use eks_core::{Owner, Plan, Teardown, engine::Engine};
use eks_examples::{
    account::Account,
    environment::{Failure, network},
    seeing::Show,
};
use eks_net::{
    Networks,
    machines::{Ami, Instance, KeyPair, Listener, LoadBalancer, Machines, MachinesSpec, Volume},
};

const MY_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPndGbPI9+dOPaHUngeSGe2jh2oo08HgFcAbRjdpaHya me@example.com";

/// Builds the chapter's machines, moves the volume, and tears everything down.
#[derive(Debug, Parser)]
struct Options {
    /// Use AWS, with the default credential chain. The plan is shown and must be confirmed.
    #[arg(long)]
    aws: bool,
    /// Use a server that speaks AWS's protocols, such as `eks-sim serve` or moto.
    #[arg(long, value_name = "URL", conflicts_with = "aws")]
    endpoint_url: Option<String>,
    /// The line of an OpenSSH .pub file.
    #[arg(long, default_value = MY_KEY)]
    public_key: String,
    /// An image instead of the newest Amazon Linux 2023.
    #[arg(long)]
    ami: Option<String>,
    /// Do not tear down.
    #[arg(long)]
    keep: bool,
}

/// Section 2, with the volume attached or not.
fn machines(owner: &Owner, options: &Options, attached: bool) -> Result<MachinesSpec, Failure> {
    let image = |instance: Instance| match &options.ami {
        Some(id) => Ok::<_, Failure>(instance.image(Ami::Id(id.parse()?))),
        None => Ok(instance),
    };
    let data = Volume::new("data", 40).zone("us-east-1a");
    let elb = LoadBalancer::internet_facing("public-elb").listener(Listener::http(80, 80)).security_group("elb").instance("public");
    Ok(MachinesSpec::builder(owner, network(owner)?.refs())
        .key_pair(KeyPair::import("my-key", &options.public_key))
        .instance(image(Instance::public("public", "us-east-1a").security_group("public").key_pair("my-key"))?)
        .instance(image(Instance::private("private", "us-east-1b").security_group("private").key_pair("my-key"))?)
        .volume(if attached { data.attach_to("public", "/dev/xvdh") } else { data })
        .load_balancer(elb)
        .build()?)
}

fn say(text: impl std::fmt::Display) {
    // A closed pipe (`| head`) is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{text}\n");
}

async fn run(options: &Options) -> Result<(), Failure> {
    let account = match &options.endpoint_url {
        Some(url) => Account::at(url, 100.0).await,
        None if options.aws => Account::aws().await,
        None => Account::simulated(),
    };
    let owner = Owner::new("chap10")?;
    let (networks, handle) = (Networks::new(account.config()), Machines::new(account.config()));
    let engine =
        || -> Engine { account.engine().driver(networks.clone()).driver(handle.clone()).observer(Show::Auto.progress().observer()) };
    for attached in [true, false, true] {
        let plan = Plan::join([networks.plan(&network(&owner)?).await?, handle.plan(&machines(&owner, options, attached)?).await?])?;
        say(&plan);
        if options.aws && !plan.is_noop() {
            say("This works on a real account and costs money. Type chap10 to go on:");
            if std::io::stdin().lock().lines().next().transpose()?.is_none_or(|line| line.trim() != "chap10") {
                return Ok(());
            }
        }
        plan.apply(&engine()).await?;
    }
    let again = handle.plan(&machines(&owner, options, true)?).await?;
    say(&again);
    if !again.is_noop() {
        return Err("the second plan should have nothing to do".into());
    }
    if options.keep {
        return Ok(());
    }
    let teardown = Teardown::join([networks.teardown(&owner).await?, handle.teardown(&owner).await?])?;
    say(&teardown);
    let ending = teardown.apply(&engine()).await?;
    say(&ending.verdict);
    if ending.verdict.is_clean() { Ok(()) } else { Err("something is left; the verdict says how to remove it".into()) }
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all();
    // Simulated minutes pass as fast as the program gets through them.
    runtime.start_paused(!options.aws && options.endpoint_url.is_none());
    runtime.build()?.block_on(run(&options))
}
