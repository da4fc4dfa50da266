//! Every rule of EC2 that a specification of a network, or of machines in it, can break: a row each, from the request to the
//! error code of "Error codes for the Amazon EC2 API".

mod table;

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    client::Waiters,
    operation::run_instances::builders::RunInstancesFluentBuilder as RunInstances,
    primitives::Blob,
    types::{
        AttributeBooleanValue, AvailabilityMode, ConnectivityType, DomainType, Filter, InstanceMetadataOptionsRequest,
        InstanceNetworkInterfaceSpecification, InstanceType, IpPermission, IpRange, Ipv6Range, Placement, ResourceType, Tag,
        TagSpecification, Tenancy, UserIdGroupPair, VolumeType, VpcAttributeName, builders::IpPermissionBuilder,
    },
};
use eks_sim::Sim;
use table::{DONE, Table};

const IMAGE: &str = "ami-0123456789abcdef0";
const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIgQST6KVgqb/WNVOqMEECxMDpGYr5NbSY8KkdJ3h+Ie me@example.org";

fn filter(name: &str, values: &[&str]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.iter().map(|value| (*value).to_owned()).collect())).build()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

fn tags(kind: ResourceType, list: &[(&str, &str)]) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(list.iter().map(|(key, value)| tag(key, value)).collect())).build()
}

fn on() -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(true).build()
}

fn off() -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(false).build()
}

/// A VPC with what most rules need.
struct Net {
    sim: Sim,
    ec2: Client,
    vpc: String,
    gateway: String,
    /// 10.0.1.0/24 in us-east-1a.
    subnet: String,
    table: String,
    group: String,
}

impl Net {
    async fn new() -> Self {
        let sim = Sim::builder().standard_vcpus(64).build();
        let ec2 = Client::new(&sim.sdk_config());
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        let gateway = ec2.create_internet_gateway().send().await.expect("gateway").internet_gateway;
        let gateway = gateway.and_then(|gateway| gateway.internet_gateway_id).expect("id");
        ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.expect("attach");
        let table = ec2.create_route_table().vpc_id(&vpc).send().await.expect("table").route_table;
        let table = table.and_then(|table| table.route_table_id).expect("id");
        let group = ec2.create_security_group().group_name("g").description("g").vpc_id(&vpc).send().await.expect("group");
        let group = group.group_id.expect("id");
        let mut net = Self { sim, ec2, vpc, gateway, subnet: String::new(), table, group };
        net.subnet = net.subnet("10.0.1.0/24", "us-east-1a").await;
        net
    }

    async fn subnet(&self, cidr: &str, zone: &str) -> String {
        let made = self.ec2.create_subnet().vpc_id(&self.vpc).cidr_block(cidr).availability_zone(zone).send().await;
        made.expect("subnet").subnet.and_then(|subnet| subnet.subnet_id).expect("id")
    }

    async fn vpc(&self, cidr: &str) -> String {
        self.ec2.create_vpc().cidr_block(cidr).send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id")
    }

    async fn address(&self) -> String {
        self.ec2.allocate_address().send().await.expect("address").allocation_id.expect("id")
    }

    async fn group(&self, name: &str) -> String {
        let made = self.ec2.create_security_group().group_name(name).description(name).vpc_id(&self.vpc).send().await;
        made.expect("group").group_id.expect("id")
    }

    async fn interface(&self) -> String {
        let made = self.ec2.create_network_interface().subnet_id(&self.subnet).groups(&self.group).send().await;
        made.expect("interface").network_interface.and_then(|interface| interface.network_interface_id).expect("id")
    }

    fn launch(&self) -> RunInstances {
        let run = self.ec2.run_instances().image_id(IMAGE).instance_type(InstanceType::T3Nano).min_count(1).max_count(1);
        run.subnet_id(&self.subnet).security_group_ids(&self.group)
    }

    async fn instance(&self) -> String {
        let id = self.launch().send().await.expect("launch").instances()[0].instance_id().expect("id").to_owned();
        self.ec2.wait_until_instance_running().instance_ids(&id).wait(Duration::from_secs(600)).await.expect("running");
        id
    }

    async fn volume(&self, zone: &str) -> String {
        let made = self.ec2.create_volume().availability_zone(zone).size(40).volume_type(VolumeType::Gp3).send().await;
        let id = made.expect("volume").volume_id.expect("id");
        self.ec2.wait_until_volume_available().volume_ids(&id).wait(Duration::from_secs(600)).await.expect("available");
        id
    }
}

/// For each call: what it answers to an id of no kind, and to a well-formed one of nothing.
macro_rules! named {
    ($table:ident, $($rule:literal, $absent:literal, $malformed:literal, $missing:literal, |$id:ident| $call:expr;)*) => {$({
        // Boxed by a closure, so that a hundred calls do not lie on one stack.
        let call = |$id: &'static str| Box::pin($call.send());
        $table.row(concat!($rule, ", malformed"), $malformed, call("nonsense")).await;
        $table.row(concat!($rule, ", absent"), $missing, call($absent)).await;
    })*};
}

