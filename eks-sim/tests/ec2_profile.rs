//! Instances and IAM: a new instance profile is seen late, and the VPC's groups and endings are EC2's.

use std::time::Duration;

use aws_sdk_ec2::{Client, error::ProvideErrorMetadata, types::IamInstanceProfileSpecification};
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
        let run = ec2.run_instances().image_id("ami-0123456789abcdef0").instance_type(aws_sdk_ec2::types::InstanceType::T3Small);
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
