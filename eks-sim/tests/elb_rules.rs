//! Every rule of classic load balancers that a specification can break: a row each, from the request to the error code of the
//! API reference (2012-06-01).

mod table;

use std::time::Duration;

use aws_sdk_ec2 as ec2;
use aws_sdk_elasticloadbalancing::{
    Client,
    operation::create_load_balancer::builders::CreateLoadBalancerFluentBuilder as Create,
    types::{HealthCheck, Instance, Listener, Tag, TagKeyOnly},
};
use eks_sim::Sim;
use table::{DONE, Table};

const CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";

fn listener(protocol: &str, port: i32, instance_protocol: &str, instance_port: i32) -> Listener {
    let listener = Listener::builder().protocol(protocol).load_balancer_port(port);
    listener.instance_protocol(instance_protocol).instance_port(instance_port).build().expect("complete")
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().expect("complete")
}

fn instance(id: &str) -> Instance {
    Instance::builder().instance_id(id).build()
}

/// A VPC with a subnet in each of two zones, one more in the first, and an internet gateway.
struct Setting {
    client: Client,
    ec2: ec2::Client,
    sim: Sim,
    vpc: String,
    subnets: Vec<String>,
    group: String,
}

impl Setting {
    async fn new() -> Self {
        let sim = Sim::builder().standard_vcpus(64).build();
        let (client, ec2) = (Client::new(&sim.sdk_config()), ec2::Client::new(&sim.sdk_config()));
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        let group = ec2.create_security_group().group_name("elb").description("elb").vpc_id(&vpc).send().await.expect("group");
        let mut setting = Self { client, ec2, sim, vpc, subnets: Vec::new(), group: group.group_id.expect("id") };
        for (cidr, zone) in [("10.0.1.0/24", "us-east-1a"), ("10.0.2.0/24", "us-east-1b"), ("10.0.3.0/24", "us-east-1a")] {
            let subnet = setting.subnet(&setting.vpc, cidr, zone).await;
            setting.subnets.push(subnet);
        }
        setting
    }

    async fn attach_gateway(&self) {
        let gateway = self.ec2.create_internet_gateway().send().await.expect("gateway").internet_gateway;
        let gateway = gateway.and_then(|gateway| gateway.internet_gateway_id).expect("id");
        self.ec2.attach_internet_gateway().internet_gateway_id(gateway).vpc_id(&self.vpc).send().await.expect("attach");
    }

    async fn subnet(&self, vpc: &str, cidr: &str, zone: &str) -> String {
        let made = self.ec2.create_subnet().vpc_id(vpc).cidr_block(cidr).availability_zone(zone).send().await;
        made.expect("subnet").subnet.and_then(|subnet| subnet.subnet_id).expect("id")
    }

    /// A load balancer over the first two subnets, from HTTP 80 to HTTP 80.
    fn create(&self, name: &str) -> Create {
        let create = self.bare(name).subnets(&self.subnets[0]).subnets(&self.subnets[1]);
        create.security_groups(&self.group).listeners(listener("HTTP", 80, "HTTP", 80))
    }

    fn bare(&self, name: &str) -> Create {
        self.client.create_load_balancer().load_balancer_name(name)
    }
}

