//! VPCs, subnets, gateways, routes, NAT gateways, elastic addresses and security groups, over the wire.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    client::Waiters,
    error::ProvideErrorMetadata,
    types::{
        AttributeBooleanValue, Filter, IpPermission, IpRange, NatGatewayState, ResourceType, RouteState, Tag, TagSpecification,
        UserIdGroupPair,
    },
};
use eks_sim::Sim;

/// The code of the error that a call must answer.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.expect_err("must be refused").code().unwrap_or_default().to_owned()
}

fn tagged(kind: ResourceType, key: &str, value: &str) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).tags(Tag::builder().key(key).value(value).build()).build()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

struct Net {
    sim: Sim,
    ec2: Client,
    vpc: String,
}

impl Net {
    async fn new() -> Self {
        let sim = Sim::new();
        let ec2 = Client::new(&sim.sdk_config());
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").tag_specifications(tagged(ResourceType::Vpc, "Name", "chapter")).send().await;
        let vpc = vpc.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        Self { sim, ec2, vpc }
    }

    async fn subnet(&self, cidr: &str, zone: &str) -> String {
        let subnet = self.ec2.create_subnet().vpc_id(&self.vpc).cidr_block(cidr).availability_zone(zone).send().await;
        subnet.expect("subnet").subnet.and_then(|subnet| subnet.subnet_id).expect("id")
    }

