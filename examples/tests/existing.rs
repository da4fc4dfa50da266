//! A cluster with workers in a network that nobody made with these crates: the account's default VPC.

use eks_cluster::{ClusterSpec, Clusters, KubernetesVersion};
use eks_core::{ClusterName, Owner, Plan, StackName, Teardown, Verdict};
use eks_examples::account::Account;
use eks_net::{ExistingNetwork, Fix, Networks};
use eks_nodes::{Capacity, Workers, WorkersSpec};
use eks_sim::Sim;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The default VPC and its subnets in two zones.
async fn default_vpc(ec2: &aws_sdk_ec2::Client) -> Result<(String, Vec<String>), Failed> {
    let mut subnets = Vec::new();
    for subnet in ec2.describe_subnets().send().await?.subnets() {
        if let (Some("us-east-1a" | "us-east-1b"), Some(id)) = (subnet.availability_zone(), subnet.subnet_id()) {
            subnets.push(id.to_owned());
        }
    }
    let vpcs = ec2.describe_vpcs().send().await?;
    Ok((vpcs.vpcs().first().and_then(|vpc| vpc.vpc_id()).ok_or("every account has one")?.to_owned(), subnets))
}

#[tokio::test(start_paused = true)]
async fn a_cluster_in_the_default_vpc() -> Result<(), Failed> {
    let sim = Sim::new();
    let account = Account::on(sim.clone());
    let config = account.config();
    let ec2 = aws_sdk_ec2::Client::new(config);
    let (vpc, public) = default_vpc(&ec2).await?;
    let (networks, clusters, groups) = (Networks::new(config), Clusters::new(config), Workers::new(config));
    let engine = account.engine().driver(networks.clone()).driver(clusters.clone()).driver(groups.clone());
    let owner = Owner::new("shop")?;
    let theirs = ExistingNetwork::builder(&owner).vpc(&vpc).add_private_subnets(24).cluster("shop").allow(Fix::Tags);
    let theirs = public.iter().fold(theirs, |theirs, id| theirs.public_subnet(id)).build()?;

    let plan = async || -> Result<Plan, Failed> {
        let survey = networks.survey(&theirs).await?;
        let cluster = ClusterSpec::builder(&owner, ClusterName::new("shop")?, KubernetesVersion::V1_36, survey.refs()).build()?;
        let workers = WorkersSpec::builder(&owner, StackName::new("shop-worker")?, cluster.refs(), survey.refs().private());
        let workers = workers.instance_type("t3.medium").capacity(Capacity::new(2, 2, 3)?).build()?;
        Ok(Plan::join([survey.plan()?, clusters.plan(&cluster).await?, groups.plan(&workers).await?])?)
    };
    let first = plan().await?;
    // The control plane waits for the subnets that are made for it, and for the tags of those that are there.
    let needs = &first.step("cluster/control-plane").ok_or("a control plane")?.needs;
    for subnet in ["net/subnet/private/us-east-1a".to_owned(), format!("net/existing/{}", public[0])] {
        assert!(needs.iter().any(|key| key.as_str() == subnet), "{subnet}: {needs:?}");
    }
    first.apply(&engine).await?;
    let again = plan().await?;
    assert!(again.is_noop(), "{again}");
    assert_eq!((sim.inventory().count("eks/cluster"), sim.inventory().count("ec2/instance")), (1, 2));

    let layers =
        [groups.teardown(&owner).await?, clusters.teardown(&owner, &ClusterName::new("shop")?).await?, networks.teardown(&owner).await?];
    let ending = Teardown::join(layers)?.apply(&engine).await?;
    assert_eq!(ending.verdict, Verdict::Clean);
    assert_eq!(sim.inventory().count("ec2/subnet") + sim.inventory().count("ec2/nat-gateway"), 0);
    let tagged = ec2.describe_tags().send().await?;
    let ours: Vec<_> =
        tagged.tags().iter().filter(|tag| tag.resource_id().is_some_and(|id| id == vpc || public.iter().any(|it| it == id))).collect();
    assert!(ours.is_empty(), "{ours:?}");
    Ok(())
}
