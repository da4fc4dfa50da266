//! What may be wrong with AWS at any time, over the wire: no room, failing machines, a locked key; and what a console shows.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    error::ProvideErrorMetadata,
    types::{
        BlockDeviceMapping, EbsBlockDevice, Instance, InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceStateName,
        InstanceType, Placement, SummaryStatus,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use eks_sim::Sim;

const AL2023: &str = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id";
const BOTTLEROCKET: &str = "/aws/service/bottlerocket/aws-k8s-1.35/x86_64/latest/image_id";

async fn image(sim: &Sim, parameter: &str) -> String {
    let ssm = aws_sdk_ssm::Client::new(&sim.sdk_config());
    ssm.get_parameter().name(parameter).send().await.expect("a parameter").parameter.and_then(|found| found.value).expect("an image")
}

/// An instance after five minutes.
async fn later(sim: &Sim, ec2: &Client, id: &str) -> Instance {
    sim.clock().sleep(Duration::from_secs(300)).await;
    let told = ec2.describe_instances().instance_ids(id).send().await.expect("instances");
    told.reservations()[0].instances()[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_full_zone_has_no_room() {
    let sim = Sim::new();
    let ec2 = Client::new(&sim.sdk_config());
    sim.exhaust_capacity("us-east-1a");
    let run = |zone: &str| {
        let placement = Placement::builder().availability_zone(zone).build();
        ec2.run_instances()
            .image_id("ami-0123456789abcdef0")
            .instance_type(InstanceType::T3Small)
            .min_count(1)
            .max_count(1)
            .placement(placement)
    };
    // The SDK repeats what a server error may mend.
    let refused = run("us-east-1a").send().await.expect_err("no room");
    assert_eq!(refused.code(), Some("InsufficientInstanceCapacity"));
    assert!(refused.message().unwrap_or_default().contains("sufficient t3.small capacity"), "{refused:?}");
    run("us-east-1b").send().await.expect("room");
}

#[tokio::test(start_paused = true)]
async fn a_locked_key_ends_encrypted_instances_at_launch() {
    let sim = Sim::new();
    let ec2 = Client::new(&sim.sdk_config());
    sim.lock_volume_key();
    let run = |encrypted: bool| {
        let ebs = EbsBlockDevice::builder().encrypted(encrypted).volume_size(20).build();
        let disk = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(ebs).build();
        ec2.run_instances()
            .image_id("ami-0123456789abcdef0")
            .instance_type(InstanceType::T3Small)
            .min_count(1)
            .max_count(1)
            .block_device_mappings(disk)
    };
    let state = |instance: &Instance| instance.state().and_then(|state| state.name()).cloned();
    for (encrypted, expected) in [(false, InstanceStateName::Running), (true, InstanceStateName::Terminated)] {
        let id = run(encrypted).send().await.expect("accepted").instances()[0].instance_id().expect("an id").to_owned();
        let instance = later(&sim, &ec2, &id).await;
        assert_eq!(state(&instance), Some(expected));
        let reason = instance.state_reason().and_then(|reason| reason.code());
        assert_eq!(reason, encrypted.then_some("Client.InternalError"));
    }
}

#[tokio::test(start_paused = true)]
async fn failing_machines_fail_their_checks() {
    let sim = Sim::new();
    let ec2 = Client::new(&sim.sdk_config());
    sim.impair_zone("us-east-1a");
    for (zone, expected) in [("us-east-1a", SummaryStatus::Impaired), ("us-east-1b", SummaryStatus::Ok)] {
        let placement = Placement::builder().availability_zone(zone).build();
        let run = ec2.run_instances().image_id("ami-0123456789abcdef0").instance_type(InstanceType::T3Small).min_count(1).max_count(1);
        let id = run.placement(placement).send().await.expect("run").instances()[0].instance_id().expect("an id").to_owned();
        later(&sim, &ec2, &id).await;
        let told = ec2.describe_instance_status().instance_ids(&id).send().await.expect("statuses");
        assert_eq!(told.instance_statuses()[0].system_status().and_then(|summary| summary.status()), Some(&expected), "{zone}");
    }
}

/// amazon-eks-ami, issue 2426, shows the console of a node of Amazon Linux 2023 with user data of Amazon Linux 2.
#[tokio::test(start_paused = true)]
async fn consoles_show_units_that_failed_and_scripts_but_no_daemons_log() {
    let sim = Sim::builder().standard_vcpus(64).build();
    let ec2 = Client::new(&sim.sdk_config());
    let config = "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: c\n    apiServerEndpoint: https://host\n    certificateAuthority: Q0E=\n    cidr: 172.20.0.0/16\n";
    for (parameter, user_data, imds, shown, hidden) in [
        (
            AL2023,
            "#!/bin/bash\n/etc/eks/bootstrap.sh c\n",
            true,
            "ERROR: bootstrap.sh has been removed from AL2023-based EKS AMIs.",
            "NodeConfig",
        ),
        (AL2023, config, false, "[FAILED] Failed to start nodeadm-config.service - EKS Nodeadm Config.", "ec2imds"),
        (BOTTLEROCKET, config, true, "", "NodeConfig"),
        (
            BOTTLEROCKET,
            "[settings.kubernetes]\n",
            true,
            "[FAILED] Failed to start Bottlerocket userdata configuration system.",
            "cluster-name",
        ),
    ] {
        let endpoint = if imds { InstanceMetadataEndpointState::Enabled } else { InstanceMetadataEndpointState::Disabled };
        let options = InstanceMetadataOptionsRequest::builder().http_endpoint(endpoint).build();
        let run = ec2.run_instances().image_id(image(&sim, parameter).await).instance_type(InstanceType::T3Small).min_count(1).max_count(1);
        let run = run.user_data(STANDARD.encode(user_data)).metadata_options(options);
        let id = run.send().await.expect("run").instances()[0].instance_id().expect("an id").to_owned();
        later(&sim, &ec2, &id).await;
        let told = ec2.get_console_output().instance_id(&id).latest(true).send().await.expect("a console");
        let text = String::from_utf8(STANDARD.decode(told.output().unwrap_or_default()).expect("base64")).expect("text");
        assert!(text.contains(shown), "{parameter} {user_data}: {text}");
        assert!(!text.contains(hidden), "{parameter} {user_data}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn images_have_their_makers_names() {
    let sim = Sim::new();
    let ec2 = Client::new(&sim.sdk_config());
    for (parameter, name) in
        [(AL2023, "amazon-eks-node-al2023-x86_64-standard-1.35-v"), (BOTTLEROCKET, "bottlerocket-aws-k8s-1.35-x86_64-v")]
    {
        let told = ec2.describe_images().image_ids(image(&sim, parameter).await).send().await.expect("images");
        assert!(told.images()[0].name().is_some_and(|told| told.starts_with(name)), "{:?}", told.images()[0].name());
    }
}