#[tokio::test(start_paused = true)]
async fn creation() {
    let setting = Setting::new().await;
    let mut table = Table::default();
    let web = || listener("HTTP", 80, "HTTP", 80);
    table.row("no way to the internet", "InvalidSubnet", setting.create("a").send()).await;
    table.row("an internal one needs none", DONE, setting.create("inside").scheme("internal").send()).await;
    setting.attach_gateway().await;
    for (rule, name) in [
        ("33 characters", "a".repeat(33)),
        ("a hyphen first", "-a".to_owned()),
        ("a hyphen last", "a-".to_owned()),
        ("an underscore", "a_b".to_owned()),
        ("a dot", "a.b".to_owned()),
    ] {
        table.row(rule, "ValidationError", setting.create(&name).send()).await;
    }
    table.row("32 characters", DONE, setting.create(&"a".repeat(32)).send()).await;
    table.row("a scheme that is none", "InvalidScheme", setting.create("a").scheme("public").send()).await;
    let [first, second, third] = &setting.subnets[..] else { panic!("three subnets") };
    let over = |subnets: &[&str]| {
        let subnets = subnets.iter().map(|id| (*id).to_owned()).collect();
        setting.bare("a").listeners(web()).set_subnets(Some(subnets)).send()
    };
    table.row("no subnet", "ValidationError", over(&[])).await;
    table.row("a subnet that is none", "SubnetNotFound", over(&["subnet-0123456789abcdef0"])).await;
    table.row("two subnets of a zone", "InvalidConfigurationRequest", over(&[first, third])).await;
    let other = setting.ec2.create_vpc().cidr_block("10.1.0.0/16").send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
    let far = setting.subnet(&other, "10.1.0.0/24", "us-east-1c").await;
    table.row("subnets of two VPCs", "InvalidConfigurationRequest", over(&[first, &far])).await;
    table.row("subnets and zones", "ValidationError", setting.create("a").availability_zones("us-east-1a").send()).await;
    let tight = setting.subnet(&setting.vpc, "10.0.9.0/28", "us-east-1c").await;
    for _ in 0..3 {
        setting.ec2.create_network_interface().subnet_id(&tight).send().await.expect("interface");
    }
    table.row("eight free addresses", DONE, setting.bare("tight").listeners(web()).subnets(&tight).send()).await;
    table.row("seven free addresses", "InvalidSubnet", over(&[&tight])).await;
    let with = |group: &str| setting.create("a").security_groups(group).send();
    table.row("a group that is none", "InvalidSecurityGroup", with("sg-0123456789abcdef0")).await;
    let foreign = setting.ec2.create_security_group().group_name("x").description("x").vpc_id(&other).send().await.expect("group");
    table.row("a group of another VPC", "InvalidSecurityGroup", with(foreign.group_id().expect("id"))).await;

    // "Listeners for your Classic Load Balancer".
    let listen =
        |listeners: Vec<Listener>| Box::pin(setting.bare("a").subnets(first).subnets(second).set_listeners(Some(listeners)).send());
    table.row("no listener", "ValidationError", listen(Vec::new())).await;
    for (front, port, back, instance_port, code) in [
        ("UDP", 53, "UDP", 53, "UnsupportedProtocol"),
        ("HTTP", 80, "TCP", 80, "ValidationError"),
        ("TCP", 80, "HTTP", 80, "ValidationError"),
        ("SSL", 443, "HTTPS", 443, "ValidationError"),
        ("HTTP", 0, "HTTP", 80, "ValidationError"),
        ("HTTP", 65_536, "HTTP", 80, "ValidationError"),
        ("HTTP", 80, "HTTP", 0, "ValidationError"),
        ("HTTP", 80, "HTTP", 65_536, "ValidationError"),
        ("HTTPS", 443, "HTTP", 80, "ValidationError"),
        ("SSL", 443, "TCP", 80, "ValidationError"),
    ] {
        table
            .row(&format!("{front} {port} to {back} {instance_port}"), code, listen(vec![listener(front, port, back, instance_port)]))
            .await;
    }
    let secure = |arn: &str| {
        let listener = Listener::builder().protocol("HTTPS").load_balancer_port(443).instance_protocol("HTTP").instance_port(80);
        listener.ssl_certificate_id(arn).build().expect("complete")
    };
    table.row("a certificate that is none", "CertificateNotFound", listen(vec![secure("mine")])).await;
    table.row("an ARN of something else", "CertificateNotFound", listen(vec![secure("arn:aws:s3:::certificate")])).await;
    let (insecure, encrypted) = (web(), listener("HTTP", 81, "HTTPS", 80));
    table.row("an instance port secure and not", "InvalidConfigurationRequest", listen(vec![insecure, encrypted])).await;
    table.row("two listeners of a port", "DuplicateListener", listen(vec![web(), listener("HTTP", 80, "HTTP", 8080)])).await;
    let both = vec![web(), secure(CERTIFICATE), listener("TCP", 8443, "SSL", 8443)];
    table.row("HTTP, HTTPS and TCP to SSL", DONE, listen(both)).await;

    let mut tagged = setting.create("b");
    for n in 0..50 {
        tagged = tagged.tags(tag(&format!("k{n}"), "v"));
    }
    table.row("51 tags", "TooManyTags", Box::pin(tagged.clone().tags(tag("k50", "v")).send())).await;
    table.row("50 tags", DONE, Box::pin(tagged.send())).await;
    table.row("a key twice", "DuplicateTagKeys", setting.create("c").tags(tag("k", "1")).tags(tag("k", "2")).send()).await;
    table.row("AWS's own prefix", "ValidationError", setting.create("c").tags(tag("aws:k", "v")).send()).await;
    table.row("129 characters of key", "ValidationError", setting.create("c").tags(tag(&"k".repeat(129), "v")).send()).await;
    table.row("257 characters of value", "ValidationError", setting.create("c").tags(tag("k", &"v".repeat(257))).send()).await;
    table.check();
}

