//! Blocks, gateways, routes, addresses, security groups, interfaces.

use std::time::Duration;

use aws_sdk_ec2::{
    client::Waiters,
    types::{
        AttributeBooleanValue, AvailabilityMode, ConnectivityType, DomainType, IpPermission, IpRange, Ipv6Range, Tenancy, UserIdGroupPair,
    },
};

use super::{
    Net, filter, off, on, ssh,
    table::{DONE, Table},
    tcp,
};

/// "VPC CIDR blocks", "Subnet CIDR blocks", "DNS attributes for your VPC".
#[tokio::test(start_paused = true)]
async fn blocks() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let vpc = |cidr: &str| ec2.create_vpc().cidr_block(cidr).send();
    table.row("a VPC has at least 28 bits", "InvalidVpc.Range", vpc("10.0.0.0/29")).await;
    table.row("a VPC has at most 16 bits", "InvalidVpc.Range", vpc("10.0.0.0/15")).await;
    table.row("no VPC of link-local addresses", "InvalidVpc.Range", vpc("169.254.0.0/16")).await;
    table.row("what is no block", "InvalidParameterValue", vpc("10.0.0.0")).await;
    table.row("no block", "MissingParameter", ec2.create_vpc().send()).await;
    let tenancy = ec2.create_vpc().cidr_block("10.9.0.0/16").instance_tenancy(Tenancy::Host).send();
    table.row("a VPC's tenancy is default or dedicated", "InvalidParameterValue", tenancy).await;
    let masked = ec2.create_vpc().cidr_block("100.68.0.18/18").send().await.expect("vpc").vpc.expect("vpc");
    table.fact("a block is masked", Some("100.68.0.0/18"), masked.cidr_block());

    // "IPv4 CIDR block association restrictions": what the VPC has, what is added, whether it may be.
    let associate = |vpc: &str, cidr: &str| ec2.associate_vpc_cidr_block().vpc_id(vpc).cidr_block(cidr).send();
    let own = &net.vpc;
    for (cidr, code) in [
        ("10.0.128.0/17", "InvalidVpc.Range"),
        ("10.0.0.0/16", "InvalidVpc.Range"),
        ("172.16.0.0/16", "InvalidVpc.Range"),
        ("192.168.0.0/24", "InvalidVpc.Range"),
        ("198.19.0.0/24", "InvalidVpc.Range"),
        ("169.254.8.0/24", "InvalidVpc.Range"),
        ("100.64.0.0/15", "InvalidVpc.Range"),
        ("100.64.0.0/29", "InvalidVpc.Range"),
        ("100.64.0.0/16", DONE),
        ("10.1.0.0/16", DONE),
        ("54.1.0.0/16", DONE),
    ] {
        table.row(&format!("{cidr} beside 10.0.0.0/16"), code, associate(own, cidr)).await;
    }
    let second = net.vpc("10.1.0.0/16").await;
    table.row("10.0.0.0/16 beside 10.1.0.0/16", "InvalidVpc.Range", associate(&second, "10.0.0.0/16")).await;
    let carrier = masked.vpc_id().expect("id");
    table.row("10.0.0.0/16 beside 100.64.0.0/10", "InvalidVpc.Range", associate(carrier, "10.0.0.0/16")).await;
    table.row("198.19.0.0/16 beside 100.64.0.0/10", "InvalidVpc.Range", associate(carrier, "198.19.0.0/24")).await;
    let route = ec2.create_route().route_table_id(&net.table).destination_cidr_block("10.8.1.0/24").gateway_id(&net.gateway);
    route.send().await.expect("route");
    table.row("a block as large as a route's destination", "InvalidVpc.Range", associate(own, "10.8.0.0/16")).await;
    table.row("a block smaller than a route's destination", DONE, associate(own, "10.8.1.0/25")).await;
    table.row("five blocks", "CidrLimitExceeded", associate(own, "10.20.0.0/16")).await;
    let told = ec2.describe_vpcs().vpc_ids(own).send().await.expect("vpcs").vpcs()[0].clone();
    let blocks: Vec<_> = told.cidr_block_association_set().iter().map(|block| block.association_id().expect("id").to_owned()).collect();
    let disassociate = |id: &str| ec2.disassociate_vpc_cidr_block().association_id(id).send();
    table.row("the primary block stays", "OperationNotPermitted", disassociate(&blocks[0])).await;
    net.sim.clock().sleep(Duration::from_secs(60)).await;
    let inside = net.subnet("100.64.0.0/24", "us-east-1a").await;
    table.row("a block with a subnet stays", "InvalidCidrBlock.InUse", disassociate(&blocks[1])).await;
    ec2.delete_subnet().subnet_id(inside).send().await.expect("delete");
    table.row("a secondary block goes", DONE, disassociate(&blocks[1])).await;
    net.sim.clock().sleep(Duration::from_secs(60)).await;
    table.row("and is gone", "InvalidVpcCidrBlockAssociationID.NotFound", disassociate(&blocks[1])).await;

    let subnet = |cidr: &str| ec2.create_subnet().vpc_id(own).cidr_block(cidr).availability_zone("us-east-1a").send();
    table.row("a subnet has at least 28 bits", "InvalidSubnet.Range", subnet("10.0.2.0/29")).await;
    table.row("a subnet lies in its VPC", "InvalidSubnet.Range", subnet("10.2.0.0/24")).await;
    table.row("a subnet is no larger than its VPC", "InvalidSubnet.Range", subnet("10.0.0.0/15")).await;
    table.row("the same subnet again", "InvalidSubnet.Conflict", subnet("10.0.1.0/24")).await;
    table.row("inside a sibling", "InvalidSubnet.Conflict", subnet("10.0.1.16/28")).await;
    table.row("around a sibling", "InvalidSubnet.Conflict", subnet("10.0.0.0/20")).await;
    table.row("what is no block", "InvalidParameterValue", subnet("ten")).await;
    table.row("a subnet without a block", "MissingParameter", ec2.create_subnet().vpc_id(own).send()).await;
    table.row("a subnet without a VPC", "MissingParameter", ec2.create_subnet().cidr_block("10.0.2.0/24").send()).await;
    let nowhere = ec2.create_subnet().vpc_id(own).cidr_block("10.0.2.0/24").availability_zone("us-east-1z").send();
    table.row("a zone that is none", "InvalidParameterValue", nowhere).await;

    let attribute = |dns: AttributeBooleanValue| ec2.modify_vpc_attribute().vpc_id(own).enable_dns_hostnames(dns);
    table.row("one attribute a call", "InvalidParameterCombination", attribute(on()).enable_dns_support(on()).send()).await;
    table.row("no attribute", "MissingParameter", ec2.modify_vpc_attribute().vpc_id(own).send()).await;
    ec2.modify_vpc_attribute().vpc_id(own).enable_dns_support(off()).send().await.expect("off");
    table.row("host names need DNS support", "InvalidParameterValue", attribute(on()).send()).await;
    table.check();
}

