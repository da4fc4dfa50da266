//! The chapter's machines: section 2 of the textbook's environment.

use eks_core::{Plan, Teardown, Verdict, engine::Engine};
use eks_net::{
    NetworkSpec, Networks,
    machines::{Instance, KeyPair, Listener, LoadBalancer, Machines, MachinesSpec, MachinesSpecBuilder, Volume},
};
use eks_sim::Sim;

use super::common::{chapter, owner};

type Failure = Box<dyn std::error::Error>;

pub(crate) const MY_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPndGbPI9+dOPaHUngeSGe2jh2oo08HgFcAbRjdpaHya me@example.com";

pub(crate) fn public() -> Instance {
    Instance::public("public", "us-east-1a").security_group("public").key_pair("my-key")
}

pub(crate) fn private() -> Instance {
    Instance::private("private", "us-east-1b").security_group("private").key_pair("my-key")
}

pub(crate) fn volume() -> Volume {
    Volume::new("data", 40).zone("us-east-1a")
}

pub(crate) fn balancer() -> LoadBalancer {
    LoadBalancer::internet_facing("public-elb").listener(Listener::http(80, 80)).security_group("elb").instance("public")
}

pub(crate) fn empty() -> MachinesSpecBuilder {
    MachinesSpec::builder(&owner(), chapter().refs()).key_pair(KeyPair::import("my-key", MY_KEY))
}

pub(crate) fn builder() -> MachinesSpecBuilder {
    empty().instance(public()).instance(private()).volume(volume().attach_to("public", "/dev/xvdh")).load_balancer(balancer())
}

pub(crate) fn machines() -> MachinesSpec {
    builder().build().expect("fine machines")
}

/// A process of its own: nothing is remembered but what the account holds.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) networks: Networks,
    pub(crate) machines: Machines,
    pub(crate) engine: Engine,
}

impl Process {
    pub(crate) fn new(sim: &Sim) -> Self {
        let config = sim.sdk_config();
        let (networks, machines) = (Networks::new(&config), Machines::new(&config));
        let engine = Engine::new().driver(networks.clone()).driver(machines.clone());
        Self { networks, machines, engine }
    }

    pub(crate) async fn plan(&self, network: &NetworkSpec, machines: &MachinesSpec) -> Result<Plan, Failure> {
        Ok(Plan::join([self.networks.plan(network).await?, self.machines.plan(machines).await?])?)
    }

    pub(crate) async fn apply(&self, machines: &MachinesSpec) -> Result<eks_core::engine::Report, Failure> {
        Ok(self.plan(&chapter(), machines).await?.apply(&self.engine).await?)
    }

    pub(crate) async fn teardown(&self) -> Result<Teardown, Failure> {
        Ok(Teardown::join([self.networks.teardown(&owner()).await?, self.machines.teardown(&owner()).await?])?)
    }

    pub(crate) async fn tear_down(&self) -> Result<Verdict, Failure> {
        Ok(self.teardown().await?.apply(&self.engine).await?.verdict)
    }
}

/// What exists of the machines once the chapter stands: two instances with a root volume each, and the data volume.
pub(crate) fn machine_counts(sim: &Sim) -> Vec<(&'static str, usize)> {
    let inventory = sim.inventory();
    ["ec2/instance", "ec2/volume", "elb/load-balancer"].map(|kind| (kind, inventory.count(kind))).to_vec()
}
