//! Classic load balancers over the wire.

use std::time::Duration;

use aws_sdk_ec2 as ec2;
use aws_sdk_elasticloadbalancing::{
    Client,
    error::ProvideErrorMetadata,
    types::{HealthCheck, Instance, Listener, Tag},
};
use eks_sim::Sim;

fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.expect_err("must be refused").code().unwrap_or_default().to_owned()
}

fn listener(protocol: &str) -> Listener {
    Listener::builder().protocol(protocol).instance_protocol("HTTP").load_balancer_port(80).instance_port(80).build().expect("complete")
}

struct Setting {
    sim: Sim,
    client: Client,
    ec2: ec2::Client,
    vpc: String,
    subnets: Vec<String>,
    group: String,
}

impl Setting {
    async fn new() -> Self {
        let sim = Sim::new();
        let (client, ec2) = (Client::new(&sim.sdk_config()), ec2::Client::new(&sim.sdk_config()));
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        let mut subnets = Vec::new();
        for (cidr, zone) in [("10.0.1.0/24", "us-east-1a"), ("10.0.3.0/24", "us-east-1b"), ("10.0.5.0/24", "us-east-1a")] {
            let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block(cidr).availability_zone(zone).send().await.expect("subnet");
            subnets.push(subnet.subnet.and_then(|subnet| subnet.subnet_id).expect("id"));
        }
        let group = ec2.create_security_group().group_name("elb").description("elb").vpc_id(&vpc).send().await.expect("group");
        Self { sim, client, ec2, vpc, subnets, group: group.group_id.expect("id") }
    }

    async fn attach_gateway(&self) {
        let gateway = self.ec2.create_internet_gateway().send().await.expect("gateway").internet_gateway;
        let gateway = gateway.and_then(|gateway| gateway.internet_gateway_id).expect("id");
        self.ec2.attach_internet_gateway().internet_gateway_id(gateway).vpc_id(&self.vpc).send().await.expect("attached");
    }
}

#[tokio::test(start_paused = true)]
async fn a_classic_load_balancer_from_creation_to_release() {
    let setting = Setting::new().await;
    let client = &setting.client;
    let create = |subnets: &[String], protocol: &str| {
        client
            .create_load_balancer()
            .load_balancer_name("public-elb")
            .set_subnets(Some(subnets.to_vec()))
            .security_groups(&setting.group)
            .listeners(listener(protocol))
            .tags(Tag::builder().key("a").value("b").build().expect("complete"))
    };
    let both = &setting.subnets[..2];
    assert_eq!(code(create(both, "HTTP").send().await), "InvalidSubnet");
    setting.attach_gateway().await;
    assert_eq!(code(create(&setting.subnets, "HTTP").send().await), "InvalidConfigurationRequest");
    assert_eq!(code(create(&["subnet-00000000000000000".to_owned()], "HTTP").send().await), "SubnetNotFound");
    assert_eq!(code(create(both, "TCP").send().await), "ValidationError");
    let dns = create(both, "HTTP").send().await.expect("created").dns_name.expect("name");
    assert!(dns.starts_with("public-elb-") && dns.ends_with(".us-east-1.elb.amazonaws.com"), "{dns}");
    assert_eq!(create(both, "HTTP").send().await.expect("same settings").dns_name.expect("name"), dns);
    assert_eq!(code(create(&setting.subnets[..1], "HTTP").send().await), "DuplicateLoadBalancerName");

    let shown = client.describe_load_balancers().send().await.expect("described");
    let shown = shown.load_balancer_descriptions().first().expect("one");
    assert_eq!(shown.scheme(), Some("internet-facing"));
    assert_eq!(shown.availability_zones(), ["us-east-1a", "us-east-1b"]);
    assert!(setting.sim.inventory().items().iter().any(|item| item.kind == "elb/load-balancer" && item.usd_per_month == 18.25));

    let run = setting.ec2.run_instances().image_id("ami-0123456789abcdef0").instance_type(ec2::types::InstanceType::T3Nano);
    let run = run.min_count(1).max_count(1).subnet_id(&setting.subnets[0]).send().await.expect("launched");
    let id = run.instances().first().and_then(|one| one.instance_id()).expect("id").to_owned();
    let instance = Instance::builder().instance_id(&id).build();
    let register = client.register_instances_with_load_balancer().load_balancer_name("public-elb");
    register.instances(instance.clone()).send().await.expect("registered");
    let check = HealthCheck::builder().target("HTTP:80/").interval(5).timeout(2).unhealthy_threshold(2).healthy_threshold(2);
    let configure = client.configure_health_check().load_balancer_name("public-elb");
    configure.health_check(check.build().expect("complete")).send().await.expect("configured");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let health = client.describe_instance_health().load_balancer_name("public-elb").send().await.expect("told");
    assert_eq!(health.instance_states().first().and_then(|state| state.state()), Some("InService"));

    // The interfaces hold the subnets until some time after the deletion.
    client.delete_load_balancer().load_balancer_name("public-elb").send().await.expect("deleted");
    client.delete_load_balancer().load_balancer_name("public-elb").send().await.expect("again");
    assert_eq!(code(client.describe_load_balancers().load_balancer_names("public-elb").send().await), "LoadBalancerNotFound");
    assert_eq!(code(setting.ec2.delete_subnet().subnet_id(&setting.subnets[1]).send().await), "DependencyViolation");
    assert_eq!(code(setting.ec2.delete_security_group().group_id(&setting.group).send().await), "DependencyViolation");
    tokio::time::sleep(Duration::from_secs(120)).await;
    setting.ec2.delete_subnet().subnet_id(&setting.subnets[1]).send().await.expect("free");
    setting.ec2.delete_security_group().group_id(&setting.group).send().await.expect("free");
}
