//! VPC endpoints and prefix lists, over the wire.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    error::ProvideErrorMetadata,
    operation::create_vpc_endpoint::builders::CreateVpcEndpointFluentBuilder,
    types::{AttributeBooleanValue, Filter, ResourceType, Tag, TagSpecification, VpcEndpoint, VpcEndpointType},
};
use eks_sim::Sim;

/// The code of the error that a call must answer.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.expect_err("must be refused").code().unwrap_or_default().to_owned()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

fn on(value: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(value).build()
}

struct Net {
    sim: Sim,
    ec2: Client,
    vpc: String,
    /// Two in us-east-1a, one in us-east-1b.
    subnets: Vec<String>,
}

impl Net {
    async fn new() -> Self {
        let sim = Sim::new();
        let ec2 = Client::new(&sim.sdk_config());
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on(true)).send().await.expect("dns");
        let mut net = Self { sim, ec2, vpc, subnets: Vec::new() };
        for (cidr, zone) in [("10.0.0.0/24", "us-east-1a"), ("10.0.1.0/24", "us-east-1a"), ("10.0.2.0/24", "us-east-1b")] {
            let subnet = net.ec2.create_subnet().vpc_id(&net.vpc).cidr_block(cidr).availability_zone(zone).send().await;
            net.subnets.push(subnet.expect("subnet").subnet.and_then(|subnet| subnet.subnet_id).expect("id"));
        }
        net
    }

    async fn later(&self, seconds: u64) {
        self.sim.clock().sleep(Duration::from_secs(seconds)).await;
    }

    async fn table(&self) -> String {
        let table = self.ec2.create_route_table().vpc_id(&self.vpc).send().await.expect("table");
        table.route_table.and_then(|table| table.route_table_id).expect("id")
    }

    async fn group(&self, name: &str) -> String {
        let group = self.ec2.create_security_group().group_name(name).description(name).vpc_id(&self.vpc).send().await;
        group.expect("group").group_id.expect("id")
    }

    fn gateway(&self, service: &str) -> CreateVpcEndpointFluentBuilder {
        self.ec2.create_vpc_endpoint().vpc_id(&self.vpc).service_name(format!("com.amazonaws.us-east-1.{service}"))
    }

    fn interface(&self, service: &str) -> CreateVpcEndpointFluentBuilder {
        self.gateway(service).vpc_endpoint_type(VpcEndpointType::Interface)
    }

    async fn told(&self, id: &str) -> VpcEndpoint {
        let found = self.ec2.describe_vpc_endpoints().vpc_endpoint_ids(id).send().await.expect("endpoints");
        found.vpc_endpoints.unwrap_or_default().remove(0)
    }
}

async fn made(builder: CreateVpcEndpointFluentBuilder) -> VpcEndpoint {
    builder.send().await.expect("endpoint").vpc_endpoint.expect("endpoint")
}

/// States come in small letters, as AWS writes them.
fn state(endpoint: &VpcEndpoint) -> &str {
    endpoint.state().map_or("", |state| state.as_str())
}