#[tokio::test(start_paused = true)]
async fn ids() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    named! { table,
        "DescribeVpcs", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", |id| ec2.describe_vpcs().vpc_ids(id);
        "DeleteVpc", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", |id| ec2.delete_vpc().vpc_id(id);
        "CreateSubnet", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.create_subnet().vpc_id(id).cidr_block("10.0.9.0/24");
        "CreateSecurityGroup", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.create_security_group().vpc_id(id).group_name("x").description("x");
        "CreateRouteTable", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", |id| ec2.create_route_table().vpc_id(id);
        "ModifyVpcAttribute", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.modify_vpc_attribute().vpc_id(id).enable_dns_support(on());
        "DescribeVpcAttribute", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.describe_vpc_attribute().vpc_id(id).attribute(VpcAttributeName::EnableDnsSupport);
        "AssociateVpcCidrBlock", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.associate_vpc_cidr_block().vpc_id(id).cidr_block("10.1.0.0/16");
        "AttachInternetGateway to", "vpc-0123456789abcdef0", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
            |id| ec2.attach_internet_gateway().vpc_id(id).internet_gateway_id(&net.gateway);
        "DescribeSubnets", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", |id| ec2.describe_subnets().subnet_ids(id);
        "DeleteSubnet", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", |id| ec2.delete_subnet().subnet_id(id);
        "ModifySubnetAttribute", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
            |id| ec2.modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(on());
        "CreateNatGateway in", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
            |id| ec2.create_nat_gateway().subnet_id(id).allocation_id("eipalloc-0123456789abcdef0");
        "CreateNetworkInterface in", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
            |id| ec2.create_network_interface().subnet_id(id);
        "RunInstances in", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", |id| net.launch().subnet_id(id);
        "AssociateRouteTable with", "subnet-0123456789abcdef0", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
            |id| ec2.associate_route_table().subnet_id(id).route_table_id(&net.table);
        "DescribeInternetGateways", "igw-0123456789abcdef0", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
            |id| ec2.describe_internet_gateways().internet_gateway_ids(id);
        "DeleteInternetGateway", "igw-0123456789abcdef0", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
            |id| ec2.delete_internet_gateway().internet_gateway_id(id);
        "AttachInternetGateway", "igw-0123456789abcdef0", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
            |id| ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(&net.vpc);
        "DetachInternetGateway", "igw-0123456789abcdef0", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
            |id| ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(&net.vpc);
        "DescribeRouteTables", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.describe_route_tables().route_table_ids(id);
        "DeleteRouteTable", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.delete_route_table().route_table_id(id);
        "AssociateRouteTable", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.associate_route_table().route_table_id(id).subnet_id(&net.subnet);
        "CreateRoute", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.create_route().route_table_id(id).destination_cidr_block("0.0.0.0/0").gateway_id(&net.gateway);
        "DeleteRoute", "rtb-0123456789abcdef0", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
            |id| ec2.delete_route().route_table_id(id).destination_cidr_block("0.0.0.0/0");
        "DescribeNatGateways", "nat-0123456789abcdef0", "NatGatewayMalformed", "NatGatewayNotFound", |id| ec2.describe_nat_gateways().nat_gateway_ids(id);
        "DeleteNatGateway", "nat-0123456789abcdef0", "NatGatewayMalformed", "NatGatewayNotFound", |id| ec2.delete_nat_gateway().nat_gateway_id(id);
        // The reference has no code for malformed allocation ids.
        "ReleaseAddress", "eipalloc-0123456789abcdef0", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound",
            |id| ec2.release_address().allocation_id(id);
        "AssociateAddress", "eipalloc-0123456789abcdef0", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound",
            |id| ec2.associate_address().allocation_id(id).instance_id("i-0123456789abcdef0");
        "DescribeAddresses", "eipalloc-0123456789abcdef0", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound",
            |id| ec2.describe_addresses().allocation_ids(id);
        "DescribeAddresses by address", "203.0.113.9", "InvalidAddress.NotFound", "InvalidAddress.NotFound", |id| ec2.describe_addresses().public_ips(id);
        "DisassociateAddress", "eipassoc-0123456789abcdef0", "InvalidAssociationID.NotFound", "InvalidAssociationID.NotFound",
            |id| ec2.disassociate_address().association_id(id);
        "DisassociateRouteTable", "rtbassoc-0123456789abcdef0", "InvalidAssociationID.NotFound", "InvalidAssociationID.NotFound",
            |id| ec2.disassociate_route_table().association_id(id);
        "DescribeSecurityGroups", "sg-0123456789abcdef0", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
            |id| ec2.describe_security_groups().group_ids(id);
        "DescribeSecurityGroups by name", "none", "InvalidGroup.NotFound", "InvalidGroup.NotFound", |id| ec2.describe_security_groups().group_names(id);
        "DeleteSecurityGroup", "sg-0123456789abcdef0", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
            |id| ec2.delete_security_group().group_id(id);
        "AuthorizeSecurityGroupIngress", "sg-0123456789abcdef0", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
            |id| ec2.authorize_security_group_ingress().group_id(id).ip_permissions(ssh("10.0.0.0/8"));
        "CreateNetworkInterface with group", "sg-0123456789abcdef0", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
            |id| ec2.create_network_interface().subnet_id(&net.subnet).groups(id);
        "DescribeSecurityGroupRules", "sgr-0123456789abcdef0", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound",
            |id| ec2.describe_security_group_rules().security_group_rule_ids(id);
        "RevokeSecurityGroupIngress", "sgr-0123456789abcdef0", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound",
            |id| ec2.revoke_security_group_ingress().group_id(&net.group).security_group_rule_ids(id);
        "DescribeNetworkInterfaces", "eni-0123456789abcdef0", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound",
            |id| ec2.describe_network_interfaces().network_interface_ids(id);
        "DeleteNetworkInterface", "eni-0123456789abcdef0", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound",
            |id| ec2.delete_network_interface().network_interface_id(id);
        "DetachNetworkInterface", "eni-attach-0123456789abcdef0", "InvalidAttachmentID.NotFound", "InvalidAttachmentID.NotFound",
            |id| ec2.detach_network_interface().attachment_id(id);
        "DescribeNetworkAcls", "acl-0123456789abcdef0", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound",
            |id| ec2.describe_network_acls().network_acl_ids(id);
        "DescribeInstances", "i-0123456789abcdef0", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound",
            |id| ec2.describe_instances().instance_ids(id);
        "TerminateInstances", "i-0123456789abcdef0", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound",
            |id| ec2.terminate_instances().instance_ids(id);
        "DescribeVolumes", "vol-0123456789abcdef0", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", |id| ec2.describe_volumes().volume_ids(id);
        "DeleteVolume", "vol-0123456789abcdef0", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", |id| ec2.delete_volume().volume_id(id);
        "DetachVolume", "vol-0123456789abcdef0", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", |id| ec2.detach_volume().volume_id(id);
        "DescribeLaunchTemplates", "lt-0123456789abcdef0", "InvalidLaunchTemplateId.Malformed", "InvalidLaunchTemplateId.NotFound",
            |id| ec2.describe_launch_templates().launch_template_ids(id);
        "DescribeKeyPairs", "key-0123456789abcdef0", "InvalidKeyPair.NotFound", "InvalidKeyPair.NotFound", |id| ec2.describe_key_pairs().key_pair_ids(id);
        "DescribeKeyPairs by name", "none", "InvalidKeyPair.NotFound", "InvalidKeyPair.NotFound", |id| ec2.describe_key_pairs().key_names(id);
        "RunInstances of", "ami-00000000000000000", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound", |id| net.launch().image_id(id);
        "CreateTags", "vpc-0123456789abcdef0", "InvalidID", "InvalidVpcID.NotFound", |id| ec2.create_tags().resources(id).tags(tag("a", "b"));
        "DeleteTags", "nat-0123456789abcdef0", "InvalidID", "NatGatewayNotFound", |id| ec2.delete_tags().resources(id).tags(tag("a", "b"));
    }
    table.check();
}

