//! Instances, launch templates, volumes, key pairs and the catalogue, over the wire.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    client::Waiters,
    error::ProvideErrorMetadata,
    operation::run_instances::builders::RunInstancesFluentBuilder,
    primitives::Blob,
    types::{
        AttributeBooleanValue, BlockDeviceMapping, EbsBlockDevice, Filter, IamInstanceProfileSpecification, Instance,
        InstanceNetworkInterfaceSpecification, InstanceStateName, InstanceType, LaunchTemplateBlockDeviceMappingRequest,
        LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateInstanceMetadataOptionsRequest,
        LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, LaunchTemplateSpecification, LaunchTemplateTagSpecificationRequest,
        LocationType, RequestLaunchTemplateData, ResourceType, Tag, TagSpecification, VolumeType,
    },
};
use eks_sim::Sim;

const IMAGE: &str = "ami-0123456789abcdef0";
/// A key whose private half nobody has.
const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIgQST6KVgqb/WNVOqMEECxMDpGYr5NbSY8KkdJ3h+Ie me@example.org";

fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.expect_err("must be refused").code().unwrap_or_default().to_owned()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

struct Net {
    sim: Sim,
    ec2: Client,
    vpc: String,
    gateway: String,
    public: String,
    private: String,
    group: String,
}

impl Net {
    async fn new() -> Self {
        Self::on(Sim::new()).await
    }

    async fn on(sim: Sim) -> Self {
        let ec2 = Client::new(&sim.sdk_config());
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        let mut subnets = Vec::new();
        for (cidr, zone) in [("10.0.1.0/24", "us-east-1a"), ("10.0.2.0/24", "us-east-1b")] {
            let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block(cidr).availability_zone(zone).send().await.expect("subnet");
            subnets.push(subnet.subnet.and_then(|subnet| subnet.subnet_id).expect("id"));
        }
        let [public, private] = <[String; 2]>::try_from(subnets).expect("two");
        let on = AttributeBooleanValue::builder().value(true).build();
        ec2.modify_subnet_attribute().subnet_id(&public).map_public_ip_on_launch(on).send().await.expect("public");
        let gateway = ec2.create_internet_gateway().send().await.expect("gateway").internet_gateway;
        let gateway = gateway.and_then(|gateway| gateway.internet_gateway_id).expect("id");
        ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.expect("attach");
        let group = ec2.create_security_group().group_name("g").description("g").vpc_id(&vpc).send().await.expect("group");
        let group = group.group_id.expect("id");
        Self { sim, ec2, vpc, gateway, public, private, group }
    }

    fn launch(&self, subnet: &str) -> RunInstancesFluentBuilder {
        let run = self.ec2.run_instances().image_id(IMAGE).instance_type(InstanceType::T3Nano).min_count(1).max_count(1);
        run.subnet_id(subnet).security_group_ids(&self.group)
    }

    async fn instance(&self, id: &str) -> Instance {
        let told = self.ec2.describe_instances().instance_ids(id).send().await.expect("instances");
        told.reservations()[0].instances()[0].clone()
    }

    async fn running(&self, run: RunInstancesFluentBuilder) -> Instance {
        let launched = run.send().await.expect("launch").instances()[0].clone();
        assert_eq!(launched.state.and_then(|state| state.name), Some(InstanceStateName::Pending));
        let id = launched.instance_id.expect("id");
        self.ec2.wait_until_instance_running().instance_ids(&id).wait(Duration::from_secs(600)).await.expect("running");
        self.instance(&id).await
    }

