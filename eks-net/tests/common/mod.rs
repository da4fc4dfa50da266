//! The network of the textbook chapter, on a simulated account.

use eks_core::{Owner, Verdict, engine::Engine};
use eks_net::{NetworkSpec, NetworkSpecBuilder, Networks, Rule, SecurityGroup, Subnet};
use eks_sim::Sim;

pub(crate) fn owner() -> Owner {
    Owner::new("chap10").expect("a fine name")
}

pub(crate) fn builder() -> NetworkSpecBuilder {
    NetworkSpec::builder(&owner(), "10.0.0.0/16")
        .subnet(Subnet::public("us-east-1a", "10.0.1.0/24"))
        .subnet(Subnet::public("us-east-1b", "10.0.3.0/24"))
        .subnet(Subnet::private("us-east-1a", "10.0.4.0/24"))
        .subnet(Subnet::private("us-east-1b", "10.0.2.0/24"))
        .security_group(
            SecurityGroup::new("public", "public instances")
                .allow(Rule::tcp(22).from_cidr("98.234.106.21/32"))
                .allow(Rule::tcp(80).from_cidr("0.0.0.0/0")),
        )
        .security_group(
            SecurityGroup::new("private", "private instances")
                .allow(Rule::tcp(22).from_group("public"))
                .allow(Rule::tcp(80).from_group("public")),
        )
        .security_group(SecurityGroup::new("elb", "load balancer").allow(Rule::tcp(80).from_cidr("0.0.0.0/0")))
        .security_group(SecurityGroup::new("eks-control-plane", "control plane"))
        .cluster("chap10")
}

pub(crate) fn chapter() -> NetworkSpec {
    builder().build().expect("a fine network")
}

/// A process of its own: nothing is remembered but what the account holds.
pub(crate) fn process(sim: &Sim) -> (Networks, Engine) {
    let networks = Networks::new(&sim.sdk_config());
    (networks.clone(), Engine::new().driver(networks))
}

/// What exists, by kind.
pub(crate) fn counts(sim: &Sim) -> Vec<(String, usize)> {
    let inventory = sim.inventory();
    let mut kinds: Vec<String> = inventory.items().iter().map(|item| item.kind.clone()).collect();
    kinds.dedup();
    kinds.into_iter().map(|kind| (kind.clone(), inventory.count(&kind))).collect()
}

/// What exists once the chapter's network stands.
pub(crate) fn standing() -> Vec<(String, usize)> {
    [
        ("ec2/elastic-ip", 1),
        ("ec2/internet-gateway", 1),
        ("ec2/nat-gateway", 1),
        ("ec2/network-interface", 1),
        ("ec2/route-table", 2),
        ("ec2/security-group", 4),
        ("ec2/subnet", 4),
        ("ec2/vpc", 1),
    ]
    .map(|(kind, count)| (kind.to_owned(), count))
    .to_vec()
}

/// Tears everything down and tells the verdict.
pub(crate) async fn tear_down(sim: &Sim) -> Verdict {
    let (networks, engine) = process(sim);
    let teardown = networks.teardown(&owner()).await.expect("a teardown");
    teardown.apply(&engine).await.expect("an ending").verdict
}