#[tokio::test(start_paused = true)]
async fn names_are_there_once() {
    let setting = Setting::new().await;
    setting.attach_gateway().await;
    let mut table = Table::default();
    let first = setting.create("a").send().await.expect("created").dns_name;
    table.fact("the same again is the same", first, setting.create("a").send().await.expect("again").dns_name);
    let code = "DuplicateLoadBalancerName";
    let other = setting.create("a").scheme("internal").send();
    table.row("another scheme", code, other).await;
    let other = setting.bare("a").subnets(&setting.subnets[0]).security_groups(&setting.group).listeners(listener("HTTP", 80, "HTTP", 80));
    table.row("other subnets", code, other.send()).await;
    table.row("more listeners", code, setting.create("a").listeners(listener("TCP", 81, "TCP", 81)).send()).await;
    let default = setting.ec2.create_security_group().group_name("x").description("x").vpc_id(&setting.vpc).send().await.expect("group");
    table.row("more groups", code, setting.create("a").security_groups(default.group_id().expect("id")).send()).await;
    // "Quotas for your Classic Load Balancer": 20 a Region.
    for n in 1..20 {
        table.row("20 load balancers", DONE, setting.create(&format!("n{n}")).send()).await;
    }
    table.row("21 load balancers", "TooManyLoadBalancers", setting.create("n20").send()).await;
    let limits = setting.client.describe_account_limits().send().await.expect("limits");
    let limit = limits.limits().iter().find(|limit| limit.name() == Some("classic-load-balancers")).and_then(|limit| limit.max());
    table.fact("as its limits say", Some("20"), limit);

    // Pages of 1 to 400; tags of 20 names.
    let page = |size: i32| setting.client.describe_load_balancers().page_size(size).send();
    table.row("a page of none", "ValidationError", page(0)).await;
    table.row("a page of 401", "ValidationError", page(401)).await;
    table.row("a page of 400", DONE, page(400)).await;
    let bad = setting.client.describe_load_balancers().marker("nonsense").send();
    table.row("a marker of nobody", "ValidationError", bad).await;
    let pages: Vec<_> =
        setting.client.describe_load_balancers().page_size(8).into_paginator().send().collect::<Result<Vec<_>, _>>().await.expect("pages");
    table.fact("pages are full but the last", vec![8, 8, 4], pages.iter().map(|page| page.load_balancer_descriptions().len()).collect());
    let tags_of = |names: usize| {
        let names = ["a".to_owned()].into_iter().chain((1..20).map(|n| format!("n{n}"))).cycle().take(names).collect();
        setting.client.describe_tags().set_load_balancer_names(Some(names)).send()
    };
    table.row("tags of 20", DONE, tags_of(20)).await;
    table.row("tags of 21", "ValidationError", tags_of(21)).await;
    table.row("tags of none", "ValidationError", tags_of(0)).await;
    table.check();
}