fn ssh(cidr: &str) -> IpPermission {
    tcp(22, 22).ip_ranges(IpRange::builder().cidr_ip(cidr).build()).build()
}

fn tcp(from: i32, to: i32) -> IpPermissionBuilder {
    IpPermission::builder().ip_protocol("tcp").from_port(from).to_port(to)
}

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
    let inside = net.subnet("100.64.0.0/24", "us-east-1a").await;
    table.row("a block with a subnet stays", "DependencyViolation", disassociate(&blocks[1])).await;
    ec2.delete_subnet().subnet_id(inside).send().await.expect("delete");
    table.row("a secondary block goes", DONE, disassociate(&blocks[1])).await;
    table.row("and is gone", "InvalidCidrBlockAssociationID.NotFound", disassociate(&blocks[1])).await;

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

#[tokio::test(start_paused = true)]
async fn launches() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    // Boxed, because these are large and many.
    let run = |change: fn(RunInstances) -> RunInstances| Box::pin(change(net.launch()).send());
    table.row("no image", "MissingParameter", ec2.run_instances().min_count(1).max_count(1).send()).await;
    table.row("no count", "MissingParameter", ec2.run_instances().image_id(IMAGE).send()).await;
    table.row("fewer at most than at least", "InvalidParameterValue", run(|run| run.min_count(2))).await;
    table.row("none", "InvalidParameterValue", run(|run| run.min_count(0).max_count(0))).await;
    table.row("a type that is none", "InvalidParameterValue", run(|run| run.instance_type("t9.huge".into()))).await;
    table.row("a key that is none", "InvalidKeyPair.NotFound", run(|run| run.key_name("none"))).await;
    table.row("user data that is not base64", "InvalidParameterValue", run(|run| run.user_data("!"))).await;
    table.row("16 KB of user data", DONE, run(|run| run.user_data(format!("{}AA==", "A".repeat(4 * 5_461))))).await;
    table.row("more than 16 KB of user data", "InvalidParameterValue", run(|run| run.user_data("A".repeat(4 * 5_462)))).await;
    fn options(run: RunInstances, tokens: &str, hops: i32) -> RunInstances {
        let options = InstanceMetadataOptionsRequest::builder().http_tokens(tokens.into()).http_put_response_hop_limit(hops);
        run.metadata_options(options.build())
    }
    table.row("no hop", "InvalidParameterValue", run(|run| options(run, "required", 0))).await;
    table.row("65 hops", "InvalidParameterValue", run(|run| options(run, "required", 65))).await;
    table.row("64 hops", DONE, run(|run| options(run, "required", 64))).await;
    table.row("tokens of no kind", "InvalidParameterValue", run(|run| options(run, "maybe", 1))).await;
    let elsewhere = run(|run| run.placement(Placement::builder().availability_zone("us-east-1b").build()));
    table.row("a zone that is not the subnet's", "InvalidParameterValue", elsewhere).await;
    let constrained = net.subnet("10.0.5.0/24", "us-east-1e").await;
    table.row("a type that the zone lacks", "Unsupported", Box::pin(net.launch().subnet_id(constrained).send())).await;
    let own = InstanceNetworkInterfaceSpecification::builder().device_index(0).subnet_id(&net.subnet).build();
    let beside = Box::pin(net.launch().network_interfaces(own).send());
    table.row("interfaces beside a subnet", "InvalidParameterCombination", beside).await;
    fn addressed(run: RunInstances) -> RunInstances {
        run.private_ip_address("10.0.1.77")
    }
    table.row("one address for two", "InvalidParameterCombination", run(|run| addressed(run).min_count(2).max_count(2))).await;
    table.row("an address", DONE, run(addressed)).await;
    table.row("an address in use", "InvalidIPAddress.InUse", run(addressed)).await;
    // 64 vCPUs, of which three t3.nano have 6.
    let large = run(|run| run.instance_type(InstanceType::M54xlarge).min_count(4).max_count(4));
    table.row("more vCPUs than the quota", "VcpuLimitExceeded", large).await;
    table.check();
}

