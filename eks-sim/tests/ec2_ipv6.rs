//! IPv6 and secondary blocks of VPCs and subnets, egress-only gateways, and IPv6 addresses, over the wire.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    error::ProvideErrorMetadata,
    types::{AttributeBooleanValue, Filter, RouteState, SubnetCidrBlockStateCode, Vpc, VpcCidrBlockStateCode},
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
}

impl Net {
    async fn new(cidr: &str, ipv6: bool) -> Self {
        let sim = Sim::new();
        let ec2 = Client::new(&sim.sdk_config());
        let vpc = ec2.create_vpc().cidr_block(cidr).amazon_provided_ipv6_cidr_block(ipv6).send().await.expect("vpc");
        let vpc = vpc.vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        Self { sim, ec2, vpc }
    }

    async fn settled(&self) {
        self.sim.clock().sleep(Duration::from_secs(30)).await;
    }

    async fn vpc(&self) -> Vpc {
        let vpcs = self.ec2.describe_vpcs().vpc_ids(&self.vpc).send().await.expect("vpcs");
        vpcs.vpcs.unwrap_or_default().remove(0)
    }

    /// The `n`-th /64 of the VPC's IPv6 block.
    async fn slice(&self, n: u8) -> String {
        let vpc = self.vpc().await;
        let block = vpc.ipv6_cidr_block_association_set()[0].ipv6_cidr_block().expect("block").to_owned();
        let (network, length) = block.split_once('/').expect("block");
        assert_eq!(length, "56");
        let bits = u128::from(network.parse::<std::net::Ipv6Addr>().expect("address")) + (u128::from(n) << 64);
        format!("{}/64", std::net::Ipv6Addr::from(bits))
    }