    async fn attached_gateway(&self) -> String {
        let gateway = self.ec2.create_internet_gateway().send().await.expect("gateway");
        let gateway = gateway.internet_gateway.and_then(|gateway| gateway.internet_gateway_id).expect("id");
        self.ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&self.vpc).send().await.expect("attach");
        gateway
    }

    async fn table(&self) -> String {
        let table = self.ec2.create_route_table().vpc_id(&self.vpc).send().await.expect("table");
        table.route_table.and_then(|table| table.route_table_id).expect("id")
    }

    async fn allocation(&self) -> String {
        self.ec2.allocate_address().send().await.expect("address").allocation_id.expect("id")
    }

    async fn group(&self, name: &str) -> String {
        let group = self.ec2.create_security_group().group_name(name).description(name).vpc_id(&self.vpc).send().await;
        group.expect("group").group_id.expect("id")
    }

    async fn nat(&self, subnet: &str, allocation: &str) -> String {
        let nat = self.ec2.create_nat_gateway().subnet_id(subnet).allocation_id(allocation).send().await.expect("nat");
        let nat = nat.nat_gateway.expect("nat");
        assert_eq!(nat.state, Some(NatGatewayState::Pending));
        nat.nat_gateway_id.expect("id")
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_account_has_a_default_vpc_that_is_not_inventory() {
    let sim = Sim::new();
    let ec2 = Client::new(&sim.sdk_config());
    let vpcs = ec2.describe_vpcs().filters(filter("is-default", "true")).send().await.expect("vpcs");
    assert_eq!(vpcs.vpcs()[0].cidr_block(), Some("172.31.0.0/16"));
    assert_eq!(ec2.describe_subnets().filters(filter("default-for-az", "true")).send().await.expect("subnets").subnets().len(), 6);
    assert!(sim.inventory().items().is_empty(), "{:?}", sim.inventory().items());
}

#[tokio::test(start_paused = true)]
async fn vpc_comes_with_table_group_and_acl_and_takes_them_away() {
    let Net { ec2, vpc, .. } = Net::new().await;
    let of_vpc = || filter("vpc-id", &vpc);
    let tables = ec2.describe_route_tables().filters(of_vpc()).filters(filter("association.main", "true")).send().await.expect("tables");
    assert_eq!(tables.route_tables().len(), 1);
    assert_eq!(tables.route_tables()[0].routes()[0].gateway_id(), Some("local"));
    let groups = ec2.describe_security_groups().filters(of_vpc()).send().await.expect("groups");
    let default = &groups.security_groups()[0];
    assert_eq!(default.group_name(), Some("default"));
    assert_eq!(default.ip_permissions()[0].user_id_group_pairs()[0].group_id(), default.group_id());
    assert_eq!(default.ip_permissions_egress()[0].ip_ranges()[0].cidr_ip(), Some("0.0.0.0/0"));
    let cannot = ec2.delete_security_group().group_id(default.group_id().expect("id")).send().await;
    assert_eq!(code(cannot), "CannotDelete");
    assert_eq!(ec2.describe_network_acls().filters(of_vpc()).send().await.expect("acls").network_acls().len(), 1);
    ec2.delete_vpc().vpc_id(&vpc).send().await.expect("delete");
    assert_eq!(code(ec2.describe_vpcs().vpc_ids(&vpc).send().await), "InvalidVpcID.NotFound");
    assert!(ec2.describe_security_groups().filters(of_vpc()).send().await.expect("groups").security_groups().is_empty());
}

#[tokio::test(start_paused = true)]
async fn vpc_rules() {
    let Net { ec2, vpc, .. } = Net::new().await;
    let create = |cidr: &str| ec2.create_vpc().cidr_block(cidr).send();
    assert_eq!(code(create("10.0.0.0/15").await), "InvalidVpc.Range");
    assert_eq!(code(create("10.0.0.0/29").await), "InvalidVpc.Range");
    assert_eq!(code(create("ten").await), "InvalidParameterValue");
    assert_eq!(code(ec2.create_vpc().send().await), "MissingParameter");
    assert_eq!(code(ec2.describe_vpcs().vpc_ids("vpc-nonsense").send().await), "InvalidVpcID.Malformed");
    assert_eq!(code(ec2.create_vpc().cidr_block("10.0.0.0/16").dry_run(true).send().await), "DryRunOperation");
    // The default VPC and ours leave three of five.
    for n in 1..=3 {
        create(&format!("10.{n}.0.1/16")).await.expect("vpc");
    }
    assert_eq!(code(create("10.9.0.0/16").await), "VpcLimitExceeded");
    let masked = ec2.describe_vpcs().filters(filter("cidr", "10.3.0.0/*")).send().await.expect("vpcs");
    assert_eq!(masked.vpcs().len(), 1, "a block is told in canonical form");

    let attribute = |on: bool| AttributeBooleanValue::builder().value(on).build();
    let both = ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_support(attribute(true)).enable_dns_hostnames(attribute(true));
    assert_eq!(code(both.send().await), "InvalidParameterCombination");
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(attribute(true)).send().await.expect("modify");
    let read = ec2.describe_vpc_attribute().vpc_id(&vpc).attribute(aws_sdk_ec2::types::VpcAttributeName::EnableDnsHostnames);
    assert_eq!(read.send().await.expect("attribute").enable_dns_hostnames.and_then(|value| value.value), Some(true));
}

#[tokio::test(start_paused = true)]
async fn subnet_rules() {
    let net = Net::new().await;
    let subnet = net.subnet("10.0.1.0/28", "us-east-1a").await;
    let create = |cidr: &str, zone: &str| net.ec2.create_subnet().vpc_id(&net.vpc).cidr_block(cidr).availability_zone(zone).send();
    assert_eq!(code(create("10.0.1.0/24", "us-east-1b").await), "InvalidSubnet.Conflict");
    assert_eq!(code(create("10.1.0.0/24", "us-east-1b").await), "InvalidSubnet.Range");
    assert_eq!(code(create("10.0.2.0/29", "us-east-1b").await), "InvalidSubnet.Range");
    assert_eq!(code(create("10.0.2.0/24", "us-east-1z").await), "InvalidParameterValue");
    let missing = net.ec2.create_subnet().vpc_id("vpc-0123456789abcdef0").cidr_block("10.0.0.0/24").send().await;
    assert_eq!(code(missing), "InvalidVpcID.NotFound");

    // "Subnet sizing": a /28 has eleven usable addresses.
    let free = || async {
        net.ec2.describe_subnets().subnet_ids(&subnet).send().await.expect("subnets").subnets()[0].available_ip_address_count()
    };
    assert_eq!(free().await, Some(11));
    let interface = net.ec2.create_network_interface().subnet_id(&subnet).send().await.expect("interface");
    let interface = interface.network_interface.and_then(|interface| interface.network_interface_id).expect("id");
    assert_eq!(free().await, Some(10));
    assert_eq!(code(net.ec2.delete_subnet().subnet_id(&subnet).send().await), "DependencyViolation");
    let reserved = net.ec2.create_network_interface().subnet_id(&subnet).private_ip_address("10.0.1.3").send().await;
    assert_eq!(code(reserved), "InvalidParameterValue");
    net.ec2.delete_network_interface().network_interface_id(&interface).send().await.expect("delete");
    assert_eq!(code(net.ec2.delete_vpc().vpc_id(&net.vpc).send().await), "DependencyViolation");
    net.ec2.delete_subnet().subnet_id(&subnet).send().await.expect("delete");
    net.ec2.delete_vpc().vpc_id(&net.vpc).send().await.expect("delete");
}

#[tokio::test(start_paused = true)]
async fn gateways_and_routes() {
    let net = Net::new().await;
    let ec2 = &net.ec2;
    let (subnet, gateway, table) = (net.subnet("10.0.1.0/24", "us-east-1a").await, net.attached_gateway().await, net.table().await);
    let again = ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&net.vpc).send().await;
    assert_eq!(code(again), "Resource.AlreadyAssociated");
    assert_eq!(code(ec2.delete_internet_gateway().internet_gateway_id(&gateway).send().await), "DependencyViolation");

    let route =
        |cidr: &str, gateway: &str| ec2.create_route().route_table_id(&table).destination_cidr_block(cidr).gateway_id(gateway).send();
    route("0.0.0.0/0", &gateway).await.expect("route");
    assert_eq!(code(route("8.8.8.8/32", "igw-0123456789abcdef0").await), "InvalidGatewayID.NotFound");
    let nat = ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").nat_gateway_id("nat-0123456789abcdef0");
    assert_eq!(code(nat.send().await), "InvalidNatGatewayID.NotFound");
    let absent = ec2.delete_route().route_table_id(&table).destination_cidr_block("9.0.0.0/8").send().await;
    assert_eq!(code(absent), "InvalidRoute.NotFound");

    let association = ec2.associate_route_table().route_table_id(&table).subnet_id(&subnet).send().await.expect("associate");
    let association = association.association_id.expect("id");
    let other = net.table().await;
    let conflict = ec2.associate_route_table().route_table_id(&other).subnet_id(&subnet).send().await;
    assert_eq!(code(conflict), "Resource.AlreadyAssociated");
    assert_eq!(code(ec2.delete_route_table().route_table_id(&table).send().await), "DependencyViolation");
    let replaced = ec2.replace_route_table_association().association_id(&association).route_table_id(&other).send().await;
    let moved = replaced.expect("replace").new_association_id.expect("id");
    assert_eq!(code(ec2.disassociate_route_table().association_id(&association).send().await), "InvalidAssociationID.NotFound");

    ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&net.vpc).send().await.expect("detach");
    let tables = ec2.describe_route_tables().route_table_ids(&table).send().await.expect("tables");
    let found = tables.route_tables()[0].routes().iter().find(|route| route.gateway_id() == Some(&gateway));
    assert_eq!(found.and_then(|route| route.state()), Some(&RouteState::Blackhole));

    ec2.disassociate_route_table().association_id(moved).send().await.expect("disassociate");
    let main = ec2.describe_route_tables().filters(filter("vpc-id", &net.vpc)).filters(filter("association.main", "true")).send().await;
    let main = main.expect("tables").route_tables()[0].associations()[0].route_table_association_id().expect("id").to_owned();
    assert_eq!(code(ec2.disassociate_route_table().association_id(main).send().await), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn nat_gateway_lives_and_leaves_a_black_hole() {
    let net = Net::new().await;
    let ec2 = &net.ec2;
    let (subnet, gateway) = (net.subnet("10.0.1.0/24", "us-east-1a").await, net.attached_gateway().await);
    let (table, address) = (net.table().await, net.allocation().await);
    let nat = net.nat(&subnet, &address).await;
    let waited = ec2.wait_until_nat_gateway_available().nat_gateway_ids(&nat).wait(Duration::from_secs(600)).await;
    waited.expect("available");
    let times = net.sim.ledger();
    assert_eq!(times.of(&nat).len(), 1);
    assert_eq!(times.of(&nat)[0].kind, "NatGatewayCreate");
    ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").nat_gateway_id(&nat).send().await.expect("route");

    let release = || ec2.release_address().allocation_id(&address).send();
    assert_eq!(code(release().await), "InvalidIPAddress.InUse");
    let detach = || ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&net.vpc).send();
    assert_eq!(code(detach().await), "DependencyViolation");
    assert_eq!(code(ec2.delete_subnet().subnet_id(&subnet).send().await), "DependencyViolation");
    let interfaces =
        ec2.describe_network_interfaces().filters(filter("description", "Interface for NAT Gateway *")).send().await.expect("enis");
    let interface = interfaces.network_interfaces()[0].clone();
    assert_eq!(interface.requester_managed(), Some(true));
    let forbidden = ec2.delete_network_interface().network_interface_id(interface.network_interface_id().unwrap_or_default()).send().await;
    assert_eq!(code(forbidden), "OperationNotPermitted");

    ec2.delete_nat_gateway().nat_gateway_id(&nat).send().await.expect("delete");
    assert_eq!(code(release().await), "InvalidIPAddress.InUse", "while it is deleting");
    let waited = ec2.wait_until_nat_gateway_deleted().nat_gateway_ids(&nat).wait(Duration::from_secs(600)).await;
    waited.expect("deleted");
    release().await.expect("release");
    detach().await.expect("detach");
    let tables = ec2.describe_route_tables().route_table_ids(&table).send().await.expect("tables");
    let hole =
        tables.route_tables()[0].routes().iter().find(|route| route.nat_gateway_id().is_some()).and_then(|route| route.state().cloned());
    assert_eq!(hole, Some(RouteState::Blackhole));
    net.sim.clock().sleep(Duration::from_secs(3601)).await;
    assert_eq!(code(ec2.describe_nat_gateways().nat_gateway_ids(&nat).send().await), "NatGatewayNotFound");
}