#[tokio::test(start_paused = true)]
async fn ends_of_instances() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let run = |most: i32| Box::pin(net.launch().client_token("t").disable_api_termination(true).max_count(most).send());
    let id = run(1).await.expect("launch").instances()[0].instance_id().expect("id").to_owned();
    let again = run(1).await.expect("again").instances()[0].instance_id().map(str::to_owned);
    table.fact("a token launches once", Some(&id), again.as_ref());
    table.row("a token for something else", "IdempotentParameterMismatch", run(2)).await;
    let terminate = || ec2.terminate_instances().instance_ids(&id).send();
    table.row("a protected instance stays", "OperationNotPermitted", terminate()).await;
    let modify = || ec2.modify_instance_attribute().instance_id(&id);
    table.row("no attribute", "MissingParameter", modify().send()).await;
    let both = modify().groups(&net.group).disable_api_termination(off()).send();
    table.row("one attribute a call", "InvalidParameterCombination", both).await;
    table.row("a group that is none", "InvalidGroup.NotFound", modify().groups("sg-0123456789abcdef0").send()).await;
    table.row("protection goes", DONE, modify().disable_api_termination(off()).send()).await;
    let both = ec2.terminate_instances().instance_ids(&id).instance_ids("i-0123456789abcdef0").send();
    table.row("one of two that is none", "InvalidInstanceID.NotFound", both).await;
    let told = ec2.describe_instances().instance_ids(&id).send().await.expect("instances").reservations()[0].instances()[0].clone();
    let state = told.state().and_then(|state| state.name()).map(|name| name.as_str());
    table.fact("and then none is terminated", Some("pending"), state);
    table.row("no instance", "MissingParameter", ec2.terminate_instances().send()).await;
    table.row("then it goes", DONE, terminate()).await;
    let subnet = ec2.delete_subnet().subnet_id(&net.subnet).send();
    table.row("a subnet with a dying instance stays", "DependencyViolation", subnet).await;
    ec2.wait_until_instance_terminated().instance_ids(&id).wait(Duration::from_secs(600)).await.expect("terminated");
    table.row("twice is no error", DONE, terminate()).await;
    table.row("the token of a dead one", "IdempotentInstanceTerminated", run(1)).await;
    table.check();
}

#[tokio::test(start_paused = true)]
async fn key_pairs() {
    let sim = Sim::new();
    let (ec2, mut table) = (Client::new(&sim.sdk_config()), Table::default());
    let import = |name: &str, key: &str| ec2.import_key_pair().key_name(name).public_key_material(Blob::new(key)).send();
    table.row("garbage", "InvalidKey.Format", import("k", "garbage")).await;
    table.row("a private key", "InvalidKey.Format", import("k", "-----BEGIN OPENSSH PRIVATE KEY-----")).await;
    table.row("a DSA key", "InvalidKey.Format", import("k", "ssh-dss AAAAB3NzaC1kc3M=")).await;
    table.row("half a key", "InvalidKey.Format", import("k", &PUBLIC_KEY[..50])).await;
    let renamed = PUBLIC_KEY.replace("ssh-ed25519", "ssh-rsa");
    table.row("one kind named, another told", "InvalidKey.Format", import("k", &renamed)).await;
    table.row("256 characters of name", "InvalidParameterValue", import(&"k".repeat(256), PUBLIC_KEY)).await;
    table.row("a name that is not ASCII", "InvalidParameterValue", import("schlüssel", PUBLIC_KEY)).await;
    table.row("no name", "MissingParameter", ec2.import_key_pair().public_key_material(Blob::new(PUBLIC_KEY)).send()).await;
    table.row("no key", "MissingParameter", ec2.import_key_pair().key_name("k").send()).await;
    table.row("a key", DONE, import("k", PUBLIC_KEY)).await;
    table.row("a name is there once", "InvalidKeyPair.Duplicate", import("k", PUBLIC_KEY)).await;
    let told = ec2.describe_key_pairs().key_names("k").send().await.expect("keys").key_pairs()[0].clone();
    // `ssh-keygen -l` of the key above, without "SHA256:" and with its padding.
    table.fact("the fingerprint", Some("aFNhU8DprzuGnpxRtCI7XE+Y/z2M3ZEXSMsMmSQuOf8="), told.key_fingerprint());
    table.row("a key that is none goes", DONE, ec2.delete_key_pair().key_name("none").send()).await;
    table.row("neither name nor id", "MissingParameter", ec2.delete_key_pair().send()).await;
    table.check();
}

