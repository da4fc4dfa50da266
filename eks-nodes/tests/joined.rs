//! Network, control plane and workers as one plan, before anything of them exists.

use std::error::Error;

use eks_cluster::{ClusterSpec, Clusters, KubernetesVersion};
use eks_core::{Owner, Plan, Teardown, engine::Engine};
use eks_net::{Nat, NetworkSpec, Networks, SecurityGroup};
use eks_nodes::{Workers, WorkersSpec};
use eks_sim::Sim;

#[tokio::test(start_paused = true)]
async fn one_plan_from_nothing_to_nodes_and_back() -> Result<(), Box<dyn Error>> {
    let sim = Sim::new();
    let config = sim.sdk_config();
    let (networks, clusters, workers) = (Networks::new(&config), Clusters::new(&config), Workers::new(&config));
    let owner = Owner::new("chap10")?;
    let network = NetworkSpec::builder(&owner, "10.0.0.0/16")
        .zones(["us-east-1a", "us-east-1b"])
        .nat(Nat::Single)
        .security_group(SecurityGroup::new("eks-control-plane", "control plane of chap10"))
        .cluster("chap10")
        .build()?;
    let cluster = ClusterSpec::builder(&owner, "chap10".parse()?, KubernetesVersion::V1_35, network.refs())
        .security_groups(["eks-control-plane"])
        .no_addons()
        .build()?;
    let nodes = WorkersSpec::builder(&owner, "chap10-worker".parse()?, cluster.refs(), network.refs().private()).build()?;
    let engine = Engine::new().driver(networks.clone()).driver(clusters.clone()).driver(workers.clone());

    let plan = Plan::join([networks.plan(&network).await?, clusters.plan(&cluster).await?, workers.plan(&nodes).await?])?;
    let report = plan.apply(&engine).await?;
    let base = &report.steps[&"nodes/chap10-worker/base".parse()?];
    let control_plane = &report.steps[&"cluster/control-plane".parse()?];
    assert!(base.began < control_plane.took / 4, "the base comes up beside the control plane");
    assert!(base.began + base.took < control_plane.began + control_plane.took, "and is there before it");

    tokio::time::sleep(std::time::Duration::from_secs(180)).await;
    let ready = sim.ledger().iter().filter(|(_, times)| times.iter().any(|time| time.kind == "NodeReady")).count();
    assert_eq!(ready, 2, "both nodes have joined");
    let again = Plan::join([networks.plan(&network).await?, clusters.plan(&cluster).await?, workers.plan(&nodes).await?])?;
    assert!(again.is_noop(), "{again}");

    let teardowns = [networks.teardown(&owner).await?, clusters.teardown(&owner, cluster.name()).await?, workers.teardown(&owner).await?];
    let ending = Teardown::join(teardowns)?.apply(&engine).await?;
    assert!(ending.verdict.is_clean(), "{:?}", ending.verdict);
    let inventory = sim.inventory();
    let left = inventory.items().iter().filter(|item| item.state != "terminated").map(|item| format!("{} {}", item.kind, item.id));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
    Ok(())
}