#[tokio::test(start_paused = true)]
async fn gateways_routes_and_addresses() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let other = net.vpc("10.7.0.0/16").await;
    let spare = ec2.create_internet_gateway().send().await.expect("gateway").internet_gateway.expect("gateway");
    let spare = spare.internet_gateway_id().expect("id");
    let attach = |gateway: &str, vpc: &str| ec2.attach_internet_gateway().internet_gateway_id(gateway).vpc_id(vpc).send();
    let detach = |gateway: &str, vpc: &str| ec2.detach_internet_gateway().internet_gateway_id(gateway).vpc_id(vpc).send();
    table.row("a gateway has one VPC", "Resource.AlreadyAssociated", attach(&net.gateway, &other)).await;
    table.row("a VPC has one gateway", "InvalidParameterValue", attach(spare, &net.vpc)).await;
    table.row("a gateway of another VPC", "Gateway.NotAttached", detach(spare, &net.vpc)).await;
    table
        .row("an attached gateway stays", "DependencyViolation", ec2.delete_internet_gateway().internet_gateway_id(&net.gateway).send())
        .await;
    table.row("a VPC with a gateway stays", "DependencyViolation", ec2.delete_vpc().vpc_id(&net.vpc).send()).await;

    let route = |cidr: &str| ec2.create_route().route_table_id(&net.table).destination_cidr_block(cidr);
    route("0.0.0.0/0").gateway_id(&net.gateway).send().await.expect("route");
    table.row("the same route", DONE, route("0.0.0.0/0").gateway_id(&net.gateway).send()).await;
    let interface = net.interface().await;
    let again = route("0.0.0.0/0").network_interface_id(&interface).send();
    table.row("a destination has one route", "RouteAlreadyExists", again).await;
    table.row("no target", "MissingParameter", route("1.0.0.0/8").send()).await;
    let two = route("1.0.0.0/8").gateway_id(&net.gateway).network_interface_id(&interface).send();
    table.row("two targets", "InvalidParameterCombination", two).await;
    let gateway = |id: &str| route("1.0.0.0/8").gateway_id(id).send();
    table.row("a gateway that is none", "InvalidGatewayID.NotFound", gateway("igw-0123456789abcdef0")).await;
    table.row("a gateway of another network", "InvalidParameterValue", gateway(spare)).await;
    let nat = route("1.0.0.0/8").nat_gateway_id("nat-0123456789abcdef0").send();
    table.row("a NAT gateway that is none", "InvalidNatGatewayID.NotFound", nat).await;
    table.row("the VPC's own block", "InvalidParameterValue", route("10.0.0.0/16").gateway_id(&net.gateway).send()).await;
    table.row("a block inside the VPC to a gateway", "InvalidParameterValue", route("10.0.1.0/24").gateway_id(&net.gateway).send()).await;
    table.row("what is no block", "InvalidParameterValue", route("all").gateway_id(&net.gateway).send()).await;
    let nowhere = ec2.create_route().route_table_id(&net.table).gateway_id(&net.gateway).send();
    table.row("no destination", "MissingParameter", nowhere).await;
    let delete = |cidr: &str| ec2.delete_route().route_table_id(&net.table).destination_cidr_block(cidr).send();
    table.row("a route that is none", "InvalidRoute.NotFound", delete("9.0.0.0/8")).await;
    table.row("the local route stays", "InvalidParameterValue", delete("10.0.0.0/16")).await;
    let replace = ec2.replace_route().route_table_id(&net.table).destination_cidr_block("9.0.0.0/8").gateway_id(&net.gateway).send();
    table.row("nothing to replace", "InvalidParameterValue", replace).await;

    let associate = |table: &str, subnet: &str| ec2.associate_route_table().route_table_id(table).subnet_id(subnet).send();
    associate(&net.table, &net.subnet).await.expect("associate");
    table.row("the same association", DONE, associate(&net.table, &net.subnet)).await;
    let second = ec2.create_route_table().vpc_id(&net.vpc).send().await.expect("table").route_table.expect("table");
    let conflict = associate(second.route_table_id().expect("id"), &net.subnet);
    table.row("a subnet has one table", "Resource.AlreadyAssociated", conflict).await;
    let foreign = ec2.create_route_table().vpc_id(&other).send().await.expect("table").route_table.expect("table");
    table.row("a table of another VPC", "InvalidParameterValue", associate(foreign.route_table_id().expect("id"), &net.subnet)).await;
    table.row("an associated table stays", "DependencyViolation", ec2.delete_route_table().route_table_id(&net.table).send()).await;
    let main = ec2.describe_route_tables().filters(filter("vpc-id", &[&net.vpc])).filters(filter("association.main", &["true"]));
    let main = main.send().await.expect("tables").route_tables()[0].clone();
    let main_id = main.route_table_id().expect("id");
    table.row("the main table stays", "DependencyViolation", ec2.delete_route_table().route_table_id(main_id).send()).await;
    let association = main.associations()[0].route_table_association_id().expect("id");
    let released = ec2.disassociate_route_table().association_id(association).send();
    table.row("the main association stays", "InvalidParameterValue", released).await;

    // Elastic IP addresses.
    let address = net.address().await;
    let told = ec2.describe_addresses().allocation_ids(&address).send().await.expect("addresses").addresses()[0].clone();
    let by_ip = ec2.release_address().public_ip(told.public_ip().expect("ip")).send();
    table.row("a VPC's address is released by allocation", "InvalidParameterValue", by_ip).await;
    let by_ip = ec2.disassociate_address().public_ip(told.public_ip().expect("ip")).send();
    table.row("and disassociated by association", "InvalidParameterValue", by_ip).await;
    table.row("no EC2-Classic", "InvalidParameterValue", ec2.allocate_address().domain(DomainType::Standard).send()).await;
    table.row("an address for nothing", "MissingParameter", ec2.associate_address().allocation_id(&address).send()).await;
    let to = |interface: &str| ec2.associate_address().allocation_id(&address).network_interface_id(interface);
    let elsewhere = ec2.create_subnet().vpc_id(&other).cidr_block("10.7.0.0/24").send().await.expect("subnet").subnet.expect("subnet");
    let elsewhere = ec2.create_network_interface().subnet_id(elsewhere.subnet_id().expect("id")).send().await.expect("interface");
    let elsewhere = elsewhere.network_interface.and_then(|interface| interface.network_interface_id).expect("id");
    table.row("an address needs a gateway", "Gateway.NotAttached", to(&elsewhere).send()).await;
    let association = to(&interface).send().await.expect("associate").association_id.expect("id");
    let second = net.interface().await;
    table.row("an address has one interface", "Resource.AlreadyAssociated", to(&second).allow_reassociation(false).send()).await;
    table.row("an address in use stays", "InvalidIPAddress.InUse", ec2.release_address().allocation_id(&address).send()).await;
    table.row("a gateway with mapped addresses stays", "DependencyViolation", detach(&net.gateway, &net.vpc)).await;
    let launched = net.launch().send().await.expect("launch").instances()[0].instance_id().expect("id").to_owned();
    let pending = ec2.associate_address().allocation_id(&address).instance_id(launched).send();
    table.row("an instance that does not run yet", "IncorrectInstanceState", pending).await;
    table.row("an address is let go of", DONE, ec2.disassociate_address().association_id(&association).send()).await;
    table.row("once", "InvalidAssociationID.NotFound", ec2.disassociate_address().association_id(&association).send()).await;
    table.row("a free address is released", DONE, ec2.release_address().allocation_id(&address).send()).await;
    table.row("once", "InvalidAllocationID.NotFound", ec2.release_address().allocation_id(&address).send()).await;
    table.check();
}

