//! A VPC that others made: first only used, then adopted; a teardown leaves it as it was, to the last tag.
//!
//! `cargo run --example existing-vpc` lets somebody make one on the embedded simulator, with plain calls of the AWS SDK;
//! `--aws --vpc-name NAME` takes one that is there.

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use eks_cluster::{ClusterSpec, KubernetesVersion};
use eks_core::{ClusterName, Owner, Plan};
use eks_examples::{
    account::Account,
    environment::Failure,
    layers::Layers,
    program::{Place, brief, clean, heading, say},
    seeing, theirs,
};
use eks_net::{ExistingNetwork, Fix, NetworkSpecBuilder, Rule, SecurityGroup};
use eks_sim::Inventory;

/// Puts a control plane into a VPC that others made, then adopts the VPC, and lets go of it both times.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    place: Place,
    /// The VPC, by its tag Name.
    #[arg(long, default_value = "prod")]
    vpc_name: String,
    /// The owner of what is made; also the name of the cluster.
    #[arg(long, default_value = "shop")]
    owner: String,
}

fn main() -> ExitCode {
    let options = Options::parse();
    options.place.run(async |account| existing_vpc(&options, account).await)
}

async fn existing_vpc(options: &Options, account: Account) -> Result<(), Failure> {
    let (owner, name, place) = (Owner::new(options.owner.as_str())?, ClusterName::new(options.owner.as_str())?, &options.place);
    if place.is_simulator() {
        say(format!("somebody made {}, called {}", theirs::vpc(&account, &options.vpc_name).await?, options.vpc_name));
    }
    let before = account.sim().map(|sim| sim.inventory());
    let layers = Layers::of(&account);
    let choice = || ExistingNetwork::builder(&owner).vpc_named(&options.vpc_name).cluster(name.as_str());

    heading("What it lacks, and nothing that we may change");
    layers.networks.survey(&choice().build()?).await?.gaps().iter().for_each(|gap| say(format!("  · {gap}")));

    heading("Used: tags of load balancers may be added, a control plane goes in");
    let survey = layers.networks.survey(&choice().allow(Fix::Tags).build()?).await?;
    let cluster = ClusterSpec::builder(&owner, name.clone(), KubernetesVersion::V1_36, survey.refs()).no_addons().build()?;
    let plan = Plan::join([survey.plan()?, layers.clusters.plan(&cluster).await?])?;
    say(brief(&plan));
    place.confirm(&options.owner)?;
    layers.apply(&plan).await?;
    let_go(options, &account, &layers, &before).await?;

    heading("Adopted: from now on it is a NetworkSpec, which may grow");
    let adopted = choice().allow(Fix::Tags).adopt().build()?;
    let plan = layers.networks.survey(&adopted).await?.plan()?;
    say(brief(&plan));
    place.confirm(&options.owner)?;
    layers.apply(&plan).await?;
    let same = layers.networks.survey(&adopted).await?.network_spec()?;
    say(format!("the NetworkSpec of its shape: {} changes", layers.networks.plan(&same).await?.changes().count()));
    let web = SecurityGroup::new("web", "Web servers").allow(Rule::tcp(443).from_cidr("10.0.0.0/8"));
    let more = layers.networks.plan(&NetworkSpecBuilder::from(same).security_group(web).build()?).await?;
    say(brief(&more));
    place.confirm(&options.owner)?;
    layers.apply(&more).await?;
    let_go(options, &account, &layers, &before).await
}

/// Takes down what is ours, and compares.
async fn let_go(options: &Options, account: &Account, layers: &Layers, before: &Option<Inventory>) -> Result<(), Failure> {
    let teardown = layers.teardown(&Owner::new(options.owner.as_str())?, &ClusterName::new(options.owner.as_str())?).await?;
    say("");
    seeing::teardown(&teardown);
    options.place.confirm(&options.owner)?;
    let verdict = layers.tear_down(&teardown).await?;
    seeing::verdict(&verdict);
    clean(&verdict)?;
    // EKS takes its interfaces away some minutes after the control plane has gone.
    tokio::time::sleep(if account.sim().is_some() { Duration::from_secs(300) } else { Duration::ZERO }).await;
    let (Some(before), Some(now)) = (before, account.sim().map(|sim| sim.inventory())) else { return Ok(()) };
    if let Some(other) = now
        .items()
        .iter()
        .find(|item| !before.items().contains(item))
        .or_else(|| before.items().iter().find(|item| !now.items().contains(item)))
    {
        return Err(format!("{} {} is not as it was: {other:?}", other.kind, other.id).into());
    }
    let tags: usize = now.items().iter().map(|item| item.tags.len()).sum();
    say(format!("the account is as it was: {} things with {tags} tags, each the same", now.items().len()));
    Ok(())
}