#[tokio::test(start_paused = true)]
async fn volumes() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let create = |kind: VolumeType, size: i32| ec2.create_volume().availability_zone("us-east-1a").volume_type(kind).size(size);
    table.row("no zone", "MissingParameter", ec2.create_volume().size(1).send()).await;
    table.row("a zone that is none", "InvalidZone.NotFound", ec2.create_volume().availability_zone("us-east-1z").size(1).send()).await;
    table.row("no size", "MissingParameter", ec2.create_volume().availability_zone("us-east-1a").send()).await;
    table.row("a type that is none", "UnknownVolumeType", create("floppy".into(), 1).send()).await;
    for (kind, low, high) in [
        (VolumeType::Gp3, 1, 65_536),
        (VolumeType::Gp2, 1, 16_384),
        (VolumeType::St1, 125, 16_384),
        (VolumeType::Sc1, 125, 16_384),
        (VolumeType::Standard, 1, 1_024),
    ] {
        table.row(&format!("{kind} of less than {low} GiB"), "InvalidParameterValue", create(kind.clone(), low - 1).send()).await;
        table.row(&format!("{kind} of more than {high} GiB"), "InvalidParameterValue", create(kind.clone(), high + 1).send()).await;
    }
    table.row("3 GiB of io2", "InvalidParameterValue", create(VolumeType::Io2, 3).iops(100).send()).await;
    table.row("io2 without IOPS", "MissingParameter", create(VolumeType::Io2, 4).send()).await;
    table.row("51 IOPS a GiB of io1", "InvalidParameterValue", create(VolumeType::Io1, 100).iops(5_001).send()).await;
    table.row("gp2 with IOPS", "InvalidParameterCombination", create(VolumeType::Gp2, 10).iops(100).send()).await;
    table.row("2,999 IOPS of gp3", "InvalidParameterValue", create(VolumeType::Gp3, 10).iops(2_999).send()).await;
    table.row("501 IOPS a GiB of gp3", "InvalidParameterValue", create(VolumeType::Gp3, 10).iops(5_001).send()).await;
    table.row("124 MiB/s of gp3", "InvalidParameterValue", create(VolumeType::Gp3, 10).throughput(124).send()).await;
    table.row("gp2 with throughput", "InvalidParameterCombination", create(VolumeType::Gp2, 10).throughput(125).send()).await;
    let once = |size: i32| create(VolumeType::Gp3, size).client_token("t").send();
    let id = once(40).await.expect("volume").volume_id.expect("id");
    table.fact("a token makes one volume", Some(&id), once(40).await.expect("again").volume_id.as_ref());
    table.row("a token for something else", "IdempotentParameterMismatch", once(41)).await;

    let instance = net.instance().await;
    let attach = |volume: &str, device: &str| ec2.attach_volume().volume_id(volume).instance_id(&instance).device(device).send();
    let fresh = create(VolumeType::Gp3, 1).send().await.expect("volume").volume_id.expect("id");
    table.row("a volume that is being made", "IncorrectState", attach(&fresh, "/dev/xvdh")).await;
    let far = net.volume("us-east-1b").await;
    table.row("a volume of another zone", "InvalidVolume.ZoneMismatch", attach(&far, "/dev/xvdh")).await;
    table.row("a device that is none", "InvalidParameterValue", attach(&id, "/dev/nvme1n1")).await;
    table.row("the root's device", "InvalidParameterValue", attach(&id, "/dev/xvda")).await;
    table
        .row(
            "an instance that is none",
            "InvalidInstanceID.NotFound",
            ec2.attach_volume().volume_id(&id).instance_id("i-0123456789abcdef0").device("/dev/xvdh").send(),
        )
        .await;
    table.row("a volume is attached", DONE, attach(&id, "/dev/xvdh")).await;
    table.row("once", "VolumeInUse", attach(&id, "/dev/xvdi")).await;
    table.row("an attached volume stays", "VolumeInUse", ec2.delete_volume().volume_id(&id).send()).await;
    let near = net.volume("us-east-1a").await;
    table.row("a device in use", "InvalidParameterValue", attach(&near, "/dev/xvdh")).await;
    let detach = |volume: &str| ec2.detach_volume().volume_id(volume);
    table.row("a volume of another instance", "InvalidAttachment.NotFound", detach(&id).instance_id("i-0123456789abcdef0").send()).await;
    table.row("a volume at another device", "InvalidAttachment.NotFound", detach(&id).device("/dev/xvdz").send()).await;
    table.row("a volume that is not attached", "IncorrectState", detach(&near).send()).await;
    let told = ec2.describe_instances().instance_ids(&instance).send().await.expect("instances").reservations()[0].instances()[0].clone();
    let root = told.block_device_mappings()[0].ebs().and_then(|ebs| ebs.volume_id()).expect("root").to_owned();
    table.row("the root volume stays", "OperationNotPermitted", detach(&root).send()).await;
    table.row("a volume is detached", DONE, detach(&id).send()).await;
    ec2.wait_until_volume_available().volume_ids(&id).wait(Duration::from_secs(600)).await.expect("available");
    table.row("and attached again", DONE, attach(&id, "/dev/xvdh")).await;

    // Root volume, interface, and the volume make three of 28.
    for n in 0..25_u8 {
        let volume = net.volume("us-east-1a").await;
        table.row("28 attachments", DONE, attach(&volume, &format!("/dev/xvdb{}", char::from(b'a' + n)))).await;
    }
    table.row("29 attachments", "AttachmentLimitExceeded", attach(&near, "/dev/xvdz")).await;
    for _ in 0..3 {
        table.row("48 TiB of gp2", DONE, create(VolumeType::Gp2, 16_384).send()).await;
    }
    table.row("64 of 50 TiB", "VolumeLimitExceeded", create(VolumeType::Gp2, 16_384).send()).await;
    table.check();
}

