//! NAT gateways in full: secondary addresses, private ones, regional ones, over the wire.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    error::ProvideErrorMetadata,
    types::{
        AutoProvisionZonesState, AvailabilityMode, AvailabilityZoneAddress, ConnectivityType, Filter, NatGateway, NatGatewayAddressStatus,
        NatGatewayState, ServiceManaged,
    },
};
use eks_sim::Sim;

/// The code of the error that a call must answer.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.expect_err("must be refused").code().unwrap_or_default().to_owned()
}

struct Net {
    sim: Sim,
    ec2: Client,
    vpc: String,
    subnet: String,
}

impl Net {
    async fn new() -> Self {
        let sim = Sim::new();
        let ec2 = Client::new(&sim.sdk_config());
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        let mut net = Self { sim, ec2, vpc, subnet: String::new() };
        net.subnet = net.subnet("10.0.0.0/24", "us-east-1a").await;
        net
    }

    async fn subnet(&self, cidr: &str, zone: &str) -> String {
        let subnet = self.ec2.create_subnet().vpc_id(&self.vpc).cidr_block(cidr).availability_zone(zone).send().await;
        subnet.expect("subnet").subnet.and_then(|subnet| subnet.subnet_id).expect("id")
    }

    async fn gateway(&self) -> String {
        let gateway = self.ec2.create_internet_gateway().send().await.expect("gateway");
        let gateway = gateway.internet_gateway.and_then(|gateway| gateway.internet_gateway_id).expect("id");
        self.ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&self.vpc).send().await.expect("attach");
        gateway
    }

    async fn allocation(&self) -> String {
        self.ec2.allocate_address().send().await.expect("address").allocation_id.expect("id")
    }

    async fn later(&self, seconds: u64) {
        self.sim.clock().sleep(Duration::from_secs(seconds)).await;
    }

    async fn told(&self, id: &str) -> NatGateway {
        let found = self.ec2.describe_nat_gateways().nat_gateway_ids(id).send().await.expect("gateways");
        found.nat_gateways.unwrap_or_default().remove(0)
    }

    async fn regional(&self, zones: &[(&str, &[&String])]) -> NatGateway {
        let mut ask = self.ec2.create_nat_gateway().availability_mode(AvailabilityMode::Regional).vpc_id(&self.vpc);
        for (zone, allocations) in zones {
            let mut address = AvailabilityZoneAddress::builder().availability_zone(*zone);
            for allocation in *allocations {
                address = address.allocation_ids(*allocation);
            }
            ask = ask.availability_zone_addresses(address.build());
        }
        ask.send().await.expect("gateway").nat_gateway.expect("gateway")
    }
}

fn zones(nat: &NatGateway) -> Vec<&str> {
    let mut zones: Vec<_> = nat.nat_gateway_addresses().iter().filter_map(|address| address.availability_zone()).collect();
    zones.sort_unstable();
    zones
}