#[tokio::test(start_paused = true)]
async fn nat_gateway_failures_are_told_by_the_gateway() {
    let net = Net::new().await;
    let subnet = net.subnet("10.0.1.0/24", "us-east-1a").await;
    let settled = async |nat: String| {
        net.sim.clock().sleep(Duration::from_secs(60)).await;
        let told = net.ec2.describe_nat_gateways().nat_gateway_ids(nat).send().await.expect("nats").nat_gateways()[0].clone();
        assert_eq!(told.state, Some(NatGatewayState::Failed));
        told.failure_code.unwrap_or_default()
    };
    let address = net.allocation().await;
    assert_eq!(settled(net.nat(&subnet, &address).await).await, "Gateway.NotAttached");
    net.attached_gateway().await;
    assert_eq!(settled(net.nat(&subnet, "eipalloc-0123456789abcdef0").await).await, "InvalidAllocationID.NotFound");
    net.nat(&subnet, &address).await;
    assert_eq!(settled(net.nat(&subnet, &address).await).await, "Resource.AlreadyAssociated");
    let missing = net.ec2.create_nat_gateway().subnet_id("subnet-0123456789abcdef0").allocation_id(&address).send().await;
    assert_eq!(code(missing), "InvalidSubnetID.NotFound");
    assert_eq!(code(net.ec2.delete_nat_gateway().nat_gateway_id("nat").send().await), "NatGatewayMalformed");
}