#[tokio::test(start_paused = true)]
async fn a_gateway_endpoint_routes_to_the_prefix_list() {
    let net = Net::new().await;
    let (first, second) = (net.table().await, net.table().await);
    let endpoint = made(net.gateway("s3").route_table_ids(&first)).await;
    let id = endpoint.vpc_endpoint_id().expect("id");
    assert_eq!((state(&endpoint), endpoint.vpc_endpoint_type()), ("available", Some(&VpcEndpointType::Gateway)));
    assert!(endpoint.policy_document().is_some_and(|policy| policy.contains("\"Allow\"")));

    let by_name = filter("prefix-list-name", "com.amazonaws.us-east-1.s3");
    let lists = net.ec2.describe_managed_prefix_lists().filters(by_name.clone()).send().await.expect("lists");
    let list = lists.prefix_lists()[0].prefix_list_id().expect("id").to_owned();
    assert_eq!(lists.prefix_lists()[0].owner_id(), Some("AWS"));
    let cidrs = net.ec2.describe_prefix_lists().filters(by_name).send().await.expect("lists").prefix_lists.unwrap_or_default();
    let entries = net.ec2.get_managed_prefix_list_entries().prefix_list_id(&list).send().await.expect("entries");
    let entries: Vec<_> = entries.entries().iter().filter_map(|entry| entry.cidr()).collect();
    assert_eq!(cidrs[0].cidrs(), entries);

    let routes = async |table: &str| {
        let tables = net.ec2.describe_route_tables().route_table_ids(table).send().await.expect("tables");
        let routes = tables.route_tables()[0].routes().to_vec();
        routes.into_iter().find(|route| route.destination_prefix_list_id() == Some(list.as_str()))
    };
    assert_eq!(routes(&first).await.expect("route").gateway_id(), Some(id));
    assert_eq!(code(net.gateway("s3").route_table_ids(&first).send().await), "RouteAlreadyExists");
    let by_hand = net.ec2.delete_route().route_table_id(&first).destination_prefix_list_id(&list).send().await;
    assert_eq!(code(by_hand), "InvalidParameterValue");

    let modify = || net.ec2.modify_vpc_endpoint().vpc_endpoint_id(id);
    modify().add_route_table_ids(&second).remove_route_table_ids(&first).send().await.expect("modify");
    assert!(routes(&first).await.is_none());
    assert_eq!(net.told(id).await.route_table_ids(), std::slice::from_ref(&second));
    assert_eq!(code(modify().remove_route_table_ids(&first).send().await), "InvalidParameter");
    assert_eq!(code(modify().add_subnet_ids(&net.subnets[0]).send().await), "InvalidParameter");
    assert_eq!(code(modify().policy_document("no").send().await), "InvalidPolicyDocument");
    assert_eq!(code(net.ec2.delete_vpc().vpc_id(&net.vpc).send().await), "DependencyViolation");

    let gone = net.ec2.delete_vpc_endpoints().vpc_endpoint_ids(id).send().await.expect("delete");
    assert!(gone.unsuccessful().is_empty());
    assert!(routes(&second).await.is_none());
    net.later(20).await;
    assert_eq!(code(net.ec2.describe_vpc_endpoints().vpc_endpoint_ids(id).send().await), "InvalidVpcEndpointId.NotFound");
    let again = net.ec2.delete_vpc_endpoints().vpc_endpoint_ids(id).send().await.expect("delete");
    assert_eq!(again.unsuccessful()[0].error().and_then(|error| error.code()), Some("InvalidVpcEndpoint.NotFound"));
}

#[tokio::test(start_paused = true)]
async fn an_interface_endpoint_lives_in_one_subnet_of_each_zone() {
    let net = Net::new().await;
    let group = net.group("endpoints").await;
    let twice = net.interface("ec2").subnet_ids(&net.subnets[0]).subnet_ids(&net.subnets[1]).send().await;
    assert_eq!(code(twice), "DuplicateSubnetsInSameZone");
    let tag = Tag::builder().key("owner").value("me").build();
    let tags = TagSpecification::builder().resource_type(ResourceType::VpcEndpoint).tags(tag).build();
    let ask = || {
        let ask = net.interface("ec2").subnet_ids(&net.subnets[0]).subnet_ids(&net.subnets[2]).security_group_ids(&group);
        ask.client_token("once").tag_specifications(tags.clone())
    };
    let endpoint = made(ask()).await;
    let id = endpoint.vpc_endpoint_id().expect("id");
    assert_eq!((state(&endpoint), endpoint.network_interface_ids().len()), ("pending", 2));
    assert_eq!(endpoint.private_dns_enabled(), Some(true), "the default");
    assert_eq!(made(ask()).await.vpc_endpoint_id(), Some(id), "the same token");
    assert_eq!(code(ask().private_dns_enabled(false).send().await), "IdempotentParameterMismatch");
    net.later(150).await;
    let endpoint = net.told(id).await;
    assert_eq!(state(&endpoint), "available");
    let names: Vec<_> = endpoint.dns_entries().iter().filter_map(|entry| entry.dns_name()).collect();
    assert_eq!(names.len(), 4, "the Region's, two zones', the service's own: {names:?}");
    assert!(names.contains(&"ec2.us-east-1.amazonaws.com"));

    let of = |name: &str, value: &str| net.ec2.describe_network_interfaces().filters(filter(name, value)).send();
    let interfaces = of("interface-type", "vpc_endpoint").await.expect("interfaces").network_interfaces.unwrap_or_default();
    assert_eq!(interfaces.len(), 2);
    assert_eq!((interfaces[0].requester_managed(), interfaces[0].groups()[0].group_id()), (Some(true), Some(group.as_str())));
    assert_eq!(code(net.ec2.delete_subnet().subnet_id(&net.subnets[0]).send().await), "DependencyViolation");
    assert_eq!(code(net.ec2.delete_security_group().group_id(&group).send().await), "DependencyViolation");

    for wanted in [("service-name", "com.amazonaws.us-east-1.ec2"), ("vpc-endpoint-state", "available"), ("tag:owner", "me")] {
        let ask = net.ec2.describe_vpc_endpoints().filters(filter(wanted.0, wanted.1)).filters(filter("vpc-id", &net.vpc));
        assert_eq!(ask.send().await.expect("endpoints").vpc_endpoints().len(), 1, "{wanted:?}");
    }
    let none = net.ec2.describe_vpc_endpoints().filters(filter("vpc-endpoint-type", "Gateway")).send().await.expect("endpoints");
    assert!(none.vpc_endpoints().is_empty());

    // "AWS PrivateLink pricing": 0.01 dollars an hour in each zone.
    let inventory = net.sim.inventory();
    let item = inventory.items().iter().find(|item| item.kind == "ec2/vpc-endpoint").expect("item");
    assert!((item.usd_per_month - 2.0 * 0.01 * 730.0).abs() < 1e-9, "{}", item.usd_per_month);

    net.ec2.delete_vpc_endpoints().vpc_endpoint_ids(id).send().await.expect("delete");
    assert_eq!(state(&net.told(id).await), "deleting");
    assert_eq!(code(net.ec2.delete_subnet().subnet_id(&net.subnets[0]).send().await), "DependencyViolation", "until it is gone");
    net.later(180).await;
    net.ec2.delete_subnet().subnet_id(&net.subnets[0]).send().await.expect("delete");
    net.ec2.delete_security_group().group_id(&group).send().await.expect("delete");
}