#[tokio::test(start_paused = true)]
async fn a_public_gateway_takes_a_second_address() {
    let net = Net::new().await;
    net.gateway().await;
    let (first, second, third) = (net.allocation().await, net.allocation().await, net.allocation().await);
    let create = net.ec2.create_nat_gateway().subnet_id(&net.subnet).allocation_id(&first);
    let too_many = create.clone().secondary_allocation_ids(&second).secondary_allocation_ids(&third).send().await;
    assert_eq!(code(too_many), "AddressLimitExceeded", "two by default (Amazon VPC quotas)");
    let nat = create.send().await.expect("gateway").nat_gateway.and_then(|nat| nat.nat_gateway_id).expect("id");
    let associate = |allocation: &str| net.ec2.associate_nat_gateway_address().nat_gateway_id(&nat).allocation_ids(allocation).send();
    assert_eq!(code(associate(&second).await), "IncorrectState", "it is pending");
    net.later(150).await;
    assert_eq!(code(associate(&first).await), "Resource.AlreadyAssociated");
    assert_eq!(code(associate("eipalloc-0123456789abcdef0").await), "InvalidAllocationID.NotFound");
    let changed = associate(&second).await.expect("associate");
    assert_eq!(changed.nat_gateway_addresses()[0].status(), Some(&NatGatewayAddressStatus::Associating));
    net.later(60).await;
    assert_eq!(code(associate(&third).await), "AddressLimitExceeded");

    let told = net.told(&nat).await;
    let addresses = told.nat_gateway_addresses();
    assert_eq!((addresses.len(), addresses[0].is_primary(), addresses[1].is_primary()), (2, Some(true), Some(false)));
    assert!(addresses.iter().all(|address| address.status() == Some(&NatGatewayAddressStatus::Succeeded)));
    // Each elastic address stands for a private one of the same interface.
    let interface = addresses[0].network_interface_id().expect("interface");
    let interfaces = net.ec2.describe_network_interfaces().network_interface_ids(interface).send().await.expect("interfaces");
    let private = interfaces.network_interfaces()[0].private_ip_addresses();
    for (address, private) in addresses.iter().zip(private) {
        assert_eq!(address.private_ip(), private.private_ip_address());
        assert_eq!(address.public_ip(), private.association().and_then(|association| association.public_ip()));
    }

    let drop_address = |id: &str| net.ec2.disassociate_nat_gateway_address().nat_gateway_id(&nat).association_ids(id);
    let (primary, secondary) = (addresses[0].association_id().expect("id"), addresses[1].association_id().expect("id"));
    assert_eq!(code(drop_address(primary).send().await), "InvalidParameterValue");
    assert_eq!(code(drop_address("eipassoc-0123456789abcdef0").send().await), "InvalidAssociationID.NotFound");
    assert_eq!(code(drop_address(secondary).max_drain_duration_seconds(4001).send().await), "InvalidParameterValue");
    let changed = drop_address(secondary).send().await.expect("disassociate");
    assert_eq!(changed.nat_gateway_addresses()[0].status(), Some(&NatGatewayAddressStatus::Disassociating));
    assert_eq!(code(net.ec2.release_address().allocation_id(&second).send().await), "InvalidIPAddress.InUse");
    net.later(60).await;
    assert_eq!(net.told(&nat).await.nat_gateway_addresses().len(), 1);
    net.ec2.release_address().allocation_id(&second).send().await.expect("release");
}