#[tokio::test(start_paused = true)]
async fn nat_gateway_token_makes_it_once() {
    let net = Net::new().await;
    let subnet = net.subnet("10.0.1.0/24", "us-east-1a").await;
    net.attached_gateway().await;
    let (one, two) = (net.allocation().await, net.allocation().await);
    let create = |allocation: &str| net.ec2.create_nat_gateway().subnet_id(&subnet).allocation_id(allocation).client_token("t").send();
    let first = create(&one).await.expect("nat").nat_gateway.and_then(|nat| nat.nat_gateway_id);
    assert_eq!(create(&one).await.expect("nat").nat_gateway.and_then(|nat| nat.nat_gateway_id), first);
    assert_eq!(code(create(&two).await), "IdempotentParameterMismatch");
}

#[tokio::test(start_paused = true)]
async fn a_regional_nat_gateway_has_an_address_in_each_zone() {
    let net = Net::new().await;
    net.subnet("10.0.1.0/24", "us-east-1a").await;
    net.subnet("10.0.2.0/24", "us-east-1b").await;
    net.attached_gateway().await;
    let create = net.ec2.create_nat_gateway().vpc_id(&net.vpc).availability_mode(aws_sdk_ec2::types::AvailabilityMode::Regional);
    let nat = create.send().await.expect("nat").nat_gateway.expect("nat");
    assert_eq!((nat.subnet_id(), nat.nat_gateway_addresses().len()), (None, 2));
    assert_eq!(nat.nat_gateway_addresses()[1].availability_zone(), Some("us-east-1b"));
}

