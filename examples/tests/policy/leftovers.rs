//! What a cluster left in AWS, when it is gone: each thing goes by its own ARN, or by its VPC.

use aws_sdk_ec2::types::{Filter, IpPermission, ResourceType, Tag, TagSpecification, UserIdGroupPair};
use eks_core::{ClusterName, ClusterStanding, ClusterTrace, Policy, Teardown, engine::Engine};
use eks_net::leftovers::{Handling, Leftovers};
use eks_sim::Sim;

use crate::{
    flow::{Done, Failure, least, scope},
    net,
};

const OF_CLUSTER: (&str, &str) = ("kubernetes.io/cluster/chap10", "owned");

fn tags(kind: ResourceType, (key, value): (&str, &str)) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).tags(Tag::builder().key(key).value(value).build()).build()
}

/// A load balancer of each kind, a target group, a security group that rules of ours name, and an interface.
async fn leave(sim: &Sim) -> Done {
    let config = sim.sdk_config();
    let (ec2, elb) = (aws_sdk_ec2::Client::new(&config), aws_sdk_elasticloadbalancingv2::Client::new(&config));
    let subnets = ec2.describe_subnets().filters(Filter::builder().name("tag-key").values("eks-rs/owner").build()).send().await?;
    let subnet = subnets.subnets().iter().find(|subnet| subnet.map_public_ip_on_launch() == Some(true)).ok_or("a public subnet")?;
    let (subnet, vpc) = (subnet.subnet_id().unwrap_or_default().to_owned(), subnet.vpc_id().unwrap_or_default().to_owned());

    let (key, value) = OF_CLUSTER;
    let tag = aws_sdk_elasticloadbalancingv2::types::Tag::builder().key(key).value(value).build();
    let network = aws_sdk_elasticloadbalancingv2::types::LoadBalancerTypeEnum::Network;
    elb.create_load_balancer().name("a0").r#type(network).subnets(&subnet).tags(tag.clone()).send().await?;
    let protocol = aws_sdk_elasticloadbalancingv2::types::ProtocolEnum::Tcp;
    elb.create_target_group().name("k8s-web").protocol(protocol).port(80).vpc_id(&vpc).tags(tag).send().await?;
    let classic = aws_sdk_elasticloadbalancing::Client::new(&config);
    let tag = aws_sdk_elasticloadbalancing::types::Tag::builder().key(key).value(value).build()?;
    let listener =
        aws_sdk_elasticloadbalancing::types::Listener::builder().protocol("TCP").load_balancer_port(80).instance_port(80).build()?;
    classic.create_load_balancer().load_balancer_name("a1").listeners(listener).subnets(&subnet).tags(tag).send().await?;

    let create = ec2.create_security_group().group_name("k8s-elb-a1").description("left").vpc_id(&vpc);
    let left = create.tag_specifications(tags(ResourceType::SecurityGroup, OF_CLUSTER)).send().await?;
    let groups = ec2.describe_security_groups().filters(Filter::builder().name("vpc-id").values(&vpc).build()).send().await?;
    let ours = groups.security_groups().iter().find(|one| one.group_name() == Some("private")).and_then(|one| one.group_id());
    let ours = ours.ok_or("a group of ours")?;
    let pair = UserIdGroupPair::builder().set_group_id(left.group_id).build();
    let rule = IpPermission::builder().ip_protocol("-1").user_id_group_pairs(pair).build();
    ec2.authorize_security_group_ingress().group_id(ours).ip_permissions(rule.clone()).send().await?;
    ec2.authorize_security_group_egress().group_id(ours).ip_permissions(rule).send().await?;
    let interface = ec2.create_network_interface().subnet_id(subnet).description("aws-K8S-i-0123456789abcdef0");
    let tag = ("cluster.k8s.amazonaws.com/name", "chap10");
    interface.tag_specifications(tags(ResourceType::NetworkInterface, tag)).send().await?;
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    Ok(())
}

async fn teardown(sim: &Sim) -> Result<Teardown, Failure> {
    let trace = ClusterTrace { name: ClusterName::new("chap10")?, standing: ClusterStanding::Gone };
    Ok(Leftovers::new(&sim.sdk_config()).teardown(&net::owner(), [trace], Handling::Remove, None).await?)
}

#[tokio::test(start_paused = true)]
async fn goes() {
    let stage = async |sim: &Sim| {
        net::apply(sim, &net::chapter()).await?;
        leave(sim).await
    };
    let policy = async |sim: &Sim| -> Result<Policy, Failure> {
        let teardown = teardown(sim).await?;
        assert_eq!(teardown.removals().len(), 6, "{teardown}");
        let policy = teardown.policy(&scope());
        let wide = policy.statements().iter().filter(|statement| statement.resources.iter().any(|resource| resource == "*"));
        let read = |action: &String| ["Describe", "Get", "List"].iter().any(|verb| action.contains(&format!(":{verb}")));
        assert!(wide.flat_map(|statement| &statement.actions).all(read), "only reads are allowed everywhere: {policy}");
        Ok(policy)
    };
    let run = async |sim: &Sim| {
        let ending = teardown(sim).await?.apply(&Engine::new().driver(Leftovers::new(&sim.sdk_config()))).await?;
        if ending.verdict.is_clean() { Ok(()) } else { Err(Failure::from(format!("{}\n{:?}", ending.verdict, ending.report))) }
    };
    least("leftovers: teardown", stage, policy, run, &[]).await;
}