/// "Tag your Amazon EC2 resources" and "Tag" of the API reference.
#[tokio::test(start_paused = true)]
async fn tagging() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let put = |key: &str, value: &str| ec2.create_tags().resources(&net.vpc).tags(tag(key, value)).send();
    table.row("127 characters of key", DONE, put(&"k".repeat(127), "v")).await;
    table.row("128 characters of key", "InvalidParameterValue", put(&"k".repeat(128), "v")).await;
    table.row("127 characters of two bytes", DONE, put(&"é".repeat(127), "v")).await;
    table.row("256 characters of value", DONE, put("k", &"v".repeat(256))).await;
    table.row("257 characters of value", "InvalidParameterValue", put("k", &"v".repeat(257))).await;
    table.row("AWS's own prefix", "InvalidParameterValue", put("aws:cloudformation:stack-name", "v")).await;
    table.row("in any case", "InvalidParameterValue", put("AWS:x", "v")).await;
    let own = ec2.delete_tags().resources(&net.vpc).tags(Tag::builder().key("aws:x").build()).send();
    table.row("AWS's own are not ours to delete", "InvalidParameterValue", own).await;
    table
        .row("a key twice", "InvalidParameterValue", ec2.create_tags().resources(&net.vpc).tags(tag("a", "1")).tags(tag("a", "2")).send())
        .await;
    table.row("no tag", "MissingParameter", ec2.create_tags().resources(&net.vpc).send()).await;
    table.row("no resource", "MissingParameter", ec2.create_tags().tags(tag("a", "b")).send()).await;
    let both = ec2.create_tags().resources(&net.subnet).resources("subnet-0123456789abcdef0").tags(tag("both", "b")).send();
    table.row("one of two that is none", "InvalidSubnetID.NotFound", both).await;
    let untouched = ec2.describe_tags().filters(filter("key", &["both"])).send().await.expect("tags");
    table.fact("and then none is tagged", 0, untouched.tags().len());

    let mut fifty = ec2.create_tags().resources(&net.subnet);
    for n in 0..50 {
        fifty = fifty.tags(tag(&format!("k{n}"), "v"));
    }
    table.row("fifty tags", DONE, fifty.send()).await;
    let more = |key: &str| ec2.create_tags().resources(&net.subnet).tags(tag(key, "w")).send();
    table.row("fifty-one tags", "TagLimitExceeded", more("k50")).await;
    table.row("one of the fifty anew", DONE, more("k0")).await;
    let create = |tags: TagSpecification| ec2.create_internet_gateway().tag_specifications(tags).send();
    let of_subnet = tags(ResourceType::Subnet, &[("a", "b")]);
    table.row("tags of another kind at creation", "InvalidParameterValue", create(of_subnet)).await;
    let twice = tags(ResourceType::InternetGateway, &[("a", "1"), ("a", "2")]);
    table.row("a key twice at creation", "InvalidParameterValue", create(twice)).await;
    let reserved = tags(ResourceType::InternetGateway, &[("aws:a", "1")]);
    table.row("AWS's own prefix at creation", "InvalidParameterValue", create(reserved)).await;
    let gateways = ec2.describe_internet_gateways().send().await.expect("gateways").internet_gateways().len();
    table.fact("nothing is made of a refused call", 2, gateways);
    let removed = ec2.delete_tags().resources(&net.subnet).tags(tag("k1", "other")).send();
    table.row("a tag of another value", DONE, removed).await;
    let left =
        ec2.describe_tags().filters(filter("resource-id", &[&net.subnet])).filters(filter("key", &["k1"])).send().await.expect("tags");
    table.fact("stays", 1, left.tags().len());
    table.check();
}