/// "Troubleshoot NAT gateways": what a call refuses, and what only the gateway tells.
#[tokio::test(start_paused = true)]
async fn nat_gateways() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let address = net.address().await;
    let create = || ec2.create_nat_gateway();
    table.row("no subnet", "MissingParameter", create().allocation_id(&address).send()).await;
    table.row("no address", "MissingParameter", create().subnet_id(&net.subnet).send()).await;
    let private = create().subnet_id(&net.subnet).allocation_id(&address).connectivity_type(ConnectivityType::Private).send();
    table.row("a private one has no address", "InvalidParameterValue", private).await;
    let regional = || create().availability_mode(AvailabilityMode::Regional);
    table
        .row("a regional one has no subnet", "InvalidParameterCombination", regional().vpc_id(&net.vpc).subnet_id(&net.subnet).send())
        .await;
    table.row("a regional one has a VPC", "MissingParameter", regional().send()).await;
    let taken = create().subnet_id(&net.subnet).allocation_id(&address).private_ip_address("10.0.1.1").send();
    table.row("a reserved private address", "InvalidParameterValue", taken).await;
    let made =
        create().subnet_id(&net.subnet).allocation_id(&address).client_token("t").send().await.expect("nat").nat_gateway.expect("nat");
    let nat = made.nat_gateway_id().expect("id");
    let association = made.nat_gateway_addresses()[0].association_id().expect("id");
    table.row("its address is not ours to take", "AuthFailure", ec2.disassociate_address().association_id(association).send()).await;
    table.row("its address stays", "InvalidIPAddress.InUse", ec2.release_address().allocation_id(&address).send()).await;
    let interface = made.nat_gateway_addresses()[0].network_interface_id().expect("id");
    let delete = ec2.delete_network_interface().network_interface_id(interface).send();
    table.row("its interface is not ours", "OperationNotPermitted", delete).await;
    table.row("its subnet stays", "DependencyViolation", ec2.delete_subnet().subnet_id(&net.subnet).send()).await;
    let detach = ec2.detach_internet_gateway().internet_gateway_id(&net.gateway).vpc_id(&net.vpc).send();
    table.row("its VPC's gateway stays", "DependencyViolation", detach).await;

    // "Ensuring idempotency in Amazon EC2 API requests".
    let second = net.address().await;
    let again = |address: &str, token: &str| create().subnet_id(&net.subnet).allocation_id(address).client_token(token).send();
    let same = again(&address, "t").await.expect("again").nat_gateway.and_then(|nat| nat.nat_gateway_id);
    table.fact("a token makes one gateway", Some(nat), same.as_deref());
    table.row("a token for something else", "IdempotentParameterMismatch", again(&second, "t")).await;
    table.row("a token of 65 characters", "InvalidClientToken", again(&second, &"x".repeat(65))).await;
    table.row("a token that is not ASCII", "InvalidClientToken", again(&second, "ä")).await;

    // A failed one does not count (quota of five a zone).
    again("eipalloc-0123456789abcdef0", "fails").await.expect("accepted");
    net.sim.clock().sleep(Duration::from_secs(120)).await;
    for n in 0..4 {
        let nat = create().subnet_id(&net.subnet).connectivity_type(ConnectivityType::Private).client_token(format!("{n}")).send();
        table.row("five a zone", DONE, nat).await;
    }
    table.row("six a zone", "NatGatewayLimitExceeded", again(&second, "sixth")).await;
    ec2.delete_nat_gateway().nat_gateway_id(nat).send().await.expect("delete");
    table.row("a deleting one counts", "NatGatewayLimitExceeded", again(&second, "sixth")).await;
    table.row("and keeps its address", "InvalidIPAddress.InUse", ec2.release_address().allocation_id(&address).send()).await;
    ec2.wait_until_nat_gateway_deleted().nat_gateway_ids(nat).wait(Duration::from_secs(900)).await.expect("deleted");
    table.row("a deleted one does not", DONE, again(&second, "sixth")).await;
    table.row("nor its address", DONE, ec2.release_address().allocation_id(&address).send()).await;
    table.row("it is deleted once", "NatGatewayNotFound", ec2.delete_nat_gateway().nat_gateway_id(nat).send()).await;
    table.check();
}