#[tokio::test(start_paused = true)]
async fn private_dns_has_conditions() {
    let net = Net::new().await;
    let attribute = |value: bool| net.ec2.modify_vpc_attribute().vpc_id(&net.vpc).enable_dns_hostnames(on(value)).send();
    attribute(false).await.expect("dns");
    assert_eq!(code(net.interface("sts").send().await), "InvalidParameter");
    made(net.interface("sts").private_dns_enabled(false)).await;
    attribute(true).await.expect("dns");
    let first = made(net.interface("sts")).await;
    assert_eq!(code(net.interface("sts").send().await), "InvalidParameter", "the name is taken");
    let second = made(net.interface("sts").private_dns_enabled(false)).await;
    let modify = || net.ec2.modify_vpc_endpoint().vpc_endpoint_id(second.vpc_endpoint_id().expect("id"));
    assert_eq!(code(modify().private_dns_enabled(true).send().await), "InvalidParameter");
    net.ec2.delete_vpc_endpoints().vpc_endpoint_ids(first.vpc_endpoint_id().expect("id")).send().await.expect("delete");
    net.later(180).await;
    modify().private_dns_enabled(true).send().await.expect("the name is free");
    // S3's is for resolvers on premises, and wants a gateway endpoint; DynamoDB has none.
    assert_eq!(code(net.interface("s3").private_dns_enabled(true).send().await), "InvalidParameter");
    assert_eq!(code(net.interface("dynamodb").private_dns_enabled(true).send().await), "InvalidParameter");
    made(net.gateway("s3")).await;
    made(net.interface("s3").private_dns_enabled(true)).await;
}