    async fn volume(&self, zone: &str) -> String {
        let volume = self.ec2.create_volume().availability_zone(zone).size(40).volume_type(VolumeType::Gp3).send().await;
        volume.expect("volume").volume_id.expect("id")
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_lives_and_is_told_for_an_hour_after() {
    let net = Net::new().await;
    let ec2 = &net.ec2;
    ec2.import_key_pair().key_name("my-key").public_key_material(Blob::new(PUBLIC_KEY)).send().await.expect("key");
    let instance = net.running(net.launch(&net.public).key_name("my-key")).await;
    let id = instance.instance_id().expect("id");
    assert_eq!(net.sim.ledger().of(id)[0].kind, "InstanceLaunch");
    let dashed = instance.private_ip_address().expect("address").replace('.', "-");
    assert_eq!(instance.private_dns_name(), Some(format!("ip-{dashed}.ec2.internal").as_str()));
    assert!(instance.public_ip_address().is_some());
    assert_eq!(instance.public_dns_name(), Some(""), "the VPC gives no host names");
    assert_eq!(instance.security_groups()[0].group_id(), Some(net.group.as_str()));
    assert_eq!(instance.network_interfaces()[0].subnet_id(), Some(net.public.as_str()));
    assert_eq!(instance.metadata_options().and_then(|options| options.http_put_response_hop_limit()), Some(2));
    assert_eq!((net.sim.inventory().count("ec2/volume"), net.sim.inventory().count("ec2/network-interface")), (1, 1));
    assert_eq!(code(ec2.delete_security_group().group_id(&net.group).send().await), "DependencyViolation");
    let detach = || ec2.detach_internet_gateway().internet_gateway_id(&net.gateway).vpc_id(&net.vpc).send();
    assert_eq!(code(detach().await), "DependencyViolation");

    let change = ec2.terminate_instances().instance_ids(id).send().await.expect("terminate").terminating_instances()[0].clone();
    assert_eq!(change.current_state.and_then(|state| state.name), Some(InstanceStateName::ShuttingDown));
    assert_eq!(code(ec2.delete_subnet().subnet_id(&net.public).send().await), "DependencyViolation");
    ec2.wait_until_instance_terminated().instance_ids(id).wait(Duration::from_secs(600)).await.expect("terminated");
    let items: Vec<_> = net.sim.inventory().items().iter().map(|item| item.kind.clone()).collect();
    assert!(!items.iter().any(|kind| ["ec2/instance", "ec2/volume", "ec2/network-interface"].contains(&kind.as_str())), "{items:?}");
    detach().await.expect("detach");
    ec2.terminate_instances().instance_ids(id).send().await.expect("once more is no error");
    net.sim.clock().sleep(Duration::from_secs(3600)).await;
    assert_eq!(code(ec2.describe_instances().instance_ids(id).send().await), "InvalidInstanceID.NotFound");
}

#[tokio::test(start_paused = true)]
async fn launches_that_are_refused() {
    let net = Net::new().await;
    let run = || net.launch(&net.private);
    assert_eq!(code(run().image_id("ami-x").send().await), "InvalidAMIID.Malformed");
    assert_eq!(code(run().image_id("ami-00000000000000000").send().await), "InvalidAMIID.NotFound");
    assert_eq!(code(run().instance_type(InstanceType::from("t9.huge")).send().await), "InvalidParameterValue");
    assert_eq!(code(run().key_name("nobody").send().await), "InvalidKeyPair.NotFound");
    assert_eq!(code(run().user_data("not base64!").send().await), "InvalidParameterValue");
    assert_eq!(code(run().subnet_id("subnet-0123456789abcdef0").send().await), "InvalidSubnetID.NotFound");
    assert_eq!(code(run().min_count(2).max_count(1).send().await), "InvalidParameterValue");
    assert_eq!(code(run().dry_run(true).send().await), "DryRunOperation");
    let profile = IamInstanceProfileSpecification::builder().name("nobody").build();
    assert_eq!(code(run().iam_instance_profile(profile).send().await), "InvalidParameterValue");
    let interface = InstanceNetworkInterfaceSpecification::builder().device_index(0).subnet_id(&net.private).build();
    assert_eq!(code(run().network_interfaces(interface).send().await), "InvalidParameterCombination");
    let small = EbsBlockDevice::builder().volume_size(8).build();
    let small = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(small).build();
    assert_eq!(code(run().block_device_mappings(small).send().await), "InvalidBlockDeviceMapping");
    let other = net.ec2.describe_security_groups().filters(filter("group-name", "default")).send().await.expect("groups");
    let other = other.security_groups().iter().find(|group| group.vpc_id() != Some(&net.vpc)).and_then(|group| group.group_id());
    assert_eq!(code(run().security_group_ids(other.expect("default VPC's")).send().await), "InvalidParameter");
    // A new account has 5 vCPUs; one t3.nano has 2.
    run().min_count(2).max_count(2).send().await.expect("4");
    assert_eq!(code(run().send().await), "VcpuLimitExceeded");
    assert_eq!(net.sim.inventory().count("ec2/instance"), 2);
    // After an increase to 64: one m5.4xlarge has 16.
    let net = Net::on(Sim::builder().standard_vcpus(64).build()).await;
    let run = || net.launch(&net.private);
    run().instance_type(InstanceType::M54xlarge).min_count(4).max_count(4).send().await.expect("64");
    assert_eq!(code(run().send().await), "VcpuLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn a_token_launches_once() {
    let net = Net::new().await;
    let run = || net.launch(&net.private).client_token("token");
    let id = run().send().await.expect("launch").instances()[0].instance_id().expect("id").to_owned();
    assert_eq!(run().send().await.expect("again").instances()[0].instance_id(), Some(id.as_str()));
    assert_eq!(code(run().max_count(2).send().await), "IdempotentParameterMismatch");
    net.ec2.terminate_instances().instance_ids(&id).send().await.expect("terminate");
    net.sim.clock().sleep(Duration::from_secs(120)).await;
    assert_eq!(code(run().send().await), "IdempotentInstanceTerminated");
}

#[tokio::test(start_paused = true)]
async fn a_launch_template_is_merged() {
    let net = Net::new().await;
    let ec2 = &net.ec2;
    let data = RequestLaunchTemplateData::builder()
        .image_id(IMAGE)
        .instance_type(InstanceType::T3Medium)
        .user_data("aGVsbG8=")
        .security_group_ids(&net.group)
        .metadata_options(
            LaunchTemplateInstanceMetadataOptionsRequest::builder()
                .http_tokens(aws_sdk_ec2::types::LaunchTemplateHttpTokensState::Required)
                .http_put_response_hop_limit(1)
                .build(),
        )
        .block_device_mappings(
            LaunchTemplateBlockDeviceMappingRequest::builder()
                .device_name("/dev/xvda")
                .ebs(LaunchTemplateEbsBlockDeviceRequest::builder().volume_size(30).volume_type(VolumeType::Gp3).build())
                .build(),
        )
        .tag_specifications(
            LaunchTemplateTagSpecificationRequest::builder()
                .resource_type(ResourceType::Instance)
                .tags(tag("Name", "template"))
                .tags(tag("kubernetes.io/cluster/chap10", "owned"))
                .build(),
        );
    let create = || ec2.create_launch_template().launch_template_name("workers").launch_template_data(data.clone().build()).send();
    let template = create().await.expect("template").launch_template.expect("template");
    let id = template.launch_template_id().expect("id");
    assert_eq!(code(create().await), "InvalidLaunchTemplateName.AlreadyExistsException");
    let bad = ec2.create_launch_template().launch_template_name("a b").launch_template_data(data.clone().build()).send().await;
    assert_eq!(code(bad), "InvalidLaunchTemplateName.MalformedException");

    let version = |version: &str| LaunchTemplateSpecification::builder().launch_template_id(id).version(version).build();
    let run = |wanted: &str| ec2.run_instances().launch_template(version(wanted)).min_count(1).max_count(1).subnet_id(&net.private);
    assert_eq!(code(run("7").send().await), "InvalidLaunchTemplateId.VersionNotFound");
    let tags = TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag("Name", "call")).build();
    let instance = net.running(run("$Latest").tag_specifications(tags)).await;
    assert_eq!(instance.instance_type(), Some(&InstanceType::T3Medium));
    let told: Vec<_> = instance.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?))).collect();
    assert_eq!(told, [("Name", "call"), ("kubernetes.io/cluster/chap10", "owned")]);
    let volume = instance.block_device_mappings()[0].ebs().and_then(|ebs| ebs.volume_id()).expect("root volume");
    assert_eq!(ec2.describe_volumes().volume_ids(volume).send().await.expect("volumes").volumes()[0].size(), Some(30));

    let interface =
        LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder().device_index(0).groups(&net.group).groups("sg-2").build();
    let changed = RequestLaunchTemplateData::builder().network_interfaces(interface).build();
    let second = ec2.create_launch_template_version().launch_template_id(id).source_version("1").launch_template_data(changed).send().await;
    assert_eq!(second.expect("version").launch_template_version.and_then(|version| version.version_number), Some(2));
    ec2.modify_launch_template().launch_template_id(id).default_version("2").send().await.expect("default");
    let told = ec2.describe_launch_template_versions().launch_template_name("workers").versions("$Default").send().await.expect("versions");
    let told = told.launch_template_versions()[0].launch_template_data().expect("data");
    assert_eq!((told.image_id(), told.user_data()), (Some(IMAGE), Some("aGVsbG8=")));
    assert_eq!(told.network_interfaces()[0].groups(), [net.group.as_str(), "sg-2"]);
    assert_eq!(told.tag_specifications()[0].tags().len(), 2);
    ec2.delete_launch_template().launch_template_id(id).send().await.expect("delete");
    assert_eq!(code(ec2.describe_launch_templates().launch_template_ids(id).send().await), "InvalidLaunchTemplateId.NotFound");
    let named = ec2.describe_launch_templates().launch_template_names("workers").send().await;
    assert_eq!(code(named), "InvalidLaunchTemplateName.NotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_attached_and_detached() {
    let net = Net::new().await;
    let ec2 = &net.ec2;
    let instance = net.running(net.launch(&net.public)).await.instance_id.expect("id");
    let volume = net.volume("us-east-1a").await;
    let attach = |volume: &str| ec2.attach_volume().volume_id(volume).instance_id(&instance).device("/dev/xvdh").send();
    assert_eq!(code(attach(&volume).await), "IncorrectState");
    ec2.wait_until_volume_available().volume_ids(&volume).wait(Duration::from_secs(600)).await.expect("available");
    for _ in 0..2 {
        attach(&volume).await.expect("attach");
        ec2.wait_until_volume_in_use().volume_ids(&volume).wait(Duration::from_secs(600)).await.expect("in use");
        assert_eq!(code(ec2.delete_volume().volume_id(&volume).send().await), "VolumeInUse");
        assert_eq!(code(attach(&volume).await), "VolumeInUse");
        let wrong = ec2.detach_volume().volume_id(&volume).instance_id("i-0123456789abcdef0").send().await;
        assert_eq!(code(wrong), "InvalidAttachment.NotFound");
        ec2.detach_volume().volume_id(&volume).send().await.expect("detach");
        ec2.wait_until_volume_available().volume_ids(&volume).wait(Duration::from_secs(600)).await.expect("available");
    }
    let far = net.volume("us-east-1b").await;
    net.sim.clock().sleep(Duration::from_secs(60)).await;
    assert_eq!(code(attach(&far).await), "InvalidVolume.ZoneMismatch");
    assert_eq!(code(ec2.create_volume().availability_zone("us-east-1q").size(1).send().await), "InvalidZone.NotFound");
    // 40 GB of gp3 twice, at 0.08 a month; the root volume has 20.
    let volumes: f64 = net.sim.inventory().items().iter().filter(|item| item.kind == "ec2/volume").map(|item| item.usd_per_month).sum();
    assert!((volumes - 0.08 * 100.0).abs() < 1e-9, "{volumes}");
    ec2.delete_volume().volume_id(&volume).send().await.expect("delete");
    assert_eq!(code(ec2.describe_volumes().volume_ids(&volume).send().await), "InvalidVolume.NotFound");
}