    async fn dual_stack(&self, cidr: &str, n: u8) -> String {
        let subnet = self.ec2.create_subnet().vpc_id(&self.vpc).cidr_block(cidr).ipv6_cidr_block(self.slice(n).await).send().await;
        subnet.expect("subnet").subnet.and_then(|subnet| subnet.subnet_id).expect("id")
    }
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_block_is_ready_after_a_while_and_opens_the_defaults() {
    let net = Net::new("10.0.0.0/16", true).await;
    let association = net.vpc().await.ipv6_cidr_block_association_set()[0].clone();
    assert_eq!(association.ipv6_cidr_block_state().and_then(|state| state.state()), Some(&VpcCidrBlockStateCode::Associating));
    let slice = net.slice(0).await;
    let early = net.ec2.create_subnet().vpc_id(&net.vpc).cidr_block("10.0.0.0/24").ipv6_cidr_block(&slice).send().await;
    assert_eq!(code(early), "InvalidSubnet.Range");
    net.settled().await;
    let association = net.vpc().await.ipv6_cidr_block_association_set()[0].clone();
    assert_eq!(association.ipv6_cidr_block_state().and_then(|state| state.state()), Some(&VpcCidrBlockStateCode::Associated));
    assert_eq!(association.ipv6_pool(), Some("Amazon"));

    let of_vpc = filter("vpc-id", &net.vpc);
    let groups = net.ec2.describe_security_groups().filters(of_vpc.clone()).send().await.expect("groups");
    let egress = groups.security_groups()[0].ip_permissions_egress();
    assert!(egress.iter().any(|rule| rule.ipv6_ranges().iter().any(|range| range.cidr_ipv6() == Some("::/0"))), "{egress:?}");
    let acls = net.ec2.describe_network_acls().filters(of_vpc.clone()).send().await.expect("acls");
    let numbers: Vec<_> = acls.network_acls()[0].entries().iter().filter_map(|entry| entry.rule_number()).collect();
    assert_eq!(numbers, [100, 101, 32_767, 32_768, 100, 101, 32_767, 32_768]);
    let tables = net.ec2.describe_route_tables().filters(of_vpc).send().await.expect("tables");
    let local = tables.route_tables()[0].routes().iter().find(|route| route.destination_ipv6_cidr_block().is_some());
    assert_eq!(local.and_then(|route| route.gateway_id()), Some("local"));
}

#[tokio::test(start_paused = true)]
async fn subnets_take_slices_of_the_block() {
    let net = Net::new("10.0.0.0/16", true).await;
    net.settled().await;
    let (first, second) = (net.slice(0).await, net.slice(1).await);
    let create = |cidr: &str, ipv6: &str| net.ec2.create_subnet().vpc_id(&net.vpc).cidr_block(cidr).ipv6_cidr_block(ipv6).send();
    let made = create("10.0.0.0/24", &first).await.expect("subnet").subnet.expect("subnet");
    let association = made.ipv6_cidr_block_association_set()[0].clone();
    assert_eq!(association.ipv6_cidr_block(), Some(first.as_str()));
    assert_eq!(code(create("10.0.1.0/24", &first).await), "InvalidSubnet.Conflict");
    assert_eq!(code(create("10.0.1.0/24", "2001:db8::/64").await), "InvalidSubnet.Range");
    assert_eq!(code(create("10.0.1.0/24", &second.replace("/64", "/63")).await), "InvalidParameterValue");
    // What was refused made nothing.
    let plain = net.ec2.create_subnet().vpc_id(&net.vpc).cidr_block("10.0.1.0/24").send().await.expect("subnet");
    let plain = plain.subnet.and_then(|subnet| subnet.subnet_id).expect("id");
    let assign =
        |subnet: &str, value: bool| net.ec2.modify_subnet_attribute().subnet_id(subnet).assign_ipv6_address_on_creation(on(value)).send();
    assert_eq!(code(assign(&plain, true).await), "InvalidParameterValue");
    let associate = |ipv6: &str| net.ec2.associate_subnet_cidr_block().subnet_id(&plain).ipv6_cidr_block(ipv6).send();
    associate(&second).await.expect("associate");
    assert_eq!(code(associate(&net.slice(2).await).await), "CidrLimitExceeded");
    assign(&plain, true).await.expect("assign");
    net.settled().await;
    let told = net.ec2.describe_subnets().subnet_ids(&plain).send().await.expect("subnets").subnets.unwrap_or_default().remove(0);
    let association = &told.ipv6_cidr_block_association_set()[0];
    assert_eq!(association.ipv6_cidr_block_state().and_then(|state| state.state()), Some(&SubnetCidrBlockStateCode::Associated));
    assert_eq!(told.assign_ipv6_address_on_creation(), Some(true));

    // An interface gets an address of its own accord, and holds the block.
    let interface = net.ec2.create_network_interface().subnet_id(&plain).send().await.expect("interface").network_interface;
    let interface = interface.expect("interface");
    let address = interface.ipv6_addresses()[0].ipv6_address().expect("address").to_owned();
    let block: ipnet::Ipv6Net = second.parse().expect("block");
    assert!(block.contains(&address.parse::<std::net::Ipv6Addr>().expect("address")));
    let id = interface.network_interface_id().expect("id");
    let release = || net.ec2.disassociate_subnet_cidr_block().association_id(association.association_id().expect("id")).send();
    assert_eq!(code(release().await), "InvalidCidrBlock.InUse");
    assign(&plain, false).await.expect("assign");
    assert_eq!(code(release().await), "InvalidCidrBlock.InUse");
    net.ec2.unassign_ipv6_addresses().network_interface_id(id).ipv6_addresses(&address).send().await.expect("unassign");
    release().await.expect("disassociate");
    net.settled().await;
    assert_eq!(code(release().await), "InvalidSubnetCidrBlockAssociationID.NotFound");
}

#[tokio::test(start_paused = true)]
async fn attributes_of_subnets_change_one_by_one() {
    let net = Net::new("10.0.0.0/16", true).await;
    net.settled().await;
    let subnet = net.dual_stack("10.0.0.0/24", 0).await;
    let modify = || net.ec2.modify_subnet_attribute().subnet_id(&subnet);
    assert_eq!(code(modify().enable_dns64(on(true)).map_public_ip_on_launch(on(true)).send().await), "InvalidParameterCombination");
    modify().enable_dns64(on(true)).send().await.expect("dns64");
    modify().map_public_ip_on_launch(on(true)).send().await.expect("public");
    modify().enable_resource_name_dns_aaaa_record_on_launch(on(true)).send().await.expect("aaaa");
    modify().private_dns_hostname_type_on_launch("resource-name".into()).send().await.expect("hostname");
    assert_eq!(code(modify().private_dns_hostname_type_on_launch("other".into()).send().await), "InvalidParameterValue");
    let told = net.ec2.describe_subnets().filters(filter("enable-dns64", "true")).send().await.expect("subnets");
    let told = &told.subnets()[0];
    assert_eq!((told.subnet_id(), told.map_public_ip_on_launch()), (Some(subnet.as_str()), Some(true)));
    let names = told.private_dns_name_options_on_launch().expect("options");
    assert_eq!(names.hostname_type().map(|kind| kind.as_str()), Some("resource-name"));
    assert_eq!((names.enable_resource_name_dns_a_record(), names.enable_resource_name_dns_aaaa_record()), (Some(false), Some(true)));
}

#[tokio::test(start_paused = true)]
async fn instances_have_ipv6_addresses() {
    let net = Net::new("10.0.0.0/16", true).await;
    net.settled().await;
    let subnet = net.dual_stack("10.0.0.0/24", 0).await;
    let run = || net.ec2.run_instances().image_id("ami-0123456789abcdef0").instance_type("t3.micro".into()).min_count(1).max_count(1);
    let made = run().subnet_id(&subnet).ipv6_address_count(2).send().await.expect("instance");
    let interface = &made.instances()[0].network_interfaces()[0];
    assert_eq!(interface.ipv6_addresses().len(), 2);
    assert_eq!(made.instances()[0].ipv6_address(), interface.ipv6_addresses()[0].ipv6_address());
    let plain = net.ec2.create_subnet().vpc_id(&net.vpc).cidr_block("10.0.1.0/24").send().await.expect("subnet");
    let plain = plain.subnet.and_then(|subnet| subnet.subnet_id).expect("id");
    assert_eq!(code(run().subnet_id(plain).ipv6_address_count(1).send().await), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn secondary_blocks_come_and_go() {
    let net = Net::new("10.4.0.0/16", false).await;
    let associate = |cidr: &str| net.ec2.associate_vpc_cidr_block().vpc_id(&net.vpc).cidr_block(cidr).send();
    for refused in ["10.4.0.0/20", "10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/16", "198.19.0.0/16", "169.254.0.0/16", "10.5.0.0/29"] {
        assert_eq!(code(associate(refused).await), "InvalidVpc.Range", "{refused}");
    }
    // A route to a part of the block is in its way; a route to more than the block is not.
    let gateway = net.ec2.create_internet_gateway().send().await.expect("gateway").internet_gateway.and_then(|it| it.internet_gateway_id);
    let gateway = gateway.expect("id");
    net.ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&net.vpc).send().await.expect("attach");
    let table = net.ec2.create_route_table().vpc_id(&net.vpc).send().await.expect("table").route_table.and_then(|it| it.route_table_id);
    let table = table.expect("id");
    let route = |cidr: &str| net.ec2.create_route().route_table_id(&table).destination_cidr_block(cidr).gateway_id(&gateway).send();
    route("0.0.0.0/0").await.expect("default route");
    route("10.5.3.0/24").await.expect("route");
    assert_eq!(code(associate("10.5.0.0/16").await), "InvalidVpc.Range");
    associate("10.5.3.128/25").await.expect("a part of the route's destination");

    let made = associate("100.64.0.0/16").await.expect("associate").cidr_block_association.expect("association");
    assert_eq!(made.cidr_block_state().and_then(|state| state.state()), Some(&VpcCidrBlockStateCode::Associating));
    let id = made.association_id().expect("id");
    let subnet = || net.ec2.create_subnet().vpc_id(&net.vpc).cidr_block("100.64.0.0/24").send();
    assert_eq!(code(subnet().await), "InvalidSubnet.Range");
    net.settled().await;
    let subnet = subnet().await.expect("subnet").subnet.and_then(|subnet| subnet.subnet_id).expect("id");
    let disassociate = |id: &str| net.ec2.disassociate_vpc_cidr_block().association_id(id).send();
    assert_eq!(code(disassociate(id).await), "InvalidCidrBlock.InUse");
    net.ec2.delete_subnet().subnet_id(subnet).send().await.expect("delete");
    let gone = disassociate(id).await.expect("disassociate").cidr_block_association.expect("association");
    assert_eq!(gone.cidr_block_state().and_then(|state| state.state()), Some(&VpcCidrBlockStateCode::Disassociating));
    net.settled().await;
    assert_eq!(code(disassociate(id).await), "InvalidVpcCidrBlockAssociationID.NotFound");
    let vpc = net.vpc().await;
    let primary = vpc.cidr_block_association_set().iter().find(|block| block.cidr_block() == vpc.cidr_block()).expect("primary");
    assert_eq!(code(disassociate(primary.association_id().expect("id")).await), "OperationNotPermitted");
    // Two there are, of five.
    for n in 6..=8 {
        associate(&format!("10.{n}.0.0/16")).await.expect("associate");
    }
    assert_eq!(code(associate("10.9.0.0/16").await), "CidrLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn five_ipv6_blocks_at_most() {
    let net = Net::new("10.0.0.0/16", true).await;
    let associate = || net.ec2.associate_vpc_cidr_block().vpc_id(&net.vpc).amazon_provided_ipv6_cidr_block(true).send();
    for _ in 0..4 {
        associate().await.expect("associate");
    }
    assert_eq!(code(associate().await), "CidrLimitExceeded");
    net.settled().await;
    let vpc = net.vpc().await;
    let blocks: std::collections::BTreeSet<_> =
        vpc.ipv6_cidr_block_association_set().iter().filter_map(|it| it.ipv6_cidr_block()).collect();
    assert_eq!(blocks.len(), 5, "each is another");
    let subnet = net.dual_stack("10.0.0.0/24", 0).await;
    let first = vpc.ipv6_cidr_block_association_set()[0].association_id().expect("id");
    let disassociate = || net.ec2.disassociate_vpc_cidr_block().association_id(first).send();
    assert_eq!(code(disassociate().await), "InvalidCidrBlock.InUse");
    net.ec2.delete_subnet().subnet_id(subnet).send().await.expect("delete");
    disassociate().await.expect("disassociate");
    net.settled().await;
    assert_eq!(net.vpc().await.ipv6_cidr_block_association_set().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn egress_only_gateways_take_ipv6_out() {
    let net = Net::new("10.0.0.0/16", true).await;
    net.settled().await;
    let create = |vpc: &str, token: &str| net.ec2.create_egress_only_internet_gateway().vpc_id(vpc).client_token(token).send();
    let made = create(&net.vpc, "one").await.expect("gateway").egress_only_internet_gateway.expect("gateway");
    let id = made.egress_only_internet_gateway_id().expect("id").to_owned();
    assert_eq!(made.attachments()[0].state().map(|state| state.as_str()), Some("attached"));
    let again = create(&net.vpc, "one").await.expect("again").egress_only_internet_gateway.expect("gateway");
    assert_eq!(again.egress_only_internet_gateway_id(), Some(id.as_str()));
    assert_eq!(code(create("vpc-0123456789abcdef0", "one").await), "InvalidVpcID.NotFound");
    assert_eq!(code(create(&net.vpc, "two").await), "InvalidParameterValue");

    let table = net.ec2.create_route_table().vpc_id(&net.vpc).send().await.expect("table").route_table.and_then(|it| it.route_table_id);
    let table = table.expect("id");
    let route = || net.ec2.create_route().route_table_id(&table).egress_only_internet_gateway_id(&id);
    assert_eq!(code(route().destination_cidr_block("0.0.0.0/0").send().await), "InvalidParameterValue");
    route().destination_ipv6_cidr_block("::/0").send().await.expect("route");
    let told = |table: &aws_sdk_ec2::types::RouteTable| {
        let route = table.routes().iter().find(|route| route.destination_ipv6_cidr_block() == Some("::/0")).cloned().expect("route");
        (route.egress_only_internet_gateway_id().map(str::to_owned), route.state().cloned())
    };
    let tables = net.ec2.describe_route_tables().route_table_ids(&table).send().await.expect("tables");
    assert_eq!(told(&tables.route_tables()[0]), (Some(id.clone()), Some(RouteState::Active)));
    assert_eq!(net.sim.inventory().count("ec2/egress-only-internet-gateway"), 1);
    assert_eq!(code(net.ec2.delete_vpc().vpc_id(&net.vpc).send().await), "DependencyViolation");

    let delete = || net.ec2.delete_egress_only_internet_gateway().egress_only_internet_gateway_id(&id).send();
    assert_eq!(delete().await.expect("delete").return_code(), Some(true));
    assert_eq!(code(delete().await), "InvalidGatewayID.NotFound");
    let tables = net.ec2.describe_route_tables().route_table_ids(&table).send().await.expect("tables");
    assert_eq!(told(&tables.route_tables()[0]).1, Some(RouteState::Blackhole));
    let gateways = net.ec2.describe_egress_only_internet_gateways().send().await.expect("gateways");
    assert!(gateways.egress_only_internet_gateways().is_empty());
}

#[tokio::test(start_paused = true)]
async fn custom_network_acls() {
    let net = Net::new("10.0.0.0/16", false).await;
    let subnet = net.ec2.create_subnet().vpc_id(&net.vpc).cidr_block("10.0.0.0/24").send().await.expect("subnet");
    let subnet = subnet.subnet.and_then(|subnet| subnet.subnet_id).expect("id");
    let made = net.ec2.create_network_acl().vpc_id(&net.vpc).send().await.expect("acl").network_acl.expect("acl");
    let id = made.network_acl_id().expect("id");
    assert_eq!((made.is_default(), made.entries().len()), (Some(false), 2));
    let entry = |number: i32| {
        let ports = aws_sdk_ec2::types::PortRange::builder().from(443).to(443).build();
        let entry = net.ec2.create_network_acl_entry().network_acl_id(id).rule_number(number).protocol("6").egress(false);
        entry.rule_action("allow".into()).cidr_block("0.0.0.0/0").port_range(ports)
    };
    entry(100).send().await.expect("entry");
    assert_eq!(code(entry(100).send().await), "NetworkAclEntryAlreadyExists");
    assert_eq!(code(entry(40_000).send().await), "InvalidParameterValue");
    for number in 101..=119 {
        entry(number).send().await.expect("entry");
    }
    assert_eq!(code(entry(120).send().await), "NetworkAclEntryLimitExceeded");
    let delete = |number: i32| net.ec2.delete_network_acl_entry().network_acl_id(id).rule_number(number).egress(false).send();
    delete(119).await.expect("delete");
    assert_eq!(code(delete(119).await), "InvalidNetworkAclEntry.NotFound");

    let of_subnet = || net.ec2.describe_network_acls().filters(filter("association.subnet-id", &subnet)).send();
    let before = of_subnet().await.expect("acls").network_acls.unwrap_or_default().remove(0);
    let association = before.associations()[0].network_acl_association_id().expect("id");
    let replaced = net.ec2.replace_network_acl_association().association_id(association).network_acl_id(id).send().await.expect("replace");
    let after = of_subnet().await.expect("acls").network_acls.unwrap_or_default().remove(0);
    assert_eq!((after.network_acl_id(), after.associations()[0].network_acl_association_id()), (Some(id), replaced.new_association_id()));
    let drop_acl = |id: &str| net.ec2.delete_network_acl().network_acl_id(id).send();
    assert_eq!(code(drop_acl(id).await), "DependencyViolation");
    assert_eq!(code(drop_acl(before.network_acl_id().expect("id")).await), "InvalidParameterValue");
    net.ec2.delete_subnet().subnet_id(&subnet).send().await.expect("delete");
    drop_acl(id).await.expect("delete");
}
