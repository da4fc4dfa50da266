//! Where EC2 looks at other services: instance profiles of IAM, images that public parameters name.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    error::ProvideErrorMetadata,
    types::{ArchitectureValues, IamInstanceProfileSpecification, InstanceType},
};
use eks_sim::Sim;

const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

#[tokio::test(start_paused = true)]
async fn a_new_profile_is_invalid_for_a_while() {
    let sim = Sim::new();
    let (ec2, iam) = (Client::new(&sim.sdk_config()), aws_sdk_iam::Client::new(&sim.sdk_config()));
    iam.create_role().role_name("node").assume_role_policy_document(TRUST).send().await.expect("role");
    iam.create_instance_profile().instance_profile_name("node").send().await.expect("profile");
    iam.add_role_to_instance_profile().instance_profile_name("node").role_name("node").send().await.expect("add");
    let run = || {
        let profile = IamInstanceProfileSpecification::builder().name("node").build();
        let run = ec2.run_instances().image_id("ami-0123456789abcdef0").instance_type(InstanceType::T3Small);
        run.min_count(1).max_count(1).iam_instance_profile(profile).send()
    };
    let early = run().await.expect_err("not seen yet");
    assert_eq!(early.code(), Some("InvalidParameterValue"));
    assert!(early.message().unwrap_or_default().ends_with("Invalid IAM Instance Profile name"), "{early:?}");
    sim.clock().sleep(Duration::from_secs(30)).await;
    let launched = run().await.expect("seen now").instances()[0].clone();
    let arn = launched.iam_instance_profile.and_then(|profile| profile.arn);
    assert_eq!(arn.as_deref(), Some("arn:aws:iam::123456789012:instance-profile/node"));
}

#[tokio::test(start_paused = true)]
async fn an_image_and_a_type_have_one_architecture() {
    let sim = Sim::new();
    let (ec2, ssm) = (Client::new(&sim.sdk_config()), aws_sdk_ssm::Client::new(&sim.sdk_config()));
    let name = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/arm64/standard/recommended/image_id";
    let image = ssm.get_parameter().name(name).send().await.expect("parameter").parameter.and_then(|found| found.value).expect("id");
    let told = ec2.describe_images().image_ids(&image).send().await.expect("images").images()[0].clone();
    assert_eq!(told.architecture(), Some(&ArchitectureValues::Arm64));
    let run = |kind: InstanceType| ec2.run_instances().image_id(&image).instance_type(kind).min_count(1).max_count(1).send();
    assert_eq!(run(InstanceType::T3Medium).await.expect_err("x86_64").code(), Some("InvalidParameterValue"));
    let id = run(InstanceType::T4gMedium).await.expect("arm64").instances()[0].instance_id().expect("id").to_owned();
    assert_eq!(ec2.get_console_output().instance_id(id).send().await.expect("console").output(), None, "nothing was said yet");
}