/// "Security groups" and "Security group rules" of the VPC user guide.
#[tokio::test(start_paused = true)]
async fn security_groups() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let create = |name: &str, text: &str| ec2.create_security_group().group_name(name).description(text).vpc_id(&net.vpc).send();
    table.row("a name is there once a VPC", "InvalidGroup.Duplicate", create("g", "x")).await;
    table.row("trailing spaces are trimmed", "InvalidGroup.Duplicate", create("g  ", "x")).await;
    table.row("no name like an id", "InvalidParameterValue", create("sg-web", "x")).await;
    table.row("no second default", "InvalidParameterValue", create("default", "x")).await;
    table.row("255 characters", DONE, create(&"n".repeat(255), &"d".repeat(255))).await;
    table.row("256 characters of name", "InvalidParameterValue", create(&"n".repeat(256), "x")).await;
    table.row("256 characters of description", "InvalidParameterValue", create("x", &"d".repeat(256))).await;
    table.row("other characters", "InvalidParameterValue", create("naïve", "x")).await;
    table.row("no description", "MissingParameter", ec2.create_security_group().group_name("x").vpc_id(&net.vpc).send()).await;
    table.row("no name", "MissingParameter", ec2.create_security_group().description("x").vpc_id(&net.vpc).send()).await;

    let allow = |rule: IpPermission| ec2.authorize_security_group_ingress().group_id(&net.group).ip_permissions(rule).send();
    let revoke = |rule: IpPermission| ec2.revoke_security_group_ingress().group_id(&net.group).ip_permissions(rule).send();
    let anywhere = || IpRange::builder().cidr_ip("0.0.0.0/0").build();
    table.row("a rule", DONE, allow(ssh("10.1.2.3/8"))).await;
    table.row("the same rule, masked", "InvalidPermission.Duplicate", allow(ssh("10.0.0.0/8"))).await;
    table.row("a rule that is none", "InvalidPermission.NotFound", revoke(ssh("192.0.2.0/24"))).await;
    table.row("a rule goes", DONE, revoke(ssh("10.0.0.0/8"))).await;
    table.row("once", "InvalidPermission.NotFound", revoke(ssh("10.0.0.0/8"))).await;
    table.row("no peer", "MissingParameter", allow(tcp(80, 80).build())).await;
    table.row("no rule", "MissingParameter", ec2.authorize_security_group_ingress().group_id(&net.group).send()).await;
    table.row("ports backwards", "InvalidParameterValue", allow(tcp(90, 80).ip_ranges(anywhere()).build())).await;
    table.row("a port too large", "InvalidParameterValue", allow(tcp(80, 65_536).ip_ranges(anywhere()).build())).await;
    table.row("a port below none", "InvalidParameterValue", allow(tcp(-2, 80).ip_ranges(anywhere()).build())).await;
    let unlimited = IpPermission::builder().ip_protocol("tcp").ip_ranges(anywhere()).build();
    table.row("TCP without ports", "InvalidParameterValue", allow(unlimited)).await;
    let unknown = |protocol: &str| IpPermission::builder().ip_protocol(protocol).ip_ranges(anywhere()).build();
    table.row("a protocol that is none", "InvalidParameterValue", allow(unknown("http"))).await;
    table.row("a protocol too large", "InvalidParameterValue", allow(unknown("256"))).await;
    table.row("no protocol", "MissingParameter", allow(IpPermission::builder().ip_ranges(anywhere()).build())).await;
    table.row("what is no block", "InvalidParameterValue", allow(ssh("anywhere"))).await;
    let v6 = tcp(22, 22).ipv6_ranges(Ipv6Range::builder().cidr_ipv6("10.0.0.0/8").build()).build();
    table.row("what is no IPv6 block", "InvalidParameterValue", allow(v6)).await;
    let twice =
        ec2.authorize_security_group_ingress().group_id(&net.group).ip_permissions(ssh("1.0.0.0/8")).ip_permissions(ssh("1.0.0.0/8"));
    table.row("a rule twice in a call", "InvalidParameterValue", twice.send()).await;
    let peer = |id: &str| tcp(80, 80).user_id_group_pairs(UserIdGroupPair::builder().group_id(id).build()).build();
    table.row("a peer that is none", "InvalidGroup.NotFound", allow(peer("sg-0123456789abcdef0"))).await;
    table.row("a malformed peer", "InvalidGroupId.Malformed", allow(peer("web"))).await;
    let groups = ec2.describe_security_groups().filters(filter("group-name", &["default"])).send().await.expect("groups");
    let of = |own: bool| {
        groups.security_groups().iter().find(|group| (group.vpc_id() == Some(&net.vpc)) == own).and_then(|group| group.group_id())
    };
    table.row("a peer of another VPC", "InvalidGroup.NotFound", allow(peer(of(false).expect("default VPC's")))).await;
    table.row("the group itself", DONE, allow(peer(&net.group))).await;

    let web = net.group("web").await;
    allow(peer(&web)).await.expect("rule");
    let delete = |id: &str| ec2.delete_security_group().group_id(id).send();
    table.row("a group that another's rule names stays", "DependencyViolation", delete(&web)).await;
    revoke(peer(&web)).await.expect("revoke");
    table.row("and goes then", DONE, delete(&web)).await;
    let interface = net.interface().await;
    table.row("a group on an interface stays", "DependencyViolation", delete(&net.group)).await;
    ec2.delete_network_interface().network_interface_id(interface).send().await.expect("delete");
    table.row("a group that only names itself goes", DONE, delete(&net.group)).await;
    table.row("the default group stays", "CannotDelete", delete(of(true).expect("ours"))).await;
    table.check();
}

