//! Instances, key pairs, volumes.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    client::Waiters,
    operation::run_instances::builders::RunInstancesFluentBuilder as RunInstances,
    primitives::Blob,
    types::{InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceType, Placement, VolumeType},
};
use eks_sim::Sim;

use super::{
    IMAGE, Net, PUBLIC_KEY, off,
    table::{DONE, Table},
};

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