#[tokio::test(start_paused = true)]
async fn interface_endpoints_change() {
    let net = Net::new().await;
    let endpoint = made(net.interface("logs").subnet_ids(&net.subnets[0])).await;
    let id = endpoint.vpc_endpoint_id().expect("id");
    assert_eq!(endpoint.groups()[0].group_name(), Some("default"));
    net.later(150).await;
    let modify = || net.ec2.modify_vpc_endpoint().vpc_endpoint_id(id);
    assert_eq!(code(modify().add_subnet_ids(&net.subnets[1]).send().await), "DuplicateSubnetsInSameZone");
    modify().add_subnet_ids(&net.subnets[1]).remove_subnet_ids(&net.subnets[0]).send().await.expect("move within the zone");
    modify().add_subnet_ids(&net.subnets[2]).send().await.expect("another zone");
    net.later(150).await;
    let group = net.group("endpoints").await;
    modify().add_security_group_ids(&group).send().await.expect("group");
    modify().remove_security_group_ids(endpoint.groups()[0].group_id().expect("id")).send().await.expect("group");
    let told = net.told(id).await;
    let mut subnets = told.subnet_ids().to_vec();
    subnets.sort();
    let mut wanted = net.subnets[1..].to_vec();
    wanted.sort();
    assert_eq!((state(&told), subnets), ("available", wanted));
    let interfaces = net.ec2.describe_network_interfaces().filters(filter("group-id", &group)).send().await.expect("interfaces");
    assert_eq!(interfaces.network_interfaces().len(), 2);
    net.ec2.delete_subnet().subnet_id(&net.subnets[0]).send().await.expect("it left this one");
    assert_eq!(code(modify().add_route_table_ids("rtb-0123456789abcdef0").send().await), "InvalidParameter");
}

#[tokio::test(start_paused = true)]
async fn requests_are_checked() {
    let net = Net::new().await;
    assert_eq!(code(net.gateway("nothing").send().await), "InvalidServiceName");
    assert_eq!(code(net.gateway("ec2").send().await), "InvalidParameter", "ec2 has no gateway endpoint");
    assert_eq!(code(net.gateway("s3").subnet_ids(&net.subnets[0]).send().await), "InvalidParameter");
    assert_eq!(code(net.gateway("s3").route_table_ids("rtb-0123456789abcdef0").send().await), "InvalidRouteTableId.NotFound");
    assert_eq!(code(net.interface("ec2").subnet_ids("subnet-0123456789abcdef0").send().await), "InvalidSubnetId.NotFound");
    assert_eq!(code(net.interface("ec2").security_group_ids("sg-0123456789abcdef0").send().await), "InvalidGroup.NotFound");
    assert_eq!(code(net.interface("ec2").dry_run(true).send().await), "DryRunOperation");
    let missing = net.ec2.create_vpc_endpoint().vpc_id("vpc-0123456789abcdef0").service_name("com.amazonaws.us-east-1.s3").send().await;
    assert_eq!(code(missing), "InvalidVpcID.NotFound");
    assert_eq!(code(net.ec2.describe_vpc_endpoints().vpc_endpoint_ids("vpce-x").send().await), "InvalidVpcEndpointId.Malformed");
    for _ in 0..20 {
        made(net.gateway("s3")).await;
    }
    assert_eq!(code(net.gateway("s3").send().await), "VpcEndpointLimitExceeded");
    for _ in 0..50 {
        made(net.interface("ec2").private_dns_enabled(false)).await;
    }
    assert_eq!(code(net.interface("ec2").send().await), "VpcEndpointLimitExceeded");
    let page = net.ec2.describe_vpc_endpoints().max_results(30).send().await.expect("page");
    assert_eq!(page.vpc_endpoints().len(), 30);
    let all = net.ec2.describe_vpc_endpoints().into_paginator().page_size(30).items().send().collect::<Result<Vec<_>, _>>().await;
    assert_eq!(all.expect("pages").len(), 70);
}

#[tokio::test(start_paused = true)]
async fn services_of_the_region() {
    let net = Net::new().await;
    let all = net.ec2.describe_vpc_endpoint_services().send().await.expect("services");
    for service in ["s3", "ec2", "ecr.api", "ecr.dkr", "sts", "eks", "eks-auth", "elasticloadbalancing", "autoscaling", "logs"] {
        assert!(all.service_names().contains(&format!("com.amazonaws.us-east-1.{service}")), "{service}");
    }
    let gateways = net.ec2.describe_vpc_endpoint_services().filters(filter("service-type", "Gateway")).send().await.expect("services");
    assert_eq!(gateways.service_names(), ["com.amazonaws.us-east-1.dynamodb", "com.amazonaws.us-east-1.s3"]);
    let one = net.ec2.describe_vpc_endpoint_services().service_names("com.amazonaws.us-east-1.ecr.dkr").send().await.expect("services");
    assert_eq!(one.service_details()[0].private_dns_name(), Some("*.dkr.ecr.us-east-1.amazonaws.com"));
    let unknown = net.ec2.describe_vpc_endpoint_services().service_names("com.amazonaws.us-east-1.x").send().await;
    assert_eq!(code(unknown), "InvalidServiceName");
}
