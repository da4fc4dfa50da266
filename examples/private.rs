//! A private cluster: its API server answers inside the VPC alone, its nodes have no way to the internet, AWS is reached by VPC endpoints.
//!
//! It is made in two phases: what AWS does, from anywhere; what Kubernetes does, from where the endpoint is reached. The same program
//! does both: it ends after the first where it cannot go on, and the same command goes on from inside.
//!
//! `cargo run --example private` plays both on the embedded simulator; see `--help` for the rest.

use std::process::ExitCode;

use clap::Parser;
use eks_cluster::{ClusterSpec, Endpoint, KubernetesVersion};
use eks_core::{ClusterName, Owner, Plan, StackName, StepKey};
use eks_examples::{
    account::Account,
    environment::Failure,
    layers::Layers,
    program::{Place, brief, causes, clean, heading, say},
    seeing,
};
use eks_k8s::{ObjectsSpec, Service, StorageClass};
use eks_net::{Endpoints, Nat, NetworkSpec, SubnetGroup};
use eks_nodes::{Capacity, WorkersSpec};

/// Builds a private cluster in two phases, and tears it down.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    place: Place,
    /// The owner of everything; also the name of the cluster.
    #[arg(long, default_value = "vault")]
    owner: String,
    /// Do not tear down.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    options.place.run(async |account| private(&options, account).await)
}

async fn private(options: &Options, account: Account) -> Result<(), Failure> {
    let (owner, name) = (Owner::new(options.owner.as_str())?, ClusterName::new(options.owner.as_str())?);
    let stack = StackName::new(format!("{owner}-worker"))?;
    let network = NetworkSpec::builder(&owner, "10.20.0.0/16")
        .only_groups()
        .zones(account.zones(2).await?)
        .group(SubnetGroup::private(20))
        .nat(Nat::None)
        .endpoints(Endpoints::private_cluster())
        .cluster(name.as_str())
        .build()?;
    let cluster = ClusterSpec::builder(&owner, name.clone(), KubernetesVersion::V1_36, network.refs())
        .endpoint(Endpoint::Private)
        .nodes_ready_after([StepKey::new(["k8s", "nodes", stack.as_str()])?])
        .build()?;
    let workers = WorkersSpec::builder(&owner, stack, cluster.refs(), network.refs().private())
        .instance_type("t3.medium")
        .capacity(Capacity::new(2, 2, 3)?)
        .build()?;
    let objects = ObjectsSpec::builder(&owner, cluster.refs())
        .nodes(workers.refs())
        .storage_class(StorageClass::gp3("gp3"))
        .service(Service::load_balancer("ledger").internal().network().port(443, 8443).selector("app", "ledger"))
        .build()?;
    let everything = async |layers: &Layers| -> Result<Plan, Failure> {
        let network = layers.networks.plan(&network).await?;
        let access = layers.clusters.access(&name).await?;
        let aws = [layers.clusters.plan(&cluster.over(&network)).await?, layers.workers.plan(&workers).await?, network];
        Ok(Plan::join(aws.into_iter().chain([layers.kubernetes.plan(&objects, access).await?]))?)
    };

    // On the simulator this machine moves into the VPC after the first phase; elsewhere it is where it is.
    let (outside, inside) = (Layers::of(&account), Layers::of(&account.clone().inside_vpc()));
    if outside.clusters.access(&name).await?.is_none() {
        heading("First phase, from anywhere: what AWS does");
        let (first, later) = everything(&outside).await?.without_layers(["k8s"]);
        say(brief(&first));
        say(format!(
            "\n{} steps are left for inside: {}",
            later.len(),
            later.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ));
        options.place.confirm(&options.owner)?;
        outside.apply(&first).await?;
    }

    heading("Second phase, where the endpoint is reached: what Kubernetes does");
    if let Err(error) = everything(&outside).await {
        say(format!("from here: {}", causes(&*error).join(": ")));
        if !options.place.is_simulator() {
            return Err("run the same command from inside of the VPC, or from a network that is connected to it".into());
        }
    }
    let second = everything(&inside).await?;
    say(brief(&second));
    options.place.confirm(&options.owner)?;
    inside.apply(&second).await?;
    say(format!("planned again: {} changes", everything(&inside).await?.changes().count()));
    if options.keep {
        return Ok(());
    }

    heading("Teardown, from inside");
    let teardown = inside.teardown(&owner, &name).await?;
    seeing::teardown(&teardown);
    options.place.confirm(&options.owner)?;
    let verdict = inside.tear_down(&teardown).await?;
    seeing::verdict(&verdict);
    clean(&verdict)
}
