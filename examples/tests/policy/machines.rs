//! The flows of the machines' layer, on a network that stands.

use eks_core::{Owner, engine::Engine};
use eks_net::{
    Networks,
    machines::{Instance, KeyPair, Listener, LoadBalancer, Machines, MachinesSpec, MachinesSpecBuilder, Volume},
};
use eks_sim::Sim;

use crate::flow::{Done, Failure, least, scope};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPndGbPI9+dOPaHUngeSGe2jh2oo08HgFcAbRjdpaHya me@example.com";

fn owner() -> Owner {
    Owner::new("chap10").expect("a name")
}

fn builder() -> MachinesSpecBuilder {
    let network = eks_examples::environment::network(&owner()).expect("a fine network");
    MachinesSpec::builder(&owner(), network.refs())
        .key_pair(KeyPair::import("my-key", KEY))
        .instance(Instance::public("public", "us-east-1a").security_group("public").key_pair("my-key"))
        .instance(Instance::private("private", "us-east-1b").security_group("private").key_pair("my-key"))
        .volume(Volume::new("data", 40).zone("us-east-1a").attach_to("public", "/dev/xvdh"))
}

fn balancer() -> LoadBalancer {
    LoadBalancer::internet_facing("public-elb").listener(Listener::http(80, 80)).security_group("elb").instance("public")
}

fn chapter() -> MachinesSpec {
    builder().load_balancer(balancer()).build().expect("fine machines")
}

/// A listener more, and every tag.
fn changed() -> MachinesSpec {
    builder().load_balancer(balancer().listener(Listener::http(8080, 80))).tag("team", "shop").build().expect("fine machines")
}

fn process(sim: &Sim) -> (Networks, Machines, Engine) {
    let (networks, machines) = (Networks::new(&sim.sdk_config()), Machines::new(&sim.sdk_config()));
    (networks.clone(), machines.clone(), Engine::new().driver(networks).driver(machines))
}

async fn network(sim: &Sim) -> Done {
    let (networks, _, engine) = process(sim);
    networks.plan(&eks_examples::environment::network(&owner())?).await?.apply(&engine).await?;
    Ok(())
}

/// The plan of the machines joined with that of the network, which has nothing to do.
async fn plan(sim: &Sim, spec: &MachinesSpec) -> Result<eks_core::Plan, Failure> {
    let (networks, machines, _) = process(sim);
    Ok(eks_core::Plan::join([networks.plan(&eks_examples::environment::network(&owner())?).await?, machines.plan(spec).await?])?)
}

async fn apply(sim: &Sim, spec: &MachinesSpec) -> Done {
    plan(sim, spec).await?.apply(&process(sim).2).await?;
    Ok(())
}

async fn of(spec: &MachinesSpec, from: Option<&MachinesSpec>, name: &str) {
    let stage = async |sim: &Sim| {
        network(sim).await?;
        match from {
            Some(spec) => apply(sim, spec).await,
            None => Ok(()),
        }
    };
    let policy = async |sim: &Sim| Ok(plan(sim, spec).await?.policy(&scope()));
    least(name, stage, policy, async |sim: &Sim| apply(sim, spec).await, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn create() {
    of(&chapter(), None, "machines: create").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_to_do() {
    of(&chapter(), Some(&chapter()), "machines: nothing to do").await;
}

#[tokio::test(start_paused = true)]
async fn change() {
    of(&changed(), Some(&chapter()), "machines: change").await;
}

#[tokio::test(start_paused = true)]
async fn teardown() {
    let stage = async |sim: &Sim| {
        network(sim).await?;
        apply(sim, &chapter()).await
    };
    let policy = async |sim: &Sim| Ok(process(sim).1.teardown(&owner()).await?.policy(&scope()));
    let run = async |sim: &Sim| {
        let (_, machines, engine) = process(sim);
        let ending = machines.teardown(&owner()).await?.apply(&engine).await?;
        if ending.verdict.is_clean() { Ok(()) } else { Err(Failure::from(format!("{}\n{:?}", ending.verdict, ending.report))) }
    };
    least("machines: teardown", stage, policy, run, &[]).await;
}