#[tokio::test(start_paused = true)]
async fn interfaces() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let create = || ec2.create_network_interface().subnet_id(&net.subnet);
    table.row("the router's address", "InvalidParameterValue", create().private_ip_address("10.0.1.1").send()).await;
    table.row("the last address", "InvalidParameterValue", create().private_ip_address("10.0.1.255").send()).await;
    table.row("an address of another subnet", "InvalidParameterValue", create().private_ip_address("10.0.2.9").send()).await;
    table.row("what is no address", "InvalidParameterValue", create().private_ip_address("nine").send()).await;
    table.row("the first free one", DONE, create().private_ip_address("10.0.1.4").send()).await;
    table.row("an address in use", "InvalidIPAddress.InUse", create().private_ip_address("10.0.1.4").send()).await;
    let mut six = create();
    for n in 0..6 {
        six = six.groups(net.group(&format!("g{n}")).await);
    }
    table.row("five groups an interface", "SecurityGroupsPerInterfaceLimitExceeded", six.send()).await;
    let default = ec2.describe_security_groups().filters(filter("group-name", &["default"])).send().await.expect("groups");
    let foreign = default.security_groups().iter().find(|group| group.vpc_id() != Some(&net.vpc)).and_then(|group| group.group_id());
    table.row("a group of another VPC", "InvalidParameter", create().groups(foreign.expect("default VPC's")).send()).await;
    let small = net.subnet("10.0.2.0/28", "us-east-1a").await;
    for _ in 0..11 {
        ec2.create_network_interface().subnet_id(&small).send().await.expect("a /28 has eleven addresses");
    }
    table.row("a full subnet", "InsufficientFreeAddressesInSubnet", ec2.create_network_interface().subnet_id(&small).send()).await;
    table.row("a launch into it", "InsufficientFreeAddressesInSubnet", net.launch().subnet_id(&small).send()).await;
    table.row("a subnet with interfaces stays", "DependencyViolation", ec2.delete_subnet().subnet_id(&small).send()).await;

    let instance = net.instance().await;
    let told = ec2.describe_instances().instance_ids(&instance).send().await.expect("instances").reservations()[0].instances()[0].clone();
    let primary = told.network_interfaces()[0].clone();
    let delete = ec2.delete_network_interface().network_interface_id(primary.network_interface_id().expect("id")).send();
    table.row("an attached interface stays", "InvalidNetworkInterface.InUse", delete).await;
    let detach = ec2.detach_network_interface().attachment_id(primary.attachment().and_then(|found| found.attachment_id()).expect("id"));
    table.row("the primary interface stays attached", "OperationNotPermitted", detach.send()).await;
    let spare = net.interface().await;
    let attach = |interface: &str, device: i32| {
        ec2.attach_network_interface().network_interface_id(interface).instance_id(&instance).device_index(device).send()
    };
    table.row("a device in use", "InvalidParameterValue", attach(&spare, 0)).await;
    table.row("a second interface", DONE, attach(&spare, 1)).await;
    table.row("an interface in use", "InvalidNetworkInterface.InUse", attach(&spare, 2)).await;
    // A t3.nano has two.
    table.row("a third of two", "AttachmentLimitExceeded", attach(&net.interface().await, 2)).await;
    let modify = || ec2.modify_network_interface_attribute().network_interface_id(&spare);
    table.row("no attribute", "MissingParameter", modify().send()).await;
    table.row("one attribute a call", "InvalidParameterCombination", modify().groups(&net.group).source_dest_check(off()).send()).await;
    table.row("groups of another VPC", "InvalidParameter", modify().groups(foreign.expect("default VPC's")).send()).await;
    table.row("the check of sources", DONE, modify().source_dest_check(off()).send()).await;
    table.check();
}
