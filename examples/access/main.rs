//! From aws-auth to access entries: both ways in live until the entries are proven; then the mappings go, and last the mode, which has
//! no way back.
//!
//! `cargo run --example access` makes a cluster as of 2018 on the embedded simulator, with people in its aws-auth, and brings them over;
//! see `--help` for the rest.

mod people;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use eks_cluster::{AccessEntry, ClusterSpec, KubernetesVersion};
use eks_core::{AuthenticationMode, ClusterName, Owner, Plan, Verdict};
use eks_examples::{
    account::Account,
    environment::Failure,
    layers::Layers,
    program::{Place, brief, clean, heading, say},
    seeing,
};
use eks_k8s::{AuthEdit, Guard, Principal};
use eks_net::{Nat, NetworkSpec};

use crate::people::People;

/// Makes a cluster as of 2018, and brings those whom aws-auth lets in over to access entries.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    place: Place,
    /// The owner of everything; also the name of the cluster.
    #[arg(long, default_value = "shop")]
    owner: String,
}

fn main() -> ExitCode {
    let options = Options::parse();
    options.place.run(async |account| access(&options, account).await)
}

async fn access(options: &Options, account: Account) -> Result<(), Failure> {
    let (owner, name) = (Owner::new(options.owner.as_str())?, ClusterName::new(options.owner.as_str())?);
    let layers = Layers::of(&account);
    let network = NetworkSpec::builder(&owner, "10.0.0.0/16").zones(account.zones(2).await?).nat(Nat::None).build()?;
    let apply = async |mode, entries: &[AccessEntry]| -> Result<(), Failure> {
        let cluster = ClusterSpec::builder(&owner, name.clone(), KubernetesVersion::V1_36, network.refs()).no_addons();
        let cluster = cluster.authentication(mode).access_entries(entries.to_vec()).build()?;
        let plan = Plan::join([layers.networks.plan(&network).await?, layers.clusters.plan(&cluster).await?])?;
        say(brief(&plan));
        options.place.confirm(&options.owner)?;
        layers.apply(&plan).await
    };

    heading("As of 2018: aws-auth alone says who gets in");
    apply(AuthenticationMode::ConfigMap, &[]).await?;
    People::announce(&owner);
    options.place.confirm(&options.owner)?;
    let done = async {
        let people = People::arrive(&account, &layers, &owner, &name).await?;
        people.say_who().await?;
        bring_over(options, &layers, &owner, &name, &people, &apply).await
    }
    .await;
    // However it went: nobody is left in the account who may become an administrator.
    let left = people::leave(&account, &owner).await;
    if let (Err(_), Err(stays)) = (&done, &left) {
        say(stays);
    }
    let verdict = done?;
    left?;
    seeing::verdict(&verdict);
    clean(&verdict)
}

/// Brings them over, and takes everything down.
async fn bring_over(
    options: &Options,
    layers: &Layers,
    owner: &Owner,
    name: &ClusterName,
    people: &People,
    apply: &impl AsyncFn(AuthenticationMode, &[AccessEntry]) -> Result<(), Failure>,
) -> Result<Verdict, Failure> {
    heading("An entry for each, beside aws-auth");
    let migration = layers.clusters.migration(name, &people.mapped().await?, []).await?;
    migration.findings().iter().for_each(|finding| say(format!("  · {}", finding.message)));
    apply(AuthenticationMode::ApiAndConfigMap, migration.entries()).await?;

    heading("Nothing goes before the entries are proven");
    let early = layers.clusters.prove_access(name, migration.entries()).await?;
    if let Err(refused) = migration.removable(&early) {
        say(format!("  ✗ {refused}"));
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    let seen = people.say_who().await?;
    let proof = layers.clusters.prove_access(name, migration.entries()).await?.entered(people.administrators(), seen);
    let principals: Vec<_> = migration.removable(&proof)?.into_iter().map(Principal::parse).collect::<Result<_, _>>()?;

    heading("The mappings go; everybody stays in");
    let unmaps: Vec<_> = principals.into_iter().inspect(|who| say(format!("  - {}", who.as_str()))).map(AuthEdit::Unmap).collect();
    options.place.confirm(&options.owner)?;
    let reach = layers.clusters.access(name).await?;
    layers.kubernetes.edit_aws_auth(owner, reach.as_ref(), &unmaps, &Guard::default().even_if_locked_out()).await?;
    people.say_who().await?;

    heading("Last, and for ever: aws-auth is read no more");
    apply(migration.last_mode(&people.mapped().await?)?, migration.entries()).await?;
    people.say_who().await?;

    heading("Teardown");
    let teardown = layers.teardown(owner, name).await?;
    seeing::teardown(&teardown);
    options.place.confirm(&options.owner)?;
    layers.tear_down(&teardown).await
}