/// "List and filter your resources": wildcards, and how filters join.
#[tokio::test(start_paused = true)]
async fn filters() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    for (n, name) in ["web-1", "web-2", "Web-1", "db*1", "db?1", "dbx1"].into_iter().enumerate() {
        let subnet = net.subnet(&format!("10.0.{}.0/24", n + 10), if n % 2 == 0 { "us-east-1a" } else { "us-east-1b" }).await;
        ec2.create_tags().resources(subnet).tags(tag("Name", name)).tags(tag(&format!("tier/{n}"), "")).send().await.expect("tag");
    }
    let found = async |filters: &[(&str, &[&str])]| {
        let mut call = ec2.describe_subnets().filters(filter("vpc-id", &[&net.vpc]));
        for (name, values) in filters {
            call = call.filters(filter(name, values));
        }
        let subnets = call.send().await.expect("subnets");
        let names = subnets.subnets().iter().filter_map(|subnet| subnet.tags().iter().find(|tag| tag.key() == Some("Name")));
        let mut names: Vec<_> = names.filter_map(|tag| tag.value().map(str::to_owned)).collect();
        names.sort();
        names
    };
    let rows: [(&str, &[(&str, &[&str])], &[&str]); 12] = [
        ("as it is", &[("tag:Name", &["web-1"])], &["web-1"]),
        ("values are joined by or", &[("tag:Name", &["web-1", "web-2"])], &["web-1", "web-2"]),
        ("filters are joined by and", &[("tag:Name", &["web-1", "web-2"]), ("availability-zone", &["us-east-1b"])], &["web-2"]),
        ("one filter twice is joined by and", &[("tag:Name", &["web-*"]), ("tag:Name", &["*-2"])], &["web-2"]),
        ("a star is any text", &[("tag:Name", &["web*"])], &["web-1", "web-2"]),
        ("even none", &[("tag:Name", &["*web-1*"])], &["web-1"]),
        ("a question mark is one character", &[("tag:Name", &["?eb-1"])], &["Web-1", "web-1"]),
        ("and not none", &[("tag:Name", &["web-1?"])], &[]),
        ("case matters", &[("tag:Name", &["WEB-1"])], &[]),
        ("a backslash makes a star a star", &[("tag:Name", &["db\\*1"])], &["db*1"]),
        ("and a question mark one", &[("tag:Name", &["db\\?1"])], &["db?1"]),
        ("keys have wildcards too", &[("tag-key", &["tier/?"]), ("tag:Name", &["db*"])], &["db*1", "db?1", "dbx1"]),
    ];
    for (rule, filters, expected) in rows {
        table.fact(rule, expected.to_vec(), found(filters).await.iter().map(String::as_str).collect());
    }
    table.row("a filter that is none", "InvalidParameterValue", ec2.describe_subnets().filters(filter("nonsense", &["x"])).send()).await;
    table
        .row("a filter without a name", "MissingParameter", ec2.describe_subnets().filters(Filter::builder().values("x").build()).send())
        .await;
    let many: Vec<_> = (0..201).map(|n| format!("subnet-{n:08x}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    table.row("200 values", DONE, ec2.describe_subnets().filters(filter("subnet-id", &many[..200])).send()).await;
    table.row("201 values", "FilterLimitExceeded", ec2.describe_subnets().filters(filter("subnet-id", &many)).send()).await;
    let both = ec2.describe_subnets().subnet_ids(&net.subnet).filters(filter("availability-zone", &["us-east-1b"])).send().await;
    table.fact("a filter beside an id", 0, both.expect("no error").subnets().len());
    table.check();
}

/// MaxResults has the "Valid Range" of each action's page.
macro_rules! pages {
    ($table:ident, $ec2:ident, $($call:ident $low:literal $high:literal;)*) => {$(
        let call = |size: i32| Box::pin($ec2.$call().max_results(size).send());
        $table.row(concat!(stringify!($call), " too small"), if $low > 1 { "InvalidParameterValue" } else { DONE }, call(if $low > 1 { $low - 1 } else { 1 })).await;
        $table.row(concat!(stringify!($call), " smallest"), DONE, call($low)).await;
        $table.row(concat!(stringify!($call), " largest"), DONE, call($high)).await;
        $table.row(concat!(stringify!($call), " too large"), "InvalidParameterValue", call($high + 1)).await;
        let token = || Box::pin($ec2.$call().max_results($high).next_token("nonsense").send());
        $table.row(concat!(stringify!($call), " with a token of nobody"), "InvalidNextToken", token()).await;
    )*};
}

#[tokio::test(start_paused = true)]
async fn paging() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    pages! { table, ec2,
        describe_vpcs 5 1000;
        describe_subnets 5 1000;
        describe_internet_gateways 5 1000;
        describe_route_tables 5 100;
        describe_nat_gateways 5 1000;
        describe_network_acls 5 1000;
        describe_network_interfaces 5 1000;
        describe_security_groups 5 1000;
        describe_security_group_rules 5 1000;
        describe_tags 5 1000;
        describe_launch_templates 1 200;
        describe_instance_types 5 100;
        describe_instance_type_offerings 5 1000;
    }
    // Their pages name no largest size.
    table.row("instances, too small", "InvalidParameterValue", ec2.describe_instances().max_results(4).send()).await;
    table.row("instances, large", DONE, ec2.describe_instances().max_results(5_000).send()).await;
    table.row("volumes, too small", "InvalidParameterValue", ec2.describe_volumes().max_results(4).send()).await;
    table.row("volumes, large", DONE, ec2.describe_volumes().max_results(5_000).send()).await;
    // "You cannot specify this parameter and the … IDs parameter in the same request."
    let instance = net.instance().await;
    let code = "InvalidParameterCombination";
    table.row("instances by id", code, ec2.describe_instances().instance_ids(&instance).max_results(5).send()).await;
    table.row("status by id", code, ec2.describe_instance_status().instance_ids(&instance).max_results(5).send()).await;
    let interface = net.interface().await;
    table.row("interfaces by id", code, ec2.describe_network_interfaces().network_interface_ids(interface).max_results(5).send()).await;

    for n in 20..32 {
        net.subnet(&format!("10.0.{n}.0/24"), "us-east-1a").await;
    }
    let pages: Vec<_> = ec2
        .describe_subnets()
        .filters(filter("vpc-id", &[&net.vpc]))
        .into_paginator()
        .page_size(5)
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .expect("pages");
    table.fact("pages are full but the last", vec![5, 5, 3], pages.iter().map(|page| page.subnets().len()).collect());
    let mut all: Vec<_> = pages.iter().flat_map(|page| page.subnets()).filter_map(|subnet| subnet.subnet_id()).collect();
    all.sort_unstable();
    all.dedup();
    table.fact("and tell each thing once", 13, all.len());
    table.check();
}

macro_rules! dry {
    ($table:ident, $ec2:ident, $($call:ident)*) => {$(
        let call = || Box::pin($ec2.$call().dry_run(true).send());
        $table.row(stringify!($call), "DryRunOperation", call()).await;
    )*};
}