#[tokio::test(start_paused = true)]
async fn changes_of_one() {
    let setting = Setting::new().await;
    setting.attach_gateway().await;
    let (client, mut table) = (&setting.client, Table::default());
    setting.create("a").send().await.expect("created");
    let [first, second, third] = &setting.subnets[..] else { panic!("three subnets") };

    let absent = "LoadBalancerNotFound";
    let check = |target: &str, interval: i32, timeout: i32, unhealthy: i32, healthy: i32| {
        let check = HealthCheck::builder().target(target).interval(interval).timeout(timeout);
        check.unhealthy_threshold(unhealthy).healthy_threshold(healthy).build().expect("complete")
    };
    let configure = |name: &str, check: HealthCheck| client.configure_health_check().load_balancer_name(name).health_check(check).send();
    let good = || check("HTTP:80/", 30, 5, 2, 10);
    let listen = |name: &str, one: Listener| client.create_load_balancer_listeners().load_balancer_name(name).listeners(one).send();
    let register =
        |name: &str, id: &str| client.register_instances_with_load_balancer().load_balancer_name(name).instances(instance(id)).send();
    let attach = |name: &str, subnet: &str| client.attach_load_balancer_to_subnets().load_balancer_name(name).subnets(subnet).send();
    let detach = |name: &str, subnet: &str| client.detach_load_balancer_from_subnets().load_balancer_name(name).subnets(subnet).send();
    let wear =
        |name: &str, group: &str| client.apply_security_groups_to_load_balancer().load_balancer_name(name).security_groups(group).send();
    table.row("DescribeLoadBalancers", absent, client.describe_load_balancers().load_balancer_names("none").send()).await;
    table.row("DescribeTags", absent, client.describe_tags().load_balancer_names("none").send()).await;
    table.row("AddTags", absent, client.add_tags().load_balancer_names("none").tags(tag("a", "b")).send()).await;
    let key = TagKeyOnly::builder().key("a").build();
    table.row("RemoveTags", absent, client.remove_tags().load_balancer_names("none").tags(key).send()).await;
    table.row("ConfigureHealthCheck", absent, configure("none", good())).await;
    table.row("CreateLoadBalancerListeners", absent, listen("none", listener("HTTP", 81, "HTTP", 81))).await;
    let ports = client.delete_load_balancer_listeners().load_balancer_name("none").load_balancer_ports(80).send();
    table.row("DeleteLoadBalancerListeners", absent, ports).await;
    table.row("RegisterInstances", absent, register("none", "i-0123456789abcdef0")).await;
    let deregister = client.deregister_instances_from_load_balancer().load_balancer_name("none").instances(instance("i-0123456789abcdef0"));
    table.row("DeregisterInstances", absent, deregister.send()).await;
    table.row("DescribeInstanceHealth", absent, client.describe_instance_health().load_balancer_name("none").send()).await;
    table.row("DescribeLoadBalancerAttributes", absent, client.describe_load_balancer_attributes().load_balancer_name("none").send()).await;
    table.row("AttachLoadBalancerToSubnets", absent, attach("none", first)).await;
    table.row("DetachLoadBalancerFromSubnets", absent, detach("none", first)).await;
    table.row("ApplySecurityGroups", absent, wear("none", &setting.group)).await;
    table.row("DeleteLoadBalancer of none", DONE, client.delete_load_balancer().load_balancer_name("none").send()).await;

    // "Configure health checks for your Classic Load Balancer".
    for (rule, bad) in [
        ("an interval of 4 s", check("TCP:80", 4, 2, 2, 2)),
        ("an interval of 301 s", check("TCP:80", 301, 5, 2, 2)),
        ("a timeout of 1 s", check("TCP:80", 30, 1, 2, 2)),
        ("a timeout of 61 s", check("TCP:80", 300, 61, 2, 2)),
        ("a timeout as long as the interval", check("TCP:80", 30, 30, 2, 2)),
        ("a threshold of 1", check("TCP:80", 30, 5, 1, 2)),
        ("a threshold of 11", check("TCP:80", 30, 5, 2, 11)),
        ("HTTP without a path", check("HTTP:80", 30, 5, 2, 2)),
        ("TCP with a path", check("TCP:80/", 30, 5, 2, 2)),
        ("a port that is none", check("TCP:0", 30, 5, 2, 2)),
        ("a protocol that is none", check("UDP:53", 30, 5, 2, 2)),
    ] {
        table.row(rule, "ValidationError", configure("a", bad)).await;
    }
    table.row("a health check", DONE, configure("a", good())).await;

    table.row("the same listener", DONE, listen("a", listener("HTTP", 80, "HTTP", 80))).await;
    table.row("another at its port", "DuplicateListener", listen("a", listener("HTTP", 80, "HTTP", 81))).await;
    table.row("one more", DONE, listen("a", listener("TCP", 8080, "TCP", 8080))).await;
    for rule in ["a listener goes", "a port without one is no error"] {
        table.row(rule, DONE, client.delete_load_balancer_listeners().load_balancer_name("a").load_balancer_ports(8080).send()).await;
    }
    let told = client.describe_load_balancers().send().await.expect("told").load_balancer_descriptions()[0].clone();
    table.fact("one is left", 1, told.listener_descriptions().len());

    table.row("a second subnet of a zone", "InvalidConfigurationRequest", attach("a", third)).await;
    table.row("a subnet that is none", "SubnetNotFound", attach("a", "subnet-0123456789abcdef0")).await;
    table.row("a subnet that it has", DONE, attach("a", second)).await;
    let more = setting.subnet(&setting.vpc, "10.0.4.0/24", "us-east-1c").await;
    table.row("a subnet of a third zone", DONE, attach("a", &more)).await;
    let subnets = client.describe_load_balancers().send().await.expect("told").load_balancer_descriptions()[0].subnets().to_vec();
    table.fact("three subnets", 3, subnets.len());
    table.row("a subnet that it has not", "InvalidConfigurationRequest", detach("a", third)).await;
    table.row("a subnet goes", DONE, detach("a", &more)).await;
    let delete = || setting.ec2.delete_subnet().subnet_id(&more).send();
    table.row("and is held for a while", "DependencyViolation", delete()).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    table.row("and free then", DONE, delete()).await;
    table.row("all but one", DONE, detach("a", second)).await;
    table.row("not the last", "InvalidConfigurationRequest", detach("a", first)).await;

    table.row("a group that is none", "InvalidSecurityGroup", wear("a", "sg-0123456789abcdef0")).await;
    let other = setting.ec2.create_security_group().group_name("x").description("x").vpc_id(&setting.vpc).send().await.expect("group");
    table.row("another group", DONE, wear("a", other.group_id().expect("id"))).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let old = setting.ec2.delete_security_group().group_id(&setting.group).send();
    table.row("lets go of the first", DONE, old).await;
    let new = setting.ec2.delete_security_group().group_id(other.group_id().expect("id")).send();
    table.row("and holds the other", "DependencyViolation", new).await;

    let launch = |subnet: &str| {
        let run = setting.ec2.run_instances().image_id("ami-0123456789abcdef0").instance_type(ec2::types::InstanceType::T3Nano);
        Box::pin(run.min_count(1).max_count(1).subnet_id(subnet).send())
    };
    let id = launch(first).await.expect("launched").instances()[0].instance_id().expect("id").to_owned();
    let default = setting.ec2.describe_subnets().filters(ec2::types::Filter::builder().name("default-for-az").values("true").build());
    let default = default.send().await.expect("subnets").subnets()[0].subnet_id().expect("id").to_owned();
    let far = launch(&default).await.expect("launched").instances()[0].instance_id().expect("id").to_owned();
    table.row("an instance that is none", "InvalidInstance", register("a", "i-0123456789abcdef0")).await;
    table.row("an instance of another VPC", "InvalidInstance", register("a", &far)).await;
    let two = client.register_instances_with_load_balancer().load_balancer_name("a").instances(instance(&id)).instances(instance(&far));
    table.row("one of two", "InvalidInstance", two.send()).await;
    let health = |id: &str| client.describe_instance_health().load_balancer_name("a").instances(instance(id)).send();
    table.row("and then none is registered", "InvalidInstance", health(&id)).await;
    table.row("an instance", DONE, register("a", &id)).await;
    table.row("its health", DONE, health(&id)).await;
    let deregister = || client.deregister_instances_from_load_balancer().load_balancer_name("a").instances(instance(&id)).send();
    table.row("it goes", DONE, deregister()).await;
    table.row("once", "InvalidInstance", deregister()).await;

    let two = client.add_tags().load_balancer_names("a").load_balancer_names("b").tags(tag("k", "v")).send();
    table.row("tags for two", "ValidationError", two).await;
    let attributes = |idle: i32| {
        let settings = aws_sdk_elasticloadbalancing::types::ConnectionSettings::builder().idle_timeout(idle).build().expect("complete");
        let attributes = aws_sdk_elasticloadbalancing::types::LoadBalancerAttributes::builder().connection_settings(settings).build();
        client.modify_load_balancer_attributes().load_balancer_name("a").load_balancer_attributes(attributes).send()
    };
    table.row("an idle timeout of none", "ValidationError", attributes(0)).await;
    table.row("an idle timeout of 4,001 s", "ValidationError", attributes(4_001)).await;
    table.row("an idle timeout of 60 s", DONE, attributes(60)).await;
    table.row("it goes", DONE, client.delete_load_balancer().load_balancer_name("a").send()).await;
    table.row("once more is no error", DONE, client.delete_load_balancer().load_balancer_name("a").send()).await;
    table.fact("nothing of it is left", 0, setting.sim.inventory().count("elb/load-balancer"));
    table.check();
}
