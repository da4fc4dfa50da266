//! Every rule of EC2 that a specification of a network, or of machines in it, can break: a row each, from the request to the
//! error code of "Error codes for the Amazon EC2 API".

mod ids;
mod listing;
mod machines;
mod network;
mod quotas;
#[path = "../table/mod.rs"]
mod table;
mod tags;

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    client::Waiters,
    operation::run_instances::builders::RunInstancesFluentBuilder as RunInstances,
    types::{
        AttributeBooleanValue, Filter, InstanceType, IpPermission, IpRange, ResourceType, Tag, TagSpecification, VolumeType,
        builders::IpPermissionBuilder,
    },
};
use eks_sim::Sim;

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

fn ssh(cidr: &str) -> IpPermission {
    tcp(22, 22).ip_ranges(IpRange::builder().cidr_ip(cidr).build()).build()
}

fn tcp(from: i32, to: i32) -> IpPermissionBuilder {
    IpPermission::builder().ip_protocol("tcp").from_port(from).to_port(to)
}