/// DryRun "checks whether you have the required permissions for the action, without actually making the request".
#[tokio::test(start_paused = true)]
async fn dry_runs() {
    let sim = Sim::new();
    let (ec2, mut table) = (Client::new(&sim.sdk_config()), Table::default());
    dry! { table, ec2,
        allocate_address associate_address associate_route_table attach_internet_gateway attach_network_interface attach_volume
        authorize_security_group_egress authorize_security_group_ingress create_internet_gateway create_launch_template
        create_launch_template_version create_nat_gateway create_network_interface create_route create_route_table
        create_security_group create_subnet create_tags create_volume create_vpc delete_internet_gateway delete_key_pair
        delete_launch_template delete_nat_gateway delete_network_interface delete_route delete_route_table delete_security_group
        delete_subnet delete_tags delete_volume delete_vpc describe_instances describe_subnets describe_vpcs detach_internet_gateway
        detach_network_interface detach_volume disassociate_address disassociate_route_table import_key_pair modify_instance_attribute
        modify_launch_template modify_network_interface_attribute release_address replace_route replace_route_table_association
        revoke_security_group_egress revoke_security_group_ingress run_instances terminate_instances
    }
    let made = ec2.create_vpc().cidr_block("10.0.0.0/16").dry_run(true).send().await;
    table.fact(
        "with the status of a failed precondition",
        Some(412),
        made.expect_err("dry").raw_response().map(|raw| raw.status().as_u16()),
    );
    table.fact("nothing is made", 0, sim.inventory().items().len());
    table.check();
}

/// "Amazon VPC quotas", "Amazon EC2 endpoints and quotas": as many as are allowed, and one more.
#[tokio::test(start_paused = true)]
async fn quotas() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    // The default VPC and its gateway count.
    for n in 1..=3 {
        table.row("five VPCs", DONE, ec2.create_vpc().cidr_block(format!("10.{n}.0.0/16")).send()).await;
        table.row("five internet gateways", DONE, ec2.create_internet_gateway().send()).await;
    }
    table.row("six VPCs", "VpcLimitExceeded", ec2.create_vpc().cidr_block("10.9.0.0/16").send()).await;
    table.row("six internet gateways", "InternetGatewayLimitExceeded", ec2.create_internet_gateway().send()).await;
    for _ in 0..5 {
        table.row("five addresses", DONE, ec2.allocate_address().send()).await;
    }
    table.row("six addresses", "AddressLimitExceeded", ec2.allocate_address().send()).await;

    let subnet = |n: u32| ec2.create_subnet().vpc_id(&net.vpc).cidr_block(format!("10.0.{}.{}/28", n / 16 + 2, n % 16 * 16)).send();
    for n in 0..199 {
        table.row("200 subnets", DONE, subnet(n)).await;
    }
    table.row("201 subnets", "SubnetLimitExceeded", subnet(199)).await;
    // The main table and ours count.
    for _ in 0..198 {
        table.row("200 route tables", DONE, ec2.create_route_table().vpc_id(&net.vpc).send()).await;
    }
    table.row("201 route tables", "RouteTableLimitExceeded", ec2.create_route_table().vpc_id(&net.vpc).send()).await;
    let route = |n: u32| {
        let block = format!("20.{}.{}.0/24", n / 256, n % 256);
        ec2.create_route().route_table_id(&net.table).destination_cidr_block(block).gateway_id(&net.gateway).send()
    };
    for n in 0..500 {
        table.row("500 routes", DONE, route(n)).await;
    }
    table.row("501 routes", "RouteLimitExceeded", route(500)).await;

    // A rule counts by direction, and by the family of its peer; a group counts for both.
    let rules = |from: i32, count: i32, peer: fn(IpPermissionBuilder) -> IpPermission| {
        (from..from + count).map(move |port| peer(tcp(port, port))).collect::<Vec<_>>()
    };
    let v4 = |rule: IpPermissionBuilder| rule.ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build()).build();
    let v6 = |rule: IpPermissionBuilder| rule.ipv6_ranges(Ipv6Range::builder().cidr_ipv6("2001:db8::/32").build()).build();
    let ingress =
        |rules: Vec<IpPermission>| ec2.authorize_security_group_ingress().group_id(&net.group).set_ip_permissions(Some(rules)).send();
    let egress =
        |rules: Vec<IpPermission>| ec2.authorize_security_group_egress().group_id(&net.group).set_ip_permissions(Some(rules)).send();
    let code = "RulesPerSecurityGroupLimitExceeded";
    table.row("61 rules at once", code, ingress(rules(1, 61, v4))).await;
    table.row("60 rules in", DONE, ingress(rules(1, 60, v4))).await;
    table.row("61 rules in", code, ingress(rules(100, 1, v4))).await;
    table.row("60 rules in for IPv6", DONE, ingress(rules(1, 60, v6))).await;
    table.row("61 rules in for IPv6", code, ingress(rules(100, 1, v6))).await;
    let own = tcp(443, 443).user_id_group_pairs(UserIdGroupPair::builder().group_id(&net.group).build()).build();
    table.row("a group beside them", code, ingress(vec![own])).await;
    table.row("60 rules out, with the first", DONE, egress(rules(1, 59, v4))).await;
    table.row("61 rules out", code, egress(rules(100, 1, v4))).await;
    table.check();
}

/// 2,500 groups and 5,000 interfaces a Region.
#[tokio::test(start_paused = true)]
async fn large_quotas() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let group = |n: usize| ec2.create_security_group().group_name(format!("g{n}")).description("g").vpc_id(&net.vpc).send();
    let present = ec2.describe_security_groups().send().await.expect("groups").security_groups().len();
    for n in present..2_500 {
        table.row("2,500 groups", DONE, group(n)).await;
    }
    table.row("2,501 groups", "SecurityGroupLimitExceeded", group(2_500)).await;
    let wide = net.subnet("10.0.128.0/17", "us-east-1a").await;
    for _ in 0..5_000 {
        table.row("5,000 interfaces", DONE, ec2.create_network_interface().subnet_id(&wide).send()).await;
    }
    table.row("5,001 interfaces", "NetworkInterfaceLimitExceeded", ec2.create_network_interface().subnet_id(&wide).send()).await;
    table.check();
}
