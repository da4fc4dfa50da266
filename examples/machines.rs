//! The chapter without Kubernetes: a key pair, two instances, a volume that is attached, detached and attached again, and a classic
//! load balancer.
//!
//! `cargo run --example machines` does it on the embedded simulator; see `--help` for the rest.

use std::process::ExitCode;

use clap::Parser;
use eks_core::{Owner, Plan, Teardown};
use eks_examples::{
    account::Account,
    environment::{Failure, NOBODY, network_in},
    program::{Place, brief, clean, heading, say, telling},
    seeing,
};
use eks_net::{
    NetworkSpec, Networks,
    machines::{Ami, Instance, KeyPair, Listener, LoadBalancer, Machines, MachinesSpec, Volume},
};

/// For the simulator and servers like it: whose key this is gets into nothing.
const MY_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPndGbPI9+dOPaHUngeSGe2jh2oo08HgFcAbRjdpaHya me@example.com";

/// Builds the chapter's machines, moves the volume, and tears everything down.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    place: Place,
    /// The line of an OpenSSH .pub file: who gets into the instances. On AWS there is no default.
    #[arg(long, value_name = "LINE", required_if_eq("aws", "true"))]
    public_key: Option<String>,
    /// Whose SSH the public instance takes. On AWS there is no default; elsewhere it is nobody's.
    #[arg(long, value_name = "CIDR", required_if_eq("aws", "true"))]
    ssh_from: Option<String>,
    /// An image instead of the newest Amazon Linux 2023.
    #[arg(long)]
    ami: Option<String>,
    /// Do not tear down.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    options.place.run(async |account| run(&options, account).await)
}

/// Section 2 in two zones, with the volume attached or not.
fn machines(network: &NetworkSpec, zones: &[String; 2], options: &Options, attached: bool) -> Result<MachinesSpec, Failure> {
    let image = |instance: Instance| match &options.ami {
        Some(id) => Ok::<_, Failure>(instance.image(Ami::Id(id.parse()?))),
        None => Ok(instance),
    };
    let [first, second] = zones;
    let data = Volume::new("data", 40).zone(first);
    let elb = LoadBalancer::internet_facing("public-elb").listener(Listener::http(80, 80)).security_group("elb").instance("public");
    Ok(MachinesSpec::builder(network.owner(), network.refs())
        .key_pair(KeyPair::import("my-key", options.public_key.as_deref().unwrap_or(MY_KEY)))
        .instance(image(Instance::public("public", first).security_group("public").key_pair("my-key"))?)
        .instance(image(Instance::private("private", second).security_group("private").key_pair("my-key"))?)
        .volume(if attached { data.attach_to("public", "/dev/xvdh") } else { data })
        .load_balancer(elb)
        .build()?)
}

async fn run(options: &Options, account: Account) -> Result<(), Failure> {
    let (owner, zones) = (Owner::new("chap10")?, account.two_zones().await?);
    let network = network_in(&owner, &zones, options.ssh_from.as_deref().unwrap_or(NOBODY))?;
    let (networks, handle) = (Networks::new(account.config()), Machines::new(account.config()));
    let engine = || telling(account.engine().driver(networks.clone()).driver(handle.clone()));
    let all = async |attached| -> Result<Plan, Failure> {
        let machines = machines(&network, &zones, options, attached)?;
        Ok(Plan::join([networks.plan(&network).await?, handle.plan(&machines).await?])?)
    };
    for (attached, what) in [(true, "A network and its machines"), (false, "The volume comes off"), (true, "and goes back on")] {
        heading(what);
        let plan = all(attached).await?;
        say(brief(&plan));
        if !plan.is_noop() {
            options.place.confirm(owner.as_str())?;
        }
        plan.apply(&engine()).await?;
    }
    let again = all(true).await?;
    say(brief(&again));
    if !again.is_noop() {
        return Err("the last plan should have nothing to do".into());
    }
    if options.keep {
        return Ok(());
    }

    heading("Teardown");
    let teardown = Teardown::join([networks.teardown(&owner).await?, handle.teardown(&owner).await?])?;
    seeing::teardown(&teardown);
    options.place.confirm(owner.as_str())?;
    let ending = teardown.apply(&engine()).await?;
    seeing::verdict(&ending.verdict);
    clean(&ending.verdict)
}