#[tokio::test(start_paused = true)]
async fn five_elastic_addresses() {
    let net = Net::new().await;
    for _ in 0..5 {
        net.allocation().await;
    }
    assert_eq!(code(net.ec2.allocate_address().send().await), "AddressLimitExceeded");
    assert!((net.sim.inventory().usd_per_month() - 5.0 * 3.65).abs() < 1e-9);
    assert_eq!(code(net.ec2.release_address().allocation_id("eipalloc-0123456789abcdef0").send().await), "InvalidAllocationID.NotFound");
}

fn tcp(port: i32) -> aws_sdk_ec2::types::builders::IpPermissionBuilder {
    IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port)
}

#[tokio::test(start_paused = true)]
async fn security_groups() {
    let net = Net::new().await;
    let ec2 = &net.ec2;
    let (public, private) = (net.group("public").await, net.group("private").await);
    let duplicate = ec2.create_security_group().group_name("public").description("x").vpc_id(&net.vpc).send().await;
    assert_eq!(code(duplicate), "InvalidGroup.Duplicate");
    let reserved = ec2.create_security_group().group_name("sg-public").description("x").vpc_id(&net.vpc).send().await;
    assert_eq!(code(reserved), "InvalidParameterValue");

    let world = tcp(80).ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").description("web").build()).build();
    let authorize = || ec2.authorize_security_group_ingress().group_id(&public).ip_permissions(world.clone()).send();
    let rule = authorize().await.expect("authorize").security_group_rules()[0].clone();
    assert!(rule.security_group_rule_id().is_some_and(|id| id.starts_with("sgr-")));
    assert_eq!(code(authorize().await), "InvalidPermission.Duplicate");
    // The flat form; the block is told in canonical form.
    let flat = ec2.authorize_security_group_ingress().group_id(&public).ip_protocol("tcp").from_port(22).to_port(22);
    flat.cidr_ip("98.234.106.21/32").send().await.expect("authorize");
    let from_public = tcp(22).user_id_group_pairs(UserIdGroupPair::builder().group_id(&public).build()).build();
    ec2.authorize_security_group_ingress().group_id(&private).ip_permissions(from_public.clone()).send().await.expect("authorize");

    let told = ec2.describe_security_groups().group_ids(&public).send().await.expect("groups").security_groups()[0].clone();
    assert_eq!(told.ip_permissions().len(), 2);
    assert_eq!(told.ip_permissions_egress()[0].ip_protocol(), Some("-1"));
    let rules = ec2.describe_security_group_rules().filters(filter("group-id", &public)).send().await.expect("rules");
    assert_eq!(rules.security_group_rules().len(), 3);

    assert_eq!(code(ec2.delete_security_group().group_id(&public).send().await), "DependencyViolation");
    let revoke = || ec2.revoke_security_group_ingress().group_id(&private).ip_permissions(from_public.clone()).send();
    revoke().await.expect("revoke");
    assert_eq!(code(revoke().await), "InvalidPermission.NotFound");
    let by_id =
        ec2.revoke_security_group_ingress().group_id(&public).security_group_rule_ids(rule.security_group_rule_id().unwrap_or_default());
    by_id.send().await.expect("revoke");
    ec2.delete_security_group().group_id(&public).send().await.expect("delete");
    assert_eq!(code(ec2.describe_security_groups().group_ids(&public).send().await), "InvalidGroup.NotFound");
    let malformed = ec2.authorize_security_group_ingress().group_id(&private).ip_permissions(tcp(80).build()).send().await;
    assert_eq!(code(malformed), "MissingParameter");
}

