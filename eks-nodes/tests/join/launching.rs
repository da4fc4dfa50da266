//! Instances that never come, or end before they run.

use aws_sdk_ec2::types::Filter;
use eks_core::{SubnetRef, Tier};
use eks_nodes::{Capacity, Image, WorkersSpec, WorkersSpecBuilder, join::Cause};

use crate::{
    account::{Tested, owner},
    stage::Stage,
};

const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIgQST6KVgqb/WNVOqMEECxMDpGYr5NbSY8KkdJ3h+Ie me@example.org";

/// Workers in one further private subnet.
async fn in_subnet(stage: &Stage, block: &str, zone: &str) -> Tested<(String, WorkersSpecBuilder)> {
    let ec2 = &stage.account.ec2;
    let vpc = stage.account.network.vpc.known().expect("known").to_string();
    let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(block).availability_zone(zone).send().await?;
    let id = made.subnet().and_then(|subnet| subnet.subnet_id()).expect("an id").to_owned();
    let with_nat = Filter::builder().name("route.nat-gateway-id").values("nat-*").build();
    let tables = ec2.describe_route_tables().filters(with_nat).send().await?;
    let table = tables.route_tables()[0].route_table_id().expect("an id");
    ec2.associate_route_table().route_table_id(table).subnet_id(&id).send().await?;
    let mut network = stage.account.network.clone();
    network.subnets = vec![SubnetRef { id: id.parse::<eks_core::SubnetId>()?.into(), zone: zone.parse()?, tier: Tier::Private }];
    Ok((id, WorkersSpec::builder(&owner(), "chap10-worker".parse()?, stage.account.cluster.clone(), network)))
}

#[tokio::test(start_paused = true)]
async fn the_quota_is_reached() -> Tested {
    let stage = Stage::new().await?;
    let doom = stage.doomed(stage.spec().capacity(Capacity::new(2, 40, 40)?)).await?;
    doom.is(Cause::VcpuQuota, &["Service Quotas", "L-1216C47A"]);
    assert!(doom.diagnosis.told.contains("of 40 instances"), "{}", doom.diagnosis);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn no_zone_has_room() -> Tested {
    let stage = Stage::new().await?;
    stage.account.sim.exhaust_capacity("us-east-1a");
    stage.account.sim.exhaust_capacity("us-east-1b");
    let doom = stage.doomed(stage.spec()).await?;
    doom.is(Cause::InsufficientCapacity, &["instance types", "zones"]);
    assert!(doom.diagnosis.evidence[0].contains("t3.medium capacity"), "{}", doom.diagnosis);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_full_zone_is_no_doom() -> Tested {
    let stage = Stage::new().await?;
    stage.account.sim.exhaust_capacity("us-east-1a");
    stage.apply(&stage.spec().build()?).await??;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_image_is_missing() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    stage.tampered(|data, _| data.image_id("ami-00000000000000000")).await?;
    stage.doomed_later(&spec).await?.is(Cause::ImageMissing, &["image", "SSM parameter"]);
    Ok(())
}

/// Launches that failed before are no reason to give up what is mended.
#[tokio::test(start_paused = true)]
async fn who_mends_the_image_goes_on() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    let images = |packed: &aws_sdk_ec2::operation::describe_launch_template_versions::DescribeLaunchTemplateVersionsOutput| {
        packed.launch_template_versions()[0].launch_template_data().and_then(|data| data.image_id()).expect("an image").to_owned()
    };
    let group = stage.group().await?;
    let id = group.launch_template().and_then(|template| template.launch_template_id()).expect("an id");
    let good = images(&stage.account.ec2.describe_launch_template_versions().launch_template_id(id).versions("$Latest").send().await?);
    stage.tampered(|data, _| data.image_id("ami-00000000000000000")).await?;
    stage.doomed_later(&spec).await?.is(Cause::ImageMissing, &["image"]);
    stage.tampered(|data, _| data.image_id(good)).await?;
    stage.nodes_come(spec.refs()).await??;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_image_is_of_another_architecture() -> Tested {
    let stage = Stage::new().await?;
    let arm = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/arm64/standard/recommended/image_id";
    let doom = stage.doomed(stage.spec().image(Image::Parameter(arm.to_owned()))).await?;
    doom.is(Cause::WrongArchitecture, &["x86_64", "arm64"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_key_pair_is_missing() -> Tested {
    let stage = Stage::new().await?;
    let key = aws_sdk_ec2::primitives::Blob::new(PUBLIC_KEY);
    stage.account.ec2.import_key_pair().key_name("lost").public_key_material(key).send().await?;
    let spec = stage.empty(stage.spec().key_pair("lost")).await?;
    stage.account.ec2.delete_key_pair().key_name("lost").send().await?;
    stage.doomed_later(&spec).await?.is(Cause::KeyPairMissing, &["key pair"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_subnet_is_full() -> Tested {
    let stage = Stage::new().await?;
    let (subnet, spec) = in_subnet(&stage, "10.0.9.0/28", "us-east-1a").await?;
    for _ in 0..11 {
        stage.account.ec2.create_network_interface().subnet_id(&subnet).send().await?;
    }
    stage.doomed(spec).await?.is(Cause::SubnetFull, &["free addresses"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_zone_lacks_the_type() -> Tested {
    let stage = Stage::new().await?;
    let (_, spec) = in_subnet(&stage, "10.0.9.0/24", "us-east-1e").await?;
    stage.doomed(spec).await?.is(Cause::TypeNotOffered, &["describe-instance-type-offerings"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn instances_end_at_launch() -> Tested {
    let stage = Stage::new().await?;
    stage.account.sim.lock_volume_key();
    let doom = stage.doomed(stage.spec()).await?;
    doom.is(Cause::TerminatedAtLaunch, &["KMS key"]);
    assert!(doom.diagnosis.evidence.iter().any(|line| line.contains("Client.InternalError")), "{}", doom.diagnosis);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_profile_is_gone() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    let (_, role) = stage.role().await?;
    let profiles = stage.iam.list_instance_profiles_for_role().role_name(&role).send().await?;
    let profile = profiles.instance_profiles()[0].instance_profile_name().to_owned();
    stage.iam.remove_role_from_instance_profile().instance_profile_name(&profile).role_name(&role).send().await?;
    stage.iam.delete_instance_profile().instance_profile_name(&profile).send().await?;
    crate::account::minutes(1).await;
    stage.doomed_later(&spec).await?.is(Cause::ProfileInvalid, &["instance profile", "AddRoleToInstanceProfile"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_launch_template_is_gone() -> Tested {
    let stage = Stage::new().await?;
    let spec = stage.empty(stage.spec()).await?;
    let group = stage.group().await?;
    let id = group.launch_template().and_then(|template| template.launch_template_id()).expect("an id");
    stage.account.ec2.delete_launch_template().launch_template_id(id).send().await?;
    stage.doomed_later(&spec).await?.is(Cause::LaunchTemplateInvalid, &["launch template"]);
    Ok(())
}