#[tokio::test(start_paused = true)]
async fn a_private_gateway_has_private_addresses_only() {
    let net = Net::new().await;
    let address = net.allocation().await;
    let create = || net.ec2.create_nat_gateway().subnet_id(&net.subnet).connectivity_type(ConnectivityType::Private);
    assert_eq!(code(create().allocation_id(&address).send().await), "InvalidParameterValue");
    let made = create().private_ip_address("10.0.0.10").secondary_private_ip_address_count(2).send().await.expect("gateway");
    let made = made.nat_gateway.expect("gateway");
    let nat = made.nat_gateway_id().expect("id");
    assert_eq!(made.nat_gateway_addresses()[0].private_ip(), Some("10.0.0.10"));
    net.later(150).await;
    let told = net.told(nat).await;
    assert_eq!((told.state(), told.nat_gateway_addresses().len()), (Some(&NatGatewayState::Available), 3), "without an internet gateway");
    assert!(told.nat_gateway_addresses().iter().all(|address| address.public_ip().is_none()));

    let assign = || net.ec2.assign_private_nat_gateway_address().nat_gateway_id(nat);
    assert_eq!(code(assign().private_ip_address_count(6).send().await), "PrivateIpAddressLimitExceeded", "eight by default");
    assert_eq!(code(assign().private_ip_addresses("10.0.0.10").send().await), "InvalidIPAddress.InUse");
    assert_eq!(code(assign().private_ip_addresses("10.0.0.3").send().await), "InvalidParameterValue");
    let fresh = assign().private_ip_addresses("10.0.0.77").send().await.expect("assign");
    assert_eq!(fresh.nat_gateway_addresses()[0].status(), Some(&NatGatewayAddressStatus::Assigning));
    net.later(60).await;
    let unassign = |ip: &str| net.ec2.unassign_private_nat_gateway_address().nat_gateway_id(nat).private_ip_addresses(ip).send();
    assert_eq!(code(unassign("10.0.0.10").await), "InvalidParameterValue", "the primary one");
    unassign("10.0.0.77").await.expect("unassign");
    net.later(60).await;
    assert_eq!(net.told(nat).await.nat_gateway_addresses().len(), 3);
    assert_eq!(
        code(net.ec2.associate_nat_gateway_address().nat_gateway_id(nat).allocation_ids(&address).send().await),
        "InvalidParameterValue"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_by_the_gateway() {
    let net = Net::new().await;
    let failed = async |nat: NatGateway| {
        net.later(60).await;
        let told = net.told(nat.nat_gateway_id().expect("id")).await;
        assert_eq!(told.state(), Some(&NatGatewayState::Failed));
        told.failure_code().unwrap_or_default().to_owned()
    };
    assert_eq!(failed(net.regional(&[]).await).await, "Gateway.NotAttached");
    net.gateway().await;
    let unknown = "eipalloc-0123456789abcdef0".to_owned();
    assert_eq!(failed(net.regional(&[("us-east-1a", &[&unknown])]).await).await, "InvalidAllocationID.NotFound");
    let taken = net.allocation().await;
    net.regional(&[("us-east-1a", &[&taken])]).await;
    assert_eq!(failed(net.regional(&[("us-east-1b", &[&taken])]).await).await, "Resource.AlreadyAssociated");
    // A subnet of eleven addresses with none left.
    let small = net.subnet("10.0.1.0/28", "us-east-1a").await;
    let interface = net.ec2.create_network_interface().subnet_id(&small).secondary_private_ip_address_count(10).send().await;
    interface.expect("interface");
    let address = net.allocation().await;
    let full = net.ec2.create_nat_gateway().subnet_id(&small).allocation_id(&address).send().await.expect("gateway").nat_gateway;
    assert_eq!(failed(full.expect("gateway")).await, "InsufficientFreeAddressesInSubnet");
    assert_eq!(code(net.ec2.create_nat_gateway().subnet_id(&small).send().await), "MissingParameter");
}

#[tokio::test(start_paused = true)]
async fn an_automatic_regional_gateway_follows_the_subnets() {
    let net = Net::new().await;
    let gateway = net.gateway().await;
    let other = net.subnet("10.0.1.0/24", "us-east-1b").await;
    let made = net.regional(&[]).await;
    let id = made.nat_gateway_id().expect("id");
    assert_eq!((made.subnet_id(), made.auto_provision_zones()), (None, Some(&AutoProvisionZonesState::Enabled)));
    net.later(150).await;
    let told = net.told(id).await;
    assert_eq!((told.state(), zones(&told)), (Some(&NatGatewayState::Available), vec!["us-east-1a", "us-east-1b"]));

    // Its own route table leads to the internet gateway, and is AWS's.
    let table = told.route_table_id().expect("table");
    let tables = net.ec2.describe_route_tables().route_table_ids(table).send().await.expect("tables");
    let route = tables.route_tables()[0].routes().iter().find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"));
    assert_eq!(route.and_then(|route| route.gateway_id()), Some(gateway.as_str()));
    assert_eq!(code(net.ec2.delete_route_table().route_table_id(table).send().await), "DependencyViolation");

    // The addresses are the service's: told, but not of the quota, and not to be released.
    let addresses = net.ec2.describe_addresses().send().await.expect("addresses").addresses.unwrap_or_default();
    assert_eq!(addresses.len(), 2);
    assert!(addresses.iter().all(|address| address.service_managed() == Some(&ServiceManaged::Rnat)));
    for _ in 0..5 {
        net.allocation().await;
    }
    assert_eq!(code(net.ec2.allocate_address().send().await), "AddressLimitExceeded");
    let release = net.ec2.release_address().allocation_id(addresses[0].allocation_id().expect("id")).send().await;
    assert_eq!(code(release), "InvalidIPAddress.InUse");
    let detach = || net.ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&net.vpc).send();
    assert_eq!(code(detach().await), "DependencyViolation");

    // "Up to 60 minutes" for a new zone; a zone without subnets is left.
    net.subnet("10.0.2.0/24", "us-east-1c").await;
    net.ec2.delete_subnet().subnet_id(&other).send().await.expect("delete");
    net.later(3700).await;
    assert_eq!(zones(&net.told(id).await), ["us-east-1a", "us-east-1c"]);
    let item = net.sim.inventory().items().iter().find(|item| item.kind == "ec2/nat-gateway").map(|item| item.usd_per_month);
    assert_eq!(item.map(f64::round), Some((2.0 * 0.045 * 730.0_f64).round()), "for each zone");

    net.ec2.delete_nat_gateway().nat_gateway_id(id).send().await.expect("delete");
    net.later(120).await;
    assert_eq!(net.told(id).await.state(), Some(&NatGatewayState::Deleted));
    let managed = net.ec2.describe_addresses().send().await.expect("addresses").addresses.unwrap_or_default();
    assert!(managed.iter().all(|address| address.service_managed().is_none()), "they went with it");
    assert_eq!(code(net.ec2.describe_route_tables().route_table_ids(table).send().await), "InvalidRouteTableID.NotFound");
    detach().await.expect("detach");
}

#[tokio::test(start_paused = true)]
async fn a_manual_regional_gateway_has_what_it_is_given() {
    let net = Net::new().await;
    net.gateway().await;
    let (first, second, third) = (net.allocation().await, net.allocation().await, net.allocation().await);
    let made = net.regional(&[("us-east-1a", &[&first, &second])]).await;
    let id = made.nat_gateway_id().expect("id");
    assert_eq!(made.auto_provision_zones(), Some(&AutoProvisionZonesState::Disabled));
    net.later(150).await;
    net.subnet("10.0.1.0/24", "us-east-1b").await;
    net.later(3700).await;
    assert_eq!(zones(&net.told(id).await), ["us-east-1a", "us-east-1a"], "it does not expand by itself");
    let associate = || net.ec2.associate_nat_gateway_address().nat_gateway_id(id).allocation_ids(&third);
    assert_eq!(code(associate().send().await), "MissingParameter");
    associate().availability_zone("us-east-1b").send().await.expect("associate");
    net.later(60).await;
    let told = net.told(id).await;
    assert_eq!(zones(&told), ["us-east-1a", "us-east-1a", "us-east-1b"]);
    let own = net.ec2.describe_addresses().allocation_ids(&first).send().await.expect("addresses");
    assert_eq!(own.addresses()[0].association_id(), told.nat_gateway_addresses()[0].association_id());

    net.ec2.delete_nat_gateway().nat_gateway_id(id).send().await.expect("delete");
    assert_eq!(code(net.ec2.release_address().allocation_id(&first).send().await), "InvalidIPAddress.InUse", "it is deleting");
    net.later(120).await;
    net.ec2.release_address().allocation_id(&first).send().await.expect("release");
    let filter = Filter::builder().name("vpc-id").values(&net.vpc).build();
    assert_eq!(net.ec2.describe_nat_gateways().filter(filter).send().await.expect("gateways").nat_gateways().len(), 1, "for an hour");
    net.later(3700).await;
    assert_eq!(code(net.ec2.describe_nat_gateways().nat_gateway_ids(id).send().await), "NatGatewayNotFound");
}
