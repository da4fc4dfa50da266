//! A managed node group: the words of workers, and EKS does the rest. Launched, changed in place, and gone.
//!
//! `cargo run --example managed` does it on the embedded simulator; see `--help` for the rest.

use std::process::ExitCode;

use clap::Parser;
use eks_cluster::{ClusterSpec, KubernetesVersion};
use eks_core::{ClusterName, Owner, Plan, StackName};
use eks_examples::{
    account::Account,
    environment::Failure,
    layers::Layers,
    program::{Place, brief, clean, heading, say},
    seeing,
};
use eks_net::{Nat, NetworkSpec};
use eks_nodes::{Capacity, Managed, NodeRepair, Purchase, Share, SpotAllocation, WorkersSpec};

/// Builds a cluster with a managed node group, changes the group, and tears everything down.
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
    options.place.run(async |account| managed(&options, account).await)
}

async fn managed(options: &Options, account: Account) -> Result<(), Failure> {
    let (owner, name) = (Owner::new(options.owner.as_str())?, ClusterName::new(options.owner.as_str())?);
    let network = NetworkSpec::builder(&owner, "10.0.0.0/16").zones(account.zones(2).await?).nat(Nat::Single).cluster(name.as_str());
    let network = network.build()?;
    let cluster = ClusterSpec::builder(&owner, name.clone(), KubernetesVersion::V1_36, network.refs()).build()?;
    let group = |tier: &str| -> Result<WorkersSpec, Failure> {
        Ok(WorkersSpec::builder(&owner, StackName::new(format!("{owner}-batch"))?, cluster.refs(), network.refs().private())
            .managed(Managed::new().max_unavailable(Share::Percent(50)).node_repair(NodeRepair::new()))
            .instance_types(["t3.medium", "t3a.medium"])
            .purchase(Purchase::Spot(SpotAllocation::default()))
            .capacity(Capacity::new(1, 2, 4)?)
            .label("tier", tier)
            .build()?)
    };

    let layers = Layers::of(&account);
    for (tier, what) in [("batch", "A cluster and its group"), ("night", "Another label of the nodes: in place")] {
        let network = layers.networks.plan(&network).await?;
        let cluster = layers.clusters.plan(&cluster.over(&network)).await?;
        let plan = Plan::join([network, cluster, layers.workers.plan(&group(tier)?).await?])?;
        heading(what);
        say(brief(&plan));
        options.place.confirm(&options.owner)?;
        layers.apply(&plan).await?;
    }
    say(format!("planned again: {} changes", layers.workers.plan(&group("night")?).await?.changes().count()));

    heading("Teardown");
    let teardown = layers.teardown(&owner, &name).await?;
    seeing::teardown(&teardown);
    options.place.confirm(&options.owner)?;
    let verdict = layers.tear_down(&teardown).await?;
    seeing::verdict(&verdict);
    clean(&verdict)
}