#[tokio::test(start_paused = true)]
async fn sixty_rules_a_direction() {
    let net = Net::new().await;
    let group = net.group("many").await;
    let mut call = net.ec2.authorize_security_group_ingress().group_id(&group);
    for n in 0..60 {
        call = call.ip_permissions(tcp(1000 + n).ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build()).build());
    }
    call.send().await.expect("sixty");
    let more = tcp(2000).ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build()).build();
    let refused = net.ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(more).send().await;
    assert_eq!(code(refused), "RulesPerSecurityGroupLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn tags_and_pages() {
    let Net { ec2, vpc, sim } = Net::new().await;
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    ec2.create_tags().resources(&vpc).tags(tag("kubernetes.io/cluster/chap10", "shared")).send().await.expect("tag");
    let found = ec2.describe_vpcs().filters(filter("tag-key", "kubernetes.io/cluster/*")).send().await.expect("vpcs");
    assert_eq!(found.vpcs()[0].vpc_id(), Some(vpc.as_str()));
    assert!(ec2.describe_vpcs().filters(filter("tag:Name", "other")).send().await.expect("vpcs").vpcs().is_empty());
    let tags = ec2.describe_tags().filters(filter("resource-id", &vpc)).send().await.expect("tags");
    assert_eq!(tags.tags().len(), 2);
    assert_eq!(tags.tags()[0].resource_type(), Some(&ResourceType::Vpc));
    ec2.delete_tags().resources(&vpc).tags(Tag::builder().key("Name").build()).send().await.expect("untag");
    assert_eq!(sim.inventory().items()[0].tags, [("kubernetes.io/cluster/chap10".to_owned(), "shared".to_owned())]);
    assert_eq!(code(ec2.create_tags().resources(&vpc).tags(tag("aws:x", "y")).send().await), "InvalidParameterValue");
    assert_eq!(code(ec2.create_tags().resources("vpc-0123456789abcdef0").tags(tag("a", "b")).send().await), "InvalidVpcID.NotFound");
    assert_eq!(code(ec2.describe_vpcs().filters(filter("nonsense", "x")).send().await), "InvalidParameterValue");
    let wrong = ec2.create_vpc().cidr_block("10.1.0.0/16").tag_specifications(tagged(ResourceType::Subnet, "a", "b")).send().await;
    assert_eq!(code(wrong), "InvalidParameterValue");

    assert_eq!(code(ec2.describe_subnets().max_results(4).send().await), "InvalidParameterValue");
    let pages = ec2.describe_subnets().into_paginator().page_size(5).items().send().collect::<Result<Vec<_>, _>>().await.expect("pages");
    assert_eq!(pages.len(), 6);
}
