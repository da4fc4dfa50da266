//! The network's flows.

use aws_sdk_ec2::types::{IpPermission, ResourceType, Tag, TagSpecification, UserIdGroupPair};
use eks_core::{Owner, engine::Engine};
use eks_net::{Nat, NetworkSpec, Networks, Subnet};
use eks_sim::Sim;

use crate::flow::{Done, Failure, least, scope};

pub(crate) fn owner() -> Owner {
    Owner::new("chap10").expect("a name")
}

pub(crate) fn chapter() -> NetworkSpec {
    eks_examples::environment::network(&owner()).expect("a fine network")
}

/// The same with a subnet and a gateway more.
fn grown() -> NetworkSpec {
    NetworkSpec::builder(&owner(), "10.0.0.0/16")
        .subnet(Subnet::public("us-east-1a", "10.0.1.0/24"))
        .subnet(Subnet::public("us-east-1b", "10.0.3.0/24"))
        .subnet(Subnet::private("us-east-1a", "10.0.4.0/24"))
        .subnet(Subnet::private("us-east-1b", "10.0.2.0/24"))
        .subnet(Subnet::public("us-east-1c", "10.0.5.0/24"))
        .subnet(Subnet::private("us-east-1c", "10.0.6.0/24"))
        .nat(Nat::PerZone)
        .tag("team", "shop")
        .cluster("chap10")
        .build()
        .expect("a fine network")
}

fn process(sim: &Sim) -> (Networks, Engine) {
    let networks = Networks::new(&sim.sdk_config());
    (networks.clone(), Engine::new().driver(networks))
}

pub(crate) async fn apply(sim: &Sim, spec: &NetworkSpec) -> Done {
    let (networks, engine) = process(sim);
    networks.plan(spec).await?.apply(&engine).await?;
    Ok(())
}

async fn of(spec: &NetworkSpec, from: Option<&NetworkSpec>, name: &str) {
    let stage = async |sim: &Sim| match from {
        Some(spec) => apply(sim, spec).await,
        None => Ok(()),
    };
    let policy = async |sim: &Sim| Ok(process(sim).0.plan(spec).await?.policy(&scope()));
    least(name, stage, policy, async |sim: &Sim| apply(sim, spec).await, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn create() {
    of(&chapter(), None, "network: create").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_to_do() {
    of(&chapter(), Some(&chapter()), "network: nothing to do").await;
}

#[tokio::test(start_paused = true)]
async fn change() {
    of(&grown(), Some(&chapter()), "network: change").await;
}

/// What Kubernetes leaves in a VPC: a group of a cluster that a rule of ours names, and an interface of the CNI.
pub(crate) async fn leave(sim: &Sim) -> Done {
    let ec2 = aws_sdk_ec2::Client::new(&sim.sdk_config());
    let vpcs = ec2.describe_vpcs().filters(aws_sdk_ec2::types::Filter::builder().name("tag-key").values("eks-rs/owner").build());
    let vpc = vpcs.send().await?.vpcs()[0].vpc_id().unwrap_or_default().to_owned();
    let tag = Tag::builder().key("kubernetes.io/cluster/chap10").value("owned").build();
    let tags = TagSpecification::builder().resource_type(ResourceType::SecurityGroup).tags(tag).build();
    let group = ec2.create_security_group().group_name("k8s-elb").description("left").vpc_id(&vpc).tag_specifications(tags);
    let group = group.send().await?.group_id().unwrap_or_default().to_owned();
    let inside = aws_sdk_ec2::types::Filter::builder().name("vpc-id").values(&vpc).build();
    let groups = ec2.describe_security_groups().filters(inside.clone()).send().await?;
    let ours = groups.security_groups().iter().find(|one| one.group_name() == Some("private")).and_then(|one| one.group_id());
    let rule = IpPermission::builder().ip_protocol("-1").user_id_group_pairs(UserIdGroupPair::builder().group_id(&group).build()).build();
    let ours = ours.ok_or("a group of ours")?;
    ec2.authorize_security_group_ingress().group_id(ours).ip_permissions(rule.clone()).send().await?;
    ec2.authorize_security_group_egress().group_id(ours).ip_permissions(rule).send().await?;
    let subnet = ec2.describe_subnets().filters(inside).send().await?.subnets()[0].subnet_id().unwrap_or_default().to_owned();
    ec2.create_network_interface().subnet_id(subnet).description("aws-K8S-i-0123456789abcdef0").send().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn teardown() {
    let stage = async |sim: &Sim| {
        apply(sim, &chapter()).await?;
        leave(sim).await
    };
    let policy = async |sim: &Sim| Ok(process(sim).0.teardown(&owner()).await?.policy(&scope()));
    let run = async |sim: &Sim| {
        let (networks, engine) = process(sim);
        let ending = networks.teardown(&owner()).await?.apply(&engine).await?;
        if ending.verdict.is_clean() { Ok(()) } else { Err(Failure::from(format!("{}\n{:?}", ending.verdict, ending.report))) }
    };
    // A table's associations go with their subnets, if these are faster.
    least("network: teardown", stage, policy, run, &["ec2:DisassociateRouteTable"]).await;
}