#[tokio::test(start_paused = true)]
async fn an_elastic_address_waits_for_its_instance() {
    let net = Net::new().await;
    let ec2 = &net.ec2;
    let address = ec2.allocate_address().send().await.expect("address");
    let allocation = address.allocation_id().expect("id");
    let id = net.launch(&net.private).send().await.expect("launch").instances()[0].instance_id().expect("id").to_owned();
    let associate = || ec2.associate_address().allocation_id(allocation).instance_id(&id).send();
    assert_eq!(code(associate().await), "IncorrectInstanceState");
    ec2.wait_until_instance_running().instance_ids(&id).wait(Duration::from_secs(600)).await.expect("running");
    let association = associate().await.expect("associate").association_id.expect("id");
    assert_eq!(net.instance(&id).await.public_ip_address(), address.public_ip());
    assert_eq!(code(ec2.release_address().allocation_id(allocation).send().await), "InvalidIPAddress.InUse");
    ec2.disassociate_address().association_id(&association).send().await.expect("disassociate");
    ec2.release_address().allocation_id(allocation).send().await.expect("release");
    assert_eq!(code(ec2.disassociate_address().association_id(association).send().await), "InvalidAssociationID.NotFound");
}

#[tokio::test(start_paused = true)]
async fn key_pairs() {
    let ec2 = Client::new(&Sim::new().sdk_config());
    let import = |material: &str| ec2.import_key_pair().key_name("my-key").public_key_material(Blob::new(material)).send();
    assert_eq!(code(import("ssh-dss AAAA").await), "InvalidKey.Format");
    import(PUBLIC_KEY).await.expect("import");
    assert_eq!(code(import(PUBLIC_KEY).await), "InvalidKeyPair.Duplicate");
    let told = ec2.describe_key_pairs().key_names("my-key").send().await.expect("keys");
    assert_eq!(told.key_pairs()[0].key_type(), Some(&aws_sdk_ec2::types::KeyType::Ed25519));
    ec2.delete_key_pair().key_name("my-key").send().await.expect("delete");
    ec2.delete_key_pair().key_name("my-key").send().await.expect("absent is no error");
    assert_eq!(code(ec2.describe_key_pairs().key_names("my-key").send().await), "InvalidKeyPair.NotFound");
}

#[tokio::test(start_paused = true)]
async fn catalogue() {
    let sim = Sim::builder().region("us-east-1").build();
    let ec2 = Client::new(&sim.sdk_config());
    let zones = ec2.describe_availability_zones().send().await.expect("zones");
    assert_eq!(zones.availability_zones().len(), 6);
    let constrained = ec2.describe_availability_zones().filters(filter("zone-id", "use1-az3")).send().await.expect("zones");
    assert_eq!(constrained.availability_zones()[0].zone_name(), Some("us-east-1e"));
    assert_eq!(ec2.describe_regions().region_names("eu-west-1").send().await.expect("regions").regions().len(), 1);
    let types = ec2.describe_instance_types().instance_types(InstanceType::T3Medium).send().await.expect("types");
    let found = &types.instance_types()[0];
    assert_eq!(found.memory_info().and_then(|memory| memory.size_in_mib()), Some(4096));
    let network = found.network_info().expect("network");
    assert_eq!((network.maximum_network_interfaces(), network.ipv4_addresses_per_interface()), (Some(3), Some(6)));
    let unknown = ec2.describe_instance_types().instance_types(InstanceType::from("t9.huge")).send().await;
    assert_eq!(code(unknown), "InvalidInstanceType");
    let offered =
        ec2.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone).filters(filter("instance-type", "m7g.*"));
    let offered = offered.send().await.expect("offerings");
    assert_eq!(offered.instance_type_offerings().len(), 10, "two types in five zones");
    let images = ec2.describe_images().image_ids(IMAGE).send().await.expect("images");
    assert_eq!(images.images()[0].root_device_name(), Some("/dev/xvda"));
    let attributes = ec2.describe_account_attributes().send().await.expect("attributes");
    assert!(attributes.account_attributes().iter().any(|attribute| attribute.attribute_name() == Some("supported-platforms")));
}
